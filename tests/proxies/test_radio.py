# SPDX-License-Identifier: MIT
"""A band through simulated ESPHome proxies: heard, reached, and followed from room to room."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bumble import core, gatt
from bumble.core import AdvertisingData

from tenuto.links.ble import BleLink
from tenuto.links.uuids import INBOX_UUID, INFO_UUID, OUTBOX_UUID, SERVICE_UUID
from tenuto.sessions.commands import Command, Verb
from tenuto.simulator import World
from tenuto.simulator.peripheral import SimulatedPeripheral, notified, readable, written
from tests.daemon.rig import connected
from tests.patience import until
from tests.proxies.rig import house, proxies_of
from tests.storm.rooms import records_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.proxies.rig import ProxyHouse

NAME = "band-1"


async def start(it: ProxyHouse, name: str = NAME) -> None:
    await connected(it.daemon, name)
    answer = await it.daemon.submit(Command(wearable=name, verb=Verb.START))
    assert answer.ok, answer


async def check_history(it: ProxyHouse, name: str = NAME) -> None:
    """Each record of the session is in the history, once."""
    await asyncio.sleep(5)  # it writes several at once
    (row,) = [row for row in await it.store.sessions() if row.wearable == name]
    assert row.reason == "finished"
    stored = await it.store.session(row.id)
    assert stored is not None
    logged = [one for one in records_of(it.bands[name].app.band.log) if one.seq >= row.key.seq]
    assert [one.record for one in stored.records] == logged


async def test_a_walk_in_mid_hold_costs_no_cue_and_no_record(tmp_path: Path) -> None:
    async with house(tmp_path / "h.db") as it:
        await start(it)
        assert (it.proxies["room-a"].links, it.proxies["room-b"].links) == (1, 0)
        await asyncio.sleep(20)
        await it.world.house.walk(it.bands[NAME].address, 1, 10)
        await it.seen.ended()
        assert (it.proxies["room-a"].links, it.proxies["room-b"].links) == (0, 1)
        names = [entry.event.name for entry in it.seen.entries]
        assert names.count("link_lost") == names.count("link_restored") == 1
        await check_history(it)


async def test_a_proxy_that_reboots_is_missed_for_no_longer_than_it_takes(tmp_path: Path) -> None:
    """What it carried is reached through the other proxy, or through it when it is back."""
    async with house(tmp_path / "h.db", place=0.45) as it:
        await start(it)
        for name in ("room-a", "room-b"):
            (carrying,) = [one for one in it.proxies.values() if one.links]
            if name == "room-b":  # alone, this time
                await it.world.house.walk(it.bands[NAME].address, 0, 5)
                await asyncio.sleep(20)
                carrying = it.proxies["room-a"]
            rebooting = asyncio.create_task(carrying.reboot())
            async with asyncio.timeout(45):
                await until(lambda: not it.daemon.supervisors[NAME].connected.is_set())
                await connected(it.daemon, NAME)
            await rebooting
        await it.seen.ended()
        await check_history(it)


async def test_a_proxy_through_which_nothing_is_reached_is_left_for_another(
    tmp_path: Path,
) -> None:
    """It hears well and its connections fail; later it is given another chance."""
    async with house(tmp_path / "h.db", place=0.2) as it:
        near, far = it.proxies.values()
        near.faults.fails_connects = True
        async with asyncio.timeout(30):
            await connected(it.daemon, NAME)
        assert (near.links, far.links) == (0, 1)
        near.faults.fails_connects = False
        await asyncio.sleep(90)
        await it.world.house.walk(it.bands[NAME].address, 0, 5)
        async with asyncio.timeout(60):
            await until(lambda: near.links == 1)


async def test_a_far_proxy_that_has_failed_does_not_make_a_device_unreachable(
    tmp_path: Path,
) -> None:
    """In bleak-esphome it stayed so for good; here the near one is tried, and the far one again."""
    async with house(tmp_path / "h.db", place=0) as it:
        near, far = it.proxies.values()
        await near.unplug()
        far.faults.fails_connects = True
        it.world.house.put(it.bands[NAME].address, 0.7)
        await asyncio.sleep(60)
        assert far.connects
        assert not it.daemon.supervisors[NAME].connected.is_set()
        far.faults.fails_connects = False
        async with asyncio.timeout(60):
            await connected(it.daemon, NAME)


async def test_a_request_that_is_never_answered_is_given_up(tmp_path: Path) -> None:
    async with house(tmp_path / "h.db", place=0.3) as it:
        near, far = it.proxies.values()
        near.faults.ignores_connects = True
        async with asyncio.timeout(90):
            await connected(it.daemon, NAME)
        assert (near.links, far.links) == (0, 1)


async def test_slots_that_a_proxy_has_lost_come_back(tmp_path: Path) -> None:
    """It goes on counting connections that have ended, until it is connected to anew."""
    async with house(tmp_path / "h.db", rooms=1, slots=1) as it:
        (proxy,) = it.proxies.values()
        proxy.faults.leaks_slots = True
        await connected(it.daemon, NAME)
        it.world.radio.drop(it.bands[NAME].address)
        await asyncio.sleep(1)
        assert not it.daemon.supervisors[NAME].connected.is_set()
        async with asyncio.timeout(120):
            await connected(it.daemon, NAME)


async def test_a_bond_that_the_band_has_forgotten_is_made_anew_through_the_proxy(
    tmp_path: Path,
) -> None:
    async with house(tmp_path / "h.db", rooms=1) as it:
        await connected(it.daemon, NAME)
        band = it.bands[NAME]
        band.board.flash.erase_bonds()
        it.world.radio.drop(band.address)
        await asyncio.sleep(1)
        async with asyncio.timeout(60):
            await connected(it.daemon, NAME)


async def test_each_proxy_makes_one_connection_at_a_time_and_all_are_heard_meanwhile(
    tmp_path: Path,
) -> None:
    async with house(tmp_path / "h.db", bands=4, slots=4) as it:
        for number, band in enumerate(it.bands.values()):
            it.world.house.put(band.address, number % 2)
        async with asyncio.timeout(60):
            for name in it.bands:
                await connected(it.daemon, name)
        assert [proxy.links for proxy in it.proxies.values()] == [2, 2]


class Careless(SimulatedPeripheral):
    """Speaks Tenuto's protocol, as far as it goes, to whoever connects."""

    is_updated = False

    @property
    def advertised(self) -> tuple[int, ...]:
        return ()

    def advertisement(self) -> tuple[bytes, bytes]:
        return bytes(AdvertisingData([(AdvertisingData.FLAGS, b"\x06")])), b""

    def services(self) -> list[gatt.Service]:
        info = gatt.Characteristic(
            core.UUID(INFO_UUID),
            gatt.Characteristic.Properties.READ,
            gatt.Characteristic.READABLE,
            b"",
        )
        inbox = written(core.UUID(INBOX_UUID), lambda _value: None, responds=False)
        outbox = notified(core.UUID(OUTBOX_UUID))
        new = gatt.Service(core.UUID.from_16_bits(0x180F), [readable(0x2A19, b"@")])
        own = gatt.Service(core.UUID(SERVICE_UUID), [info, inbox, outbox])
        return [new, own] if self.is_updated else [own]


