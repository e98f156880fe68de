# SPDX-License-Identifier: MIT
"""A therapist prescribes in the central history, and the hosts of those people learn of it."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from tenuto import cli
from tenuto.errors import InputError, StoreError
from tenuto.fleet import prescribing
from tenuto.fleet.inbox import send
from tenuto.fleet.postgres import CentralHistory
from tenuto.fleet.rights import grant
from tenuto.fleet.schema import set_up, version
from tenuto.history import Store
from tenuto.history.fhir import write_bundle
from tenuto.history.jsonlines import header, read_lines, write_lines
from tenuto.history.prescription import Adherence
from tenuto.history.prescription_table import standings
from tenuto.routines.compile import compile_routine
from tenuto.routines.routine import parse
from tests.fleet.server import as_user
from tests.fleet.test_one_history import join_all, room
from tests.history.prescribed import MONDAY, prescription
from tests.history.sessions import UTC_MS, whole_session
from tests.sample_routines import vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.history.prescription import Prescription

pytestmark = pytest.mark.real_time

HERS = "00112233aabbccdd"


def by_therapist(one: Prescription) -> Prescription:
    return replace(one, assigned_by="a_therapist")


async def test_what_a_therapist_prescribes_is_due_on_every_host_of_the_person(
    central: str, tmp_path: Path
) -> None:
    one = prescription(note="slowly")
    async with (
        room(tmp_path, central, "a") as a,
        room(tmp_path, central, "b", people=("ada",)) as b,
        room(tmp_path, central, "c", people=("eve",)) as c,
        CentralHistory(central) as owner,
        CentralHistory(as_user(central, "a_therapist")) as therapist,
        CentralHistory(as_user(central, "a_person"), read_only=True) as person,
    ):
        for number, name in enumerate(("ada", "eve")):
            await a.store.add(whole_session(boot_id=number, person=name))
        await a.forwarder.forward()
        await join_all(owner)
        await owner.work(lambda db: grant(db, "a_therapist", "ada"))
        await owner.work(lambda db: grant(db, "a_person", "eve"))

        await therapist.work(partial(prescribing.prescribe, one=one))
        with pytest.raises(InputError, match="knows no 'eve'; it knows ada"):
            await therapist.work(partial(prescribing.prescribe, one=prescription(person="eve")))
        for host in (a, b, c):
            await host.forwarder.forward()

        assert await therapist.prescriptions() == [by_therapist(one)]
        assert await person.prescriptions() == []
        assert await a.store.prescriptions() == [by_therapist(one)]
        assert await b.store.prescriptions() == [by_therapist(one)], "she has not played there yet"
        assert await c.store.prescriptions() == [], "it is nobody of that host"

        # She plays on b, which knows her by her id in the configuration alone.
        await b.store.add(whole_session(boot_id=7))
        await b.forwarder.forward()
        await join_all(owner)
        for history in (b.store, therapist):
            (told,) = await standings(history, MONDAY.replace(day=16))
            assert told.week == Adherence(1, 3)

        await therapist.work(
            partial(prescribing.end, prescription_id=HERS, utc_ms=UTC_MS + 86_400_000)
        )
        for host in (a, b):
            await host.forwarder.forward()
            (ended,) = await host.store.prescriptions()
            assert ended.ended_utc_ms == UTC_MS + 86_400_000
        # A host that was away ended it as well, and earlier.
        await a.store.prescribing.end(HERS, UTC_MS)
        await a.forwarder.forward()
        await join_all(owner)
        await b.forwarder.forward()
        (ended,) = await b.store.prescriptions()
        assert ended.ended_utc_ms == UTC_MS


async def test_somebody_new_in_the_configuration_gets_what_was_prescribed_before(
    central: str, tmp_path: Path
) -> None:
    people = ["eve"]
    async with (
        room(tmp_path, central, "a") as a,
        room(tmp_path, central, "b", people=people) as b,
        CentralHistory(central) as owner,
    ):
        await a.store.prescribing.add(prescription())
        await a.forwarder.forward()
        await join_all(owner)
        await b.forwarder.forward()
        assert await b.store.prescriptions() == []
        people.append("ada")
        await b.forwarder.forward()
        assert await b.store.prescriptions() == [prescription()]


@pytest.mark.parametrize("days", ["1", "[" * 1_500 + "]" * 1_500], ids=["wrong", "deep"])
async def test_nonsense_in_the_table_holds_up_no_host_and_is_not_logged(
    central: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, days: str
) -> None:
    async with (
        room(tmp_path, central, "a", people=("ada",)) as a,
        CentralHistory(central) as owner,
    ):
        await a.store.prescribing.add(prescription())
        await a.store.prescribing.add(prescription(id="1" * 16))
        await a.forwarder.forward()
        await join_all(owner)
        nonsense = f'{{"title": "Secret", "days": {days}}}'
        change = "UPDATE prescriptions SET data = ? WHERE prescription_id = ?"
        await owner.work(lambda db: db.execute(change, (nonsense, HERS)))
        async with room(tmp_path, central, "b", people=("ada",)) as b:
            await b.forwarder.forward()
            assert [one.id for one in await b.store.prescriptions()] == ["1" * 16]
        lines: list[str] = []
        await write_lines(owner, lines.append)
        async with Store(tmp_path / "copy.db") as copy:
            await read_lines(copy, lines, "the export of all of it")
            assert [one.id for one in await copy.prescriptions()] == ["1" * 16]
    assert "cannot be read" in caplog.text
    assert "Secret" not in caplog.text


@pytest.mark.parametrize("moment", [-(2**63), 2**63 - 1], ids=["early", "late"])
async def test_a_moment_that_no_calendar_has_hides_no_prescription(
    central: str, tmp_path: Path, moment: int
) -> None:
    """A therapist may write any number there that the column has room for."""
    async with (
        room(tmp_path, central, "a", people=("ada",)) as a,
        CentralHistory(central) as owner,
        CentralHistory(as_user(central, "a_therapist"), read_only=True) as therapist,
    ):
        await a.store.prescribing.add(prescription())
        await a.forwarder.forward()
        await join_all(owner)
        await owner.work(lambda db: grant(db, "a_therapist", "ada"))
        change = "UPDATE prescriptions SET utc_ms = ?, ended_utc_ms = ?"
        await owner.work(lambda db: db.execute(change, (moment, moment)))
        (told,) = await standings(therapist, MONDAY, also_over=True)
        assert told.is_open == (moment > 0)
        bundle = io.StringIO()
        write_bundle([], bundle, await therapist.prescriptions(), MONDAY)
        assert json.loads(bundle.getvalue())["entry"]


async def test_who_was_erased_on_a_host_does_not_come_back_with_a_prescription(
    central: str, tmp_path: Path
) -> None:
    """Though another host knows them by a smaller id, and the deletion has not arrived there."""
    async with (
        room(tmp_path, central, "a", people=("ada",)) as a,
        CentralHistory(central) as owner,
    ):
        await a.store.prescribing.add(prescription())
        await a.forwarder.forward()
        await join_all(owner)
        smaller = {"person_id": "0" * 16, "label": "ada", "labelled_utc_ms": 1, "same_as": None}
        lines = [header(), {"type": "person", **smaller}]
        parcel = "".join(json.dumps(line) + "\n" for line in lines)
        await owner.work(lambda db: send(db, "b", parcel))
        await join_all(owner)

        await a.store.delete_person("ada")
        await a.forwarder.forward()
        assert await a.store.prescriptions() == []
        await join_all(owner)
        assert await owner.prescriptions() == []


_INSERT = (
    "INSERT INTO prescriptions (prescription_id, person_id, utc_ms, data)"
    " VALUES ('0123456789abcdef', '{}', 1, '{{\"assigned_by\": \"{}\"}}')"
)


@pytest.mark.parametrize(
    "user, statement",
    [
        ("a_therapist", "UPDATE prescriptions SET data = '{}'"),
        ("a_therapist", "DELETE FROM prescriptions"),
        ("a_therapist", _INSERT.format("x", "a_therapist")),
        ("a_person", "UPDATE prescriptions SET ended_utc_ms = 1"),
        ("a_person", _INSERT.format("x", "a_person")),
        ("a_host", "UPDATE prescriptions SET ended_utc_ms = 1"),
        ("a_host", _INSERT.format("x", "a_host")),
    ],
)
async def test_nobody_prescribes_more_than_they_may(
    central: str, user: str, statement: str
) -> None:
    with (
        psycopg.connect(as_user(central, user), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


async def test_a_therapist_ends_only_what_is_prescribed_to_their_people(
    central: str, tmp_path: Path
) -> None:
    async with (
        room(tmp_path, central, "a") as a,
        CentralHistory(central) as owner,
        CentralHistory(as_user(central, "a_therapist")) as therapist,
    ):
        await a.store.prescribing.add(prescription())
        await a.forwarder.forward()
        await join_all(owner)
        await therapist.work(partial(prescribing.end, prescription_id=HERS, utc_ms=1))
        every = "UPDATE prescriptions SET ended_utc_ms = 1"  # it reads no row
        await therapist.work(lambda db: db.execute(every))
        assert [one.ended_utc_ms for one in await owner.prescriptions()] == [None]
        await owner.work(lambda db: grant(db, "a_therapist", "ada"))
        (ada,) = await owner.work(lambda db: db.execute("SELECT person_id FROM persons").fetchone())
        in_other_name = _INSERT.format(ada, "a_person")
        with pytest.raises(StoreError, match="does not let"):
            await therapist.work(lambda db: db.execute(in_other_name))


async def test_a_central_history_of_the_first_version_is_brought_up(central: str) -> None:
    async with CentralHistory(central) as owner:
        for drop in (
            "TABLE prescriptions CASCADE",
            "SEQUENCE prescription_numbers",
            "FUNCTION number_prescription",
        ):
            await owner.work(lambda db, drop=drop: db.execute(f"DROP {drop}"))  # type: ignore[misc]
        await owner.work(lambda db: db.execute("UPDATE tenuto_version SET number = 1"))
        with pytest.raises(StoreError, match="needs 2"):
            await owner.work(partial(prescribing.end, prescription_id=HERS, utc_ms=1))
        await owner.work_in_postgres(set_up)
        assert await owner.work(version) == 2
        assert await owner.prescriptions() == []


KNEELING = """
name = "kneeling"
title = "Kneeling for Ada"
[[exercise]]
name = "Lunge"
hold_s = 30
"""


async def test_a_therapist_names_a_routine_that_only_a_host_has(
    central: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = compile_routine(parse(KNEELING, "kneeling.toml"), vocabulary()).plan
    other = compile_routine(parse(KNEELING.replace("kneeling", "secret"), "s.toml"), vocabulary())
    async with room(tmp_path, central, "a") as a, CentralHistory(central) as owner:
        await a.store.add(whole_session(boot_id=1, plan=own))
        await a.store.add(whole_session(boot_id=2, person="eve", plan=other.plan))
        await a.forwarder.forward()
        await join_all(owner)
        await owner.work(lambda db: grant(db, "a_therapist", "ada"))
        file = tmp_path / "therapist.toml"
        file.write_text(
            f'mqtt.url = "off"\nhistory.path = "own.db"\nfleet.read = true\n'
            f'fleet.url = "{as_user(central, "a_therapist")}"\n'
        )
        last = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()

        def prescribe(routine: str) -> tuple[str, str]:
            with pytest.raises(SystemExit):
                cli.main(
                    [
                        *("prescribe", routine, "--person", "ada", "--times", "2"),
                        *("--until", last, "--config", str(file)),
                    ]
                )
            return capsys.readouterr()

        told = await asyncio.to_thread(prescribe, "Kneeling for Ada")
        assert "ada: Kneeling for Ada, twice a week" in told[0]
        told = await asyncio.to_thread(prescribe, "secret")
        assert "there is no routine 'secret'" in told[1]
        assert "in the central history: kneeling\n" in told[1], "and nobody else's"
        (one,) = await owner.prescriptions()
        assert (one.routine, one.title) == ("kneeling", "Kneeling for Ada")
        assert one.assigned_by == "a_therapist"
