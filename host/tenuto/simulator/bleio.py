# SPDX-License-Identifier: MIT
# ruff: noqa: ANN401, ARG002, D102, SLF001 - the interface is CircuitPython's, and documented there;
# the classes below are one machine whose public names are all taken by it
"""CircuitPython's `_bleio`, the peripheral half of it, over a bumble device.

`make_bleio` makes the module that one simulated board imports as `_bleio`; adafruit_ble runs on it
unchanged. The behaviour is that of CircuitPython 10's nRF port, read from its source
(ports/nordic/common-hal/_bleio, shared-bindings/_bleio), down to what a program may stumble over:
`.value` shows no second write of the same bytes, a full PacketBuffer drops its oldest packet and
a full CharacteristicBuffer the newest bytes, several short writes leave as one notification.

On a board some calls wait for the radio. Here none may, as one event loop runs everything: such a
call returns at once and is noted in `adapter.blocking_calls`, which a test can assert to be empty.

Not here: the central's half, extended, directed and anonymous advertising, `Service.deinit`.
"""

from __future__ import annotations

import asyncio
import math
import types
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bumble import att, core, device as bumble_device, gatt, gatt_server, hci

from tenuto.links.radios.bumble_fast_path import notification

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .controller import BoardFlash

_LEGACY_BYTES_MAX = 31
_BLOCKING_CALLS_MAX = 1000
_PAIR_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Flavour:
    """Where CircuitPython's ports differ.

    Attributes:
        value_bytes_max, fixed_value_bytes_max: Longest value of a characteristic.
        att_mtu: Largest ATT packet that is agreed to.
        notify_queue: Notifications one connection holds before the next one waits.
        preferred_interval_ms: Connection interval asked for after a connect, None for no asking.
        merges: Whether short writes to a PacketBuffer leave as one packet; where they do not, a
            packet that finds the queue full is lost.
        indicates_first: What a characteristic that can both notify and indicate does with a
            PacketBuffer.
        one_buffer: Whether a characteristic serves one buffer only, the newest.
        bonds_max: How many peers are remembered; one more takes the place of the oldest. None for a
            store that is erased as a whole when it is full, which here it never is.
    """

    name: str
    value_bytes_max: int
    fixed_value_bytes_max: int
    att_mtu: int
    notify_queue: int
    preferred_interval_ms: float | None
    merges: bool = True
    indicates_first: bool = False
    one_buffer: bool = False
    bonds_max: int | None = None


FLAVOURS = {
    # BLE_MIN_CONN_INTERVAL is meant to be 15 ms, but is computed in units of 0.625 ms: 30 ms.
    "nrf52840": Flavour("nrf52840", 512, 510, 512, 5, 30.0),
    # NimBLE as CircuitPython configures it: the preferred MTU and the number of bonds are the
    # defaults of ESP-IDF, and the queue is its pool of 12 buffers with some on their way in.
    "esp32s3": Flavour(
        "esp32s3",
        512,
        510,
        256,
        8,
        None,
        merges=False,
        indicates_first=True,
        one_buffer=True,
        bonds_max=3,
    ),
}
"""The ports that can be simulated."""


class BluetoothError(Exception):
    """Something is wrong with the radio or with the order of calls."""


class RoleError(BluetoothError):
    """A call that only the other role may make."""


class SecurityError(BluetoothError):
    """Pairing failed."""


class Attribute:
    """Security modes, with CircuitPython's values."""

    NO_ACCESS = 0x00
    OPEN = 0x11
    ENCRYPT_NO_MITM = 0x21
    ENCRYPT_WITH_MITM = 0x31
    LESC_ENCRYPT_WITH_MITM = 0x41
    SIGNED_NO_MITM = 0x12
    SIGNED_WITH_MITM = 0x22


class UUID:
    """A 16-bit or 128-bit UUID."""

    def __init__(self, value: int | str | bytes) -> None:
        if isinstance(value, int):
            if not 0 <= value <= 0xFFFF:
                raise ValueError("UUID integer value must be 0-0xffff")
            self.bumble = core.UUID.from_16_bits(value)
        elif isinstance(value, str):
            if len(value) != 36:
                raise ValueError("UUID string not 'xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx'")
            self.bumble = core.UUID(value)
        else:
            raw = bytes(value)
            if len(raw) != 16:
                raise ValueError("Byte buffer must be 16 bytes.")
            self.bumble = core.UUID.from_bytes(raw)
        self._raw = self.bumble.to_bytes()

    @property
    def size(self) -> int:
        return len(self._raw) * 8

    @property
    def uuid16(self) -> int:
        return int.from_bytes(self._raw[12:14] if self.size == 128 else self._raw, "little")

    @property
    def uuid128(self) -> bytes:
        if self.size != 128:
            raise AttributeError("not a 128-bit UUID")
        return self._raw

    def pack_into(self, buffer: bytearray, offset: int = 0) -> None:
        if offset + len(self._raw) > len(buffer):
            raise ValueError("Buffer too small")
        buffer[offset : offset + len(self._raw)] = self._raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UUID) and self._raw == other._raw

    def __hash__(self) -> int:
        return hash(self._raw)

    def __repr__(self) -> str:
        h = self._raw[::-1].hex()
        if self.size == 128:
            return f"UUID('{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}')"
        return f"UUID(0x{h})"


