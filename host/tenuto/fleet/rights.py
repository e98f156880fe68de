# SPDX-License-Identifier: MIT
"""Which people a user of the central history sees; `rights.sql` has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.errors import InputError
from tenuto.history import persons

if TYPE_CHECKING:
    from tenuto.history.database import Database


def grant(db: Database, user: str, person: str, *, revoke: bool = False) -> None:
    """Let a user see a person, or no longer.

    Raises:
        InputError: The central history knows no such user or person.
    """
    if not db.execute("SELECT 1 FROM pg_roles WHERE rolname = ?", (user,)).fetchone():
        raise InputError(f"the database has no user {user!r}")
    person_id = known(db, person)
    if revoke:
        for one in persons.ids_of(db, person_id):
            db.execute("DELETE FROM sees WHERE role = ? AND person_id = ?", (user, one))
    else:
        db.execute("INSERT INTO sees VALUES (?, ?) ON CONFLICT DO NOTHING", (user, person_id))


def known(db: Database, person: str) -> str:
    """Return the id of whom the central history calls so, of those that this user sees.

    Raises:
        InputError: It knows nobody of that name.
    """
    person_id = persons.called(db, person)
    if person_id is None:
        names = ", ".join(sorted(persons.names(db).values())) or "nobody"
        raise InputError(f"the central history knows no {person!r}; it knows {names}")
    return person_id
