# SPDX-License-Identifier: MIT
"""A dashboard: a plain MQTT client that sees everything and may press buttons."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiomqtt

from tests.patience import patience_s

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from tenuto.mqtt.address import BrokerAddress

WITHIN_S = 10


class Dashboard:
    """What a client sees of the topics below `tenuto/`.

    now: the last payload of each topic, as text.  seen: all messages as (topic, payload, retain).
    """

    def __init__(self, client: aiomqtt.Client, within_s: float) -> None:
        self.client = client
        self.within_s = within_s
        self.now: dict[str, str] = {}
        self.seen: list[tuple[str, str, bool]] = []
        self._news = asyncio.Event()

    async def watch(self) -> None:
        async for message in self.client.messages:
            topic, payload = str(message.topic), message.payload.decode(errors="replace")
            self.now[topic] = payload
            self.seen.append((topic, payload, message.retain))
            self._news.set()

    def json(self, topic: str) -> Any:
        return json.loads(self.now.get(topic) or "null")

    def all(self, topic: str) -> list[Any]:
        return [json.loads(payload) for seen, payload, _ in self.seen if seen == topic]

    async def until(self, condition: Any) -> None:
        """Wait until `condition(self)` is true; on time-out show what was seen."""
        try:
            async with asyncio.timeout(patience_s(self.within_s)):
                while not condition(self):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"never came; the last of each topic: {self.now}") from None

    async def send(self, payload: str | bytes, wearable: str = "wrist", **more: Any) -> None:
        await self.client.publish(f"tenuto/{wearable}/command", payload, qos=1, **more)

    async def ask(self, payload: str | bytes, wearable: str = "wrist", **more: Any) -> Any:
        """Send a command and give the answer that comes next."""
        topic = f"tenuto/{wearable}/result"
        before = len(self.all(topic))
        await self.send(payload, wearable, **more)
        await self.until(lambda d: len(d.all(topic)) > before)
        return self.all(topic)[before]


@asynccontextmanager
async def dashboard(
    address: BrokerAddress, within_s: float = WITHIN_S, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Dashboard]:
    """Connect a dashboard, which waits for anything at most `within_s` of the loop's clock."""
    async with aiomqtt.Client(
        address.host,
        address.port,
        transport=address.transport,
        username=address.user,
        password=address.password,
        timeout=patience_s(within_s),
        tls_context=tls,
    ) as client:
        await client.subscribe("tenuto/#", qos=1)
        board = Dashboard(client, within_s)
        watching = asyncio.create_task(board.watch(), name="dashboard")
        try:
            yield board
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
