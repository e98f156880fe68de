# SPDX-License-Identifier: MIT
"""The hosted player: a wearable made of this process and of a device that can only buzz.

Player, log and journal are those of the band, `tenuto_core.band.Band`, on this process's clock;
`band.BandDriver` speaks to it as to any band, by a link that is never lost.  What is lost is the
device.  Then the session pauses, the cues that the device is not known to have are logged as
unfelt, and only a person goes on with it, once the device is back.  The log is followed and a stop
is obeyed meanwhile.  The plans and the journal are on disk, so that a session outlives this process
as that of a band outlives a reset.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason, RefusedError
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.links.registry import LINKS
from tenuto.retry import describe_failure
from tenuto.sessions.commands import Verb
from tenuto.sessions.events import Record
from tenuto.state.player_store import FOLDER, PlayerStore
from tenuto_core import vocab
from tenuto_core.log import unpack_record
from tenuto_core.player import (
    ARMED,
    IDLE,
    IN_POSITION,
    PAUSE_MS_MAX,
    PAUSED,
    RUNNING,
    WAITING,
)

from .band import BandDriver
from .buzzer import Answer, CueText, StepDisplay
from .device_motor import DeviceBuzzer, DeviceLog, DeviceMotor
from .latency import Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.config import Wearable
    from tenuto.sessions.heart import Measurement
    from tenuto_core.player import Player

    from .base import Identity, KeptPlan, Status
    from .buzzer import Buzzer, DeviceInfo
    from .device_motor import Cue
    from .model import BuildContext

_log = logging.getLogger(__name__)

LOG_RECORDS = 4096
_LATENCY = "latency"
"""Of the files of a device."""
TELL_AFTER_S = 0.1
TAP_GAP_S = 0.5
"""Taps that are no farther apart belong together."""
FIND = ((100, 500, 300), (100, 500, 300), (100, 500, 0))
_WITHOUT_DEVICE = (Verb.STOP, Verb.PAUSE)
"""What can be done while the device is out of reach: nothing is to be felt then."""
_TAPS = {1: vocab.PRESS, 2: vocab.DOUBLE_PRESS, 3: vocab.LONG_PRESS}
_COMMANDS = {
    Answer.PAUSE: vocab.PAUSE,
    Answer.NEXT: vocab.SKIP,
    Answer.PREVIOUS: vocab.BACK,
    Answer.STOP: vocab.STOP,
}
TITLES = {
    vocab.GET_READY: "Get ready",
    vocab.COUNTDOWN: "Soon",
    vocab.HOLD_START: "Hold",
    vocab.HALFWAY: "Halfway",
    vocab.HOLD_END: "Let go",
    vocab.SWITCH_SIDES: "Switch sides",
    vocab.NEXT_EXERCISE: "Next",
    vocab.FINISHED: "Finished",
    vocab.ATTENTION: "Paused",
}
"""What a cue says on a small screen, in front of the exercise."""
_STEP_TITLES = {
    vocab.READY: "Get ready",
    vocab.HOLD: "Hold",
    vocab.SWITCH: "Switch sides",
    vocab.REST: "Next",
    vocab.DONE: "Finished",
}


class HostedDriver:
    """A `base.Driver` for a device that can only buzz.

    Args:
        buzzer: The device.
        store: Where plans and journal are kept; None to keep nothing.
        utc_ms: Returns the UTC of now in ms since 1970.
    """

    hosts_player = True

    def __init__(
        self, buzzer: Buzzer, store: PlayerStore | None, *, utc_ms: Callable[[], float]
    ) -> None:
        self.name = buzzer.name
        self._buzzer = buzzer
        self._store = store
        self._utc_ms = utc_ms
        self._on_lost: Callable[[], None] = lambda: None
        self._is_here = False
        self._player: _Player | None = None
        self._taps = 0
        self._tapped_at: tuple[int, int, int] | None = None
        self._tap_timer: asyncio.TimerHandle | None = None
        self._telling: asyncio.TimerHandle | None = None

    # --- the device

    @property
    def heard_s(self) -> float:
        """See `base.Driver`: what plays is always heard, and the device by its answers."""
        return -math.inf if self._player is None else self._player.driver.heard_s

    @property
    def rssi_dbm(self) -> int | None:
        """See `base.Driver`."""
        return self._buzzer.rssi_dbm

    async def connect(self, on_lost: Callable[[], None]) -> Identity:
        """Reach the device, and go on with what was played before; see `base.Driver`."""
        await self.disconnect()
        self._on_lost = on_lost
        told = await self._buzzer.connect(self._lost, self._answer, self._beat)
        try:
            self._is_here = True
            player = self._player
            if player is None:
                player = self._player = _Player(
                    self._buzzer, self._store, self._dead, self._utc_ms, is_confirmed=told.confirms
                )
            else:
                player.motor.attach(confirms=told.confirms)
                player.remind()
            identity = await player.identify()
            player.set_battery(told.battery_pct)
        except BaseException:
            await self.disconnect()
            raise
        if not self._is_here:
            raise LinkError(LinkReason.LOST, f"{self.name} was lost at once")
        return _identity_of(identity, told)

    async def disconnect(self) -> None:
        """Let go of the device; what plays is paused."""
        if self._telling is not None:
            self._telling.cancel()
        self._gone()  # first, so that no pulse is sent after the stop
        await self._buzzer.disconnect()

    async def close(self) -> None:
        """Let go of the device, and play no more until it is reached again."""
        await self.disconnect()
        if self._player is not None:
            await self._player.close()

    def _lost(self) -> None:
        """Take note that the device is gone."""
        if self._is_here:
            self._gone()
            # A little later, so that the pause is read and told before the loss that led to it.
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(TELL_AFTER_S, self._on_lost)

    def _dead(self) -> None:
        """Take note that the device takes nothing, although the system calls it connected."""
        _log.info("wearable=%s takes nothing any more: connecting anew", self.name)
        self._lost()

    def _gone(self) -> None:
        self._is_here = False
        if self._tap_timer is not None:
            self._tap_timer.cancel()
            self._tap_timer, self._taps = None, 0
        if self._player is not None:
            self._player.motor.detach()
            self._player.pause()

    def _here(self) -> _Player:
        if not self._is_here or self._player is None:
            raise LinkError(LinkReason.LOST, f"{self.name} is out of reach")
        return self._player

    def _known(self) -> _Player:
        if self._player is None:
            raise LinkError(LinkReason.LOST, f"{self.name} was never reached")
        return self._player

    # --- what its wearer does

    def _answer(self, answer: Answer) -> None:
        player = self._player
        if player is None or not self._is_here:
            return
        if answer is Answer.TAP:
            self._tap(player)
        elif answer is Answer.PLAY:
            player.go_on()
        else:
            player.obey(_COMMANDS[answer])

    def _tap(self, player: _Player) -> None:
        """Count a tap; what the first one was meant for is fixed when it comes."""
        if self._tap_timer is None:
            self._taps, self._tapped_at = 0, player.moment()
        else:
            self._tap_timer.cancel()
        self._taps += 1
        if self._taps == max(_TAPS):  # it means stop, which must not wait
            self._end_of_taps(player)
            return
        loop = asyncio.get_running_loop()
        self._tap_timer = loop.call_later(TAP_GAP_S, self._end_of_taps, player)

    def _end_of_taps(self, player: _Player) -> None:
        self._tap_timer = None
        player.press(_TAPS[self._taps], self._tapped_at)

    def _beat(self, measurement: Measurement) -> None:
        if measurement.is_rate and self._player is not None and self._is_here:
            self._player.beat(measurement.bpm, measurement.rr_1024)

    # --- what a supervisor asks, see `base.Driver`

    async def status(self) -> Status:
        """Ask what the player does."""
        return await self._known().driver.status()

    async def clock(self) -> tuple[int, float, float]:
        """Ask for the player's clock."""
        return await self._known().driver.clock()

    async def beat(self, bpm: int, rr_1024: Sequence[int]) -> bool:
        """Hand over a beat of a strap."""
        return await self._known().driver.beat(bpm, rr_1024)

    async def alert(self) -> None:
        """Have the device felt."""
        await self._here().find()

    async def upload(self, plan_id: bytes, data: bytes) -> None:
        """Put a plan into the player."""
        await self._here().driver.upload(plan_id, data)

    async def kept_plans(self) -> Sequence[KeptPlan]:
        """Return none: the device cannot play one by itself."""
        return ()

    async def read_plan(self, plan_id: bytes) -> bytes | None:
        """Fetch a plan that the player has."""
        return await self._known().driver.read_plan(plan_id)

    async def command(
        self, verb: Verb, plan_id: bytes, arg: int = 0, command_id: int | None = None
    ) -> None:
        """Have the player obey; nothing that would be felt while the device is out of reach."""
        player = self._known() if verb in _WITHOUT_DEVICE else self._here()
        await player.driver.command(verb, plan_id, arg, command_id)

    async def start_at(self, plan_id: bytes, device_ms: int, command_id: int | None = None) -> None:
        """Have the player begin at a time; see `base.Driver`."""
        await self._here().driver.start_at(plan_id, device_ms, command_id)

    async def follow(
        self,
        from_seq: int,
        on_records: Callable[[Sequence[Record]], bool],
        on_gap: Callable[[int, int], None],
    ) -> None:
        """Have the log handed over, also while the device is out of reach."""
        await self._known().driver.follow(from_seq, on_records, on_gap)


