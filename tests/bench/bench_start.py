# SPDX-License-Identifier: MIT
"""What starting takes, and resting: `python -m tests.bench.bench_start [SECONDS]`.

Starting is told as a ratio to bare Python, the median of several runs taken in turn.  Resting is a
daemon with one connected wearable in another process, for so many seconds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.tools import Result, say, table
from tests.chain.rig import environment
from tests.control.rig import address, configure, tenuto_process, user, wearable, world

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 7
REST_S = 60.0
SETTLE_S = 5.0
BLEAK = "import asyncio, bleak; asyncio.run(asyncio.sleep(0))"


def _took_s(folder: Path, *arguments: str) -> float:
    begin_s = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return time.perf_counter() - begin_s


def _used_s(pid: int) -> float:
    """Processor time of a process so far, to 10 ms (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _first_cue_s(folder: Path) -> float:
    begin_s = time.perf_counter()
    with tenuto_process("run", "lower-back", "--speed", "max", "--json", folder=folder) as running:
        running.until('"cue"')
        return time.perf_counter() - begin_s


def start(folder: Path) -> list[Result]:
    """Start each in turn, several times; gives the medians."""
    configure(folder, "")
    cases: dict[str, Callable[[], float]] = {
        "python -c pass": lambda: _took_s(folder, "-c", "pass"),
        "import bleak": lambda: _took_s(folder, "-c", BLEAK),
        "tenuto --help": lambda: _took_s(folder, "-m", "tenuto", "--help"),
        "tenuto --version": lambda: _took_s(folder, "-m", "tenuto", "--version"),
        "tenuto run, to the first cue": lambda: _first_cue_s(folder),
    }
    times: dict[str, list[float]] = {what: [] for what in cases}
    for _ in range(RUNS):
        for what, run in cases.items():
            times[what].append(run())
    bare_s = statistics.median(times["python -c pass"])
    return [
        {
            "what": what,
            "s": round(statistics.median(taken), 3),
            "ratio": round(statistics.median(taken) / bare_s, 1),
        }
        for what, taken in times.items()
    ]


def rest(folder: Path, seconds: float) -> Result:
    """Let a daemon rest; gives the share of a core and the MiB it takes."""
    with world(folder, 1) as adapter:
        configure(folder, f'bluetooth.adapter = "{adapter}"\n{wearable("wrist", address(1))}')
        with tenuto_process("daemon", folder=folder) as daemon:
            daemon.until("connected")
            time.sleep(SETTLE_S)
            before_s, begin_s = _used_s(daemon.process.pid), time.perf_counter()
            time.sleep(seconds)
            used_s = _used_s(daemon.process.pid) - before_s
            took_s = time.perf_counter() - begin_s
            rss_mib = _resident_mib(daemon.process.pid)
    return {
        "what": "daemon with one connected wearable at rest",
        "seconds": seconds,
        "core_share": round(used_s / took_s, 5),
        "rss_mib": round(rss_mib, 1),
    }


def measure(seconds: float = REST_S) -> Result:
    """Give the ratios of starting, and what resting takes."""
    with user() as folder:
        rows = start(folder)
    with user() as folder:
        return {"rows": rows, "rest": rest(folder, seconds)}


def show(result: Result) -> str:
    """Give the tables."""
    resting = result["rest"]
    rows = [(row["what"], f"{row['s']:.3f}", row["ratio"]) for row in result["rows"]]
    return (
        table(("", "s", "against bare Python"), rows)
        + f"\n\nA daemon with one connected wearable, by the bumble backend, for "
        f"{resting['seconds']:.0f} s: {resting['core_share']:.2%} of a core, "
        f"{resting['rss_mib']:.0f} MiB resident."
    )


if __name__ == "__main__":
    say(show(measure(float(sys.argv[1]) if len(sys.argv) > 1 else REST_S)))
