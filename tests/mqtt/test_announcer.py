# SPDX-License-Identifier: MIT
"""What Home Assistant is told over time: in virtual time, with a broker that only writes down."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.mqtt.announcer import SETTLE_S, Announcer
from tenuto.mqtt.discovery import Announcement, Place, Subject, announce_person, announce_wearable
from tenuto.mqtt.home_assistant import BIRTH_DELAY_S, HomeAssistant
from tenuto.mqtt.topics import Topics
from tenuto.state.settings import Announced, SettingsStore
from tests.mqtt.dashboard import dashboard
from tests.mqtt.known import InMemory
from tests.mqtt.test_bridge import is_online, make_bridge, running

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.mqtt.address import BrokerAddress

TOPICS = Topics("tenuto")
PLACE = Place(topics=TOPICS)
WRIST = "homeassistant/device/tenuto_wearable_wrist/config"
ANNA = "homeassistant/device/tenuto_person_anna/config"
BOUND_S = 60


def wrist(*, heart: bool = True, routines: tuple[str, ...] = ("lower-back",)) -> Announcement:
    subject = Subject(id="wrist", name="wrist", heart=heart)
    return announce_wearable(PLACE, subject, routines, told=["bpm"])


def anna() -> Announcement:
    return announce_person(PLACE, Subject(id="anna", name="Anna"))


class Broker:
    """Writes down what is sent, and when."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, str, bytes]] = []

    async def publish(self, topic: str, payload: bytes) -> None:
        await asyncio.sleep(0.01)
        self.sent.append((asyncio.get_running_loop().time(), topic, payload))

    def configs(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for _, sent, payload in self.sent if sent == topic and payload]

    def cleared(self) -> set[str]:
        return {topic for _, topic, payload in self.sent if not payload}


async def let_it_run(
    announcer: Announcer, broker: Broker, *used: str, for_s: float = BOUND_S
) -> None:
    """Let it do all that it wants to do, and lose the connection then."""
    task = asyncio.create_task(announcer.run(broker.publish, lambda topic: topic in used))
    await asyncio.sleep(for_s)
    task.cancel()
    await asyncio.wait({task})


async def announce_once(known: InMemory) -> None:
    """Leave behind what an earlier run has told of one wearable."""
    announcer = Announcer(known)
    announcer.want([wrist()])
    await let_it_run(announcer, Broker())


async def test_what_is_new_is_sent_and_sent_once_more() -> None:
    broker, announcer = Broker(), Announcer(InMemory())
    announcer.want([wrist(), anna()])
    await let_it_run(announcer, broker)
    assert broker.configs(WRIST) == [wrist().config] * 2
    assert broker.configs(ANNA) == [anna().config] * 2

    again = Broker()
    await let_it_run(announcer, again)
    assert again.configs(WRIST) == [wrist().config]


async def test_a_hall_of_wearables_is_remembered_at_once_and_not_one_by_one() -> None:
    # Else the file, of all of them, would be written for each of them.
    hall = [
        announce_wearable(PLACE, Subject(id=f"band-{n}", name=f"Band {n}"), ()) for n in range(200)
    ]
    known, broker = InMemory(), Broker()
    announcer = Announcer(known)
    announcer.want(hall)
    await let_it_run(announcer, broker)
    assert set(known.announced) == {item.topic for item in hall}
    announcer.want([])
    await let_it_run(announcer, broker)
    assert known.announced == {}
    assert broker.cleared().issuperset(item.topic for item in hall)
    assert known.writes == 2


async def test_what_has_not_changed_is_not_sent_again_with_what_has() -> None:
    known = InMemory()
    broker, announcer = Broker(), Announcer(known)
    announcer.want([wrist(), anna()])
    task = asyncio.create_task(announcer.run(broker.publish, lambda _: False))
    await asyncio.sleep(BOUND_S)
    broker.sent.clear()
    announcer.want([wrist(routines=("lower-back", "neck")), anna()])
    await asyncio.sleep(BOUND_S)
    task.cancel()
    await asyncio.wait({task})
    assert [topic for _, topic, _ in broker.sent] == [WRIST] * 2


