# SPDX-License-Identifier: MIT
"""`tenuto daemon` as a dashboard meets it: a process of its own, a real broker in between."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tenuto.mqtt.address import BrokerAddress
from tests.mqtt.dashboard import dashboard
from tests.patience import patience_s
from tests.processes import environment, tenuto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Broker
    from tests.mqtt.dashboard import Dashboard

pytestmark = pytest.mark.real_time

SPEED = 20


@contextmanager
def daemon(folder: Path, url: str, more: str = "") -> Iterator[subprocess.Popen[str]]:
    config = folder / "tenuto.toml"
    config.write_text(f'history.path = "history.db"\nmqtt.url = "{url}"\n{more}')
    with subprocess.Popen(
        [sys.executable, "-m", "tenuto", "daemon", "--speed", str(SPEED)],
        env=environment(folder),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def state(board: Dashboard) -> str | None:
    session = board.json("tenuto/simulated/session")
    return session["state"] if session else None


def online(board: Dashboard) -> bool:
    return all(
        board.now.get(f"tenuto/{who}/availability") == "online" for who in ("bridge", "simulated")
    )


@pytest.mark.slow
async def test_a_dashboard_plays_pauses_and_stops(
    tmp_path: Path, mosquitto_broker: Callable[..., Broker]
) -> None:
    broker = mosquitto_broker()
    address = BrokerAddress.parse(f"mqtt://127.0.0.1:{broker.port}")
    with daemon(tmp_path, str(address)) as process:
        async with dashboard(address) as board:
            await board.until(lambda b: online(b) and state(b) == "idle")
            answer = await board.ask("start", "simulated")
            assert answer["ok"], answer
            await board.until(lambda b: state(b) == "playing")
            session = board.json("tenuto/simulated/session")
            assert session["routine"] == "lower-back"
            assert (await board.ask("pause", "simulated"))["ok"]
            await board.until(lambda b: state(b) == "paused")
            refused = await board.ask("pause", "simulated")
            assert (refused["ok"], refused["reason"]) == (False, "already_paused")
            assert (await board.ask("resume", "simulated"))["ok"]
            await board.until(lambda b: state(b) == "playing")
            assert (await board.ask('{"command": "stop", "id": "x"}', "simulated"))["id"] == "x"
            await board.until(lambda b: state(b) == "ended")
            assert board.json("tenuto/simulated/session")["reason"] == "stopped"
            await board.until(lambda b: "session_ended" in b.now["tenuto/simulated/event"])
            events = [event["event"] for event in board.all("tenuto/simulated/event")]
            assert events[0] == "session_started"
            assert [events.count(name) for name in ("paused", "resumed", "session_ended")] == [
                1
            ] * 3
            assert not any(topic.endswith("/heart") for topic in board.now), "not asked for"
            process.send_signal(signal.SIGTERM)
            assert process.wait(patience_s(10)) == 0
            await board.until(lambda b: b.now["tenuto/bridge/availability"] == "offline")
    assert "stopped" in tenuto("history", folder=tmp_path).stdout


@pytest.mark.slow
async def test_a_dashboard_learns_when_tenuto_dies(
    tmp_path: Path, mosquitto_broker: Callable[..., Broker]
) -> None:
    broker = mosquitto_broker()
    address = BrokerAddress.parse(f"mqtt://127.0.0.1:{broker.port}")
    with daemon(tmp_path, str(address)) as process:
        async with dashboard(address) as board:
            await board.until(online)
            refused = await board.ask("restart", "bridge")
            assert (refused["ok"], refused["reason"]) == (False, "not_allowed")
            process.kill()
            await board.until(lambda b: b.now.get("tenuto/bridge/availability") == "offline")


@pytest.mark.slow
async def test_titles_are_offered_and_a_private_name_is_all_that_the_broker_gets(
    tmp_path: Path, mosquitto_broker: Callable[..., Broker]
) -> None:
    broker = mosquitto_broker()
    address = BrokerAddress.parse(f"mqtt://127.0.0.1:{broker.port}")
    announced = "homeassistant/device/tenuto_wearable_simulated/config"
    with daemon(tmp_path, str(address)):
        async with dashboard(address) as board:
            await board.client.subscribe("homeassistant/#", qos=1)
            await board.until(lambda b: online(b) and state(b) == "idle" and announced in b.now)
            options = board.json(announced)["components"]["routine"]["options"]
            assert {"Hips", "Ten and ten", "lower-back"} <= set(options)
            assert board.json("tenuto/simulated/settings")["routine"] == "lower-back"

            await board.client.publish("tenuto/simulated/routine/set", "pelvic-floor", qos=1)
            await board.until(
                lambda b: b.json("tenuto/simulated/settings")["routine"] == "Ten and ten"
            )
            assert (await board.ask("start", "simulated"))["ok"]
            await board.until(
                lambda b: (b.json("tenuto/simulated/session") or {}).get("kind") == "hold"
            )
            session = board.json("tenuto/simulated/session")
            assert (session["routine"], session["title"]) == ("Ten and ten", "Ten and ten")
            assert (session["exercise"], session["reps"]) == ("exercise 1", 10)
            assert (await board.ask("stop", "simulated"))["ok"]
            await board.until(lambda b: state(b) == "ended")
            ours = [text for topic, text in board.now.items() if not topic.endswith("/set")]
            told = "\n".join(ours).lower()
            assert "pelvic" not in told
            assert "slow holds" not in told
