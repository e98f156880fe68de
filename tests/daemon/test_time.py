# SPDX-License-Identifier: MIT
"""Times in UTC: what they are worth, and what happens when a clock is set or begins anew."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest

from tenuto.event_loops import HostTime
from tenuto.history import replay
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import (
    ClockStepped,
    LinkLost,
    RecordsLost,
    SessionEnded,
    SessionStarted,
    WearableRestarted,
)
from tenuto.state.clocks import ClockStore
from tests.daemon import rig
from tests.daemon.rig import Collector, RecordingMotor, connected, daemon_for

if TYPE_CHECKING:
    from pathlib import Path

START = Command(wearable="band", verb=Verb.START)
HOUR_MS = 3_600_000


async def test_each_event_has_its_time_and_how_sure_that_is(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    began_ms = rig.UTC_MS + loop.time() * 1000  # the band's clock starts here
    band, seen = InProcessBand(RecordingMotor()), Collector()
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}, seen) as (
        daemon,
        _,
    ):
        await connected(daemon)
        await daemon.submit(START)
        await seen.ended()
    for entry in seen.entries:
        assert entry.record is not None
        assert entry.uncertainty_ms is not None
        off_ms = abs(entry.utc_ms - (began_ms + entry.record.at_ms))
        # An exchange takes 60 ms here; the rest is granted for whole ms and the clock's wander.
        assert off_ms <= entry.uncertainty_ms <= 66
    times = [entry.utc_ms for entry in seen.entries]
    assert times == sorted(times)


@pytest.mark.parametrize("by_ms", [HOUR_MS, -HOUR_MS, 400])
async def test_a_wall_clock_that_is_set_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_ms: int
) -> None:
    band, seen = InProcessBand(RecordingMotor()), Collector()
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}, seen) as (
        daemon,
        store,
    ):
        await connected(daemon)
        await daemon.submit(START)
        await asyncio.sleep(100)
        monkeypatch.setattr(rig, "UTC_MS", rig.UTC_MS + by_ms)
        ended = await seen.until(lambda e: isinstance(e.event, SessionEnded))
        (stepped,) = (e for e in seen.entries if isinstance(e.event, ClockStepped))
        assert isinstance(stepped.event, ClockStepped)
        assert stepped.event.by_ms == by_ms
        assert 100_000 <= stepped.event.t_ms <= 130_000
        started = seen.entries[0]
        lasted_ms = ended.utc_ms - started.utc_ms - by_ms
        assert abs(lasted_ms - ended.event.t_ms) <= 40
        assert abs(ended.utc_ms - rig.utc_ms()) < 1000, "what comes after has the new time"
        await asyncio.sleep(1)
        stored = await store.session(1)
        assert stored is not None
        assert ClockStepped in [type(event) for event, _ in replay(stored)]


async def test_a_wearable_that_begins_anew_is_written_down(tmp_path: Path) -> None:
    seen = Collector()
    link = InProcessLink(InProcessBand(RecordingMotor(), boot_id=1))
    async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, store):
        await connected(daemon)
        await daemon.submit(START)
        await asyncio.sleep(60)
        link.drop()
        link._band = InProcessBand(RecordingMotor(), boot_id=2)
        ended = await seen.ended()
        assert (ended.reason, ended.source) == ("failed", "host")
        await asyncio.sleep(1)
        stored = await store.session(1)
        assert stored is not None
        told = [type(event) for event, _ in replay(stored)]
        assert told[-2:] == [WearableRestarted, SessionEnded]


async def test_a_wearable_that_began_anew_while_no_daemon_ran_is_written_down(
    tmp_path: Path,
) -> None:
    link = InProcessLink(InProcessBand(RecordingMotor(), boot_id=1))
    async with daemon_for(tmp_path / "h.db", {"band": link}) as (daemon, _):
        await connected(daemon)
        await daemon.submit(START)
        await asyncio.sleep(60)
        link.reachable = False
        link.drop()
        await asyncio.sleep(5)
    link = InProcessLink(InProcessBand(RecordingMotor(), boot_id=2))
    async with daemon_for(tmp_path / "h.db", {"band": link}) as (daemon, store):
        await connected(daemon)
        await asyncio.sleep(1)
        stored = await store.session(1)
        assert stored is not None
        told = [type(event) for event, _ in replay(stored)]
        assert told[-3:] == [LinkLost, WearableRestarted, SessionEnded]


async def test_a_log_that_ran_over_is_written_down_and_no_record_gets_into_the_wrong_session(
    tmp_path: Path,
) -> None:
    seen = Collector()
    band = InProcessBand(RecordingMotor())
    link = InProcessLink(band)
    async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, store):
        await connected(daemon)
        await daemon.submit(START)
        await asyncio.sleep(30)
        link.reachable = False
        link.drop()
        # The wearer plays it again and again, with a racing heart, until the log is full.
        for beat in range(2500):
            await asyncio.sleep(0.7)
            band.band.beat(70 + beat % 50, (), band.now_ms)
            if band.band.player.state == 0 and beat % 100 == 0:
                band.press(80)
        link.reachable = True
        last = band.band.player.session
        assert last is not None
        assert band.band.log.first > 200
        await connected(daemon)
        await asyncio.sleep(5)
        rows = {row.key.seq: row for row in await store.sessions()}
        first = rows.pop(min(rows))
        assert (first.reason, first.source) == ("failed", "host")
        stored = await store.session(first.id)
        assert stored is not None
        lost = [event for event, _ in replay(stored) if isinstance(event, RecordsLost)]
        assert len(lost) == 1
        assert lost[0].count > 200
        assert last in rows
        assert max(item.record.seq for item in stored.records) < band.band.log.first
        for row in rows.values():
            told = await store.session(row.id)
            assert told is not None
            begun = [e for e, _ in replay(told) if isinstance(e, SessionStarted)]
            assert len(begun) == (row.key.seq >= band.band.log.first)


async def test_what_is_known_of_a_clock_outlives_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / "clocks.json"
    for boot_id in (1, 2):
        skews = ClockStore(path)
        band = InProcessBand(RecordingMotor(), boot_id)
        async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}, skews=skews) as (
            daemon,
            _,
        ):
            await connected(daemon)
            await daemon.submit(START)
            await asyncio.sleep(340)
        skews.save()
    known = ClockStore(path).get("band")
    assert known is not None
    assert abs(known.ppm) < 3 * known.sigma_ppm < 40


async def test_the_hosts_time_follows_the_wall_clock_only_in_real_time() -> None:
    wall_s = [1e9]
    real, fast = (HostTime(speed, lambda: wall_s[0]) for speed in (1.0, math.inf))
    await asyncio.sleep(10)
    wall_s[0] += 3600
    assert real.utc_ms() == (1e9 + 3600) * 1000
    assert fast.utc_ms() == pytest.approx((1e9 + 10) * 1000)
