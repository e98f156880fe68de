# SPDX-License-Identifier: MIT
"""A watch in a simulated room, and hosts that reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenuto.shipped import shipped
from tenuto.simulator.bangle import SimulatedBangle, app_files

if TYPE_CHECKING:
    from tenuto.simulator import World

FOLDER = shipped("firmware") / "bangle"


async def simulated_watch(
    world: World, name: str = "wrist", *, has_app: bool = True, **given: Any
) -> SimulatedBangle:
    files = app_files(FOLDER) if has_app else {}
    device = SimulatedBangle(world.radio, name, "C1:00:00:00:00:77", None, files=files, **given)
    await device.boot()
    world.devices[name] = device
    return device
