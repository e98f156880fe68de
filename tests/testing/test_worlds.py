# SPDX-License-Identifier: MIT
"""Simulated worlds in ordinary tests, and what stands on them."""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
from typing import TYPE_CHECKING, Any

import bleak
import pytest
from bumble.core import AdvertisingData
from bumble.device import Device as BumbleDevice
from bumble.hci import Address
from bumble.transport import open_transport

from tenuto.errors import InputError, TenutoError
from tenuto.simulator import FirmwareError
from tenuto.testing import (
    AmqttBroker,
    Band,
    HciEndpoint,
    MosquittoBroker,
    ProxyHouse,
    SimulatedHost,
    VirtualWorld,
    bleak_meets,
    firmware_folder,
)
from tests.conftest import needs_module
from tests.patience import patience_s

if TYPE_CHECKING:
    from pathlib import Path

    from bumble.device import Advertisement


def test_a_world_repeats_itself_by_its_seed() -> None:
    def felt(seed: int) -> list[Any]:
        with VirtualWorld(seed=seed, loss=0.2, drift_ppm=100) as world:
            band = world.add_band()
            with bleak_meets(world):
                world.run(_connect_for_a_minute())
            return [*band.edges, world.now_s]

    assert felt(1) == felt(1)
    assert felt(1) != felt(2)


async def _connect_for_a_minute() -> None:
    device = await bleak.BleakScanner.find_device_by_name("band", timeout=60)
    assert device is not None
    async with bleak.BleakClient(device) as client:
        while client.is_connected:  # noqa: ASYNC110 - a simulated minute costs nothing
            await asyncio.sleep(0.1)
    await asyncio.sleep(60)


def test_what_the_wearer_and_the_room_do(tenuto_world: VirtualWorld, tenuto_band: Band) -> None:
    tenuto_band.load()
    tenuto_band.press(after_s=2)
    tenuto_world.advance(1.9)
    assert not tenuto_band.is_playing
    tenuto_world.until(lambda: tenuto_band.is_playing, timeout_s=1)
    tenuto_world.until(lambda: tenuto_band.is_buzzing)
    assert tenuto_band.edges[-1].on
    tenuto_band.reset()
    tenuto_world.advance(0.5)
    assert not tenuto_band.is_buzzing
    tenuto_band.clear()
    assert not tenuto_band.edges
    assert not tenuto_band.pulses
    tenuto_band.long_press()
    tenuto_world.advance(5)
    assert not tenuto_band.is_playing
    with pytest.raises(InputError, match="30 to 220"):
        tenuto_band.heart_rate(500)
    with pytest.raises(InputError, match="0 to 100"):
        tenuto_band.battery(101)


@pytest.mark.parametrize("model", ["alert", "infinitime", "bangle", "band"])
def test_a_device_of_any_model(model: str, tenuto_world: VirtualWorld) -> None:
    needs_module("quickjs")
    device = tenuto_world.add_device(model)
    device.press()
    device.silence(5)
    device.reset()
    tenuto_world.advance(10)
    assert device.name == model
    with pytest.raises(TenutoError, match="already"):
        tenuto_world.add_device(model)


@pytest.mark.parametrize("model, told", [("heart", "only: band"), ("bungle", "mean bangle")])
def test_a_model_that_cannot_be_simulated_is_refused(
    model: str, told: str, tenuto_world: VirtualWorld
) -> None:
    with pytest.raises(InputError, match=told):
        tenuto_world.add_device(model)


def test_waiting_for_what_never_comes_ends(tenuto_world: VirtualWorld) -> None:
    with pytest.raises(TimeoutError, match="within 5 s of simulated time"):
        tenuto_world.until(lambda: False, timeout_s=5)
    assert tenuto_world.now_s == pytest.approx(5, abs=0.1)
    with pytest.raises(TimeoutError, match="within 60 s of simulated time"):
        tenuto_world.run(asyncio.Event().wait(), timeout_s=60)
    with pytest.raises(ValueError, match="0 s or more"):
        tenuto_world.advance(-1)


async def test_on_the_worlds_clock_its_work_is_awaited(tenuto_world: VirtualWorld) -> None:
    with pytest.raises(RuntimeError, match="await it"):
        tenuto_world.advance(1)
    band = await tenuto_world.new_band("other")
    await band.loaded()
    band.press()
    await tenuto_world.wait_until(lambda: band.is_playing)


def test_a_firmware_that_crashes_is_told_at_the_end(tmp_path: Path) -> None:
    folder = shutil.copytree(firmware_folder(), tmp_path / "firmware")
    app = folder / "tenuto_core" / "band.py"
    text = app.read_text()
    assert "elif gesture == DOUBLE_PRESS:" in text
    app.write_text(text.replace("elif gesture == DOUBLE_PRESS:", "elif 1 // (gesture - 1) < 0:"))
    world = VirtualWorld().__enter__()
    band = world.add_band(firmware=folder)
    band.press()
    world.advance(5)
    with pytest.raises(FirmwareError, match="ZeroDivisionError"):
        world.__exit__(None, None, None)


