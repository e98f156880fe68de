# SPDX-License-Identifier: MIT
"""The whole history as JSON Lines, out and in again.

The first line names the format, each other line is one object with a `type`::

    {"type": "tenuto_history", "version": 1}
    {"type": "plan", "plan_id", "routine", "data"}              data: base64
    {"type": "exercise", "plan_id", "name", "kind", "muscles"}
    {"type": "session", "wearable", "boot_id", "seq", "person", "plan_id", "routine",
     "started_utc_ms", "ended_utc_ms", "reason", "source"}
    {"type": "record", "wearable", "boot_id", "session", "seq", "at_ms", "kind", "step",
     "a", "b", "c", "utc_ms"}                                   session: the `seq` of its session
    {"type": "host_event", "wearable", "boot_id", "session", "utc_ms", "event"}

Times are ms since 1970 in UTC, but `at_ms` is the wearable's clock. A session comes before its
records. The meaning of a record's numbers is in `tenuto_core.vocab`, where none ever changes.
What waits for the broker is not part of it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tenuto.errors import InputError, Mistake
from tenuto.sessions import events

from .repair import is_plan
from .store import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from .store import Store

FORMAT = "tenuto_history"
VERSION = 1
_LINE_BYTES_MAX = 100_000

_Allowed: TypeAlias = "dict[str, str | int]"
"""What a line has: text of a kind, or a whole number from 0 to that."""
_U8, _U16, _U32 = 0xFF, 0xFFFF, 0xFFFFFFFF
"""The largest numbers that a log has room for; see `tenuto_core.log`."""
_UTC_MS = 253_402_300_799_999
"""The last moment of the year 9999."""
_TEXT = "text"
_ID = "16 hexadecimal digits"
_KEY: _Allowed = {"wearable": _TEXT, "boot_id": _U32, "seq": _U32}
_SESSION: _Allowed = {
    "person": _TEXT,
    "plan_id": _ID,
    "routine": _TEXT,
    "started_utc_ms": _UTC_MS,
    "ended_utc_ms": _UTC_MS,
    "reason": _TEXT,
    "source": _TEXT,
}
_OF: _Allowed = {"wearable": _TEXT, "boot_id": _U32, "session": _U32}
_RECORD: _Allowed = {
    "seq": _U32,
    "at_ms": _U32,
    "kind": _U8,
    "step": _U8,
    "a": _U16,
    "b": _U32,
    "c": _U32,
    "utc_ms": _UTC_MS,
    "uncertainty_ms": _U32,
}
_VALUES: dict[str, _Allowed] = {  # by the type of the line
    "plan": {"plan_id": _ID, "routine": _TEXT, "data": _TEXT},
    "exercise": {"plan_id": _ID, "name": _TEXT, "kind": _TEXT},
    "session": {**_KEY, **_SESSION},
    "record": {**_OF, **_RECORD},
    "host_event": {**_OF, "utc_ms": _UTC_MS},
}
_MAY_LACK = frozenset({"uncertainty_ms"})
_MAY_BE_NULL = frozenset(_SESSION) - {"started_utc_ms"} | _MAY_LACK


@dataclass(frozen=True, slots=True)
class Taken:
    """What an import brought in; what was there already does not count."""

    sessions: int
    records: int


async def write_lines(store: Store, write: Callable[[str], object]) -> int:
    """Write the whole history, as of one moment; returns the number of sessions.

    write: called in the store's thread with one line after the other, each with its end.
    """

    def job(db: sqlite3.Connection) -> int:
        db.execute("BEGIN")
        try:
            sessions = 0
            for line in _lines(db):
                sessions += line["type"] == "session"
                write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
            return sessions
        finally:
            db.execute("COMMIT")

    return await store.work(job)


async def read_lines(store: Store, lines: Iterable[str], file: str) -> Taken:
    """Take in a history that `write_lines` wrote: all of it or, after a mistake, nothing.

    What is there already stays as it is, and what was deleted here does not come back.

    file: its name in messages.

    Raises:
        InputError: it is not such a file, or a line of it is wrong.
    """
    return await store.work(lambda db: _take(db, lines, file))


def _lines(db: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    yield {"type": FORMAT, "version": VERSION}
    for plan_id, routine, data in db.execute(
        "SELECT plan_id, routine, data FROM plans ORDER BY plan_id"
    ):
        text = base64.b64encode(data).decode()
        yield {"type": "plan", "plan_id": plan_id, "routine": routine, "data": text}
    for plan_id, name, kind, muscles in db.execute(
        "SELECT plan_id, name, kind, muscles FROM exercises ORDER BY plan_id, name"
    ):
        yield {
            "type": "exercise",
            "plan_id": plan_id,
            "name": name,
            "kind": kind,
            "muscles": json.loads(muscles),
        }
    columns = ", ".join(("id", *_KEY, *_SESSION))
    for number, *values in db.execute(
        f"SELECT {columns} FROM sessions ORDER BY id"  # noqa: S608 - fixed names
    ).fetchall():
        session = dict(zip((*_KEY, *_SESSION), values, strict=True))
        yield {"type": "session", **session}
        of = {"wearable": values[0], "boot_id": values[1], "session": values[2]}
        for record in db.execute(
            f"SELECT {', '.join(_RECORD)} FROM records"  # noqa: S608 - fixed names
            " WHERE session_id = ? ORDER BY seq",
            (number,),
        ):
            yield {"type": "record", **of, **dict(zip(_RECORD, record, strict=True))}
        for utc_ms, data in db.execute(
            "SELECT utc_ms, data FROM host_events WHERE session_id = ? ORDER BY t_ms, id",
            (number,),
        ):
            yield {"type": "host_event", **of, "utc_ms": utc_ms, "event": json.loads(data)}


# --- in again


def _take(db: sqlite3.Connection, lines: Iterable[str], file: str) -> Taken:
    before = _count(db)
    with transaction(db):
        number = 0
        for number, line in enumerate(lines, 1):
            try:
                _take_line(db, line, is_first=number == 1)
            except (KeyError, TypeError, ValueError, binascii.Error) as error:
                text = f"lacks {error}" if isinstance(error, KeyError) else str(error)
                raise InputError([Mistake(file, number, text)]) from None
            except db.IntegrityError as error:
                raise InputError([Mistake(file, number, f"does not fit: {error}")]) from None
        if number == 0:
            raise InputError([Mistake(file, 0, "is empty")])
    sessions, records = _count(db)
    return Taken(sessions - before[0], records - before[1])


def _count(db: sqlite3.Connection) -> tuple[int, int]:
    sessions, records = db.execute(
        "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM records)"
    ).fetchone()
    return sessions, records


def _take_line(db: sqlite3.Connection, line: str, *, is_first: bool) -> None:
    if len(line) > _LINE_BYTES_MAX:
        raise ValueError(f"is longer than {_LINE_BYTES_MAX} letters")
    if not line.strip() and not is_first:
        return
    try:
        item = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    kind = item.get("type") if isinstance(item, dict) else None
    if is_first:
        if kind != FORMAT:
            raise ValueError("is not what `tenuto history export` wrote as JSON Lines")
        if item["version"] != VERSION:
            raise ValueError(f"has version {item['version']!r}, this Tenuto knows {VERSION}")
        return
    if not isinstance(kind, str) or (take := _TAKERS.get(kind)) is None:
        raise ValueError(f"`type` is {kind!r}, allowed is {', '.join(_TAKERS)}")
    _check(kind, item)
    take(db, item)


def _check(kind: str, item: dict[str, Any]) -> None:
    """See that what a line has is what its names stand for; that it has them is seen later."""
    for name, allowed in _VALUES[kind].items():
        value = item.get(name)
        is_left_out = value is None and (name in _MAY_BE_NULL or name not in item)
        if not is_left_out and not _fits(value, allowed):
            told = f"a whole number from 0 to {allowed}" if isinstance(allowed, int) else allowed
            raise ValueError(f"`{name}` is {value!r}, allowed is {told}")


def _fits(value: object, allowed: str | int) -> bool:
    if isinstance(allowed, int):
        return type(value) is int and 0 <= value <= allowed
    is_id = allowed is _ID
    return isinstance(value, str) and (not is_id or bool(re.fullmatch("[0-9a-f]{16}", value)))


def _take_plan(db: sqlite3.Connection, item: dict[str, Any]) -> None:
    data = base64.b64decode(item["data"], validate=True)
    if not is_plan(item["plan_id"], data):
        raise ValueError("the plan is damaged")
    db.execute(
        "INSERT INTO plans VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (item["plan_id"], item["routine"], data),
    )


def _take_exercise(db: sqlite3.Connection, item: dict[str, Any]) -> None:
    muscles = item["muscles"]
    if not isinstance(muscles, list) or not all(isinstance(muscle, str) for muscle in muscles):
        raise ValueError("`muscles` is not a list of texts")
    db.execute(
        "INSERT INTO exercises VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (item["plan_id"], item["name"], item["kind"], json.dumps(muscles, ensure_ascii=False)),
    )


def _take_session(db: sqlite3.Connection, item: dict[str, Any]) -> None:
    key = tuple(item[name] for name in _KEY)
    if _is_deleted(db, key):
        return
    names = (*_KEY, *_SESSION)
    db.execute(
        f"INSERT INTO sessions ({', '.join(names)})"  # noqa: S608 - fixed names
        f" VALUES ({', '.join('?' * len(names))}) ON CONFLICT DO NOTHING",
        [item[name] for name in names],
    )


def _take_record(db: sqlite3.Connection, item: dict[str, Any]) -> None:
    number = _session_of(db, item)
    if number is None:
        return
    values = {name: item.get(name) if name in _MAY_LACK else item[name] for name in _RECORD}
    db.execute(
        f"INSERT INTO records (wearable, boot_id, session_id, {', '.join(_RECORD)})"  # noqa: S608
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (item["wearable"], item["boot_id"], number, *values.values()),
    )


def _take_host_event(db: sqlite3.Connection, item: dict[str, Any]) -> None:
    number = _session_of(db, item)
    if number is None:
        return
    event = events.from_json(item["event"])
    db.execute(
        "INSERT INTO host_events (session_id, t_ms, utc_ms, data) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (number, event.t_ms, item["utc_ms"], json.dumps(item["event"])),
    )


def _session_of(db: sqlite3.Connection, item: dict[str, Any]) -> int | None:
    """Give the number of the session that a line belongs to, None if that was deleted here."""
    key = (item["wearable"], item["boot_id"], item["session"])
    row = db.execute(
        "SELECT id FROM sessions WHERE wearable = ? AND boot_id = ? AND seq = ?", key
    ).fetchone()
    if row is None and not _is_deleted(db, key):
        raise ValueError("comes before its session")
    return None if row is None else int(row[0])


def _is_deleted(db: sqlite3.Connection, key: tuple[Any, ...]) -> bool:
    return bool(
        db.execute(
            "SELECT 1 FROM deleted WHERE wearable = ? AND boot_id = ? AND seq = ?", key
        ).fetchone()
    )


_TAKERS: dict[str, Callable[[sqlite3.Connection, dict[str, Any]], None]] = {
    "plan": _take_plan,
    "exercise": _take_exercise,
    "session": _take_session,
    "record": _take_record,
    "host_event": _take_host_event,
}
