# SPDX-License-Identifier: MIT
"""Who the people of a history are, and what to call them.

A person has an id of their own: a random number, made when the history first keeps a session of
somebody whom the configuration calls by a label that it does not know. Two persons are the same if
their ids are, never because they are called the same: two hosts may each have an "anna". Sessions
of before version 5 were kept with the label only; their persons have the id `name:LABEL`, so these
are the same if they are called the same, because nothing else is known of them.

A label that the configuration uses means the person whom this history has called so (`is_here`), or
else the only one of that label. Someone else of that label, from an import, is shown as
`anna (3f9c)`. `rename` changes a label and keeps the person; it joins two persons into one where
the new label is somebody's already.

Joining histories has the same result in any order: of two labels of one person the later one holds,
and of ids that turn out to be one person the smallest stays.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.errors import InputError

if TYPE_CHECKING:
    from .database import Database

OLD = "name:"
"""How the id of a person of before version 5 begins."""


@dataclass(frozen=True, slots=True)
class _Person:
    person_id: str
    label: str
    labelled_utc_ms: int
    same_as: str | None
    is_here: bool


def old_id(label: str) -> str:
    """Return the id of a person of whom nothing but the label was kept."""
    return f"{OLD}{label}"


def names(db: Database) -> dict[str, str]:
    """Return what to call each person, by their ids; no two are called the same."""
    persons = _persons(db)
    labels = _labels(persons)
    first: dict[str, _Person] = {}
    for person in sorted(persons.values(), key=lambda one: (not one.is_here, one.person_id)):
        if person.person_id in labels:
            first.setdefault(labels[person.person_id], person)
    return {
        person_id: _told_apart(label, person_id, first[label].person_id)
        for person_id, label in labels.items()
    }


def called(db: Database, name: str) -> str | None:
    """Return the id of whom the history calls by a name, None for nobody."""
    return next((person_id for person_id, its in names(db).items() if its == name), None)


def id_here(db: Database, label: str, utc_ms: int) -> str:
    """Return the id of whom this host's configuration calls by a label; make one if there is none.

    Args:
        db: In a transaction.
        label: Their id in the configuration.
        utc_ms: Since when they are called so, if they are new here.
    """
    persons = _persons(db)
    of_label = [persons[one] for one, its in _labels(persons).items() if its == label]
    here = [person for person in of_label if person.is_here]
    if here:
        return here[0].person_id
    person_id = of_label[0].person_id if len(of_label) == 1 else secrets.token_hex(8)
    add(db, person_id, label, utc_ms)
    db.execute("UPDATE persons SET is_here = 1 WHERE person_id = ?", (person_id,))
    return person_id


def add(db: Database, person_id: str, label: str, labelled_utc_ms: int) -> None:
    """Keep a person, or a later label of one that is kept."""
    db.execute(
        "INSERT INTO persons VALUES (?, ?, ?, NULL, 0) ON CONFLICT (person_id) DO UPDATE SET"
        " label = excluded.label, labelled_utc_ms = excluded.labelled_utc_ms WHERE"
        " (excluded.labelled_utc_ms, excluded.label) > (persons.labelled_utc_ms, persons.label)",
        (person_id, label, labelled_utc_ms),
    )


def who(db: Database, person_id: str) -> str:
    """Return the id under which the sessions of a person are kept."""
    persons = _persons(db)
    return _root(persons, person_id) if person_id in persons else person_id


def ids_of(db: Database, person_id: str) -> frozenset[str]:
    """Return all ids that are known to be one person's."""
    persons = _persons(db)
    root = _root(persons, person_id) if person_id in persons else person_id
    return frozenset({person_id, *(one for one in persons if _root(persons, one) == root)})


def join(db: Database, one: str, other: str) -> None:
    """Make two persons one; both are in the table of persons."""
    kept, gone = sorted((who(db, one), who(db, other)))
    if kept == gone:
        return
    db.execute("UPDATE persons SET same_as = ? WHERE person_id = ?", (kept, gone))
    db.execute(
        "UPDATE persons SET is_here = 1 WHERE person_id = ?"
        " AND (SELECT is_here FROM persons WHERE person_id = ?) = 1",
        (kept, gone),
    )
    db.execute("UPDATE persons SET is_here = 0 WHERE person_id = ?", (gone,))
    for table in ("sessions", "cue_results", "prescriptions"):
        db.execute(f"UPDATE {table} SET person_id = ? WHERE person_id = ?", (kept, gone))  # noqa: S608


def rename(db: Database, old: str, new: str, utc_ms: int) -> bool:
    """Call a person otherwise, or make them one with whom the new name is already.

    Args:
        db: In a transaction.
        old: What the history calls them.
        new: A label.
        utc_ms: When that was decided.

    Returns:
        Whether there was somebody of the new name, who is now one with them.

    Raises:
        InputError: The history knows nobody of the old name.
    """
    person_id, other = called(db, old), called(db, new)
    if person_id is None:
        known = ", ".join(sorted(names(db).values())) or "nobody"
        raise InputError(f"the history knows no {old!r}; it knows {known}")
    if other is not None:
        join(db, person_id, other)
    (latest_ms,) = db.execute("SELECT max(labelled_utc_ms) FROM persons").fetchone()
    # Later than any label that there is, also where the clock of this host once was ahead.
    add(db, who(db, person_id), new, max(utc_ms, latest_ms + 1))
    return other is not None and other != person_id


def forget_unused(db: Database) -> None:
    """Delete the persons of whom nothing is kept."""
    persons = _persons(db)
    kept = {
        row[0]
        for row in db.execute(
            "SELECT person_id FROM sessions UNION SELECT person_id FROM cue_results"
            " UNION SELECT person_id FROM prescriptions"
        )
    }
    unused = [(one,) for one in persons if _root(persons, one) not in kept]
    db.executemany("DELETE FROM persons WHERE person_id = ?", unused)


def _persons(db: Database) -> dict[str, _Person]:
    rows = db.execute(
        "SELECT person_id, label, labelled_utc_ms, same_as, is_here FROM persons"
    ).fetchall()
    return {row[0]: _Person(*(*row[:4], bool(row[4]))) for row in rows}


def _root(persons: dict[str, _Person], person_id: str) -> str:
    """Follow `same_as` to its end; each step leads to a smaller id."""
    same_as = persons[person_id].same_as
    while same_as is not None and same_as in persons and same_as < person_id:
        person_id, same_as = same_as, persons[same_as].same_as
    return person_id


def _labels(persons: dict[str, _Person]) -> dict[str, str]:
    """Return the label of each person: the latest one of all the ids that are this person."""
    latest: dict[str, tuple[int, str]] = {}
    for person in persons.values():
        root = _root(persons, person.person_id)
        label = (person.labelled_utc_ms, person.label)
        latest[root] = max(latest.get(root, label), label)
    return {person_id: label for person_id, (_, label) in latest.items()}


def _told_apart(label: str, person_id: str, first: str) -> str:
    """Return what to call a person; only the first of those with a label is called just so."""
    if person_id == first:
        return label
    return f"{label} ({'older' if person_id.startswith(OLD) else person_id[:4]})"