class Address:
    """A Bluetooth address, least significant byte first."""

    PUBLIC = 0
    RANDOM_STATIC = 1
    RANDOM_PRIVATE_RESOLVABLE = 2
    RANDOM_PRIVATE_NON_RESOLVABLE = 3

    def __init__(self, address: bytes, address_type: int = RANDOM_STATIC) -> None:
        self.address_bytes = bytes(address)
        self.type = address_type
        if len(self.address_bytes) != 6:
            raise ValueError("Address must be 6 bytes long")
        if not self.PUBLIC <= address_type <= self.RANDOM_PRIVATE_NON_RESOLVABLE:
            raise ValueError("Address type out of range")

    @classmethod
    def _of(cls, address: hci.Address) -> Address:
        if address.is_public:
            return cls(bytes(address), cls.PUBLIC)
        if address.is_resolvable:
            return cls(bytes(address), cls.RANDOM_PRIVATE_RESOLVABLE)
        return cls(bytes(address), cls.RANDOM_STATIC)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Address)
            and self.address_bytes == other.address_bytes
            and self.type == other.type
        )

    def __hash__(self) -> int:
        return hash((self.address_bytes, self.type))

    def __repr__(self) -> str:
        return f"<Address {self.address_bytes[::-1].hex(':')}>"


def _to_bytes(value: Any) -> bytes:
    # On CircuitPython a str offers the buffer protocol too, and adafruit_ble relies on it.
    return value.encode() if isinstance(value, str) else bytes(value)


class _Value:
    """What characteristics and descriptors have in common: a value with its permissions."""

    _adapter: Adapter
    _stored: bytes

    def _set_up(
        self,
        *,
        uuid: UUID,
        read_perm: int,
        write_perm: int,
        max_length: int,
        fixed_length: bool,
        initial_value: Any,
    ) -> None:
        flavour = self._adapter.flavour
        top = flavour.fixed_value_bytes_max if fixed_length else flavour.value_bytes_max
        if not 0 <= max_length <= top:
            raise ValueError(f"max_length must be 0-{top} when fixed_length is {fixed_length}")
        if initial_value is None:
            initial_value = bytes(max_length if fixed_length else 0)
        initial_value = _to_bytes(initial_value)
        if len(initial_value) > max_length or (fixed_length and len(initial_value) != max_length):
            raise ValueError("initial_value length is wrong")
        self.uuid = uuid
        self.read_perm = read_perm
        self.write_perm = write_perm
        self.max_length = max_length
        self.fixed_length = fixed_length
        self._stored = initial_value

    def _store(self, data: Any) -> None:
        data = _to_bytes(data)
        if self.fixed_length and len(data) != self.max_length:
            raise ValueError("Value length != required fixed length")
        if len(data) > self.max_length:
            raise ValueError("Value length > max_length")
        self._stored = data

    def _check_security(
        self, mode: int, connection: bumble_device.Connection, when_never: int
    ) -> None:
        """Refuse a peer that does not satisfy a mode (Core Specification, Vol 3 Part C 10.3.1)."""
        if mode == Attribute.OPEN:
            return
        if mode == Attribute.NO_ACCESS:
            raise att.ATT_Error(att.ErrorCode(when_never))
        if not connection.is_encrypted:
            if self._adapter._is_bonded(connection):
                raise att.ATT_Error(att.ATT_INSUFFICIENT_ENCRYPTION_ERROR)
            raise att.ATT_Error(att.ATT_INSUFFICIENT_AUTHENTICATION_ERROR)
        if mode != Attribute.ENCRYPT_NO_MITM:
            # Without a display or keys the nRF port can never satisfy it. Bumble's own
            # `authenticated` is no help: it is True even after Just Works.
            raise att.ATT_Error(att.ATT_INSUFFICIENT_AUTHENTICATION_ERROR)

    def _on_read(self, connection: bumble_device.Connection) -> bytes:
        self._check_security(self.read_perm, connection, att.ATT_READ_NOT_PERMITTED_ERROR)
        return self._stored

    def _on_write(self, connection: bumble_device.Connection, data: bytes) -> None:
        self._check_security(self.write_perm, connection, att.ATT_WRITE_NOT_PERMITTED_ERROR)
        try:
            self._store(data)
        except ValueError:
            raise att.ATT_Error(att.ATT_INVALID_ATTRIBUTE_LENGTH_ERROR) from None

    def _attribute_value(self) -> att.AttributeValue[bytes]:
        return att.AttributeValue(read=self._on_read, write=self._on_write)


