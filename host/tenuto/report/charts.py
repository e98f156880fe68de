# SPDX-License-Identifier: MIT
"""The pictures of a week or a month: a calendar, days as bars, muscles, recovery.  Pure."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING

from tenuto.history.adherence import DAYS_A_WEEK, EXERCISE_MS
from tenuto.routines.exercise import KINDS, STRENGTH, STRETCH
from tenuto.terminal.words import clock, count, duration

from .svg import Picture, shorten, text_width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenuto.history.adherence import Muscle
    from tenuto.sessions.heart import Recovery

WIDTH = 340.0
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_W, _DAY_H = 42.0, 48.0
_DISC = 14.0
_FULL_DAY_MS = 10 * 60_000
"""A day with this much held has the largest disc."""
_MUSCLES = {STRETCH: "Time stretched, by muscle", STRENGTH: "Strength holds, by muscle"}


def kind_order(kind: str) -> tuple[int, str]:
    """Return the place of a kind of exercise among others; for sorting."""
    return (KINDS.index(kind) if kind in KINDS else len(KINDS), kind)


def calendar(
    first: date, days: int, held_ms: Mapping[date, int], counted: set[date], today: date
) -> Picture:
    """Draw days as a calendar: a disc as large as the time held, its minutes in it.

    Args:
        first: The first day.
        days: How many.
        held_ms: The time held on each day.
        counted: The days that count, because a hold was held to its end.
        today: The present day.
    """
    monday = first - timedelta(days=first.weekday())
    last = first + timedelta(days=days - 1)
    weeks = ((last - monday).days // 7) + 1
    trained = [day for day, ms in held_ms.items() if ms and first <= day <= last]
    desc = "; ".join(f"{day:%A %d %B}: {duration(held_ms[day])}" for day in sorted(trained))
    picture = Picture(
        "calendar", WIDTH, 22 + weeks * _DAY_H + 36, "Days and time held", desc or "no day yet"
    )
    for column, name in enumerate(WEEKDAYS):
        picture.text((column + 0.5) * _DAY_W, 12, name, class_="quiet", anchor="middle")
    for week in range(weeks):
        y = 20 + week * _DAY_H
        on = 0
        for column in range(7):
            day = monday + timedelta(days=7 * week + column)
            if first <= day <= last:
                on += day in counted
                _draw_day(picture, (column * _DAY_W, y), day, is_today=day == today)
                ms = held_ms.get(day, 0)
                if ms:
                    mid = (column + 0.5) * _DAY_W
                    _draw_disc(picture, mid, y + 31, ms, counts=day in counted)
        if monday + timedelta(days=7 * week) <= today:
            picture.text(WIDTH - 2, y + 35, count(on, "day", "days"), class_="quiet", anchor="end")
    _draw_calendar_legend(picture, 22 + weeks * _DAY_H + 20)
    return picture


def _draw_calendar_legend(picture: Picture, y: float) -> None:
    x = 2.0
    for ms, counts, text in (
        (60_000, True, ""),
        (_FULL_DAY_MS, True, "minutes held"),
        (60_000, False, "not to the end"),
    ):
        x += _DISC
        _draw_disc(picture, x, y, ms, counts=counts)
        x += _DISC + 3
        if text:
            picture.text(x, y + 4, text, class_="quiet")
            x += text_width(text, 11) + 2
    picture.rect(x, y - 9, 16, 18, class_="today", rx=4)
    picture.text(x + 21, y + 4, "today", class_="quiet")


def _draw_day(picture: Picture, at: tuple[float, float], day: date, *, is_today: bool) -> None:
    x, y = at
    picture.rect(x + 1, y + 1, _DAY_W - 2, _DAY_H - 2, class_="empty", rx=5)
    if is_today:
        picture.rect(x + 1, y + 1, _DAY_W - 2, _DAY_H - 2, class_="today", rx=5)
    picture.text(x + 5, y + 13, str(day.day), class_="quiet")


def _draw_disc(picture: Picture, x: float, y: float, held_ms: int, *, counts: bool) -> None:
    radius = 9 + (_DISC - 9) * math.sqrt(min(1.0, held_ms / _FULL_DAY_MS))
    picture.add("circle", cx=x, cy=y, r=radius, class_="hold" if counts else "skipped")
    minutes = str(max(1, round(held_ms / 60_000)))
    class_ = "on-hold" if counts else "small"
    picture.text(x, y + 4, minutes, class_=class_, anchor="middle")


def muscles(
    kind: str, held: Mapping[str, Muscle], days: int | None, width: float = WIDTH
) -> Picture:
    """Draw how long each muscle was held, left above right; stretches beside what is advised.

    Args:
        kind: Of the exercises, one of `routine.KINDS`.
        held: The times by the muscle's name, in the order in which they are drawn.
        days: Of the period, None for one session.
        width: Of the picture.
    """
    names = list(held)
    low_ms, high_ms = advised_ms(days) if kind == STRETCH else (0, 0)
    most_ms = max(1, high_ms, *(ms for one in held.values() for ms in (one.left_ms, one.right_ms)))
    label_w, right_w, top, row_h = 104.0, 62.0, 34.0 if high_ms else 4.0, 32.0
    room = width - label_w - right_w
    title = _MUSCLES.get(kind, f"{kind.capitalize() or 'Held'}, by muscle")
    desc = "; ".join(
        f"{name}: left {one.left_ms // 1000} s, right {one.right_ms // 1000} s"
        for name, one in held.items()
    )
    height = top + row_h * max(1, len(names)) + 4
    picture = Picture(f"muscles-{kind or 'other'}", width, height, title, desc)

    def x(ms: float) -> float:
        return label_w + room * ms / most_ms

    if high_ms:
        bottom = height - 4
        if high_ms > low_ms:
            picture.rect(x(low_ms), 18, x(high_ms) - x(low_ms), bottom - 18, class_="mark")
        picture.line(x(low_ms), 18, x(low_ms), bottom, class_="frame")
        advised = clock(low_ms) if low_ms == high_ms else f"{clock(low_ms)} to {clock(high_ms)}"
        far = x(low_ms) > width - 130
        anchor, at_x = ("end", x(high_ms) + right_w - 6) if far else ("start", x(low_ms))
        picture.text(at_x, 12, f"advised {advised} min", class_="quiet", anchor=anchor)
    for index, name in enumerate(names):
        one = held[name]
        y = top + index * row_h
        picture.text(0, y + 15, shorten(name, label_w - 8, 12))
        for row, ms in enumerate((one.left_ms, one.right_ms)):
            picture.text(label_w - 3, y + 9 + 12.5 * row, "LR"[row], class_="quiet", anchor="end")
            picture.rect(
                label_w + 2, y + 1 + 12.5 * row, max(1, x(ms) - label_w - 2), 8, class_="hold", rx=2
            )
        picture.text(width, y + 15, duration(one.less_ms), class_="small", anchor="end")
    return picture


def advised_ms(days: int | None) -> tuple[int, int]:
    """Return the least and the most time that is advised for a stretch.

    Args:
        days: In how many days; None for one session.
    """
    if days is None:
        return EXERCISE_MS, EXERCISE_MS
    low, high = DAYS_A_WEEK
    weeks = days / 7
    return round(EXERCISE_MS * low * weeks), round(EXERCISE_MS * high * weeks)


def week_bars(first: date, held_ms: Mapping[date, int], width: float = WIDTH) -> Picture:
    """Draw the time held on each day of a week as bars."""
    days = len(WEEKDAYS)
    most_ms = max([*held_ms.values(), 60_000])
    high, base = 90.0, 108.0
    step = width / days
    title = "Time held by day"
    told = [
        f"{first + timedelta(days=d):%A}: {duration(held_ms.get(first + timedelta(days=d), 0))}"
        for d in range(days)
    ]
    picture = Picture("days", width, base + 20, title, "; ".join(told))
    picture.line(0, base, width, base, class_="frame")
    for index in range(days):
        day = first + timedelta(days=index)
        ms = held_ms.get(day, 0)
        mid = (index + 0.5) * step
        if ms:
            bar = max(2.0, high * ms / most_ms)
            picture.rect(mid - step * 0.31, base - bar, step * 0.62, bar, class_="hold", rx=3)
            picture.text(mid, base - bar - 4, clock(ms), class_="small", anchor="middle")
        picture.text(mid, base + 15, WEEKDAYS[day.weekday()], class_="quiet", anchor="middle")
    return picture


def recovery_trend(points: Sequence[tuple[date, Recovery]], width: float = WIDTH) -> Picture:
    """Draw how far the heart rate fell in the first minute, session by session."""
    drops = [recovery.drop_bpm for _, recovery in points]
    low = min(0, math.floor(min(drops) / 10) * 10)
    high = max(10, math.ceil(max(drops) / 10) * 10)
    left, top, room_h = 34.0, 12.0, 96.0
    room_w = width - left - 12
    desc = "; ".join(f"{day:%d %B}: {recovery.drop_bpm:.0f} bpm" for day, recovery in points)
    picture = Picture(
        "recovery", width, top + room_h + 24, "Fall of the heart rate in the first minute", desc
    )
    begin, end = points[0][0], points[-1][0]
    span = max(1, (end - begin).days)

    def place(day: date, drop: float) -> tuple[float, float]:
        x = left + 6 + (room_w - 6) * ((day - begin).days / span if end > begin else 0.5)
        return x, top + room_h * (high - drop) / (high - low)

    scale = {value: place(begin, value)[1] for value in sorted({low, (low + high) // 2, high})}
    picture.level(left, width - 4, scale.values(), class_="guide")
    for value, y in scale.items():
        picture.text(left - 6, y + 4, str(value), class_="quiet", anchor="end")
    at = [place(day, drop) for (day, _), drop in zip(points, drops, strict=True)]
    if len(at) > 1:
        picture.path(at, class_="heart")
    for x, y in at:
        picture.add("circle", cx=x, cy=y, r=3.2, class_="beat")
    x, y = at[-1]
    above = y - 9 if y > top + 14 else y + 18
    picture.text(min(x, width - 28), above, f"{drops[-1]:.0f} bpm", class_="label", anchor="middle")
    base = top + room_h + 18
    picture.text(
        at[0][0], base, _day(begin), class_="quiet", anchor="middle" if span < 2 else "start"
    )
    if end > begin:
        picture.text(width - 4, base, _day(end), class_="quiet", anchor="end")
    return picture


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"
