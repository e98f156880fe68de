# SPDX-License-Identifier: MIT
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN204, ARG002 - code for a board, like firmware/
"""A tag that buzzes when it is told to: Immediate Alert (0x1802), as sold for keys and wallets."""

from __future__ import annotations

import _bleio
import tickless
from adafruit_ble import BLERadio
from adafruit_ble.advertising.standard import ProvideServicesAdvertisement
from adafruit_ble.attributes import Attribute
from adafruit_ble.characteristics import Characteristic, ComplexCharacteristic
from adafruit_ble.services import Service
from adafruit_ble.uuid import StandardUUID

# Shorter than a real tag's, so that the comparison cannot be accused of a slow tag.
POLL_MS = 2
BUZZ_MS = 200


class Level(ComplexCharacteristic):
    def bind(self, service):
        return _bleio.PacketBuffer(super().bind(service), buffer_size=8)


class ImmediateAlert(Service):
    uuid = StandardUUID(0x1802)
    level = Level(
        uuid=StandardUUID(0x2A06),
        properties=Characteristic.WRITE_NO_RESPONSE | Characteristic.WRITE,
        read_perm=Attribute.NO_ACCESS,
        write_perm=Attribute.OPEN,
        max_length=1,
    )


class App:
    def __init__(self, *, motor, heart, button, battery, name):
        self.motor = motor
        self.radio = BLERadio()
        self.radio.name = name
        self.service = ImmediateAlert()
        self.buffer = bytearray(1)

    async def main(self):
        while True:
            if not self.radio.connected and not self.radio.advertising:
                self.radio.start_advertising(ProvideServicesAdvertisement(self.service))
            while self.service.level.readinto(self.buffer):
                self.motor.on(100 if self.buffer[0] == 2 else 50, BUZZ_MS)
            await tickless.tick(POLL_MS, None)
