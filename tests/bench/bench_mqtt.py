# SPDX-License-Identifier: MIT
"""What a session costs the broker: `python -m tests.bench.bench_mqtt [ROUTINE]`.

The routine is played by the real player in virtual time, its entries go through the real bridge to
a real broker, and a plain client that subscribes to everything counts what it gets.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter

import aiomqtt

from tenuto.daemon.commands import Requests
from tenuto.mqtt.bridge import Bridge
from tenuto.mqtt.broker import EmbeddedBroker
from tenuto.mqtt.discovery import Subject
from tenuto.mqtt.home_assistant import HomeAssistant
from tenuto.routines.library import Library
from tenuto.testing.brokers import free_port
from tenuto_core import vocab
from tests.bench.tools import say
from tests.history.sessions import UTC_MS, Band
from tests.mqtt.known import InMemory
from tests.mqtt.test_bridge import Daemon

BEAT_EVERY_MS = 5_000
LOOK_EVERY_MS = 250
QUIET_S = 0.5


async def main(name: str) -> None:
    """Play, count and print."""
    library = Library()
    plan = library.plan(name).plan
    band = Band(plan=plan)
    seen: Counter[str] = Counter()
    size: Counter[str] = Counter()
    async with EmbeddedBroker(free_port()) as broker:
        bridge = Bridge(
            [broker.address],
            submit=Requests(Daemon().submit).submit,
            rng=random.Random(1),
            utc_ms=lambda: UTC_MS + band.now_ms,
            home_assistant=HomeAssistant(known=InMemory(), routines=library.names, settle_s=0.1),
        )
        bridge.set_subjects([Subject(id="wrist", name="wrist", heart=True)])
        async with aiomqtt.Client(broker.address.host, broker.address.port) as client:
            await client.subscribe("#", qos=1)

            async def count() -> None:
                async for message in client.messages:
                    topic = str(message.topic)
                    seen[topic] += 1
                    size[topic] += len(topic) + len(message.payload)

            counting = asyncio.create_task(count())
            await bridge.open()
            await settle(seen)
            told_once = sum(size.values()), sum(seen.values())
            seen.clear()
            size.clear()
            band.do(vocab.START)
            lasts_ms = 0
            while band.player.due_ms is not None or not lasts_ms:
                if lasts_ms % BEAT_EVERY_MS == 0:
                    band.player.beat(90, (), band.now_ms)
                band.pass_ms(LOOK_EVERY_MS)
                lasts_ms += LOOK_EVERY_MS
                await bridge.handle(band.entries())
                # The broker of a real session has the time to take each change.
                await bridge._outgoing.wait_until_sent()
            await settle(seen)
            counting.cancel()
            await bridge.close()
    lasts_s = lasts_ms / 1000
    say(f"{name}: {lasts_s:.0f} s, a heart rate every {BEAT_EVERY_MS / 1000:g} s")
    for topic, count_of in sorted(seen.items()):
        say(f"  {topic:32} {count_of:5} messages {size[topic]:8} bytes")
    messages, total = sum(seen.values()), sum(size.values())
    say(f"  {'in all':32} {messages:5} messages {total:8} bytes, {messages / lasts_s:.2f} a second")
    session = "tenuto/wrist/session"
    each_second = lasts_s * size[session] / seen[session]
    say(f"  the same state each second: {each_second / size[session]:.1f} times its bytes")
    say(f"once per start: {told_once[1]} messages, {told_once[0]} bytes, most of it discovery")


async def settle(seen: Counter[str]) -> None:
    """Wait until nothing has come for a while."""
    before = -1
    while before != sum(seen.values()):
        before = sum(seen.values())
        await asyncio.sleep(QUIET_S)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "lower-back"))
