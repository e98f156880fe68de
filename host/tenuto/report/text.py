# SPDX-License-Identifier: MIT
"""A session as a score of letters, for a terminal.  Pure."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.history.adherence import DAYS_A_WEEK, REST_DAYS_MAX, tally
from tenuto.routines.exercise import STRETCH
from tenuto.sessions import heart
from tenuto.sessions.events import COMPLETE
from tenuto.terminal.words import clock, count, duration, kept_to, not_done, printable

from .charts import advised_ms, kind_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import tzinfo

    from tenuto.history.adherence import Muscle
    from tenuto.history.period import PeriodAccount
    from tenuto.history.timeline import Account

WIDTH_MIN, WIDTH_MAX = 40, 110
_LABEL = 7
_AXIS_EVERY = 12
_CURVE_ROWS = 3


@dataclass(frozen=True, slots=True)
class Letters:
    """What the score is made of.

    Attributes:
        curve: Of the heart rate, from low to high.
        held: A hold to its end.
        skipped: A hold that was skipped.
        cut: A hold that was cut short.
        pause: A pause.
        strokes: Of cues.
    """

    curve: str
    held: str
    skipped: str
    cut: str
    pause: str
    rest: str
    strokes: tuple[str, str, str]


UNICODE = Letters(
    "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588",
    "\u2588",
    "\u2591",
    "\u2592",
    "\u2016",
    "\u00b7",
    ("\u2575", "'", "."),
)
ASCII = Letters("._-=+*#@", "#", "o", "x", "=", ".", ("|", "'", "."))


def text_score(told: Account, width: int, letters: Letters = UNICODE) -> list[str]:
    """Draw a session in lines of at most `width` letters.

    The heart above; the left and the right lane, both filled where both sides were held; the cues;
    the time. The exercises have numbers, which the last lines explain.
    """
    if told.duration_ms <= 0:
        return []
    columns = max(WIDTH_MIN, min(width, WIDTH_MAX)) - _LABEL
    step_ms = -(-told.duration_ms // columns // 1000) * 1000
    columns = min(columns, -(-told.duration_ms // step_ms))
    lines: list[str] = []
    if told.samples:
        lines += _curve(told, columns, step_ms, letters)
    names = told.exercise_names
    numbers = [" "] * columns
    left, right = [letters.rest] * columns, [letters.rest] * columns
    number = 0
    for hold in told.holds:
        letter = {COMPLETE: letters.held, "skipped": letters.skipped, "back": letters.skipped}.get(
            hold.outcome or "", letters.cut
        )
        first = hold.from_ms // step_ms
        last = max(first + 1, hold.to_ms // step_ms)
        for lane, other in ((left, "right"), (right, "left")):
            if hold.side != other:
                for column in range(first, min(last, columns)):
                    lane[column] = letter
        before, number = number, names.index(hold.exercise) + 1
        if number != before:
            _write(numbers, first, str(number))
    for pause in told.pauses:
        for column in range(pause.from_ms // step_ms, min(-(-pause.to_ms // step_ms), columns)):
            left[column] = right[column] = letters.pause
    lines += [
        _line("", numbers),
        _line("left", left),
        _line("right", right),
        _line("cues", _cues(told, columns, step_ms, letters)),
        _line("", _axis(columns, step_ms)),
    ]
    key = ", ".join(f"{index} {printable(name or '?')}" for index, name in enumerate(names, 1))
    indent = " " * _LABEL
    lines += textwrap.wrap(key, columns + _LABEL, initial_indent=indent, subsequent_indent=indent)
    lines += [indent + text for text in _used(told, letters)]
    return lines


def _line(label: str, row: list[str]) -> str:
    return f"{label:>{_LABEL - 1}} {''.join(row)}".rstrip()


def _write(row: list[str], column: int, text: str) -> None:
    for offset, letter in enumerate(text):
        if column + offset < len(row):
            row[column + offset] = letter


def _curve(told: Account, columns: int, step_ms: int, letters: Letters) -> Iterator[str]:
    """Return the heart rate as rows, the highest first; blank where none was known."""
    known: list[list[tuple[int, int]]] = [[] for _ in range(columns)]
    for from_ms, to_ms, bpm in heart.spans(told.samples, told.duration_ms):
        for column in range(from_ms // step_ms, min(to_ms // step_ms + 1, columns)):
            overlap = min(to_ms, (column + 1) * step_ms) - max(from_ms, column * step_ms)
            if overlap > 0:
                known[column].append((overlap, bpm))
    beats = [sample.bpm for sample in told.samples]
    low, high = min(beats), max(beats)
    per_row = len(letters.curve)
    rows = [[" "] * columns for _ in range(_CURVE_ROWS)]
    for column, parts in enumerate(known):
        if not parts:
            continue
        mean_bpm = sum(ms * bpm for ms, bpm in parts) / sum(ms for ms, _ in parts)
        share = (mean_bpm - low) / (high - low) if high > low else 0.5
        level = 1 + round(share * (per_row * _CURVE_ROWS - 1))
        for row in range(_CURVE_ROWS):
            filled = min(per_row, level - row * per_row)
            if filled > 0:
                rows[row][column] = letters.curve[filled - 1]
    labels = [str(low), *[""] * (_CURVE_ROWS - 2), str(high)]
    for label, letters_of_row in zip(reversed(labels), reversed(rows), strict=True):
        yield _line(label, letters_of_row)


def _cues(told: Account, columns: int, step_ms: int, letters: Letters) -> list[str]:
    long, middle, short = letters.strokes
    ranks = {"hold_start": 3, "finished": 3, "hold_end": 2, "switch_sides": 2, "next_exercise": 2}
    best = [0] * columns
    for cue in told.cues:
        column = min(cue.t_ms // step_ms, columns - 1)
        best[column] = max(best[column], ranks.get(cue.cue, 1))
    return [{0: " ", 1: short, 2: middle, 3: long}[rank] for rank in best]


def _axis(columns: int, step_ms: int) -> list[str]:
    row = [" "] * (columns + 1)
    for column in range(0, columns, _AXIS_EVERY):
        text = clock(column * step_ms)
        if column + len(text) <= columns:
            _write(row, column, text)
    return row


def _used(told: Account, letters: Letters) -> Iterator[str]:
    """Explain what is not held."""
    outcomes = {hold.outcome for hold in told.holds}
    parts = []
    if outcomes & {"skipped", "back"}:
        parts.append(f"{letters.skipped} skipped")
    if outcomes - {"skipped", "back", COMPLETE}:
        parts.append(f"{letters.cut} stopped")
    if told.pauses:
        parts.append(f"{letters.pause} paused")
    if parts:
        yield ", ".join(parts)


def heart_lines(told: Account) -> Iterator[str]:
    """Say what else is known of the heart, in lines for a terminal."""
    fell = told.summary.recovery
    if fell is not None:
        yield (
            f"Fell {fell.drop_bpm:.0f} bpm in the first minute, from {fell.peak_bpm} "
            f"to {fell.after_bpm:.0f}"
        )
    found = told.summary.variability
    if found is not None:
        text = "not given, too few good beats"
        if found.rmssd_ms is not None and found.sdnn_ms is not None:
            text = f"RMSSD {found.rmssd_ms:.0f} ms, SDNN {found.sdnn_ms:.0f} ms"
        yield (
            f"Variability (experimental): {text}; {found.beats} beats, "
            f"{found.artefact_pct:.1f} % artefacts left out"
        )


def streak_words(told: PeriodAccount, person: str | None) -> str:
    """Say how the streak stands and until when it lasts, or how it stood when the period ended.

    Args:
        told: The period.
        person: What people call whose it is.
    """
    whose = f"{person}: " if person else ""
    streak = told.streak
    is_over = told.is_over
    then = f"on {told.until.day} {told.until:%B}" if is_over else "at present"
    keep = streak.keep_until
    if keep is None:
        none = f"{whose}no" if whose else "No"
        if not streak.longest:
            return f"{none} streak {then}."
        longest = count(streak.longest, "day", "days")
        return f"{none} streak {then}; the longest {'until then ' * is_over}was {longest}."
    days = count(streak.present, "day", "days")
    rest = f"with at most {REST_DAYS_MAX} days of rest between"
    if is_over:
        return f"{whose}{days} in a row {then}, {rest}."
    until = "today" if keep == told.today else f"until {keep:%A}"
    return f"{whose}{days} in a row, {rest}; a session {until} keeps it."


def week_lines(
    told: PeriodAccount, person: str | None, zone: tzinfo | None = None
) -> Iterator[str]:
    """Say how a week went, in lines for a terminal; stretches beside what is advised.

    Args:
        told: The week.
        person: What people call whose it is.
        zone: Of time; None for that of this computer.
    """
    total, before = tally(told.sessions, zone), told.before
    yield printable(streak_words(told, person))
    low, high = DAYS_A_WEEK
    days = count(len(total.days), "day", "days")
    if total.stretch_days:
        some = "" if total.stretch_days == total.days else f"{len(total.stretch_days)} "
        days += f" ({some}with stretches; advised: {low} to {high} or more)"
    title = told.period.title if told.is_over else "This week"
    yield f"{title}: {days}, {duration(total.held_ms)} held"
    if before.sessions:
        days = count(len(before.days), "day", "days")
        yield f"The week before: {days}, {duration(before.held_ms)} held"
    ended = ", ".join(filter(None, (f"{total.completed} done", not_done(total.skipped, total.cut))))
    yield f"Holds: {ended}; {count(total.pauses, 'pause', 'pauses')}"
    for one in told.prescribed:
        what = one.prescription
        yield printable(f"Prescribed: {what.title}, {what.when}; done {kept_to(one.adherence)}")
    for kind in sorted(total.muscles, key=kind_order):
        yield ""
        yield from _muscle_lines(kind, total.muscles[kind])
    if told.simulated:
        were = count(told.simulated, "simulated session does", "simulated sessions do")
        yield f"{were} not count."


def _muscle_lines(kind: str, held: Mapping[str, Muscle]) -> Iterator[str]:
    width = max(len(kind), *(len(printable(name)) for name in held))
    least_ms, most_ms = advised_ms(7)
    head = f"{printable(kind):{width}}   left  right"
    if kind == STRETCH:
        head += f"  days with 60 s  (advised: {clock(least_ms)} to {duration(most_ms)})"
    yield head
    for name, one in held.items():
        line = f"{printable(name):{width}}  {clock(one.left_ms):>5}  {clock(one.right_ms):>5}"
        yield f"{line}  {one.days:>14}" if kind == STRETCH else line
