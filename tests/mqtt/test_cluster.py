# SPDX-License-Identifier: MIT
"""A broker of several nodes, or one with a spare: what a person loses when one of them dies."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiomqtt
import pytest

from tenuto.history import Store
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.broker import EmbeddedBroker
from tenuto.mqtt.topics import event_payload
from tenuto.testing.brokers import free_port
from tenuto_core import vocab
from tests.conftest import part
from tests.history.sessions import READY_MS, Band
from tests.mqtt.dashboard import dashboard
from tests.mqtt.nats import cluster
from tests.mqtt.test_bridge import EVENT, SESSION, Daemon, is_online, make_bridge, running
from tests.patience import patience_s, until
from tests.storm.broker import PUBLISH, take_packets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.mqtt.dashboard import Dashboard
    from tests.mqtt.nats import Node

pytestmark = pytest.mark.real_time

USER = "tenuto"
CONNECT, SUBSCRIBE = 1, 8
RETAINED_AGAIN_S = 60.0
"""A node's death takes NATS 2.9 up to half a minute before retained messages come again."""


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[Node]]:
    with cluster(part("nats-server"), tmp_path) as started:
        yield started


@asynccontextmanager
async def seen_by(nodes: list[Node]) -> AsyncIterator[Dashboard]:
    """Watch from the last node, which nobody kills here."""
    async with dashboard(nodes[-1].address("homeassistant"), RETAINED_AGAIN_S) as board:
        yield board


def heard(board: Dashboard) -> list[str]:
    """Return the events in the order in which they came, without whether they were late."""
    told = board.all(EVENT)
    for event in told:
        del event["late"]
    return [json.dumps(event) for event in told]


@pytest.mark.slow
async def test_a_node_killed_in_mid_session_loses_no_event_and_tells_none_twice(
    tmp_path: Path, nodes: list[Node], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tenuto")
    band = Band()
    told = []
    daemon = Daemon()
    async with Store(tmp_path / "h.db") as store, seen_by(nodes) as board:
        bridge = make_bridge(
            [node.address(USER) for node in nodes], daemon.submit, table=store.outbox
        )
        async with running(bridge):
            await board.until(is_online)
            # It knows MQTT 3.1.1 only and says so; that is no reason to leave the first node.
            assert f"{nodes[0].address(USER)} connected" in caplog.text
            bridge.wearable_online("wrist", True)
            band.do(vocab.START)
            band.pass_ms(READY_MS + 1_000)
            entries = band.entries()
            await bridge.handle(entries)
            told += entries
            await board.until(lambda d: len(d.all(EVENT)) == len(told))

            await asyncio.to_thread(nodes[0].kill)
            for _ in range(4):
                band.pass_ms(30_000)
                entries = band.entries()
                await bridge.handle(entries)
                told += entries
            bridge.set_summary("wrist", {"last_reason": "finished"})

            expected = [json.dumps(event_payload(entry)) for entry in told]
            await board.until(lambda d: set(heard(d)) == set(expected))
            await until(lambda: not bridge._outbox.waits)
            # What the dead node had and had not acknowledged comes again: at least once.
            assert list(dict.fromkeys(heard(board))) == expected
            await board.until(lambda d: d.json(SESSION)["state"] == "ended")
            await board.until(lambda d: d.now.get("tenuto/wrist/availability") == "online")
            assert board.json("tenuto/wrist/summary") == {"last_reason": "finished"}
            assert (await board.ask("pause"))["ok"]
            assert bridge.dropped == 0


async def test_the_next_address_is_tried_at_once_and_each_reason_is_told(
    unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = BrokerAddress("127.0.0.1", free_port())
    async with EmbeddedBroker(unused_tcp_port) as spare:
        # A pause would outlast the test.
        bridge = make_bridge([nobody, spare.address], retry_first_s=1e4, retry_max_s=1e4)
        async with running(bridge):
            await until(lambda: bridge.connected)
    assert f"{nobody} is away" in caplog.text
    assert f"{spare.address} is away" not in caplog.text


async def test_after_all_addresses_comes_a_pause(caplog: pytest.LogCaptureFixture) -> None:
    nobody = [BrokerAddress("127.0.0.1", free_port()) for _ in range(3)]
    asked = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", nobody[-1].port)
    async with server, running(make_bridge(nobody, retry_first_s=1e4, retry_max_s=1e4)):
        await until(lambda: all(str(one) in caplog.text for one in nobody))
        await asyncio.sleep(0.2)
    assert asked == 4, "in MQTT 5 and in 3.1.1, and what it is, without TLS and with it"


async def test_a_broker_that_ends_is_left_for_its_spare(unused_tcp_port: int) -> None:
    async with EmbeddedBroker(unused_tcp_port) as spare:
        async with EmbeddedBroker(free_port()) as first:
            bridge = make_bridge([first.address, spare.address], retry_first_s=1e4, retry_max_s=1e4)
            stack = running(bridge)
            await stack.__aenter__()
            await until(lambda: bridge.connected)
        try:
            async with (
                aiomqtt.Client(spare.address.host, spare.address.port) as client,
                asyncio.timeout(patience_s(10)),
            ):
                await client.subscribe("tenuto/bridge/availability")
                async for message in client.messages:
                    if message.payload == b"online":
                        break
        finally:
            await stack.__aexit__(None, None, None)


async def test_what_the_broker_refuses_to_let_through_is_asked_for_until_it_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As a cluster does whose nodes agree on a leader just then."""
    caplog.set_level(logging.INFO, "tenuto")
    refused: Counter[str] = Counter()
    let_through = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came = bytearray()
        while chunk := await reader.read(4096):
            came += chunk
            for packet in take_packets(came):
                kind, number = packet[0] >> 4, packet[2:4]
                if kind == CONNECT:
                    writer.write(b"\x20\x02\x00\x00")
                elif kind == PUBLISH and packet[0] & 0x06:
                    at = 4 + packet[3] if packet[1] < 0x80 else 5 + packet[4]
                    writer.write(b"\x40\x02" + packet[at : at + 2])
                elif kind == SUBSCRIBE:
                    topic = packet[6:-1].decode()
                    is_refused = topic == "tenuto/+/command" and refused[topic] < 2
                    refused[topic] += is_refused
                    writer.write(b"\x90\x03" + number + (b"\x80" if is_refused else b"\x01"))
                    if topic == "tenuto/+/command" and not is_refused:
                        let_through.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    address = BrokerAddress(host, port, protocol="3.1.1")
    async with server, running(make_bridge(address)), asyncio.timeout(patience_s(10)):
        await let_through.wait()
        await until(lambda: "lets tenuto/+/command through now" in caplog.text)
    assert caplog.text.count("lets nothing through") == 1
