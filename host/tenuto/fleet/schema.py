# SPDX-License-Identifier: MIT
"""The schema of the central history, and how older ones are brought up to it.

`schema_v1.sql` makes the first version; each `upgrade_vN.sql` leads from version N to the next one,
so that there is one way to every version. `rights.sql` says who may do what, and is carried out
each time.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from tenuto.errors import StoreError
from tenuto.history.schema import transaction

if TYPE_CHECKING:
    from tenuto.history.database import Database

    from .postgres import PostgresDatabase

VERSION = 2
_TAKEN_BY_NUMBER = ("deletion_numbers", "prescription_numbers")
"""The numbers by which hosts know what they have taken over. After a backup was restored none may
be given a second time, so each set-up goes on with the present, in ms since 1970."""
_LOCK = 0x54656E75
"""The advisory lock of whoever writes: one process at a time."""


def lock(db: Database) -> None:
    """Wait, within a transaction and until its end, until nobody else changes the history."""
    db.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))


def version(db: Database) -> int:
    """Return the version of the schema, 0 if there is none."""
    found = db.execute("SELECT to_regclass('tenuto_version')").fetchone()[0]
    if found is None:
        return 0
    return int(db.execute("SELECT number FROM tenuto_version").fetchone()[0])


def check(db: Database) -> None:
    """See that this Tenuto knows the schema.

    Raises:
        StoreError: It does not, or there is none.
    """
    there = version(db)
    if there == 0:
        raise StoreError("the central history is not set up: `tenuto fleet setup`, by its owner")
    if there > VERSION:
        raise StoreError(
            f"the central history has version {there}, this Tenuto knows {VERSION}: install the "
            "newer Tenuto that wrote it"
        )
    if there < VERSION:
        raise StoreError(
            f"the central history has version {there}, this Tenuto needs {VERSION}: "
            "`tenuto fleet setup` brings it up to date, by its owner"
        )


def set_up(db: PostgresDatabase) -> None:
    """Make the schema, or bring it up to this version, all of it or nothing.

    Where a backup was restored it makes the history fit for hosts that knew more.
    """
    with transaction(db):
        lock(db)
        there = version(db)
        if there > VERSION:
            check(db)
        if there == 0:
            db.execute("CREATE TABLE tenuto_version (number INTEGER NOT NULL)")
            db.execute("INSERT INTO tenuto_version VALUES (0)")
        names = ["schema_v1.sql", *(f"upgrade_v{old}.sql" for old in range(1, VERSION))]
        for name in (*names[there:], "rights.sql"):
            script = files(__package__).joinpath(name).read_text(encoding="utf-8")
            db.connection.execute(script.encode())
        db.execute("UPDATE tenuto_version SET number = ?", (VERSION,))
        for sequence in _TAKEN_BY_NUMBER:
            db.execute(
                "SELECT setval(CAST(? AS regclass), greatest(nextval(CAST(? AS regclass)),"
                " (extract(epoch FROM now()) * 1000)::bigint))",
                (sequence, sequence),
            )
