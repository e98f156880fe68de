# SPDX-License-Identifier: MIT
"""The wearable without its parts.

`Band` owns the player, the log, the buzzer, the button's gestures and the plans; what it answers to
hosts is in `device_requests`, and a host on its link is a `host_connection.HostConnection`.  All of
it is pure: the application feeds it frames, edges, beats and time, and takes frames out as fast as
its links can send them.
"""

from struct import unpack_from

from . import alert, menu
from .auth import Keyring
from .button import Button
from .buzzer import Buzzer, Motor
from .device_requests import NO_PLAN_ID, DeviceRequests
from .journal import NONE, PLAYING, Entry, Journal
from .log import Log
from .plans import Shelf
from .player import ARMED, BEAT_FRESH_MS, IDLE, RUNNING, Player
from .storage import Storage
from .vocab import (
    BOOTED,
    CAUSE_PIN,
    CAUSE_SOFTWARE,
    CAUSE_UNKNOWN,
    CAUSE_WATCHDOG,
    DOUBLE_PRESS,
    HEART_BY_HOST,
    INTERRUPTED,
    LONG_PRESS,
    NO_STEP,
    PRESS,
    WITHHELD_ALERT,
    WITHHELD_MENU,
    WITHHELD_PAIRING,
)

PAIRING_MS = 60_000
QUIET_MS = 300
"""A write to flash blocks a board for about 90 ms, a proof for about as long."""
ALONE_BEAT_MS = 5_000
"""How often the heart rate is logged while nobody fetches the log."""
PAIRING_ON = ((100, 400, 200), (100, 150, 200), (100, 400, 0))
PAIRING_DONE = ((100, 150, 150), (100, 150, 0))
PAIRING_OVER = menu.GOODBYE
# Which links over the air a gesture ends.
END_NONE, END_UNPROVEN, END_ALL = range(3)
# After these hardly any time was lost; after other causes it is not known how much.
_GOES_ON = (CAUSE_SOFTWARE, CAUSE_WATCHDOG, CAUSE_PIN)


def earliest(*times: int | None) -> int | None:
    """Return the earliest of times, of which each may be None; None where all are."""
    first = None
    for time in times:
        if time is not None and (first is None or time < first):
            first = time
    return first


