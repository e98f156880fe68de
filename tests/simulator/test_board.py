# SPDX-License-Identifier: MIT
"""The simulated board: its modules, its clock, its wait, its death and resurrection."""

from __future__ import annotations

import asyncio
import math
import textwrap
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.simulator import FirmwareError, SimulatedBoard, World
from tenuto.simulator.board import STDOUT_LINES_MAX
from tenuto.simulator.hardware import I2cChip, RegisterChip
from tenuto.simulator.radio import Radio
from tests.simulator.rig import FIRMWARE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def board_with(tmp_path: Path, program: str, **options: Any) -> AsyncIterator[SimulatedBoard]:
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    board = SimulatedBoard(Radio(), "board", "C0:00:00:00:00:01", firmware_dir=tmp_path, **options)
    await board.boot()
    try:
        yield board
    finally:
        await board.stop()


async def test_boards_share_no_module(tmp_path: Path) -> None:
    (tmp_path / "state.py").write_text("items = []\n")
    async with (
        board_with(tmp_path, "import state, adafruit_ble") as one,
        board_with(tmp_path, "import state, adafruit_ble") as two,
    ):
        for board in (one, two):
            board.load("program").state.items.append(board)
        assert one.load("state").items == [one]
        assert one.load("adafruit_ble").BLERadio is not two.load("adafruit_ble").BLERadio
        assert one.load("program").adafruit_ble is one.load("adafruit_ble")


@pytest.mark.parametrize("name", ["typing", "subprocess", "socket", "dataclasses", "nowhere"])
async def test_what_a_board_lacks_cannot_be_imported(tmp_path: Path, name: str) -> None:
    async with board_with(tmp_path, f"import {name}") as board:
        with pytest.raises(ImportError, match=name):
            board.load("program")


async def test_packages_and_relative_imports_work_and_annotations_are_not_looked_at(
    tmp_path: Path,
) -> None:
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("from .inner import deep\nfrom . import sibling\n")
    (package / "sibling.py").write_text("value: Unknown = 1\ndef f(x: Missing) -> Gone: return x\n")
    (package / "inner" / "__init__.py").write_text("")
    (package / "inner" / "deep.py").write_text("from ..sibling import value\n")
    async with board_with(tmp_path, "import package.inner.deep as deep\n") as board:
        assert board.load("program").deep.value == 1


async def test_real_drivers_run_on_the_bus(tmp_path: Path) -> None:
    chips: dict[int, I2cChip] = {
        0x5A: RegisterChip({0x00: 0xE0, 0x16: 0x3E, 0x17: 0x8C}),
        # The fuel gauge answers its own reset command with a NACK, and its driver insists on it.
        0x36: RegisterChip({2: 0xC8, 4: 0x5A, 9: 0x12}, refused=(b"\xfe\x54\x00",)),
    }
    program = """
        import board, adafruit_drv2605, adafruit_max1704x
        driver = adafruit_drv2605.DRV2605(board.I2C())
        driver.sequence[0] = adafruit_drv2605.Effect(47)
        driver.play()
        percent = adafruit_max1704x.MAX17048(board.I2C()).cell_percent
    """
    async with board_with(tmp_path, program, i2c=chips) as board:
        assert board.load("program").percent == 0x5A
        motor = chips[0x5A]
        assert isinstance(motor, RegisterChip)
        assert motor.registers[4] == 47
        assert motor.registers[0x0C] == 1


async def test_ticks_begin_before_their_wrap_and_wrap(tmp_path: Path) -> None:
    async with board_with(tmp_path, "from supervisor import ticks_ms") as board:
        ticks_ms = board.load("program").ticks_ms
        assert ticks_ms() == 2**29 - 2**16
        await asyncio.sleep(65.535)
        assert ticks_ms() == 2**29 - 1
        await asyncio.sleep(0.001)
        assert ticks_ms() == 0
        assert board.ticks_ms() == 65536


@pytest.mark.parametrize("drift_ppm", [0.0, 40.0, -40.0, 20_000.0])
async def test_the_clock_drifts_and_so_do_the_waits(tmp_path: Path, drift_ppm: float) -> None:
    program = """
        import asyncio
        async def main(): await asyncio.sleep(100)
    """
    async with board_with(tmp_path, program, drift_ppm=drift_ppm) as board:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        await board.create_task(board.load("program").main())
        took_s = loop.time() - start_s
        assert took_s == pytest.approx(100 / (1 + drift_ppm * 1e-6), abs=1e-6)
        assert board.ticks_ms() == 100_000


async def test_a_blocking_sleep_moves_the_boards_clock_and_is_paid_later(tmp_path: Path) -> None:
    program = """
        import asyncio, time
        async def main():
            await asyncio.sleep(1)
            time.sleep(0.5)
            after = time.monotonic()
            await asyncio.sleep(1)
            return after
    """
    async with board_with(tmp_path, program) as board:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        after_s = await board.create_task(board.load("program").main())
        assert after_s == pytest.approx(1.5)
        assert loop.time() - start_s == pytest.approx(2.5)
        assert board.ticks_ms() == 2500


async def test_tick_wakes_at_the_poll_that_would_see_what_came_in(tmp_path: Path) -> None:
    async with board_with(tmp_path, "") as board:
        loop = asyncio.get_running_loop()
        for came_ms, seen_ms in ((0, 20), (1, 20), (19.5, 20), (20.5, 40), (333, 340)):
            start_s = loop.time()
            loop.call_later(came_ms / 1000, board.wake)
            await board.tick(20, None)
            assert (loop.time() - start_s) * 1000 == pytest.approx(seen_ms, abs=0.01)


