# SPDX-License-Identifier: MIT
"""`python -m tests.clinic`: a clinic's day, in which something is killed in every minute.

--bands N, --hosts N, --hours N: how large it is.  --seed N: the same day again.
--show: no day, but a minute in real time: two rooms with real daemons, PostgreSQL and a broker of
three nodes, what is killed there in the midst of sessions, and the history afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import signal
import sys
import time
from typing import TYPE_CHECKING

from tests.clinic.day import Clinic, Plan, Report
from tests.clinic.outage import Outage
from tests.conftest import part
from tests.fleet.server import PostgresServer, find_programs
from tests.processes import user
from tests.storm import sealed

if TYPE_CHECKING:
    from pathlib import Path


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def play(plan: Plan, server: PostgresServer) -> Report:
    """Play a day; raises AssertionError for a promise that was not kept."""

    async def main(folder: Path) -> Report:
        # Of a log that nobody watches an hour of the day is enough.
        each_min = 1 if sys.stdout.isatty() else 60
        return await Clinic(plan, server, folder, say, each_min).play()

    return sealed.run_in_folder(main, plan.seed)


async def show(server: PostgresServer) -> None:
    """Play an outage and print what happens, and the history afterwards."""
    with user() as folder:
        outcome = await Outage(folder, server, part("nats-server"), say).play()
    say(f"\n$ tenuto history\n{outcome.history}\n$ tenuto fleet status\n{outcome.status}")
    say(
        f"{outcome.records} records are in the central history as the bands logged them;"
        f" {outcome.told} events went over the broker, {outcome.twice} of them twice"
    )


def table(plan: Plan, report: Report, took_s: float) -> str:
    """Return the report for people."""
    found = report.found
    rows = [
        ("bands, hosts", f"{plan.bands}, {plan.hosts}"),
        ("the day", f"{plan.minutes / 60:g} h in {took_s:.0f} s, seed {plan.seed}"),
        *((f"killed: {what}", str(count)) for what, count in sorted(report.kills.items())),
        ("PostgreSQL was away", f"{report.away_s / 60:.0f} min"),
        ("sessions in the central history", str(found.sessions)),
        ("  of them cut by a band that died", str(found.cut)),
        ("  deleted, and nowhere any more", str(found.deleted)),
        ("people erased, and nowhere any more", str(len(found.erased))),
        ("records in the central history", str(found.records)),
        ("  gone with a band before it was read", str(found.died)),
        ("  lacking", str(found.lacking)),
        ("  doubled", str(found.doubled)),
        ("  that no band logged", str(found.invented)),
    ]
    return "\n".join(f"{what:<40}{value:>30}" for what, value in rows)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.clinic", description=__doc__)
    parser.add_argument("--bands", type=int, default=300)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--show", action="store_true")
    args = parser.parse_args()
    programs = find_programs()
    if programs is None:
        say("no PostgreSQL: install the package postgresql")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without ending what it began
    server = PostgresServer(programs)
    server.start()
    try:
        if args.show:
            asyncio.run(show(server))
        else:
            logging.disable(logging.CRITICAL)
            seed = secrets.randbits(30) if args.seed is None else args.seed
            minutes = max(1, round(60 * args.hours))
            say(f"a clinic's day with seed {seed}")
            plan = Plan(bands=args.bands, hosts=args.hosts, minutes=minutes, seed=seed)
            begin_s = time.monotonic()
            report = play(plan, server)
            say(table(plan, report, time.monotonic() - begin_s))
    finally:
        server.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
