# SPDX-License-Identifier: MIT
"""What is prescribed, on the pages: who may prescribe, and who sees what is due."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tenuto.sessions.commands import Command, Verb
from tests.history.prescribed import prescription
from tests.patience import patience_s
from tests.report.played import played
from tests.web.rig import DESKTOP, IN_A_BROWSER, key_of, open_page, served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = IN_A_BROWSER


async def test_the_owner_prescribes_it_is_due_it_is_done_and_it_ends(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path) as one:  # a link that comes later would show it anew
        page = await open_page(await opened.new_context(viewport=DESKTOP), one.link())
        await expect(page.get_by_text("Due today")).to_have_count(0)
        await page.goto(f"{one.address}history?person=anna")
        await expect(page.get_by_role("heading", name="Prescribed")).to_have_count(0)
        await page.get_by_text("Prescribe a routine").click()
        await page.get_by_label("What").select_option("lower-back-short")
        await page.get_by_role("button", name="Prescribe").click()
        await expect(page.locator("#told")).to_contain_text("on which days of the week")
        for day in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"):
            await page.get_by_label(day, exact=True).check()
        await page.get_by_label("A note for them").fill("slowly")
        await page.get_by_role("button", name="Prescribe").click()
        card = page.locator(".prescribed li")
        await expect(card).to_contain_text("daily, until")
        await expect(card).to_contain_text("Due: today")
        await expect(card).to_contain_text("slowly")

        await page.goto(one.address)
        hers = page.locator("#wearable-wrist")
        await expect(hers).to_contain_text("Due today: lower-back-short")
        await expect(hers.locator("select")).to_have_value("lower-back-short")
        await expect(page.locator("#wearable-ankle")).not_to_contain_text("Due today")
        # Ben sees her band, and not what she has to do.
        ben = await open_page(await opened.new_context(viewport=DESKTOP), one.link("ben"))
        await expect(ben.locator("#wearable-wrist")).to_contain_text("Anna")
        await expect(ben.locator("#wearable-wrist")).not_to_contain_text("Due today")
        await ben.goto(f"{one.address}history?person=anna")
        await expect(ben.get_by_text("lower-back-short")).to_have_count(0)
        await expect(ben.get_by_text("Prescribe a routine")).to_have_count(0)

        now_ms = round(time.time() * 1000)
        entries = played(1, now_ms - 1_000, routine="lower-back-short")
        await one.host.store.add([replace(entry, person="anna") for entry in entries])
        for verb in (Verb.START, Verb.STOP):  # whatever ends, it is looked at
            await one.host.commands.submit(Command(wearable="wrist", verb=verb))
        await expect(hers).to_contain_text("Done today: lower-back-short")

        anna = await open_page(await opened.new_context(viewport=DESKTOP), one.link("anna"))
        await anna.goto(f"{one.address}history")
        await expect(anna.locator(".prescribed li")).to_contain_text("Done this week: 1 of 1")
        await expect(anna.get_by_text("End it")).to_have_count(0)
        await page.goto(f"{one.address}history")
        await page.get_by_text("End it").click()
        await page.get_by_role("button", name="End lower-back-short").click()
        await expect(page.locator(".prescribed")).to_have_count(0)
        for seen in (page, ben, anna):
            errors = [one for one in seen.errors if "422" not in one]  # type: ignore[attr-defined]
            assert errors == []


async def test_a_person_prescribes_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, connected=False) as one, one.visitor("anna") as anna:
        key = await key_of(anna)
        asked = {"routine": "desk", "person": "anna", "days": "mon", "until": "2030-01-01"}
        for address in ("history/prescribe", f"history/prescribed/{'0' * 16}/end"):
            async with anna.post(address, data=asked | {"key": key}) as answer:
                assert answer.status == 403
        async with one.visitor() as owner:
            wrong = asked | {"key": await key_of(owner), "times_a_week": "9" * 5_000}
            async with owner.post("history/prescribe", data=wrong) as answer:
                assert answer.status == 422
                assert "allowed is a whole number, 1 to 7" in await answer.text()
        assert await one.host.store.prescriptions() == []


async def test_what_is_due_and_not_on_this_computer_is_said_so(tmp_path: Path) -> None:
    """As where a therapist has a routine of their own; another one would do nothing of it."""
    today = datetime.now(UTC).astimezone().date()
    span = {"first": today, "last": today, "days": (), "times_a_week": 1}
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        await one.host.store.prescribing.add(
            prescription(person="anna", routine="own", title="Own", **span)
        )
        one.host.on_prescribed()
        async with asyncio.timeout(patience_s(10)):
            while True:
                async with client.get("/") as answer:
                    text = await answer.text()
                if "Due today" in text:
                    break
                await asyncio.sleep(0.05)
        assert "Due today: <b>Own (this computer does not have it)</b>" in text