async def test_tick_sees_what_came_in_while_its_caller_was_busy(tmp_path: Path) -> None:
    async with board_with(tmp_path, "") as board:
        loop = asyncio.get_running_loop()
        await board.tick(20, None)
        loop.call_later(0.005, board.wake)
        await asyncio.sleep(0.01)
        start_s = loop.time()
        await board.tick(20, None)
        assert loop.time() - start_s == pytest.approx(0.02)
        await board.tick(20, None)
        assert loop.time() - start_s == pytest.approx(1.02)


@pytest.mark.parametrize("drift_ppm", [0.0, 37.0, -37.0])
async def test_tick_wakes_when_something_is_due_never_before_and_within_a_tenth_of_a_ms(
    tmp_path: Path, drift_ppm: float
) -> None:
    async with board_with(tmp_path, "", drift_ppm=drift_ppm) as board:
        loop = asyncio.get_running_loop()
        for due_ms in range(7, 20_000, 173):
            while board.ticks_ms() < due_ms:
                await board.tick(20, due_ms)
            assert board.ticks_ms() == due_ms
            assert abs(loop.time() - board.clock.loop_time(due_ms)) < 1e-4


async def test_tick_returns_within_a_second_of_idleness(tmp_path: Path) -> None:
    async with board_with(tmp_path, "") as board:
        start_ms = board.ticks_ms()
        await board.tick(20, start_ms + 60_000)
        assert board.ticks_ms() - start_ms <= 1000


async def test_a_program_that_never_does_what_is_due_is_told_off(tmp_path: Path) -> None:
    async with board_with(tmp_path, "") as board:
        await asyncio.sleep(1)

        async def main() -> None:
            while True:
                await board.tick(20, 5)

        with pytest.raises(FirmwareError, match="due at 5 ms"):
            await main()


async def test_what_is_printed_is_kept_within_bounds(tmp_path: Path) -> None:
    async with board_with(tmp_path, "for i in range(5000): print('line', i, sep='-')") as board:
        board.load("program")
        assert len(board.stdout) == STDOUT_LINES_MAX
        assert board.stdout[-1] == "line-4999"


async def test_flash_outlives_a_reset_and_memory_does_not(tmp_path: Path) -> None:
    program = """
        import microcontroller
        memory = []
    """
    async with board_with(tmp_path, program) as board:
        module = board.load("program")
        module.memory.append(1)
        module.microcontroller.nvm[0:3] = b"abc"
        await asyncio.sleep(5)
        await board.stop()
        assert not board.is_running
        await board.boot()
        again = board.load("program")
        assert again.memory == []
        assert bytes(again.microcontroller.nvm[0:4]) == b"abc\xff"
        assert board.ticks_ms() == 0


async def test_the_tasks_of_a_board_have_names_and_end_with_it(tmp_path: Path) -> None:
    program = """
        import asyncio
        ended = []
        async def worker():
            try:
                await asyncio.sleep(1000)
            finally:
                ended.append(True)
        async def main():
            asyncio.create_task(worker())
            await asyncio.gather(worker(), worker())
    """
    async with board_with(tmp_path, program) as board:
        module = board.load("program")
        board.create_task(module.main(), "main")
        await asyncio.sleep(1)
        ours = {t.get_name() for t in asyncio.all_tasks() if t is not asyncio.current_task()}
        assert ours == {"board.main", "board.worker"}
        await board.stop()
        assert module.ended == [True] * 3
        assert len(asyncio.all_tasks()) == 1


async def test_a_task_that_fails_says_so_on_the_console_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    program = """
        import asyncio
        async def bad(): raise ValueError("no good")
        async def main():
            asyncio.create_task(bad())
            await asyncio.sleep(1)
            return "well"
    """
    async with board_with(tmp_path, program) as board:
        assert await board.create_task(board.load("program").main()) == "well"
        assert [repr(error) for error in board.task_errors] == ["ValueError('no good')"]
        assert any("no good" in line for line in board.stdout)


async def test_asyncio_is_the_boards_and_no_more(tmp_path: Path) -> None:
    async with board_with(tmp_path, "import asyncio") as board:
        module = board.load("program").asyncio
        assert not hasattr(module, "TaskGroup")
        assert not hasattr(module, "timeout")
        with pytest.raises(module.TimeoutError):
            await module.wait_for(module.sleep(10), 1)


async def test_chance_is_repeatable_but_no_number_of_a_boot_comes_twice(tmp_path: Path) -> None:
    program = "import os, random\nchance = random.random()\nboot = os.urandom(8)"
    async with board_with(tmp_path, program) as board:
        first = board.load("program")
    async with board_with(tmp_path, program) as board:
        second = board.load("program")
    assert first.chance == second.chance
    assert first.boot != second.boot, "a history would take one boot for the other"


def test_a_firmware_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(FirmwareError, match="no such folder"):
        SimulatedBoard(Radio(), "b", "C0:00:00:00:00:01", firmware_dir=tmp_path / "none")


async def test_an_impossible_drift_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="drift_ppm"):
        async with board_with(tmp_path, "", drift_ppm=math.nan):
            pass


async def test_a_board_that_has_just_begun_to_advertise_stops_at_once() -> None:
    clock = asyncio.get_running_loop().time
    for rounds in range(12):
        async with World() as room:
            band = await room.add_wearable("band", firmware_dir=FIRMWARE)
            for _ in range(rounds):
                await asyncio.sleep(0)
            began_s = clock()
            await band.stop()
            assert clock() - began_s < 1, f"after {rounds} rounds of the loop"
