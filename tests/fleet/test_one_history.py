# SPDX-License-Identifier: MIT
"""Two hosts and their bands, one history: each record once, whoever brings it and how often."""

from __future__ import annotations

import json
import random
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest

from tenuto.errors import InputError, StoreError
from tenuto.fleet import inbox
from tenuto.fleet.forwarder import Forwarder
from tenuto.fleet.inbox import lags, send
from tenuto.fleet.postgres import CentralHistory
from tenuto.fleet.rights import grant
from tenuto.fleet.schema import set_up
from tenuto.history import Store
from tenuto.history.jsonlines import write_lines
from tenuto.history.repair import rebuild
from tenuto.sessions.events import EVENTS_OF_THE_HEART
from tests.fleet.server import as_user
from tests.history.prescribed import prescription
from tests.history.sessions import UTC_MS, eventful_session, whole_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tenuto.history import StoredSession
    from tenuto.history.reading import HistoryReader
    from tenuto.sessions.events import Entry
    from tests.fleet.server import PostgresServer

pytestmark = pytest.mark.real_time


@dataclass
class Room:
    """A host with its history, which forwards."""

    store: Store
    forwarder: Forwarder


@asynccontextmanager
async def room(
    folder: Path, url: str, name: str, *, heart: bool = True, people: Sequence[str] = ()
) -> AsyncIterator[Room]:
    async with (
        Store(folder / f"{name}.db") as store,
        CentralHistory(as_user(url, "a_host")) as central,
    ):
        await store.forwarding.turn(on=True)
        yield Room(
            store,
            Forwarder(
                store, central, host=name, shares_heart=lambda _: heart, people=lambda: people
            ),
        )


async def join_all(central: CentralHistory) -> int:
    """Join the inbox; return how many parcels were refused."""
    return (await inbox.join_all(central)).refused


def logged(entries: Sequence[Entry]) -> list[tuple[int, ...]]:
    """What the band logged, once, in order."""
    records = {one.record.seq: one.record for one in entries if one.record is not None}
    return [tuple(vars_of(records[seq])) for seq in sorted(records)]


def vars_of(record: object) -> list[int]:
    names = ("seq", "at_ms", "kind", "step", "a", "b", "c")
    return [getattr(record, name) for name in names]


def kept(session: StoredSession | None) -> list[tuple[int, ...]]:
    assert session is not None
    return [tuple(vars_of(one.record)) for one in session.records]


async def test_a_band_that_moves_is_one_session_with_each_record_once(
    central: str, tmp_path: Path
) -> None:
    """It plays by itself; room A reads the beginning of its log, room B some of it and the rest."""
    entries = whole_session()
    async with (
        room(tmp_path, central, "a") as a,
        room(tmp_path, central, "b") as b,
        CentralHistory(central) as history,
    ):
        await b.store.add(entries[14:])
        await b.forwarder.forward()
        await a.store.add(entries[:25])
        await a.forwarder.forward()
        assert await join_all(history) == 0

        (row,) = await history.sessions()
        assert kept(await history.session(row.id)) == logged(entries)
        assert (row.person, row.reason, row.routine) == ("ada", "finished", "lower-back")
        assert await a.forwarder.forward() == 0, "nothing is sent twice"


async def test_what_is_sent_twice_or_in_another_order_changes_nothing(
    central: str, tmp_path: Path
) -> None:
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    print(f"seed {seed}")  # noqa: T201
    entries = whole_session() + eventful_session(boot_id=5, person="eve")
    async with room(tmp_path, central, "a") as a, CentralHistory(central) as history:
        while entries:
            await a.store.add(entries[:20])
            del entries[:20]
            parcels = [await a.store.forwarding.next(4, with_heart=lambda _: True)]
            await a.store.forwarding.note_all()  # as after a loss of power, all of it once more
            parcels.append(await a.store.forwarding.next(4, with_heart=lambda _: True))
            parcels *= 2
            rng.shuffle(parcels)
            for parcel in parcels:
                lines = parcel.lines
                await history.work(lambda db, lines=lines: send(db, "a", lines))  # type: ignore[misc]
        assert await join_all(history) == 0

        assert await told(history) == await told(a.store)


async def told(history: HistoryReader) -> list[str]:
    """All of a history, but for what each one alone decides."""
    lines: list[str] = []
    await write_lines(history, lines.append)
    return lines


