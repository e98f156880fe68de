# SPDX-License-Identifier: MIT
"""The motor of the hosted player: it sends pulses to a device, and tells which were not taken.

The buzzer of `tenuto_core` stays the one owner of the motor, with its limits and its ledger.  What
it drives here is a device behind a radio: a pulse is sent as a task of its own, so that nothing
that the device is slow about delays the end of a pulse, or a stop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.errors import LinkError
from tenuto.retry import describe_failure
from tenuto_core.buzzer import MAX_PULSE_MS, Buzzer, Motor
from tenuto_core.log import Log
from tenuto_core.vocab import SESSION_ENDED, UNFELT

from .latency import Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from tenuto.routines.haptics import Pattern

    from . import buzzer

_log = logging.getLogger(__name__)

TAKEN_WITHIN_S = 1.0
"""What a device has not confirmed by then is not felt in time."""
STOPPED_WITHIN_S = 1.0
STOP_TRIES = 3
SENDING_MAX = 32
"""Messages on their way to the device; more are not taken."""
DEAD_WITHIN_S = 6.0
"""A link on which nothing is heard is found to be dead after at most so long."""
REFUSED_MAX = 3
"""A device that has not taken so many pulses in a row is not there, whatever the system says."""
_EARLY_S = 0.002
"""Timers of an event loop may fire so much before their time."""


@dataclass(slots=True)
class Cue:
    """A pattern that is played.

    Attributes:
        seq: The number that its record gets in the log, if it is a cue.
        is_told: Whether it was told as not taken.
    """

    seq: int
    is_told: bool = False


class DeviceMotor(Motor):
    """Drives a device; see `tenuto_core.buzzer.Motor`.

    Args:
        device: The device.
        say: Returns what the pattern says whose record has this number.
        on_unfelt: Called with a pattern that was not taken, once for each; not from within `on`.
        on_dead: Called when the device takes nothing any more.
        on_settled: See `settle`.
        answers_ms: How long the device took to answer before, see `latency.Latency`.
    """

    def __init__(
        self,
        device: buzzer.Buzzer,
        *,
        say: Callable[[int], buzzer.CueText],
        on_unfelt: Callable[[Cue], None],
        on_dead: Callable[[], None],
        on_settled: Callable[[], None] = lambda: None,
        answers_ms: Iterable[float] = (),
    ) -> None:
        feel = device.feel
        self.latency = Latency(feel.lead_ms, is_fixed=feel.is_lead_fixed, answers_ms=answers_ms)
        self.lead_ms = self.latency.lead_ms
        self._device = device
        self._feel = device.feel
        self._say = say
        self._on_unfelt = on_unfelt
        self._on_dead = on_dead
        self._on_settled = on_settled
        self._loop = asyncio.get_running_loop()
        self._is_attached = False
        self._confirms = True
        self._cue = Cue(0)
        self._pattern: Pattern = ()
        self._index = 0
        self._pulse_ends_s: float | None = None
        self._pattern_ends_s = 0.0
        self._sending: dict[asyncio.Task[bool], Cue | None] = {}
        self._unproven: deque[tuple[float, Cue]] = deque()
        self._refused = 0
        self._is_awaited = False
        self.latest: asyncio.Task[bool] | None = None

    # --- the device

    def attach(self, *, confirms: bool) -> None:
        """Begin to send; confirms: see `buzzer.DeviceInfo`."""
        self._is_attached, self._confirms, self._refused = True, confirms, 0
        self._unproven.clear()

    def detach(self) -> None:
        """Send nothing more; what the device is not known to have was not taken."""
        self._is_attached = False
        self._pulse_ends_s = None
        now_s = self._loop.time()
        lost = [cue for at_s, cue in self._unproven if now_s - at_s <= DEAD_WITHIN_S]
        self._unproven.clear()
        for task in list(self._sending):
            task.cancel()
        for cue in lost:
            self._not_taken(cue)
        self.give_up()
        self._settle_again()

    # --- what is known of what was played

    @property
    def is_settled(self) -> bool:
        """Whether it is known of all that was played whether the device took it."""
        return self._is_answered and self._loop.time() >= self._known_s - _EARLY_S

    @property
    def _is_answered(self) -> bool:
        return all(cue is None or cue.is_told for cue in self._sending.values())

    @property
    def _known_s(self) -> float:
        """When nothing that a mute device got can have been sent just before its loss."""
        return self._unproven[-1][0] + DEAD_WITHIN_S if self._unproven else 0.0

    def settle(self) -> None:
        """Have `on_settled` called as soon as `is_settled`."""
        self._is_awaited = not self.is_settled
        if not self._is_awaited:
            self._on_settled()
        elif self._is_answered:  # else the next answer leads here again
            self._loop.call_at(self._known_s, self._settle_again)

    def _settle_again(self) -> None:
        if self._is_awaited:
            self.settle()

    def give_up(self) -> None:
        """Tell as not taken what the device has not answered to."""
        for cue in list(self._sending.values()):
            if cue is not None:
                self._not_taken(cue)

    # --- what the buzzer asks

    def begin(self, pattern: Pattern, seq: int) -> None:
        """Take note of the pattern that the next pulses belong to, and of its record's number."""
        self._cue, self._pattern, self._index = Cue(seq), pattern, 0
        length_ms = sum(on_ms + off_ms for _, on_ms, off_ms in pattern)
        self._pattern_ends_s = self._loop.time() + length_ms / 1000

    def on(self, strength_pct: int, on_ms: int) -> None:
        """Send a pulse, or the pattern that it is the first of."""
        index, self._index = self._index, self._index + 1
        self._pulse_ends_s = self._loop.time() + on_ms / 1000
        what: Pattern = ((strength_pct, on_ms, 0),)
        if self._feel.whole_pattern and index < len(self._pattern):
            _, planned_ms, off_ms = self._pattern[index]
            is_whole = on_ms == min(planned_ms, MAX_PULSE_MS)
            if index and is_whole:
                return  # it is under way
            if index:
                self._send(self._stop(), None)
            elif is_whole:
                what = ((strength_pct, on_ms, off_ms), *self._pattern[1:])
        if not self._is_attached or len(self._sending) >= SENDING_MAX:
            self._loop.call_soon(self._not_taken, self._cue)  # its record is not written yet
            return
        self.latest = self._send(self._buzz(what, self._cue), self._cue)

    def off(self) -> None:
        """Have the device end what is felt, where it does not do that by itself just now."""
        now_s, ends_s = self._loop.time(), self._pulse_ends_s
        self._pulse_ends_s = None
        if ends_s is None:
            is_needed = self._feel.whole_pattern and now_s < self._pattern_ends_s - _EARLY_S
        else:
            is_needed = not self._feel.ends_by_itself or now_s < ends_s - _EARLY_S
        if is_needed and self._is_attached:
            self._pattern_ends_s = 0.0
            self._send(self._stop(), None)

    # --- sending

    def _send(self, work: Coroutine[Any, Any, bool], cue: Cue | None) -> asyncio.Task[bool]:
        task = asyncio.create_task(work, name=f"buzz {self._device.name}")
        self._sending[task] = cue
        task.add_done_callback(self._sent)
        return task

    def _sent(self, task: asyncio.Task[bool]) -> None:
        self._sending.pop(task, None)
        self._settle_again()

    async def _buzz(self, pattern: Pattern, cue: Cue) -> bool:
        taken = False
        sent_s = self._loop.time()
        try:
            async with asyncio.timeout(TAKEN_WITHIN_S):
                taken = await self._device.buzz(pattern, self._say(cue.seq))
        except (LinkError, TimeoutError) as error:
            _log.info("wearable=%s %s", self._device.name, str(error) or "it took too long")
        except Exception as error:  # noqa: BLE001 - of a model that may come from another package
            _log.error("wearable=%s %s", self._device.name, describe_failure(error))
        if taken:
            self._refused = 0
            if self._confirms:
                self.latency.add((self._loop.time() - sent_s) * 1000)
                self.lead_ms = self.latency.lead_ms
            else:
                self._unproven.append((sent_s, cue))
                while sent_s - self._unproven[0][0] > DEAD_WITHIN_S:
                    self._unproven.popleft()
            return True
        self._not_taken(cue)
        self._refused += 1
        if self._refused == REFUSED_MAX and self._is_attached:
            self._on_dead()
        return False

    async def _stop(self) -> bool:
        """Have the motor switched off: the one message that is tried more than once."""
        for attempt in range(STOP_TRIES):
            try:
                async with asyncio.timeout(STOPPED_WITHIN_S):
                    await self._device.stop()
            except (LinkError, TimeoutError) as error:
                is_last = attempt + 1 == STOP_TRIES
                level = logging.WARNING if is_last else logging.INFO
                what = str(error) or "it took too long"
                _log.log(level, "wearable=%s its motor is not stopped: %s", self._device.name, what)
            except Exception as error:  # noqa: BLE001 - as above
                _log.error("wearable=%s %s", self._device.name, describe_failure(error))
            else:
                return True
        return False

    def _not_taken(self, cue: Cue) -> None:
        if not cue.is_told:
            cue.is_told = True
            self._on_unfelt(cue)


