# SPDX-License-Identifier: MIT
"""One host on one link: its frames in, answers and log records out, and whether it is trusted."""

from . import wire
from .auth import Challenge, Keyring
from .band import PAIRING_DONE, Band
from .device_requests import NO_PLAN_ID
from .log import RECORD_BYTES
from .vocab import (
    BAD_FRAME,
    BUSY,
    LOG_OVERRUN,
    NOT_OPEN,
    NOT_PROVEN,
    OK,
    OUT_OF_RANGE,
    UNKNOWN_REQUEST,
)

ANSWERS_MAX = 8
_UNHURRIED = (wire.CLOCK, wire.LOG_READ, wire.STATE, wire.STATS, wire.COMMAND)
_OPEN_TO_ALL = (wire.HELLO, wire.IDENTITY, wire.CHALLENGE, wire.PROOF, wire.KEY_SET)


class HostConnection:
    """One host on one link.

    Args:
        by_cable: Whether the link is a cable, which needs no proof and may bring a key.

    Attributes:
        frame_bytes: The largest frame, without its length byte, that the link can carry just now.
        asked_ms: When it last asked for something that needs a fast link, None before.
    """

    def __init__(self, band: Band, by_cable: bool = False) -> None:
        self._band = band
        self.by_cable = by_cable
        self._window = band.windows
        self.asked_ms: int | None = None
        self._challenge: Challenge | None = None
        self._key: bytes | None = None
        self._is_let_in = False
        self._answers: list[bytes] = []
        self._streaming = False
        self._sent = 0
        self._acked = 0
        self._resend_ms: int | None = None
        self.dropped = 0
        self.frame_bytes = wire.MAX_FRAME

    @property
    def due_ms(self) -> int | None:
        """When to call `pull` again although nothing new happened, or None."""
        return self._resend_ms

    @property
    def has_more(self) -> bool:
        """Whether `pull` has something to return now."""
        if self._answers:
            return True
        return self._streaming and self._sent < self._band.log.next and self._room_ahead > 0

    @property
    def _room_ahead(self) -> int:
        return wire.LOG_AHEAD_MAX - (self._sent - self._acked)

    def receive(self, frame: bytes, now_ms: int) -> None:
        """Take one frame of the host; `pull` returns the answer."""
        try:
            op, tag, values, tail = wire.decode(frame)
        except wire.WireError:
            tag = frame[1] if len(frame) > 1 else 0
            known = len(frame) > 0 and frame[0] in wire.FRAMES
            status = BAD_FRAME if known else UNKNOWN_REQUEST
            self._answer(wire.encode(wire.NOT_UNDERSTOOD, tag, status, frame[0] if frame else 0))
            return
        if not self.is_trusted and op not in _OPEN_TO_ALL:
            self._answer(wire.encode(wire.NOT_UNDERSTOOD, tag, NOT_PROVEN, op))
            return
        if op == wire.LOG_ACK:
            self._ack(values[0], now_ms)
            return
        if op == wire.HEART:  # needs no answer: the next one comes within a second
            self._band.host_beat(values[0], tail, now_ms)
            return
        if op not in _UNHURRIED:
            self.asked_ms = now_ms
        answer = self._handle(op, values, tail, now_ms)
        if answer is None:
            self._answer(wire.encode(wire.NOT_UNDERSTOOD, tag, UNKNOWN_REQUEST, op))
        else:
            values, tail = answer
            frame = wire.encode(op | wire.ANSWER, tag, *values, tail=tail)
            # A text that the link cannot carry is cut; in the queue it would block all that follow.
            self._answer(frame[: self.frame_bytes])

    def _handle(  # noqa: C901, PLR0912 - one case a request
        self, op: int, values: tuple, tail: bytes, now_ms: int
    ) -> tuple[tuple, bytes] | None:
        band = self._band
        if op == wire.HELLO:
            if self.by_cable:  # maybe another program, which has proved nothing yet
                self._challenge = self._key = None
            return band.hello(self._features(now_ms))
        if op == wire.STATE:
            return band.state(now_ms)
        if op == wire.CLOCK:
            return (OK, values[0], now_ms & 0xFFFFFFFF), b""
        if op == wire.UPLOAD_BEGIN:
            return band.upload_begin(*values)
        if op == wire.UPLOAD_CHUNK:
            return band.upload_chunk(values[0], tail)
        if op == wire.UPLOAD_COMMIT:
            return band.upload_commit(values[0])
        if op == wire.PLAN_READ:
            return band.plan_read(values[0], values[1], self.frame_bytes - 7)
        if op == wire.COMMAND:
            command, command_id, plan_id, arg = values
            return band.command(command, command_id, plan_id, arg, now_ms)
        if op == wire.LOG_READ:
            return self._log_read(values[0])
        if op == wire.TIME_SET:
            return band.time_set(values[0], values[1], values[2], now_ms)
        if op == wire.STATS:
            return band.stats(now_ms)
        if op == wire.PLAN_LIST:
            return band.plan_list(values[0])
        if op == wire.IDENTITY and band.serial:
            return (OK, band.address), band.serial
        if band.keyring is not None:
            return self._handle_keys(op, values, now_ms, band.keyring)
        return None

    @property
    def is_following(self) -> bool:
        """Whether the host fetches the log."""
        return self._streaming

    # --- trust

    @property
    def is_proven(self) -> bool:
        """Whether the key that the host has proved, or brought, is one of the band's."""
        keyring = self._band.keyring
        return keyring is None or (self._key is not None and keyring.id_of(self._key) is not None)

    @property
    def is_trusted(self) -> bool:
        """Whether the host is obeyed."""
        keyring = self._band.keyring
        if self.by_cable or keyring is None or self.is_proven:
            return True
        return self._is_let_in and not keyring.only_by_cable

    def _takes_keys(self, now_ms: int) -> bool:
        band = self._band
        if band.keyring is None or self.by_cable:
            return self.by_cable and band.keyring is not None
        # Whoever sat on the link before the gesture waited for it, and is not meant by it.
        is_meant = self._window == band.windows and band.is_pairing(now_ms)
        return is_meant and not band.keyring.only_by_cable

    def _features(self, now_ms: int) -> int:
        features = 0 if self.is_trusted else wire.FEATURE_LOCKED
        if self._takes_keys(now_ms):
            return features | wire.FEATURE_OPEN
        keyring = self._band.keyring
        is_shut = keyring is not None and keyring.only_by_cable
        return features | (wire.FEATURE_CABLE_ONLY if is_shut else 0)

    def admit(self, now_ms: int) -> None:
        """Trust a bonded link while the pairing window is open, for this connection."""
        if self._takes_keys(now_ms):
            self._is_let_in = True

    def _handle_keys(
        self, op: int, values: tuple, now_ms: int, keyring: Keyring
    ) -> tuple[tuple, bytes] | None:
        if op == wire.KEY_SET:
            return self._key_set(values[0], now_ms, keyring), b""
        if op == wire.KEYS_FORGET:
            return self._keys_forget(now_ms, keyring), b""
        if self._challenge is None:
            self._challenge = Challenge(keyring)
        if op == wire.CHALLENGE:
            return self._challenge.begin(values[0], values[1]), b""
        if op == wire.PROOF:
            answer = self._challenge.prove(values[0], self._band.is_quiet(now_ms))
            self._key = self._challenge.proven or self._key
            return answer, b""
        return None

    def _key_set(self, key: bytes, now_ms: int, keyring: Keyring) -> tuple[int, bytes]:
        known_id = keyring.id_of(key) if key == self._key else None
        if known_id is not None:  # asked again, for the answer was lost
            return OK, known_id
        if not self._takes_keys(now_ms):
            return NOT_OPEN, NO_PLAN_ID
        if not self._band.is_quiet(now_ms):
            return BUSY, NO_PLAN_ID
        answer = keyring.add(key, self.by_cable, self._key)
        if answer[0] == OK:
            self._key = key
            self._challenge = None  # guesses at other keys do not count for this one
            self._band.close_pairing(PAIRING_DONE, now_ms)
        return answer

    def _keys_forget(self, now_ms: int, keyring: Keyring) -> tuple[int, int]:
        if not self.by_cable:  # or a computer that was lost could shut out the owner's
            return NOT_OPEN, keyring.count
        if not self._band.is_quiet(now_ms):
            return BUSY, keyring.count
        keyring.keep_only(self._key)
        return OK, keyring.count

    def _answer(self, frame: bytes) -> None:
        # A host that asks faster than it listens loses answers, oldest first, and asks again.
        if len(self._answers) >= ANSWERS_MAX:
            self._answers = self._answers[1:]
            self.dropped += 1
            self._band.answers_dropped += 1
        self._answers.append(frame)

    # --- the log

    def _log_read(self, seq: int) -> tuple[tuple, bytes]:
        log = self._band.log
        if seq > log.next:
            return (OUT_OF_RANGE, log.first, log.next), b""
        self._streaming = True
        log.acked = max(log.acked, seq)  # who asks from there on has what is before it
        self._sent = self._acked = max(seq, log.first)
        self._resend_ms = None
        return (OK if seq >= log.first else LOG_OVERRUN, log.first, log.next), b""

    def _ack(self, seq: int, now_ms: int) -> None:
        if not self._streaming or not self._acked < seq <= self._band.log.next:
            return
        # What is sent again may be what the host has had before.
        self._sent = max(self._sent, seq)
        self._acked = seq
        self._band.log.acked = max(self._band.log.acked, seq)
        self._resend_ms = None if seq == self._sent else now_ms + wire.LOG_RESEND_MS

    def pull(self, room: int, now_ms: int) -> bytes:
        """Return the next frame with its length byte, of at most `room` bytes, or b"" for none."""
        if self._answers:
            if len(self._answers[0]) + 1 > room:
                return b""
            frame, self._answers = self._answers[0], self._answers[1:]
        else:
            frame = self._log_frame(room - 1, now_ms)
        return bytes((len(frame),)) + frame if frame else b""

    def _log_frame(self, room: int, now_ms: int) -> bytes:
        if not self._streaming:
            return b""
        log = self._band.log
        if self._resend_ms is not None and now_ms >= self._resend_ms:
            self._sent = self._acked
            self._resend_ms = None
        if self._sent == log.next:
            return b""
        if self._sent < log.first:
            self._sent = self._acked = log.first
        count = min((min(room, self.frame_bytes) - 6) // RECORD_BYTES, self._room_ahead)
        records = log.read(self._sent, count)
        if not records:
            return b""
        frame = wire.encode(wire.LOG, 0, self._sent, tail=records)
        self._sent += len(records) // RECORD_BYTES
        if self._resend_ms is None:
            self._resend_ms = now_ms + wire.LOG_RESEND_MS
        return frame
