# SPDX-License-Identifier: MIT
"""A link without a radio: the host's end and a `tenuto_core` band in one process.

For developers and tests, and for devices that can only buzz, whose player the host is; the
simulated wearable with its radio is in `tenuto.simulator`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from tenuto.errors import LinkError, LinkReason
from tenuto_core import wire
from tenuto_core.band import Band
from tenuto_core.buzzer import Motor
from tenuto_core.host_connection import HostConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from .registry import LinkContext, Place


class InProcessBand:
    """A band that lives on the event loop's clock.

    Args:
        boot_id: See `Band`.
        on_poke: Called when it has done what was due; must not wait or raise.
        parts: Further arguments of `Band`.

    Attributes:
        band: The real thing, to press its button and read its log.
    """

    def __init__(
        self,
        motor: Motor,
        boot_id: int = 1,
        name: str = "memory",
        *,
        on_poke: Callable[[], None] = lambda: None,
        **parts: Any,  # noqa: ANN401 - those of `Band`
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._start_s = self._loop.time()
        self._on_poke = on_poke
        self.band = Band(motor, boot_id, name, 0, **parts)
        self._timer: asyncio.TimerHandle | None = None
        # In the order in which they came, unlike a set, so that a seed always gives the same.
        self.links: dict[InProcessLink, None] = {}

    @property
    def now_ms(self) -> int:
        """The band's clock."""
        return int((self._loop.time() - self._start_s) * 1000 + 1e-6)

    def poke(self) -> None:
        """Let the band do what is due, send what it has to say, and sleep again."""
        self.sleep()
        self.band.advance(self.now_ms)
        self.band.settle(self.now_ms)
        self._on_poke()
        due = [self.band.due_ms]
        for link in list(self.links):
            link.pump(self.now_ms)
            due.append(link.peer.due_ms)
        times = [time for time in due if time is not None]
        if times:
            self._timer = self._loop.call_at(self._start_s + min(times) / 1000, self.poke)

    def sleep(self) -> None:
        """Do nothing more until the next `poke`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def press(self, held_ms: int) -> None:
        """Press the button now and let go after `held_ms`."""

        def edge(pressed: bool) -> None:  # noqa: FBT001 - a scheduled callback
            self.band.edge(pressed, self.now_ms, self.now_ms)
            self.poke()

        edge(pressed=True)
        self._loop.call_later(held_ms / 1000, edge, False)  # noqa: FBT003


class _Way:
    """One way of a link: what sets out first arrives first.

    Timers alone would not do, for those of one moment fire in any order.
    """

    def __init__(self) -> None:
        self._under_way: deque[Callable[[], None]] = deque()

    def carry(self, for_s: float, arrive: Callable[[], None]) -> None:
        """Have something arrive after a time, the same for all."""
        self._under_way.append(arrive)
        asyncio.get_running_loop().call_later(for_s, self._arrive_oldest)

    def _arrive_oldest(self) -> None:
        self._under_way.popleft()()


class InProcessLink:
    """A `Link` to a `InProcessBand`; every packet takes `latency_s` each way.

    Args:
        lose: Called for each packet with its direction ("up" to the band, "down" to the host); True
            drops it.
    """

    def __init__(
        self,
        band: InProcessBand,
        latency_s: float = 0.03,
        lose: Callable[[str, bytes], bool] = lambda _direction, _packet: False,
    ) -> None:
        self.name = band.band.name
        self.firmware: str | None = None
        self.packet_bytes = wire.MAX_FRAME + 1
        self.peer = HostConnection(band.band)
        self.reachable = True
        self._band = band
        self._latency_s = latency_s
        self._lose = lose
        self._on_packet: Callable[[bytes], None] | None = None
        self._up, self._down = _Way(), _Way()
        self._on_lost: Callable[[], None] = lambda: None

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        """See `Link`."""
        await self.disconnect()
        await asyncio.sleep(self._latency_s)
        if not self.reachable:
            raise LinkError(LinkReason.NOT_FOUND, f"{self.name} is out of reach")
        self.peer = HostConnection(self._band.band)
        self._on_packet, self._on_lost = on_packet, on_lost
        self._band.links[self] = None

    async def send(self, packet: bytes) -> None:
        """See `Link`."""
        if self._on_packet is None:
            raise LinkError(LinkReason.LOST, f"{self.name} is not connected")
        if self._lose("up", packet):
            return
        peer = self.peer

        def arrive() -> None:
            if peer is self.peer and self._on_packet is not None:
                peer.receive(packet, self._band.now_ms)
                self._band.poke()

        self._up.carry(self._latency_s, arrive)

    async def alert(self) -> None:
        """Have the band felt."""
        self._band.band.alert(2, self._band.now_ms)
        self._band.poke()

    async def disconnect(self) -> None:
        """See `Link`."""
        self._on_packet = None
        self._band.links.pop(self, None)

    def drop(self) -> None:
        """Break the link, as a radio does."""
        if self._on_packet is not None:
            self._on_packet = None
            self._band.links.pop(self, None)
            self._on_lost()

    def pump(self, now_ms: int) -> None:
        """Send what the band has for the host."""
        while packet := self.peer.pull(self.packet_bytes, now_ms):
            if self._lose("down", packet):
                continue
            self._down.carry(self._latency_s, partial(self._deliver, packet))

    def _deliver(self, packet: bytes) -> None:
        if self._on_packet is not None:
            self._on_packet(packet)


async def open_link(place: Place, _context: LinkContext) -> InProcessLink:
    """Return the link to a band that is made for it, whose motor is felt by nobody."""
    return InProcessLink(InProcessBand(Motor(), name=place.id))
