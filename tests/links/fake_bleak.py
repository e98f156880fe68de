# SPDX-License-Identifier: MIT
"""A bleak backend that behaves like BlueZ at its worst, with real bands behind it.

This is the boundary of the outside world: above it everything is Tenuto's and bleak's own code,
below it each band is the real `tenuto_core.Band`.  Some habits of BlueZ are always on: the object
of a device that failed to connect is gone, `mtu_size` says 23 and warns, and two things at once on
one adapter fail both.  What else goes wrong is asked for with `Air.fail`, or set at a device.
"""

from __future__ import annotations

import asyncio
import itertools
import warnings
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDBusError, BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError

from tenuto.links.ble_adapter import Radio
from tenuto.links.in_process import InProcessBand
from tenuto.links.scan import HEART_RATE
from tenuto.links.uuids import FIRMWARE_UUID, INBOX_UUID, INFO_UUID, OUTBOX_UUID, SERVICE_UUID
from tenuto_core.host_connection import HostConnection
from tests.daemon.rig import RecordingMotor

if TYPE_CHECKING:
    from collections.abc import Callable

    from bleak.assigned_numbers import CharacteristicPropertyName

LATENCY_S = 0.03
ADVERTISE_S = 0.1
_INSUFFICIENT_ENCRYPTION = 0x0F


def dbus(name: str, text: str = "") -> BleakDBusError:
    """The error that bleak raises for one of BlueZ's."""
    return BleakDBusError(name, [text] if text else [])


class Device:
    """A band on the air.

    Attributes:
        paired: whether BlueZ has a bond; knows_host: whether the band has it.
        accepts_bonds: whether it lets itself be paired.
        bonds_in_vain: whether BlueZ says that a pairing worked, and no bond was made.
        in_reach: whether it is heard and can be connected to.
        is_steady: whether its signal is always the same, so that BlueZ tells of it once in a scan.
        is_cut_early: whether a band that has forgotten its bond is met as by a real kernel, which
            cuts the link before its services are known, and not by an error of ATT.
        is_mute: the link looks well, but nothing passes.
        hangs_on_read: what BlueZ does after a failed pairing.
        missing: characteristics that BlueZ's cache of services does not have.
        write_bytes: what BlueZ tells as the size of a write without response.
        lose: decides which notifications get lost above the radio.
    """

    def __init__(self, air: Air, address: str) -> None:
        self.address = address
        self.band = InProcessBand(RecordingMotor(), name=address)
        self.paired = True
        self.knows_host = True
        self.accepts_bonds = True
        self.bonds_in_vain = False
        self.in_reach = True
        self.is_steady = False
        self.is_cut_early = False
        self.is_mute = False
        self.hangs_on_read = False
        self.missing: set[str] = set()
        self.write_bytes: Callable[[], int] = lambda: 244
        self.lose: Callable[[], bool] = lambda: False
        self.generation = 0
        self.client: FakeClient | None = None
        self._air = air

    def as_ble_device(self) -> BLEDevice:
        props = {"Paired": self.paired, "Bonded": self.paired}
        return BLEDevice(self.address, "band", {"props": props, "generation": self.generation})

    def vanish(self) -> None:
        """BlueZ deletes its object."""
        self.generation += 1

    def drop(self) -> None:
        """The radio loses the link."""
        if self.client is not None:
            self.client.end()


class Air:
    """The bands, what is to go wrong, and what was done.

    Attributes:
        scan_start_s: how long a scan takes to begin; who gives up waiting does not end that.
    """

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.done: list[tuple[float, str]] = []
        self.scanner: FakeScanner | None = None
        self.connecting = 0
        self.scan_start_s = 0.02
        self._faults: dict[str, deque[BaseException]] = defaultdict(deque)
        self._always: dict[str, BaseException] = {}

    def add(self, address: str = "C0:00:00:00:00:01") -> Device:
        self.devices[address] = Device(self, address)
        return self.devices[address]

    def fail(self, operation: str, *errors: BaseException) -> None:
        """Let the next calls of an operation fail, one error each."""
        self._faults[operation] += errors

    def always(self, operation: str, error: BaseException | None) -> None:
        """Let all calls of an operation fail, until it is called with None."""
        if error is None:
            self._always.pop(operation, None)
        else:
            self._always[operation] = error

    def meet(self, operation: str) -> None:
        """Note that an operation is tried; raises what is due."""
        self.done.append((asyncio.get_running_loop().time(), operation))
        if operation in self._always:
            raise self._always[operation]
        if self._faults[operation]:
            raise self._faults[operation].popleft()

    def times(self, operation: str) -> list[float]:
        return [at_s for at_s, what in self.done if what == operation]

    def count(self, operation: str) -> int:
        return len(self.times(operation))

    def radio(self) -> Radio:
        return Radio(
            scanner=type("FakeScanner", (FakeScanner,), {"air": self}),
            client=type("FakeClient", (FakeClient,), {"air": self}),
        )


