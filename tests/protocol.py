# SPDX-License-Identifier: MIT
"""Makes the tables and examples of firmware/PROTOCOL.md from the code.

`python tests/protocol.py --write` puts them there; `renewed` gives what the text should be.
The services are those of a real board in the simulator.
"""

from __future__ import annotations

import asyncio
import math
import re
import sys
from binascii import crc32
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
PAPER = ROOT / "firmware" / "PROTOCOL.md"

if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "firmware"), str(ROOT / "host")]

from tenuto_core import (  # noqa: E402 - found only now, as a script
    alert,
    auth,
    band,
    device_requests,
    host_connection,
    limits,
    plan,
    plans,
    player,
    vocab,
    wire,
)
from tenuto_core.log import RECORD_BYTES  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

PLAN_ID = bytes.fromhex("1f8a0c3377d2e945")
BOOT_ID = 0x5EEDBEEF
DATA = b"TP\x01\x01" + bytes(range(20))
KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")


def _sha256(data: bytes) -> bytes:
    from hashlib import sha256

    return sha256(data).digest()


HOST_NONCE, BAND_NONCE = bytes(range(0x10, 0x20)), bytes(range(0x20, 0x30))
KEY_ID = auth.key_id(_sha256, KEY)
ADDRESS = bytes.fromhex("06 00 00 00 00 c0 00 00")
FEATURES = wire.FEATURE_PLANS | wire.FEATURE_STATS | wire.FEATURE_TIME | wire.FEATURE_KEYS
RECORD = bytes.fromhex("881300000501020000000000" + "00000000")
A = wire.ANSWER

