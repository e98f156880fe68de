# SPDX-License-Identifier: MIT
"""What every link offers: packets to one wearable and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Link(Protocol):
    """Packets to and from one wearable.  One packet sent is one frame of `tenuto_core.wire`.

    A link can be connected again after it was lost or disconnected.
    """

    name: str
    """For messages: what a person would call the other end."""
    firmware: str | None
    """The version that the other end has told by the link's own means, None if it has not."""

    @property
    def packet_bytes(self) -> int:
        """Largest packet that `send` takes just now; may change while connected."""
        ...

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        """Reach the wearable and begin to hand its packets to `on_packet`.

        `on_lost` is called once if the link breaks afterwards, but not for `disconnect`.
        Neither callback may wait or raise.

        Raises:
            LinkError: It could not be reached; nothing is left open.
        """

    async def send(self, packet: bytes) -> None:
        """Hand over one packet.  That it returns does not mean that the packet has arrived.

        Raises:
            LinkError: Not connected, or the packet cannot be sent.
        """

    async def disconnect(self) -> None:
        """Let go.  Does nothing when not connected; never raises LinkError."""
