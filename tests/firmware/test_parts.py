# SPDX-License-Identifier: MIT
"""Sensor, button, battery, light and memory: the drivers against chips and pins."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import nvm_slots
from drivers.battery import percent_of
from tenuto.simulator.chips import Skin
from tests.firmware.rig import Table, table

# --- heart


async def sensor_on(it: Table) -> Any:
    await it.boot()
    board: Any = it.board
    return board.load("drivers.max30102").Max30102(it.bus())


async def listen(sensor: Any, duration_s: float, every_s: float = 0.02) -> list[tuple]:
    heard = []
    for _ in range(round(duration_s / every_s)):
        await asyncio.sleep(every_s)
        beat = sensor.read()
        if beat is not None:
            heard.append(beat)
    return heard


async def test_a_heart_is_heard_through_the_fifo() -> None:
    async with table(skin=Skin(72)) as it:
        sensor = await sensor_on(it)
        assert not it.heart.is_measuring, "asleep until it is needed"
        sensor.wake()
        heard = await listen(sensor, 30)
        assert {beat[1:] for beat in heard} == {(True, ())}, "contact, and no RR from a wrist"
        assert all(abs(bpm - 72) <= 3 for bpm, *_ in heard)
        assert len(heard) > 20
        assert sensor.has_contact
        assert sensor.quality > 75
        assert sensor.lost == 0


@pytest.mark.parametrize("clock_error_pct", [-4.0, 4.0])
async def test_a_chip_with_a_wrong_clock_does_not_make_a_wrong_heart(
    clock_error_pct: float,
) -> None:
    async with table(skin=Skin(150)) as it:
        it.heart = type(it.heart)(it.now_ms, it.skin, clock_error_pct=clock_error_pct)
        it.board._i2c[it.heart.ADDRESS] = it.heart
        sensor = await sensor_on(it)
        sensor.wake()
        early = await listen(sensor, 15)
        assert abs(early[-1][0] - 150) > 4, "6 beats a minute off, as the chip's clock is"
        await listen(sensor, 30)
        late = await listen(sensor, 10)
        assert all(abs(bpm - 150) <= 2 for bpm, *_ in late)


async def test_lifting_the_strap_is_told_once_and_no_rate_after_it() -> None:
    async with table() as it:
        sensor = await sensor_on(it)
        sensor.wake()
        assert await listen(sensor, 20)
        it.skin.is_there = False
        assert await listen(sensor, 20) == [(0, False, ())]
        assert not sensor.has_contact
        it.skin.is_there = True
        assert (await listen(sensor, 20))[-1][1:] == (True, ())


async def test_samples_that_were_lost_are_noticed_and_make_no_false_rate() -> None:
    async with table(skin=Skin(60)) as it:
        sensor = await sensor_on(it)
        sensor.wake()
        assert await listen(sensor, 20)
        await asyncio.sleep(1.5)
        assert await listen(sensor, 2) == [], "what came before the gap says nothing after it"
        heard = await listen(sensor, 20)
        assert sensor.lost == 1
        assert heard
        assert all(abs(bpm - 60) <= 3 for bpm, *_ in heard)


async def test_asleep_it_blinks_not_and_tells_nothing() -> None:
    async with table() as it:
        sensor = await sensor_on(it)
        sensor.wake()
        await listen(sensor, 20)
        sensor.sleep()
        assert not it.heart.is_measuring
        assert await listen(sensor, 5) == []
        sensor.wake()
        assert await listen(sensor, 20)


async def test_a_sensor_that_falls_off_the_bus_comes_back() -> None:
    async with table() as it:
        sensor = await sensor_on(it)
        sensor.wake()
        await listen(sensor, 20)
        it.heart.refuses = True
        assert await listen(sensor, 30) == [(0, False, ())]
        assert sensor.faults < 15, "it is not asked all the time"
        it.heart.refuses = False
        it.heart._reset()
        assert (await listen(sensor, 30))[-1][1:] == (True, ())


async def test_the_bus_is_asked_ten_times_a_second_at_most() -> None:
    async with table() as it:
        sensor = await sensor_on(it)
        sensor.wake()
        asked = 0
        before = it.heart.write

        def count(data: bytes) -> None:
            nonlocal asked
            asked += data[:1] == b"\x04"
            before(data)

        it.heart.write = count  # type: ignore[method-assign]
        await listen(sensor, 10, every_s=0.001)
        assert 80 <= asked <= 100


async def test_another_chip_at_the_sensors_address_is_refused() -> None:
    async with table() as it:
        it.heart._get = lambda register: 0x11 + 0 * register  # type: ignore[method-assign]
        with pytest.raises(RuntimeError, match="another chip"):
            await sensor_on(it)


# --- button


async def test_edges_have_the_time_at_which_they_happened() -> None:
    async with table() as it:
        await it.boot()
        board: Any = it.board
        button = board.load("drivers.button").KeypadButton(board.load("board").SWITCH)
        # Past the wrap of `supervisor.ticks_ms`, 65 s after power-up.
        await asyncio.sleep(65.5)
        it.bench.set_button(held=True)
        await asyncio.sleep(0.08)
        it.bench.set_button(held=False)
        await asyncio.sleep(0.3)
        assert button.read() == [(True, 65_500), (False, 65_580)]
        assert len(button.read()) == 0


async def test_too_many_edges_end_with_a_button_that_is_released() -> None:
    """A stop must not come from a button that hangs only in the queue."""
    async with table() as it:
        await it.boot()
        board: Any = it.board
        button = board.load("drivers.button").KeypadButton(board.load("board").SWITCH)
        for number in range(101):
            it.bench.set_button(held=number % 2 == 0)
        edges = button.read()
        assert len(edges) == 65
        assert edges[-1][0] is False
        assert len(button.read()) == 0


# --- battery


async def test_the_gauges_word_is_taken_within_0_to_100() -> None:
    async with table() as it:
        await it.boot()
        board: Any = it.board
        gauge = board.load("drivers.battery").GaugeBattery(it.bus())
        for level_pct, told in ((0.0, 0), (42.4, 42), (100.0, 100), (104.2, 100)):
            it.gauge.level_pct = level_pct
            assert gauge.percent() == told
        it.gauge.refuses = True
        assert gauge.percent() == 255
        it.gauge.refuses = False
        assert gauge.percent() == 100


@pytest.mark.parametrize(
    "millivolts, low, high",
    [(4200, 100, 100), (4100, 85, 99), (3800, 40, 55), (3650, 5, 15), (3300, 0, 0), (2900, 0, 0)],
)
def test_a_resting_cells_voltage_says_roughly_how_full_it_is(
    millivolts: int, low: int, high: int
) -> None:
    assert low <= percent_of(millivolts) <= high


def test_more_voltage_is_never_less_charge() -> None:
    told = [percent_of(millivolts) for millivolts in range(3000, 4400)]

    assert told == sorted(told)


# --- light


async def led_on(it: Table) -> tuple[Any, list[Any]]:
    await it.boot()
    board: Any = it.board
    shown: list[Any] = []

    class Light:
        def set(self, colour: object) -> None:
            shown.append(colour)

    return board.load("drivers.led").StatusLed(Light()), shown


async def test_the_light_blinks_in_its_pattern_and_is_dark_in_a_session() -> None:
    async with table() as it:
        led, shown = await led_on(it)
        led.show("pairing", 0)
        lit = []
        for now_ms in range(0, 2000, 10):
            led.advance(now_ms)
            lit.append(bool(shown) and shown[-1] is not None)
        assert sum(lit) / len(lit) == pytest.approx(0.4, abs=0.02)
        shown.clear()
        led.advance(2000)
        for now_ms in range(2010, 4000, 10):
            led.advance(now_ms, in_session=True)
        assert shown[-1] is None
        assert len([colour for colour in shown if colour is not None]) <= 1
        led.show("off", 4000)
        assert led.due_ms is None


async def test_a_neopixel_is_without_power_while_it_is_dark() -> None:
    async with table("adafruit_qtpy_esp32s3_nopsram", button="BUTTON") as it:
        await it.boot()
        board: Any = it.board
        parts = board.load("parts")
        pins = board.load("boards").load("adafruit_qtpy_esp32s3_nopsram")
        led = parts.make_led(pins)
        assert it.bench.outputs["NEOPIXEL_POWER"] is False
        led.show("error", 0)
        led.advance(0)
        assert it.bench.outputs["NEOPIXEL_POWER"] is True
        assert it.bench.pixels["NEOPIXEL"][-1] == bytes((0, 40, 0)), "red, in the order GRB"
        led.show("off", 10)
        assert it.bench.outputs["NEOPIXEL_POWER"] is False


# --- memory


def test_a_slot_keeps_its_content_and_writes_only_what_is_new() -> None:
    nvm = bytearray(b"\xff" * 64)

    assert nvm_slots.read(nvm, nvm_slots.CALIBRATION) is None
    assert nvm_slots.write(nvm, nvm_slots.CALIBRATION, b"abc")
    assert nvm_slots.read(nvm, nvm_slots.CALIBRATION) == b"abc"
    assert not nvm_slots.write(nvm, nvm_slots.CALIBRATION, b"abc")
    assert nvm_slots.write(nvm, nvm_slots.CALIBRATION, b"")
    assert nvm_slots.read(nvm, nvm_slots.CALIBRATION) == b""
    nvm_slots.clear(nvm, nvm_slots.CALIBRATION)
    assert nvm_slots.read(nvm, nvm_slots.CALIBRATION) is None


def test_what_is_too_large_is_refused_and_changes_nothing() -> None:
    nvm = bytearray(b"\xff" * 64)
    slot = nvm_slots.CALIBRATION
    nvm_slots.write(nvm, slot, bytes(nvm_slots.capacity(slot)))
    before = bytes(nvm)
    with pytest.raises(ValueError, match="cannot hold"):
        nvm_slots.write(nvm, slot, bytes(nvm_slots.capacity(slot) + 1))

    assert bytes(nvm) == before


@pytest.mark.parametrize("bit", range(8 * 9))
def test_a_slot_with_one_wrong_bit_is_not_trusted(bit: int) -> None:
    nvm = bytearray(b"\xff" * 64)
    nvm_slots.write(nvm, nvm_slots.CALIBRATION, b"abc")
    nvm[bit // 8] ^= 1 << bit % 8

    assert nvm_slots.read(nvm, nvm_slots.CALIBRATION) is None


def test_no_two_slots_share_a_byte_or_lie_outside() -> None:
    end = 0
    for offset, size, _ in sorted(nvm_slots.SLOTS):
        assert offset >= end
        end = offset + size

    assert end <= 4096, "some nRF52840 boards have no more"