# op: what it is for, then an example: tag, values, tail.
FRAMES: dict[int, tuple[str, int, tuple[int | bytes, ...], bytes]] = {
    wire.HELLO: ("Who are you?  The first request on each connection.", 1, (), b""),
    wire.HELLO | A: (
        "The tail is the band's name in UTF-8.",
        1,
        (0, 1, BOOT_ID, plan.MAX_BYTES, wire.MAX_FRAME, 1024, FEATURES | wire.FEATURE_LOCKED),
        b"Anna's band",
    ),
    wire.STATE: ("What do you do?", 2, (), b""),
    wire.STATE | A: (
        "",
        2,
        (0, player.RUNNING, 3, 87, PLAN_ID, 17, 65_000, 12_000, 30_000, 0, 42),
        b"",
    ),
    wire.CLOCK: (
        "What time is it on your clock?  The quickest of several is the best.",
        3,
        (7,),
        b"",
    ),
    wire.CLOCK | A: ("", 3, (0, 7, 65_432), b""),
    wire.TIME_SET: (
        "What UTC was at a moment of the band's clock, at most a minute ago.",
        4,
        (65_432, 1_795_500_000, 250),
        b"",
    ),
    wire.TIME_SET | A: ("", 4, (0,), b""),
    wire.STATS: ("How have you fared since you started?", 5, (), b""),
    wire.STATS | A: (
        "",
        5,
        (0, vocab.CAUSE_POWER_ON, 3, 1, 2, 64, 4, 2, 0, 0, 0, 2_600, 13, 1_795_500_007),
        b"",
    ),
    wire.CHALLENGE: ("The host names a key and gives random bytes.", 6, (KEY_ID, HOST_NONCE), b""),
    wire.CHALLENGE | A: ("", 6, (0, BAND_NONCE), b""),
    wire.PROOF: (
        "The host shows that it has the key.",
        7,
        (auth.host_proof(_sha256, KEY, HOST_NONCE, BAND_NONCE),),
        b"",
    ),
    wire.PROOF | A: (
        "And the band likewise; all zero with any status but ok.",
        7,
        (0, auth.band_proof(_sha256, KEY, HOST_NONCE, BAND_NONCE)),
        b"",
    ),
    wire.KEY_SET: (
        "A new key: by cable, or in the pairing window.  It takes the place of one proven.",
        8,
        (KEY,),
        b"",
    ),
    wire.KEY_SET | A: ("", 8, (0, KEY_ID), b""),
    wire.KEYS_FORGET: (
        "All keys but the one that the host has shown on this connection go.  By cable only.",
        10,
        (),
        b"",
    ),
    wire.KEYS_FORGET | A: ("How many are left.", 10, (0, 1), b""),
    wire.IDENTITY: ("Which band are you?  Anybody may ask.", 9, (), b""),
    wire.IDENTITY | A: (
        "The tail is its serial number, as Device Information tells it.",
        9,
        (0, ADDRESS),
        b"c00000000006",
    ),
    wire.UPLOAD_BEGIN: (
        "A plan is to come.  What has already come of the same one is kept.",
        16,
        (PLAN_ID, len(DATA), crc32(DATA)),
        b"",
    ),
    wire.UPLOAD_BEGIN | A: ("", 16, (0, 0), b""),
    wire.UPLOAD_CHUNK: ("A piece of it, in the tail.", 17, (0,), DATA),
    wire.UPLOAD_CHUNK | A: ("", 17, (0, len(DATA)), b""),
    wire.UPLOAD_COMMIT: ("That was all of it.", 18, (PLAN_ID,), b""),
    wire.UPLOAD_COMMIT | A: (
        "The tail says in English what is wrong with the plan, if anything is.",
        18,
        (vocab.BAD_PLAN,),
        b"checksum is wrong",
    ),
    wire.PLAN_READ: ("A piece of a plan that the band has.", 19, (PLAN_ID, 0), b""),
    wire.PLAN_READ | A: (
        "The tail is as much as fits; nothing at the end.",
        19,
        (0, len(DATA), 0),
        DATA,
    ),
    wire.PLAN_LIST: ("What is kept in a place, counted from 0?", 20, (0,), b""),
    wire.PLAN_LIST | A: (
        "The tail is the plan's name in UTF-8; no_such_plan for an empty place.",
        20,
        (0, plans.PLACES, 0, PLAN_ID, 959),
        b"lower-back",
    ),
    wire.COMMAND: ("Do it.", 32, (vocab.START, 0xC0FFEE01, PLAN_ID, 0), b""),
    wire.COMMAND | A: ("", 32, (0, player.RUNNING, 0xC0FFEE01), b""),
    wire.HEART: (
        (
            "A beat that the host heard of another sensor, such as a strap; no answer.  "
            "The tail is up to four RR intervals in 1/1024 s, 2 bytes each."
        ),
        0,
        (72,),
        bytes.fromhex("5503"),
    ),
    wire.LOG_READ: (
        "Hand over the log from this number on, and go on as it grows.",
        48,
        (40,),
        b"",
    ),
    wire.LOG_READ | A: ("", 48, (0, 0, 42), b""),
    wire.LOG_ACK: (
        "All records below this number have come, before the last log_read or since; no answer.",
        0,
        (41,),
        b"",
    ),
    wire.LOG: ("Records, in the tail; no answer to a request.", 0, (40,), RECORD),
    wire.NOT_UNDERSTOOD: (
        "Instead of an answer: the request is none, or not for this host.",
        9,
        (vocab.NOT_PROVEN, wire.STATE),
        b"",
    ),
}

