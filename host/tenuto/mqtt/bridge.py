# SPDX-License-Identifier: MIT
"""The bridge between Tenuto and a broker: a sink for entries, a source of commands.

`handle` only notes what is to be said; a task of the bridge's own connects, says it, and takes
commands. So a broker that is slow, hangs or is away costs nobody anything:

- Retained topics are a table of what should be there. Only changes are sent, the newest value
  wins, and after each connection all of them are sent anew.
- Events wait in the outbox, in order, until the broker has them. Those that happened more than
  `FRESH_S` before they go out are marked `late`: an automation that dims a light an hour later is
  worse than none.
- Heart rates and answers wait for `FRESH_S` at most, then they are dropped and counted.

The broker keeps nothing for the bridge: each connection is a clean start, so a command that was
sent while Tenuto was away is gone.

Two bridges that share a base topic would contradict each other. So each asks after it has
connected whether somebody speaks there already, and if so it leaves again and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tenuto.errors import TenutoError
from tenuto.event_loops import real_s
from tenuto.sessions import events
from tenuto.sessions.commands import Answer, Command, Preference
from tenuto.sessions.view import SessionView

from .announcer import SETTLE_S, Announcer
from .client import make_client, tls_context
from .discovery import (
    RETAINED_OF_PERSON,
    RETAINED_OF_WEARABLE,
    Subject,
    announce_person,
    announce_wearable,
)
from .inbox import Inbox
from .outbox import Outbox
from .topics import (
    EVENTS_OF_THE_HEART,
    NOT_OF_THE_SESSION,
    OFFLINE,
    ONLINE,
    Topics,
    answer_payload,
    encode,
    event_payload,
    heart_payload,
    mark_late,
    session_payload,
)

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from tenuto.history import Waiting
    from tenuto.sessions.events import Entry

    from .address import BrokerAddress
    from .announcer import Known
    from .outbox import Table

_log = logging.getLogger(__name__)

QUEUE_MAX = 512
WINDOW = 20
"""Messages that may be on their way at once: as many as Mosquitto and paho take by themselves. An
acknowledgement often takes 40 ms, for the broker's Nagle waits for this side's delayed one."""
FRESH_S = 10.0
STABLE_S = 10.0
"""A connection that lasted so long was a good one: the next back-off begins anew."""
SHORT_MAX = 4
"""Connections in a row that did not last: somebody else is being connected in their place."""
OUTBOX_RETRY_S = 1.0
DRAIN_S = 1.0
LEAVE_S = 0.3
INCOMING_MAX = 256
PACKET_BYTES_MAX = 65536
"""An MQTT 5 broker drops larger packets on its side."""
RIVAL_WAIT_S = 0.3
RIVAL_RETRY_S = 30.0
BIRTH_DELAY_S = (0.5, 3.0)
"""After Home Assistant's birth message, so that not everybody answers it at once."""


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    payload: bytes
    at_s: float = 0.0
    qos: int = 1
    retain: bool = False


class _Ear(logging.Handler):
    """Hears what paho has to say of a failure; it tells nobody else.

    It tells of each packet too; the bridge says what matters.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.logger = logging.Logger("tenuto.mqtt.client", logging.ERROR)  # noqa: LOG001 - for one
        self.logger.addHandler(self)
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Future[str] = self._loop.create_future()

    def listen(self) -> asyncio.Future[str]:
        """Give a future for the next failure."""
        self._heard = self._loop.create_future()
        return self._heard

    def follow(self, client: aiomqtt.Client) -> None:
        """Hear of it too when the connection is closed, which aiomqtt tells nobody who connects."""
        paho = client._client  # noqa: SLF001 - there is no public way
        on_close: Any = paho.on_socket_close

        def hear(*args: Any) -> None:  # noqa: ANN401
            on_close(*args)
            self._tell(_CLOSED)

        paho.on_socket_close = hear

    def emit(self, record: logging.LogRecord) -> None:
        """Take a log line, from whatever thread."""
        self._tell(record.getMessage())

    def _tell(self, text: str) -> None:
        heard = self._heard

        def tell() -> None:
            if not heard.done():
                heard.set_result(text)

        self._loop.call_soon_threadsafe(tell)


class _RivalError(TenutoError):
    """Another Tenuto speaks on this base topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistant:
    """What it takes to announce everything.

    prefix: where Home Assistant listens.  known: what was announced before.  routines: gives the
    names of all routines.  announce: False only takes back what an earlier run announced.
    settle_s: see `Announcer`.
    """

    known: Known
    routines: Callable[[], Sequence[str]]
    prefix: str = "homeassistant"
    announce: bool = True
    settle_s: float = SETTLE_S


