# SPDX-License-Identifier: MIT
"""The wearable without its parts: what comes over a link in, what goes out over a link out.

`Band` owns the player, the log, the buzzer, the button's gestures and the plans; `Peer` is one
host on one link.  Both are pure: the application feeds them frames, edges, beats and time, and
takes frames out as fast as its link can send them.
"""

from binascii import crc32
from struct import unpack_from

from . import alert, menu, wire
from .auth import Challenge, Keyring
from .button import Button
from .buzzer import Buzzer, Motor
from .journal import NONE, PLAYING, Entry, Journal
from .log import RECORD_BYTES, Log
from .plan import MAX_BYTES, Plan, PlanError
from .plans import PLACES, Shelf
from .player import ARMED, BEAT_FRESH_MS, IDLE, RUNNING, Player
from .storage import Storage
from .vocab import (
    BAD_FRAME,
    BAD_PLAN,
    BOOTED,
    BUSY,
    BY_HOST,
    CAUSE_PIN,
    CAUSE_SOFTWARE,
    CAUSE_UNKNOWN,
    CAUSE_WATCHDOG,
    DOUBLE_PRESS,
    HEART_BY_HOST,
    INTERRUPTED,
    LOG_OVERRUN,
    LONG_PRESS,
    NO_PLAN,
    NO_STEP,
    NO_SUCH_PLAN,
    NO_UPLOAD,
    NOT_OPEN,
    NOT_PROVEN,
    OK,
    OUT_OF_RANGE,
    PRESS,
    START,
    START_AT,
    TOO_SOON,
    UNKNOWN_REQUEST,
    UTC,
    WITHHELD_ALERT,
    WITHHELD_MENU,
    WITHHELD_PAIRING,
    WRONG_OFFSET,
    WRONG_PLAN,
)

NO_PLAN_ID = b"\x00" * 8
ANSWERS_MAX = 8
COMMANDS_KEPT = 16
LOG_FRAMES_IN_FLIGHT = 4
LOG_RESEND_MS = 2_000
PAIRING_MS = 60_000
QUIET_MS = 300
"""A write to flash blocks a board for about 90 ms, a proof for about as long."""
ALONE_BEAT_MS = 5_000
"""How often the heart rate is logged while nobody fetches the log."""
PAIRING_ON = ((100, 400, 200), (100, 150, 200), (100, 400, 0))
PAIRING_DONE = ((100, 150, 150), (100, 150, 0))
PAIRING_OVER = menu.GOODBYE
# After these the memory was lost but hardly any time; after others nobody knows how much.
_GOES_ON = (CAUSE_SOFTWARE, CAUSE_WATCHDOG, CAUSE_PIN)
_UNHURRIED = (wire.CLOCK, wire.LOG_READ, wire.STATE, wire.STATS, wire.COMMAND)
_OPEN_TO_ALL = (wire.HELLO, wire.IDENTITY, wire.CHALLENGE, wire.PROOF, wire.KEY_SET)


def _due(*times: int | None) -> int | None:
    known = [t for t in times if t is not None]
    return min(known) if known else None


