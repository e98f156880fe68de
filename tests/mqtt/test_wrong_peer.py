# SPDX-License-Identifier: MIT
"""What a person reads where an address leads to something else than their broker."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.broker_check import probe
from tests.mqtt.certificates import Authority
from tests.mqtt.dashboard import dashboard
from tests.mqtt.test_bridge import is_online, make_bridge, running
from tests.patience import patience_s, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.conftest import StartBroker

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

pytestmark = pytest.mark.real_time


@asynccontextmanager
async def port_of(serve: Serve) -> AsyncIterator[BrokerAddress]:
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield BrokerAddress("127.0.0.1", server.sockets[0].getsockname()[1])


async def told(address: BrokerAddress, caplog: pytest.LogCaptureFixture) -> tuple[str, str]:
    """Return what the doctor and the daemon's log say."""
    caplog.clear()
    doctor = await probe(address, patience_s(0.5))
    async with running(make_bridge(address, connect_timeout_s=patience_s(0.5))) as bridge:
        beginning = f"mqtt broker={address}"
        await until(lambda: beginning in caplog.text)
        assert not bridge.connected
    (log,) = {one.getMessage() for one in caplog.records if one.getMessage().startswith(beginning)}
    assert "is away" not in log, "it is not"
    return str(doctor), log.removeprefix(beginning).strip(": ")


async def test_a_port_that_wants_tls_and_one_that_has_none(
    tmp_path: Path, mosquitto_broker: StartBroker, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    authority.issue("broker", "127.0.0.1")
    files = f"certfile {tmp_path}/broker.crt\nkeyfile {tmp_path}/broker.key"
    secret, plain = mosquitto_broker(f"allow_anonymous true\n{files}"), mosquitto_broker()

    address = BrokerAddress(secret.host, secret.port)
    doctor, log = await told(address, caplog)
    assert doctor == log
    assert log.startswith("it wants TLS there; write mqtts:// for mqtt://")

    doctor, log = await told(BrokerAddress(plain.host, plain.port, tls=True), caplog)
    assert doctor == log
    assert log.startswith("a broker answers there without TLS; is the port right?")

    doctor, log = await told(replace(address, tls=True), caplog)
    assert doctor == log
    assert log.startswith("its certificate is not trusted: ")
    assert "see [mqtt] ca_file" in log


async def test_a_web_server(caplog: pytest.LogCaptureFixture) -> None:
    runner = web.AppRunner(web.Application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        address = BrokerAddress(*runner.addresses[0][:2])
        for tls in (False, True):
            doctor, log = await told(replace(address, tls=tls), caplog)
            assert doctor == log
            assert log.startswith("a web server answers there, and no broker")
            assert "is the port right? MQTT has 1883" in log
    finally:
        await runner.cleanup()


async def test_what_says_something_else_or_nothing_at_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-Test\r\n")
        await reader.read(1024)
        writer.close()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.close()

    for serve, beginning in (
        (greet, "an SSH server answers there, and no broker; is the port right?"),
        (hang_up, "it takes the connection and says nothing that is MQTT; is the port right?"),
    ):
        async with port_of(serve) as address:
            doctor, log = await told(address, caplog)
            assert doctor == log
            assert log.startswith(beginning)


async def test_one_that_closes_the_connection_upon_mqtt_5_is_asked_in_3_1_1_at_once(
    embedded: BrokerAddress, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tenuto")
    asked: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connect = await reader.read(1024)
        asked.append(connect[8])
        if connect[8] == 5:
            writer.close()
            return
        back, forth = await asyncio.open_connection(embedded.host, embedded.port)
        forth.write(connect)
        await asyncio.wait(
            {
                asyncio.create_task(_copy(reader, forth)),
                asyncio.create_task(_copy(back, writer)),
            }
        )

    async with port_of(serve) as address, dashboard(embedded) as board:
        # A pause would outlast the test.
        bridge = make_bridge(address, retry_first_s=1e4, retry_max_s=1e4)
        async with running(bridge):
            await board.until(is_online)
    assert asked == [5, 4]
    assert f"broker={address} knows MQTT 3.1.1 only" in caplog.text
    assert "without a word" not in caplog.text


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
    writer.close()


async def test_no_password_goes_to_what_is_no_broker(caplog: pytest.LogCaptureFixture) -> None:
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(1024))
        writer.close()

    async with port_of(serve) as address:
        # By TLS, which it does not speak; then it is looked at what it is.
        named = replace(address, tls=True, user="ada", password="s3cret")  # noqa: S106
        async with running(make_bridge(named)):
            await until(lambda: b"MQTT" in heard)
    assert b"s3cret" not in heard
    assert b"ada" not in heard
    assert "s3cret" not in caplog.text
