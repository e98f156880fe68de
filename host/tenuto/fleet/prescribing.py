# SPDX-License-Identifier: MIT
"""Prescriptions in the central history: therapists write them there, and hosts take them over.

A therapist is let in by `rights.sql` for their people alone. What a host prescribes comes by the
inbox, as all that it has.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenuto.history import persons, prescription_table
from tenuto.history.jsonlines import header, lines_of_prescription
from tenuto.history.schema import transaction

from .rights import known
from .schema import check

if TYPE_CHECKING:
    from collections.abc import Collection

    from tenuto.history.database import Database
    from tenuto.history.prescription import Prescription

ROWS_AT_ONCE = 200


def prescribe(db: Database, one: Prescription) -> None:
    """Keep a prescription, in the name of the user of the database.

    Raises:
        InputError: The user sees nobody of that name.
    """
    check(db)
    with transaction(db):
        (user,) = db.execute("SELECT session_user").fetchone()
        one = replace(one, assigned_by=user)
        prescription_table.put(db, prescription_table.row_of(one, known(db, one.person)))


def end(db: Database, prescription_id: str, utc_ms: int) -> None:
    """End a prescription; one that has ended stays as it is."""
    check(db)
    with transaction(db):
        prescription_table.end(db, prescription_id, utc_ms)


@dataclass(frozen=True, slots=True)
class Told:
    """One prescription.

    Attributes:
        people: Every id of its person.
        lines: As `jsonlines` has them; none where it cannot be read.
    """

    people: frozenset[str]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """Prescriptions that are new or have ended.

    Attributes:
        number: Of the last of them; later ones have higher numbers.
        told: What tells each of those that are meant.
        is_all: Whether there are no more.
    """

    number: int
    told: tuple[Told, ...]
    is_all: bool


def changed_after(db: Database, number: int, people: Collection[str]) -> Changed:
    """Return what changed after a number, the oldest first.

    Where there is none of that number yet, the history was restored or made anew: then all.

    Args:
        db: For a host.
        number: The last one that was taken over, 0 before the first.
        people: Those who are meant, by what they are called.
    """
    (last,) = db.execute("SELECT coalesce(max(number), 0) FROM prescriptions").fetchone()
    if last == number:
        return Changed(number, (), is_all=True)
    rows = db.execute(
        "SELECT number, prescription_id, person_id FROM prescriptions WHERE number > ?"
        " ORDER BY number LIMIT ?",
        (number if number < last else 0, ROWS_AT_ONCE),
    ).fetchall()
    names = persons.names(db)
    told = tuple(
        Told(persons.ids_of(db, person_id), _lines_of(db, prescription_id))
        for _, prescription_id, person_id in rows
        if names.get(person_id) in people
    )
    reached = rows[-1][0] if rows else last
    return Changed(reached, told, is_all=reached >= last)


def _lines_of(db: Database, prescription_id: str) -> tuple[str, ...]:
    told = list(lines_of_prescription(db, prescription_id))
    return tuple(json.dumps(line, ensure_ascii=False) for line in (header(), *told) if told)
