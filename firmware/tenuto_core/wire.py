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
"""A link must carry frames of at least this size."""
LOG_AHEAD_MAX = 64
"""How many records the band sends before an acknowledgement."""
LOG_RESEND_MS = 5_000
"""Records without an acknowledgement are sent again after this time."""

HELLO, STATE, CLOCK, TIME_SET, STATS = 0x01, 0x02, 0x03, 0x04, 0x05
CHALLENGE, PROOF, KEY_SET, IDENTITY, KEYS_FORGET = 0x06, 0x07, 0x08, 0x09, 0x0A
UPLOAD_BEGIN, UPLOAD_CHUNK, UPLOAD_COMMIT, PLAN_READ, PLAN_LIST = 0x10, 0x11, 0x12, 0x13, 0x14
COMMAND, HEART = 0x20, 0x21
LOG_READ, LOG_ACK = 0x30, 0x31
ANSWER = 0x80
LOG = 0xB2
NOT_UNDERSTOOD = 0xFF

FEATURE_PLANS, FEATURE_STATS, FEATURE_TIME, FEATURE_KEYS = 0x01, 0x02, 0x04, 0x08
FEATURE_HEART, FEATURE_IDENTITY, FEATURE_FORGETS, FEATURE_PLAN_2 = 0x10, 0x20, 0x40, 0x80
"""What the band knows: several plans; statistics; UTC; keys and their challenge; beats of a strap
that the host hears; which band it is; to forget the keys of others; plans of version 2."""
FEATURE_OPEN_HOLDS = 0x800
"""What the band knows besides: open holds."""
FEATURE_LOCKED, FEATURE_OPEN, FEATURE_CABLE_ONLY = 0x100, 0x200, 0x400
"""How it stands on this connection: it obeys only after a proof; it takes a key just now; it takes
no key here at any time, only by cable."""
NO_UTC = 0

_BYTES = 8
"""Fields of this size and larger are bytes, smaller ones are numbers."""
_LAYOUTS = {
    # op: name, format of `struct` with + where bytes of any number follow, names of the fields
    HELLO: "hello < ",
    HELLO | ANSWER: (
        "hello_answer <BBIHBHH+ status protocol boot_id plan_bytes frame_bytes log_records features"
    ),
    STATE: "state < ",
    STATE | ANSWER: (
        "state_answer <BBBB8sIIIIII "
        "status state step battery_pct plan_id session now_ms elapsed_ms duration_ms log_first "
        "log_next"
    ),
    CLOCK: "clock <I token",
    CLOCK | ANSWER: "clock_answer <BII status token now_ms",
    TIME_SET: "time_set <IIH at_ms utc_s utc_ms",
    TIME_SET | ANSWER: "time_set_answer <B status",
    STATS: "stats < ",
    STATS | ANSWER: (
        "stats_answer <BBBBBIIIIHHHII "
        "status cause plans keys bonds_pct cues late_worst_ms late_p99_ms records_lost withheld "
        "answers_dropped minute_on_ms journal_writes utc_s"
    ),
    CHALLENGE: "challenge <8s16s key_id nonce",
    CHALLENGE | ANSWER: "challenge_answer <B16s status nonce",
    PROOF: "proof <32s proof",
    PROOF | ANSWER: "proof_answer <B32s status proof",
    KEY_SET: "key_set <16s key",
    KEY_SET | ANSWER: "key_set_answer <B8s status key_id",
    IDENTITY: "identity < ",
    IDENTITY | ANSWER: "identity_answer <B8s+ status address",
    KEYS_FORGET: "keys_forget < ",
    KEYS_FORGET | ANSWER: "keys_forget_answer <BB status keys",
    PLAN_LIST: "plan_list <B place",
    PLAN_LIST | ANSWER: "plan_list_answer <BBB8sH+ status places place plan_id size",
    UPLOAD_BEGIN: "upload_begin <8sHI plan_id size crc",
    UPLOAD_BEGIN | ANSWER: "upload_begin_answer <BH status received",
    UPLOAD_CHUNK: "upload_chunk <H+ offset",
    UPLOAD_CHUNK | ANSWER: "upload_chunk_answer <BH status received",
    UPLOAD_COMMIT: "upload_commit <8s plan_id",
    UPLOAD_COMMIT | ANSWER: "upload_commit_answer <B+ status",
    PLAN_READ: "plan_read <8sH plan_id offset",
    PLAN_READ | ANSWER: "plan_read_answer <BHH+ status size offset",
    COMMAND: "command <BI8sI command command_id plan_id arg",
    COMMAND | ANSWER: "command_answer <BBI status state command_id",
    HEART: "heart <B+ bpm",
    LOG_READ: "log_read <I seq",
    LOG_READ | ANSWER: "log_read_answer <BII status first next",
    LOG_ACK: "log_ack <I seq",
    LOG: "log <I+ seq",
    NOT_UNDERSTOOD: "not_understood <BB status op",
}


