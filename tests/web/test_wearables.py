# SPDX-License-Identifier: MIT
"""The page Wearables in a real browser: settings, pairing step by step, the configuration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.patience import until
from tests.web.rig import EACH_SIZE, IN_A_BROWSER, TWO_PEOPLE, key_of, open_page, served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, ViewportSize

pytestmark = IN_A_BROWSER


@EACH_SIZE
async def test_strength_and_switches_are_set(
    tmp_path: Path, opened: Browser, viewport: ViewportSize
) -> None:
    async with served(tmp_path, connected=False) as one:
        page = await open_page(await opened.new_context(viewport=viewport), one.link())
        await page.get_by_role("link", name="Wearables").click()
        card = page.get_by_role("region", name="Anna's band")
        await card.get_by_label("Strength of the buzzes").fill("80")
        await card.get_by_label("Halfway cue").uncheck()
        await card.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("status")).to_contain_text("from the next start on")
        liked = one.host.settings.preferences("wrist").adjustment
        assert (liked.strength_pct, liked.halfway, liked.countdown) == (80, False, True)
        assert one.host.settings.preferences("ankle").adjustment.strength_pct == 100


async def test_the_computer_is_examined_line_by_line(tmp_path: Path, opened: Browser) -> None:
    async with served(tmp_path, connected=False) as one:
        page = await open_page(await opened.new_context(), one.link())
        await page.get_by_role("link", name="Wearables").click()
        await page.get_by_role("button", name="Check this computer").click()
        await expect(page.locator("#job")).to_contain_text("configuration:")
        await expect(page.locator("#job")).to_contain_text("Done.")


@EACH_SIZE
async def test_the_configuration_is_changed_with_its_comments(
    tmp_path: Path, opened: Browser, viewport: ViewportSize
) -> None:
    async with served(tmp_path, connected=False) as one:
        path = tmp_path / "t.toml"
        path.write_text("# mine\n" + TWO_PEOPLE)
        path.chmod(0o600)
        page = await open_page(await opened.new_context(viewport=viewport), one.link())
        await page.goto(f"{one.address}settings")
        text = page.get_by_label("Text")
        await text.fill((await text.input_value()).replace('"simulated"', '"simulatde"', 1))
        await page.get_by_role("button", name="Check and save").click()
        line = path.read_text().splitlines().index('link = "simulated"') + 1
        mistake = page.get_by_role("alert")
        await expect(mistake).to_contain_text(f"Line {line}: wearable 'wrist': `link`")
        assert path.read_text() == "# mine\n" + TWO_PEOPLE, "nothing is saved with a mistake"
        await mistake.get_by_role("link").click()
        selected = "el => el.value.slice(el.selectionStart, el.selectionEnd)"
        assert await text.evaluate(selected) == 'link = "simulatde"'

        good = (await text.input_value()).replace("simulatde", "simulated")
        await text.fill(good.replace("Anna's band", "The red band"))
        await page.get_by_role("button", name="Check and save").click()
        await expect(page.get_by_role("status")).to_contain_text("Saved")
        assert path.read_text().startswith("# mine\n")
        assert "The red band" in path.read_text()
        assert "Anna's band" in (tmp_path / "t.toml.bak").read_text()


async def test_somebody_who_was_let_in_as_one_person_changes_no_configuration(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, connected=False) as one, one.visitor("ben") as client:
        headers = {"X-Tenuto-Key": await key_of(client)}
        for path in ("/settings", "/jobs", "/wearables/remove", "/wearables/add", "/jobs/1"):
            async with client.post(path, headers=headers, data={"text": ""}) as answer:
                assert answer.status == 403
        async with client.get("/settings") as answer:
            assert answer.status == 403
        assert not (tmp_path / "t.toml").exists()


async def test_a_wearable_is_added_and_removed_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text("# mine\n" + TWO_PEOPLE)
    path.chmod(0o600)
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        async with client.get("/wearables/new?address=C0:00:00:00:00:09&model=band") as answer:
            html = await answer.text()
            found = re.search(r'data-key="(\w+)"', html)
            assert found is not None
            assert 'value="wearable"' in html
        headers = {"X-Tenuto-Key": found[1], "Accept": "application/json"}
        form = {"address": "C0:00:00:00:00:09", "model": "band", "id": "Third!"}
        async with client.post("/wearables/add", headers=headers, data=form) as answer:
            assert answer.status == 422
            assert "`id`" in (await answer.json())["text"]
        assert "C0:00" not in path.read_text()
        async with client.post("/wearables/add", headers=headers, data=form | {"id": "third"}) as a:
            assert (await a.json())["ok"]
        assert path.read_text().startswith("# mine\n" + TWO_PEOPLE)
        assert 'address = "C0:00:00:00:00:09"' in path.read_text()
        async with client.post(
            "/wearables/remove", headers=headers, data={"wearable": "third"}
        ) as answer:
            assert (await answer.json())["ok"]
        assert path.read_text().rstrip() == ("# mine\n" + TWO_PEOPLE).rstrip()
        await until(lambda: "third" not in one.host.supervisors)
