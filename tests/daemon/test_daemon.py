# SPDX-License-Identifier: MIT
"""The promises about sessions, from the band's log to the history, whatever the link does."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import (
    CueFired,
    Entry,
    LinkLost,
    LinkRestored,
    RecordsLost,
    SessionEnded,
    StepStarted,
)
from tenuto.wearables.surroundings import LinkState
from tenuto_core import wire
from tests.daemon.rig import (
    Collector,
    RecordingMotor,
    command,
    connected,
    daemon_for,
    log_of,
    utc_ms,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tenuto.daemon.commands import Commands
    from tenuto.history import Store

LOWER_BACK_MS = 342_000
"""5 s to get ready, nine holds of 30 s, eight changes of 8 s, 3 s at the end."""


async def history_matches_log(store: Store, band: InProcessBand) -> None:
    """The promise: every record of the session is kept, once, as the wearable wrote it."""
    (row,) = await store.sessions()
    stored = await store.session(row.id)
    assert stored is not None
    logged = [record for record in log_of(band) if record.seq >= row.key.seq]
    assert [item.record for item in stored.records] == logged


async def play_through(daemon: Commands, seen: Collector) -> SessionEnded:
    await connected(daemon)
    answer = await daemon.submit(command(Verb.START))
    assert (answer.ok, answer.reason) == (True, "ok"), answer
    return await seen.ended()


async def test_a_session_is_kept_with_every_record(tmp_path: Path) -> None:
    band, seen = InProcessBand(RecordingMotor()), Collector()
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}, seen) as (
        daemon,
        store,
    ):
        ended = await play_through(daemon, seen)
        assert (ended.reason, ended.t_ms) == ("finished", LOWER_BACK_MS)
        await asyncio.sleep(1)
        await history_matches_log(store, band)
        holds = [e.event for e in seen.entries if isinstance(e.event, StepStarted)]
        assert [h.duration_ms for h in holds if h.kind == "hold"] == [30_000] * 9


async def test_records_cross_the_air_once_and_are_acknowledged_by_the_handful(
    tmp_path: Path,
) -> None:
    frames: list[bytes] = []
    acks: list[bytes] = []

    def note(direction: str, packet: bytes) -> bool:
        if direction == "up":
            acks.extend([packet] if packet[0] == wire.LOG_ACK else [])
        else:
            frames.extend(frame for frame in wire.split(packet) if frame[0] == wire.LOG)
        return False

    band, seen = InProcessBand(RecordingMotor()), Collector()
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band, lose=note)}, seen) as (
        daemon,
        _,
    ):
        beats = asyncio.create_task(beat_each_second(band))
        await play_through(daemon, seen)
        beats.cancel()
        await asyncio.sleep(5)
    sent = [wire.decode(frame)[2][0] for frame in frames]
    assert sorted(set(sent)) == sent
    assert len(frames) > LOWER_BACK_MS // 1000
    assert len(acks) < 0.7 * len(frames)
    assert not band.band.has_unread


async def beat_each_second(band: InProcessBand) -> None:
    while True:
        await asyncio.sleep(0.97)
        band.band.beat(70, (), band.now_ms)
        band.poke()


@pytest.mark.parametrize("seed", range(20))
async def test_an_outage_changes_no_buzz_and_leaves_no_hole(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)

    async def session(*, outage: bool) -> list[tuple[int, int]]:
        motor = RecordingMotor()
        band, seen = InProcessBand(motor), Collector()
        link = InProcessLink(band)
        path = tmp_path / f"h{outage}.db"
        async with daemon_for(path, {"band": link}, seen) as (daemon, store):
            await connected(daemon)
            await daemon.submit(command(Verb.START))
            if outage:
                await asyncio.sleep(rng.uniform(0, 300))
                link.reachable = False
                link.drop()
                await asyncio.sleep(60)
                link.reachable = True
            ended = await seen.ended()
            assert ended.reason == "finished"
            await asyncio.sleep(1)
            await history_matches_log(store, band)
            if outage:
                kinds = [type(entry.event) for entry in seen.entries]
                assert (kinds.count(LinkLost), kinds.count(RecordsLost)) == (1, 0)
                assert kinds.count(LinkRestored) <= 1
        start_ms = motor.edges[0][0]
        return [(ms - start_ms, strength) for ms, strength in motor.edges]

    edges: list[list[tuple[int, int]]] = []

    edges.append(await session(outage=False))
    edges.append(await session(outage=True))
    undisturbed, disturbed = edges
    assert undisturbed == disturbed


@pytest.mark.parametrize("seed", range(10))
async def test_a_link_that_loses_packets_loses_nothing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)

    band, seen = InProcessBand(RecordingMotor()), Collector()
    link = InProcessLink(band, lose=lambda _direction, _packet: rng.random() < 0.2)
    async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, store):
        await connected(daemon)
        while not (await daemon.submit(command(Verb.START))).ok:
            assert not daemon.supervisors["band"].playing
        await seen.ended()
        await asyncio.sleep(60)
        await history_matches_log(store, band)
        seqs = [entry.event.seq for entry in seen.entries if entry.event.seq is not None]
        assert seqs == sorted(set(seqs)), "an event came twice or out of order"


async def test_a_daemon_that_starts_again_joins_and_completes_the_same_record(
    tmp_path: Path,
) -> None:
    band, first, second = InProcessBand(RecordingMotor()), Collector(), Collector()
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}, first) as (
        daemon,
        _,
    ):
        await connected(daemon)
        await daemon.submit(command(Verb.START))
        await asyncio.sleep(100)
    await asyncio.sleep(50)
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}, second) as (
        daemon,
        store,
    ):
        await connected(daemon)
        answer = await daemon.submit(command(Verb.START))
        assert (answer.ok, answer.reason) == (False, "already_playing")
        assert (await second.ended()).reason == "finished"
        await asyncio.sleep(1)
        await history_matches_log(store, band)
    again = [e.event for e in second.entries if e.replayed]
    fresh = [e.event for e in second.entries if not e.replayed]
    before = [entry.event for entry in first.entries]
    assert again == before, "who joins is not told how it began"
    seqs = [event.seq for event in before + fresh if event.seq is not None]
    assert seqs == list(range(seqs[0], seqs[-1] + 1)), "an event was told twice or never"


async def test_a_wearable_is_idle_by_its_own_word_only(tmp_path: Path) -> None:
    """Else a daemon that starts again in mid-session tells that the session is over."""
    band = InProcessBand(RecordingMotor())
    idle: list[bool] = []

    def on_link(name: str, state: LinkState) -> None:
        if state is LinkState.UP:
            idle.append(running[-1].supervisors[name].is_idle)

    running: list[Commands] = []
    for wanted in (True, False):
        link = InProcessLink(band)
        path = tmp_path / f"{wanted}.db"  # what was killed at once has kept nothing
        async with daemon_for(path, {"band": link}, on_link=on_link) as (daemon, _):
            running.append(daemon)
            await connected(daemon)
            assert idle.pop() is wanted
            if wanted:
                assert (await daemon.submit(command(Verb.START))).ok


async def test_a_host_that_never_met_the_band_learns_the_plan_from_it(tmp_path: Path) -> None:
    band, seen = InProcessBand(RecordingMotor()), Collector()
    async with daemon_for(tmp_path / "one.db", {"band": InProcessLink(band)}) as (daemon, _):
        await connected(daemon)
        await daemon.submit(command(Verb.START))
        await asyncio.sleep(10)
    async with daemon_for(tmp_path / "two.db", {"band": InProcessLink(band)}, seen):
        await seen.ended()
    steps = [e.event for e in seen.entries if isinstance(e.event, StepStarted)]
    assert next(s.exercise for s in steps if s.kind == "hold") == "Back Flexion Stretch"


async def test_a_sink_that_hangs_delays_nobody(tmp_path: Path) -> None:
    class Hung(Collector):
        name = "hung"

        async def handle(self, entries: Sequence[Entry]) -> None:  # noqa: ARG002
            await asyncio.sleep(10)

    motor, seen = RecordingMotor(), Collector()
    band = InProcessBand(motor)
    late_s: list[float] = []

    class Timed(Collector):
        name = "timed"

        async def handle(self, entries: Sequence[Entry]) -> None:
            late_s.extend((utc_ms() - entry.utc_ms) / 1000 for entry in entries)

    sinks = (Hung(), seen, Timed())
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}, *sinks) as (
        daemon,
        store,
    ):
        await play_through(daemon, seen)
        await asyncio.sleep(1)
        await history_matches_log(store, band)
    assert max(late_s) < 1, "the others had to wait for the sink that hangs"


async def test_stop_by_the_long_press_needs_no_host(tmp_path: Path) -> None:
    motor, seen = RecordingMotor(), Collector()
    band = InProcessBand(motor)
    link = InProcessLink(band)
    async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, store):
        await connected(daemon)
        await daemon.submit(command(Verb.START))
        await asyncio.sleep(5.2)  # inside the long buzz that starts the first hold
        link.reachable = False
        link.drop()
        band.press(held_ms=900)
        await asyncio.sleep(0.85)
        assert motor.edges[-1][1] == 0
        assert [r.kind for r in log_of(band)][-1] == 13, "not ended by the wearable itself"
        await asyncio.sleep(30)
        link.reachable = True
        ended = await seen.ended()
        assert (ended.reason, ended.source) == ("stopped", "wearer")
        await asyncio.sleep(1)
        await history_matches_log(store, band)


async def test_commands_reach_the_band_or_are_refused(tmp_path: Path) -> None:
    band, seen = InProcessBand(RecordingMotor()), Collector()
    link = InProcessLink(band)
    async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, _):
        assert (await daemon.submit(command(Verb.STOP))).reason == "unreachable"
        await connected(daemon)
        assert (await daemon.submit(command(Verb.PAUSE))).reason == "no_plan"
        wrong = await daemon.submit(command(Verb.START, routine="lower-bac"))
        assert wrong.reason == "unknown_routine"
        assert "lower-back" in wrong.text
        other = await daemon.submit(Command(wearable="sock", verb=Verb.START))
        assert other.reason == "unknown_wearable"
        assert (await daemon.submit(command(Verb.START, id="a"))).id == "a"
        assert (await daemon.submit(command(Verb.RESUME))).reason == "not_paused"
        assert (await daemon.submit(command(Verb.EXTEND))).reason == "not_a_hold"
        await asyncio.sleep(10)
        assert (await daemon.submit(command(Verb.EXTEND, by_ms=700_000))).reason == ("out_of_range")
        assert (await daemon.submit(command(Verb.EXTEND, by_ms=10_000))).ok
        assert (await daemon.submit(command(Verb.PAUSE))).ok
        await asyncio.sleep(20)
        assert (await daemon.submit(command(Verb.PAUSE))).reason == "already_paused"
        assert (await daemon.submit(command(Verb.RESUME))).ok
        await asyncio.sleep(60)
        assert (await daemon.submit(command(Verb.SKIP))).ok
        assert (await daemon.submit(command(Verb.BACK))).ok
        assert (await daemon.submit(command(Verb.STOP))).ok
        ended = await seen.ended()
        assert (ended.reason, ended.source) == ("stopped", "host")
        names = [entry.event.name for entry in seen.entries]
        for name in ("extended", "paused", "resumed", "skipped", "went_back"):
            assert names.count(name) == 1, name
        link.reachable = False
        link.drop()
        assert (await daemon.submit(command(Verb.START))).reason == "unreachable"


async def test_a_late_press_of_pause_or_resume_halts_a_session_and_sets_none_going(
    tmp_path: Path,
) -> None:
    band, seen = InProcessBand(RecordingMotor()), Collector()
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}, seen) as (daemon, _):
        await connected(daemon)
        await daemon.submit(command(Verb.START))
        await asyncio.sleep(10)
        for age_s, ok, reason in ((45.0, True, "ok"), (-45.0, False, "too_old")):
            answer = await daemon.submit(command(Verb.TOGGLE, age_s=age_s))
            assert (answer.ok, answer.reason) == (ok, reason), answer
            await asyncio.sleep(1)
            assert daemon.supervisors["band"].tracker.paused  # type: ignore[union-attr]
        assert "clocks" in answer.text
        assert (await daemon.submit(command(Verb.TOGGLE, age_s=29.0))).ok
        await asyncio.sleep(1)
        assert not daemon.supervisors["band"].tracker.paused  # type: ignore[union-attr]


async def test_a_band_that_begins_anew_closes_the_session_honestly(tmp_path: Path) -> None:
    seen = Collector()
    link = InProcessLink(InProcessBand(RecordingMotor(), boot_id=1))
    async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, store):
        await connected(daemon)
        await daemon.submit(command(Verb.START))
        await asyncio.sleep(60)
        link.drop()
        link._band = InProcessBand(RecordingMotor(), boot_id=2)
        ended = await seen.ended()
        assert (ended.reason, ended.source) == ("failed", "host")
        await connected(daemon)
        assert (await daemon.submit(command(Verb.START))).ok
        await seen.until(
            lambda e: isinstance(e.event, SessionEnded) and e.event.reason == "finished"
        )
        await asyncio.sleep(1)
        assert [row.reason for row in await store.sessions()] == ["finished", "failed"]


async def test_two_bands_play_side_by_side(tmp_path: Path) -> None:
    seen = Collector()
    links = {name: InProcessLink(InProcessBand(RecordingMotor())) for name in ("band", "other")}
    async with daemon_for(tmp_path / "h.db", links, seen) as (daemon, store):
        for name in links:
            await connected(daemon, name)
            assert (await daemon.submit(Command(wearable=name, verb=Verb.START))).ok
        await asyncio.sleep(LOWER_BACK_MS / 1000 + 5)
        rows = await store.sessions()
        assert sorted((row.wearable, row.reason) for row in rows) == [
            ("band", "finished"),
            ("other", "finished"),
        ]
    for name in links:
        mine = [e.event for e in seen.entries if e.wearable == name]
        cues = [event.cue for event in mine if isinstance(event, CueFired)]
        assert cues.count("hold_end") == 9
