# SPDX-License-Identifier: MIT
"""The page under conditions: a long history, a slow network, a reload, a prefix, on paper."""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import expect

from tests.report.played import DAY_MS, EVENING_MS, accounts, played
from tests.web.rig import DESKTOP, IN_A_BROWSER, PHONE, open_page, served, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = IN_A_BROWSER

SESSIONS = 10_000
SESSIONS_A_DAY = 4
PREFIX = "/ingress/xyz/"
A4_PX = 794
"""The width of the paper at 96 dpi."""

# Each copy is of another boot, and so many ms earlier. Records only where a report of the last
# months reads them: they would be a million.
COPY = """
BEGIN;
CREATE TEMP TABLE copies AS
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {sessions})
    SELECT i, i * {apart_ms} AS ms FROM n;
INSERT INTO sessions (device, boot_id, seq, wearable, person_id, plan_id, routine, started_utc_ms,
        ended_utc_ms, reason, source)
    SELECT device, 1000000 + i, seq, wearable, person_id, plan_id, routine, started_utc_ms - ms,
        ended_utc_ms - ms, reason, source FROM copies, sessions WHERE id = 1;
INSERT INTO records
    SELECT old.device, 1000000 + i, old.seq, i + 1, at_ms, kind, step, a, b, c, utc_ms - ms,
        uncertainty_ms FROM copies, records old WHERE old.session_id = 1 AND i <= 400;
UPDATE records SET session_id = (SELECT id FROM sessions
    WHERE sessions.device = records.device AND sessions.boot_id = records.boot_id);
COMMIT;
"""


def seed(path: Path, sessions: int = SESSIONS) -> None:
    """Keep one session of Anna's, and copies of it."""
    accounts(path, [replace(entry, person="anna") for entry in played(1, EVENING_MS)])
    if sessions == 1:
        return
    with closing(sqlite3.connect(path)) as database:
        apart_ms = DAY_MS // SESSIONS_A_DAY
        database.executescript(COPY.format(sessions=sessions, apart_ms=apart_ms))


@pytest.fixture
def long_history(tmp_path: Path) -> Path:
    """A history of ten thousand sessions."""
    seed(tmp_path / "history.db")
    return tmp_path


@pytest.fixture
def short_history(tmp_path: Path) -> Path:
    """A history of one session."""
    seed(tmp_path / "history.db", 1)
    return tmp_path


async def test_ten_thousand_sessions_are_listed_filtered_and_summed_up(
    long_history: Path, opened: Browser
) -> None:
    async with served(long_history, connected=False) as one:
        assert len(await one.host.store.sessions()) == SESSIONS
        page = await open_page(await opened.new_context(viewport=PHONE), one.link())
        await page.get_by_role("link", name="History").click()
        rows = page.locator("tbody tr")
        first = await rows.first.inner_text()
        assert 0 < await rows.count() < 200, "one page of them"
        await page.get_by_role("link", name="Earlier").click()
        assert await rows.first.inner_text() != first
        # None has it, so all are looked at.
        await page.goto(f"{one.address}history?routine=none-such")
        await expect(rows).to_have_count(0)
        await page.goto(f"{one.address}history/month?date=2026-10-15&person=anna")
        await expect(page.locator("main")).to_contain_text(f"{31 * SESSIONS_A_DAY}")
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
        await page.get_by_label("Save under another name").fill("mine")
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.wait_for_url(f"{address}routines/mine/edit")
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
        await page.goto(f"{one.address}history/1")
        await page.emulate_media(media="print")
        await page.set_viewport_size({"width": A4_PX, "height": 1123})
        await expect(page.locator("svg.picture").first).to_be_visible()
        for nothing_to_press in await page.locator("nav, form, button, summary").all():
            await expect(nothing_to_press).to_be_hidden()
        assert await page.evaluate("document.documentElement.scrollWidth") <= A4_PX
        paper = "getComputedStyle(document.body).backgroundColor"
        red, green, blue = await page.evaluate(f"{paper}.match(/\\d+/g).slice(0, 3).map(Number)")
        assert min(red, green, blue) > 200, "night is not for paper"
