# SPDX-License-Identifier: MIT
"""Storms around a device that can only buzz, for which the host plays.

The seed decides which: a tag by the virtual radio, or a device behind an Intiface server.  What the
log tells as felt must have been felt, and all that was felt must be in the log.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tenuto.errors import LinkError, LinkReason
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.routines.feel import Feel
from tenuto.sessions.commands import Verb
from tenuto.simulator import World
from tenuto.simulator.intiface import SimulatedIntiface
from tenuto.simulator.tag import SimulatedTag
from tenuto.state.player_store import PlayerStore
from tenuto.wearables.alert import AlertBuzzer
from tenuto.wearables.device_motor import DEAD_WITHIN_S, REFUSED_MAX, TAKEN_WITHIN_S
from tenuto.wearables.hosted import HostedDriver
from tenuto.wearables.intiface import IntifaceBuzzer
from tenuto_core import vocab
from tests.core.rig import PATTERNS
from tests.storm.rooms import Life, records_of
from tests.storm.storm import Storm
from tests.storm.weather import Trouble, Weather, What

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.links.websocket import TextChannel
    from tenuto.simulator.hardware import Edge
    from tenuto.wearables.buzzer import Buzzer
    from tenuto_core.band import Band

TAPS_S = 0.2
"""Between the taps of one gesture."""
REBOOT_S = 3.0
EARLY_MS = 1.0
"""Times in the log are whole ms; nothing is sent ahead of its time here."""
MOTOR_MS_MAX = 1_000 * DEAD_WITHIN_S + max(on_ms for pattern in PATTERNS for _, on_ms, _ in pattern)
"""A pulse whose end does not arrive lasts until the device knows that its link is dead."""
JOURNAL_MS = 5_000
"""After so long a session is in the journal, which is written between cues only."""
UNFELT_MAX = REFUSED_MAX + 2
"""Of cues in a row; some may be due before it is known that the device has not taken those."""
_INSTEAD = {
    What.BROKER_DEAD: (What.SILENCE, ""),
    What.BROKER_SLOW: (What.SILENCE, ""),
    What.BROKER_CUT: (What.DROP, ""),
    What.BROKER_RESTART: (What.KILL_HOST, "kill"),
    What.RIVAL: (What.SILENCE, ""),
    What.BATTERY: (What.DROP, ""),
}
"""There is no broker; what befalls it elsewhere befalls the device and the host here."""
_BREAKS = (
    *(vocab.CUE, vocab.PAUSED, vocab.RESUMED, vocab.SKIPPED, vocab.WENT_BACK),
    *(vocab.SESSION_STARTED, vocab.SESSION_ENDED),
)
"""Records after which the rest of a pattern may be missing."""


@dataclass
class HostedLife(Life):
    """What one process played; killed_ms: when it was killed, if it was."""

    killed_ms: float | None = None


@dataclass(frozen=True, slots=True)
class _Pulse:
    """One that should be felt.

    Attributes:
        at_ms: When, on the player's clock.
        late_ms_max: How much later it may come.
        is_sure: Whether it must have been felt.
    """

    at_ms: float
    late_ms_max: float
    is_sure: bool


class _Device(Protocol):
    """What can be done to the device."""

    async def buzzer(self, host: str) -> Buzzer: ...
    def edges(self) -> Sequence[Edge]: ...
    def tap(self) -> None: ...
    def silence(self, duration_s: float) -> None: ...
    def drop(self) -> None: ...
    def set_loss(self, share: float) -> None: ...
    async def reboot(self) -> None: ...
    async def close(self) -> None: ...


class _Tag:
    """A tag by the virtual radio."""

    def __init__(self, weather: Weather) -> None:
        self._stack = AsyncExitStack()
        self._weather = weather

    async def open(self) -> None:
        loss = self._weather.loss
        self._world = await self._stack.enter_async_context(
            World(self._weather.seed, loss=loss, advertising_loss=loss / 2)
        )
        device = await self._world.add_device("tag", "tag", None)
        assert isinstance(device, SimulatedTag)
        self._tag = device

    async def close(self) -> None:
        await self._stack.aclose()

    async def buzzer(self, host: str) -> Buzzer:
        adapter = BleAdapter(radio_of(await self._world.adapter(host)), name=host)
        return AlertBuzzer(
            adapter, self._tag.address, Feel(title="tag", strengths=1, is_lead_fixed=True)
        )

    def edges(self) -> Sequence[Edge]:
        return self._tag.motor.edges

    def tap(self) -> None:
        self._tag.button.press()

    def silence(self, duration_s: float) -> None:
        self._world.radio.silence(self._tag.address, duration_s)

    def drop(self) -> None:
        self._world.radio.drop(self._tag.address)

    def set_loss(self, share: float) -> None:
        self._world.radio.loss = share
        self._world.radio.advertising_loss = share / 2

    async def reboot(self) -> None:
        await self._tag.stop()
        await asyncio.sleep(REBOOT_S)
        await self._tag.boot()


class _Channel:
    """A connection to the server that may stand still, as TCP does where the network is away."""

    def __init__(self, channel: TextChannel, goes_on: asyncio.Event) -> None:
        self._channel = channel
        self._goes_on = goes_on
        self._sending = asyncio.Lock()

    async def send(self, text: str) -> None:
        async with self._sending:
            await self._goes_on.wait()
            await self._channel.send(text)

    async def receive(self) -> str:
        text = await self._channel.receive()
        await self._goes_on.wait()
        return text

    async def close(self) -> None:
        await self._channel.close()


class _BehindServer:
    """A device behind an Intiface server, which may be out of its reach, or gone."""

    def __init__(self, weather: Weather) -> None:
        self._server = SimulatedIntiface()
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        self._timers: list[asyncio.TimerHandle] = []
        self._silences = 0
        self._loss = weather.loss

    async def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._server.drop()

    async def buzzer(self, host: str) -> Buzzer:
        async def connect() -> TextChannel:
            if not self._goes_on.is_set():
                raise LinkError(LinkReason.NOT_FOUND, "no way to the server")
            return _Channel(await self._server.connect(), self._goes_on)

        return IntifaceBuzzer(host, connect, Feel(title="device", is_lead_fixed=True))

    def edges(self) -> Sequence[Edge]:
        return self._server.motor.edges

    def tap(self) -> None:
        """Do nothing: its wearer cannot answer."""

    def silence(self, duration_s: float) -> None:
        """Take the device from the server; a short one stands for a network that stands still."""
        self._silences += 1
        if self._silences % 2:
            self._server.set_there(is_there=False)
        else:
            self._goes_on.clear()
        self._after(duration_s, self._end_silence)

    def _after(self, delay_s: float, then: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(delay_s, then))

    def _end_silence(self) -> None:
        self._goes_on.set()
        self._server.set_there(is_there=True)

    def drop(self) -> None:
        self._server.drop()

    def set_loss(self, share: float) -> None:
        """Do nothing: TCP loses nothing."""

    async def reboot(self) -> None:
        self._server.is_up = False
        self._server.drop()
        await asyncio.sleep(REBOOT_S)
        self._server.is_up = True


class HostedRoom:
    """The player in the host, its files, and a device that can only buzz.

    Attributes:
        disk_full_until_s: Until then nothing more goes into the player's files.
    """

    def __init__(self) -> None:
        self.past: list[Life] = []
        self.disk_full_until_s = 0.0
        self._first_edge = 0
        self._driver: HostedDriver | None = None
        self._store: _Files | None = None
        self._killed_s: float | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="hosted-"))

    async def open(self, weather: Weather) -> None:
        """Furnish it."""
        self._device: _Device
        if weather.seed % 2:
            self._device = _BehindServer(weather)
        else:
            self._device = tag = _Tag(weather)
            await tag.open()

    async def close(self) -> None:
        """End everything."""
        await self._device.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def driver(self, host: str, utc_ms: Callable[[], float]) -> HostedDriver:
        """Return the driver of a host that was started."""
        self._store, self._killed_s = _Files(self._folder, self), None
        buzzer = await self._device.buzzer(host)
        self._driver = HostedDriver(buzzer, self._store, utc_ms=utc_ms)
        return self._driver

    def kill(self) -> None:
        """End the process at this moment: it writes no more, and its links end."""
        assert self._store is not None
        self._store.is_dead = True
        self._killed_s = asyncio.get_running_loop().time()
        self._device.drop()

    async def leave(self, host: str) -> None:  # noqa: ARG002 - there is one
        """Let go of what a host had."""
        assert self._driver is not None
        await self._driver.close()
        self.past.append(self.present())
        self._first_edge = len(self._device.edges())
        self._driver = None

    def _player(self) -> tuple[Band, float] | None:
        """Return what plays, and the time at which its clock began."""
        assert self._driver is not None
        player = self._driver._player
        return None if player is None else (player._band, player._host._start_s)

    def band(self) -> Band:
        """Return the core of what plays."""
        found = self._player()
        assert found is not None, "the device was never reached"
        return found[0]

    def present(self) -> HostedLife:
        """Return what was played since the host was started last."""
        edges = self._device.edges()[self._first_edge :]
        found = self._player()
        if found is None:
            assert not any(edge.on for edge in edges), "it buzzed, though nothing plays"
            return HostedLife(0)
        band, start_s = found
        killed_ms = None if self._killed_s is None else (self._killed_s - start_s) * 1000
        return HostedLife(
            band.boot_id,
            [((edge.loop_s - start_s) * 1000, edge.strength_pct) for edge in edges],
            records_of(band.log),
            killed_ms,
        )

    def press(self, held_ms: float) -> None:
        """Tap the device: once, or for a long press three times, which stops."""
        loop = asyncio.get_running_loop()
        for tap in range(3 if held_ms > 500 else 1):
            loop.call_later(tap * TAPS_S, self._device.tap)

    def silence(self, duration_s: float) -> None:
        """Take the device out of reach."""
        self._device.silence(duration_s)

    def drop(self) -> None:
        """Break its links at this very moment."""
        self._device.drop()

    def set_loss(self, share: float) -> None:
        """Lose this share of all transmissions."""
        self._device.set_loss(share)

    def calm_down(self) -> None:
        """Put everything in order."""
        self.set_loss(0.0)

    def set_battery(self, percent: float) -> None:
        """Do nothing: the device tells its own."""

    async def reset(self, reason: str) -> None:  # noqa: ARG002 - it has no reasons
        """Start the device, or the server that has it, anew."""
        await self._device.reboot()

    def complaints(self) -> list[str]:
        """Return what went wrong inside."""
        return []


class _Files(PlayerStore):
    """The player's files on a disk that may be full; is_dead: after the end of their process."""

    def __init__(self, folder: Path, room: HostedRoom) -> None:
        super().__init__(folder)
        self._room = room
        self.is_dead = False

    def save(self, name: str, data: bytes | bytearray, head: bytes = b"") -> bool:
        is_full = asyncio.get_running_loop().time() < self._room.disk_full_until_s
        return not (self.is_dead or is_full) and super().save(name, data, head)


