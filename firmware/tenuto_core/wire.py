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
"""Rises only with a change that an older host or band could not live with; what is merely new shows
in the features of `hello_answer`."""
MAX_FRAME = 243
"""Largest frame in bytes: 244 fit one BLE packet of 251, one is the length."""
MIN_FRAME = 64
"""A link that cannot carry frames of this size is of no use."""
LOG_AHEAD_MAX = 64
"""So many records the band sends ahead of their acknowledgement."""
LOG_RESEND_MS = 5_000
"""What was not acknowledged for so long comes again."""

HELLO, STATE, CLOCK, TIME_SET, STATS = 0x01, 0x02, 0x03, 0x04, 0x05
CHALLENGE, PROOF, KEY_SET, IDENTITY = 0x06, 0x07, 0x08, 0x09
UPLOAD_BEGIN, UPLOAD_CHUNK, UPLOAD_COMMIT, PLAN_READ, PLAN_LIST = 0x10, 0x11, 0x12, 0x13, 0x14
COMMAND, HEART = 0x20, 0x21
LOG_READ, LOG_ACK = 0x30, 0x31
ANSWER = 0x80
LOG = 0xB2
NOT_UNDERSTOOD = 0xFF

FEATURE_PLANS, FEATURE_STATS, FEATURE_TIME, FEATURE_KEYS = 0x01, 0x02, 0x04, 0x08
FEATURE_HEART, FEATURE_IDENTITY = 0x10, 0x20
"""What the band knows: several plans; statistics; UTC; keys and their challenge; beats of a strap
that the host hears; which band it is."""
FEATURE_LOCKED, FEATURE_OPEN, FEATURE_CABLE_ONLY = 0x100, 0x200, 0x400
"""How it stands on this connection: it obeys only after a proof; it takes a key just now; it takes
no key here at any time, only by cable."""
NO_UTC = 0

_BYTES = 8
"""Fields of this size and larger are bytes, smaller ones are numbers."""
_LAYOUTS = {
    # op: name, then its fields with their sizes in bytes; + where bytes of any number follow
    HELLO: "hello",
    HELLO | ANSWER: (
        "hello_answer status:1 protocol:1 boot_id:4 plan_bytes:2 frame_bytes:1 "
        "log_records:2 features:2 +"
    ),
    STATE: "state",
    STATE | ANSWER: (
        "state_answer status:1 state:1 step:1 battery_pct:1 plan_id:8 session:4 "
        "now_ms:4 elapsed_ms:4 duration_ms:4 log_first:4 log_next:4"
    ),
    CLOCK: "clock token:4",
    CLOCK | ANSWER: "clock_answer status:1 token:4 now_ms:4",
    TIME_SET: "time_set at_ms:4 utc_s:4 utc_ms:2",
    TIME_SET | ANSWER: "time_set_answer status:1",
    STATS: "stats",
    STATS | ANSWER: (
        "stats_answer status:1 cause:1 plans:1 keys:1 bonds_pct:1 cues:4 "
        "late_worst_ms:4 late_p99_ms:4 records_lost:4 withheld:2 "
        "answers_dropped:2 minute_on_ms:2 journal_writes:4 utc_s:4"
    ),
    CHALLENGE: "challenge key_id:8 nonce:16",
    CHALLENGE | ANSWER: "challenge_answer status:1 nonce:16",
    PROOF: "proof proof:32",
    PROOF | ANSWER: "proof_answer status:1 proof:32",
    KEY_SET: "key_set key:16",
    KEY_SET | ANSWER: "key_set_answer status:1 key_id:8",
    IDENTITY: "identity",
    IDENTITY | ANSWER: "identity_answer status:1 address:8 +",
    PLAN_LIST: "plan_list place:1",
    PLAN_LIST | ANSWER: "plan_list_answer status:1 places:1 place:1 plan_id:8 size:2 +",
    UPLOAD_BEGIN: "upload_begin plan_id:8 size:2 crc:4",
    UPLOAD_BEGIN | ANSWER: "upload_begin_answer status:1 received:2",
    UPLOAD_CHUNK: "upload_chunk offset:2 +",
    UPLOAD_CHUNK | ANSWER: "upload_chunk_answer status:1 received:2",
    UPLOAD_COMMIT: "upload_commit plan_id:8",
    UPLOAD_COMMIT | ANSWER: "upload_commit_answer status:1 +",
    PLAN_READ: "plan_read plan_id:8 offset:2",
    PLAN_READ | ANSWER: "plan_read_answer status:1 size:2 offset:2 +",
    COMMAND: "command command:1 command_id:4 plan_id:8 arg:4",
    COMMAND | ANSWER: "command_answer status:1 state:1 command_id:4",
    HEART: "heart bpm:1 +",
    LOG_READ: "log_read seq:4",
    LOG_READ | ANSWER: "log_read_answer status:1 first:4 next:4",
    LOG_ACK: "log_ack seq:4",
    LOG: "log seq:4 +",
    NOT_UNDERSTOOD: "not_understood status:1 op:1",
}


class _Frames:
    """The whole protocol: op -> (name, fields as (name, size in bytes), whether a tail follows).

    Kept as text, which needs a third of the room that tuples would take on a board.
    """

    def __getitem__(self, op: int) -> tuple[str, tuple[tuple[str, int], ...], bool]:
        words = _LAYOUTS[op].split(" ")
        has_tail = words[-1] == "+"
        fields = []
        for word in words[1:]:
            if word != "+":
                name, size = word.split(":")
                fields.append((name, int(size)))
        return words[0], tuple(fields), has_tail

    def __contains__(self, op: object) -> bool:
        return op in _LAYOUTS

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(_LAYOUTS)

    def __len__(self) -> int:
        return len(_LAYOUTS)


FRAMES = _Frames()
NO_SESSION = 0xFFFFFFFF

_FORMATS = {1: "B", 2: "H", 4: "I", 8: "8s", 16: "16s", 32: "32s"}


def _struct_of(fields: tuple[tuple[str, int], ...]) -> str:
    return "<" + "".join(_FORMATS[size] for _, size in fields)


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
            fits = size >= _BYTES and len(value) == size
        else:
            fits = size < _BYTES and 0 <= value < 1 << 8 * size
        if not fits:
            raise WireError("{}: {} does not fit: {!r}".format(name, field, value))
    if tail and not has_tail:
        raise WireError("{} takes no tail".format(name))
    frame = bytes((op, tag)) + struct.pack(_struct_of(fields), *values) + tail
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
    name, fields, has_tail = FRAMES[op]
    form = _struct_of(fields)
    least = 2 + struct.calcsize(form)
    if size < least or (size > least and not has_tail) or size > MAX_FRAME:
        raise WireError("{} has a wrong length: {} bytes".format(name, size))
    values = struct.unpack_from(form, frame, 2)
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
