# SPDX-License-Identifier: MIT
"""The report on one session.  Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tenuto.history.adherence import muscles
from tenuto.terminal.words import clock, count, duration, not_done

from .page import Figure, Report, began, ended, muscle_pictures
from .score import LEGEND, outcome, score, small_score

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo

    from tenuto.history.timeline import Account, Outline, Phase
    from tenuto.sessions import heart

_UNIT = re.compile(r"(?<=\d) (?=s\b|\u00d7)|(?<=\u00d7) ")
"""What does not break between two lines."""
_REPEATED_MAX = 16
"""Up to so many holds are told as what is repeated, as the phases of a repetition are."""
ZONE_NAMES = ("below", "1", "2", "3", "4", "5")


class Held(NamedTuple):
    """How an exercise was held, for a line of a table.

    Attributes:
        number: Its number in the score.
        at: When it was first held.
        both: How both sides together; empty where it has sides.
        bpm: The mean heart rate while it was held; empty where not known.
    """

    number: int
    at: str
    exercise: str
    both: str
    left: str
    right: str
    bpm: str


def session_report(
    told: Account, *, zones: heart.Zones | None = None, zone: tzinfo | None = None
) -> Report:
    """Report on one session.

    Args:
        told: The session.
        zones: Those of the person's heart, None where they are not known.
        zone: Of time; None for that of this computer.
    """
    row, summary = told.row, told.summary
    at = began(row, zone)
    title = f"{told.title}, {at:%A} {at.day} {at:%B %Y}"
    wide = score(told, "score-wide")
    muscle = list(muscle_pictures(muscles([told]), None))
    values = {
        "heading": told.title,
        "subheading": f"{at:%A} {at.day} {at:%B %Y, %H:%M}, on {row.where}"
        + (f", {row.person}" if row.person else "")
        + f". {ended(told)}"
        + (" It was simulated and does not count." if row.is_simulated else ""),
        "figures": _figures(told),
        "wide": wide,
        "small": small_score(told, "score-small"),
        "legend": LEGEND,
        "has_intervals": bool(told.intervals),
        "holds": held(told),
        "muscles": muscle,
        "zones": _zone_rows(told, zones),
        "variability": summary.variability,
        "has_recovery": bool(told.samples) and summary.recovery is not None,
    }
    return Report(title, "session.html", values, (*wide, *(picture for _, picture in muscle)))


def _figures(told: Account) -> list[Figure]:
    summary = told.summary
    planned = "" if summary.holds_planned is None else f" of {summary.holds_planned}"
    figures = [
        Figure("Held", duration(summary.held_ms), f"in {duration(summary.duration_ms)}"),
        Figure(
            "Holds done",
            f"{summary.holds_completed}{planned}",
            not_done(summary.holds_skipped, summary.holds_cut),
        ),
    ]
    if summary.pauses:
        noun = count(summary.pauses, "pause", "pauses")
        figures.append(Figure("Paused", duration(summary.paused_ms), noun))
    if summary.unfelt:
        note = f"of {count(summary.cues, 'cue', 'cues')}: the device did not take them"
        figures.append(Figure("Not felt", str(summary.unfelt), note))
    if summary.bpm_mean is not None:
        note = f"{summary.bpm_min} to {summary.bpm_max}"
        figures.append(Figure("Heart rate", f"{summary.bpm_mean:.0f} bpm", note))
    if summary.recovery is not None:
        fell = summary.recovery
        note = f"from {fell.peak_bpm} to {fell.after_bpm:.0f} in the first minute"
        figures.append(Figure("Recovery", f"{-fell.drop_bpm:+.0f} bpm", note))
    return figures


def held(told: Outline) -> list[Held]:
    """Return how each exercise was held, in the order in which they were first held."""
    rows = []
    holds = told.holds
    for number, name in enumerate(told.exercise_names, 1):
        mine = [hold for hold in holds if hold.exercise == name]
        by_side = {
            side: _outcomes(hold for hold in mine if hold.side == side)
            for side in (None, "left", "right")
        }
        rates = [hold.rate for hold in mine if hold.rate is not None]
        known_ms = sum(rate.known_ms for rate in rates)
        total = sum(rate.mean_bpm * rate.known_ms for rate in rates)
        rows.append(
            Held(
                number,
                clock(mine[0].from_ms),
                name or "?",
                by_side[None],
                by_side["left"],
                by_side["right"],
                f"{total / known_ms:.0f}" if known_ms else "",
            )
        )
    return rows


def _outcomes(holds: Iterable[Phase]) -> str:
    """Return how holds ended, such as `30 s, skipped after 11 s` or `3 x (in 4 s, out 6 s)`."""
    texts = [f"{hold.phase} {outcome(hold)}" if hold.phase else outcome(hold) for hold in holds]
    parts = []
    at = 0
    while at < len(texts):
        size, times = _repeated(texts[at:])
        part = ", ".join(texts[at : at + size])
        parts.append(part if times == 1 else f"{times} \u00d7 {part if size == 1 else f'({part})'}")
        at += size * times
    return _UNIT.sub("\u00a0", ", ".join(parts))


def _repeated(texts: Sequence[str]) -> tuple[int, int]:
    """Return how many texts at the beginning repeat, and how often; 1 and 1 where none do."""
    best = (1, 1)
    for size in range(1, min(len(texts) // 2, _REPEATED_MAX) + 1):
        times = 1
        while texts[times * size : (times + 1) * size] == texts[:size]:
            times += 1
        if times > 1 and size * times > best[0] * best[1]:
            best = (size, times)
    return best


def _zone_rows(told: Account, zones: heart.Zones | None) -> list[tuple[str, ...]]:
    if zones is None or not told.samples:
        return []
    times = zones.times_ms(told.samples, told.duration_ms)
    limits = ("", *(f"from {bpm} bpm" for bpm in zones.from_bpm))
    return [
        (name, limit, duration(ms))
        for name, limit, ms in zip(ZONE_NAMES, limits, times, strict=True)
        if ms
    ]
