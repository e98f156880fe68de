# SPDX-License-Identifier: MIT
import shutil
from pathlib import Path

import pytest

from tenuto.testing import FIRMWARE_CHECKS, Band, VirtualWorld, firmware_folder


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """The firmware with a change: a press of 0.6 s is a long one."""
    folder = shutil.copytree(firmware_folder(), tmp_path / "firmware")
    button = folder / "tenuto_core" / "button.py"
    button.write_text(button.read_text().replace("LONG_MS = 800", "LONG_MS = 600"))
    return folder


@pytest.mark.parametrize("check", FIRMWARE_CHECKS)
def test_the_contract_holds(check: str, tenuto_world: VirtualWorld, changed: Path) -> None:
    FIRMWARE_CHECKS[check](tenuto_world.add_band(firmware=changed))


def test_a_press_of_600_ms_stops(tenuto_world: VirtualWorld, changed: Path) -> None:
    band: Band = tenuto_world.add_band(firmware=changed)
    band.load()
    band.press()
    tenuto_world.advance(10)
    band.press(650)
    tenuto_world.advance(1)
    assert not band.is_playing
