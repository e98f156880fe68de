# SPDX-License-Identifier: MIT
"""Random routines, and what each of them says: from the file alone, in another way than compiled.

The compiler walks holds and leads; this reads the documentation of the keys: it lists what is done
and puts before each thing what must come before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

PHASE_CUES: list[Any] = [None, "countdown", "tap", [150], [], [100, 100, 200]]
OWN = {"tap": [90], "hold_start": [300]}
BUILT_IN: dict[str, Any] = {
    "sides": "together",
    "hold_s": 30,
    "hold_max_s": 120,
    "rest_s": 8,
    "change_s": 8,
}
SIDES: dict[str, list[str | None]] = {
    "together": [None],
    "left": ["left"],
    "right": ["right"],
    "right_first": ["right", "left"],
}


@dataclass(frozen=True)
class Row:
    """One step as a routine says it."""

    kind: str
    exercise: str | None
    side: str | None = None
    set_no: int = 0
    sets: int = 0
    rep: int = 0
    reps: int = 0
    phase: str | None = None
    duration_ms: int = 0
    is_open: bool = False
    waits: str | None = None


def some_routine(rng: random.Random) -> dict[str, Any]:  # noqa: C901 - one branch a key
    """Return a routine that is within the limits, but for its size now and then."""
    routine: dict[str, Any] = {"name": "any"}
    if rng.random() < 0.3:
        routine["title"] = "Any of them"
    if rng.random() < 0.2:
        routine["rounds"] = 2
    if rng.random() < 0.4:
        routine["ready_s"] = rng.randint(5, 30)
    routine["cues"] = OWN
    defaults: dict[str, Any] = {}
    for name, low, high in (("rest_s", 4, 20), ("change_s", 5, 20), ("hold_s", 5, 60)):
        if rng.random() < 0.3:
            defaults[name] = rng.randint(low, high)
    if defaults:
        routine["defaults"] = defaults
    circuit = rng.random() < 0.3
    if circuit:
        routine["circuit"] = {"c": {"rounds": rng.randint(1, 3)}}
        if rng.random() < 0.5:
            routine["circuit"]["c"]["rest_s"] = rng.randint(5, 60)
    count = rng.randint(1, 4)
    first = rng.randrange(count)
    last = rng.randint(first, count - 1)
    routine["exercise"] = []
    for number in range(count):
        own = some_exercise(rng)
        own["name"] = rng.choice(["Plank", "Lunge", f"Thing {number}"])
        if circuit and first <= number <= last:
            own["circuit"] = "c"
        routine["exercise"].append(own)
    return routine


def some_exercise(rng: random.Random) -> dict[str, Any]:  # noqa: C901, PLR0912 - likewise
    own: dict[str, Any] = {}
    if rng.random() < 0.7:
        own["sides"] = rng.choice(
            ["together", "each", "left_first", "right_first", "alternating", "left", "right"]
        )
    if rng.random() < 0.3:
        own["kind"] = rng.choice(["stretch", "strength", "breathing", "balance", "mobility"])
    sort = rng.choice(["plain", "plain", "list", "open", "phases"])
    reps = rng.randint(1, 4)
    if sort == "phases":
        own["phases"] = [
            {"name": rng.choice(["in", "out", "press"]), "s": rng.randint(2, 20)}
            for _ in range(rng.randint(1, 4))
        ]
        for phase in own["phases"]:
            cue = rng.choice(PHASE_CUES)
            if cue is not None:
                phase["cue"] = cue
        own["rest_s"] = rng.choice([0, 0, 6])
    elif sort == "list":
        own["hold_s"] = [rng.randint(5, 40) for _ in range(reps)]
    elif sort == "open":
        own |= {"hold_s": "open", "hold_max_s": rng.randint(20, 90)}
    elif rng.random() < 0.7:
        own["hold_s"] = rng.randint(5, 60)
    if sort != "phases":
        if rng.random() < 0.3:
            own["mark_every_s"] = rng.randint(3, 4)
        if sort == "plain" and rng.random() < 0.2 and own.get("sides", "together") != "together":
            own["left_hold_s"] = rng.randint(5, 30)
    shape = rng.random()
    if shape < 0.3:
        falling = sorted((rng.randint(1, reps) for _ in range(rng.randint(1, 3))), reverse=True)
        own["reps"] = [reps, *falling] if sort == "list" else falling
    elif shape < 0.7:
        if sort != "list" or rng.random() < 0.5:
            own["reps"] = reps
        if rng.random() < 0.5:
            own["sets"] = rng.randint(1, 3)
    for name, low, high in (("rest_s", 4, 20), ("set_rest_s", 5, 40), ("switch_s", 4, 20)):
        if rng.random() < 0.3 and name not in own:
            own[name] = rng.randint(low, high)
    if rng.random() < 0.2:
        own["self_paced"] = True
    if rng.random() < 0.2:
        own["heart_gate"] = {"below_bpm": 100, "max_s": 120, "each_set": rng.random() < 0.5}
    return own


def rows(routine: dict[str, Any]) -> list[Row]:
    """Return what a routine says, step by step."""
    turns: list[tuple[dict[str, Any], int | None]] = []
    for _ in range(routine.get("rounds", 1)):
        done: set[str] = set()
        for own in routine["exercise"]:
            name = own.get("circuit")
            if name is None:
                turns.append((own, None))
            elif name not in done:
                done.add(name)
                members = [e for e in routine["exercise"] if e.get("circuit") == name]
                for turn in range(routine["circuit"][name]["rounds"]):
                    for member in members:
                        rest_s = routine["circuit"][name].get("rest_s")
                        again = turn > 0 and member is members[0]
                        turns.append((member, rest_s if again else None))
    found: list[Row] = []
    for own, rest_s in turns:
        keys = BUILT_IN | routine.get("defaults", {}) | own
        change_s = keys["change_s"] if rest_s is None else rest_s
        begin = ("rest", change_s) if found else ("ready", routine.get("ready_s", 5))
        found += _exercise(own, keys, begin)
    return [*found, Row("done", None, duration_ms=3_000)]


def _exercise(own: dict[str, Any], keys: dict[str, Any], begin: tuple[str, int]) -> list[Row]:
    held = keys["hold_s"]
    reps = keys.get("reps", len(held) if isinstance(held, list) else 1)
    by_set = reps if isinstance(reps, list) else [reps] * keys.get("sets", 1)
    order = SIDES.get(keys["sides"], ["left", "right"])
    found: list[Row] = []
    before: str | None = None
    for set_no, count in enumerate(by_set, 1):
        pairs = [(side, rep) for side in order for rep in range(1, count + 1)]
        if keys["sides"] == "alternating":
            pairs.sort(key=lambda pair: pair[1])
        for at, (side, rep) in enumerate(pairs):
            place = {
                "exercise": own["name"],
                "side": side,
                "set_no": set_no,
                "sets": len(by_set),
                "rep": rep,
                "reps": count,
            }
            starts_set = at == 0 and set_no > 1
            rest_s = keys.get("set_rest_s", keys["rest_s"]) if starts_set else keys["rest_s"]
            switch_s = keys.get("switch_s", keys["change_s"])
            kind, time_s = "rest", rest_s
            if at == 0 and set_no == 1:
                kind, time_s = begin
            elif side != before:
                kind, time_s = "switch", max(rest_s, switch_s) if starts_set else switch_s
            gate = keys.get("heart_gate")
            asked = gate and (at == 0 and (set_no == 1 or gate["each_set"]))
            paced = "press" if keys.get("self_paced") else None
            if time_s and asked:
                found.append(Row(kind, **place, duration_ms=time_s * 1000, waits="heart"))
                found.append(Row("ready", **place, duration_ms=5_000, waits=paced))
            elif time_s:
                found.append(Row(kind, **place, duration_ms=time_s * 1000, waits=paced))
            found += _held(keys, place)
            before = side
    return found


def _held(keys: dict[str, Any], place: dict[str, Any]) -> list[Row]:
    if "phases" in keys:
        return [
            Row("hold", **place, phase=phase["name"], duration_ms=phase["s"] * 1000)
            for phase in keys["phases"]
        ]
    if keys["hold_s"] == "open":
        return [Row("hold", **place, duration_ms=keys["hold_max_s"] * 1000, is_open=True)]
    held = keys.get(f"{place['side']}_hold_s", keys["hold_s"])
    seconds = held[place["rep"] - 1] if isinstance(held, list) else held
    return [Row("hold", **place, duration_ms=seconds * 1000)]
