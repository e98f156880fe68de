# SPDX-License-Identifier: MIT
"""What has to be in the central history after a day: what the bands logged, byte for byte."""

from __future__ import annotations

import json
import struct
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from tenuto.fleet.postgres import CentralHistory
from tenuto.history import Store
from tenuto.history.jsonlines import read_lines, write_lines
from tenuto.history.summary import replay
from tenuto.mqtt.topics import event_payload
from tenuto.sessions.events import EVENTS_OF_THE_HEART, Entry

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from tenuto.history.reading import HistoryReader
    from tests.clinic.day import Clinic

Key = tuple[str, int, int]
"""Of a session: device, boot and the number of its first record."""
Records = dict[int, bytes]
RECORD = "<IBBHII"
QUERY = (
    "SELECT s.device, s.boot_id, s.seq, r.seq, r.at_ms, r.kind, r.step, r.a, r.b, r.c"
    " FROM records AS r JOIN sessions AS s ON s.id = r.session_id"
)


@dataclass(slots=True)
class Found:
    """What was counted.

    Attributes:
        sessions: In the central history.
        cut: Those of them whose band lost its memory in mid-session.
        records: Likewise.
        lacking, doubled, invented: Records; all of them have to be 0.
        died: Records that were gone with a band's memory before any host had read them.
        deleted: Sessions that were deleted, and are nowhere.
        erased: People who were, likewise.
    """

    sessions: int = 0
    cut: int = 0
    records: int = 0
    lacking: int = 0
    doubled: int = 0
    invented: int = 0
    died: int = 0
    deleted: int = 0
    erased: set[str] = field(default_factory=set)


async def prove(clinic: Clinic, found: Found, *, are_ends_known: bool) -> None:
    """Compare the central history with the bands' logs.

    Args:
        clinic: With all its hosts up.
        found: Where to count; who was erased is there already.
        are_ends_known: Whether each host has met its bands since they lost their memory last.

    Raises:
        AssertionError: They differ, with where.
    """
    with psycopg.connect(clinic.url) as db:
        central, found.doubled = by_session(db.execute(QUERY).fetchall())
        reasons = {
            (device, boot_id, seq): reason
            for device, boot_id, seq, reason in db.execute(
                "SELECT device, boot_id, seq, reason FROM sessions"
            ).fetchall()
        }
    assert not found.doubled, f"{found.doubled} records are there twice"
    kept: dict[Key, Records] = defaultdict(dict)
    for room in clinic.rooms:
        assert room.host is not None
        rows = await room.host.store.work(lambda db: db.execute(QUERY).fetchall())
        here, doubled = by_session(rows)
        assert not doubled, f"{room.name}: {doubled} records are there twice"
        for key, records in here.items():
            kept[key] |= records
    for room in clinic.rooms:
        assert room.host is not None
        heard = {
            without_times(one.payload)
            for one in room.line.published
            if one.topic.endswith("/event")
        }
        lacking = await unheard(room.host.store, heard)
        assert not lacking, f"{room.name} has {len(lacking)} events that nobody heard: {lacking}"
    cut = ("failed",) if are_ends_known else ("failed", None)
    _compare(clinic, central, kept, reasons, cut=cut, found=found)
    await _see_that_it_is_the_union(clinic)


async def unheard(store: HistoryReader, heard: Container[str]) -> list[str]:
    """Return the events of a host's history that nobody heard by the broker.

    Args:
        store: The history of the host.
        heard: What came by its topics, see `without_times`.
    """
    lacking = []
    for row in await store.sessions():
        stored = await store.session(row.id)
        assert stored is not None
        for event, utc_ms in replay(stored):
            if type(event) not in EVENTS_OF_THE_HEART:
                entry = Entry(row.key, row.wearable, None, event, utc_ms)
                told = without_times(json.dumps(event_payload(entry)).encode())
                lacking += [told] * (told not in heard)
    return lacking


def without_times(payload: bytes) -> str:
    """Return an event without what a later, better knowledge of the band's clock changes."""
    told: dict[str, Any] = json.loads(payload)
    for name in ("late", "utc"):
        told.pop(name, None)
    return json.dumps(told, sort_keys=True)


