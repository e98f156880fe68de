# SPDX-License-Identifier: MIT
"""A class from outside: by MQTT and by the command line, of a daemon that is a process."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.mqtt.address import BrokerAddress
from tests.chain.test_mqtt import daemon
from tests.mqtt.dashboard import dashboard
from tests.patience import patience_s
from tests.processes import TIMEOUT_S, environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Broker
    from tests.mqtt.dashboard import Dashboard

pytestmark = [pytest.mark.real_time, pytest.mark.slow]

THREE = "\n".join(f'[[wearable]]\nid = "{name}"\nlink = "simulated"' for name in ("a", "b", "c"))


async def tenuto(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line while the daemon runs."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tenuto", "class", *arguments],
            env=environment(folder),
            capture_output=True,
            text=True,
            timeout=patience_s(TIMEOUT_S),
            check=False,
        )

    return await asyncio.to_thread(run)


def of_class(board: Dashboard) -> dict[str, Any]:
    return board.json("tenuto/class/state") or {}


def chosen(board: Dashboard) -> Any:
    return (board.json("tenuto/class/settings") or {}).get("routine")


async def choose(board: Dashboard, routine: str) -> Any:
    """Set the routine of the class as its entity in Home Assistant does; return the answer."""
    before = len(board.all("tenuto/class/result"))
    await board.client.publish("tenuto/class/routine/set", routine, qos=1)
    await board.until(lambda b: len(b.all("tenuto/class/result")) > before)
    return board.all("tenuto/class/result")[before]


async def test_a_class_is_started_followed_paused_and_stopped(
    tmp_path: Path, mosquitto_broker: Callable[..., Broker]
) -> None:
    broker = mosquitto_broker()
    address = BrokerAddress.parse(f"mqtt://127.0.0.1:{broker.port}")
    with daemon(tmp_path, str(address), THREE) as process:
        async with dashboard(address) as board:
            await board.client.subscribe("homeassistant/#", qos=1)
            await board.until(
                lambda b: all(b.now.get(f"tenuto/{one}/availability") == "online" for one in "abc")
            )
            announced = "homeassistant/device/tenuto_class_all/config"
            await board.until(lambda b: announced in b.now)
            entities = board.json(announced)["components"]
            assert entities["class_stop"]["command_topic"] == "tenuto/class/command"
            offered = entities["class_routine"]["options"]
            assert "A break at the desk" in offered
            assert "Planks, as long as you can" not in offered, "it takes each another time"
            assert chosen(board) == "lower-back"
            refused = await board.ask("class_pause", "class")
            assert (refused["ok"], refused["reason"]) == (False, "not_playing")
            bad = await board.ask('{"command": "class_start", "wearables": 3, "id": "x"}', "class")
            assert (bad["ok"], bad["reason"], bad["id"]) == (False, "bad_request", "x")
            assert (await choose(board, "planks"))["reason"] == "bad_request"
            assert (await choose(board, "A break at the desk"))["ok"]
            await board.until(lambda b: chosen(b) == "A break at the desk")
            process.send_signal(signal.SIGTERM)
            process.wait(patience_s(10))
    with daemon(tmp_path, str(address), THREE):
        async with dashboard(address) as board:
            await board.until(
                lambda b: all(b.now.get(f"tenuto/{one}/availability") == "online" for one in "abc")
            )
            await board.until(lambda b: of_class(b).get("state") == "idle")
            assert chosen(board) == "A break at the desk"
            assert (await board.ask("class_start", "class"))["ok"]
            await board.until(lambda b: of_class(b).get("in_step") == 3)
            assert of_class(board)["routine"] == "desk"
            told = json.loads((await tenuto(tmp_path, "status", "--json")).stdout)
            assert [row["standing"] for row in told["members"]] == ["playing"] * 3
            assert (await tenuto(tmp_path, "pause")).returncode == 0
            await board.until(lambda b: of_class(b).get("state") == "paused")
            assert (await tenuto(tmp_path, "pause")).returncode == 1
            assert "paused" in (await tenuto(tmp_path, "status")).stdout
            assert (await board.ask("class_resume", "class"))["ok"]
            stopped = await tenuto(tmp_path, "stop")
            assert (stopped.returncode, stopped.stderr) == (0, "")
            await board.until(lambda b: of_class(b).get("state") == "stopped")
            await board.until(
                lambda b: all(
                    (b.json(f"tenuto/{one}/session"))["state"] == "ended" for one in "abc"
                )
            )
            assert not any(topic.endswith("/heart") for topic in board.now), "not asked for"
            assert "bpm" not in of_class(board)
