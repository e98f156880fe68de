# SPDX-License-Identifier: MIT
"""Run by `test_instructions` on MicroPython: does one piece of work so many times, and ends.

`work.py PLAN WORK TIMES`: WORK is `idle`, a step of the player in the middle of a hold, or a number
of log records that go into one frame on the cable.
"""
# ruff: noqa: I002, PTH123 - MicroPython has no __future__ and no pathlib

import gc
import sys

from tenuto_core import cobs, vocab, wire
from tenuto_core.buzzer import Buzzer, Motor
from tenuto_core.log import Log
from tenuto_core.plan import Plan
from tenuto_core.player import Player

RECORDS_MAX = 32


class Silent(Motor):
    """A motor that is not there."""

    def on(self, strength_pct: int, on_ms: int) -> None:
        """As `buzzer` wants it."""

    def off(self) -> None:
        """As `buzzer` wants it."""


def main(path: str, work: str, times: int) -> None:
    with open(path, "rb") as file:
        plan = file.read()
    buzzer = Buzzer(Silent())
    log = Log(RECORDS_MAX)
    player = Player(log, buzzer)
    player.load(Plan(plan), b"12345678")
    player.receive(vocab.START, 0, vocab.BY_HOST, 0)
    now_ms = 0
    while log.next < RECORDS_MAX:
        now_ms = min(ms for ms in (player.due_ms, buzzer.due_ms) if ms is not None)
        player.advance(now_ms)
        buzzer.advance(now_ms)
    gc.collect()
    if work == "idle":
        for _ in range(times):
            player.advance(now_ms)
            buzzer.advance(now_ms)
        return
    frame = wire.encode(wire.LOG, 0, log.first, tail=log.read(log.first, int(work)))
    out = bytearray(len(frame) + 6)
    for _ in range(times):
        cobs.pack_into(frame, out)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
