# SPDX-License-Identifier: MIT
"""A routine on the simulated watch and on the simulated band: the same is felt and remembered."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest

from tenuto import event_loops
from tenuto.config import Config, History, Mqtt, Wearable
from tenuto.daemon.build import Setting, open_host
from tenuto.routines.library import Library
from tenuto.simulator.bangle import SimulatedBangle
from tenuto.wearables import registry
from tenuto_core import vocab
from tests.bangle.differential import OPEN
from tests.daemon.rig import Collector

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.sessions.events import Record

AWAY_FROM_S, AWAY_S = 60.0, 60.0
PARTS_MS = 5
"""The simulated board polls, the watch has timers."""


def played_on(model: str, folder: Path) -> tuple[list[tuple[int, bool]], list[Record]]:
    """Play lower-back, as it is fitted to the watch, with the radio gone for a minute.

    Returns:
        The edges of the motor in ms since the first, and what the history has of the session.
    """
    config = Config(
        mqtt=Mqtt(url="off"),
        history=History(path=folder / f"{model}.db"),
        wearables=(Wearable(id="watch", model=model, link="simulated"),),
    )
    setting = Setting(config=config, speed=math.inf, mqtt=False, say=lambda _: None, seed=0)
    seen = Collector()

    async def scenario() -> tuple[list[tuple[int, bool]], list[Record]]:
        async with open_host(setting, config.wearables, [seen]) as host, host.running():
            supervisor = host.hub.supervisors["watch"]
            await asyncio.wait_for(supervisor.connected.wait(), 60)
            await asyncio.sleep(10)
            world = host.drivers.world
            assert world is not None
            device = world.devices.get("watch") or world.wearables["watch"]
            before = len(device.motor.edges)
            feel = registry.feel(Wearable(id="watch", model="bangle", link="simulated"))
            routine = host.library.routine("lower-back")
            await supervisor.start(host.library.compile(routine, feel=feel))
            await asyncio.sleep(AWAY_FROM_S)
            world.radio.silence(device.address, AWAY_S)
            await asyncio.sleep(AWAY_S / 2)
            assert not supervisor.connected.is_set()
            await seen.ended()
            await host.flush()
            felt = device.motor.edges[before:]
            began_s = felt[0].loop_s
            (row,) = await host.store.sessions()
            kept = await host.store.find(row.key)
            assert kept is not None
            return (
                [(round((edge.loop_s - began_s) * 1000), edge.on) for edge in felt],
                [one.record for one in kept.records],
            )

    return event_loops.run(scenario(), speed=math.inf)


@pytest.mark.slow
def test_the_watch_does_what_the_band_does_with_the_radio_gone_for_a_minute(
    tmp_path: Path,
) -> None:
    felt, kept = played_on("bangle", tmp_path)
    band_felt, band_kept = played_on("band", tmp_path)
    assert [is_on for _, is_on in felt] == [is_on for _, is_on in band_felt]
    for (ours_ms, _), (theirs_ms, _) in zip(felt, band_felt, strict=True):
        assert abs(ours_ms - theirs_ms) <= PARTS_MS

    def said(records: list[Record]) -> list[tuple[int, int, int]]:
        # A cue at the beginning of a step is driven before the step begins, by the motor's lead.
        told = [(one.kind, one.step, one.a) for one in records if one.kind != vocab.HEART]
        return sorted(told, key=lambda one: (one[1], one[0]))

    assert said(kept) == said(band_kept)
    for records in (kept, band_kept):
        numbers = [one.seq for one in records]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert any(one.kind == vocab.HEART for one in records)


@pytest.mark.slow
def test_the_host_sees_one_session_through_other_apps_and_a_pause_on_the_watch(
    tmp_path: Path,
) -> None:
    config = Config(
        mqtt=Mqtt(url="off"),
        history=History(path=tmp_path / "h.db"),
        wearables=(Wearable(id="watch", model="bangle", link="simulated"),),
    )
    setting = Setting(config=config, speed=math.inf, mqtt=False, say=lambda _: None, seed=0)
    seen = Collector()

    async def scenario() -> list[Record]:
        async with open_host(setting, config.wearables, [seen]) as host, host.running():
            supervisor = host.hub.supervisors["watch"]
            await asyncio.wait_for(supervisor.connected.wait(), 60)
            await asyncio.sleep(10)
            assert host.drivers.world is not None
            device = host.drivers.world.devices["watch"]
            assert isinstance(device, SimulatedBangle)
            await supervisor.start(host.compile("watch", host.library.routine("lower-back")))
            await asyncio.sleep(60)
            device._do(lambda: device.js.load("another.app.js"))
            await asyncio.sleep(60)
            device.button.press()
            await asyncio.sleep(20)
            device.button.press()
            await seen.ended()
            await host.flush()
            (row,) = await host.store.sessions()
            kept = await host.store.find(row.key)
            assert kept is not None
            return [one.record for one in kept.records]

    records = event_loops.run(scenario(), speed=math.inf)
    numbers = [one.seq for one in records]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    found = [one.kind for one in records]
    assert [found.count(kind) for kind in (vocab.PAUSED, vocab.RESUMED)] == [1, 1]
    assert vocab.INTERRUPTED not in found
    plan = Library().plan("lower-back").plan
    cues = sum(len(plan.step(number).cues) for number in range(plan.steps))
    assert found.count(vocab.CUE) == cues + 2, "and those of the pause and of its end"


@pytest.mark.slow
def test_chosen_routines_are_kept_on_the_watch(tmp_path: Path) -> None:
    chosen = ("lower-back", "lower-back-short")
    config = Config(
        mqtt=Mqtt(url="off"),
        history=History(path=tmp_path / "h.db"),
        wearables=(Wearable(id="watch", model="bangle", link="simulated", routines=chosen),),
    )
    setting = Setting(config=config, speed=math.inf, mqtt=False, say=lambda _: None, seed=0)

    async def scenario() -> list[str]:
        async with open_host(setting, config.wearables, []) as host, host.running():
            supervisor = host.hub.supervisors["watch"]
            await asyncio.wait_for(supervisor.connected.wait(), 60)
            await asyncio.sleep(120)
            assert host.drivers.world is not None
            device = host.drivers.world.devices["watch"]
            assert isinstance(device, SimulatedBangle)
            device.js.evaluate(OPEN)
            names = []
            for _ in chosen:
                device.js.evaluate("TENUTO.next(1)")
                names.append(str(device.js.evaluate("TENUTO.state().plan")))
            return names

    assert set(event_loops.run(scenario(), speed=math.inf)) == set(chosen)
