# SPDX-License-Identifier: MIT
"""What hosts send to the central history, and how it is joined there.

A host sends at least once, and to join the same lines twice changes nothing: a record is the same
by its device, boot and number, whoever brings it and in whatever order.

A parcel that is wrong holds up no other one: it is refused, with the reason, and what it tells
beside that is joined. Where the database cannot be used, nothing is refused but tried again.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - a field of a dataclass
from typing import TYPE_CHECKING

from tenuto.errors import InputError, StoreError, one_line
from tenuto.history.deletion import is_erased
from tenuto.history.forwarding import Deletion
from tenuto.history.jsonlines import join_lines
from tenuto.history.schema import transaction
from tenuto.retry import Backoff, describe_failure

from .schema import check, lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenuto.history.database import Database
    from tenuto.history.forwarding import Waiting
    from tenuto.history.jsonlines import Taken

    from .postgres import CentralHistory

NOTES_AT_ONCE = 16
"""Sessions and more in one parcel: some thousand records, each a line of 200 bytes."""
PARCEL_BYTES_MAX = 64 << 20
"""A session of three days with each heart beat."""
DELETIONS_AT_ONCE = 500
LOOK_EVERY_S = 1.0
"""The pause between two looks into an inbox that was empty."""
RETRY_MAX_S = 60.0


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of a parcel.

    Attributes:
        records: How many of it are new.
        is_refused: Whether it contradicts what is there, or is none.
    """

    records: int
    is_refused: bool = False


@dataclass(slots=True)
class JoinedSoFar:
    """What was joined since the start.

    Attributes:
        parcels: How many were read.
        records: How many of theirs were new.
        refused: How many of them contradict what is there, or are none.
    """

    parcels: int = 0
    records: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class HostLag:
    """How far a host is behind.

    Attributes:
        host: Its name.
        waiting: What it has not sent, when it was last heard.
        since: When the oldest of that became known; None without any.
        heard_at: When it was last heard.
        unjoined: Its parcels that are not joined yet; None for those who may not know.
        refused: Those that cannot be.
        why: The reason for the last of them.
    """

    host: str
    waiting: int
    since: datetime | None
    heard_at: datetime | None
    unjoined: int | None
    refused: int
    why: str


def send(db: Database, host: str, lines: str) -> None:
    """Put lines of a host into the inbox."""
    db.execute("INSERT INTO inbox (host, lines) VALUES (?, ?)", (host, lines))


def say_waiting(db: Database, host: str, waiting: Waiting) -> None:
    """Tell how much a host has not sent yet."""
    db.execute(
        "INSERT INTO hosts (host, waiting, since) VALUES (?, ?, to_timestamp(?))"
        " ON CONFLICT (host, role) DO UPDATE SET waiting = excluded.waiting,"
        " since = excluded.since, heard_at = now()",
        (
            host,
            waiting.count,
            None if waiting.since_utc_ms is None else waiting.since_utc_ms / 1000,
        ),
    )


def deletions_after(db: Database, number: int) -> list[Deletion]:
    """Return the deletions that came after one, the oldest first.

    Where there is none of that number yet, the history was restored or made anew: then all.
    """
    return [
        Deletion(*row)
        for row in db.execute(
            "SELECT number, kind, subject, boot_id, seq FROM deletions WHERE number >"
            " (SELECT CASE WHEN max(number) >= ? THEN ? ELSE 0 END FROM deletions)"
            " ORDER BY number LIMIT ?",
            (number, number, DELETIONS_AT_ONCE),
        ).fetchall()
    ]


def join_next(db: Database) -> Joined | None:
    """Join the oldest parcel of the inbox; return None if it is empty.

    One that cannot be joined stays, with the reason, and holds up no other.
    """
    if _oldest(db) is None:
        return None  # without a transaction and its lock, for that is how it is nearly always
    number, lines = 0, ""
    try:
        with transaction(db):
            lock(db)
            oldest = _oldest(db)
            if oldest is None:
                return None
            number = oldest
            host, lines = _parcel(db, number)
            taken = join_lines(db, lines.split("\n"), f"parcel {number} of {host}")
            db.execute("DELETE FROM inbox WHERE number = ?", (number,))
            if '"deleted_person"' in lines:
                _forget_erased(db)
    except InputError as error:
        return _refuse(db, number, lines, str(error))
    except db.IntegrityError as error:
        return _refuse(db, number, lines, f"does not fit: {one_line(error)}")
    except db.Error:
        raise
    except Exception as error:  # noqa: BLE001 - a parcel must not hold up the others
        return _refuse(db, number, lines, f"a fault inside Tenuto: {describe_failure(error)}")
    return Joined(taken.records)


def try_again(db: Database) -> int:
    """Have all that was refused joined once more; return how many parcels that is."""
    return db.execute("UPDATE inbox SET why_refused = NULL WHERE why_refused IS NOT NULL").rowcount


def _refuse(db: Database, number: int, lines: str, why: str) -> Joined:
    """Set a parcel aside; one that tells of several things is divided, and each part tried."""
    parts = list(_parts(lines))
    with transaction(db):
        if 1 < len(parts) <= NOTES_AT_ONCE:
            db.executemany(
                "INSERT INTO inbox (host, role, sent_at, lines)"
                " SELECT host, role, sent_at, ? FROM inbox WHERE number = ?",
                [(part, number) for part in parts],
            )
            db.execute("DELETE FROM inbox WHERE number = ?", (number,))
            return Joined(0)
        db.execute("UPDATE inbox SET why_refused = ? WHERE number = ?", (why, number))
    return Joined(0, is_refused=True)


