# SPDX-License-Identifier: MIT
"""A plan with an open hold, phases without a pause, and a pattern that only this plan has.

Runs on CPython and on MicroPython.
"""
# ruff: noqa: I002, RUF005 - MicroPython has no __future__, and no star in a display

from tenuto_core import vocab
from tenuto_core.encode import encode
from tenuto_core.plan import Step
from tests.core.rig import PATTERNS, TICKS

READY, STRETCH, PRESS, DEEPER, REST, AGAIN = range(6)
CHANGE, OPEN, SWITCH, IN, OUT, IN_2, OUT_2, DONE = range(8, 16)
OWN = 96
OWN_PATTERN = ((77, 90, 0),)
OPEN_MAX_MS = 60_000
_END = ((0, True, vocab.HOLD_END),)


def _contract_relax(rep: int) -> list[Step]:
    def phase(number: int, duration_ms: int, cues: tuple[tuple[int, bool, int], ...]) -> Step:
        return Step(
            vocab.HOLD,
            duration_ms,
            cues,
            exercise=0,
            side=vocab.LEFT,
            rep=rep,
            reps=2,
            set_no=1,
            phase=number,
        )

    return [
        phase(1, 10_000, ((0, False, vocab.HOLD_START),)),
        phase(2, 6_000, ((0, False, OWN),)),
        phase(3, 20_000, ((0, False, vocab.HALFWAY),) + _END),
    ]


def _breath(number: int, rep: int, duration_ms: int, cue: int) -> Step:
    return Step(
        vocab.HOLD,
        duration_ms,
        ((0, False, cue),),
        exercise=2,
        rep=rep,
        reps=2,
        set_no=1,
        phase=number,
    )


def steps() -> list[Step]:
    """Two repetitions of three phases, an open hold, two breaths."""
    return (
        [Step(vocab.READY, 5_000, ((0, False, vocab.GET_READY),) + TICKS, exercise=0)]
        + _contract_relax(1)
        + [Step(vocab.REST, 8_000, TICKS, exercise=0, side=vocab.LEFT)]
        + _contract_relax(2)
        + [
            Step(vocab.REST, 8_000, ((1_000, False, vocab.NEXT_EXERCISE),) + TICKS, exercise=1),
            Step(
                vocab.HOLD,
                OPEN_MAX_MS,
                ((0, False, vocab.HOLD_START), (15_000, False, OWN), (30_000, False, OWN)) + _END,
                exercise=1,
                rep=1,
                reps=1,
                set_no=1,
                is_open=True,
            ),
            Step(vocab.REST, 8_000, ((1_000, False, vocab.NEXT_EXERCISE),) + TICKS, exercise=2),
            _breath(4, 1, 4_000, vocab.COUNTDOWN),
            _breath(5, 1, 6_000, vocab.SWITCH_SIDES),
            _breath(4, 2, 4_000, vocab.COUNTDOWN),
            _breath(5, 2, 6_000, vocab.SWITCH_SIDES),
            Step(vocab.DONE, 3_000, ((400, False, vocab.FINISHED),)),
        ]
    )


def data() -> bytes:
    """The bytes of the plan."""
    return encode(
        "Phased",
        ("hamstrings", "plank", "breathing"),
        steps(),
        PATTERNS + ((),) * (OWN - len(PATTERNS)) + (OWN_PATTERN,),
        ("stretch", "press", "deeper", "in", "out", "The title"),
    )
