# SPDX-License-Identifier: MIT
"""Routine to plan to description, and played: as the file says it, told in another way."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import InputError
from tenuto.routines import routine
from tenuto.routines.compile import compile_routine, describe
from tenuto_core import vocab
from tenuto_core.player import WAITING
from tests.core.rig import BOOT_MS, Wrist
from tests.routines.told import Row, rows, some_routine
from tests.sample_routines import vocabulary, write

if TYPE_CHECKING:
    from tenuto.routines.compile import CompiledPlan, ScoreRow

COUNT = int(os.environ.get("ROUTINES", "400"))
"""`make test` takes a few; `ROUTINES=10000` takes as many as the design promises."""


def as_told(row: ScoreRow) -> Row:
    return Row(
        row.kind,
        row.exercise,
        row.side,
        row.set_no,
        row.sets,
        row.rep,
        row.reps,
        row.phase,
        row.duration_ms,
        is_open=row.is_open,
        waits=row.waits,
    )


def played(compiled: CompiledPlan) -> list[tuple[int, int, int]]:
    """Return what was felt in a session: (ms from the start, step, cue).

    Whatever waits for a press gets one, and open holds are left to their longest time.
    """
    wrist = Wrist(compiled.data, log_records=8_192)
    assert wrist.do(vocab.START) == vocab.OK
    for _ in range(3 * compiled.plan.steps):
        while wrist.player.due_ms is not None and wrist.player.state != WAITING:
            wrist.run_to(wrist.player.due_ms)
        if wrist.player.state != WAITING:
            break
        wrist.beat(60)
        if wrist.player.state == WAITING:
            wrist.press()
    assert not [r for r in wrist.records() if r[1] == vocab.WITHHELD]
    assert wrist.records()[-1][1] == vocab.SESSION_ENDED
    return [(r[0] - BOOT_MS, r[2], r[3]) for r in wrist.records() if r[1] == vocab.CUE]


@pytest.mark.slow
def test_generated_routines_are_compiled_described_and_played_as_they_say() -> None:
    seed = random.randrange(1 << 30)  # of pytest-randomly's seed, which pytest prints
    refused: Counter[str] = Counter()
    for number in range(seed, seed + COUNT):
        written = some_routine(random.Random(number))
        try:
            found = routine.parse(write(written), "any.toml")
            compiled = compile_routine(found, vocabulary())
        except InputError as error:
            refused[error.mistakes[0].text] += 1
            continue
        try:
            score = describe(compiled)
            assert list(map(as_told, score)) == rows(written)
            if not any(row.waits for row in score):
                assert played(compiled) == [
                    (row.start_ms + cue.at_ms, row.number, cue_number(compiled, row, at))
                    for row in score
                    for at, cue in enumerate(row.cues)
                ]
            else:
                assert [step for _, step, _ in played(compiled)] == [
                    row.number for row in score for _ in row.cues
                ]
        except Exception as error:
            error.add_note(f"some_routine(random.Random({number})) shows it")
            raise
    # A generator that is mostly refused would prove nothing.
    assert sum(refused.values()) < 0.25 * COUNT, refused.most_common(5)


def cue_number(compiled: CompiledPlan, row: ScoreRow, at: int) -> int:
    return compiled.plan.step(row.number).cues[at][2]
