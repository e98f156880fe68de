# SPDX-License-Identifier: MIT
"""A virtual person who wears a simulated wearable: a beating heart, and a finger on the button."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenuto.wearables.gestures import CanBePressed

_BREATH_S = 4.5
_BPM_MIN, _BPM_MAX = 30.0, 220.0


@dataclass(frozen=True, slots=True)
class Press:
    """One press of the button.

    Attributes:
        at_s: Seconds after the person has put the wearable on.
        duration_ms: How long it is held.
    """

    at_s: float
    duration_ms: float = 80.0


class FeelsBeats(Protocol):
    """A sensor of whatever device."""

    def beat(self, bpm: int, *, contact: bool = True, rr: tuple[int, ...] = ()) -> None:
        """Take in a measurement; see `hardware.HeartSensor`."""


class VirtualPerson:
    """A heart that calms down after a run and works harder in a strength hold.

    The rate moves towards its aim exponentially, and each interval between beats varies with the
    breath and a little at random. It is a plausible heart, not a model of one.

    Args:
        seed: Of everything random about the person.
        resting_bpm: Where the rate goes without effort.
        start_bpm: Where it is at first; None for `resting_bpm`. After a run it may be 130.
        recovery_s: Time constant of calming down.
        effort_s: Time constant of the rise in an effort.
        effort_bpm: How much a full effort adds in the end.
        rr_variation: How far intervals stray, as a share of their length.
        presses: Of the button.
        has_contact: Whether the sensor touches the skin.

    Raises:
        ValueError: A rate is not within 30 to 220 bpm, or a time constant not above 0.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        resting_bpm: float = 62.0,
        start_bpm: float | None = None,
        recovery_s: float = 90.0,
        effort_s: float = 15.0,
        effort_bpm: float = 25.0,
        rr_variation: float = 0.04,
        presses: Iterable[Press] = (),
        has_contact: bool = True,
    ) -> None:
        start_bpm = resting_bpm if start_bpm is None else start_bpm
        for bpm in (resting_bpm, start_bpm):
            if not _BPM_MIN <= bpm <= _BPM_MAX:
                raise ValueError(f"a heart rate must be within 30 to 220 bpm, not {bpm!r}")
        if recovery_s <= 0 or effort_s <= 0:
            raise ValueError("recovery_s and effort_s must be above 0")
        self.resting_bpm = resting_bpm
        self.recovery_s = recovery_s
        self.effort_s = effort_s
        self.effort_bpm = effort_bpm
        self.rr_variation = rr_variation
        self.presses = tuple(presses)
        self.has_contact = has_contact
        self._random = random.Random(seed)  # noqa: S311  repeatable, not secret
        self._bpm = start_bpm
        self._effort = 0.0
        self._updated_s: float | None = None
        self._heart: FeelsBeats | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def bpm(self) -> float:
        """The heart rate now, without the variation from beat to beat."""
        self._update()
        return self._bpm

    def exert(self, effort: float) -> None:
        """Change the effort, from now on.

        Args:
            effort: 0 (rest) to 1 (a full strength hold).

        Raises:
            ValueError: `effort` is not within 0 to 1.
        """
        if not 0 <= effort <= 1:
            raise ValueError(f"effort must be 0 to 1, not {effort!r}")
        self._update()
        self._effort = effort

    def put_on(self, heart: FeelsBeats, button: CanBePressed) -> None:
        """Wear it: the heart is felt and the presses come from now on."""
        self.take_off()
        self._heart = heart
        self._updated_s = asyncio.get_running_loop().time()
        for press in self.presses:
            button.press(press.duration_ms, after_ms=press.at_s * 1000)
        self._wait_for_beat()

    def take_off(self) -> None:
        """End the beats; presses that are still to come do come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._heart = None

    def _update(self) -> None:
        if self._updated_s is None:
            return
        now_s = asyncio.get_running_loop().time()
        aim = min(_BPM_MAX, self.resting_bpm + self._effort * self.effort_bpm)
        constant_s = self.effort_s if aim > self._bpm else self.recovery_s
        self._bpm = aim + (self._bpm - aim) * math.exp(-(now_s - self._updated_s) / constant_s)
        self._updated_s = now_s

    def _wait_for_beat(self) -> None:
        loop = asyncio.get_running_loop()
        breath = math.sin(2 * math.pi * loop.time() / _BREATH_S)
        stray = self.rr_variation * (0.7 * breath + 0.5 * self._random.gauss(0, 1))
        rr_s = 60.0 / self.bpm * (1 + max(-0.3, min(0.3, stray)))
        self._timer = loop.call_later(rr_s, self._on_beat, rr_s)

    def _on_beat(self, rr_s: float) -> None:
        if self._heart is not None:
            self._heart.beat(
                round(self.bpm),
                contact=self.has_contact,
                rr=(round(rr_s * 1024),) if self.has_contact else (),
            )
            self._wait_for_beat()
