# SPDX-License-Identifier: MIT
"""Two rooms in real time: real daemons, PostgreSQL and a broker of three nodes, and what dies.

The bands are in this process and play on whatever dies. Either host may have any of them: when one
dies, the other takes over. In the midst of the sessions a node of the broker, a host, PostgreSQL
and the ingest are killed, each by SIGKILL or what comes near to it. Afterwards the central history
has to have what the bands logged, byte for byte, and whoever listens to the broker has to have
heard all that each host has in its history.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiomqtt
import psycopg

from tenuto.history import Store
from tenuto.shipped import shipped
from tenuto.simulator import VirtualPerson, World
from tenuto.simulator.server import listen
from tests.clinic.proof import QUERY, by_session, unheard, without_times
from tests.fleet.server import as_user
from tests.mqtt.nats import CONFIG, PASSWORD, cluster
from tests.patience import patience_s
from tests.processes import Process, environment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tenuto.simulator.world import SimulatedWearable
    from tests.fleet.server import PostgresServer
    from tests.mqtt.nats import Node

ROOMS = ("room-a", "room-b")
BANDS = 2
WITHIN_S = 90.0
LOOK_EVERY_S = 0.2
ROUTINE = """
name = "brief"
description = "Two holds"
source = "none"
safety = "none"
ready_s = 3
[defaults]
hold_s = 9
change_s = 5
[[exercise]]
name = "One"
how = "lie down"
muscles = ["back"]
reps = 2
"""


@dataclass(slots=True)
class Outcome:
    """What was there afterwards.

    Attributes:
        sessions, records: In the central history.
        told: Messages with events that the broker handed on, and how many came twice.
        twice: Those of them that came more than once: at least once is promised.
        history, status: What `tenuto history` and `tenuto fleet status` print.
    """

    sessions: int = 0
    records: int = 0
    told: int = 0
    twice: int = 0
    history: str = ""
    status: str = ""


@dataclass(slots=True)
class _Listener:
    """A client at the node of the broker that nobody kills, as Home Assistant is one."""

    client: aiomqtt.Client
    now: dict[str, str] = field(default_factory=dict)
    events: dict[str, list[str]] = field(default_factory=lambda: {room: [] for room in ROOMS})

    async def listen(self) -> None:
        async for message in self.client.messages:
            topic, payload = str(message.topic), bytes(message.payload)
            self.now[topic] = payload.decode()
            if topic.endswith("/event"):
                self.events[topic.partition("/")[0]].append(without_times(payload))


class Outage:
    """The two rooms.

    Args:
        folder: For everything; a short one, since sockets are in it.
        server: A PostgreSQL of its own.
        nats: The broker's program.
        say: Told each thing that happens.
    """

    def __init__(
        self,
        folder: Path,
        server: PostgresServer,
        nats: Path,
        say: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._server = server
        self._nats = nats
        self._say = say
        self._url = server.database()
        self._stack = AsyncExitStack()
        self._running: dict[str, Process] = {}
        self._bands: list[SimulatedWearable] = []

    async def play(self) -> Outcome:
        """Play it, and prove what it has to keep.

        Raises:
            AssertionError: A promise was not kept.
        """
        async with self._stack:
            await self._set_up()
            async with asyncio.timeout(patience_s(WITHIN_S)):
                await self._until("each band is connected to one of two hosts", self._are_online)
            await self._start_all()
            await self._go_through()
            async with asyncio.timeout(patience_s(WITHIN_S)):
                await self._until("all sessions are over", self._are_over)
                await self._until("all of it is in the central history", self._is_told)
                return await self._prove()

    # --- before

    async def _set_up(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as db:
            for room in ROOMS:
                user = room.replace("-", "_")
                db.execute(f"DROP ROLE IF EXISTS {user}".encode())
                db.execute(f"CREATE ROLE {user} LOGIN IN ROLE tenuto_host".encode())
        config = self._folder / "nats.conf"
        config.write_text(for_rooms(CONFIG.read_text(encoding="utf-8")), encoding="utf-8")
        # In a thread, as all that takes long: meanwhile the bands and their radio go on.
        starting = cluster(self._nats, self._folder, config)
        self._nodes: list[Node] = await asyncio.to_thread(starting.__enter__)
        self._stack.push_async_callback(
            lambda: asyncio.to_thread(starting.__exit__, None, None, None)
        )
        world = await self._stack.enter_async_context(World(seed=1))
        for number in range(1, BANDS + 1):
            person = VirtualPerson(seed=number, start_bpm=None)
            self._bands.append(
                await world.add_wearable(
                    f"band-{number}", firmware_dir=shipped("firmware"), person=person
                )
            )
        air = await listen(world.radio, "127.0.0.1", 0)
        self._stack.callback(air.close)
        adapter = f"bumble:tcp-client:127.0.0.1:{air.sockets[0].getsockname()[1]}"
        for room in ROOMS:
            self._furnish(room, adapter)
        self._stack.push_async_callback(self._end_all)
        await self._run("ingest", "fleet", "ingest", "--follow")
        self._listener = await self._let_in_listener()
        for room in ROOMS:
            await self._run(room, "daemon")

    def _furnish(self, room: str, adapter: str) -> None:
        folder = self._folder / room
        (folder / "routines").mkdir(parents=True)
        (folder / "routines" / "brief.toml").write_text(ROUTINE)
        for name, secret in (("broker", PASSWORD), ("key", "5e" * 16)):
            (folder / name).write_text(secret + "\n")
            (folder / name).chmod(0o600)
        brokers = ", ".join(f"mqtt://tenuto@127.0.0.1:{node.port}" for node in self._nodes)
        bands = "".join(
            f'[[wearable]]\nid = "{band.id}"\nlink = "ble"\naddress = "{band.address}"\n'
            f'person = "p{number}"\n'
            for number, band in enumerate(self._bands, 1)
        )
        people = "".join(f'[[person]]\nid = "p{n}"\n' for n in range(1, BANDS + 1))
        url = as_user(self._url, room.replace("-", "_"))
        (folder / "tenuto.toml").write_text(
            'history.path = "history.db"\nroutines.folder = "routines"\nweb.listen = "off"\n'
            f'bluetooth.adapter = "{adapter}"\nmqtt.url = "{brokers}"\n'
            f'mqtt.password_file = "broker"\nmqtt.base_topic = "{room}"\n'
            f'fleet.url = "{url}"\nfleet.host = "{room}"\nfleet.key_file = "key"\n'
            f"fleet.heart_rate = true\n{people}{bands}"
        )
        centre = self._folder / "ingest"
        centre.mkdir(exist_ok=True)
        (centre / "tenuto.toml").write_text(f'fleet.url = "{self._url}"\nfleet.read = true\n')

    async def _let_in_listener(self) -> _Listener:
        node = self._nodes[-1]
        client = aiomqtt.Client(
            "127.0.0.1",
            node.port,
            username="homeassistant",
            password=PASSWORD,
            protocol=aiomqtt.ProtocolVersion.V311,
        )
        listener = _Listener(await self._stack.enter_async_context(client))
        for room in ROOMS:
            await client.subscribe(f"{room}/#", qos=1)
        listening = asyncio.create_task(listener.listen(), name="listener")
        self._stack.callback(listening.cancel)
        return listener

    async def _run(self, name: str, *arguments: str) -> None:
        folder = self._folder / name
        self._running[name] = await asyncio.to_thread(Process, *arguments, folder=folder)

    async def _kill(self, name: str) -> None:
        process = self._running.pop(name).process
        process.kill()
        await asyncio.to_thread(process.wait, patience_s(10))
        assert process.stdout is not None
        process.stdout.close()

    async def _end_all(self) -> None:
        for name in list(self._running):
            await self._kill(name)

    # --- meanwhile

    async def _start_all(self) -> None:
        for number, band in enumerate(self._bands):
            asked = {"command": "start", "routine": "brief", "id": f"start {number}"}
            topic = f"{self._room_of(band)}/{band.id}/command"
            await self._listener.client.publish(topic, json.dumps(asked), qos=1)
        async with asyncio.timeout(patience_s(WITHIN_S)):
            await self._until("all bands play", self._are_playing)

    async def _go_through(self) -> None:
        await asyncio.sleep(2)
        node = self._node_of("room-b")
        await asyncio.to_thread(node.kill)
        self._say(
            f"killed: node {node.environ['NODE']} of the broker, to which room-b is connected"
        )
        await asyncio.sleep(2)
        await self._kill("room-a")
        self._say("killed: the daemon of room-a")
        await asyncio.to_thread(self._server.stop)
        self._say("killed: PostgreSQL")
        await asyncio.sleep(4)
        await self._run("room-a", "daemon")
        self._say("room-a is started again")
        await asyncio.to_thread(self._server.start_again)
        self._say("PostgreSQL is started again")
        await self._kill("ingest")
        await self._run("ingest", "fleet", "ingest", "--follow")
        self._say("killed and started again: the ingest")

    def _node_of(self, room: str) -> Node:
        """Return the node that a host speaks to, or the first one if that is the listener's."""
        said = "".join(self._running[room].lines())
        ports = re.findall(r"broker=mqtt://127\.0\.0\.1:(\d+) (?:connected|is back)", said)
        others = (one for one in self._nodes[:-1] if ports and one.port == int(ports[-1]))
        return next(others, self._nodes[0])

    async def _until(self, what: str, is_so: Callable[[], Awaitable[bool]]) -> None:
        try:
            while not await is_so():  # noqa: ASYNC110 - what it looks at tells nobody
                await asyncio.sleep(LOOK_EVERY_S)
        except asyncio.CancelledError:
            said = [
                f"{name}: {line}" for name, one in self._running.items() for line in one.lines()
            ]
            self._say("".join([f"it never came that {what}\n", *said]))
            raise
        self._say(what)

    def _room_of(self, band: SimulatedWearable) -> str | None:
        """Return whose host has a band now."""
        now = self._listener.now
        here = [room for room in ROOMS if now.get(f"{room}/{band.id}/availability") == "online"]
        return here[0] if here else None

    async def _are_online(self) -> bool:
        return all(self._room_of(band) for band in self._bands)

    async def _are_playing(self) -> bool:
        return all(band.app.band.is_playing for band in self._bands)

    async def _are_over(self) -> bool:
        return not any(band.app.band.is_playing for band in self._bands)

    async def _is_told(self) -> bool:
        """Return whether nothing waits anywhere, on the disk of a host or in the inbox."""
        with psycopg.connect(self._url) as db:
            found = db.execute(
                "SELECT (SELECT count(*) FROM sessions WHERE reason IS NOT NULL),"
                " (SELECT count(*) FROM inbox)"
            ).fetchone()
        if found != (BANDS, 0):
            return False
        for room in ROOMS:
            async with Store(self._folder / room / "history.db", read_only=True) as store:
                waiting = (await store.forwarding.waiting()).count
                if waiting or await store.outbox.after(0, 1):
                    return False
        return True

    # --- afterwards

    async def _prove(self) -> Outcome:
        outcome = Outcome()
        with psycopg.connect(self._url) as db:
            central, doubled = by_session(db.execute(QUERY).fetchall())
        assert not doubled, f"{doubled} records are there twice"
        for band in self._bands:
            log, boot_id = band.app.band.log, band.app.band.boot_id
            logged = {number: bytes(log.read(number, 1)) for number in range(log.first, log.next)}
            ((key, there),) = (one for one in central.items() if one[0][1] == boot_id)
            for number in range(key[2], max(there) + 1):
                assert there.get(number) == logged[number], f"{band.id}: record {number}"
            outcome.records += len(there)
        outcome.sessions = len(central)
        for room in ROOMS:
            await self._see_that_all_was_heard(room, outcome)
        outcome.history = await self._printed("history")
        outcome.status = await self._printed("fleet", "status")
        return outcome

    async def _see_that_all_was_heard(self, room: str, outcome: Outcome) -> None:
        heard = Counter(self._listener.events[room])
        outcome.told += heard.total()
        outcome.twice += heard.total() - len(heard)
        async with Store(self._folder / room / "history.db", read_only=True) as store:
            lacking = await unheard(store, heard)
        assert not lacking, f"{room} has them, and nobody heard: {lacking}"

    async def _printed(self, *arguments: str) -> str:
        def run() -> str:
            done = subprocess.run(
                [sys.executable, "-m", "tenuto", *arguments],
                env=environment(self._folder / "ingest"),
                capture_output=True,
                text=True,
                timeout=patience_s(60),
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        return await asyncio.to_thread(run)


def for_rooms(config: str) -> str:
    """Return the broker's configuration for hosts with topics of their own, as its README says."""

    def each(found: re.Match[str]) -> str:
        return ", ".join(f'"{room}{found[1]}"' for room in ROOMS)

    return re.sub(r'"tenuto((?:\.[^"]*)?)"', each, config)
