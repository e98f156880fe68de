# SPDX-License-Identifier: MIT
"""What Home Assistant was told, for tests that need no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenuto.state.settings import Announced


class InMemory:
    """Remembers for as long as the test lasts.

    Attributes:
        writes: How often it was told to remember something.
    """

    def __init__(self) -> None:
        self.announced: dict[str, Announced] = {}
        self.writes = 0

    async def remember(self, told: Mapping[str, Announced | None]) -> None:
        self.writes += 1
        for topic, announced in told.items():
            if announced is None:
                self.announced.pop(topic, None)
            else:
                self.announced[topic] = announced
