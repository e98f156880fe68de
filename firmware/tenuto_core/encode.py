# SPDX-License-Identifier: MIT
"""Writes plans.  A module of its own, because a board only reads them and is short of memory."""

import struct
from binascii import crc32

from .plan import (
    _CUE,
    _CUE_BYTES,
    _FROM_END,
    _HEADER,
    _PHASE_SHIFT,
    _PULSE,
    _PULSE_BYTES,
    _STEP,
    CUES_V1,
    MAX_BYTES,
    MAX_CUES,
    MAX_CUES_KNOWN,
    MAX_EXERCISES,
    MAX_NAME_BYTES,
    MAX_PHASES,
    MAX_PLAN_MS,
    MAX_PULSES,
    MAX_STEPS,
    OPEN,
    SELF_PACED,
    VERSION,
    Plan,
    Step,
    _check,
    _check_int,
    _check_step,
    check_motor,
    check_pattern,
)


def _names(texts: tuple[str, ...]) -> bytes:
    names = b""
    for text in texts:
        raw = text.encode()
        _check_int(len(raw), 1, MAX_NAME_BYTES, "length in bytes of the name {!r}", text)
        names += bytes((len(raw),)) + raw
    return names


def cues_of(steps: list[Step] | tuple[Step, ...]):  # type: ignore[no-untyped-def]
    """Return what `Plan.cues_from` is for a plan of these steps."""

    def cues_from(number: int, start_ms: int):  # type: ignore[no-untyped-def]
        for step in steps[number:]:
            for offset_ms, from_end, cue in step.cues:
                at_ms = step.duration_ms - offset_ms if from_end else offset_ms
                yield number, start_ms + at_ms, cue
            number += 1
            start_ms += step.duration_ms

    return cues_from


def encode(
    name: str,
    exercises: list[str] | tuple[str, ...],
    steps: list[Step] | tuple[Step, ...],
    patterns: list[tuple[tuple[int, int, int], ...]] | tuple[tuple[tuple[int, int, int], ...], ...],
    phases: list[str] | tuple[str, ...] = (),
    version: int = VERSION,
) -> bytes:
    """Return the bytes of a plan.

    Args:
        name: The routine's name.
        exercises: Their names, as the steps number them.
        steps: The last one is `DONE`.
        patterns: For each cue of `vocab.CUES` a sequence of (strength_pct, on_ms, off_ms), empty
            for a cue that stays silent.
        phases: Their names; the steps number them from 1.
        version: 1 or 2.  Version 1 has no room for the names of phases, which it leaves out, and
            none for a cue beyond its nine and for open holds, which must not be used.

    Raises:
        PlanError: The first bound that is not kept; the bounds are the constants of `plan`.
    """
    _check_int(version, 1, VERSION, "version of the plan")
    _check_int(len(exercises), 0, MAX_EXERCISES, "number of exercises")
    _check_int(len(phases), 0, MAX_PHASES, "number of phases")
    _check_int(len(steps), 1, MAX_STEPS, "number of steps")
    _check_int(len(patterns), 0, MAX_CUES_KNOWN, "number of patterns")
    patterns = tuple(patterns)
    if version == 1:
        patterns = (patterns + ((),) * CUES_V1)[:CUES_V1]
    names = _names((name,) + tuple(exercises) + (tuple(phases) if version > 1 else ()))
    for cue, pattern in enumerate(patterns):
        check_pattern(pattern, "cue {}".format(cue))
    rows, cues, total_ms = b"", b"", 0
    for number, step in enumerate(steps):
        is_last = number == len(steps) - 1
        _check_step(step, number, is_last, len(exercises), len(phases), len(patterns))
        _check(version > 1 or not step.is_open, "step {}: an open hold in version 1", number)
        first = len(cues) // _CUE_BYTES
        for offset_ms, from_end, cue in step.cues:
            cues += struct.pack(_CUE, offset_ms, cue | (_FROM_END if from_end else 0))
        rows += struct.pack(
            _STEP,
            step.kind,
            step.exercise,
            step.side | (step.phase << _PHASE_SHIFT if version > 1 else 0),
            step.rep,
            step.reps,
            step.set_no,
            (SELF_PACED if step.self_paced else 0) | (OPEN if step.is_open else 0),
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
    check_motor(cues_of(steps), patterns)
    counts, pulses = b"", b""
    for pattern in patterns:
        counts += bytes((len(pattern),))
        for pulse in pattern:
            pulses += struct.pack(_PULSE, *pulse)
    _check_int(len(pulses) // _PULSE_BYTES, 0, MAX_PULSES, "number of pulses")
    data = struct.pack(
        _HEADER,
        b"TP",
        version,
        len(exercises),
        len(steps),
        len(patterns) if version > 1 else 0,
        len(cues) // _CUE_BYTES,
        len(pulses) // _PULSE_BYTES,
        len(names),
        total_ms,
    )
    data += rows + cues + counts + pulses + names
    data += struct.pack("<I", crc32(data) & 0xFFFFFFFF)
    _check_int(len(data), 0, MAX_BYTES, "size of the plan in bytes")
    return data


def as_version(plan: Plan, version: int) -> bytes:
    """Return the bytes of the same plan in another version.

    Raises:
        PlanError: That version cannot say it.
    """
    return encode(
        plan.name,
        tuple(plan.exercise_name(number) for number in range(plan.exercises)),  # type: ignore[misc]
        tuple(plan.step(number) for number in range(plan.steps)),
        plan.patterns[: plan.cues_known],
        tuple(plan.phase_name(number + 1) for number in range(plan.phases)),  # type: ignore[misc]
        version,
    )
