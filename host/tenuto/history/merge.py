# SPDX-License-Identifier: MIT
"""How a session, a record or an event joins what the history has.  Runs in the store's thread.

The history is a union: what comes in twice, or in another order, leads to the same rows. Each
value has one rule for that:

- What the device logged is the same wherever it was read, so two records of one number that differ
  contradict each other, and so do two persons or two plans of one session.
- What a host estimated differs from host to host. The time of a record is the one that is surest,
  of equally sure ones the earlier.
- What follows from records and events (when a session began and ended, and how) is made from them
  anew; see `settle`.
- What a host called a device is only a label: the first one in the alphabet stays.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import astuple, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from tenuto.errors import TenutoError
from tenuto.sessions import events
from tenuto.sessions.tracker import UNKNOWN_ROUTINE, how_ended, plan_id_of
from tenuto_core import vocab

from .persons import names
from .rows import StoredRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .database import Database

_U8, _U16, _U32 = 0xFF, 0xFFFF, 0xFFFF_FFFF
NUMBER_MAX = _U32
"""The largest log number and boot id."""
RECORD_MAX = {"seq": _U32, "at_ms": _U32, "kind": _U8, "step": _U8, "a": _U16, "b": _U32, "c": _U32}
"""The largest numbers that a record has room for; see `tenuto_core.log`."""
HOST_EVENT_ORDER = "t_ms, utc_ms, instr(data, '\"session_ended\"'), data"
"""In which order events of the host are told, whichever came first into this file."""

Row = tuple[Any, ...]


class ContradictionError(TenutoError):
    """Two histories tell the same thing in two ways, and nothing says which one is right.

    Attributes:
        is_about_person: Whether they tell two persons, who may turn out to be one.
    """

    is_about_person = False


class _OtherPersonError(ContradictionError):
    is_about_person = True


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What a history says of a session besides its records; names as in the table."""

    device: str
    boot_id: int
    seq: int
    wearable: str
    person_id: str | None
    plan_id: str | None
    routine: str | None
    started_utc_ms: int
    ended_utc_ms: int | None
    reason: str | None
    source: str | None
    is_simulated: bool

    @property
    def end(self) -> tuple[int, str, str] | None:
        """When, how and by whom it was ended; None where it is not known to be."""
        if self.ended_utc_ms is None:
            return None
        return self.ended_utc_ms, self.reason or "", self.source or ""


_COLUMNS = tuple(field.name for field in fields(SessionFacts))
FACTS = ", ".join(_COLUMNS)
"""The columns of `SessionFacts`, in its order."""
_SETTLED = _COLUMNS[_COLUMNS.index("plan_id") : _COLUMNS.index("is_simulated")]
SETTLED = ", ".join(_SETTLED)
"""Those of them that follow from records and events."""
STORED = "utc_ms, uncertainty_ms, seq, at_ms, kind, step, a, b, c"
"""The columns of a record: what a host knows of its time, then what the device logged."""


def is_deleted(db: Database, device: str, boot_id: int, seq: int) -> bool:
    """Return whether a session was deleted here."""
    return bool(
        db.execute(
            "SELECT 1 FROM deleted WHERE device = ? AND boot_id = ? AND seq = ?",
            (device, boot_id, seq),
        ).fetchone()
    )


def is_kept(db: Database, number: int) -> bool:
    """Return whether there is a session of this number."""
    return bool(db.execute("SELECT 1 FROM sessions WHERE id = ?", (number,)).fetchone())


def session_number(db: Database, device: str, boot_id: int, seq: int) -> int | None:
    """Return the number of a session in this history, None if it is not kept."""
    row = db.execute(
        "SELECT id FROM sessions WHERE device = ? AND boot_id = ? AND seq = ?",
        (device, boot_id, seq),
    ).fetchone()
    return None if row is None else int(row[0])


def put_session(db: Database, facts: SessionFacts) -> int:
    """Join a session to those that are kept.

    Returns:
        Its number.

    Raises:
        ContradictionError: The history has another person or plan for it.
    """
    number = session_number(db, facts.device, facts.boot_id, facts.seq)
    if number is None:
        row = db.execute(
            f"INSERT INTO sessions ({FACTS}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
            " RETURNING id",
            (*astuple(facts)[:-1], int(facts.is_simulated)),
        ).fetchone()
        return int(row[0])
    here = facts_of(db, number)
    what = f"session {facts.boot_id:08x}-{facts.seq} of {facts.device}"
    end = _earlier(here.end, facts.end)
    if None not in (here.person_id, facts.person_id) and here.person_id != facts.person_id:
        called = names(db)
        one, other = (called.get(who or "", who) for who in (here.person_id, facts.person_id))
        raise _OtherPersonError(f"the person of {what} is {one} here, and {other} there")
    db.execute(
        "UPDATE sessions SET wearable = ?, person_id = ?, plan_id = ?, routine = ?,"
        " started_utc_ms = ?, ended_utc_ms = ?, reason = ?, source = ?, is_simulated = ?"
        " WHERE id = ?",
        (
            min(here.wearable, facts.wearable),
            here.person_id or facts.person_id,
            _the_same(f"the plan of {what}", here.plan_id, facts.plan_id),
            _known(here.routine, facts.routine),
            min(here.started_utc_ms, facts.started_utc_ms),
            *(end or (None, None, None)),
            int(here.is_simulated or facts.is_simulated),
            number,
        ),
    )
    return number


