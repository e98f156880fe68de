# SPDX-License-Identifier: MIT
"""Whoever left a class and joined it again, or was reset, has done one thing, not two."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.history import Store, replay, summarize
from tenuto.history.adherence import stopped_at
from tenuto.history.completed_holds import held_utc_ms, times_held
from tenuto.history.csv_table import write_table
from tenuto.history.fhir import write_bundle
from tenuto.history.fit import laps
from tenuto.history.jsonlines import read_lines, write_lines
from tenuto.history.openmhealth import data_points
from tenuto.history.period import Period, period_account
from tenuto.history.person_summary import PersonSummaries
from tenuto.history.timeline import account
from tenuto.mqtt.topics import summary_payload
from tenuto.sessions.events import SessionEnded, SessionStarted
from tenuto_core import vocab
from tests.history.sessions import (
    HOLD_MS,
    READY_MS,
    SWITCH_MS,
    UTC_MS,
    Band,
    eventful_session,
    session_in_parts,
    whole_session,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from tenuto.sessions.events import Entry

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
FRIDAY = date(2027, 1, 15)
LUNGE_RIGHT = 4
"""The step of the plan that leads to it."""


async def rows(path: Path, *sessions: Sequence[Entry]) -> list[tuple[int, ...]]:
    """Keep sessions; return the numbers of each sitting."""
    async with Store(path) as store:
        for session in sessions:
            await store.add(session)
        return [row.numbers for row in await store.sittings()]


def left_after_first_hold(**band: object) -> Band:
    wearer = Band(**band)  # type: ignore[arg-type]
    wearer.do(vocab.START)
    wearer.pass_ms(READY_MS + HOLD_MS + 2_000)
    wearer.do(vocab.STOP)
    return wearer


def failed(entries: list[Entry], t_ms: int) -> list[Entry]:
    """A session that the wearable was not able to end, as the host notes it."""
    ended = SessionEnded(t_ms=t_ms, reason="failed", source="host")
    return [*entries, replace(entries[-1], record=None, event=ended)]


# --- what is told of one


async def test_what_was_left_and_taken_up_is_one_sitting_with_a_pause(tmp_path: Path) -> None:
    first, second = session_in_parts()
    async with Store(tmp_path / "h.db") as store:
        await store.add(first)
        await store.add(second)
        (row,) = await store.sittings()
        (outline,) = await store.outlines([row])
        sitting = await store.sitting(row.id)
        assert sitting == await store.sitting(row.parts[0]), "by the number of any part"
        logged = await store.sessions()

    assert sitting is not None
    assert (row.numbers, row.reason, row.plan_id) == ((1, 2), "finished", sitting.row.plan_id)
    assert (row.started_utc_ms, row.ended_utc_ms) == (first[0].utc_ms, second[-1].utc_ms)
    told = summarize(event for event, _ in replay(sitting))
    assert outline.summary == told
    assert (told.reason, told.holds_planned, told.holds_completed) == ("finished", 3, 2)
    assert (told.holds_cut, told.pauses, told.paused_ms) == (1, 1, 20_000)
    assert told.duration_ms == second[-1].utc_ms - first[0].utc_ms
    assert [(one.exercise, one.side) for one in told.held] == [
        ("Glute Bridge", None),
        ("Kneeling Lunge", "left"),
        ("Kneeling Lunge", "right"),
    ]
    assert told.held[0].held_ms == 10_000
    began_ms = [hold.from_ms for hold in outline.holds]
    left = READY_MS + 10_000 + 20_000
    wanted_ms = [READY_MS, left + SWITCH_MS, left + 2 * SWITCH_MS + HOLD_MS]
    assert began_ms == pytest.approx(wanted_ms, abs=5), "by another clock"
    assert [phase.number for phase in outline.phases] == [0, 1, 2, 3, 4, 5, 6]
    assert [(row.reason, row.parts) for row in logged] == [("finished", ()), ("stopped", ())]


async def test_a_reset_in_a_session_is_a_pause(tmp_path: Path) -> None:
    def half(wearable: str) -> Band:
        wearer = Band(wearable)
        wearer.do(vocab.START)
        wearer.pass_ms(READY_MS + 12_000)
        return wearer

    reset, paused = half("one"), half("other")
    before = failed(reset.entries(), READY_MS + 12_000)
    after = reset.reset(off_ms=3_000)
    after.pass_ms(20_000)
    after.do(vocab.RESUME)
    after.pass_ms(120_000)
    paused.do(vocab.PAUSE)
    paused.pass_ms(24_000)  # with the second that it took to begin
    paused.do(vocab.RESUME)
    paused.pass_ms(120_000)
    async with Store(tmp_path / "h.db") as store:
        await store.add(before)
        await store.add(after.entries())
        await store.add([replace(one, wearable="other") for one in paused.entries()])
        told = [await store.sitting(row.id) for row in await store.sittings()]

    one, other = (replay(stored) for stored in told if stored is not None)
    assert summarize(event for event, _ in one) == summarize(event for event, _ in other)


async def test_a_class_is_one_sitting_however_often_somebody_comes_back(tmp_path: Path) -> None:
    wearer = Band()
    wearer.do(vocab.START)
    wearer.pass_ms(READY_MS + 10_000)
    parts = [failed(wearer.entries(), READY_MS + 10_000)]
    wearer = wearer.reset()
    wearer.pass_ms(4_000)
    wearer.do(vocab.STOP)
    parts.append(wearer.entries())
    wearer.take_up(2, ppm=-80)
    wearer.pass_ms(SWITCH_MS + HOLD_MS + 2_000)
    wearer.do(vocab.STOP)
    parts.append(wearer.entries())
    wearer.pass_ms(6_000)
    wearer.plan = Band().plan
    wearer.take_up(LUNGE_RIGHT, ppm=200)
    wearer.pass_ms(60_000)
    parts.append(wearer.entries())
    random.Random(3).shuffle(parts)
    async with Store(tmp_path / "h.db") as store:
        for part in parts:
            await store.add(part)
        (row,) = await store.sittings()
        (told,) = await store.outlines([row])

    assert len(row.numbers) == 4
    assert (row.reason, told.summary.holds_completed, told.summary.pauses) == ("finished", 2, 2)
    assert [span.to_ms - span.from_ms for span in told.pauses] == [3_000 + 1_000 + 4_000, 6_000]
    assert told.summary.paused_ms == 14_000
    assert [hold.number for hold in told.holds] == [1, 3, 5]


# --- what is none


async def other_person(path: Path) -> list[tuple[int, ...]]:
    first, second = session_in_parts()
    return await rows(path, first, [replace(one, person="eve") for one in second])


async def other_wearable(path: Path) -> list[tuple[int, ...]]:
    return await rows(path, session_in_parts()[0], session_in_parts(wearable="waist")[1])


async def simulated(path: Path) -> list[tuple[int, ...]]:
    first, second = session_in_parts()
    return await rows(path, first, [replace(one, is_simulated=True) for one in second])


async def next_day(path: Path) -> list[tuple[int, ...]]:
    later = session_in_parts(boot_id=2, boot_utc_ms=UTC_MS + HOUR_MS + 60_000)
    return await rows(path, session_in_parts()[0], later[1])


async def whole_again(path: Path) -> list[tuple[int, ...]]:
    again = whole_session(boot_id=2, boot_utc_ms=UTC_MS + 60_000)
    return await rows(path, session_in_parts()[0], again)


async def finished_before(path: Path) -> list[tuple[int, ...]]:
    """A class of the same routine comes right after they skipped through it, and they are late."""
    wearer = Band()
    wearer.do(vocab.START)
    for _ in range(wearer.plan.steps):
        wearer.pass_ms(2_000)
        wearer.do(vocab.SKIP)
    wearer.pass_ms(10_000)
    late = session_in_parts(boot_id=2, boot_utc_ms=UTC_MS + 120_000)[1]
    return await rows(path, wearer.entries(), late)


async def done_before(path: Path) -> list[tuple[int, ...]]:
    """The same, after a class that was stopped further on."""
    wearer = Band()
    wearer.do(vocab.START)
    wearer.pass_ms(READY_MS + HOLD_MS + SWITCH_MS + HOLD_MS + 1_000)
    wearer.do(vocab.STOP)
    late = session_in_parts(boot_id=2, boot_utc_ms=UTC_MS + 120_000)[1]
    return await rows(path, wearer.entries(), late)


async def other_routine(path: Path) -> list[tuple[int, ...]]:
    """The rest of it, by its steps, but of one whose holds are longer."""
    wearer = left_after_first_hold()
    first = wearer.entries()
    wearer.take_up(2, ppm=3_000)
    wearer.pass_ms(120_000)
    return await rows(path, first, wearer.entries())


@pytest.mark.parametrize(
    "play",
    [
        other_person,
        other_wearable,
        simulated,
        next_day,
        whole_again,
        finished_before,
        done_before,
        other_routine,
    ],
)
async def test_two_sittings_stay_two(
    tmp_path: Path, play: Callable[[Path], Awaitable[list[tuple[int, ...]]]]
) -> None:
    assert sorted(await play(tmp_path / "h.db")) == [(1,), (2,)]


async def test_a_pause_of_one_session_makes_no_parts(tmp_path: Path) -> None:
    assert await rows(tmp_path / "h.db", eventful_session()) == [(1,)]


# --- what follows only from the sessions


async def test_every_history_that_has_the_sessions_has_the_sitting(tmp_path: Path) -> None:
    dice = random.Random(5)
    parts = [
        session
        for boot in range(4)
        for session in session_in_parts(boot_id=boot, boot_utc_ms=UTC_MS + boot * DAY_MS)
    ]
    lines: list[list[str]] = []
    for number in range(2):  # each host was there for half of them
        mine, texts = parts[number::2], list[str]()
        dice.shuffle(mine)
        async with Store(tmp_path / f"{number}.db") as store:
            for session in mine:
                await store.add(session)
            assert all(not row.parts for row in await store.sittings())
            await write_lines(store, texts.append)
        lines.append("".join(texts).splitlines(keepends=True))
    found = []
    for number in range(2):
        async with Store(tmp_path / f"{number}.db") as store:
            await read_lines(store, lines[1 - number], "other", same_people=True)
            sittings = await store.sittings()
            told = await store.outlines(sittings)
            found.append(
                [
                    (row.key, row.reason, len(row.parts), o.summary)
                    for row, o in zip(sittings, told, strict=True)
                ]
            )
    assert found[0] == found[1]
    assert [parts for *_, parts, _ in found[0]] == [1] * 4


async def test_pages_tell_each_sitting_once(tmp_path: Path) -> None:
    async with Store(tmp_path / "h.db") as store:
        for boot in range(5):
            began_ms = UTC_MS + boot * 300_000
            for session in (
                session_in_parts(boot_id=boot, boot_utc_ms=began_ms)
                if boot % 2
                else [whole_session(boot_id=boot, boot_utc_ms=began_ms)]
            ):
                await store.add(session)
        every = await store.sittings()
        assert [len(row.numbers) for row in every] == [1, 2, 1, 2, 1]
        for count in (1, 2, 3):
            paged, last = [], None
            while found := await store.sittings(count, before=last):
                paged += found
                last = found[-1].id
            assert paged == every
        at_ms = every[1].started_utc_ms
        assert await store.sittings(from_utc_ms=at_ms, to_utc_ms=at_ms + 1) == [every[1]]
        assert every[1].parts
        assert await store.sittings(from_utc_ms=at_ms + 1) == [every[0]], "it began before"


async def test_an_outline_that_is_kept_says_nothing_of_the_other_parts(tmp_path: Path) -> None:
    async with Store(tmp_path / "h.db") as store:
        for session in session_in_parts():
            await store.add(session)
        made = await store.outlines(await store.sittings())
        await store.keep_outlines(*await store.without_outline())
        assert made == await store.outlines(await store.sittings())


# --- what is counted


async def test_somebody_who_came_back_has_finished_one_session(tmp_path: Path) -> None:
    first, second = session_in_parts()
    async with Store(tmp_path / "h.db") as store:
        await store.add(whole_session(boot_id=9, boot_utc_ms=UTC_MS - HOUR_MS))
        await store.add(first)
        await store.add(second[:-1])
        summaries = PersonSummaries(store)

        async def told() -> dict[str, Any]:
            return summary_payload(await summaries.of(lambda _: True, UTC_MS + HOUR_MS, UTC))

        going = await told()
        assert going["last_holds"] == 3, "that of before, as long as this one goes on"
        await store.add(second[-1:])
        ended = await told()
        assert (ended["last_reason"], ended["last_holds"]) == ("finished", 2)
        assert (ended["last_holds_planned"], ended["sessions_this_week"]) == (3, 2)
        week = await period_account(store, Period.of("week", FRIDAY), FRIDAY, "ada", zone=UTC)
        assert len(week.sessions) == 2


async def test_a_sitting_over_midnight_is_of_the_day_on_which_it_began(tmp_path: Path) -> None:
    midnight = datetime(2027, 1, 16, tzinfo=UTC).timestamp() * 1000
    wearer = left_after_first_hold(boot_utc_ms=round(midnight) - 45_000)
    first = wearer.entries()
    wearer.pass_ms(10_000)
    wearer.take_up(2)
    wearer.pass_ms(120_000)
    async with Store(tmp_path / "h.db") as store:
        await store.add(first)
        await store.add(wearer.entries())
        for _ in range(2):
            began = await held_utc_ms(store, "ada", routine="lower-back")
            assert began == [first[0].utc_ms]
            assert await held_utc_ms(store, "ada", from_utc_ms=round(midnight)) == []
            await store.keep_outlines(*await store.without_outline())


async def test_a_hold_grows_by_sittings(tmp_path: Path) -> None:
    wearer = Band()
    wearer.do(vocab.START)
    wearer.pass_ms(READY_MS + 2 * HOLD_MS + SWITCH_MS + 2_000)
    wearer.do(vocab.STOP)
    first = wearer.entries()
    wearer.take_up(LUNGE_RIGHT)
    wearer.pass_ms(20_000)
    going = wearer.entries()
    wearer.pass_ms(60_000)
    path = tmp_path / "h.db"
    await rows(path, first, going)
    assert times_held(path, "lower-back", "ada") == {}, "it goes on"
    await rows(path, wearer.entries())
    assert times_held(path, "lower-back", "ada") == {"Glute Bridge": 1, "Kneeling Lunge": 1}


# --- what is taken elsewhere


async def test_an_export_has_one_session_of_both(tmp_path: Path) -> None:
    async with Store(tmp_path / "h.db") as store:
        for session in session_in_parts():
            await store.add(session)
        numbers = await store.numbers()
        (stored,) = await store.read_sittings([*numbers], list)
        assert await store.read_outlines([2], list) == [account(stored).outline]
    assert numbers == {1: 1, 2: 1}
    told = account(stored)
    bundle = io.StringIO()
    write_bundle([told], bundle, zone=UTC)
    observations = [
        one["resource"]
        for one in json.loads(bundle.getvalue())["entry"]
        if one["resource"]["resourceType"] == "Observation"
    ]
    assert [one["status"] for one in observations] == ["final"]
    counts = {c["code"]["text"]: c["valueQuantity"]["value"] for c in observations[0]["component"]}
    assert (counts["Holds completed"], counts["Holds planned"]) == (2, 3)
    table = io.StringIO()
    assert write_table([told], table) == 3
    assert {line.split(",")[0] for line in table.getvalue().splitlines()[1:]} == {"1"}
    points = [one["body"] for one in data_points(told)]
    assert [one["duration"]["value"] for one in points] == [70.0]
    assert laps(told)[-1].span.to_ms == told.duration_ms
    assert stopped_at(told) is None, "it was not stopped there for good"
    starts = [event for event, _ in replay(stored) if isinstance(event, SessionStarted)]
    assert len(starts) == 1
