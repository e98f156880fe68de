# SPDX-License-Identifier: MIT
"""Tenuto's host as its daemon runs it, in a process of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenuto.config import (
    Bluetooth,
    Config,
    Fleet,
    Folders,
    History,
    Mqtt,
    Person,
    Routines,
    Wearable,
)
from tenuto.daemon.build import Setting, open_host
from tenuto.daemon.garbage_collection import collected_between_sessions
from tenuto.files import write_private
from tests.bench.scale import child

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.daemon.build import Host
    from tenuto.daemon.sinks import Sink
    from tenuto.sessions.events import Entry

ROUTINE = "lower-back-short"
LINKED_TIMEOUT_S = 900.0
QUIET_S = 5.0
"""Longer than `SETTLE_S` of the announcer, after which it says all once more."""


class Watched:
    """A sink that notes when what it was given was on the disk.

    batches: (time of the loop in s, [(wearable, device, number, its clock in ms) of each record]).
    """

    def __init__(self, sink: Sink) -> None:
        self.name = sink.name
        self.batches: list[tuple[float, list[tuple[str, str, int, int]]]] = []
        self._sink = sink
        self.open, self.close = sink.open, sink.close

    async def handle(self, entries: Sequence[Entry]) -> None:
        await self._sink.handle(entries)
        records = {
            (entry.wearable, entry.session.device, entry.record.seq): entry.record.at_ms
            for entry in entries
            if entry.record is not None
        }
        rows = [(*which, at_ms) for which, at_ms in records.items()]
        self.batches.append((asyncio.get_running_loop().time(), rows))


def config(given: Any) -> Config:
    """Give the configuration: all wearables are worn by somebody whose heart is published."""
    folder = Path(given["folder"])
    write_private(folder / "key", child.KEY.hex())
    return Config(
        mqtt=Mqtt(url=given["broker"]),
        bluetooth=Bluetooth(links_max=100),
        fleet=Fleet(key_file=folder / "key"),
        history=History(path=folder / "history.db"),
        routines=Routines(default=ROUTINE),
        people=(Person(id="anybody", publish_heart_rate=True),),
        wearables=tuple(
            Wearable(
                id=name, link="ble", address=address, adapter=f"bumble:{adapter}", person="anybody"
            )
            for name, address, adapter in given["wearables"]
        ),
        own=Folders(folder, folder),
    )


async def quiet(host: Host) -> None:
    """Wait until the broker has been told all there is to tell."""
    bridge, sent = host.mqtt.bridge, -1
    assert bridge is not None
    while sent != bridge.sent:
        sent = bridge.sent
        await asyncio.sleep(QUIET_S)


async def main(given: Any) -> None:
    """Until the parent ends it."""
    settings = config(given)
    setting = Setting(config=settings, speed=1.0, mqtt=True, say=lambda _text: None, seed=1)
    async with (
        open_host(setting, settings.wearables, []) as host,
        host.running(),
        collected_between_sessions(lambda: host.hub.is_playing),
    ):
        queue = host._queues[0]
        queue._sink = disk = Watched(queue._sink)
        async with asyncio.timeout(LINKED_TIMEOUT_S):
            for supervisor in host.hub.supervisors.values():
                await supervisor.connected.wait()
        await quiet(host)
        child.say()
        order = await child.listen()
        await child.until(order["begin_s"])
        disk.batches.clear()
        spent = await child.spent(order)
        assert host.mqtt.bridge is not None
        child.say(
            **spent,
            mib=child.resident_mib(),
            batches=disk.batches,
            dropped=host.mqtt.bridge.dropped + sum(queue.dropped for queue in host._queues),
        )
        await child.listen()


if __name__ == "__main__":
    child.run(main)