# Permissions are checked above, for bumble would answer 0x0F where a board answers 0x05.
_BUMBLE_PERMISSIONS = att.Attribute.Permissions.READABLE | att.Attribute.Permissions.WRITEABLE


class Characteristic(_Value):
    """A characteristic of a local service."""

    BROADCAST = 1
    INDICATE = 2
    NOTIFY = 4
    READ = 8
    WRITE = 16
    WRITE_NO_RESPONSE = 32

    # CircuitPython's bits are not those of the specification.
    _GATT_BITS: ClassVar = {
        BROADCAST: 0x01,
        INDICATE: 0x20,
        NOTIFY: 0x10,
        READ: 0x02,
        WRITE: 0x08,
        WRITE_NO_RESPONSE: 0x04,
    }

    service: Service
    properties: int
    _descriptors: list[Descriptor]
    _buffers: list[_Buffer]
    _bumble: gatt.Characteristic[bytes]

    def __init__(self) -> None:
        raise TypeError("use Characteristic.add_to_service()")

    @classmethod
    def add_to_service(
        cls,
        service: Service,
        uuid: UUID,
        *,
        properties: int = 0,
        read_perm: int = Attribute.OPEN,
        write_perm: int = Attribute.OPEN,
        max_length: int = 20,
        fixed_length: bool = False,
        initial_value: Any = None,
        user_description: str | None = None,
    ) -> Characteristic:
        if service._is_registered:  # the SoftDevice appends to its newest service only
            raise BluetoothError("Characteristic can only be added to most recently added service")
        self = cls.__new__(cls)
        self._adapter = service._adapter
        self._set_up(
            uuid=uuid,
            read_perm=read_perm,
            write_perm=write_perm,
            max_length=max_length,
            fixed_length=fixed_length,
            initial_value=initial_value,
        )
        self.service = service
        self.properties = properties
        self._descriptors = []
        self._buffers = []
        if user_description:
            Descriptor.add_to_characteristic(
                self,
                UUID(0x2901),
                write_perm=Attribute.NO_ACCESS,
                max_length=self._adapter.flavour.value_bytes_max,
                initial_value=user_description.encode(),
            )
        service._characteristics.append(self)
        return self

    @property
    def descriptors(self) -> tuple[Descriptor, ...]:
        return tuple(self._descriptors)

    @property
    def value(self) -> bytes:
        return self._stored

    @value.setter
    def value(self, data: Any) -> None:
        self._store(data)
        for connection in self._adapter.connections:
            cccd = connection._cccd(self)
            if self.properties & self.NOTIFY and cccd & 1:
                connection._send(self, self._stored, indicate=False)
            if self.properties & self.INDICATE and cccd & 2:
                connection._send(self, self._stored, indicate=True)

    def set_cccd(self, *, notify: bool = False, indicate: bool = False) -> None:
        raise RoleError("Can't set CCCD on local Characteristic")

    def deinit(self) -> None:
        pass

    def _make(self) -> gatt.Characteristic[bytes]:
        bits = sum(gatt for own, gatt in self._GATT_BITS.items() if self.properties & own)
        self._bumble = gatt.Characteristic(
            self.uuid.bumble,
            gatt.Characteristic.Properties(bits),
            _BUMBLE_PERMISSIONS,
            self._attribute_value(),
            [
                gatt.Descriptor(d.uuid.bumble, _BUMBLE_PERMISSIONS, d._attribute_value())
                for d in self._descriptors
            ],
        )
        self._bumble.on(self._bumble.EVENT_SUBSCRIPTION, self._on_cccd)
        return self._bumble

    def _on_read(self, connection: bumble_device.Connection) -> bytes:
        if not self.properties & self.READ:
            raise att.ATT_Error(att.ATT_READ_NOT_PERMITTED_ERROR)
        return super()._on_read(connection)

    def _on_write(self, connection: bumble_device.Connection, data: bytes) -> None:
        if not self.properties & (self.WRITE | self.WRITE_NO_RESPONSE):
            raise att.ATT_Error(att.ATT_WRITE_NOT_PERMITTED_ERROR)
        super()._on_write(connection, data)
        for buffer in self._buffers:
            buffer._on_incoming(connection, bytes(data))
        self._adapter._wake()

    def _check_subscription(self, connection: bumble_device.Connection) -> None:
        if self.read_perm != Attribute.NO_ACCESS:
            self._check_security(self.read_perm, connection, att.ATT_WRITE_NOT_PERMITTED_ERROR)

    def _on_cccd(
        self,
        connection: bumble_device.Connection,
        notify: bool,  # noqa: FBT001
        indicate: bool,  # noqa: FBT001
    ) -> None:
        for buffer in self._buffers:
            buffer._on_subscribed(connection, is_on=notify or indicate)
        self._adapter._remember_cccd(connection, self, bytes((notify | indicate << 1, 0)))
        self._adapter._wake()


