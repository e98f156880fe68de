# SPDX-License-Identifier: MIT
"""Each board, composed by `code.py`: it plays a plan, and fails as it should."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.routines.library import Library
from tenuto.simulator.board import BoardReset
from tenuto.simulator.pins import USB_IN_ENDPOINTS_ESP32, DeepSleep
from tenuto_core import vocab
from tests.core.oracle import Oracle
from tests.firmware.rig import T_WATCH, Table, table

if TYPE_CHECKING:
    from tenuto.routines.compile import CompiledPlan

BOARDS: dict[str, dict[str, Any]] = {
    "feather_bluefruit_sense": {"button": "SWITCH"},
    "Seeed_XIAO_nRF52840_Sense": {"button": "D1"},
    "adafruit_qtpy_esp32s3_nopsram": {
        "button": "BUTTON",
        "has_endless_watchdog": False,
        "in_endpoints_max": USB_IN_ENDPOINTS_ESP32,
    },
    T_WATCH: {
        "button": "PMU_INT",
        "has_endless_watchdog": False,
        "in_endpoints_max": USB_IN_ENDPOINTS_ESP32,
        "own_bus": ("I2C_SCL", "I2C_SDA"),
    },
}
GAUGED = ("adafruit_qtpy_esp32s3_nopsram", T_WATCH)
FULL_SCALE = round(3000 / 21.59)


def lower_back() -> CompiledPlan:
    return Library().plan("lower-back")


def pulses_of(compiled: CompiledPlan, start_ms: int) -> list[tuple[int, int, int]]:
    """What the motor must do, by the plan alone: (at_ms, strength, length)."""
    plan = compiled.plan
    oracle = Oracle([plan.step(number) for number in range(plan.steps)])
    oracle.start(start_ms)
    pulses = []
    while oracle.ended is None:
        oracle.advance(oracle.agenda[0][0] if oracle.agenda else oracle.end_ms)
    for felt_ms, cue, _ in oracle.felt:
        at_ms = felt_ms
        for strength_pct, on_ms, off_ms in plan.patterns[cue]:
            pulses.append((at_ms, strength_pct, on_ms))
            at_ms += on_ms + off_ms
    return pulses


async def powered(it: Table) -> None:
    it.bench.volts.update({"VOLTAGE_MONITOR": 3.95 / 2, "VBATT": 3.95 * 510 / 1510})
    it.motor.full_scale = FULL_SCALE
    if it.bench.board_id.startswith("Seeed"):

        def enable(name: str, level: bool | None) -> None:
            if name == "D3":
                it.motor.enable(bool(level))

        it.bench.on_output = enable
        it.motor.enable(False)
    await it.start()
    # An LRA's calibration holds the board up for a second.
    await asyncio.sleep(3)


def begin(it: Table, compiled: CompiledPlan) -> int:
    """Give the board's player the plan and the word; returns when."""
    module: Any = it.board.load("tenuto_core.plan")
    player, now_ms = it.band.player, it.board.ticks_ms()
    plan = module.Plan(bytearray(compiled.data))
    assert player.load(plan, compiled.plan_id) == vocab.OK
    assert player.receive(vocab.START, 0, vocab.BY_HOST, now_ms) == vocab.OK
    it.board.wake()
    return now_ms


@pytest.mark.slow
@pytest.mark.parametrize("board_id", BOARDS)
async def test_a_plan_is_driven_as_it_is_written(board_id: str) -> None:
    async with table(board_id, **BOARDS[board_id]) as it:
        await powered(it)
        compiled = lower_back()
        waited: list[float] = []
        clock: Any = it.board.load("time")
        clock.sleep = waited.append
        assert not it.heart.is_measuring
        start_ms = begin(it, compiled)
        await asyncio.sleep(1)
        assert it.heart.is_measuring == (board_id != T_WATCH), "that has none"
        await asyncio.sleep(compiled.plan.duration_ms / 1000 + 5)
        # An LRA was calibrated before, which moved it too.
        driven = [pulse for pulse in it.pulses if pulse[0] >= start_ms]
        planned = pulses_of(compiled, start_ms)
        assert [(at_ms, on_ms) for at_ms, _, on_ms in driven] == [
            (at_ms, on_ms) for at_ms, _, on_ms in planned
        ]
        assert max(abs(a[1] - b[1]) for a, b in zip(driven, planned, strict=True)) <= 1
        assert waited == [], "nothing waits once the application runs"
        assert not it.heart.is_measuring, "the session is over, and nobody is connected"
        assert it.program.motor.timer_stops == 0
        assert it.program.motor.faults == 0
        assert it.bench.bites == 0
        assert [line for line in it.board.stdout if "no " in line] == []
        assert not it.board.task_errors
        assert it.task is not None
        assert not it.task.done()


