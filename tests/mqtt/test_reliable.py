# SPDX-License-Identifier: MIT
"""What automations rely on: once, never stale, never two voices, and nothing wrong afterwards."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.errors import InputError
from tenuto.history import Store
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.discovery import Subject
from tenuto.sessions.commands import Command, Preference, Verb
from tenuto_core import vocab
from tests.history.sessions import READY_MS, UTC_MS, Band, whole_session
from tests.mqtt.dashboard import dashboard
from tests.mqtt.test_bridge import (
    BRIDGE,
    EVENT,
    RESULT,
    SESSION,
    Daemon,
    is_online,
    make_bridge,
    proxy,
    running,
)
from tests.patience import patience_s, until

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.mqtt.bridge import Bridge
    from tests.conftest import Broker, StartBroker

pytestmark = pytest.mark.real_time

NOW_S = UTC_MS / 1000


@pytest.fixture
def broker(mosquitto_broker: StartBroker) -> Broker:
    return mosquitto_broker()


@pytest.fixture
def address(broker: Broker) -> BrokerAddress:
    return BrokerAddress(broker.host, broker.port)


def one_of_two(address: BrokerAddress, number: int, daemon: Daemon, **more: Any) -> Bridge:
    rng = random.Random(number)
    return make_bridge(address, daemon.submit, rng=rng, **{"rival_wait_s": 0.15} | more)


# --- one message keeps no other one out


@pytest.mark.parametrize(
    "payload",
    [
        b'{"id": "\\ud800", "command": "zzz"}',
        b"[" * 100_000,
        b'{"command": "extend", "by_s": ' + b"9" * 5_000 + b"}",
        b"\xff\xfe",
    ],
    ids=["half a character", "nested", "a long number", "no text"],
)
async def test_a_message_that_nobody_can_read_keeps_no_command_out(
    address: BrokerAddress, payload: bytes
) -> None:
    daemon = Daemon()
    bridge = make_bridge(address, daemon.submit, retry_first_s=60.0, retry_max_s=60.0)
    async with dashboard(address) as board, running(bridge):
        await board.until(is_online)
        await board.send(payload)
        await board.send(json.dumps({"command": "stop", "id": "mine"}))
        await board.until(lambda d: any(told.get("id") == "mine" for told in d.all(RESULT)))
        assert bridge.connected
    assert [command.verb for command in daemon.got] == [Verb.STOP]


# --- once, and never stale


@pytest.mark.parametrize("at", [NOW_S - 29, NOW_S + 29, "2027-01-15T08:00:00Z"])
async def test_a_command_of_now_is_obeyed(address: BrokerAddress, at: Any) -> None:
    daemon = Daemon()
    async with dashboard(address) as board, running(make_bridge(address, daemon.submit)):
        await board.until(is_online)
        answer = await board.ask(json.dumps({"command": "start", "at": at}))
    assert answer["ok"], answer
    assert [command.verb for command in daemon.got] == [Verb.START]


@pytest.mark.parametrize("at", [NOW_S - 31, NOW_S + 31, "2027-01-15T09:59:00+03:00"])
async def test_a_command_that_waited_somewhere_is_refused_by_its_age(
    address: BrokerAddress, at: Any
) -> None:
    daemon = Daemon()
    async with dashboard(address) as board, running(make_bridge(address, daemon.submit)):
        await board.until(is_online)
        answer = await board.ask(json.dumps({"command": "start", "at": at, "id": "old"}))
    assert (answer["ok"], answer["reason"], answer["id"]) == (False, "too_old", "old")
    assert daemon.got == []


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_start_that_was_sent_while_tenuto_was_away_is_not_played(
    address: BrokerAddress, protocol: str
) -> None:
    daemon = Daemon()
    ours = BrokerAddress(address.host, address.port, protocol=protocol, client_id="tenuto")
    async with dashboard(address) as board:
        async with running(make_bridge(ours, daemon.submit)):
            await board.until(is_online)
        await board.until(lambda d: d.now[BRIDGE] == "offline")
        await board.send("start")
        async with running(make_bridge(ours, daemon.submit)):
            await board.until(is_online)
            assert (await board.ask("pause"))["ok"]
    assert [command.verb for command in daemon.got] == [Verb.PAUSE]


async def test_a_command_that_comes_twice_is_carried_out_once_and_answered_twice(
    address: BrokerAddress,
) -> None:
    daemon = Daemon()
    twice = '{"command": "skip", "id": "ha-skip-1"}'
    async with dashboard(address) as board, running(make_bridge(address, daemon.submit)):
        await board.until(is_online)
        first, second = await board.ask(twice), await board.ask(twice)
        other = await board.ask(twice.replace("-1", "-2"))
    assert first == second
    assert other["id"] == "ha-skip-2"
    assert len(daemon.got) == 2


# --- two voices


async def test_a_second_tenuto_on_a_base_topic_stays_silent_and_says_why(
    address: BrokerAddress, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Daemon(), Daemon()
    async with dashboard(address) as board:
        async with running(one_of_two(address, 1, first)):
            await board.until(is_online)
            late = one_of_two(address, 2, second)
            async with running(late):
                await until(lambda: "already uses the base topic 'tenuto'" in caplog.text)
                assert not late.connected
                assert (await board.ask("pause"))["ok"]
                await asyncio.sleep(0.5)  # several tries
                assert not late.connected
            assert board.now[BRIDGE] == "online", "its farewell is not the first one's"
        assert caplog.text.count("already uses the base topic") == 1
    assert (len(first.got), second.got) == (1, [])


async def test_a_connection_that_ends_while_it_answers_another_tenuto_is_noticed_at_once(
    address: BrokerAddress,
) -> None:
    async with proxy(address, 0.0, cut_at=b'"to":') as cut:
        first = one_of_two(cut, 1, Daemon(), publish_timeout_s=patience_s(600), retry_first_s=600.0)
        async with running(first):
            await until(lambda: first.connected)
            async with running(one_of_two(address, 2, Daemon())) as second:
                await until(lambda: second.connected)
                await until(lambda: not first.connected)


async def test_it_takes_over_when_the_first_one_has_gone(address: BrokerAddress) -> None:
    async with dashboard(address) as board:
        async with running(one_of_two(address, 1, Daemon())):
            await board.until(is_online)
            late = one_of_two(address, 2, Daemon())
            await late.open()
            await asyncio.sleep(0.3)
            assert not late.connected
        try:
            await until(lambda: late.connected)
            await board.until(is_online)
        finally:
            await late.close()


async def test_of_two_that_begin_in_the_same_moment_one_speaks(
    broker: Broker, address: BrokerAddress
) -> None:
    broker.stop()
    clocks = iter((UTC_MS, UTC_MS + 1))
    bridges = []
    for number in range(2):
        began = next(clocks)
        bridges.append(one_of_two(address, number, Daemon(), utc_ms=lambda began=began: began))
    for bridge in bridges:
        await bridge.open()
    broker.start()
    try:
        await until(lambda: any(bridge.connected for bridge in bridges))
        await asyncio.sleep(0.5)
        assert [bridge.connected for bridge in bridges] == [True, False]
    finally:
        for bridge in bridges:
            await bridge.close()


async def test_two_tenutos_with_bases_of_their_own_do_not_meet(address: BrokerAddress) -> None:
    daemons = Daemon(), Daemon()
    async with dashboard(address) as board:
        await board.client.subscribe("upstairs/#", qos=1)
        async with (
            running(one_of_two(address, 1, daemons[0], wearables=["waist"])),
            running(one_of_two(address, 2, daemons[1], base_topic="upstairs")),
        ):
            await board.until(is_online)
            await board.until(lambda d: d.now.get("upstairs/bridge/availability") == "online")
            await board.client.publish("upstairs/wrist/command", "stop", qos=1)
            await board.until(lambda d: d.json("upstairs/wrist/result"))
    assert [len(daemon.got) for daemon in daemons] == [0, 1]


async def test_the_same_client_id_twice_is_told_in_so_many_words(
    address: BrokerAddress, caplog: pytest.LogCaptureFixture
) -> None:
    named = BrokerAddress(address.host, address.port, client_id="mine")
    async with (
        running(one_of_two(named, 1, Daemon(), rival_wait_s=0.01)),
        running(one_of_two(named, 2, Daemon(), rival_wait_s=0.01, base_topic="upstairs")),
    ):
        await until(lambda: "has another client the id 'mine' too" in caplog.text)
    assert "client_id" in caplog.text


async def test_a_wrong_offline_is_put_right(address: BrokerAddress) -> None:
    async with dashboard(address) as board, running(make_bridge(address)) as bridge:
        await board.until(is_online)
        bridge.wearable_online("wrist", True)
        # As the last will of a connection does that the broker took long to give up.
        await board.client.publish(BRIDGE, "offline", qos=1, retain=True)
        await board.until(lambda d: (BRIDGE, "offline", False) in d.seen)
        await board.until(lambda d: d.seen[-1][:2] == (BRIDGE, "online"))


# --- across outages


async def test_killing_the_broker_in_mid_session_loses_nothing(
    tmp_path: Path, broker: Broker, address: BrokerAddress
) -> None:
    band = Band()
    told = []
    async with Store(tmp_path / "h.db") as store:
        async with running(make_bridge(address, table=store.outbox)) as bridge:
            async with dashboard(address) as board:
                await board.until(is_online)
                bridge.wearable_online("wrist", True)
                band.do(vocab.START)
                band.pass_ms(READY_MS + 1_000)
                entries = band.entries()
                await bridge.handle(entries)
                told += entries
                await board.until(lambda d: len(d.all(EVENT)) == len(told))
                before = board.all(EVENT)
            broker.kill()
            for _ in range(4):
                band.pass_ms(30_000)
                entries = band.entries()
                began_s = asyncio.get_running_loop().time()
                await bridge.handle(entries)
                assert asyncio.get_running_loop().time() - began_s < patience_s(0.5)
                told += entries
            bridge.set_summary("wrist", {"last_reason": "finished"})
            broker.start()
            async with dashboard(address) as board:
                await board.until(is_online)
                await board.until(lambda d: len(d.all(EVENT)) == len(told) - len(before))
                after = board.all(EVENT)
                assert [item["t_ms"] for item in [*before, *after]] == [
                    entry.event.t_ms for entry in told
                ]
                await board.until(lambda d: d.json(SESSION)["state"] == "ended")
                await board.until(lambda d: d.now.get("tenuto/wrist/availability") == "online")
                assert board.json("tenuto/wrist/summary") == {"last_reason": "finished"}
        assert bridge.dropped == 0


async def test_a_broker_that_dies_and_comes_back_holds_up_nothing_else_in_the_process(
    tmp_path: Path, broker: Broker, address: BrokerAddress
) -> None:
    loop = asyncio.get_running_loop()
    worst_s = 0.0

    async def tick() -> None:
        # As a driver does that buzzes by itself: it wants to run at its time.
        nonlocal worst_s
        while True:
            due_s = loop.time() + 0.005
            await asyncio.sleep(0.005)
            worst_s = max(worst_s, loop.time() - due_s)

    ticking = asyncio.create_task(tick())
    async with (
        Store(tmp_path / "h.db") as store,
        running(make_bridge(address, table=store.outbox)) as bridge,
    ):
        await until(lambda: bridge.connected)
        await asyncio.to_thread(broker.kill)
        for _ in range(30):
            await bridge.handle(whole_session())
            await asyncio.sleep(0.01)
        await asyncio.to_thread(broker.start)
        await until(lambda: bridge.connected and not bridge._outbox.waits)
    ticking.cancel()
    assert worst_s < 2, "a slow machine is forgiven, a broker's time limits of ten seconds are not"


async def test_a_daemon_that_is_killed_while_the_broker_is_away_loses_no_event(
    tmp_path: Path, broker: Broker, address: BrokerAddress
) -> None:
    broker.stop()
    async with Store(tmp_path / "h.db") as store:
        bridge = make_bridge(address, table=store.outbox)
        await bridge.open()
        await bridge.handle(whole_session())
        assert bridge._task is not None
        bridge._task.cancel()  # no farewell
        for helper in bridge._helpers:
            helper.cancel()
    broker.start()
    async with Store(tmp_path / "h.db") as store, dashboard(address) as board:
        async with running(make_bridge(address, table=store.outbox)):
            await board.until(lambda d: len(d.all(EVENT)) == 26)
        assert await store.outbox.last() == 0


async def test_a_history_that_cannot_be_written_holds_no_event_up(
    tmp_path: Path, broker: Broker, address: BrokerAddress, caplog: pytest.LogCaptureFixture
) -> None:
    broker.stop()
    store = Store(tmp_path / "h.db")
    async with store, running(make_bridge(address, table=store.outbox)) as bridge:
        await store.close()
        await bridge.handle(whole_session())
        broker.start()
        async with dashboard(address) as board:
            await board.until(lambda d: len(d.all(EVENT)) == 26)
    assert "outbox" in caplog.text


async def test_answers_do_not_wait_behind_hours_of_events(
    tmp_path: Path, broker: Broker, address: BrokerAddress
) -> None:
    broker.stop()
    async with (
        Store(tmp_path / "h.db") as store,
        running(make_bridge(address, table=store.outbox)) as bridge,
    ):
        for _ in range(80):
            await bridge.handle(whole_session())
        broker.start()
        async with dashboard(address) as board:
            await board.until(is_online)
            assert (await board.ask("pause"))["ok"]
            assert len(board.all(EVENT)) < 80 * 26


# --- settings


class Settings:
    """Says yes to all but a routine that is not there."""

    def __init__(self) -> None:
        self.got: list[Preference] = []

    async def prefer(self, preference: Command | Preference, command_id: int) -> str:  # noqa: ARG002
        assert isinstance(preference, Preference)
        if preference.value == "no-such":
            raise InputError("there is no routine 'no-such'")
        self.got.append(preference)
        return ""


@pytest.mark.parametrize(
    "name,payload,value",
    [
        ("strength", "80", 80),
        ("strength", "80.0", 80),
        ("hold_time", " 150 ", 150),
        ("halfway", "OFF", False),
        ("countdown", "on", True),
        ("routine", "lower-back", "lower-back"),
    ],
)
async def test_what_is_set_reaches_the_daemon(
    address: BrokerAddress, name: str, payload: str, value: str | int | bool
) -> None:
    settings = Settings()
    bridge = make_bridge(address, settings.prefer)
    async with dashboard(address) as board, running(bridge):
        await board.until(is_online)
        await board.client.publish(f"tenuto/wrist/{name}/set", payload, qos=1)
        await board.until(lambda d: d.json(RESULT))
        assert board.json(RESULT)["command"] == f"{name}/set"
    assert settings.got == [Preference(wearable="wrist", name=name, value=value)]


@pytest.mark.parametrize(
    "name,payload,text",
    [
        ("strength", "9", "a number from 10 to 150"),
        ("strength", "nan", "a number from 10 to 150"),
        ("strength", "9" * 70, "a number from 10 to 150"),
        ("hold_time", "1e999", "a number from 50 to 200"),
        ("halfway", "yes", "ON or OFF"),
        ("routine", " ", "1 to 64 characters"),
        ("routine", "no-such", "no routine"),
        ("volume", "3", "known are routine, strength"),
        ("strength", b"\xff", "UTF-8"),
        ("strength", "1" * 2000, "at most 1024 bytes"),
    ],
)
async def test_what_cannot_be_set_is_refused_and_changes_nothing(
    address: BrokerAddress, name: str, payload: str | bytes, text: str
) -> None:
    settings = Settings()
    bridge = make_bridge(address, settings.prefer)
    async with dashboard(address) as board, running(bridge):
        await board.until(is_online)
        await board.client.publish(f"tenuto/wrist/{name}/set", payload, qos=1)
        await board.until(lambda d: d.json(RESULT))
        answer = board.json(RESULT)
    assert (answer["ok"], answer["reason"]) == (False, "bad_request")
    assert text in answer["text"]
    assert settings.got == []


async def test_a_retained_setting_is_ignored_and_said_so(address: BrokerAddress) -> None:
    settings = Settings()
    async with dashboard(address) as board:
        await board.client.publish("tenuto/wrist/strength/set", "80", qos=1, retain=True)
        async with running(make_bridge(address, settings.prefer)):
            await board.until(lambda d: d.json(RESULT))
            assert "retained" in board.json(RESULT)["text"]
    assert settings.got == []


# --- wearables that come and go


async def test_a_wearable_that_goes_leaves_no_topic_behind(address: BrokerAddress) -> None:
    wrist, waist = (Subject(id=name, name=name) for name in ("wrist", "waist"))
    async with dashboard(address) as board, running(make_bridge(address)) as bridge:
        await board.until(lambda d: d.json("tenuto/waist/session"))
        bridge.set_summary("waist", {"x": 1})
        await board.until(lambda d: d.json("tenuto/waist/summary"))
        bridge.set_subjects([wrist])
        await board.until(lambda d: not d.now["tenuto/waist/summary"])
        await bridge.handle(whole_session(wearable="waist"))
        bridge.wearable_online("waist", True)
        bridge.set_subjects([wrist, waist])
        await board.until(lambda d: d.json("tenuto/waist/session"))
        async with dashboard(address) as late:
            await late.until(lambda d: d.json("tenuto/waist/session"))
            assert late.json("tenuto/waist/session")["state"] is None


async def test_each_thing_that_is_said_is_counted(address: BrokerAddress) -> None:
    logging.getLogger("tenuto").setLevel(logging.INFO)
    async with dashboard(address) as board, running(make_bridge(address)) as bridge:
        await bridge.handle(whole_session())
        await board.until(lambda d: len(d.all(EVENT)) == 26)
        await until(lambda: bridge.sent >= len(board.seen))
        assert bridge.sent_bytes > 26 * 100