class FakeScanner(BaseBleakScanner):
    air: Air

    def __init__(self, detection_callback: Any, service_uuids: Any, _mode: str, **_: Any) -> None:
        super().__init__(detection_callback, service_uuids)
        self._task: asyncio.Task[None] | None = None
        self._told: set[str] = set()

    async def start(self) -> None:
        self.air.meet("scan")
        loop = asyncio.get_running_loop()
        begun = loop.create_future()
        # bluetoothd goes on when nobody waits for the answer any more.
        loop.call_later(self.air.scan_start_s, self._begin, begun)
        await begun
        self.seen_devices = {}
        self._task = asyncio.create_task(self._hear(), name="fake scanner")

    def _begin(self, begun: asyncio.Future[None]) -> None:
        is_busy = self.air.scanner is not None or self.air.connecting
        if not is_busy:
            self.air.scanner = self
        if begun.done():
            return
        if is_busy:
            begun.set_exception(dbus("org.bluez.Error.InProgress", "Operation already in progress"))
        else:
            begun.set_result(None)

    async def stop(self) -> None:
        self.air.scanner = None
        if self._task is not None:
            self._task.cancel()
        self.air.meet("scan stop")

    async def _hear(self) -> None:
        while True:
            await asyncio.sleep(ADVERTISE_S)
            for device in self.air.devices.values():
                is_told = device.is_steady and device.address in self._told
                if device.in_reach and device.client is None and not is_told:
                    self._told.add(device.address)
                    self._tell(device)

    def _tell(self, device: Device) -> None:
        told = AdvertisementData(
            "band", {}, {}, [SERVICE_UUID, HEART_RATE], None, -60, (device.address,)
        )
        now = device.as_ble_device()
        heard = self.create_or_update_device(device.address, now.address, now.name, None, told)
        self.call_detection_callbacks(BLEDevice(heard.address, heard.name, now.details), told)


