# SPDX-License-Identifier: MIT
"""What of a history a central one has not been told yet.

The queue holds no messages but notes of what changed: a session from one of its records on, a
person, a deletion. What is told is read from the history when it is sent, so the queue is never
longer than the history itself, nothing in it is ever dropped, and a session that is deleted while
it waits is never sent. The order is that in which things became known.

The notes are made by triggers of the database (`forwarding.sql`), so those that another process
makes count as well: an import, a deletion, a new name. A history that does not forward has none.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.errors import StoreError

from . import deletion, persons
from .jsonlines import (
    header,
    lines_of_boots,
    lines_of_persons,
    lines_of_prescription,
    lines_of_result,
    lines_of_session,
)
from .outbox_table import forget_session
from .schema import statements_of, transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .database import Database
    from .store import Store

SESSION, PERSON, RESULT, PRESCRIPTION = "session", "person", "result", "prescription"
DELETED, DELETED_RESULT, DELETED_PERSON = "deleted", "deleted_result", "deleted_person"

BATCH_LETTERS = 1 << 20
"""A batch that is as long takes no further note."""


@dataclass(frozen=True, slots=True)
class Note:
    """That something is to be told.

    Attributes:
        id: In the order in which it became known.
        kind: One of the kinds above.
        subject: The device of a session, else an id.
        boot_id, seq: Of a session, else 0.
        from_seq: The first record of a session that is to be told.
        changes: How often it changed since it was noted.
    """

    id: int
    kind: str
    subject: str
    boot_id: int
    seq: int
    from_seq: int
    changes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits.  count: notes.  since_utc_ms: of the oldest one, None without any."""

    count: int
    since_utc_ms: int | None


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion in the central history.

    Attributes:
        number: They are taken over in this order.
        kind: One of the kinds of notes.
        subject, boot_id, seq: As in a note.
    """

    number: int
    kind: str
    subject: str
    boot_id: int
    seq: int


class Forwarding:
    """The notes of one history; all methods raise StoreError when the file cannot be used."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def turn(self, *, on: bool) -> None:
        """Note from now on what changes, or forget all notes and make no more."""
        await self._store.work(lambda db: _turn(db, on=on))

    async def note_all(self) -> int:
        """Note the whole history; return how many notes there are."""
        return await self._store.work(_note_all)

    async def waiting(self) -> Waiting:
        """Return how much is to be told."""
        row = await self._store.work(
            lambda db: db.execute("SELECT count(*), min(since_utc_ms) FROM unforwarded").fetchone()
        )
        return Waiting(*row)

    async def next(self, limit: int, *, with_heart: Callable[[str | None], bool]) -> Batch:
        """Return what is to be told next.

        Args:
            limit: How many notes at most.
            with_heart: Whether the heart beats of a person, by what the history calls them, are
                told too.

        Raises:
            StoreError: As all methods; also if what is to be told next is damaged.
        """
        return await self._store.work(lambda db: _next(db, limit, with_heart))

    async def told(self, notes: Sequence[Note]) -> None:
        """Forget what was told, but for what has changed since."""

        def job(db: Database) -> None:
            with transaction(db):
                db.executemany(
                    "DELETE FROM unforwarded WHERE id = ? AND changes = ?",
                    [(note.id, note.changes) for note in notes],
                )

        await self._store.work(job)

    async def deletions_taken(self) -> int:
        """Return the number of the last deletion that was taken over, 0 before the first."""
        row = await self._store.work(
            lambda db: db.execute(
                "SELECT coalesce(max(number), 0) FROM central_deletions"
            ).fetchone()
        )
        return int(row[0])

    async def delete(self, deletions: Sequence[Deletion]) -> None:
        """Take over deletions, in order, each for good."""
        if not deletions:
            return
        is_kept = await self._store.work(lambda db: any(_is_kept(db, one) for one in deletions))
        if is_kept:
            await self._store.work_and_scrub(lambda db: _delete(db, deletions))
        else:
            await self._store.work(lambda db: _delete_in_transaction(db, deletions))


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be told: notes, and the lines that tell them, as `jsonlines` has them."""

    notes: tuple[Note, ...]
    lines: str


def _turn(db: Database, *, on: bool) -> None:
    made = statements_of("forwarding.sql")
    found = db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'forward%'"
    ).fetchall()
    if bool(found) == on and (not on or len(found) == len(made)):
        return
    with transaction(db):
        for (name,) in found:
            db.execute(f"DROP TRIGGER {name}")
        for statement in made if on else ():
            db.execute(statement)
        if not on:
            db.execute("DELETE FROM unforwarded")


def _note_all(db: Database) -> int:
    now_ms = round(time.time() * 1000)
    add = "INSERT INTO unforwarded (kind, subject, boot_id, seq, from_seq, since_utc_ms) SELECT "
    again = (
        " WHERE true ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE"
        " SET from_seq = 0, changes = changes + 1"
    )
    with transaction(db):
        for source in (
            "'deleted_person', digest, 0, 0, 0, ? FROM deleted_persons",
            "'deleted', device, boot_id, seq, 0, ? FROM deleted",
            "'deleted_result', result_id, 0, 0, 0, ? FROM deleted_results",
            "'session', device, boot_id, seq, 0, ? FROM sessions",
            "'result', result_id, 0, 0, 0, ? FROM cue_results",
            "'prescription', prescription_id, 0, 0, 0, ? FROM prescriptions",
        ):
            db.execute(add + source + again, (now_ms,))
    return int(db.execute("SELECT count(*) FROM unforwarded").fetchone()[0])


def _next(db: Database, limit: int, with_heart: Callable[[str | None], bool]) -> Batch:
    db.execute("BEGIN")
    try:
        notes = tuple(
            Note(*row)
            for row in db.execute(
                "SELECT id, kind, subject, boot_id, seq, from_seq, changes FROM unforwarded"
                " ORDER BY id LIMIT ?",
                (limit,),
            ).fetchall()
        )
        lines, letters, count = [_text(header())], 0, 0
        for note in notes:
            if letters >= BATCH_LETTERS:
                break
            try:
                told = [_text(line) for line in _lines_of(db, note, with_heart)]
            except (ValueError, TypeError, KeyError) as error:
                text = f"a {note.kind} cannot be read: `tenuto history check --repair`"
                raise StoreError(text) from error
            lines += told
            letters += sum(map(len, told))
            count += 1
    finally:
        db.execute("COMMIT")
    return Batch(notes[:count], "".join(lines) if count else "")


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False) + "\n"


def _lines_of(
    db: Database, note: Note, with_heart: Callable[[str | None], bool]
) -> Iterator[dict[str, Any]]:
    key = (note.subject, note.boot_id, note.seq)
    match note.kind:
        case "session":
            found = db.execute(
                "SELECT id, person_id FROM sessions WHERE device = ? AND boot_id = ? AND seq = ?",
                key,
            ).fetchone()
            if found is None:
                return  # it was deleted meanwhile, or its device became known
            number, person_id = found
            yield from lines_of_boots(db, note.subject)
            yield from lines_of_persons(db, person_id)
            heart = with_heart(persons.names(db).get(person_id))
            yield from lines_of_session(db, number, from_seq=note.from_seq, with_heart=heart)
        case "person":
            yield from lines_of_persons(db, note.subject)
        case "result":
            yield from lines_of_result(db, note.subject)
        case "prescription":
            yield from lines_of_prescription(db, note.subject)
        case "deleted":
            row = db.execute(
                "SELECT last_seq FROM deleted WHERE device = ? AND boot_id = ? AND seq = ?", key
            ).fetchone()
            if row is not None:
                device, boot_id, seq = key
                about = {"device": device, "boot_id": boot_id, "seq": seq}
                yield {"type": DELETED, **about, "last_seq": row[0]}
        case "deleted_result":
            yield {"type": DELETED_RESULT, "result_id": note.subject}
        case "deleted_person":
            yield {"type": DELETED_PERSON, "digest": note.subject}


def _is_kept(db: Database, one: Deletion) -> bool:
    match one.kind:
        case "deleted":
            row = db.execute(
                "SELECT 1 FROM sessions WHERE device = ? AND boot_id = ? AND seq = ?",
                (one.subject, one.boot_id, one.seq),
            ).fetchone()
        case "deleted_result":
            row = db.execute(
                "SELECT 1 FROM cue_results WHERE result_id = ?", (one.subject,)
            ).fetchone()
        case _:
            return deletion.person_of(db, one.subject) is not None
    return row is not None


def _delete_in_transaction(db: Database, deletions: Sequence[Deletion]) -> None:
    with transaction(db):
        _delete(db, deletions)


def _delete(db: Database, deletions: Sequence[Deletion]) -> None:
    for one in deletions:
        match one.kind:
            case "deleted":
                key = (one.subject, one.boot_id, one.seq)
                forget_session(db, *key)
                # How far others have read it says nothing of this host: it would pass over what
                # it has not read itself, of this session's neighbours too.
                deletion.delete_session(db, *key, 0)
            case "deleted_result":
                deletion.delete_result(db, one.subject)
            case _:
                deletion.delete_person_of(db, one.subject)
    db.execute(
        "INSERT INTO central_deletions VALUES (1, ?)"
        " ON CONFLICT (id) DO UPDATE SET number = excluded.number",
        (deletions[-1].number,),
    )
