# SPDX-License-Identifier: MIT
"""The page Routines in a real browser: an editor in which score and text are one file."""

from __future__ import annotations

import asyncio
import difflib
import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tenuto.routines.library import Library
from tenuto.routines.sharing import shared, unshared
from tenuto.shipped import shipped
from tests.web.rig import DESKTOP, IN_A_BROWSER, PHONE, key_of, open_page, served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Route

pytestmark = IN_A_BROWSER

LOWER_BACK = shipped("config") / "routines" / "lower-back.toml"


def changed_lines(before: str, after: str) -> list[str]:
    """What a diff shows of two texts."""
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in diff if re.match(r"[+-][^+-]", line)]


async def test_the_edge_of_a_hold_is_dragged_and_one_line_changes(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path, connected=False) as one:
        page = await open_page(await opened.new_context(viewport=DESKTOP), one.link())
        await page.goto(f"{one.address}routines/lower-back/edit")
        second = page.locator("[data-exercise='1'] .handle")
        box = await second.bounding_box()
        bar = page.locator("[data-exercise='1'] .bar-edit")
        scale = float(await bar.get_attribute("data-px-per-ms") or "nan")
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        await page.mouse.move(x, y)
        await page.mouse.down()
        await page.mouse.move(x + 15_000 * scale, y, steps=5)
        await expect(page.locator("[data-exercise='1'] .length")).to_have_text("45 s")
        await page.mouse.up()
        text = page.get_by_label("as text")
        await expect(text).to_have_value(re.compile(r"hold_s = 45"))
        before = LOWER_BACK.read_text("utf-8")
        assert changed_lines(before, await text.input_value()) == ["+hold_s = 45"]

        # By keys, on the hold that the drag has left in focus; and back again.
        await page.keyboard.press("ArrowRight")
        await expect(text).to_have_value(re.compile(r"hold_s = 46"))
        await page.get_by_role("button", name="Undo").click()
        await expect(text).to_have_value(re.compile(r"hold_s = 45"))

        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_role("status")).to_contain_text("Saved as")
        saved = tmp_path / "routines" / "lower-back.toml"
        assert changed_lines(before, saved.read_text("utf-8")) == ["+hold_s = 45"]
        # It is what plays.
        held = {e.name: e.hold_ms for e in one.host.library.routine("lower-back").exercises}
        assert held["Kneeling Lunge Stretch"] == 45_000
        assert page.errors == []  # type: ignore[attr-defined]


async def test_a_finger_on_a_phone_drags_the_edge_of_a_hold(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path, connected=False) as one:
        context = await opened.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
        page = await open_page(context, one.link())
        await page.goto(f"{one.address}routines/lower-back/edit")
        handle = page.locator("[data-exercise='1'] .handle")
        await handle.scroll_into_view_if_needed()
        box = await handle.bounding_box()
        bar = page.locator("[data-exercise='1'] .bar-edit")
        scale = float(await bar.get_attribute("data-px-per-ms") or "nan")
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        finger = await context.new_cdp_session(page)
        for kind, by in (("Start", 0), ("Move", 4), ("Move", 10), ("End", None)):
            points = [] if by is None else [{"x": x + by * 1_000 * scale, "y": y}]
            touch = {"type": f"touch{kind}", "touchPoints": points}
            await finger.send("Input.dispatchTouchEvent", touch)
        text = page.get_by_label("as text")
        await expect(text).to_have_value(re.compile(r"hold_s = 40"))
        before = LOWER_BACK.read_text("utf-8")
        assert changed_lines(before, await text.input_value()) == ["+hold_s = 40"]
        assert page.errors == []  # type: ignore[attr-defined]


async def test_exercises_are_moved_added_and_removed(tmp_path: Path, opened: Browser) -> None:
    async with served(tmp_path, connected=False) as one:
        page = await open_page(await opened.new_context(), one.link())
        await page.goto(f"{one.address}routines/lower-back-short/edit")
        names = page.locator("[data-path='name']")
        first = await names.nth(0).input_value()
        await page.locator("[data-exercise='0']").get_by_role("button", name="Move down").click()
        await expect(names.nth(1)).to_have_value(first)
        await page.get_by_label("New exercise").fill("Cat and cow")
        await page.get_by_role("button", name="Add").click()
        await expect(names.nth(6)).to_have_value("Cat and cow")
        await page.locator("[data-exercise='0']").get_by_role("button", name="Remove").click()
        await expect(names.nth(0)).to_have_value(first)
        await page.locator("[data-exercise='0']").get_by_label("Sides").select_option("each")
        await page.locator("[data-exercise='0']").get_by_label("Sets").fill("2")
        await page.keyboard.press("Tab")
        await page.get_by_label("Save as a new routine").fill("mine")
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.wait_for_url("**/routines/mine/edit?saved")
        found = Library(tmp_path / "routines").routine("mine")
        assert next(e.name for e in found.exercises) == first
        assert found.exercises[-1].name == "Cat and cow"
        assert (found.exercises[0].sides, found.exercises[0].sets) == ("each", 2)


async def test_a_slow_host_loses_nothing_of_what_is_changed_quickly(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path, connected=False) as one:
        page = await open_page(await opened.new_context(), one.link())
        await page.goto(f"{one.address}routines/lower-back-short/edit")

        async def later(route: Route) -> None:
            await asyncio.sleep(0.3)
            await route.continue_()

        await page.route(re.compile("/change$"), later)
        first = page.locator("[data-exercise='0']")
        await page.get_by_label("Save as a new routine").fill("mine")
        await first.get_by_label("Sides").select_option("each")
        await first.get_by_label("Sets").fill("2")  # and the answer to the change before comes
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.wait_for_url("**/routines/mine/edit?saved")
        (found, *_) = Library(tmp_path / "routines").routine("mine").exercises
        assert (found.sides, found.sets) == ("each", 2)


