# SPDX-License-Identifier: MIT
"""A simulated Bangle.js 2: the watch's JavaScript in QuickJS behind a Nordic UART on the air."""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from typing import TYPE_CHECKING

from bumble import core, gatt, hci

from tenuto.links.radios.bumble_fast_path import notification
from tenuto.shipped import shipped
from tenuto.wearables.gestures import make_gesture

from .clock import BoardClock
from .espruino import Espruino
from .hardware import Edge
from .peripheral import SimulatedPeripheral, notified, written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bumble.device import Connection

    from .person import VirtualPerson
    from .radio import Radio

APP_FILE, PLAYER_FILE = "tenuto.app.js", "tenuto"
UART = "6E400001-B5A3-F393-E0A9-E50E24DCCA9E"
_TO_WATCH = "6E400002-B5A3-F393-E0A9-E50E24DCCA9E"
_FROM_WATCH = "6E400003-B5A3-F393-E0A9-E50E24DCCA9E"
MTU = 131
_LET_IN_S = 0.4
_GESTURE_S = 5.0
"""One gesture is enough for a computer that goes and comes back for it."""
_EPSILON_MS = 1e-4
"""Above the rounding of the loop's time, so that what is due is done."""


def app_files(folder: Path) -> dict[str, str]:
    """Return what the app puts into a watch's storage, from the folder of its sources."""
    told = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))["storage"]
    programs = {row["name"]: row["url"] for row in told if not row.get("evaluate")}
    return {name: (folder / file).read_text(encoding="ascii") for name, file in programs.items()}


class _Button:
    """The one button of the watch."""

    def __init__(self, set_down: Callable[[bool], None]) -> None:
        self._set_down = set_down

    def press(self, duration_ms: float = 80.0, *, after_ms: float = 0.0) -> None:
        """Press it `after_ms` from now, for `duration_ms`."""
        loop = asyncio.get_running_loop()
        if after_ms:
            loop.call_later(after_ms / 1000, self._set_down, True)  # noqa: FBT003
        else:
            self._set_down(True)  # noqa: FBT003
        loop.call_later((after_ms + duration_ms) / 1000, self._set_down, False)  # noqa: FBT003