class Band(DeviceRequests):
    """One wearable.

    Args:
        motor: See `buzzer`.
        boot_id: 32 bits that differ from boot to boot, so that a host knows a new clock and a new
            log when it meets them.
        name: For people, at most 32 bytes.
        storage: See `storage`; None to keep nothing.
        keyring: See `auth`; None to obey every peer.
        cause: Why the device started, a number of `vocab`.
        log: A `log.Log` to use instead of a new one of `log_records`, or None.
        buzzer: A `buzzer.Buzzer` to use instead of a new one on `motor`, or None.
        memory, memory_at: Memory that survives a reset, and the offset in it for the motor's ledger
            note, see `limits.Ledger`.

    Attributes:
        battery_pct: 0 to 100, or 255 where it is not known. The application keeps this and those
            below up to date.
        is_followed: Whether a host fetches the log.
        bonds_pct: How full the store of bonds may be, 255 where that is not known.
        plan_bytes: The size of the largest plan that fits in memory.
        windows: How many pairing windows there were.
        ending: Which links over the air the application must end now; it sets this to `END_NONE`.
        serial, address: What distinguishes this band from all others on every link, see
            `wire.IDENTITY` and PROTOCOL.md; with an empty serial it reveals neither.
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
        memory: bytearray | None = None,
        memory_at: int = 0,
        buzzer: Buzzer | None = None,
    ) -> None:
        super().__init__()
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
        self.buzzer = Buzzer(motor, memory, memory_at, now_ms) if buzzer is None else buzzer
        self.player = Player(self.log, self.buzzer)
        self.button = Button()
        self.shelf = Shelf(Storage() if storage is None else storage)
        self.pairing_until_ms: int | None = None
        self.windows = 0
        self.ending = END_NONE
        self.withheld = 0
        self.answers_dropped = 0
        self._journal = Journal(Storage() if storage is None else storage)
        self._noted: tuple = (None, NO_STEP)
        self._menu = menu.Menu()
        self._made: tuple[int, int, int] | None = None
        self._made_in_menu = self._made_in_alert = False
        self._alert = alert.Alert()
        self._beat_logged_ms: int | None = None
        self._host_beat_ms: int | None = None
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
            self._noted = (0, NO_STEP)  # so that the journal is written

    @property
    def due_ms(self) -> int | None:
        """When `advance` must be called next, or None."""
        return earliest(
            self.player.due_ms,
            self.buzzer.due_ms,
            self.button.due_ms,
            self._alert.due_ms,
            self._menu.due_ms,
            self.pairing_until_ms,
        )

    def advance(self, now_ms: int) -> None:
        """Do everything that is due at `now_ms`."""
        # On a board this comes 48 times a second, nearly always for nothing.
        if self.button.due_ms is not None:
            self._gesture(self.button.advance(now_ms), now_ms)
        self.player.advance(now_ms)
        if self._alert.due_ms is not None and self._alert.advance(now_ms) == alert.FEEL_HIGH:
            self._feel_alert(alert.HIGH, now_ms)
        if self._menu.due_ms is not None:
            if self.player.state != IDLE:
                self._menu.close()  # a host has begun something meanwhile
            elif self._menu.advance(now_ms) == menu.LEFT:
                self._feel(menu.GOODBYE, WITHHELD_MENU, now_ms)
        if self.pairing_until_ms is not None and now_ms >= self.pairing_until_ms:
            self.close_pairing(PAIRING_OVER, now_ms)
        if self.buzzer.due_ms is not None:
            self.buzzer.advance(now_ms)
        is_playing = self.player.state != IDLE
        if is_playing or self._was_playing:
            self._played_to = self.log.next
            self._was_playing = is_playing

    @property
    def has_unread(self) -> bool:
        """Whether the log holds something of a session that no host has acknowledged."""
        return self.log.acked < self._played_to

    def is_quiet(self, now_ms: int, more_ms: int = 0) -> bool:
        """Return whether nothing is felt or due for a while, so that slow work can be done.

        Args:
            now_ms: The time.
            more_ms: How much longer than `QUIET_MS` the while is.
        """
        if self.buzzer.due_ms is not None:
            return False
        due_ms = self.due_ms
        return due_ms is None or due_ms - now_ms > QUIET_MS + more_ms

    def make_ready(self) -> None:
        """Set the motor's driver up for the next pattern, while none is played."""
        pattern = self.player.coming()
        if pattern and self.buzzer.due_ms is None:
            self.buzzer.make_ready(pattern)

    def settle(self, now_ms: int) -> None:
        """Write to the journal how far the session is, if that is due and there is time."""
        player = self.player
        self.buzzer.ledger.settle(now_ms)
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
        """Take an edge of the debounced button, down (True) or up at `at_ms`, seen at `now_ms`."""
        self._gesture(self.button.edge(pressed, at_ms), now_ms)
        if self.button.is_first:
            # The meaning is fixed here, although the kind of the gesture is known only later.
            self._made = self.player.moment()
            self._made_in_menu = self._menu.is_open
            self._made_in_alert = self._is_alerting

    @property
    def _is_alerting(self) -> bool:
        return self._alert.due_ms is not None and self.player.state != RUNNING

    def _gesture(self, gesture: int, now_ms: int) -> None:  # noqa: C901 - one case a meaning
        if not gesture:
            return
        if self._is_alerting and (self._made_in_alert or gesture == LONG_PRESS):
            self.alert(0, now_ms)
        # A press ends the alert and does nothing else, but a long one always means stop.
        if self._made_in_alert and gesture != LONG_PRESS:
            return
        if self.player.state != IDLE:
            if not self._made_in_menu or gesture == LONG_PRESS:
                self.player.press(gesture, now_ms, self._made)
        elif self.player.moment() != self._made or self._menu.is_open != self._made_in_menu:
            return  # it was for a session or a menu that is over
        elif self._menu.is_open:
            self._choose(self._menu.gesture(gesture, now_ms), now_ms)
        elif gesture == DOUBLE_PRESS:
            kept = self.shelf.kept
            place = self.shelf.find(self.player.plan_id)
            self._menu.open(len(kept), kept.index(place) if place is not None else 0, now_ms)
            self._feel(self._menu.pattern(), WITHHELD_MENU, now_ms)
        elif gesture == PRESS:
            self.player.press(gesture, now_ms, self._made)
        elif not self._made_in_alert:
            self.ending = END_ALL
            self._feel(menu.GOODBYE, WITHHELD_PAIRING, now_ms)

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
        """Return whether the pairing window is open."""
        return self.pairing_until_ms is not None and now_ms < self.pairing_until_ms

    def open_pairing(self, now_ms: int) -> None:
        """Open the pairing window for a minute, for links that are made from now on."""
        self.windows += 1
        self.ending = max(self.ending, END_UNPROVEN)
        self.pairing_until_ms = now_ms + PAIRING_MS
        self._feel(PAIRING_ON, WITHHELD_PAIRING, now_ms)

    def close_pairing(self, pattern: tuple[tuple[int, int, int], ...], now_ms: int) -> None:
        """Close the pairing window."""
        if self.pairing_until_ms is not None:
            self.pairing_until_ms = None
            if self.player.state == IDLE:
                self._feel(pattern, WITHHELD_PAIRING, now_ms)

    # --- heart and alert

    def beat(self, bpm: int, rr: tuple[int, ...], now_ms: int) -> None:
        """Take a heart rate of the sensor, see `player.Player.beat`.

        While nobody fetches the log, only one in `ALONE_BEAT_MS` goes into it, so that it holds a
        whole session.  While a host sends beats of a strap, those count instead.
        """
        if self._host_beat_ms is None or now_ms - self._host_beat_ms > BEAT_FRESH_MS:
            self._beat(bpm, rr, now_ms, 0)

    def host_beat(self, bpm: int, rr: bytes, now_ms: int) -> None:
        """Take a beat of a strap that a host hears.

        Args:
            rr: RR intervals in 1/1024 s, 16 bits each.
        """
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
        """Handle Immediate Alert, see `alert`.

        While a session runs, the motor is for its cues only: no alert is felt, a present one ends,
        and level 0 does not cut a cue.
        """
        if self.player.state == RUNNING:
            self._alert.end()
            return
        what = self._alert.set(level, now_ms)
        if what == alert.STOP:
            self.buzzer.stop(now_ms)
        elif what == alert.FEEL_MILD:
            self._feel_alert(alert.MILD, now_ms)
        elif what == alert.FEEL_HIGH:
            self._feel_alert(alert.HIGH, now_ms)

    def _feel_alert(self, pattern: tuple[tuple[int, int, int], ...], now_ms: int) -> None:
        if self.player.state == RUNNING:
            self._alert.end()
        else:
            self._feel(pattern, WITHHELD_ALERT, now_ms)
