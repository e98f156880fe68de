# SPDX-License-Identifier: MIT
"""Outlines that are kept say what the records say, whatever comes in, in whatever order."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from tenuto.history import Store, outlines
from tenuto.history.adherence import day_of
from tenuto.history.completed_holds import held_utc_ms
from tenuto.history.jsonlines import read_lines
from tenuto.history.period import MONTH, Period, period_account
from tenuto.history.repair import check, rebuild
from tenuto.history.schema import transaction
from tenuto.history.timeline import account
from tenuto.report import period_report
from tenuto.sessions.events import LinkLost, SessionStarted
from tests.history.sessions import UTC_MS, eventful_session, whole_session, with_strap
from tests.history.test_union import export, of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from tenuto.history.reading import HistoryReader
    from tenuto.history.timeline import Outline
    from tenuto.sessions.events import Entry

TODAY = day_of(UTC_MS, UTC)


async def keep_all(store: Store) -> int:
    numbers = await store.without_outline()
    await store.keep_outlines(*numbers)
    return len(numbers)


async def from_outlines(store: HistoryReader) -> list[Outline]:
    return await store.outlines((await store.sessions())[::-1])


async def from_records(store: HistoryReader) -> list[Outline]:
    return [account(one).outline for one in await store.between(0, 1 << 60)]


async def month(store: HistoryReader, person: str | None) -> str:
    told = await period_account(store, Period.of(MONTH, TODAY), TODAY, person, zone=UTC)
    return period_report(told, zone=UTC).html


async def is_kept(store: Store, number: int) -> bool:
    return number not in await store.without_outline()


def forget(db: sqlite3.Connection) -> None:
    with transaction(db):
        outlines.forget_all(db)


def at_random(rng: random.Random, number: int) -> list[Entry]:
    """A session, some of them simulated, torn, or with a strap."""
    play = rng.choice([whole_session, eventful_session])
    entries = play(boot_id=number, boot_utc_ms=UTC_MS + rng.randrange(-9, 1) * 86_400_000)
    if rng.random() < 0.4:
        entries = with_strap(entries)
    if rng.random() < 0.2:
        entries = entries[rng.randrange(6) :]
    return of(
        entries,
        f"serial:{number % 3}",
        person=rng.choice(["anna", "ada", None]),
        is_simulated=rng.random() < 0.2,
    )


@pytest.mark.parametrize("seed", range(8))
async def test_a_report_from_outlines_is_that_from_records(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    parts: list[Sequence[Entry]] = []
    async with Store(tmp_path / "other.db") as other:
        for number in range(6):
            entries = at_random(rng, number)
            at, until = sorted(rng.choices(range(len(entries)), k=2))
            parts += [entries[:at], entries[rng.choice([at, until]) :]]
            heard = entries[rng.randrange(at + 1) :]  # by another host
            await other.add([replace(one, person=None, utc_ms=one.utc_ms + 9) for one in heard])
    merged = await export(tmp_path / "other.db")
    rng.shuffle(parts)

    async with Store(tmp_path / "h.db") as store:
        for number, part in enumerate(parts):
            await store.add(part)
            if rng.random() < 0.5:
                await keep_all(store)
            if number == len(parts) // 2:
                await read_lines(store, merged, "other.jsonl")
            if rng.random() < 0.1:
                await store.delete(rng.choice(await store.sessions()).id)
        assert await from_outlines(store) == await from_records(store)
        await keep_all(store)
        told = [await month(store, who) for who in ("anna", "ada", None)]
        held = [await held_utc_ms(store, who) for who in ("anna", "ada", None)]

        assert await from_outlines(store) == await from_records(store)
        assert (await check(store)).is_sound
        await store.work(forget)
        assert [await month(store, who) for who in ("anna", "ada", None)] == told
        assert [await held_utc_ms(store, who) for who in ("anna", "ada", None)] == held


async def test_what_comes_in_late_is_in_the_outline(tmp_path: Path) -> None:
    entries = eventful_session()
    started = entries[0]
    assert isinstance(started.event, SessionStarted)
    assert started.event.plan is not None
    planless = [replace(started, event=replace(started.event, plan=None)), *entries[1:]]
    lost = replace(started, event=LinkLost(t_ms=4_000), record=None)
    late = {
        "a record": ([*entries[:9], *entries[12:]], entries[9:12]),
        "what the host noticed": (entries, [lost]),
        "the plan": (planless, [started]),
        "the beginning": (entries[4:], entries[:4]),
    }
    for what, (first, later) in late.items():
        async with Store(tmp_path / f"{what}.db") as store:
            await store.add(first)
            await keep_all(store)
            before = await from_outlines(store)
            assert await is_kept(store, 1), what
            await store.add(later)

            assert not await is_kept(store, 1), what
            assert await from_outlines(store) == await from_records(store) != before, what


async def test_a_plan_that_was_mended_is_in_the_outline(tmp_path: Path) -> None:
    entries = whole_session()
    async with Store(tmp_path / "h.db") as store:
        await store.add(entries)
        whole = await from_records(store)
        await store.work(lambda db: db.execute("UPDATE plans SET data = x'00'"))
        await keep_all(store)
        assert await from_outlines(store) != whole
        await store.add(entries)  # what is read again from the wearable

        assert await from_outlines(store) == whole


async def test_one_of_another_version_does_not_count(tmp_path: Path) -> None:
    async with Store(tmp_path / "h.db") as store:
        await store.add(whole_session())
        await keep_all(store)
        told = json.loads(outlines.to_text((await from_outlines(store))[0]))
        older = (outlines.VERSION - 1, json.dumps(["another title", *told[1:]]))
        change = "UPDATE outlines SET version = ?, data = ?"
        await store.work(lambda db: db.execute(change, older))

        assert await from_outlines(store) == await from_records(store)
        assert await held_utc_ms(store, "ada") == [whole_session()[0].utc_ms]
        assert await keep_all(store) == 1
        assert await keep_all(store) == 0


async def test_nothing_is_kept_of_a_session_that_goes_on_or_is_deleted(tmp_path: Path) -> None:
    async with Store(tmp_path / "h.db") as store:
        await store.add(whole_session()[:-1])
        assert await keep_all(store) == 0
        await store.add(whole_session()[-1:])
        assert await keep_all(store) == 1
        rows = await store.sessions()
        await store.delete(1)

        assert await store.outlines(rows) == []
        count = "SELECT count(*) FROM outlines"
        assert await store.work(lambda db: db.execute(count).fetchone()) == (0,)


@pytest.mark.parametrize("damaged", ["wrong", "no text of an outline", "[1]"])
async def test_check_finds_a_wrong_outline_and_rebuild_mends_it(
    tmp_path: Path, damaged: str
) -> None:
    async with Store(tmp_path / "h.db") as store:
        await store.add(whole_session())
        await store.add(whole_session(boot_id=2))
        await keep_all(store)
        right = await from_outlines(store)
        if damaged == "wrong":
            told = json.loads(outlines.to_text(right[1]))
            damaged = json.dumps(["another title", *told[1:]])
        change = "UPDATE outlines SET data = ? WHERE id = 2"
        await store.work(lambda db: db.execute(change, (damaged,)))
        assert len(await from_outlines(store)) == 2, "one that is damaged is made anew"

        found = await check(store)
        assert found.faults == ("the outline of session 2 is not as its records tell",)
        await rebuild(store)
        assert (await check(store)).is_sound
        assert await from_outlines(store) == right
