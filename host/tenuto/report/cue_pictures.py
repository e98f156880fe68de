# SPDX-License-Identifier: MIT
"""The pictures of how well cues are told apart: which was taken for which, and over days.  Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tenuto.terminal.words import cue as cue_words

from .svg import Picture, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.cues.results import QuizResult

_CELL, _LEFT, _TOP = 44.0, 150.0, 40.0
_WIDTH, _HEIGHT = 340.0, 150.0


def confusions(
    name: str,
    title: str,
    cues: Sequence[str],
    share: Callable[[str, str | None], float],
    told: Callable[[str, str | None], str],
) -> Picture:
    """Draw which cue was taken for which: a square as large as its share, and a number in words.

    Args:
        name: As of every picture.
        title: What it is.
        cues: In the order of the rows; the columns have them by their numbers.
        share: Returns how often a cue was taken for another, None for a miss, 0 to 1.
        told: Returns what to write there; empty for nothing.
    """
    columns: list[str | None] = [*cues, None]
    width, height = _LEFT + _CELL * len(columns), _TOP + _CELL * len(cues) + 4
    desc = "; ".join(
        f"{cue_words(cue)} for {cue_words(answer) if answer else 'a miss'}: {told(cue, answer)}"
        for cue in cues
        for answer in columns
        if told(cue, answer)
    )
    picture = Picture(name, width, height, title, desc)
    picture.text(_LEFT, 12, "taken for", class_="quiet")
    for column, answer in enumerate(columns):
        x = _LEFT + _CELL * (column + 0.5)
        picture.text(x, _TOP - 8, str(column + 1) if answer else "missed", anchor="middle")
    for row, cue in enumerate(cues):
        y = _TOP + _CELL * row
        words = shorten(f"{row + 1} {cue_words(cue)}", _LEFT - 6, 12)
        picture.text(0, y + _CELL / 2 + 4, words, class_="text")
        for column, answer in enumerate(columns):
            x = _LEFT + _CELL * column
            picture.rect(x + 1, y + 1, _CELL - 2, _CELL - 2, class_="empty", rx=4)
            size = (_CELL - 6) * math.sqrt(share(cue, answer))
            if size > 2:
                is_right = answer == cue
                at_x, at_y = x + (_CELL - size) / 2, y + (_CELL - size) / 2
                picture.rect(at_x, at_y, size, size, class_="hold" if is_right else "mark", rx=3)
            text = told(cue, answer)
            is_on = answer == cue and size > 26
            class_ = "on-hold" if is_on else "text"
            picture.text(x + _CELL / 2, y + _CELL / 2 + 4, text, class_=class_, anchor="middle")
    return picture


def over_days(name: str, results: Sequence[tuple[int, QuizResult]]) -> Picture:
    """Draw what was learned and forgotten: each quiz with its interval, from 0 to 100 %.

    Args:
        name: As of every picture.
        results: With their times in ms since 1970, the oldest first; at least one.
    """
    first_ms, last_ms = results[0][0], results[-1][0]
    told = [(at_ms, result.score.right) for at_ms, result in results]
    desc = "; ".join(f"{_day(at_ms)}: {right}" for at_ms, right in told)
    picture = Picture(name, _WIDTH, _HEIGHT, "Right over days", desc)
    left, right_end, top, bottom = 48.0, _WIDTH - 24, 10.0, _HEIGHT - 24

    def y(share: float) -> float:
        return bottom - (bottom - top) * share

    for share in (0.0, 0.5, 1.0):
        picture.line(left, y(share), _WIDTH - 6, y(share), class_="guide")
        picture.text(left - 6, y(share) + 4, f"{100 * share:.0f} %", class_="quiet", anchor="end")
    points = []
    for at_ms, right in told:
        spread = max(1, last_ms - first_ms)
        x = left + 12 + (right_end - left - 12) * (at_ms - first_ms) / spread
        low, high = right.interval
        points.append((x, y(right.count / right.total)))
        picture.line(x, y(low), x, y(high), class_="ink-tick")
    if len(points) > 1:
        picture.path(points, class_="frame")
    for x, at_y in points:
        picture.rect(x - 4, at_y - 4, 8, 8, class_="hold", rx=4)
    picture.text(left + 12, _HEIGHT - 6, _day(first_ms), class_="quiet", anchor="middle")
    if _day(last_ms) != _day(first_ms):
        picture.text(right_end, _HEIGHT - 6, _day(last_ms), class_="quiet", anchor="middle")
    return picture


def _day(utc_ms: int) -> str:
    at = datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone()
    return f"{at.day} {at:%b}"