def facts_of(db: Database, number: int) -> SessionFacts:
    """Return what a session's row says."""
    row = db.execute(f"SELECT {FACTS} FROM sessions WHERE id = ?", (number,)).fetchone()  # noqa: S608
    return SessionFacts(*(*row[:-1], bool(row[-1])))


def put_record(
    db: Database,
    number: int,
    device: str,
    boot_id: int,
    stored: StoredRecord,
) -> bool:
    """Join a record to those that are kept.

    Args:
        db: In a transaction.
        number: Of its session, in this history.
        device: Which logged it.
        boot_id: In which boot.
        stored: As it was logged, and when that was by what a host knows.

    Returns:
        Whether it is new.

    Raises:
        ContradictionError: The history has another record of this number.
    """
    record, utc_ms, uncertainty_ms = stored.record, stored.utc_ms, stored.uncertainty_ms
    told = (record.at_ms, record.kind, record.step, record.a, record.b, record.c)
    with closing(
        db.execute(
            "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (device, boot_id, record.seq, number, *told, utc_ms, uncertainty_ms),
        )
    ) as cursor:
        if cursor.rowcount:
            return True
    key = (device, boot_id, record.seq)
    *here, here_utc_ms, here_uncertainty_ms = db.execute(
        "SELECT session_id, at_ms, kind, step, a, b, c, utc_ms, uncertainty_ms FROM records"
        " WHERE device = ? AND boot_id = ? AND seq = ?",
        key,
    ).fetchone()
    if tuple(here) != (number, *told):
        raise ContradictionError(
            f"record {record.seq} of boot {boot_id:08x} of {device} is not as it is kept here"
        )
    if _sureness(utc_ms, uncertainty_ms) < _sureness(here_utc_ms, here_uncertainty_ms):
        db.execute(
            "UPDATE records SET utc_ms = ?, uncertainty_ms = ?"
            " WHERE device = ? AND boot_id = ? AND seq = ?",
            (utc_ms, uncertainty_ms, *key),
        )
    return False


def put_host_event(db: Database, number: int, event: events.Event, utc_ms: int) -> None:
    """Join what a host noticed to what is kept of a session."""
    db.execute(
        "INSERT INTO host_events (session_id, t_ms, utc_ms, data) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (session_id, t_ms, data) DO UPDATE SET utc_ms = excluded.utc_ms"
        " WHERE excluded.utc_ms < host_events.utc_ms",
        (number, event.t_ms, utc_ms, json.dumps(events.to_json(event))),
    )


def put_boot(db: Database, stand_in: str, boot_id: int, device: str) -> None:
    """Keep that sessions of a boot are one device's, whatever it was known by before.

    What is kept under the other text becomes the device's, each session once.

    Args:
        db: In a transaction.
        stand_in: What the device was known by; see `tenuto.sessions.device`.
        boot_id: The boot in which the device told what it is.
        device: What it is known by now.

    Raises:
        ContradictionError: It is known to be another device's.
    """
    if stand_in == device:
        return
    known = device_of_boot(db, stand_in, boot_id)
    if known not in (stand_in, device):
        raise ContradictionError(
            f"boot {boot_id:08x} of {stand_in} is of {known} here, and of {device} there"
        )
    db.execute(
        "INSERT INTO known_boots VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (stand_in, boot_id, device),
    )
    for number, seq in db.execute(
        "SELECT id, seq FROM sessions WHERE device = ? AND boot_id = ?", (stand_in, boot_id)
    ).fetchall():
        _move(db, number, device, boot_id, seq)
    db.execute(
        "INSERT INTO deleted SELECT ?, boot_id, seq, last_seq FROM deleted"
        " WHERE device = ? AND boot_id = ? ON CONFLICT DO NOTHING",
        (device, stand_in, boot_id),
    )
    db.execute("DELETE FROM deleted WHERE device = ? AND boot_id = ?", (stand_in, boot_id))
    db.execute(
        "DELETE FROM sessions WHERE device = ? AND boot_id = ? AND seq IN"
        " (SELECT seq FROM deleted WHERE device = ? AND boot_id = ?)",
        (device, boot_id) * 2,
    )


