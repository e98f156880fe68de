# SPDX-License-Identifier: MIT
"""The page under conditions: a long history, a slow network, a reload, a prefix, on paper."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import expect

from tenuto.web.history import ROWS_A_PAGE
from tests.history.sessions import whole_session
from tests.patience import until
from tests.report.played import EVENING_MS, accounts, played
from tests.web.copies import keep_copies
from tests.web.rig import DESKTOP, IN_A_BROWSER, PHONE, open_page, served

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

    from tenuto.history import Store

pytestmark = IN_A_BROWSER

SESSIONS = 10_000
SESSIONS_A_DAY = 4
PREFIX = "/ingress/xyz/"
A4_PX = 794
"""The width of the paper at 96 dpi."""


@pytest.fixture
def long_history(tmp_path: Path) -> Path:
    """A history of ten thousand sessions of Anna's."""
    session = whole_session(person="anna")
    keep_copies(tmp_path / "history.db", session, SESSIONS, SESSIONS_A_DAY)
    return tmp_path


@pytest.fixture
def short_history(tmp_path: Path) -> Path:
    """A history of one session of Anna's."""
    session = [replace(entry, person="anna") for entry in played(1, EVENING_MS)]
    accounts(tmp_path / "history.db", session)
    return tmp_path


@asynccontextmanager
async def work_of(store: Store) -> AsyncIterator[list[int]]:
    """Yield a list that in the end has the steps of SQLite's machine, in thousands."""
    thousands = [0]

    def count(database: sqlite3.Connection) -> None:
        def note() -> int:
            thousands[0] += 1
            return 0

        database.set_progress_handler(note, 1_000)

    await store.work(count)
    try:
        yield thousands
    finally:
        await store.work(lambda database: database.set_progress_handler(None, 0))


async def test_ten_thousand_sessions_are_listed_filtered_and_summed_up(
    long_history: Path, opened: Browser
) -> None:
    async with served(long_history, connected=False) as one:
        newest = (await one.host.store.sessions())[0]
        page = await open_page(await opened.new_context(viewport=PHONE), one.link())
        async with work_of(one.host.store) as list_thousands:
            await page.get_by_role("link", name="History").click()
        rows = page.locator("tbody tr")
        first = await rows.first.inner_text()
        assert await rows.count() == ROWS_A_PAGE
        await page.get_by_role("link", name="Earlier").click()
        assert await rows.first.inner_text() != first
        # None has it, so all are looked at.
        async with work_of(one.host.store) as filter_thousands:
            await page.goto(f"{one.address}history?routine=none-such")
        await expect(rows).to_have_count(0)
        # By what is only looked up, and by all the rows of sessions; never by their records.
        assert list_thousands[0] < 10
        assert filter_thousands[0] < 10 * SESSIONS / 1_000 + 100
        last = datetime.fromtimestamp(newest.started_utc_ms / 1_000, UTC).date()
        month = (last.replace(day=1) - timedelta(days=1)).replace(day=1)
        await page.goto(f"{one.address}history/month?date={month}&person=anna")
        days = (last.replace(day=1) - month).days
        await expect(page.locator("main")).to_contain_text(f"{days * SESSIONS_A_DAY}")
        await expect(page.locator("article svg.picture")).to_have_count(days * SESSIONS_A_DAY)
        assert page.errors == []  # type: ignore[attr-defined]


