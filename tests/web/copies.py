# SPDX-License-Identifier: MIT
"""Long histories, quickly: one session, and copies of it with all their records and outlines."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tenuto.history import Store
from tests.report.played import DAY_MS, accounts

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.sessions.events import Entry

# Each copy is of another boot, and so many ms earlier. A file that is lost with the power will do.
COPY = """
PRAGMA synchronous = OFF;
PRAGMA journal_mode = MEMORY;
BEGIN;
CREATE TEMP TABLE copies AS
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {sessions})
    SELECT i, i * {apart_ms} AS ms FROM n;
INSERT INTO sessions (id, device, boot_id, seq, wearable, person_id, plan_id, routine,
        started_utc_ms, ended_utc_ms, reason, source)
    SELECT i + 1, device, 1000000 + i, seq, wearable, person_id, plan_id, routine,
        started_utc_ms - ms, ended_utc_ms - ms, reason, source FROM copies, sessions WHERE id = 1;
INSERT INTO records
    SELECT old.device, 1000000 + i, old.seq, i + 1, at_ms, kind, step, a, b, c, utc_ms - ms,
        uncertainty_ms FROM copies, records old WHERE old.session_id = 1;
INSERT INTO outlines SELECT i + 1, version, is_held, data FROM copies, outlines WHERE id = 1;
COMMIT;
PRAGMA journal_mode = WAL;
"""


async def _keep_outline(path: Path) -> None:
    """Do what a host does once a session has ended."""
    async with Store(path) as store:
        await store.keep_outlines(*await store.without_outline())


def keep_copies(path: Path, session: list[Entry], sessions: int, a_day: float) -> None:
    """Keep a session and earlier copies of it.

    Args:
        path: Of a history that is not there yet.
        session: The last one.
        sessions: How many in all.
        a_day: How many on each day.
    """
    accounts(path, session)
    asyncio.run(_keep_outline(path))
    if sessions == 1:
        return
    with closing(sqlite3.connect(path)) as database:
        database.executescript(COPY.format(sessions=sessions, apart_ms=int(DAY_MS / a_day)))