class HostedStorm(Storm):
    """A storm in that room."""

    room: HostedRoom
    self_done = frozenset({Verb.PAUSE})
    """With its device gone, the player pauses in the name of the host."""

    async def _check(self) -> None:
        await super()._check()
        lives = [*self.room.past, self.room.present()]
        if not any(trouble.what is What.DISK_FULL for trouble in self.weather.troubles):
            _check_outlived([life for life in lives if life.records])

    async def _happen(self, trouble: Trouble) -> None:
        what, word = _INSTEAD.get(What(trouble.what), (trouble.what, trouble.word))
        trouble = replace(trouble, what=what, word=word)
        if trouble.what is What.DISK_FULL:
            self.room.disk_full_until_s = self._loop.time() + trouble.value
        elif trouble.what is What.KILL_HOST and trouble.word == "kill":
            self.room.kill()
        await super()._happen(trouble)

    def _check_motor(self, life: Life) -> None:
        assert isinstance(life, HostedLife)
        sessions = self._sessions_of(life)
        self.sessions += len(sessions)
        told = [(at_ms, cue) for s in sessions for at_ms, cue in _told(life, s.seq)]
        expected = [
            (at_ms, cue)
            for session in sessions
            for at_ms, cue, _ in session.oracle.felt
            if (at_ms, cue) not in session.withheld
        ]
        assert told == expected, f"the log tells {told}\nby the plan {expected}"
        _check_patience(life)
        felt = [at_ms for at_ms, pct in life.edges if pct]
        _check_felt(felt, _pulses(life), _reminders(life))
        _check_lengths(life.edges)


