# SPDX-License-Identifier: MIT
"""Reports as one page of HTML that needs nothing else: no script, no font, no network.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from html import escape
from typing import TYPE_CHECKING

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
from .style import PAGE_STYLE, PICTURE_STYLE
from .svg import Picture, together

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenuto.history.timeline import Account

CAUTION = (
    "A timer, not medical advice. Stretch to mild tension, never into pain, and breathe. "
    "What the research says and does not say is in Tenuto's EVIDENCE.md."
)
ZONE_NAMES = ("below", "1", "2", "3", "4", "5")


@dataclass(frozen=True, slots=True)
class Report:
    """A report in all its forms.

    title: one line.  html: one page.  pictures: as drawn for a picture of its own.
    """

    title: str
    html: str
    pictures: tuple[Picture, ...]

    def svg(self) -> str:
        """Give all pictures as one SVG file."""
        return together(self.pictures, PICTURE_STYLE, self.title)


@dataclass(frozen=True, slots=True)
class _Card:
    name: str
    value: str
    note: str = ""


# --- a session


def session_report(
    told: Account, *, zones: heart.Zones | None = None, zone: tzinfo | None = None
) -> Report:
    """Report on one session.

    zones: of the person's heart, None where they are not known.  zone: of time; None for that of
    this computer.
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
    narrow = score(told, NARROW, "score-narrow")
    body = [
        _header(
            routine,
            f"{began:%A} {began.day} {began:%B %Y, %H:%M}, on {row.key.wearable}"
            + (f", {row.person}" if row.person else "")
            + f". {_ended(told)}",
        ),
        _cards(_session_cards(told)),
        _section("The score", _score(wide, narrow, has_intervals=bool(told.intervals))),
    ]
    pictures = list(wide)
    body.append(_section("What was held", _holds_table(told)))
    if by_muscle:
        picture = charts.muscles(by_muscle, None)
        pictures.append(picture)
        body.append(
            _section(
                "Muscles",
                _figure(
                    picture,
                    "Advised: 60 s for each exercise in all, on two to three days a "
                    "week or more (ACSM).",
                    fit=True,
                ),
            )
        )
    body += _heart_section(told, zones)
    return Report(title, _page(title, body), tuple(pictures))


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


def _session_cards(told: Account) -> list[_Card]:
    summary = told.summary
    planned = "" if summary.holds_planned is None else f" of {summary.holds_planned}"
    skipped = [
        f"{number} {how}"
        for number, how in ((summary.holds_skipped, "skipped"), (summary.holds_cut, "cut short"))
        if number
    ]
    cards = [
        _Card("Held", f"{clock(summary.held_ms)} min", f"in {clock(summary.duration_ms)} min"),
        _Card("Holds done", f"{summary.holds_completed}{planned}", ", ".join(skipped)),
    ]
    if summary.pauses:
        noun = count(summary.pauses, "pause", "pauses")
        cards.append(_Card("Paused", f"{clock(summary.paused_ms)} min", noun))
    if summary.bpm_mean is not None:
        note = f"{summary.bpm_min} to {summary.bpm_max}"
        cards.append(_Card("Heart rate", f"{summary.bpm_mean:.0f} bpm", note))
    if summary.recovery is not None:
        fell = summary.recovery
        note = f"from {fell.peak_bpm} to {fell.after_bpm:.0f} in the first minute"
        cards.append(_Card("Recovery", f"{-fell.drop_bpm:+.0f} bpm", note))
    return cards


def _score(wide: Sequence[Picture], narrow: Sequence[Picture], *, has_intervals: bool) -> str:
    def drawn(class_: str, pictures: Iterable[Picture]) -> str:
        return f'<div class="{class_}">{"".join(picture.inline() for picture in pictures)}</div>'

    parts = [
        "The upper lane is the left side, the lower one the right; a hold of both fills both.",
        "Hatched: paused, or stopped. Dashed: skipped.",
        f"The strokes are the cues as they were felt ({LEGEND}).",
    ]
    if has_intervals:
        parts.append("Dots under the heart's line are beats that were left out as artefacts.")
    legend = " ".join(parts)
    return (
        f'<figure class="card">{drawn("wide", wide)}{drawn("narrow", narrow)}'
        f"<figcaption>{escape(legend)}</figcaption></figure>"
    )


def _holds_table(told: Account) -> str:
    rows = []
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
    return _table(("at", "exercise", "side", "held", "bpm"), rows, numbers={0, 4})


def _heart_section(told: Account, zones: heart.Zones | None) -> list[str]:
    parts = []
    if zones is not None and told.samples:
        times = zones.times_ms(told.samples, told.duration_ms)
        limits = ("", *(f"from {bpm} bpm" for bpm in zones.from_bpm))
        rows = [
            (name, limit, f"{clock(ms)} min")
            for name, limit, ms in zip(ZONE_NAMES, limits, times, strict=True)
            if ms
        ]
        parts.append(_table(("zone", "", "time"), rows, numbers={2}))
    found = told.summary.variability
    if found is not None:
        quality = (
            f"{found.beats} beats of the strap's electrodes, {found.artefact_pct:.1f} % artefacts "
            "left out"
        )
        if found.rmssd_ms is not None and found.sdnn_ms is not None:
            text = f"RMSSD {found.rmssd_ms:.0f} ms, SDNN {found.sdnn_ms:.0f} ms"
        else:
            text = "RMSSD and SDNN are not given: too few good beats"
        parts.append(
            f'<p class="note">Experimental: {text}, from {quality}. Over minutes in which the '
            "heart slows down these say little.</p>"
        )
    if told.samples and told.summary.recovery is not None:
        parts.append(
            '<p class="note">The recovery is the highest rate of the first 10 s less that one '
            "minute later. It compares your own sessions after the same run with each other, "
            "no more.</p>"
        )
    return [_section("The heart", f'<div class="card">{"".join(parts)}</div>')] if parts else []


