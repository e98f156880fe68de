# SPDX-License-Identifier: MIT
"""Strangers on the only link of a watch, and what a gesture does to them."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING

from tenuto.errors import LinkError
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.espruino import EspruinoLink
from tenuto.links.radios.adapters import radio_of
from tenuto.simulator import World
from tenuto.simulator.bangle import APP_FILE
from tenuto.state.keys import KeyStore
from tenuto.wearables.bangle_pairing import pair_over_air
from tenuto.wearables.pairing import Target
from tenuto_core import vocab, wire
from tests.bangle.room import simulated_watch

if TYPE_CHECKING:
    from tenuto.simulator.bangle import SimulatedBangle

STRANGERS_KEY = b"s" * 16


def gesture(watch: SimulatedBangle) -> None:
    for after_ms, held_ms in ((100, 80), (300, 80), (550, 1_000)):
        watch.button.press(held_ms, after_ms=after_ms)


def keys_of(watch: SimulatedBangle) -> list[str]:
    keys: list[str] = json.loads(watch.js.evaluate("__files['tenuto.id']"))["keys"]
    return keys


async def test_the_gesture_is_for_who_comes_after_it_and_not_for_who_waited() -> None:
    async with World(seed=1) as world:
        watch = await simulated_watch(world, lets_in=False)
        watch.js.load(APP_FILE)
        others = BleAdapter(radio_of(await world.adapter("stranger")), name="stranger")
        stranger, lost, heard = EspruinoLink(others, watch.address), asyncio.Event(), list[bytes]()
        await stranger.connect(heard.append, lost.set)

        async def beg() -> None:
            with suppress(LinkError):
                while not lost.is_set():
                    await stranger.send(wire.encode(wire.KEY_SET, 1, STRANGERS_KEY))
                    await asyncio.sleep(0.1)

        begging = asyncio.create_task(beg())
        await asyncio.sleep(1)
        gesture(watch)
        await asyncio.wait_for(lost.wait(), 5)
        await begging
        answers = [wire.decode(frame)[2] for packet in heard for frame in wire.split(packet)]
        assert len(answers) > 10
        assert {values[0] for values in answers} == {vocab.NOT_OPEN}
        assert keys_of(watch) == []

        adapter = BleAdapter(radio_of(await world.adapter()), name="owner")
        paired = await pair_over_air(Target(watch.address), adapter, KeyStore(None), lambda _: None)
        assert paired.is_new
        assert len(keys_of(watch)) == 1

        # The window closed with the key that it was opened for.
        lost.clear()
        heard.clear()
        await stranger.connect(heard.append, lost.set)
        await stranger.send(wire.encode(wire.KEY_SET, 1, STRANGERS_KEY))
        await asyncio.sleep(1)
        assert wire.decode(wire.split(heard[-1])[0])[2][0] == vocab.NOT_OPEN
        assert len(keys_of(watch)) == 1
        await stranger.disconnect()
        await others.close()
        await adapter.close()
