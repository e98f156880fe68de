# SPDX-License-Identifier: MIT
"""`python -m tests.crash [--kills N] [--seed SEED]`: kills and power cuts by the hundred."""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import time

from tests.crash.kills import (
    cut_the_power,
    fill_the_disk,
    kill_class_writers,
    kill_daemons,
    kill_players,
    kill_writers,
)
from tests.processes import user


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    seed = secrets.randbits(30) if args.seed is None else args.seed
    dice, begin_s = random.Random(seed), time.monotonic()
    say(f"seed {seed}")
    with user() as folder:
        kill_writers(folder, args.kills, dice)
        say(f"{args.kills} kills of a process that writes the history: nothing was lost")
        kill_players(folder, args.kills, dice)
        say(f"{args.kills} kills of what plays for a device: its plans and its journal were there")
        kill_class_writers(folder, args.kills, dice)
        say(f"{args.kills} kills of what keeps a class: it was whole each time")
        cut_the_power(folder, 3 * args.kills, dice)
        say(f"{3 * args.kills} power cuts: nothing was lost")
        fill_the_disk(folder)
        say("a full disk: nothing was lost, and it went on")
    with user() as folder:
        played = kill_daemons(
            folder, args.kills, dice, lambda kills: say(f"{kills} of {args.kills} kills")
        )
        say(f"{args.kills} kills of the daemon in {played} sessions: each is whole in the history")
    say(f"{time.monotonic() - begin_s:.0f} s")


if __name__ == "__main__":
    main()
