# SPDX-License-Identifier: MIT
"""The clock of a wearable over the whole stack: real firmware, a radio, a wrong crystal."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tenuto.sessions.commands import Command, Verb
from tests.daemon.rig import connected, utc_ms
from tests.world.rig import room

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
async def test_after_a_session_the_skew_is_known_and_each_time_was_told_honestly(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    drift_ppm = rng.choice((-50.0, 50.0))

    async with room(
        tmp_path / "h.db",
        seed=seed,
        drift_ppm=drift_ppm,
        calm=False,
        interval_ms=rng.uniform(30, 50),
    ) as it:
        await connected(it.daemon, "band-1")
        answer = await it.daemon.submit(Command(wearable="band-1", verb=Verb.START))
        assert answer.ok, answer
        await it.seen.ended()
        await asyncio.sleep(1)
        to_utc_ms = utc_ms() - asyncio.get_running_loop().time() * 1000
        board = it.bands["band-1"].board.clock
        honest = 0
        for entry in it.seen.entries:
            assert entry.record is not None
            assert entry.uncertainty_ms is not None
            true_ms = board.loop_time(entry.record.at_ms) * 1000 + to_utc_ms
            honest += abs(entry.utc_ms - true_ms) <= entry.uncertainty_ms + 1
            assert entry.uncertainty_ms < 60
        assert honest >= 0.95 * len(it.seen.entries)
        skew = it.daemon.supervisors["band-1"].log.clock.skew
        assert abs(skew.ppm - drift_ppm) <= 15, "95 of 100 seeds are within 5, 98 within 10"
        assert abs(skew.ppm - drift_ppm) <= 3 * skew.sigma_ppm
