# SPDX-License-Identifier: MIT
"""The frames between host and wearable: one codec for both ends and for every link.

A frame is `op u8, tag u8, fields, tail`.  A request carries a tag of the host's choosing and its
answer the same tag, with the op + 128 and a status of `vocab.STATUSES` as the first field.
Towards the wearable one packet of the link is one frame.  Towards the host each frame has its
length in one byte before it, because some links run packets together: `split` takes them apart.
Numbers are little-endian.  `FRAMES` is the whole protocol; what it means is in PROTOCOL.md.
"""

import struct

VERSION = 1
MAX_FRAME = 243
"""Largest frame in bytes: 244 fit one BLE packet of 251, one is the length."""
MIN_FRAME = 64
"""A link that cannot carry frames of this size is of no use."""

HELLO, STATE, CLOCK = 0x01, 0x02, 0x03
UPLOAD_BEGIN, UPLOAD_CHUNK, UPLOAD_COMMIT, PLAN_READ = 0x10, 0x11, 0x12, 0x13
COMMAND = 0x20
LOG_READ, LOG_ACK = 0x30, 0x31
ANSWER = 0x80
LOG = 0xB2
NOT_UNDERSTOOD = 0xFF

_PLAN_ID = 8
FRAMES = {
    # op: (name, fields as (name, size in bytes), whether bytes of any number follow)
    HELLO: ("hello", (), False),
    HELLO | ANSWER: (
        "hello_answer",
        (
            ("status", 1),
            ("protocol", 1),
            ("boot_id", 4),
            ("plan_bytes", 2),
            ("frame_bytes", 1),
            ("log_records", 2),
            ("features", 2),
        ),
        True,
    ),
    STATE: ("state", (), False),
    STATE | ANSWER: (
        "state_answer",
        (
            ("status", 1),
            ("state", 1),
            ("step", 1),
            ("battery_pct", 1),
            ("plan_id", _PLAN_ID),
            ("session", 4),
            ("now_ms", 4),
            ("elapsed_ms", 4),
            ("duration_ms", 4),
            ("log_first", 4),
            ("log_next", 4),
        ),
        False,
    ),
    CLOCK: ("clock", (("token", 4),), False),
    CLOCK | ANSWER: ("clock_answer", (("status", 1), ("token", 4), ("now_ms", 4)), False),
    UPLOAD_BEGIN: ("upload_begin", (("plan_id", _PLAN_ID), ("size", 2), ("crc", 4)), False),
    UPLOAD_BEGIN | ANSWER: ("upload_begin_answer", (("status", 1), ("received", 2)), False),
    UPLOAD_CHUNK: ("upload_chunk", (("offset", 2),), True),
    UPLOAD_CHUNK | ANSWER: ("upload_chunk_answer", (("status", 1), ("received", 2)), False),
    UPLOAD_COMMIT: ("upload_commit", (("plan_id", _PLAN_ID),), False),
    UPLOAD_COMMIT | ANSWER: ("upload_commit_answer", (("status", 1),), True),
    PLAN_READ: ("plan_read", (("plan_id", _PLAN_ID), ("offset", 2)), False),
    PLAN_READ | ANSWER: ("plan_read_answer", (("status", 1), ("size", 2), ("offset", 2)), True),
    COMMAND: (
        "command",
        (("command", 1), ("command_id", 4), ("plan_id", _PLAN_ID), ("arg", 4)),
        False,
    ),
    COMMAND | ANSWER: ("command_answer", (("status", 1), ("state", 1), ("command_id", 4)), False),
    LOG_READ: ("log_read", (("seq", 4),), False),
    LOG_READ | ANSWER: ("log_read_answer", (("status", 1), ("first", 4), ("next", 4)), False),
    LOG_ACK: ("log_ack", (("seq", 4),), False),
    LOG: ("log", (("seq", 4),), True),
    NOT_UNDERSTOOD: ("not_understood", (("status", 1), ("op", 1)), False),
}
NO_SESSION = 0xFFFFFFFF

_FORMATS = {1: "B", 2: "H", 4: "I", _PLAN_ID: "8s"}
_STRUCTS = {op: "<" + "".join(_FORMATS[f[1]] for f in FRAMES[op][1]) for op in FRAMES}


class WireError(Exception):
    """Bytes that are no frame of this protocol; says which and why."""


def encode(op: int, tag: int, *values: int | bytes, tail: bytes = b"") -> bytes:
    """The bytes of one frame.

    values: the fields in the order of `FRAMES`.  Raises WireError if there are too many or too
    few, if one does not fit its field, or if the frame grows longer than `MAX_FRAME`.
    """
    name, fields, has_tail = FRAMES[op]
    if len(values) != len(fields):
        raise WireError("{} takes {} fields, got {}".format(name, len(fields), len(values)))
    # MicroPython's struct cuts numbers that do not fit instead of refusing them.
    for (field, size), value in zip(fields, values):
        if isinstance(value, bytes):
            fits = size == _PLAN_ID and len(value) == size
        else:
            fits = size != _PLAN_ID and 0 <= value < 1 << 8 * size
        if not fits:
            raise WireError("{}: {} does not fit: {!r}".format(name, field, value))
    if tail and not has_tail:
        raise WireError("{} takes no tail".format(name))
    frame = bytes((op, tag)) + struct.pack(_STRUCTS[op], *values) + tail
    if len(frame) > MAX_FRAME:
        raise WireError("{} is {} bytes long, at most {}".format(name, len(frame), MAX_FRAME))
    return frame


def decode(frame: bytes) -> tuple[int, int, tuple, bytes]:
    """The parts (op, tag, values, tail) of one frame; raises WireError if it is none."""
    size = len(frame)
    if size < 2:
        raise WireError("a frame has at least 2 bytes, got {}".format(size))
    op, tag = frame[0], frame[1]
    if op not in FRAMES:
        raise WireError("unknown op 0x{:02x}".format(op))
    name, _, has_tail = FRAMES[op]
    least = 2 + struct.calcsize(_STRUCTS[op])
    if size < least or (size > least and not has_tail) or size > MAX_FRAME:
        raise WireError("{} has a wrong length: {} bytes".format(name, size))
    values = struct.unpack_from(_STRUCTS[op], frame, 2)
    return op, tag, values, bytes(frame[least:])


def split(packet: bytes) -> list[bytes]:
    """The frames in a packet of length-prefixed frames; raises WireError if they do not add up."""
    frames, at = [], 0
    while at < len(packet):
        end = at + 1 + packet[at]
        if end > len(packet) or packet[at] < 2:
            raise WireError("packet of {} bytes is broken at {}".format(len(packet), at))
        frames.append(bytes(packet[at + 1 : end]))
        at = end
    return frames