async def test_nothing_is_said_on_a_link_that_is_not_encrypted() -> None:
    """Also where the other end does not ask for it, and a bond is not asked for here."""
    async with World(seed=1) as world:
        proxy = await world.add_proxy("room-a")
        device = world.devices["careless"] = Careless(
            world.radio, "careless", "C1:00:00:00:00:01", None
        )
        await device.boot()
        adapter = proxies_of(world)
        link = BleLink(adapter, device.address)
        link.may_bond = False
        await link.connect(lambda _packet: None, lambda: None)
        assert [slot.connection.is_encrypted for slot in proxy._open.values()] == [True]
        await link.disconnect()
        await adapter.close()


async def test_services_that_an_update_has_moved_are_found_again() -> None:
    """A proxy's services are remembered, until a link on which nothing was heard."""
    async with World(seed=1) as world:
        await world.add_proxy("room-a")
        device = Careless(world.radio, "careless", "C1:00:00:00:00:01", None)
        world.devices["careless"] = device
        await device.boot()
        adapter = proxies_of(world)
        link = BleLink(adapter, device.address)
        handles = []
        for _ in range(3):
            await link.connect(lambda _packet: None, lambda: None)
            assert link._inbox is not None
            handles.append(link._inbox.handle)
            await link.disconnect()
            await device.stop()
            device.is_updated = True
            await device.boot()
            await asyncio.sleep(20)
        first, *others = handles
        assert others == [first + 3] * 2
        await adapter.close()