class DeviceLog(Log):
    """A log in which a session ends once it is known which of its last cues were taken.

    Nobody listens to what is told of a session after its end.

    Attributes:
        motor: Knows what the device has not answered to.
    """

    motor: DeviceMotor

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self._end: tuple[int, int, int, int, int, int] | None = None

    @property
    def ends_ms(self) -> int | None:
        """When the session ended whose end waits to be written; None where none waits."""
        return None if self._end is None else self._end[0]

    def append(  # noqa: PLR0917 - as in the core
        self, at_ms: int, kind: int, step: int, a: int = 0, b: int = 0, c: int = 0
    ) -> int:
        """See `tenuto_core.log.Log`."""
        if kind == SESSION_ENDED and not self.motor.is_settled:
            self._end = at_ms, kind, step, a, b, c
            self.motor.settle()
            return self.next
        if kind != UNFELT:
            self.finish()
        return super().append(at_ms, kind, step, a, b, c)

    def finish(self) -> None:
        """Write the end that waits; what the device has not answered to was not taken."""
        if self._end is not None:
            self.motor.give_up()
            end, self._end = self._end, None
            super().append(*end)


class DeviceBuzzer(Buzzer):
    """The buzzer of the core on a `DeviceMotor`, which is told of each pattern as a whole.

    Args:
        motor: What it drives.
        log: Where the record of a cue is written right after its pattern has begun.
    """

    def __init__(self, motor: DeviceMotor, log: Log) -> None:
        super().__init__(motor)
        self._device_motor = motor
        self._log = log

    def play(self, pattern: Pattern, now_ms: int) -> None:
        """See `tenuto_core.buzzer.Buzzer`."""
        self._device_motor.begin(pattern, self._log.next)
        self.lead_ms = self._device_motor.lead_ms  # of the next session
        super().play(pattern, now_ms)