async def test_a_mistake_is_told_at_its_line_and_not_saved(tmp_path: Path, opened: Browser) -> None:
    async with served(tmp_path, connected=False) as one:
        page = await open_page(await opened.new_context(), one.link())
        await page.goto(f"{one.address}routines/lower-back/edit")
        text = page.get_by_label("as text")
        wrong = (await text.input_value()).replace("\nhold_s = 30", "\nhold_s = -3")
        await text.fill(wrong)
        line = 1 + next(i for i, row in enumerate(wrong.splitlines()) if row.startswith("hold_s ="))
        await expect(page.get_by_role("alert")).to_contain_text(f"Line {line}")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_role("status")).to_contain_text("Not saved")
        assert await text.input_value() == wrong, "what was typed is still there"
        assert not (tmp_path / "routines").exists()


async def test_a_routine_is_shared_and_added_after_it_was_looked_at(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path, connected=False) as one:
        page = await open_page(await opened.new_context(viewport=PHONE), one.link())
        await page.goto(f"{one.address}routines/hips")
        await page.get_by_role("link", name="Share").click()
        word = await page.get_by_label("The text").input_value()
        code = page.get_by_role("img", name="QR code of this text")
        box = await code.locator("svg").bounding_box()
        assert box is not None
        assert box["width"] == pytest.approx(box["height"])
        assert box["width"] > 300

        theirs = unshared(word).replace(b'name = "hips"', b'name = "their-hips"', 1)
        await page.goto(f"{one.address}routines")
        await page.get_by_label("Its text").fill(shared(theirs))
        await page.get_by_role("button", name="Show it").click()
        await expect(page.get_by_text("With a new hip joint, ask first")).to_be_visible()
        assert not (tmp_path / "routines").exists(), "it was only looked at"
        await page.get_by_role("button", name="Store it").click()
        await page.wait_for_url("**/routines/their-hips")
        assert (tmp_path / "routines" / "their-hips.toml").read_bytes() == theirs
        assert not any(one.host.hub.supervisors[name].playing for name in ("wrist", "ankle"))

        # One's own of the same name stays, until the place is given to theirs by name.
        other = shared(theirs.replace(b"Hips", b"Hops", 1))
        await page.goto(f"{one.address}routines")
        await page.get_by_label("Its text").fill(other)
        await page.get_by_role("button", name="Show it").click()
        await expect(page.get_by_text("You have another routine of that name")).to_be_visible()
        await page.get_by_role("button", name="Store it in place of yours").click()
        await page.wait_for_url("**/routines/their-hips")
        assert (tmp_path / "routines" / "their-hips.toml").read_bytes() == unshared(other)
        assert page.errors == []  # type: ignore[attr-defined]


async def test_the_edge_of_the_longest_hold_is_in_reach_on_a_phone(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path, connected=False) as one:
        page = await open_page(await opened.new_context(viewport=PHONE), one.link())
        await page.goto(f"{one.address}routines/lower-back/edit")
        bar = page.locator("[data-exercise='0'] .bar-edit")
        text = page.get_by_label("as text")
        await text.fill(LOWER_BACK.read_text("utf-8").replace("hold_s = 30", "hold_s = 600"))
        await expect(bar.locator(".length")).to_have_text("10:00 min")
        box = await bar.locator(".handle").bounding_box()
        assert box is not None
        assert 0 < box["x"] < PHONE["width"] - box["width"]
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


async def test_a_shared_routine_that_is_wrong_is_told_and_not_stored(tmp_path: Path) -> None:
    hips = LOWER_BACK.with_name("hips.toml").read_bytes()
    words = {
        "TENUTO1:AAAA": "damaged",
        "hello": "this is no shared routine",
        shared(hips.replace(b'name = "hips"', b'name = "../hips"', 1)): "is no name for",
        shared(hips.replace(b"hold_s = ", b"hold_s = -", 1)): "the shared routine:",
    }
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        headers = {"X-Tenuto-Key": await key_of(client), "Accept": "application/json"}
        for word, told in words.items():
            form = {"word": word, "operation": "store"}
            async with client.post("/routines", data=form, headers=headers) as answer:
                assert answer.status == 422
                assert told in (await answer.json())["text"].lower()
        own = tmp_path / "routines" / "hips.toml"
        own.parent.mkdir()
        own.write_bytes(hips.replace(b"Hips", b"Mine", 1))
        form = {"word": shared(hips), "operation": "store"}
        async with client.post("/routines", data=form, headers=headers) as answer:
            assert "You have another routine" in (await answer.json())["text"]
        assert b"Mine" in own.read_bytes()
        own.unlink()
    async with served(tmp_path, connected=False) as one, one.visitor("ben") as client:
        headers = {"X-Tenuto-Key": await key_of(client)}
        form = {"word": shared(hips), "operation": "store"}
        async with client.post("/routines", data=form, headers=headers) as answer:
            assert answer.status == 403
    assert list(tmp_path.rglob("*.toml")) == []  # noqa: ASYNC240 - nothing else runs


@pytest.mark.parametrize("name", ["../evil", "Evil", "a b", "", "x" * 33])
async def test_a_routine_is_written_nowhere_else(tmp_path: Path, name: str) -> None:
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        form = {"text": LOWER_BACK.read_text("utf-8"), "own-name": name}
        headers = {"X-Tenuto-Key": await key_of(client)}
        async with client.post(
            "/routines/..%2f..%2fx/edit" if not name else "/routines/lower-back/edit",
            data=form,
            headers=headers,
        ) as answer:
            assert "Saved" not in await answer.text()
    assert list(tmp_path.rglob("*.toml")) == []  # noqa: ASYNC240 - nothing else runs
