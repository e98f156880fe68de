# SPDX-License-Identifier: MIT
"""The T-Watch S3: power chip with button and battery, dark display, slow collections of garbage."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tenuto.simulator.pins import DeepSleep
from tests.firmware.rig import T_WATCH, Table, table
from tests.firmware.test_whole import BOARDS, begin, lower_back, powered, pulses_of

LONGEST_MS = 290
"""How long a collection may take with PSRAM, adafruit/circuitpython issue 10456."""


def watch(**more: Any) -> Any:
    return table(T_WATCH, **BOARDS[T_WATCH], **more)


async def chip_on(it: Table) -> Any:
    await it.boot()
    board: Any = it.board
    pins = board.load("boards").load(T_WATCH)
    return board.load("drivers.axp2101").Axp2101(pins.BUS(), pins.BUTTON, pins.SUPPLIES_OFF)


async def test_each_edge_of_the_button_is_read_once_and_at_its_time() -> None:
    async with watch() as it:
        chip = await chip_on(it)
        assert chip.read() == (), "the cable that switched it on is none of the button's edges"
        edges = []
        for held, after_s in ((True, 1.0), (False, 0.25), (True, 1.75)):
            await asyncio.sleep(after_s)
            it.bench.set_button(held=held)
            edges += chip.read()
            assert chip.read() == ()
        assert edges == [(True, 1000), (False, 1250), (True, 3000)]


@pytest.mark.parametrize("first", [True, False])
async def test_two_edges_between_two_looks_come_in_their_order(*, first: bool) -> None:
    async with watch() as it:
        chip = await chip_on(it)
        if not first:
            it.bench.set_button(held=True)
            chip.read()
        it.bench.set_button(held=first)
        it.bench.set_button(held=not first)
        assert [pressed for pressed, _ in chip.read()] == [first, not first]
        it.bench.set_button(held=first)
        assert [pressed for pressed, _ in chip.read()] == [first]


async def test_an_edge_is_not_lost_while_the_chip_does_not_answer() -> None:
    async with watch() as it:
        chip = await chip_on(it)
        it.power_chip.refuses = True
        it.bench.set_button(held=True)
        assert chip.read() == ()
        assert chip.percent() == 255
        assert chip.faults == 2
        it.power_chip.refuses = False
        assert [pressed for pressed, _ in chip.read()] == [True]


async def test_the_bus_is_asked_only_when_the_interrupt_is_low() -> None:
    async with watch() as it:
        chip = await chip_on(it)
        it.power_chip.refuses = True
        for _ in range(100):
            assert chip.read() == ()
        assert chip.faults == 0


async def test_the_chips_gauge_is_believed_only_with_a_battery() -> None:
    async with watch() as it:
        chip = await chip_on(it)
        for told, shown in ((0, 0), (42, 42), (100, 100), (127, 100)):
            it.power_chip.registers[0xA4] = told
            assert chip.percent() == shown
        it.power_chip.registers[0x00] &= ~0x08
        assert chip.percent() == 255


@pytest.mark.parametrize("told", [0x47, 0x57, 0x4A])
async def test_the_chip_is_known_in_each_of_its_versions(told: int) -> None:
    async with watch() as it:
        it.power_chip.registers[0x03] = told
        await chip_on(it)


async def test_another_chip_at_its_address_is_left_alone_and_the_watch_plays() -> None:
    async with watch() as it:
        it.power_chip.registers[0x03] = 0x11
        before = dict(it.power_chip.registers)
        await powered(it)
        assert it.power_chip.registers == before
        assert [line for line in it.board.stdout if line.startswith("no power chip")]
        assert it.band.battery_pct == 255
        begin(it, lower_back())
        await asyncio.sleep(10)
        assert it.pulses


async def test_the_display_is_dark_and_the_motors_supply_stays_on() -> None:
    async with watch() as it:
        await powered(it)
        assert not [line for line in it.board.stdout if line.startswith("motor:")]
        assert it.bench.display.brightness == 0
        assert it.bench.display.auto_refresh is False
        supplies = it.power_chip.registers[0x90]
        assert supplies & 0x20, "BLDO2 is the pin EN of the DRV2605"
        assert not supplies & 0x8E


async def test_a_press_pauses_another_one_goes_on_and_a_long_one_stops() -> None:
    async with watch() as it:
        await powered(it)
        begin(it, lower_back())
        await asyncio.sleep(8)
        states = []
        for held_s in (0.1, 0.1, 1.0):
            it.bench.set_button(held=True)
            await asyncio.sleep(held_s)
            it.bench.set_button(held=False)
            await asyncio.sleep(1)
            states.append(it.band.player.state)
        module: Any = it.board.load("tenuto_core.player")
        assert states == [module.PAUSED, module.RUNNING, module.IDLE]


async def test_a_button_that_is_down_at_the_start_does_not_keep_the_watch_from_starting() -> None:
    """That press switched it on, and the chip tells nobody how long it lasts."""
    async with watch() as it:
        it.bench.set_button(held=True)
        await powered(it)
        assert it.program.running is not None
        it.bench.set_button(held=False)
        await asyncio.sleep(1)
        begin(it, lower_back())
        await asyncio.sleep(10)
        assert it.band.is_playing


async def test_asleep_only_a_press_pulls_the_interrupt_that_wakes_it() -> None:
    async with watch() as it:
        await powered(it)
        await asyncio.sleep(300)
        assert it.task is not None
        assert isinstance(it.task.exception(), DeepSleep)
        assert it.power_chip.interrupt
        it.power_chip.registers[0x48] |= 0xFF
        it.power_chip.registers[0x49] |= 0xFD
        it.power_chip.registers[0x4A] |= 0xFF
        assert it.power_chip.interrupt, "neither cable nor charger nor a button let go"
        it.bench.set_button(held=True)
        assert not it.power_chip.interrupt
        await it.board.stop()
        it.bench.wake_alarm = object()
        await it.start()
        assert it.program.running is not None
        it.bench.set_button(held=False)


@pytest.mark.parametrize("collection_ms", [5, LONGEST_MS, 3 * LONGEST_MS])
async def test_garbage_is_collected_only_where_no_cue_falls_in_it(collection_ms: int) -> None:
    async with watch() as it:
        it.board.collection_ms = collection_ms
        collected: list[float] = []
        await powered(it)
        block = it.board.clock.block_ms

        def note(duration_ms: float) -> None:
            if duration_ms == collection_ms:
                collected.append(it.board.clock.elapsed_ms())
            block(duration_ms)

        it.board.clock.block_ms = note
        compiled = lower_back()
        start_ms = begin(it, compiled)
        await asyncio.sleep(compiled.plan.duration_ms / 1000 + 5)
        planned = [(at_ms, on_ms) for at_ms, _, on_ms in pulses_of(compiled, start_ms)]
        assert [(at_ms, on_ms) for at_ms, _, on_ms in it.pulses] == planned
        late = it.band.player.lateness
        assert late.count
        assert late.worst_ms == 0
        assert len(collected) > 10
        assert len(collected) * collection_ms < compiled.plan.duration_ms / 16


async def test_no_cue_is_late_however_often_there_is_garbage() -> None:
    async with watch() as it:
        it.board.collection_ms = 3 * LONGEST_MS
        await powered(it)
        module: Any = it.board.load("app")
        module.COLLECT_SHARE = 0
        compiled = lower_back()
        begin(it, compiled)
        await asyncio.sleep(compiled.plan.duration_ms / 1000 + 5)
        late = it.band.player.lateness
        assert late.count
        assert late.worst_ms == 0
