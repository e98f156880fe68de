# SPDX-License-Identifier: MIT
"""A chest strap on the simulated radio: a peripheral of its own, with nothing of Tenuto."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bumble import core, gatt

from tenuto.simulator.controller import power_on_device

if TYPE_CHECKING:
    from tenuto.simulator.world import World

ADDRESS = "D0:00:00:00:00:02"
MEASUREMENT = core.UUID.from_16_bits(0x2A37)
LOCATION = core.UUID.from_16_bits(0x2A38)
HEART_RATE = core.UUID.from_16_bits(0x180D)
BATTERY = core.UUID.from_16_bits(0x180F)
BATTERY_LEVEL = core.UUID.from_16_bits(0x2A19)
CHEST, WRIST = 1, 2


class FakeStrap:
    """Sends what a test wants it to send."""

    def __init__(self, device: Any, measurement: gatt.Characteristic[Any]) -> None:
        self.device = device
        self._measurement = measurement

    async def send(self, value: bytes) -> None:
        """Send bytes to who has subscribed."""
        await self.device.notify_subscribers(self._measurement, value)

    async def take_off(self) -> None:
        """Go out of reach, as a strap does that is taken off."""
        await self.device.stop_advertising()
        for connection in list(self.device.connections.values()):
            await connection.disconnect()

    async def put_on(self) -> None:
        """Be heard again."""
        await self.device.start_advertising(auto_restart=True)


async def put_on_strap(
    world: World, location: int | None = CHEST, *, battery_pct: int | None = None
) -> FakeStrap:
    """Put a strap on the air."""
    device, _ = await power_on_device(world.radio, "strap", ADDRESS, secure_connections=False)
    measurement: gatt.Characteristic[Any] = gatt.Characteristic(
        MEASUREMENT,
        gatt.Characteristic.Properties.NOTIFY,
        gatt.Characteristic.Permissions.READABLE,
        b"",
    )
    characteristics = [measurement]
    if location is not None:
        characteristics.append(
            gatt.Characteristic(
                LOCATION,
                gatt.Characteristic.Properties.READ,
                gatt.Characteristic.Permissions.READABLE,
                bytes([location]),
            )
        )
    device.add_service(gatt.Service(HEART_RATE, characteristics))
    name = (core.AdvertisingData.Type.COMPLETE_LOCAL_NAME, b"strap")
    device.advertising_data = bytes(core.AdvertisingData([name]))
    if battery_pct is not None:
        level: gatt.Characteristic[Any] = gatt.Characteristic(
            BATTERY_LEVEL,
            gatt.Characteristic.Properties.READ,
            gatt.Characteristic.Permissions.READABLE,
            bytes([battery_pct]),
        )
        device.add_service(gatt.Service(BATTERY, [level]))
    strap = FakeStrap(device, measurement)
    await strap.put_on()
    return strap
