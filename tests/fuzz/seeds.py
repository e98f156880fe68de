# SPDX-License-Identifier: MIT
"""Good inputs of every target, from which fuzzing starts: bad ones are found near good ones."""

from __future__ import annotations

import base64
import json
import random
import re
import struct
from base64 import b64encode
from hashlib import sha256

from tenuto.cues import formats
from tenuto.cues.results import LessonResult
from tenuto.links.scan import TENUTO
from tenuto.routines.sharing import shared
from tenuto.sessions.heart import Measurement
from tenuto.sessions.unison import Member, Standing
from tenuto.shipped import shipped
from tenuto.state.class_store import _pack
from tenuto_core import cobs, vocab, wire
from tenuto_core.encode import as_version, encode
from tenuto_core.log import RECORD_BYTES, unpack_record
from tenuto_core.plan import Plan, Step
from tests.core.rig import Wrist, log_bytes, plan_id_of
from tests.fuzz.bytes_in import joined
from tests.fuzz.corpus import FAILED, WORTHY, read
from tests.fuzz.targets import PLAN

NOW_UTC_MS = 1_800_000_000_000


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


def _lived(rng: random.Random, requests: list[int]) -> bytes:
    """Give packets with pauses, presses and beats among them; see `targets.live`."""
    told = b""
    for op in rng.choices(requests, k=3):
        told += joined([_frame(op, rng)])
        told += bytes(rng.choices(range(wire.MAX_FRAME + 1, 256), k=rng.randrange(3)))
    return told


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


def _exported() -> bytes:
    """Give a history of one short session, with one record of each kind it has."""
    head = {"type": "tenuto_history", "version": 1}
    of = {"wearable": "wrist", "boot_id": 1, "session": 2}
    plan_id = sha256(PLAN).hexdigest()[:16]
    more = {"routine": "bench", "person": "ada", "reason": None, "source": None}
    session = {"type": "session", "wearable": "wrist", "boot_id": 1, "seq": 2, "plan_id": plan_id}
    session |= {"started_utc_ms": NOW_UTC_MS, "ended_utc_ms": None, **more}
    plan = {"type": "plan", "plan_id": plan_id, "routine": "bench"}
    exercise = {"type": "exercise", "plan_id": plan_id, "name": "first", "kind": "stretch"}
    event = {"event": "heart", "t_ms": 5, "bpm": 60, "rr_ms": [800.0], "sensor": "strap"}
    told = [
        head,
        plan | {"data": b64encode(PLAN).decode()},
        exercise | {"muscles": ["back"]},
        session,
        {"type": "host_event", **of, "utc_ms": NOW_UTC_MS, "event": event},
    ]
    log = _played()
    for seq, at in enumerate(range(RECORD_BYTES, 8 * RECORD_BYTES, RECORD_BYTES), 2):
        fields = dict(zip(_FIELDS, unpack_record(log, at), strict=True))
        told.append({"type": "record", **of, "seq": seq, "utc_ms": NOW_UTC_MS, **fields})
    return "\n".join(map(json.dumps, told)).encode()


def _told_by_host() -> bytes:
    """Return what only newer histories have, and what hosts of a fleet tell each other."""
    of = {"person": "ada", "person_id": "p1", "utc_ms": NOW_UTC_MS}
    about = {"device": "serial:1", "wearable": "wrist", "simulated": False}
    lesson = LessonResult(cues=("mark",), count=3)
    prescribed = {
        "routine": "a",
        "title": "A",
        "days": ["mon"],
        "times_a_week": 1,
        "note": "",
        "first": "2026-11-30",
        "last": "2026-12-31",
        "assigned_by": "bo",
    }
    told = [
        {"type": "tenuto_history", "version": 4},
        {"type": "boot", "stand_in": "local:0123456789abcdef", "boot_id": 1, "device": "serial:1"},
        {
            "type": "person",
            "person_id": "p1",
            "label": "ada",
            "labelled_utc_ms": 1,
            "same_as": None,
        },
        {
            "type": "cue_result",
            "result_id": "0123456789abcdef",
            **of,
            **about,
            "kind": lesson.kind,
            "data": lesson.to_json(),
        },
        {
            "type": "prescription",
            "prescription_id": "0123456789abcdef",
            **of,
            "ended_utc_ms": None,
            "data": prescribed,
        },
        {"type": "deleted", "device": "serial:1", "boot_id": 1, "seq": 2, "last_seq": 9},
        {"type": "deleted_result", "result_id": "0123456789abcdef"},
        {"type": "deleted_person", "digest": "ab" * 32},
    ]
    return "\n".join(map(json.dumps, told)).encode()


