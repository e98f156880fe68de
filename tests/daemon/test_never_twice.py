# SPDX-License-Identifier: MIT
"""Uploads and commands over a link that breaks at the worst moment: wholly or not at all, once."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.routines.library import Library
from tenuto.sessions.commands import Verb
from tenuto.sessions.events import Extended, Paused, SessionEnded
from tenuto.wearables.command_sender import DELIVER_WITHIN_S
from tenuto_core import player, wire
from tests.daemon.rig import Collector, RecordingMotor, command, connected, daemon_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tenuto.daemon.commands import Commands

OLD, NEW = "lower-back-short", "lower-back"


async def start_until_it_plays(daemon: Commands, routine: str) -> None:
    """What a patient person does."""
    async with asyncio.timeout(300):
        while True:
            await connected(daemon)
            answer = await daemon.submit(command(Verb.START, routine=routine))
            if answer.ok or answer.reason == "already_playing":
                return
            assert answer.reason == "unreachable", answer
            await asyncio.sleep(1)


class Cut:
    """Breaks a link at its frame number `at`, before or after that is through."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.at = at
        self.after = after
        self.count: int | None = None
        self.link: InProcessLink

    def __call__(self, _direction: str, _packet: bytes) -> bool:
        if self.count is None:
            return False
        self.count += 1
        if self.count != self.at:
            return False
        loop = asyncio.get_running_loop()
        if self.after:
            loop.call_later(0.031, self.link.drop)  # 30 ms is what a frame takes
            return False
        loop.call_soon(self.link.drop)
        return True


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["frame lost", "frame through"])
async def test_an_upload_that_is_cut_at_any_frame_leaves_the_old_plan_or_the_new(
    tmp_path: Path, after: bool
) -> None:
    plans = {name: Library().plan(name) for name in (OLD, NEW)}

    async def frames_of_a_start() -> int:
        return await cut_at(0)

    async def cut_at(number: int) -> int:
        cut = Cut(number, after=after)
        motor = RecordingMotor()
        band, seen = InProcessBand(motor), Collector()
        link = cut.link = InProcessLink(band, lose=cut)
        async with daemon_for(tmp_path / f"{after}-{number}.db", {"band": link}, seen) as (
            daemon,
            store,
        ):
            await start_until_it_plays(daemon, OLD)
            await asyncio.sleep(2)
            assert (await daemon.submit(command(Verb.STOP))).ok
            await seen.ended()
            edges = len(motor.edges)
            cut.count = 0
            await daemon.submit(command(Verb.START, routine=NEW))
            count, cut.count = cut.count, None
            held = band.band.player
            assert held.plan is not None
            assert (bytes(held.plan.data), held.plan_id) in [
                (plan.data, plan.plan_id) for plan in plans.values()
            ]
            if held.plan_id == plans[OLD].plan_id:
                assert len(motor.edges) == edges, "it buzzed by a plan that it does not have"
            await start_until_it_plays(daemon, NEW)
            ended = await seen.until(
                lambda e: isinstance(e.event, SessionEnded) and e.event.reason == "finished"
            )
            assert ended.event.t_ms == plans[NEW].plan.duration_ms
            await asyncio.sleep(1)
            assert [row.reason for row in await store.sessions()] == ["finished", "stopped"], (
                "it began twice"
            )
        return count

    count = await frames_of_a_start()
    assert count >= 15, "an upload takes more"
    for number in range(1, count + 1):
        await cut_at(number)


@pytest.mark.parametrize("tries", range(1, 8))
async def test_a_command_whose_answers_are_lost_is_obeyed_once(tmp_path: Path, tries: int) -> None:
    deaf = 0

    def lose(direction: str, packet: bytes) -> bool:
        nonlocal deaf
        answer = wire.COMMAND | wire.ANSWER
        if direction == "down" and deaf and answer in (frame[0] for frame in wire.split(packet)):
            deaf -= 1
            return True
        return False

    band, seen = InProcessBand(RecordingMotor()), Collector()
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band, lose=lose)}, seen) as (
        daemon,
        _,
    ):
        await connected(daemon)
        assert (await daemon.submit(command(Verb.START))).ok
        await asyncio.sleep(10)
        deaf = tries
        asked = command(Verb.EXTEND, by_ms=10_000, id="from the dashboard")
        answers = [await daemon.submit(asked) for _ in range(4)]
        assert answers[-1].ok, answers
        await seen.ended()
        assert sum(isinstance(e.event, Extended) for e in seen.entries) == 1


