# SPDX-License-Identifier: MIT
# ruff: noqa: ANN401 - bleak hands backends the options of all backends
"""A bleak backend whose radio is a bumble device.

It serves two purposes. A host without Bluetooth can use a microcontroller that speaks HCI over
USB or UART as its radio (`bumble:serial:/dev/ttyACM0,1000000,rtscts`; the part after `bumble:` is
a bumble transport). And on a simulated radio, the code that runs on real adapters is tested as it
is, for above bleak nothing knows the difference.

    adapter = await BumbleAdapter.open_transport("usb:0", Path("~/keys.json").expanduser())
    device = await BleakScanner.find_device_by_name("band", backend=adapter.scanner_backend)
    async with BleakClient(device, backend=adapter.client_backend) as client:
        ...

It behaves as bleak does on BlueZ where that is worth having: a bond is used as soon as a link is
up, and a request that is refused for want of encryption is repeated once when there is a bond.
Bonds are made without asking anybody (Just Works).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import UUID

from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)
from bleak.uuids import normalize_uuid_str
from bumble import att, core, hci
from bumble.core import AdvertisingData
from bumble.device import (
    Advertisement,
    Connection,
    ConnectionParametersPreferences,
    Device,
    DeviceConfiguration,
    Peer,
)
from bumble.keys import JsonKeyStore
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport import open_transport

from tenuto.files import read_text, write_private

from .bumble_fast_path import QuietDevice, QuietHost, write_command

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from bleak.args import SizedBuffer
    from bleak.backends.client import NotifyCallback
    from bleak.backends.scanner import AdvertisementDataCallback
    from bumble.host import DataPacketQueue
    from bumble.transport.common import Transport

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

ATT_MTU = 517
ATT_HEADER_BYTES = 3
ATT_TIMEOUT_S = 30.0
"""After it no more requests may be sent on the link (Core Specification, Vol 3 Part F 3.3.3)."""
PAIRING_TIMEOUT_S = 30.0  # Core Specification, Vol 3 Part H 3.4
HCI_TIMEOUT_S = 5.0
OPEN_TIMEOUT_S = 10.0
DISCONNECT_TIMEOUT_S = 10.0
PACKETS_QUEUED_MAX = 32
ADDRESSES_KNOWN_MAX = 1000
"""Of each kind that is kept: anybody can shout from a new address with each packet."""

_ADAPTERS = "adapters"
"""In the file of bonds, among addresses."""

_SECURITY_ERRORS = frozenset(
    {int(att.ATT_INSUFFICIENT_AUTHENTICATION_ERROR), int(att.ATT_INSUFFICIENT_ENCRYPTION_ERROR)}
)
_CCCD_UUID = normalize_uuid_str("2902")
_UUID_LISTS = {
    AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    AdvertisingData.Type.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    AdvertisingData.Type.COMPLETE_LIST_OF_32_BIT_SERVICE_CLASS_UUIDS: 4,
    AdvertisingData.Type.INCOMPLETE_LIST_OF_32_BIT_SERVICE_CLASS_UUIDS: 4,
    AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
    AdvertisingData.Type.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
}
_SERVICE_DATA = {
    AdvertisingData.Type.SERVICE_DATA_16_BIT_UUID: 2,
    AdvertisingData.Type.SERVICE_DATA_32_BIT_UUID: 4,
    AdvertisingData.Type.SERVICE_DATA_128_BIT_UUID: 16,
}


def _uuid_text(data: bytes) -> str:
    """Return a UUID of 2, 4 or 16 bytes, little-endian, as bleak writes it."""
    text = data[::-1].hex()
    return normalize_uuid_str(text if len(data) < 16 else str(UUID(text)))


def _uuid(uuid: core.UUID) -> str:
    return _uuid_text(uuid.to_bytes())


def _uuids(data: bytes, size: int) -> list[str]:
    """Return the UUIDs of a list; an incomplete one at its end is no more than noise."""
    return [_uuid_text(data[at : at + size]) for at in range(0, len(data) - size + 1, size)]


def _name(data: Any) -> str | None:
    """Return the name that is told; a byte that is no UTF-8, as of Latin-1, hides no device."""
    for kind in (
        AdvertisingData.Type.COMPLETE_LOCAL_NAME,
        AdvertisingData.Type.SHORTENED_LOCAL_NAME,
    ):
        name: bytes | None = data.get(kind, raw=True)
        if name:
            return name.decode("utf-8", errors="replace")
    return None


def _plain(address: hci.Address) -> str:
    return address.to_string(with_type_qualifier=False)


class PrivateKeyStore(JsonKeyStore):
    """Bonds of one adapter in a JSON file that only its owner can read.

    The keys in it let anybody impersonate either side, so the file is made with mode 0600 and is
    given that mode if it is there with another. All adapters share it: it has the bonds of each
    under the adapter's address, and under `adapters` the address of each adapter by its name.

    Args:
        namespace: The address of the adapter.
        path: The file; need not be there.
        adapter: The name of the adapter.

    Raises:
        BleakError: The file is there but is no file of bonds.
    """

    def __init__(self, namespace: str, path: Path, adapter: str) -> None:
        super().__init__(namespace, str(path))
        self._adapter = adapter
        self._read(path)  # a broken file must be told of now, not in the middle of a session
        with contextlib.suppress(FileNotFoundError):
            path.chmod(0o600)

    @classmethod
    def of_adapter(cls, path: Path, adapter: str, configured: Iterable[str]) -> Self:
        """Return the bonds of an adapter, under the address that its peers know it by.

        An address stays with the name of its adapter. An address may belong to no configured
        adapter: the port has another name now, or the file is older than the names in it. Such
        addresses go to the configured adapters that have none, the first to the first and so on,
        so that the order in which adapters are opened does not matter. What is left gets a new one.

        Args:
            path: The file.
            adapter: The name of the adapter.
            configured: The names of all adapters that share the file, always in the same order.

        Raises:
            BleakError: The file is there but is no file of bonds.
        """
        names = dict.fromkeys((*configured, adapter))
        addresses, owners = cls._read(path)
        owned = {name: owners[name] for name in names if owners.get(name) in addresses}
        free = [address for address in addresses if address not in owned.values()]
        owned |= zip([name for name in names if name not in owned], free, strict=False)
        address = owned.get(adapter) or _plain(hci.Address.generate_static_address())
        return cls(address, path, adapter)

    @staticmethod
    def _read(path: Path) -> tuple[list[str], dict[str, str]]:
        """Return the addresses that have bonds, and the addresses of adapters by their names."""
        try:
            content = json.loads(read_text(path))
        except FileNotFoundError:
            return [], {}
        except ValueError as error:
            raise BleakError(f"{path} is no file of Bluetooth bonds: {error}") from error
        if not isinstance(content, dict):
            raise BleakError(f"{path} is no file of Bluetooth bonds: it has no object")
        owners = content.pop(_ADAPTERS, {})
        if not isinstance(owners, dict):
            raise BleakError(f"{path} is no file of Bluetooth bonds: `{_ADAPTERS}` is no object")
        return list(content), owners

    async def note_adapter(self) -> None:
        """Write down whose address it is, if there are bonds in the file and it does not say so.

        Raises:
            OSError: It cannot be written.
        """
        addresses, owners = self._read(Path(self.filename))
        if addresses and owners.get(self._adapter) != self.namespace:
            db, _ = await self.load()
            await self.save(db)

    async def delete(self, name: str) -> None:
        """Forget a peer; nothing if it is not known."""
        if await self.get(name) is not None:
            await super().delete(name)

    async def save(self, db: dict[str, dict[str, dict[str, Any]]]) -> None:
        """Write the file anew, in whole or not at all, with the adapter as the address's owner."""
        owners: dict[str, Any] = db.get(_ADAPTERS, {})
        others = {name: address for name, address in owners.items() if address != self.namespace}
        db[_ADAPTERS] = others | {self._adapter: self.namespace}
        write_private(Path(self.filename), json.dumps(db, sort_keys=True))


