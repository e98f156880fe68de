# SPDX-License-Identifier: MIT
"""What a single input may take of the machine, whatever it says."""

from __future__ import annotations

import resource
import time
import tracemalloc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

INPUT_BYTES_MAX = 4096
CPU_S_MAX = 2.0
"""Some hundred times what the slowest good input takes, for a machine that is slow and watched."""
RISE_BYTES_MAX = 32 << 20
HEAP_BYTES_MAX = 2 << 20
"""Held at once, as Python counts it."""


class TooMuchError(Exception):
    """An input has taken more than it may."""


def limited(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Have a target raise TooMuchError where an input takes long, or raises the memory's peak.

    Costs next to nothing, so that it is done for each of millions.
    """

    def run(data: bytes) -> None:
        peak_bytes, begin_s = _peak_bytes(), time.process_time()
        target(data)
        took_s, rise_bytes = time.process_time() - begin_s, _peak_bytes() - peak_bytes
        if took_s > CPU_S_MAX:
            raise TooMuchError(f"{len(data)} bytes took {took_s:.1f} s")
        if rise_bytes > RISE_BYTES_MAX:
            raise TooMuchError(f"{len(data)} bytes took {rise_bytes >> 20} MiB")

    return run


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def heap_bytes(target: Callable[[bytes], None], data: bytes) -> tuple[int, int]:
    """Give how much Python held at most during an input, and what is left of that after it."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        target(data)
        after, peak = tracemalloc.get_traced_memory()
        return peak - before, after - before
    finally:
        tracemalloc.stop()
