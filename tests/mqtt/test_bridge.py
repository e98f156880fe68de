# SPDX-License-Identifier: MIT
"""The bridge as a dashboard sees it: a plain client on a real broker."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import statistics
import sys
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.daemon.commands import DEADLINE_S, MQTT, Requests
from tenuto.errors import LinkError, LinkReason, RefusedError
from tenuto.history import Store
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.bridge import Bridge
from tenuto.mqtt.broker import EmbeddedBroker
from tenuto.mqtt.connection import Timing
from tenuto.mqtt.discovery import Subject
from tenuto.mqtt.outbox import HELD_MAX
from tenuto.mqtt.topics import Topics, session_payload
from tenuto.sessions.admission import REQUEST_BURST
from tenuto.sessions.commands import Command, Preference, Verb
from tenuto.sessions.events import HeartBeat
from tenuto.sessions.view import SessionView
from tenuto_core import vocab
from tests.history.sessions import (
    HOLD_MS,
    READY_MS,
    UTC_MS,
    Band,
    session_without_heart,
    whole_session,
)
from tests.mqtt.dashboard import Dashboard, dashboard
from tests.patience import patience_s, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from tests.conftest import StartBroker

pytestmark = pytest.mark.real_time

BRIDGE = "tenuto/bridge/availability"
SESSION = "tenuto/wrist/session"
EVENT = "tenuto/wrist/event"
HEART = "tenuto/wrist/heart"
RESULT = "tenuto/wrist/result"


class Daemon:
    """Takes commands and says yes."""

    def __init__(self) -> None:
        self.got: list[Command] = []

    async def submit(self, command: Command | Preference, command_id: int) -> str:  # noqa: ARG002
        assert isinstance(command, Command)
        self.got.append(command)
        return "done"


def make_bridge(
    address: BrokerAddress | Sequence[BrokerAddress],
    carry_out: Callable[[Command | Preference, int], Awaitable[str]] | None = None,
    **more: Any,
) -> Bridge:
    """Make a bridge in a hurry.

    Args:
        address: Address of the broker, or several.
        carry_out: See `Requests`; None to say yes to everything.
        more: Further arguments of `Requests`, `Bridge` and `Timing`; `wearables`, `people` as ids
            or subjects.
    """
    timing = {"retry_first_s": 0.02, "retry_max_s": 0.1, "rival_wait_s": 0.02, "rival_retry_s": 0.1}
    for field in fields(Timing):
        if field.name in more:
            timing[field.name] = more.pop(field.name)
    deadline_s = more.pop("deadline_s", DEADLINE_S)
    requests = Requests(carry_out or Daemon().submit, deadline_s=deadline_s)
    wearables = [
        one if isinstance(one, Subject) else Subject(id=one, name=one)
        for one in more.pop("wearables", ("wrist", "waist"))
    ]
    people = more.pop("people", ())
    options: dict[str, Any] = {"rng": random.Random(1), "utc_ms": lambda: UTC_MS}
    bridge = Bridge(
        [address] if isinstance(address, BrokerAddress) else address,
        submit=lambda asked: requests.submit(asked, MQTT),
        timing=Timing(**timing),
        **options | more,
    )
    bridge.set_subjects(wearables, people)
    return bridge


@asynccontextmanager
async def running(bridge: Bridge) -> AsyncIterator[Bridge]:
    await bridge.open()
    try:
        yield bridge
    finally:
        await bridge.close()


def is_online(board: Dashboard) -> bool:
    return board.now.get(BRIDGE) == "online"


def is_offline(board: Dashboard) -> bool:
    return board.now.get(BRIDGE) == "offline"


# --- what goes out


async def test_a_dashboard_follows_a_session_by_absolute_times(address: BrokerAddress) -> None:
    band = Band()
    async with dashboard(address) as board, running(make_bridge(address)) as bridge:
        await board.until(lambda d: d.json(SESSION) and is_online(d))
        assert board.json(SESSION)["state"] is None, "the wearable has told nothing yet"
        bridge.wearable_idle("wrist")
        await board.until(lambda d: d.json(SESSION)["state"] == "idle")

        band.do(vocab.START)
        band.pass_ms(READY_MS + 2_000)
        await bridge.handle(band.entries())
        await board.until(lambda d: d.json(SESSION)["kind"] == "hold")
        shown = board.json(SESSION)
        assert (shown["state"], shown["exercise"], shown["side"]) == (
            "playing",
            "Glute Bridge",
            None,
        )
        assert (shown["hold"], shown["holds"], shown["next_side"]) == (1, 3, "left")
        ends = datetime.fromisoformat(shown["step_ends_at"])
        began = datetime.fromisoformat(shown["step_started_at"])
        assert (ends - began).total_seconds() * 1000 == HOLD_MS
        assert began.timestamp() * 1000 == UTC_MS + 1_000 + READY_MS
        assert ends.utcoffset() is not None

        band.do(vocab.PAUSE)
        await bridge.handle(band.entries())
        await board.until(lambda d: d.json(SESSION)["paused"])
        assert board.json(SESSION)["step_ends_at"] is None

        band.do(vocab.STOP)
        await bridge.handle(band.entries())
        await board.until(lambda d: d.json(SESSION)["state"] == "ended")
        assert board.json(SESSION)["reason"] == "stopped"


async def test_each_event_comes_once_in_order_and_is_not_retained(address: BrokerAddress) -> None:
    entries = whole_session()
    async with dashboard(address) as board, running(make_bridge(address)) as bridge:
        await bridge.handle(entries)
        await board.until(
            lambda d: d.all(EVENT)[-1:] and d.all(EVENT)[-1]["event"] == "session_ended"
        )
        got = board.all(EVENT)
        told = [entry for entry in entries if entry.event.name != "heart"]
        assert [item["event"] for item in got] == [entry.event.name for entry in told]
        assert [item["t_ms"] for item in got] == [entry.event.t_ms for entry in told]
        utc = [datetime.fromisoformat(item["utc"]).timestamp() * 1000 for item in got]
        assert utc == pytest.approx([entry.utc_ms for entry in told])

        async with dashboard(address) as late:
            await late.until(lambda d: d.json(SESSION))
            assert late.json(SESSION)["state"] == "ended"
            assert EVENT not in late.now


async def test_nothing_is_published_when_nothing_changed(address: BrokerAddress) -> None:
    band = Band()
    band.do(vocab.START)
    async with dashboard(address) as board, running(make_bridge(address)) as bridge:
        await bridge.handle(band.entries())
        await board.until(lambda d: len(d.all(EVENT)) == 3)
        before = len(board.all(SESSION))
        for _ in range(3):
            band.pass_ms(1_000)
            band.player.beat(70, (), band.now_ms)
            await bridge.handle(band.entries())
        bridge.wearable_online("wrist", True)
        bridge.wearable_online("wrist", True)
        await board.until(lambda d: d.now["tenuto/wrist/availability"] == "online")

        assert len(board.all(SESSION)) == before
        online = [
            1
            for topic, text, _ in board.seen
            if topic == "tenuto/wrist/availability" and text == "online"
        ]
        assert len(online) == 1


async def test_each_heart_rate_that_gets_here_is_published(address: BrokerAddress) -> None:
    """Whose heart rate gets here the hub decides; see `tests/contracts/test_sinks.py`."""
    async with dashboard(address) as board, running(make_bridge(address)) as bridge:
        await board.until(is_online)
        for entry in whole_session():
            await bridge.handle([entry])
            if isinstance(entry.event, HeartBeat):
                bpm = entry.event.bpm
                await board.until(
                    lambda d, bpm=bpm: d.all(HEART) and d.all(HEART)[-1]["bpm"] == bpm
                )
        await board.until(lambda d: len(d.all(EVENT)) == 26)

        assert [item["bpm"] for item in board.all(HEART)] == list(range(61, 72))


async def test_after_a_gap_only_the_newest_heart_rate_goes_out(address: BrokerAddress) -> None:
    async with dashboard(address) as board:
        bridge = make_bridge(address)
        await bridge.handle(whole_session())
        async with running(bridge):
            await board.until(lambda d: len(d.all(EVENT)) == 26)

        assert [item["bpm"] for item in board.all(HEART)] == [71]


async def test_availability_of_bridge_and_wearables_is_there_for_who_comes_later(
    address: BrokerAddress,
) -> None:
    async with running(make_bridge(address)) as bridge:
        bridge.wearable_online("wrist", True)
        async with dashboard(address) as board:
            await board.until(is_online)
            await board.until(lambda d: d.now.get("tenuto/wrist/availability") == "online")
            await board.until(lambda d: d.now.get("tenuto/waist/availability") == "offline")

            await bridge.close()
            await board.until(is_offline)
            await board.until(lambda d: d.now["tenuto/wrist/availability"] == "offline")


@pytest.mark.slow
async def test_when_the_process_is_killed_the_broker_says_so(address: BrokerAddress) -> None:
    code = f"""
