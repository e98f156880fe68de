# SPDX-License-Identifier: MIT
"""A wearable's core on a bench: a recording motor, a host's end of the link, seeded dice.

Runs on CPython and on MicroPython, so that both can be given the same sessions.
"""
# ruff: noqa: I002, RUF005 - MicroPython has no __future__, and no star in a display

from binascii import crc32

from tenuto_core import buzzer, vocab, wire
from tenuto_core.band import Band
from tenuto_core.encode import encode
from tenuto_core.host_connection import HostConnection
from tenuto_core.log import RECORD_BYTES, Log, unpack_record
from tenuto_core.plan import Plan, Step
from tenuto_core.storage import Storage

BOOT_MS = 1_000
STEPS_MAX = 100_000
OFF = 0

# The first pulse of a cue has a strength of its own, so that the motor's edges name the cue.
FOLLOWING_PCT = 50
PATTERNS = tuple(
    ((10 + cue, 100, 50),) + ((FOLLOWING_PCT, 80, 40),) * (cue % 3) for cue in range(9)
)

READY, HOLD, SWITCH, REST, GATED, PACED, LAST_HOLD, DONE = range(8)
TICKS = (
    (3_000, True, vocab.COUNTDOWN),
    (2_000, True, vocab.COUNTDOWN),
    (1_000, True, vocab.COUNTDOWN),
)
HOLD_CUES = (
    ((0, False, vocab.HOLD_START), (15_000, False, vocab.HALFWAY))
    + TICKS
    + ((0, True, vocab.HOLD_END),)
)


def score() -> list[Step]:
    """One step of each sort; the constants above number them."""
    return [
        Step(vocab.READY, 5_000, ((0, False, vocab.GET_READY),) + TICKS, exercise=0),
        Step(vocab.HOLD, 30_000, HOLD_CUES, exercise=0, side=vocab.LEFT, rep=1, reps=1, set_no=1),
        Step(vocab.SWITCH, 8_000, ((400, False, vocab.SWITCH_SIDES),) + TICKS, exercise=0),
        Step(vocab.HOLD, 30_000, HOLD_CUES, exercise=0, side=vocab.RIGHT, rep=1, reps=1, set_no=1),
        Step(
            vocab.REST,
            8_000,
            ((400, False, vocab.NEXT_EXERCISE),),
            exercise=1,
            gate_bpm=100,
            wait_max_ms=60_000,
        ),
        Step(
            vocab.READY,
            3_000,
            ((0, False, vocab.GET_READY),),
            exercise=1,
            self_paced=True,
            wait_max_ms=120_000,
        ),
        Step(vocab.HOLD, 30_000, HOLD_CUES, exercise=1, rep=1, reps=1, set_no=1),
        Step(vocab.DONE, 3_000, ((400, False, vocab.FINISHED),)),
    ]


def score_bytes() -> bytes:
    """The plan of `score`."""
    return encode("Bench", ("first", "second"), score(), PATTERNS)


def plan_id_of(data: bytes) -> bytes:
    """Any 8 bytes that differ with the plan; what they are is the host's business."""
    return b"id: " + bytes(data[-4:])


class Motor(buzzer.Motor):
    """Ends each pulse by itself as the real ones must, and keeps every edge.

    edges: (at_ms, strength_pct or `OFF`).  pulses: (on at_ms, strength_pct, planned on_ms,
    felt ms).  now_ms: set by the rig before each call into the core.
    """

    def __init__(self) -> None:
        self.now_ms = BOOT_MS
        self.edges: list[tuple[int, int]] = []
        self.pulses: list[tuple[int, int, int, int]] = []
        self._pulse: tuple[int, int, int] | None = None

    def on(self, strength_pct: int, on_ms: int) -> None:
        """As `buzzer` wants it."""
        self.settle()
        if self._pulse is not None:
            raise AssertionError("motor switched on while it is on")
        self._pulse = (self.now_ms, strength_pct, on_ms)
        self.edges.append((self.now_ms, strength_pct))

    def off(self) -> None:
        """As `buzzer` wants it."""
        self.settle()
        self._end(self.now_ms)

    def settle(self) -> None:
        """End the pulse whose time is over."""
        if self._pulse is not None and self._pulse[0] + self._pulse[2] < self.now_ms:
            self._end(self._pulse[0] + self._pulse[2])

    def _end(self, end_ms: int) -> None:
        if self._pulse is not None:
            at_ms, strength_pct, on_ms = self._pulse
            self.pulses.append((at_ms, strength_pct, on_ms, end_ms - at_ms))
            self.edges.append((end_ms, OFF))
            self._pulse = None

    @property
    def running(self) -> bool:
        """Whether it turns at `now_ms`."""
        self.settle()
        return self._pulse is not None

    def cues(self) -> list[tuple[int, int]]:
        """The cues that were felt: (at_ms, cue)."""
        return [(ms, pct - 10) for ms, pct in self.edges if pct not in (OFF, FOLLOWING_PCT)]


