# SPDX-License-Identifier: MIT
"""The floor, in a process of its own: bare bumble, bare aiomqtt and bare sqlite3.

It is a host that knows all beforehand: it writes to the wearables what Tenuto wrote, publishes what
Tenuto published and keeps the rows that Tenuto kept, each at its time, takes in what the wearables
and the broker say, and thinks nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiomqtt
from bumble import core
from bumble.device import ConnectionParametersPreferences, Device, DeviceConfiguration, Peer
from bumble.hci import Address, Phy
from bumble.transport import open_transport

from tenuto.links.uuids import INBOX_UUID, OUTBOX_UUID
from tests.bench.scale import child

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bumble.gatt_client import CharacteristicProxy

ATT_MTU = 517


class Counter:
    """What came in."""

    def __init__(self) -> None:
        self.packets = self.messages = 0

    def packet(self, _value: bytes) -> None:
        self.packets += 1


async def link(wearables: Any, counter: Counter) -> dict[str, CharacteristicProxy[bytes]]:
    """Connect to all, one after the other by each adapter; gives what is written to, by address."""
    by_adapter: dict[str, list[str]] = {}
    for _, address, adapter in wearables:
        by_adapter.setdefault(adapter, []).append(address)
    inboxes: dict[str, CharacteristicProxy[bytes]] = {}

    async def one_adapter(number: int, adapter: str, addresses: list[str]) -> None:
        transport = await open_transport(adapter)
        address = Address(f"F0:00:00:00:02:{number:02X}")
        config = DeviceConfiguration(name="floor", address=address)
        device = Device.from_config_with_hci(config, transport.source, transport.sink)
        await device.power_on()
        wish = ConnectionParametersPreferences(
            connection_interval_min=40.0, connection_interval_max=40.0, supervision_timeout=4000
        )
        for peripheral in addresses:
            connection = await device.connect(
                Address(peripheral), connection_parameters_preferences={Phy.LE_1M: wish}
            )
            peer = Peer(connection)
            await peer.request_mtu(ATT_MTU)
            await peer.discover_services()
            await peer.discover_characteristics()
            (inbox,) = peer.get_characteristics_by_uuid(core.UUID(INBOX_UUID))
            (outbox,) = peer.get_characteristics_by_uuid(core.UUID(OUTBOX_UUID))
            await peer.subscribe(outbox, counter.packet)
            inboxes[peripheral] = inbox

    await asyncio.gather(
        *(one_adapter(n, adapter, them) for n, (adapter, them) in enumerate(by_adapter.items(), 1))
    )
    return inboxes


def database(path: Path, schema: Sequence[str]) -> sqlite3.Connection:
    """Make a database with the table of Tenuto's that most goes into, and with its promises."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    for statement in schema:
        db.execute(statement)
    return db


async def main(given: Any) -> None:
    """Until the parent ends it."""
    loop, counter = asyncio.get_running_loop(), Counter()
    disk = ThreadPoolExecutor(1)
    db = database(Path(given["folder"]) / "floor.db", given["schema"])
    inboxes = await link(given["wearables"], counter)
    async with aiomqtt.Client(given["host"], given["port"]) as client:
        client.pending_calls_threshold = 10_000
        await client.subscribe(given["listens_to"], qos=1)

        async def take() -> None:
            async for _ in client.messages:
                counter.messages += 1

        taking = asyncio.create_task(take())
        doing: set[asyncio.Future[Any]] = set()

        def done(task: asyncio.Future[Any]) -> None:
            doing.discard(task)
            task.result()  # or the event loop tells of it

        def keep(rows: list[Any]) -> None:
            if rows:
                db.execute("BEGIN")
                places = ", ".join("?" * len(rows[0]))
                db.executemany(f"INSERT INTO records VALUES ({places})", rows)  # noqa: S608
                db.execute("COMMIT")

        def do(what: str, *rest: Any) -> None:
            task: asyncio.Future[Any]
            if what == "publish":
                topic, payload, qos, retain = rest
                task = asyncio.ensure_future(
                    client.publish(topic, bytes.fromhex(payload), qos=qos, retain=retain)
                )
            elif what == "keep":
                task = loop.run_in_executor(disk, keep, *rest)
            else:
                address, value = rest
                task = asyncio.ensure_future(
                    inboxes[address].write_value(bytes.fromhex(value), what == "request")
                )
            doing.add(task)
            task.add_done_callback(done)

        child.say()
        order = await child.listen()
        score = merge(*given["scores"], key=lambda row: row[0])
        spent, _ = await asyncio.gather(child.spent(order), child.play(order["begin_s"], score, do))
        child.say(
            **spent,
            mib=child.resident_mib(),
            packets=counter.packets,
            messages=counter.messages,
        )
        await child.listen()
        taking.cancel()


if __name__ == "__main__":
    child.run(main)
