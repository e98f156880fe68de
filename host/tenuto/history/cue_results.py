# SPDX-License-Identifier: MIT
"""The table of what quizzes, measurements of strength and lessons came to.

A result has a random id that it keeps wherever it goes, so histories are joined by union. The same
id with other answers is a contradiction. A deleted result does not come back.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.cues import results

from . import deletion, persons
from .merge import ContradictionError
from .rows import to_range
from .schema import transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.cues.results import Result

    from .database import Database
    from .store import Store

COLUMNS = "result_id, person_id, device, wearable, is_simulated, utc_ms, kind, data"


@dataclass(frozen=True, slots=True, kw_only=True)
class CueResult:
    """A result, and whose it is.

    Attributes:
        result_id: 16 hexadecimal digits, the same in every history.
        person: What to call them, None where not known and for simulated people.
        device: What the wearable is known by; see `tenuto.sessions.device`.
        wearable: What the configuration called it.
        is_simulated: Whether the person or the device was.
        utc_ms: When it ended, in ms since 1970.
        result: The answers.
    """

    result_id: str
    person: str | None
    device: str
    wearable: str
    is_simulated: bool
    utc_ms: int
    result: Result


def new_id() -> str:
    """Return the id of a new result."""
    return secrets.token_hex(8)


class CueResultsTable:
    """Keeps and deletes the results of one host; all methods raise StoreError as the store's do.

    Args:
        store: In whose file they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, one: CueResult) -> None:
        """Keep a result; its person is whom this host's configuration calls so."""

        def job(db: Database) -> None:
            with transaction(db):
                utc_ms = to_range(one.utc_ms)
                person_id = None if one.person is None else persons.id_here(db, one.person, utc_ms)
                data = json.dumps(one.result.to_json())
                where = (one.device, one.wearable, int(one.is_simulated), utc_ms)
                put(db, (one.result_id, person_id, *where, one.result.kind, data))

        await self._store.work(job)

    async def delete(self, *result_ids: str) -> int:
        """Delete results for good, also from the free space of the file; return how many."""
        return await self._store.work_and_scrub(
            lambda db: sum(deletion.delete_result(db, one) for one in result_ids)
        )


def put(db: Database, row: Sequence[Any]) -> None:
    """Join a result to those that are kept; the columns are `COLUMNS`.

    Raises:
        ContradictionError: There is another one of its id.
    """
    result_id, person_id, *_ = row
    if db.execute("SELECT 1 FROM deleted_results WHERE result_id = ?", (result_id,)).fetchone():
        return
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO cue_results ({COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING", row)  # noqa: S608
    # What a host called the device is a label, as in sessions: the first in the alphabet stays.
    db.execute(
        "UPDATE cue_results SET wearable = ? WHERE result_id = ? AND wearable > ?",
        (row[3], result_id, row[3]),
    )
    db.execute(
        "UPDATE cue_results SET person_id = ? WHERE result_id = ? AND person_id IS NULL",
        (person_id, result_id),
    )
    kept = db.execute(
        f"SELECT {COLUMNS} FROM cue_results WHERE result_id = ?",  # noqa: S608 - fixed text
        (result_id,),
    ).fetchone()
    told = (result_id, kept[1] if person_id is None else person_id, row[2], kept[3], *row[4:])
    if tuple(kept[:-1]) != told[:-1] or json.loads(kept[-1]) != json.loads(told[-1]):
        error = ContradictionError(f"the result {result_id} of cues is another one there")
        error.is_about_person = kept[1] != told[1]
        raise error


def load(db: Database) -> list[CueResult]:
    """Return all results, the newest first; one that a newer Tenuto wrote is left out."""
    rows = db.execute(
        f"SELECT {COLUMNS} FROM cue_results ORDER BY utc_ms DESC, result_id"  # noqa: S608
    ).fetchall()
    names = persons.names(db) if rows else {}
    found = []
    for result_id, person_id, device, wearable, is_simulated, utc_ms, kind, data in rows:
        try:
            result = results.read(kind, json.loads(data))
        except (ValueError, RecursionError):
            continue
        found.append(
            CueResult(
                result_id=result_id,
                person=names.get(person_id, person_id),
                device=device,
                wearable=wearable,
                is_simulated=bool(is_simulated),
                utc_ms=utc_ms,
                result=result,
            )
        )
    return found