async def test_the_records_of_a_month_have_a_partition(central: str, tmp_path: Path) -> None:
    month_ms = 31 * 86_400_000
    async with room(tmp_path, central, "a") as a, CentralHistory(central) as history:
        for boot_id in range(3):
            await a.store.add(
                whole_session(boot_id=boot_id, boot_utc_ms=UTC_MS + boot_id * month_ms)
            )
        await a.forwarder.forward()
        await join_all(history)

        counts = await history.work(
            lambda db: db.execute(
                "SELECT tableoid::regclass::text, count(*) FROM records GROUP BY 1 ORDER BY 1"
            ).fetchall()
        )
        each = len(logged(whole_session()))
        assert counts == [(f"records_{month}", each) for month in ("2701", "2702", "2703")]


@pytest.mark.parametrize("heart", [False, True])
async def test_heart_beats_go_along_only_where_that_is_wanted(
    central: str, tmp_path: Path, *, heart: bool
) -> None:
    entries = whole_session()
    async with (
        room(tmp_path, central, "a", heart=heart) as a,
        CentralHistory(central) as history,
    ):
        await a.store.add(entries)
        await a.forwarder.forward()
        await join_all(history)

        quiet = [one for one in entries if type(one.event) not in EVENTS_OF_THE_HEART]
        assert len(quiet) < len(entries)
        wanted = entries if heart else quiet
        assert kept(await history.find(entries[0].session)) == logged(wanted)


async def test_a_central_history_that_is_away_costs_nothing(
    postgres: PostgresServer, central: str, tmp_path: Path
) -> None:
    async with room(tmp_path, central, "a") as a:
        await a.store.add(whole_session())
        await a.forwarder.forward()
        postgres.stop()
        try:
            for boot_id in range(3):
                await a.store.add(whole_session(boot_id=boot_id))
                with pytest.raises(StoreError, match="cannot be used"):
                    await a.forwarder.forward()
            waiting = await a.store.forwarding.waiting()
            assert waiting.count == 3, "a note for each session, however long it is away"
        finally:
            postgres.start_again()
        await a.forwarder.forward()
    async with CentralHistory(central) as history:
        await join_all(history)
        assert len(await history.sessions()) == 4
        (lag,) = await history.work(lags)
        assert (lag.host, lag.waiting, lag.unjoined, lag.refused) == ("a", 0, 0, 0)


async def test_a_parcel_that_contradicts_is_kept_and_holds_up_nobody(
    central: str, tmp_path: Path
) -> None:
    entries = whole_session()
    async with room(tmp_path, central, "a") as a, CentralHistory(central) as history:
        await history.work(lambda db: send(db, "b", "nonsense"))
        await a.store.add(entries)
        await a.forwarder.forward()

        assert await join_all(history) == 1
        assert kept(await history.find(entries[0].session)) == logged(entries)
        refused = {lag.host: (lag.refused, lag.why) for lag in await history.work(lags)}
        assert refused["a"] == (0, "")
        assert refused["b"][0] == 1
        assert "is no JSON" in refused["b"][1]


async def test_it_is_set_up_twice_and_a_newer_one_is_left_alone(central: str) -> None:
    async with CentralHistory(central) as history:
        await history.work_in_postgres(set_up)
        await history.work(lambda db: db.execute("UPDATE tenuto_version SET number = 99"))
        with pytest.raises(StoreError, match="version 99"):
            await history.work_in_postgres(set_up)


async def test_what_happens_while_it_is_sent_is_sent_next(central: str, tmp_path: Path) -> None:
    entries = whole_session()
    async with room(tmp_path, central, "a") as a, CentralHistory(central) as history:
        forwarding = a.store.forwarding
        await a.store.add(entries[:10])
        parcel = await forwarding.next(4, with_heart=lambda _: True)
        await a.store.add(entries[10:])
        await history.work(lambda db: send(db, "a", parcel.lines))
        await forwarding.told(parcel.notes)
        assert (await forwarding.waiting()).count == 1
        await a.forwarder.forward()
        assert await join_all(history) == 0
        assert kept(await history.find(entries[0].session)) == logged(entries)


async def test_what_is_damaged_on_a_host_is_told_until_it_is_repaired(
    central: str, tmp_path: Path
) -> None:
    spoil = "INSERT INTO host_events (session_id, t_ms, utc_ms, data) VALUES (1, 1, 1, '{')"
    async with room(tmp_path, central, "a") as a, CentralHistory(central) as history:
        await a.store.add(whole_session())
        await a.store.work(lambda db: db.execute(spoil))
        with pytest.raises(StoreError, match="a session cannot be read: `tenuto history check"):
            await a.forwarder.forward()
        await rebuild(a.store)
        await a.forwarder.forward()
        assert await join_all(history) == 0
        assert len(await history.sessions()) == 1


