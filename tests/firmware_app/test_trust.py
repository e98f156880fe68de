# SPDX-License-Identifier: MIT
"""Who may do what: bonds, the pairing window, keys."""

from __future__ import annotations

import asyncio

import pytest
from bleak.exc import BleakError, BleakGATTProtocolError

from tenuto.errors import LinkError, LinkReason, RefusedError
from tenuto.links.uuids import INBOX_UUID, INFO_UUID, OUTBOX_UUID
from tenuto.sessions.commands import Verb
from tenuto.simulator import VirtualPerson
from tenuto.state.keys import KeyStore
from tenuto.wearables.pairing import Forgotten, Target, forget, pair_over_air
from tenuto_core import auth, vocab, wire
from tests.firmware_app.rig import (
    ALERT,
    HEART_RATE,
    LOCATION,
    keys_with,
    plan,
    room,
    start,
    until,
)

HELLO = wire.encode(wire.HELLO, 1)


async def test_without_a_bond_no_characteristic_says_or_does_anything() -> None:
    async with room(person=VirtualPerson()) as it:
        client = await it.stranger()
        for uuid in (INFO_UUID, LOCATION):
            with pytest.raises(BleakGATTProtocolError) as refused:
                await client.read_gatt_char(uuid)
            assert refused.value.code in (0x05, 0x0F)
        for uuid in (HEART_RATE, OUTBOX_UUID):
            with pytest.raises(BleakGATTProtocolError) as refused:
                await client.start_notify(uuid, lambda _c, _d: None)
            assert refused.value.code in (0x05, 0x0F)
        for uuid, data in ((INBOX_UUID, HELLO), (ALERT, b"\x02")):
            await client.write_gatt_char(uuid, data, response=False)
        await asyncio.sleep(3)
        assert it.worn.motor.edges == []
        assert it.band.log.next == 1


async def test_a_stranger_that_does_not_encrypt_is_sent_away() -> None:
    async with room() as it:
        client = await it.stranger()
        await until(lambda: not client.is_connected, 12)
        # And the band is there for others again.
        await it.pair()


@pytest.mark.parametrize("flavour", ["nrf52840", "esp32s3"])
async def test_a_bond_made_outside_of_the_window_is_worth_nothing(flavour: str) -> None:
    """The stack bonds with anybody at any time; the band must not care."""
    async with room(flavour=flavour, person=VirtualPerson()) as it:
        client = await it.stranger()
        await client.pair()
        heard: list[bytes] = []
        rates: list[bytes] = []
        await client.start_notify(OUTBOX_UUID, lambda _, data: heard.append(bytes(data)))
        await client.start_notify(HEART_RATE, lambda _, data: rates.append(bytes(data)))
        compiled = plan()
        for frame in (
            HELLO,
            wire.encode(wire.STATE, 2),
            wire.encode(wire.UPLOAD_BEGIN, 3, compiled.plan_id, len(compiled.data), 0),
            wire.encode(wire.LOG_READ, 4, 0),
            wire.encode(wire.KEY_SET, 5, bytes(16)),
            wire.encode(wire.COMMAND, 6, vocab.START, 1, compiled.plan_id, 0),
        ):
            await client.write_gatt_char(INBOX_UUID, frame, response=False)
            await asyncio.sleep(0.2)
        for level in (b"\x01", b"\x02"):
            await client.write_gatt_char(ALERT, level, response=False)
        await asyncio.sleep(5)
        answers = [wire.decode(f) for packet in heard for f in wire.split(packet)]
        assert [op for op, *_ in answers] == [
            wire.HELLO | wire.ANSWER,
            *[wire.NOT_UNDERSTOOD] * 3,
            wire.KEY_SET | wire.ANSWER,
            wire.NOT_UNDERSTOOD,
        ]
        assert {values[0] for op, _, values, _ in answers if op == wire.NOT_UNDERSTOOD} == {
            vocab.NOT_PROVEN
        }
        assert answers[4][2][0] == vocab.NOT_OPEN
        assert answers[0][2][6] & wire.FEATURE_LOCKED
        assert rates == []
        assert it.worn.motor.edges == []
        await until(lambda: not client.is_connected, 25)
        # The bond is there now, and still worth nothing.
        await client.connect()
        await client.pair()
        await client.write_gatt_char(ALERT, b"\x01", response=False)
        await asyncio.sleep(2)
        assert it.worn.motor.edges == []
        assert rates == []
        assert it.blocked == []


