# SPDX-License-Identifier: MIT
"""Keys by cable: how they come, who keeps them, and what a cable that is pulled leaves behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.errors import LinkError, LinkReason, RefusedError
from tenuto.links.serial import SerialLink
from tenuto.sessions.commands import Verb
from tenuto.state.keys import KeyStore
from tenuto.wearables.band import BandDriver
from tests.firmware_app.rig import follow, key_in, keys_with, plan, room, start, until

if TYPE_CHECKING:
    from tenuto.simulator.usb import UsbCable
    from tests.firmware_app.rig import Room

WRITES_MAX = 12
"""More packets than it takes to hand over a key."""


async def test_a_key_by_cable_is_good_over_the_air_at_once_and_needs_no_gesture() -> None:
    async with room() as it:
        await it.pair_by_cable()
        host = it.host()
        identity = await host.connect(lambda: None)
        assert not host.is_new
        assert identity.address == it.worn.address
        await start(host, plan())
        await until(lambda: it.worn.motor.edges)
        assert it.blocked == []
        await host.disconnect()
        await it.worn.reset()
        await host.connect(lambda: None)
        assert (await host.stats()).keys == 1


async def test_who_has_a_cable_needs_no_key_and_gets_none_unasked() -> None:
    async with room() as it:
        await it.pair_by_cable(KeyStore(None).of("another host"))
        host = it.cabled(keys=it.keys.of("band"))
        await host.connect(lambda: None)
        await start(host, plan())
        await until(lambda: it.band.is_playing)
        await host.disconnect()
        assert it.key is None
        assert it.band.keyring is not None
        assert it.band.keyring.count == 1


async def test_hosts_with_a_key_each_by_cable_leave_each_other_in() -> None:
    async with room() as it:
        stores = [KeyStore(None), KeyStore(None)]
        for _ in range(5):  # more often than there is room for keys
            for store in stores:
                await it.pair_by_cable(store.of("band"))
        assert key_in(stores[0], it.worn) != key_in(stores[1], it.worn)
        for store in stores:
            host = it.host(keys=store.of("band"))
            await host.connect(lambda: None)
            assert (await host.stats()).keys == 2
            await host.disconnect()
            await asyncio.sleep(2)


async def test_a_key_that_comes_while_a_session_plays_disturbs_no_cue() -> None:
    async def felt(*, with_cable: bool) -> list[tuple[int, int]]:
        async with room() as it:
            host = await it.pair()
            await asyncio.sleep(61)
            first = len(it.worn.motor.edges)
            await start(host, plan())
            await until(lambda: it.band.player.number == 1)
            for _ in range(3 if with_cable else 0):
                await it.pair_by_cable()
                await asyncio.sleep(0.7)
            await until(lambda: not it.band.is_playing)
            return it.pulses(first)

    assert await felt(with_cable=True) == await felt(with_cable=False)


async def test_a_computer_that_was_lost_is_not_obeyed_any_more() -> None:
    async with room() as it:
        of_lost = KeyStore(None).of("the lost one")
        await it.pair_by_cable(of_lost)
        lost = it.host(keys=of_lost)
        await lost.connect(lambda: None)
        compiled = plan()
        await lost.upload(compiled.plan_id, compiled.data)

        await it.pair_by_cable(only=True)

        with pytest.raises(RefusedError) as refused:
            await lost.command(Verb.START, compiled.plan_id)
        assert refused.value.reason == "not_proven"
        await lost.disconnect()
        for _ in range(2):  # and once more after a reset
            with pytest.raises(LinkError, match="does not know its key"):
                await it.host(keys=of_lost).connect(lambda: None)
            host = it.host()
            await host.connect(lambda: None)
            assert (await host.stats()).keys == 1
            await host.disconnect()
            await it.worn.reset()


async def test_a_stolen_bond_without_the_key_does_nothing() -> None:
    """The thief has this host's radio and its bonds, and knows the key that went over the air."""
    async with room() as it:
        host = await it.pair()
        overheard = it.key
        assert overheard is not None
        await host.upload(plan().plan_id, plan().data)
        await host.disconnect()
        await it.pair_by_cable()
        for keys in (None, keys_with(overheard)):
            thief = it.host(keys=keys)
            with pytest.raises(LinkError, match="by cable only"):
                await thief.connect(lambda: None)
        it.gesture()
        await asyncio.sleep(5)
        edges = len(it.worn.motor.edges)
        with pytest.raises(LinkError, match="by cable only"):
            await it.host(keys=keys_with(overheard)).connect(lambda: None)
        await asyncio.sleep(50)
        assert it.pulses(edges) in ([], [(60, 300)]), "the end of the window, and no more"
        assert not it.band.is_playing


