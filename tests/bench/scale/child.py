# SPDX-License-Identifier: MIT
"""A process of the measurement: it is told what to do line by line, and answers with JSON."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

LINE_BYTES_MAX = 2**28
END_TIMEOUT_S = 60.0
KEY = bytes(range(16))
"""That of all wearables and of the host: nobody has to press five hundred buttons."""


class Child:
    """The parent's end; an asynchronous context manager, which ends the process.

    module: of `tests.bench.scale`.  given: what it is told at first.
    """

    def __init__(self, module: str, **given: Any) -> None:
        self._module = module
        self._given = given
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"tests.bench.scale.{self._module}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
        )
        await self._say(self._given)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await asyncio.wait_for(self._process.wait(), END_TIMEOUT_S)

    async def hear(self, timeout_s: float) -> Any:
        """Give what it says next."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), timeout_s)
        if not line:
            raise RuntimeError(f"{self._module} ended by itself")
        return json.loads(line)

    async def ask(self, timeout_s: float, **what: Any) -> Any:
        """Say something to it and give its answer."""
        await self._say(what)
        return await self.hear(timeout_s)

    async def _say(self, what: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        await self._process.stdin.drain()


# --- the child's end


def run(main: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Run a child with what it was given."""
    logging.disable(logging.INFO)
    asyncio.run(main(json.loads(sys.stdin.readline())))


def say(**what: Any) -> None:
    """Say something to the parent."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def listen() -> Any:
    """Wait for what the parent says."""
    line = await asyncio.to_thread(sys.stdin.readline)
    if not line:
        raise RuntimeError("the parent is gone")
    return json.loads(line)


def settle() -> None:
    """Let Python look for garbage among what is made from now on only.

    For those who are there for the measurement: five hundred wearables are no more than one process
    here, and stopped all at once for half a second.
    """
    gc.collect()
    gc.freeze()


async def until(at_s: float) -> None:
    """Wait for a time of the event loop, whose clock all processes of a machine share."""
    await asyncio.sleep(max(0.0, at_s - asyncio.get_running_loop().time()))


async def spent(order: Any) -> dict[str, float]:
    """Measure from `begin_s` to `end_s`: processor time, and that since `full_s`."""
    await until(order["begin_s"])
    began_s = time.process_time()
    await until(order["full_s"])
    full_s = time.process_time()
    await until(order["end_s"])
    ended_s = time.process_time()
    return {"used_s": ended_s - began_s, "used_full_s": ended_s - full_s}


async def play(begin_s: float, score: Iterable[Any], do: Callable[..., None]) -> None:
    """Do each row of a score, (seconds since begin, *what), at its time."""
    loop = asyncio.get_running_loop()
    for at_s, *what in score:
        wait_s = begin_s + at_s - loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        do(*what)


def resident_mib() -> float:
    """Give the memory that is this process's own, in MiB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not tell")
