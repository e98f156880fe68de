# SPDX-License-Identifier: MIT
"""What is read of a history, wherever it is kept: in SQLite or in PostgreSQL."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from tenuto.routines import muscles
from tenuto.sessions import events

from . import cue_results, outlines, persons, prescription_table
from .merge import HOST_EVENT_ORDER, STORED
from .rows import ExerciseNote, HostEvent, SessionRow, StoredRecord, StoredSession, to_range
from .timeline import account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .cue_results import CueResult
    from .database import Database
    from .prescription import Prescription
    from .timeline import Outline

_T = TypeVar("_T")
_ALL = 1 << 62
"""More rows than there are: SQLite and PostgreSQL write "no limit" in two ways."""
ROWS_AT_ONCE = 20


class HistoryReader:
    """The questions to a history; a subclass says where it is.

    Attributes:
        keeps_outlines: Whether it has a table of outlines; all are made anew where it has none.

    All methods raise StoreError, with what to do, when it cannot be read.
    """

    keeps_outlines: ClassVar[bool] = False

    async def work(self, job: Callable[[Database], _T]) -> _T:
        """Have a job done in the thread of the database."""
        raise NotImplementedError

    async def plan(self, plan_id: str) -> bytes | None:
        """Return a plan's bytes, None if it is not kept."""
        return await self.work(lambda db: _plan(db, plan_id))

    async def sessions(
        self,
        limit: int | None = None,
        *,
        before: int | None = None,
        person: str | None = None,
        is_simulated: bool | None = None,
        routine: str = "",
        from_utc_ms: int = 0,
        to_utc_ms: int = _ALL,
    ) -> list[SessionRow]:
        """Return the rows of the sessions that began last, newest first.

        Args:
            limit: How many at most, None for all.
            before: Only those that come after the one of this number in the list.
            person: Only theirs, None for everybody's.
            is_simulated: Only those that were simulated, or only those that were not.
            routine: Only those of a routine whose name has this in it, in any case of letters.
            from_utc_ms: Only those that began at this moment or later.
            to_utc_ms: Only those that began before this moment.
        """

        def job(db: Database) -> list[SessionRow]:
            wanted: list[tuple[str, Any]] = []
            if before is not None:
                place = "SELECT started_utc_ms, id FROM sessions WHERE id = ?"
                wanted.append((f"(started_utc_ms, id) < ({place})", before))
            if from_utc_ms:
                wanted.append(("started_utc_ms >= ?", from_utc_ms))
            if to_utc_ms != _ALL:
                wanted.append(("started_utc_ms < ?", to_utc_ms))
            if person is not None:
                wanted.append(("person_id = ?", persons.called(db, person) or person))
            if is_simulated is not None:
                wanted.append(("is_simulated = ?", int(is_simulated)))
            if routine:
                wanted.append(("instr(lower(routine), ?) > 0", routine.lower()))
            where = " AND ".join(text for text, _ in wanted)
            rows = f"WHERE {where or '1 = 1'} ORDER BY started_utc_ms DESC, id DESC LIMIT ?"
            values = (*(value for _, value in wanted), _ALL if limit is None else limit)
            return _rows(db, rows, values)

        return await self.work(job)

    async def session(self, number: int) -> StoredSession | None:
        """Return a session with all that is kept of it, None if there is no such number."""
        found = await self.work(lambda db: load(db, "WHERE id = ?", (number,)))
        return found[0] if found else None

    async def find(self, key: events.SessionKey) -> StoredSession | None:
        """Return a session by what it is in every history, None if nothing is kept of it."""
        where = "WHERE device = ? AND boot_id = ? AND seq = ?"
        values = (key.device, key.boot_id, key.seq)
        found = await self.work(lambda db: load(db, where, values))
        return found[0] if found else None

    async def between(self, from_utc_ms: int, to_utc_ms: int) -> list[StoredSession]:
        """Return the sessions that began between two moments, the second excluded, in order."""
        where = "WHERE started_utc_ms >= ? AND started_utc_ms < ? ORDER BY started_utc_ms, id"
        return await self.work(lambda db: load(db, where, (from_utc_ms, to_utc_ms)))

    async def numbers(self, *, is_simulated: bool | None = None) -> list[int]:
        """Return the numbers of all sessions, in the order in which they began.

        Args:
            is_simulated: Only those that were simulated, or only those that were not.
        """
        which = "" if is_simulated is None else f" WHERE is_simulated = {int(is_simulated)}"
        query = f"SELECT id FROM sessions{which} ORDER BY started_utc_ms, id"  # noqa: S608
        return await self.work(lambda db: [number for (number,) in db.execute(query)])

    async def outlines(self, rows: Sequence[SessionRow]) -> list[Outline]:
        """Return the outlines of sessions, in their order, as of one moment.

        Those that were deleted meanwhile are left out.
        """

        def job(db: Database) -> list[Outline]:
            with _one_moment(db):
                return list(self._outlines(db, rows))

        return await self.work(job)

    async def read_outlines(
        self, numbers: Sequence[int], job: Callable[[Iterator[Outline]], _T]
    ) -> _T:
        """Have a job done in the thread of the database with the outlines of sessions.

        They come in the order of their numbers given, as of one moment, and are made one after the
        other, so that it takes no more memory for many. See `outlines`.
        """

        def read(db: Database) -> _T:
            with _one_moment(db):
                return job(self._outlines(db, _rows_of(db, numbers)))

        return await self.work(read)

    async def read_sessions(
        self, numbers: Sequence[int], job: Callable[[Iterator[StoredSession]], _T]
    ) -> _T:
        """Have a job done with sessions and all that is kept of them; see `read_outlines`."""

        def read(db: Database) -> _T:
            with _one_moment(db):
                return job(_load_one(db, row) for row in _rows_of(db, numbers))

        return await self.work(read)

    def _outlines(self, db: Database, rows: Iterable[SessionRow]) -> Iterator[Outline]:
        notes: dict[str | None, dict[str, ExerciseNote]] = {}
        for row in rows:
            outline = self._outline(db, row, notes)
            if outline is not None:
                yield outline

    def _outline(
        self, db: Database, row: SessionRow, notes: dict[str | None, dict[str, ExerciseNote]]
    ) -> Outline | None:
        text = outlines.kept(db, row.id) if self.keeps_outlines else None
        if text is not None:
            if row.plan_id not in notes:
                notes[row.plan_id] = {note.name: note for note in _notes(db, row.plan_id)}
            with suppress(ValueError, TypeError):  # damaged: as if there were none
                return outlines.from_text(text, row, notes[row.plan_id])
        return outline_of(db, row.id)

    async def results(self) -> list[CueResult]:
        """Return what quizzes, lessons and measurements of cues came to, the newest first."""
        return await self.work(cue_results.load)

    async def prescriptions(self) -> list[Prescription]:
        """Return what people are to do and were to do, the newest prescription first."""
        return await self.work(prescription_table.load)


