# SPDX-License-Identifier: MIT
"""The table of messages that wait for the broker, beside the sessions that they tell of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rows import Waiting
from .schema import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from .database import Database
    from .store import Store

OUTBOX_MAX = 10_000
"""Messages that wait for the broker, at most: those of a hundred sessions."""


class OutboxTable:
    """The messages, in the order of their ids; those who put them there choose the ids.

    Args:
        store: In whose file they are.

    All methods raise StoreError when the file cannot be used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def last(self) -> int:
        """Return the id of the newest message, 0 if there is none."""
        row = await self._store.work(
            lambda db: db.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()
        )
        return int(row[0])

    async def add(self, messages: Sequence[Waiting]) -> int:
        """Keep messages.

        Returns:
            How many of the oldest had to go for them.
        """
        return await self._store.work(lambda db: self._add(db, messages))

    async def after(self, last_id: int, limit: int) -> list[Waiting]:
        """Return the oldest messages whose id is above `last_id`, in order."""
        rows = await self._store.work(
            lambda db: db.execute(
                "SELECT id, utc_ms, topic, payload FROM outbox WHERE id > ? ORDER BY id LIMIT ?",
                (last_id, limit),
            ).fetchall()
        )
        return [Waiting(*row) for row in rows]

    async def remove(self, ids: Sequence[int]) -> None:
        """Forget messages that the broker has."""
        await self._store.work(lambda db: self._remove(db, ids))

    def _add(self, db: sqlite3.Connection, messages: Sequence[Waiting]) -> int:
        with transaction(db):
            db.executemany(
                "INSERT INTO outbox (id, utc_ms, topic, payload) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                [(item.id, item.utc_ms, item.topic, item.payload) for item in messages],
            )
            return db.execute(
                "DELETE FROM outbox WHERE id <="
                " (SELECT id FROM outbox ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (OUTBOX_MAX,),
            ).rowcount

    def _remove(self, db: sqlite3.Connection, ids: Sequence[int]) -> None:
        with transaction(db):
            db.executemany("DELETE FROM outbox WHERE id = ?", [(number,) for number in ids])


def forget_session(db: Database, device: str, boot_id: int, seq: int) -> None:
    """Delete the messages about a session that wait; in a transaction, before the session goes."""
    row = db.execute(
        "SELECT wearable, started_utc_ms, (SELECT max(utc_ms) FROM records WHERE session_id = id)"
        " FROM sessions WHERE device = ? AND boot_id = ? AND seq = ?",
        (device, boot_id, seq),
    ).fetchone()
    if row is not None:
        wearable, first_utc_ms, last_utc_ms = row
        db.execute(
            "DELETE FROM outbox WHERE utc_ms BETWEEN ? AND ? AND instr(topic, ?)",
            (first_utc_ms, first_utc_ms if last_utc_ms is None else last_utc_ms, wearable),
        )