class Descriptor(_Value):
    """A descriptor of a local characteristic."""

    characteristic: Characteristic

    @classmethod
    def add_to_characteristic(
        cls,
        characteristic: Characteristic,
        uuid: UUID,
        *,
        read_perm: int = Attribute.OPEN,
        write_perm: int = Attribute.OPEN,
        max_length: int = 20,
        fixed_length: bool = False,
        initial_value: Any = b"",
    ) -> Descriptor:
        self = cls.__new__(cls)
        self._adapter = characteristic._adapter
        self._set_up(
            uuid=uuid,
            read_perm=read_perm,
            write_perm=write_perm,
            max_length=max_length,
            fixed_length=fixed_length,
            initial_value=initial_value,
        )
        self.characteristic = characteristic
        characteristic._descriptors.append(self)
        return self

    @property
    def value(self) -> bytes:
        return self._stored

    @value.setter
    def value(self, data: Any) -> None:
        self._store(data)


class Service:
    """A local service; each board gets a subclass that knows its adapter."""

    _adapter: Adapter
    remote = False

    def __init__(self, uuid: UUID, *, secondary: bool = False) -> None:
        self.uuid = uuid
        self.secondary = secondary
        self._characteristics: list[Characteristic] = []
        self._is_registered = False
        self._adapter._register_pending()
        self._adapter._pending_service = self

    @property
    def characteristics(self) -> tuple[Characteristic, ...]:
        return tuple(self._characteristics)

    def deinit(self) -> None:
        pass


class _Buffer:
    """A queue between a characteristic and a program that polls it."""

    def __init__(self, characteristic: Characteristic) -> None:
        self._attached: Characteristic | None = characteristic
        if characteristic._adapter.flavour.one_buffer:
            characteristic._buffers.clear()
        characteristic._buffers.append(self)

    def deinit(self) -> None:
        if self._attached is not None:
            if self in self._attached._buffers:
                self._attached._buffers.remove(self)
            self._attached = None

    def _check_attached(self) -> None:
        _ = self._characteristic

    @property
    def _characteristic(self) -> Characteristic:
        if self._attached is None:
            raise ValueError(
                "Object has been deinitialized and can no longer be used. Create a new object."
            )
        return self._attached

    def _on_incoming(self, connection: bumble_device.Connection, data: bytes) -> None:
        raise NotImplementedError

    def _on_subscribed(self, connection: bumble_device.Connection, *, is_on: bool) -> None:
        pass


class CharacteristicBuffer(_Buffer):
    """A ring of incoming bytes; when it is full the newest are lost and counted in `dropped`."""

    def __init__(
        self, characteristic: Characteristic, *, timeout: float = 1.0, buffer_size: int = 64
    ) -> None:
        if timeout < 0:
            raise ValueError("timeout must be >= 0")
        if buffer_size < 1:
            raise ValueError("buffer_size must be >= 1")
        self._timeout_s = timeout
        self._size = buffer_size
        self._bytes = bytearray()
        self.dropped = 0
        super().__init__(characteristic)

    @property
    def in_waiting(self) -> int:
        if not self._bytes:
            self._check_connected()
        return len(self._bytes)

    def read(self, nbytes: int | None = None) -> bytes | None:
        return self._take(self._size if nbytes is None else nbytes) or None

    def readinto(self, buf: bytearray, nbytes: int | None = None) -> int | None:
        out = self._take(len(buf) if nbytes is None else min(nbytes, len(buf)))
        buf[: len(out)] = out
        return len(out) or None

    def readline(self) -> bytes | None:
        end = self._bytes.find(b"\n")
        return self._take(end + 1 if end >= 0 else self._size) or None

    def reset_input_buffer(self) -> None:
        self._check_attached()
        self._bytes.clear()

    def _on_incoming(self, connection: bumble_device.Connection, data: bytes) -> None:
        del connection
        room = self._size - len(self._bytes)
        self._bytes += data[:room]
        self.dropped += max(0, len(data) - room)

    def _check_connected(self) -> None:
        if not self._characteristic._adapter.connected:
            raise ConnectionError("Not connected")

    def _take(self, count: int) -> bytes:
        self._check_connected()
        if len(self._bytes) < count:
            self._characteristic._adapter._would_block("CharacteristicBuffer.read", self._timeout_s)
        out = bytes(self._bytes[:count])
        del self._bytes[:count]
        return out


