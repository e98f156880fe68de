# SPDX-License-Identifier: MIT
"""Writes plans.  A module of its own, because a board only reads them and is short of memory."""

import struct
from binascii import crc32

from .plan import (
    _CUE,
    _CUE_BYTES,
    _FROM_END,
    _HEADER,
    _PULSE,
    _PULSE_BYTES,
    _STEP,
    MAX_BYTES,
    MAX_CUES,
    MAX_EXERCISES,
    MAX_NAME_BYTES,
    MAX_PLAN_MS,
    MAX_STEPS,
    SELF_PACED,
    VERSION,
    Step,
    _check,
    _check_int,
    _check_step,
    check_motor,
    check_pattern,
)
from .vocab import CUES


def encode(
    name: str,
    exercises: list[str] | tuple[str, ...],
    steps: list[Step] | tuple[Step, ...],
    patterns: list[tuple[tuple[int, int, int], ...]] | tuple[tuple[tuple[int, int, int], ...], ...],
) -> bytes:
    """The bytes of a plan.

    name: the routine's name; exercises: their names, as the steps number them; steps: of `Step`,
    the last one `DONE`; patterns: for each cue of `vocab.CUES` a sequence of
    (strength_pct, on_ms, off_ms), empty for a cue that stays silent.
    Raises PlanError with the first bound that is not kept; the bounds are the constants of `plan`.
    """
    _check_int(len(exercises), 0, MAX_EXERCISES, "number of exercises")
    _check_int(len(steps), 1, MAX_STEPS, "number of steps")
    _check(len(patterns) == len(CUES), "one pattern for each of the {} cues", len(CUES))
    names = b""
    for text in (name,) + tuple(exercises):
        raw = text.encode()
        _check_int(len(raw), 1, MAX_NAME_BYTES, "length in bytes of the name {!r}", text)
        names += bytes((len(raw),)) + raw
    for cue, pattern in enumerate(patterns):
        check_pattern(pattern, CUES[cue])
    rows, cues, total_ms = b"", b"", 0
    for number, step in enumerate(steps):
        _check_step(step, number, len(exercises), number == len(steps) - 1)
        first = len(cues) // _CUE_BYTES
        for offset_ms, from_end, cue in step.cues:
            cues += struct.pack(_CUE, offset_ms, cue | (_FROM_END if from_end else 0))
        flags = SELF_PACED if step.self_paced else 0
        rows += struct.pack(
            _STEP,
            step.kind,
            step.exercise,
            step.side,
            step.rep,
            step.reps,
            step.set_no,
            flags,
            step.gate_bpm,
            step.duration_ms,
            step.wait_max_ms,
            first,
            len(step.cues),
            step.limit_bpm,
        )
        total_ms += step.duration_ms
    _check_int(len(cues) // _CUE_BYTES, 0, MAX_CUES, "number of cues")
    _check_int(total_ms, 0, MAX_PLAN_MS, "duration of the plan in ms")

    def cues_from(number: int, start_ms: int):  # type: ignore[no-untyped-def]
        for step in steps[number:]:
            for offset_ms, from_end, cue in step.cues:
                at_ms = step.duration_ms - offset_ms if from_end else offset_ms
                yield number, start_ms + at_ms, cue
            number += 1
            start_ms += step.duration_ms

    check_motor(cues_from, patterns)
    counts, pulses = b"", b""
    for pattern in patterns:
        counts += bytes((len(pattern),))
        for pulse in pattern:
            pulses += struct.pack(_PULSE, *pulse)
    data = struct.pack(
        _HEADER,
        b"TP",
        VERSION,
        len(exercises),
        len(steps),
        len(cues) // _CUE_BYTES,
        len(pulses) // _PULSE_BYTES,
        len(names),
        total_ms,
    )
    data += rows + cues + counts + pulses + names
    data += struct.pack("<I", crc32(data) & 0xFFFFFFFF)
    _check_int(len(data), 0, MAX_BYTES, "size of the plan in bytes")
    return data
