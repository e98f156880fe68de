# SPDX-License-Identifier: MIT
"""Counts what is allocated between the moment that a cue is due and the drive of the motor.

For MicroPython: `python due_to_motor.py PLAN_FILE LEAD_MS`.  The session is played twice: first the
heap is measured around each call, then it is locked, so that any allocation at all would raise.
"""
# mypy: disable-error-code="attr-defined"
# ruff: noqa: ARG002, I002, T201, PTH123 - MicroPython has no __future__ and no pathlib

import gc
import sys

import micropython

from tenuto_core import vocab
from tenuto_core.band import Band
from tenuto_core.buzzer import Motor
from tenuto_core.plan import Plan


class Meter(Motor):
    """Notes the heap when it is driven, and unlocks it."""

    def __init__(self, lead_ms: int) -> None:
        self.lead_ms = lead_ms
        self.at_bytes = 0
        self.locked = False
        self.pulses = 0

    def on(self, strength_pct: int, on_ms: int) -> None:
        """As `buzzer` wants it."""
        self.at_bytes = gc.mem_alloc()
        self.pulses += 1
        if self.locked:
            self.locked = False
            micropython.heap_unlock()

    def off(self) -> None:
        """As `buzzer` wants it."""


def play(data: bytearray, lead_ms: int, drives: list[bool], *, lock: bool) -> int:
    """Play a session; `drives` tells for each call whether it drives the motor, or learns it.

    Returns the most bytes that were taken before a drive.
    """
    motor = Meter(lead_ms)
    band = Band(motor, 1, "x", 0, 256)
    band.player.load(Plan(data), b"12345678")
    band.player.receive(vocab.START, 0, vocab.BY_HOST, 1_000)
    most, index = 0, 0
    while band.player.state:
        now_ms = band.due_ms or 0
        gc.collect()
        gc.disable()
        motor.at_bytes = -1
        if lock and drives[index]:
            motor.locked = True
            micropython.heap_lock()
        before = gc.mem_alloc()
        band.advance(now_ms)
        if not lock:
            drives.append(motor.at_bytes >= 0)
        if motor.at_bytes >= 0:
            most = max(most, motor.at_bytes - before)
        gc.enable()
        index += 1
    print("drives", motor.pulses, "cues", band.player.lateness.count)
    return most


def main() -> None:
    with open(sys.argv[1], "rb") as file:
        data = bytearray(file.read())
    drives: list[bool] = []
    lead_ms = int(sys.argv[2])
    print("bytes", play(data, lead_ms, drives, lock=False))
    print("bytes", play(data, lead_ms, drives, lock=True))


main()
