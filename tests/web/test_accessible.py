# SPDX-License-Identifier: MIT
"""Every page by axe, on a phone and on a desk, by day and by night."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]

from tests.report.played import EVENING_MS, accounts, played
from tests.web.rig import DESKTOP, IN_A_BROWSER, PHONE, TWO_PEOPLE, open_page, served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = IN_A_BROWSER

THREE = TWO_PEOPLE + '[[wearable]]\nid = "spare"\nlink = "simulated"\n'
PATHS = (
    "",
    "routines",
    "routines/lower-back",
    "routines/lower-back/edit",
    "routines/hips/share",
    "history",
    "history/1",
    "history/month?date=2026-11-20&person=anna",
    "wearables",
    "settings",
    "start",
    "learn",
    "class",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A history with a session of Anna's."""
    entries = [replace(entry, person="anna") for entry in played(1, EVENING_MS, trouble=True)]
    accounts(tmp_path / "history.db", entries)
    return tmp_path


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    folder: Path, opened: Browser, scheme: str
) -> None:
    viewport = PHONE if scheme == "light" else DESKTOP
    async with served(folder, THREE, connected=False) as one:
        context = await opened.new_context(viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
        page = await open_page(context, one.link())
        for path in PATHS:
            await page.goto(one.address + path)
            found = await Axe().run(page)
            assert found.violations_count == 0, f"{path}: {found.generate_report()}"
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width <= viewport["width"], path
        assert page.errors == []  # type: ignore[attr-defined]
