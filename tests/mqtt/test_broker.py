# SPDX-License-Identifier: MIT
"""The embedded broker: a broker for those who have none."""

from __future__ import annotations

import asyncio
import math
import random
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tenuto import timebase
from tenuto.commands import Answer, Command
from tenuto.errors import InputError, TenutoError
from tenuto.mqtt.bridge import Bridge
from tenuto.mqtt.broker import EmbeddedBroker
from tenuto.outlets import Outlet
from tests.history.sessions import whole_session
from tests.mqtt.dashboard import dashboard

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 2_000
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
    async def submit(command: Command) -> Answer:
        await asyncio.sleep(1)
        return Answer(ok=True, reason="ok", text="", id=command.id)

    async def main() -> None:
        async with EmbeddedBroker(unused_tcp_port_factory()) as broker:
            bridge = Bridge(
                broker.address,
                wearables=["wrist"],
                submit=submit,
                rng=random.Random(1),
                connect_timeout_s=PATIENCE_S,
                publish_timeout_s=PATIENCE_S,
            )
            async with Outlet(bridge) as outlet, dashboard(broker.address, PATIENCE_S) as board:
                for entry in whole_session():
                    outlet.put(entry)
                await board.until(
                    lambda d: (
                        len(d.all("tenuto/wrist/event")) == 26
                        and d.json("tenuto/wrist/session")["state"] == "ended"
                    )
                )
                assert (await board.ask("pause"))["ok"]

    timebase.run(main(), speed=speed, settle_s=0.05)
