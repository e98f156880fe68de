# SPDX-License-Identifier: MIT
"""The words for a class and each of its members, the same in a terminal and on the page.  Pure.

What they are made of is the status that the operation `class_status` tells, as a mapping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .words import END_WORDS, clock, place, printable, span

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATES = {
    "idle": "No class",
    "ready": "About to begin",
    "playing": "Playing",
    "paused": "Paused",
    "ended": "Over",
    "stopped": "Stopped",
}


def headline(status: Mapping[str, Any]) -> str:
    """Return how the class is."""
    state = status["state"]
    if state == "idle":
        return "No class goes on."
    words = [_STATES.get(state, printable(state)), printable(status["routine"])]
    now_ms = status["now_utc_ms"]
    if state == "ready":
        words.append(f"begins in {span(status['begins_utc_ms'] - now_ms)}")
    if state in ("playing", "paused") and status["exercise"]:
        words.append(place(status["exercise"], status["side"]))
    if state == "playing":
        words.append(f"{clock(status['ends_utc_ms'] - now_ms)} left")
    counts = summary(status)
    return "; ".join(filter(None, [": ".join(words[:2]), *words[2:], counts]))


def summary(status: Mapping[str, Any]) -> str:
    """Return how many are in step, and how many of the class do something else."""
    rows = status["members"]
    parts = [f"{sum(row['in_step'] for row in rows)} of {len(rows)} in step"]
    if status["state"] not in ("playing", "paused"):
        ready = sum(row["standing"] == "ready" for row in rows)
        parts = [f"{ready} of {len(rows)} ready"] if status["state"] == "ready" else []
    for standing, words in (("paused", "paused"), ("coming", "not reached")):
        number = sum(row["standing"] == standing for row in rows)
        if number and not (standing == "paused" and status["state"] == "paused"):
            parts.append(f"{number} {words}")
    return ", ".join(parts)


def member(row: Mapping[str, Any], now_utc_ms: int) -> str:
    """Return what a member does."""
    does = _DOES[row["standing"]](row, now_utc_ms)
    if not row["connected"] and row["standing"] in ("playing", "paused", "waiting"):
        return f"out of reach, last known: {does}"
    return does


def _coming(row: Mapping[str, Any], _now_ms: int) -> str:
    return printable(row["problem"]) or "gets its plan"


def _ready(row: Mapping[str, Any], now_ms: int) -> str:
    left_ms = (row["begins_utc_ms"] or now_ms) - now_ms
    if left_ms > 0:
        return f"begins in {span(left_ms)}"
    return "was set to begin" if row["connected"] else "was set to begin, out of reach"


def _playing(row: Mapping[str, Any], _now_ms: int) -> str:
    does = place(row["exercise"], None) if row["exercise"] else "plays"
    return f"{does}{_apart(row)}"


def _paused(row: Mapping[str, Any], _now_ms: int) -> str:
    return f"paused{_apart(row)}"


def _waiting(row: Mapping[str, Any], _now_ms: int) -> str:
    return f"waits for a calmer heart{_apart(row)}"


def _apart(row: Mapping[str, Any]) -> str:
    behind_ms = row["behind_ms"]
    if row["in_step"] or behind_ms is None:
        return ""
    return f", {span(abs(behind_ms))} {'behind' if behind_ms > 0 else 'ahead'}"


def _ended(row: Mapping[str, Any], _now_ms: int) -> str:
    return (END_WORDS.get(row["reason"]) or printable(row["reason"])).lower()


_DOES = {
    "coming": _coming,
    "ready": _ready,
    "playing": _playing,
    "paused": _paused,
    "waiting": _waiting,
    "ended": _ended,
    "refused": _coming,
}
