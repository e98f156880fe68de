# SPDX-License-Identifier: MIT
"""What the tests of the simulator share: virtual time, a small firmware, a host bonded to it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bleak import BleakClient, BleakScanner

from tenuto.simulator import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bleak.backends.device import BLEDevice

    from tenuto.links.radios.bumble import BumbleAdapter
    from tenuto.simulator import SimulatedBoard, SimulatedWearable

FIRMWARE = Path(__file__).parent / "firmware"

_UUID = "7e5a{:04x}-1c3f-4b8e-9a52-0d6c5b1f2e3a"
CONTROL = _UUID.format(2)
UPLOAD = _UUID.format(3)
LOG = _UUID.format(4)
SECRET = _UUID.format(5)
HEART_RATE = "00002a37-0000-1000-8000-00805f9b34fb"
BATTERY_LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"


async def find(adapter: BumbleAdapter, name: str, timeout_s: float = 10) -> BLEDevice | None:
    return await BleakScanner.find_device_by_name(
        name, timeout=timeout_s, backend=adapter.scanner_backend
    )


def client_of(
    adapter: BumbleAdapter,
    wearable: SimulatedWearable | SimulatedBoard,
    on_lost: Callable[[BleakClient], None] | None = None,
    **options: Any,
) -> BleakClient:
    return BleakClient(
        wearable.address,
        disconnected_callback=on_lost,
        backend=adapter.client_backend,
        **options,
    )


@asynccontextmanager
async def bonded(
    **world: Any,
) -> AsyncIterator[tuple[World, SimulatedWearable, BumbleAdapter, BleakClient]]:
    """A world with one wearable, and a host that is connected to it and bonded."""
    async with World(**world) as room:
        band = await room.add_wearable("band", firmware_dir=FIRMWARE)
        adapter = await room.adapter()
        client = client_of(adapter, band)
        await client.connect()
        await client.pair()
        yield room, band, adapter, client
