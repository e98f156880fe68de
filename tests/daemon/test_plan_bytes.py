# SPDX-License-Identifier: MIT
"""Plan bytes and record numbers that a band tells: what is believed, and what is not."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import struct
from binascii import crc32
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.errors import LinkError, RefusedError
from tenuto.history import replay
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.routines import plan_bytes
from tenuto.routines.compile import CompiledPlan
from tenuto.routines.library import Library
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import RECORD_SEQ_MAX, Entry, SessionEnded, SessionStarted
from tenuto.wearables.band import BandDriver
from tenuto_core import wire
from tenuto_core.plan import CUES_V1, Plan
from tests.core import phased
from tests.daemon.rig import Collector, RecordingMotor, connected, daemon_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tenuto.links.base import Link
    from tenuto.sessions.events import Record

START = Command(wearable="band", verb=Verb.START)


class Changing:
    """A link to a good band, some of whose frames are changed on the way to the host."""

    def __init__(self, band: InProcessBand, change: Callable[[bytes], bytes]) -> None:
        self._link = InProcessLink(band)
        self.change = change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        def pass_on(packet: bytes) -> None:
            for frame in wire.split(packet):
                told = self.change(frame)
                on_packet(bytes((len(told),)) + told)

        await self._link.connect(pass_on, on_lost)


def knows_version_1_only(frame: bytes) -> bytes:
    """Say hello as a band did before there was a version 2 of plans."""
    op, tag, values, tail = wire.decode(frame)
    if op != wire.HELLO | wire.ANSWER:
        return frame
    features = values[-1] & ~wire.FEATURE_PLAN_2
    return wire.encode(op, tag, *values[:-1], features, tail=tail)


def began(entry: Entry) -> bool:
    return isinstance(entry.event, SessionStarted)


@pytest.mark.parametrize("is_old", [False, True])
async def test_a_band_gets_the_version_of_plans_that_it_plays(tmp_path: Path, is_old: bool) -> None:
    band, seen = InProcessBand(RecordingMotor()), Collector()
    link = Changing(band, knows_version_1_only if is_old else lambda frame: frame)
    async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, store):
        await connected(daemon)
        assert (await daemon.submit(START)).ok
        event = (await seen.until(began)).event
        assert isinstance(event, SessionStarted)
        assert (await seen.ended()).reason == "finished"
        await asyncio.sleep(5)
        (session,) = await store.between(0, 1 << 60)

    assert band.band.player.plan is not None
    assert band.band.player.plan.data[2] == (1 if is_old else 2)
    assert event.routine == "lower-back"
    assert session.plan is not None
    assert event.plan_id == session.row.plan_id == plan_bytes.id_of(session.plan).hex()
    told = [event for event, _ in replay(session)]
    assert sum(type(event).__name__ == "StepEnded" and event.kind == "hold" for event in told) == 9  # type: ignore[attr-defined]


def knows_no_open_holds(frame: bytes) -> bytes:
    """Say hello as a band did before there were open holds."""
    op, tag, values, tail = wire.decode(frame)
    if op != wire.HELLO | wire.ANSWER:
        return frame
    return wire.encode(op, tag, *values[:-1], values[-1] & ~wire.FEATURE_OPEN_HOLDS, tail=tail)


@pytest.mark.parametrize("is_old", [False, True])
async def test_an_open_hold_is_played_or_refused_by_an_old_band_with_what_to_do(
    tmp_path: Path, is_old: bool
) -> None:
    band = InProcessBand(RecordingMotor())
    data = phased.data()
    async with daemon_for(
        tmp_path / "h.db",
        {"band": Changing(band, knows_no_open_holds if is_old else lambda frame: frame)},
    ) as (daemon, _):
        await connected(daemon)
        start = daemon.supervisors["band"].start(CompiledPlan(data, Plan(data)))
        if is_old:
            with pytest.raises(RefusedError, match="a hold that a press ends: its firmware"):
                await start
            assert band.band.player.plan is None
        else:
            await start
            assert band.band.is_playing


async def test_a_routine_that_version_1_cannot_say_is_refused_by_an_old_band_with_what_to_do(
    tmp_path: Path,
) -> None:
    compiled = Library().plan("lower-back")
    data = bytearray(compiled.data[:-4])
    data[_first_cue(compiled.plan) + 4] = CUES_V1
    data[5] += 1  # one cue more is known, and silent
    data.insert(_first_cue(compiled.plan) + 5 * _cues(data) + CUES_V1, 0)
    newer = bytes(data) + struct.pack("<I", crc32(data))
    assert Plan(newer).step(0).cues[0][2] == CUES_V1

    band = InProcessBand(RecordingMotor())
    link = Changing(band, knows_version_1_only)
    async with daemon_for(tmp_path / "h.db", {"band": link}) as (daemon, _):
        await connected(daemon)
        plan = type(compiled)(newer, Plan(newer))
        with pytest.raises(Exception, match=r"firmware of the wearable is too old .* update it"):
            await daemon.supervisors["band"].start(plan)

    assert band.band.player.plan is None, "nothing was changed"


def _first_cue(plan: Plan) -> int:
    return 16 + 20 * int(plan.steps)


def _cues(data: bytearray) -> int:
    return int.from_bytes(data[6:8], "little")


async def left_with_a_plan(band: InProcessBand) -> bytes:
    """Have the band keep the lower-back routine, of which the host's history knows nothing."""
    compiled = Library().plan("lower-back")
    driver = BandDriver(InProcessLink(band))
    await driver.connect(lambda: None)
    await driver.upload(compiled.plan_id, compiled.data)
    await driver.disconnect()
    return compiled.plan_id


