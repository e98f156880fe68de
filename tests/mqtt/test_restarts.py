# SPDX-License-Identifier: MIT
"""What Home Assistant makes of each order in which things end, start and arrive.

What two runs of a bridge say is recorded from a broker.  The first one is killed at each point of
its session, the broker notices at each point after that, and Home Assistant starts at each point,
with the retained topics in each order.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import aiomqtt
import jinja2
import pytest

from tenuto.mqtt.discovery import Place, Subject, announce_wearable
from tenuto.mqtt.topics import Topics
from tenuto.sessions.events import LinkLost, LinkRestored, SessionEnded, WearableRestarted
from tenuto_core import vocab
from tests.history.sessions import READY_MS, Band
from tests.mqtt.dashboard import Dashboard, dashboard
from tests.mqtt.test_bridge import is_online, make_bridge, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from tenuto.mqtt.address import BrokerAddress
    from tenuto.mqtt.bridge import Bridge
    from tenuto.sessions.events import Entry

pytestmark = pytest.mark.real_time

BRIDGE, LINK, SESSION = (
    "tenuto/bridge/availability",
    "tenuto/wrist/availability",
    "tenuto/wrist/session",
)
TOPICS = (BRIDGE, LINK, SESSION)
WHO = "tenuto/bridge/who"  # what a bridge says first
WILL = (BRIDGE, "offline")
Message = tuple[str, str]


@asynccontextmanager
async def recorded(
    address: BrokerAddress, into: list[Message]
) -> AsyncIterator[tuple[Bridge, Dashboard]]:
    """Run a bridge and write down what it says, but not that it ends: it is killed."""
    async with dashboard(address) as board, running(make_bridge(address)) as bridge:
        await board.until(is_online)
        yield bridge, board
        asked = max(number for number, (topic, *_) in enumerate(board.seen) if topic == WHO)
        # amqtt hands what is retained to all, whoever subscribes.
        into += [(topic, text) for topic, text, old in board.seen[asked:] if not old]
        into[:] = [message for message in into if message[0] in TOPICS]


async def first_run(address: BrokerAddress, band: Band) -> tuple[list[Message], list[Entry]]:
    """Begin a session while Tenuto follows."""
    said: list[Message] = []
    async with recorded(address, said) as (bridge, board):
        bridge.wearable_idle("wrist")
        bridge.wearable_online("wrist", online=True)
        await board.until(lambda d: d.now[LINK] == "online")
        band.do(vocab.START)
        band.pass_ms(READY_MS + 2_000)
        entries = band.entries()
        await bridge.handle(entries)
        await board.until(lambda d: d.json(SESSION)["kind"] == "hold")
    return said, entries


async def second_run(
    address: BrokerAddress, entries: Sequence[Entry], link_up_before: int
) -> list[Message]:
    """Take up the session, one entry after the other, and reach the wearable before one of them."""
    said: list[Message] = []
    async with recorded(address, said) as (bridge, board):
        for number, entry in enumerate(entries):
            if number == link_up_before:
                bridge.wearable_plays("wrist", entries[-1].session)
                bridge.wearable_online("wrist", online=True)
            await bridge.handle([entry])
            await bridge._outgoing.wait_until_sent()
        told = json.loads(bridge._outgoing.retained[SESSION])
        await board.until(lambda d: d.now[LINK] == "online" and d.json(SESSION) == told)
    return said


class HomeAssistant:
    """The binary sensor "Session running" as Home Assistant keeps it, by what was announced."""

    def __init__(self) -> None:
        subject = Subject(id="wrist", name="wrist")
        config = announce_wearable(Place(topics=Topics("tenuto")), subject, []).config
        item = config["components"]["running"]
        topics = item.get("availability") or config["availability"]
        self._needed = [one["topic"] for one in topics]
        self._template = jinja2.Environment().from_string(item["value_template"])  # noqa: S701
        self._rendered: dict[str, str] = {}
        assert item["state_topic"] == SESSION
        assert set(self._needed) <= set(TOPICS)

    def states(self, messages: Sequence[Message]) -> Iterator[str]:
        """Return the state after each message."""
        now: dict[str, str] = {}
        for topic, text in messages:
            now[topic] = text
            if not all(now.get(one) == "online" for one in self._needed):
                yield "unavailable"
            elif SESSION not in now:
                yield "unknown"
            else:
                yield self._render(now[SESSION])

    def _render(self, text: str) -> str:
        if text not in self._rendered:
            shown = self._template.render(value_json=json.loads(text))
            self._rendered[text] = {"ON": "on", "OFF": "off", "None": "unknown"}[shown]
        return self._rendered[text]


def retained(messages: Sequence[Message]) -> dict[str, str]:
    return dict(messages)


def all_orders(first: Sequence[Message], second: Sequence[Message]) -> Iterator[list[Message]]:
    """What Home Assistant gets while a session goes on, in each order of ends and starts."""
    began = next(index for index, (topic, text) in enumerate(first) if '"state":"playing"' in text)
    for killed in range(began + 1, len(first) + 1):
        for noticed in range(len(second) + 1):
            # A bridge that hears its predecessor's last will puts it right.
            mended = [(BRIDGE, "online")] if (BRIDGE, "online") in second[:noticed] else []
            said = [*first[:killed], *second[:noticed], WILL, *mended, *second[noticed:]]
            yield said
            for started in range(began + 1, len(said)):
                for order in permutations(retained(said[:started]).items()):
                    yield [*order, *said[started:]]


async def test_a_restarted_daemon_declares_nothing_current_that_a_killed_one_left(
    address: BrokerAddress,
) -> None:
    """Else Home Assistant takes what was retained in mid-session for the news of now."""
    async with aiomqtt.Client(address.host, address.port) as client:
        await client.publish(LINK, "online", qos=1, retain=True)
        await client.publish(BRIDGE, "offline", qos=1, retain=True)
    async with dashboard(address) as board:
        await board.until(lambda d: d.now.get(LINK) == "online")
        async with running(make_bridge(address)):
            await board.until(is_online)
            assert board.now[LINK] == "offline"
            assert board.json(SESSION)["state"] is None


async def test_a_session_that_began_out_of_reach_is_not_taken_for_the_one_before(
    address: BrokerAddress,
) -> None:
    """The link is told at once, and what was logged meanwhile comes after that."""
    said: list[Message] = []
    band = Band()
    async with recorded(address, said) as (bridge, board):
        bridge.wearable_idle("wrist")
        bridge.wearable_online("wrist", online=True)
        for command, ms in ((vocab.START, READY_MS), (vocab.STOP, 60_000), (vocab.START, READY_MS)):
            band.do(command)
            band.pass_ms(ms)
        entries = band.entries()
        began = next(n for n, entry in enumerate(entries) if entry.event.name == "session_ended")
        await bridge.handle(entries[:began])
        await board.until(
            lambda d: d.now[LINK] == "online" and d.json(SESSION)["state"] == "playing"
        )
        await bridge.handle([replace(entries[0], event=LinkLost(t_ms=5_000))])
        bridge.wearable_online("wrist", online=False)
        await board.until(lambda d: d.now[LINK] == "offline")
        bridge.wearable_plays("wrist", entries[-1].session)
        bridge.wearable_online("wrist", online=True)
        await bridge.handle([replace(entries[0], event=LinkRestored(t_ms=90_000))])
        for entry in entries[began:]:
            await bridge.handle([entry])
            await bridge._outgoing.wait_until_sent()
        await board.until(lambda d: d.json(SESSION)["state"] == "playing")
        assert board.json(SESSION)["link"] == "ok", "it came back before the session that goes on"
    states = list(HomeAssistant().states(said))
    after = states[states.index("on") :]
    assert set(after) == {"on", "unavailable", "unknown"}, states


async def test_a_session_that_goes_on_is_never_taken_for_over(address: BrokerAddress) -> None:
    band, home = Band(), HomeAssistant()
    first, entries = await first_run(address, band)
    band.pass_ms(20_000)
    taken_up = [replace(entry, replayed=True) for entry in entries]
    # One that was never shown here ends, because the wearable had begun anew.
    before = replace(entries[0].session, boot_id=1)
    last_words = [
        replace(entries[0], session=before, event=WearableRestarted(t_ms=0)),
        replace(
            entries[0], session=before, event=SessionEnded(t_ms=0, reason="failed", source="host")
        ),
    ]
    count = 0
    for to_tell in (taken_up, [*last_words, *taken_up]):
        for link_up_before in range(len(to_tell)):
            second = await second_run(address, to_tell, link_up_before)
            for messages in all_orders(first, second):
                states = list(home.states(messages))
                after = states[states.index("on") :] if messages[: len(first)] == first else states
                assert "off" not in after, (link_up_before, messages, states)
                assert states[-1] == "on"
                count += 1
    assert count > 1000, "there are many orders"
