# SPDX-License-Identifier: MIT
"""A period's account, and how much of the history it reads."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date
from typing import TYPE_CHECKING

from tenuto.history import Store
from tenuto.history.adherence import tally
from tenuto.history.period import MONTH, Period, period_account
from tenuto.history.timeline import account
from tests.report.played import DAY_MS, EVENING_MS, played

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from tenuto.history import StoredSession

TODAY = date(2026, 11, 20)
BEFORE_MS = EVENING_MS - 30 * DAY_MS


async def kept(path: Path) -> tuple[StoredSession, StoredSession]:
    """Keep a session of this month and one of the month before, with beats of a strap."""
    async with Store(path) as store:
        for number, utc_ms in enumerate((BEFORE_MS, EVENING_MS), 1):
            session = played(number, utc_ms, trouble=number == 1)
            await store.add([replace(entry, person="anna") for entry in session])
        before, now = await store.between(0, 1 << 60)
        return before, now


async def test_no_record_is_read_of_sessions_whose_outline_is_kept(tmp_path: Path) -> None:
    before, now = await kept(tmp_path / "history.db")
    async with Store(tmp_path / "history.db") as store:
        await store.keep_outlines(*await store.without_outline())
    reads: list[str] = []
    async with Store(tmp_path / "history.db", read_only=True) as store:
        await store.work(lambda database: database.set_trace_callback(reads.append))
        told = await period_account(store, Period.of(MONTH, TODAY), TODAY, "anna", zone=UTC)

    assert told.before == tally([account(before)], UTC)
    assert told.sessions == (account(now).outline,)
    assert not [text for text in reads if "FROM records WHERE session_id" in text]


async def test_a_streak_is_counted_by_the_first_hold_of_each_session(tmp_path: Path) -> None:
    before, now = await kept(tmp_path / "history.db")
    steps = [0]

    def count(database: sqlite3.Connection) -> None:
        def note() -> int:
            steps[0] += 1
            return 0

        database.set_progress_handler(note, 1)

    async with Store(tmp_path / "history.db", read_only=True) as store:
        nothing = Period.of(MONTH, date(2000, 1, 1))
        await store.work(count)
        told = await period_account(store, nothing, TODAY, "anna", zone=UTC)

    assert told.streak.longest == 0, "later days do not count"
    records = len(before.records) + len(now.records)
    assert math.isclose(records, 2 * 400, rel_tol=0.2), "most of them are heart beats"
    assert steps[0] < 2 * records