class _Frames:
    """The whole protocol: op -> (name, fields as (name, size in bytes), whether a tail follows).

    Kept as text, which needs a third of the room that tuples would take on a board.
    """

    def __getitem__(self, op: int) -> tuple[str, tuple[tuple[str, int], ...], bool]:
        name, form, names = _LAYOUTS[op].split(" ", 2)
        left = names.split()
        fields: list[tuple[str, int]] = []
        count = ""
        for char in form:
            if char.isdigit():
                count += char
            elif char not in "<+":
                fields.append((left[len(fields)], struct.calcsize("<" + count + char)))
                count = ""
        return name, tuple(fields), form[-1] == "+"

    def __contains__(self, op: object) -> bool:
        return op in _LAYOUTS

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(_LAYOUTS)

    def __len__(self) -> int:
        return len(_LAYOUTS)


FRAMES = _Frames()
NO_SESSION = 0xFFFFFFFF


class WireError(Exception):
    """Bytes that are no frame of this protocol; the message says which and why."""


def _parts(op: int) -> tuple[str, str, bool]:
    name, form, _ = _LAYOUTS[op].split(" ", 2)
    has_tail = form[-1] == "+"
    return name, form[:-1] if has_tail else form, has_tail


def _misfit(op: int, values: tuple) -> str:
    name, fields, _ = FRAMES[op]
    if len(values) != len(fields):
        return "{} takes {} fields, got {}".format(name, len(fields), len(values))
    for (field, size), value in zip(fields, values):
        if isinstance(value, bytes):
            fits = size >= _BYTES and len(value) == size
        else:
            fits = size < _BYTES and 0 <= value < 1 << 8 * size
        if not fits:
            return "{}: {} does not fit: {!r}".format(name, field, value)
    return name + " does not fit"


def encode(op: int, tag: int, *values: int | bytes, tail: bytes = b"") -> bytes:
    """Return the bytes of one frame.

    Args:
        values: The fields in the order of `FRAMES`.

    Raises:
        WireError: There are too many or too few, one does not fit its field, or the frame is
            longer than `MAX_FRAME`.
    """
    name, form, has_tail = _parts(op)
    if tail and not has_tail:
        raise WireError("{} takes no tail".format(name))
    try:
        packed = struct.pack(form, *values)
        # MicroPython's struct cuts values that do not fit, and skips missing ones.
        fits = struct.unpack(form, packed) == values
    except Exception:  # noqa: BLE001 - the class differs between Pythons
        fits = False
    if not fits:
        raise WireError(_misfit(op, values))
    frame = bytes((op, tag)) + packed + tail
    if len(frame) > MAX_FRAME:
        raise WireError("{} is {} bytes long, at most {}".format(name, len(frame), MAX_FRAME))
    return frame


def decode(frame: bytes) -> tuple[int, int, tuple, bytes]:
    """Return the parts (op, tag, values, tail) of one frame.

    Raises:
        WireError: The bytes are no frame.
    """
    size = len(frame)
    if size < 2:
        raise WireError("a frame has at least 2 bytes, got {}".format(size))
    op, tag = frame[0], frame[1]
    if op not in FRAMES:
        raise WireError("unknown op 0x{:02x}".format(op))
    name, form, has_tail = _parts(op)
    least = 2 + struct.calcsize(form)
    if size < least or (size > least and not has_tail) or size > MAX_FRAME:
        raise WireError("{} has a wrong length: {} bytes".format(name, size))
    values = struct.unpack_from(form, frame, 2)
    return op, tag, values, bytes(frame[least:])


def split(packet: bytes) -> list[bytes]:
    """Return the frames in a packet of length-prefixed frames.

    Raises:
        WireError: The lengths do not match the packet.
    """
    frames, at = [], 0
    while at < len(packet):
        end = at + 1 + packet[at]
        if end > len(packet) or packet[at] < 2:
            raise WireError("packet of {} bytes is broken at {}".format(len(packet), at))
        frames.append(bytes(packet[at + 1 : end]))
        at = end
    return frames
