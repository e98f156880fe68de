# SPDX-License-Identifier: MIT
"""The plans of every version ever released are read for ever as they were meant."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from tenuto_core import vocab
from tenuto_core.encode import as_version
from tenuto_core.plan import CUES_V1, Plan
from tests.conftest import ROOT
from tests.core.describe_plan import describe

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunMicroPython

GOLDEN = ROOT / "tests" / "golden" / "plans"
FILES = sorted(GOLDEN.glob("*.plan"))
# A cue of the description that the reader has no name for has its number for one.
NUMBERS = {name: number for number, name in enumerate(vocab.CUES[:CUES_V1])}


def written(path: Path) -> dict[str, Any]:
    """Give what a plan was meant to say, in the form of `describe`."""
    told: dict[str, Any] = json.loads(path.with_suffix("").with_suffix(".json").read_bytes())
    del told["plan_ids"]
    patterns: list[list[list[int]]] = [[] for _ in range(max(told["cues_known"], CUES_V1))]
    for name, pattern in told["patterns"].items():
        patterns[NUMBERS[name] if name in NUMBERS else int(name)] = pattern
    return told | {"patterns": patterns}


def test_there_are_golden_plans_of_every_version() -> None:
    names = {path.name for path in FILES}
    shipped = ("lower-back", "lower-back-60", "lower-back-short")

    assert {f"{name}.v{version}.plan" for name in shipped for version in (1, 2)} < names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_golden_plan_says_what_it_was_meant_to_say(path: Path) -> None:
    data = path.read_bytes()
    ids = json.loads(path.with_suffix("").with_suffix(".json").read_bytes())["plan_ids"]
    plan = Plan(data)

    assert path.name.endswith(f".v{plan.version}.plan")
    assert sha256(data).hexdigest()[:16] == ids[str(plan.version)]
    assert describe(plan) == written(path)


def test_real_micropython_reads_the_golden_plans_alike(run_micropython: RunMicroPython) -> None:
    script = ROOT / "tests" / "core" / "describe_plan.py"

    result = run_micropython(script, *FILES, heap="512k")

    assert result.returncode == 0, result.stderr or result.stdout
    assert [json.loads(line) for line in result.stdout.splitlines()] == list(map(written, FILES))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.v1.plan")), ids=lambda path: path.name)
def test_the_writer_of_today_writes_the_versions_of_before_byte_for_byte(path: Path) -> None:
    newer = path.with_suffix("").with_suffix(".v2.plan")

    assert as_version(Plan(newer.read_bytes()), 1) == path.read_bytes()
    assert as_version(Plan(path.read_bytes()), 2) == newer.read_bytes()
