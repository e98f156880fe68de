# SPDX-License-Identifier: MIT
"""A whole host with simulated wearables and its page, in this process and in real time."""

from __future__ import annotations

import os
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import aiohttp
import pytest
from playwright.async_api import async_playwright, expect

from tenuto import config
from tenuto.daemon.build import Setting, open_host
from tests.hurry import hurried, wall_clock
from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, BrowserContext, Page, ViewportSize

    from tenuto.daemon.build import Host

IN_A_BROWSER = [
    pytest.mark.real_time,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]
"""The marks of tests that share the browser of `opened`."""

expect.set_options(timeout=patience_s(20) * 1000)

TWO_PEOPLE = """
mqtt.url = "off"
[[person]]
id = "anna"
name = "Anna"
[[person]]
id = "ben"
[[wearable]]
id = "wrist"
name = "Anna's band"
link = "simulated"
person = "anna"
[[wearable]]
id = "ankle"
link = "simulated"
person = "ben"
"""


def many(wearables: int) -> str:
    """Return a configuration with simulated wearables, each of a person."""
    return 'mqtt.url = "off"\n' + "".join(
        f'[[person]]\nid = "p{number}"\n'
        f'[[wearable]]\nid = "w{number}"\nlink = "simulated"\nperson = "p{number}"\n'
        for number in range(wearables)
    )


@dataclass(frozen=True, slots=True)
class Served:
    """A host whose page is served."""

    host: Host

    @property
    def address(self) -> str:
        """Where the page is."""
        return self.host.page.address

    def link(self, person: str | None = None) -> str:
        """Return a link that lets one browser in."""
        return self.host.page.make_link(person)

    @asynccontextmanager
    async def visitor(self, person: str | None = None) -> AsyncIterator[aiohttp.ClientSession]:
        """A client that was let in."""
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of a host that is a number
        async with aiohttp.ClientSession(self.address, cookie_jar=jar) as client:
            async with client.get(self.link(person)) as answer:
                assert answer.status == 200
            yield client


@asynccontextmanager
async def served(
    folder: Path, toml: str = TWO_PEOPLE, *, connected: bool = True, **web: object
) -> AsyncIterator[Served]:
    """Serve the page of a host.

    Args:
        folder: For its configuration, its history and all that it keeps.
        connected: Wait for the wearables first.
        web: What is set in `[web]`.
    """
    settings = "\n".join(
        f"web.{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
        for name, value in ({"listen": "127.0.0.1:0"} | web).items()
    )
    found = config.parse(f'history.path = "history.db"\n{settings}\n{toml}', f"{folder}/t.toml")
    found = replace(found, own=config.Folders(folder, folder))
    setting = Setting(
        config=found,
        speed=1.0,
        mqtt=False,
        say=lambda _: None,
        seed=1,
        page=True,
        wall_s=wall_clock(),
        reread=lambda: config.find_config(found.file),
    )
    async with open_host(setting, found.wearables, []) as host, host.running():
        with hurried():
            for supervisor in host.hub.supervisors.values() if connected else ():
                await supervisor.connected.wait()
        async with host.page.serving():
            yield Served(host)


async def key_of(client: aiohttp.ClientSession) -> str:
    """The key that the forms of a visitor carry."""
    async with client.get("/") as answer:
        found = re.search(r'data-key="(\w+)"', await answer.text())
        assert found is not None
        return found[1]


@asynccontextmanager
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """A real browser."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # which root cannot have
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=chromium, args=arguments)
        try:
            yield opened
        finally:
            await opened.close()


PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
EACH_SIZE = pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desk"])


async def open_page(context: BrowserContext, address: str) -> Page:
    """Open a page that fails the test by `errors` of its own."""
    page = await context.new_page()
    page.set_default_timeout(patience_s(15) * 1000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.errors = errors  # type: ignore[attr-defined]
    await page.goto(address)
    return page
