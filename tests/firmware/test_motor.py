# SPDX-License-Identifier: MIT
"""The motor's drivers, as the chip and the pin see them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.firmware.rig import Table, table

ERM: dict[str, Any] = {"kind": "erm", "rated_mv": 3000, "lead_ms": 60}
LRA: dict[str, Any] = {
    "kind": "lra",
    "rated_mv": 1800,
    "overdrive_mv": 2600,
    "resonance_hz": 235,
    "lead_ms": 15,
}


async def motor_on(it: Table, actuator: dict[str, Any], *, enable: str | None = None) -> Any:
    await it.boot()
    board: Any = it.board
    pin = None
    if enable is not None:

        def follow(name: str, level: bool | None) -> None:
            if name == enable:
                it.motor.enable(bool(level))

        it.bench.on_output = follow
        it.motor.enable(False)
        pin = board.load("digitalio").DigitalInOut(getattr(board.load("board"), enable))
        pin.switch_to_output(value=False)
    i2c = it.bus()
    motor = board.load("drivers.drv2605").Drv2605Motor(
        i2c, enable=pin, nvm=board.load("microcontroller").nvm, **actuator
    )
    it.motor.full_scale = it.motor.registers[0x17] or 1
    if actuator["kind"] == "erm":
        it.motor.full_scale = round(actuator["rated_mv"] / 21.59)
    return motor


@pytest.mark.parametrize("actuator", [ERM, LRA], ids=["erm", "lra"])
async def test_a_pulse_is_driven_at_its_strength_for_its_time(actuator: dict[str, Any]) -> None:
    async with table() as it:
        motor = await motor_on(it, actuator)
        it.board.create_task(motor.guard())
        for strength_pct, on_ms in ((100, 500), (20, 100), (60, 1000), (60, 31)):
            motor.on(strength_pct, on_ms)
            await asyncio.sleep(on_ms / 1000)
            motor.off()
            await asyncio.sleep(0.2)
        felt = [(strength_pct, length) for _, strength_pct, length in it.pulses]
        assert [length for _, length in felt] == [500, 100, 1000, 31]
        wanted = (100, 20, 60, 60)
        for (strength_pct, _), want in zip(felt, wanted, strict=True):
            assert abs(strength_pct - want) <= 1
        assert motor.timer_stops == 0


@pytest.mark.parametrize("actuator", [ERM, LRA], ids=["erm", "lra"])
async def test_the_stop_timer_ends_a_pulse_that_nobody_ended(actuator: dict[str, Any]) -> None:
    async with table() as it:
        motor = await motor_on(it, actuator)
        it.board.create_task(motor.guard())
        motor.on(80, 300)
        await asyncio.sleep(0.1)
        motor.off()
        await asyncio.sleep(0.03)
        motor.on(80, 100)
        await asyncio.sleep(2)
        assert [length for *_, length in it.pulses] == [100, pytest.approx(130, abs=30)]
        assert motor.timer_stops == 1


async def test_an_erm_ends_by_itself_even_if_the_program_hangs() -> None:
    """No stop timer, no `off`, no watchdog: the chip alone."""
    async with table() as it:
        motor = await motor_on(it, ERM)
        motor.on(100, 200)
        await asyncio.sleep(10)
        assert [length for *_, length in it.pulses] == [1000]


async def test_an_lras_click_ends_by_itself_and_a_longer_pulse_comes_right_after() -> None:
    async with table() as it:
        motor = await motor_on(it, LRA)
        motor.on(100, 20)
        await asyncio.sleep(1)
        assert it.motor.strength_pct == 0
        assert it.motor.registers[0x04] == 1, "strong click"
        motor.on(50, 400)
        await asyncio.sleep(0.4)
        motor.off()
        assert [length for *_, length in it.pulses] == [30, 400]
        assert it.pulses[1][1] == 50


async def test_the_registers_are_those_that_the_data_sheet_asks_for() -> None:
    async with table() as it:
        await motor_on(it, ERM)
        registers = it.motor.registers
        assert registers[0x1D] & 0x20, "ERM open loop"
        assert not registers[0x1A] & 0x80, "ERM"
        assert registers[0x03] == 2, "library B, for 3 V"
    async with table() as it:
        await motor_on(it, LRA)
        registers = it.motor.registers
        assert registers[0x1A] & 0x80, "LRA"
        assert not registers[0x1D] & 0x29, "closed loop, signed real-time playback"
        assert registers[0x03] == 6, "the LRA library"
        # Worked by hand from equations 5 and 9 of SLOS854, for 1.8 V RMS, 2.6 V peak and 235 Hz.
        assert registers[0x16] == round(1.8 / 20.58e-3 * (1 - 0.0015 * 235) ** 0.5)
        assert registers[0x17] == round(2.6 / 21.22e-3)
        assert registers[0x1B] & 0x1F == 16, "half a period is 2.1 ms, 16 steps above 0.5 ms"


@pytest.mark.parametrize(
    "actuator",
    [
        {**ERM, "rated_mv": 6000},
        {**ERM, "rated_mv": 0},
        {**LRA, "overdrive_mv": 9000},
        {**ERM, "kind": "piezo"},
    ],
)
async def test_an_actuator_that_the_chip_cannot_drive_is_refused(actuator: dict[str, Any]) -> None:
    async with table() as it:
        with pytest.raises(ValueError, match=r"voltage|erm or lra"):
            await motor_on(it, actuator)
        assert it.motor.edges == []


async def test_calibration_is_learned_once_and_kept_through_a_reset() -> None:
    async with table() as it:
        motor = await motor_on(it, LRA)
        assert motor.needs_calibration
        assert motor.calibrate()
        assert not motor.needs_calibration
        assert (it.motor.registers[0x18], it.motor.registers[0x19]) == (0x0D, 0x6D)
        written = bytes(it.board.nvm)
        await it.board.stop()
        it.motor.registers.update({0x18: 0x0C, 0x19: 0x6C})
        motor = await motor_on(it, LRA)
        assert not motor.needs_calibration
        assert (it.motor.registers[0x18], it.motor.registers[0x19]) == (0x0D, 0x6D)
        assert bytes(it.board.nvm) == written
        await it.board.stop()
        motor = await motor_on(it, {**LRA, "resonance_hz": 175})
        assert motor.needs_calibration, "another actuator"


async def test_a_calibration_that_fails_leaves_a_motor_that_works() -> None:
    async with table(calibrates=False) as it:
        motor = await motor_on(it, LRA)
        assert not motor.calibrate()
        assert motor.needs_calibration
        motor.on(100, 200)
        assert it.motor.strength_pct == 100
        motor.off()


async def test_a_pulse_over_the_wrap_of_the_clock_ends() -> None:
    """`ticks_ms` of a board wraps 65.536 s after its start, and then every six days."""
    async with table() as it:
        motor = await motor_on(it, LRA)
        it.board.create_task(motor.guard())
        await asyncio.sleep(65.436 - it.now_ms() / 1000)
        motor.on(80, 200)
        await asyncio.sleep(0.15)
        assert motor.is_safe
        assert it.motor.strength_pct > 0
        await asyncio.sleep(3)
        assert [length for *_, length in it.pulses] == [pytest.approx(230, abs=30)]
        assert motor.timer_stops == 1


@pytest.mark.parametrize("actuator", [ERM, LRA], ids=["erm", "lra"])
async def test_a_bus_that_refuses_the_stop_is_asked_again(actuator: dict[str, Any]) -> None:
    async with table() as it:
        motor = await motor_on(it, actuator)
        it.board.create_task(motor.guard())
        motor.on(80, 100)
        await asyncio.sleep(0.1)
        it.motor.refuse = 5
        motor.off()
        assert it.motor.strength_pct > 0
        assert motor.is_safe, "a moment of grace"
        await asyncio.sleep(0.3)
        assert it.motor.strength_pct == 0
        assert motor.faults == 5
        assert motor.is_safe


@pytest.mark.parametrize("actuator", [ERM, LRA], ids=["erm", "lra"])
async def test_a_motor_that_cannot_be_stopped_is_known_to_be_unsafe(
    actuator: dict[str, Any],
) -> None:
    async with table() as it:
        motor = await motor_on(it, actuator)
        it.board.create_task(motor.guard())
        motor.on(80, 100)
        it.motor.refuse = 10_000
        motor.off()
        await asyncio.sleep(0.45)
        assert motor.is_safe
        await asyncio.sleep(0.1)
        assert not motor.is_safe
        it.motor.refuse = 0
        await asyncio.sleep(0.1)
        assert motor.is_safe


async def test_a_motor_that_nobody_stops_is_known_to_be_unsafe() -> None:
    """Neither the buzzer nor the stop timer is alive."""
    async with table() as it:
        motor = await motor_on(it, LRA)
        motor.on(80, 100)
        await asyncio.sleep(0.59)
        assert motor.is_safe
        await asyncio.sleep(0.02)
        assert not motor.is_safe


async def test_a_bus_that_refuses_the_start_does_not_end_the_session() -> None:
    async with table() as it:
        motor = await motor_on(it, ERM)
        it.motor.refuse = 1
        motor.on(80, 100)
        motor.off()
        motor.on(80, 100)
        assert it.motor.strength_pct > 0
        assert motor.faults == 1


async def test_it_rests_after_a_while_and_wakes_for_the_next_pulse() -> None:
    async with table() as it:
        motor = await motor_on(it, LRA)
        it.board.create_task(motor.guard())
        assert it.motor.is_resting, "until it is needed"
        motor.on(80, 100)
        assert it.motor.strength_pct > 0
        await asyncio.sleep(1)
        assert not it.motor.is_resting
        await asyncio.sleep(2)
        assert it.motor.is_resting
        motor.on(80, 100)
        assert it.motor.strength_pct > 0


async def test_the_pin_en_takes_the_power_and_gives_it_back() -> None:
    async with table() as it:
        motor = await motor_on(it, LRA, enable="D3")
        motor.on(80, 100)
        motor.shut_down()
        assert not it.motor.is_enabled
        assert it.motor.strength_pct == 0
        motor.off()
        motor.on(80, 100)
        assert it.motor.is_enabled
        assert it.motor.strength_pct > 0


@pytest.mark.parametrize("arguments", [(0, 100), (101, 100), (50, 0), (-1, 5)])
async def test_a_pulse_out_of_range_is_refused_and_the_motor_stays_still(
    arguments: tuple[int, int],
) -> None:
    async with table() as it:
        motor = await motor_on(it, ERM)
        with pytest.raises(ValueError, match="must be"):
            motor.on(*arguments)
        assert it.motor.edges == []


async def test_a_pulse_too_long_is_no_longer_than_a_second() -> None:
    async with table() as it:
        motor = await motor_on(it, LRA)
        it.board.create_task(motor.guard())
        motor.on(50, 60_000)
        await asyncio.sleep(5)
        assert [length for *_, length in it.pulses] == [pytest.approx(1000, abs=60)]


async def test_what_is_no_drv2605_is_refused() -> None:
    async with table() as it:
        it.motor.registers[0x00] = 0x20
        with pytest.raises(RuntimeError, match="DRV2605"):
            await motor_on(it, ERM)


async def test_a_plain_motor_gets_a_duty_that_turns_it_and_is_ended_by_the_stop_timer() -> None:
    async with table() as it:
        await it.boot()
        board: Any = it.board
        pin = board.load("board").D6
        motor = board.load("drivers.pwm_motor").PwmMotor(pin, 80)
        board.create_task(motor.guard())
        assert it.bench.duty == {"D6": 0}
        motor.on(1, 200)
        await asyncio.sleep(0.2)
        motor.off()
        motor.on(100, 300)
        await asyncio.sleep(1)
        strengths = [edge.strength_pct for edge in it.bench.pwm_edges]
        assert strengths == [40, 0, 100, 0]
        times = [edge.t_ms for edge in it.bench.pwm_edges]
        assert times[1] - times[0] == pytest.approx(200, abs=1)
        assert 300 <= times[3] - times[2] <= 356
        assert motor.lead_ms == 80


@pytest.mark.parametrize(
    "traffic",
    [(b"\x01\x05", b"\x02\x7f"), (b"\x01\x00", b"\x04\x76\x00", b"\x0c\x01")],
    ids=["real-time", "library"],
)
async def test_what_a_crash_left_running_is_stopped_by_boot(traffic: tuple[bytes, ...]) -> None:
    async with table() as it:
        await it.boot()
        for data in traffic:
            it.motor.write(data)
        assert it.motor.strength_pct > 0
        it.board.load("boot")
        assert it.motor.strength_pct == 0
        assert {"console", "data"} <= it.bench.usb


async def test_boot_brings_the_drive_even_if_the_motor_is_gone() -> None:
    async with table() as it:
        await it.boot()
        it.motor.refuse = 1000
        it.board.load("boot")
        assert any("motor:" in line for line in it.board.stdout)
        assert {"console", "data"} <= it.bench.usb
