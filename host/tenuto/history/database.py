# SPDX-License-Identifier: MIT
"""What the modules of the history need of a database; SQLite's connection has it as it is.

Their statements are such as SQLite and PostgreSQL both understand: every `ON CONFLICT DO UPDATE`
names its columns, columns that could be of two tables are told with their table, and values have
question marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Cursor(Protocol):
    """What a statement came to."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""

    @property
    def description(self) -> Any:  # noqa: ANN401 - each driver has its own
        """The columns; the name of each comes first."""

    def fetchone(self) -> Any:  # noqa: ANN401 - a row
        """Return the next row, None after the last."""

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Return the rows that are left."""
        ...

    def close(self) -> None:
        """Give it back."""


class Database(Protocol):
    """A connection, used by one thread."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun."""

    @property
    def Error(self) -> type[Exception]:  # noqa: N802 - as the drivers call it
        """What the driver raises, whatever it is."""

    @property
    def IntegrityError(self) -> type[Exception] | tuple[type[Exception], ...]:  # noqa: N802 - likewise
        """What a statement raises whose values do not fit."""

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Cursor:
        """Carry out a statement."""
        ...

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Cursor:
        """Carry out a statement with each row of values."""
        ...
