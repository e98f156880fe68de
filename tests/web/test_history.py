# SPDX-License-Identifier: MIT
"""The page History: everybody finds their own sessions, and no others."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenuto.history import Store
from tests.history.sessions import session_in_parts
from tests.report.played import DAY_MS, EVENING_MS, accounts, played
from tests.web.rig import EACH_SIZE, IN_A_BROWSER, key_of, open_page, served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, ViewportSize

    from tenuto.sessions.events import Entry

pytestmark = IN_A_BROWSER


def worn(entries: list[Entry], person: str) -> list[Entry]:
    return [replace(entry, person=person) for entry in entries]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A history with two sessions of Anna's and one of Ben's."""
    accounts(
        tmp_path / "history.db",
        worn(played(1, EVENING_MS - 2 * DAY_MS), "anna"),
        worn(played(2, EVENING_MS - DAY_MS, routine="lower-back-short"), "ben"),
        worn(played(3, EVENING_MS), "anna"),
    )
    return tmp_path


@EACH_SIZE
async def test_sessions_are_found_told_and_deleted(
    folder: Path, opened: Browser, viewport: ViewportSize
) -> None:
    async with served(folder, connected=False) as one:
        page = await open_page(await opened.new_context(viewport=viewport), one.link())
        await page.get_by_role("link", name="History").click()
        rows = page.locator("tbody tr")
        assert await rows.count() == 3
        await page.get_by_label("Routine").fill("short")
        await page.get_by_role("button", name="Search").click()
        assert await rows.count() == 1
        await page.goto(f"{one.address}history")
        await rows.nth(0).get_by_role("link").click()
        assert "Held" in await page.inner_text("main")
        assert await page.locator("svg.picture").count() >= 2
        await page.get_by_role("link", name="Its week").click()
        heading = await page.get_by_role("heading", level=1).inner_text()
        assert heading.startswith("Week from 16 to 22 November 2026")
        await page.get_by_role("table").get_by_role("link").first.click()
        assert re.search(r"/history/\d+$", page.url)
        number = page.url.rpartition("/")[2]
        await page.get_by_text("Delete this session").click()
        await page.get_by_role("button", name=f"Delete session {number}").click()
        await page.wait_for_url("**/history")
        assert await rows.count() == 2
        assert page.errors == []  # type: ignore[attr-defined]


async def test_somebody_sees_their_own_sessions_alone(folder: Path) -> None:
    async with served(folder, connected=False) as one, one.visitor("ben") as client:
        async with client.get("/history?person=anna") as answer:
            assert "/history/" not in (await answer.text()).replace("history/week", "")
        async with client.get("/history") as answer:
            mine = re.findall(r'href="history/(\d+)"', await answer.text())
        async with client.get("/history/month?date=2026-11-20&person=anna") as answer:
            assert set(re.findall(r'href="history/(\d+)"', await answer.text())) == set(mine)
        assert len(mine) == 1
        for number in {"1", "2", "3"} - set(mine):
            for path in ("", "/session.csv", "/session.fit"):
                async with client.get(f"/history/{number}{path}") as answer:
                    assert answer.status == 404


async def test_a_session_is_taken_elsewhere(folder: Path) -> None:
    async with served(folder, connected=False) as one, one.visitor() as client:
        async with client.get("/history/1/session.csv") as answer:
            assert "attachment" in answer.headers["Content-Disposition"]
            assert len((await answer.text()).splitlines()) == 1 + 9
        async with client.get("/history/1/session.fit") as answer:
            assert (await answer.read())[8:12] == b".FIT"
        days = ("x", "0001-01-01", "9999-12-31")
        reports = [f"/history/{period}?date={day}" for day in days for period in ("week", "month")]
        for path in ("/history/999", "/history/999999999999", *reports):
            async with client.get(path) as answer:
                assert answer.status in (400, 404)


async def test_what_was_left_and_taken_up_is_shown_and_deleted_as_one(tmp_path: Path) -> None:
    async with Store(tmp_path / "history.db") as store:
        for session in session_in_parts(person="anna"):
            await store.add(session)
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        async with client.get("/history") as answer:
            assert re.findall(r'href="history/(\d+)"', await answer.text()) == ["1"]
        pages = []
        for number in (1, 2):
            async with client.get(f"/history/{number}") as answer:
                pages.append((await answer.text()).replace(f"history/{number}#", "#"))
        assert "Kneeling Lunge" in pages[0]
        assert pages[0] == pages[1]
        async with client.get("/history/1/session.csv") as answer:
            assert len((await answer.text()).splitlines()) == 1 + 3
        form = {"key": await key_of(client)}
        async with client.post("/history/2/delete", data=form) as answer:
            assert answer.status == 200
        assert await one.host.store.sessions() == []
