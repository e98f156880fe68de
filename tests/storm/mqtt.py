# SPDX-License-Identifier: MIT
"""MQTT in a storm: what hosts publish by, who commands them by it, and what must be there then.

`RealMqtt` is all of it: bridge, aiomqtt and paho, a broker, and a second client that stands for
Home Assistant.  `StandIn` leaves out everything beyond the bridge's inbox, for storms that are to
be many.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from unittest import mock

import aiomqtt
import paho.mqtt.client

from tenuto.daemon.commands import MQTT
from tenuto.history.person_summary import PersonSummaries
from tenuto.history.summary import replay
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.bridge import Bridge
from tenuto.mqtt.client import make_client
from tenuto.mqtt.connection import Timing
from tenuto.mqtt.discovery import (
    Place,
    Subject,
    announce_bridge,
    announce_wearable,
    wearable_topic,
)
from tenuto.mqtt.home_assistant import HomeAssistant
from tenuto.mqtt.leases import Leases
from tenuto.mqtt.outbox import HELD_MAX
from tenuto.mqtt.outgoing import QUEUE_MAX, WINDOW
from tenuto.mqtt.state_topics import StateTopics
from tenuto.mqtt.topics import (
    SETTINGS,
    Topics,
    encode,
    event_payload,
    session_payload,
    settings_payload,
    summary_payload,
)
from tenuto.sessions.admission import REQUEST_BURST, REQUESTS_AT_ONCE
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import EVENTS_OF_THE_HEART, Entry
from tenuto.state.settings import SettingsStore
from tenuto.wearables.device_state import DeviceState
from tenuto.wearables.surroundings import LinkState
from tests.storm.broker import Broker, Cut, Line
from tests.storm.hosts import BAND, BOUND, Host
from tests.storm.weather import What

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tenuto.daemon.sinks import Sink
    from tests.storm.broker import Published
    from tests.storm.claims import ClaimBroker
    from tests.storm.weather import Trouble

BASE = "tenuto"
RIVAL = "rival"
SETTLED_S = 2.0
"""Long enough for a message to get from one client to another when nothing is in its way."""
LINGER_S = 20.0
"""How long the broker believes in a connection that is broken."""
EDGE_S = 0.05
"""So near to the limit an event may be late or not."""


OwnSettings: TypeAlias = tuple[SettingsStore | None, "Callable[[str], None]"]


class Post(Protocol):
    """What one host, in one of its lives, has for MQTT.

    sinks: for its queues, the one for events first.  sizes: how full its queues are.  dropped:
    events that it gave up.  leases: where hosts share the band.
    """

    sinks: Sequence[Sink]
    settings: OwnSettings
    leases: Leases | None

    def on_link(self, wearable: str, state: LinkState) -> None: ...
    def busy(self) -> list[asyncio.Task[None]]: ...
    def sizes(self) -> dict[str, int]: ...
    @property
    def dropped(self) -> int: ...
    async def keep(self) -> None: ...
    async def kill(self) -> None: ...


class Mqtt(Protocol):
    """All that is MQTT in one storm."""

    limits: dict[str, int]
    trace: list[object]

    async def open(self, folder: Path) -> None: ...
    async def close(self) -> None: ...
    def post(self, host: Host) -> Post: ...
    def watch(self, hosts: Sequence[Host]) -> None: ...
    def ask(self, host: Host, command: Command, *, at: bool = False) -> None: ...
    def ask_in_vain(self, name: str) -> None: ...
    async def happen(self, trouble: Trouble, host: Host) -> None: ...
    def calm_down(self) -> None: ...
    async def ask_in_calm(self, host: Host) -> None: ...
    async def check(self, hosts: Sequence[Host]) -> None: ...


def asked(command: Command) -> dict[str, Any]:
    """Give a command as JSON."""
    data: dict[str, Any] = {"command": command.verb.value, "id": command.id}
    if command.verb is Verb.START:
        data["routine"] = command.routine
    if command.verb is Verb.EXTEND:
        data["by_s"] = command.by_ms // 1000
    return data


# --- without a broker


class _StandInPost:
    """The bridge as a sink that never connects, to a broker that takes long or takes nothing."""

    name = "mqtt"

    def __init__(self, mqtt: StandIn, host: Host) -> None:
        self._mqtt = mqtt
        self._host = host
        self.sinks: Sequence[Sink] = [self]
        self.settings: OwnSettings = (None, lambda _: None)
        self.leases = mqtt.leases_of(host)
        self.bridge = Bridge(
            [BrokerAddress("127.0.0.1", 9)],
            submit=lambda asked: host.submit(asked, MQTT),
            rng=random.Random(1),
            utc_ms=host.utc_ms,
        )
        self.bridge.set_subjects([Subject(id=BAND, name=BAND)])

    async def open(self) -> None:
        if self.leases is not None and self._mqtt.claims is not None:
            self._mqtt.claims.open(self._host.name, self.leases)

    async def handle(self, entries: Sequence[Entry]) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._mqtt.dead_until_s - loop.time()))
        if loop.time() < self._mqtt.slow_until_s:
            await asyncio.sleep(0.5)
        await self.bridge.handle(entries)

    async def close(self) -> None:
        if self.leases is not None and self._mqtt.claims is not None:
            await self._mqtt.claims.close(self._host.name)
            self.leases.close()

    def on_link(self, wearable: str, state: LinkState) -> None:
        tell_link(self._host, self.bridge, wearable, state)

    def busy(self) -> list[asyncio.Task[None]]:
        return list(self.bridge._inbox.tasks)

    def sizes(self) -> dict[str, int]:
        return {}

    @property
    def dropped(self) -> int:
        return 0

    async def keep(self) -> None:
        pass

    async def kill(self) -> None:
        if self._mqtt.claims is not None:
            await self._mqtt.claims.kill(self._host.name)


class StandIn:
    """In place of client, network and broker: what is asked goes straight into the inbox.

    claims: between hosts that share the band, None where each is alone.
    """

    def __init__(self, claims: ClaimBroker | None = None) -> None:
        self.claims = claims
        self.limits: dict[str, int] = {}
        self.trace: list[object] = []
        self.dead_until_s = self.slow_until_s = 0.0

    async def open(self, folder: Path) -> None:
        pass

    async def close(self) -> None:
        pass

    def post(self, host: Host) -> _StandInPost:
        return _StandInPost(self, host)

    def leases_of(self, host: Host) -> Leases | None:
        """Return the leases of a host in this life."""
        return None if self.claims is None else new_leases(host)

    def watch(self, hosts: Sequence[Host]) -> None:
        pass

    def ask(self, host: Host, command: Command, *, at: bool = False) -> None:  # noqa: ARG002
        """Ask as Home Assistant does, by a message that its broker delivers twice."""
        for _ in range(2):
            self._take(host, "command", json.dumps(asked(command)).encode())

    def ask_in_vain(self, name: str) -> None:
        pass

    def _take(self, host: Host, what: str, payload: bytes, *, retained: bool = False) -> None:
        if host.is_up:
            post = host.post
            assert isinstance(post, _StandInPost)
            post.bridge._inbox.take(BAND, what, payload, retained=retained)

    async def happen(self, trouble: Trouble, host: Host) -> None:
        until_s = asyncio.get_running_loop().time() + trouble.value
        if trouble.what in (What.BROKER_DEAD, What.BROKER_RESTART):
            self.dead_until_s = until_s
        elif trouble.what is What.BROKER_SLOW:
            self.slow_until_s = until_s
        elif trouble.what is What.LEFT:
            self._take(host, "command", b"skip", retained=True)
        elif trouble.what is What.SETTING:
            self._take(host, trouble.word, str(round(trouble.value)).encode())

    def calm_down(self) -> None:
        pass

    async def ask_in_calm(self, host: Host) -> None:
        pass

    async def check(self, hosts: Sequence[Host]) -> None:
        self.check_host(hosts[0])

    def check_host(self, host: Host) -> None:
        """See that what one host publishes of its session is what its screen shows."""
        assert isinstance(host.post, _StandInPost)
        retained = host.post.bridge._outgoing.retained
        check_session(host, json.loads(retained[f"{BASE}/{BAND}/session"]))


def new_leases(host: Host) -> Leases:
    """Return the leases of a host that was started."""
    return Leases("leases", host.name, random.Random(host.rng.getrandbits(64)))


def tell_link(host: Host, bridge: Bridge, wearable: str, state: LinkState) -> None:
    """Say what a daemon says of a link; see `tenuto.daemon.mqtt_service`."""
    supervisor = host.maybe_supervisor
    if state is LinkState.UP and supervisor is not None:
        if supervisor.present is not None:
            bridge.wearable_plays(wearable, supervisor.present)
        elif supervisor.is_idle:
            bridge.wearable_idle(wearable)
    bridge.wearable_online(wearable, state is LinkState.UP)


def check_session(host: Host, said: dict[str, Any]) -> None:
    """See that what MQTT says of the session is what the host's own screen shows."""
    expected = json.loads(encode(session_payload(host.view())))
    assert said == expected, f"MQTT says {said}, the host {expected}"


