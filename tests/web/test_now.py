# SPDX-License-Identifier: MIT
"""The page Now in a real browser: it follows a session and takes part in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tenuto.sessions.commands import Command, Verb
from tests.patience import until
from tests.web.rig import DESKTOP, IN_A_BROWSER, PHONE, many, open_page, served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = IN_A_BROWSER


async def test_a_session_is_started_followed_paused_and_stopped(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path) as one:
        phone = await opened.new_context(viewport=PHONE)
        page = await open_page(phone, one.link())
        card = page.locator("#wearable-wrist")
        band = one.host.hub.supervisors["wrist"]
        await card.get_by_role("button", name="Start").click()
        await expect(card.locator(".exercise")).to_have_text(re.compile("Get ready|Back Flexion"))
        await expect(card.locator(".cues li").last).to_be_visible()
        glance = page.locator("#glance-wrist .exercise-name")
        await expect(glance).to_have_text(re.compile("Get ready|Back Flexion"))
        await expect(page.locator("nav.glances")).to_be_hidden()
        # A second page, that comes in mid-session, shows the same and moves by itself.
        context = await opened.new_context(
            viewport=DESKTOP, storage_state=await phone.storage_state()
        )
        second = await open_page(context, one.address)
        other = second.locator("#wearable-wrist")
        bar = other.locator(".bar span")
        await expect(bar).not_to_have_attribute("style", await bar.get_attribute("style") or "")
        await other.get_by_role("button", name="Pause").click()
        await expect(card.locator(".place")).to_contain_text("Paused")
        await card.get_by_role("button", name="Go on").click()
        await expect(other.get_by_role("button", name="Pause")).to_be_visible()
        for button in await card.get_by_role("button").all():
            box = await button.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 96
        await page.keyboard.press("Escape")
        await until(lambda: not band.playing)
        await expect(card.locator(".exercise")).to_have_text("Stopped")
        await expect(card.get_by_role("button", name="Start")).to_be_visible()
        assert page.errors + second.errors == []  # type: ignore[attr-defined]


async def test_twelve_wearables_are_seen_at_a_glance_on_a_phone(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path, many(12), connected=False) as one:
        page = await open_page(await opened.new_context(viewport=PHONE), one.link())
        tiles = page.get_by_role("navigation", name="Wearables at a glance").get_by_role("link")
        await expect(tiles).to_have_count(12)
        boxes = [await tile.bounding_box() for tile in await tiles.all()]
        lowest = max(box["y"] + box["height"] for box in boxes if box is not None)
        assert lowest <= PHONE["height"], "on one screen, without scrolling"
        assert min(box["height"] for box in boxes if box is not None) >= 44
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        await tiles.last.click()
        await expect(page.locator("#wearable-w11")).to_be_in_viewport()
        await page.set_viewport_size(DESKTOP)
        tops = [await one.bounding_box() for one in await page.locator(".wearable").all()]
        assert len({box["y"] for box in tops if box is not None}) == 4, "three in a row"


async def test_a_refusal_is_told(tmp_path: Path, opened: Browser) -> None:
    async with served(tmp_path) as one:
        page = await open_page(await opened.new_context(), one.link())
        # Started from elsewhere in the moment of the press.
        await page.route(
            "**/do",
            lambda route: route.continue_(
                post_data=route.request.post_data.replace("lower-back", "none-such")
            ),
        )
        await page.locator("#wearable-wrist").get_by_role("button", name="Start").click()
        await expect(page.get_by_role("status")).to_contain_text("none-such")


async def test_it_works_without_scripts(tmp_path: Path, opened: Browser) -> None:
    async with served(tmp_path) as one:
        page = await open_page(await opened.new_context(java_script_enabled=False), one.link())
        await page.locator("#wearable-wrist").get_by_role("button", name="Start").click()
        await until(lambda: one.host.hub.supervisors["wrist"].playing)
        await page.get_by_role("link", name="Go on").click()
        await page.locator("#wearable-wrist").get_by_role("button", name="Stop").click()
        await until(lambda: not one.host.hub.supervisors["wrist"].playing)


async def test_after_a_restart_of_the_daemon_it_goes_on_by_itself(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path) as one:
        port = one.address.rpartition(":")[2].strip("/")
        page = await open_page(await opened.new_context(), one.link())
        await expect(page.locator("#wearable-wrist")).to_contain_text("in reach")
    await expect(page.locator("#connection")).to_be_visible()
    async with served(tmp_path, listen=f"127.0.0.1:{port}") as one:
        await expect(page.locator("#connection")).to_be_hidden()
        answer = await one.host.commands.submit(Command(wearable="wrist", verb=Verb.START))
        assert answer.ok
        await expect(page.locator("#wearable-wrist .bar")).to_be_visible()
