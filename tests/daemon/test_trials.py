# SPDX-License-Identifier: MIT
"""A trial of cues is no session: nothing is kept of it, and nobody is told but who asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tenuto.cues.trials import cue_plan, is_trial, quiz_plan, strength_plan
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.routines.library import Library
from tenuto.sessions.commands import Command, Verb
from tenuto_core.vocab import CUES
from tests.daemon.rig import Collector, RecordingMotor, connected, daemon_for, log_of

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.routines.compile import CompiledPlan

VOCABULARY = Library().vocabulary()
ORDER = ["hold_start", "hold_end"] * 5
TRIALS = {
    "cue": cue_plan(VOCABULARY, "hold_end"),
    "quiz": quiz_plan(VOCABULARY, ORDER, [2_000] * len(ORDER)),
    "quiz by button": quiz_plan(VOCABULARY, ORDER, [2_000] * len(ORDER), choices=2),
    "strength": strength_plan(0, 2_000),
    "strength by button": strength_plan(40, 2_000, by_button=True),
}


@pytest.mark.parametrize("plan", TRIALS.values(), ids=TRIALS)
async def test_a_trial_is_neither_kept_nor_told(tmp_path: Path, plan: CompiledPlan) -> None:
    worn, told = InProcessBand(RecordingMotor(), boot_id=1), Collector()
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(worn)}, told) as (
        daemon,
        store,
    ):
        await connected(daemon)
        band = daemon.supervisors["band"]
        await band.start(plan)
        await asyncio.sleep(0.2)
        assert band.playing
        await asyncio.sleep(200)
        assert not band.playing
        assert await store.sessions() == []
        assert told.entries == []

        assert (await daemon.submit(Command(wearable="band", verb=Verb.START))).ok
        await told.ended()
        await asyncio.sleep(5)
        (row,) = await store.sessions()
        assert row.routine == "lower-back"
        assert not is_trial(Library().plan("lower-back").plan)


async def test_a_daemon_that_comes_back_in_a_trial_goes_on_behind_it(tmp_path: Path) -> None:
    worn, told = InProcessBand(RecordingMotor(), boot_id=1), Collector()
    path = tmp_path / "h.db"
    async with daemon_for(path, {"band": InProcessLink(worn)}) as (daemon, _):
        await connected(daemon)
        await daemon.supervisors["band"].start(TRIALS["quiz"])
        await asyncio.sleep(20)
    async with daemon_for(path, {"band": InProcessLink(worn)}, told) as (daemon, store):
        await connected(daemon)
        await asyncio.sleep(200)
        assert await store.sessions() == []
        assert told.entries == []
        last = log_of(worn)[-1].seq
        (device,) = {supervisor.device for supervisor in daemon.supervisors.values()}
        assert await store.last_seq(device or "", 1) == last


def test_a_press_ends_the_hold_of_a_trial_and_nothing_of_it_is_a_routine() -> None:
    plan = TRIALS["quiz by button"].plan

    assert plan.step(1).is_open
    assert not is_trial(None)
    assert len(plan.patterns) >= len(CUES)
