# SPDX-License-Identifier: MIT
"""The application on both ports: advertising, links, plans that are kept, resets, sleep."""

from __future__ import annotations

import asyncio
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.errors import LinkError, LinkReason, RefusedError
from tenuto.links.serial import SerialLink
from tenuto.sessions.commands import Verb
from tenuto.simulator import VirtualPerson
from tenuto.simulator.usb import HELD_BYTES_MAX, UsbCable
from tenuto.wearables.band import BandDriver
from tenuto_core import vocab
from tenuto_core.player import STATES
from tests.daemon.rig import UTC_MS
from tests.firmware_app.rig import (
    LIBRARY,
    Room,
    follow,
    plan,
    room,
    start,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TENUTO = "c6a10000-7f2d-4f0e-9d5b-2a4e7e6b1f10"
FLAVOURS = pytest.mark.parametrize("flavour", ["nrf52840", "esp32s3"])


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The parts of advertising data (Core 5.4, Vol 3, Part C, 11)."""
    while data and data[0]:
        yield data[1], data[2 : 1 + data[0]]
        data = data[1 + data[0] :]


def heard(it: Room) -> list[tuple[float, bytes, bytes]]:
    """What goes over the air from now on: (s, advertising data, scan response)."""
    loop, radio = asyncio.get_running_loop(), it.world.radio
    found: list[tuple[float, bytes, bytes]] = []
    send = radio.send_advertising_pdu

    def listen(sender: Any, packet: Any) -> None:
        if hasattr(packet, "data"):
            found.append((loop.time(), bytes(packet.data), bytes(packet.scan_response)))
        send(sender, packet)

    radio.send_advertising_pdu = listen  # type: ignore[assignment, method-assign]
    return found


# --- on the air


async def test_the_advertisement_names_both_services_within_31_and_31_bytes() -> None:
    async with room() as it:
        found = heard(it)
        await asyncio.sleep(1)
        _, data, response = found[-1]
        assert len(data) <= 31
        assert len(response) <= 31
        parts = dict(fields(data))
        assert parts[0x02] == struct.pack("<H", 0x180D)  # some of the 16-bit UUIDs
        assert parts[0x06] == bytes.fromhex(TENUTO.replace("-", ""))[::-1]
        assert dict(fields(response))[0x09] == b"band"


async def test_a_name_of_26_bytes_fits() -> None:
    from tenuto.simulator import World
    from tests.firmware_app.rig import FIRMWARE

    name = "n" * 26
    async with World() as air:
        await air.add_wearable(name, firmware_dir=FIRMWARE, lets_in=False)
        seen = Room(air, air.wearables[name], await air.adapter())
        found = heard(seen)
        await asyncio.sleep(1)
        assert dict(fields(found[-1][2]))[0x09] == name.encode()
        assert len(found[-1][2]) <= 31


def gaps(found: list[tuple[float, bytes, bytes]]) -> list[float]:
    times = [at for at, *_ in found]
    return [b - a for a, b in pairwise(times)]


async def test_advertising_backs_off_and_a_press_makes_it_quick_again() -> None:
    async with room() as it:
        await it.worn.reset()
        found = heard(it)
        await asyncio.sleep(29)
        assert max(gaps(found)) < 0.2
        await asyncio.sleep(5)
        found.clear()
        await asyncio.sleep(20)
        assert min(gaps(found)) > 0.9
        it.click()
        await asyncio.sleep(1)
        found.clear()
        await asyncio.sleep(5)
        assert max(gaps(found)) < 0.2
        assert it.blocked == []


async def test_a_plan_that_a_band_has_no_memory_for_is_refused_with_both_sizes() -> None:
    async with room() as it:
        it.worn.app.band.plan_bytes = 900
        host = await it.pair()
        compiled = plan("lower-back")
        with pytest.raises(RefusedError, match=rf"{len(compiled.data)} bytes.*900.*shorter"):
            await host.upload(compiled.plan_id, compiled.data)
        assert it.worn.app.band.player.plan is None


async def test_what_goes_wrong_again_and_again_is_told_once() -> None:
    async with room() as it:
        it.worn.app.ble.receive = lambda *_: 1 / 0
        it.worn.board.wake()
        await asyncio.sleep(5)
        assert [line for line in it.worn.board.stdout if "radio" in line] == [
            "radio: ZeroDivisionError('division by zero')"
        ]


@FLAVOURS
async def test_a_whole_session_blocks_nothing_and_loses_nothing(flavour: str) -> None:
    async with room(flavour=flavour, person=VirtualPerson()) as it:
        host = await it.pair()
        records = await follow(host)
        await start(host, plan("lower-back"))
        await until(lambda: it.band.is_playing)
        await until(lambda: not it.band.is_playing)
        await asyncio.sleep(3)
        assert [r.seq for r in records] == list(range(it.band.log.next))
        assert records[-1].kind == vocab.SESSION_ENDED
        outbox, inbox = it.worn.app.ble._radio.outbox, it.worn.app.ble._radio.inbox
        assert (outbox.lost, inbox.dropped) == (0, 0)
        assert it.blocked == []
        assert not [line for line in it.worn.board.stdout if "radio" in line]
        stats = await host.stats()
        assert stats.cues == sum(r.kind == vocab.CUE for r in records)
        assert stats.late_worst_ms == max(r.b for r in records if r.kind == vocab.CUE)
        assert stats.late_p99_ms <= stats.late_worst_ms <= 5
        assert (stats.records_lost, stats.withheld, stats.answers_dropped) == (0, 0, 0)
        assert 0 < stats.journal_writes <= 15
        assert abs((stats.utc_s or 0) - UTC_MS / 1000) < 3600
        assert (stats.bonds_pct is None) == (flavour == "esp32s3")


async def test_the_time_that_a_host_tells_is_kept_to_some_milliseconds() -> None:
    async with room() as it:
        await it.pair()
        now_ms = it.worn.board.ticks_ms()
        utc_s, utc_ms = it.band.utc(now_ms)
        truth_ms = UTC_MS + asyncio.get_running_loop().time() * 1000
        assert abs(utc_s * 1000 + utc_ms - truth_ms) < 60
        (at,) = [n for n, kind in enumerate(it.kinds()) if kind == vocab.UTC]
        assert at > 0


async def test_the_link_is_quick_for_an_upload_and_sparing_afterwards() -> None:
    async with room() as it:
        host = await it.pair()

        def interval_ms() -> float:
            return float(it.worn.app.ble._connection.connection_interval)

        await asyncio.sleep(1.5)
        assert interval_ms() == 15
        await asyncio.sleep(10)
        assert interval_ms() == 100
        records = await follow(host)
        await start(host, plan())
        await asyncio.sleep(2)
        assert interval_ms() == 15
        await asyncio.sleep(8)  # the first hold goes from 5 to 15 s
        assert 30 <= interval_ms() <= 50
        await until(lambda: not it.band.is_playing)
        await asyncio.sleep(5)
        assert interval_ms() == 100
        assert records[-1].kind == vocab.SESSION_ENDED
        assert it.blocked == []


async def test_a_host_that_leaves_does_not_unsubscribe_and_bonds_are_counted_once() -> None:
    async with room() as it:
        host = await it.pair()
        for _ in range(5):
            await host.disconnect()
            await asyncio.sleep(2)
            await host.connect(lambda: None)
        await asyncio.sleep(1)
        assert it.worn.app.ble._bonds._counts == [1, 1]
        (stored,) = it.worn.board.flash.cccds.values()
        assert [value[:1] for value in stored.values()] == [b"\x01"]


async def test_a_store_of_bonds_that_fills_up_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    async with room() as it:
        await (await it.pair()).disconnect()
        await asyncio.sleep(1)
        it.worn.app.ble._count_bond(180, 100)
        host = it.host()
        await host.connect(lambda: None)
        assert "nearly full" in caplog.text
        await it.worn.reset()
        await asyncio.sleep(1)
        await host.connect(lambda: None)
        bonds_pct = (await host.stats()).bonds_pct
        assert bonds_pct is not None
        assert bonds_pct > 80


# --- alone


async def with_plans(it: Room, *names: str) -> BandDriver:
    host = await it.pair()
    for name in names:
        compiled = plan(name)
        await host.upload(compiled.plan_id, compiled.data)
    return host


NAMES = ("lower-back-short", "lower-back", "lower-back-60")


@FLAVOURS
async def test_three_plans_survive_a_reset_and_each_can_be_started(flavour: str) -> None:
    async with room(flavour=flavour) as it:
        host = await with_plans(it, *NAMES)
        await it.worn.reset()
        await asyncio.sleep(1)
        await host.connect(lambda: None)
        kept = await host.kept_plans()
        assert [(k.place, k.name) for k in kept] == list(enumerate(NAMES))
        for name in NAMES:
            compiled = plan(name)
            await host.command(Verb.START, compiled.plan_id)
            assert (await host.status()).plan_id == compiled.plan_id
            assert await host.read_plan(compiled.plan_id) == compiled.data
            await host.command(Verb.STOP, compiled.plan_id)
        assert await host.read_plan(plan(NAMES[0]).plan_id) == plan(NAMES[0]).data
        # What is kept need not be sent again.
        inbox = it.worn.app.ble._radio.inbox
        sizes: list[int] = []
        read = inbox.readinto

        def note(buffer: bytearray) -> int:
            sizes.append(read(buffer))
            return sizes[-1]

        inbox.readinto = note
        await host.upload(plan(NAMES[1]).plan_id, plan(NAMES[1]).data)
        assert max(sizes) < 30


async def test_a_press_starts_the_last_routine_with_no_host_in_sight() -> None:
    async with room(person=VirtualPerson()) as it:
        host = await with_plans(it, *NAMES)
        await host.command(Verb.START, plan(NAMES[1]).plan_id)
        await asyncio.sleep(3)
        await host.command(Verb.STOP, plan(NAMES[1]).plan_id)
        await asyncio.sleep(2)
        await host.disconnect()
        await it.worn.reset()
        await asyncio.sleep(5)
        it.click()
        await until(lambda: it.band.is_playing, 3)
        assert it.band.player.plan.name == NAMES[1]  # type: ignore[union-attr]
        await until(lambda: not it.band.is_playing)
        # The host collects it afterwards, with a heart rate in every five seconds.
        await host.connect(lambda: None)
        records = await follow(host)
        await asyncio.sleep(3)
        assert [r.seq for r in records] == list(range(it.band.log.next))
        beats = [r.at_ms for r in records if r.kind == vocab.HEART]
        lasts_ms = plan(NAMES[1]).plan.duration_ms
        assert lasts_ms / 6_500 < len(beats) <= lasts_ms / 5_000 + 1
        assert it.band.log.lost == 0
        assert not it.band.has_unread


async def test_the_menu_is_felt_as_counts_and_starts_what_was_chosen() -> None:
    async with room() as it:
        await (await with_plans(it, *NAMES)).disconnect()
        await asyncio.sleep(65)
        felt = len(it.worn.motor.edges)
        it.click(2)
        await asyncio.sleep(4)
        assert it.pulses(felt) == [(100, 150)] * 3, "the plan that came last is the third"
        counts = []
        for _ in range(4):
            felt = len(it.worn.motor.edges)
            it.click()
            await asyncio.sleep(3)
            counts.append(len(it.pulses(felt)))
        assert counts == [1, 2, 3, 1]
        it.click()
        await asyncio.sleep(3)
        it.click(2)
        await until(lambda: it.band.is_playing, 3)
        assert it.band.player.plan.name == NAMES[1]  # type: ignore[union-attr]


async def test_the_menu_is_left_by_itself_and_a_press_then_starts_the_last_plan() -> None:
    async with room() as it:
        await (await with_plans(it, *NAMES)).disconnect()
        await asyncio.sleep(65)
        it.click(2)
        await asyncio.sleep(3)
        it.click()
        await asyncio.sleep(17)
        assert it.pulses()[-1] == (60, 300)
        it.click()
        await until(lambda: it.band.is_playing, 3)
        assert it.band.player.plan.name == NAMES[2]  # type: ignore[union-attr]


# --- resets


@pytest.mark.parametrize(
    "reason, goes_on",
    [("WATCHDOG", True), ("SOFTWARE", True), ("RESET_PIN", True), ("POWER_ON", False)],
)
async def test_a_reset_in_mid_session_is_told_and_goes_on_or_not(
    reason: str, goes_on: bool
) -> None:
    async with room() as it:
        host = await with_plans(it, NAMES[1])
        await host.command(Verb.START, plan(NAMES[1]).plan_id)
        await asyncio.sleep(47)
        boot_id, session = it.band.boot_id, it.band.player.session
        it.worn.board.reset_reason = reason
        await it.worn.reset()
        await asyncio.sleep(1)
        await host.connect(lambda: None)
        records = await follow(host)
        await asyncio.sleep(2)
        cause = vocab.CAUSES[records[0].a]
        assert cause == {"RESET_PIN": "pin"}.get(reason, reason.lower())
        cut = records[1]
        assert (cut.kind, cut.a, cut.b) == (vocab.INTERRUPTED, int(goes_on), boot_id)
        assert cut.c == session
        assert (await host.stats()).cause == cause
        status = await host.status()
        if not goes_on:
            assert status.state == "idle"
            return
        assert status.state == "paused"
        assert status.step == cut.step
        source = next(r.a for r in records if r.kind == vocab.SESSION_STARTED)
        assert vocab.SOURCES[source] == "reset"
        assert it.pulses()[-5:] == [(100, 100)] * 5, "attention"
        it.click()
        await until(lambda: STATES[it.band.player.state] == "running", 3)
        await until(lambda: not it.band.is_playing)
        assert it.kinds()[-1] == vocab.SESSION_ENDED
        # What is over is over: the next reset tells of nothing.
        await asyncio.sleep(2)
        it.worn.board.reset_reason = "WATCHDOG"
        await it.worn.reset()
        await asyncio.sleep(1)
        assert vocab.INTERRUPTED not in it.kinds()
        assert not it.band.is_playing


async def test_flash_is_never_written_while_something_is_due() -> None:
    """A write may block for 90 ms; none must come within 300 ms before a cue or in a pulse."""
    async with room() as it:
        host = await with_plans(it, NAMES[1])
        nvm = it.worn.board.nvm
        writes: list[float] = []
        keep = it.band._journal._storage
        save = keep.save

        def note(name: str, data: bytes | bytearray, head: bytes = b"") -> bool:
            writes.append(it.worn.board.ticks_ms())
            return save(name, data, head)

        keep.save = note  # type: ignore[method-assign]
        since = len(it.worn.motor.edges)
        await host.command(Verb.START, plan(NAMES[1]).plan_id)
        await until(lambda: not it.band.is_playing)
        await asyncio.sleep(2)
        ons = [e.t_ms for e in it.worn.motor.edges[since:] if e.on]
        assert nvm
        assert 3 <= len(writes) <= 14
        for at_ms in writes:
            assert not any(0 <= on_ms - at_ms < 300 for on_ms in ons)


# --- the cable


async def test_a_session_by_cable_alone() -> None:
    async with room(person=VirtualPerson()) as it:
        host = it.cabled(utc_ms=lambda: UTC_MS + 5)
        identity = await host.connect(lambda: None)
        assert identity.name == "band"
        records = await follow(host)
        await start(host, plan("lower-back"))
        await until(lambda: not it.band.is_playing)
        await asyncio.sleep(3)
        assert [r.seq for r in records] == list(range(it.band.log.next))
        await host.disconnect()
        await asyncio.sleep(1)
        assert it.worn.app.usb.peer is None
        await host.connect(lambda: None)
        assert (await host.status()).state == "idle"


async def test_a_cable_that_is_pulled_is_a_link_that_is_lost() -> None:
    async with room() as it:
        host = it.cabled()
        lost = asyncio.Event()
        await host.connect(lost.set)
        it.worn.cable.unplug()
        async with asyncio.timeout(5):
            await lost.wait()
        with pytest.raises(LinkError):
            await host.status()
        await host.connect(lost.set)


async def test_garbage_on_the_cable_is_passed_over() -> None:
    async with room() as it:
        host = it.cabled()
        await host.connect(lambda: None)
        link = host._link
        assert isinstance(link, SerialLink)
        assert link._writer is not None
        link._writer.write(b"\x05hello\x00\x00\xff" + bytes(300) + b"x" * 700)
        link._writer.write(b"\x00")
        assert (await host.status()).state == "idle"


async def test_a_host_that_does_not_read_holds_back_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with room(person=VirtualPerson()) as it:
        host = it.cabled()
        await host.connect(lambda: None)
        await follow(host)
        await start(host, plan("lower-back"))
        monkeypatch.setattr(UsbCable, "unread", HELD_BYTES_MAX)
        await until(lambda: not it.band.is_playing)
        assert it.worn.app.usb._at < it.worn.app.usb._size
        assert it.band.player.lateness.worst_ms <= 5
        monkeypatch.undo()
        assert (await host.status()).state == "idle"


async def test_a_port_that_is_not_there_says_so() -> None:
    with pytest.raises(LinkError) as refused:
        await SerialLink("/dev/tenuto-is-not-here").connect(lambda _: None, lambda: None)
    assert refused.value.reason is LinkReason.NOT_FOUND


@pytest.mark.slow
@pytest.mark.real_time
async def test_a_real_port_by_a_pseudo_terminal() -> None:
    """In real time, for the kernel's own sake."""
    async with room() as it, it.worn.cable.pty() as pty:
        host = BandDriver(SerialLink(pty.path))
        assert (await host.connect(lambda: None)).name == "band"
        compiled = LIBRARY.plan("lower-back-60")
        await host.upload(compiled.plan_id, compiled.data)
        assert await host.read_plan(compiled.plan_id) == compiled.data
        await host.disconnect()


# --- sleep


async def test_the_board_sleeps_when_nothing_is_left_to_do() -> None:
    async with room() as it:
        slept: list[int] = []
        it.worn.app._sleep = lambda: slept.append(it.worn.board.ticks_ms())
        host = await with_plans(it, NAMES[0])
        await asyncio.sleep(300)
        assert slept == [], "somebody is connected"
        await host.disconnect()
        await asyncio.sleep(115)
        assert slept == []
        await asyncio.sleep(10)
        assert len(slept) == 1
        slept.clear()
        it.click()
        await until(lambda: it.band.is_playing, 3)
        await until(lambda: not it.band.is_playing)
        await asyncio.sleep(1_000)
        assert slept == [], "the session is nowhere but in its memory"
        await host.connect(lambda: None)
        await follow(host)
        await asyncio.sleep(3)
        await host.disconnect()
        await asyncio.sleep(130)
        assert len(slept) == 1
