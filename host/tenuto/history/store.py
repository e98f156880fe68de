# SPDX-License-Identifier: MIT
"""The history on disk: SQLite, in one thread that belongs to the store.

The truth are the records, as the wearable logged them and by its own numbers, so that the same
record can come twice without harm. The rows of sessions are made from them on the way.

Durability: the database is in WAL mode with `synchronous=FULL`, so a transaction that was
committed survives a power cut. An queue hands entries over in batches, `LINGER_S` after the first
of them came, so that one fsync serves them all: a few a second whoever plays, on a card that wears
with each. What a power cut of this computer can take is what happened in that time, and of that
only what the host itself noticed: the log on the wearable is read again from the first number that
is not here. With `synchronous=NORMAL`, WAL may lose everything since the last checkpoint, at a row
a second several minutes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tenuto.errors import StoreError
from tenuto.event_loops import SideThread
from tenuto.sessions import events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from tenuto.routines.routine import Exercise
    from tenuto.sessions.events import Entry, Event, Record, SessionKey

_T = TypeVar("_T")

SCHEMA_VERSION = 4
APPLICATION_ID = 0x54656E75
"""`Tenu`, in the file's header; keeps Tenuto's hands off other programs' databases."""
LINGER_S = 0.25
"""How long a queue gathers entries before the store is given them.  Far less than it takes until
a wearable is told that a lone record has arrived, so that it is on the disk by then.  Of many at
once the last may be a moment late; but a wearable keeps what it was told of until it needs the
room or, minutes after a link, sleeps."""
BUSY_TIMEOUT_S = 5.0
"""How long another process may hold the database before that is an error."""
CACHE_KIB = 16_384
OUTBOX_MAX = 10_000
"""Messages that wait for the broker, at most: those of a hundred sessions."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What the table of sessions says of one.

    routine, plan_id, person: None where not known.  started_utc_ms: of its first known record.
    ended_utc_ms, reason, source: None while it is not known to have ended.
    """

    id: int
    key: SessionKey
    person: str | None
    plan_id: str | None
    routine: str | None
    started_utc_ms: int
    ended_utc_ms: int | None
    reason: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record of the wearable's log and when it happened, ms since 1970 in UTC.

    uncertainty_ms: how far from the truth that may be; None where it is not known.
    """

    record: Record
    utc_ms: int
    uncertainty_ms: int | None = None


@dataclass(frozen=True, slots=True)
class HostEvent:
    """An event that only the host noticed and when it happened, ms since 1970 in UTC."""

    event: Event
    utc_ms: int


@dataclass(frozen=True, slots=True)
class ExerciseNote:
    """What a routine says of an exercise: `stretch` or `strength`, and which muscles it is for."""

    name: str
    kind: str
    muscles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session with all that is kept of it.

    plan: the bytes of the plan, None where it was never known.  records: in order of their
    numbers.  host_events: in order of session time.  exercises: empty where the routine was never
    known.
    """

    row: SessionRow
    plan: bytes | None
    records: tuple[StoredRecord, ...]
    host_events: tuple[HostEvent, ...]
    exercises: tuple[ExerciseNote, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message for the broker that waits in the outbox.

    utc_ms: when what it tells happened, ms since 1970.
    """

    id: int
    utc_ms: int
    topic: str
    payload: bytes


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Do all that is inside or, after an error, nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


class Store:
    """The history of one installation, in one file.

    An asynchronous context manager; every method waits for the store's thread and has no time
    limit of its own. A call that is cancelled may still take effect.

    Args:
        path: the file; made with mode 0600, its folder with mode 0700, where they are missing.
        read_only: open an existing file and never write to it; works while a daemon writes.

    All methods raise StoreError, with what to do, when the file cannot be used.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self._read_only = read_only
        self._connection: sqlite3.Connection | None = None
        self._executor: SideThread | None = None

    @property
    def is_open(self) -> bool:
        """Whether `open` succeeded and `close` was not called since."""
        return self._executor is not None

    async def open(self) -> None:
        """Open the file and bring its schema up to date; does nothing when open."""
        if self._executor is not None:
            return
        self._executor = SideThread("tenuto-history")
        try:
            await self._run(self._open)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the file once what is under way is done; does nothing when closed."""
        executor, self._executor = self._executor, None
        if executor is None:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(executor, self._close)
        finally:
            executor.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        """Open the file."""
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the file."""
        await self.close()

    async def add(self, entries: Sequence[Entry]) -> None:
        """Keep entries: all of them or, after an error, none. Those kept before are left alone."""
        if entries:
            await self._run(lambda: self._add(entries))

    async def save_plan(self, plan_id: str, routine: str, data: bytes) -> None:
        """Keep a plan by its id of 16 hexadecimal digits; one that is kept already stays."""
        await self._run(lambda: self._save_plan(plan_id, routine, data))

    async def describe(self, plan_id: str, exercises: Sequence[ExerciseNote | Exercise]) -> None:
        """Keep what a routine says of a plan's exercises; what was said of them before stays."""
        await self._run(lambda: self._describe(plan_id, exercises))

    async def plan(self, plan_id: str) -> bytes | None:
        """Give a plan's bytes, None if it is not kept."""
        return await self._run(lambda: self._plan(plan_id))

    async def last_seq(self, wearable: str, boot_id: int) -> int | None:
        """Give the highest record number known of a wearable's boot, None if there is none.

        The records of a session that was deleted are known, though they are not kept.
        """
        row = await self._run(
            lambda: self._db.execute(
                "SELECT max(seq) FROM (SELECT seq FROM records WHERE wearable = ?1 AND boot_id = ?2"
                " UNION ALL SELECT last_seq FROM deleted WHERE wearable = ?1 AND boot_id = ?2)",
                (wearable, boot_id),
            ).fetchone()
        )
        last: int | None = row[0]
        return last

    async def unfinished(self, wearable: str) -> list[StoredSession]:
        """Give a wearable's sessions that are not known to have ended, oldest first."""
        where = "WHERE wearable = ? AND ended_utc_ms IS NULL ORDER BY id"
        return await self._run(lambda: self._load(where, (wearable,)))

    async def sessions(self, limit: int | None = None) -> list[SessionRow]:
        """Give the rows of the sessions that began last, newest first."""
        rows = "ORDER BY started_utc_ms DESC, id DESC LIMIT ?"
        return await self._run(lambda: self._rows(rows, (-1 if limit is None else limit,)))

    async def session(self, number: int) -> StoredSession | None:
        """Give a session with all that is kept of it, None if there is no such number."""
        found = await self._run(lambda: self._load("WHERE id = ?", (number,)))
        return found[0] if found else None

    async def between(self, from_utc_ms: int, to_utc_ms: int) -> list[StoredSession]:
        """Give the sessions that began from the first moment up to before the second, in order."""
        where = "WHERE started_utc_ms >= ? AND started_utc_ms < ? ORDER BY started_utc_ms, id"
        return await self._run(lambda: self._load(where, (from_utc_ms, to_utc_ms)))

    async def delete(self, number: int) -> bool:
        """Delete a session for good, also from the free space of the file; False if there is none.

        Its records do not come back from the wearable either. Plans that no other session played
        and messages about it that wait for the broker go too.

        Raises:
            StoreError: another program holds the database. Where that is said of what was left,
                the session is gone, but traces of it stay in the file until the next call.
        """
        return await self._run(lambda: self._delete(number))

    async def work(self, job: Callable[[sqlite3.Connection], _T]) -> _T:
        """Have a job done in the store's thread; for the other modules of this package."""
        return await self._run(lambda: job(self._db))

    # --- the outbox

    async def outbox_last(self) -> int:
        """Give the id of the newest message in the outbox, 0 if it is empty."""
        row = await self._run(
            lambda: self._db.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()
        )
        last: int = row[0]
        return last

    async def outbox_add(self, messages: Sequence[Waiting]) -> int:
        """Keep messages for the broker; returns how many of the oldest had to go for them."""
        return await self._run(lambda: self._outbox_add(messages))

    async def outbox_after(self, last_id: int, limit: int) -> list[Waiting]:
        """Give the oldest messages whose id is above `last_id`, in order."""
        rows = await self._run(
            lambda: self._db.execute(
                "SELECT id, utc_ms, topic, payload FROM outbox WHERE id > ? ORDER BY id LIMIT ?",
                (last_id, limit),
            ).fetchall()
        )
        return [Waiting(*row) for row in rows]

    async def outbox_remove(self, ids: Sequence[int]) -> None:
        """Forget messages that the broker has."""
        await self._run(lambda: self._outbox_remove(ids))

    # --- in the thread

    async def _run(self, job: Callable[[], _T]) -> _T:
        if self._executor is None:
            raise StoreError(f"the history {self.path} is not open")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, job)
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError):
            raise  # a mistake of the caller's; the file is sound
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            is_damage = name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
            raise StoreError(self._explain(error), is_damage=is_damage) from error

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"the history {self.path} is not open")
        return self._connection

    def _explain(self, error: sqlite3.Error) -> str:
        name = getattr(error, "sqlite_errorname", "")
        for prefix, advice in _ADVICE:
            if name.startswith(prefix):
                return f"the history {self.path} {advice}"
        return f"the history {self.path} cannot be used: {error}"

    def _open(self) -> None:
        if self._read_only:
            if not self.path.exists():
                raise StoreError(f"there is no history at {self.path} yet")
        else:
            self._make_file()
        self._connect("ro" if self._read_only else "rw")
        version = self._check()
        if not self._read_only:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            if version < SCHEMA_VERSION:
                self._upgrade()
        elif version < SCHEMA_VERSION:
            self._upgrade_to_read(version)

    def _connect(self, mode: str) -> None:
        # isolation_level None: transactions begin where this module says BEGIN.
        self._connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
        )
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")

    def _upgrade_to_read(self, version: int) -> None:
        """Bring an older file up to date, although it is only to be read."""
        try:
            self._close()
            self._connect("rw")
            self._upgrade()
            self._db.execute("PRAGMA query_only = ON")
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"the history {self.path} has version {version}, this Tenuto writes "
                f"{SCHEMA_VERSION}, and it cannot be brought up to date: {error}"
            ) from error

    def _make_file(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite gives its -wal and -shm files the mode of the database.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(
                f"the history {self.path} cannot be written ({error.strerror}): "
                "give [history] path in the configuration a place where you may write"
            ) from error

    def _check(self) -> int:
        """Give the file's schema version, once it is sure that the file may be used."""
        version = self._pragma("user_version")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"the history {self.path} has version {version}, this Tenuto knows "
                f"{SCHEMA_VERSION}: install the newer Tenuto that wrote it"
            )
        tables = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if tables and self._pragma("application_id") != APPLICATION_ID:
            raise StoreError(
                f"{self.path} is the database of another program: "
                "give [history] path in the configuration another place"
            )
        return version

    def _upgrade(self) -> None:
        """Run the scripts from the version that is there to the present one, in a transaction."""
        db = self._db
        with transaction(db):
            version = self._pragma("user_version")  # another process may have been faster
            names = [f"upgrade_v{old}.sql" for old in range(version, SCHEMA_VERSION)]
            if version == 0:
                names = [f"schema_v{SCHEMA_VERSION}.sql"]
            for name in names:
                script = files(__package__).joinpath(name).read_text(encoding="utf-8")
                for statement in _statements(script):
                    db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _pragma(self, name: str) -> int:
        value: int = self._db.execute(f"PRAGMA {name}").fetchone()[0]
        return value

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _outbox_add(self, messages: Sequence[Waiting]) -> int:
        db = self._db
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

    def _outbox_remove(self, ids: Sequence[int]) -> None:
        db = self._db
        with transaction(db):
            db.executemany("DELETE FROM outbox WHERE id = ?", [(number,) for number in ids])

    def _add(self, entries: Sequence[Entry]) -> None:
        db = self._db
        with transaction(db):
            for entry in entries:
                self._add_entry(entry)

    def _add_entry(self, entry: Entry) -> None:
        key, event, record = entry.session, entry.event, entry.record
        if self._db.execute(
            "SELECT 1 FROM deleted WHERE wearable = ? AND boot_id = ? AND seq = ?",
            (key.wearable, key.boot_id, key.seq),
        ).fetchone():
            return
        session_id = self._session_id(entry)
        if isinstance(event, events.SessionStarted):
            plan = event.plan
            self._db.execute(
                "UPDATE sessions SET plan_id = ?, started_utc_ms = ?,"
                " routine = CASE WHEN ? THEN ? ELSE coalesce(routine, ?) END WHERE id = ?",
                (
                    event.plan_id,
                    entry.utc_ms,
                    plan is not None,
                    event.routine,
                    event.routine,
                    session_id,
                ),
            )
            if plan is not None:
                self._save_plan(event.plan_id, event.routine, bytes(plan.data))
        elif isinstance(event, events.SessionEnded):
            # What the wearable says of its end outweighs what the host took for one.
            self._db.execute(
                "UPDATE sessions SET ended_utc_ms = ?, reason = ?, source = ?"
                " WHERE id = ? AND (ended_utc_ms IS NULL OR ?)",
                (entry.utc_ms, event.reason, event.source, session_id, record is not None),
            )
        if record is not None:
            self._db.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (
                    key.wearable,
                    key.boot_id,
                    record.seq,
                    session_id,
                    record.at_ms,
                    record.kind,
                    record.step,
                    record.a,
                    record.b,
                    record.c,
                    entry.utc_ms,
                    entry.uncertainty_ms,
                ),
            )
        elif event.seq is None:
            self._db.execute(
                "INSERT INTO host_events (session_id, t_ms, utc_ms, data) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (session_id, event.t_ms, entry.utc_ms, json.dumps(events.to_json(event))),
            )

    def _session_id(self, entry: Entry) -> int:
        key = entry.session
        address = (key.wearable, key.boot_id, key.seq)
        row = self._db.execute(
            "SELECT id FROM sessions WHERE wearable = ? AND boot_id = ? AND seq = ?", address
        ).fetchone()
        if row is None:
            row = self._db.execute(
                "INSERT INTO sessions (wearable, boot_id, seq, person, started_utc_ms)"
                " VALUES (?, ?, ?, ?, ?) RETURNING id",
                (*address, entry.person, entry.utc_ms),
            ).fetchone()
        number: int = row[0]
        return number

    def _save_plan(self, plan_id: str, routine: str, data: bytes) -> None:
        self._db.execute(
            "INSERT INTO plans VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (plan_id, routine, data)
        )

    def _describe(self, plan_id: str, exercises: Sequence[ExerciseNote | Exercise]) -> None:
        with transaction(self._db):
            self._db.executemany(
                "INSERT INTO exercises VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [
                    (plan_id, note.name, note.kind, json.dumps(note.muscles, ensure_ascii=False))
                    for note in exercises
                ],
            )

    def _delete(self, number: int) -> bool:
        db = self._db
        db.execute("PRAGMA secure_delete = ON")
        with transaction(db):
            row = db.execute(
                "SELECT wearable, boot_id, seq, started_utc_ms FROM sessions WHERE id = ?",
                (number,),
            ).fetchone()
            if row is not None:
                self._delete_row(number, *row)
        self._scrub()  # also of what an earlier call had to leave
        return row is not None

    def _delete_row(
        self, number: int, wearable: str, boot_id: int, seq: int, started_utc_ms: int
    ) -> None:
        db = self._db
        last_seq, last_utc_ms = db.execute(
            "SELECT coalesce(max(seq), ?), coalesce(max(utc_ms), ?) FROM records"
            " WHERE session_id = ?",
            (seq, started_utc_ms, number),
        ).fetchone()
        db.execute(
            "INSERT INTO deleted VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (wearable, boot_id, seq, last_seq),
        )
        db.execute(
            "DELETE FROM outbox WHERE utc_ms BETWEEN ? AND ? AND instr(topic, ?)",
            (started_utc_ms, last_utc_ms, wearable),
        )
        db.execute("DELETE FROM sessions WHERE id = ?", (number,))
        for table in ("plans", "exercises"):
            db.execute(
                f"DELETE FROM {table} WHERE plan_id NOT IN"  # noqa: S608 - two fixed names
                " (SELECT plan_id FROM sessions WHERE plan_id IS NOT NULL)"
            )

    def _scrub(self) -> None:
        """Take what was deleted out of the file and out of its log too."""
        text = "it is deleted, but traces of it are left in the file while another program reads"
        try:
            self._db.execute("VACUUM")
            busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise StoreError(f"{text}: {error}; end that and delete once more") from error
        if busy:
            raise StoreError(f"{text} it; end that and delete once more")

    def _plan(self, plan_id: str | None) -> bytes | None:
        with closing(
            self._db.execute("SELECT data FROM plans WHERE plan_id = ?", (plan_id,))
        ) as cursor:
            row = cursor.fetchone()
        return bytes(row[0]) if row else None

    def _rows(self, rest: str, values: tuple[Any, ...]) -> list[SessionRow]:
        # `rest` comes from this module only; values never become part of it.
        rows = self._db.execute(
            "SELECT id, wearable, boot_id, seq, person, plan_id, routine, started_utc_ms,"  # noqa: S608
            f" ended_utc_ms, reason, source FROM sessions {rest}",
            values,
        ).fetchall()
        return [SessionRow(row[0], events.SessionKey(*row[1:4]), *row[4:]) for row in rows]

    def _load(self, rest: str, values: tuple[Any, ...]) -> list[StoredSession]:
        # One transaction, so that a row and its records are of the same moment.
        self._db.execute("BEGIN")
        try:
            return [self._load_one(row) for row in self._rows(rest, values)]
        finally:
            self._db.execute("COMMIT")

    def _load_one(self, row: SessionRow) -> StoredSession:
        records = self._db.execute(
            "SELECT utc_ms, uncertainty_ms, seq, at_ms, kind, step, a, b, c FROM records"
            " WHERE session_id = ? ORDER BY seq",
            (row.id,),
        )
        noticed = self._db.execute(
            "SELECT utc_ms, data FROM host_events WHERE session_id = ? ORDER BY t_ms, id",
            (row.id,),
        )
        notes = self._db.execute(
            "SELECT name, kind, muscles FROM exercises WHERE plan_id = ?", (row.plan_id,)
        )
        return StoredSession(
            row,
            self._plan(row.plan_id),
            tuple(StoredRecord(events.Record(*r[2:]), r[0], r[1]) for r in records),
            tuple(HostEvent(events.from_json(json.loads(data)), at_ms) for at_ms, data in noticed),
            tuple(ExerciseNote(name, kind, tuple(json.loads(text))) for name, kind, text in notes),
        )


