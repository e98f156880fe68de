# SPDX-License-Identifier: MIT
"""What is prescribed: when it is due, how it was kept to, and how it is kept."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import InputError
from tenuto.history import Store
from tenuto.history.jsonlines import read_lines
from tenuto.history.period import Period, period_account
from tenuto.history.prescription import DAYS, Adherence, Prescription, adherence, standing
from tenuto.history.prescription_table import standings
from tenuto.report import period_report
from tenuto.report.text import week_lines
from tenuto_core import vocab
from tests.history.prescribed import MONDAY, prescription
from tests.history.sessions import UTC_MS, Band, exported, whole_session

if TYPE_CHECKING:
    from pathlib import Path

DAY_MS = 86_400_000


def day(number: int) -> date:
    """Return a day, counted from the Monday of the first week."""
    return MONDAY + timedelta(days=number)


def days(*numbers: int) -> frozenset[date]:
    return frozenset(map(day, numbers))


def thrice(**changes: object) -> Prescription:
    """Three times a week, on any days."""
    return prescription(days=(), times_a_week=3, **changes)


def test_it_is_due_on_its_days_until_it_is_done() -> None:
    one = prescription()
    due = [number for number in range(-3, 60) if standing(one, days(), day(number)).is_due]

    assert due == [number for number in range(49) if number % 7 in (0, 2, 4)]
    done = standing(one, days(2), day(2))
    assert (done.is_due, done.is_done, done.next_due) == (False, True, day(4))
    assert standing(one, days(), day(1)).next_due == day(2)
    assert standing(one, days(), day(-30)).next_due == day(0)
    over = standing(one, days(), day(48))
    assert (over.is_open, over.next_due) == (True, None)
    assert not standing(one, days(), day(49)).is_open


def test_times_a_week_are_due_until_there_are_as_many() -> None:
    one = thrice()

    assert standing(one, days(), day(1)).is_due
    assert standing(one, days(0, 1), day(1)).next_due == day(2)
    enough = standing(one, days(0, 1, 3), day(4))
    assert (enough.is_due, enough.next_due) == (False, day(7))
    assert standing(one, days(0, 1, 3), day(7)).is_due


def test_what_can_still_be_done_is_not_missed() -> None:
    one = prescription()

    assert standing(one, days(), day(0)).week == Adherence(0, 0)
    assert standing(one, days(0), day(0)).week == Adherence(1, 1)
    assert standing(one, days(0), day(2)).week == Adherence(1, 1)
    assert standing(one, days(0), day(3)).week == Adherence(1, 2)
    assert standing(one, days(0), day(13)).total == Adherence(1, 6)
    free = thrice()
    assert standing(free, days(), day(4)).week == Adherence(0, 0)
    assert standing(free, days(), day(5)).week == Adherence(0, 1)
    assert standing(free, days(5), day(5)).week == Adherence(1, 2)
    assert standing(free, days(), day(7)).total == Adherence(0, 3)


def test_another_day_of_the_same_week_counts_and_more_than_enough_does_not() -> None:
    one = prescription()

    assert standing(one, days(0, 1, 5), day(7)).total == Adherence(3, 3)
    assert standing(one, days(*range(7)), day(8)).total == Adherence(3, 4)
    assert standing(one, days(-1, 7), day(7)).total == Adherence(1, 4)


def test_what_was_ended_is_not_due_from_that_day_on() -> None:
    one = prescription(ended_utc_ms=UTC_MS)  # on the Friday of its first week

    at_end = standing(one, days(0), day(4), UTC)
    assert (at_end.is_open, at_end.is_due, at_end.next_due) == (False, False, None)
    assert standing(one, days(0), day(40), UTC).total == Adherence(1, 2)
    assert standing(replace(one, ended_utc_ms=0), days(0), day(40), UTC).total == Adherence(0, 0)


def test_weeks_of_a_month_are_counted_once() -> None:
    """Whatever the days: the months of a prescription come to what all of it comes to."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")  # noqa: T201
    rng = random.Random(seed)
    for _ in range(200):
        chosen = tuple(one for one in DAYS if rng.random() < 0.5)
        first = day(rng.randrange(20))
        one = prescription(
            days=chosen,
            times_a_week=len(chosen) or rng.randint(1, 7),
            first=first,
            last=first + timedelta(days=rng.randrange(60)),
        )
        held = {day(number) for number in range(100) if rng.random() < 0.4}
        today = day(rng.randrange(110))
        weeks = [
            adherence(one, held, monday, monday, today)
            for monday in (day(7 * number) for number in range(20))
        ]
        total = sum(weeks, Adherence())
        assert total == standing(one, held, today).total
        assert all(0 <= week.done <= week.due <= one.times_a_week for week in weeks)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"days": ("wed", "mon", "fri")}, "the days are wed, mon, fri"),
        ({"days": ("mon",)}, "1 days and is for 3 times"),
        ({"days": (), "times_a_week": 8}, "8 times a week"),
        ({"last": date(2027, 1, 10)}, "before its first one"),
    ],
)
def test_what_is_no_prescription_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        prescription(**changes)


# --- in a history


