# SPDX-License-Identifier: MIT
"""A long history stays quick: what people wait for is found by an index, not by reading it all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenuto.history import Store
from tests.history.sessions import whole_session

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

DAY_MS = 86_400_000


async def steps(path: Path, ask: str) -> list[str]:
    """How SQLite would carry out what one method of the store asks."""
    asked: list[str] = []

    def listen(db: sqlite3.Connection) -> None:
        db.set_trace_callback(asked.append)

    def explain(db: sqlite3.Connection) -> list[str]:
        db.set_trace_callback(None)
        queries = [text for text in asked if text.startswith("SELECT")]
        return [
            row[3]
            for text in queries
            for row in db.execute(f"EXPLAIN QUERY PLAN {text}").fetchall()
        ]

    async with Store(path) as store:
        for boot in range(1, 5):
            await store.add(whole_session(boot_id=boot, boot_utc_ms=boot * DAY_MS))
        await store.work(listen)
        match ask:
            case "newest":
                await store.sittings(20)
            case "one":
                await store.session(3)
            case "month":
                await store.between(2 * DAY_MS, 3 * DAY_MS)
            case _:
                await store.last_seq("name:wrist", 3)
        return await store.work(explain)


@pytest.mark.parametrize("ask", ["newest", "one", "month", "where to go on"])
async def test_no_question_reads_all_sessions_or_all_records(tmp_path: Path, ask: str) -> None:
    found = await steps(tmp_path / "h.db", ask)

    assert found
    for step in found:
        if step == "SCAN persons":
            continue  # of whom there are few
        assert not step.startswith("SCAN") or "USING" in step or "subquery" in step.lower(), step
