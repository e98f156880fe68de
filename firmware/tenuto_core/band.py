# SPDX-License-Identifier: MIT
"""The wearable without its parts: what comes over a link in, what goes out over a link out.

`Band` owns the player, the log, the buzzer, the button's gestures and the plan; `Peer` is one
host on one link.  Both are pure: the application feeds them frames, edges, beats and time, and
takes frames out as fast as its link can send them.
"""

from binascii import crc32

from . import wire
from .button import Button
from .buzzer import Buzzer, Motor
from .log import RECORD_BYTES, Log
from .plan import MAX_BYTES, Plan, PlanError
from .player import IDLE, RUNNING, Player
from .vocab import (
    BAD_FRAME,
    BAD_PLAN,
    BOOTED,
    BUSY,
    BY_HOST,
    COMMANDS,
    LOG_OVERRUN,
    LONG_PRESS,
    NO_PLAN,
    NO_STEP,
    NO_SUCH_PLAN,
    NO_UPLOAD,
    OK,
    OUT_OF_RANGE,
    START_AT,
    UNKNOWN_REQUEST,
    WRONG_OFFSET,
    WRONG_PLAN,
)

NO_PLAN_ID = b"\x00" * 8
ANSWERS_MAX = 8
COMMANDS_KEPT = 16
LOG_FRAMES_IN_FLIGHT = 4
LOG_RESEND_MS = 2_000
ALERT_MILD = ((100, 150, 0),)
ALERT_HIGH = ((100, 100, 100),) * 5
ALERT_GAP_MS = 2_000
ALERT_GAP_MS_MAX = 60_000


def _due(*times: int | None) -> int | None:
    known = [t for t in times if t is not None]
    return min(known) if known else None