def test_an_error_that_nobody_noticed_is_told_at_the_end() -> None:
    async def fail_alone() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(1, lambda: 1 // 0)

    world = VirtualWorld().__enter__()
    world.run(fail_alone())
    world.advance(2)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        world.__exit__(None, None, None)


def test_bleak_is_as_it_was_afterwards(tenuto_world: VirtualWorld) -> None:
    before = bleak.get_platform_client_backend_type  # type: ignore[attr-defined]
    with bleak_meets(tenuto_world):
        assert bleak.get_platform_client_backend_type is not before  # type: ignore[attr-defined]
    assert bleak.get_platform_client_backend_type is before  # type: ignore[attr-defined]


@pytest.mark.slow
def test_any_stack_meets_a_band_by_hci_over_tcp(tenuto_hci: HciEndpoint) -> None:
    band = tenuto_hci.add_band("by-tcp")

    async def meet() -> None:
        async with (
            asyncio.timeout(patience_s(20)),
            await open_transport(tenuto_hci.transport) as transport,
        ):
            host = BumbleDevice.with_hci(
                "any", Address("F0:F1:F2:F3:F4:F5"), transport.source, transport.sink
            )
            await host.power_on()
            heard = asyncio.Event()

            def on_advertisement(seen: Advertisement) -> None:
                if seen.data.get(AdvertisingData.Type.COMPLETE_LOCAL_NAME) == "by-tcp":
                    heard.set()

            host.on("advertisement", on_advertisement)
            await host.start_scanning(active=True)
            await heard.wait()

    asyncio.run(meet())
    band.let_in()
    tenuto_hci.until(lambda: band.pulses, timeout_s=patience_s(20))
    with pytest.raises(RuntimeError, match="await it"):
        tenuto_hci.run(_advance_within(tenuto_hci))


@pytest.fixture
def esphome() -> None:
    needs_module("aioesphomeapi")


@pytest.mark.slow
@pytest.mark.usefixtures("esphome")
def test_a_program_hears_a_band_by_the_proxy_of_its_room(tenuto_proxy: ProxyHouse) -> None:
    """aioesphomeapi is what Home Assistant itself uses."""
    from aioesphomeapi.client import APIClient
    from aioesphomeapi.core import APIConnectionError

    band = tenuto_proxy.add_band("in-a-house")
    address = int(band.address.replace(":", ""), 16)

    async def hears(room: str) -> bool:
        client = APIClient(
            "127.0.0.1", tenuto_proxy.ports[room], None, noise_psk=tenuto_proxy.keys[room]
        )
        heard = asyncio.Event()

        def take(batch: Any) -> None:
            if any(one.address == address for one in batch.advertisements):
                heard.set()

        await client.connect()
        try:
            client.subscribe_bluetooth_le_raw_advertisements(take)
            async with asyncio.timeout(patience_s(2)):
                await heard.wait()
        except TimeoutError:
            return False
        finally:
            await client.disconnect()
        return True

    assert asyncio.run(hears("room-a"))
    tenuto_proxy.walk(band, "room-b", duration_s=0.5)
    assert asyncio.run(hears("room-b"))
    tenuto_proxy.unplug("room-b")
    with pytest.raises(APIConnectionError):
        asyncio.run(hears("room-b"))
    with pytest.raises(InputError, match="room-a, room-b"):
        tenuto_proxy.walk(band, "room-c")


@pytest.mark.usefixtures("esphome")
def test_the_keys_of_proxies_are_read_by_tenuto(tmp_path: Path) -> None:
    from tenuto.links.radios.esphome import endpoints, read_keys

    house = ProxyHouse(rooms=3)
    house.ports = {name: 6000 + number for number, name in enumerate(house.keys)}
    house.write_keys(tmp_path / "keys.toml")
    read = read_keys(tmp_path / "keys.toml", endpoints(house.adapter))
    assert list(read.values()) == list(house.keys.values())


async def _advance_within(world: HciEndpoint) -> None:
    world.advance(1)


@pytest.mark.slow
def test_a_host_that_cannot_begin_leaves_nothing_behind(tmp_path: Path) -> None:
    no_folder = tmp_path / "file"
    no_folder.touch()
    with AmqttBroker() as broker:
        host = SimulatedHost(no_folder, broker)
        with pytest.raises(TenutoError, match="history"):
            host.__enter__()
    assert "tenuto-world" not in {thread.name for thread in threading.enumerate()}


def test_a_missing_broker_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenuto.testing.brokers.find_mosquitto", lambda: None)
    with pytest.raises(InputError, match=r"tenuto\[broker\]"):
        MosquittoBroker(tmp_path)


def test_a_broker_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    from pathlib import Path as RealPath

    broker = MosquittoBroker(tmp_path, program=RealPath(sys.executable))
    with pytest.raises(TenutoError, match="does not listen"):
        broker.start()
