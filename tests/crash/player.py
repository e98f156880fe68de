# SPDX-License-Identifier: MIT
"""`python -m tests.crash.player FOLDER`: keeps plans and a journal as a hosted player does.

Says `ACK plan_id number` once a plan is kept and the journal tells of it.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from tenuto.routines.plan_bytes import id_of
from tenuto.state.player_store import PlayerStore
from tenuto_core.encode import encode
from tenuto_core.journal import PLAYING, Entry, Journal
from tenuto_core.plan import Plan
from tenuto_core.plans import Shelf
from tests.core.rig import PATTERNS, score


def plan_of(number: int) -> Plan:
    """Return a plan of its own for each number."""
    return Plan(encode(f"Bench {number}", ("first", "second"), score(), PATTERNS))


def main(folder: Path) -> None:
    """Keep plans for ever."""
    store = PlayerStore(folder)
    shelf, journal = Shelf(store), Journal(store)
    before = journal.read()
    for number in count(0 if before is None else before.session + 1):
        plan = plan_of(number)
        plan_id = id_of(bytes(plan.data))
        assert shelf.keep(plan_id, plan)
        journal.write(Entry(PLAYING, plan_id, 1, number, 0, number), 0)
        sys.stdout.write(f"ACK {plan_id.hex()} {number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
