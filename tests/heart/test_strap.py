# SPDX-License-Identifier: MIT
"""A strap as a part of a wearable: over the virtual radio, through bleak, to the band."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tenuto.history import summarize
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.sessions.events import HeartBeat, HeartSensor
from tenuto.sessions.heart import FRESH_MS, Measurement
from tenuto.simulator import World
from tenuto.wearables.strap import Strap
from tests.chain.rig import chain
from tests.heart.straps import ADDRESS, CHEST, WRIST, put_on_strap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.heart.straps import FakeStrap

pytestmark = pytest.mark.slow


class Ear:
    """Keeps a strap, and what it has told."""

    def __init__(
        self, adapter: BleAdapter, kind: str | None = None, address: str = ADDRESS
    ) -> None:
        self.told: list[Measurement] = []
        self.strap = Strap(
            adapter,
            address,
            kind=kind,
            on_measurement=lambda told, *_: self.told.append(told),
            rng=random.Random(0),
        )

    async def hear(self, strap: FakeStrap, value: str, within_s: int = 120) -> bool:
        """Send a value each second until something new is told."""
        before = len(self.told)
        for _ in range(within_s):
            await strap.send(bytes.fromhex(value))
            await asyncio.sleep(1)
            if len(self.told) > before:
                return True
        return False


async def test_its_measurements_are_told_and_broken_ones_counted() -> None:
    async with World() as world:
        strap = await put_on_strap(world)
        ear = Ear(BleAdapter(radio_of(await world.adapter())))
        task = asyncio.create_task(ear.strap.run(), name="strap")
        assert await ear.hear(strap, "16 50 00 04 80 03")
        assert ear.told[0] == Measurement(80, contact=True, rr_1024=(1024, 896))

        await strap.send(b"\x16")
        await strap.send(bytes.fromhex("00 40"))
        await asyncio.sleep(1)
        assert ear.strap.packets_broken == 1
        assert ear.told[-1] == Measurement(64)
        task.cancel()
        await asyncio.wait({task}, timeout=5)


async def test_one_whose_address_changes_is_known_by_its_name() -> None:
    async with World() as world:
        strap = await put_on_strap(world)
        there = Ear(BleAdapter(radio_of(await world.adapter())), address="strap")
        another = Ear(BleAdapter(radio_of(await world.adapter())), address="trap")
        tasks = [asyncio.create_task(ear.strap.run(), name="strap") for ear in (there, another)]
        assert await there.hear(strap, "16 50 00 04 80 03")
        assert another.told == []
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=5)


@pytest.mark.parametrize(
    "location,given,kind",
    [
        (CHEST, None, "ecg"),
        (WRIST, None, "optical"),
        (None, None, None),
        (None, "ecg", "ecg"),
        (CHEST, "optical", "optical"),
    ],
)
async def test_what_it_measures_with_is_what_it_says_or_what_a_person_says(
    location: int | None, given: str | None, kind: str | None
) -> None:
    async with World() as world:
        strap = await put_on_strap(world, location)
        ear = Ear(BleAdapter(radio_of(await world.adapter())), given)
        task = asyncio.create_task(ear.strap.run(), name="strap")
        assert await ear.hear(strap, "00 40")

        assert ear.strap.kind == kind
        task.cancel()
        await asyncio.wait({task}, timeout=5)


async def test_one_that_was_taken_off_is_heard_again_when_it_is_back() -> None:
    async with World() as world:
        strap = await put_on_strap(world)
        ear = Ear(BleAdapter(radio_of(await world.adapter())))
        task = asyncio.create_task(ear.strap.run(), name="strap")
        assert await ear.hear(strap, "00 40")
        await strap.take_off()
        assert not await ear.hear(strap, "00 41", within_s=60)

        await strap.put_on()
        assert await ear.hear(strap, "00 42")
        assert ear.told[-1] == Measurement(66)
        task.cancel()
        await asyncio.wait({task}, timeout=5)


# --- with the band


async def test_its_beats_come_back_in_the_log_of_the_band_and_silence_is_told(
    tmp_path: Path,
) -> None:
    async with chain(tmp_path / "h.db") as c:
        supervisor = next(iter(c.host.hub.supervisors.values()))
        async with asyncio.timeout(60):
            await supervisor.connected.wait()
        await supervisor.start(
            c.host.compile(supervisor.name, c.host.library.routine("lower-back"))
        )
        measurement = Measurement(97, rr_1024=(633,) * 6)
        for _ in range(40):
            supervisor.heart.hear(measurement, "strap", "ecg")
            await asyncio.sleep(1)
        supervisor.heart.hear(Measurement(97, contact=False), "strap", "ecg")
        supervisor.heart.hear(Measurement(0), "strap", "ecg")
        await asyncio.sleep(2 * FRESH_MS / 1000)
        supervisor.heart.hear(measurement, "strap", "ecg")
        await asyncio.sleep(2)
        events = [entry.event for entry in c.seen.entries]

    beats = [e for e in events if isinstance(e, HeartBeat) and e.sensor == "strap"]
    assert len(beats) == 2 * 41  # six intervals are two records
    assert {beat.bpm for beat in beats} == {97}
    assert all(beat.seq is not None for beat in beats)
    told = [(e.kind, e.is_heard) for e in events if isinstance(e, HeartSensor)]
    assert told == [("ecg", True), ("ecg", False), ("ecg", True)]
    found = summarize(events).variability
    assert found is not None
    assert found.beats > 200


async def test_without_the_link_its_beats_are_noted_here(tmp_path: Path) -> None:
    async with chain(tmp_path / "h.db") as c:
        supervisor = next(iter(c.host.hub.supervisors.values()))
        async with asyncio.timeout(60):
            await supervisor.connected.wait()
        await supervisor.start(
            c.host.compile(supervisor.name, c.host.library.routine("lower-back"))
        )
        await asyncio.sleep(5)
        c.world.radio.silence(c.wearable.address, 60)
        await asyncio.sleep(15)
        assert not supervisor.connected.is_set()
        for _ in range(10):
            supervisor.heart.hear(Measurement(101, rr_1024=(608,)), "strap", "ecg")
            await asyncio.sleep(1)
        events = [entry.event for entry in c.seen.entries]

    noted = [e for e in events if isinstance(e, HeartBeat) and e.sensor == "strap"]
    assert [beat.bpm for beat in noted] == [101] * 10
    assert all(beat.seq is None and beat.rr_ms == (593.8,) for beat in noted)


async def test_outside_a_session_nothing_is_kept_of_it(tmp_path: Path) -> None:
    async with chain(tmp_path / "h.db") as c:
        supervisor = next(iter(c.host.hub.supervisors.values()))
        for _ in range(10):
            supervisor.heart.hear(Measurement(101), "strap", "ecg")
            await asyncio.sleep(1)
        assert c.seen.entries == []
