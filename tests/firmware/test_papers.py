# SPDX-License-Identifier: MIT
"""What the firmware's README shows is what the scripts make."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.firmware import battery_life, wiring
from tests.firmware.rig import FIRMWARE
from tests.firmware.test_whole import lower_back, pulses_of

README = (FIRMWARE / "README.md").read_text("utf-8")


def test_the_tables_in_the_readme_are_the_scripts() -> None:
    assert battery_life.renew(README) == README, "run python -m tests.firmware.battery_life"
    for line in (*battery_life.table(), *battery_life.sources()):
        assert f"{line}\n" in README


def test_a_battery_lasts_as_a_calculator_says() -> None:
    """By hand: 20 mA for 10 minutes, 0.1 mA for the rest of the day, the motor, 85 % usable."""
    current: Any = battery_life.Current
    case = battery_life.Case("x", (current("a", 20.0, ""),), (current("b", 0.1, ""),))
    motor_mah = battery_life.MOTOR_S / 3600 * 60

    assert case.mah_per_day == pytest.approx(20 / 6 + 0.1 * 23.8333 + motor_mah, abs=1e-3)
    assert case.days(150) == pytest.approx(150 * 0.85 / case.mah_per_day)


def test_the_motors_share_is_that_of_the_shipped_routine() -> None:
    felt_s = sum(on_ms for *_, on_ms in pulses_of(lower_back(), 0)) / 1000

    assert pytest.approx(2 * felt_s, rel=0.2) == battery_life.MOTOR_S


def test_each_board_has_the_picture_that_its_pins_give() -> None:
    pictures = wiring.pictures()
    there = {path.name for path in (FIRMWARE / "wiring").glob("*.svg")}

    assert pictures.keys() == there
    for name, picture in pictures.items():
        assert (FIRMWARE / "wiring" / name).read_text("utf-8") == picture, (
            "run python -m tests.firmware.wiring"
        )
        assert f"](wiring/{name})" in README
        assert ET.fromstring(picture).tag.endswith("svg")  # noqa: S314  our own


def test_a_picture_shows_the_pins_of_the_board() -> None:
    picture = wiring.pictures()["xiao_nrf52840_sense.svg"]

    for pin in ("D1", "D3", "SDA", "SCL", "0x5A", "0x57", "LRA"):
        assert pin in picture


def test_a_picture_tells_what_is_to_be_wired_from_what_is_there() -> None:
    """A dot is where somebody solders or plugs; what the board has is a dashed line without one."""
    wires = {"feather_nrf52840_sense": 4 + 4 + 1, "xiao_nrf52840_sense": 4 + 4 + 3}
    wires["qtpy_esp32s3"] = 4 + 4 + 4 + 1
    for name, count in wires.items():
        picture = wiring.pictures()[f"{name}.svg"]
        assert picture.count("<polyline") == count, name
        assert picture.count("stroke-dasharray") == picture.count("on the board</text>"), name
        assert "LiPo cell" in picture
        assert ">How the " in picture


def test_every_file_of_the_firmware_is_in_the_readme() -> None:
    for path in FIRMWARE.glob("*.py"):
        assert f"`{path.name}`" in README, path.name


def test_the_readme_has_a_sentence_a_line() -> None:
    for line in README.splitlines():
        if line.startswith(("|", "-", "#", "!", "<", "**")) or re.match(r"\d\.", line):
            continue
        assert len(re.findall(r"[.!?] [A-Z]", line)) == 0, line
