# SPDX-License-Identifier: MIT
"""The page Start in a real browser: from nothing to the first cue, by keys alone, on a phone."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.shipped import shipped
from tenuto.simulator.hardware import pulses
from tenuto.simulator.world import World
from tenuto_core import vocab
from tests.hurry import hurried
from tests.patience import until
from tests.sample_routines import vocabulary
from tests.web.rig import IN_A_BROWSER, PHONE, TWO_PEOPLE, open_page, served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Locator, Page

pytestmark = IN_A_BROWSER

TABS_MAX = 30
OWN_RADIO = """
mqtt.url = "off"
bluetooth.adapter = "bumble:room"
"""


async def press(page: Page, target: Locator) -> None:
    """Reach something by the tabulator key, and press Enter on it."""
    for _ in range(TABS_MAX):
        await page.keyboard.press("Tab")
        if await target.evaluate("one => one === document.activeElement"):
            await page.keyboard.press("Enter")
            return
    pytest.fail(f"{target} is not reached by the keyboard")


async def test_from_nothing_to_the_first_cue_by_keys_alone(tmp_path: Path, opened: Browser) -> None:
    async with served(tmp_path, 'mqtt.url = "off"') as one:
        page = await open_page(await opened.new_context(viewport=PHONE), one.link())
        await press(page, page.get_by_role("link", name="Get started"))
        await page.wait_for_url("**/start")
        await expect(page.get_by_text("Choose a wearable first.")).to_have_count(2)
        await press(page, page.get_by_role("button", name="Play it on simulated"))
        await expect(page.get_by_role("status")).to_have_text("Played to its end on simulated.")
        tracker = one.host.hub.supervisors["simulated"].tracker
        assert tracker is not None
        assert tracker.plan is not None
        assert [cue for _, _, cue in tracker.plan.cues_from(0, 0)] == [vocab.HOLD_START]

        await press(page, page.get_by_role("button", name="Search for wearables"))
        await page.wait_for_url("**/jobs/*?back=start")
        await press(page, page.get_by_role("link", name="Back to Get started"))
        await page.wait_for_url("**/start")
        # What a scan would have led to.
        await page.goto(f"{one.address}wearables/new?address=C0:00:00:00:00:09&model=band&name=Red")
        await press(page, page.get_by_role("button", name="Add it"))
        await page.wait_for_url("**/start")
        await expect(page.get_by_text("Chosen: Red")).to_be_visible()
        await expect(page.get_by_role("button", name="Pair with Red")).to_be_visible()
        await expect(page.get_by_text("Red is not in reach yet")).to_be_visible()
        await page.goto(one.address)
        await expect(page.get_by_role("link", name="Get started")).to_have_count(0)
        assert page.errors == []  # type: ignore[attr-defined]


async def test_somebody_who_was_let_in_as_one_person_is_not_led_there(tmp_path: Path) -> None:
    async with served(tmp_path, TWO_PEOPLE, connected=False) as one, one.visitor("ben") as client:
        for path in ("/", "/wearables"):
            async with client.get(path) as answer:
                assert 'href="start"' not in await answer.text()
        async with client.get("/start") as answer:
            assert answer.status == 403


async def test_a_wearable_of_ones_own_is_heard_paired_and_felt_by_keys_alone(
    tmp_path: Path, opened: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    async with World(seed=1) as world, served(tmp_path, OWN_RADIO) as one:
        band = await world.add_wearable("band", firmware_dir=shipped("firmware"))
        adapter = BleAdapter(radio_of(await world.adapter()), name="bumble:room")
        one.host.drivers._keep_adapter("bumble:room", adapter)
        context = await opened.new_context(viewport=PHONE)
        page = await open_page(context, one.link())
        looked_at = await open_page(context, one.address)
        await expect(looked_at.locator(".wearable")).to_contain_text("simulated")
        await page.bring_to_front()
        await press(page, page.get_by_role("link", name="Get started"))
        await press(page, page.get_by_role("button", name="Search for wearables"))
        await expect(page.get_by_role("link", name="Use it")).to_be_visible()
        await press(page, page.get_by_role("link", name="Use it"))
        await press(page, page.get_by_role("button", name="Add it"))
        await page.wait_for_url("**/start")
        await expect(looked_at.locator(".wearable")).to_have_count(1)
        await expect(looked_at.locator(".wearable")).not_to_contain_text("simulated")
        own = next(name for name in one.host.hub.supervisors if name != "simulated")
        await press(page, page.get_by_role("button", name="Pair with"))
        await page.wait_for_url("**/jobs/*?back=start")
        with hurried():  # the wearer presses what lets a host in, in their own time
            await expect(page.locator("#job")).to_contain_text("Paired: it and this computer")
            await until(one.host.hub.supervisors[own].connected.is_set)
        felt_before = len(band.motor.edges)
        await press(page, page.get_by_role("link", name="Back to Get started"))
        await expect(page.get_by_text("is in reach. Wear it")).to_be_visible()
        await press(page, page.get_by_role("button", name=re.compile("Play it on (?!simulated)")))
        await expect(page.get_by_role("status")).to_contain_text("Played to its end")
        felt = pulses(band.motor.edges[felt_before:])
        due = vocabulary().pattern(vocab.HOLD_START)
        # On a busy machine the motor of a simulated wearable is switched off a little later.
        assert [one.length_ms for one in felt] == pytest.approx([on for _, on, _ in due], abs=80)
        await page.goto(one.address)
        await expect(page.get_by_role("link", name="Get started")).to_have_count(0)
        assert page.errors + looked_at.errors == []  # type: ignore[attr-defined]
        errors = [one for one in caplog.records if one.levelno >= logging.ERROR]
        assert [(one.getMessage(), one.exc_info) for one in errors] == []