def device_of_boot(db: Database, device: str, boot_id: int) -> str:
    """Return what a device is known by now, from what a boot of it was kept under."""
    row = db.execute(
        "SELECT device FROM known_boots WHERE stand_in = ? AND boot_id = ?", (device, boot_id)
    ).fetchone()
    return device if row is None else str(row[0])


def _move(db: Database, number: int, device: str, boot_id: int, seq: int) -> None:
    twin = session_number(db, device, boot_id, seq)
    if twin is None:
        db.execute("UPDATE sessions SET device = ? WHERE id = ?", (device, number))
        db.execute("UPDATE records SET device = ? WHERE session_id = ?", (device, number))
        return
    facts = facts_of(db, number)
    put_session(db, replace(facts, device=device))
    for row in db.execute(
        f"SELECT {STORED} FROM records WHERE session_id = ?",  # noqa: S608 - fixed text
        (number,),
    ).fetchall():
        stored = StoredRecord(events.Record(*row[2:]), row[0], row[1])
        put_record(db, twin, device, boot_id, stored)
    for utc_ms, data in db.execute(
        "SELECT utc_ms, data FROM host_events WHERE session_id = ?", (number,)
    ).fetchall():
        put_host_event(db, twin, events.from_json(json.loads(data)), utc_ms)
    db.execute("DELETE FROM sessions WHERE id = ?", (number,))
    settle(db, twin)


def settle(db: Database, number: int) -> None:
    """Make what follows from the records and events of a session anew in its row."""
    told = db.execute(f"SELECT {SETTLED} FROM sessions WHERE id = ?", (number,)).fetchone()  # noqa: S608
    records = db.execute(
        f"SELECT {STORED} FROM records WHERE session_id = ? ORDER BY seq",  # noqa: S608 - fixed text
        (number,),
    )
    right = told_by_records(db, records, number, told)
    if right != told:
        put_settled(db, number, right)


def put_settled(db: Database, number: int, right: Row) -> None:
    """Write what `told_by_records` returned into the row of a session."""
    to = ", ".join(f"{name} = ?" for name in _SETTLED)
    db.execute(f"UPDATE sessions SET {to} WHERE id = ?", (*right, number))  # noqa: S608


def told_by_records(db: Database, records: Iterable[Row], number: int | None, told: Row) -> Row:
    """Return what a row of the table of sessions has to say.

    Args:
        db: For the plan and for what the host noticed.
        records: Of the session, the columns `STORED`, in order.
        number: Of the session, None if its row is missing.
        told: What the row says now, the columns `SETTLED`; all None if it is missing.

    Returns:
        The values as they have to be.
    """
    plan_id, routine, started_utc_ms = told[:3]
    first_utc_ms = None
    ended: Row | None = None
    for utc_ms, _, *told_by_device in records:
        first_utc_ms = utc_ms if first_utc_ms is None else first_utc_ms
        kind = told_by_device[2]
        if kind == vocab.SESSION_STARTED:
            plan_id = plan_id_of(events.Record(*told_by_device)).hex()
            started_utc_ms = utc_ms
        elif kind == vocab.SESSION_ENDED and ended is None:
            ended = (utc_ms, *how_ended(events.Record(*told_by_device)))
    if ended is None:
        ended = _told_by_host(db, number)
    known = db.execute("SELECT routine FROM plans WHERE plan_id = ?", (plan_id,)).fetchone()
    return (
        plan_id,
        known[0] if known and routine in (None, UNKNOWN_ROUTINE) else routine,
        first_utc_ms if started_utc_ms is None else started_utc_ms,
        *((None,) * 3 if ended is None else ended),
    )


def _told_by_host(db: Database, number: int | None) -> Row | None:
    for utc_ms, data in db.execute(
        f"SELECT utc_ms, data FROM host_events WHERE session_id = ? ORDER BY {HOST_EVENT_ORDER}",  # noqa: S608
        (number,),
    ):
        event = events.from_json(json.loads(data))
        if isinstance(event, events.SessionEnded):
            return utc_ms, event.reason, event.source
    return None


def _the_same(what: str, here: str | None, there: str | None) -> str | None:
    if here is not None and there is not None and here != there:
        raise ContradictionError(f"{what} is {here} here, and {there} there")
    return here if there is None else there


def _known(here: str | None, there: str | None) -> str | None:
    """Return the name of a routine that is known, of two the first in the alphabet."""
    told = sorted(name for name in (here, there) if name is not None)
    return min(told, key=lambda name: name == UNKNOWN_ROUTINE, default=None)


def _earlier(
    here: tuple[int, str, str] | None, there: tuple[int, str, str] | None
) -> tuple[int, str, str] | None:
    return min((end for end in (here, there) if end is not None), default=None)


def _sureness(utc_ms: int, uncertainty_ms: int | None) -> tuple[bool, int, int]:
    return uncertainty_ms is None, uncertainty_ms or 0, utc_ms
