# SPDX-License-Identifier: MIT
"""A simulated ESPHome Bluetooth proxy: its native API in front of a radio in the simulated air.

    proxy = await world.add_proxy("room-a", place=0)
    server = await proxy.listen("127.0.0.1", 6053)    # for other programs
    sock = proxy.dial()                               # within this process, also in virtual time

It behaves as ESPHome 2026.6 does where that matters to who connects through it: one subscriber at
a time, three connections, one attempt at a time during which it does not scan, advertisements in
batches, bonds of its own, errors of GATT as numbers, services sent once in a connection. Its faults
are those that its users have reported; see `ProxyFaults`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from aioesphomeapi import api_pb2 as pb
from aioesphomeapi.model import BluetoothProxyFeature
from bumble import att, core, hci
from bumble.device import ConnectionParametersPreferences, Peer

from tenuto.retry import describe_failure

from .controller import power_on_device
from .esphome_frames import FrameError, NoiseFrames, PlainFrames

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from bumble.device import Advertisement, Connection, Device
    from google.protobuf.message import Message

    from .controller import VirtualController
    from .esphome_frames import Frames
    from .radio import Radio

_log = logging.getLogger(__name__)

SLOTS = 3
BATCH_S = 0.1
BATCH_MAX = 16
CONNECT_TIMEOUT_S = 20.0
FAIL_AFTER_S = 2.0
ATT_MTU = 517
INTERVAL_MS = 11.25
SUPERVISION_MS = 8_000
CLIENTS_MAX = 4
DEVICES_MAX = 500
FEATURES = (
    BluetoothProxyFeature.PASSIVE_SCAN
    | BluetoothProxyFeature.ACTIVE_CONNECTIONS
    | BluetoothProxyFeature.REMOTE_CACHING
    | BluetoothProxyFeature.PAIRING
    | BluetoothProxyFeature.CACHE_CLEARING
    | BluetoothProxyFeature.RAW_ADVERTISEMENTS
    | BluetoothProxyFeature.FEATURE_STATE_AND_MODE
)
_FAILED_TO_ESTABLISH = 0x3E
_NO_CONNECTION = -1
_LINK = {
    hci.Phy.LE_1M: ConnectionParametersPreferences(
        connection_interval_min=INTERVAL_MS,
        connection_interval_max=INTERVAL_MS,
        supervision_timeout=SUPERVISION_MS,
    )
}


@dataclass
class ProxyFaults:
    """What is wrong with a proxy.

    Attributes:
        fails_connects: It hears well, and no connection comes about.
        ignores_connects: It never answers a request to connect.
        leaks_slots: A connection that has ended keeps its slot (ESPHome's DISCONNECTING), until
            whoever subscribed is gone.
        never_serves: Somebody else has subscribed, such as Home Assistant.
    """

    fails_connects: bool = False
    ignores_connects: bool = False
    leaks_slots: bool = False
    never_serves: bool = False

    def clear(self) -> None:
        """Mend everything."""
        self.fails_connects = self.ignores_connects = False
        self.leaks_slots = self.never_serves = False


class _End(socket.socket):
    """One end of a socket pair, which passes for TCP with a client that sets TCP's options."""

    def setsockopt(self, level: int, *args: Any) -> None:  # noqa: ANN401
        if level != socket.IPPROTO_TCP:
            super().setsockopt(level, *args)

    def getpeername(self) -> tuple[str, int]:
        return ("127.0.0.1", 6053)


@dataclass(eq=False)
class _Slot:
    """One connection through the proxy."""

    connection: Connection
    peer: Peer


class _Client(asyncio.Protocol):
    """One program that is connected to the proxy."""

    def __init__(self, proxy: SimulatedProxy) -> None:
        self._proxy = proxy
        self._frames: Frames = proxy.frames()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._proxy.on_client(self)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._frames.feed(data):
                self._flush()
                self._proxy.on_message(self, message)
        except FrameError as error:
            _log.info("proxy=%s %s", self._proxy.name, error)
            self._flush()
            self.close()
        self._flush()

    def _flush(self) -> None:
        if self._transport is not None and self._frames.answer:
            self._transport.write(bytes(self._frames.answer))
        self._frames.answer.clear()

    def send(self, message: Message) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._frames.pack(message))

    def close(self) -> None:
        """Hang up, after what was sent has gone out."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Vanish, as at a power cut."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._proxy.on_client_gone(self)


def _number(address: hci.Address) -> int:
    return int.from_bytes(bytes(address)[::-1], "big")


def _uuid_halves(of: core.UUID) -> list[int]:
    number = uuid.UUID(bytes=bytes(reversed(of.to_bytes(force_128=True)))).int
    return [number >> 64, number & (1 << 64) - 1]


class SimulatedProxy:
    """An ESPHome device with `bluetooth_proxy`.  Made by `World.add_proxy`.

    Args:
        radio: The air.
        name: What it is called, such as `room-a`.
        address: Of its Bluetooth radio.
        slots: How many connections it carries.
        key: Its encryption key in base64, None for a proxy without encryption.

    Attributes:
        faults: What is wrong with it.
        connects: How many connections it was asked for.
    """

    def __init__(
        self, radio: Radio, name: str, address: str, *, slots: int = SLOTS, key: str | None = None
    ) -> None:
        self.name = name
        self.address = address
        self.slots = slots
        self.key = key
        self.faults = ProxyFaults()
        self.connects = 0
        self._radio = radio
        self._device: Device | None = None
        self._controller: VirtualController | None = None
        self._keystore: Any = None
        self._clients: list[_Client] = []
        self._subscriber: _Client | None = None
        self._heard: dict[int, hci.Address] = {}
        self._batch: list[pb.BluetoothLERawAdvertisement] = []
        self._flush_timer: asyncio.TimerHandle | None = None
        self._open: dict[int, _Slot] = {}
        self._pending: dict[int, asyncio.Task[None]] = {}
        self._leaked: set[int] = set()
        self._connecting = asyncio.Lock()
        self._attempting: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- its life

    @property
    def is_on(self) -> bool:
        """Whether it has power."""
        return self._device is not None

    @property
    def links(self) -> int:
        """How many connections it carries now."""
        return len(self._open)

    async def boot(self) -> None:
        """Give it power; nothing if it has."""
        if self._device is not None:
            return
        device, controller = await power_on_device(
            self._radio,
            self.name,
            self.address,
            secure_connections=True,
            keystore=self._keystore,
        )
        self._keystore = device.keystore
        device.on("advertisement", self._on_advertisement)
        await device.start_scanning(active=True, filter_duplicates=False)
        self._device, self._controller = device, controller

    async def unplug(self) -> None:
        """Cut its power: whoever is connected hears nothing more.  Its bonds are in its flash."""
        device, self._device = self._device, None
        if device is None or self._controller is None:
            return
        for client in list(self._clients):
            client.abort()
        self._clients.clear()
        self._subscriber = None
        tasks = [*self._tasks, *self._pending.values()]
        for task in tasks:
            task.cancel()
        self._open.clear()
        self._leaked.clear()
        self._heard.clear()
        self._batch.clear()
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        self._controller.power_off()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pending.clear()

    async def reboot(self, off_s: float = 8.0) -> None:
        """Restart it, which takes a while."""
        await self.unplug()
        await asyncio.sleep(off_s)
        await self.boot()

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Serve other programs; the server is the caller's to close.

        Raises:
            OSError: It cannot listen there.
        """
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Client(self), host, port)

    async def dial(self) -> socket.socket:
        """Connect to it within this process.

        Raises:
            ConnectionRefusedError: It has no power.
        """
        if self._device is None:
            raise ConnectionRefusedError(f"{self.name} does not answer")
        ends = socket.socketpair()
        for end in ends:
            end.setblocking(False)  # noqa: FBT003 - its only argument
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: _Client(self), ends[0])
        return _End(fileno=ends[1].detach())

    # --- programs

    def frames(self) -> Frames:
        """Return the frames of a new connection."""
        if self.key is None:
            return PlainFrames()
        return NoiseFrames(self.key, self.name, self.address)

    def on_client(self, client: _Client) -> None:
        """Take in a program; one too many is refused."""
        if self._device is None or len(self._clients) >= CLIENTS_MAX:
            client.abort()
        else:
            self._clients.append(client)

    def on_client_gone(self, client: _Client) -> None:
        """End what was there for a program that has gone."""
        if client in self._clients:
            self._clients.remove(client)
        if client is self._subscriber:
            self._subscriber = None
            self._leaked.clear()
            for address in list(self._open):
                self._run(self._disconnect(address), "disconnect")

    def on_message(self, client: _Client, message: Message) -> None:
        """Do what a program asks for."""
        answer = _ANSWERS.get(type(message))
        if answer is not None:
            answer(self, client, message)
            return
        # As in ESPHome: whoever has not subscribed gets no answer.
        work = _WORK.get(type(message))
        if work is not None and client is self._subscriber:
            self._run(work(self, message), type(message).__name__)

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(self._guarded(work), name=f"{self.name} {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - a link went in the middle of something
            _log.info("proxy=%s %s", self.name, describe_failure(error))

    def _tell(self, message: Message) -> None:
        if self._subscriber is not None:
            self._subscriber.send(message)

    def _tell_free(self) -> None:
        self._tell(self._free())

    def _free(self) -> pb.BluetoothConnectionsFreeResponse:
        taken = list(dict.fromkeys((*self._open, *self._pending, *self._leaked)))
        return pb.BluetoothConnectionsFreeResponse(
            free=max(0, self.slots - len(taken)), limit=self.slots, allocated=taken
        )

    # --- answers that need no radio

    def _hello(self, client: _Client, _message: Message) -> None:
        client.send(
            pb.HelloResponse(
                api_version_major=1, api_version_minor=14, server_info="simulated", name=self.name
            )
        )

    def _device_info(self, client: _Client, _message: Message) -> None:
        client.send(
            pb.DeviceInfoResponse(
                name=self.name,
                mac_address=self.address,
                bluetooth_mac_address=self.address,
                esphome_version="2026.6.5",
                bluetooth_proxy_feature_flags=FEATURES,
                model="simulated",
                api_encryption_supported=self.key is not None,
            )
        )

    def _disconnect_program(self, client: _Client, _message: Message) -> None:
        client.send(pb.DisconnectResponse())
        client.close()

    def _subscribe(self, client: _Client, _message: Message) -> None:
        if self.faults.never_serves or self._subscriber not in (None, client):
            _log.info("proxy=%s only one API subscription is allowed at a time", self.name)
            return
        self._subscriber = client
        self._tell_state(client, None)
        self._tell_free()

    def _unsubscribe(self, client: _Client, _message: Message) -> None:
        if client is self._subscriber:
            self._subscriber = None

    def _tell_state(self, client: _Client, _message: Message | None) -> None:
        client.send(
            pb.BluetoothScannerStateResponse(
                state=pb.BLUETOOTH_SCANNER_STATE_RUNNING,
                mode=pb.BLUETOOTH_SCANNER_MODE_ACTIVE,
                configured_mode=pb.BLUETOOTH_SCANNER_MODE_ACTIVE,
            )
        )

    def _subscribe_free(self, client: _Client, _message: Message) -> None:
        client.send(self._free())

    # --- hearing

    def _on_advertisement(self, advertisement: Advertisement) -> None:
        if self._subscriber is None or self._connecting.locked():
            return
        address = advertisement.address
        number = _number(address)
        self._heard.pop(number, None)
        self._heard[number] = address
        if len(self._heard) > DEVICES_MAX:
            del self._heard[next(iter(self._heard))]
        self._batch.append(
            pb.BluetoothLERawAdvertisement(
                address=number,
                rssi=advertisement.rssi,
                address_type=0 if address.is_public else 1,
                data=bytes(advertisement.data)[:62],
            )
        )
        if len(self._batch) >= BATCH_MAX:
            self._flush()
        elif self._flush_timer is None:
            loop = asyncio.get_running_loop()
            self._flush_timer = loop.call_later(BATCH_S, self._flush)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if self._batch:
            self._tell(pb.BluetoothLERawAdvertisementsResponse(advertisements=self._batch))
            self._batch.clear()

    # --- connections

    async def _device_request(self, message: pb.BluetoothDeviceRequest) -> None:
        kind = message.request_type
        if kind in _CONNECTS:
            self._connect(message.address, discovers=kind == _WITHOUT_CACHE)
        elif kind == pb.BLUETOOTH_DEVICE_REQUEST_TYPE_DISCONNECT:
            await self._disconnect(message.address)
        elif kind == pb.BLUETOOTH_DEVICE_REQUEST_TYPE_PAIR:
            paired = await self._pair(message.address)
            self._tell(
                pb.BluetoothDevicePairingResponse(
                    address=message.address, paired=paired, error=0 if paired else 97
                )
            )
        elif kind == pb.BLUETOOTH_DEVICE_REQUEST_TYPE_UNPAIR:
            address = self._heard.get(message.address)
            if address is not None and self._keystore is not None:
                with contextlib.suppress(KeyError):
                    await self._keystore.delete(str(address))
            self._tell(pb.BluetoothDeviceUnpairingResponse(address=message.address, success=True))
        elif kind == pb.BLUETOOTH_DEVICE_REQUEST_TYPE_CLEAR_CACHE:
            self._tell(pb.BluetoothDeviceClearCacheResponse(address=message.address, success=True))

    def _connect(self, number: int, *, discovers: bool) -> None:
        self.connects += 1
        if self.faults.ignores_connects or number in self._leaked:
            return
        is_full = self._free().free == 0
        if number not in self._heard or number in self._pending or is_full:
            self._tell_failure(number)
            return
        task = asyncio.create_task(
            self._attempt(number, discovers=discovers), name=f"{self.name} connect"
        )
        self._pending[number] = task
        task.add_done_callback(partial(self._attempted, number))
        self._tell_free()

    def _attempted(self, number: int, task: asyncio.Task[None]) -> None:
        self._pending.pop(number, None)
        if not task.cancelled() and task.exception() is not None:
            _log.info("proxy=%s connect: %r", self.name, task.exception())
        if self._device is not None and number not in self._open:
            self._tell_failure(number)
        self._tell_free()

    def _tell_failure(self, number: int) -> None:
        self._tell(
            pb.BluetoothDeviceConnectionResponse(
                address=number, connected=False, error=_FAILED_TO_ESTABLISH
            )
        )

    async def _attempt(self, number: int, *, discovers: bool) -> None:
        async with self._connecting:
            device = self._device
            if device is None:
                return
            if self.faults.fails_connects:
                await asyncio.sleep(FAIL_AFTER_S)
                return
            self._attempting = number
            try:
                connection = await device.connect(
                    self._heard[number],
                    connection_parameters_preferences=_LINK,
                    timeout=CONNECT_TIMEOUT_S,
                )
            except (core.BaseBumbleError, hci.HCI_Error, TimeoutError) as error:
                _log.info("proxy=%s connect: %r", self.name, error)
                return
            finally:
                self._attempting = None
        slot = self._open[number] = _Slot(connection, Peer(connection))
        connection.on(connection.EVENT_DISCONNECTION, partial(self._gone, number))
        try:
            mtu = await slot.peer.request_mtu(ATT_MTU)
            # As ESPHome does, which tells of a connection only then.
            if discovers:
                await slot.peer.discover_all()  # type: ignore[no-untyped-call]
        except (core.BaseBumbleError, TimeoutError):
            return  # it went at once, and that was told
        self._tell(pb.BluetoothDeviceConnectionResponse(address=number, connected=True, mtu=mtu))

    def _gone(self, number: int, reason: int) -> None:
        if self._open.pop(number, None) is None or self._device is None:
            return
        if self.faults.leaks_slots:
            self._leaked.add(number)
        self._tell(
            pb.BluetoothDeviceConnectionResponse(address=number, connected=False, error=reason)
        )
        self._tell_free()

    async def _disconnect(self, number: int) -> None:
        pending = self._pending.get(number)
        if pending is not None and number not in self._open:
            if self._attempting == number and self._device is not None:
                # The controller has to be told, or the connection comes about all the same.
                await self._device.cancel_connection()  # type: ignore[no-untyped-call]
            else:
                pending.cancel()
            return
        slot = self._open.get(number)
        if slot is None:
            self._tell(pb.BluetoothDeviceConnectionResponse(address=number, connected=False))
            return
        with contextlib.suppress(core.BaseBumbleError, hci.HCI_Error, TimeoutError):
            async with asyncio.timeout(SUPERVISION_MS / 1000):
                await slot.connection.disconnect()

    async def _pair(self, number: int) -> bool:
        slot = self._open.get(number)
        if slot is None:
            return False
        connection = slot.connection
        try:
            if connection.is_encrypted:
                return True
            if await self._keystore.get(str(connection.peer_address)) is not None:
                await connection.encrypt()
            else:
                await connection.pair()
        except (core.BaseBumbleError, hci.HCI_Error, TimeoutError, asyncio.CancelledError) as error:
            if self._device is None:
                raise
            _log.info("proxy=%s pair: %r", self.name, error)
            return False
        return True

    # --- GATT

    async def _get_services(self, message: pb.BluetoothGATTGetServicesRequest) -> None:
        slot = self._open.get(message.address)
        if slot is None:
            self._tell_gatt_error(message, _NO_CONNECTION)
            return
        for service in slot.peer.services:
            told = pb.BluetoothGATTGetServicesResponse(address=message.address)
            one = told.services.add(uuid=_uuid_halves(service.uuid), handle=service.handle)
            for characteristic in service.characteristics:
                two = one.characteristics.add(
                    uuid=_uuid_halves(characteristic.uuid),
                    handle=characteristic.handle,
                    properties=int(characteristic.properties),
                )
                for descriptor in characteristic.descriptors:
                    two.descriptors.add(
                        uuid=_uuid_halves(descriptor.type), handle=descriptor.handle
                    )
            self._tell(told)
        self._tell(pb.BluetoothGATTGetServicesDoneResponse(address=message.address))

    def _tell_gatt_error(self, message: Any, error: int) -> None:  # noqa: ANN401 - of any request
        handle = getattr(message, "handle", 0)
        self._tell(
            pb.BluetoothGATTErrorResponse(address=message.address, handle=handle, error=error)
        )

    async def _gatt(
        self,
        message: Any,  # noqa: ANN401 - any request with an address and a handle
        work: Callable[[Any], Awaitable[Any]],
        answer: Callable[[Any], Message] | None,
    ) -> None:
        slot = self._open.get(message.address)
        if slot is None:
            self._tell_gatt_error(message, _NO_CONNECTION)
            return
        try:
            value = await work(slot.peer.gatt_client)
        except att.ATT_Error as error:
            self._tell_gatt_error(message, int(error.error_code))
        except (core.BaseBumbleError, TimeoutError, asyncio.CancelledError):
            if self._device is None:
                raise
            self._tell_gatt_error(message, _NO_CONNECTION)
        else:
            if answer is not None:
                self._tell(answer(value))

    async def _read(self, message: pb.BluetoothGATTReadRequest) -> None:
        await self._gatt(
            message,
            lambda client: client.read_value(message.handle),
            lambda value: pb.BluetoothGATTReadResponse(
                address=message.address, handle=message.handle, data=bytes(value)
            ),
        )

    async def _write(self, message: pb.BluetoothGATTWriteRequest) -> None:
        answer = pb.BluetoothGATTWriteResponse(address=message.address, handle=message.handle)
        await self._gatt(
            message,
            lambda client: client.write_value(
                message.handle, message.data, with_response=message.response
            ),
            (lambda _value: answer) if message.response else None,
        )

    async def _write_descriptor(self, message: pb.BluetoothGATTWriteDescriptorRequest) -> None:
        answer = pb.BluetoothGATTWriteResponse(address=message.address, handle=message.handle)
        await self._gatt(
            message,
            lambda client: client.write_value(message.handle, message.data, with_response=True),
            lambda _value: answer,
        )

    async def _notify(self, message: pb.BluetoothGATTNotifyRequest) -> None:
        """Pass on notifications, or no more; the descriptor is the client's to write."""
        slot = self._open.get(message.address)
        if slot is None:
            self._tell_gatt_error(message, _NO_CONNECTION)
            return

        def pass_on(value: bytes) -> None:
            self._tell(
                pb.BluetoothGATTNotifyDataResponse(
                    address=message.address, handle=message.handle, data=bytes(value)
                )
            )

        for kind in ("notification_subscribers", "indication_subscribers"):
            subscribers = getattr(slot.peer.gatt_client, kind)
            if message.enable:
                subscribers[message.handle] = {pass_on}
            else:
                subscribers.pop(message.handle, None)
        self._tell(pb.BluetoothGATTNotifyResponse(address=message.address, handle=message.handle))


_WITHOUT_CACHE = pb.BLUETOOTH_DEVICE_REQUEST_TYPE_CONNECT_V3_WITHOUT_CACHE
_CONNECTS = frozenset({pb.BLUETOOTH_DEVICE_REQUEST_TYPE_CONNECT_V3_WITH_CACHE, _WITHOUT_CACHE})
_ANSWERS: dict[type, Callable[[SimulatedProxy, _Client, Any], None]] = {
    pb.HelloRequest: SimulatedProxy._hello,
    pb.AuthenticationRequest: lambda _proxy, client, _message: client.send(
        pb.AuthenticationResponse()
    ),
    pb.PingRequest: lambda _proxy, client, _message: client.send(pb.PingResponse()),
    pb.DisconnectRequest: SimulatedProxy._disconnect_program,
    pb.DeviceInfoRequest: SimulatedProxy._device_info,
    pb.ListEntitiesRequest: lambda _proxy, client, _message: client.send(
        pb.ListEntitiesDoneResponse()
    ),
    pb.SubscribeBluetoothLEAdvertisementsRequest: SimulatedProxy._subscribe,
    pb.UnsubscribeBluetoothLEAdvertisementsRequest: SimulatedProxy._unsubscribe,
    pb.SubscribeBluetoothConnectionsFreeRequest: SimulatedProxy._subscribe_free,
    pb.BluetoothScannerSetModeRequest: SimulatedProxy._tell_state,
}
"""What is answered at once, whoever asks."""
_WORK: dict[type, Callable[[SimulatedProxy, Any], Coroutine[Any, Any, None]]] = {
    pb.BluetoothDeviceRequest: SimulatedProxy._device_request,
    pb.BluetoothGATTGetServicesRequest: SimulatedProxy._get_services,
    pb.BluetoothGATTReadRequest: SimulatedProxy._read,
    pb.BluetoothGATTReadDescriptorRequest: SimulatedProxy._read,
    pb.BluetoothGATTWriteRequest: SimulatedProxy._write,
    pb.BluetoothGATTWriteDescriptorRequest: SimulatedProxy._write_descriptor,
    pb.BluetoothGATTNotifyRequest: SimulatedProxy._notify,
}
"""What only the subscriber may ask for."""
