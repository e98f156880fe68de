# SPDX-License-Identifier: MIT
"""Brokers for the bridge: the real Mosquitto and the embedded one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.broker import EmbeddedBroker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(params=["mosquitto", "embedded"])
async def address(request: pytest.FixtureRequest) -> AsyncIterator[BrokerAddress]:
    """Where a broker listens; each test runs with either."""
    if request.param == "mosquitto":
        broker = request.getfixturevalue("mosquitto_broker")()
        yield BrokerAddress(broker.host, broker.port)
        return
    port = request.getfixturevalue("unused_tcp_port")
    async with EmbeddedBroker(port) as embedded:
        yield embedded.address


@pytest.fixture
async def embedded(unused_tcp_port: int) -> AsyncIterator[BrokerAddress]:
    """Where the embedded broker listens, for what does not depend on the broker."""
    async with EmbeddedBroker(unused_tcp_port) as broker:
        yield broker.address
