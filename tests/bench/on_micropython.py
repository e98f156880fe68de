# SPDX-License-Identifier: MIT
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN204, ARG002, I002, PTH123, T201 - runs on MicroPython
"""Run by `bench_device` on MicroPython: heap, allocations and time of a band and its player."""

import gc
import json
import sys
import time

from tenuto_core import vocab
from tenuto_core.band import Band
from tenuto_core.buzzer import Motor
from tenuto_core.plan import Plan

TIMES = 2000


class Counting(Motor):
    def __init__(self):
        self.mark = 0
        self.used = -1

    def on(self, strength_pct, on_ms):
        if self.used < 0:
            self.used = gc.mem_alloc() - self.mark


def empty():
    return None


with open(sys.argv[1], "rb") as file:
    data = file.read()
gc.collect()
before = gc.mem_alloc()
motor = Counting()
band = Band(motor, 1, "bench", 0, 256)
plan = Plan(data)
band.player.load(plan, b"benchrun")
gc.collect()
heap = gc.mem_alloc() - before

gc.disable()
band.player.receive(vocab.START, 0, vocab.BY_HOST, 0)
now = 0
most = 0
cue_us = 0
cues = 0
while band.due_ms is not None and cues < 60:
    now = band.due_ms
    gc.collect()
    motor.used = -1
    motor.mark = gc.mem_alloc()
    start = time.ticks_us()
    band.advance(now)
    took = time.ticks_diff(time.ticks_us(), start)
    if motor.used >= 0:
        most = max(most, motor.used)
        cue_us += took
        cues += 1
gc.collect()
mark = gc.mem_alloc()
band.advance(now)
idle = gc.mem_alloc() - mark
start = time.ticks_us()
for _ in range(TIMES):
    band.advance(now)
idle_us = time.ticks_diff(time.ticks_us(), start) / TIMES
start = time.ticks_us()
for _ in range(TIMES):
    empty()
empty_us = time.ticks_diff(time.ticks_us(), start) / TIMES
print(
    json.dumps(
        {
            "plan_bytes": len(data),
            "heap_bytes": heap,
            "idle_alloc": idle,
            "cue_alloc": most,
            "idle_calls": round(idle_us / empty_us),
            "cue_calls": round(cue_us / cues / empty_us),
        }
    )
)
