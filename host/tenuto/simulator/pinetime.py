# SPDX-License-Identifier: MIT
"""A simulated PineTime: what InfiniTime does with what a host writes, as far as it can be felt."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from bumble import core, gatt

from .peripheral import SimulatedPeripheral, notified, readable, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_UUID = "{:08X}-78FC-48FE-8E23-433B3A1942D0"
PULSE_MS = 35
KEPT = 5
MESSAGE_BYTES_MAX = 99
PLAY, PAUSE = 0x00, 0x01


def _short(number: int) -> core.UUID:
    return core.UUID.from_16_bits(number)


class SimulatedPineTime(SimulatedPeripheral):
    """The watch; see `SimulatedPeripheral`. Its button is that of its music app.

    Attributes:
        notifications: The newest that it keeps, as (title, text), oldest first.
        is_silent: Whether Do Not Disturb is on: it takes notifications and does not buzz.
        music: What its music app was told, by `status`, `artist`, `track`, `position`, `length`.
        calls: How many calls it got.
    """

    name = "InfiniTime"
    advertised = (0x180D,)

    def services(self) -> Sequence[gatt.Service]:
        """Return what it offers."""
        self.notifications: deque[tuple[str, str]] = deque(maxlen=KEPT)
        self.is_silent = False
        self.music: dict[str, bytes] = {}
        self.calls = 0
        self._bpm = 0
        self._events = notified(core.UUID(_UUID.format(1)))
        self._call_answers = notified(core.UUID(_UUID.format(0x00020001)))
        self._beats = notified(_short(0x2A37), bytes(2), is_readable=True)
        names = {2: "status", 3: "artist", 4: "track", 6: "position", 7: "length"}
        music = [
            written(core.UUID(_UUID.format(number)), self._music(name), responds=True)
            for number, name in names.items()
        ]
        alert = written(_short(0x2A46), self._alert, responds=True)
        plain = written(_short(0x2A06), self._plain_alert, responds=False)
        return (
            gatt.Service(_short(0x1811), [alert, self._call_answers]),
            gatt.Service(_short(0x1802), [plain]),
            gatt.Service(core.UUID(_UUID.format(0)), [self._events, *music]),
            gatt.Service(_short(0x180D), [self._beats]),
            gatt.Service(_short(0x180F), [readable(0x2A19, bytes([64]))]),
            gatt.Service(_short(0x180A), [readable(0x2A26, b"1.16.0")]),
        )

    def _buzz(self) -> None:
        if not self.is_silent:
            self.motor.set(100, PULSE_MS)  # one that comes while it runs only makes it longer

    def _alert(self, value: bytes) -> None:
        if len(value) <= 3:
            return
        message = value[3 : 3 + MESSAGE_BYTES_MAX].decode(errors="replace")
        title, _, text = message.partition("\0")
        self.notifications.append((title, text))
        self.calls += value[0] == 3
        self._buzz()

    def _plain_alert(self, _value: bytes) -> None:
        self._buzz()

    def _music(self, name: str) -> Callable[[bytes], None]:
        def take(value: bytes) -> None:
            self.music[name] = value

        return take

    def answer(self, event: int) -> None:
        """Press a button of the music app: 0 play, 1 pause, 3 next, 4 previous."""
        self.notify(self._events, bytes([event]))

    def answer_call(self, answer: int) -> None:
        """Answer a call: 0 reject, 1 answer, 2 mute."""
        self.notify(self._call_answers, bytes([answer]))

    def _pressed(self) -> None:
        is_playing = self.music.get("status", b"\0") != b"\0"
        self.answer(PAUSE if is_playing else PLAY)

    def _felt_beat(self, bpm: int, rr: tuple[int, ...]) -> None:  # noqa: ARG002 - it tells none
        if bpm != self._bpm:  # it notifies of changes only
            self._bpm = bpm
            self.notify(self._beats, bytes([0, bpm]))
