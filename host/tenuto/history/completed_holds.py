# SPDX-License-Identifier: MIT
"""Which holds were held to their end, when and how often: questions to the whole history."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tenuto.routines import plan_bytes
from tenuto_core import vocab
from tenuto_core.plan import PlanError

from . import persons
from .outlines import VERSION
from .rows import to_range
from .schema import pragma

if TYPE_CHECKING:
    from pathlib import Path

    from .database import Database
    from .reading import HistoryReader

_log = logging.getLogger(__name__)

READ_TIMEOUT_S = 1.0
PERSONS_SINCE = 5
"""The version of the schema that first had a table of them."""


async def held_utc_ms(
    store: HistoryReader, person: str | None, *, routine: str | None = None, from_utc_ms: int = 0
) -> list[int]:
    """Return when each session of a person began in which a hold was held to its end, in order.

    Simulated sessions do not count.

    Args:
        person: As in the sessions; None for those of nobody in particular.
        routine: Only sessions of that one.
        from_utc_ms: Only those that began then or later.
    """

    def job(db: Database) -> list[int]:
        person_id = None if person is None else persons.called(db, person)
        if person is not None and person_id is None:
            return []
        whose = "s.person_id IS NULL" if person_id is None else "s.person_id = ?"
        of: tuple[str | int, ...] = () if person_id is None else (person_id,)
        if routine is not None:
            whose += " AND s.routine = ?"
            of = (*of, routine)
        wanted = f"{whose} AND s.is_simulated = 0 AND s.started_utc_ms >= ?"
        of = (*of, from_utc_ms)
        found: list[int] = []
        others = ""
        if store.keeps_outlines:
            # What was held once, nothing that comes in later takes away.
            known = f"(SELECT id FROM outlines WHERE version = {VERSION} AND is_held = 1)"  # noqa: S608
            rows = db.execute(
                f"SELECT s.started_utc_ms FROM sessions AS s WHERE {wanted} AND s.id IN {known}",  # noqa: S608 - marks
                of,
            )
            found += [to_range(started_utc_ms) for (started_utc_ms,) in rows]
            others = f" AND s.id NOT IN {known}"
        alike: dict[tuple[int, ...], list[str]] = {}
        for plan_id, data in db.execute("SELECT plan_id, data FROM plans").fetchall():
            alike.setdefault(tuple(sorted(_holds(plan_id, data))), []).append(plan_id)
        for steps, plan_ids in alike.items():
            if not steps:
                continue
            # The first such hold comes early in a session; what the heart did then is not read.
            rows = db.execute(
                "SELECT s.started_utc_ms FROM sessions AS s"  # noqa: S608 - numbers and marks
                f" WHERE {wanted}{others}"
                f" AND s.plan_id IN ({', '.join('?' * len(plan_ids))}) AND EXISTS ("
                "SELECT 1 FROM records AS r WHERE r.session_id = s.id AND r.kind = ? AND r.a = ?"
                f" AND r.step IN ({', '.join(map(str, steps))}))",
                (*of, *plan_ids, vocab.STEP_ENDED, vocab.STEP_COMPLETE),
            )
            found += [to_range(started_utc_ms) for (started_utc_ms,) in rows]
        return sorted(found)

    return await store.work(job)


def times_held(path: Path, routine: str, person: str | None) -> dict[str, int]:
    """Return in how many sessions each exercise of a routine was held to its end, on every side.

    Each hold of it counts, and one that was cut short or skipped makes it none for that session. A
    session that goes on does not count, and no simulated one does. Quick, and does not need the
    store: reads the file as it is, also one that has not been brought up to this version yet; a
    history that is missing or cannot be read has nothing to tell.

    Args:
        person: As in the sessions; None for those of nobody in particular.
    """
    if not path.exists():
        return {}
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=READ_TIMEOUT_S)
        ) as db:
            plans = db.execute("SELECT plan_id, data FROM plans WHERE routine = ?", (routine,))
            names = {plan_id: _holds(plan_id, data) for plan_id, data in plans.fetchall()}
            mine, who = "s.person IS ? AND s.wearable <> 'simulated'", person
            if pragma(db, "user_version") >= PERSONS_SINCE:
                mine = "s.person_id IS ? AND NOT s.is_simulated"
                who = None if person is None else persons.called(db, person)
                if person is not None and who is None:
                    return {}
            rows = db.execute(
                "SELECT s.id, s.plan_id, r.step, r.a FROM sessions AS s"  # noqa: S608 - fixed text
                " JOIN records AS r ON r.session_id = s.id"
                f" WHERE r.kind = ? AND {mine} AND s.routine = ? AND s.reason IS NOT NULL",
                (vocab.STEP_ENDED, who, routine),
            ).fetchall()
    except sqlite3.Error as error:
        _log.warning("history=%s cannot be read: %s", path, error)
        return {}
    good: dict[tuple[int, str], bool] = {}
    for number, plan_id, step, outcome in rows:
        name = names.get(plan_id, {}).get(step)
        if name is not None:
            key = (number, name)
            good[key] = good.get(key, True) and outcome == vocab.STEP_COMPLETE
    times: dict[str, int] = {}
    for (_, name), is_good in good.items():
        times[name] = times.get(name, 0) + is_good
    return times


def _holds(plan_id: str, data: bytes) -> dict[int, str | None]:
    """Return the name of the exercise of each step of a plan that is a hold."""
    try:
        plan = plan_bytes.read(plan_id, data)
    except PlanError:
        return {}
    steps = ((number, plan.step(number)) for number in range(plan.steps))
    return {
        number: plan.exercise_name(step.exercise)
        for number, step in steps
        if step.kind == vocab.HOLD
    }