_FIELDS = ("at_ms", "kind", "step", "a", "b", "c")
_ROUTINE = b"""name = "a"
description = "b"
safety = "c"
[[exercise]]
name = "d"
how = "e"
muscles = ["back"]
sides = "each"
hold_s = 20
"""
_CONFIG = b"""[mqtt]
url = "mqtt://a:1883"
[history]
path = "~/h.db"
[[person]]
id = "ada"
[[wearable]]
id = "wrist"
link = "ble"
address = "C0:00:00:00:00:01"
"""


def _shipped(pattern: str) -> list[bytes]:
    """Give what Tenuto comes with, without its comments and cut into tables: short is quick."""
    found = []
    for path in sorted(shipped("config").glob(pattern)):
        text = re.sub(r"(?m)^#.*\n|^\n|[ ]+#.*$", "", path.read_text())
        head, *tables = re.split(r"(?m)^(?=\[)", text)
        found += [(head + table).encode() for table in tables]
    return found


def seeds(name: str) -> list[bytes]:
    """Give good inputs of a target, and what is kept for it."""
    rng = random.Random(name)
    requests = [op for op in wire.FRAMES if not op & wire.ANSWER]
    log = _played()
    logs = [
        wire.encode(wire.LOG, 0, at // RECORD_BYTES, tail=log[at : at + 10 * RECORD_BYTES])
        for at in range(0, len(log), 10 * RECORD_BYTES)
    ]
    some = [_lived(rng, requests) for _ in range(20)]
    found: list[bytes] = {
        "frames": some,
        "stranger": some,
        "flash": [
            joined((plan_id_of(_SMALL) + bytes(4) + _SMALL, b"\x01" + bytes(17), _JOURNAL)),
            joined((b"", b"", _JOURNAL)),
        ],
        "plans": [PLAN[:-4], _SMALL[:-4], as_version(Plan(PLAN), 1)[:-4], _PHASED[:-4]],
        "uploads": [
            bytes((len(_SMALL),)) + joined((_SMALL,)),
            bytes((len(_SMALL),)) + joined((_SMALL[:90], _SMALL[90:])),
        ],
        "answers": [
            bytes((what,)) + joined((_HELLO, b"\x00\x01" + bytes(40))) for what in range(8)
        ],
        "driver": [joined(bytes((len(frame),)) + frame for frame in logs)],
        "records": [log[: 30 * RECORD_BYTES], log[-20 * RECORD_BYTES :]],
        "heart": [
            bytes(Measurement(72, contact=True, rr_1024=(800, 810))),
            bytes(Measurement(300, energy_kj=12)),
        ],
        "advertisements": [
            b"\x02\x01\x06"
            + _structure(0x07, bytes.fromhex(TENUTO.replace("-", ""))[::-1])
            + _structure(0x09, b"Tenuto"),
            _structure(0x03, struct.pack("<H", 0x180D)) + _structure(0xFF, b"\x59\x00abc"),
            _structure(0x21, bytes(16) + b"x") + _structure(0x0A, b"\x04"),
        ],
        "console": [
            joined([b"~" + base64.b64encode(frame) + b"\r\n>" for frame in logs[:3]]),
            joined([b"Uncaught ReferenceError", b': "GB" is not', b" defined\r\n\x13\x11\x1b[J"]),
            joined([b"Espruino 2v29.74 BANGLEJS2\r\n", b"=passkey 1\r\n"]),
        ],
        "watch": some[:6],
        "stream": [joined([cobs.pack(frame) for frame in logs[:3]])],
        "routine": [_ROUTINE, *_shipped("routines/*.toml")],
        "word": [shared(data).encode() for data in _shipped("routines/*.toml")],
        "haptics": _shipped("haptics.toml"),
        "patterns": [
            formats.write(name, ((100, 150, 150), (60, 300, 0)))[0].encode()
            for name in formats.FORMATS
        ],
        "config": [_CONFIG, *_shipped("tenuto.toml")],
        "imports": [_exported(), _told_by_host()],
        "mqtt": _MESSAGES,
        "inbox": [
            joined(b"xwrist/command\x00" + message for message in _MESSAGES),
            joined(topic + b"\x00" + word for topic, word in _SETTINGS),
        ],
        "control": [b'{"op": "status"}\n'],
        "buttplug": _BUTTPLUG,
        "page": _REQUESTS,
        "shown": [_ROUTINE + b"\0" + json.dumps(change).encode() for change in _CHANGES],
        "state": [
            bytes((number,)) + json.dumps(one).encode() for number, one in enumerate(_STATES)
        ],
        "entries": [
            json.dumps(
                {
                    "session": {"device": "serial:1", "boot_id": 1, "seq": 2},
                    "wearable": "wrist",
                    "person": None,
                    "event": {"event": "heart", "t_ms": 5, "bpm": 60, "rr_ms": [], "sensor": "a"},
                    "seq": 3,
                    "plan": None,
                    "utc_ms": NOW_UTC_MS,
                    "record": None,
                    "replayed": False,
                    "uncertainty_ms": 1.5,
                    "is_simulated": True,
                }
            ).encode()
        ],
        "orders": [
            joined((b"tag press 10s", b"heart 90", b"silence 20s@1m", b"where")),
            joined((b"battery 50", b"walk away", b"walk back", b"reset", b"help")),
        ],
        "proxy": [
            joined((b"\x00\x08\x01\x0a\x04host\x10\x01", b"\x00\x00\x07")),
            joined((b"\x00\x06\x44\x08\x81\x01\x10\x00", b"\x18\x01\x00\x02\x42\x08\x01")),
        ],
    }[name]
    return found + read(WORTHY, name) + read(FAILED, name)


_REQUESTS = [
    b"GET /",
    b"GET /routines?q=back",
    b"GET /routines/lower-back",
    b"GET /routines/lower-back/share",
    b"GET /routines/lower-back/edit",
    b"GET /history?person=ada&routine=a&before=3",
    b"GET /history/3",
    b"GET /history/week?date=2026-11-20&person=ada",
    b"GET /history/3/session.csv",
    b"GET /learn",
    b"GET /learn/results",
    b"GET /learn/now/3",
    b"GET /class/now",
    b"GET /start",
    b"GET /wearables",
    b"GET /wearables/new?model=band&address=C0:00:00:00:00:01&name=a",
    b"GET /static/app.js",
    b"GET /login?code=ABC",
    b"POST /do\noperation=start&wearable=wrist&routine=lower-back",
    b"POST /do\noperation=stop&wearable=wrist",
    b"POST /class/do\noperation=start&wearable=wrist&routine=lower-back&in_s=5",
    b"POST /routines\nword=tenuto1.x&operation=store&replace=yes",
    b"POST /routines/lower-back/edit\ntext=name+%3D+1&own-name=a",
    b"POST /wearables/prefer\nwearable=wrist&strength=90&hold_time=110&halfway=on",
    b"POST /learn/begin\nwearable=wrist&what=quiz&cues=mark&count=5&seed=1",
    b"POST /learn/now/3\ncue=mark",
    b"POST /learn/play\nwearable=wrist&cue=mark",
    b"POST /history/3/delete\noperation=delete",
    b"POST /start/feel\nwearable=wrist",
    b"POST /login\ncode=ABC",
]
_CHANGES = [
    {},
    {"what": "set", "exercise": 0, "path": ["hold_s"], "value": "30"},
    {"what": "set", "exercise": 0, "path": ["phases", 0, "s"], "value": 4.5},
    {"what": "move", "exercise": 0, "to": 0},
    {"what": "add", "name": "b"},
    {"what": "remove", "exercise": 0},
]
_SMALL = encode(
    "B",
    ("a",),
    [
        Step(vocab.HOLD, 9_000, ((0, False, 1), (0, True, 3)), exercise=0, side=1, rep=1, reps=1),
        Step(vocab.DONE, 0),
    ],
    (((80, 100, 0),),) * len(vocab.CUES),
)
_STATES = [
    {"wrist": {"ppm": 12.5, "sigma_ppm": 3.0}},
    {"wrist": "0123456789abcdef"},
    {"wearables": {"wrist": {"strength_pct": 90, "routine": "a"}}, "announced": {}},
    {"announced": {"a/b": {"components": {"c": "sensor"}, "states": ["d"], "config": {"e": 1}}}},
    [12.5, 80],
    {
        "plan": b64encode(_SMALL).decode(),
        "anchor_utc_ms": NOW_UTC_MS,
        "paused_utc_ms": None,
        "pauses": [[1, 2]],
        "sent": ["a"],
        "is_stopped": False,
        "stopping": {"a": NOW_UTC_MS},
        "members": {"a": _pack(Member("a", None, Standing.READY))},
    },
    {"version": 2, "bands": [{"serial": "ab", "names": ["WRIST"], "key": "00" * 16}]},
]
_MOTOR = {"StepCount": 20, "ActuatorType": "Vibrate", "FeatureDescriptor": ""}
_OUTPUT = {"FeatureIndex": 0, "Output": {"Vibrate": {"Value": [0, 20]}}}
_BUTTPLUG = [
    json.dumps([{name: fields}]).encode()
    for name, fields in (
        (
            "DeviceList",
            {
                "Id": 1,
                "Devices": [
                    {"DeviceName": "a", "DeviceIndex": 0, "DeviceMessages": {"ScalarCmd": [_MOTOR]}}
                ],
            },
        ),
        (
            "DeviceList",
            {
                "Id": 0,
                "Devices": {
                    "3": {"DeviceName": "a", "DeviceIndex": 3, "DeviceFeatures": {"0": _OUTPUT}}
                },
            },
        ),
        ("Error", {"Id": 2, "ErrorMessage": "no", "ErrorCode": 4}),
    )
]
_HELLO = b"\x00\x01\x01\x00\x00\x00\x00\x20\xf3\x00\x04\x1f\x01band"
_MESSAGES = [
    b"start",
    json.dumps({"command": "extend", "by_s": 15, "id": "a"}).encode(),
    b'{"command": "start", "routine": "lower-back", "at": "2027-01-15T08:00:00Z"}',
    b"120",
    b"mqtts://user:word@host:8883",
    b'{"command": "restart", "id": "r1", "at": 1800000000}',
]
_SETTINGS = [
    (b"xwaist/strength/set", b"120"),
    (b"xwrist/halfway/set", b"OFF"),
    (b"rwrist/command", b"stop"),
    (b"xnobody/command", b"stop"),
]
_PHASED = encode(
    "B",
    ("a",),
    [
        Step(vocab.HOLD, 4_000, ((0, False, 9),), exercise=0, rep=1, reps=1, phase=1),
        Step(vocab.HOLD, 6_000, ((0, False, 10),), exercise=0, rep=1, reps=1, phase=2),
        Step(vocab.DONE, 0),
    ],
    (((80, 100, 0),),) * 11,
    ("in", "out"),
)
_JOURNAL = bytes((1, 1, 1, 0)) + struct.pack("<II8sII", 5, 3, plan_id_of(_SMALL), 9_000, 0)
