# SPDX-License-Identifier: MIT
"""The whole history as JSON Lines, out and in again.

The first line names the format, each other line is one object with a `type`::

    {"type": "tenuto_history", "version": 4}
    {"type": "boot", "stand_in", "boot_id", "device"}
    {"type": "person", "person_id", "label", "labelled_utc_ms", "same_as"}
    {"type": "plan", "plan_id", "routine", "data"}              data: base64
    {"type": "exercise", "plan_id", "name", "kind", "muscles"}
    {"type": "session", "device", "boot_id", "seq", "wearable", "person", "person_id",
     "plan_id", "routine", "started_utc_ms", "ended_utc_ms", "reason", "source", "simulated"}
    {"type": "record", "device", "wearable", "boot_id", "session", "seq", "at_ms", "kind", "step",
     "a", "b", "c", "utc_ms", "uncertainty_ms"}                 session: the `seq` of its session
    {"type": "host_event", "device", "wearable", "boot_id", "session", "utc_ms", "event"}
    {"type": "cue_result", "result_id", "person", "person_id", "device", "wearable", "simulated",
     "utc_ms", "kind", "data"}                                  data: see `tenuto.cues.results`
    {"type": "prescription", "prescription_id", "person", "person_id", "utc_ms", "ended_utc_ms",
     "data"}                                                    data: see `prescription`

Times are ms since 1970 in UTC, but `at_ms` is the wearable's clock. A session comes before its
records. The meaning of a record's numbers is in `tenuto_core.vocab`, where none ever changes.
What waits for the broker is not part of it, nor what was deleted.

Version 3 had no prescriptions, version 2 no results of cues.
Version 1 had neither devices nor persons, only what the configuration called them; how that is
taken in is told in `tenuto.sessions.device` and `persons`.

To take in histories is to join them: see `merge`. The same ones lead to the same history, in any
order and however often; where two contradict each other, nothing is taken in.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tenuto.cues import results
from tenuto.errors import InputError, Mistake, one_line
from tenuto.routines import plan_bytes
from tenuto.sessions import events
from tenuto.sessions.device import SIMULATED_NAME, named
from tenuto_core import vocab
from tenuto_core.plan import PlanError, UnknownPlanError

from . import deletion, persons, prescription, prescription_table
from .cue_results import COLUMNS, put
from .merge import (
    FACTS,
    HOST_EVENT_ORDER,
    NUMBER_MAX,
    RECORD_MAX,
    ContradictionError,
    SessionFacts,
    device_of_boot,
    is_deleted,
    is_kept,
    put_boot,
    put_host_event,
    put_record,
    put_session,
    session_number,
    settle,
)
from .rows import UTC_MS_MAX, StoredRecord, to_range
from .schema import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .database import Database
    from .reading import HistoryReader

FORMAT = "tenuto_history"
VERSION = 4
LINE_LETTERS_MAX = 100_000
text_of = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
"""Returns the text of a line."""

_Allowed: TypeAlias = "dict[str, str | int]"
"""What a line has: text of a kind, or a whole number from 0 to that."""
_TEXT = "text without the character 0"
_SHORT = "text of 1 to 128 characters without the character 0"
_ID = "16 hexadecimal digits"
_TRUTH = "true or false"
_SESSION: _Allowed = {
    "device": _SHORT,
    "boot_id": NUMBER_MAX,
    "seq": NUMBER_MAX,
    "wearable": _SHORT,
    "person": _SHORT,
    "person_id": _SHORT,
    "plan_id": _ID,
    "routine": _TEXT,
    "started_utc_ms": UTC_MS_MAX,
    "ended_utc_ms": UTC_MS_MAX,
    "reason": _TEXT,
    "source": _TEXT,
    "simulated": _TRUTH,
}
_TOLD = ("plan_id", "routine", "started_utc_ms", "ended_utc_ms", "reason", "source")
_OF: _Allowed = {
    "device": _SHORT,
    "wearable": _SHORT,
    "boot_id": NUMBER_MAX,
    "session": NUMBER_MAX,
}
_TIMES: _Allowed = {"utc_ms": UTC_MS_MAX, "uncertainty_ms": NUMBER_MAX}
_VALUES: dict[str, _Allowed] = {  # by the type of the line
    "boot": {"stand_in": _SHORT, "boot_id": NUMBER_MAX, "device": _SHORT},
    "person": {
        "person_id": _SHORT,
        "label": _SHORT,
        "labelled_utc_ms": UTC_MS_MAX,
        "same_as": _SHORT,
    },
    "plan": {"plan_id": _ID, "routine": _TEXT, "data": _TEXT},
    "exercise": {"plan_id": _ID, "name": _TEXT, "kind": _TEXT},
    "session": _SESSION,
    "record": {**_OF, **RECORD_MAX, **_TIMES},
    "host_event": {**_OF, "utc_ms": UTC_MS_MAX},
    "cue_result": {
        "result_id": _ID,
        "person": _SHORT,
        "person_id": _SHORT,
        "device": _SHORT,
        "wearable": _SHORT,
        "simulated": _TRUTH,
        "utc_ms": UTC_MS_MAX,
        "kind": _SHORT,
    },
    "prescription": {
        "prescription_id": _ID,
        "person": _SHORT,
        "person_id": _SHORT,
        "utc_ms": UTC_MS_MAX,
        "ended_utc_ms": UTC_MS_MAX,
    },
    "deleted": {
        "device": _SHORT,
        "boot_id": NUMBER_MAX,
        "seq": NUMBER_MAX,
        "last_seq": NUMBER_MAX,
    },
    "deleted_result": {"result_id": _ID},
    "deleted_person": {"digest": _SHORT},
}
_MAY_BE_NULL = frozenset(
    {
        "person",
        "person_id",
        "plan_id",
        "routine",
        "ended_utc_ms",
        "reason",
        "source",
        "uncertainty_ms",
        "same_as",
    }
)
_NEVER_NULL = frozenset({("person", "person_id"), ("prescription", "person_id")})


@dataclass(frozen=True, slots=True)
class Taken:
    """What an import brought in; what was there already does not count.

    Attributes:
        sessions: How many are new.
        records: How many are new.
        namesakes: What somebody who came in is called here, because somebody else has the name.
    """

    sessions: int
    records: int
    namesakes: tuple[str, ...] = ()


async def write_lines(store: HistoryReader, write: Callable[[str], object]) -> int:
    """Write the whole history, as of one moment.

    Args:
        write: Called in the store's thread with one line after the other, each with its end.

    Returns:
        The number of sessions.
    """

    def job(db: Database) -> int:
        db.execute("BEGIN")
        try:
            sessions = 0
            for line in _lines(db):
                sessions += line["type"] == "session"
                write(text_of(line) + "\n")
            return sessions
        finally:
            db.execute("COMMIT")

    return await store.work(job)


async def read_lines(
    store: HistoryReader, lines: Iterable[str], file: str, *, same_people: bool = False
) -> Taken:
    """Take in a history that `write_lines` wrote: all of it or, after a mistake, nothing.

    What is there already stays as it is, and what was deleted here does not come back.

    Args:
        store: To take it into.
        lines: Of the file.
        file: Its name in messages.
        same_people: Whether those who are called the same are the same; see `persons`.

    Raises:
        InputError: It is not such a file, or a line of it is wrong or contradicts what is here.
    """
    return await store.work(lambda db: _Import(db, file, same_people=same_people).take(lines))


def join_lines(db: Database, lines: Iterable[str], file: str) -> Taken:
    """Take in what a host of a fleet told, deletions among it; in a transaction of the caller's.

    The hosts of a fleet mean the same people by the same ids in their configurations. The lines
    may have three more types::

        {"type": "deleted", "device", "boot_id", "seq", "last_seq"}
        {"type": "deleted_result", "result_id"}
        {"type": "deleted_person", "digest"}                    digest: of the id of a person
    """
    return _Import(db, file, same_people=True, with_deletions=True).take_all(lines)


def header() -> dict[str, Any]:
    """Return the first line."""
    return {"type": FORMAT, "version": VERSION}


def _lines(db: Database) -> Iterator[dict[str, Any]]:
    yield header()
    yield from lines_of_boots(db)
    yield from lines_of_persons(db)
    yield from _lines_of_plans(db)
    labels = _labels(db)
    numbers = db.execute(
        "SELECT id FROM sessions ORDER BY started_utc_ms, device, boot_id, seq"
    ).fetchall()
    for (number,) in numbers:
        yield from _lines_of_row(db, number, labels)
    for (result_id,) in db.execute(
        "SELECT result_id FROM cue_results ORDER BY utc_ms, result_id"
    ).fetchall():
        yield _line_of_result(db, result_id, labels)
    for (prescription_id,) in db.execute(
        "SELECT prescription_id FROM prescriptions ORDER BY utc_ms, prescription_id"
    ).fetchall():
        yield from _lines_of_prescription(db, prescription_id, labels)


def lines_of_boots(db: Database, device: str | None = None) -> Iterator[dict[str, Any]]:
    """Return the lines on what a device, or every one, was known by before."""
    which, values = ("", ()) if device is None else ("WHERE device = ?", (device,))
    query = f"SELECT stand_in, boot_id, device FROM known_boots {which} ORDER BY 1, 2, 3"  # noqa: S608
    for row in _rows(db, query, *values):
        yield {"type": "boot", **row}


def lines_of_persons(db: Database, person_id: str | None = None) -> Iterator[dict[str, Any]]:
    """Return the lines on a person and all ids that are known to be theirs, or on everybody."""
    ids = None if person_id is None else persons.ids_of(db, person_id)
    for row in _rows(
        db, "SELECT person_id, label, labelled_utc_ms, same_as FROM persons ORDER BY person_id"
    ):
        if ids is None or row["person_id"] in ids:
            yield {"type": "person", **row}


def lines_of_session(
    db: Database, number: int, *, from_seq: int = 0, with_heart: bool = True
) -> Iterator[dict[str, Any]]:
    """Return the lines on a session, on its plan first.

    Args:
        db: As of one moment.
        number: Of the session here.
        from_seq: The first record that is wanted.
        with_heart: Whether heart beats are, and what measured them.
    """
    plan_id = db.execute("SELECT plan_id FROM sessions WHERE id = ?", (number,)).fetchone()[0]
    if plan_id is not None:
        yield from _lines_of_plans(db, plan_id)
    yield from _lines_of_row(db, number, _labels(db), from_seq=from_seq, with_heart=with_heart)


def lines_of_result(db: Database, result_id: str) -> Iterator[dict[str, Any]]:
    """Return the lines on a result of cues and whose it is; none if it is not kept."""
    row = db.execute(
        "SELECT person_id FROM cue_results WHERE result_id = ?", (result_id,)
    ).fetchone()
    if row is not None:
        if row[0] is not None:
            yield from lines_of_persons(db, row[0])
        yield _line_of_result(db, result_id, _labels(db))


def lines_of_prescription(db: Database, prescription_id: str) -> Iterator[dict[str, Any]]:
    """Return the lines on a prescription and whose it is; none if it is not kept, or is none."""
    row = db.execute(
        "SELECT person_id FROM prescriptions WHERE prescription_id = ?", (prescription_id,)
    ).fetchone()
    if row is not None:
        for line in _lines_of_prescription(db, prescription_id, _labels(db)):
            yield from lines_of_persons(db, row[0])
            yield line


def _labels(db: Database) -> dict[str, str]:
    return dict(db.execute("SELECT person_id, label FROM persons").fetchall())


def _lines_of_plans(db: Database, plan_id: str | None = None) -> Iterator[dict[str, Any]]:
    which, values = ("", ()) if plan_id is None else ("WHERE plan_id = ?", (plan_id,))
    query = f"SELECT plan_id, routine, data FROM plans {which} ORDER BY plan_id"  # noqa: S608
    for row in _rows(db, query, *values):
        yield {"type": "plan", **row, "data": base64.b64encode(row["data"]).decode()}
    query = f"SELECT plan_id, name, kind, muscles FROM exercises {which} ORDER BY plan_id, name"  # noqa: S608
    for row in _rows(db, query, *values):
        yield {"type": "exercise", **row, "muscles": json.loads(row["muscles"])}


def _lines_of_row(
    db: Database,
    number: int,
    labels: Mapping[str, str],
    *,
    from_seq: int = 0,
    with_heart: bool = True,
) -> Iterator[dict[str, Any]]:
    (row,) = _rows(db, f"SELECT {FACTS} FROM sessions WHERE id = ?", number)  # noqa: S608
    simulated = bool(row.pop("is_simulated"))
    person = labels.get(row["person_id"], row["person_id"])
    yield {"type": "session", **_in_range(row), "person": person, "simulated": simulated}
    of = {name: row[name] for name in ("device", "wearable", "boot_id")} | {"session": row["seq"]}
    kinds = "" if with_heart else f" AND kind != {vocab.HEART}"
    for record in _rows(
        db,
        f"SELECT {', '.join((*RECORD_MAX, *_TIMES))} FROM records"  # noqa: S608 - fixed names
        f" WHERE session_id = ? AND seq >= ?{kinds} ORDER BY seq",
        number,
        from_seq,
    ):
        record["utc_ms"] = to_range(record["utc_ms"])
        yield {"type": "record", **of, **record}
    for event in _rows(
        db,
        "SELECT utc_ms, data FROM host_events WHERE session_id = ?"  # noqa: S608 - fixed text
        f" ORDER BY {HOST_EVENT_ORDER}",
        number,
    ):
        data = json.loads(event.pop("data"))
        if with_heart or type(events.from_json(data)) not in events.EVENTS_OF_THE_HEART:
            yield {"type": "host_event", **of, **_in_range(event), "event": data}


def _line_of_result(db: Database, result_id: str, labels: Mapping[str, str]) -> dict[str, Any]:
    (row,) = _rows(db, f"SELECT {COLUMNS} FROM cue_results WHERE result_id = ?", result_id)  # noqa: S608
    simulated, data = bool(row.pop("is_simulated")), json.loads(row.pop("data"))
    person = labels.get(row["person_id"], row["person_id"])
    told = {**_in_range(row), "person": person, "simulated": simulated}
    return {"type": "cue_result", **told, "data": data}


def _lines_of_prescription(
    db: Database, prescription_id: str, labels: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    query = f"SELECT {prescription_table.COLUMNS} FROM prescriptions WHERE prescription_id = ?"  # noqa: S608
    (row,) = _rows(db, query, prescription_id)
    with suppress(ValueError, RecursionError):  # therapists write them: what is none is no line
        data = json.loads(row.pop("data"))
        prescription.read(data, prescription_id, "", 0)
        person = labels.get(row["person_id"], row["person_id"])
        yield {"type": "prescription", **_in_range(row), "person": person, "data": data}


def _rows(db: Database, query: str, *values: object) -> Iterator[dict[str, Any]]:
    """Return rows by the names of their columns."""
    cursor = db.execute(query, values)
    names = [column[0] for column in cursor.description]
    return (dict(zip(names, row, strict=True)) for row in cursor)


def _in_range(told: dict[str, Any]) -> dict[str, Any]:
    """Return what a row tells with moments that can be imported again."""
    return {
        name: to_range(value) if name.endswith("utc_ms") and value is not None else value
        for name, value in told.items()
    }


# --- in again


class _Import:
    """One import; runs in the store's thread."""

    def __init__(
        self, db: Database, file: str, *, same_people: bool, with_deletions: bool = False
    ) -> None:
        self._db = db
        self._file = file
        self._same_people = same_people
        self._version = VERSION
        self._devices: dict[tuple[str, int], str] = {}
        self._touched: set[int] = set()
        self._sessions = self._records = 0
        self._takers: dict[str, Callable[[dict[str, Any]], None]] = {
            "boot": self._take_boot,
            "person": self._take_person,
            "plan": self._take_plan,
            "exercise": self._take_exercise,
            "session": self._take_session,
            "record": self._take_record,
            "host_event": self._take_host_event,
            "cue_result": self._take_cue_result,
            "prescription": self._take_prescription,
        }
        if with_deletions:
            self._takers |= {
                "deleted": self._take_deleted,
                "deleted_result": lambda item: self._take_deletion(deletion.delete_result, item),
                "deleted_person": lambda item: self._take_deletion(deletion.delete_person_of, item),
            }

    def take(self, lines: Iterable[str]) -> Taken:
        """Take in all lines or, after a mistake, nothing."""
        with transaction(self._db):
            return self.take_all(lines)

    def take_all(self, lines: Iterable[str]) -> Taken:
        """Take in all lines; after a mistake the transaction has to be rolled back.

        Raises:
            InputError: With the line that is wrong.
        """
        db = self._db
        knew = set(persons.names(db).values())
        number = 0
        for number, line in enumerate(lines, 1):
            try:
                self._take_line(line, is_first=number == 1)
            except ContradictionError as error:
                text = f"contradicts what is here: {error}"
                if error.is_about_person and not self._same_people:
                    text += "; where those who are called the same are the same: --same-people"
                raise InputError([Mistake(self._file, number, text)]) from None
            except (KeyError, TypeError, ValueError, binascii.Error, PlanError) as error:
                text = f"lacks {error}" if isinstance(error, KeyError) else str(error)
                raise InputError([Mistake(self._file, number, text)]) from None
            except db.IntegrityError as error:
                text = f"does not fit: {one_line(error)}"
                raise InputError([Mistake(self._file, number, text)]) from None
        if number == 0:
            raise InputError([Mistake(self._file, 0, "is empty")])
        for session in sorted(self._touched):
            if is_kept(db, session):
                settle(db, session)
        persons.forget_unused(db)
        news = set(persons.names(db).values()) - knew
        namesakes = tuple(sorted(name for name in news if name.endswith(")")))
        return Taken(self._sessions, self._records, namesakes)

    def _take_line(self, line: str, *, is_first: bool) -> None:
        if len(line) > LINE_LETTERS_MAX:
            raise ValueError(f"is longer than {LINE_LETTERS_MAX} letters")
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
            if item["version"] not in range(1, VERSION + 1):
                raise ValueError(
                    f"has version {item['version']!r}, this Tenuto knows 1 to {VERSION}"
                )
            self._version = item["version"]
            return
        if not isinstance(kind, str) or (take := self._takers.get(kind)) is None:
            raise ValueError(f"`type` is {kind!r}, allowed is {', '.join(self._takers)}")
        if self._version == 1:
            item = _as_version_2(kind, item)
        _check(kind, item)
        take(item)

    # --- line by line

    def _take_boot(self, item: dict[str, Any]) -> None:
        put_boot(self._db, item["stand_in"], item["boot_id"], item["device"])
        self._devices.clear()

    def _take_person(self, item: dict[str, Any]) -> None:
        db, person_id, label = self._db, item["person_id"], item["label"]
        if deletion.is_erased(db, person_id):
            return
        namesake = persons.called(db, label) if self._same_people else None
        persons.add(db, person_id, label, item["labelled_utc_ms"])
        if namesake is not None:
            persons.join(db, person_id, namesake)
        if item["same_as"] is not None:
            persons.add(db, item["same_as"], "", 0)  # its own line, with its label, comes yet
            persons.join(db, person_id, item["same_as"])

    def _take_plan(self, item: dict[str, Any]) -> None:
        data = base64.b64decode(item["data"], validate=True)
        with suppress(UnknownPlanError):  # kept for the Tenuto that knows it
            plan_bytes.read(item["plan_id"], data)
        plan = (item["plan_id"], item["routine"], data)
        self._db.execute("INSERT INTO plans VALUES (?, ?, ?) ON CONFLICT DO NOTHING", plan)
        (routine,) = self._db.execute(
            "SELECT routine FROM plans WHERE plan_id = ?", plan[:1]
        ).fetchone()
        if routine != item["routine"]:
            raise ContradictionError(
                f"plan {plan[0]} is called {routine!r} here, and {plan[1]!r} there"
            )

    def _take_exercise(self, item: dict[str, Any]) -> None:
        """Keep a note; of two that differ the last one in the alphabet stays."""
        muscles = item["muscles"]
        if not isinstance(muscles, list) or not all(isinstance(one, str) for one in muscles):
            raise ValueError(f"`muscles` is {muscles!r}, a list of names is allowed")
        self._db.execute(
            "INSERT INTO exercises VALUES (?, ?, ?, ?) ON CONFLICT (plan_id, name) DO UPDATE SET"
            " kind = excluded.kind, muscles = excluded.muscles"
            " WHERE (excluded.kind, excluded.muscles) > (exercises.kind, exercises.muscles)",
            (item["plan_id"], item["name"], item["kind"], json.dumps(muscles, ensure_ascii=False)),
        )

    def _take_session(self, item: dict[str, Any]) -> None:
        db = self._db
        device, boot_id, seq = self._key(item, item["seq"])
        if is_deleted(db, device, boot_id, seq):
            return
        if self._is_erased(item):
            deletion.note_deleted(db, device, boot_id, seq, seq)
            return
        person_id = self._person_of(item)
        facts = SessionFacts(
            device,
            boot_id,
            seq,
            item["wearable"],
            person_id,
            *(*(item[name] for name in _TOLD), item["simulated"]),
        )
        self._sessions += session_number(db, device, boot_id, seq) is None
        self._touched.add(put_session(db, facts))

    def _take_deleted(self, item: dict[str, Any]) -> None:
        deletion.delete_session(self._db, *self._key(item, item["seq"]), item["last_seq"])

    def _take_deletion(
        self, delete: Callable[[Database, str], object], item: dict[str, Any]
    ) -> None:
        ((_, what),) = ((name, value) for name, value in item.items() if name != "type")
        delete(self._db, what)

    def _is_erased(self, item: dict[str, Any]) -> bool:
        person_id = item["person_id"]
        return person_id is not None and deletion.is_erased(self._db, person_id)

    def _take_cue_result(self, item: dict[str, Any]) -> None:
        if self._is_erased(item):
            return
        result = results.read(item["kind"], item["data"])
        about = (item["device"], item["wearable"], int(item["simulated"]), item["utc_ms"])
        told = (item["kind"], json.dumps(result.to_json()))
        put(self._db, (item["result_id"], self._person_of(item), *about, *told))

    def _take_prescription(self, item: dict[str, Any]) -> None:
        if self._is_erased(item):
            return
        prescription_id, utc_ms = item["prescription_id"], item["utc_ms"]
        data = prescription.read(item["data"], prescription_id, "", utc_ms).to_json()
        text = json.dumps(data, ensure_ascii=False)
        person_id = self._person_of(item)
        prescription_table.put(
            self._db, (prescription_id, person_id, utc_ms, item["ended_utc_ms"], text)
        )

    def _person_of(self, item: dict[str, Any]) -> str | None:
        """Return the id of whom a line is about; keep them if they are new here."""
        person_id = item["person_id"]
        if person_id is None:
            return None
        if not self._db.execute(
            "SELECT 1 FROM persons WHERE person_id = ?", (person_id,)
        ).fetchone():
            label = item["person"] or person_id.removeprefix(persons.OLD)
            self._take_person(
                {"person_id": person_id, "label": label, "labelled_utc_ms": 0, "same_as": None}
            )
        return persons.who(self._db, person_id)

    def _take_record(self, item: dict[str, Any]) -> None:
        device, boot_id, seq = self._key(item, item["session"])
        if item["seq"] < seq:
            raise ValueError(f"`seq` is {item['seq']}, before that of its session, {seq}")
        number = self._session_of(device, boot_id, seq)
        if number is not None:
            record = events.Record(*(item[name] for name in RECORD_MAX))
            stored = StoredRecord(record, item["utc_ms"], item.get("uncertainty_ms"))
            self._records += put_record(self._db, number, device, boot_id, stored)
            self._touched.add(number)

    def _take_host_event(self, item: dict[str, Any]) -> None:
        device, boot_id, seq = self._key(item, item["session"])
        number = self._session_of(device, boot_id, seq)
        if number is not None:
            event = events.from_json(item["event"])
            if not 0 <= event.t_ms <= NUMBER_MAX:
                raise ValueError(f"`t_ms` is {event.t_ms}, allowed is 0 to {NUMBER_MAX}")
            put_host_event(self._db, number, event, item["utc_ms"])
            self._touched.add(number)

    def _key(self, item: dict[str, Any], seq: int) -> tuple[str, int, int]:
        named = item["device"], item["boot_id"]
        if named not in self._devices:
            self._devices[named] = device_of_boot(self._db, *named)
        return self._devices[named], named[1], seq

    def _session_of(self, device: str, boot_id: int, seq: int) -> int | None:
        """Return the number of the session that a line belongs to, None if it was deleted here."""
        number = session_number(self._db, device, boot_id, seq)
        if number is None and not is_deleted(self._db, device, boot_id, seq):
            raise ValueError("comes before its session")
        return number


