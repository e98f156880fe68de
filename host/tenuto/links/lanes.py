# SPDX-License-Identifier: MIT
"""What a radio offers that reaches devices by several ways at once, such as ESPHome's proxies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tenuto.errors import LinkError


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """How one of the ways is.

    Attributes:
        name: What its user calls it.
        problem: Why it cannot be used, None where it can.
        slots, free: How many links it carries, and how many more it would.
        heard: How many devices it has heard lately.
        is_encrypted: Whether nobody in the network can listen.
    """

    name: str
    problem: LinkError | None
    slots: int = 0
    free: int = 0
    heard: int = 0
    is_encrypted: bool = True


class Lanes(Protocol):
    """The ways of one radio; each makes one connection at a time and carries so many links."""

    def turn(self, address: str) -> AbstractAsyncContextManager[None]:
        """Return the context in which a connection to a device may be made, by the best way.

        Raises:
            LinkError: FULL if no way that hears it has a slot for long.
        """
        ...

    def is_full(self, address: str) -> bool:
        """Return whether `reserve` would wait now."""
        ...

    async def reserve(self, address: str) -> None:
        """Wait for a slot on a way that hears a device, and keep it for the next `turn`.

        Returns at once where nothing hears it.
        """

    def release(self, address: str) -> None:
        """Give a reserved slot back that was not used; nothing if there is none."""

    def waiting(self, address: str) -> int:
        """Return how many others wait for the way by which a device is connected."""
        ...

    def slots(self, address: str) -> int:
        """Return how many links that way carries."""
        ...

    def states(self) -> list[LaneState]:
        """Return how each way is."""
        ...
