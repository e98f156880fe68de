# SPDX-License-Identifier: MIT
"""What can be known of real boards without one: their pins, modules and types."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tenuto.flashing.bundle import imported
from tests.firmware.rig import FIRMWARE
from tests.patience import patience_s

BOARDS = ast.literal_eval(
    re.search(r"FILES = (\{.*?\n\})", (FIRMWARE / "boards/__init__.py").read_text(), re.DOTALL)[1]  # type: ignore[index]
)
STUBS = Path(str(importlib.metadata.distribution("circuitpython-stubs").locate_file("")))

# Places where the stubs are wrong: methods that the interpreter calls with three arguments, and
# submodules that come with their module.
STUBS_ARE_WRONG = (
    'Too many arguments for "__exit__"',
    'Module has no attribute "pin"',
    # A tuple of unknown length fits.
    'Too many arguments for "add" of "Beats"',
)


def stub_of(board_id: str) -> str:
    return (STUBS / "board_definitions" / board_id / "__init__.pyi").read_text()


def pins_used(path: Path) -> set[str]:
    return {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "board"
    }


@pytest.mark.parametrize("board_id", BOARDS)
def test_every_pin_is_on_the_board(board_id: str) -> None:
    used = pins_used(FIRMWARE / "boards" / f"{BOARDS[board_id]}.py")
    kinds = r"^(\w+): (?:microcontroller\.Pin|displayio\.Display)|^def (\w+)\(\)"
    there = {a or b for a, b in re.findall(kinds, stub_of(board_id), re.MULTILINE)}

    assert {"SCL", "SDA"} <= {re.sub(r"^I2C_|1$", "", name) for name in used}
    assert used <= there


@pytest.mark.parametrize("board_id", BOARDS)
def test_no_pin_has_two_uses(board_id: str) -> None:
    stub = stub_of(board_id)
    used = pins_used(FIRMWARE / "boards" / f"{BOARDS[board_id]}.py")
    chip_pins = re.findall(r"^(\w+): microcontroller\.Pin  # (\w+)", stub, re.MULTILINE)
    taken = [chip for name, chip in chip_pins if name in used]

    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("board_id", BOARDS)
def test_the_boards_interpreter_has_what_the_firmware_imports(board_id: str) -> None:
    line = re.search(r"Included modules: (.*)", stub_of(board_id))
    assert line is not None
    built_in = set(line[1].split(", ")) | {"gc", "builtins", "micropython"}
    own = {path.stem for path in FIRMWARE.glob("*.py")} | {"drivers", "boards", "tenuto_core"}
    copied = {"adafruit_ble", "adafruit_drv2605", "adafruit_max1704x", "asyncio"}
    for path in FIRMWARE.rglob("*.py"):
        if path.parts[-2] == "tenuto_core":
            continue
        for name in imported(path.read_bytes(), package="/", tried=False):
            top = name.partition(".")[0]
            assert top in built_in | own | copied | {"/"}, f"{path.name} imports {name}"


def test_no_file_has_the_name_of_a_built_in_module() -> None:
    """CircuitPython would import its own."""
    built_in = {path.name.removesuffix("-stubs") for path in STUBS.glob("*-stubs")}
    own = {path.stem for path in FIRMWARE.glob("*.py")}
    own |= {path.name for path in FIRMWARE.iterdir() if path.is_dir()}

    assert built_in & own == set()


def test_the_firmware_fits_the_interfaces_of_circuitpython(tmp_path: Path) -> None:
    """CircuitPython's own stubs as the judge of every call into a built-in module."""
    config = tmp_path / "mypy.ini"
    config.write_text(
        "[mypy]\ncheck_untyped_defs = true\nignore_missing_imports = true\n"
        "explicit_package_bases = true\nfollow_untyped_imports = false\n"
        # Most of the firmware has no annotations, so these say nothing there.
        "disable_error_code = union-attr,no-redef,var-annotated\n"
    )
    # The core has types of its own; the boards' pins are looked up in the test above.
    files = [
        *FIRMWARE.glob("*.py"),
        *FIRMWARE.glob("drivers/*.py"),
        FIRMWARE / "boards/__init__.py",
    ]
    result = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file", str(config), "--no-color-output"),
            *("--no-error-summary", "--cache-dir", str(tmp_path / "cache")),
            *map(str, files),
        ],
        cwd=FIRMWARE,
        env={"MYPYPATH": str(FIRMWARE), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=patience_s(110),
    )
    faults = [
        line
        for line in result.stdout.splitlines()
        if ": error: " in line and not any(known in line for known in STUBS_ARE_WRONG)
    ]

    assert faults == []
    assert result.returncode in (0, 1), result.stderr