class PacketBuffer(_Buffer):
    """A queue of incoming packets, and a way out for notifications.

    It serves one peer. When full, the oldest packets are lost and counted in `dropped`. One
    outgoing packet is under way, one is pending, and what is written meanwhile is merged into it;
    where nothing is merged, what finds no room is lost and counted in `lost`.
    """

    def __init__(
        self,
        characteristic: Characteristic,
        *,
        buffer_size: int,
        max_packet_size: int | None = None,
    ) -> None:
        if buffer_size < 1:
            raise ValueError("buffer_size must be >= 1")
        longest = characteristic._adapter.flavour.value_bytes_max - 3
        self._packet_max = min(max_packet_size or characteristic.max_length, longest)
        self._capacity = buffer_size * (2 + self._packet_max)
        self._packets: deque[bytes] = deque()
        self._peer: bumble_device.Connection | None = None
        self._pending = bytearray()
        self._overrun: deque[bytes] = deque()
        self._next_s = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self.dropped = 0
        self.lost = 0
        super().__init__(characteristic)

    @property
    def _indicates(self) -> bool:
        properties = self._characteristic.properties
        if self._characteristic._adapter.flavour.indicates_first:
            return bool(properties & Characteristic.INDICATE)
        return not properties & Characteristic.NOTIFY

    def readinto(self, buf: bytearray) -> int:
        self._check_attached()
        if not self._packets:
            return 0
        packet = self._packets.popleft()  # it is lost even if it does not fit
        if len(packet) > len(buf):
            raise ValueError(f"Buffer too short by {len(packet) - len(buf)} bytes")
        buf[: len(packet)] = packet
        return len(packet)

    def write(self, data: Any, *, header: Any = b"") -> int:
        characteristic = self._characteristic
        data, header = _to_bytes(data), _to_bytes(header or b"")
        if not characteristic.properties & (Characteristic.NOTIFY | Characteristic.INDICATE):
            raise BluetoothError("Writes not supported on Characteristic")
        connection = self._connection()
        if connection is None:
            return 0
        longest = self.outgoing_packet_length
        if len(data) + len(header) > longest:
            raise ValueError("Total data to write is larger than outgoing_packet_length")
        if not characteristic._adapter.flavour.merges:
            if connection._has_room(1 if self._indicates else None):
                connection._send(characteristic, header + data, indicate=self._indicates)
            else:
                self.lost += 1
            return len(header) + len(data)
        if self._pending and len(self._pending) + len(data) > longest:
            characteristic._adapter._would_block(
                "PacketBuffer.write", connection.connection_interval / 1000
            )
            self._overrun.append(bytes(self._pending))
            self._pending.clear()
        count = len(data)
        if not self._pending:
            count += len(header)
            self._pending += header
        self._pending += data
        if self._timer is None:
            self._send_next()
        return count

    @property
    def incoming_packet_length(self) -> int:
        return self._characteristic.max_length

    @property
    def outgoing_packet_length(self) -> int:
        characteristic = self._characteristic
        if not characteristic.properties & (Characteristic.NOTIFY | Characteristic.INDICATE):
            return min(characteristic.max_length, self._packet_max)
        connection = self._connection()
        if connection is None:
            raise ValueError("No connection: length cannot be determined")
        return min(connection.max_packet_length, self._packet_max, characteristic.max_length)

    def _on_incoming(self, connection: bumble_device.Connection, data: bytes) -> None:
        self._connection()
        if self._peer is None:
            self._peer = connection
        if connection is not self._peer or len(data) + 2 > self._capacity:
            return
        while sum(len(p) + 2 for p in self._packets) + len(data) + 2 > self._capacity:
            self._packets.popleft()
            self.dropped += 1
        self._packets.append(data)

    def _on_subscribed(self, connection: bumble_device.Connection, *, is_on: bool) -> None:
        self._peer = connection if is_on else None

    def _connection(self) -> Connection | None:
        """Return the peer's connection while it lives."""
        if self._peer is None:
            return None
        connection = self._characteristic._adapter._find(self._peer)
        if connection is None:
            self._peer = None
        return connection

    def _send_next(self) -> None:
        """Send what is pending, or have that done when the packet before it has had its turn."""
        self._timer = None
        if self._attached is None:
            return
        connection = self._connection()
        if connection is None:
            self._pending.clear()
            self._overrun.clear()
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._next_s:
            if self._overrun:
                packet = self._overrun.popleft()
            else:
                packet = bytes(self._pending)
                self._pending.clear()
            self._next_s = loop.time() + connection.connection_interval / 1000
            connection._send(self._characteristic, packet, indicate=self._indicates)
        if self._pending or self._overrun:
            self._timer = loop.call_at(self._next_s, self._send_next)


