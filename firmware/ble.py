# SPDX-License-Identifier: MIT
"""The wearable on the air: its GATT services and the packets of its one host.

Two habits of CircuitPython's `_bleio` shape this file.  Nothing calls back, so everything is
polled.  And a call that finds its queue full waits for the radio, which would hold back a cue: so
at most one full packet is handed over for each connection event.
"""

import struct

import _bleio
from adafruit_ble import BLERadio
from adafruit_ble.advertising.standard import ProvideServicesAdvertisement
from adafruit_ble.attributes import Attribute
from adafruit_ble.characteristics import Characteristic, ComplexCharacteristic
from adafruit_ble.services import Service
from adafruit_ble.services.standard import BatteryService
from adafruit_ble.services.standard.device_info import DeviceInfoService
from adafruit_ble.uuid import StandardUUID, VendorUUID

from tenuto_core import wire
from tenuto_core.band import Peer

FIRMWARE = "0.1.0"
PACKET_BYTES = 244
ADVERTISE_S = 0.1
# The SoftDevice asks for 30 ms by itself; a little more leaves room for one missed event.
PACKET_EVERY_MS = 40
SENSOR_LOCATION_WRIST = 2

_UUID = "c6a1{:04x}-7f2d-4f0e-9d5b-2a4e7e6b1f10"
_SECURE = Attribute.ENCRYPT_NO_MITM
_NEVER = Attribute.NO_ACCESS


class Packets(ComplexCharacteristic):
    """A characteristic that is read or written packet by packet, never by its value."""

    def __init__(self, *, packets, **kwargs):
        self._packets = packets
        super().__init__(**kwargs)

    def bind(self, service):
        """Called by adafruit_ble to make the thing that stands for this characteristic."""
        return _bleio.PacketBuffer(super().bind(service), buffer_size=self._packets)


class TenutoService(Service):
    """Requests in, answers and log records out, and what the wearable is."""

    uuid = VendorUUID(_UUID.format(0))
    info = Characteristic(
        uuid=VendorUUID(_UUID.format(1)),
        properties=Characteristic.READ,
        read_perm=_SECURE,
        write_perm=_NEVER,
        max_length=64,
    )
    inbox = Packets(
        uuid=VendorUUID(_UUID.format(2)),
        packets=8,
        properties=Characteristic.WRITE | Characteristic.WRITE_NO_RESPONSE,
        read_perm=_NEVER,
        write_perm=_SECURE,
        max_length=PACKET_BYTES,
    )
    outbox = Packets(
        uuid=VendorUUID(_UUID.format(3)),
        packets=1,
        properties=Characteristic.NOTIFY,
        read_perm=_SECURE,
        write_perm=_NEVER,
        max_length=PACKET_BYTES,
    )


class HeartRateService(Service):
    """Heart Rate (0x180D), for every program that knows straps."""

    uuid = StandardUUID(0x180D)
    measurement = Characteristic(
        uuid=StandardUUID(0x2A37),
        properties=Characteristic.NOTIFY,
        read_perm=_SECURE,
        write_perm=_NEVER,
        max_length=20,
        initial_value=b"\x00\x00",
    )
    location = Characteristic(
        uuid=StandardUUID(0x2A38),
        properties=Characteristic.READ,
        read_perm=_SECURE,
        write_perm=_NEVER,
        max_length=1,
        fixed_length=True,
        initial_value=bytes((SENSOR_LOCATION_WRIST,)),
    )


class ImmediateAlertService(Service):
    """Immediate Alert (0x1802): finds the band, for every program that knows the service."""

    uuid = StandardUUID(0x1802)
    level = Packets(
        uuid=StandardUUID(0x2A06),
        packets=2,
        properties=Characteristic.WRITE_NO_RESPONSE,
        read_perm=_NEVER,
        write_perm=_SECURE,
        max_length=1,
    )


def heart_rate_measurement(bpm, contact, rr):
    """The value of 0x2A37: 8-bit rate, contact known, RR intervals in 1/1024 s if there are any."""
    flags = 0x04 | (0x02 if contact else 0) | (0x10 if rr else 0)
    return struct.pack("<BB", flags, bpm) + b"".join(struct.pack("<H", value) for value in rr)


class Ble:
    """Advertises while nobody is connected, then serves one host.

    band: the `tenuto_core.band.Band`.  All methods return at once.
    due_ms: when `send` wants to be called next, or None.
    """

    def __init__(self, band, name):
        self._band = band
        self._radio = BLERadio()
        self._radio.name = name
        self._info = DeviceInfoService(
            manufacturer="Tenuto", model_number="band", firmware_revision=FIRMWARE
        )
        self._battery = BatteryService()
        self._heart = HeartRateService()
        self._alert = ImmediateAlertService()
        self._tenuto = TenutoService()
        values, tail = band.hello()
        self._tenuto.info = wire.encode(wire.HELLO | wire.ANSWER, 0, *values, tail=tail)
        self._advertisement = ProvideServicesAdvertisement(self._tenuto, self._heart)
        self._buffer = bytearray(PACKET_BYTES)
        self._connection = None
        self._peer = None
        self._next_packet_ms = 0
        self._battery_pct = None
        self.due_ms = None

    def receive(self, now_ms):
        """Take in all that has come over the air."""
        self._watch_connection()
        size = self._tenuto.inbox.readinto(self._buffer)
        while size:
            if self._peer:
                self._peer.receive(bytes(self._buffer[:size]), now_ms)
            size = self._tenuto.inbox.readinto(self._buffer)
        size = self._alert.level.readinto(self._buffer)
        while size:
            self._band.alert(self._buffer[0], now_ms)
            size = self._alert.level.readinto(self._buffer)

    def _watch_connection(self):
        connections = _bleio.adapter.connections
        connection = connections[0] if connections else None
        if connection is not self._connection:
            self._connection = connection
            self._peer = Peer(self._band) if connection else None
        if connection is None and not self._radio.advertising:
            self._radio.start_advertising(self._advertisement, interval=ADVERTISE_S)

    def send(self, now_ms):
        """Hand over as much as goes without waiting for the radio."""
        self.due_ms = None
        if self._band.battery_pct != self._battery_pct and self._band.battery_pct <= 100:
            self._battery_pct = self._band.battery_pct
            self._battery.level = self._battery_pct
        if self._peer is None:
            return
        room = min(PACKET_BYTES, self._connection.max_packet_length)
        self._peer.frame_bytes = min(wire.MAX_FRAME, room - 1)
        if self._next_packet_ms <= now_ms:
            packet = b""
            frame = self._peer.pull(room, now_ms)
            while frame:
                packet += frame
                frame = self._peer.pull(room - len(packet), now_ms)
            if packet:
                self._tenuto.outbox.write(packet)
                self._next_packet_ms = now_ms + PACKET_EVERY_MS
        # Nothing is sent before the next packet's time, whatever the peer would like.
        resend_ms = self._peer.due_ms
        if self._peer.has_more:
            self.due_ms = self._next_packet_ms
        elif resend_ms is not None:
            self.due_ms = max(resend_ms, self._next_packet_ms)

    def beat(self, bpm, contact, rr):
        """Notify a heart rate to whoever listens and is bonded."""
        if self._connection is not None and self._connection.paired:
            self._heart.measurement = heart_rate_measurement(bpm, contact, rr)

    def drop(self):
        """End the connection, after something went wrong with it."""
        if self._connection is not None:
            self._connection.disconnect()
