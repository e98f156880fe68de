# SPDX-License-Identifier: MIT
"""Three slots for all bands near a proxy: who plays alone needs a link for a few seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import LinkError, LinkReason
from tenuto.links.ble_adapter import at_address
from tests.daemon.rig import connected
from tests.proxies.crowd import crowd
from tests.proxies.rig import house, radio_of_proxies

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
async def test_a_crowd_plays_on_time_and_its_history_is_complete_soon_after(
    tmp_path: Path,
) -> None:
    """Short form of fifty on three slots, see `tests.bench.bench_proxies`."""
    found = await crowd(tmp_path / "h.db", bands=4, slots=1)

    assert found.links_most == 1
    assert found.apart_ms < 1
    assert found.complete_s <= 60


async def test_who_waits_longest_gets_the_next_slot_that_is_any_use(tmp_path: Path) -> None:
    """Two rooms, full both; a slot in the one helps nobody in the other."""
    async with house(tmp_path / "h.db", bands=0, slots=1) as it:
        radio = await radio_of_proxies(it.adapter)
        for place in (0, 0, 1, 1):
            device = await it.world.add_device("tag", f"tag-{len(it.world.devices)}")
            it.world.house.put(device.address, place)
        first, second, third, fourth = (one.address for one in it.world.devices.values())
        await asyncio.sleep(20)  # all had heard them before they had a place
        await radio.reserve(first)
        await radio.reserve(third)
        others = {
            address: asyncio.create_task(radio.reserve(address)) for address in (second, fourth)
        }
        await asyncio.sleep(3)
        assert not any(task.done() for task in others.values())
        assert radio.is_full(second)
        radio.release(third)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (others[second].done(), others[fourth].done()) == (False, True)
        others[second].cancel()
        await asyncio.wait(others.values())
        radio.release(first)
        await radio.reserve(second)


async def test_where_no_slot_comes_free_it_says_so_and_what_helps(tmp_path: Path) -> None:
    """Whatever cannot play alone keeps its link."""
    async with house(tmp_path / "h.db", rooms=1, bands=0, slots=1) as it:
        for name in ("one", "other"):
            tag = await it.world.add_device("tag", name)
            it.world.house.put(tag.address, 0)
        one, other = (tag.address for tag in it.world.devices.values())
        client, _ = await it.adapter.connect(at_address(one), "one")
        with pytest.raises(LinkError, match=r"room-a.*connection_slots") as refused:
            await it.adapter.connect(at_address(other), "the other")
        assert refused.value.reason is LinkReason.FULL
        await it.adapter.let_go(client)
        client, _ = await it.adapter.connect(at_address(other), "the other")
        await it.adapter.let_go(client)


async def test_a_band_makes_room_for_what_cannot_play_alone(tmp_path: Path) -> None:
    async with house(tmp_path / "h.db", rooms=1, slots=1) as it:
        await connected(it.daemon, "band-1")
        tag = await it.world.add_device("tag", "tag")
        it.world.house.put(tag.address, 0)
        client, _ = await it.adapter.connect(at_address(tag.address), "the tag", tries=2)
        assert not it.daemon.supervisors["band-1"].connected.is_set()
        await it.adapter.let_go(client)
        await connected(it.daemon, "band-1")