class SimulatedBangle(SimulatedPeripheral):
    """The watch; see `SimulatedPeripheral`.

    Args:
        files: Its storage; None for that of a watch with the app, see `app_files`.
        lets_in: Whether its wearer lets in whoever connects and has not proven a key, as
            `SimulatedWearable`.
        mtu: The largest ATT packet that it agrees to.

    Attributes:
        js: Its JavaScript.
    """

    def __init__(
        self,
        radio: Radio,
        id: str,  # noqa: A002 - as `World` says it
        address: str,
        person: VirtualPerson | None,
        *,
        files: Mapping[str, str] | None = None,
        lets_in: bool = True,
        mtu: int = MTU,
    ) -> None:
        super().__init__(radio, id, address, person)
        self.button = _Button(self._press)
        self.lets_in = lets_in
        given = app_files(shipped("firmware") / "bangle") if files is None else dict(files)
        self.js = Espruino(given, int(address[-2:], 16), address)
        self._mtu = mtu
        self._clock = BoardClock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._let_in: asyncio.TimerHandle | None = None
        self._gesture_s = -math.inf
        self._connection: Connection | None = None

    # --- what it says of itself

    @property
    def name(self) -> str:
        """What it advertises."""
        return "Bangle.js " + self.address.replace(":", "")[-4:].lower()

    def advertisement(self) -> tuple[bytes, bytes]:
        """Return its name, and its UART."""
        kinds = core.AdvertisingData.Type
        named = [(kinds.FLAGS, b"\x06"), (kinds.COMPLETE_LOCAL_NAME, self.name.encode())]
        uart = core.UUID(UART).to_bytes()
        offered = [(kinds.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, uart)]
        return bytes(core.AdvertisingData(named)), bytes(core.AdvertisingData(offered))

    def services(self) -> Sequence[gatt.Service]:
        """Return its UART."""
        self._outlet = notified(core.UUID(_FROM_WATCH))
        inlet = written(core.UUID(_TO_WATCH), self._written, responds=False)
        return (gatt.Service(core.UUID(UART), [inlet, self._outlet]),)

    # --- its life

    async def boot(self) -> None:
        """Put it in reach; nothing if it is."""
        await super().boot()
        if self._device is not None:
            self._device.gatt_server.max_mtu = self._mtu
        self._poke()

    async def stop(self) -> None:
        """Take it out of reach, with its program standing still."""
        for timer in (self._timer, self._let_in):
            if timer is not None:
                timer.cancel()
        await super().stop()
        self._disconnected()

    # --- time

    @property
    def now_ms(self) -> float:
        """The time on its clock since it was made."""
        return self._clock.elapsed_ms()

    def _do(self, what: Callable[[], None]) -> None:
        """Have something happen to the program, now or when it has loaded another app."""
        self._waiting.append(what)
        self._poke()

    def _poke(self) -> None:
        """Do what is due, hand on what the program did, and sleep again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self.js.now_ms <= self.now_ms + 2 * _EPSILON_MS:
            self.js.advance(self.now_ms + _EPSILON_MS)
            if self.js.now_ms > self.now_ms + 2 * _EPSILON_MS or not self._waiting:
                break
            self._waiting.popleft()()
        for at_ms, is_on in self.js.edges:
            at_s = self._clock.loop_time(at_ms)
            self.motor.note(Edge(at_ms, is_on, 100 if is_on else 0, at_s))
        self.js.edges.clear()
        self._send(self.js.take_console())
        if self.js.drops_link:
            self._radio.drop(
                self.address, hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR
            )
        if self._device is not None:
            due_ms = self.js.now_ms if self._waiting else max(self.js.due_ms, self.js.now_ms)
            if due_ms != float("inf"):
                self._timer = self._clock.call_at_ms(due_ms, self._poke)

    # --- its wearer

    def _press(self, is_down: bool) -> None:  # noqa: FBT001 - a scheduled callback
        self._do(lambda: self.js.button(is_down=is_down))

    def _felt_beat(self, bpm: int, rr: tuple[int, ...]) -> None:  # noqa: ARG002 - it tells none
        self._do(lambda: self.js.heart(bpm))

    def _make_gesture(self) -> None:
        """Let a stranger in, in the app's own screen, unless a session goes on."""
        state = self.js.evaluate("global.TENUTO?JSON.stringify(TENUTO.state()):''")
        is_idle, is_known = '"st":0' in state or not state, '"host":true' in state
        now_s = asyncio.get_running_loop().time()
        is_made = '"open":true' in state or now_s - self._gesture_s < _GESTURE_S
        if not self.lets_in or is_made or self._connection is None or not is_idle or is_known:
            return
        self._gesture_s = now_s
        if self.js.evaluate("global.TENUTO?typeof TENUTO.show:''") != "function":
            self._do(lambda: self.js.load(APP_FILE))
        make_gesture(self.button, "pair", after_ms=400)

    # --- the air

    def _on_connection(self, connection: Connection) -> None:
        super()._on_connection(connection)
        self._connection = connection
        self._do(lambda: self.js.connect(is_on=True))
        loop = asyncio.get_running_loop()
        self._let_in = loop.call_later(_LET_IN_S, self._make_gesture)

    def _disconnected(self) -> None:
        if self._connection is not None:
            self._connection = None
            self._do(lambda: self.js.connect(is_on=False))

    def _written(self, value: bytes) -> None:
        self._do(lambda: self.js.receive(value))

    def _send(self, data: bytes) -> None:
        device, connection = self._device, self._connection
        if device is None or connection is None:
            return
        size = connection.att_mtu - 3
        for at in range(0, len(data), size):
            packet = notification(self._outlet.handle, data[at : at + size])
            device.gatt_server.send_gatt_pdu(connection, packet)
