# SPDX-License-Identifier: MIT
"""What bluetoothd does beside its answers: real bleak against a small BlueZ on a private D-Bus."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import LinkError, LinkReason
from tests.links import fake_bluez
from tests.links.fake_bluez import ADAPTER, ADDRESS, DEVICE
from tests.patience import patience_s, until

if sys.platform != "linux":
    pytest.skip("BlueZ is Linux's", allow_module_level=True)

from bleak.uuids import normalize_uuid_str
from dbus_fast import Message

from tenuto.links import ble_adapter
from tenuto.links.ble import BleLink
from tenuto.links.ble_adapter import BleAdapter, at_address
from tenuto.links.bonding import pair
from tenuto.links.radios.adapters import open_adapter
from tenuto.links.radios.registry import RadioFiles
from tenuto.links.scan import HEART_RATE
from tenuto.wearables.strap import Strap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.links.fake_bluez import FakeBlueZ

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_time,
    pytest.mark.usefixtures("no_manager_left"),
]


@pytest.fixture
async def radio(tmp_path: Path) -> AsyncIterator[BleAdapter]:
    made = open_adapter("default", RadioFiles(bonds=tmp_path / "bonds.json"))
    yield made
    await made.close()


def is_band() -> Callable[[ble_adapter.Sighting], bool]:
    return at_address(ADDRESS)


async def connected(radio: BleAdapter) -> tuple[BleLink, asyncio.Event]:
    lost = asyncio.Event()
    link = BleLink(radio, ADDRESS)
    await link.connect(lambda _packet: None, lost.set)
    return link, lost


async def test_when_the_service_ends_its_links_end(
    bluez: FakeBlueZ, bus_address: str, radio: BleAdapter
) -> None:
    link, lost = await connected(radio)
    await bluez.die()
    async with asyncio.timeout(patience_s(2)):
        await lost.wait()
    with pytest.raises(LinkError) as caught:
        await link.connect(lambda _packet: None, lambda: None)
    assert caught.value.reason is LinkReason.NO_SERVICE
    assert "systemctl" in str(caught.value)
    async with fake_bluez.bluez(bus_address):
        link, lost = await connected(radio)
        assert not lost.is_set()
        await link.disconnect()


async def test_when_the_service_ends_a_search_ends(bluez: FakeBlueZ, radio: BleAdapter) -> None:
    bluez.in_reach = False
    searching = asyncio.create_task(radio.find(is_band(), "the band", 20), name="search")
    await until(lambda: bluez._discovering is not None)
    began_s = time.monotonic()
    await bluez.die()
    with pytest.raises(LinkError) as caught:
        await searching
    assert caught.value.reason is LinkReason.NO_SERVICE
    assert time.monotonic() - began_s < patience_s(5)


async def test_a_device_without_a_bond_is_met_again_after_a_restart(
    bluez: FakeBlueZ, bus_address: str, radio: BleAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new service does not know it, and bleak would call it connected for ever."""
    heart_rate = (normalize_uuid_str("2a37"), ["notify"])
    monkeypatch.setitem(fake_bluez.CHARACTERISTICS, fake_bluez.OUTBOX, heart_rate)
    monkeypatch.setattr(fake_bluez, "SERVICE_UUID", HEART_RATE)
    monkeypatch.setattr(fake_bluez.FakeBlueZ, "_secured", lambda _self: None)
    strap = Strap(radio, ADDRESS, kind=None, on_measurement=lambda *_: None, rng=random.Random(0))
    task = asyncio.create_task(strap.run(), name="strap")
    await until(lambda: radio.links)
    await bluez.die()
    await until(lambda: not radio.links)
    async with fake_bluez.bluez(bus_address) as again:
        await until(lambda: radio.links, 20)
        assert again.device["Connected"].value
        task.cancel()
        await asyncio.wait({task})


async def test_links_that_were_lost_leave_nothing_on_the_bus(
    bluez: FakeBlueZ, radio: BleAdapter
) -> None:
    async def names() -> int:
        reply = await bluez.bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="ListNames",
            )
        )
        return sum(name.startswith(":") for name in reply.body[0])

    counts = []
    for _ in range(3):
        _, lost = await connected(radio)
        await bluez._disconnect()
        await lost.wait()
        await asyncio.sleep(0.1)
        counts.append(await names())
    assert counts == counts[:1] * 3


async def test_a_band_that_has_forgotten_its_bond_is_told_so(
    bluez: FakeBlueZ, radio: BleAdapter
) -> None:
    await pair(radio, ADDRESS)
    await bluez._disconnect()
    bluez.knows_host = False
    with pytest.raises(LinkError, match=f"no longer knows .* `tenuto forget {ADDRESS}`") as caught:
        await pair(radio, ADDRESS)
    assert caught.value.reason is LinkReason.BOND_LOST
    assert bluez.paired, "nothing is unpaired on a guess"
    await radio.unpair(ADDRESS)
    bluez.knows_host = True
    await pair(radio, ADDRESS)


async def test_a_search_in_a_scan_that_runs_finds_a_steady_signal(
    bluez: FakeBlueZ, radio: BleAdapter
) -> None:
    other = asyncio.create_task(radio.watch(lambda _sighting: False, 60), name="somebody else")
    for _ in range(3):
        sighting = await radio.find(is_band(), "the band", patience_s(2))
        assert sighting.found.name == "Tenuto"
    assert bluez._discovering is not None
    other.cancel()
    await asyncio.wait({other})
    await pair(radio, ADDRESS)


async def test_a_scan_that_the_service_begins_late_is_ended(
    bluez: FakeBlueZ, radio: BleAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ble_adapter, "SCANNER_TIMEOUT_S", 0.2)
    bluez.starts_late = asyncio.Event()
    with pytest.raises(LinkError) as caught:
        await radio.find(is_band(), "the band")
    assert caught.value.reason is LinkReason.TIMEOUT
    bluez.starts_late.set()
    await until(lambda: bluez.scans == 1 and bluez._discovering is None)
    monkeypatch.setattr(ble_adapter, "SCANNER_TIMEOUT_S", patience_s(5))
    await radio.find(is_band(), "the band")


async def test_objects_that_are_gone_under_a_link_are_a_link_that_is_lost(
    bluez: FakeBlueZ, radio: BleAdapter
) -> None:
    link, _ = await connected(radio)
    bluez.objects = {ADAPTER: bluez.objects[ADAPTER], DEVICE: bluez.objects[DEVICE]}
    with pytest.raises(LinkError) as caught:
        await link.send(b"hello")
    assert caught.value.reason is LinkReason.LOST
    assert len(str(caught.value).splitlines()) == 1
    await link.disconnect()


async def test_two_adapters_hear_of_the_same_end(
    bluez: FakeBlueZ, radio: BleAdapter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    second = open_adapter("hci0", RadioFiles(bonds=tmp_path / "bonds.json"))
    for one in (radio, second):
        await one.find(is_band(), "the band")
    await bluez.die()
    for one in (radio, second):
        with pytest.raises(LinkError) as caught:
            await one.find(is_band(), "the band")
        assert caught.value.reason is LinkReason.NO_SERVICE
    await second.close()
    assert "Traceback" not in caplog.text
    assert not [one for one in caplog.records if one.name.startswith("dbus_fast")]
