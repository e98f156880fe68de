# SPDX-License-Identifier: MIT
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN003, ANN201, ANN204, T201 - code for a board, like firmware/
"""A small firmware in CircuitPython's style, for the tests of the simulator alone.

Control point commands, one byte and its arguments: 1 strength on_ms (u16): buzz; 2: say what was
uploaded; 3: drop the link; 4: erase the bonds; 5: crash; 6 value: write nvm[0]; 7: reset.
"""

from __future__ import annotations

import asyncio
import struct

import _bleio
import microcontroller
import supervisor
from adafruit_ble import BLERadio
from adafruit_ble.advertising.standard import ProvideServicesAdvertisement
from adafruit_ble.attributes import Attribute
from adafruit_ble.characteristics import Characteristic, ComplexCharacteristic
from adafruit_ble.services import Service
from adafruit_ble.services.standard import BatteryService
from adafruit_ble.services.standard.device_info import DeviceInfoService
from adafruit_ble.uuid import StandardUUID, VendorUUID
from helper_package.names import UUID

try:
    from tickless import tick
except ImportError:

    async def tick(period_ms, due_ms):
        wait_ms = period_ms if due_ms is None else min(period_ms, due_ms - supervisor.ticks_ms())
        await asyncio.sleep(max(0, wait_ms) / 1000)


PERIOD_MS = 20


class Packets(ComplexCharacteristic):
    def __init__(self, *, packets, **kwargs):
        self.packets = packets
        super().__init__(**kwargs)

    def bind(self, service):
        return _bleio.PacketBuffer(super().bind(service), buffer_size=self.packets)


class HeartService(Service):
    uuid = StandardUUID(0x180D)
    measurement = Characteristic(
        uuid=StandardUUID(0x2A37),
        properties=Characteristic.NOTIFY,
        read_perm=Attribute.NO_ACCESS,
        max_length=20,
        initial_value=b"\x00\x00",
    )


class TestService(Service):
    uuid = VendorUUID(UUID.format(1))
    control = Packets(
        uuid=VendorUUID(UUID.format(2)),
        packets=4,
        max_length=20,
        properties=Characteristic.WRITE,
        read_perm=Attribute.NO_ACCESS,
        write_perm=Attribute.ENCRYPT_NO_MITM,
    )
    upload = Packets(
        uuid=VendorUUID(UUID.format(3)),
        packets=8,
        max_length=244,
        properties=Characteristic.WRITE | Characteristic.WRITE_NO_RESPONSE,
        read_perm=Attribute.NO_ACCESS,
        write_perm=Attribute.ENCRYPT_NO_MITM,
    )
    log = Packets(
        uuid=VendorUUID(UUID.format(4)),
        packets=1,
        max_length=244,
        properties=Characteristic.NOTIFY,
        write_perm=Attribute.NO_ACCESS,
    )
    secret = Characteristic(
        uuid=VendorUUID(UUID.format(5)),
        properties=Characteristic.READ,
        read_perm=Attribute.ENCRYPT_NO_MITM,
        write_perm=Attribute.NO_ACCESS,
        max_length=20,
        initial_value=b"secret",
    )


class App:
    def __init__(self, *, motor, heart, button, battery, name):
        self.motor = motor
        self.heart = heart
        self.button = button
        self.battery = battery
        self.radio = BLERadio()
        self.radio.name = name
        self.info = DeviceInfoService(manufacturer="Tenuto", model_number="test")
        self.battery_service = BatteryService(level=battery.percent())
        self.heart_service = HeartService()
        self.service = TestService()
        self.advertisement = ProvideServicesAdvertisement(self.service)
        self.buffer = bytearray(244)
        self.uploaded = bytearray()
        self.presses = []
        self.polls = 0
        self.due_ms = None
        self.due_seen_ms = []
        print("app of", name)

    def say(self, text):
        self.service.log.write(text.encode() + b"\n")

    def command(self, data):
        code = data[0]
        if code == 1:
            self.motor.on(data[1], struct.unpack_from("<H", data, 2)[0])
        elif code == 2:
            self.say(f"got {len(self.uploaded)} sum {sum(self.uploaded) & 0xFFFF}")
        elif code == 3:
            for connection in self.radio.connections:
                connection.disconnect()
        elif code == 4:
            _bleio.adapter.erase_bonding()
        elif code == 5:
            raise RuntimeError("asked to crash")
        elif code == 6:
            microcontroller.nvm[0:1] = data[1:2]
        elif code == 7:
            microcontroller.reset()

    def chunk(self, offset, data):
        if offset == 0:
            self.uploaded = bytearray()
        if offset == len(self.uploaded):
            self.uploaded.extend(data)

    def step(self, now_ms):
        self.polls += 1
        if not self.radio.connected and not self.radio.advertising:
            self.radio.start_advertising(self.advertisement, interval=0.1)
        size = self.service.upload.readinto(self.buffer)
        while size:
            self.chunk(struct.unpack_from("<H", self.buffer)[0], self.buffer[2:size])
            size = self.service.upload.readinto(self.buffer)
        size = self.service.control.readinto(self.buffer)
        while size:
            self.command(bytes(self.buffer[:size]))
            size = self.service.control.readinto(self.buffer)
        beat = self.heart.read()
        if beat and self.radio.connected:
            self.heart_service.measurement = struct.pack("<BB", 0, beat[0])
        for pressed, at_ms in self.button.read():
            self.presses.append((pressed, at_ms))
            self.say(f"button {int(pressed)} {at_ms}")
        if self.due_ms is not None and now_ms >= self.due_ms:
            self.due_seen_ms.append(now_ms)
            self.due_ms = None

    async def main(self):
        first = supervisor.ticks_ms()
        while True:
            now_ms = (supervisor.ticks_ms() - first) & 0x1FFFFFFF
            self.step(now_ms)
            await tick(PERIOD_MS, self.due_ms)
