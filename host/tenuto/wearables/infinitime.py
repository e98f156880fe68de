# SPDX-License-Identifier: MIT
"""A PineTime with InfiniTime: cues as notifications with words, answers by its music app.

Each pulse is a notification (Alert Notification Service, 0x1811), for which the watch buzzes 35 ms
and says what to do; its response confirms that the watch has it. Whether it buzzed, the watch does
not tell: with Do Not Disturb it does not. The music app shows exercise and time, and its buttons
come back as events. All of it, and the heart rate, goes over one connection: the watch has no more.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason
from tenuto.links.gatt import (
    GATT_TIMEOUT_S,
    characteristic,
    limited,
)
from tenuto.links.radios.errors import link_errors
from tenuto.links.scan import HEART_RATE

from .ble_buzzer import BleBuzzer
from .buzzer import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bleak.backends.characteristic import BleakGATTCharacteristic

    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.routines.feel import Feel
    from tenuto.routines.haptics import Pattern
    from tenuto.sessions.heart import Measurement

    from .buzzer import CueText, DeviceInfo, StepDisplay

_UUID = "{:08x}-78fc-48fe-8e23-433b3a1942d0"
NOTIFICATION_UUID = "2a46"
CALL_ANSWER_UUID = _UUID.format(0x00020001)
MUSIC_EVENT_UUID = _UUID.format(1)
STATUS_UUID, ARTIST_UUID, TRACK_UUID = (_UUID.format(number) for number in (2, 3, 4))
POSITION_UUID, LENGTH_UUID = (_UUID.format(number) for number in (6, 7))
PULSE_MS = 35
"""How long the watch buzzes for a notification; nothing over the air changes that."""
KEPT = 5
"""Notifications that the watch keeps; more buzz as well, but push others out."""
MESSAGE_BYTES_MAX = 99
SIMPLE_ALERT, CALL = 0, 3
_MUSIC_ANSWERS = {
    0x00: Answer.PLAY,
    0x01: Answer.PAUSE,
    0x03: Answer.NEXT,
    0x04: Answer.PREVIOUS,
}
_CALL_ANSWERS = {0: Answer.STOP, 1: Answer.PLAY, 2: Answer.PAUSE}
"""Rejected, answered, muted."""


def notification(category: int, title: str, text: str) -> bytes:
    """Return the bytes of a notification; words that have no room are cut off."""
    title_bytes = title.encode()
    room = MESSAGE_BYTES_MAX - len(title_bytes) - 1
    text_bytes = text.encode()[: max(0, room)].decode(errors="ignore").encode()
    return bytes([category, 1, 0]) + title_bytes[:MESSAGE_BYTES_MAX] + b"\0" + text_bytes


class InfinitimeBuzzer(BleBuzzer):
    """One such watch; see `buzzer.Buzzer`.

    Args:
        adapter: The radio.
        address: Of the watch.
        feel: What can be felt of it.
        rings: Whether it rings like a call while the session waits for a press.
    """

    def __init__(
        self, adapter: BleAdapter, address: str, feel: Feel, *, rings: bool = False
    ) -> None:
        super().__init__(adapter, address, feel)
        self._rings = rings
        self._turn = asyncio.Lock()
        self._written: dict[str, bytes] = {}

    async def connect(
        self,
        on_lost: Callable[[], None],
        on_answer: Callable[[Answer], None],
        on_heart: Callable[[Measurement], None],
    ) -> DeviceInfo:
        """Connect, and subscribe to what the watch tells."""
        async with self._reaching(HEART_RATE, on_lost) as (client, sighting):
            if characteristic(client, NOTIFICATION_UUID) is None:
                raise LinkError(
                    LinkReason.PROTOCOL,
                    f"{self.name} takes no notifications (Alert Notification Service): is it a"
                    " PineTime with InfiniTime?",
                )
            self._written = {}
            told = await self._told(client, sighting, answers=self._has(MUSIC_EVENT_UUID))
            await self._take(client, MUSIC_EVENT_UUID, _answers(_MUSIC_ANSWERS, on_answer))
            await self._take(client, CALL_ANSWER_UUID, _answers(_CALL_ANSWERS, on_answer))
            await self._take_heart(client, on_heart)
        return told

    async def buzz(self, pattern: Pattern, text: CueText) -> bool:  # noqa: ARG002 - all pulses are alike
        """Send a notification, and wait for the watch to have it."""
        await self._write(NOTIFICATION_UUID, notification(SIMPLE_ALERT, text.title, text.text))
        return True

    async def stop(self) -> None:
        """Do nothing: what can be felt is over after 35 ms, and nothing ends it sooner."""

    async def show(self, shown: StepDisplay) -> None:
        """Have the music app show the step, its exercise and its time."""
        if self._rings and shown.waits_for_press:
            await self._write(NOTIFICATION_UUID, notification(CALL, "In position?", shown.text))
        for uuid, value in (
            (TRACK_UUID, shown.title.encode()),
            (ARTIST_UUID, shown.text.encode()[:MESSAGE_BYTES_MAX]),
            (LENGTH_UUID, struct.pack(">I", shown.duration_ms // 1000)),
            (POSITION_UUID, struct.pack(">I", shown.elapsed_ms // 1000)),
            (STATUS_UUID, bytes([shown.is_running])),
        ):
            if self._written.get(uuid) != value and self._has(uuid):
                await self._write(uuid, value)
                self._written[uuid] = value

    def _has(self, uuid: str) -> bool:
        return self._client is not None and characteristic(self._client, uuid) is not None

    async def disconnect(self) -> None:
        """Let go; see `buzzer.Buzzer`."""
        client, self._client = self._client, None
        if client is not None:
            await self._adapter.let_go(client)

    async def _write(self, uuid: str, value: bytes) -> None:
        """Write with a response; one at a time, for systems refuse a second one meanwhile."""
        async with self._turn:
            client = self._client
            if client is None:
                raise LinkError(LinkReason.LOST, f"{self.name} is not connected")
            found: BleakGATTCharacteristic | None = characteristic(client, uuid)
            if found is None:
                raise LinkError(LinkReason.PROTOCOL, f"{self.name} has no characteristic {uuid}")
            async with link_errors("writing", is_linked=True):
                await limited(client.write_gatt_char(found, value, response=True), GATT_TIMEOUT_S)


def _answers(
    meanings: dict[int, Answer], on_answer: Callable[[Answer], None]
) -> Callable[[bytes], None]:
    def take(value: bytes) -> None:
        answer = meanings.get(value[0]) if value else None
        if answer is not None:
            on_answer(answer)

    return take
