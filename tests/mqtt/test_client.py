# SPDX-License-Identifier: MIT
from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.client import make_client
from tests.mqtt.test_bridge import make_bridge
from tests.patience import patience_s

if TYPE_CHECKING:
    from tests.conftest import StartBroker

pytestmark = pytest.mark.real_time


async def test_neither_side_waits_for_the_other_to_acknowledge(
    mosquitto_broker: StartBroker,
) -> None:
    """That both do was measured, see `tests/bench/bench_scale.py`: it costs 40 ms a message."""
    broker = mosquitto_broker()
    address = BrokerAddress(broker.host, broker.port)
    async with make_client(address, timeout_s=patience_s(10), tls=None) as client:
        connection = client._client.socket()
        assert isinstance(connection, socket.socket)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if not hasattr(socket, "TCP_QUICKACK"):
            pytest.skip("this system cannot be asked to acknowledge at once")
        for _ in range(20):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            await client.publish("tenuto/wrist/event", b"{}", qos=1)
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)


async def test_it_can_be_given_up_while_a_broker_does_not_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            heard.set()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        address = BrokerAddress("127.0.0.1", server.sockets[0].getsockname()[1])
        bridge = make_bridge(address)
        await bridge.open()
        await asyncio.wait_for(heard.wait(), patience_s(10))
        await bridge.close()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
