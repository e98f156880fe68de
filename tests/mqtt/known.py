# SPDX-License-Identifier: MIT
"""What Home Assistant was told, for tests that need no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenuto.state.settings import Announced


class InMemory:
    """Remembers for as long as the test lasts."""

    def __init__(self) -> None:
        self.announced: dict[str, Announced] = {}

    async def remember(self, topic: str, announced: Announced | None) -> None:
        if announced is None:
            self.announced.pop(topic, None)
        else:
            self.announced[topic] = announced
