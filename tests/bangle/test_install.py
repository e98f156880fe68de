# SPDX-License-Identifier: MIT
"""`tenuto wearable install` and `remove`, on a watch in a simulated room."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import LinkError
from tenuto.flashing import watch
from tenuto.flashing.watch import WatchAppError
from tenuto.flashing.watch_app import OnWatch, read_app
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.espruino import EspruinoLink
from tenuto.links.radios.adapters import radio_of
from tenuto.simulator import World
from tests.bangle.room import simulated_watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tenuto.simulator.bangle import SimulatedBangle

APP = read_app("bangle")


class Room:
    def __init__(self, device: SimulatedBangle, adapter: BleAdapter) -> None:
        self.device = device
        self.adapter = adapter
        self.said: list[str] = []

    async def install(self) -> OnWatch:
        return await watch.install(APP, self.device.address, self.adapter, self.said.append)

    async def remove(self) -> OnWatch:
        return await watch.remove(APP, self.device.address, self.adapter, self.said.append)

    @property
    def files(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.device.js.evaluate("JSON.stringify(__files)"))
        return found


@asynccontextmanager
async def room(*, has_app: bool = False) -> AsyncIterator[Room]:
    async with World(seed=1) as world:
        device = await simulated_watch(world, has_app=has_app, lets_in=False)
        adapter = BleAdapter(radio_of(await world.adapter()), name="simulated")
        yield Room(device, adapter)
        await adapter.close()


async def test_all_files_are_there_and_the_app_answers() -> None:
    async with room() as found:
        done = await found.install()
        assert (done.changed, done.files, done.espruino) == (5, 5, "2v29.74")
        for name, data in APP.files.items():
            assert found.files[name].encode("latin-1") == data
        assert watch.STAGE not in found.files
        link = EspruinoLink(found.adapter, found.device.address)
        await link.connect(lambda _: None, lambda: None)
        await link.disconnect()


async def test_a_second_time_nothing_is_written() -> None:
    async with room() as found:
        await found.install()
        loads = found.device.js.loads
        assert (await found.install()).changed == 0
        assert found.device.js.loads == loads


async def test_keys_and_log_outlive_a_newer_app() -> None:
    async with room(has_app=True) as found:
        found.device.js.evaluate("require('tenuto')")
        before = found.files["tenuto.id"]
        found.device.js.evaluate("__files['tenuto.boot.js']='// older'")
        await found.install()
        assert json.loads(found.files["tenuto.id"])["boot"] == json.loads(before)["boot"]


@pytest.mark.parametrize("after_s", [2.0, 3.0, 5.0, 8.0])
async def test_a_watch_that_is_torn_away_keeps_what_it_had(after_s: float) -> None:
    async with room(has_app=True) as found:
        old = "// an older one that works"
        found.device.js.evaluate(f"__files['tenuto.boot.js']='{old}'")
        installing = asyncio.create_task(found.install(), name="install")
        await asyncio.sleep(after_s)
        await found.device.stop()
        with pytest.raises(LinkError):
            await installing
        whole = APP.files["tenuto.boot.js"].decode()
        assert found.files["tenuto.boot.js"] in (old, whole)
        await found.device.boot()
        await found.install()
        assert found.files["tenuto.boot.js"] == whole


async def test_what_does_not_arrive_whole_is_not_put_in_place() -> None:
    async with room() as found:
        found.device.js.evaluate("E.CRC32=function(){return 1}")
        with pytest.raises(WatchAppError, match="whole"):
            await found.install()
        assert "tenuto.boot.js" not in found.files


async def test_a_watch_without_room_is_left_as_it_is() -> None:
    async with room() as found:
        found.device.js.evaluate("__freeBytes=9000")
        with pytest.raises(WatchAppError, match="9 kB left"):
            await found.install()
        assert found.files == {}


async def test_a_watch_that_takes_no_programs_says_what_to_set() -> None:
    async with room(has_app=True) as found:
        found.device.js.is_programmable = False
        found.device.js.load()
        with pytest.raises(WatchAppError, match="Programmable to on"):
            await found.install()


async def test_another_watch_is_left_alone() -> None:
    async with room() as found:
        found.device.js.evaluate("process.env.BOARD='BANGLEJS'")
        with pytest.raises(WatchAppError, match=r"no Bangle\.js 2"):
            await found.install()


@pytest.mark.parametrize("what", ["install", "remove"])
async def test_a_session_is_not_cut(what: str) -> None:
    async with room(has_app=True) as found:
        found.device.js.evaluate("global.TENUTO={state:function(){return {st:2}}}")
        with pytest.raises(WatchAppError, match="stop it first"):
            await getattr(found, what)()
        assert "tenuto.boot.js" in found.files


async def test_removing_leaves_nothing_of_ours_and_all_else() -> None:
    async with room() as found:
        found.device.js.evaluate("__files['other.app.js']='1'")
        await found.install()
        assert (await found.remove()).changed >= 5
        assert list(found.files) == ["other.app.js"]
        assert (await found.remove()).changed == 0
