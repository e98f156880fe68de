# SPDX-License-Identifier: MIT
"""A bond that is lost where the host has a key: only a person has it made anew."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import LinkError, LinkReason
from tenuto.state.keys import KeyStore
from tenuto.wearables.pairing import Target, forget, pair_over_air
from tests.firmware_app.rig import plan, room, start, until

if TYPE_CHECKING:
    from tests.firmware_app.rig import Room


async def refused(it: Room) -> LinkError:
    with pytest.raises(LinkError) as caught:
        await it.host().connect(lambda: None)
    return caught.value


@pytest.mark.parametrize("who", ["band", "host"])
async def test_a_lost_bond_is_made_anew_by_a_person_alone(who: str) -> None:
    async with room() as it:
        await (await it.pair()).disconnect()
        key = it.key
        await asyncio.sleep(65)
        if who == "band":
            it.worn.board.flash.erase_bonds()
        else:
            assert it.radio.device.keystore is not None
            await it.radio.device.keystore.delete_all()

        for _ in range(2):
            error = await refused(it)
            assert error.reason is LinkReason.BOND_LOST
            assert f"tenuto pair {it.worn.address}" in str(error)
        assert len(it.worn.board.flash.all_keys) == (0 if who == "band" else 1)

        shown: list[str] = []
        paired = await pair_over_air(Target(it.worn.address), it.adapter, it.keys, shown.append)
        assert not paired.is_new, "it has proven the key that it had"
        assert shown == [], "nobody has to press anything for that"
        assert it.key == key
        host = it.host()
        await host.connect(lambda: None)
        await start(host, plan())
        await until(lambda: it.band.is_playing)


async def test_a_link_that_the_device_wants_unencrypted_carries_nothing() -> None:
    """Such a device may pass all on to the band, the proofs too, and would hear what follows."""
    async with room() as it:
        await (await it.pair()).disconnect()
        await asyncio.sleep(1)
        it.worn.board.flash.erase_bonds()
        radio, came = it.worn.app.ble._radio, list[bytes]()
        for part in (radio.info, radio.inbox._characteristic, radio.outbox._characteristic):
            part.read_perm = part.write_perm = 0x11  # open
        radio.inbox._on_incoming = lambda _connection, data: came.append(data)

        assert (await refused(it)).reason is LinkReason.BOND_LOST
        assert came == []


async def test_the_first_bond_of_a_key_by_cable_needs_nobody_and_the_next_one_does() -> None:
    async with room() as it:
        await it.pair_by_cable()
        host = it.host()
        await host.connect(lambda: None)
        await host.disconnect()
        await asyncio.sleep(2)
        it.worn.board.flash.erase_bonds()

        assert (await refused(it)).reason is LinkReason.BOND_LOST


async def test_a_band_that_has_lost_all_is_taken_up_once_it_is_forgotten() -> None:
    async with room() as it:
        await (await it.pair()).disconnect()
        key = it.key
        await asyncio.sleep(65)
        it.worn.board.nvm[:] = b"\xff" * len(it.worn.board.nvm)
        it.worn.board.flash.erase_bonds()
        await it.worn.reset()
        target = Target(it.worn.address)

        # Also while its wearer lets everybody in, and a person pairs.
        it.gesture()
        await asyncio.sleep(3)
        with pytest.raises(LinkError, match="tenuto forget") as caught:
            await pair_over_air(target, it.adapter, it.keys, lambda _: None)
        assert caught.value.reason is LinkReason.UNPROVEN
        assert it.key == key

        await forget(target, it.adapter, it.keys)
        paired = await pair_over_air(target, it.adapter, it.keys, lambda _: None)
        assert paired.is_new
        assert it.key not in (None, key)


async def test_a_band_on_a_cable_that_has_lost_its_key_gets_another_by_a_person_alone() -> None:
    async with room() as it:
        await it.pair_by_cable()
        key = it.key
        host = it.cabled(keys=it.keys.of("band"))
        await host.connect(lambda: None)
        await host.disconnect()
        # Another computer has it to itself now.
        await it.pair_by_cable(KeyStore(None).of("another host"), only=True)

        with pytest.raises(LinkError, match="tenuto pair --cable") as caught:
            await it.cabled(keys=it.keys.of("band")).connect(lambda: None)
        assert caught.value.reason is LinkReason.UNPROVEN
        assert it.key == key

        await it.pair_by_cable()
        await host.connect(lambda: None)
        assert it.key != key