def _check_outlived(lives: Sequence[Life]) -> None:
    """See that a session that a process has left behind goes on in the next one."""
    for life, following in pairwise(lives):
        assert isinstance(life, HostedLife)
        at_ms = life.records[-1].at_ms if life.killed_ms is None else life.killed_ms
        of_session = (vocab.SESSION_STARTED, vocab.SESSION_ENDED)
        newest = next((r for r in reversed(life.records) if r.kind in of_session), None)
        if newest is None or newest.kind == vocab.SESSION_ENDED:
            continue
        if at_ms - newest.at_ms < JOURNAL_MS:
            continue
        taken_up = [(r.b, r.c, r.a) for r in following.records if r.kind == vocab.INTERRUPTED]
        assert taken_up == [(life.boot_id, newest.seq, 1)], "a session has died with its process"


def _check_patience(life: HostedLife) -> None:
    """See that a session does not go on for a device that takes nothing."""
    unfelt = {record.b for record in life.records if record.kind == vocab.UNFELT}
    in_a_row = 0
    for record in life.records:
        if record.kind == vocab.CUE:
            in_a_row = in_a_row + 1 if record.seq in unfelt else 0
            assert in_a_row <= UNFELT_MAX, f"it plays on for nobody at {record.at_ms} ms"
        elif record.kind in _BREAKS:
            in_a_row = 0


