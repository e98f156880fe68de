# SPDX-License-Identifier: MIT
"""A model that was added by this file and its row: it buzzes by Immediate Alert, 0x1802.

The device is our own band, whose alert service any bonded computer may use that its owner lets.
It plays nothing: a player in this process steps the plan, and each pulse is a write of a level.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason
from tenuto.links.ble_adapter import BleAdapter, at_address
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.links.registry import LINKS
from tenuto.links.uuids import ALERT_UUID
from tenuto.shipped import shipped
from tenuto.wearables.band import BandDriver
from tenuto.wearables.model import Capability, Model
from tenuto_core.buzzer import Motor

if TYPE_CHECKING:
    from collections.abc import Callable

    from bleak import BleakClient

    from tenuto.config import Wearable
    from tenuto.links.scan import Found
    from tenuto.simulator.person import VirtualPerson
    from tenuto.simulator.world import SimulatedWearable, World
    from tenuto.wearables.model import BuildContext

IMMEDIATE_ALERT = "00001802-0000-1000-8000-00805f9b34fb"
MILD, NONE = 1, 0


class AlertMotor(Motor):
    """A level while a pulse lasts; nobody waits for a write."""

    def __init__(self) -> None:
        self.client: BleakClient | None = None
        self._writes: set[asyncio.Task[None]] = set()

    def on(self, strength_pct: int, on_ms: int) -> None:  # noqa: ARG002 - it has one strength
        self._write(MILD)

    def off(self) -> None:
        self._write(NONE)

    def _write(self, level: int) -> None:
        if self.client is not None:
            task = asyncio.create_task(self._try_to_write(self.client, level), name="alert")
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)

    async def _try_to_write(self, client: BleakClient, level: int) -> None:
        try:
            await client.write_gatt_char(ALERT_UUID, bytes([level]), response=False)
        except Exception:  # noqa: BLE001 - bleak's own; the link is going, and nothing was felt
            return


class AlertLink(InProcessLink):
    """The player in this process, which is in reach while the device is."""

    def __init__(self, adapter: BleAdapter, address: str) -> None:
        self._motor = AlertMotor()
        super().__init__(InProcessBand(self._motor, name=address), latency_s=0.001)
        self._adapter, self._address = adapter, address

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        await self.disconnect()
        client, _ = await self._adapter.connect(at_address(self._address), self.name, self._lost)
        if client.services.get_characteristic(ALERT_UUID) is None:
            await self._adapter.let_go(client)
            raise LinkError(LinkReason.PROTOCOL, f"{self.name} has no Immediate Alert")
        await client.pair()
        await super().connect(on_packet, on_lost)
        self._motor.client = client

    def _lost(self, client: BleakClient) -> None:
        if client is self._motor.client:
            self._motor.client = None
            self.drop()

    async def disconnect(self) -> None:
        await super().disconnect()
        client, self._motor.client = self._motor.client, None
        if client is not None:
            await self._adapter.let_go(client)


def _is_one(found: Found) -> bool:
    return IMMEDIATE_ALERT in found.services


async def _build(wearable: Wearable, context: BuildContext) -> BandDriver:
    return BandDriver(AlertLink(*await LINKS[wearable.link].locate(wearable, context)))


async def _simulate(world: World, name: str, person: VirtualPerson | None) -> SimulatedWearable:
    device = await world.add_wearable(name, firmware_dir=shipped("firmware"), person=person)
    device.app.ble._trust_bonds = True  # TENUTO_TRUST_BONDS = 1
    return device


MODEL = Model(
    id="throwaway",
    title="throwaway alert device",
    manufacturer="nobody",
    use="buzzes while the host plays the routine",
    capabilities=Capability.STOPS_AT_ONCE,
    is_one=_is_one,
    links=("ble", "simulated"),
    build=_build,
    simulate=_simulate,
)
