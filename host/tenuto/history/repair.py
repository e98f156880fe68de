# SPDX-License-Identifier: MIT
"""Looks whether a history is sound, and mends it from its records.

The records are the truth, and the rows of sessions and their outlines follow from them, so those
can be made anew. A file that SQLite itself cannot read through is copied, row by row, as far as it
can be read.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tenuto.cues import results
from tenuto.errors import StoreError
from tenuto.routines import plan_bytes
from tenuto.routines.muscles import by_one_word
from tenuto.sessions import events
from tenuto.sessions.device import NAME
from tenuto_core import vocab
from tenuto_core.plan import PlanError, UnknownPlanError

from . import outlines, persons, prescription
from .merge import (
    SETTLED,
    STORED,
    ContradictionError,
    Row as _Row,
    SessionFacts,
    put_boot,
    put_session,
    put_settled,
    told_by_records,
)
from .reading import outline_of
from .schema import transaction
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROBLEMS_MAX = 20
"""How many problems of the file's structure are looked for."""

_TABLES = (
    "persons",
    "known_boots",
    "plans",
    "exercises",
    "sessions",
    "records",
    "host_events",
    "cue_results",
    "prescriptions",
    "deleted",
    "deleted_results",
    "deleted_persons",
    "outbox",
)
"""In the order in which they may be filled."""

MOMENT_MS = 10_000
"""How far a row's times may be from its records': a wearable's clock is asked again and again."""

