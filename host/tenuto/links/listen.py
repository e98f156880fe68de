# SPDX-License-Identifier: MIT
"""Listening to what is on the air for a while, and telling what is new."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .scan import DEVICES_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .ble_adapter import BleAdapter, Sighting
    from .scan import Found

TELL_EVERY_S = 0.5


async def heard(adapter: BleAdapter, seconds: float) -> AsyncIterator[list[Found]]:
    """Yield the devices that are new, or of which something is new, as they are heard.

    Raises:
        LinkError: The radio cannot scan.
    """
    known: dict[str, Found] = {}
    fresh: dict[str, Found] = {}

    def on_heard(sighting: Sighting) -> bool:
        found = sighting.found
        before = known.get(found.address)
        if before is None and len(known) >= DEVICES_MAX:
            return False
        now = found if before is None else before.again(found)
        if now != before:
            known[found.address] = fresh[found.address] = now
        return False

    listening = asyncio.create_task(adapter.watch(on_heard, seconds), name="listen")
    try:
        while not listening.done():
            await asyncio.wait({listening}, timeout=TELL_EVERY_S)
            if fresh:
                told = list(fresh.values())
                fresh.clear()
                yield told
        listening.result()
    finally:
        listening.cancel()
        await asyncio.wait({listening}, timeout=1)
