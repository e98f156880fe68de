# SPDX-License-Identifier: MIT
"""How soon the page shows something: `python -m tests.bench.bench_page [SECONDS]`.

From a cue on the simulated band to a sink, and to the page in a real browser; and the first paint
with a year of history. Nothing here is a test: machines differ.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto.daemon.sinks import queue_for
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import CueFired
from tests.bench.tools import spread
from tests.report.played import EVENING_MS, played
from tests.web.copies import keep_copies
from tests.web.rig import PHONE, browser, open_page, served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.sessions.events import Entry

GOALS = "goals: page p99 100 ms, first paint 300 ms"
HEAVY = (3 * 365, 3)
"""Sessions of a year, and sessions a day."""
PAINTS = 5
PAINT_MS = 500
PATHS = ("", "history", "history/month?date=2026-11-15&person=anna")
WATCH = """
window.shown = [];
new MutationObserver((all) => {
  if (all.some((one) => [...one.addedNodes].some((node) => node.nodeName === "LI")))
    requestAnimationFrame(() => window.shown.push(Date.now()));
}).observe(document.getElementById("wearables"), { childList: true, subtree: true });
"""


class Baseline:
    """A sink that notes when it gets each cue."""

    name = "baseline"

    def __init__(self) -> None:
        self.cues: list[tuple[int, float]] = []

    async def open(self) -> None:
        """Do nothing."""

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Note the cues: when they were due to be felt, and now."""
        now_ms = time.time() * 1000
        self.cues += [(one.utc_ms, now_ms) for one in entries if isinstance(one.event, CueFired)]

    async def close(self) -> None:
        """Do nothing."""


async def main(folder: Path, chromium: Path, seconds: float) -> None:
    """Measure, and print it."""
    session = [replace(entry, person="anna") for entry in played(1, EVENING_MS)]
    await asyncio.to_thread(keep_copies, folder / "history.db", session, *HEAVY)
    sink = Baseline()
    async with served(folder) as one, browser(chromium) as opened, queue_for(sink) as queue:
        page = await open_page(await opened.new_context(viewport=PHONE), one.link())
        for path in PATHS:
            paints = []
            for _ in range(PAINTS):
                await page.goto(one.address + path)
                await page.wait_for_timeout(PAINT_MS)
                script = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
                paints.append(await page.evaluate(script))
            print(f"first paint of /{path}: {spread(paints)} ms")  # noqa: T201
        await page.goto(one.address)
        one.host.hub.attach(queue)
        await page.evaluate(WATCH)
        await one.host.commands.submit(Command(wearable="wrist", verb=Verb.START))
        await asyncio.sleep(seconds)
        shown = await page.evaluate("window.shown")
        one.host.hub.detach(queue)
        cues = sink.cues
        to_sink = [at_ms - due_ms for due_ms, at_ms in cues]
        # The first picture after a cue shows it.
        to_page = [min(at for at in shown if at >= due) - due for due, _ in cues if due < shown[-1]]
        print(f"{len(cues)} cues; to a sink {spread(to_sink)} ms, to the page {spread(to_page)} ms")  # noqa: T201
        print(GOALS)  # noqa: T201


if __name__ == "__main__":
    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert found is not None
    with tempfile.TemporaryDirectory() as name:
        length_s = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
        asyncio.run(main(Path(name), Path(found), length_s))
