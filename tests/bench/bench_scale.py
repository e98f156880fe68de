# SPDX-License-Identifier: MIT
"""Many wearables on one host, in real time, with a real Mosquitto and a real disk.

`python -m tests.bench.bench_scale [COUNT ...]`: each wearable plays, its heart is felt once a
second, and everything goes to the history and to the broker.  The wearables' own part (the core,
on a link in memory) runs in the same process and is counted in, so the host needs less than told.
The floor is what aiomqtt and sqlite3 alone take for the same messages and rows.  What the radio
takes is measured by `bench_many`.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiomqtt

from tenuto.commands import Command, Verb
from tenuto.compile import CompiledPlan
from tenuto.daemon import Daemon
from tenuto.history import HistorySink, Store
from tenuto.keeper import LinkState
from tenuto.links.memory import MemoryBand, MemoryLink
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.bridge import Bridge
from tenuto.outlets import Outlet
from tenuto.wearables.band import BandDriver
from tenuto_core import vocab
from tenuto_core.buzzer import Motor
from tenuto_core.encode import encode
from tenuto_core.plan import Plan, Step
from tests.bench.tools import Result, mosquitto, percentile, say, table
from tests.core.rig import PATTERNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.events import Entry

COUNTS = (1, 10, 100, 500)
PLAYS_S = 20.0
LATE_COMMAND_MS = 1_000
FLIGHTS = 8


def _plan() -> CompiledPlan:
    steps = [
        Step(
            vocab.HOLD, 5_000, ((0, False, vocab.HOLD_START), (0, True, vocab.HOLD_END)), exercise=0
        )
        for _ in range(12)
    ]
    steps.append(Step(vocab.DONE, 0, ((0, False, vocab.FINISHED),)))
    data = encode("scale", ("hold",), steps, PATTERNS)
    return CompiledPlan(data, Plan(data))


class TimedHistory(HistorySink):
    """Notes how old each event is when the disk has it, in ms."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.ages_ms: list[float] = []
        self.rows = 0

    async def handle(self, entries: Sequence[Entry]) -> None:
        await super().handle(entries)
        now_ms = time.time() * 1000
        self.ages_ms += [now_ms - entry.utc_ms for entry in entries]
        self.rows += len(entries)


