# SPDX-License-Identifier: MIT
"""What is read of a history, wherever it is kept: in SQLite or in PostgreSQL."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from tenuto.routines import muscles, plan_bytes
from tenuto.sessions import events

from . import cue_results, outlines, persons, prescription_table
from .merge import HOST_EVENT_ORDER, STORED
from .rows import ExerciseNote, HostEvent, StoredRecord, StoredSession, to_range
from .sittings import as_one, in_parts, plan_of, rows_of, session_rows
from .timeline import account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .cue_results import CueResult
    from .database import Database
    from .prescription import Prescription
    from .rows import SessionRow
    from .timeline import Outline

_T = TypeVar("_T")
_ALL = 1 << 62
"""More rows than there are: SQLite and PostgreSQL write "no limit" in two ways."""


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

    async def at_one_moment(self, job: Callable[[Database], _T]) -> _T:
        """Have a job done that sees no change by others while it is."""

        def read(db: Database) -> _T:
            with _one_moment(db):
                return job(db)

        return await self.work(read)

    async def plan(self, plan_id: str) -> bytes | None:
        """Return a plan's bytes, None if it is not kept."""
        return await self.work(lambda db: plan_of(db, plan_id))

    async def sessions(self) -> list[SessionRow]:
        """Return the rows of all sessions, each as it was logged, newest first."""
        newest_first = "ORDER BY started_utc_ms DESC, id DESC"
        return await self.work(lambda db: session_rows(db, newest_first))

    async def sittings(
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
        """Return the rows of what people did, sessions that are one sitting as one, newest first.

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
            alike: list[tuple[str, Any]] = []
            if person is not None:
                alike.append(("person_id = ?", persons.called(db, person) or person))
            if is_simulated is not None:
                alike.append(("is_simulated = ?", int(is_simulated)))
            if routine:
                alike.append(("instr(lower(routine), ?) > 0", routine.lower()))
            shared, values = _all_of(alike)
            found: list[SessionRow] = []
            last = before
            while True:
                wanted = list(alike)
                if last is not None:
                    place = "SELECT started_utc_ms, id FROM sessions WHERE id = ?"
                    wanted.append((f"(started_utc_ms, id) < ({place})", last))
                if from_utc_ms:
                    wanted.append(("started_utc_ms >= ?", from_utc_ms))
                if to_utc_ms != _ALL:
                    wanted.append(("started_utc_ms < ?", to_utc_ms))
                where, of = _all_of(wanted)
                count = _ALL if limit is None else limit - len(found)
                rows = f"WHERE {where} ORDER BY started_utc_ms DESC, id DESC LIMIT ?"
                page = session_rows(db, rows, (*of, count))
                # A later part is told with the first one, which is further down.
                found += _as_sittings(db, page, shared, values)
                if len(page) < count or len(found) == limit:
                    return found
                last = page[-1].id

        return await self.at_one_moment(job)

    async def sitting(self, number: int) -> StoredSession | None:
        """Return the sitting that a session is of, with all that is kept of it.

        Args:
            number: Of any session of it; None is returned if there is no such number.
        """
        if number > _ALL:
            return None  # nor has a database room for it

        def job(db: Database) -> StoredSession | None:
            for row in session_rows(db, "WHERE id = ?", (number,)):
                at_ms, alike = row.started_utc_ms, ("device = ?", (row.key.device,))
                for parts in in_parts(db, at_ms, at_ms, *alike):
                    if number in (part.id for part in parts):
                        return _load_sitting(db, as_one(parts))
                return _load_sitting(db, row)
            return None

        return await self.at_one_moment(job)

    async def session(self, number: int) -> StoredSession | None:
        """Return a session with all that is kept of it, None if there is no such number."""
        if number > _ALL:
            return None
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

    async def numbers(self, *, is_simulated: bool | None = None) -> dict[int, int]:
        """Return for each session that of the sitting that it is of, in the order of beginning.

        Args:
            is_simulated: Only those that were simulated, or only those that were not.
        """
        which = "" if is_simulated is None else f" WHERE is_simulated = {int(is_simulated)}"
        query = f"SELECT id, id FROM sessions{which} ORDER BY started_utc_ms, id"  # noqa: S608

        def job(db: Database) -> dict[int, int]:
            found: dict[int, int] = dict(db.execute(query).fetchall())
            later = {part.id: parts[0].id for parts in in_parts(db) for part in parts[1:]}
            return {number: later.get(number, number) for number in found}

        return await self.at_one_moment(job)

    async def outlines(self, rows: Sequence[SessionRow]) -> list[Outline]:
        """Return the outlines of sessions or of sittings, in their order, as of one moment.

        Those that were deleted meanwhile are left out.
        """

        def job(db: Database) -> list[Outline]:
            return list(self._outlines(db, rows))

        return await self.at_one_moment(job)

    async def read_outlines(
        self, numbers: Sequence[int], job: Callable[[Iterator[Outline]], _T]
    ) -> _T:
        """Have a job done in the thread of the database with the outlines of sittings.

        They come in the order of the numbers, of which each is that of any session of a sitting, as
        of one moment, and are made one after the other, so that it takes no more memory for many.
        See `outlines`.
        """
        return await self.at_one_moment(
            lambda db: job(self._outlines(db, _sittings_of(db, numbers)))
        )

    async def read_sittings(
        self, numbers: Sequence[int], job: Callable[[Iterator[StoredSession]], _T]
    ) -> _T:
        """Have a job done with sittings and all that is kept of them; see `read_outlines`."""
        return await self.at_one_moment(
            lambda db: job(
                stored
                for row in _sittings_of(db, numbers)
                if (stored := _load_sitting(db, row)) is not None
            )
        )

    def _outlines(self, db: Database, rows: Iterable[SessionRow]) -> Iterator[Outline]:
        notes: dict[str | None, dict[str, ExerciseNote]] = {}
        for row in rows:
            outline = self._outline(db, row, notes)
            if outline is not None:
                yield outline

    def _outline(
        self, db: Database, row: SessionRow, notes: dict[str | None, dict[str, ExerciseNote]]
    ) -> Outline | None:
        if row.parts:  # what is kept is of each session
            stored = _load_sitting(db, row)
            return None if stored is None else account(stored).outline
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

    async def routines(self) -> dict[str, str]:
        """Return what people call each routine that was played or prescribed, by its name."""
        return await self.at_one_moment(_routines)


def load(db: Database, rest: str, values: tuple[Any, ...]) -> list[StoredSession]:
    """Return sessions with all that is kept of them, as of one moment.

    Args:
        db: Not in a transaction.
        rest: What comes after `FROM sessions`; text of this package only.
        values: For its question marks.
    """
    with _one_moment(db):
        return [_load_one(db, row) for row in session_rows(db, rest, values)]


def _routines(db: Database) -> dict[str, str]:
    found = {one.routine: one.title for one in reversed(prescription_table.load(db))}
    newest = (
        "SELECT routine, plan_id FROM sessions WHERE id IN (SELECT max(id) FROM sessions"
        " WHERE is_simulated = 0 AND routine IS NOT NULL AND plan_id IS NOT NULL GROUP BY routine)"
    )
    for name, plan_id in db.execute(newest).fetchall():
        data = plan_of(db, plan_id)
        plan = None if data is None else plan_bytes.known(plan_id, data)
        if plan is not None:  # or its name is not known to be one
            found[name] = plan.title or found.get(name, name)
    return dict(sorted(found.items()))


@contextmanager
def _one_moment(db: Database) -> Iterator[None]:
    """See no change by others inside."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


def _all_of(wanted: Sequence[tuple[str, Any]]) -> tuple[str, tuple[Any, ...]]:
    """Return conditions as one, with the values of its question marks."""
    return " AND ".join(text for text, _ in wanted) or "1 = 1", tuple(value for _, value in wanted)


def _as_sittings(
    db: Database, rows: Sequence[SessionRow], alike: str, values: Sequence[Any]
) -> list[SessionRow]:
    """Return those of some sessions, newest first, with which a sitting begins, as the sittings."""
    if not rows:
        return []
    several = in_parts(db, rows[-1].started_utc_ms, rows[0].started_utc_ms, alike, values)
    whole = {parts[0].id: as_one(parts) for parts in several}
    later = {part.id for parts in several for part in parts[1:]}
    return [whole.get(row.id, row) for row in rows if row.id not in later]


def outline_of(db: Database, number: int) -> Outline | None:
    """Return the outline of a session, made of its records; None if it is not kept.

    Args:
        db: In a transaction.
        number: Of the session.
    """
    rows = session_rows(db, "WHERE id = ?", (number,))
    return account(_load_one(db, rows[0])).outline if rows else None


def _sittings_of(db: Database, numbers: Sequence[int]) -> Iterator[SessionRow]:
    """Yield the sittings that sessions are of, each once, in the order of their numbers."""
    several = {part.id: as_one(parts) for parts in in_parts(db) for part in parts}
    told = set()
    for row in rows_of(db, numbers):
        sitting = several.get(row.id, row)
        if sitting.id not in told:
            told.add(sitting.id)
            yield sitting


def _load_sitting(db: Database, row: SessionRow) -> StoredSession | None:
    """Return a sitting as far as it is still kept, None if nothing of it is."""
    rows = rows_of(db, row.numbers) if row.parts else (row,)
    parts = [_load_one(db, one) for one in rows]
    if not parts:
        return None
    notes = {note.name: note for part in parts for note in part.exercises}
    return replace(
        parts[0],
        row=as_one([part.row for part in parts]),
        exercises=tuple(notes[name] for name in sorted(notes)),
        parts=tuple(parts[1:]),
    )


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
        plan_of(db, row.plan_id),
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