async def test_only_what_is_new_of_a_session_is_sent(central: str, tmp_path: Path) -> None:
    entries = whole_session()
    async with room(tmp_path, central, "a") as a:
        await a.store.add(entries[:20])
        await a.forwarder.forward()
        await a.store.add(entries[20:22])
        parcel = await a.store.forwarding.next(4, with_heart=lambda _: True)
        new = {one.record.seq for one in entries[20:22] if one.record is not None}
        told_of = [json.loads(line) for line in parcel.lines.splitlines()]
        assert {line["seq"] for line in told_of if line["type"] == "record"} == new


# --- who may do what


async def test_each_sees_what_is_theirs(central: str, tmp_path: Path) -> None:
    """A therapist sees their people, a person themselves, a host nobody."""
    async with (
        room(tmp_path, central, "a") as a,
        CentralHistory(central) as owner,
        CentralHistory(as_user(central, "a_therapist"), read_only=True) as therapist,
        CentralHistory(as_user(central, "a_person"), read_only=True) as person,
        CentralHistory(as_user(central, "a_host")) as host,
    ):
        for number, name in enumerate(("ada", "eve", "ida")):
            await a.store.add(whole_session(boot_id=number, person=name))
        await a.forwarder.forward()
        await join_all(owner)
        assert await therapist.sessions() == []
        for user, name in (("a_therapist", "ada"), ("a_therapist", "eve"), ("a_person", "eve")):
            await owner.work(lambda db, user=user, name=name: grant(db, user, name))  # type: ignore[misc]

        assert {row.person for row in await therapist.sessions()} == {"ada", "eve"}
        assert {row.person for row in await person.sessions()} == {"eve"}
        counts = "SELECT count(*), count(DISTINCT session_id) FROM records"
        each = len(logged(whole_session()))
        assert await person.work(lambda db: db.execute(counts).fetchone()) == (each, 1)
        (mine,) = await person.sessions()
        assert kept(await person.session(mine.id)) == logged(whole_session())
        with pytest.raises(StoreError, match="does not let"):
            await host.sessions()

        await owner.work(lambda db: grant(db, "a_therapist", "ada", revoke=True))
        assert {row.person for row in await therapist.sessions()} == {"eve"}
        with pytest.raises(InputError, match="knows no 'zoe'; it knows ada, eve, ida"):
            await owner.work(lambda db: grant(db, "a_therapist", "zoe"))


