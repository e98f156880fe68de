# SPDX-License-Identifier: MIT
"""Inputs that were once worth something, in text files: one a line, as Python writes bytes.

`corpus/TARGET.txt` has those that reached code which no other reached, `failed/TARGET.txt` those
that were not survived until something was mended.  The tests try all of them each time.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).parent
WORTHY, FAILED = FOLDER / "corpus", FOLDER / "failed"
TEXT_BYTES_MAX = 32_000
"""Of the worthy of one target; the largest go first."""


def read(folder: Path, name: str) -> list[bytes]:
    """Give the inputs that are kept for a target."""
    path = folder / f"{name}.txt"
    if not path.exists():
        return []
    return [ast.literal_eval(line) for line in path.read_text("ascii").splitlines()]


def add(folder: Path, name: str, inputs: Iterable[bytes]) -> int:
    """Keep more inputs, as far as there is room; gives how many were new and stay."""
    before = set(read(folder, name))
    kept: list[bytes] = []
    size = 0
    for data in sorted(before.union(inputs), key=lambda data: (len(repr(data)), data)):
        size += len(repr(data)) + 1
        if folder == FAILED or size <= TEXT_BYTES_MAX:
            kept.append(data)
    if kept:
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.txt").write_text("".join(f"{data!r}\n" for data in kept), "ascii")
    return len(set(kept) - before)
