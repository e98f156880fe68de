# SPDX-License-Identifier: MIT
"""Simulated wearables: the real firmware on a virtual board, over a virtual radio.

    async with World(seed=1) as world:
        person = VirtualPerson(start_bpm=120)
        band = await world.add_wearable("band", firmware_dir=Path("firmware"), person=person)
        adapter = await world.adapter()
        device = await BleakScanner.find_device_by_name("band", backend=adapter.scanner_backend)
        async with BleakClient(device, backend=adapter.client_backend) as client:
            ...

Everything keeps time by the running event loop, so `tenuto.event_loops` sets the pace.
Needs bumble and, for wearables, the adafruit_* libraries that the firmware imports.
"""

from __future__ import annotations

from tenuto.simulator.board import FirmwareError, SimulatedBoard
from tenuto.simulator.hardware import Battery, Button, Edge, HeartSensor, Motor
from tenuto.simulator.person import Press, VirtualPerson
from tenuto.simulator.radio import Radio, Silence
from tenuto.simulator.world import SimulatedWearable, World

__all__ = [
    "Battery",
    "Button",
    "Edge",
    "FirmwareError",
    "HeartSensor",
    "Motor",
    "Press",
    "Radio",
    "Silence",
    "SimulatedBoard",
    "SimulatedWearable",
    "VirtualPerson",
    "World",
]