async def test_sessions_of_its_routine_with_a_hold_held_count(tmp_path: Path) -> None:
    stopped = Band(boot_id=5, boot_utc_ms=UTC_MS)
    stopped.do(vocab.START)
    stopped.pass_ms(10_000)
    stopped.do(vocab.STOP)
    simulated = [replace(one, is_simulated=True) for one in whole_session(boot_id=6)]
    async with Store(tmp_path / "h.db") as store:
        assert await standings(store, day(4), zone=UTC) == []
        await store.prescribing.add(prescription())
        await store.prescribing.add(prescription(id="f" * 16, person="eve"))
        await store.prescribing.add(prescription(id="e" * 16, routine="another"))
        await store.add(whole_session(boot_id=1, boot_utc_ms=UTC_MS - 2 * DAY_MS))
        for entries in (stopped.entries(), simulated, whole_session(boot_id=7, person="eve")):
            await store.add(entries)

        told = {
            one.prescription.id: (one.week, one.is_due)
            for one in await standings(store, day(4), zone=UTC)
        }

        assert told["00112233aabbccdd"] == (Adherence(1, 2), True)
        assert told["f" * 16] == (Adherence(1, 3), False)
        assert told["e" * 16] == (Adherence(0, 2), True)
        (mine,) = await standings(store, day(4), "eve", UTC)
        assert mine.prescription.id == "f" * 16
        await store.prescribing.end("f" * 16, UTC_MS)
        await store.prescribing.end("f" * 16, UTC_MS + DAY_MS)
        assert await standings(store, day(4), "eve", UTC) == []
        (over,) = await standings(store, day(4), "eve", UTC, also_over=True)
        assert over.prescription.ended_utc_ms == UTC_MS, "the earlier end stays"


async def take(path: Path, lines: list[str]) -> list[Prescription]:
    async with Store(path) as store:
        await read_lines(store, lines, "x.jsonl")
        return await store.prescriptions()


async def test_histories_are_joined_and_the_earlier_end_stays(tmp_path: Path) -> None:
    async with Store(tmp_path / "a.db") as store:
        await store.prescribing.add(prescription(note="slowly", assigned_by="eve"))
    begun = await exported(tmp_path / "a.db")
    async with Store(tmp_path / "a.db") as store:
        await store.prescribing.end("00112233aabbccdd", UTC_MS + 5)
    ended = await exported(tmp_path / "a.db")

    one = prescription(note="slowly", assigned_by="eve", ended_utc_ms=UTC_MS + 5)
    assert await take(tmp_path / "b.db", begun) == [replace(one, ended_utc_ms=None)]
    assert await take(tmp_path / "b.db", ended) == [one]
    assert await take(tmp_path / "b.db", begun) == [one]
    assert await take(tmp_path / "c.db", ended) == [one]
    forged = [line.replace("slowly", "quickly") for line in ended]
    with pytest.raises(InputError, match="another one there"):
        await take(tmp_path / "b.db", forged)


@pytest.mark.parametrize(
    "old, new, words",
    [
        ('["mon", "wed", "fri"]', '["mon", "fri", "wed"]', "the days are"),
        ('["mon", "wed", "fri"]', '["mon", "wed", "fry"]', "`days` element 3"),
        ('"times_a_week": 3', '"times_a_week": 8', "allowed is 1 to 7"),
        ('"first": "2027-01-11"', '"first": "soon"', "`first` is the text 'soon'"),
        ('"last": "2027-02-28"', '"last": "2026-02-28"', "before its first one"),
        ('"data": {', '"data": 3, "x": {', "no object"),
        ('"person_id": "', '"person_id": null, "x": "', "`person_id` is None"),
        ('"00112233aabbccdd"', '"x"', "16 hexadecimal"),
    ],
)
async def test_a_hostile_line_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    async with Store(tmp_path / "a.db") as store:
        await store.prescribing.add(prescription())
    lines = [line.replace(old, new) for line in await exported(tmp_path / "a.db")]

    with pytest.raises(InputError, match=words):
        await take(tmp_path / "b.db", lines)
    assert await take(tmp_path / "b.db", lines[:1]) == []


async def test_an_erased_person_is_prescribed_nothing_by_an_import(tmp_path: Path) -> None:
    async with Store(tmp_path / "a.db") as store:
        await store.prescribing.add(prescription())
    lines = await exported(tmp_path / "a.db")
    async with Store(tmp_path / "a.db") as store:
        await store.delete_person("ada")
        assert await store.prescriptions() == []
    assert await take(tmp_path / "a.db", lines) == []


async def test_a_week_and_a_month_say_how_it_was_kept_to(tmp_path: Path) -> None:
    async with Store(tmp_path / "h.db") as store:
        await store.prescribing.add(prescription(first=day(-20)))
        await store.prescribing.add(prescription(id="1" * 16, person="eve"))
        await store.prescribing.add(prescription(id="2" * 16, last=day(-1), first=day(-30)))
        for boot_id, number in enumerate((0, 4, 7)):
            utc_ms = UTC_MS + (number - 4) * DAY_MS
            await store.add(whole_session(boot_id=boot_id, boot_utc_ms=utc_ms))
        told = {
            name: await period_account(store, Period.of(name, day(4)), day(9), "ada", zone=UTC)
            for name in ("week", "month")
        }
        nobodys = await period_account(store, Period.of("week", day(4)), day(9), None, zone=UTC)

    (week,) = told["week"].prescribed
    assert week.adherence == Adherence(2, 3)
    month = {one.prescription.id: one.adherence for one in told["month"].prescribed}
    # The weeks that begin in January: 4, 11 and, until its Wednesday, 18.
    assert month["00112233aabbccdd"] == Adherence(3, 7)
    assert month["2" * 16] == Adherence(0, 3)
    assert nobodys.prescribed == ()
    assert "Prescribed: Lower back, Mon, Wed, Fri; done 2 of 3" in week_lines(told["week"], "Ada")
    assert "2 of 3" in period_report(told["week"]).html
    assert "Prescribed" not in period_report(nobodys).html
