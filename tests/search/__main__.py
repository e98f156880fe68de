# SPDX-License-Identifier: MIT
"""`python -m tests.search`: every world that differs by a message and a crash, one by one.

--play NAME: only what people do there; those that begin with `shared:` are in the world in which
two hosts share the band by a lease.  --messages N, --crashes N: how many of each go wrong in a
world, one by default.  --minutes N: end after so long, with what was not searched said; 10 by
default, and 0 for no end.
--again PLAY DEVIATION ...: play one world again, of deviations as they were printed, and show how
it fails.
Exit status 1 if a promise was broken in one; what went wrong there is printed, to be kept as
a test.
"""

from __future__ import annotations

import argparse
import ast
import logging
import math
import os
import random
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial

from tests.search.choices import CRASH, MESSAGE, Choices, Deviation, branches, following
from tests.search.worlds import PLAYS, play

FAILURES_SHOWN = 3
"""Of one kind."""
TELL_EVERY_S = 30.0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@dataclass
class Found:
    """What a part of the search found.

    Attributes:
        worlds: How many were played.
        points: The most choices in one.
        wrong: How many worlds there were in which so many things went wrong.
        broken: What went wrong in each world that broke a promise, by what it broke.
        is_whole: Whether all was searched.
    """

    worlds: int = 0
    points: int = 0
    wrong: Counter[int] = field(default_factory=Counter)
    broken: dict[str, list[list[Deviation]]] = field(default_factory=dict)
    is_whole: bool = True

    def add(self, other: Found) -> None:
        """Take in what another part found."""
        self.worlds += other.worlds
        self.points = max(self.points, other.points)
        self.wrong += other.wrong
        self.is_whole = self.is_whole and other.is_whole
        for what, worlds in other.broken.items():
            self.broken.setdefault(what, []).extend(worlds)


def search(name: str, path: list[int], fixed: int, budget: dict[str, int], until_s: float) -> Found:
    """Play every world below a path.

    Args:
        name: Of `PLAYS`.
        path: Of the first world.
        fixed: So many of its choices stay.
        budget: How many of each kind go wrong.
        until_s: By `time.monotonic`, when to leave off.
    """
    found = Found()
    following_path: list[int] | None = path
    while following_path is not None:
        if time.monotonic() >= until_s:
            found.is_whole = False
            break
        choices = Choices(path=following_path, budget=budget)
        try:
            play(name, choices)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
            text = f"{name}: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
            found.broken.setdefault(text, []).append(choices.happened)
        found.worlds += 1
        found.points = max(found.points, len(choices.made))
        found.wrong[len(choices.happened)] += 1
        following_path = following(choices.made, fixed)
    return found


def search_all(names: list[str], budget: dict[str, int], until_s: float) -> dict[str, Found]:
    """Play all worlds of these names on all cores; returns what was found by name."""
    parts = []
    for name in names:
        calm = Choices(budget=budget)
        play(name, calm)
        # The calm world itself, with all its choices fixed, and the tree below each deviation.
        parts += [(name, path) for path in ([0] * len(calm.made), *branches(calm.made))]
    # Where time is short, something of everything is searched.
    random.Random(1).shuffle(parts)
    found = {name: Found() for name in names}
    silent = partial(logging.disable, logging.CRITICAL)
    with ProcessPoolExecutor(os.cpu_count(), initializer=silent) as pool:
        jobs = {
            pool.submit(search, name, path, len(path), budget, until_s): name
            for name, path in parts
        }
        told_s = time.monotonic()
        for number, job in enumerate(as_completed(jobs), 1):
            name, part = jobs[job], job.result()
            for what in part.broken.keys() - found[name].broken.keys():
                say(f"{name}: {what}\n  {_told(part.broken[what][0])}")
            found[name].add(part)
            if time.monotonic() - told_s >= TELL_EVERY_S:
                told_s = time.monotonic()
                worlds = sum(part.worlds for part in found.values())
                broken = sum(len(part.broken) for part in found.values())
                say(f"{number} of {len(jobs)} parts, {worlds} worlds, broken in {broken} ways")
    return found


def report(found: dict[str, Found]) -> Found:
    """Say what was searched, and what it takes to see each failure again; returns the sum."""
    total = Found()
    for name, part in found.items():
        rest = "" if part.is_whole else ", and not all"
        say(f"{name}: {part.worlds} worlds{rest}, up to {part.points} choices")
        total.add(part)
    wrong = ", ".join(f"{total.wrong[count]} with {count}" for count in sorted(total.wrong))
    say(f"{total.worlds} worlds: {wrong} faults")
    for what, worlds in total.broken.items():
        say(f"{len(worlds)} times {what}")
        for happened in sorted(worlds, key=len)[:FAILURES_SHOWN]:
            say(f"  {_told(happened)}")
    return total


def _told(happened: list[Deviation]) -> str:
    return ", ".join(f"({wrong})" for wrong in happened)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.search", description=__doc__)
    parser.add_argument("--play", choices=tuple(PLAYS), action="append")
    parser.add_argument("--messages", type=int, default=1)
    parser.add_argument("--crashes", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--again", nargs="+", metavar=("PLAY", "DEVIATION"))
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if args.again is not None:
        name, *wrong = args.again
        if name not in PLAYS:
            parser.error(f"there is no play {name!r}; there are: {', '.join(PLAYS)}")
        choices = Choices([Deviation(*ast.literal_eval(text)) for text in wrong])
        play(name, choices)
        say(f"no promise was broken; {len(choices.happened)} of {len(wrong)} things went wrong")
        return 0
    budget = {MESSAGE: args.messages, CRASH: args.crashes}
    until_s = time.monotonic() + args.minutes * 60 if args.minutes else math.inf
    total = report(search_all(args.play or list(PLAYS), budget, until_s))
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main())
