# SPDX-License-Identifier: MIT
"""The services of systemd that are shipped, read by systemd itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tenuto.shipped import shipped
from tests.conftest import part

if TYPE_CHECKING:
    from pathlib import Path

UNITS = sorted(shipped("config").rglob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong_with_a_service(unit: Path, tmp_path: Path) -> None:
    program = part("systemd-analyze")
    # Where the program of a service is not installed on this computer, that is no fault of it.
    text = re.sub(r"(?m)^(Exec\w+=)\S+", rf"\g<1>{shutil.which('true')}", unit.read_text())
    # One that is for several users is installed as a template.
    name = f"{unit.stem}@root.service" if "%i" in text else unit.name
    copy = tmp_path / name
    copy.write_text(text)
    done = subprocess.run(
        [program, "verify", copy], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
