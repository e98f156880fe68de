# SPDX-License-Identifier: MIT
"""What the measurements share: percentiles, tables, a folder that goes away."""

from __future__ import annotations

import math
import resource
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.conftest import Broker, part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Result = dict[str, Any]
"""What a measurement gives: JSON in the end."""


def percentile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that `share` (0 to 1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Give p50, p99 and the worst, rounded to 3 digits after the point."""
    return {
        "p50": round(percentile(values, 0.5), 3),
        "p99": round(percentile(values, 0.99), 3),
        "worst": round(max(values), 3),
    }


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Give a Markdown table."""
    lines = [" | ".join(map(str, row)) for row in (headings, ["---"] * len(headings), *rows)]
    return "\n".join(f"| {line} |" for line in lines)


@contextmanager
def mosquitto(folder: Path) -> Iterator[Broker]:
    """Run a Mosquitto of one's own, which lets everybody in, while inside."""
    with Broker(folder, program=part("mosquitto")) as broker:
        yield broker


def cpu_s() -> float:
    """Processor time of this process so far, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