class Connection:
    """A central that is connected."""

    _adapter: Adapter
    _bumble: bumble_device.Connection
    connected: bool
    _in_flight: deque[float]

    def __init__(self) -> None:
        raise TypeError("Connections are made by the Adapter")

    @classmethod
    def _of(cls, adapter: Adapter, bumble: bumble_device.Connection) -> Connection:
        self = cls.__new__(cls)
        self._adapter = adapter
        self._bumble = bumble
        self.connected = True
        self._in_flight = deque()
        bumble.on(bumble.EVENT_DISCONNECTION, self._on_disconnection)
        bumble.on(bumble.EVENT_CONNECTION_ENCRYPTION_CHANGE, self._on_encryption_change)
        bumble.on(bumble.EVENT_PAIRING, self._on_pairing)
        return self

    @property
    def paired(self) -> bool:
        return self.connected and self._bumble.is_encrypted

    @property
    def connection_interval(self) -> float:
        return self._bumble.parameters.connection_interval

    @connection_interval.setter
    def connection_interval(self, value: float) -> None:
        if self.connected:
            interval_ms = int(value / 1.25) * 1.25
            timeout_ms = self._bumble.parameters.supervision_timeout
            self._adapter._do(
                "interval", self._bumble.update_parameters(interval_ms, interval_ms, 0, timeout_ms)
            )

    @property
    def max_packet_length(self) -> int:
        return self._bumble.att_mtu - 3

    def disconnect(self) -> None:
        if self.connected:
            self._adapter._do("disconnect", self._bumble.disconnect())

    def pair(self, *, bond: bool = True) -> None:
        del bond
        if self.paired:
            return
        if not self.connected:
            raise ConnectionError("Not connected")
        self._adapter._would_block("Connection.pair", _PAIR_WAIT_S)
        self._bumble.request_pairing()

    def discover_remote_services(self, service_uuids_whitelist: Any = None) -> Any:
        raise NotImplementedError("the simulated board is a peripheral only")

    def _on_disconnection(self, _reason: int) -> None:
        self.connected = False
        self._adapter._wake()

    def _on_pairing(self, _keys: Any) -> None:
        # What was subscribed before the bond was there belongs to it too.
        for characteristic in self._adapter._by_handle.values():
            cccd = self._cccd(characteristic)
            if cccd:
                self._adapter._remember_cccd(self._bumble, characteristic, bytes((cccd, 0)))
        self._adapter._wake()

    def _on_encryption_change(self) -> None:
        if self.paired and self._adapter._is_bonded(self._bumble):
            self._adapter._restore_cccds(self._bumble)
        self._adapter._wake()

    def _cccd(self, characteristic: Characteristic) -> int:
        subscribed = self._adapter._device.gatt_server.subscribers.get(self._bumble, {})
        value = subscribed.get(characteristic._bumble.handle)
        return value[0] if value else 0

    def _has_room(self, packets_max: int | None) -> bool:
        """Whether the queue takes one more; None for as many as the port holds."""
        now_s = asyncio.get_running_loop().time()
        while self._in_flight and self._in_flight[0] <= now_s:
            self._in_flight.popleft()
        return len(self._in_flight) < (packets_max or self._adapter.flavour.notify_queue)

    def _send(self, characteristic: Characteristic, data: bytes, *, indicate: bool) -> None:
        """Notify or indicate, as far as the queue of the port goes without a wait."""
        if not self.connected:
            return
        now_s = asyncio.get_running_loop().time()
        interval_s = self.connection_interval / 1000
        if not self._has_room(1 if indicate else None):
            self._adapter._would_block("notification queue is full", interval_s)
        self._in_flight.append((math.floor(now_s / interval_s) + 1) * interval_s)
        server = self._adapter._device.gatt_server
        if indicate:
            self._adapter._do(
                "indicate", server.indicate_subscriber(self._bumble, characteristic._bumble, data)
            )
        else:
            value = data[: self._bumble.att_mtu - 3]
            packet = notification(characteristic._bumble.handle, value)
            server.send_gatt_pdu(self._bumble, packet)


