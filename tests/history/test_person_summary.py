# SPDX-License-Identifier: MIT
"""How somebody stands, from sessions that were really played."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tenuto.history import ExerciseNote, Store, person_summary
from tenuto.history.person_summary import PersonSummaries
from tenuto.mqtt.topics import summary_payload
from tenuto_core import vocab
from tests.history.sessions import HOLD_MS, READY_MS, Band, whole_session

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tenuto.history import SessionRow

DAY_MS = 86_400_000
WEDNESDAY_MS = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp() * 1000)


def everybody(_row: SessionRow) -> bool:
    return True


async def store_of(path: Path, *days_ago: int, kind: str = "stretch", **band: object) -> Store:
    store = Store(path)
    await store.open()
    notes = [ExerciseNote("Glute Bridge", kind, ()), ExerciseNote("Kneeling Lunge", "stretch", ())]
    await store.describe(Band().plan_id.hex(), notes)
    for number, days in enumerate(days_ago):
        await store.add(
            whole_session(boot_utc_ms=WEDNESDAY_MS - days * DAY_MS, boot_id=number + 1, **band)
        )
    return store


async def test_before_any_session_nothing_is_claimed(tmp_path: Path) -> None:
    async with await store_of(tmp_path / "h.db") as store:
        told = summary_payload(await PersonSummaries(store).of(everybody, WEDNESDAY_MS, UTC))

    assert told["streak_days"] == told["days_this_week"] == told["minutes_this_week"] == 0
    assert told["last_session_at"] is told["last_reason"] is told["advised_minutes_a_week"] is None


async def test_the_last_session_and_the_week(tmp_path: Path) -> None:
    async with await store_of(tmp_path / "h.db", 0, 1, 3, 4, 9) as store:
        told = summary_payload(
            await PersonSummaries(store).of(everybody, WEDNESDAY_MS + 3_600_000, UTC)
        )

    assert (told["last_routine"], told["last_reason"]) == ("lower-back", "finished")
    assert (told["last_holds"], told["last_holds_planned"]) == (3, 3)
    assert told["last_minutes"] == 3 * HOLD_MS / 60_000
    # Monday is two days ago; the streak forgives rest days, so Sunday and Saturday belong to it,
    # and the one nine days ago does not.
    assert (told["sessions_this_week"], told["days_this_week"]) == (2, 2)
    assert told["minutes_this_week"] == 2 * 3 * HOLD_MS / 60_000
    assert told["streak_days"] == 4
    assert told["streak_keep_until"] == "2026-11-29"
    # Two exercises, a minute each, on two days.
    assert (told["advised_days_a_week"], told["advised_minutes_a_week"]) == (2, 4.0)


async def test_nothing_is_advised_for_strength_holds(tmp_path: Path) -> None:
    async with await store_of(tmp_path / "h.db", 0, kind="strength") as store:
        told = summary_payload(await PersonSummaries(store).of(everybody, WEDNESDAY_MS, UTC))
        assert told["advised_minutes_a_week"] == 2.0  # for the lunge alone

        band = Band(boot_utc_ms=WEDNESDAY_MS, boot_id=77)
        band.do(vocab.START)
        band.pass_ms(READY_MS + HOLD_MS + 2_000)  # the bridge
        band.do(vocab.STOP)
        await store.add(band.entries())
        told = summary_payload(
            await PersonSummaries(store).of(everybody, WEDNESDAY_MS + 3_600_000, UTC)
        )

    assert told["last_holds"] == 1
    assert told["advised_days_a_week"] is told["advised_minutes_a_week"] is None


async def test_a_session_that_was_stopped_at_once_is_the_last_but_makes_no_day(
    tmp_path: Path,
) -> None:
    async with await store_of(tmp_path / "h.db", 1) as store:
        summaries = PersonSummaries(store)
        before = summary_payload(await summaries.of(everybody, WEDNESDAY_MS - 60_000, UTC))
        band = Band(boot_utc_ms=WEDNESDAY_MS, boot_id=77)
        band.do(vocab.START)
        band.pass_ms(8_000)
        band.do(vocab.STOP)
        await store.add(band.entries())
        told = summary_payload(
            await PersonSummaries(store).of(everybody, WEDNESDAY_MS + 60_000, UTC)
        )

    assert (told["last_reason"], told["last_holds"]) == ("stopped", 0)
    assert told["last_held_at"] == before["last_session_at"] == before["last_held_at"]
    assert (told["days_this_week"], told["streak_days"]) == (1, 1)


async def test_a_session_of_a_clock_that_was_ahead_does_not_count_before_its_day(
    tmp_path: Path,
) -> None:
    async with await store_of(tmp_path / "h.db", 1) as store:
        summaries = PersonSummaries(store)
        before = await summaries.of(everybody, WEDNESDAY_MS, UTC)
        ahead = whole_session(boot_utc_ms=WEDNESDAY_MS + 500 * DAY_MS, boot_id=77)
        await store.add(ahead)
        assert await summaries.of(everybody, WEDNESDAY_MS, UTC) == before
        assert (await summaries.of(everybody, WEDNESDAY_MS + 501 * DAY_MS, UTC)).sessions == 1


async def test_the_last_hold_is_found_behind_many_sessions_that_were_stopped_at_once(
    tmp_path: Path,
) -> None:
    """Else a reminder is silenced for weeks by presses by mistake."""
    async with await store_of(tmp_path / "h.db", 200) as store:
        summaries = PersonSummaries(store)
        (held,) = await store.sessions()
        for days in (20, 10, 0):
            band = Band(boot_utc_ms=WEDNESDAY_MS - days * DAY_MS, boot_id=77 + days)
            band.do(vocab.START)
            band.pass_ms(8_000)
            band.do(vocab.STOP)
            await store.add(band.entries())
        found = (await summaries.of(everybody, WEDNESDAY_MS + 60_000, UTC)).last_held
        assert found is not None
        assert found.row == held
        later_ms = WEDNESDAY_MS + 200 * DAY_MS
        assert (await summaries.of(everybody, later_ms, UTC)).last_held is None, "a year is enough"


async def test_each_wearable_and_each_person_has_their_own(tmp_path: Path) -> None:
    async with await store_of(tmp_path / "h.db", 0, 1) as store:
        await store.add(
            whole_session(wearable="waist", person="ben", boot_utc_ms=WEDNESDAY_MS - DAY_MS)
        )
        summaries = PersonSummaries(store)
        days = [
            (await summaries.of(mine, WEDNESDAY_MS + 3_600_000, UTC)).days
            for mine in (
                lambda row: row.wearable == "wrist",
                lambda row: row.person == "ben",
                lambda row: row.person == "carla",
            )
        ]
    assert days == [2, 1, 0]


async def test_a_session_that_goes_on_does_not_count_yet_and_counts_when_it_ends(
    tmp_path: Path,
) -> None:
    async with await store_of(tmp_path / "h.db") as store:
        summaries = PersonSummaries(store)
        band = Band(boot_utc_ms=WEDNESDAY_MS)
        band.do(vocab.START)
        band.pass_ms(60_000)
        await store.add(band.entries())
        assert (await summaries.of(everybody, WEDNESDAY_MS + 60_000, UTC)).last is None
        band.pass_ms(120_000)
        await store.add(band.entries())
        assert (await summaries.of(everybody, WEDNESDAY_MS + 180_000, UTC)).days == 1


async def test_a_simulated_session_is_the_last_and_counts_for_nothing_else(tmp_path: Path) -> None:
    async with await store_of(tmp_path / "h.db", 2) as store:
        entries = whole_session(boot_id=9, boot_utc_ms=WEDNESDAY_MS)
        await store.add([replace(entry, is_simulated=True) for entry in entries])
        stands = await PersonSummaries(store).of(everybody, WEDNESDAY_MS + 3_600_000, UTC)

    assert stands.last is not None
    assert stands.last.row.is_simulated
    assert (stands.streak_days, stands.days, stands.sessions) == (1, 1, 1)
    assert stands.held_ms == 3 * HOLD_MS


async def test_several_are_summed_up_in_one_way_through_many_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person_summary, "PAGE_ROWS", 8)
    count = 21  # so that the first page is not all
    async with await store_of(tmp_path / "h.db") as store:
        for number in range(count):
            entries = whole_session(
                boot_id=number + 1,
                boot_utc_ms=WEDNESDAY_MS - DAY_MS + number * 60_000,
                wearable="wrist" if number else "waist",
            )
            await store.add([replace(one, is_simulated=number % 2 == 1) for one in entries])
        summaries = PersonSummaries(store)
        subjects = [lambda row, name=name: row.wearable == name for name in ("wrist", "waist", "x")]
        wrist, waist, nobody = await summaries.of_each(subjects, WEDNESDAY_MS, UTC)

        assert (wrist.sessions, waist.sessions, nobody.last) == (count // 2, 1, None)
        assert wrist == await summaries.of(subjects[0], WEDNESDAY_MS, UTC)


async def test_what_was_counted_is_held_no_longer_than_it_counts(tmp_path: Path) -> None:
    async with await store_of(tmp_path / "h.db") as store:
        summaries = PersonSummaries(store)
        for number in range(12):
            entries = whole_session(boot_id=number + 1, boot_utc_ms=WEDNESDAY_MS + number * 600_000)
            await store.add([replace(entry, is_simulated=True) for entry in entries])
            await summaries.of(everybody, WEDNESDAY_MS + 12 * 600_000, UTC)

        assert len(summaries._cache) == 1, "of simulated sessions the last counts, and no other"