MEANINGS = {
    "status": "0, or why not: see Status",
    "protocol": "version of the protocol",
    "boot_id": "differs from start to start; with it clock and log begin anew",
    "plan_bytes": "largest plan",
    "frame_bytes": "largest frame",
    "log_records": "how many records the log holds",
    "features": "see Versions",
    "state": "0 idle, 1 armed, 2 running, 3 waiting, 4 paused",
    "step": "of the plan, counted from 0; 255 when idle",
    "battery_pct": "0 to 100; 255 not known",
    "plan_id": "the first 8 bytes of the SHA-256 of the plan's bytes; 0 for none",
    "session": "number of its first record; 0xFFFFFFFF before the first",
    "now_ms": "the band's clock",
    "elapsed_ms": "time in the step, without pauses",
    "duration_ms": "of the step, with extensions",
    "log_first": "oldest record that is still there",
    "log_next": "number of the next record",
    "token": "any; comes back",
    "at_ms": "the band's clock at that moment",
    "utc_s": "seconds since 1970; 0 not known",
    "utc_ms": "0 to 999",
    "cause": "why it started: " + ", ".join(f"{n} {name}" for n, name in enumerate(vocab.CAUSES)),
    "plans": "kept",
    "keys": "kept",
    "bonds_pct": "how full the store of bonds may be; 255 not known",
    "cues": "given",
    "late_worst_ms": "the latest cue",
    "late_p99_ms": "99 of 100 cues were no later; rounded up to a class of 1 to 500 ms",
    "records_lost": "overwritten before any host had them",
    "withheld": "not felt, to spare the motor",
    "answers_dropped": "the host asked faster than it listened",
    "minute_on_ms": "how long the motor ran in the last minute",
    "journal_writes": "notes for the case of a reset",
    "key_id": "see The challenge",
    "nonce": "random bytes",
    "proof": "HMAC-SHA256",
    "key": "random bytes",
    "address": "Bluetooth address in 6 bytes, as the radio sends it, and two of 0",
    "size": "of the plan in bytes",
    "crc": "CRC-32 (IEEE) of its bytes",
    "received": "bytes that are there, from the beginning",
    "offset": "of the piece in the plan",
    "place": "counted from 0",
    "places": "how many there are",
    "command": ", ".join(f"{n} {name}" for n, name in enumerate(vocab.COMMANDS)),
    "command_id": "random; the same id is obeyed once",
    "arg": "extend: ms; start_at: the band's clock; stop: 0, or 1 stopped, 2 failed; else 0",
    "bpm": "beats per minute",
    "seq": "number of a record",
    "first": "oldest record that is still there",
    "next": "number of the next record",
    "op": "of the request",
}

STATUSES = {
    "ok": "done",
    "no_plan": "there is no plan to play",
    "wrong_plan": "the command is for another plan than the one in the player",
    "not_playing": "nothing is played",
    "already_playing": "something is played",
    "already_paused": "it is paused",
    "not_paused": "it is not paused",
    "not_a_hold": "only a hold can be extended",
    "out_of_range": (
        "a value, or the last step, is out of bounds; "
        "or memory has no room for the plan in one piece"
    ),
    "too_late": "the time for a start is not ahead",
    "busy": "a session runs, or a cue is due: try again later",
    "bad_frame": "its length or a field is wrong",
    "unknown_request": "the band does not know it",
    "bad_plan": "the plan must not be played; the tail says why",
    "no_upload": "nothing was begun under this id",
    "wrong_offset": "a piece is missing before this one; `received` says where to go on",
    "no_such_plan": "the band does not have it",
    "log_overrun": "records before `first` are gone",
    "too_soon": "the motor would run for too long in a minute: try again later",
    "not_proven": "the host has not shown that it has a key",
    "not_open": "no key is taken now",
    "unknown_plan": "the plan is sound and newer than the band; the tail says what is not known",
}

RECORDS = {
    "booted": ("cause", "boot id", ""),
    "session_started": ("source", "plan id, low half", "plan id, high half"),
    "step_started": ("", "duration_ms", ""),
    "step_ended": ("outcome", "elapsed_ms", "duration_ms with extensions"),
    "cue": ("cue", "late_ms", "lead_ms: it is felt so much after `at`, the drive of the motor"),
    "paused": ("source", "elapsed_ms", ""),
    "resumed": ("source", "paused_ms", ""),
    "skipped": ("source", "", ""),
    "went_back": ("source", "step gone back to", ""),
    "extended": ("source", "by_ms", "new duration_ms"),
    "waiting": ("1 press, 2 heart", "longest wait_ms", ""),
    "heart": (
        "beats per minute, + 256 if a host handed it over",
        "two RR intervals in 1/1024 s",
        "two more; 0 for none",
    ),
    "session_ended": ("reason + 256 * source", "t_ms", ""),
    "interrupted": ("1 it goes on, 0 not", "boot id of the session", "its number there"),
    "utc": ("ms", "s since 1970", ""),
    "withheld": ("cue, or 256 alert, 257 menu, 258 pairing", "ms of motor in the last minute", ""),
    "unfelt": ("cue", "number of its `cue` record", ""),
}