async def test_different_messages_for_one_device_have_time_in_between() -> None:
    broker, announcer = Broker(), Announcer(InMemory())
    task = asyncio.create_task(announcer.run(broker.publish, lambda _: False))
    for number in range(5):
        announcer.want([wrist(routines=tuple(f"r{n}" for n in range(number + 1)))])
        await asyncio.sleep(1)
    await asyncio.sleep(BOUND_S)
    task.cancel()
    await asyncio.wait({task})
    told = [(at_s, payload) for at_s, topic, payload in broker.sent if topic == WRIST]
    for (one_s, one), (other_s, other) in pairwise(told):
        assert one == other or other_s - one_s >= SETTLE_S
    assert json.loads(told[-1][1])["components"]["routine"]["options"] == [
        f"r{n}" for n in range(5)
    ]
    assert told[-1][1] == told[-2][1], "the last one was not sent once more"


async def test_a_component_that_goes_is_removed_by_its_key_once() -> None:
    known = InMemory()
    await announce_once(known)

    broker, second = Broker(), Announcer(known)
    second.want([wrist(heart=False)])
    await let_it_run(second, broker)
    told = [item["components"].get("heart_rate") for item in broker.configs(WRIST)]
    assert told[0] == {"platform": "sensor"}
    assert set(map(str, told[1:])) == {"None"}

    third = Broker()
    await let_it_run(second, third)
    assert third.configs(WRIST) == [wrist(heart=False).config]


async def test_a_device_that_goes_is_taken_back_with_its_topics_even_by_a_later_run() -> None:
    known = InMemory()
    first = Announcer(known)
    first.want([wrist(), anna()])
    await let_it_run(first, Broker())

    broker, second = Broker(), Announcer(known)
    second.want([anna()])
    await let_it_run(second, broker)
    assert broker.cleared() == {WRIST, *wrist().states}
    assert set(known.announced) == {ANNA}


async def test_home_assistant_knows_a_device_before_it_is_taken_back() -> None:
    """A broker that lost what was retained is as one that was never told."""
    known = InMemory()
    first = Announcer(known)
    first.want([wrist(), anna()])
    await let_it_run(first, Broker())

    broker, second = Broker(), Announcer(known)
    await let_it_run(second, broker)
    for topic in (WRIST, ANNA):
        (told_s, told), (gone_s, gone) = [(at, text) for at, to, text in broker.sent if to == topic]
        assert (json.loads(told), gone) == (first._wanted[topic].config, b"")
        assert gone_s - told_s >= SETTLE_S

    # What an older version kept does not say what was announced.
    known.announced = {ANNA: Announced({"streak": "sensor"}, anna().states)}
    broker, third = Broker(), Announcer(known)
    await let_it_run(third, broker)
    assert broker.configs(ANNA) == []
    assert broker.cleared() == {ANNA, *anna().states}


async def test_a_device_that_comes_back_meanwhile_is_not_taken_back() -> None:
    known = InMemory()
    await announce_once(known)

    broker, second = Broker(), Announcer(known)
    task = asyncio.create_task(second.run(broker.publish, lambda _: False))
    await asyncio.sleep(SETTLE_S / 2)
    second.want([wrist()])
    await asyncio.sleep(BOUND_S)
    task.cancel()
    await asyncio.wait({task})
    assert broker.cleared() == set()
    assert set(known.announced) == {WRIST}


@pytest.mark.real_time
async def test_what_a_wearable_tells_is_announced_once_it_is_told(embedded: BrokerAddress) -> None:
    known = InMemory()
    for told in (
        {"battery_pct": 87, "rssi_dbm": None, "firmware": "0.4.0"},
        {"battery_pct": None, "rssi_dbm": None, "firmware": None},
    ):
        home = HomeAssistant(known=known, routines=lambda: ["lower-back"], settle_s=0.05)
        async with dashboard(embedded) as board:
            await board.client.subscribe("homeassistant/#", qos=1)
            async with running(make_bridge(embedded, home_assistant=home)) as bridge:
                await board.until(lambda d: d.json(WRIST))
                if told["battery_pct"] is not None:
                    assert "battery" not in board.json(WRIST)["components"]
                bridge.set_device("wrist", told)
                await board.until(lambda d: "battery" in d.json(WRIST)["components"])
                assert "signal" not in board.json(WRIST)["components"]
                await board.until(lambda d: (WRIST, d.now[WRIST], False) in d.seen)
                await board.until(lambda d: d.json(WRIST)["device"].get("sw_version") == "0.4.0")