@pytest.mark.slow
@pytest.mark.parametrize("board_id", BOARDS)
async def test_heart_battery_and_button_reach_the_application(board_id: str) -> None:
    async with table(board_id, **BOARDS[board_id]) as it:
        await powered(it)
        compiled = lower_back()
        begin(it, compiled)
        await asyncio.sleep(30)
        log = it.board.load("tenuto_core.log")
        records: Any = log
        kinds: list[tuple[int, int]] = []
        for number in range(it.band.log.next):
            record = records.unpack_record(it.band.log.read(number, 1))
            kinds.append((record[1], record[3]))
        beats = [a for kind, a in kinds if kind == vocab.HEART]
        assert bool(beats) == (board_id != T_WATCH)
        assert all(abs(bpm - 62) <= 3 for bpm in beats)
        assert it.band.battery_pct == pytest.approx(87 if board_id in GAUGED else 72, abs=4)
        it.bench.set_button(held=True)
        await asyncio.sleep(1)
        it.bench.set_button(held=False)
        await asyncio.sleep(0.1)
        assert it.band.player.state == 0, "a long press stops"
        assert it.motor.strength_pct == 0


async def test_a_hung_main_loop_in_mid_pulse_is_ended_by_chip_and_watchdog() -> None:
    async with table() as it:
        await powered(it)
        bitten: list[float] = []
        it.bench.on_bite = lambda: bitten.append(it.board.ticks_ms())
        it.program.motor.on(100, 200)
        # Neither the main loop nor the stop timer runs from here on.
        for task in list(it.board._tasks):
            if "fetch" not in task.get_name():
                task.cancel()
        hung_ms = it.board.ticks_ms()
        it.motor.refuse = 10_000  # the program's `finally` does not run either when it hangs
        await asyncio.sleep(5)
        assert [on_ms for *_, on_ms in it.pulses] == [1000]
        assert len(bitten) == 1
        assert bitten[0] - hung_ms <= 3_010


async def test_a_main_loop_that_is_well_but_a_motor_that_is_not_ends_in_a_reset() -> None:
    async with table("Seeed_XIAO_nRF52840_Sense", **BOARDS["Seeed_XIAO_nRF52840_Sense"]) as it:
        await powered(it)
        it.program.motor.on(100, 200)
        it.motor.refuse = 10_000
        resets: list[asyncio.Task[None]] = []

        def bite() -> None:
            it.motor.refuse = 0
            resets.append(asyncio.get_running_loop().create_task(it.on_bite()))

        it.bench.on_bite = bite
        await asyncio.sleep(5)
        assert it.bench.bites == 1
        assert it.boots == 2
        assert it.motor.strength_pct == 0
        edges = it.motor.edges
        assert edges[-1].t_ms - edges[-2].t_ms < 200 + 500 + 3_000 + 100
        await asyncio.gather(*resets)


async def test_what_the_motor_did_is_known_after_a_reset() -> None:
    async with table() as it:
        await powered(it)
        it.band.alert(2, it.board.ticks_ms())
        it.board.wake()
        await asyncio.sleep(10)
        ran_ms = it.band.buzzer.ledger.minute(it.board.ticks_ms())
        assert ran_ms

        await it.on_bite()
        assert it.band.buzzer.ledger.minute(it.board.ticks_ms()) == ran_ms
        await asyncio.sleep(62)
        await it.on_bite()
        assert it.band.buzzer.ledger.minute(it.board.ticks_ms()) == 0


@pytest.mark.parametrize("board_id", BOARDS)
async def test_an_error_in_the_application_stops_the_motor_and_is_seen(board_id: str) -> None:
    async with table(board_id, **BOARDS[board_id]) as it:
        await powered(it)
        it.program.motor.on(100, 500)
        it.program.app.step = lambda: 1 / 0
        it.board.wake()
        await asyncio.sleep(0.1)
        assert it.task is not None
        assert isinstance(it.task.exception(), ZeroDivisionError)
        assert it.motor.strength_pct == 0
        assert it.pulses[-1][2] <= 30, "at once, not when the pulse would have ended"


@pytest.mark.parametrize("first", ["boot", "code"])
async def test_the_first_word_on_the_bus_is_standby(first: str) -> None:
    async with table() as it:
        await it.boot()
        said: list[bytes] = []
        write = it.motor.write

        def listen(data: bytes) -> None:
            said.append(data)
            write(data)

        it.motor.write = listen  # type: ignore[method-assign]
        program: Any = it.board.load(first)
        if first == "code":
            program.running.close()
        assert said[0] == b"\x01\x40"