_BEFORE = frozenset({"boot", "person", "plan", "exercise"})
"""Lines that come before what they are about."""
_AFTER = frozenset({"record", "host_event", None})
"""Lines that come after their session, and those that are none."""


def _parts(lines: str) -> Iterator[str]:
    """Divide a parcel by the sessions, results and more that it tells of; each part is a parcel."""
    header, *rest = lines.split("\n")
    part: list[str] = []
    is_told = False
    for line in filter(None, rest):
        kind = _texts(line).get("type")
        if is_told and kind not in _AFTER:
            yield "\n".join((header, *part))
            part, is_told = [], False
        part.append(line)
        is_told = is_told or kind not in _BEFORE
    if part:
        yield "\n".join((header, *part))


def _texts(line: str) -> dict[str, str]:
    """Return the texts of a line by their names; none if it is no line of a history."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(told, dict):
        return {}
    return {name: value for name, value in told.items() if isinstance(value, str)}


def _forget_erased(db: Database) -> None:
    """Delete what was refused of people who were erased; the rest is tried again.

    The reasons may have their names.
    """
    numbers = db.execute("SELECT number FROM inbox WHERE why_refused IS NOT NULL").fetchall()
    for (number,) in numbers:
        try:
            _, lines = _parcel(db, number)
        except InputError:  # nor will it ever be joined
            is_theirs = True
        else:
            told = [_texts(line) for line in lines.split("\n")]
            ids = {line[name] for line in told for name in ("person_id", "same_as") if name in line}
            is_theirs = any(is_erased(db, one) for one in ids)
        if is_theirs:
            db.execute("DELETE FROM inbox WHERE number = ?", (number,))
    try_again(db)


async def join_all(central: CentralHistory) -> JoinedSoFar:
    """Join all that is in the inbox.

    Raises:
        StoreError: The central history cannot be used.
    """
    so_far = JoinedSoFar()
    while await _join_one(central, so_far):
        pass
    return so_far


async def join_until(
    ended: asyncio.Event, central: CentralHistory, say: Callable[[str], None]
) -> JoinedSoFar:
    """Join what is in the inbox and what comes in, whatever becomes of the database.

    Args:
        ended: Set when it is time to end.
        central: As its owner.
        say: Told of each attempt that failed.
    """
    so_far = JoinedSoFar()
    backoff = Backoff(None, first_s=LOOK_EVERY_S, max_s=RETRY_MAX_S)
    while not ended.is_set():
        pause_s = LOOK_EVERY_S
        try:
            if await _join_one(central, so_far):
                continue
            backoff.reset()
        except StoreError as error:
            say(f"{error}; it is tried again")
            pause_s = backoff.next_s()
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await ended.wait()
    return so_far


async def _join_one(central: CentralHistory, so_far: JoinedSoFar) -> bool:
    joined = await central.work(join_next)
    if joined is None:
        return False
    so_far.parcels += 1
    so_far.records += joined.records
    so_far.refused += joined.is_refused
    return True


def join_file(db: Database, lines: Iterable[str], name: str) -> Taken:
    """Join a history that was exported: all of it or, after a mistake, nothing.

    Raises:
        InputError: As `tenuto.history.jsonlines.read_lines` does.
    """
    with transaction(db):
        lock(db)
        return join_lines(db, lines, name)


def _oldest(db: Database) -> int | None:
    row = db.execute(
        "SELECT number FROM inbox WHERE why_refused IS NULL ORDER BY number LIMIT 1"
    ).fetchone()
    return None if row is None else int(row[0])


def _parcel(db: Database, number: int) -> tuple[str, str]:
    """Return whose a parcel is, and its lines.

    Raises:
        InputError: It is too long to be read.
    """
    host, size, lines = db.execute(
        "SELECT host, octet_length(lines), CASE WHEN octet_length(lines) <= ? THEN lines END"
        " FROM inbox WHERE number = ?",
        (PARCEL_BYTES_MAX, number),
    ).fetchone()
    if lines is None:
        text = f"has {size} bytes, allowed is at most {PARCEL_BYTES_MAX}"
        raise InputError(f"parcel {number} of {host} {text}")
    return host, lines


def lags(db: Database) -> list[HostLag]:
    """Return how far each host is behind; a host sees itself, and not what is in the inbox."""
    check(db)
    if not db.execute("SELECT has_table_privilege('inbox', 'SELECT')").fetchone()[0]:
        rows = db.execute("SELECT host, waiting, since, heard_at FROM hosts").fetchall()
        return [HostLag(one[0], one[1], one[2], one[3], None, 0, "") for one in rows]
    return [
        HostLag(*row)
        for row in db.execute(
            "SELECT coalesce(h.host, i.host), coalesce(h.waiting, 0), h.since, h.heard_at,"
            " coalesce(i.unjoined, 0), coalesce(i.refused, 0), coalesce(i.why, '')"
            " FROM hosts AS h FULL JOIN (SELECT host, role,"
            " count(*) FILTER (WHERE why_refused IS NULL) AS unjoined, count(why_refused) AS"
            " refused, (array_agg(why_refused ORDER BY number DESC) FILTER (WHERE why_refused"
            " IS NOT NULL))[1] AS why FROM inbox GROUP BY host, role) AS i"
            " ON h.host = i.host AND h.role = i.role ORDER BY 1"
        ).fetchall()
    ]