async def test_on_a_slow_network_a_press_is_shown_as_taken_and_done_once(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path) as one:
        context = await opened.new_context(viewport=PHONE)
        page = await open_page(context, one.link())
        network = await context.new_cdp_session(page)
        await network.send("Network.enable")
        slow = {"latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 20_000}
        await network.send("Network.emulateNetworkConditions", {"offline": False} | slow)
        card = page.locator("#wearable-wrist")
        await card.get_by_role("button", name="Start").click()
        await expect(card.locator("form[aria-busy]")).to_be_visible()
        await expect(card.get_by_role("button", name="Pause")).to_be_visible()
        await card.get_by_role("button", name="Pause").click()
        await expect(card.locator(".place")).to_contain_text("Paused")
        await one.host.flush()
        assert len(await one.host.store.sessions()) == 1
        assert page.errors == []  # type: ignore[attr-defined]


async def test_a_reload_in_mid_session_shows_it_where_it_is(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path) as one:
        page = await open_page(await opened.new_context(), one.link())
        card = page.locator("#wearable-wrist")
        await card.get_by_role("button", name="Start").click()
        await expect(card.locator(".cues li")).to_have_text(["get ready"])
        before = await card.locator(".bar").get_attribute("data-to")
        await page.reload()
        assert await card.locator(".bar").get_attribute("data-to") == before
        assert await card.locator(".cues li").all_inner_texts() == ["get ready"]
        await card.get_by_role("button", name="Stop").click()
        await until(lambda: not one.host.hub.supervisors["wrist"].playing)
        assert page.errors == []  # type: ignore[attr-defined]


@asynccontextmanager
async def behind_prefix(address: str, astray: list[str]) -> AsyncIterator[str]:
    """Serve a page under a prefix, as Home Assistant's ingress does.

    Args:
        address: Where it is without one.
        astray: Gets the paths that were asked for outside the prefix.
    """

    async def forward(request: web.Request) -> web.StreamResponse:
        if not request.path.startswith(PREFIX):
            astray.append(request.path)
            raise web.HTTPNotFound
        url = address + request.rel_url.raw_path_qs.removeprefix(PREFIX)
        async with client.request(
            request.method,
            url,
            headers=request.headers,
            data=await request.read(),
            allow_redirects=False,
        ) as answer:
            answered = web.StreamResponse(status=answer.status, headers=answer.headers)
            answered.headers.pop("Content-Length", None)
            await answered.prepare(request)
            async for data in answer.content.iter_any():
                await answered.write(data)
            return answered

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forward)
    async with aiohttp.ClientSession(
        auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as client:
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}{PREFIX}"
        finally:
            await runner.cleanup()


async def test_behind_a_prefix_every_link_form_and_stream_stays_there(
    tmp_path: Path, opened: Browser
) -> None:
    astray: list[str] = []
    async with (
        served(tmp_path) as one,
        behind_prefix(one.address, astray) as address,
    ):
        page = await open_page(await opened.new_context(), one.link().replace(one.address, address))
        card = page.locator("#wearable-wrist")
        await card.get_by_role("button", name="Start").click()
        await expect(card.locator(".bar")).to_be_visible()
        await card.get_by_role("button", name="Stop").click()
        await expect(card.locator(".exercise")).to_have_text("Stopped")
        for name in ("Routines", "History", "Wearables", "Learn", "Now"):
            await page.get_by_role("link", name=name, exact=True).click()
            await expect(page.locator("nav [aria-current]")).to_have_text(name)
        await page.goto(f"{address}routines/hips/edit")
        await page.get_by_label("Save as a new routine").fill("mine")
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.wait_for_url(f"{address}routines/mine/edit?saved")
        await page.goto(f"{address}settings")
        await page.get_by_role("link", name="Skip to the content").focus()
        await page.keyboard.press("Enter")
        assert page.url == f"{address}settings#main"
        assert astray == []
        assert page.errors == []  # type: ignore[attr-defined]


async def test_a_report_on_paper_is_the_report_alone(short_history: Path, opened: Browser) -> None:
    async with served(short_history, connected=False) as one:
        context = await opened.new_context(viewport=DESKTOP, color_scheme="dark")
        page = await open_page(context, one.link())
        await page.emulate_media(media="print")
        for path in ("history", "routines", "routines/lower-back"):
            await page.goto(one.address + path)
            await expect(page.locator("h1")).to_be_visible()
            await expect(page.locator("form:visible, button:visible, nav:visible")).to_have_count(0)
        await page.goto(f"{one.address}history/1")
        await page.set_viewport_size({"width": A4_PX, "height": 1123})
        await expect(page.locator("svg.picture").first).to_be_visible()
        for nothing_to_press in await page.locator("nav, form, button, summary, a.button").all():
            await expect(nothing_to_press).to_be_hidden()
        assert await page.evaluate("document.documentElement.scrollWidth") <= A4_PX
        paper = "getComputedStyle(document.body).backgroundColor"
        red, green, blue = await page.evaluate(f"{paper}.match(/\\d+/g).slice(0, 3).map(Number)")
        assert min(red, green, blue) > 200, "night is not for paper"
