# SPDX-License-Identifier: MIT
"""The page Learn: each cue is played on the wearable, and on the phone where that can vibrate."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tenuto_core import vocab
from tests.patience import patience_s, until
from tests.sample_routines import vocabulary
from tests.web.rig import DESKTOP, IN_A_BROWSER, PHONE, open_page, served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = IN_A_BROWSER

NO_VIBRATION = "delete Navigator.prototype.vibrate"
NOTED = """
Navigator.prototype.vibrate = (pattern) => { (window.felt ??= []).push(pattern); return true; }
"""


async def test_a_cue_is_felt_on_the_wearable_and_on_the_phone(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path) as one:
        context = await opened.new_context(viewport=PHONE, has_touch=True)
        await context.add_init_script(NOTED)
        page = await open_page(context, one.link())
        await page.get_by_role("link", name="Learn").click()
        card = page.locator(".learn li", has=page.get_by_text("three short"))
        await card.get_by_role("button", name="On this phone").click()
        assert await page.evaluate("window.felt") == [[150, 150, 150, 150, 150]]
        band = one.host.hub.supervisors["wrist"]
        await card.get_by_role("button", name="On the wearable").click()
        await until(lambda: band.playing)
        assert band.tracker is not None
        plan = band.tracker.plan
        assert plan is not None
        assert [cue for _, _, cue in plan.cues_from(0, 0)] == [vocab.HOLD_END]
        assert plan.patterns[vocab.HOLD_END] == vocabulary().pattern(vocab.HOLD_END)
        await until(lambda: not band.playing)
        if folder := os.environ.get("TENUTO_PICTURES"):
            await page.screenshot(path=f"{folder}/learn-phone.png", full_page=True)
        assert page.errors == []  # type: ignore[attr-defined]


async def test_what_went_wrong_is_told_where_somebody_looks(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path, connected=False) as one:
        page = await open_page(await opened.new_context(viewport=PHONE), one.link())
        await page.goto(f"{one.address}learn")
        await page.route(
            "**/learn/play",
            lambda route: route.continue_(
                post_data=route.request.post_data.replace("wearable=wrist", "wearable=none")
            ),
        )
        await page.get_by_role("button", name="On the wearable").last.click()
        await expect(page.get_by_role("status")).to_contain_text("not in reach")
        await expect(page.get_by_role("status")).to_be_in_viewport()


async def test_a_browser_that_cannot_vibrate_says_so_and_a_session_is_not_disturbed(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path) as one:
        context = await opened.new_context(viewport=DESKTOP)
        await context.add_init_script(NO_VIBRATION)
        page = await open_page(context, one.link())
        await page.goto(f"{one.address}learn?wearable=ankle")
        await expect(page.locator("#phone")).to_contain_text("cannot vibrate")
        await expect(page.get_by_role("button", name="On this phone")).to_have_count(0)
        band = one.host.hub.supervisors["ankle"]
        await band.start(await one.host.plan("ankle", None))
        await until(lambda: band.playing)
        await page.get_by_role("button", name="On the wearable").first.click()
        await expect(page.locator("#told")).to_contain_text("plays a session")
        assert band.playing
        if folder := os.environ.get("TENUTO_PICTURES"):
            await page.screenshot(path=f"{folder}/learn-desk.png", full_page=True)


async def test_what_is_no_cue_and_what_is_out_of_reach_is_told(tmp_path: Path) -> None:
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        async with client.get("/learn?wearable=nobody") as answer:
            html = await answer.text()
        key = html.split('name="key" value="')[1].split('"')[0]
        headers = {"X-Tenuto-Key": key, "Accept": "application/json"}
        for form, words in (
            ({"wearable": "nobody", "cue": "mark"}, "not in reach"),
            ({"wearable": "", "cue": "mark"}, "not in reach"),
        ):
            async with client.post("/learn/play", headers=headers, data=form) as answer:
                assert answer.status == 422
                assert words in (await answer.json())["text"]
        async with asyncio.timeout(patience_s(30)):
            await one.host.hub.supervisors["wrist"].connected.wait()
        form = {"wearable": "wrist", "cue": "<b>"}
        async with client.post("/learn/play", headers=headers, data=form) as answer:
            assert answer.status == 422
            assert "cue" in (await answer.json())["text"]
