# SPDX-License-Identifier: MIT
"""The small worlds by what people do in them, and one of them played."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

from tenuto.wearables import band
from tenuto_core import wire
from tests.search import leased_world, small_world
from tests.search.leased_world import LeasedWorld
from tests.search.small_world import SmallWorld
from tests.storm import sealed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.search.choices import Choices
    from tests.search.small_world import Act

PLAYS: dict[str, tuple[type[SmallWorld], Sequence[Act]]] = {
    **{name: (SmallWorld, acts) for name, acts in small_world.PLAYS.items()},
    **{name: (LeasedWorld, acts) for name, acts in leased_world.PLAYS.items()},
}

LOG_AHEAD_MAX = 4
"""Records without an acknowledgement, which is little, so that short sessions come to this end."""


def play(name: str, choices: Choices) -> SmallWorld:
    """Play a world; raises AssertionError for a promise that was not kept."""
    kind, acts = PLAYS[name]

    async def main(folder: Path) -> SmallWorld:
        world = kind(acts, choices, folder)
        await world.play()
        return world

    with (
        mock.patch.object(wire, "LOG_AHEAD_MAX", LOG_AHEAD_MAX),
        mock.patch.object(band, "ACK_EVERY_RECORDS", LOG_AHEAD_MAX // 2),
    ):
        return sealed.run_in_folder(main, 1)
