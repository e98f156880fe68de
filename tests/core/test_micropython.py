# SPDX-License-Identifier: MIT
"""The same sessions on CPython and on the real MicroPython, byte for byte.

The interpreter on the test machine has pointers of 64 bits, those of the boards have 32: what it
needs beyond plain bytes, a board needs half of.  So it gets more heap than a board has.
"""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenuto.routines import haptics, routine
from tenuto.routines.compile import compile_routine
from tenuto_core.plan import MAX_BYTES, PlanError
from tests.conftest import part, runner_of
from tests.core import phased
from tests.core.on_board import compile_core, compile_into, largest
from tests.core.rig import score_bytes
from tests.patience import patience_s

if TYPE_CHECKING:
    from tests.conftest import RunMicroPython

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
HERE = Path(__file__).parent
HEAP = "256k"
HEAP_FROM_SOURCE = "256k"
SEEDS = tuple(str(seed) for seed in range(1, 26))


def lower_back() -> bytes:
    config = ROOT / "config"
    vocabulary = haptics.load(config / "haptics.toml")
    return compile_routine(routine.load(config / "routines" / "lower-back.toml"), vocabulary).data


PLANS = {"score": score_bytes, "phased": phased.data, "lower-back": lower_back, "largest": largest}


@pytest.fixture(scope="session")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file for each of `PLANS`."""
    folder = tmp_path_factory.mktemp("plans")
    for name, make in PLANS.items():
        (folder / name).write_bytes(make())
    return folder


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the core as a board gets it, and with the scenarios."""
    folder = tmp_path_factory.mktemp("compiled")
    compile_core(folder)
    names = ("rig.py", "scenarios.py", "player_alone.py")
    compile_into(folder / "tests" / "core", (HERE / name for name in names))
    (folder / "launch.py").write_text(
        "import sys\nfrom tests.core.scenarios import main\nmain(sys.argv[1:])\n"
    )
    (folder / "alone.py").write_text("import tests.core.player_alone\n")
    return folder


def on_cpython(*args: str | Path) -> str:
    result = subprocess.run(
        [sys.executable, HERE / "scenarios.py", *args],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (FIRMWARE, ROOT)))},
        capture_output=True,
        text=True,
        timeout=patience_s(60),
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


CASES = [
    ("plain", "score", ()),
    ("plain", "lower-back", ()),
    ("plain", "largest", ()),
    ("eventful", "score", ()),
    ("eventful", "lower-back", ()),
    ("swarm", "score", SEEDS),
    ("swarm", "lower-back", SEEDS),
    ("plain", "phased", ()),
    ("eventful", "phased", ()),
    ("swarm", "phased", SEEDS),
    ("frames", "score", ()),
    ("damage", "score", ()),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case[:2]))
def test_both_interpreters_tell_the_same(
    run_micropython: RunMicroPython,
    compiled: Path,
    plans: Path,
    case: tuple[str, str, tuple[str, ...]],
) -> None:
    scenario, plan, seeds = case
    expected = on_cpython(scenario, plans / plan, *seeds)

    result = run_micropython(
        compiled / "launch.py", scenario, plans / plan, *seeds, heap=HEAP, path=(compiled,)
    )

    assert result.returncode == 0, result.stderr or result.stdout
    assert result.stdout == expected
    # Where nothing was played or refused, equal means nothing.
    if scenario in ("plain", "eventful", "swarm"):
        assert expected.count("motor") > 20
        assert f"frame {0xB2}" in expected
    else:
        assert expected.count("\n") > 100


def test_the_core_runs_from_its_sources(run_micropython: RunMicroPython, plans: Path) -> None:
    result = run_micropython(
        HERE / "scenarios.py",
        "eventful",
        plans / "lower-back",
        heap=HEAP_FROM_SOURCE,
        path=(FIRMWARE, ROOT),
    )

    assert result.stdout == on_cpython("eventful", plans / "lower-back"), result.stderr


def test_a_long_session_with_the_largest_plan_does_not_grow_the_heap(
    run_micropython: RunMicroPython, compiled: Path, plans: Path
) -> None:
    expected = on_cpython("memory", plans / "largest")

    result = run_micropython(
        compiled / "launch.py", "memory", plans / "largest", heap=HEAP, path=(compiled,)
    )

    assert result.returncode == 0, result.stderr
    sys.stdout.write(result.stderr)
    assert result.stdout == expected
    assert "heap grows: no\n" in expected
    assert int(result.stderr.splitlines()[-1].rpartition(":")[2]) < 2_048


def test_the_player_plays_the_largest_plan_in_72_kb(
    run_micropython: RunMicroPython, compiled: Path, plans: Path
) -> None:
    assert (plans / "largest").stat().st_size == MAX_BYTES

    result = run_micropython(compiled / "alone.py", plans / "largest", heap="72k", path=(compiled,))

    assert result.returncode == 0, result.stderr or result.stdout
    sys.stdout.write(result.stderr)
    # A record for each of 576 cues, for each of 231 steps' beginnings and ends, and 2 around.
    assert result.stdout == f"{MAX_BYTES} bytes, {576 + 2 * 231 + 2} records, True\n"


def test_a_byte_more_than_the_largest_plan_is_refused() -> None:
    assert len(largest()) == MAX_BYTES
    with pytest.raises(PlanError, match="size of the plan"):
        largest(extra_bytes=1)


# With pointers of 64 bits, numbers that a board takes from the heap are small.
@pytest.mark.parametrize("program", ["micropython", "micropython32"])
@pytest.mark.parametrize("lead_ms", [0, 60])
@pytest.mark.parametrize("plan", ["lower-back", "phased", "largest"])
def test_nothing_is_allocated_between_due_and_motor_on(
    compiled: Path, plans: Path, plan: str, lead_ms: int, program: str
) -> None:
    result = runner_of(part(program))(
        HERE / "due_to_motor.py", plans / plan, str(lead_ms), heap=HEAP, path=(compiled,)
    )

    assert result.returncode == 0, result.stderr or result.stdout
    first, taken, second, again = result.stdout.splitlines()
    assert (taken, again) == ("bytes 0", "bytes 0")
    assert first == second
    assert int(first.split()[1]) >= 60


def test_the_digest_on_the_real_interpreter(
    run_micropython: RunMicroPython, compiled: Path, tmp_path: Path
) -> None:
    script = tmp_path / "digest.py"
    script.write_text(
        "from tenuto_core.sha256 import sha256\n"
        "for size in (0, 3, 55, 56, 64, 200):\n"
        "    print(sha256(bytes(range(size))).hex())\n"
    )

    result = run_micropython(script, heap="64k", path=(compiled,))

    expected = [sha256(bytes(range(size))).hexdigest() for size in (0, 3, 55, 56, 64, 200)]
    assert result.stdout.split() == expected, result.stderr