def _as_version_2(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    """Add what a line of version 1 lacks: whose it is, by what that was called."""
    item = dict(item)
    if kind in ("session", "record", "host_event"):
        wearable = item["wearable"]
        item["device"] = named(wearable) if isinstance(wearable, str) else wearable
    if kind == "session":
        person = item["person"]
        item["person_id"] = persons.old_id(person) if isinstance(person, str) else person
        item["simulated"] = item["wearable"] == SIMULATED_NAME
    return item


def _check(kind: str, item: dict[str, Any]) -> None:
    """See that what a line has is what its names stand for; that it has them is seen later."""
    for name, allowed in _VALUES[kind].items():
        value = item.get(name)
        may_be_null = name in _MAY_BE_NULL and (kind, name) not in _NEVER_NULL
        is_left_out = value is None and (may_be_null or name not in item)
        if not is_left_out and not _fits(value, allowed):
            told = f"a whole number from 0 to {allowed}" if isinstance(allowed, int) else allowed
            raise ValueError(f"`{name}` is {value!r}, allowed is {told}")


def _fits(value: object, allowed: str | int) -> bool:
    if isinstance(allowed, int):
        return type(value) is int and 0 <= value <= allowed
    if allowed is _TRUTH:
        return isinstance(value, bool)
    if not isinstance(value, str) or "\0" in value:  # PostgreSQL holds none
        return False
    if allowed is _SHORT and not 0 < len(value) <= 128:
        return False
    return allowed is not _ID or bool(re.fullmatch("[0-9a-f]{16}", value))