@pytest.mark.parametrize(
    "user, statement",
    [
        ("a_host", "SELECT lines FROM inbox"),
        ("a_host", "DELETE FROM inbox"),
        ("a_host", "INSERT INTO inbox (host, lines, role) VALUES ('b', '', 'owner')"),
        ("a_host", "SELECT * FROM records"),
        ("a_host", "SELECT * FROM records_2701"),
        ("a_host", "DELETE FROM sessions"),
        ("a_therapist", "SELECT * FROM records_2701"),
        ("a_therapist", "INSERT INTO inbox (host, lines) VALUES ('b', '')"),
        ("a_therapist", "UPDATE sessions SET person_id = NULL"),
        ("a_therapist", "INSERT INTO sees VALUES ('a_therapist', 'x')"),
        ("a_person", "SELECT * FROM sees"),
        ("a_person", "DELETE FROM records"),
    ],
)
async def test_nobody_does_more_than_they_may(
    central: str, tmp_path: Path, user: str, statement: str
) -> None:
    async with room(tmp_path, central, "a") as a, CentralHistory(central) as owner:
        await a.store.add(whole_session())
        await a.forwarder.forward()
        await join_all(owner)
    with (
        psycopg.connect(as_user(central, user), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


# --- deletion


@pytest.mark.parametrize("what", ["session", "person"])
async def test_what_is_deleted_on_one_host_is_nowhere(
    central: str, tmp_path: Path, what: str
) -> None:
    """Not in any file of a host or table of the central history; it does not come back either."""
    entries = whole_session(person="hypatia")
    rest = eventful_session(boot_id=5, person="eve")
    async with (
        room(tmp_path, central, "a") as a,
        room(tmp_path, central, "b") as b,
        CentralHistory(central) as history,
    ):
        for one in (a, b):
            await one.store.add(entries)
        await b.store.add(rest)
        if what == "person":
            await a.store.prescribing.add(prescription(person="hypatia", note="for hypatia"))
        for one in (a, b):
            await one.forwarder.forward()
        await join_all(history)
        await b.forwarder.forward()
        assert len(await b.store.prescriptions()) == (what == "person")
        shutil.copy(tmp_path / "b.db", tmp_path / "export.copy")
        assert await traces(central, tmp_path, "hypatia")

        if what == "person":
            assert await a.store.delete_person("hypatia") == (1, 0)
            # She has played on b as well, and b has not told it yet.
            await b.store.add(whole_session(boot_id=77, person="hypatia"))
        else:
            (row,) = await a.store.sessions()
            assert await a.store.delete(row.id) == 1
        await b.store.forwarding.note_all()  # it is told once more before the deletion arrives
        late = await b.store.forwarding.next(99, with_heart=lambda _: True)
        await a.forwarder.forward()
        await join_all(history)
        await history.work(lambda db: send(db, "b", late.lines))
        await join_all(history)
        await b.forwarder.forward()
        await join_all(history)

        assert [row.person for row in await history.sessions()] == ["eve"]
        assert [row.person for row in await b.store.sessions()] == ["eve"]
    (tmp_path / "export.copy").unlink()
    assert await traces(central, tmp_path, "hypatia") == []


def files_with(folder: Path, word: str) -> list[str]:
    return [path.name for path in folder.iterdir() if word.encode() in path.read_bytes()]


async def test_a_deletion_elsewhere_does_not_count_as_read_here(
    central: str, tmp_path: Path
) -> None:
    """The host goes on reading the band's log where it was, not behind what others have read."""
    read, unread = whole_session(boot_id=0), whole_session(boot_id=1)
    async with (
        room(tmp_path, central, "a") as a,
        room(tmp_path, central, "b") as b,
        CentralHistory(central) as history,
    ):
        await b.store.add(read[:14])
        await a.store.add(read + unread)
        await a.store.delete(*(row.id for row in await a.store.sessions()))
        await a.forwarder.forward()
        await join_all(history)
        await b.forwarder.forward()
        assert await b.store.sessions() == []

        own = max(one.record.seq for one in read[:14] if one.record is not None)
        device = read[0].session.device
        assert await b.store.last_seq(device, 0) == own
        assert not await b.store.last_seq(device, 1), "record 0 is that of the boot"
        assert await a.store.last_seq(device, 1) == logged(unread)[-1][0]


async def test_a_central_history_that_was_lost_is_made_anew_by_the_hosts(
    postgres: PostgresServer, central: str, tmp_path: Path
) -> None:
    """Deletions too: their numbers begin anew, and the hosts notice."""
    async with room(tmp_path, central, "a") as a, CentralHistory(central) as history:
        for boot_id in range(3):
            await a.store.add(whole_session(boot_id=boot_id))
        for row in (await a.store.sessions())[:2]:
            await a.store.delete(row.id)
        await a.forwarder.forward()
        await join_all(history)
        await a.forwarder.forward()
        assert await a.store.forwarding.deletions_taken() > 0
    anew = postgres.database()
    async with (
        room(tmp_path, anew, "a") as a,
        room(tmp_path, anew, "b") as b,
        CentralHistory(anew) as history,
    ):
        await b.store.add(whole_session(boot_id=9))
        await b.forwarder.forward()
        await join_all(history)
        (row,) = await b.store.sessions()
        await b.store.delete(row.id)
        await a.store.add(whole_session(boot_id=9))
        await b.forwarder.forward()
        await join_all(history)
        await a.forwarder.forward()
        assert [one.key.boot_id for one in await a.store.sessions()] == [0]
        await a.store.forwarding.note_all()
        await a.forwarder.forward()
        await join_all(history)
        assert await told(history) == await told(a.store)


async def traces(central: str, folder: Path, word: str) -> list[str]:
    """Where a word is found: files of the hosts, tables of the central history."""
    found = files_with(folder, word)
    with psycopg.connect(central) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        assert len(tables) > 10
        for (table,) in tables:
            query = f'SELECT count(*) FROM "{table}" AS t WHERE strpos(t::text, %s) > 0'  # noqa: S608
            row = connection.execute(query.encode(), [word]).fetchone()
            if row is not None and row[0]:
                found.append(table)
    return found
