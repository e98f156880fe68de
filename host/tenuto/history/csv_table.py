# SPDX-License-Identifier: MIT
"""Holds as a table for spreadsheets (CSV, RFC 4180): one row for each hold.  Pure."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .timeline import Account, Phase

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
)


def write_table(accounts: Iterable[Account], file: TextIO) -> int:
    """Write the table.

    Args:
        file: Opened with `newline=""`, so that the lines end as the format says.

    Returns:
        The number of holds.
    """
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for told in accounts:
        for hold in told.holds:
            writer.writerow(map(_cell, _row(told, hold)))
            count += 1
    return count


def _row(told: Account, hold: Phase) -> tuple[object, ...]:
    row = told.row
    rate = told.rate(hold)
    return (
        row.id,
        _utc(row.started_utc_ms),
        row.person,
        row.wearable,
        row.routine,
        row.reason,
        _utc(told.utc_ms(hold.from_ms)),
        hold.exercise,
        hold.side,
        hold.rep,
        hold.planned_ms / 1000,
        hold.held_ms / 1000,
        hold.outcome,
        "; ".join(told.muscles(hold)),
        None if rate is None else round(rate.mean_bpm, 1),
        None if rate is None else rate.max_bpm,
    )


def _utc(utc_ms: int) -> str:
    return datetime.fromtimestamp(utc_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: object) -> object:
    """Return a value so that no spreadsheet takes the name of an exercise for a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value
