# SPDX-License-Identifier: MIT
"""On which days something was held, out of the whole history, without telling each session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto_core import vocab
from tenuto_core.plan import Plan, PlanError

if TYPE_CHECKING:
    import sqlite3

    from .store import Store


async def held_utc_ms(store: Store, person: str | None) -> list[int]:
    """Give when each session of a person began in which a hold was held to its end, in order.

    person: as in the sessions; None for those of nobody in particular.
    """

    def job(db: sqlite3.Connection) -> list[int]:
        plans = db.execute("SELECT plan_id, data FROM plans").fetchall()
        holds = {plan_id: _holds(data) for plan_id, data in plans}
        rows = db.execute(
            "SELECT s.id, s.started_utc_ms, s.plan_id, r.step FROM sessions AS s"
            " JOIN records AS r ON r.session_id = s.id"
            " WHERE r.kind = ? AND r.a = ? AND s.person IS ?",
            (vocab.STEP_ENDED, vocab.STEP_COMPLETE, person),
        )
        began = {
            number: started_utc_ms
            for number, started_utc_ms, plan_id, step in rows
            if step in holds.get(plan_id, ())
        }
        return sorted(began.values())

    return await store.work(job)


def _holds(data: bytes) -> frozenset[int]:
    try:
        plan = Plan(data)
    except PlanError:
        return frozenset()
    return frozenset(n for n in range(plan.steps) if plan.step(n).kind == vocab.HOLD)
