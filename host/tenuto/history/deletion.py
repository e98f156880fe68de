# SPDX-License-Identifier: MIT
"""Deletions that last: what was deleted is noted, so that it comes back from nowhere.

A session can come back from the wearable's log, an import or another host, a person from every host
on which they played. All functions run in a transaction and do the same when they are called again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from . import persons

if TYPE_CHECKING:
    from .database import Database


def delete_session(db: Database, device: str, boot_id: int, seq: int, last_seq: int) -> None:
    """Delete a session, whether or not it is kept here.

    Args:
        db: In a transaction.
        device, boot_id, seq: Which one.
        last_seq: The highest number of its records that is known.
    """
    key = (device, boot_id, seq)
    last_seq = max(
        last_seq,
        db.execute(
            "SELECT coalesce(max(seq), 0) FROM records WHERE session_id ="
            " (SELECT id FROM sessions WHERE device = ? AND boot_id = ? AND seq = ?)",
            key,
        ).fetchone()[0],
    )
    note_deleted(db, device, boot_id, seq, last_seq)
    gone = db.execute("DELETE FROM sessions WHERE device = ? AND boot_id = ? AND seq = ?", key)
    if gone.rowcount:
        forget_unused(db)


def note_deleted(db: Database, device: str, boot_id: int, seq: int, last_seq: int) -> None:
    """Note that a session is not to be kept, and how far it is known."""
    db.execute(
        "INSERT INTO deleted VALUES (?, ?, ?, ?) ON CONFLICT (device, boot_id, seq)"
        " DO UPDATE SET last_seq = excluded.last_seq WHERE excluded.last_seq > deleted.last_seq",
        (device, boot_id, seq, last_seq),
    )


def delete_result(db: Database, result_id: str) -> bool:
    """Delete a result of cues; return whether it was kept here."""
    gone = db.execute("DELETE FROM cue_results WHERE result_id = ?", (result_id,)).rowcount
    db.execute("INSERT INTO deleted_results VALUES (?) ON CONFLICT DO NOTHING", (result_id,))
    if gone:
        persons.forget_unused(db)
    return bool(gone)


def delete_person(db: Database, person_id: str) -> tuple[int, int]:
    """Delete all that is kept of a person, under each of their ids.

    Returns:
        How many sessions and how many results of cues.
    """
    ids = persons.ids_of(db, person_id)
    root = persons.who(db, person_id)
    sessions = db.execute(
        "SELECT device, boot_id, seq FROM sessions WHERE person_id = ?", (root,)
    ).fetchall()
    results = db.execute(
        "SELECT result_id FROM cue_results WHERE person_id = ?", (root,)
    ).fetchall()
    for one in ids:
        note_erased(db, digest_of(one))
    for device, boot_id, seq in sessions:
        delete_session(db, device, boot_id, seq, seq)
    for (result_id,) in results:
        delete_result(db, result_id)
    db.execute("DELETE FROM prescriptions WHERE person_id = ?", (root,))
    for one in ids:
        db.execute("DELETE FROM persons WHERE person_id = ?", (one,))
    return len(sessions), len(results)


def delete_person_of(db: Database, digest: str) -> None:
    """Delete all that is kept of a person who was erased elsewhere, by the digest of an id."""
    note_erased(db, digest)
    person_id = person_of(db, digest)
    if person_id is not None:
        delete_person(db, person_id)


def note_erased(db: Database, digest: str) -> None:
    """Note that a person is not to come back."""
    db.execute("INSERT INTO deleted_persons VALUES (?) ON CONFLICT DO NOTHING", (digest,))


def person_of(db: Database, digest: str) -> str | None:
    """Return the id of whom a digest means, None for nobody who is kept here."""
    ids = (row[0] for row in db.execute("SELECT person_id FROM persons").fetchall())
    return next((one for one in ids if digest_of(one) == digest), None)


def digest_of(person_id: str) -> str:
    """Return what is noted of the id of an erased person: ids of before version 5 are names."""
    return hashlib.sha256(person_id.encode()).hexdigest()[:32]


def is_erased(db: Database, person_id: str) -> bool:
    """Return whether a person was erased here."""
    values = (digest_of(person_id),)
    return bool(db.execute("SELECT 1 FROM deleted_persons WHERE digest = ?", values).fetchone())


def forget_unused(db: Database) -> None:
    """Delete plans, notes on exercises and persons of whom no session is left."""
    for table in ("plans", "exercises"):
        db.execute(
            f"DELETE FROM {table} WHERE plan_id NOT IN"  # noqa: S608 - two fixed names
            " (SELECT plan_id FROM sessions WHERE plan_id IS NOT NULL)"
        )
    persons.forget_unused(db)
