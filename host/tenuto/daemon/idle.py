# SPDX-License-Identifier: MIT
"""Work that waits until nobody plays: it would delay what plays on the host's own clock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_EVERY_S = 5.0


async def until_idle(is_playing: Callable[[], bool], at_latest_s: float) -> None:
    """Wait until nobody plays.

    Args:
        is_playing: Whether a session goes on anywhere.
        at_latest_s: How long to wait at most, however much is played.
    """
    waited_s = 0.0
    while is_playing() and waited_s < at_latest_s:
        await asyncio.sleep(LOOK_EVERY_S)
        waited_s += LOOK_EVERY_S
