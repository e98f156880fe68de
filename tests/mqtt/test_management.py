# SPDX-License-Identifier: MIT
"""What others may ask of Tenuto itself: nothing unless the configuration says so."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.errors import RefusedError
from tenuto.mqtt.discovery import Place, announce_bridge
from tenuto.mqtt.home_assistant import HomeAssistant
from tenuto.mqtt.management import BURST, HostRequest
from tenuto.mqtt.topics import Topics
from tests.history.sessions import UTC_MS
from tests.mqtt.dashboard import dashboard
from tests.mqtt.known import InMemory
from tests.mqtt.test_bridge import make_bridge, running

if TYPE_CHECKING:
    from tenuto.mqtt.address import BrokerAddress
    from tests.mqtt.dashboard import Dashboard

BRIDGE = "tenuto/bridge"
CONFIG = "homeassistant/device/tenuto_bridge/config"


class Host:
    """Does what is asked, but never restarts."""

    def __init__(self) -> None:
        self.asked: list[HostRequest] = []

    async def carry_out(self, asked: HostRequest) -> str:
        self.asked.append(asked)
        if asked.name == "restart":
            raise RefusedError("busy", "a session goes on")
        return "done"


async def ask(board: Dashboard, what: str, payload: str | bytes, **more: Any) -> Any:
    topic = f"{BRIDGE}/result"
    before = len(board.all(topic))
    await board.client.publish(f"{BRIDGE}/{what}", payload, qos=1, **more)
    await board.until(lambda d: len(d.all(topic)) > before)
    return board.all(topic)[before]


@pytest.mark.real_time
async def test_nothing_is_done_unless_the_configuration_allows_it(address: BrokerAddress) -> None:
    async with dashboard(address) as board, running(make_bridge(address)):
        await board.until(lambda d: d.now.get(f"{BRIDGE}/availability") == "online")
        for what, payload in (
            ("command", "restart"),
            ("pairing/set", "ON"),
            ("log_level/set", "debug"),
        ):
            answer = await ask(board, what, payload)
            assert (answer["ok"], answer["reason"]) == (False, "not_allowed")
            assert "manage = true" in answer["text"]


@pytest.mark.real_time
async def test_what_is_allowed_is_read_with_care_and_answered(embedded: BrokerAddress) -> None:
    host = Host()
    now_s = UTC_MS / 1000
    refused: list[tuple[str, str | bytes, str]] = [
        ("command", "reboot", "bad_request"),
        ("command", '{"command": "restart", "delay": 1}', "bad_request"),
        ("command", '{"command": ', "bad_request"),
        ("command", '{"command": "restart", "at": "now"}', "bad_request"),
        ("command", json.dumps({"command": "restart", "at": now_s - 31}), "too_old"),
        ("command", b"\xff", "bad_request"),
        ("command", "x" * 1025, "bad_request"),
        ("log_level/set", "everything", "bad_request"),
        ("pairing/set", "yes", "bad_request"),
        ("password/set", "1234", "bad_request"),
    ]
    async with dashboard(embedded) as board:
        for what, payload, reason in refused:
            # A bridge for each, for more of them at once would be dropped.
            async with running(make_bridge(embedded, manage=host.carry_out)):
                await board.until(lambda d: d.now.get(f"{BRIDGE}/availability") == "online")
                answer = await ask(board, what, payload)
                assert (answer["ok"], answer["reason"]) == (False, reason), payload
            await board.until(lambda d: d.now[f"{BRIDGE}/availability"] == "offline")
    assert host.asked == []


@pytest.mark.real_time
async def test_a_request_is_carried_out_once_and_a_flood_of_them_is_dropped(
    embedded: BrokerAddress,
) -> None:
    host = Host()
    async with dashboard(embedded) as board, running(make_bridge(embedded, manage=host.carry_out)):
        await board.until(lambda d: d.now.get(f"{BRIDGE}/availability") == "online")
        set_it = await ask(board, "log_level/set", "debug")
        restart = {"command": "restart", "id": "r1", "at": UTC_MS / 1000}
        no = await ask(board, "command", json.dumps(restart))
        for _ in range(4 * BURST):
            await board.client.publish(f"{BRIDGE}/pairing/set", "ON", qos=1)
        await board.until(lambda d: len(d.all(f"{BRIDGE}/result")) == BURST)
        await asyncio.sleep(0.1)
        assert len(board.all(f"{BRIDGE}/result")) == BURST

        assert (set_it["ok"], set_it["command"]) == (True, "log_level/set")
        assert (no["ok"], no["reason"], no["command"]) == (False, "busy", "restart")
        assert no["id"] == "r1"
        assert host.asked[:2] == [
            HostRequest(name="log_level", value="debug"),
            HostRequest(name="restart", id="r1"),
        ]
        assert host.asked[2:] == [HostRequest(name="pairing", value=True)] * (BURST - 2)


@pytest.mark.real_time
async def test_a_retained_request_does_not_come_again_at_each_start(
    embedded: BrokerAddress,
) -> None:
    host = Host()
    async with dashboard(embedded) as board:
        await board.client.publish(f"{BRIDGE}/command", "restart", qos=1, retain=True)
        async with running(make_bridge(embedded, manage=host.carry_out)):
            await board.until(lambda d: d.all(f"{BRIDGE}/result"))
            assert not board.all(f"{BRIDGE}/result")[0]["ok"]
    assert host.asked == []


@pytest.mark.real_time
async def test_home_assistant_is_told_of_tenuto_itself_and_how_it_is(
    embedded: BrokerAddress,
) -> None:
    home = HomeAssistant(known=InMemory(), routines=list, settle_s=0.05)
    async with dashboard(embedded) as board:
        await board.client.subscribe("homeassistant/#", qos=1)
        bridge = make_bridge(embedded, home_assistant=home)
        bridge.set_state({"version": "1.0", "log_level": "info", "pairing": False})
        async with running(bridge):
            await board.until(lambda d: d.json(CONFIG) and d.json(f"{BRIDGE}/state"))
            assert board.json(f"{BRIDGE}/state")["version"] == "1.0"
            device = board.json(CONFIG)["device"]
            await board.until(lambda d: d.json(CONFIG.replace("_bridge", "_wearable_wrist")))
            band = board.json(CONFIG.replace("_bridge", "_wearable_wrist"))["device"]
            assert band["via_device"] in device["identifiers"]


def test_the_controls_are_announced_only_where_they_are_allowed() -> None:
    place = Place(topics=Topics("tenuto"))
    items = announce_bridge(place, manage=True).config["components"]
    allowed, bare = set(items), set(announce_bridge(place, manage=False).config["components"])

    assert bare == {"connected", "version"}
    assert allowed - bare == {"log_level", "pairing", "restart", "answer"}
    # While Tenuto is away its link is "off", and all else is not available.
    assert "availability" not in items["connected"]
    assert "availability" not in announce_bridge(place, manage=True).config
    for key in allowed - {"connected"}:
        assert items[key]["availability"] == [{"topic": "tenuto/bridge/availability"}]
    assert items["restart"]["command_topic"] == "tenuto/bridge/command"
    assert items["log_level"]["command_topic"] == "tenuto/bridge/log_level/set"
