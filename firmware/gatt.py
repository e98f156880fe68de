# SPDX-License-Identifier: MIT
"""The GATT services of the wearable, made once at the start by `adafruit_ble`.

Afterwards the program uses `_bleio`'s own objects, which need no library.  So this module and the
library are unloaded then, see `heap`: together they take 25 kB, a fifth of what an nRF52840 has.

Who may do what is in PROTOCOL.md.  In short: nothing of Tenuto, Heart Rate or Immediate Alert works
without a bond.
"""

import _bleio
from adafruit_ble import BLERadio
from adafruit_ble.advertising import Advertisement
from adafruit_ble.advertising.standard import ProvideServicesAdvertisement
from adafruit_ble.attributes import Attribute
from adafruit_ble.characteristics import Characteristic, ComplexCharacteristic
from adafruit_ble.services import Service
from adafruit_ble.services.standard import BatteryService
from adafruit_ble.services.standard.device_info import DeviceInfoService
from adafruit_ble.uuid import StandardUUID, VendorUUID

from radio import FIRMWARE, PACKET_BYTES

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
        initial_value=b"\x00",
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


def make(radio, name, location):
    """Make the services and set the attributes of `radio` to them.

    Args:
        radio: A `radio.Radio`.
        name: At most 26 bytes.
        location: See `App`.
    """
    library = BLERadio()
    library.name = name
    info = DeviceInfoService(manufacturer="Tenuto", model_number="band", firmware_revision=FIRMWARE)
    battery = BatteryService()
    heart = HeartRateService()
    heart.location = bytes((location,))
    alert = ImmediateAlertService()
    tenuto = TenutoService()
    radio.inbox, radio.outbox, radio.alert = tenuto.inbox, tenuto.outbox, alert.level
    radio.info = tenuto.bleio_characteristics["info"]
    radio.measurement = heart.bleio_characteristics["measurement"]
    radio.battery = battery.bleio_characteristics["level"]
    # An object without a reference would be collected while the radio's stack still uses it.
    made = (info, battery, heart, alert, tenuto)
    radio.services = [service.bleio_service for service in made]
    radio.services += [
        characteristic
        for service in made
        for characteristic in service.bleio_characteristics.values()
    ]
    radio.advertisement = bytes(ProvideServicesAdvertisement(tenuto, heart))
    # As `BLERadio.start_advertising` would make it.
    answer = Advertisement()
    answer.complete_name = library.name
    answer.tx_power = library.tx_power
    radio.scan_response = bytes(answer)
