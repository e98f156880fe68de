# SPDX-License-Identifier: MIT
"""A board on a table: the real firmware, the real libraries, chips that parse the real traffic."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenuto.simulator import SimulatedBoard
from tenuto.simulator.bleio import FLAVOURS
from tenuto.simulator.chips import Axp2101, Drv2605, Max17048, Max30102, Skin
from tenuto.simulator.hardware import pulses
from tenuto.simulator.pins import Bench
from tenuto.simulator.radio import Radio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

T_WATCH = "lilygo_twatch_s3"
FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"


def flavour_of(board_id: str) -> str:
    """The kind of `_bleio` that the board has, as far as it is simulated."""
    family = "esp32" if "esp32" in board_id or board_id == T_WATCH else "nrf"
    return next((name for name in FLAVOURS if name.startswith(family)), "nrf52840")


class Table:
    """One board with all chips on its bus.

    boots: how often it came up.  program: `code.py`'s module since the last boot.
    """

    FETCH_S = 0.1

    def __init__(
        self, bench: Bench, skin: Skin, *, calibrates: bool = True, firmware: Path = FIRMWARE
    ) -> None:
        self.bench = bench
        self.skin = skin
        self.booted_ms = 0.0
        self._newest_ms = 0.0
        self.boots = 0
        self.program: Any = None
        self.task: asyncio.Task[Any] | None = None
        self.board: SimulatedBoard
        self.motor = Drv2605(self.now_ms, calibrates=calibrates)
        self.heart = Max30102(self.now_ms, skin)
        self.gauge = Max17048()
        self.power_chip = Axp2101()
        chips: tuple[Any, ...] = (self.motor, self.heart, self.gauge)
        if bench.board_id == T_WATCH:
            chips = (self.motor, self.power_chip)
            bench.levels[bench.button] = lambda: self.power_chip.interrupt
            bench.on_button = self._press
        self.board = SimulatedBoard(
            Radio(),
            "band",
            "C0:00:00:00:00:01",
            firmware_dir=firmware,
            flavour=flavour_of(bench.board_id),
            i2c={chip.ADDRESS: chip for chip in chips},
            modules=bench.modules,
        )

    def _press(self, held: bool) -> None:
        self.power_chip.press(held)
        if self.board.is_running:
            self.board.wake()

    def now_ms(self) -> float:
        """The world's time, which a blocking sleep of the board moves on too."""
        now_ms = asyncio.get_running_loop().time() * 1000
        board = self.__dict__.get("board")
        if board is not None and board.is_running:
            now_ms = max(now_ms, self.booted_ms + board.clock.elapsed_ms())
        self._newest_ms = max(self._newest_ms, now_ms)
        return self._newest_ms

    @property
    def pulses(self) -> list[tuple[int, int, int]]:
        """What the motor did since the boot: (at_ms by the board's clock, strength, length)."""
        return [
            (round(pulse.t_ms - self.booted_ms), pulse.strength_pct, round(pulse.length_ms))
            for pulse in pulses(self.motor.edges)
            if pulse.t_ms >= self.booted_ms
        ]

    async def boot(self) -> None:
        await self.board.boot()
        self.booted_ms = asyncio.get_running_loop().time() * 1000
        self.boots += 1
        self.board.create_task(self._fetch(), "fetch")

    async def _fetch(self) -> None:
        """Do for the simulated main loop what the real one does by itself: look once in a while."""
        while True:
            await asyncio.sleep(self.FETCH_S)
            if self.heart.is_measuring:
                self.board.wake()

    def bus(self) -> Any:
        """The bus, as a driver is given it."""
        board: Any = self.board.load("board")
        busio: Any = self.board.load("busio")
        return busio.I2C(board.SCL, board.SDA)

    async def start(self) -> None:
        """Boot as a board does: boot.py, USB, then code.py."""
        await self.boot()
        self.board.load("boot")
        self.bench.plug_in()
        self.program = self.board.load("code")
        if self.program.running is not None:
            self.task = self.board.create_task(self.program.running, "code")

    async def on_bite(self) -> None:
        await self.board.stop()
        await self.start()

    @property
    def band(self) -> Any:
        return self.program.app.band


@asynccontextmanager
async def table(
    board_id: str = "feather_bluefruit_sense",
    *,
    skin: Skin | None = None,
    calibrates: bool = True,
    firmware: Path = FIRMWARE,
    **bench: Any,
) -> AsyncIterator[Table]:
    """A table whose board has no power yet."""
    it = Table(Bench(board_id, **bench), skin or Skin(62), calibrates=calibrates, firmware=firmware)
    try:
        yield it
    finally:
        it.bench.stop_watchdog()
        await it.board.stop()
