# SPDX-License-Identifier: MIT
"""The history on disk: SQLite, in one thread that belongs to the store.

The truth are the records, as the wearable logged them and by its own numbers, so that the same
record can come twice without harm. The rows of sessions are made from them on the way.

Durability: the database is in WAL mode with `synchronous=FULL`, so a transaction that was
committed survives a power cut. A queue hands entries over in batches, `LINGER_S` after the first
of them came, so that one fsync serves them all: a few a second whoever plays, on a card that wears
with each. What a power cut of this computer can take is what happened in that time, and of that
only what the host itself noticed: the log on the wearable is read again from the first number that
is not here. With `synchronous=NORMAL`, WAL may lose everything since the last checkpoint, at a row
a second several minutes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
from operator import attrgetter, le
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from tenuto.errors import StoreError, one_line
from tenuto.event_loops import SideThread
from tenuto.routines import plan_bytes
from tenuto.sessions import events

from . import cue_results, deletion, outlines, persons
from .forwarding import Forwarding
from .merge import (
    NUMBER_MAX,
    RECORD_MAX,
    ContradictionError,
    SessionFacts,
    is_deleted,
    put_boot,
    put_host_event,
    put_record,
    put_session,
    session_number,
    settle,
)
from .outbox_table import OutboxTable, forget_session
from .prescription_table import PrescriptionTable
from .reading import HistoryReader, load, outline_of
from .rows import ExerciseNote, StoredRecord, StoredSession, to_range
from .schema import SCHEMA_VERSION, check_version, transaction, upgrade

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tenuto.routines.exercise import Exercise
    from tenuto.sessions.events import Entry

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

LINGER_S = 0.25
"""How long a queue gathers entries before the store is given them.  Far less than it takes until
a wearable is told that a lone record has arrived, so that it is on the disk by then.  Of many at
once the last may be a moment late; but a wearable keeps what it was told of until it needs the
room or, minutes after a link, sleeps."""
BUSY_TIMEOUT_S = 5.0
"""How long another process may hold the database before that is an error."""
CACHE_KIB = 4_096
"""SQLite fills it session by session, and a process that stays never gives it back. With 16 MiB 800
sessions were written and read no faster."""


class Store(HistoryReader):
    """The history of one installation, in one file.

    An asynchronous context manager; every method waits for the store's thread and has no time
    limit of its own. A call that is cancelled may still take effect.

    Args:
        path: the file; made with mode 0600, its folder with mode 0700, where they are missing.
        read_only: open an existing file and never write to it; works while a daemon writes.

    Attributes:
        path: the file.
        outbox: what waits for the broker.
        cue_results: keeps what is known of how people feel the cues; see `results`.
        prescribing: what people are to do, and its end.
        forwarding: what a central history is to be told.

    All methods raise StoreError, with what to do, when the file cannot be used.
    """

    keeps_outlines = True

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.outbox = OutboxTable(self)
        self.cue_results = cue_results.CueResultsTable(self)
        self.prescribing = PrescriptionTable(self)
        self.forwarding = Forwarding(self)
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
        """Keep a plan by its id of 16 hexadecimal digits; bytes of another id are not kept."""
        await self._run(lambda: self._save_plan(plan_id, routine, data))

    async def describe(self, plan_id: str, exercises: Sequence[ExerciseNote | Exercise]) -> None:
        """Keep what a routine says of a plan's exercises; what was said of them before stays."""
        await self._run(lambda: self._describe(plan_id, exercises))

    async def meet(self, device: str, boot_id: int, *before: str) -> None:
        """Take note of a device that was reached: what this boot of it has is its own.

        Args:
            device: What it is known by; see `tenuto.sessions.device`.
            boot_id: Its present boot.
            before: What it may have been known by when its sessions were kept.
        """
        await self._run(lambda: self._meet(device, boot_id, before))

    async def last_seq(self, device: str, boot_id: int) -> int | None:
        """Return the highest record number known of a device's boot, None if there is none.

        The records of a session that was deleted are known as far as they were read here, though
        they are not kept.
        """
        row = await self._run(
            lambda: self._db.execute(
                "SELECT max(seq) FROM (SELECT seq FROM records WHERE device = ?1 AND boot_id = ?2"
                " UNION ALL SELECT last_seq FROM deleted WHERE device = ?1 AND boot_id = ?2)",
                (device, boot_id),
            ).fetchone()
        )
        last: int | None = row[0]
        return last

    async def unfinished(self, *devices: str) -> list[StoredSession]:
        """Return the sessions of devices that are not known to have ended, oldest first."""
        marks = ", ".join("?" * len(devices))
        where = f"WHERE device IN ({marks}) AND ended_utc_ms IS NULL ORDER BY id"
        return await self.work(lambda db: load(db, where, devices))

    async def without_outline(self) -> list[int]:
        """Return the numbers of ended sessions of which no outline is kept, the newest first."""
        return await self.work(outlines.missing)

    async def keep_outlines(self, *numbers: int) -> None:
        """Make outlines of sessions and keep them; those that are deleted are passed over."""

        def job(db: sqlite3.Connection) -> None:
            with transaction(db):
                for number in numbers:
                    made = outline_of(db, number)
                    if made is not None:
                        outlines.keep(db, made)

        await self.work(job)

    async def rename_person(self, old: str, new: str, utc_ms: int) -> bool:
        """Call a person otherwise; see `persons.rename`."""

        def job(db: sqlite3.Connection) -> bool:
            with transaction(db):
                return persons.rename(db, old, new, utc_ms)

        return await self.work(job)

    async def delete(self, *numbers: int) -> int:
        """Delete sessions for good, also from the free space of the file.

        Their records do not come back from the wearable either. Plans that no other session played
        and messages about them that wait for the broker go too.

        Returns:
            How many.

        Raises:
            StoreError: another program holds the database. Where that is said of what was left,
                the session is gone, but traces of it stay in the file until the next call.
        """
        return await self.work_and_scrub(lambda _: self._delete(numbers))

    async def delete_person(self, name: str) -> tuple[int, int]:
        """Delete all that is kept of somebody, for good, as `delete` does.

        Args:
            name: What the history calls them.

        Returns:
            How many sessions and how many results of cues.
        """
        return await self.work_and_scrub(lambda _: self._delete_person(name))

    async def work_and_scrub(self, job: Callable[[sqlite3.Connection], _T]) -> _T:
        """Have a job done in a transaction that deletes, and leave nothing of it in the file."""

        def deleted() -> _T:
            self._db.execute("PRAGMA secure_delete = ON")
            with transaction(self._db):
                done = job(self._db)
            self._scrub()  # also of what an earlier call had to leave
            return done

        return await self._run(deleted)

    async def work(self, job: Callable[[sqlite3.Connection], _T]) -> _T:
        """Have a job done in the store's thread; for the other modules of this package."""
        return await self._run(lambda: job(self._db))

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
        return f"the history {self.path} cannot be used: {one_line(error)}"

    def _open(self) -> None:
        if self._read_only:
            if not self.path.exists():
                raise StoreError(f"there is no history at {self.path} yet")
        else:
            self._make_file()
        self._connect("ro" if self._read_only else "rw")
        version = check_version(self._db, self.path)
        if not self._read_only:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            if version < SCHEMA_VERSION:
                upgrade(self._db)
            outlines.watch(self._db)
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
            upgrade(self._db)
            self._db.execute("PRAGMA query_only = ON")
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"the history {self.path} has version {version}, this Tenuto writes "
                f"{SCHEMA_VERSION}, and it cannot be brought up to date: {one_line(error)}"
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

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _meet(self, device: str, boot_id: int, before: Sequence[str]) -> None:
        try:
            with transaction(self._db):
                for stand_in in before:
                    put_boot(self._db, stand_in, boot_id, device)
        except ContradictionError as error:
            _log.warning("device=%s %s", device, error)

    def _add(self, entries: Sequence[Entry]) -> None:
        db = self._db
        with transaction(db):
            for entry in entries:
                self._add_entry(entry)

    def _add_entry(self, entry: Entry) -> None:
        key, event, record = entry.session, entry.event, entry.record
        if (why := _unfit(entry)) is not None:
            _log.error("wearable=%s not kept: %s", entry.wearable, why)
            return
        if entry.is_trial:
            last_seq = key.seq if record is None else record.seq
            deletion.note_deleted(self._db, key.device, key.boot_id, key.seq, last_seq)
            return
        utc_ms = to_range(entry.utc_ms)
        session_id = self._session_id(entry, utc_ms)
        if session_id is None:
            return
        if isinstance(event, events.SessionStarted) and event.plan is not None:
            self._save_plan(event.plan_id, event.routine, bytes(event.plan.data))
        if record is not None:
            uncertainty_ms = entry.uncertainty_ms
            if uncertainty_ms is not None:
                uncertainty_ms = min(uncertainty_ms, NUMBER_MAX)
            stored = StoredRecord(record, utc_ms, uncertainty_ms)
            try:
                put_record(self._db, session_id, key.device, key.boot_id, stored)
            except ContradictionError as error:
                _log.error("wearable=%s not kept: %s", entry.wearable, error)
        elif event.seq is None:
            put_host_event(self._db, session_id, event, utc_ms)
        if isinstance(event, (events.SessionStarted, events.SessionEnded)):
            settle(self._db, session_id)

    def _session_id(self, entry: Entry, utc_ms: int) -> int | None:
        """Return the number of a session, which is new or not; None if it was deleted."""
        key = entry.session
        number = session_number(self._db, key.device, key.boot_id, key.seq)
        if number is not None or is_deleted(self._db, key.device, key.boot_id, key.seq):
            return number
        person = entry.person
        facts = SessionFacts(
            key.device,
            key.boot_id,
            key.seq,
            entry.wearable,
            None if person is None else persons.id_here(self._db, person, utc_ms),
            plan_id=None,
            routine=None,
            started_utc_ms=utc_ms,
            ended_utc_ms=None,
            reason=None,
            source=None,
            is_simulated=entry.is_simulated,
        )
        return put_session(self._db, facts)

    def _save_plan(self, plan_id: str, routine: str, data: bytes) -> None:
        if plan_bytes.id_of(data).hex() != plan_id:
            _log.error("plan=%s not kept: its bytes are those of another one", plan_id)
            return
        self._db.execute(
            "INSERT INTO plans VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
            " SET routine = excluded.routine, data = excluded.data"
            " WHERE data != excluded.data",  # those that are kept are damaged
            (plan_id, routine, data),
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

    def _delete(self, numbers: Sequence[int]) -> int:
        deleted = 0
        for number in numbers:
            row = self._db.execute(
                "SELECT device, boot_id, seq FROM sessions WHERE id = ?", (number,)
            ).fetchone()
            if row is not None:
                forget_session(self._db, *row)
                device, boot_id, seq = row
                deletion.delete_session(self._db, device, boot_id, seq, seq)
                deleted += 1
        return deleted

    def _delete_person(self, name: str) -> tuple[int, int]:
        person_id = persons.called(self._db, name)
        if person_id is None:
            return 0, 0
        for row in self._db.execute(
            "SELECT device, boot_id, seq FROM sessions WHERE person_id = ?", (person_id,)
        ).fetchall():
            forget_session(self._db, *row)
        return deletion.delete_person(self._db, person_id)

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


class HistorySink:
    """The sink that keeps everything; opens the store where that has not been done.

    Args:
        store: where to.
        first: awaited before entries are kept: once they are, a later run never reads them from
            the wearable again, so what others still have to do about them must be on disk too.
        on_end: called once it is kept that a session has ended.
    """

    name = "history"

    def __init__(
        self,
        store: Store,
        first: Callable[[], Awaitable[None]] | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self.store = store
        self._first = first
        self._on_end = on_end
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
        if self._on_end and any(isinstance(one.event, events.SessionEnded) for one in entries):
            self._on_end()

    async def close(self) -> None:
        """Close the store, if it was opened here."""
        if self._opened_here:
            self._opened_here = False
            await self.store.close()


_ADVICE = (
    ("SQLITE_NOTADB", "is not a database: move it away, or give [history] path another place"),
    ("SQLITE_CORRUPT", "is damaged: `tenuto history check --repair` saves what can be read"),
    ("SQLITE_FULL", "cannot grow, the disk is full: make room"),
    ("SQLITE_READONLY", "may not be written: check the rights of the file and of its folder"),
    ("SQLITE_CANTOPEN", "cannot be opened: check that the path is a file and its rights"),
    ("SQLITE_PERM", "may not be used: check the rights of the file and of its folder"),
    ("SQLITE_BUSY", "is held by another program: end that, or give [history] path another place"),
    ("SQLITE_IOERR", "cannot be read or written: check the disk"),
)


_numbers_of = attrgetter(*RECORD_MAX)


def _unfit(entry: Entry) -> str | None:
    """Return why an entry cannot be one that a log told, None if it can."""
    key, record = entry.session, entry.record
    if not (0 <= key.boot_id <= NUMBER_MAX and 0 <= key.seq <= NUMBER_MAX):
        return f"no session has the boot id {key.boot_id} and the number {key.seq}"
    if record is None:
        return None
    if record.seq < key.seq:
        return f"record {record.seq} comes before its session, {key.seq}"
    numbers = _numbers_of(record)
    if min(numbers) >= 0 and all(map(le, numbers, RECORD_MAX.values())):
        return None
    name = next(name for name, most in RECORD_MAX.items() if not 0 <= getattr(record, name) <= most)
    value, most = getattr(record, name), RECORD_MAX[name]
    return f"no record has {value} for `{name}`; the most is {most}"