class Adapter:
    """The board's one radio.

    Only in the simulator:
    blocking_calls: (call, seconds) for each call that would have waited on a board; the newest.
    errors: (operation, exception) for each radio operation that failed in the background.
    """

    flavour: Flavour
    blocking_calls: deque[tuple[str, float]]
    errors: deque[tuple[str, Exception]]
    _device: bumble_device.Device
    _flash: BoardFlash
    _wake: Callable[[], None]
    _name: str
    _connections: list[Connection]
    _is_enabled: bool
    _is_advertising: bool
    _is_stopping: bool
    _advertising_timer: asyncio.TimerHandle | None
    _pending_service: Service | None
    _by_handle: dict[int, Characteristic]
    _operation: asyncio.Task[None] | None
    _operations: set[asyncio.Task[None]]

    def __init__(self, **_pins: Any) -> None:
        raise NotImplementedError("Cannot create a new Adapter; use _bleio.adapter;")

    @classmethod
    def _of(
        cls,
        device: bumble_device.Device,
        flash: BoardFlash,
        flavour: Flavour,
        on_activity: Callable[[], None],
    ) -> Adapter:
        self = cls.__new__(cls)
        self.flavour = flavour
        self.blocking_calls = deque(maxlen=_BLOCKING_CALLS_MAX)
        self.errors = deque(maxlen=_BLOCKING_CALLS_MAX)
        self._device = device
        self._flash = flash
        self._wake = on_activity
        self._name = "CIRCUITPY" + bytes(device.random_address)[1::-1].hex()
        self._connections = []
        self._is_enabled = True
        self._is_advertising = False
        self._advertising_timer = None
        self._pending_service = None
        self._by_handle = {}
        self._operation = None
        self._operations = set()
        self._is_stopping = False
        device.gatt_server.max_mtu = flavour.att_mtu
        flash.bonds_max = flavour.bonds_max
        self._adapt(device.gatt_server)
        device.on(device.EVENT_CONNECTION, self._on_connection)
        return self

    def _adapt(self, server: gatt_server.Server) -> None:
        """Have bumble's server do as the board's."""
        plain_subscribe, plain_write = server.write_cccd, server.on_att_write_command

        def subscribe(
            bearer: att.Bearer, characteristic: gatt.Characteristic[Any], value: bytes
        ) -> None:
            # It needs the encryption that a read needs.
            own = self._by_handle.get(characteristic.handle)
            if own is not None and isinstance(bearer, bumble_device.Connection):
                own._check_subscription(bearer)
            plain_subscribe(bearer, characteristic, value)

        def write(bearer: att.Bearer, request: att.ATT_Write_Command) -> None:
            # Bumble makes a task for each, and calls out about those that are refused.
            own = self._by_handle.get(request.attribute_handle)
            if own is None or not isinstance(bearer, bumble_device.Connection):
                plain_write(bearer, request)
                return
            with suppress(att.ATT_Error):
                own._on_write(bearer, request.attribute_value)

        server.write_cccd = subscribe  # type: ignore[method-assign]
        server.on_att_write_command = write

    @property
    def enabled(self) -> bool:
        return self._is_enabled

    @enabled.setter
    def enabled(self, value: Any) -> None:
        if not value:
            self.stop_advertising()
            for connection in self.connections:
                connection.disconnect()
        self._is_enabled = bool(value)

    @property
    def address(self) -> Address:
        return Address._of(self._device.random_address)

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = self._device.name = value

    @property
    def advertising(self) -> bool:
        return self._is_advertising

    @property
    def connections(self) -> tuple[Connection, ...]:
        self._connections = [c for c in self._connections if c.connected]
        return tuple(self._connections)

    @property
    def connected(self) -> bool:
        return any(c.connected for c in self._connections)

    def start_advertising(
        self,
        data: Any,
        *,
        scan_response: Any = None,
        connectable: bool = True,
        anonymous: bool = False,
        timeout: int = 0,
        interval: float = 0.1,
        tx_power: int = 0,
        directed_to: Any = None,
    ) -> None:
        del tx_power
        data, scan_response = bytes(data), bytes(scan_response or b"")
        if not 0.02 <= interval <= 10.24:
            raise ValueError("interval must be in range 0.02-10.24")
        if not self._is_enabled:
            raise BluetoothError("Adapter not enabled")
        if self._is_advertising:
            raise BluetoothError("Already advertising.")
        if len(data) > _LEGACY_BYTES_MAX and connectable and scan_response:
            raise BluetoothError(
                "Cannot have scan responses for extended, connectable advertisements."
            )
        if max(len(data), len(scan_response)) > _LEGACY_BYTES_MAX or anonymous or directed_to:
            raise NotImplementedError("the simulated board has legacy undirected advertising only")
        self._register_pending()
        if connectable:
            kind = bumble_device.AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE
        elif scan_response:
            kind = bumble_device.AdvertisingType.UNDIRECTED_SCANNABLE
        else:
            kind = bumble_device.AdvertisingType.UNDIRECTED
        self._is_advertising = True
        self._do(
            "start advertising",
            self._device.start_advertising(
                kind,
                advertising_data=data,
                scan_response_data=scan_response,
                advertising_interval_min=interval * 1000,
                advertising_interval_max=interval * 1000,
            ),
        )
        if timeout:
            self._advertising_timer = asyncio.get_running_loop().call_later(
                timeout, self._on_advertising_timeout
            )

    def stop_advertising(self) -> None:
        if self._advertising_timer is not None:
            self._advertising_timer.cancel()
            self._advertising_timer = None
        if self._is_advertising:
            self._is_advertising = False
            self._do("stop advertising", self._device.stop_advertising())

    def erase_bonding(self) -> None:
        self._flash.erase_bonds()

    def start_scan(self, *_args: Any, **_kwargs: Any) -> Any:
        raise NotImplementedError("the simulated board is a peripheral only")

    def stop_scan(self) -> None:
        pass

    def connect(self, address: Address, *, timeout: float) -> Any:
        raise NotImplementedError("the simulated board is a peripheral only")

    # -- behind the scenes

    def _do(self, what: str, operation: Coroutine[Any, Any, Any]) -> None:
        """Run a radio operation after those before it, behind a call that returns at once."""
        before = self._operation

        async def run() -> None:
            if before is not None and not before.done():
                await asyncio.wait([before])
            try:
                await operation
            except Exception as error:  # noqa: BLE001  a board would raise it, too late for us
                self.errors.append((what, error))
            except asyncio.CancelledError:
                # Bumble cancels what waits for a link that is lost; our own end is stop().
                operation.close()
                if self._is_stopping:
                    raise

        self._operation = asyncio.get_running_loop().create_task(
            run(), name=f"{self._device.name}._bleio.{what}"
        )
        self._operations.add(self._operation)
        self._operation.add_done_callback(self._operations.discard)

    async def _stop(self) -> None:
        """Give up all operations; the board is going down."""
        self._is_stopping = True
        if self._advertising_timer is not None:
            self._advertising_timer.cancel()
        operations = list(self._operations)
        for operation in operations:
            operation.cancel()
        await asyncio.gather(*operations, return_exceptions=True)

    def _would_block(self, what: str, seconds: float) -> None:
        self.blocking_calls.append((what, seconds))

    def _register_pending(self) -> None:
        service, self._pending_service = self._pending_service, None
        if service is None:
            return
        service._is_registered = True
        self._device.add_service(
            gatt.Service(
                service.uuid.bumble,
                [c._make() for c in service._characteristics],
                primary=not service.secondary,
            )
        )
        self._by_handle.update((c._bumble.handle, c) for c in service._characteristics)

    def _find(self, bumble: bumble_device.Connection) -> Connection | None:
        for connection in self._connections:
            if connection._bumble is bumble and connection.connected:
                return connection
        return None

    def _is_bonded(self, bumble: bumble_device.Connection) -> bool:
        return str(bumble.peer_address) in self._flash.all_keys

    def _remember_cccd(
        self, bumble: bumble_device.Connection, characteristic: Characteristic, value: bytes
    ) -> None:
        if self._is_bonded(bumble):
            stored = self._flash.cccds.setdefault(str(bumble.peer_address), {})
            stored[characteristic._bumble.handle] = value

    def _restore_cccds(self, bumble: bumble_device.Connection) -> None:
        current = self._device.gatt_server.subscribers.setdefault(bumble, {})
        for handle, value in self._flash.cccds.get(str(bumble.peer_address), {}).items():
            characteristic = self._by_handle.get(handle)
            if characteristic is None or handle in current:
                continue
            current[handle] = value
            for buffer in characteristic._buffers:
                buffer._on_subscribed(bumble, is_on=bool(value[0] & 3))

    def _on_connection(self, bumble: bumble_device.Connection) -> None:
        self._connections.append(Connection._of(self, bumble))
        # "... or if connectable, another device connects to us."
        self._is_advertising = False
        if self._advertising_timer is not None:
            self._advertising_timer.cancel()
            self._advertising_timer = None
        interval_ms = self.flavour.preferred_interval_ms
        if interval_ms is not None and bumble.parameters.connection_interval != interval_ms:
            self._do("interval", bumble.update_parameters(interval_ms, interval_ms, 0, 4000))
        self._wake()

    def _on_advertising_timeout(self) -> None:
        self.stop_advertising()
        self._wake()


