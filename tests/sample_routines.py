# SPDX-License-Identifier: MIT
"""Routines for tests: the shipped ones, and any that people might write."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tenuto.routines import haptics
from tests.conftest import ROOT

CONFIG = ROOT / "config"
SHIPPED = sorted((CONFIG / "routines").glob("*.toml"))
SHORT = """
name = "short"
description = "Two holds"
source = "none"
safety = "none"
ready_s = 3
[defaults]
hold_s = 10
change_s = 8
[[exercise]]
name = "One"
how = "lie down"
muscles = ["back"]
[[exercise]]
name = "Two"
how = "lie on"
muscles = ["back"]
"""


def vocabulary() -> haptics.Vocabulary:
    return haptics.load(CONFIG / "haptics.toml")


def write(routine: dict[str, Any]) -> str:
    """Write a routine as TOML."""
    tables = ("defaults", "exercise")
    lines = [f"{k} = {_value(v)}" for k, v in routine.items() if k not in tables]
    if "defaults" in routine:
        lines += ["[defaults]", *(f"{k} = {_value(v)}" for k, v in routine["defaults"].items())]
    for exercise in routine["exercise"]:
        lines += ["[[exercise]]", *(f"{k} = {_value(v)}" for k, v in exercise.items())]
    return "\n".join(lines) + "\n"


def one_hold(name: str, hold_s: float, *, ready_s: float = 2, **exercise: Any) -> str:
    """Write a routine of one hold, or of a few where the exercise says so."""
    one = {"name": "One", "how": "lie down", "muscles": ["back"], "hold_s": hold_s}
    head = {"name": name, "description": "One hold", "source": "none", "safety": "none"}
    return write(head | {"ready_s": ready_s, "exercise": [one | exercise]})


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _seconds(low: int, high: int) -> st.SearchStrategy[float]:
    return st.integers(low * 1000, high * 1000).map(lambda ms: ms / 1000)


_GATES = st.fixed_dictionaries(
    {"below_bpm": st.integers(30, 240)}, optional={"max_s": _seconds(60, 3_600)}
)
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from(["stretch", "strength"]),
    "sides": st.sampled_from(["together", "each", "left_first", "right_first", "alternating"]),
    "hold_s": _seconds(1, 90),
    "reps": st.integers(1, 3),
    "sets": st.integers(1, 3),
    "rest_s": _seconds(2, 30),
    "change_s": _seconds(3, 30),
    "switch_s": _seconds(2, 30),
    "halfway": st.booleans(),
    "countdown": st.sampled_from(["off", "start", "end", "both"]),
    "self_paced": st.booleans(),
    "self_paced_max_s": _seconds(60, 3_600),
    "heart_gate": _GATES | st.just(value=False),
}
_NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=9
)
_EXERCISES = st.fixed_dictionaries(
    {"name": _NAMES}, optional=SETTINGS | {"how": _NAMES, "muscles": st.lists(_NAMES, max_size=3)}
)
ROUTINES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"name": _NAMES, "exercise": st.lists(_EXERCISES, min_size=1, max_size=4)},
    optional={
        "rounds": st.integers(1, 3),
        "ready_s": _seconds(2, 30),
        "defaults": st.fixed_dictionaries({}, optional=SETTINGS),
    },
)
"""What the parser takes; a hold may still be too short for a halfway cue that it asks for."""