def load(db: Database, rest: str, values: tuple[Any, ...]) -> list[StoredSession]:
    """Return sessions with all that is kept of them, as of one moment.

    Args:
        db: Not in a transaction.
        rest: What comes after `FROM sessions`; text of this package only.
        values: For its question marks.
    """
    with _one_moment(db):
        return [_load_one(db, row) for row in _rows(db, rest, values)]


@contextmanager
def _one_moment(db: Database) -> Iterator[None]:
    """See no change by others inside."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


def outline_of(db: Database, number: int) -> Outline | None:
    """Return the outline of a session, made of its records; None if it is not kept.

    Args:
        db: In a transaction.
        number: Of the session.
    """
    rows = _rows(db, "WHERE id = ?", (number,))
    return account(_load_one(db, rows[0])).outline if rows else None


def _plan(db: Database, plan_id: str | None) -> bytes | None:
    with closing(db.execute("SELECT data FROM plans WHERE plan_id = ?", (plan_id,))) as cursor:
        row = cursor.fetchone()
    return bytes(row[0]) if row else None


def _rows_of(db: Database, numbers: Sequence[int]) -> Iterator[SessionRow]:
    """Yield the rows of sessions in the order of their numbers, some at a time."""
    for at in range(0, len(numbers), ROWS_AT_ONCE):
        some = numbers[at : at + ROWS_AT_ONCE]
        marks = ", ".join("?" * len(some))
        found = {row.id: row for row in _rows(db, f"WHERE id IN ({marks})", tuple(some))}
        yield from (found[number] for number in some if number in found)


def _rows(db: Database, rest: str, values: tuple[Any, ...]) -> list[SessionRow]:
    # `rest` comes from this package only; values never become part of it.
    rows = db.execute(
        "SELECT id, device, boot_id, seq, wearable, person_id, is_simulated,"  # noqa: S608
        " plan_id, routine, started_utc_ms, ended_utc_ms, reason, source"
        f" FROM sessions {rest}",
        values,
    ).fetchall()
    names = persons.names(db)
    return [
        SessionRow(
            number,
            events.SessionKey(device, boot_id, seq),
            wearable,
            names.get(person_id, person_id),
            plan_id,
            routine,
            to_range(began_ms),
            None if ended_ms is None else to_range(ended_ms),
            reason,
            source,
            bool(is_simulated),
        )
        for number, device, boot_id, seq, wearable, person_id, is_simulated, *of in rows
        for plan_id, routine, began_ms, ended_ms, reason, source in (of,)
    ]


def _load_one(db: Database, row: SessionRow) -> StoredSession:
    records = db.execute(
        f"SELECT {STORED} FROM records WHERE session_id = ? ORDER BY seq",  # noqa: S608
        (row.id,),
    )
    noticed = db.execute(
        "SELECT utc_ms, data FROM host_events WHERE session_id = ?"  # noqa: S608 - fixed text
        f" ORDER BY {HOST_EVENT_ORDER}",
        (row.id,),
    )
    return StoredSession(
        row,
        _plan(db, row.plan_id),
        tuple(StoredRecord(events.Record(*r[2:]), to_range(r[0]), r[1]) for r in records),
        tuple(
            HostEvent(events.from_json(json.loads(data)), to_range(at_ms))
            for at_ms, data in noticed
        ),
        _notes(db, row.plan_id),
    )


def _notes(db: Database, plan_id: str | None) -> tuple[ExerciseNote, ...]:
    rows = db.execute(
        "SELECT name, kind, muscles FROM exercises WHERE plan_id = ? ORDER BY name", (plan_id,)
    )
    return tuple(
        ExerciseNote(name, kind, muscles.by_one_word(json.loads(text))) for name, kind, text in rows
    )