FEATURE_TEXTS = {
    "FEATURE_PLANS": "several plans are kept; `plan_list`; `start` takes any of them",
    "FEATURE_STATS": "`stats`",
    "FEATURE_TIME": "`time_set`",
    "FEATURE_KEYS": "`challenge`, `proof`, `key_set`",
    "FEATURE_HEART": "`heart`",
    "FEATURE_IDENTITY": "`identity`",
    "FEATURE_FORGETS": "`keys_forget`",
    "FEATURE_PLAN_2": "plans of version 2, with any number of cues; without it: of version 1 only",
    "FEATURE_OPEN_HOLDS": "open holds: flag 0x02 of a step",
    "FEATURE_LOCKED": "on this connection: not admitted; a proof is needed",
    "FEATURE_OPEN": "on this connection: a key is taken just now",
    "FEATURE_CABLE_ONLY": "on this connection: no key is taken at any time, only by cable",
}


def frames() -> str:
    """Each frame with its fields, byte by byte, and an example."""
    parts = []
    for op in wire.FRAMES:
        name, fields, has_tail = wire.FRAMES[op]
        what, tag, values, tail = FRAMES[op]
        rows = [("0", "1", "op", f"0x{op:02X}"), ("1", "1", "tag", "")]
        at = 2
        for field, size in fields:
            rows.append((str(at), str(size), field, MEANINGS[field]))
            at += size
        if has_tail:
            rows.append((str(at), "0 and more", "tail", ""))
        example = wire.encode(op, tag, *values, tail=tail).hex(" ")
        lines = [f"### {name}", ""]
        lines += [*re.split(r"(?<=[.?])  ", what), ""] if what else []
        lines += ["| at | bytes | field | |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows]
        parts.append("\n".join([*lines, "", f"`{example}`"]))
    return "\n\n".join(parts)


def statuses() -> str:
    """The table of statuses."""
    rows = [f"| {n} | `{name}` | {STATUSES[name]} |" for n, name in enumerate(vocab.STATUSES)]
    return "\n".join(["| | status | meaning |", "|---|---|---|", *rows])


def records() -> str:
    """The table of records."""
    names = [(n, name) for n, name in enumerate(vocab.RECORDS) if name]
    rows = [f"| {n} | `{name}` | {' | '.join(RECORDS[name])} |" for n, name in names]
    rows = [row.replace("|  |", "| |").replace("|  |", "| |") for row in rows]
    numbers = [
        ("source", vocab.SOURCES),
        ("outcome", vocab.STEP_OUTCOMES),
        ("reason", vocab.END_REASONS),
        ("cue", vocab.CUES),
    ]
    lists = [
        f"- {what}: " + ", ".join(f"{n} {name}" for n, name in enumerate(values))
        for what, values in numbers
    ]
    return "\n".join(["| | record | a | b | c |", "|---|---|---|---|---|", *rows, "", *lists])


def features() -> str:
    """The table of feature bits."""
    rows = [f"| 0x{getattr(wire, name):04X} | {text} |" for name, text in FEATURE_TEXTS.items()]
    return "\n".join(["| bit | what the band knows, or how it stands |", "|---|---|", *rows])


def bounds() -> str:
    """The table of limits."""
    rows = [
        ("frame", f"{wire.MAX_FRAME} bytes; a link must carry at least {wire.MIN_FRAME}"),
        ("plan", f"{plan.MAX_BYTES} bytes, {plan.MAX_STEPS} steps, {plan.MAX_CUES} cues"),
        ("plans kept", f"{plans.PLACES}"),
        ("step", f"{plan.MAX_STEP_MS // 1000} s, {plan.MAX_STEP_CUES} cues"),
        ("duration of a plan", f"{plan.MAX_PLAN_MS // 3_600_000} h"),
        ("pulse of the motor", f"{plan.MIN_PULSE_MS} to {plan.MAX_PULSE_MS} ms"),
        ("cue", f"{plan.MAX_PATTERN_PULSES} pulses, {plan.MAX_PATTERN_MS} ms"),
        ("motor", f"{limits.ON_MS_MAX} ms in any {limits.MINUTE_MS} ms"),
        ("extension", f"{player.EXTEND_MS_MAX // 1000} s at once"),
        ("start at", f"up to {player.ARM_MS_MAX // 3_600_000} h ahead"),
        ("pause", f"{player.PAUSE_MS_MAX // 1000} s, then the session ends"),
        ("answers waiting for a slow host", f"{host_connection.ANSWERS_MAX}, the oldest go"),
        ("commands remembered", f"{device_requests.COMMANDS_KEPT}"),
        ("log records ahead of their acknowledgement", f"{wire.LOG_AHEAD_MAX}"),
        ("log records come again after", f"{wire.LOG_RESEND_MS} ms"),
        ("record", f"{RECORD_BYTES} bytes"),
        ("pairing window", f"{band.PAIRING_MS // 1000} s"),
        ("keys kept", f"{auth.KEYS_MAX}, the oldest goes"),
        ("wrong proofs on a connection", f"{auth.TRIES_MAX}"),
        ("longest gap of a repeated alert", f"{alert.GAP_MS_MAX // 1000} s"),
    ]
    return "\n".join(["| what | limit |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)])


PROPERTIES = {8: "read", 16: "write", 32: "write without response", 4: "notify", 2: "indicate"}
PERMISSIONS = {0x00: "never", 0x11: "open", 0x21: "secured"}
NAMES = {
    "0x180A": "Device Information",
    "0x2A29": "manufacturer",
    "0x2A24": "model",
    "0x2A26": "firmware",
    "0x2A28": "software",
    "0x2A27": "hardware",
    "0x2A25": "serial number",
    "0x2A50": "PnP id",
    "0x180F": "Battery",
    "0x2A19": "level",
    "0x180D": "Heart Rate",
    "0x2A37": "measurement",
    "0x2A38": "body sensor location",
    "0x1802": "Immediate Alert",
    "0x2A06": "alert level",
    "c6a10000": "Tenuto",
    "c6a10001": "info",
    "c6a10002": "inbox",
    "c6a10003": "outbox",
}


def _uuid(uuid: Any) -> str:
    if uuid.size == 16:
        return f"0x{uuid.uuid16:04X}"
    return bytes(reversed(uuid.uuid128)).hex()[:8]


def services() -> str:
    """The services of the firmware on a board, as it registers them."""
    from tenuto import event_loops
    from tenuto.shipped import shipped
    from tenuto.simulator import World

    rows: list[str] = []

    async def look() -> None:
        async with World() as world:
            worn = await world.add_wearable("band", firmware_dir=shipped("firmware"), lets_in=False)
            await asyncio.sleep(1)
            seen = []
            for characteristic in worn.board.bleio.adapter._by_handle.values():
                service = characteristic.service
                if service not in seen:
                    seen.append(service)
                    uuid = _uuid(service.uuid)
                    rows.append(f"| **{NAMES[uuid]}** | `{uuid}` | | | |")
                uuid = _uuid(characteristic.uuid)
                properties = [
                    text for bit, text in PROPERTIES.items() if characteristic.properties & bit
                ]
                needs = (
                    {PERMISSIONS[characteristic.read_perm]}
                    if (characteristic.properties & 0x0E)
                    else set()
                )
                if characteristic.properties & 0x30:
                    needs.add(PERMISSIONS[characteristic.write_perm])
                size = characteristic.max_length
                rows.append(
                    f"| {NAMES[uuid]} | `{uuid}` | {', '.join(properties) or 'none'} "
                    f"| {', '.join(sorted(needs))} | {size} |"
                )

    event_loops.run(look(), speed=math.inf)
    head = ["| service, characteristic | UUID | properties | permission | bytes at most |"]
    return "\n".join([*head, "|---|---|---|---|---|", *rows])


MADE: dict[str, Callable[[], str]] = {
    "services": services,
    "frames": frames,
    "statuses": statuses,
    "limits": bounds,
    "records": records,
    "features": features,
}


def renewed(text: str) -> str:
    """Give the text with all that is made put in anew."""
    for name, make in MADE.items():
        pattern = rf"<!-- made: {name} -->\n.*?<!-- end -->"
        made = make()
        block = f"<!-- made: {name} -->\n{made}\n<!-- end -->"
        text, count = re.subn(pattern, block.replace("\\", r"\\"), text, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"{count} places for {name}")
    return text


if __name__ == "__main__":
    found = PAPER.read_text(encoding="utf-8")
    if "--write" in sys.argv:
        PAPER.write_text(renewed(found), encoding="utf-8")
    else:
        print(renewed(found))  # noqa: T201 - a script
