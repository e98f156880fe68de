# SPDX-License-Identifier: MIT
from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.client import make_client

if TYPE_CHECKING:
    from tests.conftest import StartBroker


async def test_neither_side_waits_for_the_other_to_acknowledge(
    mosquitto_broker: StartBroker,
) -> None:
    """That both do was measured, see `tests/bench/bench_scale.py`: it costs 40 ms a message."""
    broker = mosquitto_broker()
    address = BrokerAddress(broker.host, broker.port)
    async with make_client(address, timeout_s=10, tls=None) as client:
        connection = client._client.socket()
        assert isinstance(connection, socket.socket)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if not hasattr(socket, "TCP_QUICKACK"):
            pytest.skip("this system cannot be asked to acknowledge at once")
        for _ in range(20):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            await client.publish("tenuto/wrist/event", b"{}", qos=1)
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)