async def test_a_key_of_several_hosts_lets_all_of_them_in_after_one_gesture() -> None:
    """The band is paired with one host; the other one has never met it, and has no bond either."""
    async with room() as it:
        shared = b"k" * auth.KEY_BYTES
        it.keys = KeyStore(None, shared)
        first = await it.pair()
        assert it.key == shared
        await first.disconnect()

        other = it.host(keys=KeyStore(None, shared).of("band"))
        await other.connect(lambda: None)
        await start(other, plan())
        await until(lambda: it.worn.motor.edges)
        await other.disconnect()

        with pytest.raises(LinkError) as refused:
            await it.host(keys=KeyStore(None, b"x" * auth.KEY_BYTES).of("band")).connect(
                lambda: None
            )
        assert refused.value.reason is LinkReason.NOT_PAIRED


async def test_the_gesture_lets_a_host_in_and_is_felt() -> None:
    async with room() as it:
        it.gesture()
        await asyncio.sleep(3)
        # The menu says that there is no plan, then the window opens: long, short, long.
        assert it.pulses()[-3:] == [(100, 400), (100, 150), (100, 400)]
        before = len(it.worn.motor.edges)
        host = it.host()
        await host.connect(lambda: None)
        await asyncio.sleep(1)
        assert it.pulses(before) == [(100, 150), (100, 150)]
        await start(host, plan())
        await until(lambda: it.band.player.number == 1)
        assert it.blocked == []


async def test_the_window_closes_after_a_minute() -> None:
    async with room() as it:
        it.gesture()
        await asyncio.sleep(62)
        assert it.pulses()[-1] == (60, 300)
        client = it.host()
        with pytest.raises(LinkError) as refused:
            await client.connect(lambda: None)
        assert refused.value.reason is LinkReason.NOT_PAIRED
        assert it.key is None


async def test_in_the_window_any_bonded_program_may_read_the_heart_rate() -> None:
    async with room(person=VirtualPerson()) as it:
        it.gesture()
        await asyncio.sleep(3)
        client = await it.stranger()
        await client.pair()
        rates: list[bytes] = []
        await client.start_notify(HEART_RATE, lambda _, data: rates.append(bytes(data)))
        await asyncio.sleep(5)
        flags, bpm = rates[-1][:2]
        assert flags == 0x04 | 0x02 | 0x10
        assert 40 < bpm < 200
        assert len(rates[-1]) in (4, 6, 8)
        before = len(it.worn.motor.edges)
        await client.write_gatt_char(ALERT, b"\x01", response=False)
        await asyncio.sleep(1)
        assert it.pulses(before) == [(100, 150)]
        # Also after the window, for as long as it stays; then no more.
        await asyncio.sleep(70)
        assert client.is_connected
        await client.disconnect()
        await client.connect()
        await client.pair()
        count = len(rates)
        await asyncio.sleep(5)
        assert len(rates) == count


async def test_who_pairs_may_make_the_gesture_when_asked_and_needs_one_only() -> None:
    async with room() as it:
        loop, shown = asyncio.get_running_loop(), list[str]()
        loop.call_later(40, it.gesture)
        target = Target(it.worn.address)
        paired = await pair_over_air(target, it.adapter, it.keys, shown.append)
        assert paired.is_new
        assert len(shown) == 1
        assert "long, short, long" in shown[0]
        assert it.key is not None
        await asyncio.sleep(61)
        again = await pair_over_air(target, it.adapter, it.keys, shown.append)
        assert not again.is_new
        assert len(shown) == 1

        # Nobody presses anything: it ends, and this host has no key.
        assert await forget(target, it.adapter, it.keys) == Forgotten(bond=True, key=True)
        began_s = loop.time()
        with pytest.raises(LinkError) as refused:
            await pair_over_air(target, it.adapter, it.keys, shown.append)
        assert refused.value.reason is LinkReason.NOT_PAIRED
        assert loop.time() - began_s < 150
        assert it.key is None


async def test_a_host_that_was_let_in_comes_back_by_its_key() -> None:
    async with room() as it:
        host = await it.pair()
        await host.disconnect()
        await asyncio.sleep(90)
        again = it.host()
        await again.connect(lambda: None)
        assert (await again.status()).state == "idle"
        await again.disconnect()
        await asyncio.sleep(1)
        await it.worn.reset()
        await again.connect(lambda: None)
        assert (await again.stats()).keys == 1


