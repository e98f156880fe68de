# SPDX-License-Identifier: MIT
"""Storms, and that a storm is worth something: it can be played again, and shrunk."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
from typing import TYPE_CHECKING

import pytest

from tenuto.sessions.commands import Command, Verb
from tenuto_core import vocab
from tests.conftest import needs_module
from tests.core.rig import Host, Wrist
from tests.storm import storm
from tests.storm.__main__ import report, shrink, some
from tests.storm.hosts import BAND, Host as StormHost
from tests.storm.mqtt import StandIn
from tests.storm.places import ROOMS, play
from tests.storm.rooms import MemoryRoom
from tests.storm.weather import Weather, What, forecast

if TYPE_CHECKING:
    from pathlib import Path

STORMS = {
    "radio": 22,
    "broker": 30,
    "memory": 130,
    "proxies": 4,
    "hosted": 20,
    "shared": 30,
    "watch": 4,
    "page": 5,
    "class": 16,
}
NEEDS = {"proxies": "bleak_esphome", "watch": "quickjs"}
SESSIONS_FOR_MEMORY = 10_000


@pytest.mark.slow
@pytest.mark.parametrize("room", STORMS)
def test_every_promise_is_kept_in_every_storm(room: str) -> None:
    if room in NEEDS:
        needs_module(NEEDS[room])
    # Of pytest-randomly's seed, which pytest prints; where a room is young, its seeds are known.
    base = 1 if room in ("class", "watch") else random.randrange(1 << 30)
    print(f"storms from seed {base}")  # noqa: T201 - pytest shows it when it is wanted
    sessions = 0
    for seed in range(base, base + STORMS[room]):
        weather = ROOMS[room].forecast(seed)
        try:
            sessions += play(weather, room).sessions
        except Exception as error:
            report(weather, room, error)
            raise
    # A storm in which nobody plays proves nothing; of three hosts none may come to it.
    assert sessions >= STORMS[room] * 0.6


@pytest.mark.slow
@pytest.mark.parametrize("room", STORMS)
def test_a_seed_gives_the_same_storm_again(room: str) -> None:
    if room in NEEDS:
        needs_module(NEEDS[room])
    for seed in (7,) if room in ("page", "watch") else (7, 8, 9):
        weather = ROOMS[room].forecast(seed)
        assert play(weather, room).trace == play(weather, room).trace


def test_every_trouble_is_drawn_and_every_seed_differs() -> None:
    weathers = [forecast(seed) for seed in range(300)]
    assert {trouble.what for weather in weathers for trouble in weather.troubles} == set(What)
    assert len({weather.troubles for weather in weathers}) == 300


@pytest.mark.slow
def test_a_failure_is_shrunk_to_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storm, "LATE_MS_MAX", -1.5)  # a promise that nobody can keep
    weather = forecast(6)
    left = shrink(weather, "memory")
    assert len(left) == 1
    assert weather.troubles[left[0]].what in (What.COMMAND, What.MQTT, What.PRESS, What.RACE)
    with pytest.raises(AssertionError, match="off by"):
        play(some(weather, left), "memory")


@pytest.mark.slow
def test_memory_stays_flat_over_ten_thousand_sessions() -> None:
    """On one wearable that is never started anew, with a host that reads along."""
    weather = forecast(1)
    wrist = Wrist(log_records=64)
    host = Host(wrist)
    for compiled in weather.plans.values():
        assert host.upload(compiled.data) == vocab.OK
    blocks = []
    for number in range(SESSIONS_FOR_MEMORY):
        assert wrist.do(vocab.START) == vocab.OK
        wrist.run(4_500)
        assert wrist.do(vocab.STOP) == vocab.OK
        wrist.run(61_000)
        wrist.motor.edges.clear()
        wrist.motor.pulses.clear()
        if number in (SESSIONS_FOR_MEMORY // 10, SESSIONS_FOR_MEMORY - 1):
            gc.collect()
            blocks.append(sys.getallocatedblocks())
    assert wrist.log.next > 5 * SESSIONS_FOR_MEMORY
    assert blocks[1] - blocks[0] < 500, "blocks of memory that are not given back"


@pytest.mark.slow
async def test_memory_of_the_host_stays_flat(tmp_path: Path) -> None:
    """A daemon with its history, its bridge and a screen, through two hundred sessions."""
    weather = Weather(1, 0.0, 0.0, forecast(1).plans, ())
    blocks = []

    room = MemoryRoom()
    await room.open(weather)
    host = StormHost("first", room, StandIn(), weather, folder=tmp_path)
    await host.start()
    await asyncio.sleep(10)
    for number in range(200):
        if number:
            room.press(80)
        else:
            host.ask(Command(wearable=BAND, verb=Verb.START, routine="first"))
        await asyncio.sleep(6)
        room.press(950)
        await asyncio.sleep(70)
        host.screen.entries.clear()
        room._motor.edges.clear()
        if number in (50, 199):
            gc.collect()
            blocks.append(sys.getallocatedblocks())
    assert len(await host.store.sessions()) == 200
    await host.stop(kill=False)
    await room.close()

    assert blocks[1] - blocks[0] < 1_000, "blocks of memory that are not given back"
