# SPDX-License-Identifier: MIT
"""The small worlds by what people do in them, and one of them played."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def play(name: str, choices: Choices) -> SmallWorld:
    """Play a world; raises AssertionError for a promise that was not kept."""
    kind, acts = PLAYS[name]

    async def main(folder: Path) -> SmallWorld:
        world = kind(acts, choices, folder)
        await world.play()
        return world

    return sealed.run_in_folder(main, 1)
