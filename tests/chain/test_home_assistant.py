# SPDX-License-Identifier: MIT
"""`tenuto daemon` as Home Assistant meets it: processes, a real broker, restarts in every order."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import signal
import sqlite3
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.mqtt.address import BrokerAddress
from tests.chain.test_mqtt import daemon, online, state
from tests.mqtt.dashboard import dashboard
from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Broker
    from tests.mqtt.dashboard import Dashboard

pytestmark = pytest.mark.real_time

CONFIG = "homeassistant/device/tenuto_wearable_simulated/config"


def address_of(broker: Broker) -> BrokerAddress:
    return BrokerAddress.parse(f"mqtt://127.0.0.1:{broker.port}")


async def put(board: Dashboard, name: str, value: str) -> Any:
    """Set something as an entity of Home Assistant does, and give the answer."""
    topic = "tenuto/simulated/result"
    before = len(board.all(topic))
    await board.client.publish(f"tenuto/simulated/{name}/set", value, qos=1)
    await board.until(lambda b: len(b.all(topic)) > before)
    return board.all(topic)[before]


def hold(board: Dashboard) -> dict[str, Any] | None:
    events = board.all("tenuto/simulated/event")
    return next((event for event in events if event["event_type"] == "hold_started"), None)


@pytest.mark.slow
async def test_what_is_set_changes_the_next_start_and_is_remembered(
    tmp_path: Path, mosquitto_broker: Callable[..., Broker]
) -> None:
    address = address_of(mosquitto_broker())
    async with dashboard(address) as board:
        with daemon(tmp_path, str(address)) as process:
            await board.until(online)
            assert (await put(board, "hold_time", "200"))["ok"]
            assert (await put(board, "countdown", "OFF"))["ok"]
            assert (await put(board, "routine", "lower-back-short"))["ok"]
            wrong = await put(board, "routine", "no-such-routine")
            assert (wrong["ok"], wrong["reason"]) == (False, "bad_request")
            process.send_signal(signal.SIGTERM)
            process.wait(patience_s(10))
        with daemon(tmp_path, str(address)):
            await board.until(lambda b: b.now["tenuto/simulated/availability"] == "offline")
            await board.until(online)
            settings = board.json("tenuto/simulated/settings")
            assert settings == {
                "routine": "lower-back-short",
                "strength": 100,
                "hold_time": 200,
                "halfway": True,
                "countdown": False,
            }
            assert (await board.ask("start", "simulated"))["ok"]
            await board.until(hold)
            assert board.json("tenuto/simulated/session")["routine"] == "lower-back-short"
            began = hold(board)
            assert began is not None
            assert began["duration_ms"] == 20_000, "twice the 10 s of the file"
            cues = {event.get("cue") for event in board.all("tenuto/simulated/event")}
            assert "countdown" not in cues
            assert (await board.ask("find", "simulated"))["reason"] == "busy"
            assert (await board.ask("toggle", "simulated"))["ok"]
            await board.until(lambda b: state(b) == "paused")
            assert (await board.ask("toggle", "simulated"))["ok"]
            await board.until(lambda b: state(b) == "playing")
            assert (await board.ask("stop", "simulated"))["ok"]
            await board.until(
                lambda b: b.json("tenuto/simulated/summary")["last_reason"] == "stopped"
            )
            found = await board.ask("find", "simulated")
            assert found["ok"], found
            device = board.json("tenuto/simulated/device")
            assert device["link"] == "simulated"
            assert device["firmware"] == device["latest_firmware"]
            assert 0 <= device["battery_pct"] <= 100
            assert device["late_p99_ms"] >= 0


@pytest.mark.slow
async def test_a_broker_that_dies_in_mid_session_costs_no_event(
    tmp_path: Path, mosquitto_broker: Callable[..., Broker]
) -> None:
    broker = mosquitto_broker()
    address = address_of(broker)
    events: list[dict[str, Any]] = []
    with daemon(tmp_path, str(address)) as process:
        async with dashboard(address) as board:
            await board.until(online)
            command = {"command": "start", "routine": "lower-back-short"}
            assert (await board.ask(json.dumps(command), "simulated"))["ok"]
            await board.until(hold)
            # What the broker has acknowledged and not yet passed on dies with it.
            await asyncio.sleep(0.1)
            broker.kill()
            events += board.all("tenuto/simulated/event")
        await asyncio.sleep(1)  # 20 s of the session
        broker.start()
        async with dashboard(address) as board:
            await board.until(lambda b: state(b) == "ended")
            await board.until(lambda b: "session_finished" in b.now["tenuto/simulated/event"])
            events += board.all("tenuto/simulated/event")
            summary = "tenuto/simulated/summary"
            await board.until(lambda b: b.json(summary)["last_reason"] == "finished")
            assert online(board)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, patience_s(10))
    told = [{k: v for k, v in event.items() if k != "late"} for event in events]
    once = [event for number, event in enumerate(told) if event not in told[:number]]
    assert [event["t_ms"] for event in once] == sorted(event["t_ms"] for event in once)
    with closing(sqlite3.connect(tmp_path / "history.db")) as history:
        # Heart beats are no events, and the wearable's own records begin before the session.
        query = "SELECT count(*) FROM records WHERE kind IN (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13)"
        (kept,) = history.execute(query).fetchone()
    assert len([event for event in once if "link" not in event["event"]]) == kept


@pytest.mark.slow
async def test_a_wearable_that_is_taken_out_disappears(
    tmp_path: Path, mosquitto_broker: Callable[..., Broker]
) -> None:
    broker = mosquitto_broker()
    address = address_of(broker)
    async with dashboard(address) as board:
        await board.client.subscribe("homeassistant/#", qos=1)
        with daemon(tmp_path, str(address)):
            await board.until(lambda b: b.json(CONFIG) and online(b))
        more = '[[wearable]]\nid = "other"\nlink = "simulated"\n'
        with daemon(tmp_path, str(address), more):
            await board.until(lambda b: b.now[CONFIG] == "")
            await board.until(lambda b: b.now["tenuto/simulated/session"] == "")
            await board.until(lambda b: b.json(CONFIG.replace("simulated", "other")))
    async with dashboard(address) as later:
        await later.until(lambda b: b.json("tenuto/other/session"))
        assert not any("simulated" in topic for topic in later.now)


@pytest.mark.slow
async def test_each_of_the_three_may_be_restarted_in_any_order(
    tmp_path: Path, mosquitto_broker: Callable[..., Broker]
) -> None:
    broker = mosquitto_broker()
    address = address_of(broker)
    with ExitStack() as running:
        process = running.enter_context(daemon(tmp_path, str(address)))
        for number, order in enumerate(itertools.permutations(("broker", "daemon", "dashboard"))):
            for what in order:
                if what == "broker":
                    broker.kill() if number % 2 else broker.stop()
                    broker.start()
                elif what == "daemon":
                    process.kill() if number % 2 else process.send_signal(signal.SIGTERM)
                    await asyncio.to_thread(process.wait, patience_s(10))
                    process = running.enter_context(daemon(tmp_path, str(address)))
                else:
                    async with dashboard(address) as gone:
                        await gone.until(lambda b: b.now)
            async with dashboard(address) as board:
                await _play_once(board)
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, patience_s(10))
    with closing(sqlite3.connect(tmp_path / "history.db")) as history:
        left = history.execute("SELECT * FROM outbox").fetchall()
        (sessions,) = history.execute("SELECT count(*) FROM sessions").fetchone()
    assert left == []
    assert sessions == math.factorial(3), "each once"


async def _play_once(board: Dashboard) -> None:
    """Play for a moment and see that everything says so, once; simulated, it does not count."""
    await board.until(online)
    await board.until(lambda b: b.now.get("tenuto/bridge/availability") == "online")
    async with asyncio.timeout(patience_s(2 * board.within_s)):
        started = await board.ask("start", "simulated")
        while started["reason"] == "unreachable":
            # A busy computer loses the link, or a broker that was killed remembers one of before.
            await asyncio.sleep(0.2)
            started = await board.ask("start", "simulated")
    assert started["ok"], json.dumps(started)
    await board.until(lambda b: state(b) == "playing")
    stopped = await board.ask("stop", "simulated")
    assert stopped["ok"], json.dumps(stopped)
    await board.until(lambda b: state(b) == "ended")
    assert board.json("tenuto/simulated/summary")["sessions_this_week"] == 0
    await board.until(lambda b: "session_stopped" in b.now["tenuto/simulated/event"])
    events = board.all("tenuto/simulated/event")
    # What a daemon that was killed could not note as told is told again, of earlier sessions.
    mine = [e["event_type"] for e in events if e["session"] == events[-1]["session"]]
    assert mine[-1] == "session_stopped"
    assert mine.count("session_started") == 1
