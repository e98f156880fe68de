# SPDX-License-Identifier: MIT
"""The report on a week or a month.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tenuto.history.adherence import DAYS_A_WEEK, Tally, day_of, tally
from tenuto.history.period import WEEK
from tenuto.routines.exercise import STRETCH
from tenuto.terminal.words import clock, count, date_words, duration, kept_to, not_done

from . import charts
from .page import Figure, Report, began, ended, muscle_pictures
from .score import small_score
from .session_page import Held, held
from .text import streak_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, tzinfo

    from tenuto.history.adherence import Muscle
    from tenuto.history.period import PeriodAccount
    from tenuto.history.timeline import Outline

    from .svg import Picture


class _Session(NamedTuple):
    """A session of the period: a line of the table, and what the line leads to."""

    id: int
    began: str
    title: str
    routine: str
    reason: str
    holds: str
    held: str
    bpm: str
    ended: str
    score: Picture
    rows: list[Held]


def period_report(
    told: PeriodAccount, *, person: str | None = None, zone: tzinfo | None = None
) -> Report:
    """Report on a week or a month.

    Args:
        told: What somebody did in it.
        person: What people call them; None for what the history does.
        zone: Of time; None for that of this computer.
    """
    period, sessions = told.period, told.sessions
    person = person or told.person
    total = tally(sessions, zone)
    held_ms: dict[date, int] = {}
    for one in sessions:
        day = day_of(one.row.started_utc_ms, zone)
        held_ms[day] = held_ms.get(day, 0) + one.summary.held_ms
    days = (
        charts.week_bars(period.first, held_ms)
        if period.name == WEEK
        else charts.calendar(period.first, period.days, held_ms, set(total.days), told.today)
    )
    muscles = list(muscle_pictures(total.muscles, period.days))
    known = [
        (day_of(one.row.started_utc_ms, zone), fell)
        for one in sessions
        if (fell := one.summary.recovery) is not None
    ]
    recovery = charts.recovery_trend(known) if known else None
    title = period.title + (f", {person}" if person else "")
    values = {
        "heading": period.title,
        "subheading": streak_words(told, person),
        "figures": _figures(told, total),
        "period": period.name,
        "days_a_week": DAYS_A_WEEK,
        "is_over": told.is_over,
        "stretches": bool(total.stretch_days),
        "days": days,
        "muscles": muscles,
        "muscle_rows": {kind: _muscle_rows(kind, held) for kind, held in total.muscles.items()},
        "recovery": recovery,
        "prescribed": [
            (what.title, what.when, date_words(what.until(zone)), kept_to(one.adherence))
            for one in told.prescribed
            for what in (one.prescription,)
        ],
        "sessions": [_session(one, zone) for one in reversed(sessions)],
        "simulated": told.simulated
        and count(told.simulated, "simulated session is", "simulated sessions are"),
    }
    drawn = (days, *(picture for _, picture in muscles), recovery)
    return Report(
        title, "period.html", values, tuple(picture for picture in drawn if picture is not None)
    )


def _muscle_rows(kind: str, held_in_all: Mapping[str, Muscle]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            clock(one.left_ms),
            clock(one.right_ms),
            *([str(one.days)] if kind == STRETCH else []),
        )
        for name, one in held_in_all.items()
    ]


def _figures(told: PeriodAccount, total: Tally) -> list[Figure]:
    """Return the large numbers, beside those of the period before where there was a session."""
    period, before = told.period, told.before
    is_week = period.name == WEEK
    name = "the week before" if is_week else f"{period.before.first:%B}"

    def figure(title: str, value: str, note: str, earlier: str) -> Figure:
        return Figure(title, value, note, f"{name}: {earlier}" if before.sessions else "")

    def a_week(number: float, days: int) -> str:
        return f"{number / days * 7:.1f} a week"

    def minutes_a_week(ms: int, days: int) -> str:
        return f"{ms / 60_000 / days * 7:.0f} min a week"

    days, days_before = told.days_so_far, period.before.days
    return [
        figure(
            "Days",
            str(len(total.days)),
            "" if is_week else a_week(len(total.days), days),
            str(len(before.days)) if is_week else a_week(len(before.days), days_before),
        ),
        figure(
            "Held",
            duration(total.held_ms),
            "" if is_week else minutes_a_week(total.held_ms, days),
            duration(before.held_ms) if is_week else minutes_a_week(before.held_ms, days_before),
        ),
        figure(
            "Holds done",
            str(total.completed),
            not_done(total.skipped, total.cut),
            str(before.completed),
        ),
        figure(
            "Sessions",
            str(total.sessions),
            count(total.pauses, "pause", "pauses") if total.pauses else "",
            str(before.sessions),
        ),
    ]


def _session(told: Outline, zone: tzinfo | None) -> _Session:
    row, summary = told.row, told.summary
    at = began(row, zone)
    planned = "?" if summary.holds_planned is None else str(summary.holds_planned)
    return _Session(
        row.id,
        f"{at:%a}\u00a0{at.day}\u00a0{at:%b} {at:%H:%M}",
        told.title,
        row.routine or "?",
        row.reason or "not yet",
        f"{summary.holds_completed}/{planned}",
        clock(summary.held_ms),
        "" if summary.bpm_mean is None else f"{summary.bpm_mean:.0f}",
        ended(told),
        small_score(told, f"score-{row.id}"),
        held(told),
    )
