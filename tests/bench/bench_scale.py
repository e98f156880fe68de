# SPDX-License-Identifier: MIT
"""Many wearables that play on one host, in real time: `python -m tests.bench.bench_scale [COUNT]`.

Four processes: the simulated side (`scale/room.py`: the firmware, the air, the adapters'
controllers), Tenuto's host as the daemon runs it (`scale/host.py`: bleak on bumble over HCI, MQTT
with discovery, the history on disk), a real Mosquitto, and this one, which gives the commands and
listens as Home Assistant does.  What went over the links, to the broker and to the disk is written
down, and then bare bumble, aiomqtt and sqlite3 do the same again at the same times
(`scale/floor.py`) against bare peripherals in the same air.

Processor time and memory are those of the host's process, so of Tenuto or of the floor alone.
Latencies are from when it happened, by the wearable's own clock, until a subscriber has the message
or the transaction is on the disk; and from a command on MQTT until the wearable begins to play.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import sys
import tempfile
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiomqtt
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.bench.scale.child import Child, play, settle
from tests.bench.scale.room import address_of
from tests.bench.tools import Result, mosquitto, percentile, say, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import Broker

COUNTS = (1, 10, 100, 500)
PLAYS_S = 40.0
STARTS_PER_S = 25
"""How many are asked to start in a second, at most."""
LATE_COMMAND_MS = 1_000
LINKS_PER_ADAPTER = 100
BEGINS_AFTER_S = 3.0
LINKED_TIMEOUT_S = 900.0
BASE = "tenuto"


@dataclass
class Listener:
    """What a subscriber heard: (s on the loop's clock, topic, payload, retain)."""

    heard: list[tuple[float, str, bytes, bool]] = field(default_factory=list)

    async def listen(self, client: aiomqtt.Client) -> None:
        loop = asyncio.get_running_loop()
        async for message in client.messages:
            payload = bytes(message.payload)
            self.heard.append((loop.time(), str(message.topic), payload, message.retain))


@dataclass
class Run:
    """One playing: the order in which wearables are commanded, and who is where."""

    folder: Path
    broker: Broker
    count: int

    @property
    def starts_s(self) -> float:
        """Within so many seconds all are asked to start; from then on all play."""
        return self.count / STARTS_PER_S

    @property
    def commands(self) -> list[tuple[float, str, str]]:
        """The score of the commands: (s, topic, payload)."""
        dice = random.Random(1)
        return sorted(
            (
                dice.uniform(0, self.starts_s),
                f"{BASE}/band-{number}/command",
                json.dumps({"command": "start", "id": f"start {number}"}),
            )
            for number in range(1, self.count + 1)
        )

    def wearables(self, transport: str) -> list[tuple[str, str, str]]:
        """Give (name, address, adapter) of each; the adapters are told apart by a remark."""
        kind, _, place = transport.partition(":")
        return [
            (
                f"band-{number}",
                address_of(number),
                f"{kind}:[adapter={(number - 1) // LINKS_PER_ADAPTER}]{place}",
            )
            for number in range(1, self.count + 1)
        ]

    async def play(
        self, room: Child, host: Child, client: aiomqtt.Client
    ) -> tuple[float, Any, Any]:
        """Let all begin at the same time; gives when, and what the room and the host tell."""
        settle()
        begin_s = asyncio.get_running_loop().time() + BEGINS_AFTER_S
        when = {
            "begin_s": begin_s,
            "full_s": begin_s + self.starts_s,
            "end_s": begin_s + PLAYS_S,
        }
        told, taken, _ = await asyncio.gather(
            room.ask(2 * PLAYS_S, **when),
            host.ask(2 * PLAYS_S, **when),
            self.command(client, begin_s),
        )
        return begin_s, told, taken

    async def command(self, client: aiomqtt.Client, begin_s: float) -> None:
        """Give all the commands at their times."""
        giving: set[asyncio.Task[None]] = set()

        def give(topic: str, payload: str) -> None:
            giving.add(asyncio.create_task(client.publish(topic, payload, qos=1)))

        await play(begin_s, self.commands, give)
        await asyncio.gather(*giving)


async def tenuto(run: Run) -> tuple[Result, list[list[Any]], list[Any]]:
    """Let Tenuto play; gives what it took, the floor's scores, and that of the wearables."""
    listener = Listener()
    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(Child("room", count=run.count, score=None))
        wearables = run.wearables((await room.hear(LINKED_TIMEOUT_S))["adapter"])
        url = f"mqtt://{run.broker.host}:{run.broker.port}"
        host = await stack.enter_async_context(
            Child("host", folder=str(run.folder), broker=url, wearables=wearables)
        )
        await host.hear(LINKED_TIMEOUT_S)
        client = await stack.enter_async_context(
            aiomqtt.Client(run.broker.host, run.broker.port, protocol=aiomqtt.ProtocolVersion.V5)
        )
        client.pending_calls_threshold = 10_000
        options = SubscribeOptions(noLocal=True, retainAsPublished=True, retainHandling=2)
        await client.subscribe(f"{BASE}/#", options=options)
        listening = asyncio.create_task(listener.listen(client))
        begin_s, told, taken = await run.play(room, host, client)
        listening.cancel()
    found = latencies(run, begin_s, listener, told, taken) | {
        "cpu_s": taken["used_s"],
        "cpu_full_s": taken["used_full_s"],
        "room_cpu_s": told["used_s"],
        "mib": taken["mib"],
        "dropped": taken["dropped"],
    }
    publications = [
        (at_s - begin_s, "publish", topic, payload.hex(), int(not topic.endswith("/heart")), retain)
        for at_s, topic, payload, retain in listener.heard
        if 0 <= at_s - begin_s < PLAYS_S
    ]
    writes = [(at_s, what, address, value) for at_s, address, what, value in told["written"]]
    found["messages"], found["writes"] = len(publications), len(writes)
    found["notifications"] = len(told["said"])
    return found, [publications, writes, rows(run, begin_s, taken["batches"])], told["said"]


def latencies(run: Run, begin_s: float, listener: Listener, told: Any, taken: Any) -> Result:
    """Give how late the disk, the subscriber and the commands were."""
    clocks: dict[str, tuple[float, int]] = told["clocks"]
    disk_ms = [
        (at_s - clocks[wearable][0]) * 1000 - at_ms
        for at_s, batch in taken["batches"]
        for wearable, _, _, at_ms in batch
    ]
    asked_s = {topic.split("/")[1]: begin_s + at_s for at_s, topic, _ in run.commands}
    obeyed_ms = [
        (zero_s + started_ms / 1000 - asked_s[wearable]) * 1000
        for wearable, (zero_s, started_ms) in clocks.items()
    ]
    mqtt_ms = []
    for at_s, topic, payload, _ in listener.heard:
        _, wearable, what, *_ = topic.split("/")
        if what == "event":
            zero_s, started_ms = clocks[wearable]
            happened_ms = started_ms + json.loads(payload)["t_ms"]
            mqtt_ms.append((at_s - zero_s) * 1000 - happened_ms)
    return {
        "disk_p99_ms": percentile(disk_ms, 0.99),
        "mqtt_p99_ms": percentile(mqtt_ms, 0.99),
        "mqtt_p50_ms": percentile(mqtt_ms, 0.5),
        "command_p99_ms": percentile(obeyed_ms, 0.99),
        # What never began has a start before it was asked for.
        "late_commands": sum(not 0 <= ms <= LATE_COMMAND_MS for ms in obeyed_ms),
    }


def rows(run: Run, begin_s: float, batches: Sequence[Any]) -> list[Any]:
    """Give the score of the disk: the history's records, in the transactions that there were."""
    with closing(sqlite3.connect(run.folder / "history.db")) as db:
        kept = {(row[0], row[2]): row for row in db.execute("SELECT * FROM records")}
    return [
        (at_s - begin_s, "keep", [kept[device, seq] for _, device, seq, _ in batch])
        for at_s, batch in batches
    ]


def schema(run: Run) -> list[str]:
    """Give what makes the table of records as the history has it."""
    told = "SELECT sql FROM sqlite_master WHERE tbl_name = 'records' AND sql IS NOT NULL"
    with closing(sqlite3.connect(run.folder / "history.db")) as db:
        return [sql for (sql,) in db.execute(told)]


async def floor(run: Run, scores: list[list[Any]], said: list[Any]) -> Result:
    """Let the bare libraries do the same; gives what they took."""
    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(Child("room", count=run.count, score=said))
        wearables = run.wearables((await room.hear(LINKED_TIMEOUT_S))["adapter"])
        bare = await stack.enter_async_context(
            Child(
                "floor",
                folder=str(run.folder),
                host=run.broker.host,
                port=run.broker.port,
                listens_to=f"{BASE}/+/command",
                schema=schema(run),
                wearables=wearables,
                scores=scores,
            )
        )
        await bare.hear(LINKED_TIMEOUT_S)
        client = await stack.enter_async_context(aiomqtt.Client(run.broker.host, run.broker.port))
        client.pending_calls_threshold = 10_000
        _, _, taken = await run.play(room, bare, client)
    return {
        "floor_cpu_s": taken["used_s"],
        "floor_mib": taken["mib"],
        "floor_packets": taken["packets"],
        "floor_messages": taken["messages"],
    }


async def one(count: int) -> Result:
    """Measure so many wearables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with mosquitto(folder) as broker:
            run = Run(folder, broker, count)
            found, scores, said = await tenuto(run)
            found |= await floor(run, scores, said)
    found["ratio"] = found["cpu_s"] / found["floor_cpu_s"]
    found["core_share"] = found["cpu_s"] / PLAYS_S
    found["core_share_full"] = found["cpu_full_s"] / (PLAYS_S - run.starts_s)
    return {"count": count} | {key: round(value, 4) for key, value in found.items()}


def measure(counts: Sequence[int] = COUNTS) -> Result:
    """Give a row for each number of wearables."""
    return {"rows": [asyncio.run(one(count)) for count in counts], "plays_s": PLAYS_S}


def show(result: Result) -> str:
    """Give the table."""
    heads = (
        *(
            "wearables",
            "of a core",
            "while all play",
            "for each",
            "the floor's core",
            "CPU against the floor",
        ),
        *("MiB", "MiB for each more", "the floor's"),
        *("to disk p99 ms", "to MQTT p99 ms", "command p99 ms", "late commands", "dropped"),
    )
    first = result["rows"][0]

    def for_each_more(row: Result, what: str) -> str:
        more = row["count"] - first["count"]
        return f"{(row[what] - first[what]) / more:.2f}" if more else ""

    return table(
        heads,
        [
            (
                row["count"],
                f"{row['core_share']:.1%}",
                f"{row['core_share_full']:.1%}",
                f"{row['core_share_full'] / row['count']:.3%}",
                f"{row['floor_cpu_s'] / result['plays_s']:.1%}",
                f"{row['ratio']:.1f}",
                f"{row['mib']:.0f}",
                for_each_more(row, "mib"),
                for_each_more(row, "floor_mib"),
                f"{row['disk_p99_ms']:.0f}",
                f"{row['mqtt_p99_ms']:.0f}",
                f"{row['command_p99_ms']:.0f}",
                row["late_commands"],
                row["dropped"],
            )
            for row in result["rows"]
        ],
    )


if __name__ == "__main__":
    found = measure([int(text) for text in sys.argv[1:]] or COUNTS)
    say(json.dumps(found, indent=1))
    say(show(found))
