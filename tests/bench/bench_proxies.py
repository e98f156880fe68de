# SPDX-License-Identifier: MIT
"""From room to room by ESPHome proxies, beside habluetooth alone, and a crowd on three slots.

`python -m tests.bench.bench_proxies [ROAMS [BANDS]]`.

A roam begins when the proxy that the wearable is leaving tells that the link is gone.
For Tenuto it ends when each record that the wearable has logged meanwhile is here; for bleak on
habluetooth, which is what Home Assistant uses, when it is connected by the other proxy, has read
one value and is subscribed to another; and for bleak-esphome alike, which is told the right proxy.
The latter two have a device without bonds, since a band sends away who proves no key.
All in real time, since habluetooth has a clock of its own.
"""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bleak
import bleak_esphome
import habluetooth
from aioesphomeapi.client import APIClient
from bleak import BleakClient as PlainClient
from bleak.exc import BleakError
from bleak_esphome.backend.client import ESPHomeClient
from bumble import core, gatt
from bumble.core import AdvertisingData

from tenuto import event_loops
from tenuto.links.gatt import BATTERY_UUID
from tenuto.sessions.commands import Command, Verb
from tenuto.simulator import World
from tenuto.simulator.controller import power_on_device
from tenuto.simulator.peripheral import notified, readable
from tests.bench.tools import Result, say, spread, table
from tests.daemon.rig import connected
from tests.proxies.crowd import crowd
from tests.proxies.rig import house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bleak import BleakClient
    from bleak_esphome.backend.client import ESPHomeClientData

ROAMS = 10
BANDS, SLOTS = 50, 3
APART_S = 11.0
"""Between two roams: a link that was shorter than 10 s counts as a failure for Tenuto."""
BARE_APART_S = 2.0
RETRY_S = 0.3
ADDRESS = "C1:00:00:00:00:01"
ADVERTISED_MS = 100.0
HEART_UUID = "2a37"


def _move(world: World, address: str, room: int) -> None:
    """Carry it to another room, and have the link end as it would some seconds later."""
    world.house.put(address, room)
    world.radio.drop(address)


async def _ours(folder: Path, roams: int) -> list[float]:
    taken = []
    async with house(folder / "h.db") as it:
        (name,) = it.bands
        await connected(it.daemon, name)
        answer = await it.daemon.submit(Command(wearable=name, verb=Verb.START))
        assert answer.ok, answer
        supervisor, band = it.daemon.supervisors[name], it.bands[name]
        for number in range(roams):
            await asyncio.sleep(APART_S)
            _move(it.world, band.address, (number + 1) % 2)
            begin_s = time.perf_counter()
            while supervisor.connected.is_set():  # noqa: ASYNC110 - what is measured has no event
                await asyncio.sleep(0.005)
            await supervisor.connected.wait()
            driver: Any = supervisor._driver
            while driver._next_seq < band.app.band.log.next:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.005)
            taken.append(time.perf_counter() - begin_s)
    return taken


@asynccontextmanager
async def _habluetooth(world: World) -> AsyncIterator[list[ESPHomeClientData]]:
    """Connect habluetooth to the proxies, which then stands where bleak's classes were."""

    class Manager(habluetooth.BluetoothManager):
        def _discover_service_info(self, _info: Any) -> None:
            pass

    manager = Manager()
    habluetooth.set_manager(manager)
    await manager.async_setup()
    datas: list[ESPHomeClientData] = []
    async with AsyncExitStack() as stack:
        for proxy in world.proxies.values():
            client = APIClient(proxy.name, 6053)
            client.start_connection_from_socket(await proxy.dial())
            await client.finish_connection(login=True)
            stack.push_async_callback(client.disconnect)
            data = bleak_esphome.connect_scanner(client, await client.device_info(), available=True)
            assert data.scanner is not None
            stack.callback(data.scanner.async_setup())
            stack.callback(manager.async_register_scanner(data.scanner))
            datas.append(data)
        yield datas
    manager.async_stop()


async def _until_used(
    connect: Callable[[Callable[[Any], None]], Awaitable[BleakClient]], gone: asyncio.Event
) -> None:
    """Connect, read and subscribe, until it works."""
    while True:
        try:
            client = await connect(lambda _client: gone.set())
            await client.read_gatt_char(BATTERY_UUID)
            await client.start_notify(HEART_UUID, lambda _sender, _value: None)
        except (BleakError, TimeoutError):
            await asyncio.sleep(RETRY_S)
        else:
            return