class Band:
    """One wearable.

    motor: see `buzzer`.  boot_id: 32 bits that differ from boot to boot, so that a host knows a
    new clock and a new log when it meets them.  name: for people, at most 32 bytes.
    battery_pct: 0 to 100, or 255 where it is not known; the application keeps it up to date.
    """

    def __init__(
        self, motor: Motor, boot_id: int, name: str, now_ms: int, log_records: int = 1024
    ) -> None:
        self.boot_id = boot_id
        self.name = name
        self.battery_pct = 255
        self.log = Log(log_records)
        self.buzzer = Buzzer(motor)
        self.player = Player(self.log, self.buzzer)
        self.button = Button()
        self.log.append(now_ms, BOOTED, NO_STEP, 0, boot_id)
        self._staged: bytearray | None = None
        self._staged_id: bytes | None = None
        self._staged_crc = 0
        self._received = 0
        self._answered: list[tuple[int, int]] = []
        self._alert_ms: int | None = None
        self._alert_gap_ms = 0
        motor.off()

    @property
    def due_ms(self) -> int | None:
        """When `advance` wants to be called next, or None."""
        return _due(self.player.due_ms, self.buzzer.due_ms, self.button.due_ms, self._alert_ms)

    def advance(self, now_ms: int) -> None:
        """Do everything that is due at `now_ms`."""
        self._gesture(self.button.advance(now_ms), now_ms)
        self.player.advance(now_ms)
        if self._alert_ms is not None and now_ms >= self._alert_ms:
            self._repeat_alert(now_ms)
        self.buzzer.advance(now_ms)

    def edge(self, pressed: bool, at_ms: int, now_ms: int) -> None:
        """The debounced button went down (True) or came up at `at_ms`, seen at `now_ms`."""
        self._gesture(self.button.edge(pressed, at_ms), now_ms)

    def _gesture(self, gesture: int, now_ms: int) -> None:
        alerted = self._alert_ms is not None and self.player.state != RUNNING
        if gesture and alerted:
            self.alert(0, now_ms)
        # A press answers the alert and no more, but a long one always means stop.
        if gesture and (not alerted or gesture == LONG_PRESS):
            self.player.press(gesture, now_ms)

    def beat(self, bpm: int, rr: tuple[int, ...], now_ms: int) -> None:
        """The heart sensor has a rate, see `player.Player.beat`."""
        self.player.beat(bpm, rr, now_ms)

    def alert(self, level: int, now_ms: int) -> None:
        """Immediate Alert (0x1802): 0 stops it, 1 is felt once, 2 comes again until 0 or a press.

        Any other level is reserved and means nothing.  The repetitions grow rarer and end.
        While a session's time runs the motor belongs to its cues: no alert is felt then, one that
        goes on ends, and 0 does not cut a cue.
        """
        if self.player.state == RUNNING:
            self._alert_ms = None
        elif level == 0:
            self._alert_ms = None
            self.buzzer.stop()
        elif level == 1:
            self._alert_ms = None
            self.buzzer.play(ALERT_MILD, now_ms)
        elif level == 2:
            self._alert_gap_ms = ALERT_GAP_MS
            self._repeat_alert(now_ms)

    def _repeat_alert(self, now_ms: int) -> None:
        if self.player.state == RUNNING:
            self._alert_ms = None
            return
        self.buzzer.play(ALERT_HIGH, now_ms)
        self._alert_ms = now_ms + self._alert_gap_ms
        self._alert_gap_ms *= 2
        if self._alert_gap_ms > ALERT_GAP_MS_MAX:
            self._alert_ms = None

    def hello(self) -> tuple[tuple, bytes]:
        """The fields and tail of the answer to `wire.HELLO`."""
        values = (OK, wire.VERSION, self.boot_id, MAX_BYTES, wire.MAX_FRAME, self.log.capacity, 0)
        return values, self.name.encode()

    # --- requests that are about the band, not about one peer: each returns (values, tail)

    def state(self, now_ms: int) -> tuple[tuple, bytes]:
        """What the band does now."""
        player = self.player
        return (
            OK,
            player.state,
            player.number,
            self.battery_pct,
            player.plan_id or NO_PLAN_ID,
            wire.NO_SESSION if player.session is None else player.session,
            now_ms & 0xFFFFFFFF,
            max(0, player.elapsed_at(now_ms)),
            player.duration_ms,
            self.log.first,
            self.log.next,
        ), b""

    def upload_begin(self, plan_id: bytes, size: int, crc: int) -> tuple[tuple, bytes]:
        """Make room for a plan; what has already come of the same upload is kept."""
        if plan_id == self.player.plan_id:
            return (OK, size), b""
        if self.player.state != IDLE:
            return (BUSY, 0), b""
        if not 1 <= size <= MAX_BYTES or plan_id == NO_PLAN_ID:
            return (OUT_OF_RANGE, 0), b""
        same = plan_id == self._staged_id and crc == self._staged_crc
        if self._staged is None or not same or len(self._staged) != size:
            self._staged = None  # before the new one is made: there may not be room for both
            self._staged = bytearray(size)
            self._staged_id = plan_id
            self._staged_crc = crc
            self._received = 0
        return (OK, self._received), b""

    def upload_chunk(self, offset: int, data: bytes) -> tuple[tuple, bytes]:
        """Take the next bytes; ones that are already here are passed over."""
        if self._staged is None:
            return (NO_UPLOAD, 0), b""
        end = offset + len(data)
        if offset > self._received or end > len(self._staged):
            return (WRONG_OFFSET, self._received), b""
        if end > self._received:
            self._staged[offset:end] = data
            self._received = end
        return (OK, self._received), b""

    def upload_commit(self, plan_id: bytes) -> tuple[tuple, bytes]:
        """Check the plan as a whole and put it in the player's hands, or change nothing."""
        if plan_id == self.player.plan_id:
            return (OK,), b""
        if self._staged is None or plan_id != self._staged_id:
            return (NO_UPLOAD,), b""
        if self._received != len(self._staged):
            return (WRONG_OFFSET,), b""
        if self.player.state != IDLE:
            return (BUSY,), b""
        staged, self._staged, self._staged_id = self._staged, None, None
        if crc32(staged) & 0xFFFFFFFF != self._staged_crc:
            return (BAD_PLAN,), b"checksum is wrong"
        try:
            plan = Plan(staged)
        except PlanError as error:
            return (BAD_PLAN,), str(error).encode()[:120]
        return (self.player.load(plan, plan_id),), b""

    def plan_read(self, plan_id: bytes, offset: int, room: int) -> tuple[tuple, bytes]:
        """A piece of the plan, for a host that meets a band that already plays one."""
        plan = self.player.plan
        if plan is None or plan_id != self.player.plan_id:
            return (NO_SUCH_PLAN, 0, 0), b""
        data = plan.data
        if offset > len(data):
            return (WRONG_OFFSET, len(data), 0), b""
        return (OK, len(data), offset), bytes(data[offset : offset + room])

    def command(
        self, command: int, command_id: int, plan_id: bytes, arg: int, now_ms: int
    ) -> tuple[tuple, bytes]:
        """Obey once; the same id again gets the same answer and does nothing."""
        for known_id, status in self._answered:
            if known_id == command_id:
                return (status, self.player.state, command_id), b""
        status = self._obey(command, plan_id, arg, now_ms)
        self._answered.append((command_id, status))
        if len(self._answered) > COMMANDS_KEPT:
            self._answered = self._answered[1:]
        return (status, self.player.state, command_id), b""

    def _obey(self, command: int, plan_id: bytes, arg: int, now_ms: int) -> int:
        if command >= len(COMMANDS):
            return UNKNOWN_REQUEST
        if self.player.plan is None:
            return NO_PLAN
        if plan_id != self.player.plan_id:
            return WRONG_PLAN
        if command == START_AT:
            # The clock travels in 32 bits; the nearest time with these bits is meant.
            ahead_ms = (arg - now_ms) & 0xFFFFFFFF
            arg = now_ms + (ahead_ms if ahead_ms < 0x80000000 else ahead_ms - 0x100000000)
        return self.player.receive(command, arg, BY_HOST, now_ms)


