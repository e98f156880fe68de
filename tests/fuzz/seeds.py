# SPDX-License-Identifier: MIT
"""Good inputs of every target, from which fuzzing starts: bad ones are found near good ones."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path

from tenuto.heart import Measurement
from tenuto.links.scan import TENUTO
from tenuto.resources import shipped
from tenuto_core import cobs, vocab, wire
from tenuto_core.log import RECORD_BYTES
from tests.core.rig import Wrist, log_bytes, plan_id_of
from tests.fuzz.targets import PLAN, joined

CORPUS = Path(__file__).with_name("corpus")
"""Inputs that were once worth something: those that failed, and those that reached new code."""


def _frame(op: int, rng: random.Random) -> bytes:
    values: list[int | bytes] = []
    for _, size in wire.FRAMES[op][1]:
        number = rng.choice((0, 1, 7, 255, rng.getrandbits(8 * min(size, 4))))
        values.append(
            (plan_id_of(PLAN) if size == 8 else rng.randbytes(size))
            if size >= 8
            else number & (256**size - 1)
        )
    tail = rng.randbytes(rng.randint(0, 40)) if wire.FRAMES[op][2] else b""
    return wire.encode(op, rng.randrange(256), *values, tail=tail)


def _played() -> bytes:
    wrist = Wrist(PLAN)
    wrist.do(vocab.START)
    wrist.run(40_000)
    wrist.press()
    wrist.run(2_000)
    wrist.do(vocab.STOP)
    return log_bytes(wrist.log)


def _structure(kind: int, value: bytes) -> bytes:
    return bytes((len(value) + 1, kind)) + value


def seeds(name: str) -> list[bytes]:
    """Give good inputs of a target, and what the corpus has for it."""
    rng = random.Random(name)
    requests = [op for op in wire.FRAMES if not op & wire.ANSWER]
    log = _played()
    logs = [
        wire.encode(wire.LOG, 0, at // RECORD_BYTES, tail=log[at : at + 10 * RECORD_BYTES])
        for at in range(0, len(log), 10 * RECORD_BYTES)
    ]
    some = [joined(_frame(op, rng) for op in rng.choices(requests, k=6)) for _ in range(20)]
    found: list[bytes] = {
        "frames": some,
        "stranger": some,
        "plans": [PLAN, PLAN[:-4]],
        "uploads": [joined(PLAN[at : at + 200] for at in range(0, len(PLAN), 200))],
        "driver": [joined(bytes((len(frame),)) + frame for frame in logs)],
        "records": [log],
        "heart": [
            bytes(Measurement(72, contact=True, rr_1024=(800, 810))),
            bytes(Measurement(300, energy_kj=12)),
        ],
        "advertisements": [
            b"\x02\x01\x06"
            + _structure(0x07, bytes.fromhex(TENUTO.replace("-", ""))[::-1])
            + _structure(0x09, b"Tenuto"),
            _structure(0x03, struct.pack("<H", 0x180D)) + _structure(0xFF, b"\x59\x00abc"),
        ],
        "toml": [path.read_bytes() for path in sorted(shipped("config").rglob("*.toml"))],
        "mqtt": [
            b"start",
            json.dumps({"command": "extend", "by_s": 15, "id": "a"}).encode(),
            b'{"command": "start", "routine": "lower-back", "at": "2027-01-15T08:00:00Z"}',
            b"120",
            b"mqtts://user:word@host:8883",
        ],
        "stream": [joined([cobs.pack(frame) for frame in logs[:3]])],
        "control": [b'{"op": "status"}\n'],
    }[name]
    kept = CORPUS / name
    return (
        found + [path.read_bytes() for path in sorted(kept.glob("*"))] if kept.exists() else found
    )
