# SPDX-License-Identifier: MIT
"""What starting takes, and resting: `python -m tests.bench.bench_start [SECONDS]`.

Starting is told as ratios to bare Python, the medians of several runs taken in turn; the ratio of
processor time is the one to look at where others use the machine too.

Resting is, for so many seconds, a daemon that is connected to a wearable in another process, beside
plain bleak that holds the same kind of connection with the same subscriptions: both by bumble over
a virtual radio, and both by BlueZ, which is a small one on a D-Bus of its own. Each has connected
and bonded in an earlier process, and rests in a new one, as after each start of the computer.
"""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING

from tenuto.links.uuids import OUTBOX_UUID
from tests.bench.tools import Result, say, table
from tests.conftest import part
from tests.links.fake_bluez import ADDRESS, bluez, private_bus
from tests.processes import address, configure, environment, tenuto_process, user, wearable, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

RUNS = 7
REST_S = 600.0
SETTLE_S = 5.0
TOLD_S = 60.0
"""How often it is said how the rest goes."""
TENUTO = Path(sys.executable).with_name("tenuto")
HEART_UUID = "00002a37-0000-1000-8000-00805f9b34fb"
UUIDS = f"{HEART_UUID},{OUTBOX_UUID}"
DAEMON, BLEAK = "Tenuto's daemon", "bare bleak"
BARE_BLEAK = "tests.bench.bare_bleak"


