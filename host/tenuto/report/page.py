# SPDX-License-Identifier: MIT
"""Reports as one page of HTML that needs nothing else: no script, no font, no network.  Pure.

The page is in `templates/`, which escape whatever they are given; here is what it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from tenuto.history.adherence import (
    DAYS_A_WEEK,
    REST_DAYS_MAX,
    Muscle,
    Streak,
    Tally,
    day_of,
    stopped_at,
    tally,
)
from tenuto.sessions import heart
from tenuto.terminal.words import clock, count

from . import charts
from .score import LEGEND, NARROW, WIDE, outcome, score
from .style import DAY, FONT, NIGHT
from .svg import Picture, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.history.timeline import Account

ZONE_NAMES = ("below", "1", "2", "3", "4", "5")


@dataclass(frozen=True, slots=True)
class Report:
    """A report in all its forms.

    Attributes:
        title: One line.
        html: One page.
        pictures: As drawn for a picture of its own.
    """

    title: str
    html: str
    pictures: tuple[Picture, ...]

    def svg(self) -> str:
        """Return all pictures as one SVG file, by day."""
        style = _render("picture.css") + _render("picture-colours.css", c=DAY)
        return together(self.pictures, self.title).file(style)


class _Figure(NamedTuple):
    """A number that stands in large print."""

    name: str
    value: str
    note: str = ""


@cache
def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("tenuto.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(day=DAY, night=NIGHT, font=FONT)
    return found


def _render(template: str, **values: object) -> str:
    return _templates().get_template(template).render(values)


# --- a session


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
    began = datetime.fromtimestamp(row.started_utc_ms / 1000, UTC).astimezone(zone)
    routine = row.routine or summary.routine or "a routine whose name is not known"
    title = f"{routine}, {began:%A} {began.day} {began:%B %Y}"
    by_muscle = {
        name: Muscle(left, right)
        for name, (left, right) in sorted(
            told.muscle_ms().items(), key=lambda item: (-min(item[1]), item[0])
        )
    }
    wide = score(told, WIDE, "score-wide")
    muscles = charts.muscles(by_muscle, None) if by_muscle else None
    html = _render(
        "session.html",
        title=title,
        heading=routine,
        subheading=f"{began:%A} {began.day} {began:%B %Y, %H:%M}, on {row.where}"
        + (f", {row.person}" if row.person else "")
        + f". {_ended(told)}",
        figures=_session_figures(told),
        wide=wide,
        narrow=score(told, NARROW, "score-narrow"),
        legend=LEGEND,
        has_intervals=bool(told.intervals),
        holds=_hold_rows(told),
        muscles=muscles,
        zones=_zone_rows(told, zones),
        variability=summary.variability,
        has_recovery=bool(told.samples) and summary.recovery is not None,
    )
    return Report(title, html, (*wide, muscles) if muscles else tuple(wide))


def _ended(told: Account) -> str:
    row = told.row
    if row.reason is None:
        return "Not known to have ended."
    stopped = stopped_at(told)
    if stopped is None or row.reason == "finished":
        return {"finished": "Finished.", "stopped": "Stopped early.", "failed": "Broken off."}.get(
            row.reason, f"Ended: {row.reason}."
        )
    return f"Stopped in {stopped.hold.place}, after {stopped.hold.held_ms // 1000} s."


def _session_figures(told: Account) -> list[_Figure]:
    summary = told.summary
    planned = "" if summary.holds_planned is None else f" of {summary.holds_planned}"
    skipped = [
        f"{number} {how}"
        for number, how in ((summary.holds_skipped, "skipped"), (summary.holds_cut, "cut short"))
        if number
    ]
    figures = [
        _Figure("Held", f"{clock(summary.held_ms)} min", f"in {clock(summary.duration_ms)} min"),
        _Figure("Holds done", f"{summary.holds_completed}{planned}", ", ".join(skipped)),
    ]
    if summary.pauses:
        noun = count(summary.pauses, "pause", "pauses")
        figures.append(_Figure("Paused", f"{clock(summary.paused_ms)} min", noun))
    if summary.unfelt:
        note = f"of {count(summary.cues, 'cue', 'cues')}: the device did not take them"
        figures.append(_Figure("Not felt", str(summary.unfelt), note))
    if summary.bpm_mean is not None:
        note = f"{summary.bpm_min} to {summary.bpm_max}"
        figures.append(_Figure("Heart rate", f"{summary.bpm_mean:.0f} bpm", note))
    if summary.recovery is not None:
        fell = summary.recovery
        note = f"from {fell.peak_bpm} to {fell.after_bpm:.0f} in the first minute"
        figures.append(_Figure("Recovery", f"{-fell.drop_bpm:+.0f} bpm", note))
    return figures


def _hold_rows(told: Account) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for hold in told.holds:
        within = [s for s in told.samples if hold.from_ms <= s.t_ms < hold.to_ms]
        rate = heart.rate(within, hold.to_ms)
        rows.append(
            (
                clock(hold.from_ms),
                hold.exercise or "?",
                hold.side or "both",
                outcome(hold),
                "" if rate is None else f"{rate.mean_bpm:.0f}",
            )
        )
    return rows


def _zone_rows(told: Account, zones: heart.Zones | None) -> list[tuple[str, ...]]:
    if zones is None or not told.samples:
        return []
    times = zones.times_ms(told.samples, told.duration_ms)
    limits = ("", *(f"from {bpm} bpm" for bpm in zones.from_bpm))
    return [
        (name, limit, f"{clock(ms)} min")
        for name, limit, ms in zip(ZONE_NAMES, limits, times, strict=True)
        if ms
    ]


# --- a period


@dataclass(frozen=True, slots=True)
class Period:
    """Some days.

    Attributes:
        name: `week` or `month`.
        first: The first of them.
        days: How many.
    """

    name: str
    first: date
    days: int

    @property
    def last(self) -> date:
        """The last day."""
        return self.first + timedelta(days=self.days - 1)

    @classmethod
    def of(cls, name: str, day: date) -> Period:
        """Return the week from Monday on, or the month, that a day is in."""
        if name == "week":
            return cls(name, day - timedelta(days=day.weekday()), 7)
        first = day.replace(day=1)
        later = (first + timedelta(days=31)).replace(day=1)
        return cls(name, first, (later - first).days)

    @property
    def title(self) -> str:
        """What people call it."""
        if self.name == "week":
            return f"Week from {self.first.day} to {self.last.day} {self.last:%B %Y}"
        return f"{self.first:%B %Y}"


def period_report(
    accounts: Sequence[Account],
    period: Period,
    streak: Streak,
    today: date,
    zone: tzinfo | None = None,
) -> Report:
    """Report on a week or a month.

    Args:
        accounts: Its sessions in order, those of one person.
        period: Which days.
        streak: As it stands today.
        today: The present day.
        zone: Of time; None for that of this computer.
    """
    total = tally(accounts, zone)
    held_ms: dict[date, int] = {}
    for told in accounts:
        day = day_of(told.row.started_utc_ms, zone)
        held_ms[day] = held_ms.get(day, 0) + told.summary.held_ms
    person = next((told.row.person for told in accounts if told.row.person), None)
    so_far = max(1, min(period.days, (min(today, period.last) - period.first).days + 1))
    days = (
        charts.week_bars(period.first, period.days, held_ms)
        if period.name == "week"
        else charts.calendar(period.first, period.days, held_ms, today)
    )
    muscles = charts.muscles(total.muscles, period.days) if total.muscles else None
    known = [
        (day_of(told.row.started_utc_ms, zone), fell)
        for told in accounts
        if (fell := told.summary.recovery) is not None
    ]
    recovery = charts.recovery_trend(known) if known else None
    title = period.title + (f", {person}" if person else "")
    html = _render(
        "period.html",
        title=title,
        heading=period.title,
        subheading=streak_words(streak, today, person),
        figures=_period_figures(total, so_far),
        period=period.name,
        days_a_week=DAYS_A_WEEK,
        days=days,
        muscles=muscles,
        muscle_rows=[
            (name, clock(one.left_ms), clock(one.right_ms), str(one.days))
            for name, one in total.muscles.items()
        ],
        recovery=recovery,
        sessions=_session_rows(accounts, zone),
    )
    drawn = [picture for picture in (days, muscles, recovery) if picture is not None]
    return Report(title, html, tuple(drawn))


def streak_words(streak: Streak, today: date, person: str | None) -> str:
    """Say how the streak stands and until when it lasts."""
    whose = f"{person}: " if person else ""
    keep = streak.keep_until
    if keep is None:
        return (
            f"{whose}no streak at present; the longest was {count(streak.longest, 'day', 'days')}."
        )
    left = (keep - today).days
    until = "today" if left == 0 else f"until {keep:%A}"
    days = count(streak.present, "day", "days")
    rest = f"with at most {REST_DAYS_MAX} days of rest between"
    return f"{whose}{days} in a row, {rest}; a session {until} keeps it."


def _period_figures(total: Tally, days: int) -> list[_Figure]:
    ended = [
        f"{number} {how}"
        for number, how in ((total.skipped, "skipped"), (total.cut, "cut short"))
        if number
    ]
    return [
        _Figure("Days", str(len(total.days)), f"{len(total.days) / days * 7:.1f} a week"),
        _Figure(
            "Held",
            f"{clock(total.held_ms)} min",
            f"{total.held_ms / 60_000 / days * 7:.0f} min a week",
        ),
        _Figure("Holds done", str(total.completed), ", ".join(ended)),
        _Figure("Sessions", str(total.sessions), count(total.pauses, "pause", "pauses")),
    ]


def _session_rows(accounts: Sequence[Account], zone: tzinfo | None) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for told in reversed(accounts):
        row, summary = told.row, told.summary
        began = datetime.fromtimestamp(row.started_utc_ms / 1000, UTC).astimezone(zone)
        planned = "?" if summary.holds_planned is None else str(summary.holds_planned)
        rows.append(
            (
                f"{began:%a}\u00a0{began.day}\u00a0{began:%b} {began:%H:%M}",
                row.routine or "?",
                row.reason or "not yet",
                f"{summary.holds_completed}/{planned}",
                clock(summary.held_ms),
                "" if summary.bpm_mean is None else f"{summary.bpm_mean:.0f}",
            )
        )
    return rows
