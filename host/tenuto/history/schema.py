# SPDX-License-Identifier: MIT
"""The schema of the history's database, and how older ones are brought up to it.

`schema_v9.sql` is the whole of it; each `upgrade_vN.sql` leads from version N to the next one.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING

from tenuto.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .database import Database

SCHEMA_VERSION = 9
APPLICATION_ID = 0x54656E75
"""`Tenu`, in the file's header; keeps Tenuto's hands off other programs' databases."""


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """Do all that is inside or, after an error, nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def check_version(db: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of a file.

    Args:
        db: The file.
        path: Of the file, for messages.

    Raises:
        StoreError: It is of a newer version, or the database of another program.
    """
    version = pragma(db, "user_version")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the history {path} has version {version}, this Tenuto knows "
            f"{SCHEMA_VERSION}: install the newer Tenuto that wrote it"
        )
    tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables and pragma(db, "application_id") != APPLICATION_ID:
        raise StoreError(
            f"{path} is the database of another program: "
            "give [history] path in the configuration another place"
        )
    return version


def upgrade(db: sqlite3.Connection) -> None:
    """Run the scripts from the version that is there to the present one, in a transaction."""
    with transaction(db):
        version = pragma(db, "user_version")  # another process may have been faster
        names = [f"upgrade_v{old}.sql" for old in range(version, SCHEMA_VERSION)]
        if version == 0:
            names = [f"schema_v{SCHEMA_VERSION}.sql"]
        for name in names:
            for statement in statements_of(name):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def pragma(db: sqlite3.Connection, name: str) -> int:
    """Return the value of a setting of the file."""
    value: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def statements_of(name: str) -> list[str]:
    """Return the statements of a script of this package."""
    return statements(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def statements(script: str) -> list[str]:
    """Split a script; `executescript` would end the transaction that it has to be part of.

    Without its comments and the blanks that only people need: SQLite keeps statements in the file
    as they are written, and as long as all of them fit on its first page, no damage elsewhere makes
    the rest unreadable.
    """
    statements, pending = [], ""
    for line in script.splitlines():
        code = " ".join(line.partition("--")[0].split())
        pending += f"{code}\n" if code else ""
        if sqlite3.complete_statement(pending):
            statements.append(re.sub(r"\s*([(),])\s*", r"\1", pending.strip()))
            pending = ""
    return statements
