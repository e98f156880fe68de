# SPDX-License-Identifier: MIT
"""Histories that older versions wrote, kept in `databases/`."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tenuto.history import ExerciseNote, SessionRow, Store, replay, summarize
from tenuto.history.repair import check
from tenuto.history.schema import SCHEMA_VERSION
from tenuto.sessions.events import LinkLost, to_json
from tests.history.sessions import whole_session

SHOWN = Path(__file__).with_name("databases") / "shown_by_v4.json"
"""What the last version before devices and persons showed of each of them."""
KEPT = sorted(Path(__file__).with_name("databases").glob("v*.sql"))


def test_every_older_version_is_kept() -> None:
    assert [f"v{version}" for version in range(1, SCHEMA_VERSION)] == [file.stem for file in KEPT]


@pytest.fixture(params=KEPT, ids=lambda file: file.stem)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param.stem}.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(request.param.read_text(encoding="utf-8"))
    return path


async def shown_of(store: Store, row: SessionRow) -> object:
    """What version 4 showed of a session, as JSON has it."""
    session = await store.session(row.id)
    assert session is not None
    happened = replay(session)
    told = {
        "id": row.id,
        "wearable": row.wearable,
        "boot_id": row.key.boot_id,
        "seq": row.key.seq,
        "person": row.person,
        "plan_id": row.plan_id,
        "routine": row.routine,
        "started_utc_ms": row.started_utc_ms,
        "ended_utc_ms": row.ended_utc_ms,
        "reason": row.reason,
        "source": row.source,
        "summary": asdict(summarize(event for event, _ in happened)),
        "events": [[utc_ms, to_json(event)] for event, utc_ms in happened],
    }
    return json.loads(json.dumps(told))


def as_far_as(before: Any, now: Any) -> Any:
    """Leave out what is told today and was not told then."""
    if isinstance(before, dict) and isinstance(now, dict):
        return {name: as_far_as(before[name], now[name]) for name in before if name in now}
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [as_far_as(old, new) for old, new in zip(before, now, strict=True)]
    return now


def schema(path: Path) -> list[tuple[str, str]]:
    """Tables and columns; how the statement that made them is laid out does not count."""
    with closing(sqlite3.connect(path)) as db:
        return sorted(
            (table, *column[1:])
            for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            for column in db.execute(f"PRAGMA table_info({table})")
        )


@pytest.mark.parametrize("read_only", [False, True])
async def test_an_older_history_is_brought_up_and_says_the_same(
    old: Path, tmp_path: Path, read_only: bool
) -> None:
    async with Store(old, read_only=read_only) as store:
        third, second, first = await store.sessions()
        assert [(r.id, r.wearable, r.person, r.reason) for r in (first, second, third)] == [
            (1, "wrist", "ada", "finished"),
            (2, "waist", None, "stopped"),
            (3, "wrist", "ada", None),
        ]
        session = await store.session(1)
        assert session is not None
        events = [event for event, _ in replay(session)]
        assert LinkLost(t_ms=10_000) in events
        events.remove(LinkLost(t_ms=10_000))
        assert [entry.event for entry in whole_session(boot_id=1)] == events
        paused = await store.session(2)
        assert paused is not None
        assert summarize(event for event, _ in replay(paused)).paused_ms == 4_000
        assert (await check(store)).is_sound

        shown = [await shown_of(store, row) for row in reversed(await store.sessions())]
        told = json.loads(SHOWN.read_text(encoding="utf-8"))
        before = told.get(old.stem, told["v4"])  # later ones were made of that one
        assert as_far_as(before, shown) == before

    async with Store(tmp_path / "new.db"):
        pass
    assert schema(tmp_path / "new.db") == schema(old)


async def test_an_older_history_goes_on(old: Path) -> None:
    async with Store(old) as store:
        await store.add(whole_session(boot_id=77))
        note = ExerciseNote("Glute Bridge", "strength", ("glutes",))
        rows = await store.sessions()
        await store.describe(rows[0].plan_id or "", [note])
        session = await store.session(rows[0].id)

        assert len(rows) == 4
        assert session is not None
        assert session.exercises == (note,)
