# SPDX-License-Identifier: MIT
"""What ten thousand sessions leave in memory: `python -m tests.bench.bench_memory`.

Twenty wearables of the whole stack, firmware and virtual radio included, in one process that plays
for as long as it takes; each fourth session loses its link.  What is counted is in
`tests.storm.steady`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.tools import Result, say, table
from tests.storm import steady

if TYPE_CHECKING:
    from tests.storm.steady import Sample

WEARABLES = 20
ROUNDS = 50
SAMPLES = 10


def measure() -> Result:
    """Give what the process holds after each thousand sessions."""
    with tempfile.TemporaryDirectory() as folder:
        samples = steady.play(
            Path(folder), rounds=ROUNDS, samples=SAMPLES, wearables=WEARABLES, on_sample=_tell
        )
    return {
        "wearables": WEARABLES,
        "rows": [
            {
                "sessions": sample.sessions,
                "objects": sample.objects.total(),
                "lengths": sample.lengths,
                "mb": sample.rss_kib * 1024 / 1e6,
            }
            for sample in samples
        ],
    }


def _tell(sample: Sample) -> None:
    say(f"{sample.sessions} sessions: {sample.total} objects, {sample.rss_kib / 1024:.1f} MiB")


def show(result: Result) -> str:
    """Give the table, and how much a session has added from the middle of the run on."""
    rows = result["rows"]
    half, last = rows[len(rows) // 2 - 1], rows[-1]
    sessions = last["sessions"] - half["sessions"]
    objects = last["objects"] + last["lengths"] - half["objects"] - half["lengths"]
    kib = (last["mb"] - half["mb"]) * 1e6 / 1024
    text = table(
        ("sessions", "objects", "length of all lists, tables and queues", "MB"),
        [
            (row["sessions"], row["objects"], row["lengths"], f"{row['mb']:.1f}")
            for row in (*rows[:1], half, last)
        ],
    )
    return (
        f"{text}\n\nA session of the second half has added {objects / sessions:.3f} objects and"
        f" {kib / sessions:.3f} KiB."
    )


if __name__ == "__main__":
    say(show(measure()))
