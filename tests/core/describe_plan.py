# SPDX-License-Identifier: MIT
"""Reads plans and prints what each says as a line of JSON, on CPython and on MicroPython."""
# ruff: noqa: I002, T201, PTH123 - MicroPython has no __future__ and no pathlib

import json
import sys

from tenuto_core import vocab
from tenuto_core.plan import CUES_V1, Plan


def name_of(cue: int) -> str:
    """The name of a cue that version 1 knew, the number of a later one."""
    return vocab.CUES[cue] if cue < CUES_V1 else str(cue)


def describe(plan: Plan) -> dict:
    """All that a plan says; see tests/golden/plans."""
    steps = []
    for number in range(plan.steps):
        step = plan.step(number)
        steps.append(
            {
                "kind": vocab.STEP_KINDS[step.kind],
                "exercise": plan.exercise_name(step.exercise),
                "side": vocab.SIDES[step.side],
                "rep": step.rep,
                "reps": step.reps,
                "set": step.set_no,
                "duration_ms": step.duration_ms,
                "self_paced": step.self_paced,
                "gate_bpm": step.gate_bpm,
                "limit_bpm": step.limit_bpm,
                "wait_max_ms": step.wait_max_ms,
                "cues": [
                    [name_of(cue), offset_ms, "end" if from_end else "start"]
                    for offset_ms, from_end, cue in step.cues
                ],
                "phase": plan.phase_name(step.phase),
            }
        )
        if step.is_open:  # a key that the plans of before do not have
            steps[number]["open"] = True
    return {
        "name": plan.name,
        "exercises": [plan.exercise_name(number) for number in range(plan.exercises)],
        "phases": [plan.phase_name(number + 1) for number in range(plan.phases)],
        "duration_ms": plan.duration_ms,
        "cues_known": plan.cues_known,
        "steps": steps,
        "patterns": [[list(pulse) for pulse in pattern] for pattern in plan.patterns],
    }


if __name__ == "__main__":
    for path in sys.argv[1:]:
        with open(path, "rb") as file:
            print(json.dumps(describe(Plan(file.read()))))