class TimedBridge(Bridge):
    """Notes when the broker has each event, and everything that was published."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ages_ms: list[float] = []
        self.messages: list[tuple[str, bytes, int, bool]] = []

    async def _publish(self, client: aiomqtt.Client, message: Any) -> None:
        await super()._publish(client, message)
        self.messages.append((message.topic, message.payload, message.qos, message.retain))
        if message.topic.endswith("/event"):
            told = json.loads(message.payload)
            at_s = datetime.fromisoformat(told["utc"]).timestamp()
            self.ages_ms.append((time.time() - at_s) * 1000)


async def play(folder: Path, address: BrokerAddress, count: int) -> Result:
    """Let so many wearables play; gives what it took."""
    plan = _plan()
    loop = asyncio.get_running_loop()
    names = [f"band-{number}" for number in range(count)]
    dice = random.Random(1)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store(folder / f"{count}.db"))
        disk = TimedHistory(store)
        history = await stack.enter_async_context(Outlet(disk, bound=65_536))

        async def submit(_command: Command) -> Any:
            raise NotImplementedError

        bridge = TimedBridge(
            address,
            wearables=names,
            submit=submit,
            rng=dice,
            heart=names,
            base_topic=f"scale{count}",
            table=store,
        )
        outlet = await stack.enter_async_context(Outlet(bridge, bound=65_536))
        daemon = Daemon(
            store=store,
            history=history,
            outlets=[outlet],
            compile_routine=lambda _wearable, _name: plan,
            utc_ms=lambda: time.time() * 1000,
            rng=dice,
            on_link=lambda name, state: bridge.wearable_online(name, state is LinkState.UP),
        )
        bands = {name: MemoryBand(Motor(), boot_id=1, name=name) for name in names}
        for name, band in bands.items():
            daemon.add(name, None, BandDriver(MemoryLink(band)))
        task = asyncio.create_task(daemon.run(), name="daemon")
        for name in names:
            await daemon.keepers[name].connected.wait()

        def beat(band: MemoryBand) -> None:
            band.band.beat(dice.randint(60, 120), (900,), band.now_ms)
            band.poke()
            timers[band] = loop.call_later(1.0, beat, band)

        timers: dict[MemoryBand, asyncio.TimerHandle] = {}
        begin_s, cpu_s = loop.time(), time.process_time()
        commands_ms: list[float] = []

        async def start(name: str) -> None:
            await asyncio.sleep(dice.uniform(0, 2))
            at_s = loop.time()
            answer = await daemon.submit(Command(wearable=name, verb=Verb.START))
            commands_ms.append((loop.time() - at_s) * 1000 if answer.ok else 1e9)
            timers[bands[name]] = loop.call_later(dice.random(), beat, bands[name])

        await asyncio.gather(*(start(name) for name in names))
        await asyncio.sleep(begin_s + PLAYS_S - loop.time())
        took_s, used_s = loop.time() - begin_s, time.process_time() - cpu_s
        for timer in timers.values():
            timer.cancel()
        for band in bands.values():
            band.band.player.receive(vocab.STOP, 0, vocab.BY_HOST, band.now_ms)
            band.poke()
        await asyncio.sleep(1)
        rows, messages = disk.rows, list(bridge.messages)
        task.cancel()
        await asyncio.wait({task})
    return {
        "count": count,
        "core_share": used_s / took_s,
        "cpu_s": used_s,
        "took_s": took_s,
        "rows": rows,
        "messages": messages,
        "disk_p99_ms": percentile(disk.ages_ms, 0.99),
        "mqtt_p99_ms": percentile(bridge.ages_ms, 0.99),
        "command_p99_ms": percentile(commands_ms, 0.99),
        "late_commands": sum(ms > LATE_COMMAND_MS for ms in commands_ms),
        "dropped": history.dropped + outlet.dropped + bridge.dropped,
        "d2": outlet.dropped,
        "d3": bridge._dropped,
        "d4": bridge._outbox.dropped,
    }


async def floor(
    folder: Path,
    address: BrokerAddress,
    messages: Sequence[tuple[str, bytes, int, bool]],
    rows: int,
) -> float:
    """Give the processor time that the libraries alone take for the same."""
    store = Store(folder / "floor.db")
    await store.open()
    try:
        async with aiomqtt.Client(address.host, address.port) as client:
            client.pending_calls_threshold = FLIGHTS + 1
            cpu_s = time.process_time()
            for at in range(0, len(messages), FLIGHTS):
                await asyncio.gather(
                    *(
                        client.publish(topic, payload, qos=qos, retain=retain)
                        for topic, payload, qos, retain in messages[at : at + FLIGHTS]
                    )
                )
            for _ in range(-(-rows // 64)):
                await store.work(
                    lambda db: db.executemany(
                        "INSERT INTO outbox (utc_ms, topic, payload) VALUES (?, ?, ?)",
                        [(1, "t", b"x" * 24)] * 64,
                    )
                )
            return time.process_time() - cpu_s
    finally:
        await store.close()


async def one(count: int) -> Result:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with mosquitto(folder) as broker:
            address = BrokerAddress(broker.host, broker.port)
            before_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            found = await play(folder, address, count)
            after_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            messages = found.pop("messages")
            found["messages"] = len(messages)
            found["floor_cpu_s"] = await floor(folder, address, messages, found["rows"])
            found["ratio"] = found["cpu_s"] / found["floor_cpu_s"]
            found["mib"] = (after_mib - before_mib) / count
    return {key: round(value, 4) for key, value in found.items()}


def measure(counts: Sequence[int] = COUNTS) -> Result:
    """Give a row for each number of wearables."""
    return {"rows": [asyncio.run(one(count)) for count in counts], "plays_s": PLAYS_S}


def show(result: Result) -> str:
    """Give the table."""
    heads = (
        *("wearables", "of a core", "for each", "MiB for each", "to disk p99 ms"),
        *("to MQTT p99 ms", "command p99 ms", "late commands", "dropped", "CPU against the floor"),
    )
    return table(
        heads,
        [
            (
                row["count"],
                f"{row['core_share']:.1%}",
                f"{row['core_share'] / row['count']:.3%}",
                f"{row['mib']:.2f}",
                f"{row['disk_p99_ms']:.0f}",
                f"{row['mqtt_p99_ms']:.0f}",
                f"{row['command_p99_ms']:.0f}",
                row["late_commands"],
                row["dropped"],
                f"{row['ratio']:.1f}",
            )
            for row in result["rows"]
        ],
    )


if __name__ == "__main__":
    say(show(measure([int(text) for text in sys.argv[1:]] or COUNTS)))