class HistorySink:
    """The sink that keeps everything; opens the store where that has not been done.

    Args:
        store: where to.
        first: awaited before entries are kept: once they are, a later run never reads them from
            the wearable again, so what others still have to do about them must be on disk too.
    """

    name = "history"

    def __init__(self, store: Store, first: Callable[[], Awaitable[None]] | None = None) -> None:
        self.store = store
        self._first = first
        self._opened_here = False

    async def open(self) -> None:
        """Open the store, unless its owner did."""
        if not self.store.is_open:
            await self.store.open()
            self._opened_here = True

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Keep entries in one transaction."""
        if self._first is not None:
            await self._first()
        await self.store.add(entries)

    async def close(self) -> None:
        """Close the store, if it was opened here."""
        if self._opened_here:
            self._opened_here = False
            await self.store.close()


_ADVICE = (
    ("SQLITE_NOTADB", "is not a database: move it away, or give [history] path another place"),
    ("SQLITE_CORRUPT", "is damaged: `tenuto history check --repair` saves what can be read"),
    ("SQLITE_FULL", "cannot grow, the disk is full: make room; it goes on by itself"),
    ("SQLITE_READONLY", "may not be written: check the rights of the file and of its folder"),
    ("SQLITE_CANTOPEN", "cannot be opened: check that the path is a file and its rights"),
    ("SQLITE_PERM", "may not be used: check the rights of the file and of its folder"),
    ("SQLITE_BUSY", "is held by another program: end that, or give [history] path another place"),
    ("SQLITE_IOERR", "cannot be read or written: check the disk"),
)


def _statements(script: str) -> list[str]:
    """Split a script; `executescript` would end the transaction that it has to be part of."""
    statements, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
