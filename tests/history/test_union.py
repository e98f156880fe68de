# SPDX-License-Identifier: MIT
"""Histories that are joined: the same ones lead to the same one, in any order, once or twice."""

from __future__ import annotations

import itertools
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import InputError
from tenuto.history import ExerciseNote, Store, replay
from tenuto.history.jsonlines import Taken, read_lines, write_lines
from tenuto.history.repair import check
from tenuto.sessions.events import Entry, LinkLost, SessionEnded, WearableRestarted
from tests.history.sessions import UTC_MS, Band, eventful_session, whole_session

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DATABASES = Path(__file__).with_name("databases")
KEPT = sorted(DATABASES.glob("v*.sql"))
DAY_MS = 86_400_000


def of(entries: Iterable[Entry], device: str, **more: object) -> list[Entry]:
    """Say that a device played what a test played, and what a host knows of it."""
    return [
        replace(entry, session=replace(entry.session, device=device), **more)  # type: ignore[arg-type]
        for entry in entries
    ]


async def export(path: Path) -> list[str]:
    lines: list[str] = []
    async with Store(path) as store:
        assert (await check(store)).is_sound
        await write_lines(store, lines.append)
    return lines


async def take(path: Path, *files: Sequence[str]) -> list[Taken]:
    async with Store(path) as store:
        return [await read_lines(store, lines, "x.jsonl") for lines in files]


def old_database(path: Path, version: Path) -> Path:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(version.read_text(encoding="utf-8"))
    return path


# --- any histories