def _told(life: HostedLife, session: int) -> list[tuple[int, int]]:
    """Return the cues of a session as its log tells them."""
    found: list[tuple[int, int]] = []
    for record in life.records:
        if record.kind == vocab.SESSION_STARTED and record.seq > session:
            break
        if record.kind == vocab.CUE and record.seq > session:
            found.append((record.at_ms, record.a))
    return found


def _pulses(life: HostedLife) -> list[_Pulse]:
    """Return all pulses of the cues in a log, with what it tells of them."""
    unfelt = {record.b for record in life.records if record.kind == vocab.UNFELT}
    died_ms = math.inf if life.killed_ms is None else life.killed_ms - 1_000 * TAKEN_WITHIN_S
    pulses: list[_Pulse] = []
    for number, record in enumerate(life.records):
        if record.kind != vocab.CUE:
            continue
        following = life.records[number + 1 :]
        ends_ms = next((r.at_ms for r in following if r.kind in _BREAKS), math.inf)
        at_ms = record.at_ms
        is_told = record.seq not in unfelt
        late_ms_max = 1_000 * (TAKEN_WITHIN_S if is_told else DEAD_WITHIN_S)
        for index, (_, on_ms, off_ms) in enumerate(PATTERNS[record.a]):
            if index and at_ms >= ends_ms:
                break
            is_sure = is_told and at_ms < died_ms
            pulses.append(_Pulse(at_ms, late_ms_max, is_sure))
            at_ms += on_ms + off_ms
    return pulses


def _reminders(life: HostedLife) -> list[tuple[float, float]]:
    """Return the times in which a session waits, when it is felt that the device is back."""
    waits: list[tuple[float, float]] = []
    since_ms: float | None = None
    for record in life.records:
        if record.kind == vocab.PAUSED:
            since_ms = record.at_ms
        elif since_ms is not None and record.kind in _BREAKS and record.kind != vocab.CUE:
            waits.append((since_ms, record.at_ms + 1_000 * TAKEN_WITHIN_S))
            since_ms = None
    return waits if since_ms is None else [*waits, (since_ms, math.inf)]


def _check_felt(
    felt: Sequence[float], pulses: Sequence[_Pulse], waits: Sequence[tuple[float, float]]
) -> None:
    """See that all that was felt has its pulse in the log, in order, and each sure one was felt.

    reached[n]: whether all that was felt so far is explained by the first n pulses.
    """
    reached = [True]
    for pulse in pulses:
        reached.append(reached[-1] and not pulse.is_sure)
    for number, at_ms in enumerate(felt):
        is_reminder = any(since_ms <= at_ms <= to_ms for since_ms, to_ms in waits)
        now = [is_reminder and was for was in reached]
        for index, pulse in enumerate(pulses):
            is_it = -EARLY_MS <= at_ms - pulse.at_ms <= pulse.late_ms_max
            passed = now[index] and not pulse.is_sure
            now[index + 1] |= (reached[index] and is_it) or passed
        assert any(now), (
            f"nothing explains what was felt at {at_ms:.0f} ms, {number} of {felt}\n{pulses}"
        )
        reached = now
    assert reached[-1], f"told as felt, and was not: {felt}\n{pulses}"


def _check_lengths(edges: Sequence[tuple[float, int]]) -> None:
    since_ms: float | None = None
    for at_ms, pct in edges:
        if since_ms is not None:
            assert at_ms - since_ms <= MOTOR_MS_MAX, f"on from {since_ms} to {at_ms} ms"
        since_ms = at_ms if pct else None
    assert since_ms is None, "the motor is still on"
