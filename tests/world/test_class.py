# SPDX-License-Identifier: MIT
"""A class by radio, with the firmware: the short form of tests/bench/bench_class.py."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.bench.bench_class import ALIKE_MS, aligned, class_of

if TYPE_CHECKING:
    from pathlib import Path

COUNT, LINKS, EXERCISES = 6, 3, 2


async def test_a_class_without_a_radio_stays_together(tmp_path: Path) -> None:
    """Six bands that share three links, one packet in ten lost, the radio gone from the start."""
    async with class_of(tmp_path, COUNT, links=LINKS, exercises=EXERCISES) as it:
        loop = asyncio.get_running_loop()
        for limit_ms in (ALIKE_MS, ALIKE_MS / 2):  # met just now, and a few minutes later
            await it.met()
            _, began = await it.start()
            assert began >= COUNT - 1, "one may be reached too late, and joins"
            begun_s = loop.time() - 1
            silence = it.world.radio.silence()
            await it.over()
            silence.end()
            cues = aligned(it.felt_s(begun_s))
            assert {len(times) for times in cues} == {began}, "they felt all of it"
            assert len(cues) > 3 * EXERCISES
            worst_ms = max(1000 * (max(times) - min(times)) for times in cues)
            assert worst_ms <= limit_ms
            await asyncio.sleep(200)