async def test_a_wrong_key_does_not_open_and_is_not_tried_for_ever() -> None:
    async with room() as it:
        await (await it.pair()).disconnect()
        await asyncio.sleep(70)
        impostor = it.host(keys=keys_with(bytes(16)))
        with pytest.raises(LinkError) as refused:
            await impostor.connect(lambda: None)
        assert refused.value.reason is LinkReason.NOT_PAIRED


async def test_a_key_by_cable_ends_what_came_over_the_air() -> None:
    async with room() as it:
        host = await it.pair()
        old = it.key
        assert old is not None
        await host.disconnect()
        await it.pair_by_cable()
        assert it.key != old
        # The window takes no key over the air any more, and the old one is gone.
        it.gesture()
        await asyncio.sleep(3)
        for keys in (keys_with(old), KeyStore(None).of("band")):
            with pytest.raises(LinkError, match="by cable only") as refused:
                await it.host(keys=keys).connect(lambda: None)
            assert refused.value.reason is LinkReason.REFUSED
        await asyncio.sleep(25)
        host = it.host()
        await host.connect(lambda: None)
        assert not host.is_new
        await start(host, plan())
        assert (await host.stats()).keys == 1


async def test_a_proof_that_was_overheard_is_worth_nothing() -> None:
    async with room() as it:
        host = await it.pair()
        key = it.key
        assert key is not None
        await host.disconnect()
        await asyncio.sleep(70)
        client = await it.stranger()
        await client.pair()
        heard: list[bytes] = []
        await client.start_notify(OUTBOX_UUID, lambda _, data: heard.append(bytes(data)))

        async def ask(frame: bytes) -> tuple[object, ...]:
            heard.clear()
            await client.write_gatt_char(INBOX_UUID, frame, response=False)
            await until(lambda: heard, 5, 0.05)
            return wire.decode(wire.split(heard[0])[0])[2]

        from tenuto.wearables.band import _digest

        mine = bytes(16)
        challenge = wire.encode(wire.CHALLENGE, 1, auth.key_id(_digest, key), mine)
        nonces = []
        proof = b""
        for _ in range(3):
            status, nonce = await ask(challenge)
            assert status == vocab.OK
            assert isinstance(nonce, bytes)
            nonces.append(nonce)
            proof = proof or auth.host_proof(_digest, key, mine, nonce)
            if len(nonces) > 1:
                status, own = await ask(wire.encode(wire.PROOF, 2, proof))
                assert (status, own) == (vocab.NOT_PROVEN, bytes(32))
        assert len(set(nonces)) == 3
        assert (await ask(wire.encode(wire.STATE, 3)))[0] == vocab.NOT_PROVEN


async def test_a_band_that_cannot_prove_the_key_is_not_believed() -> None:
    async with room() as it:
        await (await it.pair()).disconnect()
        await asyncio.sleep(1)
        own = it.worn.board.load("tenuto_core.auth")
        real = own.__dict__["band_proof"]
        own.__dict__["band_proof"] = lambda *_: bytes(32)
        with pytest.raises(LinkError) as refused:
            await it.host().connect(lambda: None)
        own.__dict__["band_proof"] = real
        assert refused.value.reason is LinkReason.UNPROVEN


async def test_a_second_central_is_sent_away() -> None:
    async with room() as it:
        host = await it.pair()
        stranger = await it.world.adapter("second")
        from tests.simulator.rig import client_of

        with pytest.raises((BleakError, TimeoutError)):
            await client_of(stranger, it.worn, timeout=3).connect()
        assert (await host.status()).state == "idle"


async def test_the_pairing_gesture_means_skip_and_stop_in_a_session() -> None:
    async with room() as it:
        host = await it.pair()
        await asyncio.sleep(61)
        await start(host, plan())
        await asyncio.sleep(8)
        it.gesture()
        await asyncio.sleep(2)
        assert not it.band.is_playing
        assert not it.band.is_pairing(it.worn.board.ticks_ms())


async def test_a_command_needs_trust_even_where_the_plan_is_known() -> None:
    async with room() as it:
        host = await it.pair()
        compiled = plan()
        await host.upload(compiled.plan_id, compiled.data)
        # Somebody else's cable: whatever came over the air is void at once.
        await it.pair_by_cable(KeyStore(None).of("other"))
        with pytest.raises(RefusedError) as refused:
            await host.command(Verb.START, compiled.plan_id)
        assert refused.value.reason == "not_proven"
        assert not it.band.is_playing