class FakeClient(BaseBleakClient):
    air: Air

    def __init__(self, address_or_ble_device: Any, **kwargs: Any) -> None:
        super().__init__(address_or_ble_device, **kwargs)
        self._ble_device = (
            address_or_ble_device if isinstance(address_or_ble_device, BLEDevice) else None
        )
        self._connected = False
        self._notify: Callable[[bytearray], None] | None = None
        self.peer: HostConnection

    @property
    def device(self) -> Device:
        return self.air.devices[self.address]

    @property
    def name(self) -> str:
        return "band"

    @property
    def mtu_size(self) -> int:
        warnings.warn("Using default MTU value.", stacklevel=2)
        return 23

    @property
    def is_connected(self) -> bool:
        return self._connected

    async def connect(self, pair: bool, **_: Any) -> None:
        del pair
        air, device = self.air, self.device
        if air.scanner is not None or air.connecting:
            raise dbus("org.bluez.Error.InProgress", "Operation already in progress")
        air.connecting += 1
        try:
            assert self._ble_device is not None, "connected to by its address alone"
            if self._ble_device.details["generation"] != device.generation:
                raise BleakError(f"device 'dev_{self.address.replace(':', '_')}' not found")
            await asyncio.sleep(10 * LATENCY_S)
            air.meet("connect")
            if not device.in_reach:
                raise BleakDeviceNotFoundError(self.address, "gone")
            if device.is_cut_early and device.paired and not device.knows_host:
                raise BleakError("failed to discover services, device disconnected")
        except BaseException:
            device.vanish()  # BlueZ deletes what it could not connect to
            raise
        finally:
            air.connecting -= 1
        self.services = self._discover()
        self.peer = HostConnection(device.band.band)
        device.client = self
        self._connected = True
        device.band.links[self] = None  # type: ignore[index]  # all that a band asks of a link

    def _discover(self) -> BleakGATTServiceCollection:
        services = BleakGATTServiceCollection()
        service = BleakGATTService(None, 1, SERVICE_UUID)
        services.add_service(service)
        found: tuple[tuple[str, list[CharacteristicPropertyName]], ...] = (
            (INFO_UUID, ["read"]),
            (INBOX_UUID, ["write", "write-without-response"]),
            (OUTBOX_UUID, ["notify"]),
            (FIRMWARE_UUID, ["read"]),
        )
        for handle, (uuid, properties) in enumerate(found, start=2):
            if uuid not in self.device.missing:
                services.add_characteristic(
                    BleakGATTCharacteristic(
                        uuid, handle, uuid, properties, self.device.write_bytes, service
                    )
                )
        return services

    def end(self) -> None:
        """The link is gone."""
        if self._connected:
            self._connected = False
            self.services = None
            self._notify = None
            self.device.client = None
            self.device.band.links.pop(self, None)  # type: ignore[call-overload]
            if self._disconnected_callback is not None:
                self._disconnected_callback()

    async def disconnect(self) -> None:
        if not self._connected:
            return
        loop = asyncio.get_running_loop()
        parted = loop.create_future()
        # bluetoothd's own timer, which goes on when nobody waits for it any more.
        loop.call_later(2.5, self._part, parted)
        await parted
        self.air.meet("disconnect")

    def _part(self, parted: asyncio.Future[None]) -> None:
        self.end()
        if not parted.done():
            parted.set_result(None)

    async def pair(self, *_args: Any, **_: Any) -> None:
        await asyncio.sleep(10 * LATENCY_S)
        self.air.meet("pair")
        if self.device.paired or self.device.bonds_in_vain:
            return
        if not self.device.accepts_bonds:
            raise dbus("org.bluez.Error.AuthenticationFailed", "Authentication Failed")
        self.device.paired = self.device.knows_host = True

    async def unpair(self) -> None:
        self.air.meet("unpair")
        self.device.paired = False
        self.device.missing.clear()
        self.device.vanish()
        self.end()

    async def _guard(self, operation: str) -> None:
        if not self._connected:
            raise BleakError("Service Discovery has not been performed yet")
        await asyncio.sleep(2 * LATENCY_S)
        self.air.meet(operation)

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_: Any) -> bytearray:
        await self._guard("read")
        if characteristic.uuid == FIRMWARE_UUID:
            return bytearray(b"0.1.0")
        if self.device.hangs_on_read:
            await asyncio.sleep(80)
        if not (self.device.paired and self.device.knows_host):
            raise BleakGATTProtocolError(_INSUFFICIENT_ENCRYPTION)
        return bytearray(b"info")

    async def read_gatt_descriptor(self, *_args: Any, **_: Any) -> bytearray:
        raise NotImplementedError

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: Any, response: bool
    ) -> None:
        del characteristic
        await self._guard("write")
        if not response and len(data) > self.device.write_bytes():
            raise dbus("org.bluez.Error.Failed", "Failed to initiate write")
        if self.device.is_mute:
            return
        device, packet, peer = self.device, bytes(data), self.peer

        def arrive() -> None:
            if device.client is self:
                peer.receive(packet, device.band.now_ms)
                device.band.poke()

        asyncio.get_running_loop().call_later(LATENCY_S, arrive)

    async def write_gatt_descriptor(self, *_args: Any, **_: Any) -> None:
        raise NotImplementedError

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Any, **_: Any
    ) -> None:
        del characteristic
        await self._guard("notify")
        self._notify = callback

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        del characteristic

    def pump(self, now_ms: int) -> None:
        """Send what the band has to say; called by it."""
        loop = asyncio.get_running_loop()
        while packet := self.peer.pull(244, now_ms):
            if not (self.device.is_mute or self.device.lose()):
                loop.call_later(LATENCY_S, self._deliver, packet)

    def _deliver(self, packet: bytes) -> None:
        if self._notify is not None:
            self._notify(bytearray(packet))


def every(count: int) -> Callable[[], bool]:
    """Lose one of so many."""
    numbers = itertools.count(1)
    return lambda: next(numbers) % count == 0