async def _device(world: World) -> str:
    """Put a device into the first room that advertises as often as a band; return its address."""
    device, _ = await power_on_device(world.radio, "plain", ADDRESS, secure_connections=True)
    device.add_service(gatt.Service(core.UUID.from_16_bits(0x180F), [readable(0x2A19, b"@")]))
    beats = notified(core.UUID.from_16_bits(0x2A37))
    device.add_service(gatt.Service(core.UUID.from_16_bits(0x180D), [beats]))
    device.advertising_data = bytes(AdvertisingData([(AdvertisingData.FLAGS, b"\x06")]))
    await device.start_advertising(
        auto_restart=True,
        advertising_interval_min=ADVERTISED_MS,
        advertising_interval_max=ADVERTISED_MS,
    )
    world.house.put(ADDRESS, 0)
    return ADDRESS


async def _bare(roams: int, *, is_told: bool) -> list[float]:
    """Roam by habluetooth's choice, or by bleak-esphome that is told the right proxy."""
    taken = []
    async with World(seed=0) as world:
        proxies = [await world.add_proxy(f"room-{'ab'[number]}", number) for number in range(2)]
        address = await _device(world)
        async with _habluetooth(world) as datas:
            room = 0

            async def connect(on_gone: Callable[[Any], None]) -> BleakClient:
                scanner = datas[room].scanner
                assert scanner is not None
                heard = scanner.discovered_devices_and_advertisement_data
                while is_told and address not in heard:
                    heard = scanner.discovered_devices_and_advertisement_data
                    await asyncio.sleep(0.005)
                device: Any = None
                while device is None:
                    device = await bleak.BleakScanner.find_device_by_address(address)
                    await asyncio.sleep(0.005)
                if is_told:
                    device, _ = heard[address]
                    backend = partial(ESPHomeClient, client_data=datas[room])
                    backend.__name__ = "ESPHomeClient"  # type: ignore[attr-defined]
                    client = PlainClient(
                        device,
                        disconnected_callback=on_gone,
                        backend=backend,  # type: ignore[arg-type]
                    )
                else:
                    client = bleak.BleakClient(device, disconnected_callback=on_gone)
                await client.connect()
                return client

            gone = asyncio.Event()
            await _until_used(connect, gone)
            for number in range(roams):
                await asyncio.sleep(BARE_APART_S)
                gone.clear()
                room = (number + 1) % 2
                _move(world, address, room)
                begin_s = time.perf_counter()
                await gone.wait()
                await _until_used(connect, gone)
                taken.append(time.perf_counter() - begin_s)
        for proxy in proxies:
            await proxy.unplug()
    return taken


def measure(roams: int = ROAMS, bands: int = BANDS) -> Result:
    """Measure both, and the crowd in virtual time."""
    with tempfile.TemporaryDirectory() as name:
        ours = event_loops.run(_ours(Path(name), roams))
        chosen = event_loops.run(_bare(roams, is_told=False))
        told = event_loops.run(_bare(roams, is_told=True))
        together = event_loops.run(crowd(Path(name) / "crowd.db", bands, SLOTS), speed=math.inf)
    return {
        "roams": roams,
        "tenuto_s": spread(ours),
        "habluetooth_s": spread(chosen),
        "told_s": spread(told),
        "bands": bands,
        "slots": SLOTS,
        "started_s": round(together.started_s, 1),
        "complete_s": round(together.complete_s, 1),
        "apart_ms": round(together.apart_ms, 3),
    }


def show(result: Result) -> str:
    """Give the tables of what was measured."""
    rows = [
        (who, *result[key].values())
        for who, key in (
            ("Tenuto: until the log is complete", "tenuto_s"),
            ("bleak on habluetooth: until one value is read", "habluetooth_s"),
            ("bleak-esphome, told the right proxy: likewise", "told_s"),
        )
    ]
    crowd_row = [result[key] for key in ("bands", "slots", "started_s", "complete_s", "apart_ms")]
    return "\n\n".join(
        (
            table(("roam to another proxy, s", "p50", "p99", "worst"), rows),
            table(
                (
                    "bands",
                    "slots of their one proxy",
                    "all have begun after, s",
                    "history complete after the last end, s",
                    "cues at most apart, ms",
                ),
                [crowd_row],
            ),
        )
    )


if __name__ == "__main__":
    say(show(measure(*map(int, sys.argv[1:]))))