class Band:
    """One wearable.

    motor: see `buzzer`.  boot_id: 32 bits that differ from boot to boot, so that a host knows a
    new clock and a new log when it meets them.  name: for people, at most 32 bytes.
    storage: see `storage`; None to keep nothing.  keyring: see `auth`; None to obey every peer.
    cause: why the device started, a number of `vocab`.  log: where it was made before, instead of
    one of `log_records`.
    Attributes that the application keeps up to date: battery_pct: 0 to 100, or 255 where it is not
    known; is_followed: whether a host fetches the log; bonds_pct: how full the store of bonds may
    be, 255 where that is not known; serial, address: what tells this band from all others on every
    link, see `wire.IDENTITY` and PROTOCOL.md; an empty serial to tell neither.
    """

    def __init__(
        self,
        motor: Motor,
        boot_id: int,
        name: str,
        now_ms: int,
        log_records: int = 1024,
        storage: Storage | None = None,
        keyring: Keyring | None = None,
        cause: int = CAUSE_UNKNOWN,
        log: Log | None = None,
    ) -> None:
        self.boot_id = boot_id
        self.name = name
        self.battery_pct = 255
        self.bonds_pct = 255
        self.serial = b""
        self.address = bytes(8)
        self.is_followed = True
        self.cause = cause
        self.keyring = keyring
        self.log = Log(log_records) if log is None else log
        self.buzzer = Buzzer(motor)
        self.player = Player(self.log, self.buzzer)
        self.button = Button()
        self.shelf = Shelf(Storage() if storage is None else storage)
        self.pairing_until_ms: int | None = None
        self.withheld = 0
        self.answers_dropped = 0
        self._journal = Journal(Storage() if storage is None else storage)
        self._noted: tuple = (None, NO_STEP)
        self._menu = menu.Menu()
        self._alert = alert.Alert()
        self._staged: bytearray | None = None
        self._staged_id: bytes | None = None
        self._staged_crc = 0
        self._received = 0
        self._answered: list[tuple[int, int]] = []
        self._beat_logged_ms: int | None = None
        self._host_beat_ms: int | None = None
        self._told_ms = 0
        self._utc: tuple[int, int] | None = None
        self._played_to = 0
        self._was_playing = False
        motor.off()
        self.log.append(now_ms, BOOTED, NO_STEP, cause, boot_id)
        self._take_up(now_ms)

    def _take_up(self, now_ms: int) -> None:
        """Load the plan that was played last, and see whether a reset cut a session."""
        entry = self._journal.read()
        place = None if entry is None else self.shelf.find(entry.plan_id)
        if place is None:
            place = self.shelf.newest()
        if place is not None:
            self._load(place)
        if entry is None or entry.state != PLAYING:
            return
        goes_on = self.cause in _GOES_ON and self.player.plan_id == entry.plan_id
        plan = self.player.plan
        goes_on = goes_on and plan is not None and entry.step < plan.steps
        self.log.append(now_ms, INTERRUPTED, entry.step, int(goes_on), entry.boot_id, entry.session)
        if goes_on:
            self.player.restore(entry.step, entry.elapsed_ms, now_ms)
        else:
            self._noted = (0, NO_STEP)  # so that the journal is told

    def _load(self, place: int) -> bool:
        """Put a kept plan in the player's hands; False if that cannot be."""
        kept = self.shelf.places[place]
        if kept is None:
            return False
        if self.player.plan_id == kept.plan_id:
            return True
        if self.player.state != IDLE:
            return False
        plan = self.shelf.load(place)
        return plan is not None and self.player.load(plan, kept.plan_id) == OK

    @property
    def due_ms(self) -> int | None:
        """When `advance` wants to be called next, or None."""
        return _due(
            self.player.due_ms,
            self.buzzer.due_ms,
            self.button.due_ms,
            self._alert.due_ms,
            self._menu.due_ms,
            self.pairing_until_ms,
        )

    def advance(self, now_ms: int) -> None:
        """Do everything that is due at `now_ms`."""
        self._gesture(self.button.advance(now_ms), now_ms)
        self.player.advance(now_ms)
        if self._alert.advance(now_ms) == alert.FEEL_HIGH:
            self._feel_alert(alert.HIGH, now_ms)
        if self._menu.advance(now_ms) == menu.LEFT:
            self._feel(menu.GOODBYE, WITHHELD_MENU, now_ms)
        if self.pairing_until_ms is not None and now_ms >= self.pairing_until_ms:
            self.close_pairing(PAIRING_OVER, now_ms)
        self.buzzer.advance(now_ms)
        is_playing = self.player.state != IDLE
        if is_playing or self._was_playing:
            self._played_to = self.log.next
            self._was_playing = is_playing

    @property
    def has_unread(self) -> bool:
        """Whether the log holds something of a session that no host has acknowledged."""
        return self.log.acked < self._played_to

    @property
    def is_playing(self) -> bool:
        """Whether a session goes on or is set for later."""
        return self.player.state != IDLE

    @property
    def is_holding(self) -> bool:
        """Whether a hold goes on just now."""
        return self.player.state == RUNNING and self.player.in_hold

    def is_quiet(self, now_ms: int) -> bool:
        """Whether nothing is felt and nothing is due for `QUIET_MS`: time for what takes time."""
        if self.buzzer.due_ms is not None:
            return False
        due_ms = self.due_ms
        return due_ms is None or due_ms - now_ms > QUIET_MS

    def settle(self, now_ms: int) -> None:
        """Write down how far the session is, if that is due and there is time for it."""
        player = self.player
        if player.state in (IDLE, ARMED):
            if self._noted[0] is None or not self.is_quiet(now_ms):
                return
            entry = Entry(NONE, player.plan_id or NO_PLAN_ID)
            self._noted = (None, NO_STEP)
        else:
            noted = (player.session, player.number)
            is_new = player.session != self._noted[0]
            if noted == self._noted or not (is_new or self._journal.may_write(now_ms)):
                return
            if not self.is_quiet(now_ms):
                return
            utc_s = 0 if self._utc is None else self.utc(player.started_ms)[0]
            entry = Entry(
                PLAYING,
                player.plan_id,
                self.boot_id,
                player.session or 0,
                player.number,
                max(0, player.elapsed_at(now_ms)),
                utc_s,
            )
            self._noted = noted
        self._journal.write(entry, now_ms)

    def edge(self, pressed: bool, at_ms: int, now_ms: int) -> None:
        """The debounced button went down (True) or came up at `at_ms`, seen at `now_ms`."""
        self._gesture(self.button.edge(pressed, at_ms), now_ms)

    def _gesture(self, gesture: int, now_ms: int) -> None:
        if not gesture:
            return
        alerted = self._alert.due_ms is not None and self.player.state != RUNNING
        if alerted:
            self.alert(0, now_ms)
            # A press answers the alert and no more, but a long one always means stop.
            if gesture != LONG_PRESS:
                return
        if self.player.state != IDLE:
            self._menu.close()  # a host has begun something meanwhile
            self.player.press(gesture, now_ms)
        elif self._menu.is_open:
            self._choose(self._menu.gesture(gesture, now_ms), now_ms)
        elif gesture == DOUBLE_PRESS:
            kept = self.shelf.kept
            place = self.shelf.find(self.player.plan_id)
            self._menu.open(len(kept), kept.index(place) if place is not None else 0, now_ms)
            self._feel(self._menu.pattern(), WITHHELD_MENU, now_ms)
        elif gesture == PRESS:
            self.player.press(gesture, now_ms)

    def _choose(self, what: int, now_ms: int) -> None:
        """Do what a gesture in the menu asked for."""
        if what == menu.FEEL:
            self._feel(self._menu.pattern(), WITHHELD_MENU, now_ms)
        elif what == menu.START:
            kept = self.shelf.kept
            if self._menu.choice < len(kept) and self._load(kept[self._menu.choice]):
                self.player.press(PRESS, now_ms)
        elif what == menu.PAIR:
            self.open_pairing(now_ms)
        elif what == menu.LEFT:
            self._feel(menu.GOODBYE, WITHHELD_MENU, now_ms)

    def _feel(self, pattern: tuple[tuple[int, int, int], ...], what: int, now_ms: int) -> None:
        if not self.player.feel(pattern, what, now_ms):
            self.withheld += 1

    # --- the pairing window

    def is_pairing(self, now_ms: int) -> bool:
        """Whether the wearer lets new hosts in just now."""
        return self.pairing_until_ms is not None and now_ms < self.pairing_until_ms

    def open_pairing(self, now_ms: int) -> None:
        """Let new hosts in for a minute."""
        self.pairing_until_ms = now_ms + PAIRING_MS
        self._feel(PAIRING_ON, WITHHELD_PAIRING, now_ms)

    def close_pairing(self, pattern: tuple[tuple[int, int, int], ...], now_ms: int) -> None:
        """Let nobody in any more."""
        if self.pairing_until_ms is not None:
            self.pairing_until_ms = None
            if self.player.state == IDLE:
                self._feel(pattern, WITHHELD_PAIRING, now_ms)

    # --- heart and alert

    def beat(self, bpm: int, rr: tuple[int, ...], now_ms: int) -> None:
        """The heart sensor has a rate, see `player.Player.beat`.

        While nobody fetches the log, only one in `ALONE_BEAT_MS` goes into it, so that it holds a
        whole session.  While a host hands over beats of a strap, they count and these do not.
        """
        if self._host_beat_ms is None or now_ms - self._host_beat_ms > BEAT_FRESH_MS:
            self._beat(bpm, rr, now_ms, 0)

    def host_beat(self, bpm: int, rr: bytes, now_ms: int) -> None:
        """A host has heard a strap; rr: intervals in 1/1024 s, 16 bits each."""
        if 1 <= bpm <= 255:
            self._host_beat_ms = now_ms
            count = min(4, len(rr) // 2)
            self._beat(bpm, unpack_from("<{}H".format(count), rr), now_ms, HEART_BY_HOST)

    def _beat(self, bpm: int, rr: tuple[int, ...], now_ms: int, mark: int) -> None:
        is_logged = self.is_followed or (
            self._beat_logged_ms is None or now_ms - self._beat_logged_ms >= ALONE_BEAT_MS
        )
        if is_logged:
            self._beat_logged_ms = now_ms
        self.player.beat(bpm, rr, now_ms, is_logged, mark)

    def alert(self, level: int, now_ms: int) -> None:
        """Immediate Alert, see `alert`.

        While a session's time runs the motor belongs to its cues: no alert is felt then, one that
        goes on ends, and 0 does not cut a cue.
        """
        if self.player.state == RUNNING:
            self._alert.end()
            return
        what = self._alert.set(level, now_ms)
        if what == alert.STOP:
            self.buzzer.stop()
        elif what == alert.FEEL_MILD:
            self._feel_alert(alert.MILD, now_ms)
        elif what == alert.FEEL_HIGH:
            self._feel_alert(alert.HIGH, now_ms)

    def _feel_alert(self, pattern: tuple[tuple[int, int, int], ...], now_ms: int) -> None:
        if self.player.state == RUNNING:
            self._alert.end()
        else:
            self._feel(pattern, WITHHELD_ALERT, now_ms)

    # --- requests that are about the band, not about one peer: each returns (values, tail)

    def hello(self, features: int = 0) -> tuple[tuple, bytes]:
        """The fields and tail of the answer to `wire.HELLO`; features: those of the connection."""
        features |= wire.FEATURE_PLANS | wire.FEATURE_STATS | wire.FEATURE_TIME
        features |= wire.FEATURE_HEART
        if self.keyring is not None:
            features |= wire.FEATURE_KEYS
        if self.serial:
            features |= wire.FEATURE_IDENTITY
        capacity = self.log.capacity
        values = (OK, wire.VERSION, self.boot_id, MAX_BYTES, wire.MAX_FRAME, capacity, features)
        return values, self.name.encode()

    def utc(self, at_ms: int) -> tuple[int, int]:
        """UTC of a moment of the band's clock in s and ms, (`wire.NO_UTC`, 0) if not known."""
        if self._utc is None:
            return wire.NO_UTC, 0
        # In two numbers, because one of so many ms has no room in a board's small integers.
        utc_s, utc_ms = self._utc
        utc_ms += at_ms - self._told_ms
        return utc_s + utc_ms // 1000, utc_ms % 1000

    def time_set(self, at_ms: int, utc_s: int, utc_ms: int, now_ms: int) -> tuple[tuple, bytes]:
        """A host says what UTC was when the band's clock was at `at_ms`, modulo 2**32."""
        ago_ms = (now_ms - at_ms) & 0xFFFFFFFF
        if ago_ms > 60_000 or utc_ms > 999 or utc_s == wire.NO_UTC:
            return (OUT_OF_RANGE,), b""
        self._told_ms = now_ms - ago_ms
        self._utc = (utc_s, utc_ms)
        if not self.is_playing:  # a session's records are its own
            self.log.append(self._told_ms, UTC, NO_STEP, utc_ms, utc_s)
        return (OK,), b""

    def stats(self, now_ms: int) -> tuple[tuple, bytes]:
        """How it has fared since it started."""
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
        """What lies in a place of the shelf."""
        kept = self.shelf.places[place] if place < PLACES else None
        if kept is None:
            status = NO_SUCH_PLAN if place < PLACES else OUT_OF_RANGE
            return (status, PLACES, place, NO_PLAN_ID, 0), b""
        return (OK, PLACES, place, kept.plan_id, kept.size), kept.name.encode()

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
        if plan_id == self.player.plan_id or self.shelf.find(plan_id) is not None:
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
            return (BAD_PLAN,), str(error).encode()[:120]
        self.shelf.keep(plan_id, plan)
        return (self.player.load(plan, plan_id),), b""

    def plan_read(self, plan_id: bytes, offset: int, room: int) -> tuple[tuple, bytes]:
        """A piece of a plan, for a host that meets a band that plays one or has played it."""
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
        """Obey once; the same id again gets the same answer and does nothing."""
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


class Peer:
    """One host on one link.

    frame_bytes: the largest frame, without its length byte, that the link can carry just now.
    by_cable: whether the link is a cable, which needs no proof and may bring a key.
    asked_ms: when it last asked for something that wants a quick link, None before.
    """

    def __init__(self, band: Band, by_cable: bool = False) -> None:
        self._band = band
        self.by_cable = by_cable
        self.asked_ms: int | None = None
        self._challenge: Challenge | None = None
        self._key: bytes | None = None
        self._is_let_in = False
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
        if not self.is_trusted and op not in _OPEN_TO_ALL:
            self._answer(wire.encode(wire.NOT_UNDERSTOOD, tag, NOT_PROVEN, op))
            return
        if op == wire.LOG_ACK:
            self._ack(values[0], now_ms)
            return
        if op == wire.HEART:  # once a second and worth no answer: the next one is soon here
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
            # A text that the link cannot carry is cut; in the queue it would block all after it.
            self._answer(frame[: self.frame_bytes])

    def _handle(  # noqa: C901, PLR0912 - one case a request
        self, op: int, values: tuple, tail: bytes, now_ms: int
    ) -> tuple[tuple, bytes] | None:
        band = self._band
        if op == wire.HELLO:
            if self.by_cable:  # another program, maybe: nobody proves anything for it
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
    def is_trusted(self) -> bool:
        """Whether it is obeyed: as long as the key that it has shown is one of the band's."""
        keyring = self._band.keyring
        if self.by_cable or keyring is None:
            return True
        if self._key is not None and keyring.id_of(self._key) is not None:
            return True
        return self._is_let_in and not keyring.only_by_cable

    def _takes_keys(self, now_ms: int) -> bool:
        keyring = self._band.keyring
        if keyring is None:
            return False
        return self.by_cable or (self._band.is_pairing(now_ms) and not keyring.only_by_cable)

    def _features(self, now_ms: int) -> int:
        features = 0 if self.is_trusted else wire.FEATURE_LOCKED
        if self._takes_keys(now_ms):
            return features | wire.FEATURE_OPEN
        keyring = self._band.keyring
        is_shut = keyring is not None and keyring.only_by_cable
        return features | (wire.FEATURE_CABLE_ONLY if is_shut else 0)

    def admit(self, now_ms: int) -> None:
        """The link is bonded; in the pairing window that is enough, for this connection."""
        if self._takes_keys(now_ms):
            self._is_let_in = True

    def _handle_keys(
        self, op: int, values: tuple, now_ms: int, keyring: Keyring
    ) -> tuple[tuple, bytes] | None:
        if op == wire.KEY_SET:
            return self._key_set(values[0], now_ms, keyring), b""
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
        self._sent = self._acked = max(seq, log.first)
        self._in_flight = 0
        self._resend_ms = None
        return (OK if seq >= log.first else LOG_OVERRUN, log.first, log.next), b""

    def _ack(self, seq: int, now_ms: int) -> None:
        if not self._streaming or not self._acked < seq <= self._sent:
            return
        self._acked = seq
        self._band.log.acked = max(self._band.log.acked, seq)
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
