# SPDX-License-Identifier: MIT
"""How much work the core is to a real MicroPython: instructions, which no busy machine changes.

The processor of the test machine is not a board's, so what is compared is one piece of work with
another.  `tenuto.simulator.costs` has its ratio of two ways to stuff a frame from such counts.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.core.rig import score_bytes
from tests.patience import patience_s

ROOT = Path(__file__).resolve().parents[2]
TIMES = 200
FEW, MANY = 4, 14
"""Log records in a frame; no more fit into one."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def valgrind() -> str:
    """Return the program that counts; without it, skip, or fail in CI."""
    found = shutil.which("valgrind")
    if found is None:
        message = "no valgrind: install the package of that name to count instructions"
        if os.environ.get("CI") == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return found


@pytest.fixture(scope="module")
def counts(
    valgrind: str, micropython: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, float]:
    """Return the instructions of each piece of work of `work.py`, once."""
    plan = tmp_path_factory.mktemp("work") / "plan"
    plan.write_bytes(score_bytes())

    def total(work: str, times: int) -> int:
        # The interpreter may be started by a script, whose own processes count less.
        counter = [valgrind, "--tool=callgrind", "--trace-children=yes"]
        program: list[str | Path] = [
            micropython,
            "-X",
            "heapsize=256k",
            ROOT / "tests" / "core" / "work.py",
        ]
        result = subprocess.run(
            [*counter, "--callgrind-out-file=/dev/null", *program, plan, work, str(times)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience_s(60),
            check=False,
            env={**os.environ, "MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"},
        )
        assert result.returncode == 0, result.stderr
        return max(map(int, re.findall(r"Collected : (\d+)", result.stderr)))

    return {
        work: (total(work, TIMES) - total(work, 0)) / TIMES
        for work in ("idle", str(FEW), str(MANY))
    }


def test_the_work_for_a_frame_grows_with_its_length_only(counts: dict[str, float]) -> None:
    # Copying what is left at each zero takes 3.9 times as much here.
    assert counts[str(MANY)] / counts[str(FEW)] < MANY / FEW


def test_a_frame_and_an_idle_step_keep_their_measure(counts: dict[str, float]) -> None:
    # Copying what is left at each zero takes more than 250 idle steps of the player.  Below 20, it
    # is the idle step that has grown: a board takes one every 21 ms.
    assert 20 < counts[str(MANY)] / counts["idle"] < 50
