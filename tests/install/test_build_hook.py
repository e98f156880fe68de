# SPDX-License-Identifier: MIT
"""Only what the lock knows gets into the wheel."""

from __future__ import annotations

import importlib.util
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import PARTS, ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def hook() -> Any:
    path = ROOT / "requirements/circuitpython.py"
    spec = importlib.util.spec_from_file_location("circuitpython_hook", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the hook looks at."""
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copytree(PARTS / "wheels", tmp_path / ".parts/wheels")
    return tmp_path


def test_wheels_that_are_there_are_not_fetched(hook: Any, checkout: Path) -> None:
    assert (
        hook.CircuitPythonLibraries(str(checkout), {}, None, None, "", "wheel").dependencies() == []
    )


def test_a_wheel_that_was_changed_is_not_taken(hook: Any, checkout: Path) -> None:
    wheel = next((checkout / ".parts/wheels").glob("*drv2605*.whl"))
    with wheel.open("ab") as file:
        file.write(b"\0")
    builder = hook.CircuitPythonLibraries(str(checkout), {}, None, None, "", "wheel")

    assert wheel not in hook._locked(wheel.parent, checkout)
    assert builder.dependencies() == ["pip"], "it is fetched anew"


def test_a_new_release_takes_the_place_of_the_old_one(hook: Any, checkout: Path) -> None:
    wheels, unpacked = checkout / ".parts/wheels", checkout / ".parts/circuitpython"
    every = hook._locked(wheels, checkout)
    hook._unpack(every[1:], unpacked)
    (unpacked / "left_over.py").touch()
    hook._unpack(every, unpacked)

    assert not (unpacked / "left_over.py").exists()
    assert (unpacked / "asyncio/core.py").is_file()
    (unpacked / "kept.py").touch()
    hook._unpack(every, unpacked)
    assert (unpacked / "kept.py").exists(), "what is there is not unpacked again"
