# SPDX-License-Identifier: MIT
"""A device that can do no more than buzz: what a model of one has to offer.

The player of `hosted` stands on it, and everything else that a wearable has comes from there.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from tenuto.sessions.heart import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.routines.feel import Feel
    from tenuto.routines.haptics import Pattern

_log = logging.getLogger(__name__)

MEASUREMENT_UUID = "2a37"


class Answer(Enum):
    """What a wearer does on the device."""

    TAP = auto()
    """A button that can only be pressed: once, twice and three times mean different things."""
    PLAY = auto()
    PAUSE = auto()
    NEXT = auto()
    PREVIOUS = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInfo:
    """What a device tells of itself once it is reached; None for what it does not tell.

    Attributes:
        address: Of its radio.
        answers: Whether its wearer can answer on it.
        confirms: Whether `buzz` returns True only for what the device has; else what was sent
            shortly before the link was found to be dead counts as not taken.
    """

    name: str
    address: str | None = None
    serial: str | None = None
    firmware: str | None = None
    battery_pct: int | None = None
    answers: bool = False
    confirms: bool = True


@dataclass(frozen=True, slots=True)
class CueText:
    """What a cue says, for a device that can show it: `Hold` and `Knee to Chest, left`."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDisplay:
    """The step that goes on, for a device that can show it.

    Attributes:
        title: The step, such as `Hold`.
        text: The exercise and its side.
        is_running: Whether its time runs.
        waits_for_press: Whether the session waits for its wearer.
        elapsed_ms, duration_ms: Of the step, 0 between sessions.
    """

    title: str
    text: str
    is_running: bool
    waits_for_press: bool
    elapsed_ms: int
    duration_ms: int


class Buzzer(Protocol):
    """One device.  Every method but `disconnect` may raise LinkError."""

    name: str
    feel: Feel

    @property
    def rssi_dbm(self) -> int | None:
        """How strongly it was heard when it was connected to, None without a radio."""
        ...

    async def connect(
        self,
        on_lost: Callable[[], None],
        on_answer: Callable[[Answer], None],
        on_heart: Callable[[Measurement], None],
    ) -> DeviceInfo:
        """Reach the device, and see that its motor is off.

        Args:
            on_lost: Called once if it is lost again, but not for `disconnect`.
            on_answer: Called with what its wearer does.
            on_heart: Called with each heart rate that it measures.
        """
        ...

    async def buzz(self, pattern: Pattern, text: CueText) -> bool:
        """Begin a pattern; return when the device has it, without waiting for its end.

        It is called again for the next pulse, and `stop` as well, while an earlier call waits for
        the device to confirm; what is sent must keep the order of the calls.

        Args:
            pattern: One pulse, or a whole pattern where `feel.whole_pattern`; within `feel`.
            text: What the cue says.

        Returns:
            False where the device did not take it.
        """
        ...

    async def stop(self) -> None:
        """End what is felt, at once, as far as the device can do that."""

    async def show(self, shown: StepDisplay) -> None:
        """Show what goes on, on a device that can."""

    async def disconnect(self) -> None:
        """Let go; the motor is off afterwards if the device can be reached."""


def measurements(name: str, on_heart: Callable[[Measurement], None]) -> Callable[[bytes], None]:
    """Return what takes the values of the Heart Rate Service of a device that also buzzes.

    Args:
        name: Of the device, for messages.
        on_heart: See `Buzzer.connect`.
    """

    def take(value: bytes) -> None:
        try:
            on_heart(Measurement.from_bytes(value))
        except ValueError as error:
            _log.debug("device=%s broken heart rate: %s", name, error)

    return take
