# SPDX-License-Identifier: MIT
"""How long a year of daily sessions takes: `python -m tests.bench.bench_history [SESSIONS]`.

Prints the time of each thing that a person waits for. Nothing here is a test: machines differ.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto.history import Store
from tenuto.history.completed_holds import held_utc_ms, times_held
from tenuto.history.jsonlines import write_lines
from tenuto.history.period import Period, period_account
from tenuto.history.repair import check
from tenuto.history.timeline import account
from tenuto.report import period_report
from tests.report.played import DAY_MS, EVENING_MS, played

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def timed(what: str) -> Iterator[None]:
    begin_s = time.perf_counter()
    yield
    print(f"{1000 * (time.perf_counter() - begin_s):9.1f} ms  {what}")  # noqa: T201


async def main(sessions: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.db")
        async with Store(path) as store:
            for number in range(1, sessions + 1):
                await store.add(played(number, EVENING_MS - (sessions - number) * DAY_MS))
        size = path.stat().st_size / 1_000_000  # noqa: ASYNC240 - nobody waits
        print(f"{sessions} sessions, {size:.1f} MB")  # noqa: T201
        store = Store(path, read_only=True)
        with timed("open"):
            await store.open()
        with timed("the rows of all sessions"):
            await store.sessions()
        with timed("one session in full"):
            session = await store.session(sessions)
            assert session is not None
            account(session)
        with timed("the last twenty, as `tenuto history` shows them"):
            for row in await store.sittings(20):
                found = await store.session(row.id)
                assert found is not None
                account(found)
        with timed("the days of all of them, for the streak"):
            await held_utc_ms(store, "ada")
        with timed("how often each exercise was held"):
            times_held(path, "lower-back", "ada")
        today = date(2026, 11, 20)
        with timed("the report of a month"):
            period_report(await period_account(store, Period.of("month", today), today, "ada"))
        with timed("`tenuto history check`"):
            assert (await check(store)).is_sound
        with timed("`tenuto history export`"):
            await write_lines(store, len)
        await store.close()
        async with Store(path) as writable:
            with timed("delete one for good"):
                await writable.delete(1)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 365))