# --- with one


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client got."""

    topic: str
    payload: bytes
    retain: bool


class House:
    """Home Assistant, as far as a broker can tell: hears everything, asks, comes back.

    seen: all that it got, in order.
    """

    def __init__(self, address: BrokerAddress) -> None:
        self.seen: list[Seen] = []
        self._address = address
        self._client: aiomqtt.Client | None = None
        self._task = asyncio.create_task(self._run(), name="house")
        self._sending: set[asyncio.Task[None]] = set()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with self._connection("house") as client:
                    await client.subscribe("#", qos=1)
                    self._client = client
                    async for message in client.messages:
                        payload = bytes(message.payload)
                        self.seen.append(Seen(str(message.topic), payload, message.retain))
            self._client = None
            await asyncio.sleep(1)

    def _connection(self, name: str) -> aiomqtt.Client:
        return make_client(self._address, timeout_s=10, tls=None, identifier=name)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Send a message at QoS 1; False if the broker is not there."""
        client = self._client
        if client is None:
            return False

        async def send() -> None:
            with contextlib.suppress(aiomqtt.MqttError):
                await client.publish(topic, payload, qos=1, retain=retain)

        task = asyncio.create_task(send(), name="house sends")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return True

    async def look(self) -> dict[str, bytes]:
        """Give what who subscribes now is given, by topic; all of it must be retained."""
        found: dict[str, bytes] = {}
        async with self._connection("guest") as client:
            await client.subscribe("#", qos=1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SETTLED_S):
                    async for message in client.messages:
                        assert message.retain, f"not retained: {message.topic}"
                        found[str(message.topic)] = bytes(message.payload)
        return found

    async def close(self) -> None:
        """Leave."""
        tasks = [self._task, *self._sending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _RealPost:
    """Bridge and feed, as the daemon has them."""

    def __init__(self, host: Host, line: Line, liked: dict[str, object]) -> None:
        self.line = line
        self._liked = liked
        self.memory = SettingsStore(host.path.with_suffix(".json"))
        self.settings: OwnSettings = (self.memory, self._note_settings)
        self.leases: Leases | None = None
        self._host = host
        self.bridge = Bridge(
            [line.address],
            base_topic=host.base,
            submit=lambda asked: host.submit(asked, MQTT),
            rng=random.Random(host.rng.getrandbits(64)),
            utc_ms=host.utc_ms,
            table=host.store.outbox,
            home_assistant=HomeAssistant(known=self.memory, routines=host.routines),
        )
        self.bridge.set_subjects([Subject(id=BAND, name=BAND)])
        self.feed = StateTopics(
            self.bridge,
            settings=self.memory,
            summaries=PersonSummaries(host.store),
            device=self._device,
            device_id=lambda _: None,
            routine_label=lambda _, name: name or host.routines()[0],
            flushed=lambda: host.queues[0].flush(5),
            utc_ms=host.utc_ms,
        )
        self.feed.set_subjects([BAND], [])
        self.sinks: Sequence[Sink] = [self.bridge, self.feed]

    def _note_settings(self, wearable: str) -> None:
        liked = self.memory.preferences(wearable)
        self._liked |= settings_payload(liked, liked.routine or self._host.routines()[0])
        self.feed.say_settings(wearable)

    def _device(self, _wearable: str) -> DeviceState:
        supervisor = self._host.maybe_supervisor
        return DeviceState(
            link="simulated",
            battery_pct=None if supervisor is None else supervisor.battery_pct,
            firmware=None if supervisor is None else supervisor.firmware,
        )

    def on_link(self, wearable: str, state: LinkState) -> None:
        tell_link(self._host, self.bridge, wearable, state)
        self.feed.say_device(wearable)

    def busy(self) -> list[asyncio.Task[None]]:
        return list(self.bridge._inbox.tasks)

    def sizes(self) -> dict[str, int]:
        outbox = self.bridge._outbox
        return {
            "mqtt queue": len(self.bridge._outgoing._queue),
            "mqtt outbox": len(outbox._held),
            "mqtt outbox, unkept": len(outbox._unkept),
            "mqtt on their way": len(outbox._flying),
            "mqtt commands": len(self.bridge._inbox.tasks),
        }

    @property
    def dropped(self) -> int:
        """Events that the broker never got."""
        return self.bridge._outbox.dropped

    async def keep(self) -> None:
        """Have what the broker does not have survive; called before the history keeps it."""
        await self.bridge.keep()

    async def kill(self) -> None:
        """End the bridge as a power cut does: no farewell, nothing more is written."""
        # A broker that is down in that moment never tells the last will.
        self.line.ended_unheard = not self.line.broker.is_up
        self.line.deafen()
        await self.line.hang_up()
        bridge = self.bridge
        assert bridge._task is not None
        tasks = [bridge._task, *bridge._helpers]
        bridge._task = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def unkept(self) -> set[str]:
        """Give the events that are on no disk."""
        return {_bare(item.payload) for item in self.bridge._outbox._unkept.values()}


@dataclass
class _Sent:
    """A command of the house's.

    at_s: when, by the loop's clock.  has_time: whether that is in it.  is_vain: whether the broker
    had nobody to give it to.
    """

    at_s: float
    has_time: bool
    is_vain: bool


@dataclass
class RealMqtt:
    """Bridges, lines, broker and house."""

    trace: list[object] = field(default_factory=list)
    limits: dict[str, int] = field(
        default_factory=lambda: {
            "mqtt queue": QUEUE_MAX,
            "mqtt outbox": 2 * HELD_MAX + WINDOW,
            "mqtt outbox, unkept": HELD_MAX + BOUND,
            "mqtt on their way": WINDOW,
            # `stop` is never held up, but it has the limit of its bucket.
            "mqtt commands": REQUESTS_AT_ONCE + 3 * REQUEST_BURST,
        }
    )

    async def open(self, folder: Path) -> None:
        """Start the broker and let the house in."""
        self._loop = asyncio.get_running_loop()
        self._stack = contextlib.ExitStack()
        # paho reads the clock of its module, and pings and gives up by it.
        clock = mock.patch.object(paho.mqtt.client, "time_func", self._loop.time)
        self._stack.enter_context(clock)
        self._folder = folder
        self.broker = Broker()
        line = Line(self.broker, folder / "house.sock")
        await self.broker.start()
        self.house = House(line.address)
        self.lines: dict[str, Line] = {}
        self._posts: dict[str, list[_RealPost]] = {}
        self._liked: dict[str, dict[str, object]] = {}
        self._sent: dict[str, _Sent] = {}
        self._left: dict[str, float] = {}
        self._two_since_s = math.inf

    async def close(self) -> None:
        """End everything."""
        await self.house.close()
        for line in list(self.broker.lines):
            await line.close()
        await self.broker.stop(forgets=True)
        self._stack.close()

    def post(self, host: Host) -> _RealPost:
        """Give what a host needs in this life."""
        if host.name not in self.lines:
            # One finds out by itself that amqtt speaks no MQTT 5, which takes ten seconds.
            protocol = None if host.name != RIVAL else "3.1.1"
            self.lines[host.name] = Line(self.broker, self._folder / f"{host.name}.sock", protocol)
        line = self.lines[host.name]
        line.listen()
        post = _RealPost(host, line, self._liked.setdefault(host.name, {}))
        self._posts.setdefault(host.name, []).append(post)
        return post

    def watch(self, hosts: Sequence[Host]) -> None:
        """See that two on one base do not both speak; called every second or so."""
        posts = [host.post for host in hosts if host.is_up and host.base == BASE]
        speak = [post for post in posts if isinstance(post, _RealPost) and post.bridge.connected]
        if len(speak) < 2 or not all(post.line.is_clear for post in speak):
            self._two_since_s = math.inf
            return
        self._two_since_s = min(self._two_since_s, self._loop.time())
        assert self._loop.time() - self._two_since_s < SETTLED_S, "two speak on one base"

    # --- what people do

    def _command(self, payload: dict[str, Any], *, retain: bool = False) -> bool:
        data = json.dumps(payload).encode()
        return self.house.publish(f"{BASE}/{BAND}/command", data, retain=retain)

    def ask(self, host: Host, command: Command, *, at: bool = False) -> None:
        """Ask by a message that comes twice, as after a lost acknowledgement."""
        data = asked(command)
        if at:
            data["at"] = host.true_utc_ms() / 1000
        if self._command(data):
            assert command.id is not None
            is_vain = not self.lines[host.name].is_open
            self._sent[command.id] = _Sent(self._loop.time(), at, is_vain)
            self._command(data)

    def ask_in_vain(self, name: str) -> None:
        """Ask for something while Tenuto is away."""
        self._command({"command": "start", "routine": name, "id": name})

    async def happen(self, trouble: Trouble, host: Host) -> None:
        """Let it happen."""
        line, value, word = self.lines[host.name], trouble.value, trouble.word
        if trouble.what is What.BROKER_DEAD:
            if word == "vanishes":
                line.vanish(LINGER_S)
            (line.refuse if word == "refuses" else line.silence)(value)
        elif trouble.what is What.BROKER_SLOW:
            line.slow_down(value, float(word))
        elif trouble.what is What.BROKER_CUT:
            linger_s = LINGER_S if "late" in word else 0.0
            line.cut = Cut(int(value), value % 1, is_up="up" in word, linger_s=linger_s)
        elif trouble.what is What.BROKER_RESTART:
            await self.broker.stop(forgets=word == "forgets")
            await asyncio.sleep(value)
            await self.broker.start()
        elif trouble.what is What.LEFT:
            routine = f"left {trouble.at_s}"
            if self._command({"command": "start", "routine": routine}, retain=True):
                self._left[routine] = self._loop.time()
        elif trouble.what is What.SETTING:
            topic = f"{BASE}/{BAND}/{word}/set"
            self.house.publish(topic, str(round(value)).encode())
        elif trouble.what is What.BIRTH:
            self.house.publish("homeassistant/status", b"online")

    def calm_down(self) -> None:
        """Let what was ordered happen within a minute or not at all."""
        for line in self.lines.values():
            line.cut_within(60)

    async def ask_in_calm(self, host: Host) -> None:
        """Clear what was left at the broker, and see that a command is obeyed and answered."""
        self.house.publish(f"{BASE}/{BAND}/command", b"", retain=True)
        for verb in (Verb.START, Verb.STOP):
            routine = host.routines()[0] if verb is Verb.START else None
            command = Command(wearable=BAND, verb=verb, routine=routine, id=f"calm {verb}")
            self.ask(host, command, at=not host.clock_was_set)
            await asyncio.sleep(5)
            answers = [a for a in self._answers() if a["id"] == command.id]
            assert answers, f"{verb} was not answered"
            assert all(answer["ok"] for answer in answers), answers

    def _answers(self) -> list[dict[str, Any]]:
        topic = f"{BASE}/{BAND}/result"
        return [json.loads(seen.payload) for seen in self.house.seen if seen.topic == topic]

    # --- the promises

    async def check(self, hosts: Sequence[Host]) -> None:
        """See that all is at the broker that should be there, and nothing else was obeyed."""
        host = hosts[0]
        post = host.post
        assert isinstance(post, _RealPost)
        post.feed.refresh()
        await asyncio.sleep(SETTLED_S)
        await self._check_retained(host, post)
        for one in hosts:
            self._check_order(one)
            self._trace(one)
        await self._check_history(host)
        self._check_asked(hosts)
        assert not await host.store.outbox.after(0, 1), "what has arrived still waits"

    async def _check_retained(self, host: Host, post: _RealPost) -> None:
        there = await self.house.look()
        known = {topic: there.pop(f"{BASE}/{topic}", None) for topic in _RETAINED}
        assert known["bridge/availability"] == b"online", known
        assert known[f"{BAND}/availability"] == b"online", known
        check_session(host, json.loads(known[f"{BAND}/session"] or b"{}"))
        device = json.loads(known[f"{BAND}/device"] or b"{}")
        assert device["battery_pct"] == host.supervisor.battery_pct, device
        assert device["firmware"] == host.supervisor.firmware, device
        liked = post.memory.preferences(BAND)
        settings = settings_payload(liked, liked.routine or host.routines()[0])
        assert json.loads(known[f"{BAND}/settings"] or b"{}") == settings
        assert self._liked[host.name].items() <= settings.items(), "what was set is forgotten"
        stands = await PersonSummaries(host.store).of(lambda _: True, round(host.utc_ms()))
        summary = json.loads(encode(summary_payload(stands)))
        assert json.loads(known[f"{BAND}/summary"] or b"{}") == summary
        names = [settings["routine"], *host.routines()]
        subject = Subject(id=BAND, name=BAND)
        topic = wearable_topic(Topics(BASE), "homeassistant", BAND)
        announced = post.memory.announced.get(topic)
        told = announce_wearable(
            Place(topics=Topics(BASE)),
            subject,
            sorted({*names}),
            told={name for name, value in device.items() if value is not None},
            before=() if announced is None else announced.components,
            firmware=device["firmware"],
        )
        bridge = announce_bridge(Place(topics=Topics(BASE)), manage=False)
        for one in (told, bridge):
            assert there.pop(one.topic, None) == encode(one.config), "not announced"
        # A rival that was killed may have left its own.
        left = [topic for topic in there if RIVAL not in topic]
        assert not left, f"retained, nobody knows why: {left}"
        rival = there.get(f"{RIVAL}/bridge/availability", b"offline")
        assert rival == b"offline" or self.lines[RIVAL].ended_unheard, rival

    def _check_order(self, host: Host) -> None:
        """See that the broker got each event at least once and in order, or it is counted."""
        topic = f"{host.base}/{BAND}/event"
        came = [item for item in self.lines[host.name].published if item.topic == topic]
        arrived = list(dict.fromkeys(_bare(item.payload) for item in came))
        told = [entry for entry in host.told() if _is_told(entry)]
        expected = list(dict.fromkeys(map(_canonical, told)))
        may_lack = {_canonical(entry) for entry in host.unheard if _is_told(entry)}
        for post in self._posts[host.name]:
            may_lack |= post.unkept()
        if host.name == RIVAL:  # it may never have been let in
            may_lack = set(expected)
        there = set(arrived)
        assert arrived == [event for event in expected if event in there], "not in order"
        lacking = [event for event in expected if event not in there and event not in may_lack]
        assert len(lacking) <= host.dropped, f"{host.dropped} were dropped, {lacking} lack"
        self._check_late(host, came)

    def _check_late(self, host: Host, came: Sequence[Published]) -> None:
        for item in came:
            told = json.loads(item.payload)
            age_s = (
                host.utc_ms_at(item.at_s) / 1000 - datetime.fromisoformat(told["utc"]).timestamp()
            )
            if abs(abs(age_s) - Timing().fresh_s) > EDGE_S:
                assert told["late"] is (abs(age_s) > Timing().fresh_s), f"{age_s} s old: {told}"

    async def _check_history(self, host: Host) -> None:
        came = self.lines[host.name].published
        there = {_without_time(item.payload) for item in came if item.topic.endswith("/event")}
        may_lack = {_without_time(encode(event_payload(entry))) for entry in host.unheard}
        lacking = []
        for row in await host.store.sessions():
            stored = await host.store.session(row.id)
            assert stored is not None
            for event, utc_ms in replay(stored):
                entry = Entry(row.key, row.wearable, None, event, utc_ms)
                if type(event) not in EVENTS_OF_THE_HEART:
                    lacking.append(_without_time(encode(event_payload(entry))))
        lacking = [event for event in lacking if event not in there | may_lack]
        assert len(lacking) <= host.dropped, f"in the history and not at the broker: {lacking}"

    def _check_asked(self, hosts: Sequence[Host]) -> None:
        """See that nothing was obeyed that was asked of nobody, by nobody or too late."""
        for host in hosts:
            obeyed = [command for _, command in host.submitted]
            for routine in self._left:
                times = sum(command.routine == routine for command in obeyed)
                assert times <= 1, f"what was left at the broker was obeyed {times} times"
            for at_s, command in host.submitted:
                sent = self._sent.get(command.id or "")
                if sent is not None and sent.has_time and not host.clock_was_set:
                    assert at_s - sent.at_s <= 31, f"{command} came too late"
        for _, command in hosts[0].submitted:
            sent = self._sent.get(command.id or "")
            assert sent is None or not sent.is_vain, f"obeyed, though it was away: {command}"
            assert not (command.routine or "").startswith("in vain"), command
        known = {command.id for host in hosts for _, command in host.submitted}
        words = {None, *Verb, *(f"{name}/set" for name in SETTINGS)}
        for answer in self._answers():
            assert answer["command"] in words, f"nobody asked for {answer}"
            assert not answer["ok"] or answer["id"] in known or answer["id"] is None, answer

    def _trace(self, host: Host) -> None:
        boots: dict[bytes, int] = {}

        def number(found: re.Match[bytes]) -> bytes:
            return b"%d" % boots.setdefault(found[0], len(boots))

        self.trace.append(
            [
                # The number of a boot is drawn anew each time, that it may never come again.
                (round(item.at_s, 6), item.topic, _BOOT.sub(number, item.payload))
                for item in self.lines[host.name].published
                # Who speaks tells the name of the computer and the number of the process.
                if not item.topic.startswith(f"{host.base}/bridge/")
            ]
        )


_BOOT = re.compile(rb'(?<="session":")[0-9a-f]{8}(?=-)')
_RETAINED = (
    "bridge/availability",
    *(f"{BAND}/{what}" for what in ("availability", "session", "device", "settings", "summary")),
)


def _is_told(entry: Entry) -> bool:
    return not entry.replayed and type(entry.event) not in EVENTS_OF_THE_HEART


def _canonical(entry: Entry) -> str:
    return _bare(encode(event_payload(entry)))


def _bare(payload: bytes) -> str:
    data = json.loads(payload)
    data.pop("late", None)
    return json.dumps(data, sort_keys=True)


def _without_time(payload: bytes) -> str:
    data = json.loads(payload)
    data.pop("late", None)
    data.pop("utc")
    return json.dumps(data, sort_keys=True)