class ScanEntry:
    """Here only to be imported."""


class ScanResults:
    """Here only to be imported."""


_PUBLIC = (
    *(Adapter, Address, Attribute, BluetoothError, Characteristic, CharacteristicBuffer),
    *(Connection, Descriptor, PacketBuffer, RoleError, ScanEntry, ScanResults, SecurityError, UUID),
)


def make_bleio(
    device: bumble_device.Device,
    flash: BoardFlash,
    *,
    flavour: str = "nrf52840",
    on_activity: Callable[[], None],
) -> types.ModuleType:
    """Make the module that one board imports as `_bleio`.

    Args:
        device: The board's radio, powered on.
        flash: Its bonds, which outlive a reset.
        flavour: A key of `FLAVOURS`.
        on_activity: Called whenever a polling program would find something new.

    Raises:
        ValueError: No such flavour.
    """
    if flavour not in FLAVOURS:
        raise ValueError(f"no _bleio flavour {flavour!r}; there are: {', '.join(FLAVOURS)}")
    adapter = Adapter._of(device, flash, FLAVOURS[flavour], on_activity)

    def set_adapter(_adapter: Any) -> None:
        raise NotImplementedError("the adapter is the board's own")

    module = types.ModuleType("_bleio")
    module.__dict__.update({public.__name__: public for public in _PUBLIC})
    module.__dict__.update(
        adapter=adapter,
        set_adapter=set_adapter,
        Service=type("Service", (Service,), {"_adapter": adapter}),
    )
    return module
