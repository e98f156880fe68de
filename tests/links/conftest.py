# SPDX-License-Identifier: MIT
"""A D-Bus with a small BlueZ on it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.conftest import part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.links.fake_bluez import FakeBlueZ


@pytest.fixture
def bus_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a private system bus, which this process and its children use."""
    from tests.links.fake_bluez import private_bus

    with private_bus(part("dbus-daemon")) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield address


@pytest.fixture
async def no_manager_left() -> AsyncIterator[None]:
    """bleak keeps one D-Bus connection for each event loop, and lets go of it with the loop."""
    from bleak.backends.bluezdbus import manager as bleak_manager

    yield
    manager = bleak_manager._global_instances.pop(asyncio.get_running_loop(), None)
    if manager is not None and manager._bus is not None:
        manager._bus.disconnect()
        if manager._bus_watcher_task is not None:
            await asyncio.wait({manager._bus_watcher_task})


@pytest.fixture
async def bluez(bus_address: str) -> AsyncIterator[FakeBlueZ]:
    """`org.bluez` on that bus, with one Tenuto band in reach."""
    from tests.links.fake_bluez import bluez as serve

    async with serve(bus_address) as service:
        yield service
