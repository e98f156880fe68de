# SPDX-License-Identifier: MIT
"""What a band answers to requests that are about the band, not about one host on one link."""

from binascii import crc32

from . import wire
from .auth import Keyring
from .buzzer import Buzzer
from .journal import Journal
from .log import Log
from .plan import MAX_BYTES, Plan, PlanError, UnknownPlanError
from .plans import PLACES, Shelf
from .player import IDLE, Player
from .vocab import (
    BAD_PLAN,
    BUSY,
    BY_HOST,
    NO_PLAN,
    NO_STEP,
    NO_SUCH_PLAN,
    NO_UPLOAD,
    OK,
    OUT_OF_RANGE,
    START,
    START_AT,
    TOO_SOON,
    UNKNOWN_PLAN,
    UNKNOWN_REQUEST,
    UTC,
    WRONG_OFFSET,
    WRONG_PLAN,
)

NO_PLAN_ID = b"\x00" * 8
COMMANDS_KEPT = 16


class DeviceRequests:
    """Base of `band.Band`, whose parts it uses; each request returns (values, tail), see `wire`."""

    name: str
    boot_id: int
    serial: bytes
    address: bytes
    cause: int
    battery_pct: int
    bonds_pct: int
    withheld: int
    answers_dropped: int
    log: Log
    buzzer: Buzzer
    player: Player
    shelf: Shelf
    keyring: Keyring | None
    _journal: Journal

    def __init__(self) -> None:
        self.plan_bytes = MAX_BYTES
        self._staged: bytearray | None = None
        self._staged_id: bytes | None = None
        self._staged_crc = 0
        self._received = 0
        self._answered: list[tuple[int, int]] = []
        self._told_ms = 0
        self._utc: tuple[int, int] | None = None

    @property
    def is_playing(self) -> bool:
        """Whether a session goes on or is set for later."""
        return self.player.state != IDLE

    def _load(self, place: int) -> bool:
        """Load a kept plan into the player; return whether that succeeded."""
        kept = self.shelf.places[place]
        if kept is None:
            return False
        if self.player.plan_id == kept.plan_id:
            return True
        if self.player.state != IDLE:
            return False
        plan = self.shelf.load(place)
        return plan is not None and self.player.load(plan, kept.plan_id) == OK

    def hello(self, features: int = 0) -> tuple[tuple, bytes]:
        """The fields and tail of the answer to `wire.HELLO`; features: those of the connection."""
        features |= wire.FEATURE_PLANS | wire.FEATURE_STATS | wire.FEATURE_TIME
        features |= wire.FEATURE_HEART | wire.FEATURE_PLAN_2 | wire.FEATURE_OPEN_HOLDS
        if self.keyring is not None:
            features |= wire.FEATURE_KEYS | wire.FEATURE_FORGETS
        if self.serial:
            features |= wire.FEATURE_IDENTITY
        capacity = self.log.capacity
        sizes = (self.plan_bytes, wire.MAX_FRAME, capacity)
        return (OK, wire.VERSION, self.boot_id) + sizes + (features,), self.name.encode()

    def utc(self, at_ms: int) -> tuple[int, int]:
        """UTC of a moment of the band's clock in s and ms, (`wire.NO_UTC`, 0) if not known."""
        if self._utc is None:
            return wire.NO_UTC, 0
        # In two numbers, because one of so many ms has no room in a board's small integers.
        utc_s, utc_ms = self._utc
        utc_ms += at_ms - self._told_ms
        return utc_s + utc_ms // 1000, utc_ms % 1000

    def time_set(self, at_ms: int, utc_s: int, utc_ms: int, now_ms: int) -> tuple[tuple, bytes]:
        """Take from a host what UTC was when the band's clock was at `at_ms`, modulo 2**32."""
        ago_ms = (now_ms - at_ms) & 0xFFFFFFFF
        if ago_ms > 60_000 or utc_ms > 999 or utc_s == wire.NO_UTC:
            return (OUT_OF_RANGE,), b""
        self._told_ms = now_ms - ago_ms
        self._utc = (utc_s, utc_ms)
        if not self.is_playing:  # a session's records are its own
            self.log.append(self._told_ms, UTC, NO_STEP, utc_ms, utc_s)
        return (OK,), b""

    def stats(self, now_ms: int) -> tuple[tuple, bytes]:
        """Return the statistics since the start."""
        late = self.player.lateness
        return (
            OK,
            self.cause,
            len(self.shelf.kept),
            0 if self.keyring is None else self.keyring.count,
            self.bonds_pct,
            late.count,
            late.worst_ms,
            late.p99_ms,
            self.log.lost,
            min(self.withheld + self.player.withheld, 0xFFFF),
            min(self.answers_dropped, 0xFFFF),
            self.buzzer.ledger.minute(now_ms),
            self._journal.writes,
            self.utc(now_ms)[0],
        ), b""

    def plan_list(self, place: int) -> tuple[tuple, bytes]:
        """Return which plan lies in a place of the shelf."""
        kept = self.shelf.places[place] if place < PLACES else None
        if kept is None:
            status = NO_SUCH_PLAN if place < PLACES else OUT_OF_RANGE
            return (status, PLACES, place, NO_PLAN_ID, 0), b""
        return (OK, PLACES, place, kept.plan_id, kept.size), kept.name.encode()

    def state(self, now_ms: int) -> tuple[tuple, bytes]:
        """Return what the band does now."""
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
        """Make room for a plan; bytes of the same upload that have already come are kept."""
        if plan_id == self.player.plan_id or self.shelf.find(plan_id) is not None:
            return (OK, size), b""
        if self.player.state != IDLE:
            return (BUSY, 0), b""
        if not 1 <= size <= self.plan_bytes or plan_id == NO_PLAN_ID:
            return (OUT_OF_RANGE, 0), b""
        same = plan_id == self._staged_id and crc == self._staged_crc
        if self._staged is None or not same or len(self._staged) != size:
            self._staged = None  # before the new one is made: there may not be room for both
            try:
                self._staged = bytearray(size)
            except MemoryError:  # there is as much, but not in one piece
                return (OUT_OF_RANGE, 0), b""
            self._staged_id = plan_id
            self._staged_crc = crc
            self._received = 0
        return (OK, self._received), b""

    def upload_chunk(self, offset: int, data: bytes) -> tuple[tuple, bytes]:
        """Take the next bytes; those that have come already are ignored."""
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
        """Check the whole plan and load it into the player, or change nothing."""
        if plan_id == self.player.plan_id:
            return (OK,), b""
        place = self.shelf.find(plan_id)
        if place is not None:
            if self.player.state != IDLE:
                return (BUSY,), b""
            if self._load(place):
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
            status = UNKNOWN_PLAN if isinstance(error, UnknownPlanError) else BAD_PLAN
            return (status,), str(error).encode()[:120]
        self.shelf.keep(plan_id, plan)
        return (self.player.load(plan, plan_id),), b""

    def plan_read(self, plan_id: bytes, offset: int, room: int) -> tuple[tuple, bytes]:
        """Return a piece of a plan, for a host that does not know the plan that a band plays."""
        plan = self.player.plan
        if plan is None or plan_id != self.player.plan_id:
            place = self.shelf.find(plan_id)
            plan = None if place is None else self.shelf.load(place)
        if plan is None:
            return (NO_SUCH_PLAN, 0, 0), b""
        data = plan.data
        if offset > len(data):
            return (WRONG_OFFSET, len(data), 0), b""
        return (OK, len(data), offset), bytes(data[offset : offset + room])

    def command(
        self, command: int, command_id: int, plan_id: bytes, arg: int, now_ms: int
    ) -> tuple[tuple, bytes]:
        """Obey a command once; the same id again gets the same answer and does nothing."""
        for known_id, status in self._answered:
            if known_id == command_id:
                return (status, self.player.state, command_id), b""
        status = self._obey(command, plan_id, arg, now_ms)
        if status == TOO_SOON:
            return (status, self.player.state, command_id), b""  # it may be tried again
        self._answered.append((command_id, status))
        if len(self._answered) > COMMANDS_KEPT:
            self._answered = self._answered[1:]
        return (status, self.player.state, command_id), b""

    def _obey(self, command: int, plan_id: bytes, arg: int, now_ms: int) -> int:
        if command > START_AT:
            return UNKNOWN_REQUEST
        if plan_id != self.player.plan_id and command in (START, START_AT):
            place = self.shelf.find(plan_id)
            if place is not None and self.player.state == IDLE:
                self._load(place)
        if self.player.plan is None:
            return NO_PLAN
        if plan_id != self.player.plan_id:
            return WRONG_PLAN
        if command == START_AT:
            # The clock travels in 32 bits; the nearest time with these bits is meant.
            ahead_ms = (arg - now_ms) & 0xFFFFFFFF
            arg = now_ms + (ahead_ms if ahead_ms < 0x80000000 else ahead_ms - 0x100000000)
        return self.player.receive(command, arg, BY_HOST, now_ms)
