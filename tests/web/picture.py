# SPDX-License-Identifier: MIT
"""Takes the README's pictures of the page, from a real browser.

`python -m tests.web.picture`
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from tenuto.sessions.commands import Command, Verb
from tests.web.rig import DESKTOP, PHONE, browser, open_page, served

SCHEMES: tuple[tuple[Literal["light", "dark"], str], ...] = (("light", ""), ("dark", "-dark"))
FOLDER = Path(__file__).with_name("pictures")
ONE_PERSON = """
mqtt.url = "off"
[[person]]
id = "anna"
name = "Anna"
[[wearable]]
id = "wrist"
name = "Anna's band"
link = "simulated"
person = "anna"
"""


async def take(folder: Path, chromium: Path) -> None:
    """Take them by day and by night, in the eleventh second of a session."""
    async with served(folder, ONE_PERSON) as one, browser(chromium) as opened:
        first = await opened.new_context()
        await open_page(first, one.link())
        state = await first.storage_state()
        await one.host.commands.submit(Command(wearable="wrist", verb=Verb.START))
        await asyncio.sleep(11)
        for scheme, mark in SCHEMES:
            phone = await opened.new_context(
                viewport=PHONE, storage_state=state, color_scheme=scheme
            )
            page = await open_page(phone, one.address)
            await page.locator(".wearable .bar").wait_for()
            await asyncio.sleep(1)
            await page.screenshot(path=FOLDER / f"now{mark}.png", full_page=True)
            desk = await opened.new_context(
                viewport=DESKTOP, storage_state=state, color_scheme=scheme
            )
            page = await open_page(desk, f"{one.address}routines/lower-back-short/edit")
            await page.screenshot(path=FOLDER / f"editor{mark}.png")


if __name__ == "__main__":
    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert found is not None
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(take(Path(name), Path(found)))