async def _no_preference(preference: Preference) -> Answer:
    return Answer(ok=False, reason="failed", text=f"{preference.name} cannot be set here")


class Bridge:
    """The sink for MQTT, and the way in for commands.

    Attributes:
        connected: whether the broker is there, and this is the one who speaks on its base topic.
        dropped: messages that the broker never got, or may not have got.
        sent: messages that the broker has, and sent_bytes: of their topics and payloads.

    Args:
        address: the broker's.
        base_topic: what all topics begin with; each Tenuto on a broker needs its own.
        wearables: those that may be commanded, by id or with their names.
        people: those whose summaries are published.
        heart: ids of those whose heart rate is published, because their person said so.
        submit: gives a command to the daemon; called in the order of arrival.
        prefer: sets something for a wearable, and calls `set_settings` when it is set.
        rng: for the jitter of the back-off and the client's name.
        utc_ms: ms since 1970; None for the computer's clock.
        table: where events survive a restart, None for nowhere.
        home_assistant: None to announce nothing.
        fresh_s: in place of `FRESH_S`.
        submit_timeout_s: after that a command is answered as `unreachable`.
        connect_timeout_s: for a connection; a name that does not resolve may take longer.
        publish_timeout_s: a message that is not acknowledged for so long ends the connection.
        retry_first_s, retry_max_s: bounds of the back-off between connections.
        rival_wait_s: how long to wait for somebody who speaks on the base topic already.

    These limits are of real time, whatever the speed of the event loop's clock; that between
    connections follows the clock.

    Raises:
        InputError: `base_topic` or an id cannot be part of a topic.
    """

    name = "mqtt"

    def __init__(
        self,
        address: BrokerAddress,
        *,
        wearables: Collection[str | Subject],
        submit: Callable[[Command], Awaitable[Answer]],
        rng: random.Random,
        prefer: Callable[[Preference], Awaitable[Answer]] = _no_preference,
        base_topic: str = "tenuto",
        people: Collection[Subject] = (),
        heart: Collection[str] = (),
        utc_ms: Callable[[], float] | None = None,
        table: Table | None = None,
        home_assistant: HomeAssistant | None = None,
        fresh_s: float = FRESH_S,
        submit_timeout_s: float = 10.0,
        connect_timeout_s: float = 10.0,
        publish_timeout_s: float = 10.0,
        retry_first_s: float = 1.0,
        retry_max_s: float = 30.0,
        rival_wait_s: float = RIVAL_WAIT_S,
        rival_retry_s: float = RIVAL_RETRY_S,
    ) -> None:
        self.connected = False
        self.sent = self.sent_bytes = 0
        self._dropped = 0
        self._address = address
        self._topics = Topics(base_topic)
        self._rng = rng
        self._utc_ms = utc_ms or _utc_ms
        self._outbox = Outbox(table, self._utc_ms)
        self._home = home_assistant
        self._announcer = None
        if home_assistant is not None:
            self._announcer = Announcer(home_assistant.known, home_assistant.settle_s)
        self._fresh_s = real_s(fresh_s)
        self._connect_timeout_s = connect_timeout_s
        self._publish_timeout_s = publish_timeout_s
        self._retry_first_s, self._retry_max_s = retry_first_s, retry_max_s
        self._rival_wait_s, self._rival_retry_s = rival_wait_s, rival_retry_s
        self._me = {
            "instance": f"{rng.getrandbits(64):016x}",
            "since": round(self._utc_ms()),
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        self._client_id = address.client_id or f"tenuto-{rng.getrandbits(32):08x}"
        self._protocol = _PROTOCOLS[address.protocol or "5"]
        self._wearables: dict[str, Subject] = {}
        self._people: dict[str, Subject] = {}
        self._views: dict[str, SessionView] = {}
        self._inbox = Inbox(
            submit=submit,
            prefer=prefer,
            answer=self._answer,
            utc_ms=self._utc_ms,
            timeout_s=submit_timeout_s,
        )
        self._offered: Sequence[str] | None = None
        self._retained: dict[str, bytes] = {}
        self._unsent: dict[str, None] = {}
        self._queue: deque[_Message] = deque()
        self._wake = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._helpers: set[asyncio.Task[None]] = set()
        self._met: set[str] = set()
        self._ear = _Ear()
        self._tls: ssl.SSLContext | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = self._opened = False
        self._retain(self._topics.bridge, ONLINE)
        named = [Subject(id=w, name=w) if isinstance(w, str) else w for w in wearables]
        hearts = frozenset(heart) | {w.id for w in named if w.heart}
        self.set_subjects(
            [Subject(id=w.id, name=w.name, heart=w.id in hearts) for w in named], people
        )

    @property
    def dropped(self) -> int:
        """Messages that the broker never got, or may not have got."""
        return self._dropped + self._outbox.dropped

    # --- the sink

    async def open(self) -> None:
        """Start to connect, and go on trying for as long as the bridge is open.

        Raises:
            InputError: a certificate cannot be used.
        """
        if self._task is not None:
            return
        if self._address.tls and self._tls is None:
            loop = asyncio.get_running_loop()
            self._tls = await loop.run_in_executor(None, tls_context, self._address)
        await self._outbox.open()
        self._closing = False
        self._help(self._outbox.run(), "mqtt outbox")
        self._task = asyncio.create_task(self._run(), name="mqtt bridge")

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Note what entries change; the broker gets it as soon as it can take it.

        Entries of a wearable that was removed meanwhile are left out.
        """
        known = [entry for entry in entries if entry.session.wearable in self._views]
        for entry in known:
            self._views[entry.session.wearable].apply(entry.event, entry.utc_ms)
        changed = (entry for entry in known if type(entry.event) not in NOT_OF_THE_SESSION)
        for wearable in {entry.session.wearable for entry in changed}:
            self._retain_session(wearable)
        self._outbox.hold([told for entry in known if (told := self._tell(entry)) is not None])
        self._stir()
        if not self.connected or self._outbox.is_full:
            await self._outbox.keep()

    async def keep(self) -> None:
        """Put the events that the broker does not have yet where they survive a restart."""
        await self._outbox.keep()

    async def close(self) -> None:
        """Say goodbye if the broker listens, within `DRAIN_S`, and disconnect."""
        task, self._task = self._task, None
        if task is None:
            return
        helpers = [*self._inbox.tasks, *self._helpers]
        for helper in helpers:
            helper.cancel()
        self._closing = True
        try:
            if self.connected:
                self._retain(self._topics.bridge, OFFLINE)
                for wearable in self._views:
                    self._retain(self._topics.of(wearable, "availability"), OFFLINE)
                self._stir()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(real_s(DRAIN_S)):
                        await self._all_sent.wait()
        finally:
            task.cancel()
            _, late = await asyncio.wait({task, *helpers}, timeout=real_s(LEAVE_S))
            if late:
                # The polite way out takes too long; without it the broker publishes the last will.
                task.cancel()
                await asyncio.wait({task}, timeout=real_s(LEAVE_S))
        await self._outbox.close()

    # --- who there is

    def set_subjects(self, wearables: Sequence[Subject], people: Collection[Subject] = ()) -> None:
        """Say which wearables and people there are from now on; the topics of others are cleared.

        Raises:
            InputError: an id cannot be part of a topic; nothing has changed then.
        """
        for wearable in wearables:
            self._topics.of(wearable.id, "session")
        for person in people:
            self._topics.of_person(person.id, "summary")
        for gone in self._views.keys() - {wearable.id for wearable in wearables}:
            del self._views[gone]
            self._clear(self._topics.of(gone, what) for what in RETAINED_OF_WEARABLE)
        for gone in self._people.keys() - {person.id for person in people}:
            self._clear(self._topics.of_person(gone, what) for what in RETAINED_OF_PERSON)
        for wearable in wearables:
            if wearable.id not in self._views:
                self._views[wearable.id] = SessionView()
                self._retain(self._topics.of(wearable.id, "availability"), OFFLINE)
                self._retain_session(wearable.id)
        self._wearables = {wearable.id: wearable for wearable in wearables}
        self._people = {person.id: person for person in people}
        self._inbox.set_wearables(self._views)
        self._offered = None

    def wearable_online(self, wearable: str, online: bool) -> None:  # noqa: FBT001 - it is the news
        """Say whether a wearable is there; nothing for one that was removed."""
        if wearable in self._views:
            payload = ONLINE if online else OFFLINE
            self._retain(self._topics.of(wearable, "availability"), payload)

    def set_device(self, wearable: str, payload: Mapping[str, Any]) -> None:
        """Say what is known of a wearable as a thing; see `topics.device_payload`."""
        self._retain_of(wearable, "device", payload)

    def set_settings(self, wearable: str, payload: Mapping[str, Any]) -> None:
        """Say what is set for a wearable; see `topics.settings_payload`."""
        self._retain_of(wearable, "settings", payload)
        self._offered = None  # the routine that is set is among those that are offered

    def set_summary(self, wearable: str, payload: Mapping[str, Any]) -> None:
        """Say what the sessions on a wearable came to."""
        self._retain_of(wearable, "summary", payload)

    def set_person_summary(self, person: str, payload: Mapping[str, Any]) -> None:
        """Say what the sessions of a person came to; nothing for one who was removed."""
        if person in self._people:
            self._retain(self._topics.of_person(person, "summary"), encode(dict(payload)))

    # --- what is to be said

    def _tell(self, entry: Entry) -> tuple[str, bytes, int] | None:
        """Queue a heart rate; give what must arrive, as (topic, payload, ms since 1970)."""
        if entry.replayed:
            return None  # it was news once, and is not any more
        wearable, event = entry.session.wearable, entry.event
        if type(event) not in EVENTS_OF_THE_HEART:
            payload = encode(event_payload(entry))
            return self._topics.of(wearable, "event"), payload, entry.utc_ms
        is_fresh = self._utc_ms() - entry.utc_ms < self._fresh_s * 1000
        if isinstance(event, events.HeartBeat) and self._wearables[wearable].heart and is_fresh:
            payload = encode(heart_payload(event, entry.utc_ms))
            self._queue_message(self._topics.of(wearable, "heart"), payload, qos=0)
        return None

    def _retain_session(self, wearable: str) -> None:
        self._retain_of(wearable, "session", session_payload(self._views[wearable]))

    def _retain_of(self, wearable: str, what: str, payload: Mapping[str, Any]) -> None:
        if wearable in self._views:
            self._retain(self._topics.of(wearable, what), encode(dict(payload)))

    def _say_everything(self) -> None:
        """Send all that is retained; who sees that somebody is there knows the rest by then."""
        topics = sorted(self._retained, key=lambda topic: topic.endswith("/availability"))
        self._unsent = dict.fromkeys(topics)
        self._stir()

    def _retain(self, topic: str, payload: bytes) -> None:
        if self._retained.get(topic) != payload:
            self._retained[topic] = payload
            self._unsent[topic] = None
            self._stir()

    def _clear(self, topics: Collection[str] | Any) -> None:  # noqa: ANN401 - any iterable
        for topic in topics:
            self._retain(topic, b"")

    def _queue_message(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        if len(self._queue) >= QUEUE_MAX:
            self._queue.popleft()
            self._dropped += 1
        self._queue.append(_Message(topic, payload, asyncio.get_running_loop().time(), qos))
        self._stir()

    def _stir(self) -> None:
        self._all_sent.clear()
        self._wake.set()

    async def _next(self) -> tuple[_Message, Waiting | None] | None:
        for topic in self._unsent:
            del self._unsent[topic]
            return _Message(topic, self._retained[topic], retain=True), None
        if self._queue:  # before the outbox, which may hold what happened in hours
            return self._queue.popleft(), None
        lasting = await self._outbox.take()
        if lasting is None:
            return None
        # What seems to be still to come happened before the clock was set back, who knows when.
        late = abs(self._utc_ms() - lasting.utc_ms) > self._fresh_s * 1000
        return _Message(lasting.topic, mark_late(lasting.payload, late=late)), lasting

    # --- the connection

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        retry_s = self._retry_first_s
        away = told = False
        short = 0
        while True:
            began_s = loop.time()
            rival = False
            try:
                await self._connect_and_serve(away=away)
            except Exception as error:  # noqa: BLE001 - whatever it was, the next try may work
                rival = isinstance(error, _RivalError) or _code(error) == _TAKEN_OVER
                if self.connected or not away or (rival and not told):
                    self._say_away(error)
                away, told = True, rival
                self._try_other_protocol(error)
            if self._opened and not rival:
                lasted = loop.time() - began_s >= STABLE_S
                retry_s = self._retry_first_s if lasted else retry_s
                short = 0 if lasted else short + 1
                if short == SHORT_MAX:
                    _log.error(_TOLD_APART, self._address, self._client_id)
            self.connected = self._opened = False
            wait_s = self._rival_retry_s if rival else retry_s
            await asyncio.sleep(wait_s * self._rng.uniform(0.5, 1.0))
            if not rival:
                retry_s = min(2 * retry_s, self._retry_max_s)

    def _say_away(self, error: Exception) -> None:
        if isinstance(error, _RivalError):
            _log.error("mqtt broker=%s %s", self._address, error)
        elif _code(error) == _TAKEN_OVER:
            _log.error(_TOLD_APART, self._address, self._client_id)
        else:
            why = str(error) or type(error).__name__
            _log.warning("mqtt broker=%s is away: %s", self._address, why)

    def _try_other_protocol(self, error: BaseException) -> None:
        """After a refusal of MQTT 5 speak 3.1.1; after silence try either in turn.

        Some brokers that do not know MQTT 5 answer it by closing the connection.
        """
        if self._address.protocol is not None or self.connected:
            return
        code = _code(error)
        if code == _UNSUPPORTED_PROTOCOL:
            self._protocol = aiomqtt.ProtocolVersion.V311
        elif code is None and not isinstance(error, OSError) and _is_silence(error):
            was_5 = self._protocol is aiomqtt.ProtocolVersion.V5
            self._protocol = _PROTOCOLS["3.1.1" if was_5 else "5"]

    async def _connect_and_serve(self, *, away: bool) -> None:
        client = self._make_client()
        self._met.clear()
        try:
            await self._open_client(client)
            self._opened = True
            await self._serve(client, away=away)
        except (asyncio.CancelledError, _RivalError):
            # Without the farewell the broker would publish the last will.
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
            raise
        except aiomqtt.MqttError as error:
            raise _cause(client) or error from None
        finally:
            self._outbox.give_back()
            _give_up(client)

    async def _subscribe(self, client: aiomqtt.Client, *topics: str) -> None:
        for topic in topics:
            for code in await client.subscribe(topic, qos=1):
                refused = isinstance(code, ReasonCode) and code.is_failure
                if refused or code == _SUBSCRIPTION_FAILED:
                    _log.warning("mqtt broker=%s lets nothing through of %s", self._address, topic)

    async def _serve(self, client: aiomqtt.Client, *, away: bool) -> None:
        # Not a TaskGroup: on Python 3.11 that forgets a cancellation that comes with an error.
        tasks = (
            asyncio.create_task(self._speak(client, away=away), name="mqtt send"),
            asyncio.create_task(self._receive(client), name="mqtt receive"),
        )
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _speak(self, client: aiomqtt.Client, *, away: bool) -> None:
        """See that nobody else speaks here, then say all there is to say.

        Beside `_receive`, which hears of a connection that ends; a subscription waits in vain then.
        """
        await self._subscribe(client, self._topics.who, self._topics.instance)
        await self._publish(client, _Message(self._topics.who, encode(self._me)))
        await asyncio.sleep(real_s(self._rival_wait_s))
        await self._subscribe(client, self._topics.bridge, *self._topics.incoming)
        self.connected = True
        self._forget_stale()
        if away:
            _log.info("mqtt broker=%s is back dropped=%d", self._address, self.dropped)
        else:
            _log.info("mqtt broker=%s connected", self._address)
        self._say_everything()
        if self._home is None or self._announcer is None:
            await self._send(client)
            return
        await self._subscribe(client, f"{self._home.prefix}/status")
        self._want_announcements()

        async def announce(topic: str, payload: bytes) -> None:
            await self._publish(client, _Message(topic, payload, retain=True))

        announcing = asyncio.create_task(
            self._announcer.run(announce, self._is_used), name="mqtt announce"
        )
        sending = asyncio.create_task(self._send(client), name="mqtt send")
        try:
            done, _ = await asyncio.wait((announcing, sending), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (announcing, sending):
                task.cancel()
            await asyncio.gather(announcing, sending, return_exceptions=True)

    # --- Home Assistant

    def announce_anew(self) -> None:
        """See whether what Home Assistant is told has changed, such as the list of routines."""
        if self.connected and self._home is not None and self._home.routines() != self._offered:
            self._want_announcements()

    def _is_used(self, topic: str) -> bool:
        return bool(self._retained.get(topic))

    def _want_announcements(self) -> None:
        home = self._home
        if home is None or self._announcer is None:
            return
        wanted = []
        self._offered = home.routines()
        if home.announce:
            for wearable in self._wearables.values():
                names = self._routine_names(wearable.id, self._offered)
                wanted.append(announce_wearable(self._topics, home.prefix, wearable, names))
            for person in self._people.values():
                wanted.append(announce_person(self._topics, home.prefix, person))  # noqa: PERF401
        self._announcer.want(wanted)

    def _routine_names(self, wearable: str, names: Sequence[str]) -> Sequence[str]:
        settings = json.loads(self._retained.get(self._topics.of(wearable, "settings"), b"{}"))
        own = settings.get("routine")
        return names if own is None or own in names else sorted([*names, own])

    async def _answer_birth(self) -> None:
        await asyncio.sleep(self._rng.uniform(*BIRTH_DELAY_S))
        if self.connected and self._announcer is not None:
            self._want_announcements()
            self._announcer.repeat()
            self._say_everything()
            self._stir()

    def _help(self, work: Any, name: str) -> None:  # noqa: ANN401 - a coroutine
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)

    def _make_client(self) -> aiomqtt.Client:
        properties = None
        if self._protocol is aiomqtt.ProtocolVersion.V5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = PACKET_BYTES_MAX
        client = make_client(
            self._address,
            timeout_s=self._connect_timeout_s,
            tls=self._tls,
            identifier=self._client_id,
            protocol=self._protocol,
            will=aiomqtt.Will(self._topics.bridge, OFFLINE, qos=1, retain=True),
            keepalive=self._address.keepalive_s,
            **_clean_start(self._protocol),
            max_queued_incoming_messages=INCOMING_MAX,
            properties=properties,
            logger=self._ear.logger,
        )
        client.pending_calls_threshold = WINDOW + 1
        self._ear.follow(client)
        return client

    async def _open_client(self, client: aiomqtt.Client) -> None:
        # The connection is made in a thread, which cannot be interrupted: let it end first.
        opening = asyncio.create_task(client.__aenter__(), name="mqtt connect")
        broken = self._ear.listen()
        try:
            either: set[asyncio.Future[Any]] = {opening, broken}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            # The one who waits may be about to hear more of why.
            await asyncio.wait({opening}, timeout=real_s(LEAVE_S / 2))
            if opening.done():
                await opening
                return
            # aiomqtt would wait for the whole time limit and then not know why.
            raise aiomqtt.MqttError(broken.result())
        except (asyncio.CancelledError, aiomqtt.MqttError):
            broken.cancel()
            await asyncio.wait({opening}, timeout=real_s(LEAVE_S / 2))
            opening.cancel()
            opening.add_done_callback(lambda task: task.cancelled() or task.exception())
            raise

    def _forget_stale(self) -> None:
        oldest_s = asyncio.get_running_loop().time() - self._fresh_s
        while self._queue and self._queue[0].at_s < oldest_s:
            self._queue.popleft()
            self._dropped += 1

    async def _send(self, client: aiomqtt.Client) -> None:
        sending: set[asyncio.Task[None]] = set()
        try:
            while True:
                self._wake.clear()
                for task in [task for task in sending if task.done()]:
                    sending.discard(task)
                    task.result()
                while len(sending) < WINDOW and (found := await self._next()) is not None:
                    work = self._deliver(client, *found)
                    task = asyncio.create_task(work, name="mqtt publish")
                    task.add_done_callback(lambda _: self._wake.set())
                    sending.add(task)
                # What the outbox could not give just now is asked for again.
                again_s = None if sending or not self._outbox.waits else OUTBOX_RETRY_S
                if not sending and again_s is None:
                    self._all_sent.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(again_s):
                        await self._wake.wait()
        finally:
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)

    async def _deliver(
        self, client: aiomqtt.Client, message: _Message, lasting: Waiting | None
    ) -> None:
        try:
            await self._publish(client, message)
        except BaseException:
            # What is retained is sent anew, what lasts is given back.
            self._dropped += lasting is None and not message.retain
            raise
        if lasting is not None:
            self._outbox.arrived(lasting)

    async def _publish(self, client: aiomqtt.Client, message: _Message) -> None:
        await client.publish(
            message.topic,
            message.payload,
            qos=message.qos,
            retain=message.retain,
            timeout=real_s(self._publish_timeout_s),
        )
        self.sent += 1
        self.sent_bytes += len(message.topic) + len(message.payload)

    # --- what comes in

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic = str(message.topic)
            if topic in (self._topics.who, self._topics.instance):
                await self._meet(client, topic, message.payload, retained=message.retain)
            elif topic == self._topics.bridge:
                if message.payload == OFFLINE and self.connected and not self._closing:
                    # The last will of a connection that the broker took so long to give up.
                    self._unsent[topic] = None
                    self._stir()
            elif self._home is not None and topic == f"{self._home.prefix}/status":
                if message.payload == ONLINE and not message.retain:
                    self._help(self._answer_birth(), "mqtt birth")
            elif (asked := self._topics.asked(topic)) is not None:
                self._inbox.take(*asked, message.payload, retained=message.retain)

    async def _meet(
        self, client: aiomqtt.Client, topic: str, payload: bytes, *, retained: bool
    ) -> None:
        """Answer another Tenuto on this base topic, or give way to it."""
        try:
            other = json.loads(payload[:1024])
            rank = (int(other["since"]), str(other["instance"]))
            where = f"{str(other['host'])[:64]!r} (process {int(other['pid'])})"
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        mine = (self._me["since"], self._me["instance"])
        if retained or rank[1] == mine[1]:
            return
        if topic == self._topics.who:
            if self.connected or mine < rank:
                answer = encode(self._me | {"to": rank[1]})
                await self._publish(client, _Message(self._topics.instance, answer))
            elif rank[1] not in self._met:
                # It may have asked before it could hear the question of this one.
                self._met.add(rank[1])
                await self._publish(client, _Message(self._topics.who, encode(self._me)))
        elif other.get("to") == mine[1]:
            raise _RivalError(
                f"another Tenuto, on {where}, already uses the base topic "
                f"{self._topics.base!r}: give each its own [mqtt] base_topic; this one stays silent"
            )

    def _answer(self, wearable: str, word: str | None, answer: Answer) -> None:
        topic = f"{self._topics.base}/{wearable}/result"
        self._queue_message(topic, encode(answer_payload(word, answer)))


_PROTOCOLS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}
_TOLD_APART = (
    "mqtt broker=%s ends the connection again and again: has another client the id %r too? "
    "Give each its own [mqtt] client_id, or none"
)
_CLOSED = "it closed the connection without a word"
_UNSUPPORTED_PROTOCOL = 132
_TAKEN_OVER = 142
_SUBSCRIPTION_FAILED = 128


def _utc_ms() -> float:
    return time.time() * 1000


def _clean_start(protocol: aiomqtt.ProtocolVersion) -> dict[str, Any]:
    """Give the arguments that have the broker keep nothing from one connection to the next."""
    is_5 = protocol is aiomqtt.ProtocolVersion.V5
    return {"clean_start": True} if is_5 else {"clean_session": True}


def _code(error: BaseException) -> int | None:
    """Give the reason code of a failure, where the broker gave one."""
    value = getattr(getattr(error, "rc", None), "value", None)
    return value if isinstance(value, int) else None


def _is_silence(error: BaseException) -> bool:
    """Whether the broker said nothing at all, before or without closing the connection."""
    return isinstance(error, aiomqtt.MqttError) and str(error) in ("Operation timed out", _CLOSED)


def _cause(client: aiomqtt.Client) -> BaseException | None:
    """Give what ended a connection, which is often more than what the one who waited was told."""
    ended = client._disconnected  # noqa: SLF001 - there is no public way
    return ended.exception() if ended.done() and not ended.cancelled() else None


def _give_up(client: aiomqtt.Client) -> None:
    """Close the socket of a client that may not have been able to do so itself.

    After a failed or cancelled connection or farewell aiomqtt leaves it open, with its reader on
    the event loop; there is no public way to close it.
    """
    client._client._sock_close()  # noqa: SLF001
    # Or asyncio complains that nobody asked.
    client._disconnected.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # noqa: SLF001