class Forger:
    """Tells another plan of the same size under the id of the one that it was given."""

    def __init__(self) -> None:
        honest = Library().plan("lower-back").data
        forged = bytearray(honest[:-4].replace(b"lower-back", b"FORGED ONE"))
        assert forged != honest[:-4]
        self._forged = bytes(forged) + struct.pack("<I", crc32(forged))
        Plan(self._forged)

    def __call__(self, frame: bytes) -> bytes:
        op, tag, values, tail = wire.decode(frame)
        if op != wire.PLAN_READ | wire.ANSWER:
            return frame
        tail = self._forged[values[2] : values[2] + len(tail)]
        return wire.encode(op, tag, *values, tail=tail)


async def test_a_band_that_tells_other_bytes_for_a_plan_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    band, seen = InProcessBand(RecordingMotor()), Collector()
    plan_id = await left_with_a_plan(band)
    link = Changing(band, Forger())
    async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, store):
        await connected(daemon)
        band.press(100)
        event = (await seen.until(began)).event

        assert isinstance(event, SessionStarted)
        assert (event.plan, event.plan_id) == (None, plan_id.hex())
        assert event.routine != "FORGED ONE"
        assert await store.plan(plan_id.hex()) is None
        assert f"its bytes are not those of plan {plan_id.hex()}" in caplog.text

        assert (await daemon.submit(Command(wearable="band", verb=Verb.STOP))).ok
        await seen.ended()
    # Nothing of it is left: the next session, whose plan is told as it is, has its name.
    honest = Collector()
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}, honest) as (daemon, _):
        await connected(daemon)
        band.press(100)
        event = (await honest.until(began)).event
        assert isinstance(event, SessionStarted)
        assert event.routine == "lower-back"


@pytest.mark.parametrize("seq", [RECORD_SEQ_MAX - 1, RECORD_SEQ_MAX])
async def test_a_band_that_counts_its_records_past_the_end_of_numbers_ends_nothing(
    tmp_path: Path, seq: int
) -> None:
    def counts_too_far(frame: bytes) -> bytes:
        op, tag, values, tail = wire.decode(frame)
        if op == wire.LOG_READ | wire.ANSWER:
            return wire.encode(op, tag, values[0], seq, RECORD_SEQ_MAX)
        if op == wire.LOG:
            return wire.encode(op, tag, seq, tail=tail[:16] * 8)
        return frame

    await _survives(tmp_path, counts_too_far)


async def test_a_log_that_ends_before_it_begins_ends_nothing(tmp_path: Path) -> None:
    def ends_before(frame: bytes) -> bytes:
        op, tag, values, _ = wire.decode(frame)
        if op == wire.LOG_READ | wire.ANSWER:
            return wire.encode(op, tag, values[0], 4_000_000_000, 7)
        return frame

    await _survives(tmp_path, ends_before)