_Key = tuple[str, int, int]
"""As in `SessionKey`."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found.

    Attributes:
        damage: Damage of the file itself, in SQLite's words; only `salvage` helps.
        faults: What the rows say wrongly; `rebuild` helps.
        notes: What is sound and cannot be read by this Tenuto; it is left alone.
        endless: Sessions that go on, or whose end was not kept.
    """

    damage: tuple[str, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()
    endless: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.damage and not self.faults


async def check(store: Store) -> Checked:
    """Look through the whole file; takes some seconds for a year of daily sessions."""
    return await store.work(_check)


async def rebuild(store: Store) -> int:
    """Make the rows of sessions anew from the records.

    Plans that are damaged are taken out; the host fetches them again where it can. So is what else
    cannot be read, as what a host noticed in a session; nothing brings that back. A plan that is
    whole and cannot be read here, because a newer Tenuto made it, stays. Whose session it was is
    not in the records: a row that had been lost comes back without its person.

    Returns:
        How many changed or came back.
    """
    return await store.work(_rebuild)


async def salvage(path: Path) -> tuple[Path, dict[str, int]]:
    """Put a new file with all that can be read in the place of a damaged one.

    No other program may use the file.

    Returns:
        Where the damaged one is now, and how many rows of each table were saved.

    Raises:
        StoreError: the folder cannot be written, or not even the beginning can be read.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="salvage-", dir=path.parent) as folder:
            copy, new = _copy_of(path, Path(folder)), Path(folder, "new.db")
            async with Store(new) as store:
                saved = await store.work(lambda db: _save_readable(copy, db))
                await store.work(_rebuild)
            return _exchange(path, new), saved
    except OSError as error:
        raise StoreError(f"the history {path} cannot be mended: {error.strerror}") from error


def _copy_of(path: Path, folder: Path) -> Path:
    """Copy a database: SQLite writes to one that it opens with a write-ahead log."""
    copy = folder / "old.db"
    shutil.copyfile(path, copy)
    with suppress(FileNotFoundError):
        shutil.copyfile(f"{path}-wal", f"{copy}-wal")
    return copy


def _exchange(path: Path, new: Path) -> Path:
    """Put the new file in the place of the old one.

    Returns:
        Where the old one is now.
    """
    kept = _free_name(path.with_name(f"{path.name}.damaged"))
    path.rename(kept)
    for tail in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{path}{tail}").rename(f"{kept}{tail}")
    new.rename(path)
    return kept


def _free_name(path: Path) -> Path:
    return next(
        name
        for name in (path, *(path.with_name(f"{path.name}.{n}") for n in range(2, 1_000)))
        if not os.path.lexists(name)
    )


# --- in the store's thread


def _check(db: sqlite3.Connection) -> Checked:
    try:
        told = db.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})").fetchall()
        damage = tuple(str(row[0]) for row in told if row[0] != "ok")
        if damage:
            return Checked(damage, ())
        orphans = db.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.DatabaseError as error:
        return Checked((str(error),), ())
    unread = tuple(f"{one.what} cannot be read" for one, _ in _unread_rows(db))
    if unread:
        return Checked((), unread)  # what follows from them cannot be told either
    faults = [f"{len(orphans)} records or events belong to no session"] if orphans else []
    plans = list(_unread_plans(db))
    faults += [f"plan {plan_id} is damaged" for plan_id, why in plans if _is_damage(why)]
    faults += [
        f"session {number or f'of {key[0]}'} is not as its records tell"
        for number, key, _ in _wrong_rows(db)
    ]
    faults += [
        f"the outline of session {number} is not as its records tell"
        for number in _wrong_outlines(db)
    ]
    faults += [f"nothing is known of the person {who}" for who in _unknown_persons(db)]
    faults += [
        f"sessions of {device} are kept as if of {stand_in}"
        for stand_in, _, device in _boots_apart(db)
    ]
    notes = [
        f"plan {plan_id} was made by a newer Tenuto ({why}), left alone"
        if isinstance(why, UnknownPlanError)
        else f"plan {plan_id} cannot be played ({why}), left alone"
        for plan_id, why in plans
        if not _is_damage(why)
    ]
    endless = [
        f"session {number} has no end: it goes on, or what came later was not kept"
        for (number,) in db.execute(
            "SELECT id FROM sessions WHERE ended_utc_ms IS NULL ORDER BY id LIMIT ?",
            (PROBLEMS_MAX,),
        )
    ]
    return Checked((), tuple(faults), tuple(notes), tuple(endless))


def _rebuild(db: sqlite3.Connection) -> int:
    db.execute("PRAGMA foreign_keys = OFF")  # rows may be missing until the end
    try:
        with transaction(db):
            damaged = [(plan_id,) for plan_id, why in _unread_plans(db) if _is_damage(why)]
            db.executemany("DELETE FROM plans WHERE plan_id = ?", damaged)
            for one, key in list(_unread_rows(db)):
                which = " AND ".join(f"{name} = ?" for name in one.keys)
                db.execute(f"DELETE FROM {one.table} WHERE {which}", key)  # noqa: S608
            for who in _unknown_persons(db):
                persons.add(db, who, who.removeprefix(persons.OLD), 0)
            for boot in _boots_apart(db):
                with suppress(ContradictionError):  # then they are not the same
                    put_boot(db, *boot)
            outlines.forget_all(db)  # the host makes them anew
            wrong = list(_wrong_rows(db))
            for number, key, row in wrong:
                if number is None:
                    wearable = _wearable_of(db, key[0])
                    put_session(db, SessionFacts(*(*key, wearable, None, *row, False)))
                else:
                    put_settled(db, number, row)
            for key, first, last in _stretches(db):
                db.execute(
                    "UPDATE records SET session_id = (SELECT id FROM sessions"
                    " WHERE device = ?1 AND boot_id = ?2 AND seq = ?3)"
                    " WHERE device = ?1 AND boot_id = ?2 AND seq BETWEEN ?4 AND ?5",
                    (*key, first, last),
                )
            db.execute("DELETE FROM host_events WHERE session_id NOT IN (SELECT id FROM sessions)")
        return len(wrong)
    finally:
        db.execute("PRAGMA foreign_keys = ON")


def _unknown_persons(db: sqlite3.Connection) -> list[str]:
    return [
        row[0]
        for row in db.execute(
            "SELECT person_id FROM (SELECT person_id FROM sessions"
            " UNION SELECT person_id FROM cue_results"
            " UNION SELECT person_id FROM prescriptions) WHERE person_id IS NOT NULL"
            " AND person_id NOT IN (SELECT person_id FROM persons) ORDER BY person_id"
        )
    ]


def _boots_apart(db: sqlite3.Connection) -> list[tuple[str, int, str]]:
    """Return the boots of which sessions are kept under what the device was known by before."""
    return db.execute(
        "SELECT stand_in, boot_id, device FROM known_boots AS k WHERE EXISTS (SELECT 1"
        " FROM sessions AS s WHERE s.device = k.stand_in AND s.boot_id = k.boot_id)"
    ).fetchall()


def _wearable_of(db: sqlite3.Connection, device: str) -> str:
    """Return what the device of a session whose row was lost was last called."""
    row = db.execute(
        "SELECT wearable FROM sessions WHERE device = ? ORDER BY started_utc_ms DESC LIMIT 1",
        (device,),
    ).fetchone()
    return str(row[0]) if row else device.removeprefix(NAME)


def _unread_plans(db: sqlite3.Connection) -> Iterator[tuple[str, PlanError]]:
    """Yield the plans that cannot be read, and why."""
    for plan_id, data in db.execute("SELECT plan_id, data FROM plans").fetchall():
        try:
            plan_bytes.read(plan_id, data)
        except PlanError as error:
            yield plan_id, error


class _Texts(NamedTuple):
    """Rows with texts of their own.

    Attributes:
        what: What a row is, for people.
        keys: The columns that name a row.
        columns: Those that `read` takes; it raises an error where they cannot be read.
    """

    what: str
    table: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    read: Callable[..., object]


_TEXTS = (
    _Texts(
        "what a host noticed in a session",
        *("host_events", ("id",), ("data",)),
        lambda data: events.from_json(json.loads(data)),
    ),
    _Texts(
        "a note on an exercise",
        *("exercises", ("plan_id", "name"), ("muscles",)),
        lambda muscles: by_one_word(json.loads(muscles)),
    ),
    _Texts(
        "a result of cues",
        *("cue_results", ("result_id",), ("kind", "data")),
        lambda kind, data: results.read(kind, json.loads(data)),
    ),
    _Texts(
        "a prescription",
        *("prescriptions", ("prescription_id",), ("data",)),
        lambda data: prescription.read(json.loads(data), "", "", 0),
    ),
)


def _unread_rows(db: sqlite3.Connection) -> Iterator[tuple[_Texts, _Row]]:
    """Yield the rows whose text cannot be read, by their keys."""
    for one in _TEXTS:
        columns = ", ".join((*one.keys, *one.columns))
        for row in db.execute(f"SELECT {columns} FROM {one.table}").fetchall():  # noqa: S608
            try:
                one.read(*row[len(one.keys) :])
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                yield one, row[: len(one.keys)]


def _is_damage(error: PlanError) -> bool:
    return isinstance(error, plan_bytes.DamagedPlanError)


def _stretches(db: sqlite3.Connection) -> Iterator[tuple[_Key, int, int]]:
    """Yield the sessions that the records tell of: key, first and last record number.

    Records without the beginning of their session stay with the one they are with, or else are one.
    """
    known: dict[int, _Key] = {
        number: (device, boot_id, seq)
        for number, device, boot_id, seq in db.execute(
            "SELECT id, device, boot_id, seq FROM sessions"
        )
    }
    key: _Key | None = None
    first = last = 0
    for device, boot_id, seq, kind, session_id in db.execute(
        "SELECT device, boot_id, seq, kind, session_id FROM records ORDER BY device, boot_id, seq"
    ).fetchall():
        here = key if key is not None and key[:2] == (device, boot_id) else None
        claimed = known.get(session_id)
        if kind == vocab.SESSION_STARTED:
            here = (device, boot_id, seq)
        elif claimed is not None and claimed[:2] == (device, boot_id):
            here = claimed if here is None or claimed[2] > here[2] else here
        if here is None:
            here = (device, boot_id, seq)
        if here != key:
            if key is not None:
                yield key, first, last
            key, first = here, seq
        last = seq
    if key is not None:
        yield key, first, last


def _wrong_rows(db: sqlite3.Connection) -> Iterator[tuple[int | None, _Key, _Row]]:
    """Yield the sessions whose row is missing or wrong: its id or None, key, and what is right."""
    for key, first, last in list(_stretches(db)):
        row = db.execute(
            f"SELECT id, {SETTLED} FROM sessions"  # noqa: S608 - fixed text
            " WHERE device = ? AND boot_id = ? AND seq = ?",
            key,
        ).fetchone()
        number, told = (row[0], row[1:]) if row else (None, (None,) * 6)
        records = db.execute(
            f"SELECT {STORED} FROM records WHERE device = ?"  # noqa: S608 - fixed text
            " AND boot_id = ? AND seq BETWEEN ? AND ? ORDER BY seq",
            (*key[:2], first, last),
        )
        right = told_by_records(db, records, number, told)
        if number is None or not all(map(_agree, right, told)):
            yield number, key, right


def _wrong_outlines(db: sqlite3.Connection) -> Iterator[int]:
    """Yield the sessions whose outline is another one than that of their records."""
    for (number,) in db.execute("SELECT id FROM outlines ORDER BY id").fetchall():
        text, right = outlines.kept(db, number), outline_of(db, number)
        if text is not None and (right is None or text != outlines.to_text(right)):
            yield number


def _agree(right: object, told: object) -> bool:
    """Return whether two values of a row say the same; a moment may be judged anew a little."""
    if isinstance(right, int) and isinstance(told, int):
        return abs(right - told) <= MOMENT_MS
    return right == told


def _save_readable(damaged: Path, db: sqlite3.Connection) -> dict[str, int]:
    saved = {}
    db.execute("PRAGMA foreign_keys = OFF")
    with closing(sqlite3.connect(damaged, isolation_level=None)) as old:
        for table in _TABLES:
            with transaction(db):
                saved[table] = _copy_table(old, db, table)
    db.execute("PRAGMA foreign_keys = ON")
    return saved


def _copy_table(old: sqlite3.Connection, db: sqlite3.Connection, table: str) -> int:
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    keys = ", ".join(
        row[1] for row in sorted(db.execute(f"PRAGMA table_info({table})"), key=_pk) if row[5]
    )
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    insert = f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
    before = db.total_changes
    for order in ("ASC", "DESC"):  # from both ends, up to where it is damaged
        by = ", ".join(f"{key} {order}" for key in keys.split(", "))
        try:
            rows = old.execute(f"SELECT {names} FROM {table} ORDER BY {by}")  # noqa: S608
            for row in rows:
                with suppress(sqlite3.IntegrityError, sqlite3.DataError):  # nonsense in a row
                    db.execute(insert, row)
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            continue  # the other end
    return db.total_changes - before


def _pk(column: _Row) -> int:
    place: int = column[5]
    return place
