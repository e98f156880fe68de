# SPDX-License-Identifier: MIT
"""Everything that a routine can say, felt on the simulated band: the firmware itself on a board."""

from __future__ import annotations

import asyncio

import pytest

from tenuto.routines import routine
from tenuto.routines.compile import CompiledPlan, compile_routine, describe
from tenuto_core import vocab
from tests.firmware_app.rig import follow, room, start, until
from tests.sample_routines import vocabulary

SAYS = {
    "falling repetitions, rests between sets": """
        hold_s = 5
        reps = [3, 2, 1]
        rest_s = 4
        set_rest_s = 9""",
    "phases on each side": """
        sides = "each"
        phases = [
        { name = "stretch", s = 5 }, { name = "press", s = 4 }, { name = "deeper", s = 6 }
        ]""",
    "breathing": """
        reps = 5
        rest_s = 0
        phases = [
        { name = "in", s = 4, cue = [120] }, { name = "out", s = 6, cue = [120, 150, 120] }
        ]""",
    "marks": """
        hold_s = 20
        mark_every_s = 5
        halfway = true""",
    "one side, a hold for each repetition": """
        sides = "right"
        hold_s = [8, 6, 4]""",
}


def compiled(exercise: str, top: str = "") -> CompiledPlan:
    lines = "\n".join(line.strip() for line in exercise.splitlines())
    text = f'name = "r"\n{top}\n[[exercise]]\nname = "x"\n{lines}\n'
    return compile_routine(routine.parse(text, "r.toml"), vocabulary())


def meant(plan: CompiledPlan) -> list[tuple[int, int]]:
    """Return (strength, ms) of each pulse of a score."""
    return [
        (strength_pct, on_ms)
        for row in describe(plan)
        for cue in row.cues
        for strength_pct, on_ms, _ in cue.pattern
    ]


@pytest.mark.parametrize("exercise", SAYS.values(), ids=SAYS)
async def test_what_a_routine_says_is_felt_on_the_board(exercise: str) -> None:
    plan = compiled(exercise, top="cues = { hold_start = [300] }")
    async with room() as it:
        host = await it.pair()
        records = await follow(host)
        before = len(it.worn.motor.edges)

        await start(host, plan)
        await until(lambda: it.band.is_playing)
        await until(lambda: not it.band.is_playing)
        await asyncio.sleep(3)

        assert it.pulses(before) == meant(plan)
        cues = [(r.step, r.a) for r in records if r.kind == vocab.CUE]
        steps = [plan.plan.step(number) for number in range(plan.plan.steps)]
        assert cues == [(n, cue) for n, step in enumerate(steps) for _, _, cue in step.cues]
        assert records[-1].kind == vocab.SESSION_ENDED


async def test_an_open_hold_ends_with_a_press_on_the_boards_own_button() -> None:
    plan = compiled('hold_s = "open"\nhold_max_s = 60\nmark_every_s = 10\nreps = 2\nrest_s = 5')
    async with room() as it:
        host = await it.pair()
        records = await follow(host)
        before = len(it.worn.motor.edges)
        await start(host, plan)
        await until(lambda: it.band.player.number == 1)
        await asyncio.sleep(25)
        it.click()
        await until(lambda: it.band.player.number == 2, 3)
        await until(lambda: not it.band.is_playing)
        await asyncio.sleep(3)

        ended = [r for r in records if r.kind == vocab.STEP_ENDED and r.step in (1, 3)]
        let_go, left = ended
        assert 25_000 <= let_go.b <= 26_500
        assert let_go.b == let_go.c
        assert left.b == left.c == 60_000
        assert {r.a for r in ended} == {vocab.STEP_COMPLETE}
        marks = [r.step for r in records if r.kind == vocab.CUE and r.a == vocab.MARK]
        assert marks == [1, 1, 3, 3, 3, 3, 3]
        felt = it.pulses(before)
        assert felt.count((60, 120)) == 2 * len(marks)
        assert felt.count((100, 150)) == meant(plan).count((100, 150)), (
            "each hold ends with its cue"
        )
