# SPDX-License-Identifier: MIT
"""`python -m tests.crash.class_writer PATH`: keeps a class that changes, until it is killed.

Says `ACK number` once the class of that number is kept; none is kept for each tenth.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from tenuto.routines.library import Library
from tenuto.sessions.unison import Unison
from tenuto.state.class_store import ClassStore

NONE_EACH = 10
MEMBERS_MAX = 40
PLAN = Library().plan("lower-back-short")


def class_of(number: int) -> tuple[Unison, bytes, list[str], dict[str, int]]:
    """Return a class of its own for each number, of one member or of many."""
    names = [f"band-{member}" for member in range(1 + number % MEMBERS_MAX)]
    unison = Unison.of(PLAN.plan, dict.fromkeys(names), number)
    return unison, PLAN.data, names, {names[0]: number}


def main(path: Path) -> None:
    """Keep classes for ever."""
    store = ClassStore(path)
    before = store.load()
    for number in count(0 if before is None else before[0].anchor_utc_ms + 1):
        if number % NONE_EACH:
            store.save(*class_of(number))
        else:
            store.save(None)
        sys.stdout.write(f"ACK {number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
