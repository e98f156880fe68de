# SPDX-License-Identifier: MIT
"""`tenuto daemon`, asked by MQTT to restart and to pair."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.cli.daemon import START_AGAIN
from tenuto.mqtt.address import BrokerAddress
from tenuto.state.keys import KeyStore
from tenuto.wearables.base import Identity
from tenuto_core.auth import KEY_BYTES
from tests.mqtt.dashboard import dashboard
from tests.patience import patience_s
from tests.processes import address as band, configure, tenuto_process, user, wearable, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Broker
    from tests.mqtt.dashboard import Dashboard

pytestmark = [pytest.mark.slow, pytest.mark.real_time]

RESULT = "tenuto/bridge/result"


@pytest.fixture
def folder() -> Iterator[Path]:
    with user() as made:
        yield made


async def ask(board: Dashboard, what: str, payload: str) -> Any:
    before = len(board.all(RESULT))
    await board.client.publish(f"tenuto/bridge/{what}", payload, qos=1)
    await board.until(lambda b: len(b.all(RESULT)) > before)
    return board.all(RESULT)[before]


async def test_a_service_manager_gets_to_start_it_again(
    folder: Path, mosquitto_broker: Callable[..., Broker]
) -> None:
    address = BrokerAddress.parse(f"mqtt://127.0.0.1:{mosquitto_broker().port}")
    configure(folder, "home_assistant.manage = true", mqtt=str(address))
    environ = {"NOTIFY_SOCKET": "/nowhere/at/all"}
    with tenuto_process("daemon", "--speed", "200", folder=folder, **environ) as daemon:
        async with dashboard(address) as board:
            await board.until(lambda b: b.now.get("tenuto/bridge/availability") == "online")
            answer = await ask(board, "command", "restart")
            while answer["reason"] == "too_soon":
                await asyncio.sleep(0.1)
                answer = await ask(board, "command", "restart")
            assert answer["ok"], answer
            await board.until(lambda b: b.now["tenuto/bridge/availability"] == "offline")
        assert await asyncio.to_thread(daemon.process.wait, patience_s(10)) == START_AGAIN


async def test_pairing_lasts_until_it_is_ended_and_takes_who_waits_for_it(
    folder: Path, mosquitto_broker: Callable[..., Broker]
) -> None:
    """The band has forgotten this computer, and is another one for all it can prove."""
    address = BrokerAddress.parse(f"mqtt://127.0.0.1:{mosquitto_broker().port}")
    data = folder / "data" / "tenuto"
    data.mkdir(parents=True)
    known = Identity(name="anna", boot_id=1, plan_bytes_max=1, address=band(1))
    KeyStore(data / "keys.json").of("anna").settle(known, bytes(KEY_BYTES), over_air=True)
    with world(folder, 1) as adapter:
        more = f'home_assistant.manage = true\nbluetooth.adapter = "{adapter}"\n'
        configure(folder, more + wearable("anna", band(1)), mqtt=str(address))
        with tenuto_process("daemon", folder=folder) as daemon:
            await asyncio.to_thread(daemon.until, "reason=bond_lost")
            async with dashboard(address) as board:
                await board.until(lambda b: b.now.get("tenuto/bridge/availability") == "online")
                assert (await ask(board, "command", "restart"))["reason"] == "no_service_manager"
                answer = await ask(board, "pairing/set", "ON")
                assert answer["ok"], answer
                assert "anna" in answer["text"]
                await board.until(lambda b: b.json("tenuto/bridge/state")["pairing"])
                assert (await ask(board, "pairing/set", "ON"))["reason"] == "busy"
                assert (await ask(board, "pairing/set", "OFF"))["ok"]
                await board.until(lambda b: not b.json("tenuto/bridge/state")["pairing"])
                # The wearable is kept again as before.
                await asyncio.to_thread(daemon.until, "wearable=anna reason=")
