# SPDX-License-Identifier: MIT
"""Which holds were held to their end, when and how often: questions to the whole history."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tenuto.routines import plan_bytes
from tenuto_core import vocab

from . import persons
from .outlines import VERSION
from .rows import UTC_MS_MAX, to_range
from .schema import pragma
from .sittings import in_parts

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
    """Return when each sitting of a person began in which a hold was held to its end, in order.

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
        whose = "person_id IS NULL" if person_id is None else "person_id = ?"
        of: tuple[str | int, ...] = () if person_id is None else (person_id,)
        if routine is not None:
            whose += " AND routine = ?"
            of = (*of, routine)
        theirs = f"{whose} AND is_simulated = 0", of
        wanted = f"{theirs[0]} AND started_utc_ms >= ?"
        of = (*of, from_utc_ms)
        found: dict[int, int] = {}
        others = ""
        if store.keeps_outlines:
            # What was held once, nothing that comes in later takes away.
            known = f"(SELECT id FROM outlines WHERE version = {VERSION} AND is_held = 1)"  # noqa: S608
            rows = db.execute(
                "SELECT id, started_utc_ms FROM sessions"  # noqa: S608 - marks
                f" WHERE {wanted} AND id IN {known}",
                of,
            )
            found |= dict(rows)
            others = f" AND id NOT IN {known}"
        alike: dict[tuple[int, ...], list[str]] = {}
        for plan_id, data in db.execute("SELECT plan_id, data FROM plans").fetchall():
            alike.setdefault(tuple(sorted(_holds(plan_id, data))), []).append(plan_id)
        for steps, plan_ids in alike.items():
            if not steps:
                continue
            # The first such hold comes early in a session; what the heart did then is not read.
            rows = db.execute(
                "SELECT id, started_utc_ms FROM sessions"  # noqa: S608 - numbers and marks
                f" WHERE {wanted}{others}"
                f" AND plan_id IN ({', '.join('?' * len(plan_ids))}) AND EXISTS ("
                "SELECT 1 FROM records AS r WHERE r.session_id = sessions.id"
                f" AND r.kind = ? AND r.a = ? AND r.step IN ({', '.join(map(str, steps))}))",
                (*of, *plan_ids, vocab.STEP_ENDED, vocab.STEP_COMPLETE),
            )
            found |= dict(rows)
        for first, *later in in_parts(db, from_utc_ms, UTC_MS_MAX, *theirs):
            held = [found.pop(part.id, None) is not None for part in (first, *later)]
            if any(held) and first.started_utc_ms >= from_utc_ms:
                found[first.id] = first.started_utc_ms
        return sorted(map(to_range, found.values()))

    return await store.at_one_moment(job)


def times_held(path: Path, routine: str, person: str | None) -> dict[str, int]:
    """Return in how many sittings each exercise of a routine was held to its end, on every side.

    Each hold of it counts, and one that was cut short or skipped makes it none for that sitting. A
    sitting that goes on does not count, and no simulated one does. Quick, and does not need the
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
            db.execute("BEGIN")  # all of it as of one moment
            plans = db.execute("SELECT plan_id, data FROM plans WHERE routine = ?", (routine,))
            names = {plan_id: _holds(plan_id, data) for plan_id, data in plans.fetchall()}
            ended = [
                (sitting, plan_id, *how)
                for number, sitting, plan_id in _sessions(db, routine, person)
                for how in db.execute(
                    "SELECT step, a FROM records WHERE session_id = ? AND kind = ?",
                    (number, vocab.STEP_ENDED),
                )
            ]
    except sqlite3.Error as error:
        _log.warning("history=%s cannot be read: %s", path, error)
        return {}
    good: dict[tuple[int, str], bool] = {}
    for sitting, plan_id, step, outcome in ended:
        name = names.get(plan_id, {}).get(step)
        if name is not None:
            key = (sitting, name)
            good[key] = good.get(key, True) and outcome == vocab.STEP_COMPLETE
    times: dict[str, int] = {}
    for (_, name), is_good in good.items():
        times[name] = times.get(name, 0) + is_good
    return times


def _sessions(
    db: sqlite3.Connection, routine: str, person: str | None
) -> list[tuple[int, int, str | None]]:
    """Return the sessions of a routine that are of sittings of a person that have ended.

    Returns:
        The number of each, of its sitting, and the id of its plan.
    """
    if pragma(db, "user_version") < PERSONS_SINCE:
        return db.execute(
            "SELECT id, id, plan_id FROM sessions WHERE person IS ? AND wearable <> 'simulated'"
            " AND routine = ? AND reason IS NOT NULL",
            (person, routine),
        ).fetchall()
    person_id = None if person is None else persons.called(db, person)
    if person is not None and person_id is None:
        return []
    alike, values = "person_id IS ? AND is_simulated = 0 AND routine = ?", (person_id, routine)
    of = {
        part.id: (parts[0].id, parts[-1].reason)
        for parts in in_parts(db, alike=alike, values=values)
        for part in parts
    }
    found = db.execute(f"SELECT id, plan_id, reason FROM sessions WHERE {alike}", values)  # noqa: S608
    sittings = (
        (number, plan_id, of.get(number, (number, reason))) for number, plan_id, reason in found
    )
    return [
        (number, first, plan_id)
        for number, plan_id, (first, reason) in sittings
        if reason is not None
    ]


def _holds(plan_id: str, data: bytes) -> dict[int, str | None]:
    """Return the name of the exercise of each step of a plan that is a hold."""
    plan = plan_bytes.known(plan_id, data)
    if plan is None:
        return {}
    steps = ((number, plan.step(number)) for number in range(plan.steps))
    return {
        number: plan.exercise_name(step.exercise)
        for number, step in steps
        if step.kind == vocab.HOLD
    }
