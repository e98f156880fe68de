# SPDX-License-Identifier: MIT
"""One event loop and one browser for all tests of the page, as far as a process runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.hurry import HurriedEventLoop
from tests.web.rig import browser

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    import pytest
    from playwright.async_api import Browser


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    """Return what makes the event loop: in real time, but for the pairing with wearables."""
    return {"hurried": HurriedEventLoop} if item.get_closest_marker("real_time") else None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium_running(chromium: Path) -> AsyncIterator[Browser]:
    """A real browser."""
    async with browser(chromium) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def opened(chromium_running: Browser) -> AsyncIterator[Browser]:
    """A real browser that has nothing of another test."""
    assert chromium_running.is_connected(), "an earlier test has ended it"
    yield chromium_running
    for context in chromium_running.contexts:
        await context.close()