import asyncio, random, sys
sys.path[:0] = {sys.path!r}
from tenuto.mqtt.address import BrokerAddress
from tests.mqtt.test_bridge import make_bridge

async def main():
    await make_bridge({address!r}).open()
    await asyncio.sleep(60)

asyncio.run(main())
"""
    async with dashboard(address) as board:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        try:
            await board.until(is_online)
        finally:
            process.kill()
            await process.wait()
        await board.until(is_offline)


# --- commands


@pytest.mark.parametrize(
    "payload,command",
    [
        ("pause", Command(wearable="wrist", verb=Verb.PAUSE)),
        (" stop\n", Command(wearable="wrist", verb=Verb.STOP)),
        ("start", Command(wearable="wrist", verb=Verb.START)),
        (
            '{"command": "start", "routine": "lower-back", "id": "x"}',
            Command(wearable="wrist", verb=Verb.START, routine="lower-back", id="x"),
        ),
        ('{"command": "extend"}', Command(wearable="wrist", verb=Verb.EXTEND, by_ms=15_000)),
        (
            '{"command": "extend", "by_s": 7.5}',
            Command(wearable="wrist", verb=Verb.EXTEND, by_ms=7_500),
        ),
        ('{"command": "back", "id": null}', Command(wearable="wrist", verb=Verb.BACK)),
        ("resume", Command(wearable="wrist", verb=Verb.RESUME)),
        ("skip", Command(wearable="wrist", verb=Verb.SKIP)),
    ],
)
async def test_a_command_reaches_the_daemon_and_is_answered(
    embedded: BrokerAddress, payload: str, command: Command
) -> None:
    daemon = Daemon()
    async with dashboard(embedded) as board, running(make_bridge(embedded, daemon.submit)):
        await board.until(is_online)
        answer = await board.ask(payload)

    assert daemon.got == [command]
    assert answer == {
        "id": command.id,
        "command": command.verb.value,
        "ok": True,
        "reason": "ok",
        "text": "done",
    }


@pytest.mark.parametrize(
    "payload,word,text",
    [
        ("paus", "paus", "did you mean pause?"),
        ("START", "START", "did you mean start?"),
        ("start lower-back", "start lower-back", "known are start, pause"),
        ("{", None, "not JSON"),
        ("[" * 1000, None, "not JSON"),
        ('{"command": "extend", "by_s": NaN}', None, "not JSON"),
        ('["stop"]', None, "JSON object"),
        ('"stop"', None, "JSON object"),
        ('{"command": 3, "id": "x"}', None, "command must be one of"),
        ('{"routine": "lower-back"}', None, "command must be one of"),
        ('{"command": "start", "routine": 3}', "start", "routine must be a text"),
        ('{"command": "start", "routine": ""}', "start", "routine must be a text"),
        ('{"command": "start", "now": 3}', "start", "takes command, id, at, routine, not 'now'"),
        ('{"command": "start", "at": "noon"}', "start", "at must be a time with its zone"),
        ('{"command": "start", "at": "2027-01-15T08:00:00"}', "start", "with its zone"),
        ('{"command": "start", "at": true}', "start", "at must be a time"),
        ('{"command": "start", "at": 1e999}', "start", "at must be a time"),
        ('{"command": "pause", "by_s": 3}', "pause", "not 'by_s'"),
        ('{"command": "extend", "by_s": "15"}', "extend", "a number from 1 to 600"),
        ('{"command": "extend", "by_s": true}', "extend", "a number from 1 to 600"),
        ('{"command": "extend", "by_s": 1e999}', "extend", "a number from 1 to 600"),
        ('{"command": "extend", "by_s": -5}', "extend", "a number from 1 to 600"),
        ('{"command": "stop", "id": 7}', None, "id must be a text"),
        ('{"id": "\\ud800", "command": "zzz"}', None, "not JSON"),
        ('{"command": "\\udfff"}', None, "not JSON"),
        ('{"command": "start", "routine": "\\ud800"}', None, "not JSON"),
        ('{"command": "extend", "by_s": %s}' % ("9" * 900), "extend", "a number from 1 to 600"),
        (b"\xff\xfe", None, "UTF-8"),
        ("stop" * 500, None, "at most 1024 bytes"),
    ],
)
async def test_what_is_no_command_is_refused_with_a_reason_and_does_nothing(
    embedded: BrokerAddress, payload: str | bytes, word: str | None, text: str
) -> None:
    daemon = Daemon()
    async with dashboard(embedded) as board, running(make_bridge(embedded, daemon.submit)):
        await board.until(is_online)
        answer = await board.ask(payload)

    assert daemon.got == []
    assert (answer["command"], answer["ok"], answer["reason"]) == (word, False, "bad_request")
    assert text in answer["text"]


async def test_an_unknown_wearable_is_refused_by_name(address: BrokerAddress) -> None:
    daemon = Daemon()
    async with dashboard(address) as board, running(make_bridge(address, daemon.submit)):
        await board.until(is_online)
        answer = await board.ask("stop", wearable="ankle")

    assert daemon.got == []
    assert answer["reason"] == "unknown_wearable"
    assert "wrist, waist" in answer["text"]


async def test_what_was_never_asked_is_never_answered(address: BrokerAddress) -> None:
    # amqtt gives who connects all that is retained of what anybody has subscribed to.
    daemon = Daemon()
    async with dashboard(address) as board:
        for _ in range(2):
            async with running(make_bridge(address, daemon.submit)):
                await board.until(is_online)
                assert (await board.ask("skip"))["ok"]
            await board.until(lambda d: d.now[BRIDGE] == "offline")
        assert len(board.all(RESULT)) == 2


async def test_a_retained_command_is_ignored_and_said_so(address: BrokerAddress) -> None:
    daemon = Daemon()
    async with dashboard(address) as board:
        await board.send("start", retain=True)
        async with running(make_bridge(address, daemon.submit)):
            await board.until(lambda d: d.json(RESULT))
            assert "without retain" in board.json(RESULT)["text"]
            await board.send("", retain=True)
            assert (await board.ask("pause"))["ok"]

    assert [command.verb for command in daemon.got] == [Verb.PAUSE]


@pytest.mark.parametrize(
    "error,reason,text",
    [
        (RefusedError("not_playing", "nothing is played"), "not_playing", "nothing is played"),
        (LinkError(LinkReason.LOST, "out of reach"), "unreachable", "out of reach"),
        (KeyError("secret"), "failed", "log"),
    ],
)
async def test_a_refusal_of_the_daemon_is_the_answer(
    embedded: BrokerAddress, error: Exception, reason: str, text: str
) -> None:
    async def submit(_command: Command | Preference, _id: int) -> str:
        raise error

    async with dashboard(embedded) as board, running(make_bridge(embedded, submit)):
        await board.until(is_online)
        answer = await board.ask('{"command": "skip", "id": "7"}')

    assert (answer["ok"], answer["reason"], answer["id"]) == (False, reason, "7")
    assert text in answer["text"]


async def test_a_command_that_hangs_holds_up_no_stop(embedded: BrokerAddress) -> None:
    async def submit(command: Command | Preference, _id: int) -> str:
        if isinstance(command, Command) and command.verb is not Verb.STOP:
            await asyncio.sleep(1e6)
        return ""

    bridge = make_bridge(embedded, submit, deadline_s=0.2)
    async with dashboard(embedded) as board, running(bridge):
        await board.until(is_online)
        await board.send("start")
        assert (await board.ask("stop"))["command"] == "stop"
        await board.until(lambda d: d.json(RESULT)["reason"] == "unreachable")

    assert "may still take effect" in board.json(RESULT)["text"]


async def test_a_flood_is_limited_answered_once_and_lets_stop_through(
    address: BrokerAddress, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    daemon = Daemon()
    async with dashboard(address) as board, running(make_bridge(address, daemon.submit)):
        await board.until(is_online)
        await asyncio.gather(*(board.send("skip") for _ in range(60)))
        await board.send('{"command": "stop", "id": "last"}')
        await board.until(lambda d: "last" in [answer["id"] for answer in d.all(RESULT)])
        answers = board.all(RESULT)

    verbs = [command.verb for command in daemon.got]
    assert REQUEST_BURST <= verbs.count(Verb.SKIP) <= REQUEST_BURST + 5
    assert verbs[-1] is Verb.STOP
    assert [answer["ok"] for answer in answers if answer["id"] == "last"] == [True]
    assert 1 <= [answer["reason"] for answer in answers].count("too_many") <= 6
    assert "too many" in caplog.text


async def test_a_flood_of_stops_of_others_leaves_none_of_the_owners_without_an_answer(
    address: BrokerAddress,
) -> None:
    under_way = 0

    async def submit(command: Command | Preference, _id: int) -> str:
        nonlocal under_way
        assert isinstance(command, Command)
        assert not under_way, "one stop at a time is enough for the link"
        under_way += 1
        await asyncio.sleep(0.05)
        under_way -= 1
        return "done"

    async with dashboard(address) as board, running(make_bridge(address, submit)):
        await board.until(is_online)
        for number in range(10):
            await asyncio.gather(*(board.send("stop") for _ in range(30)))
            await board.send(f'{{"command": "stop", "id": "owner {number}"}}')
        await board.until(lambda d: d.json(RESULT) and d.json(RESULT)["id"] == "owner 9")
        answers = {answer["id"]: answer["ok"] for answer in board.all(RESULT)}
        assert [answers.get(f"owner {number}") for number in range(10)] == [True] * 10


async def test_a_message_that_breaks_what_reads_it_cuts_off_nothing(
    embedded: BrokerAddress, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = make_bridge(embedded)
    asked = bridge._topics.__class__.asked

    def break_once(topics: Topics, topic: str) -> tuple[str, str] | None:
        if topic.endswith("breaks/set"):
            raise ZeroDivisionError
        return asked(topics, topic)

    monkeypatch.setattr(Topics, "asked", break_once)
    async with dashboard(embedded) as board, running(bridge):
        await board.until(is_online)
        await board.client.publish("tenuto/wrist/breaks/set", "x", qos=1)
        assert (await board.ask("stop"))["ok"]
        assert bridge.connected
    assert "ZeroDivisionError" in caplog.text
    assert "is away" not in caplog.text


async def test_a_stop_that_did_not_arrive_is_tried_again_when_it_is_repeated(
    embedded: BrokerAddress,
) -> None:
    numbers: list[int] = []

    async def submit(_command: Command | Preference, number: int) -> str:
        numbers.append(number)
        if len(numbers) == 1:
            raise LinkError(LinkReason.LOST, "out of reach")
        return "done"

    stop = '{"command": "stop", "id": "7"}'
    async with dashboard(embedded) as board, running(make_bridge(embedded, submit)):
        await board.until(is_online)
        assert (await board.ask(stop))["reason"] == "unreachable"
        await board.send(stop)
        await board.until(lambda d: d.json(RESULT)["ok"])
        await board.send(stop)
        await board.until(lambda d: len(d.all(RESULT)) == 3)
    assert len(numbers) == 2, "what was done is not done again"
    assert len(set(numbers)) == 1, "and the wearable knows that it is the same"


@pytest.mark.parametrize("word", ["stop", "pause", "toggle"])
@pytest.mark.parametrize("off_s", [-3600, -45, 45, 3600])
async def test_what_halts_a_session_is_obeyed_whatever_the_clocks_say(
    embedded: BrokerAddress, word: str, off_s: int
) -> None:
    async with dashboard(embedded) as board, running(make_bridge(embedded)) as bridge:
        await board.until(is_online)
        assert bridge.newest_age_s is None
        at_s = UTC_MS // 1000 + off_s
        assert (await board.ask(f'{{"command": "{word}", "at": {at_s}}}'))["ok"]
        assert bridge.newest_age_s == -off_s
        assert (await board.ask('{"command": "skip"}'))["ok"]
        answer = await board.ask(f'{{"command": "start", "at": {at_s - 1}}}')
        assert answer["reason"] == "too_old"
        assert bridge.newest_age_s == 1 - off_s, "what is refused tells it as well"


async def test_a_room_that_starts_at_one_word_is_obeyed_to_the_last(
    embedded: BrokerAddress,
) -> None:
    names = [f"band-{number}" for number in range(60)]
    all_asked = asyncio.Event()
    got: list[str] = []

    async def submit(command: Command | Preference, _id: int) -> str:
        got.append(command.wearable)
        if len(got) == len(names):
            all_asked.set()
        await all_asked.wait()  # an upload takes its time
        return "done"

    async with (
        dashboard(embedded) as board,
        running(make_bridge(embedded, submit, wearables=names)),
    ):
        await board.until(is_online)
        await asyncio.gather(*(board.send("start", name) for name in names))
        await board.until(lambda d: all(d.all(f"tenuto/{name}/result") for name in names))

    assert sorted(got) == sorted(names)


# --- brokers that misbehave


async def test_a_broker_that_is_killed_and_comes_back_gets_the_present_state(
    mosquitto_broker: StartBroker, caplog: pytest.LogCaptureFixture
) -> None:
    broker = mosquitto_broker()
    address = BrokerAddress(broker.host, broker.port)
    daemon = Daemon()
    band = Band()
    async with running(make_bridge(address, daemon.submit)) as bridge:
        bridge.wearable_online("wrist", True)
        async with dashboard(address) as board:
            await board.until(is_online)
        broker.kill()
        await until(lambda: not bridge.connected)
        band.do(vocab.START)
        band.pass_ms(READY_MS)
        await bridge.handle(band.entries())
        broker.start()

        async with dashboard(address) as board:
            await board.until(is_online)
            await board.until(lambda d: d.json(SESSION) and d.json(SESSION)["kind"] == "hold")
            await board.until(lambda d: d.now.get("tenuto/wrist/availability") == "online")
            assert (await board.ask("pause"))["ok"]

    assert [command.verb for command in daemon.got] == [Verb.PAUSE]
    away = [record for record in caplog.records if "is away" in record.message]
    assert len(away) == 1


async def test_events_of_an_outage_come_after_it_in_order_and_are_marked_late(
    mosquitto_broker: StartBroker,
) -> None:
    broker = mosquitto_broker()
    address = BrokerAddress(broker.host, broker.port)
    broker.stop()
    now_ms = [UTC_MS]
    entries = session_without_heart()
    async with running(make_bridge(address, utc_ms=lambda: now_ms[0])) as bridge:
        await bridge.handle(entries)
        now_ms[0] = entries[-1].utc_ms + 1_000
        broker.start()
        async with dashboard(address) as board:
            await board.until(lambda d: len(d.all(EVENT)) == 26)
            got = board.all(EVENT)
            assert [item["t_ms"] for item in got] == [entry.event.t_ms for entry in entries]
            assert {item["late"] for item in got if now_ms[0] - 9_000 > _utc_ms(item)} == {True}
            assert not got[-1]["late"]
            assert (await board.ask("pause"))["ok"]
    assert bridge.dropped == 0


def _utc_ms(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["utc"]).timestamp() * 1000


async def test_what_waits_for_a_broker_is_bounded_in_memory_and_kept_in_the_history(
    tmp_path: Path, mosquitto_broker: StartBroker
) -> None:
    forgetful = make_bridge(BrokerAddress("127.0.0.1", 1))
    for _ in range(30):
        await forgetful.handle(session_without_heart())
    assert forgetful.dropped == 30 * 26 - HELD_MAX

    broker = mosquitto_broker()
    address = BrokerAddress(broker.host, broker.port)
    broker.stop()
    count = HELD_MAX // 26 + 3
    async with Store(tmp_path / "h.db") as store:
        async with running(make_bridge(address, table=store.outbox)) as bridge:
            for _ in range(count):
                await bridge.handle(session_without_heart())
        # The daemon has ended; what it could not say is said by the next one.
        broker.start()
        async with dashboard(address) as board:
            async with running(make_bridge(address, table=store.outbox)) as bridge:
                await board.until(lambda d: len(d.all(EVENT)) == count * 26)
                await bridge.handle(session_without_heart())
                await board.until(lambda d: len(d.all(EVENT)) == (count + 1) * 26)
            assert [item["t_ms"] for item in board.all(EVENT)[:26]] == [
                item["t_ms"] for item in board.all(EVENT)[-26:]
            ]
            assert bridge.dropped == 0
        assert await store.outbox.last() == 0


@asynccontextmanager
async def proxy(
    target: BrokerAddress, delay_s: float, *, cut_at: bytes | None = None
) -> AsyncIterator[BrokerAddress]:
    """A broker that takes `delay_s` for each packet; never answers at all if that is infinite.

    Each connection ends where the client sends `cut_at`.
    """

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if cut_at is not None and cut_at in data:
                return
            await asyncio.sleep(min(delay_s, 1e6))
            writer.write(data)
            await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(target.host, target.port)
        pumps = [asyncio.create_task(pump(reader, back)), asyncio.create_task(pump(there, writer))]
        tasks.extend(pumps)
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in pumps:
                one.cancel()
            for end in (writer, back):
                end.close()

    tasks: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield BrokerAddress(host, port, protocol=target.protocol)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_a_slow_broker_gets_the_newest_state_and_holds_nobody_up(
    embedded: BrokerAddress,
) -> None:
    loop = asyncio.get_running_loop()
    band = Band()
    band.do(vocab.START)
    async with proxy(embedded, 0.05) as slow, dashboard(embedded) as board:
        async with running(make_bridge(slow)) as bridge:
            await board.until(is_online)
            took_s = []
            for _ in range(20):
                band.pass_ms(5_000)
                began_s = loop.time()
                await bridge.handle(band.entries())
                took_s.append(loop.time() - began_s)
                await asyncio.sleep(0)
            assert statistics.median(took_s) < patience_s(0.02)
            assert max(took_s) < patience_s(0.1), "as long as the broker takes"
            await board.until(lambda d: d.json(SESSION) and d.json(SESSION)["hold"] == 3)
            assert len(board.all(SESSION)) < 10
            await board.until(lambda d: len(d.all(EVENT)) >= 15)
        assert bridge.dropped == 0


@pytest.mark.slow
async def test_a_broker_that_hangs_delays_neither_entries_nor_the_end(
    embedded: BrokerAddress,
) -> None:
    loop = asyncio.get_running_loop()
    async with proxy(embedded, float("inf")) as hanging:
        bridge = make_bridge(hanging, connect_timeout_s=0.1)
        began_s = loop.time()
        async with running(bridge):
            await asyncio.sleep(0.3)
            await bridge.handle(whole_session())
            assert not bridge.connected
        assert loop.time() - began_s < patience_s(1.5)


async def test_a_broker_that_stops_answering_is_left_and_tried_again(
    mosquitto_broker: StartBroker,
) -> None:
    broker = mosquitto_broker()
    address = BrokerAddress(broker.host, broker.port)
    bridge = make_bridge(address, publish_timeout_s=0.2, connect_timeout_s=0.2)
    async with running(bridge):
        async with dashboard(address) as board:
            await board.until(is_online)
        assert broker.process is not None
        os.kill(broker.process.pid, signal.SIGSTOP)
        try:
            await bridge.handle(whole_session())
            await until(lambda: not bridge.connected)
        finally:
            os.kill(broker.process.pid, signal.SIGCONT)
        async with dashboard(address) as board:
            await board.until(lambda d: d.json(SESSION) and d.json(SESSION)["state"] == "ended")
            await board.until(is_online)


async def test_a_wrong_password_is_told_without_it(
    mosquitto_broker: StartBroker, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    broker = mosquitto_broker("allow_anonymous false")
    address = BrokerAddress.parse(f"mqtt://ada:s3cret@{broker.host}:{broker.port}")
    async with running(make_bridge(address)) as bridge:
        await until(lambda: "uthori" in caplog.text)
        assert not bridge.connected
    assert "is away" not in caplog.text
    assert "s3cret" not in caplog.text + repr(address) + str(address) + "".join(capfd.readouterr())


async def test_an_mqtt_5_broker_is_spoken_to_in_mqtt_5_and_an_old_one_in_its_own(
    mosquitto_broker: StartBroker, embedded: BrokerAddress
) -> None:
    broker = mosquitto_broker()
    async with running(make_bridge(BrokerAddress(broker.host, broker.port))) as bridge:
        await until(lambda: bridge.connected)
        assert "(p5, c1, k30)" in broker.log

    unaware = replace(embedded, protocol=None)
    async with dashboard(embedded) as board, running(make_bridge(unaware, connect_timeout_s=0.3)):
        await board.until(is_online)


async def test_a_broker_that_closes_the_connection_without_a_word_is_soon_tried_again(
    unused_tcp_port: int,
) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packet = await reader.read(1000)
        if b"tenuto-" in packet:  # and no look at what is there
            asked.append(packet)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", unused_tcp_port)
    async with server, running(make_bridge(BrokerAddress("127.0.0.1", unused_tcp_port))):
        # Within the 5 s of `until`, though a connection may take 10.
        await until(lambda: len(asked) == 4)
    # What does not know MQTT 5 may say so in this way: either is tried in turn.
    assert [packet[8] for packet in asked] == [5, 4, 5, 4]


async def test_a_bridge_whose_broker_ends_in_the_same_moment_ends_too(
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    for _ in range(5):
        async with EmbeddedBroker(unused_tcp_port_factory()) as broker:
            bridge = make_bridge(broker.address)
            async with dashboard(broker.address) as board:
                await bridge.open()
                await board.until(is_online)
        task = bridge._task
        assert task is not None
        task.cancel()
        async with asyncio.timeout(patience_s(2)):
            await asyncio.wait({task})


def test_json_of_a_session_has_no_countdown() -> None:
    payload = json.dumps(session_payload(SessionView()))
    for word in ("remaining", "left_ms", "elapsed"):
        assert word not in payload
