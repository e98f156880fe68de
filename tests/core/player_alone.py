# SPDX-License-Identifier: MIT
"""Plays the plan in a file with nothing but the player, to see how little memory it needs."""
# ruff: noqa: E402, I002, T201, PTH123 - MicroPython has no __future__ and no pathlib

import gc
import sys

# Room for all of a plan is taken before anything else lies in the way, as a board's program does.
DATA = bytearray(8192)
with open(sys.argv[1], "rb") as file:
    SIZE = file.readinto(DATA)

from tenuto_core import vocab
from tenuto_core.buzzer import Buzzer, Motor
from tenuto_core.log import Log
from tenuto_core.plan import Plan

gc.collect()  # what the imports so far left behind would be in the way of the largest one

from tenuto_core.player import Player

LOG_RECORDS = 64


class Silent(Motor):
    """A motor that is not there."""

    def on(self, strength_pct: int, on_ms: int) -> None:
        """As `buzzer` wants it."""

    def off(self) -> None:
        """As `buzzer` wants it."""


def main() -> None:
    gc.collect()
    buzzer = Buzzer(Silent())
    log = Log(LOG_RECORDS)
    player = Player(log, buzzer)
    player.load(Plan(DATA), b"12345678")
    player.receive(vocab.START, 0, vocab.BY_HOST, 0)
    while player.due_ms is not None:
        now_ms = player.due_ms if buzzer.due_ms is None else min(player.due_ms, buzzer.due_ms)
        player.advance(now_ms)
        buzzer.advance(now_ms)
    print(SIZE, "bytes,", log.next, "records,", log.read(log.next - 1, 1)[4] == vocab.SESSION_ENDED)
    gc.collect()
    if hasattr(gc, "mem_free"):
        print("free at the end:", gc.mem_free(), file=sys.stderr)


main()
