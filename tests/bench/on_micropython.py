# SPDX-License-Identifier: MIT
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN204, ARG002, E402, I002, PTH123, T201 - on MicroPython
"""Run by `bench_device` on MicroPython: heap, allocations and time of a band and its player.

`on_micropython.py PLAN [fit]`: has a plan uploaded and played to its end.  Bytes of heap are what
lives at each point, once what is no longer needed was collected, beyond the bare interpreter.  With
`fit` nothing is measured and nothing collected by hand: it either has room, or it raises.
"""

import gc
import json
import sys
import time
from array import array
from binascii import crc32

PULSES_MAX = 2000
TIMES_US = array("H", bytes(2 * PULSES_MAX))  # not a list, which would grow meanwhile
gc.collect()
BARE = gc.mem_alloc()

from tenuto_core import vocab, wire
from tenuto_core.band import Band
from tenuto_core.buzzer import Motor
from tenuto_core.host_connection import HostConnection

TIMES = 500
ROUNDS = 10
CHUNK_BYTES = 200
LOG_RECORDS = 256
PLAN_ID = b"benchrun"


class Counting(Motor):
    """Notes what was allocated until it is switched on for the first time."""

    def __init__(self):
        self.mark = 0
        self.used = -1

    def on(self, strength_pct, on_ms):
        if self.used < 0:
            self.used = gc.mem_alloc() - self.mark


def live_bytes():
    gc.collect()
    return gc.mem_alloc() - BARE


def answered(peer):
    packet = peer.pull(wire.MAX_FRAME + 1, 0)
    return wire.decode(packet[1:])[2][0]


def chunks(path):
    with open(path, "rb") as file:
        while True:
            chunk = file.read(CHUNK_BYTES)
            if not chunk:
                return
            yield chunk


def upload(band, path):
    """Send a plan from a file as a host does, with no more than a chunk of it outside the band."""
    peer, size, crc = HostConnection(band), 0, 0
    for chunk in chunks(path):
        size += len(chunk)
        crc = crc32(chunk, crc)
    peer.receive(wire.encode(wire.UPLOAD_BEGIN, 1, PLAN_ID, size, crc & 0xFFFFFFFF), 0)
    if answered(peer) == vocab.OUT_OF_RANGE:
        raise MemoryError("not in one piece")
    at = 0
    for chunk in chunks(path):
        peer.receive(wire.encode(wire.UPLOAD_CHUNK, 2, at, tail=chunk), 0)
        assert answered(peer) == vocab.OK
        at += len(chunk)
    peer.receive(wire.encode(wire.UPLOAD_COMMIT, 3, PLAN_ID), 0)
    assert answered(peer) == vocab.OK
    return size


def empty():
    return None


def best_us(work):
    """Give the mean time of a call in the best of some rounds: others may want the processor."""
    best = None
    for _ in range(ROUNDS):
        start = time.ticks_us()
        for _ in range(TIMES):
            work()
        took = time.ticks_diff(time.ticks_us(), start)
        best = took if best is None else min(best, took)
    return best / TIMES


def measure(path):
    told = {"heap_core": live_bytes()}
    motor = Counting()
    band = Band(motor, 1, "bench", 0, LOG_RECORDS)
    told["heap_band"] = live_bytes()
    told["plan_bytes"] = upload(band, path)
    told["heap_loaded"] = live_bytes()
    gc.disable()
    band.player.receive(vocab.START, 0, vocab.BY_HOST, 0)
    now = pulses = most_used = 0
    most_live = live_bytes()
    while band.due_ms is not None:
        now = band.due_ms
        most_live = max(most_live, live_bytes())
        motor.used = -1
        motor.mark = gc.mem_alloc()
        start = time.ticks_us()
        band.advance(now)
        took_us = time.ticks_diff(time.ticks_us(), start)
        if motor.used >= 0:
            most_used = max(most_used, motor.used)
            TIMES_US[pulses] = min(took_us, 0xFFFF)
            pulses += 1
    told["heap_playing"] = most_live
    told["heap_end"] = live_bytes()
    told["pulses"] = pulses
    told["pulse_alloc"] = most_used
    band.player.receive(vocab.START, 0, vocab.BY_HOST, now)
    now += 1
    mark = gc.mem_alloc()
    band.advance(now)
    told["idle_alloc"] = gc.mem_alloc() - mark
    empty_us = best_us(empty)
    told["idle_calls"] = round(best_us(lambda: band.advance(now)) / empty_us)
    told["pulse_calls"] = round(sorted(TIMES_US[:pulses])[pulses // 2] / empty_us)
    return told


def fit(path):
    band = Band(Motor(), 1, "bench", 0, LOG_RECORDS)
    upload(band, path)
    band.player.receive(vocab.START, 0, vocab.BY_HOST, 0)
    while band.due_ms is not None:
        band.advance(band.due_ms)
    return {}


print(json.dumps(measure(sys.argv[1]) if len(sys.argv) == 2 else fit(sys.argv[1])))
