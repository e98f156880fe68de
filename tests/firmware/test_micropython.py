# SPDX-License-Identifier: MIT
"""The drivers' language on the real MicroPython, whose core CircuitPython shares."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenuto.simulator.chips import Skin
from tests.firmware.rig import FIRMWARE
from tests.patience import patience_s

if TYPE_CHECKING:
    from tests.conftest import RunMicroPython

SCRIPT = Path(__file__).with_name("drivers_alone.py")

# What the board has built in and the drivers' pure parts ask for.
SUPERVISOR = """
import time
def ticks_ms():
    try:
        return time.ticks_ms() & 0x1FFFFFFF
    except AttributeError:
        return int(time.monotonic() * 1000) & 0x1FFFFFFF
def __getattr__(name):
    return name
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "supervisor.py").write_text(SUPERVISOR)
    skin = Skin(72, seed=3)
    samples = [round(skin.light(number / 50)) for number in range(1500)]
    (tmp_path / "light").write_bytes(b"".join(value.to_bytes(3, "big") for value in samples))
    return tmp_path


def on_cpython(folder: Path, what: str) -> str:
    result = subprocess.run(
        [sys.executable, SCRIPT, what, str(folder / "light")],
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{FIRMWARE}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=patience_s(60),
    )
    return result.stdout


@pytest.mark.parametrize("what", ["pulse", "memory", "boards"])
def test_it_does_there_what_it_does_here(
    run_micropython: RunMicroPython, folder: Path, what: str
) -> None:
    result = run_micropython(SCRIPT, what, folder / "light", path=(folder, FIRMWARE))

    assert result.returncode == 0, result.stderr
    assert result.stdout == on_cpython(folder, what)
    assert len(result.stdout.splitlines()) >= 3


@pytest.mark.slow
def test_the_stop_timer_works_there_and_a_pulse_takes_no_memory(
    run_micropython: RunMicroPython, folder: Path
) -> None:
    result = run_micropython(SCRIPT, "motor", folder / "light", path=(folder, FIRMWARE))

    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines == ["driven False timer stops 1 safe True", "bytes a pulse 0"]