async def test_who_is_let_in_over_the_air_is_out_when_the_key_comes_by_cable() -> None:
    async with room() as it:
        thief = await it.pair()
        records = await follow(thief)
        compiled = plan()
        await thief.upload(compiled.plan_id, compiled.data)
        await it.pair_by_cable(KeyStore(None).of("the owner"))
        count = len(records)
        with pytest.raises(RefusedError) as refused:
            await thief.command(Verb.START, compiled.plan_id)
        assert refused.value.reason == "not_proven"
        await asyncio.sleep(25)
        with pytest.raises(LinkError):
            await thief.status()
        assert len(records) == count
        assert not it.band.is_playing


async def test_an_impostor_at_the_bands_address_cannot_have_a_key_by_cable_replaced() -> None:
    """It says that it lets everybody in, and knows no key; or the band has lost its memory."""
    async with room() as it:
        await it.pair_by_cable()
        key = it.key
        it.worn.board.nvm[:] = b"\xff" * len(it.worn.board.nvm)
        await it.worn.reset()
        it.gesture()
        await asyncio.sleep(3)
        with pytest.raises(LinkError, match="forget") as refused:
            await it.host().connect(lambda: None)
        assert refused.value.reason is LinkReason.UNPROVEN
        assert it.key == key
        await asyncio.sleep(60)
        # Once it is forgotten here, a gesture does again; and so does a cable without that.
        assert it.keys.forget("band")
        it.gesture()
        await asyncio.sleep(3)
        host = it.host()
        await host.connect(lambda: None)
        assert host.is_new
        assert it.key not in (None, key)


class Pulled:
    """A cable that is pulled when so many packets have been written.

    is_last_heard: whether the band still gets the last of them; its answer is lost in any case.
    """

    def __init__(self, cable: UsbCable, writes: int, *, is_last_heard: bool) -> None:
        self._cable = cable
        self._left = writes
        self._is_last_heard = is_last_heard
        self._inner: Any = None

    async def open(self) -> tuple[asyncio.StreamReader, Any]:
        reader, self._inner = await self._cable.open()
        return reader, self

    def write(self, data: bytes) -> None:
        self._left -= 1
        if self._left > 0:
            self._inner.write(data)
            return
        if not self._is_last_heard:
            self._cable.unplug()
            return
        self._inner.write(data)
        reader, self._cable._reader = self._cable._reader, None
        if reader is not None:
            reader.feed_eof()
        asyncio.get_running_loop().call_later(1, self._cable.unplug)

    async def drain(self) -> None:
        pass

    def close(self) -> None:
        pass

    async def wait_closed(self) -> None:
        pass

    def give_up(self) -> None:
        pass


async def pull(it: Room, writes: int, *, is_last_heard: bool) -> bool:
    """Hand over a key by a cable that is pulled meanwhile; returns whether it came to that."""
    pulled = Pulled(it.worn.cable, writes, is_last_heard=is_last_heard)
    link = SerialLink("cable", pulled.open)
    host = BandDriver(link, keys=it.keys.of("band"), by_cable=True, by_hand=True)
    try:
        await host.connect(lambda: None)
        await host.provision()
    except LinkError:
        was_cut = True
    else:
        was_cut = False
    await host.disconnect()
    it.worn.cable.unplug()
    await asyncio.sleep(3)
    return was_cut


@pytest.mark.slow
@pytest.mark.parametrize("is_last_heard", [False, True])
@pytest.mark.parametrize("before", ["nothing", "air", "cable"])
async def test_a_cable_that_is_pulled_leaves_the_old_key_or_the_new_one(
    before: str, is_last_heard: bool
) -> None:
    async def scenario(writes: int) -> tuple[bool, bool]:
        async with room() as it:
            if before == "air":
                await (await it.pair()).disconnect()
            elif before == "cable":
                await it.pair_by_cable()
            await asyncio.sleep(5)
            old = it.key

            was_cut = await pull(it, writes, is_last_heard=is_last_heard)

            host = it.host()
            if old is None and it.band.keyring is not None and not it.band.keyring.count:
                it.gesture()  # as if nothing had been
                await asyncio.sleep(3)
            await host.connect(lambda: None)
            has_new = it.key != old and not host.is_new
            await start(host, plan())
            await until(lambda: it.band.is_playing)
            await host.disconnect()
            # And once more, undisturbed.
            await it.pair_by_cable()
            await asyncio.sleep(2)
            await host.connect(lambda: None)
            assert (await host.stats()).keys == 1
            return was_cut, has_new

    seen = []

    seen.extend([await scenario(writes) for writes in range(1, WRITES_MAX + 1)])
    assert [cut for cut, _ in seen] == sorted([cut for cut, _ in seen], reverse=True)
    assert seen[0] == (True, False)
    assert seen[-1] == (False, True)
    assert (True, True) in seen or not is_last_heard, "the band took it, and the answer was lost"