async def test_without_discovery_everything_is_taken_back_but_what_is_still_said() -> None:
    known = InMemory()
    await announce_once(known)

    broker, second = Broker(), Announcer(known)
    await let_it_run(second, broker, "tenuto/wrist/session")
    assert broker.cleared() == {WRIST, *wrist().states} - {"tenuto/wrist/session"}
    assert known.announced == {}


async def test_a_connection_that_breaks_in_between_leaves_nothing_half_removed() -> None:
    known = InMemory()
    await announce_once(known)

    broker, second = Broker(), Announcer(known)
    second.want([wrist(heart=False)])
    task = asyncio.create_task(second.run(broker.publish, lambda _: False))
    await asyncio.sleep(1)  # the removal is sent, the rest is not
    task.cancel()
    await asyncio.wait({task})
    assert len(broker.configs(WRIST)) == 1

    later, third = Broker(), Announcer(known)
    third.want([wrist(heart=False)])
    await let_it_run(third, later)
    assert later.configs(WRIST)[0]["components"]["heart_rate"] == {"platform": "sensor"}
    assert later.configs(WRIST)[-1] == wrist(heart=False).config


async def test_what_was_announced_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "data" / "state.json"
    announcer = Announcer(SettingsStore(path), settle_s=0.01)
    announcer.want([wrist()])
    await let_it_run(announcer, Broker(), for_s=0.2)

    broker, later = Broker(), Announcer(SettingsStore(path), settle_s=0.01)
    await let_it_run(later, broker, for_s=0.2)
    assert broker.cleared() == {WRIST, *wrist().states}
    assert SettingsStore(path).announced == {}
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.slow
@pytest.mark.real_time
async def test_home_assistants_birth_is_answered_after_a_moment(
    embedded: BrokerAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenuto.mqtt.home_assistant.BIRTH_DELAY_S", (0.05, 0.1))
    home = HomeAssistant(known=InMemory(), routines=lambda: ["lower-back"], settle_s=0.05)
    async with dashboard(embedded) as board:
        await board.client.subscribe("homeassistant/#", qos=1)
        async with running(make_bridge(embedded, home_assistant=home)):
            await board.until(is_online)
            await board.until(lambda d: len(d.all(WRIST)) == 2)
            await asyncio.sleep(0.2)
            before = len(board.seen)
            await board.client.publish("homeassistant/status", "online", qos=1)
            again = {WRIST, "tenuto/bridge/availability", "tenuto/wrist/availability"}
            again.add("tenuto/wrist/session")
            await board.until(lambda d: again <= {topic for topic, _, _ in d.seen[before:]})
            assert len(board.all(WRIST)) == 3
    assert BIRTH_DELAY_S[1] > BIRTH_DELAY_S[0] > 0


@pytest.mark.slow
@pytest.mark.real_time
async def test_a_new_routine_and_one_that_only_is_set_are_offered_and_nothing_is_sent_twice(
    embedded: BrokerAddress,
) -> None:
    routines = ["lower-back"]
    home = HomeAssistant(known=InMemory(), routines=lambda: list(routines), settle_s=0.02)

    def offered(board: Any) -> list[list[str]]:
        return [config["components"]["routine"]["options"] for config in board.all(WRIST)]

    async with dashboard(embedded) as board:
        await board.client.subscribe("homeassistant/#", qos=1)
        bridge = make_bridge(embedded, home_assistant=home)
        async with running(bridge):
            await board.until(is_online)
            await board.until(lambda d: len(offered(d)) == 2)

            bridge.announce_anew()
            routines.append("shoulders")
            bridge.announce_anew()
            await board.until(lambda d: len(offered(d)) == 4)

            bridge.set_settings("wrist", {"routine": "of-long-ago"})
            bridge.announce_anew()
            await board.until(lambda d: len(offered(d)) == 6)

    assert offered(board)[::2] == [
        ["lower-back"],
        ["lower-back", "shoulders"],
        ["lower-back", "of-long-ago", "shoulders"],
    ]
