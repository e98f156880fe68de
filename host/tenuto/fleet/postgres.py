# SPDX-License-Identifier: MIT
"""A connection to PostgreSQL, with what the modules of the history need of a database."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tenuto.errors import InputError, StoreError, one_line
from tenuto.event_loops import SideThread, real_s
from tenuto.extras import needed
from tenuto.history.reading import HistoryReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import psycopg

    from tenuto.history.database import Cursor, Database

_T = TypeVar("_T")

CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_MS = 60_000
LOCK_TIMEOUT_MS = 10_000
TCP_TIMEOUT_MS = 60_000
"""After which a server that acknowledges nothing is gone."""
CLOSE_TIMEOUT_S = 2.0
_APPLICATION = "tenuto"


class PostgresDatabase:
    """A `tenuto.history.database.Database` on a connection of psycopg."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun, also one that has failed."""
        return self.connection.info.transaction_status != 0

    @property
    def Error(self) -> type[Exception]:  # noqa: N802 - as the drivers call it
        """What the driver raises, whatever it is."""
        import psycopg  # noqa: PLC0415 - an extra

        return psycopg.Error

    @property
    def IntegrityError(self) -> tuple[type[Exception], ...]:  # noqa: N802 - as the drivers call it
        """What a statement raises whose values do not fit, at whatever time it is carried out."""
        import psycopg  # noqa: PLC0415 - an extra

        too_long = psycopg.errors.ProgramLimitExceeded  # for an index
        return psycopg.IntegrityError, psycopg.DataError, too_long

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Cursor:
        """Carry out a statement; PostgreSQL would only warn of a transaction in another one."""
        if sql.startswith("BEGIN") and self.in_transaction:
            raise RuntimeError("a transaction has begun already")
        return self.connection.execute(_translated(sql), [_plain(one) for one in values])

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Cursor:
        """Carry out a statement with each row of values."""
        cursor = self.connection.cursor()
        cursor.executemany(_translated(sql), [[_plain(one) for one in row] for row in rows])
        return cursor


class CentralHistory(HistoryReader):
    """The history of all hosts; an asynchronous context manager.

    The connection is made when it is first needed, and again after it was lost. Every method waits
    for the thread of the connection.

    Args:
        url: Of the database, `postgresql://...`.
        password: In place of one that the address or libpq's own files have.
        read_only: Only to look; what is asked at once is of one moment.

    All methods raise StoreError, with what to do, when it cannot be reached or used.
    """

    def __init__(self, url: str, password: str | None = None, *, read_only: bool = False) -> None:
        with needed("fleet", "A history in PostgreSQL"):
            import psycopg  # noqa: PLC0415 - an extra, and few need it
        self._psycopg = psycopg
        self._url = url
        self._password = password
        self._read_only = read_only
        self._db: PostgresDatabase | None = None
        self._executor: SideThread | None = None

    async def __aenter__(self) -> Self:
        """Make ready; nothing is connected yet."""
        self._executor = SideThread("tenuto-fleet")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection once what is under way is done, or has taken too long."""
        executor, self._executor = self._executor, None
        if executor is not None:
            try:
                closed = asyncio.get_running_loop().run_in_executor(executor, self._close)
                if (await asyncio.wait({closed}, timeout=real_s(CLOSE_TIMEOUT_S)))[1]:
                    self._break_off()
                await closed
            finally:
                executor.shutdown(wait=False)

    @property
    def place(self) -> str:
        """Where it is, without a password."""
        return place_of(self._url)

    async def work(self, job: Callable[[Database], _T]) -> _T:
        """Have a job done in the thread of the connection."""
        return await self.work_in_postgres(job)

    async def work_in_postgres(self, job: Callable[[PostgresDatabase], _T]) -> _T:
        """Have a job done that SQLite could not do.

        Raises:
            StoreError: The central history is not open, or PostgreSQL refuses or has gone.
        """
        executor = self._executor
        if executor is None:
            raise StoreError(f"the central history at {self.place} is not open")
        return await asyncio.get_running_loop().run_in_executor(executor, lambda: self._do(job))

    def _do(self, job: Callable[[PostgresDatabase], _T]) -> _T:
        try:
            return job(self._connected())
        except self._psycopg.Error as error:
            self._close()
            raise StoreError(self._explain(error)) from error
        except BaseException:
            if self._db is not None and self._db.in_transaction:
                self._close()
            raise

    def _connected(self) -> PostgresDatabase:
        if self._db is None:
            password = {} if self._password is None else {"password": self._password}
            connection = self._psycopg.connect(
                self._psycopg.conninfo.make_conninfo(self._url, **password),
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT_S,
                application_name=_APPLICATION,
                options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"
                f" -c lock_timeout={LOCK_TIMEOUT_MS}",
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
                tcp_user_timeout=TCP_TIMEOUT_MS,
            )
            if self._read_only:
                connection.execute(
                    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY,"
                    " ISOLATION LEVEL REPEATABLE READ"
                )
            self._db = PostgresDatabase(connection)
        return self._db

    def _close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.connection.close()

    def _break_off(self) -> None:
        """End what the thread waits for; a server that is gone would keep it for many minutes."""
        db = self._db
        with suppress(OSError, self._psycopg.Error):
            if db is not None:
                with socket.socket(fileno=os.dup(db.connection.fileno())) as other:
                    other.shutdown(socket.SHUT_RDWR)

    def _explain(self, error: psycopg.Error) -> str:
        what = f"the central history at {self.place}"
        errors = self._psycopg.errors
        if isinstance(error, errors.UndefinedTable):
            return f"{what} is not set up: `tenuto fleet setup` does that, by its owner"
        if isinstance(error, errors.InsufficientPrivilege):
            return f"{what} does not let this user do that: {one_line(error)}"
        if isinstance(error, errors.LockNotAvailable):
            return f"{what} is held by another user of it, or by a backup: {one_line(error)}"
        return f"{what} cannot be used: {one_line(error)}"


def place_of(url: str) -> str:
    """Return the address of a database without its password.

    Raises:
        InputError: It is none; the message does not repeat it.
    """
    with needed("fleet", "A history in PostgreSQL"):
        import psycopg  # noqa: PLC0415 - an extra, and few need it
    try:
        told = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise InputError("[fleet] url is no address of a PostgreSQL database") from None
    user = f"{told['user']}@" if told.get("user") else ""
    port = f":{told['port']}" if told.get("port") else ""
    return f"postgresql://{user}{told.get('host', '')}{port}/{told.get('dbname', '')}"


@lru_cache(maxsize=512)
def _translated(sql: str) -> bytes:
    if sql == "BEGIN IMMEDIATE":
        return b"BEGIN"
    return sql.replace("%", "%%").replace("?", "%s").encode()


def _plain(value: object) -> object:
    """Return a value as SQLite would keep it."""
    return int(value) if isinstance(value, bool) else value