@dataclass(frozen=True, slots=True)
class Taken:
    """Time in s: by the clock, and of the processor, user and system."""

    wall_s: float
    cpu_s: float


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _run(folder: Path, *arguments: str | Path) -> Taken:
    begin_s, used_s = time.perf_counter(), _children_s()
    subprocess.run(
        arguments,
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return Taken(time.perf_counter() - begin_s, _children_s() - used_s)


def _first_cue(folder: Path) -> Taken:
    begin_s = time.perf_counter()
    with tenuto_process("run", "lower-back", "--speed", "max", "--json", folder=folder) as running:
        running.until('"cue"')
        return Taken(time.perf_counter() - begin_s, _used_s(running.process.pid))


def _used_s(pid: int) -> float:
    """Processor time of a process so far, of all its threads (Linux)."""
    # What the C library's clock_getcpuclockid gives; /proc tells only hundredths of a second.
    return time.clock_gettime((~pid << 3) | 2)


def _resident_mb(pid: int) -> float:
    """Memory of a process in 10^6 bytes, with what it shares with others (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def start(folder: Path) -> list[Result]:
    """Start each in turn, several times; gives the medians."""
    configure(folder, "")
    python = sys.executable
    cases: dict[str, Callable[[], Taken]] = {
        "python -c pass": lambda: _run(folder, python, "-c", "pass"),
        "tenuto --help": lambda: _run(folder, TENUTO, "--help"),
        "tenuto --version": lambda: _run(folder, TENUTO, "--version"),
        "tenuto run --help": lambda: _run(folder, TENUTO, "run", "--help"),
        "tenuto routines list": lambda: _run(folder, TENUTO, "routines", "list"),
        "tenuto run, to the first cue": lambda: _first_cue(folder),
        "import cyclopts": lambda: _run(folder, python, "-c", "import cyclopts"),
        "import bleak": lambda: _run(folder, python, "-c", "import bleak"),
    }
    times: dict[str, list[Taken]] = {what: [] for what in cases}
    for _ in range(RUNS):
        for what, run in cases.items():
            times[what].append(run())
    wall_s = {what: statistics.median(one.wall_s for one in all_) for what, all_ in times.items()}
    cpu_s = {what: statistics.median(one.cpu_s for one in all_) for what, all_ in times.items()}
    bare = "python -c pass"
    return [
        {
            "what": what,
            "s": round(wall_s[what], 3),
            "ratio": round(wall_s[what] / wall_s[bare], 1),
            "cpu_ratio": round(cpu_s[what] / cpu_s[bare], 1),
        }
        for what in cases
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A program that connects to a wearable and rests.

    what, radio: for people.  module, arguments: what is run.  folder: of the user who runs it.
    """

    what: str
    radio: str
    module: str = "tenuto"
    arguments: tuple[str, ...]
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[int]:
        """Let it hold its connection while inside; gives its process once it has calmed down."""
        with tenuto_process(
            *self.arguments, folder=self.folder, module=self.module, **self.environ
        ) as running:
            await asyncio.to_thread(running.until, "connected")
            await asyncio.sleep(SETTLE_S)
            yield running.process.pid
            await asyncio.to_thread(running.end, SIGTERM)


class Watch:
    """What a process takes from now on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._begin_s, self._used_s = time.perf_counter(), _used_s(pid)
        self.first_mb = _resident_mb(pid)

    def core_share(self) -> float:
        """Give the share of a core since this was made."""
        return (_used_s(self._pid) - self._used_s) / (time.perf_counter() - self._begin_s)

    def mb(self) -> float:
        """Give the memory of now in 10^6 bytes."""
        return _resident_mb(self._pid)


@asynccontextmanager
async def holders() -> AsyncIterator[list[Holder]]:
    """Make two radios, with a wearable for the daemon and one for plain bleak on each."""
    async with AsyncExitStack() as stack:
        mine, bare, mine_on_bus, bare_on_bus, air = (stack.enter_context(user()) for _ in range(5))
        adapter = stack.enter_context(world(air, 2))
        configure(mine, f'bluetooth.adapter = "{adapter}"\n{wearable("wrist", address(1))}')
        configure(mine_on_bus, wearable("wrist", ADDRESS))
        environ = []
        for _ in range(2):
            bus = stack.enter_context(private_bus(part("dbus-daemon")))
            service = await stack.enter_async_context(bluez(bus))
            service.default = "/bench"  # an agent that agrees to every pairing
            environ.append({"DBUS_SYSTEM_BUS_ADDRESS": bus})
        bumble = (adapter.removeprefix("bumble:"), str(bare / "bonds.json"))
        yield [
            Holder(what=DAEMON, radio="bumble", arguments=("daemon",), folder=mine),
            Holder(
                what=BLEAK,
                radio="bumble",
                module=BARE_BLEAK,
                arguments=(address(2), UUIDS, *bumble),
                folder=bare,
            ),
            Holder(
                what=DAEMON,
                radio="BlueZ",
                arguments=("daemon",),
                folder=mine_on_bus,
                environ=environ[0],
            ),
            Holder(
                what=BLEAK,
                radio="BlueZ",
                module=BARE_BLEAK,
                arguments=(ADDRESS, UUIDS),
                folder=bare_on_bus,
                environ=environ[1],
            ),
        ]


async def rest(seconds: float) -> list[Result]:
    """Let all rest at once; gives the share of a core and the memory that each takes."""
    async with holders() as all_, AsyncExitStack() as stack:
        bonding_mb = []
        for holder in all_:
            async with holder.holding() as pid:
                bonding_mb.append(_resident_mb(pid))
        watches = [Watch(await stack.enter_async_context(holder.holding())) for holder in all_]
        begin_s = time.perf_counter()
        while (rested_s := time.perf_counter() - begin_s) < seconds:
            await asyncio.sleep(min(TOLD_S, seconds - rested_s))
            say(
                f"rested for {time.perf_counter() - begin_s:.0f} of {seconds:.0f} s: "
                + "; ".join(
                    f"{holder.what} by {holder.radio} {watch.core_share():.3%}, {watch.mb():.1f} MB"
                    for holder, watch in zip(all_, watches, strict=True)
                )
            )
        return [
            {
                "what": holder.what,
                "radio": holder.radio,
                "seconds": seconds,
                "core_share": round(watch.core_share(), 6),
                "bonding_mb": round(bonded_mb, 1),
                "first_mb": round(watch.first_mb, 1),
                "last_mb": round(watch.mb(), 1),
            }
            for holder, watch, bonded_mb in zip(all_, watches, bonding_mb, strict=True)
        ]


def measure(seconds: float = REST_S) -> Result:
    """Give the ratios of starting, and what resting takes."""
    with user() as folder:
        rows = start(folder)
    return {"rows": rows, "rest": asyncio.run(rest(seconds))}


def _ratio(value: float, floor: float) -> str:
    # Next to nothing is no measure of anything.
    return f"{value / floor:.1f}" if floor > 1e-5 else ""


def show(result: Result) -> str:
    """Give the tables."""
    starting = [
        (row["what"], f"{row['s']:.3f}", row["ratio"], row["cpu_ratio"]) for row in result["rows"]
    ]
    resting = result["rest"]
    bare = {row["radio"]: row for row in resting if row["what"] == BLEAK}
    return (
        table(
            ("", "s", "against bare Python", "processor time against bare Python"),
            starting,
        )
        + f"\n\nAt rest for {resting[0]['seconds']:.0f} s, with one connected wearable:\n\n"
        + table(
            (
                "",
                "of a core",
                "MB at first",
                "MB at the end",
                "MB in the process that has bonded",
                "core against bare bleak",
                "MB against bare bleak",
            ),
            [
                (
                    f"{row['what']} by {row['radio']}",
                    f"{row['core_share']:.3%}",
                    row["first_mb"],
                    row["last_mb"],
                    row["bonding_mb"],
                    _ratio(row["core_share"], bare[row["radio"]]["core_share"]),
                    _ratio(row["last_mb"], bare[row["radio"]]["last_mb"]),
                )
                for row in resting
            ],
        )
    )


if __name__ == "__main__":
    say(show(measure(float(sys.argv[1]) if len(sys.argv) > 1 else REST_S)))
