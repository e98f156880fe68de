# SPDX-License-Identifier: MIT
"""The promises on the whole chain: real bleak calls, virtual radio, real firmware."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tenuto.daemon.sinks import queue_for
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import (
    CueFired,
    LinkLost,
    LinkRestored,
    RecordsLost,
    SessionEnded,
    SessionStarted,
    StepStarted,
)
from tests.chain.rig import Chain, chain
from tests.daemon.test_daemon import LOWER_BACK_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tenuto.sessions.events import Entry

SILENCE_S = 60
SEEN_MS = 100
"""Within so long of being felt a cue is seen by who looks on; a page needs 15 ms of it."""
PAGE_MS = 15


class Watch:
    """A sink that notes how long after a cue it is told of it."""

    name = "watch"

    def __init__(self, utc_ms: Callable[[], float]) -> None:
        self._utc_ms = utc_ms
        self.late_ms: list[float] = []

    async def open(self) -> None:
        """Do nothing."""

    async def handle(self, entries: Sequence[Entry]) -> None:
        now_ms = self._utc_ms()
        self.late_ms += [now_ms - one.utc_ms for one in entries if isinstance(one.event, CueFired)]

    async def close(self) -> None:
        """Do nothing."""


async def start(chain: Chain) -> int:
    """Begin lower-back; gives the board's time of its first motor edge."""
    async with asyncio.timeout(60):
        await chain.host.hub.supervisors["simulated"].connected.wait()
    before = len(chain.wearable.motor.edges)
    answer = await chain.host.commands.submit(Command(wearable="simulated", verb=Verb.START))
    assert answer.ok, answer
    await chain.seen.until(lambda entry: isinstance(entry.event, StepStarted))
    return round(next(e.t_ms for e in chain.wearable.motor.edges[before:] if e.on))


def edges_from(chain: Chain, start_ms: int) -> list[tuple[int, bool, int]]:
    edges = [e for e in chain.wearable.motor.edges if round(e.t_ms) >= start_ms]
    return [(round(e.t_ms) - start_ms, e.on, e.strength_pct if e.on else 0) for e in edges]


async def undisturbed(path: Path) -> list[tuple[int, bool, int]]:
    async with chain(path) as it:
        start_ms = await start(it)
        ended = await it.seen.ended()
        assert (ended.reason, ended.t_ms) == ("finished", LOWER_BACK_MS)
        return edges_from(it, start_ms)


async def test_a_cue_is_told_while_it_is_felt(tmp_path: Path) -> None:
    async with chain(tmp_path / "h.db") as it:
        sink = Watch(it.host.time.utc_ms)
        async with queue_for(sink) as queue:
            it.host.hub.attach(queue)
            await start(it)
            await it.seen.ended()
            it.host.hub.detach(queue)
    assert len(sink.late_ms) > 30
    assert max(sink.late_ms) <= SEEN_MS - PAGE_MS, sorted(sink.late_ms)[-5:]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
async def test_a_minute_of_radio_silence_changes_no_buzz_and_leaves_no_hole(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)

    expected = await undisturbed(tmp_path / "quiet.db")
    async with chain(tmp_path / "h.db", seed) as it:
        start_ms = await start(it)
        await asyncio.sleep(rng.uniform(0, LOWER_BACK_MS / 1000 - 10))
        it.world.radio.silence(it.wearable.address, SILENCE_S)
        assert (await it.seen.ended()).reason == "finished"
        await it.host.flush()
        assert edges_from(it, start_ms) == expected
        kinds = [type(entry.event) for entry in it.seen.entries]
        assert kinds.count(LinkLost) == 1
        assert kinds.count(LinkRestored) <= 1
        assert RecordsLost not in kinds
        seqs = [e.event.seq for e in it.seen.entries if e.event.seq is not None]
        assert seqs == list(range(seqs[0], seqs[-1] + 1))
        stored = await it.host.store.session(1)
        assert stored is not None
        assert [item.record.seq for item in stored.records] == seqs
        it.wearable.check()


@pytest.mark.slow
async def test_a_long_press_stops_the_motor_before_any_host_knows(tmp_path: Path) -> None:
    async with chain(tmp_path / "h.db") as it:
        start_ms = await start(it)
        board_ms = it.wearable.board.ticks_ms()
        # Within the long buzz that starts the first hold, which lasts from 5,000 to 5,500 ms.
        it.world.radio.silence(it.wearable.address, 30)
        it.wearable.button.press(2000, after_ms=start_ms + 4_600 - board_ms)
        ended = await it.seen.ended()
        assert (ended.reason, ended.source) == ("stopped", "wearer")
        assert 5_400 <= ended.t_ms <= 5_430, "800 ms after the press, give or take a poll"
        last = it.wearable.motor.edges[-1]
        assert not last.on
        assert round(last.t_ms) - start_ms <= 5_430
        kinds = [type(entry.event) for entry in it.seen.entries]
        assert LinkLost in kinds, "the test is about a band that nobody hears"


@pytest.mark.slow
async def test_the_firmware_never_blocks_and_never_complains(tmp_path: Path) -> None:
    async with chain(tmp_path / "h.db") as it:
        await start(it)
        await it.seen.ended()
        board = it.wearable.board
        assert list(board.bleio.adapter.blocking_calls) == []
        assert [line for line in board.stdout if "radio:" in line] == []


@pytest.mark.slow
async def test_a_press_starts_again_and_the_host_follows(tmp_path: Path) -> None:
    async with chain(tmp_path / "h.db") as it:
        await start(it)
        await asyncio.sleep(10)
        await it.host.commands.submit(Command(wearable="simulated", verb=Verb.STOP))
        await it.seen.ended()
        first = it.seen.entries[0].session
        it.wearable.button.press(80)
        ended = await it.seen.until(
            lambda e: e.session != first and isinstance(e.event, SessionEnded)
        )
        assert isinstance(ended.event, SessionEnded)
        assert ended.event.reason == "finished"
        begun = next(e.event for e in it.seen.entries if e.session == ended.session)
        assert isinstance(begun, SessionStarted)
        assert (begun.source, begun.routine) == ("wearer", "lower-back")
