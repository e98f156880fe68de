# SPDX-License-Identifier: MIT
"""Sessions to report on."""

from __future__ import annotations

import asyncio
import math
import random
from datetime import UTC
from typing import TYPE_CHECKING

from tenuto.history import ExerciseNote, Store
from tenuto.history.period import Period, PeriodAccount, period_account
from tenuto.history.timeline import Account, account
from tenuto.routines.library import Library
from tenuto_core import vocab
from tests.history.sessions import Band, with_strap

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from tenuto.sessions.events import Entry

DAY_MS = 86_400_000
EVENING_MS = 1_795_197_900_000
"""Friday 2026-11-20, 18:05 UTC."""


def played(
    number: int,
    utc_ms: int,
    *,
    trouble: bool = False,
    is_strapped: bool = True,
    routine: str = "lower-back",
    **band: object,
) -> list[Entry]:
    """A routine after a run.  trouble: a pause, a skip, a silent strap, and a stop.

    Args:
        is_strapped: Whether a strap tells the heart beats, three records in four.
    """
    rng = random.Random(number)
    plan = Library().plan(routine).plan
    wearer = Band(boot_id=number, boot_utc_ms=utc_ms, plan=plan, **band)  # type: ignore[arg-type]
    wearer.do(vocab.START)
    for second in range(800):
        if wearer.player.state == 0:
            break
        if is_strapped and not (trouble and 60 < second < 68):
            bpm = round(68 + 60 * math.exp(-second / 60))
            stray = 0.6 if rng.random() < 0.02 else 1 + 0.04 * math.sin(second)
            wearer.player.beat(bpm, (round(60 * 1024 / bpm * stray),), wearer.now_ms)
        if trouble and second in _TROUBLE:
            wearer.do(_TROUBLE[second])
        wearer.pass_ms(1_000)
    return with_strap(wearer.entries()) if is_strapped else wearer.entries()


_TROUBLE = {95: vocab.PAUSE, 117: vocab.RESUME, 190: vocab.SKIP, 338: vocab.STOP}


def accounts(path: Path, *sessions: list[Entry]) -> list[Account]:
    """Keep sessions and tell them."""

    async def keep() -> list[Account]:
        async with Store(path) as store:
            for session in sessions:
                await store.add(session)
            routine = Library().routine("lower-back")
            for row in await store.sessions():
                notes = [ExerciseNote(e.name, e.kind, e.muscles) for e in routine.exercises]
                await store.describe(row.plan_id or "", notes)
            return [account(session) for session in await store.between(0, 1 << 60)]

    return asyncio.run(keep())


def month(path: Path) -> list[Account]:
    """Nine sessions within twenty days."""
    ago = (19, 16, 14, 12, 9, 7, 6, 2, 0)
    return accounts(
        path,
        *(
            played(number, EVENING_MS - days * DAY_MS, trouble=not days)
            for number, days in enumerate(ago, 1)
        ),
    )


def told(
    path: Path, name: str, day: date, today: date, person: str | None = "ada"
) -> PeriodAccount:
    """Tell a week or a month of a history that is kept."""

    async def read() -> PeriodAccount:
        async with Store(path, read_only=True) as store:
            return await period_account(store, Period.of(name, day), today, person, zone=UTC)

    return asyncio.run(read())