class _Player:
    """The band in this process whose motor is the device, and the driver that speaks to it."""

    def __init__(
        self,
        buzzer: Buzzer,
        store: PlayerStore | None,
        on_dead: Callable[[], None],
        utc_ms: Callable[[], float],
        *,
        is_confirmed: bool,
    ) -> None:
        self._buzzer = buzzer
        self._shown: tuple[int, ...] = ()
        self._showing: asyncio.Task[None] | None = None
        self._identity: Identity | None = None
        self._log = DeviceLog(LOG_RECORDS)
        self.motor = self._log.motor = DeviceMotor(
            buzzer,
            say=self._said,
            on_unfelt=self._unfelt,
            on_dead=on_dead,
            on_settled=self._settled,
            answers_ms=[] if store is None else Latency.unpack(store.load(_LATENCY)),
        )
        self._store = store
        self.motor.attach(confirms=is_confirmed)
        age_s = None if store is None else store.age_s()
        # A session that was cut longer ago than a pause may last is over.
        goes_on = age_s is not None and age_s * 1000 < PAUSE_MS_MAX
        self._host: InProcessBand
        self._host = InProcessBand(
            self.motor,
            secrets.randbits(32),
            buzzer.name.encode()[:32].decode(errors="ignore"),
            on_poke=self._show,
            storage=store,
            cause=vocab.CAUSE_SOFTWARE if goes_on else vocab.CAUSE_POWER_ON,
            log=self._log,
            buzzer=DeviceBuzzer(self.motor, self._log),
        )
        self._band = self._host.band
        self.driver = BandDriver(InProcessLink(self._host, latency_s=0.0), utc_ms=utc_ms)

    @property
    def _player(self) -> Player:
        return self._band.player

    async def identify(self) -> Identity:
        """Return what the band here tells of itself, and have it play from now on."""
        if self._identity is None:
            self._identity = await self.driver.connect(lambda: None)
        self._host.poke()
        return self._identity

    async def close(self) -> None:
        """Play no more until `identify`."""
        self._identity = None
        await self.driver.disconnect()
        self.keep_latency()
        self._band.buzzer.stop(self._host.now_ms)
        self._log.finish()
        self._band.settle(self._host.now_ms)
        self._host.sleep()

    def keep_latency(self) -> None:
        """Remember how long the device takes to answer, for the next run."""
        if self._store is not None:
            self._store.save(_LATENCY, self.motor.latency.pack())

    def set_battery(self, battery_pct: int | None) -> None:
        """Take what the device tells of its battery."""
        self._band.battery_pct = 255 if battery_pct is None else battery_pct

    # --- inputs

    def pause(self) -> None:
        """Pause, because the device is gone; a start that was set for later does not come."""
        if self._player.state in (RUNNING, WAITING):
            self.obey(vocab.PAUSE, vocab.BY_HOST)
        elif self._player.state == ARMED:
            self.obey(vocab.STOP, vocab.BY_HOST)

    def remind(self) -> None:
        """Have it felt that a session waits, now that the device is back."""
        plan = self._player.plan
        if self._player.state == PAUSED and plan is not None:
            now_ms = self._host.now_ms
            self._player.feel(plan.patterns[vocab.ATTENTION], vocab.ATTENTION, now_ms)
            self._host.poke()

    def moment(self) -> tuple[int, int, int]:
        """Return what an answer now is meant for; see `Player.moment`."""
        return self._player.moment()

    def press(self, gesture: int, made: tuple[int, int, int] | None = None) -> None:
        """Take a gesture of the wearer."""
        self._player.press(gesture, self._host.now_ms, made)
        self._host.poke()

    def go_on(self) -> None:
        """Begin, resume, or take note that the wearer is in position."""
        if self.moment()[2] != vocab.PAUSE:
            self.press(vocab.PRESS)

    def obey(self, command: int, source: int = vocab.BY_WEARER) -> None:
        """Obey a command of the wearer, or of this host."""
        self._player.receive(command, 0, source, self._host.now_ms)
        self._host.poke()

    def beat(self, bpm: int, rr_1024: Sequence[int]) -> None:
        """Take a heart rate that the device has measured."""
        self._band.beat(bpm, tuple(rr_1024), self._host.now_ms)
        self._host.poke()

    async def find(self) -> None:
        """Have the device felt.

        Raises:
            LinkError: It did not take it.
            RefusedError: It has buzzed too much in the last minute.
        """
        pattern = self._buzzer.feel.pattern(FIND)
        if not self._player.feel(pattern, vocab.WITHHELD_ALERT, self._host.now_ms):
            raise RefusedError(
                "too_soon", f"{self._buzzer.name} has buzzed too much in the last minute"
            )
        sent = self.motor.latest
        self._host.poke()
        if sent is None or not await asyncio.shield(sent):
            raise LinkError(LinkReason.TIMEOUT, f"{self._buzzer.name} did not take it")

    # --- the log

    def _record(self, seq: int) -> Record | None:
        data = self._log.read(seq, 1)
        return Record(seq, *unpack_record(data)) if data else None

    def _unfelt(self, cue: Cue) -> None:
        """Log that the device did not take a cue; what is no cue is in no plan, and not logged."""
        record = self._record(cue.seq)
        ends_ms, session = self._log.ends_ms, self._player.session
        if record is None or record.kind != vocab.CUE or session is None or record.seq < session:
            return
        if self._player.state != IDLE or ends_ms is not None:
            at_ms = self._host.now_ms if ends_ms is None else ends_ms
            self._log.append(at_ms, vocab.UNFELT, record.step, record.a, record.seq)
            self._host.poke()

    def _settled(self) -> None:
        """Write the end of a session that waits for the answers to its last cues."""
        if self._log.ends_ms is not None:
            self._log.finish()
            self._host.poke()

    # --- words

    def _said(self, seq: int) -> CueText:
        record = self._record(seq)
        if record is None or record.kind != vocab.CUE:
            return CueText("Tenuto", self._place(self._player.number) or "here I am")
        return CueText(TITLES.get(record.a, "Tenuto"), self._place(record.step))

    def _place(self, number: int) -> str:
        """Return the exercise of a step with its side; empty where there is none."""
        plan = self._player.plan
        if plan is None or number >= plan.steps:
            return ""
        step = plan.step(number)
        name, side = plan.exercise_name(step.exercise) or "", vocab.SIDES[step.side]
        return f"{name}, {side}" if side else name

    def _show(self) -> None:
        """Have what goes on shown, where it has changed; the newest counts."""
        player = self._player
        now = (player.state, player.number, player.duration_ms)
        if now == self._shown or (self._showing is not None and not self._showing.done()):
            return
        self._shown = now
        self._showing = asyncio.create_task(self._try_to_show(), name=f"show {self._buzzer.name}")
        self._showing.add_done_callback(lambda _: self._show())

    async def _try_to_show(self) -> None:
        player = self._player
        title = "Tenuto"
        if player.state != IDLE and player.plan is not None and player.number < player.plan.steps:
            title = _STEP_TITLES.get(player.plan.step(player.number).kind, title)
        shown = StepDisplay(
            title="Paused" if player.state == PAUSED else title,
            text=self._place(player.number),
            is_running=player.state == RUNNING,
            waits_for_press=player.state == WAITING and player.moment()[2] == IN_POSITION,
            elapsed_ms=max(0, player.elapsed_at(self._host.now_ms)),
            duration_ms=player.duration_ms,
        )
        try:
            await self._buzzer.show(shown)
        except LinkError as error:
            _log.debug("wearable=%s %s", self._buzzer.name, error)
        except Exception as error:  # noqa: BLE001 - of a model that may come from another package
            _log.error("wearable=%s %s", self._buzzer.name, describe_failure(error))


def _identity_of(identity: Identity, told: DeviceInfo) -> Identity:
    return replace(
        identity,
        name=told.name,
        firmware=told.firmware,
        serial=told.serial,
        address=told.address,
        open_holds=identity.open_holds and told.answers,  # nobody could end one
    )


def hosted(buzzer: Buzzer, wearable: Wearable, context: BuildContext) -> HostedDriver:
    """Return the driver of a configured wearable that can only buzz."""
    folder = context.folder / FOLDER / wearable.id
    store = None if LINKS[wearable.link].is_simulated else PlayerStore(folder)
    return HostedDriver(buzzer, store, utc_ms=context.utc_ms)