class Peer:
    """One host on one link.

    frame_bytes: the largest frame, without its length byte, that the link can carry just now.
    """

    def __init__(self, band: Band) -> None:
        self._band = band
        self._answers: list[bytes] = []
        self._streaming = False
        self._sent = 0
        self._acked = 0
        self._in_flight = 0
        self._resend_ms: int | None = None
        self.dropped = 0
        self.frame_bytes = wire.MAX_FRAME

    @property
    def due_ms(self) -> int | None:
        """When `pull` should be tried again although nothing new happened, or None."""
        return self._resend_ms

    @property
    def has_more(self) -> bool:
        """Whether `pull` has something to give now."""
        unsent = self._streaming and self._sent < self._band.log.next
        return bool(self._answers) or (unsent and self._in_flight < LOG_FRAMES_IN_FLIGHT)

    def receive(self, frame: bytes, now_ms: int) -> None:
        """Take one frame of the host; its answer comes out of `pull`."""
        try:
            op, tag, values, tail = wire.decode(frame)
        except wire.WireError:
            tag = frame[1] if len(frame) > 1 else 0
            known = len(frame) > 0 and frame[0] in wire.FRAMES
            status = BAD_FRAME if known else UNKNOWN_REQUEST
            self._answer(wire.encode(wire.NOT_UNDERSTOOD, tag, status, frame[0] if frame else 0))
            return
        if op == wire.LOG_ACK:
            self._ack(values[0], now_ms)
            return
        answer = self._handle(op, values, tail, now_ms)
        if answer is None:
            self._answer(wire.encode(wire.NOT_UNDERSTOOD, tag, UNKNOWN_REQUEST, op))
        else:
            values, tail = answer
            frame = wire.encode(op | wire.ANSWER, tag, *values, tail=tail)
            # A text that the link cannot carry is cut; in the queue it would block all after it.
            self._answer(frame[: self.frame_bytes])

    def _handle(
        self, op: int, values: tuple, tail: bytes, now_ms: int
    ) -> tuple[tuple, bytes] | None:
        band = self._band
        if op == wire.HELLO:
            return band.hello()
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
        return None

    def _answer(self, frame: bytes) -> None:
        # A host that asks faster than it listens loses answers, oldest first, and asks again.
        if len(self._answers) >= ANSWERS_MAX:
            self._answers = self._answers[1:]
            self.dropped += 1
        self._answers.append(frame)

    # --- the log

    def _log_read(self, seq: int) -> tuple[tuple, bytes]:
        log = self._band.log
        if seq > log.next:
            return (OUT_OF_RANGE, log.first, log.next), b""
        self._streaming = True
        self._sent = self._acked = max(seq, log.first)
        self._in_flight = 0
        self._resend_ms = None
        return (OK if seq >= log.first else LOG_OVERRUN, log.first, log.next), b""

    def _ack(self, seq: int, now_ms: int) -> None:
        if not self._streaming or not self._acked < seq <= self._sent:
            return
        self._acked = seq
        self._in_flight = 0 if seq == self._sent else max(1, self._in_flight - 1)
        self._resend_ms = None if seq == self._sent else now_ms + LOG_RESEND_MS

    def pull(self, room: int, now_ms: int) -> bytes:
        """The next frame to send with its length byte, of at most `room` bytes, or b"" for none."""
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
            self._in_flight = 0
            self._resend_ms = None
        if self._sent < log.first:
            self._sent = self._acked = log.first
        if self._in_flight >= LOG_FRAMES_IN_FLIGHT:
            return b""
        records = log.read(self._sent, (min(room, self.frame_bytes) - 6) // RECORD_BYTES)
        if not records:
            return b""
        frame = wire.encode(wire.LOG, 0, self._sent, tail=records)
        self._sent += len(records) // RECORD_BYTES
        self._in_flight += 1
        if self._resend_ms is None:
            self._resend_ms = now_ms + LOG_RESEND_MS
        return frame
