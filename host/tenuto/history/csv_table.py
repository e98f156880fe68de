# SPDX-License-Identifier: MIT
"""Holds as a table for spreadsheets: one row for each hold.  Pure.

Usually CSV by RFC 4180. Where numbers have a decimal comma, as in Germany, Excel opens only another
form by a double click: `;` between cells, `,` in numbers, UTF-8 with a byte-order mark.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .timeline import Outline

SECONDS_LETTERS = len("2026-11-20T18:05:00")
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    "session",
    "began_utc",
    "person",
    "wearable",
    "routine",
    "session_ended",
    "hold_began_utc",
    "exercise",
    "side",
    "repetition",
    "planned_s",
    "held_s",
    "outcome",
    "muscles",
    "mean_bpm",
    "max_bpm",
    "simulated",
    "of_repetitions",
    "set",
    "of_sets",
    "phase",
)


def write_table(sessions: Iterable[Outline], file: TextIO, *, decimal_comma: bool = False) -> int:
    """Write the table.

    Args:
        sessions: What is told.
        file: Opened with `newline=""`, so that the lines end as the format says.
        decimal_comma: In the form for an Excel whose numbers have a comma.

    Returns:
        The number of holds.
    """
    if decimal_comma:
        file.write("\ufeff")
    writer = csv.writer(file, delimiter=";" if decimal_comma else ",")
    writer.writerow(COLUMNS)
    moment = _moment_for_comma if decimal_comma else _moment
    number = _with_comma if decimal_comma else float
    count = 0
    for told in sessions:
        row = told.row
        of_session = (
            row.id,
            moment(row.started_utc_ms),
            _text(row.person),
            _text(row.wearable),
            _text(row.routine),
            _text(row.reason),
        )
        simulated = "yes" if row.is_simulated else None
        for hold in told.holds:
            rate = hold.rate
            of_hold = (
                moment(told.utc_ms(hold.from_ms)),
                _text(hold.exercise),
                _text(hold.side),
                hold.rep,
                number(hold.planned_ms / 1000),
                number(hold.held_ms / 1000),
                _text(hold.outcome),
                _text("; ".join(told.muscles(hold))),
                None if rate is None else number(round(rate.mean_bpm, 1)),
                None if rate is None else rate.max_bpm,
                simulated,
                hold.reps or None,
                hold.set_no or None,
                hold.sets or None,
                _text(hold.phase),
            )
            writer.writerow(of_session + of_hold)
            count += 1
    return count


def _moment(utc_ms: int) -> str:
    return datetime.fromtimestamp(utc_ms // 1000, UTC).isoformat()[:SECONDS_LETTERS] + "Z"


def _moment_for_comma(utc_ms: int) -> str:
    return datetime.fromtimestamp(utc_ms // 1000, UTC).isoformat(" ")[:SECONDS_LETTERS]


def _with_comma(value: float) -> str:
    return str(float(value)).replace(".", ",")


def _text(text: str | None) -> str | None:
    """Return a text so that no spreadsheet takes the name of an exercise for a formula."""
    return "'" + text if text and text.startswith(FORMULA_BEGINS) else text