def by_session(rows: list[tuple[int, ...]]) -> tuple[dict[Key, Records], int]:
    """Return the bytes of each record by session and number, and how many are there twice."""
    found: dict[Key, Records] = defaultdict(dict)
    seen: set[tuple[object, ...]] = set()
    doubled = 0
    for device, boot_id, seq, number, *values in rows:
        doubled += (device, boot_id, number) in seen
        seen.add((device, boot_id, number))
        found[str(device), boot_id, seq][number] = struct.pack(RECORD, *values)
    return found, doubled


def _compare(
    clinic: Clinic,
    central: Mapping[Key, Records],
    kept: Mapping[Key, Records],
    reasons: Mapping[Key, str | None],
    *,
    cut: tuple[str | None, ...],
    found: Found,
) -> None:
    expected: set[Key] = set()
    wrong: list[str] = []
    for patient, life in ((one, life) for one in clinic.patients for life in one.lives):
        for first, end, reason in life.sessions():
            key = (patient.device, life.boot_id, first)
            if key in clinic.deleted or patient.name in found.erased:
                found.deleted += key in clinic.deleted
                if key in central or key in kept:
                    wrong.append(f"{key} was deleted, and is there")
                continue
            logged = dict(enumerate(life.records[first:end], first))
            if life.is_over:
                # What nobody read before the band lost its memory is nowhere.
                read = kept.get(key, {})
                found.died += len(logged) - len(read)
                logged = {number: logged[number] for number in logged if number in read}
                if not logged:
                    continue
            is_whole = first + len(logged) == end and reason is not None
            wrong += _differences(key, logged, central.get(key, {}), found)
            if reasons.get(key) not in ((reason,) if is_whole else cut):
                wrong.append(f"{key} ended as {reasons.get(key)}, by its band {reason}")
            found.cut += not is_whole
            expected.add(key)
    others = central.keys() - expected
    assert not wrong, "\n".join([f"{len(wrong)} sessions are wrong:", *wrong[:20]])
    assert not others, f"sessions that no band played: {sorted(others)[:20]}"
    found.sessions = len(expected)
    found.records = sum(map(len, central.values()))


def _differences(key: Key, logged: Records, there: Records, found: Found) -> Iterator[str]:
    if list(logged) != list(range(key[2], key[2] + len(logged))):
        yield f"{key} has a hole: {list(logged)}"
    lacking = logged.keys() - there.keys()
    invented = [one for one in there if there[one] != logged.get(one)]
    found.lacking += len(lacking)
    found.invented += len(invented)
    if lacking or invented:
        yield f"{key} lacks {sorted(lacking)}, and has what was never logged: {invented}"


async def _see_that_it_is_the_union(clinic: Clinic) -> None:
    """See that it is what comes of joining the histories of all hosts, times and names included."""
    with tempfile.TemporaryDirectory(dir=clinic.folder) as folder:
        async with CentralHistory(clinic.url) as central, Store(Path(folder) / "h.db") as union:
            for room in clinic.rooms:
                assert room.host is not None
                lines = await _told(room.host.store)
                await read_lines(union, lines, room.name, same_people=True)
            told, joined = _for_all(await _told(central)), _for_all(await _told(union))
    differ = [pair for pair in zip(told, joined, strict=False) if pair[0] != pair[1]]
    assert told == joined, f"{len(told)} lines, of all hosts {len(joined)}: {differ[:3]}"


async def _told(store: HistoryReader) -> list[str]:
    lines: list[str] = []
    await write_lines(store, lines.append)
    return lines


def _for_all(lines: list[str]) -> list[dict[str, Any]]:
    """Return what every history that has it tells in the same way.

    Not so the boots in which nothing was played, and by which of their ids a person goes: a host
    forgets its own of somebody all of whose sessions there were deleted.
    """
    told = [json.loads(line) for line in lines]
    for line in told:
        line.pop("person_id", None)
    return [line for line in told if line["type"] not in ("boot", "person")]
