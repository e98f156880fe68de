# SPDX-License-Identifier: MIT
"""The embedded broker: a broker for those who have none."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import socket
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenuto import event_loops
from tenuto.daemon.sinks import SinkQueue
from tenuto.errors import InputError, TenutoError
from tenuto.history import Store
from tenuto.mqtt.bridge import Bridge
from tenuto.mqtt.broker import EmbeddedBroker, make_amqtt
from tenuto.mqtt.discovery import Subject
from tenuto.sessions.commands import Answer
from tests.history.sessions import session_without_heart, whole_session
from tests.mqtt.dashboard import dashboard
from tests.mqtt.test_bridge import make_bridge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenuto.mqtt.address import BrokerAddress
    from tenuto.sessions.admission import Request
    from tests.mqtt.dashboard import Dashboard

pytestmark = pytest.mark.real_time

WITHIN_S = 10_000
"""Of a clock that runs much faster than the broker."""


async def test_it_takes_the_usual_port_or_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        monkeypatch.setattr("tenuto.mqtt.broker.PORT", port)
        async with EmbeddedBroker() as broker:
            assert broker.address.port not in (0, port)
        with pytest.raises(TenutoError, match=f"cannot listen on port {port}"):
            await EmbeddedBroker(port).__aenter__()
    async with EmbeddedBroker() as broker:
        assert broker.address.port == port


async def test_it_is_deaf_to_the_rest_of_the_network(unused_tcp_port: int) -> None:
    async with EmbeddedBroker(unused_tcp_port) as broker:
        assert broker.address.host == "127.0.0.1"
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.2", unused_tcp_port)


async def test_without_its_package_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "amqtt"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "amqtt", None)
    with pytest.raises(InputError, match=r"tenuto\[broker\]"):
        await EmbeddedBroker().__aenter__()


async def test_somebody_may_subscribe_while_it_goes_through_the_subscriptions() -> None:
    """It awaits in the middle of that, when it greets one who comes back to a kept session."""
    subscriptions = make_amqtt(anonymous=True).subscriptions
    subscriptions["a"] = []
    for topic in subscriptions:
        subscriptions[f"{topic}/meanwhile"] = []
    for topic, sessions in subscriptions.items():
        assert not sessions
        del subscriptions[topic]
    assert not subscriptions


async def test_it_ends_with_its_thread_though_clients_are_still_there(unused_tcp_port: int) -> None:
    async with EmbeddedBroker(unused_tcp_port):
        _, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
    writer.close()

    assert "tenuto-broker" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("speed", [20.0, math.inf], ids=["20 times", "virtual"])
def test_it_serves_at_any_speed_of_the_session(
    unused_tcp_port_factory: Callable[[], int], speed: float
) -> None:
    async def submit(command: Request) -> Answer:
        await asyncio.sleep(1)
        return Answer(ok=True, reason="ok", text="", id=getattr(command, "id", None))

    async def main() -> None:
        async with EmbeddedBroker(unused_tcp_port_factory()) as broker:
            bridge = Bridge(
                [broker.address],
                submit=submit,
                rng=random.Random(1),
            )
            bridge.set_subjects([Subject(id="wrist", name="wrist")])
            async with SinkQueue(bridge) as queue, dashboard(broker.address, WITHIN_S) as board:
                for entry in whole_session():
                    queue.put(entry)
                await board.until(
                    lambda d: (
                        len(d.all("tenuto/wrist/event")) == 26
                        and d.json("tenuto/wrist/session")["state"] == "ended"
                    )
                )
                assert (await board.ask("pause"))["ok"]

    event_loops.run(main(), speed=speed, settle_s=0.001)


FAR_S = 0.06
PATIENCE_REAL_S = 10


@contextlib.contextmanager
def far_away(address: BrokerAddress) -> Iterator[BrokerAddress]:
    """Give an address at which all that the broker says and is told takes `FAR_S`, really."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            time.sleep(FAR_S)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def relay() -> None:
        near, _ = listening.accept()
        with near, socket.create_connection((address.host, address.port)) as far:
            back = threading.Thread(target=pump, args=(far, near), name="far broker, back")
            back.start()
            pump(near, far)
            back.join(PATIENCE_REAL_S)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=relay, name="far broker")
        thread.start()
        yield replace(address, port=listening.getsockname()[1])
        thread.join(PATIENCE_REAL_S)
        assert not thread.is_alive()


def test_a_fast_clock_hurries_neither_the_broker_nor_the_disk(
    unused_tcp_port: int, tmp_path: Path
) -> None:
    """What is a second for the broker is 25 ms when the clock runs 40 times as fast."""
    session = session_without_heart()

    async def tell(address: BrokerAddress, store: Store, board: Dashboard) -> None:
        bridge = make_bridge(address, utc_ms=lambda: session[-1].utc_ms, table=store.outbox)
        async with SinkQueue(bridge) as queue:
            await board.until(lambda d: d.now.get("tenuto/bridge/availability") == "online")
            for entry in session:
                queue.put(entry)
        assert (queue.dropped, bridge.dropped) == (0, 0)

    async def main() -> None:
        async with (
            EmbeddedBroker(unused_tcp_port) as broker,
            Store(tmp_path / "history.db") as store,
            dashboard(broker.address, WITHIN_S) as board,
        ):
            with far_away(broker.address) as address:
                await tell(address, store, board)
            await board.until(lambda d: d.now["tenuto/bridge/availability"] == "offline")
            assert await store.outbox.after(0, 1000) == []
            events = board.all("tenuto/wrist/event")
            assert len(events) == 26
            assert not any(event["late"] for event in events)

    event_loops.run(main(), speed=40)