async def test_a_request_that_comes_again_is_the_same_request_for_a_while_only(
    tmp_path: Path,
) -> None:
    band, seen = InProcessBand(RecordingMotor()), Collector()
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}, seen) as (
        daemon,
        _,
    ):
        await connected(daemon)
        await daemon.submit(command(Verb.START))
        await asyncio.sleep(6)
        asked = command(Verb.EXTEND, by_ms=1_000, id="7")
        first = await asyncio.gather(*(daemon.submit(asked) for _ in range(3)))
        assert [answer.ok for answer in first] == [True] * 3
        assert (await daemon.submit(command(Verb.EXTEND, by_ms=2_000, id="7"))).ok, "another"
        await asyncio.sleep(80)
        assert (await daemon.submit(asked)).ok
        assert (await daemon.submit(command(Verb.EXTEND, by_ms=1_000))).ok
        assert (await daemon.submit(command(Verb.EXTEND, by_ms=1_000))).ok, "without an id"
        await seen.ended()
        extended = [e.event for e in seen.entries if isinstance(e.event, Extended)]
        assert [event.by_ms for event in extended] == [1_000, 2_000, 1_000, 1_000, 1_000]


@dataclass
class Outage:
    """A band that plays, and its host, between which there is nothing for the moment."""

    band: InProcessBand
    link: InProcessLink
    daemon: Commands
    seen: Collector

    def end(self) -> None:
        """Let them hear each other again."""
        self.link.reachable = True


@asynccontextmanager
async def outage(path: Path) -> AsyncIterator[Outage]:
    """A session of NEW whose link went 20 s after its start, 5 s ago."""
    band, seen = InProcessBand(RecordingMotor()), Collector()
    link = InProcessLink(band)
    async with daemon_for(path, {"band": link}, seen) as (daemon, _):
        await connected(daemon)
        assert (await daemon.submit(command(Verb.START))).ok
        await asyncio.sleep(20)
        link.reachable = False
        link.drop()
        await asyncio.sleep(5)
        yield Outage(band, link, daemon, seen)


@pytest.mark.parametrize("verb", [Verb.STOP, Verb.PAUSE])
async def test_a_stop_or_a_pause_is_delivered_when_the_wearable_is_back(
    tmp_path: Path, verb: Verb
) -> None:
    async with outage(tmp_path / "h.db") as it:
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        answer = await it.daemon.submit(command(verb))
        assert (answer.ok, answer.reason) == (False, "unreachable")
        assert loop.time() - asked_s < 0.1, "answered at once"
        assert f"the {verb.value} is delivered if" in answer.text
        await asyncio.sleep(40)
        assert it.band.band.player.state == player.RUNNING
        it.end()
        await connected(it.daemon)
        await asyncio.sleep(1)
        wanted = player.PAUSED if verb is Verb.PAUSE else player.IDLE
        assert it.band.band.player.state == wanted
        await asyncio.sleep(60)
        pauses = [e for e in it.seen.entries if isinstance(e.event, Paused)]
        assert len(pauses) == (verb is Verb.PAUSE)


@pytest.mark.parametrize("verb", [Verb.SKIP, Verb.BACK, Verb.EXTEND, Verb.RESUME, Verb.START])
async def test_anything_else_is_not_delivered_later(tmp_path: Path, verb: Verb) -> None:
    async with outage(tmp_path / "h.db") as it:
        answer = await it.daemon.submit(command(verb))
        assert (answer.ok, answer.reason) == (False, "unreachable")
        assert "delivered" not in answer.text
        it.end()
        assert (await it.seen.ended()).t_ms == Library().plan(NEW).plan.duration_ms


async def test_a_stop_is_dropped_and_said_when_it_comes_too_late(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with outage(tmp_path / "h.db") as it:
            await it.daemon.submit(command(Verb.STOP))
            await asyncio.sleep(DELIVER_WITHIN_S + 1)
            assert "dropped=stop" in caplog.text
            it.end()
            assert (await it.seen.ended()).reason == "finished"


async def test_a_stop_does_not_hit_the_session_after_the_one_it_was_meant_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with outage(tmp_path / "h.db") as it:
            await it.daemon.submit(command(Verb.STOP))
            it.band.press(900)  # the wearer stops by hand
            await asyncio.sleep(5)
            it.band.press(80)  # and begins anew
            await asyncio.sleep(5)
            it.end()
            await it.seen.until(
                lambda e: isinstance(e.event, SessionEnded) and e.event.reason == "finished"
            )
            ends = [e.event.reason for e in it.seen.entries if isinstance(e.event, SessionEnded)]
            assert ends == ["stopped", "finished"]
            assert "no longer plays that session" in caplog.text


async def test_a_resume_takes_back_a_pause_that_waits(tmp_path: Path) -> None:
    async with outage(tmp_path / "h.db") as it:
        await it.daemon.submit(command(Verb.PAUSE))
        await it.daemon.submit(command(Verb.RESUME))
        it.end()
        await it.seen.ended()
        assert not any(isinstance(e.event, Paused) for e in it.seen.entries)
