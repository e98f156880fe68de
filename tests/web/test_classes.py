# SPDX-License-Identifier: MIT
"""The page Class in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.patience import until
from tests.web.rig import DESKTOP, IN_A_BROWSER, PHONE, TWO_PEOPLE, open_page, served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = IN_A_BROWSER

ANNA_SHARES = TWO_PEOPLE.replace('name = "Anna"', 'name = "Anna"\npublish_heart_rate = true', 1)


async def test_a_class_is_started_paused_alone_and_by_all_and_stopped(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path, ANNA_SHARES) as one:
        page = await open_page(await opened.new_context(viewport=PHONE), one.link())
        await page.goto(f"{one.address}class")
        await page.get_by_label("Begins in, s").fill("2")
        await page.get_by_role("button", name="Start together").click()
        await expect(page.locator(".headline")).to_contain_text("Playing")
        await expect(page.get_by_role("button", name="Start together")).to_be_hidden()
        anna, ben = page.locator(".members li").all(), page.locator(".members li").nth(1)
        assert len(await anna) == 2
        await expect(page.locator(".members li").first.locator(".heart")).to_contain_text("bpm")
        await expect(ben.locator(".heart")).to_have_count(0)
        await expect(page.locator(".headline")).to_contain_text("2 of 2 in step")
        band = one.host.hub.supervisors["ankle"]
        button = one.host.drivers.simulated_button("ankle")
        assert button is not None
        button.press(80)
        await expect(ben.locator(".does")).to_contain_text(re.compile("paused"))
        await expect(page.locator(".members li").first.locator(".does")).not_to_contain_text(
            "paused"
        )
        await expect(ben.get_by_role("button", name="join again")).to_be_visible()
        await page.get_by_role("button", name="Pause all").click()
        await expect(page.locator(".headline")).to_contain_text("Paused")
        await page.get_by_role("button", name="All go on").click()
        await expect(page.locator(".headline")).to_contain_text("Playing")
        await page.keyboard.press("Escape")
        await until(lambda: not band.playing and not one.host.hub.supervisors["wrist"].playing)
        await expect(page.locator(".headline")).to_contain_text("Stopped")
        assert page.errors == []  # type: ignore[attr-defined]


async def test_nobody_ticked_is_nobody_started(tmp_path: Path, opened: Browser) -> None:
    async with served(tmp_path) as one:
        context = await opened.new_context(viewport=DESKTOP)
        page = await open_page(context, one.link())
        await page.goto(f"{one.address}class")
        for box in await page.get_by_role("checkbox").all():
            await box.uncheck()
        await page.get_by_role("button", name="Start together").click()
        await expect(page.get_by_role("status")).to_contain_text("Tick who takes part")
        assert one.host.classes.status().state == "idle"
