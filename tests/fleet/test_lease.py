# SPDX-License-Identifier: MIT
"""Two hosts that have one band: which of them connects to it, over the air and by a broker."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from unittest import mock

import paho.mqtt.client

from tenuto import config
from tenuto.daemon.build import Setting, open_host
from tenuto.errors import LinkReason
from tenuto.links.ble import BleLink
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.mqtt.bridge import Bridge
from tenuto.mqtt.leases import Leases
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.lease import BROKER_S, LASTS_S, RENEW_S
from tenuto.shipped import shipped
from tenuto.simulator import World
from tenuto.state.keys import KeyStore
from tenuto.wearables.band import BandDriver
from tenuto.wearables.strap import Strap
from tenuto_core.log import unpack_record
from tests.conftest import needs_module
from tests.daemon.rig import connected, daemon_for, utc_ms
from tests.heart.straps import ADDRESS, put_on_strap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tenuto.daemon.commands import Commands
    from tenuto.sessions.commands import Answer
    from tenuto.simulator import SimulatedWearable
    from tenuto.wearables.base import Identity
    from tenuto.wearables.host_lease import HostLease
    from tenuto.wearables.supervisor import Supervisor
    from tests.storm.broker import Line

SHARED = b"k" * 16
NOTICED_S = 10.0
"""Until a link over which nothing comes is given up."""
CONNECT_S = 10.0
"""What it takes to hear the band and to connect to it."""


class CountingDriver(BandDriver):
    """Counts how often the host tries to connect."""

    tries = 0

    async def connect(self, on_lost: Callable[[], None]) -> Identity:
        self.tries += 1
        return await super().connect(on_lost)


@dataclass
class Host:
    """One host."""

    daemon: Commands
    driver: CountingDriver
    lease: HostLease
    line: Line
    stack: AsyncExitStack

    @property
    def supervisor(self) -> Supervisor:
        return self.daemon.supervisors["band"]

    @property
    def has_band(self) -> bool:
        return self.supervisor.connected.is_set()

    async def ask(self, verb: Verb) -> Answer:
        return await self.daemon.submit(Command(wearable="band", verb=verb))

    async def die(self) -> None:
        """End as by a power cut, without a word to the broker."""
        self.line.refuse(1e6)
        await self.stack.aclose()


@dataclass
class Room:
    """The band, the air and the broker."""

    world: World
    band: SimulatedWearable
    folder: Path
    stack: AsyncExitStack
    has_strap: bool = False

    async def host(self, name: str) -> Host:
        """Start a host with a radio of its own, which has the key of the fleet."""
        from tests.storm.broker import Line

        stack = await self.stack.enter_async_context(AsyncExitStack())
        line = Line(self.broker, self.folder / f"{name}.sock", "3.1.1")
        self.stack.push_async_callback(line.close)
        line.listen()
        rng = random.Random(name)
        leases = Leases("leases", name, rng)
        bridge = Bridge([line.address], submit=mock.Mock(), rng=rng, base_topic=name, leases=leases)
        await bridge.open()
        stack.push_async_callback(bridge.close)
        radio = radio_of(await self.world.adapter(f"radio of {name}"))
        adapter = BleAdapter(radio, name=name)
        stack.push_async_callback(adapter.close)
        driver = CountingDriver(
            BleLink(adapter, self.band.address),
            keys=KeyStore(None, SHARED).of("band"),
            utc_ms=utc_ms,
        )
        path = self.folder / f"{name}.db"
        lease = leases.of(self.band.address)
        daemon, _ = await stack.enter_async_context(
            daemon_for(path, {"band": driver}, leases={"band": lease})
        )
        if self.has_strap:
            supervisor = daemon.supervisors["band"]
            strap = Strap(
                adapter, ADDRESS, kind=None, on_measurement=supervisor.heart.hear, rng=rng
            )
            supervisor.add_sensor("strap", strap)
        return Host(daemon, driver, lease, line, stack)

    def __post_init__(self) -> None:
        from tests.storm.broker import Broker

        self.broker = Broker()


@asynccontextmanager
async def room(folder: Path) -> AsyncIterator[Room]:
    needs_module("amqtt")
    loop = asyncio.get_running_loop()
    # paho reads the clock of its module, and pings and gives up by it.
    with mock.patch.object(paho.mqtt.client, "time_func", loop.time):
        async with World(seed=3) as world, AsyncExitStack() as stack:
            band = await world.add_wearable("band", firmware_dir=shipped("firmware"))
            one = Room(world, band, folder, stack)
            await one.broker.start()
            stack.push_async_callback(one.broker.stop, forgets=True)
            yield one


async def test_one_host_has_the_band_until_it_dies_and_then_the_other(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        a = await one.host("a")
        await connected(a.daemon)
        b = await one.host("b")
        await asyncio.sleep(120)
        assert a.has_band
        assert b.supervisor.problem is not None
        assert b.supervisor.problem.reason is LinkReason.HELD
        assert str(b.supervisor.problem) == "band is held by the host a"
        assert b.driver.tries == 0

        await a.die()
        async with asyncio.timeout(LASTS_S + CONNECT_S):
            await connected(b.daemon)

        a = await one.host("a")
        await asyncio.sleep(60)
        assert b.has_band
        assert not a.has_band
        await b.stack.aclose()
        async with asyncio.timeout(CONNECT_S):
            await connected(a.daemon)


async def test_who_wants_to_play_gets_the_band_and_who_plays_keeps_it(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        a = await one.host("a")
        await connected(a.daemon)
        b = await one.host("b")
        await asyncio.sleep(2 * RENEW_S)
        answer = await b.ask(Verb.START)
        assert answer.ok, answer
        assert b.has_band
        assert not a.has_band

        await asyncio.sleep(RENEW_S)
        answer = await a.ask(Verb.START)
        assert (answer.ok, answer.reason) == (False, "already_playing")
        assert answer.text == "band plays a session of the host b"
        assert b.has_band

        answer = await a.ask(Verb.STOP)
        assert answer.ok, answer
        assert a.has_band, "a stop takes it in any case"
        assert await a.supervisor.present_session() is None

        for host, verb in ((b, Verb.START), (b, Verb.STOP), (a, Verb.START)):
            await asyncio.sleep(1)
            answer = await host.ask(verb)
            assert answer.ok, f"{verb}: {answer}"


async def test_without_a_broker_both_try_as_they_would_alone(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        await one.broker.stop(forgets=True)
        a = await one.host("a")
        async with asyncio.timeout(BROKER_S + CONNECT_S):
            await connected(a.daemon)
        await one.broker.start()
        b = await one.host("b")
        await asyncio.sleep(60)
        assert a.has_band
        assert str(b.supervisor.problem) == "band is held by the host a"


async def test_the_strap_goes_with_the_band(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        one.has_strap = True
        strap = await put_on_strap(one.world)

        async def which(*hosts: Host) -> list[bool]:
            """Return which hosts are connected to the strap, after a minute of beats."""
            for _ in range(60):
                await strap.send(bytes([0, 70]))
                await asyncio.sleep(1)
            return [host.supervisor.sensors["strap"].status.connected for host in hosts]

        a = await one.host("a")
        await connected(a.daemon)
        b = await one.host("b")
        assert await which(a, b) == [True, False]
        assert (await b.ask(Verb.START)).ok
        assert await which(a, b) == [False, True]


async def test_a_band_that_walks_from_host_to_host_is_one_session(
    central: str, tmp_path: Path
) -> None:
    """Out of reach of one host the other has it; in the end each record is there once."""
    from tenuto.fleet.postgres import CentralHistory
    from tests.fleet.test_one_history import join_all, kept, room as history_of

    async with room(tmp_path) as one:
        a = await one.host("a")
        await connected(a.daemon)
        b = await one.host("b")
        assert (await a.ask(Verb.START)).ok
        await asyncio.sleep(40)
        for at, other, radio in ((a, b, "F0:00:00:00:00:01"), (b, a, "F0:00:00:00:00:02")):
            assert (at.has_band, other.has_band) == (True, False)
            away = one.world.radio.silence(radio)
            async with asyncio.timeout(NOTICED_S + CONNECT_S):
                await connected(other.daemon)
            away.end()
            await asyncio.sleep(40)
        assert (a.has_band, b.has_band) == (True, False)
        assert a.supervisor.playing
        await a.ask(Verb.STOP)
        await asyncio.sleep(5)
        log = one.band.app.band.log
        logged = [
            (number, *unpack_record(log.read(number, 1))) for number in range(log.first, log.next)
        ]

    async with CentralHistory(central) as history:
        for name in ("b", "a"):
            async with history_of(tmp_path, central, name) as host:
                assert len(await host.store.sessions()) == 1
                assert await host.store.forwarding.note_all() == 1
                await host.forwarder.forward()
        assert await join_all(history) == 0
        (row,) = await history.sessions()
        told = kept(await history.session(row.id))
    assert row.reason == "stopped"
    assert told == [line for line in logged if told[0][0] <= line[0] <= told[-1][0]]
    assert len(told) > 20


async def test_while_a_host_pairs_with_the_band_no_other_one_takes_it(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        a = await one.host("a")
        await connected(a.daemon)
        b = await one.host("b")
        await asyncio.sleep(2 * RENEW_S)
        with b.lease.kept():
            await b.daemon.hub.remove("band")
            await asyncio.sleep(2 * LASTS_S)
            assert not a.has_band
        async with asyncio.timeout(CONNECT_S):
            await connected(a.daemon)


async def test_the_daemon_has_a_lease_for_each_band_by_air(tmp_path: Path) -> None:
    text = """
        mqtt.url = "mqtt://127.0.0.1:1"
        fleet.host = "room-a"
        {topic}
        wearable = [
            {{ id = "band", link = "ble", address = "c0:00:00:00:00:01" }},
            {{ id = "here", link = "simulated" }},
        ]
    """
    for topic, expected in (('fleet.lease_topic = "leases"', [True, False]), ("", [False, False])):
        found = config.parse(text.format(topic=topic), f"{tmp_path}/tenuto.toml")
        found = replace(found, own=config.Folders(tmp_path, tmp_path))
        setting = Setting(config=found, speed=1.0, mqtt=True, say=lambda _: None)
        async with open_host(setting, found.wearables, []) as host:
            kept = [supervisor._lease is not None for supervisor in host.supervisors.values()]
            assert kept == expected
