# SPDX-License-Identifier: MIT
"""A program that uses bleak, and knows nothing of Tenuto."""

import asyncio

from bleak import BleakClient, BleakScanner

HEART_RATE = "00002a37-0000-1000-8000-00805f9b34fb"


async def wait_for_heart_rate(name: str, at_least_bpm: int) -> int:
    """Connect to a heart rate sensor, and return the first rate that is high enough."""
    device = await BleakScanner.find_device_by_name(name)
    if device is None:
        raise LookupError(f"no {name} in reach")
    high: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_beat(_: object, data: bytearray) -> None:
        if data[1] >= at_least_bpm and not high.done():
            high.set_result(data[1])

    async with BleakClient(device, pair=True) as client:
        await client.start_notify(HEART_RATE, on_beat)
        return await high