class Memory(Storage):
    """Keeps everything that is given to it; held: what it has; room: bytes that fit."""

    def __init__(self, held: dict[str, bytes] | None = None, room: int = 1 << 20) -> None:
        self.held = {} if held is None else held
        self.room = room

    def load(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """As `storage` wants it."""
        return self.held.get(name, b"")[start:end]

    def save(self, name: str, data: bytes | bytearray, head: bytes = b"") -> bool:
        """As `storage` wants it."""
        others = sum(len(held) for other, held in self.held.items() if other != name)
        if others + len(head) + len(data) > self.room:
            return False
        self.held[name] = head + bytes(data)
        return True


class Wrist:
    """A band with a plan in it, and time that moves when told."""

    def __init__(
        self,
        data: bytes | None = None,
        log_records: int = 1024,
        boot_id: int = 0xB0070001,
        now_ms: int = BOOT_MS,
    ) -> None:
        self.motor = Motor()
        self.motor.now_ms = self.now_ms = now_ms
        self.band = Band(self.motor, boot_id, "bench", now_ms, log_records)
        self.player = self.band.player
        self.log = self.band.log
        if data is not None:
            self.player.load(Plan(data), plan_id_of(data))

    def _at(self, now_ms: int) -> None:
        self.now_ms = self.motor.now_ms = now_ms

    def run_to(self, at_ms: int) -> None:
        """Call `advance` at each due time up to `at_ms`, as a perfect owner would."""
        for _ in range(STEPS_MAX):
            due_ms = self.band.due_ms
            if due_ms is None or due_ms > at_ms:
                break
            self._at(max(self.now_ms, due_ms))
            self.band.advance(self.now_ms)
        else:
            raise AssertionError("due again and again")
        self._at(at_ms)
        self.band.advance(at_ms)
        self.motor.settle()

    def run(self, by_ms: int) -> None:
        """As `run_to`, by so much."""
        self.run_to(self.now_ms + by_ms)

    def run_out(self) -> None:
        """Run until nothing is due any more."""
        for _ in range(STEPS_MAX):
            if self.band.due_ms is None:
                return
            self.run_to(self.band.due_ms)
        raise AssertionError("due again and again")

    def block_to(self, at_ms: int) -> None:
        """Come back at `at_ms` as a device that was busy until then."""
        self._at(at_ms)
        self.band.advance(at_ms)

    def do(self, command: int, arg: int = 0, source: int = vocab.BY_HOST) -> int:
        """Give the player a command; returns its status."""
        return self.player.receive(command, arg, source, self.now_ms)

    def press(self, gesture: int = vocab.PRESS) -> int:
        """Give the player a gesture; returns its status."""
        return self.player.press(gesture, self.now_ms)

    def beat(self, bpm: int, rr: tuple[int, ...] = ()) -> None:
        """Let the heart beat."""
        self.player.beat(bpm, rr, self.now_ms)

    def records(self) -> list[tuple[int, int, int, int, int, int]]:
        """The log as tuples (at_ms, kind, step, a, b, c)."""
        data = log_bytes(self.log)
        return [unpack_record(data, at) for at in range(0, len(data), RECORD_BYTES)]


def log_bytes(log: Log) -> bytes:
    """All that the log still holds."""
    data, number = b"", log.first
    while number < log.next:
        part = log.read(number, log.capacity)
        data += part
        number += len(part) // RECORD_BYTES
    return data


class Host:
    """The host's end of a link that loses nothing by itself."""

    def __init__(self, wrist: Wrist) -> None:
        self.wrist = wrist
        self.peer = HostConnection(wrist.band)
        self._tag = 0
        self.room = wire.MAX_FRAME + 1

    def send(self, op: int, *values: int | bytes, tail: bytes = b"") -> int:
        """Send a request without waiting for its answer; returns its tag."""
        self._tag = (self._tag + 1) & 0xFF
        self.peer.receive(wire.encode(op, self._tag, *values, tail=tail), self.wrist.now_ms)
        return self._tag

    def pull(self) -> tuple[int, int, tuple, bytes] | None:
        """The next frame decoded, or None."""
        packet = self.peer.pull(self.room, self.wrist.now_ms)
        if not packet:
            return None
        if len(packet) > self.room:
            raise AssertionError("packet larger than the room for it")
        (frame,) = wire.split(packet)
        return wire.decode(frame)

    def ask(self, op: int, *values: int | bytes, tail: bytes = b"") -> tuple[tuple, bytes]:
        """Send a request and return (values, tail) of its answer."""
        tag = self.send(op, *values, tail=tail)
        for _ in range(STEPS_MAX):
            frame = self.pull()
            if frame is None:
                break
            if frame[0] == op | wire.ANSWER and frame[1] == tag:
                return frame[2], frame[3]
        raise AssertionError("no answer")

    def upload(self, data: bytes, chunk: int = 200) -> int:
        """Send a whole plan; returns the status of its commit."""
        plan_id = plan_id_of(data)
        (status, received), _ = self.ask(wire.UPLOAD_BEGIN, plan_id, len(data), crc_of(data))
        while status == vocab.OK and received < len(data):
            tail = bytes(data[received : received + chunk])
            (status, received), _ = self.ask(wire.UPLOAD_CHUNK, received, tail=tail)
        if status == vocab.OK:
            (status,), _ = self.ask(wire.UPLOAD_COMMIT, plan_id)
        return int(status)


def crc_of(data: bytes | bytearray) -> int:
    """The checksum that `UPLOAD_BEGIN` carries."""
    return crc32(data) & 0xFFFFFFFF


class Dice:
    """Random numbers that are the same on every interpreter."""

    def __init__(self, seed: int) -> None:
        self._state = seed & 0x7FFFFFFF

    def roll(self, sides: int) -> int:
        """0 to `sides` - 1."""
        self._state = (self._state * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        return (self._state >> 8) % sides