async def test_without_a_motor_the_board_resets_and_says_why() -> None:
    async with table() as it:
        del it.board._i2c[it.motor.ADDRESS]
        with pytest.raises(BoardReset):
            await it.start()
        assert any("ended by" in line for line in it.board.stdout)


async def test_on_a_cable_the_error_stays_to_be_read() -> None:
    async with table() as it:
        del it.board._i2c[it.motor.ADDRESS]
        await it.boot()
        it.board.load("supervisor").runtime.usb_connected = True
        with pytest.raises(ValueError, match=r"(?i)0x5a|device"):
            it.board.load("code")


async def test_without_sensor_and_gauge_it_times_holds_all_the_same() -> None:
    board_id = "adafruit_qtpy_esp32s3_nopsram"
    async with table(board_id, **BOARDS[board_id]) as it:
        for chip in (it.heart, it.gauge):
            del it.board._i2c[chip.ADDRESS]
        await powered(it)
        assert [line.split(":")[0] for line in it.board.stdout if "ready" not in line] == [
            "no heart-rate sensor",
            "no battery gauge",
        ]
        assert it.band.battery_pct == 255
        begin(it, lower_back())
        await asyncio.sleep(10)
        assert it.pulses


async def test_a_button_held_at_the_start_is_safe_mode() -> None:
    async with table() as it:
        it.bench.set_button(held=True)
        await it.start()
        assert it.program.running is None
        assert "safe mode" in it.board.stdout[0]
        assert it.bench.watchdog.mode is None
        assert it.motor.is_resting


async def test_an_unknown_board_is_told_what_to_do_and_may_name_its_file() -> None:
    async with table("my_board", button="SWITCH") as it:
        await it.boot()
        with pytest.raises(ImportError, match=r"boards/template\.py"):
            it.board.load("code")
        it.board.load("boot")
        assert it.bench.usb == {"console"}, "what it needs to be mended"
        it.bench.settings["TENUTO_BOARD"] = "feather_nrf52840_sense"
        it.bench.settings["TENUTO_NAME"] = "Anna"
        await it.board.stop()
        await it.start()
        assert it.band.name == "Anna"


@pytest.mark.parametrize(
    "board_id, given, offered",
    [
        ("feather_bluefruit_sense", {}, {"console", "data"}),
        ("feather_bluefruit_sense", {"TENUTO_CONSOLE": 1}, {"console", "data"}),
        ("adafruit_qtpy_esp32s3_nopsram", {}, {"data"}),
        ("adafruit_qtpy_esp32s3_nopsram", {"TENUTO_CONSOLE": 1}, {"console"}),
    ],
)
async def test_usb_offers_what_the_chip_has_endpoints_for(
    board_id: str, given: dict[str, str | int], offered: set[str]
) -> None:
    """With one port too many CircuitPython goes into safe mode at each start."""
    async with table(board_id, **BOARDS[board_id]) as it:
        it.bench.settings.update(given)
        await powered(it)
        assert it.bench.usb == offered
        assert it.program.running is not None


async def test_without_a_console_an_error_ends_in_a_reset_on_a_cable_too() -> None:
    board_id = "adafruit_qtpy_esp32s3_nopsram"
    async with table(board_id, **BOARDS[board_id]) as it:
        del it.board._i2c[it.motor.ADDRESS]
        await it.boot()
        it.board.load("boot")
        it.board.load("supervisor").runtime.usb_connected = True
        with pytest.raises(BoardReset):
            it.board.load("code")


async def test_a_name_that_is_too_long_is_cut_and_the_band_is_heard() -> None:
    async with table() as it:
        it.bench.settings["TENUTO_NAME"] = "Großmütterchens schönes Band"
        await powered(it)
        assert it.band.name == "Großmütterchens schönes"
        assert any("too long" in line for line in it.board.stdout)
        assert it.board.bleio.adapter.advertising
        assert not [line for line in it.board.stdout if line.startswith("radio")]


@pytest.mark.parametrize("reason", ["watchdog", "hard fault", "brownout", "something else"])
async def test_safe_mode_of_circuitpython_stops_the_motor_and_is_left_after_a_hang(
    reason: str,
) -> None:
    async with table() as it:
        await it.boot()
        it.motor.write(b"\x01\x05")
        it.motor.write(b"\x02\x7f")
        it.board.load("supervisor").runtime.safe_mode_reason = reason
        if reason == "something else":
            it.board.load("safemode")
        else:
            with pytest.raises(BoardReset):
                it.board.load("safemode")
        assert it.motor.strength_pct == 0