@dataclass(frozen=True, slots=True)
class _Attribute:
    """What discovery found: a service, a characteristic or a descriptor."""

    handle: int
    uuid: str
    properties: int = 0
    children: tuple[_Attribute, ...] = ()


class _Subscribers(dict[int, set[Any]]):
    """Who wants which notification.

    A bonded peer remembers subscriptions from earlier connections and notifies before anybody has
    asked for it in this one, which bumble would complain about.
    """

    def get(self, handle: int, _default: Any = None) -> Any:
        return super().get(handle) or {_ignore}


def _ignore(_value: bytes) -> None:
    pass


class _Link:
    """One connection, its operations under way, and the news of its end."""

    def __init__(self, adapter: BumbleAdapter, connection: Connection) -> None:
        self.connection = connection
        self.peer = Peer(connection)
        self.peer.gatt_client.notification_subscribers = _Subscribers()
        self.peer.gatt_client.indication_subscribers = _Subscribers()
        self.reason: int | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_lost: Callable[[], None] | None = None
        self._adapter = adapter
        self._closing: asyncio.Task[None] | None = None
        self._operations: set[asyncio.Task[Any]] = set()
        adapter.links.add(self)
        connection.on(connection.EVENT_DISCONNECTION, self.end)

    @property
    def is_alive(self) -> bool:
        return not self.lost.done()

    def end(self, reason: int | None) -> None:
        """Note that the connection is gone; None for the loss of the adapter."""
        if self.lost.done():
            return
        self.reason = reason
        self.lost.set_result(None)
        self._adapter.links.discard(self)
        # Not at once: bumble's own listeners come after us and expect their futures pending.
        for operation in self._operations:
            asyncio.get_running_loop().call_soon(operation.cancel)
        if self.on_lost is not None:
            self.on_lost()

    def describe_loss(self) -> str:
        if self.reason is None:
            return "the Bluetooth adapter is gone"
        try:
            name = hci.HCI_ErrorCode(self.reason).name.lower().replace("_", " ")
        except ValueError:
            name = "unknown"
        return f"disconnected (0x{self.reason:02X}, {name})"

    async def run(
        self, what: str, coroutine: Coroutine[Any, Any, _T], timeout_s: float = ATT_TIMEOUT_S
    ) -> _T:
        """Run one operation on the link to its end, or to the end of the link.

        A caller that is cancelled leaves the operation running: an ATT request cannot be taken
        back, and its late answer would be taken for the answer to the next one.

        Raises:
            BleakError: The link was lost, or the peer did not answer in time, in which case the
                link is given up.
        """
        if not self.is_alive:
            coroutine.close()
            raise BleakError(self.describe_loss())
        operation = asyncio.get_running_loop().create_task(
            coroutine, name=f"bumble.{what}.{_plain(self.connection.peer_address)}"
        )
        self._operations.add(operation)
        operation.add_done_callback(self._on_operation_done)
        await asyncio.wait(
            (operation, self.lost), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        is_late = not operation.done()
        if not is_late and not operation.cancelled():
            return operation.result()
        if is_late and self.is_alive:
            operation.cancel()
            await self.disconnect()
            raise BleakError(f"no answer to {what} in {timeout_s:g} s; disconnected")
        # Bumble cancels what waits for a peer that is gone, possibly before we are told of it.
        raise BleakError(self.describe_loss() if self.lost.done() else "disconnected")

    async def disconnect(self) -> None:
        """End the connection and wait until it is gone; never raises."""
        self.begin_disconnect()
        await asyncio.wait((self.lost,))

    def begin_disconnect(self) -> None:
        """End the connection in the background; `lost` tells when it is gone."""
        if self._closing is None and self.is_alive:
            self._closing = asyncio.get_running_loop().create_task(
                self._disconnect(), name=f"bumble.close.{_plain(self.connection.peer_address)}"
            )

    @property
    def is_closing(self) -> bool:
        return self._closing is not None

    async def _disconnect(self) -> None:
        closing = asyncio.get_running_loop().create_task(
            self.connection.disconnect(),
            name=f"bumble.disconnect.{_plain(self.connection.peer_address)}",
        )
        self._operations.add(closing)
        closing.add_done_callback(self._on_operation_done)
        await asyncio.wait((self.lost,), timeout=DISCONNECT_TIMEOUT_S)
        if self.is_alive:
            _log.warning(
                "no end of the connection to %s in %g s; taken for gone",
                _plain(self.connection.peer_address),
                DISCONNECT_TIMEOUT_S,
            )
            self.end(hci.HCI_ErrorCode.CONNECTION_TERMINATED_BY_LOCAL_HOST_ERROR)

    def _on_operation_done(self, operation: asyncio.Task[Any]) -> None:
        self._operations.discard(operation)
        if not operation.cancelled() and operation.exception() is not None:
            _log.debug("%s: %r", operation.get_name(), operation.exception())


class BumbleAdapter:
    """One bumble device, shared by any number of bleak scanners and clients.

    Args:
        device: Powered on, with a key store.
        interval_ms: Connection interval to ask for; Linux uses 30 to 50 ms.
        supervision_ms: How long a peer may be silent before the link is given up.
        cache_services: Whether a reconnect may use what an earlier connect has discovered. Saves
            a second or more; wrong if a peer changes its services meanwhile.
        on_close: Called at the end of `close`.

    Attributes:
        device: For what bleak has no words for.
        is_lost: Whether the transport is gone; nothing works any more then.
    """

    def __init__(
        self,
        device: Device,
        *,
        interval_ms: float = 40.0,
        supervision_ms: float = 4000.0,
        cache_services: bool = False,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.device = device
        self.is_lost = False
        self.links: set[_Link] = set()
        self.services_cache: dict[str, tuple[_Attribute, ...]] | None = (
            {} if cache_services else None
        )
        self._preferences = {
            hci.Phy.LE_1M: ConnectionParametersPreferences(
                connection_interval_min=interval_ms,
                connection_interval_max=interval_ms,
                supervision_timeout=round(supervision_ms),
            )
        }
        self._on_close = on_close
        self._transport: Transport | None = None
        self._scanners: list[BumbleScanner] = []
        self._scan_lock = asyncio.Lock()
        self._is_scanning: bool | None = None  # None, or whether actively
        self._connect_lock = asyncio.Lock()  # a controller has one pending connection
        self._attempts: set[asyncio.Task[Connection]] = set()
        self._known: dict[str, hci.Address] = {}
        device.host.on("advertising_report", self._on_report)
        device.on(device.EVENT_ADVERTISEMENT, self._on_advertisement)
        device.on(device.EVENT_FLUSH, self._on_flush)

    @classmethod
    async def open_transport(
        cls,
        spec: str,
        keystore_path: Path,
        *,
        configured: Iterable[str] = (),
        interval_ms: float = 40.0,
        supervision_ms: float = 4000.0,
    ) -> Self:
        """Use a real radio that speaks HCI.

        Args:
            spec: A bumble transport, such as `serial:/dev/ttyACM0,1000000,rtscts` or `usb:0`.
            keystore_path: File for the bonds; made with mode 0600.
            configured: The transports of all adapters that share the file; see `PrivateKeyStore`.
            interval_ms: See the class.
            supervision_ms: See the class.

        Raises:
            BleakBluetoothNotAvailableError: There is no such radio, or it does not answer.
            BleakError: The file of bonds is broken.
        """
        keystore = PrivateKeyStore.of_adapter(keystore_path, spec, configured)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                transport = await open_transport(spec)
        except Exception as error:  # each transport raises what its library raises
            raise _unavailable(f"cannot open {spec!r}: {_reason(error)}") from error
        try:
            config = DeviceConfiguration(
                name="tenuto",
                address=hci.Address(keystore.namespace),
                irk=secrets.token_bytes(16),
                address_resolution_offload=True,
            )
            device = QuietDevice(config=config, host=QuietHost(transport.source, transport.sink))
            device.pairing_config_factory = _just_works
            device.keystore = keystore
            try:
                async with asyncio.timeout(OPEN_TIMEOUT_S):
                    await device.power_on()
            except (TimeoutError, core.BaseBumbleError, hci.HCI_Error) as error:
                raise _unavailable(
                    f"{spec!r} does not answer as a Bluetooth controller: {_reason(error)}"
                ) from error
            try:
                await keystore.note_adapter()
            except OSError as error:
                _log.warning("%s cannot be written: %s", keystore_path, error.strerror)
        except BaseException:
            await transport.close()
            raise
        adapter = cls(device, interval_ms=interval_ms, supervision_ms=supervision_ms)
        adapter._transport = transport
        return adapter

    @cached_property
    def scanner_backend(self) -> type[BumbleScanner]:
        """For `BleakScanner(backend=...)`."""
        return type("BumbleScanner", (BumbleScanner,), {"adapter": self})

    @cached_property
    def client_backend(self) -> type[BumbleClient]:
        """For `BleakClient(backend=...)`."""
        return type("BumbleClient", (BumbleClient,), {"adapter": self})

    async def close(self) -> None:
        """End all connections and let go of the radio; a second call does nothing."""
        for attempt in list(self._attempts):
            attempt.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)
        await asyncio.gather(*(link.disconnect() for link in list(self.links)))
        if not self.is_lost:
            self._on_flush()
            with contextlib.suppress(Exception):
                async with asyncio.timeout(HCI_TIMEOUT_S):
                    await self.device.power_off()
        if self._transport is not None:
            transport, self._transport = self._transport, None
            await transport.close()
        if self._on_close is not None:
            callback, self._on_close = self._on_close, None
            callback()

    # -- for scanners and clients

    def check(self) -> None:
        """Raise BleakBluetoothNotAvailableError if the radio is gone."""
        if self.is_lost:
            raise _unavailable("the Bluetooth adapter is gone")

    def address_of(self, text: str) -> hci.Address:
        """Find the full address of a peer: as it was heard, else taken for a random one.

        Raises:
            BleakError: `text` is no address.
        """
        known = self._known.get(text.upper())
        if known is not None:
            return known
        try:
            return hci.Address(text)
        except (ValueError, core.InvalidArgumentError) as error:
            raise BleakError(f"{text!r} is no Bluetooth address") from error

    async def is_bonded(self, address: hci.Address) -> bool:
        """Return whether there are keys for a peer."""
        keystore = self.device.keystore
        return keystore is not None and await keystore.get(str(address)) is not None

    def is_encrypted(self, address: str) -> bool:
        """Return whether there is a link to a peer, and it is encrypted."""
        return any(
            link.is_alive and link.connection.is_encrypted
            for link in self.links
            if _plain(link.connection.peer_address) == address
        )

    async def add_scanner(self, scanner: BumbleScanner) -> None:
        """Begin to hand advertisements to a scanner."""
        async with self._scan_lock:
            self.check()
            self._scanners.append(scanner)
            try:
                await self._adjust_scanning()
            except BaseException:
                self._scanners.remove(scanner)
                raise

    async def remove_scanner(self, scanner: BumbleScanner) -> None:
        """End it; nothing if it was not begun."""
        async with self._scan_lock:
            if scanner in self._scanners:
                self._scanners.remove(scanner)
                if not self.is_lost:
                    await self._adjust_scanning()

    async def connect(self, address: hci.Address) -> _Link:
        """Wait for a peer and connect to it; others wait for their turn meanwhile.

        Raises:
            BleakError: The link could not be established, or the adapter is gone.
        """
        self.check()
        give_up = asyncio.Event()
        attempt = asyncio.get_running_loop().create_task(
            self._attempt(address, give_up), name=f"bumble.connect.{_plain(address)}"
        )
        self._attempts.add(attempt)
        attempt.add_done_callback(self._on_attempt_done)
        try:
            connection = await asyncio.shield(attempt)
        except asyncio.CancelledError:
            # The controller has to be told, and whoever is next must wait until it has heard.
            give_up.set()
            if attempt.done() and not attempt.cancelled() and attempt.exception() is None:
                _Link(self, attempt.result()).begin_disconnect()
            if attempt.cancelled() and not _is_cancelled():
                raise BleakError("the Bluetooth adapter is closing") from None
            raise
        return _Link(self, connection)

    async def _attempt(self, address: hci.Address, give_up: asyncio.Event) -> Connection:
        async with self._connect_lock:
            if give_up.is_set():
                raise BleakError("given up")
            self.check()
            for link in [k for k in self.links if k.connection.peer_address == address]:
                if not link.is_closing:
                    raise BleakError(f"another client is connected to {_plain(address)}")
                await asyncio.wait((link.lost,))
            loop = asyncio.get_running_loop()
            connecting = loop.create_task(
                self.device.connect(
                    address, connection_parameters_preferences=self._preferences, timeout=None
                ),
                name="bumble.create_connection",
            )
            giving_up = loop.create_task(give_up.wait(), name="bumble.give_up")
            try:
                await asyncio.wait((connecting, giving_up), return_when=asyncio.FIRST_COMPLETED)
            finally:
                giving_up.cancel()
                if not connecting.done():
                    await self._cancel_connecting(connecting)
            if connecting.cancelled():
                raise _unavailable("the Bluetooth adapter is gone")
            try:
                connection = connecting.result()
            except (core.BaseBumbleError, hci.HCI_Error, asyncio.CancelledError) as error:
                if self.is_lost:
                    raise _unavailable("the Bluetooth adapter is gone") from error
                raise BleakError(f"cannot connect to {_plain(address)}: {error}") from error
            if give_up.is_set():
                await _Link(self, connection).disconnect()
                raise BleakError("given up")
            return connection

    async def _cancel_connecting(self, connecting: asyncio.Task[Connection]) -> None:
        """Take a pending connection back; it may be established all the same."""
        if not self.is_lost:
            with contextlib.suppress(hci.HCI_Error, core.BaseBumbleError, TimeoutError):
                async with asyncio.timeout(HCI_TIMEOUT_S):
                    await self.device.send_sync_command(
                        hci.HCI_LE_Create_Connection_Cancel_Command()
                    )
            await asyncio.wait((connecting,), timeout=HCI_TIMEOUT_S)
        if not connecting.done():
            connecting.cancel()
            await asyncio.wait((connecting,))
        # If our own caller was cancelled, nobody else looks at how it ended.
        if not connecting.cancelled() and connecting.exception() is None and _is_cancelled():
            _Link(self, connecting.result()).begin_disconnect()

    def _on_attempt_done(self, attempt: asyncio.Task[Connection]) -> None:
        self._attempts.discard(attempt)
        if not attempt.cancelled():
            attempt.exception()  # nobody may be left to ask for it

    async def _adjust_scanning(self) -> None:
        wanted = any(s.is_active for s in self._scanners) if self._scanners else None
        if wanted == self._is_scanning:
            return
        try:
            async with asyncio.timeout(HCI_TIMEOUT_S):
                if self._is_scanning is not None:
                    self._is_scanning = None
                    await self.device.stop_scanning()
                if wanted is not None:
                    await self.device.start_scanning(active=wanted, filter_duplicates=False)
                    self._is_scanning = wanted
        except (hci.HCI_Error, core.BaseBumbleError) as error:
            raise BleakError(f"the adapter refuses to scan: {error}") from error
        except TimeoutError as error:
            raise BleakError(f"the adapter did not answer in {HCI_TIMEOUT_S:g} s") from error

    def _on_report(self, _report: object) -> None:
        """Let bumble forget, which has an entry for each address since the scan began."""
        _forget_oldest(self.device.advertisement_accumulators)

    def _on_advertisement(self, advertisement: Advertisement) -> None:
        name = _plain(advertisement.address)
        self._known.pop(name, None)  # so that it is the newest again
        self._known[name] = advertisement.address
        _forget_oldest(self._known)
        for scanner in list(self._scanners):
            scanner.on_advertisement(advertisement)

    def _on_flush(self) -> None:
        """Note the end of the radio."""
        if self.is_lost:
            return
        self.is_lost = True
        self._is_scanning = None
        for link in list(self.links):
            link.end(None)


def _forget_oldest(known: dict[Any, Any]) -> None:
    while len(known) > ADDRESSES_KNOWN_MAX:
        del known[next(iter(known))]


def _is_cancelled() -> bool:
    """Return whether the present task was really asked to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _reason(error: Exception) -> str:
    return "no answer" if isinstance(error, TimeoutError) else str(error) or repr(error)


def _unavailable(message: str) -> BleakBluetoothNotAvailableError:
    return BleakBluetoothNotAvailableError(message, BleakBluetoothNotAvailableReason.NO_BLUETOOTH)


def _just_works(_connection: Connection) -> PairingConfig:
    return PairingConfig(
        sc=True,
        mitm=False,
        bonding=True,
        delegate=PairingDelegate(PairingDelegate.NO_OUTPUT_NO_INPUT),
        identity_address_type=PairingConfig.AddressType.RANDOM,
    )


class BumbleScanner(BaseBleakScanner):
    """A bleak scanner; `BumbleAdapter.scanner_backend` binds it to its adapter."""

    adapter: BumbleAdapter

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str,
        **_kwargs: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self.is_active = scanning_mode != "passive"

    async def start(self) -> None:
        """Start scanning."""
        self.seen_devices = {}
        await self.adapter.add_scanner(self)

    async def stop(self) -> None:
        """Stop scanning."""
        await self.adapter.remove_scanner(self)

    def on_advertisement(self, advertisement: Advertisement) -> None:
        """Take in what the radio has heard; what cannot be understood is ignored."""
        try:
            heard = _parse(advertisement)
        except (ValueError, TypeError, IndexError, struct.error, core.BaseBumbleError) as error:
            _log.debug("advertisement of %s: %r", advertisement.address, error)
            return
        if not self.is_allowed_uuid(heard.service_uuids):
            return
        address = _plain(advertisement.address)
        device = self.create_or_update_device(
            address, address, heard.local_name, advertisement.address, heard
        )
        _forget_oldest(self.seen_devices)
        self.call_detection_callbacks(device, heard)


def _parse(advertisement: Advertisement) -> AdvertisementData:
    # Raw: bumble's own reading fails as a whole where one field is wrong.  What it returns depends
    # on the type that is asked for, in a way that mypy cannot follow.
    data: Any = advertisement.data
    power: bytes | None = data.get(AdvertisingData.Type.TX_POWER_LEVEL, raw=True)
    return AdvertisementData(
        local_name=_name(data),
        manufacturer_data={
            int.from_bytes(value[:2], "little"): bytes(value[2:])
            for value in data.get_all(AdvertisingData.Type.MANUFACTURER_SPECIFIC_DATA, raw=True)
            if len(value) >= 2
        },
        # Raw, for bumble keeps each UUID that it makes for ever, and looks through all of them.
        service_data={
            _uuid_text(value[:size]): value[size:]
            for kind, size in _SERVICE_DATA.items()
            for value in data.get_all(kind, raw=True)
            if len(value) >= size
        },
        service_uuids=[
            uuid
            for kind, size in _UUID_LISTS.items()
            for value in data.get_all(kind, raw=True)
            for uuid in _uuids(value, size)
        ],
        tx_power=int.from_bytes(power[:1], "little", signed=True) if power else None,
        rssi=advertisement.rssi,
        platform_data=(advertisement,),
    )


class BumbleClient(BaseBleakClient):
    """A bleak client; `BumbleAdapter.client_backend` binds it to its adapter."""

    adapter: BumbleAdapter

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        **_kwargs: Any,
    ) -> None:
        super().__init__(
            address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout
        )
        device = address_or_ble_device if isinstance(address_or_ble_device, BLEDevice) else None
        self._peer_address: hci.Address | None = device.details if device is not None else None
        self._device_name = device.name if device is not None else None
        self._link: _Link | None = None
        self._subscriptions: dict[int, tuple[set[Any], Callable[[bytes], None]]] = {}

    @property
    def name(self) -> str:
        """The advertised name, else the address."""
        return self._device_name or self.address

    @property
    def mtu_size(self) -> int:
        """The ATT MTU that was agreed on, 23 without a connection."""
        return self._link.connection.att_mtu if self._link is not None else 23

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._link is not None and self._link.is_alive

    async def connect(self, pair: bool, **kwargs: Any) -> None:  # noqa: FBT001  bleak's interface
        """Connect, encrypt if there is a bond, and discover the services.

        Raises:
            TimeoutError: All of it was not done in time.
            BleakError: It is connected already, or cannot be connected.
        """
        if self.is_connected:
            raise BleakError(f"already connected to {self.address}")
        address = self._peer_address or self.adapter.address_of(self.address)
        async with asyncio.timeout(kwargs.get("timeout", self._timeout)):
            link = await self.adapter.connect(address)
            self._link = link
            try:
                if pair:
                    await self.pair()
                elif await self.adapter.is_bonded(address):
                    await self._try_to_encrypt(link)
                await self._gatt(link, "MTU exchange", link.peer.request_mtu(ATT_MTU))
                self.services = await self._discover(link)
            except BaseException:
                self._link = None
                self.services = None
                link.begin_disconnect()
                raise
        if not link.is_alive:
            self._link = self.services = None
            raise BleakError(link.describe_loss())
        link.on_lost = self._on_lost

    async def disconnect(self) -> None:
        """Disconnect; nothing if there is no connection."""
        link = self._link
        if link is not None:
            await link.disconnect()

    async def pair(self, *_args: Any, **_kwargs: Any) -> None:
        """Bond with the peer, or use the bond that there is.

        Raises:
            BleakError: The peer refused, or has forgotten the bond: `unpair` helps then.
        """
        link = self._require_link()
        connection = link.connection
        if connection.is_encrypted:
            return
        try:
            if await self.adapter.is_bonded(connection.peer_address):
                await link.run("encryption", connection.encrypt(), PAIRING_TIMEOUT_S)
            else:
                await link.run("pairing", connection.pair(), PAIRING_TIMEOUT_S)
        except hci.HCI_Error as error:
            raise BleakError(
                f"cannot use the bond with {self.address}: {error}; "
                "if the peer has forgotten it, unpair and pair again"
            ) from error
        except core.BaseBumbleError as error:
            raise BleakError(f"pairing with {self.address} failed: {error}") from error

    async def unpair(self) -> None:
        """Forget the bond and disconnect.

        Raises:
            BleakDeviceNotFoundError: There was no bond; it is disconnected all the same.
        """
        address = self._peer_address or self.adapter.address_of(self.address)
        if self._link is not None:
            address = self._link.connection.peer_address
        keystore = self.adapter.device.keystore
        was_bonded = keystore is not None and await self.adapter.is_bonded(address)
        if keystore is not None and was_bonded:
            await keystore.delete(str(address))
        await self.disconnect()
        if not was_bonded:
            raise BleakDeviceNotFoundError(self.address, f"there is no bond with {self.address}")

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **_kwargs: Any
    ) -> bytearray:
        """Read a characteristic from the peer."""
        del use_cached
        return await self._read("read", characteristic.handle)

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **_kwargs: Any
    ) -> bytearray:
        """Read a descriptor from the peer."""
        del use_cached
        return await self._read("descriptor read", descriptor.handle)

    async def write_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        data: SizedBuffer,
        response: bool,  # noqa: FBT001  bleak's interface
    ) -> None:
        """Write a characteristic; without response, return once it is queued for the radio.

        Raises:
            BleakError: Without response, the data do not fit into one packet.
        """
        link = self._require_link()
        value = bytes(data)
        if response:
            await self._secured(
                link,
                "write",
                lambda: link.peer.gatt_client.write_value(
                    characteristic.handle, value, with_response=True
                ),
            )
            return
        room = self.mtu_size - ATT_HEADER_BYTES
        if len(value) > room:
            raise BleakError(
                f"{len(value)} bytes do not fit into one write without response of {room}"
            )
        if self._full_queue(link):
            await link.run("flow control", self._wait_for_room(link))
        # Nothing answers it, so nothing is waited for: no task and no time limit.
        try:
            link.peer.gatt_client.send_gatt_pdu(write_command(characteristic.handle, value))
        except (core.BaseBumbleError, hci.HCI_Error) as error:
            raise BleakError(f"write without response failed: {error}") from error

    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        """Write a descriptor."""
        await self._write("descriptor write", descriptor.handle, bytes(data))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_kwargs: Any
    ) -> None:
        """Subscribe to notifications, or to indications where there are no notifications.

        Raises:
            BleakError: It is subscribed already, or cannot be subscribed to.
        """
        link = self._require_link()
        handle = characteristic.handle
        if handle in self._subscriptions:
            raise BleakError(f"{characteristic.uuid} is subscribed to already")
        client = link.peer.gatt_client
        if "notify" in characteristic.properties:
            table, bits = client.notification_subscribers, 1
        elif "indicate" in characteristic.properties:
            table, bits = client.indication_subscribers, 2
        else:
            raise BleakError(f"{characteristic.uuid} has neither notifications nor indications")
        cccd = self._cccd(characteristic)

        def on_value(value: bytes) -> None:
            try:
                callback(bytearray(value))
            except Exception:  # noqa: BLE001  it must not end the radio's own work
                _log.exception("in a notification callback of %s", characteristic.uuid)

        subscribers = table.setdefault(handle, set())
        subscribers.add(on_value)
        self._subscriptions[handle] = (subscribers, on_value)
        try:
            await self._write("subscription", cccd, bytes((bits, 0)))
        except BaseException:
            self._subscriptions.pop(handle, None)
            subscribers.discard(on_value)
            raise

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe; nothing if it was not subscribed to."""
        self._require_link()
        found = self._subscriptions.pop(characteristic.handle, None)
        if found is None:
            return
        subscribers, on_value = found
        try:
            await self._write("unsubscription", self._cccd(characteristic), bytes(2))
        finally:
            subscribers.discard(on_value)

    # -- behind the scenes

    def _require_link(self) -> _Link:
        if self._link is None or not self._link.is_alive:
            raise BleakError(f"not connected to {self.address}")
        return self._link

    def _on_lost(self) -> None:
        self._link = None
        self.services = None
        self._subscriptions.clear()
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def _gatt(self, link: _Link, what: str, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run an ATT procedure; whatever goes wrong becomes an error of bleak's."""
        try:
            return await link.run(what, coroutine)
        except att.ATT_Error as error:
            raise BleakGATTProtocolError(int(error.error_code)) from error
        except core.TimeoutError as error:
            await link.disconnect()
            raise BleakError(f"no answer to {what}; disconnected") from error
        except (core.BaseBumbleError, hci.HCI_Error) as error:
            raise BleakError(f"{what} failed: {error}") from error

    async def _secured(
        self, link: _Link, what: str, make: Callable[[], Coroutine[Any, Any, _T]]
    ) -> _T:
        """Run an ATT procedure, once more with encryption if that was missing and can be had."""
        try:
            return await self._gatt(link, what, make())
        except BleakGATTProtocolError as error:
            if (
                error.args[0] not in _SECURITY_ERRORS
                or link.connection.is_encrypted
                or not await self.adapter.is_bonded(link.connection.peer_address)
                or not await self._try_to_encrypt(link)
            ):
                raise
        return await self._gatt(link, what, make())

    async def _try_to_encrypt(self, link: _Link) -> bool:
        try:
            await link.run("encryption", link.connection.encrypt(), PAIRING_TIMEOUT_S)
        except (hci.HCI_Error, core.BaseBumbleError) as error:
            _log.warning("the bond with %s does not work: %s", self.address, error)
            return False
        return True

    async def _read(self, what: str, handle: int) -> bytearray:
        link = self._require_link()
        client = link.peer.gatt_client
        return bytearray(await self._secured(link, what, lambda: client.read_value(handle)))

    async def _write(self, what: str, handle: int, value: bytes) -> None:
        link = self._require_link()
        client = link.peer.gatt_client
        await self._secured(
            link, what, lambda: client.write_value(handle, value, with_response=True)
        )

    @staticmethod
    def _full_queue(link: _Link) -> DataPacketQueue | None:
        """Return the queue to the radio if it holds enough, None while there is room."""
        queue = link.connection.device.host.get_data_packet_queue(link.connection.handle)
        return queue if queue is not None and queue.pending >= PACKETS_QUEUED_MAX else None

    @classmethod
    async def _wait_for_room(cls, link: _Link) -> None:
        """Let the radio catch up, so that what is on its way stays bounded."""
        while queue := cls._full_queue(link):
            flowed = asyncio.Event()
            queue.once("flow", flowed.set)
            await flowed.wait()

    @staticmethod
    def _cccd(characteristic: BleakGATTCharacteristic) -> int:
        for descriptor in characteristic.descriptors:
            if descriptor.uuid == _CCCD_UUID:
                return descriptor.handle
        raise BleakError(f"{characteristic.uuid} cannot be subscribed to: it has no CCCD")

    async def _discover(self, link: _Link) -> BleakGATTServiceCollection:
        key = str(link.connection.peer_address)
        cache = self.adapter.services_cache
        layout = cache.get(key) if cache is not None else None
        if layout is None:
            layout = await self._discover_layout(link)
            if cache is not None:
                cache[key] = layout
        collection = BleakGATTServiceCollection()
        for s in layout:
            service = BleakGATTService(s, s.handle, s.uuid)
            collection.add_service(service)
            for c in s.children:
                characteristic = BleakGATTCharacteristic(
                    c,
                    c.handle,
                    c.uuid,
                    sorted(gatt_char_props_to_strs(c.properties)),
                    lambda: self.mtu_size - ATT_HEADER_BYTES,
                    service,
                )
                collection.add_characteristic(characteristic)
                for d in c.children:
                    collection.add_descriptor(
                        BleakGATTDescriptor(d, d.handle, d.uuid, characteristic)
                    )
        return collection

    async def _discover_layout(self, link: _Link) -> tuple[_Attribute, ...]:
        services = []
        for s in await self._gatt(link, "service discovery", link.peer.discover_services()):
            characteristics = []
            for c in await self._gatt(link, "discovery", s.discover_characteristics()):
                descriptors: tuple[_Attribute, ...] = ()
                if c.handle < c.end_group_handle:
                    found = await self._gatt(link, "discovery", c.discover_descriptors())
                    descriptors = tuple(_Attribute(d.handle, _uuid(d.type)) for d in found)
                characteristics.append(
                    _Attribute(c.handle, _uuid(c.uuid), int(c.properties), descriptors)
                )
            services.append(_Attribute(s.handle, _uuid(s.uuid), children=tuple(characteristics)))
        return tuple(services)