def one_host(rng: random.Random) -> list[Entry]:
    """What one of several hosts around the same devices has: a part of it, as it sees it."""
    told: list[Entry] = []
    for number, play in enumerate((whole_session, eventful_session, whole_session)):
        if rng.random() < 0.3:
            continue
        entries = of(
            play(boot_id=number // 2, boot_utc_ms=UTC_MS + number * DAY_MS),
            f"serial:{number % 2}",
            wearable=rng.choice(["wrist", "arm"]),
            person=rng.choice(["anna", None]),
        )
        shift_ms, sure_ms = rng.randrange(-50, 50), rng.choice([None, 2, 9])
        entries = [
            replace(entry, utc_ms=entry.utc_ms + shift_ms, uncertainty_ms=sure_ms)
            for entry in entries
        ]
        begin = rng.choice([0, 0, 5])
        end = rng.choice([len(entries), len(entries), 12])
        part = entries[begin:end]
        for t_ms in rng.sample([3_000, 4_000, 5_000], rng.randrange(3)):
            noticed = rng.choice(
                [
                    LinkLost(t_ms=t_ms),
                    WearableRestarted(t_ms=t_ms),
                    SessionEnded(t_ms=t_ms, reason="failed", source="host"),
                ]
            )
            utc_ms = part[0].utc_ms + t_ms + shift_ms
            part.append(replace(part[0], event=noticed, utc_ms=utc_ms, record=None))
        told += part
    return told


@pytest.mark.parametrize("seed", range(12))
async def test_any_order_and_any_number_of_times_lead_to_the_same(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    # All of them are of one household, so that "anna" is one person: they began from one history.
    async with Store(tmp_path / "seed.db") as store:
        await store.add(of(whole_session(boot_id=77, person="anna"), "serial:0"))
    common = await export(tmp_path / "seed.db")
    hosts = []
    for name in "abc":
        path = tmp_path / f"{name}.db"
        await take(path, common)
        async with Store(path) as store:
            await store.add(one_host(rng))
            kind = rng.choice(["stretch", "strength"])
            await store.describe(
                Band().plan_id.hex(), [ExerciseNote("Glute Bridge", kind, (name,))]
            )
        hosts.append(await export(path))

    results = []
    for number, order in enumerate(itertools.permutations(hosts)):
        path = tmp_path / f"joined-{number}.db"
        await take(path, *order, order[rng.randrange(3)])
        results.append(await export(path))
    for name, others in (("a", (1, 2)), ("c", (1, 0))):  # into one of them
        await take(tmp_path / f"{name}.db", *(hosts[number] for number in others))
        results.append(await export(tmp_path / f"{name}.db"))

    for result in results[1:]:
        assert result == results[0]


# --- old histories


@pytest.mark.parametrize("one,other", list(itertools.combinations_with_replacement(KEPT, 2)))
async def test_two_old_histories_become_one_in_either_order(
    tmp_path: Path, one: Path, other: Path
) -> None:
    first, second = old_database(tmp_path / "1.db", one), old_database(tmp_path / "2.db", other)
    lines = await export(first), await export(second)
    await take(first, lines[1])
    await take(second, lines[0])

    joined = await export(first)
    assert joined == await export(second)
    # They have the same three sessions, so there are no more.
    assert sum('"type": "session"' in line for line in joined) == 3


async def test_what_the_version_before_exported_is_what_its_database_has(tmp_path: Path) -> None:
    old = old_database(tmp_path / "old.db", DATABASES / "v4.sql")
    exported = (DATABASES / "exported_by_v4.jsonl").read_text(encoding="utf-8").splitlines()
    await take(tmp_path / "new.db", exported)

    assert await export(old) == await export(tmp_path / "new.db")
    assert await take(old, exported) == [Taken(0, 0)]


async def test_an_old_session_of_a_device_that_tells_its_number_now_is_there_once(
    tmp_path: Path,
) -> None:
    """One host kept it before the update, the other one after, and both still have it."""
    entries = whole_session(boot_id=5, person=None)
    new = of(entries, "serial:7")
    orders = []
    for number, steps in enumerate(itertools.permutations(("old", "new", "meet"))):
        path = tmp_path / f"{number}.db"
        async with Store(path) as store:
            for step in steps:
                if step == "old":
                    # As it is exported by who never met the device itself.
                    async with Store(tmp_path / "other.db") as other:
                        await other.add(entries[:30])
                    await read_lines(store, await export(tmp_path / "other.db"), "other.jsonl")
                elif step == "new":
                    await store.add(new[10:])
                else:
                    await store.meet("serial:7", 5, "name:wrist")
            (row,) = await store.sessions()
            session = await store.session(row.id)
            assert session is not None
            assert row.key == new[0].session
            assert [event for event, _ in replay(session)] == [entry.event for entry in entries]
            assert await store.last_seq("serial:7", 5) == len(entries) - 1
            assert await store.last_seq("name:wrist", 5) is None
            assert (await check(store)).is_sound
        orders.append([line for line in await export(path) if '"person' not in line])
    assert all(lines == orders[0] for lines in orders)


# --- who is who


async def test_hosts_that_use_the_same_names_do_not_collide(tmp_path: Path) -> None:
    here = of(whole_session(boot_id=1, person="anna"), "serial:1")
    there = of(eventful_session(boot_id=1, person="anna"), "serial:2")
    async with Store(tmp_path / "a.db") as store:
        await store.add(here)
    async with Store(tmp_path / "b.db") as store:
        await store.add(there)
    (taken,) = await take(tmp_path / "a.db", await export(tmp_path / "b.db"))

    async with Store(tmp_path / "a.db") as store:
        first, second = sorted(await store.sessions(), key=lambda row: row.id)
        assert (first.wearable, first.person) == (second.wearable, "anna")
        assert taken.namesakes == (second.person,)
        assert second.person is not None
        assert second.person.startswith("anna (")
        for row, entries in ((first, here), (second, there)):
            session = await store.session(row.id)
            assert session is not None
            assert [e for e, _ in replay(session)] == [entry.event for entry in entries]
        # The next session here is of the anna from here.
        await store.add(of(whole_session(boot_id=9, person="anna"), "serial:1"))
        assert [row.person for row in await store.sessions()].count("anna") == 2

        # They turn out to be the same.
        assert await store.rename_person(second.person, "anna", UTC_MS)
        assert {row.person for row in await store.sessions()} == {"anna"}


async def test_those_who_are_called_the_same_can_be_said_to_be_the_same(tmp_path: Path) -> None:
    for name in "ab":
        async with Store(tmp_path / f"{name}.db") as store:
            entries = whole_session(boot_id=ord(name), person="anna")
            await store.add(of(entries, f"serial:{name}"))
    lines = {name: await export(tmp_path / f"{name}.db") for name in "ab"}
    results = []
    for name, other in ("ab", "ba"):
        async with Store(tmp_path / f"{name}.db") as store:
            await read_lines(store, lines[other], "x.jsonl", same_people=True)
            assert [row.person for row in await store.sessions()] == ["anna", "anna"]
        results.append(await export(tmp_path / f"{name}.db"))

    assert results[0] == results[1]


async def test_a_person_who_is_renamed_is_the_same(tmp_path: Path) -> None:
    async with Store(tmp_path / "a.db") as store:
        await store.add(of(whole_session(boot_id=1, person="anna"), "serial:1"))
        before = await export(tmp_path / "a.db")
        await store.rename_person("anna", "anne", 2 * UTC_MS)
        await store.add(of(whole_session(boot_id=2, person="anne"), "serial:1"))
        assert [row.person for row in await store.sessions()] == ["anne", "anne"]
        # An export from before does not undo it.
        assert await read_lines(store, before, "x.jsonl") == Taken(0, 0)
        assert [row.person for row in await store.sessions()] == ["anne", "anne"]
        with pytest.raises(InputError, match="knows no 'carl'; it knows anne"):
            await store.rename_person("carl", "karl", UTC_MS)


# --- contradictions


@pytest.mark.parametrize(
    "change,text",
    [
        (lambda e: replace(e, record=replace(e.record, b=7)), "record 3 of boot 00000001"),
        (lambda e: replace(e, person="ben"), "the person of session 00000001-0 of serial:1 is"),
    ],
)
async def test_what_contradicts_is_told_and_nothing_is_taken(
    tmp_path: Path, change: object, text: str
) -> None:
    person = "ada" if "person" in text else None
    entries = of(whole_session(boot_id=1, person=person), "serial:1")
    assert callable(change)
    other = [
        change(entry) if entry.record and entry.record.seq == 3 else entry for entry in entries
    ]
    if person is not None:
        other = [change(entry) for entry in entries]
    for name, told in (("a", entries), ("b", other)):
        async with Store(tmp_path / f"{name}.db") as store:
            await store.add(told)
    lines = {name: await export(tmp_path / f"{name}.db") for name in "ab"}
    for name, its_other in ("ab", "ba"):
        with pytest.raises(InputError, match=f"contradicts what is here: {text}") as refused:
            await take(tmp_path / f"{name}.db", lines[its_other])
        assert ("--same-people" in str(refused.value)) == (person is not None)
        assert lines[name] == await export(tmp_path / f"{name}.db")


async def test_a_device_that_contradicts_itself_is_told_and_the_first_word_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entries = whole_session()
    record = entries[3].record
    assert record is not None
    async with Store(tmp_path / "a.db") as store:
        await store.add(entries)
        await store.add([replace(entries[3], record=replace(record, c=99))])
        (row,) = await store.sessions()
        session = await store.session(row.id)

    assert session is not None
    assert [event for event, _ in replay(session)] == [entry.event for entry in entries]
    assert "wearable=wrist not kept: record 3 of boot" in caplog.text


# --- numbers from outside


@pytest.mark.parametrize(
    "field,value",
    [("seq", 1 << 32), ("seq", -1), ("at_ms", 1 << 32), ("kind", 256), ("a", 1 << 16)],
)
async def test_numbers_that_no_log_has_are_not_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, field: str, value: int
) -> None:
    entries = whole_session()
    record = entries[5].record
    assert record is not None
    strange = replace(entries[5], record=replace(record, **{field: value}))
    async with Store(tmp_path / "a.db") as store:
        await store.add([*entries[:5], strange, *entries[6:]])
        assert await store.last_seq("name:wrist", entries[0].session.boot_id) == len(entries) - 1
        (row,) = await store.sessions()
        session = await store.session(row.id)

    assert session is not None
    assert len(session.records) == len(entries) - 1
    assert "not kept" in caplog.text


async def test_a_clock_that_is_wrong_loses_no_session(tmp_path: Path) -> None:
    entries = [replace(entry, utc_ms=1 << 60) for entry in whole_session()]
    async with Store(tmp_path / "a.db") as store:
        await store.add(entries)
    lines = await export(tmp_path / "a.db")

    assert await take(tmp_path / "b.db", lines) == [Taken(1, len(entries))]


@pytest.mark.parametrize(
    "old,new,text",
    [
        ('"utc_ms": 18', '"utc_ms": 253402300799', "`utc_ms` is 2534"),
        ('"session": 0, "seq": 3', '"session": 4, "seq": 3', "before that of its session"),
        ('"boot_id": 1', '"boot_id": 4294967296', "`boot_id` is 4294967296"),
        ('"simulated": false', '"simulated": 0', "`simulated` is 0"),
        ('"device": "serial:1"', '"device": ""', "`device` is ''"),
    ],
)
async def test_lines_with_numbers_that_cannot_be_are_refused(
    tmp_path: Path, old: str, new: str, text: str
) -> None:
    async with Store(tmp_path / "a.db") as store:
        await store.add(of(whole_session(boot_id=1), "serial:1"))
    lines = await export(tmp_path / "a.db")
    assert any(old in line for line in lines)
    with pytest.raises(InputError, match=text):
        await take(tmp_path / "b.db", [line.replace(old, new) for line in lines])
    async with Store(tmp_path / "b.db") as store:
        assert await store.sessions() == []
