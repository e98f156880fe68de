# SPDX-License-Identifier: MIT
"""The public checks of a firmware find what breaks a promise; `examples` shows that they pass."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tenuto.testing import FIRMWARE_CHECKS, VirtualWorld, firmware_folder

if TYPE_CHECKING:
    from pathlib import Path

FAULTS = {
    "plays_every_cue_at_its_time": (
        ("tenuto_core/buzzer.py", "on(strength_pct, pulse_ms)", "on(strength_pct - 10, pulse_ms)"),
        "pulse 1 had 90 %, not 100 %",
    ),
    "pauses_and_goes_on": (
        ("tenuto_core/player.py", "self._anchor_ms = now_ms - self._stopped_ms", "pass"),
        "a pause counted",
    ),
    "stops_by_a_long_press": (
        ("tenuto_core/button.py", "LONG_MS = 800", "LONG_MS = 8000"),
        "did not stop",
    ),
    "spares_the_motor": (
        ("tenuto_core/limits.py", "ON_MS_MAX = 12_000", "ON_MS_MAX = 20_000"),
        "ms of a minute",
    ),
    "obeys_no_stranger": (
        ("tenuto_core/host_connection.py", "if not self.is_trusted and op", "if op < 0 and op"),
        "was not let in",
    ),
}


@pytest.mark.parametrize("check", FAULTS)
def test_a_fault_is_found_and_told(check: str, tmp_path: Path) -> None:
    (name, old, new), told = FAULTS[check]
    folder = shutil.copytree(firmware_folder(), tmp_path / "firmware")
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    with (
        VirtualWorld() as world,
        pytest.raises(AssertionError, match=told),
    ):
        FIRMWARE_CHECKS[check](world.add_band(firmware=folder))
