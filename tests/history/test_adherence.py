# SPDX-License-Identifier: MIT
from __future__ import annotations

from datetime import UTC, date, timedelta, timezone
from time import tzset
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tenuto.history import ExerciseNote, Store
from tenuto.history.adherence import (
    Muscle,
    Streak,
    day_of,
    midnight_utc_ms,
    stopped_at,
    streak,
    tally,
    week_of,
)
from tenuto.history.timeline import Account, account
from tenuto_core import vocab
from tests.history.sessions import (
    HOLD_MS,
    READY_MS,
    UTC_MS,
    Band,
    eventful_session,
    whole_session,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.sessions.events import Entry

DAY_MS = 86_400_000
MONDAY = date(2026, 11, 2)


def days(*after_monday: int) -> list[date]:
    return [MONDAY + timedelta(days=day) for day in after_monday]


async def told(path: Path, *sessions: list[Entry]) -> list[Account]:
    async with Store(path) as store:
        for session in sessions:
            await store.add(session)
        notes = [
            ExerciseNote("Glute Bridge", "strength", ("glutes",)),
            ExerciseNote("Kneeling Lunge", "stretch", ("hip flexors", "glutes")),
        ]
        await store.describe(Band().plan_id.hex(), notes)
        return [account(session) for session in await store.between(0, 1 << 60)]


# --- the streak


@pytest.mark.parametrize(
    "trained,today,present,longest",
    [
        ([], 0, 0, 0),
        ([0], 0, 1, 1),
        ([0, 1, 2], 2, 3, 3),
        ([0, 3, 7, 10], 10, 4, 4),  # Monday and Thursday: twice a week keeps it
        ([0, 4], 4, 2, 2),  # three days of rest
        ([0, 5], 5, 1, 1),  # four days of rest
        ([0, 1, 2, 9, 10], 10, 2, 3),
        ([0, 1], 5, 2, 2),  # today may still keep it
        ([0, 1], 6, 0, 2),
        ([3, 0, 3, 1], 3, 3, 3),  # two sessions on a day count once
        ([0, 1, 3, 4], 2, 2, 2),  # what came later does not count
    ],
)
def test_rest_days_are_forgiven_by_rule(
    trained: list[int], today: int, present: int, longest: int
) -> None:
    found = streak(days(*trained), days(today)[0])

    assert (present, longest) == (found.present, found.longest)


def test_it_says_until_when_the_streak_lasts() -> None:
    assert streak(days(0, 1), days(2)[0]).keep_until == days(5)[0]
    assert streak(days(0), days(20)[0]).keep_until is None
    assert Streak(0, 0, None).keep_until is None


def test_a_day_is_that_of_the_place() -> None:
    midnight = 1_800_057_600_000  # 2027-01-16 00:00 UTC

    assert day_of(midnight, UTC) == date(2027, 1, 16)
    assert day_of(midnight - 1, UTC) == date(2027, 1, 15)
    assert day_of(midnight, timezone(timedelta(hours=-5))) == date(2027, 1, 15)
    assert [week_of(day) for day in days(0, 6, 7)] == days(0, 0, 7)


def test_a_day_begins_when_its_clock_passes_over_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    """On 8 March 2026 the clocks of Havana went from 0:00 to 1:00."""
    first_moment = 1_772_946_000_000  # 05:00 UTC
    monkeypatch.setenv("TZ", "America/Havana")
    tzset()
    try:
        for zone in (None, ZoneInfo("America/Havana")):
            assert midnight_utc_ms(date(2026, 3, 8), zone) == first_moment
            assert day_of(first_moment, zone) == date(2026, 3, 8)
            assert day_of(first_moment - 1, zone) == date(2026, 3, 7)
    finally:
        monkeypatch.undo()
        tzset()


# --- the tally


async def test_what_days_came_to(tmp_path: Path) -> None:
    total = tally(
        await told(
            tmp_path / "h.db",
            whole_session(boot_id=1),
            whole_session(boot_id=2, boot_utc_ms=UTC_MS + 3_600_000),
            eventful_session(boot_id=3, boot_utc_ms=UTC_MS + 2 * DAY_MS),
        ),
        UTC,
    )

    assert (total.sessions, total.days) == (3, [date(2027, 1, 15), date(2027, 1, 17)])
    assert (total.completed, total.skipped, total.cut, total.pauses) == (8, 1, 0, 1)
    assert total.stretch_days == total.days
    stretched, strength = total.muscles["stretch"], total.muscles["strength"]
    # The lunge twice on the first day: 30 s on each side; the bridge works on both sides at once.
    glutes = stretched["glutes"]
    assert glutes.right_ms == 3 * HOLD_MS
    assert 2 * HOLD_MS < glutes.left_ms < glutes.right_ms
    assert (glutes.days, stretched["hip flexors"]) == (1, glutes)
    assert list(stretched) == ["glutes", "hip flexors"]
    assert strength == {"glutes": Muscle(3 * HOLD_MS, 3 * HOLD_MS, 1)}


async def test_a_day_of_strength_holds_is_no_day_of_stretches(tmp_path: Path) -> None:
    band = Band()
    band.do(vocab.START)
    band.pass_ms(READY_MS + HOLD_MS + 2_000)
    band.do(vocab.STOP)
    total = tally(await told(tmp_path / "h.db", band.entries()), UTC)

    assert (total.days, total.stretch_days) == ([date(2027, 1, 15)], [])
    assert list(total.muscles) == ["strength"]


async def test_a_day_on_which_nothing_was_held_to_its_end_does_not_count(tmp_path: Path) -> None:
    band = Band()
    band.do(vocab.START)
    band.pass_ms(READY_MS + 10_000)
    band.do(vocab.STOP)
    total = tally(await told(tmp_path / "h.db", band.entries()), UTC)

    assert (total.sessions, total.days, total.cut, total.held_ms) == (1, [], 1, 10_000)


def test_nothing_was_done() -> None:
    total = tally([])

    assert (total.sessions, total.days, total.muscles) == (0, [], {})


# --- where it was stopped


@pytest.mark.parametrize("after_s,suggested_s", [(17, 15), (3, 5), (25, 25)])
async def test_where_a_session_was_stopped(tmp_path: Path, after_s: int, suggested_s: int) -> None:
    band = Band()
    band.do(vocab.START)
    band.pass_ms(READY_MS + after_s * 1_000)
    band.player.press(vocab.LONG_PRESS, band.now_ms)
    (stopped,) = await told(tmp_path / "h.db", band.entries())
    found = stopped_at(stopped)

    assert found is not None
    assert (found.hold.place, found.suggested_ms) == ("Glute Bridge", suggested_s * 1_000)


async def test_a_session_that_was_finished_or_stopped_in_a_rest_gives_no_hint(
    tmp_path: Path,
) -> None:
    resting = Band(boot_id=2)
    resting.do(vocab.START)
    resting.pass_ms(READY_MS + HOLD_MS + 2_000)
    resting.do(vocab.STOP)

    for told_one in await told(tmp_path / "h.db", whole_session(boot_id=1), resting.entries()):
        assert stopped_at(told_one) is None
