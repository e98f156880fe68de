# SPDX-License-Identifier: MIT
"""What comes into the inbox, whoever sent it, and a database that cannot be used for a while."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tenuto.errors import StoreError
from tenuto.fleet import inbox, postgres
from tenuto.fleet.inbox import lags, send, try_again
from tenuto.fleet.postgres import CentralHistory
from tenuto.history import forwarding
from tenuto.history.jsonlines import header, join_lines
from tests.fleet.test_one_history import join_all, room, traces
from tests.history.sessions import whole_session

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real_time


def parcel(*lines: object) -> str:
    told = (header(), *lines)
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in told)


def person(person_id: str, label: str = "ada", **changes: Any) -> dict[str, Any]:
    about = {"person_id": person_id, "label": label, "labelled_utc_ms": 1, "same_as": None}
    return {"type": "person", **about, **changes}


def result(person_id: str, label: str) -> dict[str, Any]:
    """What keeps a person in the history."""
    about = {"type": "prescription", "prescription_id": person_id, "person": label}
    when = {"person_id": person_id, "utc_ms": 1, "ended_utc_ms": None}
    days = {"days": ["mon"], "times_a_week": 1, "first": "2027-01-04", "last": "2027-02-01"}
    return about | when | {"data": {"routine": "calf", "title": "Calf", **days}}


async def people(history: CentralHistory) -> set[str]:
    return {one.person for one in await history.prescriptions()}


async def test_a_line_ends_where_it_ends_whatever_letters_it_has(central: str) -> None:
    """A text may have letters at which `str.splitlines` breaks a line, as a name from a phone."""
    async with CentralHistory(central) as history:
        lines = parcel(person("0" * 16, "a\u2028da\x85"), result("0" * 16, "a\u2028da\x85"))
        await history.work(lambda db: send(db, "a", lines))
        assert await join_all(history) == 0
        assert await people(history) == {"a\u2028da\x85"}


async def test_a_session_that_comes_while_a_backup_is_made_is_joined_after_it(
    central: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backup reads `records`, so no partition for a new month can be made."""
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT_MS", 50)
    async with room(tmp_path, central, "a") as a, CentralHistory(central) as history:
        await a.store.add(whole_session())
        await a.forwarder.forward()
        with psycopg.connect(central) as backup:
            backup.execute("SELECT FROM records")
            with pytest.raises(StoreError, match="held by another user of it, or by a backup"):
                await join_all(history)
        assert await join_all(history) == 0
        assert len(await history.sessions()) == 1


@pytest.mark.parametrize("line", ["no line", '{"type": []}', '{"type": "record"}', "[" * 5_000])
async def test_what_is_wrong_takes_nothing_else_of_its_parcel_along(
    central: str, line: str
) -> None:
    async with CentralHistory(central) as history:
        good = [(person(str(n) * 16, f"p{n}"), result(str(n) * 16, f"p{n}")) for n in range(3)]
        lines = parcel(*good[0], *good[1]) + line + "\n" + parcel(*good[2]).partition("\n")[2]
        await history.work(lambda db: send(db, "a", lines))
        assert await join_all(history) == 1
        assert {"p0", "p2"} <= await people(history)


async def test_a_fault_of_tenutos_own_refuses_one_parcel(
    central: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(db: Any, lines: Any, file: str) -> Any:
        if "of b" in file:
            raise AttributeError("of ada")
        return join_lines(db, lines, file)

    monkeypatch.setattr(inbox, "join_lines", fail)
    async with CentralHistory(central) as history:
        for host in "ba":
            lines = parcel(person("0" * 16), result("0" * 16, "ada"))
            await history.work(lambda db, host=host, lines=lines: send(db, host, lines))  # type: ignore[misc]
        assert await join_all(history) == 1
        assert await people(history) == {"ada"}
        (why,) = [lag.why for lag in await history.work(lags) if lag.refused]
        assert why.startswith("a fault inside Tenuto: AttributeError")
        assert "ada" not in why

        monkeypatch.undo()
        assert await history.work(try_again) == 1
        assert await join_all(history) == 0
        assert not any(lag.refused for lag in await history.work(lags))


async def test_a_parcel_that_is_too_long_is_refused_unread(
    central: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PARCEL_BYTES_MAX", 1_000)
    async with CentralHistory(central) as history:
        await history.work(lambda db: db.execute("ALTER TABLE inbox ALTER number RESTART WITH 9"))
        await history.work(lambda db: send(db, "b", "x" * 1_001))
        await history.work(lambda db: send(db, "b", ""))
        await history.work(lambda db: send(db, "a", parcel(person("0" * 16))))
        assert await join_all(history) == 2
        long, last = ("has 1001 bytes, allowed is at most 1000", "is no JSON")
        (why,) = [lag.why for lag in await history.work(lags) if lag.refused]
        assert last in why, "the reason for the last one"
        await history.work(lambda db: db.execute("DELETE FROM inbox WHERE lines = ''"))
        (why,) = [lag.why for lag in await history.work(lags) if lag.refused]
        assert long in why


async def test_a_long_session_goes_by_itself(
    central: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "BATCH_LETTERS", 5_000)
    async with room(tmp_path, central, "a") as a, CentralHistory(central) as history:
        for boot_id in range(3):
            await a.store.add(whole_session(boot_id=boot_id))
        assert await a.forwarder.forward() == 3
        (count,) = await history.work(
            lambda db: db.execute("SELECT count(*) FROM inbox").fetchone()
        )
        assert count == 3
        assert await join_all(history) == 0
        assert len(await history.sessions()) == 3


async def test_nothing_of_an_erased_person_is_left_in_what_was_refused(
    central: str, tmp_path: Path
) -> None:
    """Nor in the reasons, nor who might see them."""
    hers, his = "0" * 16, "1" * 16
    async with CentralHistory(central) as history:
        good = parcel(person(hers, "hypatia"), result(hers, "hypatia"))
        bad = parcel(person(hers, "hypatia"), result(hers, "hypatia")) + "no line\n"
        other = parcel(person(his, "eve"), {**result(hers, "eve"), "person_id": his})
        for lines in (good, bad, other):
            await history.work(lambda db, lines=lines: send(db, "a", lines))  # type: ignore[misc]
        assert await join_all(history) == 2
        sees = "INSERT INTO sees VALUES ('a_therapist', ?)"
        await history.work(lambda db: db.execute(sees, (hers,)))

        async with room(tmp_path, central, "b", people=("hypatia",)) as b:
            await b.forwarder.forward()
            await b.store.delete_person("hypatia")
            await b.forwarder.forward()
        await join_all(history)
        assert await people(history) == {"eve"}, "what contradicted her is joined now"
        for word in ("hypatia", f'"person_id": "{hers}"', f"a_therapist,{hers}"):
            assert await traces(central, tmp_path, word) == [], word


async def test_nobody_makes_a_function_that_runs_as_the_owner(central: str) -> None:
    """In a database of PostgreSQL 14 or older everybody may make functions."""
    from tenuto.fleet.schema import set_up
    from tests.fleet.server import as_user

    with psycopg.connect(central, autocommit=True) as owner:
        owner.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    async with CentralHistory(central) as history:
        await history.work_in_postgres(set_up)
    make = (
        "CREATE FUNCTION public.pg_advisory_xact_lock(integer) RETURNS void LANGUAGE sql"
        " AS 'INSERT INTO public.sees SELECT session_user, person_id FROM public.persons'"
    )
    with (
        psycopg.connect(as_user(central, "a_therapist"), autocommit=True) as therapist,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        therapist.execute(make.encode())