async def test_records_out_of_their_order_end_nothing(tmp_path: Path) -> None:
    numbers = iter((90, 3, 2_000_000_000, 7, RECORD_SEQ_MAX, 0) * 10_000)

    def jumps(frame: bytes) -> bytes:
        op, tag, _, tail = wire.decode(frame)
        return wire.encode(op, tag, next(numbers), tail=tail) if op == wire.LOG else frame

    await _survives(tmp_path, jumps)


async def test_no_record_with_a_number_that_no_log_has_is_handed_on() -> None:
    def counts_too_far(frame: bytes) -> bytes:
        op, tag, values, tail = wire.decode(frame)
        if op == wire.LOG_READ | wire.ANSWER:
            return wire.encode(op, tag, values[0], RECORD_SEQ_MAX, RECORD_SEQ_MAX)
        if op == wire.LOG:
            return wire.encode(op, tag, RECORD_SEQ_MAX, tail=tail[:16] * 8)
        return frame

    numbers, driver = await _followed(counts_too_far)
    assert numbers == []
    assert driver.frames_broken


async def test_no_gap_is_told_of_a_log_that_ends_before_it_begins() -> None:
    def ends_before(frame: bytes) -> bytes:
        op, tag, values, _ = wire.decode(frame)
        if op == wire.LOG_READ | wire.ANSWER:
            return wire.encode(op, tag, values[0], 4_000_000_000, 7)
        return frame

    with pytest.raises(LinkError, match="does not answer"):
        await _followed(ends_before)


async def _followed(lie: Callable[[bytes], bytes]) -> tuple[list[int], BandDriver]:
    """Follow a band that lies for a while; gives the numbers that were handed on."""
    numbers: list[int] = []

    def take(records: Sequence[Record]) -> bool:
        numbers.extend(record.seq for record in records)
        return True

    band = InProcessBand(RecordingMotor())
    driver = BandDriver(Changing(band, lie))
    await driver.connect(lambda: None)
    try:
        await driver.follow(0, take, lambda _first, _end: None)
        await asyncio.sleep(30)
    finally:
        await driver.disconnect()
    return numbers, driver


async def _survives(tmp_path: Path, lie: Callable[[bytes], bytes]) -> None:
    """Play on an honest band while another one lies, and once more after a start of the daemon."""
    for boot_id in (7, 8):
        seen = Collector()
        honest = InProcessBand(RecordingMotor(), boot_id)
        liar = InProcessBand(RecordingMotor(), 1)
        links: dict[str, Link] = {"liar": Changing(liar, lie), "band": InProcessLink(honest)}
        async with daemon_for(tmp_path / "h.db", links, seen) as (daemon, _):
            await left_with_a_plan(liar)
            await connected(daemon)
            assert (await daemon.submit(START)).ok
            liar.press(100)
            ended = await seen.until(lambda entry: entry.wearable == "band" and _is_end(entry))
            assert isinstance(ended.event, SessionEnded)
            assert ended.event.reason == "finished"
    with closing(sqlite3.connect(tmp_path / "h.db")) as db:
        (highest,) = db.execute("SELECT max(seq) FROM records").fetchone()
        assert highest <= RECORD_SEQ_MAX


def _is_end(entry: Entry) -> bool:
    return isinstance(entry.event, SessionEnded)


async def test_a_history_that_holds_too_high_a_number_does_not_end_the_daemon(
    tmp_path: Path,
) -> None:
    """As a daemon of before has stored it."""
    band, seen = InProcessBand(RecordingMotor()), Collector()
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}, seen) as (daemon, _):
        await connected(daemon)
        assert (await daemon.submit(START)).ok
        await seen.ended()
        await asyncio.sleep(5)
    with closing(sqlite3.connect(tmp_path / "h.db")) as db, db:
        db.execute(
            "UPDATE records SET seq = ? WHERE seq = (SELECT max(seq) FROM records)", (1 << 32,)
        )

    again = Collector()
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}, again) as (daemon, _):
        await connected(daemon)
        assert (await daemon.submit(START)).ok
        assert (await again.ended()).reason == "finished"
