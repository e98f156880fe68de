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
from typing import TYPE_CHECKING, Any

from tenuto.daemon.sinks import queue_for
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import CueFired
from tests.bench.tools import Result, say, spread, table
from tests.report.played import EVENING_MS, played
from tests.web.copies import keep_copies
from tests.web.rig import PHONE, browser, open_page, served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.async_api import Browser

    from tenuto.sessions.events import Entry

SECONDS = 240.0
A_YEAR = 365
PAINTS = 7
PAINT_MS = 400
MONTH = "history/month?date=2026-10-15&person=anna"
PAGES = {
    "Now": "",
    "History": "history",
    "a session": "history/1",
    "its week": "history/week?date=2026-10-15&person=anna",
    "its month": MONTH,
}
ROUTINE = """
name = "cues"
title = "Many cues"
[[exercise]]
name = "Reach"
sides = "each"
hold_s = 4
reps = 20
rest_s = 3
"""
"""A cue every two seconds or so, never in step with the radio."""
WATCH = """
window.shown = [];
new MutationObserver((all) => {
  const cues = all.flatMap((one) => [...one.addedNodes])
    .filter((node) => node.nodeName === "LI").map((node) => node.closest(".card").id);
  if (cues.length) requestAnimationFrame(() => cues.forEach((id) => shown.push([id, Date.now()])));
}).observe(document.getElementById("wearables"), { childList: true, subtree: true });
"""


class Baseline:
    """A sink that notes when it gets each cue."""

    name = "baseline"

    def __init__(self) -> None:
        self.cues: list[tuple[str, int, float]] = []

    async def open(self) -> None:
        """Do nothing."""

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Note the cues: on what, when it was due to be felt, and now."""
        now_ms = time.time() * 1000
        self.cues += [
            (one.wearable, one.utc_ms, now_ms) for one in entries if isinstance(one.event, CueFired)
        ]

    async def close(self) -> None:
        """Do nothing."""


async def paints(opened: Browser, folder: Path, what: str) -> list[list[object]]:
    """Return how soon each page is painted with a history."""
    rows: list[list[object]] = []
    async with served(folder, connected=False) as one:
        page = await open_page(await opened.new_context(viewport=PHONE), one.link())
        for name, path in PAGES.items():
            times = []
            for _ in range(PAINTS):
                await page.goto(one.address + path)
                await page.wait_for_timeout(PAINT_MS)
                script = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
                times.append(await page.evaluate(script))
            rows.append([what, name, *spread(times).values()])
        await page.context.close()
    return rows


async def follow(opened: Browser, folder: Path, seconds: float) -> dict[str, Any]:
    """Play on two bands, and return how late a sink and the page were with each cue, in ms."""
    (folder / "routines").mkdir()
    (folder / "routines" / "cues.toml").write_text(ROUTINE)
    sink = Baseline()
    async with served(folder) as one, queue_for(sink) as queue:
        page = await open_page(await opened.new_context(viewport=PHONE), one.link())
        one.host.hub.attach(queue)
        await page.evaluate(WATCH)
        for wearable in ("wrist", "ankle"):
            answer = await one.host.commands.submit(
                Command(wearable=wearable, verb=Verb.START, routine="cues")
            )
            if not answer.ok:
                raise SystemExit(answer.text)
        await asyncio.sleep(seconds)
        shown = await page.evaluate("window.shown")
        one.host.hub.detach(queue)
        await page.context.close()
    to_sink, to_page = [], []
    for wearable, due_ms, at_ms in sink.cues:
        # The first picture after a cue shows it.
        after = [at for card, at in shown if card == f"wearable-{wearable}" and at >= due_ms]
        if after:
            to_sink.append(at_ms - due_ms)
            to_page.append(min(after) - due_ms)
    beyond = [there - here for here, there in zip(to_sink, to_page, strict=True)]
    return {
        "cues": len(to_page),
        "sink": spread(to_sink),
        "page": spread(to_page),
        "beyond": spread(beyond),
    }


async def run(folder: Path, chromium: Path, seconds: float) -> Result:
    """Measure everything."""
    strapped = [replace(entry, person="anna") for entry in played(1, EVENING_MS)]
    without_strap = [
        replace(entry, person="anna") for entry in played(1, EVENING_MS, is_strapped=False)
    ]
    years = {
        "six sessions a week": (without_strap, 6 / 7),
        "three a day with a strap": (strapped, 3.0),
    }
    rows = []
    async with browser(chromium) as opened:
        for number, (what, (session, a_day)) in enumerate(years.items()):
            place = folder / str(number)
            place.mkdir()
            await asyncio.to_thread(
                keep_copies, place / "history.db", session, round(A_YEAR * a_day), a_day
            )
            rows += await paints(opened, place, what)
        place = folder / "cues"
        place.mkdir()
        return {"paints": rows, "cues": await follow(opened, place, seconds)}


def measure(seconds: float = SECONDS) -> Result:
    """Measure everything in a browser."""
    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if found is None:
        raise SystemExit("no Chromium: install the package chromium-headless-shell")
    with tempfile.TemporaryDirectory() as name:
        return asyncio.run(run(Path(name), Path(found), seconds))


def show(result: Result) -> str:
    """Give the tables."""
    cues = result["cues"]
    names = {
        "sink": "from the band to a sink",
        "page": "from the band to the picture on the page",
        "beyond": "from the sink to the picture",
    }
    late = [[text, cues["cues"], *cues[name].values()] for name, text in names.items()]
    return (
        table(["year", "page", "p50, ms", "p99, ms", "worst, ms"], result["paints"])
        + "\n\n"
        + table(["cue", "how many", "p50, ms", "p99, ms", "worst, ms"], late)
    )


if __name__ == "__main__":
    say(show(measure(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)))
