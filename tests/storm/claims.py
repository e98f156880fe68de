# SPDX-License-Identifier: MIT
"""In place of a broker for leases: it hands the claims of each host to all that are connected.

How long a claim takes on each of its two ways, whether it comes at all, and whether it comes twice,
is said by whoever makes it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.mqtt.leases import Leases
    from tenuto.mqtt.outgoing import Message

WAY_S = 0.03
SENT_WITHIN_S = 1.0
"""How long a host that ends waits for its last claims to be sent."""


class ClaimBroker:
    """The broker, and the ways to it.

    Args:
        takes_s: Called for each message with its way, `HOST claims` or `HOST hears a claim`;
            returns after how many s each copy of it arrives.
        on_done: Called with the way when a host has just sent or heard a claim.
    """

    def __init__(
        self,
        takes_s: Callable[[str], Sequence[float]] = lambda _way: (WAY_S,),
        on_done: Callable[[str, str], None] = lambda _host, _way: None,
    ) -> None:
        self.takes_s = takes_s
        self._on_done = on_done
        self._leases: dict[str, Leases] = {}
        self._served: dict[str, asyncio.Task[None]] = {}
        self._retained: dict[str, bytes] = {}
        self._is_up = True

    # --- hosts

    def open(self, host: str, leases: Leases) -> None:
        """Let a host in, which was started."""
        self._leases[host] = leases
        self.connect(host)

    async def close(self, host: str) -> None:
        """Let a host send what it still has to say, and forget it."""
        leases = self._leases.get(host)
        if leases is not None and host in self._served:
            async with asyncio.timeout(SENT_WITHIN_S):
                await leases.wait_until_sent()
        await self.kill(host)

    async def kill(self, host: str) -> None:
        """Forget a host, which says no more."""
        self._leases.pop(host, None)
        await self.disconnect(host)

    def connect(self, host: str) -> None:
        """Connect a host that is there, and not connected; nothing while the broker is down."""
        if not self._is_up or host not in self._leases or host in self._served:
            return

        async def subscribe(_topics: str) -> None:
            for topic, payload in self._retained.items():
                self._hand_on(host, topic, payload, retained=True)

        async def publish(message: Message) -> None:
            if self._served.get(host) is not task:
                return
            way = f"{host} claims"
            for after_s in self.takes_s(way):
                asyncio.get_running_loop().call_later(after_s, self._arrive, message)
            self._on_done(host, way)

        serving = self._leases[host].serve(subscribe, publish)
        task = self._served[host] = asyncio.create_task(serving, name=f"claims of {host}")

    def cut(self, host: str) -> asyncio.Task[None] | None:
        """Break the connection of a host: from now on nothing comes from it, or to it."""
        task = self._served.pop(host, None)
        if task is not None:
            task.cancel()
        return task

    async def disconnect(self, host: str) -> None:
        """Break the connection of a host, and wait until it knows."""
        task = self.cut(host)
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    # --- the broker itself

    async def stop(self, *, forgets: bool) -> None:
        """Stop it; `forgets` what it retained."""
        self._is_up = False
        if forgets:
            self._retained.clear()
        for host in list(self._served):
            await self.disconnect(host)

    def start(self) -> None:
        """Start it again."""
        self._is_up = True
        for host in self._leases:
            self.connect(host)

    # --- messages

    def _arrive(self, message: Message) -> None:
        if not self._is_up:
            return
        payload = bytes(message.payload)
        self._retained[message.topic] = payload
        for host in list(self._served):
            self._hand_on(host, message.topic, payload, retained=False)

    def _hand_on(self, host: str, topic: str, payload: bytes, *, retained: bool) -> None:
        served, way = self._served[host], f"{host} hears a claim"

        def hear() -> None:
            if self._served.get(host) is served:
                self._leases[host].take(topic, payload, retained=retained)
                self._on_done(host, way)

        for after_s in self.takes_s(way):
            asyncio.get_running_loop().call_later(after_s, hear)
