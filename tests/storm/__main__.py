# SPDX-License-Identifier: MIT
"""`python -m tests.storm`: storms without end, or for so many seeds, or one again.

--seeds N: how many, 0 for without end.  --from SEED: the first; random if left out.  --room NAME:
`radio`, the whole stack; `broker`, without radio and board; `memory`, without the broker too;
`proxies`, by those of ESPHome; `hosted`, where the host plays; `shared`, with several hosts that
agree by leases which of them has the wearable; `watch`, with a Bangle.js; `page`, with browsers; or
`class`, with several wearables in unison.
--only N,N: play only these troubles of the first seed.  --sessions N: no storm, but so many short
sessions on 20 wearables of one daemon that stays, with links that break; what it holds in memory
must not grow.
A failure prints its seed and the fewest troubles that still show it.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import logging
import math
import secrets
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tests.storm import steady
from tests.storm.places import ROOMS, play

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.storm.weather import Weather

WEARABLES, SAMPLES = 20, 10
"""Of `--sessions`."""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def some(weather: Weather, numbers: Sequence[int]) -> Weather:
    """Leave out all other troubles."""
    chosen = tuple(weather.troubles[number] for number in numbers)
    return dataclasses.replace(weather, troubles=chosen)


def fails(weather: Weather, room: str) -> BaseException | None:
    """Play it; gives what went wrong."""
    try:
        play(weather, room)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
        return error
    return None


def shrink(weather: Weather, room: str) -> list[int]:
    """Give the numbers of troubles that cannot be left out without losing the failure."""
    numbers = list(range(len(weather.troubles)))
    for number in list(numbers):
        fewer = [other for other in numbers if other != number]
        if fails(some(weather, fewer), room) is not None:
            numbers = fewer
    return numbers


def report(weather: Weather, room: str, error: BaseException) -> None:
    """Say what is needed to see it again."""
    traceback.print_exception(error)
    numbers = shrink(weather, room)
    say(f"seed {weather.seed} fails in the room {room!r}; it takes:")
    for number in numbers:
        say(f"  {number}: {weather.troubles[number]}")
    only = ",".join(map(str, numbers))
    say(f"again: python -m tests.storm --room {room} --from {weather.seed} --seeds 1 --only {only}")


def stay(sessions: int, mqtt: str) -> int:
    """Play so many sessions and say what is left of them; gives the exit status."""
    rounds = max(1, math.ceil(sessions / WEARABLES / SAMPLES))
    with tempfile.TemporaryDirectory() as folder:
        samples = steady.play(
            Path(folder),
            rounds=rounds,
            samples=SAMPLES,
            wearables=WEARABLES,
            mqtt=mqtt,
            on_sample=lambda sample: say(
                f"{sample.sessions} sessions: {sample.total} objects,"
                f" {sample.rss_kib / 1024:.1f} MiB"
            ),
        )
    half, last = samples[SAMPLES // 2 - 1], samples[-1]
    more = last.total - half.total
    say(
        f"from {half.sessions} to {last.sessions} sessions: {more} objects more: {last.since(half)}"
    )
    return 1 if more > (last.sessions - half.sessions) // 10 else 0


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--from", type=int, dest="first", default=None)
    parser.add_argument("--room", choices=tuple(ROOMS), default="radio")
    parser.add_argument("--only", default=None)
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--sessions", type=int, default=None)
    parser.add_argument("--mqtt", choices=("off", "embedded"), default="off")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if args.sessions is not None:
        return stay(args.sessions, args.mqtt)
    first = secrets.randbits(30) if args.first is None else args.first
    numbers = itertools.count(first) if args.seeds == 0 else range(first, first + args.seeds)
    say(f"storms from seed {first} in the room {args.room!r}")
    begin_s, sessions, storms, failed = time.monotonic(), 0, 0, 0
    for seed in numbers:
        weather = ROOMS[args.room].forecast(seed)
        if args.only is not None:
            weather = some(weather, [int(number) for number in args.only.split(",") if number])
        try:
            sessions += play(weather, args.room).sessions
        except Exception as error:  # noqa: BLE001 - see `fails`
            failed += 1
            report(weather, args.room, error)
            if not args.keep_going:
                return 1
        storms += 1
        if storms % 100 == 0:
            say(f"{storms} storms, {sessions} sessions, {time.monotonic() - begin_s:.0f} s")
    say(f"{storms} storms, {sessions} sessions, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
