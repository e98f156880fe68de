# SPDX-License-Identifier: MIT
"""The words for what happens, the same on the live display and in plain lines.  Pure."""

from __future__ import annotations

import shlex
from datetime import date
from typing import TYPE_CHECKING, Any

from tenuto.sessions.places import count_words
from tenuto_core import vocab

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenuto.history.prescription import Adherence, Standing
    from tenuto.history.summary import Summary
    from tenuto.sessions.view import SessionView

CUE_WORDS = {
    "get_ready": "get ready",
    "countdown": "countdown tick",
    "hold_start": "hold: go and stay",
    "halfway": "halfway",
    "hold_end": "let go",
    "switch_sides": "switch sides",
    "next_exercise": "next exercise",
    "finished": "finished",
    "attention": "look here",
    "next_phase": "go on",
    "mark": "mark",
}

_HOUR_MS = 3_600_000
_BY = {
    "wearer": "on the wearable",
    "host": "from the computer",
    "plan": "because nobody went on",
}
END_WORDS = {"finished": "Finished", "stopped": "Stopped", "failed": "Broken off"}


def printable(text: str) -> str:
    """Return a text from outside without control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def clock(ms: int) -> str:
    """Return a duration as `m:ss`, or `h:mm:ss` from an hour on; whole seconds, cut off."""
    minutes, seconds = divmod(max(0, ms) // 1_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def duration(ms: int) -> str:
    """Return a duration with its unit, `2:30 min` or `1:59:28 h`; whole seconds, cut off."""
    return f"{clock(ms)} {'h' if ms >= _HOUR_MS else 'min'}"


def span(ms: int) -> str:
    """Return a duration in words, `30 s` or `2:30 min`; rounded up to whole seconds."""
    seconds = -(-max(0, ms) // 1_000)
    return f"{seconds} s" if seconds < 100 else duration(seconds * 1_000)


def count(number: int, one: str, more: str) -> str:
    """Return a number with its noun."""
    return f"{number} {one if number == 1 else more}"


def not_done(skipped: int, cut: int) -> str:
    """Return how many holds were skipped or cut short; empty for none."""
    parts = ((skipped, "skipped"), (cut, "cut short"))
    return ", ".join(f"{number} {how}" for number, how in parts if number)


def date_words(day: date) -> str:
    """Return a day for people: `Mon 30 Nov 2026`."""
    return f"{day:%a} {day.day} {day:%b %Y}"


def due(one: Standing) -> str:
    """Return how somebody stands with what is prescribed to them, in a word or two."""
    if one.is_due:
        return "today"
    if one.is_done:
        return "done today"
    if one.next_due is not None:
        return date_words(one.next_due)
    return "over" if one.prescription.ended_utc_ms is None else "ended"


def due_lines(due: Sequence[Mapping[str, Any]] | None, next_due: str | None) -> Iterator[str]:
    """Yield what is due today, as the operation `due` tells it, and by what it is started."""
    if due is None:
        return
    if not due and next_due is not None:
        yield f"Nothing is due today, next on {date_words(date.fromisoformat(next_due))}."
    elif not due:
        yield "Nothing is due any more."
    for one in due:
        note = f" ({one['note']})" if one["note"] else ""
        yield f"Due today for {one['name']}: {one['title']}, {one['when']}{note}"
        if not one["is_here"]:
            yield f"  {routine_missing(one['routine'])}"
        for wearable in one["wearables"] if one["is_here"] else ():
            yield f"  tenuto start {shlex.quote(one['routine'])} --wearable {wearable}"


def routine_missing(name: str) -> str:
    """Return what to say of a routine that is prescribed and not here."""
    return (
        f"the routine {name} is not on this computer; whoever prescribed it can share it:"
        f" `tenuto routines share {shlex.quote(name)}` there, `tenuto routines add` here"
    )


def kept_to(one: Adherence) -> str:
    """Return on how many of the days on which something was due it was done."""
    return f"{one.done} of {one.due}" if one.due else "none due yet"


def cue(name: str, phase: str | None = None) -> str:
    """Return the words for a cue; an unknown cue keeps its name.

    Args:
        phase: The part of the repetition that it is a cue of; a pattern that only this plan has is
            called after it.
    """
    if name.startswith("own_"):
        return "a pattern of its own" if phase is None else printable(phase)
    return CUE_WORDS.get(name) or printable(name.replace("_", " "))


def place(exercise: str | None, side: str | None) -> str:
    """Return an exercise with its side."""
    name = "an exercise whose name is not known" if exercise is None else printable(exercise)
    return f"{name}, {side}" if side else name


def with_rep(view: SessionView) -> str:
    """Return the exercise of the present step, with set, side and repetition."""
    return ", ".join([place(view.exercise, None), *count_words(view)])


def lead(kind: str, *, same: bool) -> str:
    """Return what leads to the next hold; the name of the exercise can follow.

    Args:
        same: Whether the exercise was held just before.
    """
    match kind:
        case "ready":
            return "get ready for"
        case "switch":
            return "switch sides for"
        case "rest":
            return "rest, then again" if same else "change to"
        case _:
            return "step towards"


def status_line(told: Mapping[str, Any]) -> str:
    """Return how a wearable is, as the operation `status` tells it."""
    reach = "in reach" if told["connected"] else told["problem"] or "not in reach"
    battery = "" if told["battery_pct"] is None else f", battery {told['battery_pct']} %"
    session = told.get("session")
    if session is None:
        return f"{told['id']}: {reach}{battery}"
    at = [session["state"], session["routine"], session["exercise"], session["side"]]
    if session["hold"]:
        at.append(f"hold {session['hold']} of {session['holds']}")
    return f"{told['id']}: {', '.join(one for one in at if one)}; {reach}{battery}"


def hold_number(view: SessionView) -> str | None:
    """Return the number of the present or next hold and of all holds; None if not known."""
    if view.hold is None or view.holds is None:
        return None
    return f"hold {view.hold} of {view.holds}"


def waiting(waits_for: str | None, gate_bpm: int, limit_bpm: int = 0) -> str:
    """Return what the session waits for; gate_bpm, limit_bpm: 0 if there is none, or not known."""
    if waits_for == vocab.WAITS[vocab.WAIT_HEART]:
        if limit_bpm and not gate_bpm:
            return f"held back until your heart is below {limit_bpm}"
        calm = f"below {gate_bpm}" if gate_bpm else "calm enough"
        return f"resting until your heart is {calm}"
    return "take your time: press when in position"


def waiting_end(waits_for: str | None, left_ms: int, *, over_limit: bool = False) -> str:
    """Return what happens at the time limit: a heart gate opens, all else ends the session.

    Args:
        over_limit: Whether the heart is held back by its limit alone.
    """
    if waits_for == vocab.WAITS[vocab.WAIT_HEART] and not over_limit:
        return f"goes on in {clock(left_ms)} at the latest"
    return f"ends by itself in {clock(left_ms)}"


def ending(reason: str | None, source: str | None) -> str:
    """Return how a session ended."""
    if reason is None:
        return "Not over yet when this display was closed"
    words = END_WORDS.get(reason) or f"Ended ({printable(reason)})"
    if reason == vocab.END_REASONS[vocab.ENDED_FINISHED] or source not in _BY:
        return words
    return f"{words} {_BY[source]}"


def summary(result: Summary, speed: float = 1.0) -> Iterator[str]:
    """Yield the lines that sum up a session, the first one the headline.

    Args:
        speed: Speed of the clock; beyond 1 this machine's own delays grow with it, and how late a
            cue was says nothing of the wearable.
    """
    routine = "" if result.routine is None else f": {printable(result.routine)}"
    yield ending(result.reason, result.source) + routine
    planned = "" if result.holds_planned is None else f" of {result.holds_planned}"
    noun = "hold" if (result.holds_planned or result.holds_completed) == 1 else "holds"
    done = f"{result.holds_completed}{planned} {noun} done in {duration(result.duration_ms)}"
    yield ", ".join(filter(None, (done, not_done(result.holds_skipped, result.holds_cut))))
    yield ""
    yield from _held(result)
    yield f"Pauses  {_pauses(result)}"
    yield f"Heart   {_heart(result)}"
    yield f"Cues    {_cues(result, speed)}"
    if result.links_lost or result.records_lost:
        yield f"Link    {_link(result)}"


def _held(result: Summary) -> Iterator[str]:
    if not result.held:
        return
    rows = [(printable(item.exercise), item.side or "", item.held_ms) for item in result.held]
    name_width = max(len(name) for name, _, _ in rows)
    side_width = max(len(side) for _, side, _ in rows)
    before = None
    for name, side, held_ms in rows:
        shown = "" if name == before else name
        yield f"{shown:{name_width}}  {side:{side_width}}  {clock(held_ms):>5}"
        before = name
    if len(rows) > 1:
        yield f"{'held in all':{name_width}}  {'':{side_width}}  {clock(result.held_ms):>5}"
    yield ""


def _pauses(result: Summary) -> str:
    if not result.pauses:
        return "none"
    return f"{result.pauses}, {duration(result.paused_ms)} in all"


def _heart(result: Summary) -> str:
    if result.bpm_mean is None or result.bpm_max is None:
        return "not measured"
    return f"mean {result.bpm_mean:.0f}, highest {result.bpm_max} bpm"


def _cues(result: Summary, speed: float) -> str:
    if result.late_max_ms is None:
        return "none felt"
    felt = f"{result.cues} felt"
    if result.unfelt:
        felt = f"{result.unfelt} of {result.cues} not felt"
    if 1 < speed < float("inf"):
        return felt
    others = " the others" if result.unfelt else ""
    return f"{felt},{others} at most {result.late_max_ms} ms late"


def _link(result: Summary) -> str:
    words = []
    if result.links_lost:
        words.append("out of reach " + count(result.links_lost, "time", "times"))
    if result.records_lost:
        words.append(count(result.records_lost, "record of it is", "records of it are") + " lost")
    else:
        words.append("nothing is missing")
    return ", ".join(words)