# --- a period


@dataclass(frozen=True, slots=True)
class Period:
    """Some days.  name: `week` or `month`.  days: how many, from the first on."""

    name: str
    first: date
    days: int

    @property
    def last(self) -> date:
        """The last day."""
        return self.first + timedelta(days=self.days - 1)

    @classmethod
    def of(cls, name: str, day: date) -> Period:
        """Give the week from Monday on, or the month, that a day is in."""
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
    """Report on a week or a month; `accounts` are its sessions in order, those of one person."""
    total = tally(accounts, zone)
    held_ms: dict[date, int] = {}
    for told in accounts:
        day = day_of(told.row.started_utc_ms, zone)
        held_ms[day] = held_ms.get(day, 0) + told.summary.held_ms
    person = next((told.row.person for told in accounts if told.row.person), None)
    so_far = max(1, min(period.days, (min(today, period.last) - period.first).days + 1))
    pictures = [
        charts.week_bars(period.first, period.days, held_ms)
        if period.name == "week"
        else charts.calendar(period.first, period.days, held_ms, today)
    ]
    low, high = DAYS_A_WEEK
    sections = [
        _section(
            "Days",
            _figure(
                pictures[0],
                f"Advised: {low} to {high} days a week or more (ACSM). A day counts with one hold "
                "held to its end.",
                fit=True,
            ),
        )
    ]
    if total.muscles:
        pictures.append(charts.muscles(total.muscles, period.days))
        caption = (
            f"Shaded: 60 s on {low} to {high} days a week, for the whole {period.name}. "
            "L and R are the sides."
        )
        figure = _figure(pictures[-1], caption, fit=True)
        sections.append(_section("Muscles", figure + _muscle_table(total)))
    known = [
        (day_of(told.row.started_utc_ms, zone), fell)
        for told in accounts
        if (fell := told.summary.recovery) is not None
    ]
    if known:
        pictures.append(charts.recovery_trend(known))
        caption = (
            "How far the heart rate fell in the first minute of each session. "
            "Compare only sessions after the same kind of run."
        )
        figure = _figure(pictures[-1], caption, fit=True)
        sections.append(_section("Recovery of the heart", figure))
    body = [
        _header(period.title, streak_words(streak, today, person)),
        _cards(_period_cards(total, so_far)),
        f'<div class="grid">{"".join(sections)}</div>',
        _section("Sessions", _sessions_table(accounts, zone)),
    ]
    title = period.title + (f", {person}" if person else "")
    return Report(title, _page(title, body), tuple(pictures))


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


def _period_cards(total: Tally, days: int) -> list[_Card]:
    ended = [
        f"{number} {how}"
        for number, how in ((total.skipped, "skipped"), (total.cut, "cut short"))
        if number
    ]
    return [
        _Card("Days", str(len(total.days)), f"{len(total.days) / days * 7:.1f} a week"),
        _Card(
            "Held",
            f"{clock(total.held_ms)} min",
            f"{total.held_ms / 60_000 / days * 7:.0f} min a week",
        ),
        _Card("Holds done", str(total.completed), ", ".join(ended)),
        _Card("Sessions", str(total.sessions), count(total.pauses, "pause", "pauses")),
    ]


def _muscle_table(total: Tally) -> str:
    rows = [
        (name, clock(one.left_ms), clock(one.right_ms), str(one.days))
        for name, one in total.muscles.items()
    ]
    head = ("muscle", "left", "right", "days with 60 s")
    return (
        f"<details><summary>As a table</summary>{_table(head, rows, numbers={1, 2, 3})}</details>"
    )


def _sessions_table(accounts: Sequence[Account], zone: tzinfo | None) -> str:
    rows = []
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
    if not rows:
        return '<p class="hint">None yet.</p>'
    head = ("began", "routine", "ended", "holds", "held", "bpm")
    return _table(head, rows, numbers={3, 4, 5})


# --- pieces of a page


def _header(title: str, text: str) -> str:
    return f"<header><h1>{escape(title)}</h1><p>{escape(text)}</p></header>"


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _cards(cards: Iterable[_Card]) -> str:
    return (
        "<dl>"
        + "".join(
            f"<div><dt>{escape(card.name)}</dt><dd>{escape(card.value)}"
            + (f"<small>{escape(card.note)}</small>" if card.note else "")
            + "</dd></div>"
            for card in cards
        )
        + "</dl>"
    )


def _figure(picture: Picture, caption: str, *, fit: bool = False) -> str:
    class_ = "card fit" if fit else "card"
    return (
        f'<figure class="{class_}">{picture.inline()}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: set[int]) -> str:
    def cells(tag: str, row: Sequence[str]) -> str:
        scope = ' scope="col"' if tag == "th" else ""
        classes = [' class="n"' if column in numbers else "" for column in range(len(row))]
        return "".join(
            f"<{tag}{scope}{class_}>{escape(text)}</{tag}>"
            for text, class_ in zip(row, classes, strict=True)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f'<div class="card"><table><thead><tr>{cells("th", head)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _page(title: str, body: Iterable[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="generator" content="Tenuto">'
        # Whatever a name in the history holds, the page runs and fetches nothing.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(title)} - Tenuto</title><style>{PAGE_STYLE}</style></head>"
        f"<body><main>{''.join(body)}<footer><p>{escape(CAUTION)}</p></footer></main></body></html>\n"
    )