@pytest.mark.parametrize(
    "reason, cause, goes_on",
    [
        ("watchdog", vocab.CAUSE_WATCHDOG, True),
        ("hard fault", vocab.CAUSE_SOFTWARE, True),
        ("brownout", vocab.CAUSE_BROWNOUT, False),
    ],
)
async def test_what_safe_mode_was_for_is_told_and_decides_whether_the_session_goes_on(
    reason: str, cause: int, goes_on: bool
) -> None:
    """After an empty cell nobody knows how much time has passed; after a fault hardly any has."""
    async with table() as it:
        await powered(it)
        compiled = lower_back()
        tenuto: Any = it.board.load("tenuto_core.plan")
        it.band.shelf.keep(compiled.plan_id, tenuto.Plan(bytearray(compiled.data)))
        begin(it, compiled)
        await asyncio.sleep(20)
        it.bench.stop_watchdog()
        await it.board.stop()
        await it.boot()
        it.board.load("supervisor").runtime.safe_mode_reason = reason
        with pytest.raises(BoardReset):
            it.board.load("safemode")
        for again in (False, True):
            await it.board.stop()
            it.board.reset_reason = "SOFTWARE"
            await it.start()
            record = it.board.load("tenuto_core.log").unpack_record
            told = [record(it.band.log.read(number, 1)) for number in range(it.band.log.next)]
            assert told[0][1:4:2] == (vocab.BOOTED, vocab.CAUSE_SOFTWARE if again else cause)
            if not again:
                assert told[1][1:4:2] == (vocab.INTERRUPTED, int(goes_on))
                assert it.band.is_playing == goes_on
            it.program.running.close()


@pytest.mark.parametrize("board_id", ["feather_bluefruit_sense", "adafruit_qtpy_esp32s3_nopsram"])
async def test_deep_sleep_is_reached_with_or_without_a_watchdog_that_ends(board_id: str) -> None:
    """A board of somebody's own may want it on an nRF52840 too."""
    async with table(board_id, **BOARDS[board_id]) as it:
        await it.boot()
        pins: Any = it.board.load("boards").load(board_id)
        pins.DEEP_SLEEP = True
        it.program = it.board.load("code")
        assert it.program.pins.DEEP_SLEEP
        it.task = it.board.create_task(it.program.running, "code")
        resets: list[asyncio.Task[None]] = []

        async def again() -> None:
            await it.board.stop()
            with pytest.raises(DeepSleep):
                await it.start()

        it.bench.on_bite = lambda: resets.append(asyncio.get_running_loop().create_task(again()))
        await asyncio.sleep(300)
        assert it.bench.bites == int(it.bench.has_endless_watchdog)
        await asyncio.gather(*resets)
        if not resets:
            assert isinstance(it.task.exception(), DeepSleep)
        assert it.bench.is_asleep
        assert it.motor.is_resting
        # Woken by the button, which is still down: that is no wish for safe mode.
        await it.board.stop()
        it.bench.wake_alarm = object()
        it.bench.set_button(held=True)
        await it.start()
        assert it.program.running is not None
        it.bench.set_button(held=False)


@pytest.mark.parametrize("board_id", BOARDS)
async def test_left_alone_a_board_sleeps_where_that_saves_power(board_id: str) -> None:
    async with table(board_id, **BOARDS[board_id]) as it:
        await powered(it)
        await asyncio.sleep(300)
        assert it.task is not None
        if board_id in GAUGED:
            assert isinstance(it.task.exception(), DeepSleep)
            assert it.bench.is_asleep
            assert it.motor.is_resting
            assert not it.heart.is_measuring
            assert it.bench.watchdog.mode is None
        else:
            assert not it.task.done()
            assert not it.bench.is_asleep
        assert it.bench.bites == 0


@pytest.mark.parametrize(
    "given, location, complaint",
    [
        ({}, 2, None),
        ({"TENUTO_WORN": "waist", "TENUTO_TRUST_BONDS": 1}, 0, None),
        ({"TENUTO_WORN": "ear", "TENUTO_TRUST_BONDS": 0}, 2, "'ear'"),
        ({"TENUTO_TRUST_BONDS": 2}, 2, "'2'"),
    ],
)
async def test_settings_are_obeyed_and_a_wrong_one_is_told(
    given: dict[str, str | int], location: int, complaint: str | None
) -> None:
    async with table() as it:
        it.bench.settings.update(given)
        await powered(it)
        uuid = it.board.bleio.UUID(0x2A38)
        told = [made.value for made in it.program.app.ble._radio.services if made.uuid == uuid]
        assert told == [bytes((location,))]
        assert it.program.app.ble._trust_bonds == (given.get("TENUTO_TRUST_BONDS") == 1)
        assert [line for line in it.board.stdout if "must be" in line] == [
            line for line in it.board.stdout if complaint and complaint in line
        ]
        assert bool(complaint) == any("must be" in line for line in it.board.stdout)
