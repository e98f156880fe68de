# SPDX-License-Identifier: MIT
"""The table of prescriptions.

A prescription has a random id that it keeps wherever it goes, so histories are joined by union: it
never changes but for its end, and of two ends the earlier one stays. With the person it is erased.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError

from . import persons
from .adherence import day_of, midnight_utc_ms
from .completed_holds import held_utc_ms
from .merge import ContradictionError
from .prescription import read, standing
from .rows import to_range
from .schema import transaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, tzinfo

    from .database import Database
    from .prescription import Prescription, Standing
    from .reading import HistoryReader
    from .store import Store

COLUMNS = "prescription_id, person_id, utc_ms, ended_utc_ms, data"


def new_id() -> str:
    """Return the id of a new prescription."""
    return secrets.token_hex(8)


class PrescriptionTable:
    """The prescriptions of a history of one host; all methods raise StoreError as the store's do.

    Args:
        store: In whose file they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, one: Prescription) -> None:
        """Keep a prescription; its person is whom this host's configuration calls so."""

        def job(db: Database) -> None:
            with transaction(db):
                utc_ms = to_range(one.assigned_utc_ms)
                put(db, row_of(one, persons.id_here(db, one.person, utc_ms)))

        await self._store.work(job)

    async def end(self, prescription_id: str, utc_ms: int) -> None:
        """End a prescription; one that has ended stays as it is."""

        def job(db: Database) -> None:
            with transaction(db):
                end(db, prescription_id, utc_ms)

        await self._store.work(job)


def row_of(one: Prescription, person_id: str) -> tuple[Any, ...]:
    """Return a prescription as a row; the columns are `COLUMNS`."""
    data = json.dumps(one.to_json(), ensure_ascii=False)
    return one.id, person_id, one.assigned_utc_ms, one.ended_utc_ms, data


def put(db: Database, row: Sequence[Any]) -> None:
    """Join a prescription to those that are kept; the columns are `COLUMNS`.

    Raises:
        ContradictionError: There is another one of its id.
    """
    prescription_id, person_id, utc_ms, ended_utc_ms, data = row
    db.execute(
        f"INSERT INTO prescriptions ({COLUMNS}) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",  # noqa: S608
        row,
    )
    kept = db.execute(
        "SELECT person_id, utc_ms, data FROM prescriptions WHERE prescription_id = ?",
        (prescription_id,),
    ).fetchone()
    told = (person_id, utc_ms, json.loads(data))
    if kept is None or (*kept[:2], json.loads(kept[2])) != told:
        error = ContradictionError(f"the prescription {prescription_id} is another one there")
        error.is_about_person = kept is not None and kept[0] != person_id
        raise error
    if ended_utc_ms is not None:
        end(db, prescription_id, ended_utc_ms)


def end(db: Database, prescription_id: str, utc_ms: int) -> None:
    """End a prescription; of two ends the earlier one stays."""
    db.execute(
        "UPDATE prescriptions SET ended_utc_ms = ? WHERE prescription_id = ?"
        " AND (ended_utc_ms IS NULL OR ended_utc_ms > ?)",
        (utc_ms, prescription_id, utc_ms),
    )


def load(db: Database) -> list[Prescription]:
    """Return all prescriptions, the newest first; what none can be is left out."""
    rows = db.execute(
        f"SELECT {COLUMNS} FROM prescriptions ORDER BY utc_ms DESC, prescription_id"  # noqa: S608
    ).fetchall()
    names = persons.names(db) if rows else {}
    found = []
    for prescription_id, person_id, utc_ms, ended_utc_ms, data in rows:
        who, assigned_utc_ms = names.get(person_id, person_id), to_range(utc_ms)
        try:
            one = read(json.loads(data), prescription_id, who, assigned_utc_ms)
        except (ValueError, RecursionError):
            continue
        if ended_utc_ms is not None:
            one = replace(one, ended_utc_ms=to_range(ended_utc_ms))
        found.append(one)
    return found


def one_of(found: Sequence[Prescription], beginning: str) -> Prescription:
    """Return the prescription whose id begins so.

    Raises:
        InputError: There is none, or there are several.
    """
    those = [one for one in found if one.id.startswith(beginning.lower())]
    if len(those) != 1:
        what = "no prescription" if not those else f"not one prescription but {len(those)}"
        raise InputError(f"there is {what} {beginning!r}; `tenuto prescribe list` has their ids")
    return those[0]


async def standings(
    store: HistoryReader,
    today: date,
    person: str | None = None,
    zone: tzinfo | None = None,
    *,
    also_over: bool = False,
) -> list[Standing]:
    """Tell how people stand with what is prescribed to them, the oldest prescription first.

    Args:
        store: The history.
        today: The present day.
        person: Only theirs, None for everybody's.
        zone: What days are counted in; None for that of this computer.
        also_over: Whether prescriptions count that hold no more.
    """
    wanted = [
        one
        for one in reversed(await store.prescriptions())
        if person in (None, one.person) and (also_over or one.until(zone) >= today)
    ]
    return [standing(one, await done_on(store, one, zone), today, zone) for one in wanted]


async def done_on(
    store: HistoryReader, one: Prescription, zone: tzinfo | None = None
) -> frozenset[date]:
    """Return the days, from its first one on, on which the routine of a prescription was done."""
    began = await held_utc_ms(
        store, one.person, routine=one.routine, from_utc_ms=midnight_utc_ms(one.first, zone)
    )
    return frozenset(day_of(utc_ms, zone) for utc_ms in began)
