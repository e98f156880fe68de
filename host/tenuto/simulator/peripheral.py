# SPDX-License-Identifier: MIT
"""Simulated devices that are no boards of ours: a bumble peripheral with a motor and a wearer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bumble import core, gatt
from bumble.core import AdvertisingData

from .controller import power_on_device
from .hardware import Edge, EdgeLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bumble.device import Connection, Device

    from tenuto.wearables.gestures import CanBePressed

    from .controller import VirtualController
    from .person import VirtualPerson
    from .radio import Radio

_P = gatt.Characteristic.Properties
_READABLE = gatt.Characteristic.Permissions.READABLE
_WRITEABLE = gatt.Characteristic.Permissions.WRITEABLE


class DeviceMotor(EdgeLog):
    """The motor of a device, which does what it is told; see `EdgeLog`."""

    def __init__(self) -> None:
        super().__init__()
        self._timer: asyncio.TimerHandle | None = None

    def set(self, strength_pct: int, for_ms: int | None = None) -> None:
        """Run at a strength, 0 for off; for so many ms, or until the next call."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        before = self.edges[-1].strength_pct if self.edges else 0
        loop = asyncio.get_running_loop()
        if strength_pct != before or for_ms is not None:
            now_s = loop.time()
            self.note(Edge(now_s * 1000, strength_pct > 0, strength_pct, now_s))
        if for_ms is not None:
            self._timer = loop.call_later(for_ms / 1000, self.set, 0)


class PressButton:
    """A button of which only the presses are told."""

    def __init__(self, on_press: Callable[[], None]) -> None:
        self._on_press = on_press

    def press(self, duration_ms: float = 80.0, *, after_ms: float = 0.0) -> None:  # noqa: ARG002 - it is not told
        """Press it `after_ms` from now."""
        asyncio.get_running_loop().call_later(after_ms / 1000, self._on_press)


class BeatSensor:
    """A heart-rate sensor, or the lack of one: then beats go nowhere."""

    def __init__(self, on_beat: Callable[[int, tuple[int, ...]], None]) -> None:
        self._on_beat = on_beat

    def beat(self, bpm: int, *, contact: bool = True, rr: tuple[int, ...] = ()) -> None:
        """Take in a measurement; see `hardware.HeartSensor`."""
        if contact:
            self._on_beat(bpm, rr)


class SimulatedPeripheral:
    """The base of such devices.

    Args:
        radio: The air.
        id: What the world calls it.
        address: Its Bluetooth address.
        person: Who wears it, or None.

    Attributes:
        motor, button, heart: Its parts, which outlive a reboot.
    """

    def __init__(self, radio: Radio, id: str, address: str, person: VirtualPerson | None) -> None:  # noqa: A002 - as `World` says it
        self.id = id
        self.address = address
        self.person = person
        self.motor = DeviceMotor()
        self.button: CanBePressed = PressButton(self._pressed)
        self.heart = BeatSensor(self._felt_beat)
        self._radio = radio
        self._device: Device | None = None
        self._controller: VirtualController | None = None

    # --- what a kind of device says of itself

    @property
    def name(self) -> str:
        """What it advertises."""
        return self.id

    @property
    def advertised(self) -> tuple[int, ...]:
        """The 16-bit UUIDs of the services that it advertises."""
        raise NotImplementedError

    def advertisement(self) -> tuple[bytes, bytes]:
        """Return what it advertises, and what it answers to a scan."""
        uuids = b"".join(uuid.to_bytes(2, "little") for uuid in self.advertised)
        data = AdvertisingData(
            [
                (AdvertisingData.FLAGS, bytes([0x06])),
                (AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, uuids),
            ]
        )
        name = AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, self.name.encode())])
        return bytes(data), bytes(name)

    def services(self) -> Sequence[gatt.Service]:
        """Return what it offers, made anew for each boot."""
        raise NotImplementedError

    def _pressed(self) -> None:
        """Tell a press; nothing on a device without a button."""

    def _felt_beat(self, bpm: int, rr: tuple[int, ...]) -> None:
        """Tell a beat; nothing on a device without a sensor."""

    def _disconnected(self) -> None:
        """Do what the device does when its link is gone."""

    # --- its life

    async def boot(self) -> None:
        """Switch it on; nothing if it is on."""
        if self._device is not None:
            return
        self._device, self._controller = await power_on_device(
            self._radio, self.name, self.address, secure_connections=True
        )
        for service in self.services():
            self._device.add_service(service)
        self._device.advertising_data, self._device.scan_response_data = self.advertisement()
        self._device.on("connection", self._on_connection)
        await self._device.start_advertising(auto_restart=True)
        if self.person is not None:
            self.person.put_on(self.heart, self.button)

    async def stop(self) -> None:
        """Switch it off; nothing if it is off."""
        if self.person is not None:
            self.person.take_off()
        device, self._device = self._device, None
        if device is not None and self._controller is not None:
            self._controller.power_off()
            self.motor.set(0)

    def _on_connection(self, connection: Connection) -> None:
        connection.on("disconnection", lambda _reason: self._disconnected())

    def notify(self, characteristic: gatt.Characteristic[Any], value: bytes) -> None:
        """Send a value to who has subscribed."""
        device = self._device
        if device is not None:
            task = asyncio.create_task(
                device.notify_subscribers(characteristic, value), name=f"notify {self.id}"
            )
            task.add_done_callback(_ignore)


def _ignore(task: asyncio.Task[None]) -> None:
    """Take note of how a notification ended: nobody was there to hear it."""
    if not task.cancelled():
        task.exception()


def readable(uuid: int, value: bytes) -> gatt.Characteristic[Any]:
    """Return a characteristic with a value that can be read."""
    return gatt.Characteristic(core.UUID.from_16_bits(uuid), _P.READ, _READABLE, value)


def notified(
    uuid: core.UUID, value: bytes = b"", *, is_readable: bool = False
) -> gatt.Characteristic[Any]:
    """Return a characteristic that is notified of."""
    properties = _P.NOTIFY | _P.READ if is_readable else _P.NOTIFY
    return gatt.Characteristic(uuid, properties, _READABLE, value)


def written(
    uuid: core.UUID, on_write: Callable[[bytes], None], *, responds: bool
) -> gatt.Characteristic[Any]:
    """Return a characteristic that can be written, with a response or without one."""

    def write(_connection: Any, value: bytes) -> None:  # noqa: ANN401 - bumble's interface
        on_write(bytes(value))

    return gatt.Characteristic(
        uuid,
        _P.WRITE if responds else _P.WRITE_WITHOUT_RESPONSE,
        _WRITEABLE,
        gatt.CharacteristicValue(write=write),
    )
