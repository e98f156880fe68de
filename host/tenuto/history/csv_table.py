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

    from .timeline import Outline, Phase

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
    count = 0
    for told in sessions:
        for hold in told.holds:
            writer.writerow(
                [_cell(value, decimal_comma=decimal_comma) for value in _row(told, hold)]
            )
            count += 1
    return count


def _row(told: Outline, hold: Phase) -> tuple[object, ...]:
    row = told.row
    rate = hold.rate
    return (
        row.id,
        _moment(row.started_utc_ms),
        row.person,
        row.wearable,
        row.routine,
        row.reason,
        _moment(told.utc_ms(hold.from_ms)),
        hold.exercise,
        hold.side,
        hold.rep,
        hold.planned_ms / 1000,
        hold.held_ms / 1000,
        hold.outcome,
        "; ".join(told.muscles(hold)),
        None if rate is None else round(rate.mean_bpm, 1),
        None if rate is None else rate.max_bpm,
        "yes" if row.is_simulated else None,
        hold.reps or None,
        hold.set_no or None,
        hold.sets or None,
        hold.phase,
    )


def _moment(utc_ms: int) -> datetime:
    return datetime.fromtimestamp(utc_ms // 1000, UTC)


def _cell(value: object, *, decimal_comma: bool) -> object:
    """Return a value so that no spreadsheet takes the name of an exercise for a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S" if decimal_comma else "%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, float) and decimal_comma:
        return str(value).replace(".", ",")
    return value
