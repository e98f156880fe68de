# SPDX-License-Identifier: MIT
"""The bridge between Tenuto and a broker: a sink for entries, a source of commands.

`handle` only notes what is to be said (`outgoing`); a task of the bridge's own connects
(`connection`), says it, and takes commands (`inbox`). So a broker that is slow, hangs or is away
delays no other sink and no wearable.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from tenuto.event_loops import first_of, real_s
from tenuto.retry import Backoff, describe_failure, run_for_ever
from tenuto.sessions import events
from tenuto.sessions.events import EVENTS_OF_THE_HEART
from tenuto.sessions.view import SessionView

from .connection import LEAVE_S, Connection, GiveWayError, Timing, wait_for_end
from .discovery import RETAINED_OF_CLASS, RETAINED_OF_PERSON, RETAINED_OF_WEARABLE, Subject
from .home_assistant import Announcements, HomeAssistant
from .inbox import Inbox
from .management import HostRequest, Management
from .outbox import Outbox
from .outgoing import Outgoing
from .rivals import Rivals
from .topics import (
    BASE_TOPIC,
    BRIDGE,
    NOT_OF_THE_SESSION,
    OFFLINE,
    ONLINE,
    Topics,
    answer_payload,
    encode,
    event_payload,
    heart_payload,
    session_payload,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from tenuto.sessions.admission import Request
    from tenuto.sessions.commands import Answer
    from tenuto.sessions.events import Entry, SessionKey

    from .address import BrokerAddress
    from .leases import Leases
    from .outbox import Table

_log = logging.getLogger(__name__)

DRAIN_S = 1.0
_SUBSCRIPTION_FAILED = 128


def _utc_ms() -> float:
    return time.time() * 1000


class Bridge:
    """The sink for MQTT, and the way in for commands.

    Args:
        addresses: Addresses of the broker; see `Connection`.
        submit: Carries out a request within a time limit; called in the order of arrival.
        rng: For the jitter of the back-off and the client's name.
        base_topic: What all topics begin with; each Tenuto on a broker needs its own.
        utc_ms: UTC of now in ms since 1970; None for the computer's clock.
        table: Where events survive a restart, None for nowhere.
        home_assistant: None to announce nothing.
        manage: Does what is asked of Tenuto itself, see `Management`; None to refuse it.
        leases: Of the wearables that other hosts have too, None where there are none.
        timing: The time limits.

    Raises:
        InputError: `base_topic` cannot be part of a topic.
    """

    name = "mqtt"

    def __init__(
        self,
        addresses: Sequence[BrokerAddress],
        *,
        submit: Callable[[Request], Awaitable[Answer]],
        rng: random.Random,
        base_topic: str = BASE_TOPIC,
        utc_ms: Callable[[], float] | None = None,
        table: Table | None = None,
        home_assistant: HomeAssistant | None = None,
        manage: Callable[[HostRequest], Awaitable[str]] | None = None,
        leases: Leases | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._timing = timing or Timing()
        self._leases = leases
        self._utc_ms = utc_ms or _utc_ms
        self._topics = Topics(base_topic)
        instance = f"{rng.getrandbits(64):016x}"
        self._rivals = Rivals(self._topics, instance, round(self._utc_ms()))
        self._outbox = Outbox(table, self._utc_ms)
        self._connection = Connection(
            addresses,
            will=aiomqtt.Will(self._topics.bridge, OFFLINE, qos=1, retain=True),
            serve=self._serve,
            on_end=self._outbox.give_back,
            rng=rng,
            timing=self._timing,
        )
        self._outgoing = Outgoing(self._outbox, self._timing, self._utc_ms, self._rank)
        self._announcements = None
        if home_assistant is not None:
            self._announcements = Announcements(home_assistant, self._topics, self._outgoing, rng)
        self._inbox = Inbox(submit=submit, answer=self._answer, utc_ms=self._utc_ms)
        self._management = Management(
            manage,
            answer=lambda word, answer: self._answer(BRIDGE, word, answer),
            utc_ms=self._utc_ms,
        )
        self._people: dict[str, Subject] = {}
        self._views: dict[str, SessionView] = {}
        self._shown: dict[str, SessionKey] = {}
        self._idle: set[str] = set()
        self._refused: set[str] = set()
        self._awaited: dict[str, SessionKey] = {}
        self._helpers: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._outgoing.retain(self._topics.bridge, ONLINE)

    @property
    def connected(self) -> bool:
        """Whether the broker is there, and this bridge speaks on its base topic."""
        return self._connection.connected

    @property
    def dropped(self) -> int:
        """Messages that the broker never got, or may not have got."""
        return self._outgoing.dropped

    @property
    def sent(self) -> int:
        """Messages that the broker has."""
        return self._outgoing.sent

    @property
    def sent_bytes(self) -> int:
        """Bytes of topics and payloads of the messages that the broker has."""
        return self._outgoing.sent_bytes

    @property
    def newest_age_s(self) -> float | None:
        """How long ago the newest command was asked by its own `at`; see `Inbox`."""
        return self._inbox.newest_age_s

    # --- the sink

    async def open(self) -> None:
        """Start to connect, and go on trying for as long as the bridge is open.

        Raises:
            InputError: A certificate cannot be used.
        """
        if self._task is not None:
            return
        await self._connection.prepare()
        await self._outbox.open()
        self._closing = False
        self._help(run_for_ever(self._outbox.run, "mqtt outbox", Backoff(None)), "mqtt outbox")
        self._task = asyncio.create_task(self._connection.run(), name="mqtt bridge")

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Note what entries change; the broker gets it as soon as it can take it.

        Entries of a wearable that was removed meanwhile are left out.
        """
        known = [entry for entry in entries if entry.wearable in self._views]
        for entry in known:
            self._apply(entry)
        changed = (entry for entry in known if type(entry.event) not in NOT_OF_THE_SESSION)
        for wearable in {entry.wearable for entry in changed}:
            self._retain_session(wearable)
        self._outbox.hold([told for entry in known if (told := self._tell(entry)) is not None])
        self._outgoing.wake()
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
        helpers = [*self._inbox.tasks, *self._management.tasks, *self._helpers]
        for helper in helpers:
            helper.cancel()
        self._closing = True
        try:
            if self.connected:
                self._outgoing.retain(self._topics.bridge, OFFLINE)
                for wearable in self._views:
                    self._outgoing.retain(self._topics.of(wearable, "availability"), OFFLINE)
                self._outgoing.wake()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(real_s(DRAIN_S)):
                        await self._outgoing.wait_until_sent()
                        if self._leases is not None:
                            await self._leases.wait_until_sent()
        finally:
            task.cancel()
            _, late = await asyncio.wait({task, *helpers}, timeout=real_s(LEAVE_S))
            if late:
                # The polite way out takes too long; without it the broker publishes the last will.
                task.cancel()
                await asyncio.wait({task}, timeout=real_s(LEAVE_S))
        if self._leases is not None:
            self._leases.close()
        await self._outbox.close()

    # --- wearables and people

    def set_subjects(self, wearables: Sequence[Subject], people: Collection[Subject] = ()) -> None:
        """Set the wearables and people from now on; the topics of others are cleared.

        Raises:
            InputError: An id cannot be part of a topic; nothing has changed then.
        """
        for wearable in wearables:
            self._topics.of(wearable.id, "session")
        for person in people:
            self._topics.of_person(person.id, "summary")
        for gone in self._views.keys() - {wearable.id for wearable in wearables}:
            del self._views[gone]
            self._shown.pop(gone, None)
            self._idle.discard(gone)
            self._awaited.pop(gone, None)
            self._outgoing.clear(self._topics.of(gone, what) for what in RETAINED_OF_WEARABLE)
        for gone in self._people.keys() - {person.id for person in people}:
            self._outgoing.clear(self._topics.of_person(gone, what) for what in RETAINED_OF_PERSON)
        if len(wearables) < 2:
            of_class = (self._topics.of_class(what) for what in RETAINED_OF_CLASS)
            self._outgoing.clear(one for one in of_class if self._outgoing.retained.get(one))
        for wearable in wearables:
            if wearable.id not in self._views:
                self._views[wearable.id] = SessionView()
                self._outgoing.retain(self._topics.of(wearable.id, "availability"), OFFLINE)
                self._retain_session(wearable.id)
        self._people = {person.id: person for person in people}
        self._inbox.set_wearables(self._views)
        if self._announcements is not None:
            self._announcements.set_subjects(wearables, people)

    def announce_anew(self) -> None:
        """Announce again to Home Assistant if the list of routines has changed."""
        if self.connected and self._announcements is not None:
            self._announcements.refresh_if_changed()

    def wearable_online(self, wearable: str, online: bool) -> None:  # noqa: FBT001 - it is the news
        """Set whether a wearable is in reach; nothing for one that was removed."""
        if wearable in self._views:
            payload = ONLINE if online else OFFLINE
            self._outgoing.retain(self._topics.of(wearable, "availability"), payload)

    def wearable_idle(self, wearable: str) -> None:
        """Note that a wearable plays nothing, if what it plays is not known yet."""
        if wearable in self._views and wearable not in self._shown:
            self._awaited.pop(wearable, None)
            self._idle.add(wearable)
            self._retain_session(wearable)

    def wearable_plays(self, wearable: str, session: SessionKey) -> None:
        """Note which session goes on; until an entry of it comes, what it does is not known."""
        if wearable in self._views and self._shown.get(wearable) != session:
            self._awaited[wearable] = session
            self._shown.pop(wearable, None)
            self._idle.discard(wearable)
            self._retain_session(wearable)

    def set_state(self, payload: Mapping[str, Any]) -> None:
        """Set how Tenuto itself is."""
        self._outgoing.retain(self._topics.of_bridge("state"), encode(dict(payload)))

    def set_device(self, wearable: str, payload: Mapping[str, Any]) -> None:
        """Set what is known of a wearable as a device; see `topics.device_payload`."""
        self._retain_of(wearable, "device", payload)
        told = [name for name, value in payload.items() if value is not None]
        self._announce_told(wearable, *told, firmware=payload.get("firmware"))

    def set_settings(self, wearable: str, payload: Mapping[str, Any]) -> None:
        """Set the settings of a wearable; see `topics.settings_payload`."""
        self._retain_of(wearable, "settings", payload)
        if self._announcements is not None:
            self._announcements.forget_offer()  # the routine that is set is among those offered

    def set_summary(self, wearable: str, payload: Mapping[str, Any]) -> None:
        """Set the summary of the sessions on a wearable."""
        self._retain_of(wearable, "summary", payload)

    def set_person_summary(self, person: str, payload: Mapping[str, Any]) -> None:
        """Set the summary of a person's sessions; nothing for a person who was removed."""
        if person in self._people:
            topic = self._topics.of_person(person, "summary")
            self._outgoing.retain(topic, encode(dict(payload)))
            told = [name for name, value in payload.items() if value is not None]
            announcements = self._announcements
            if announcements is not None and announcements.add_told_of_person(person, told):
                self.announce_anew()

    def set_class(self, payload: Mapping[str, Any]) -> None:
        """Set how the class is; see `topics.class_payload`."""
        self._outgoing.retain(self._topics.of_class("state"), encode(dict(payload)))

    def set_class_settings(self, payload: Mapping[str, Any]) -> None:
        """Set the settings of the class; see `topics.class_settings_payload`."""
        self._outgoing.retain(self._topics.of_class("settings"), encode(dict(payload)))
        if self._announcements is not None:
            self._announcements.forget_offer()

    # --- what goes out

    def _rank(self, topic: str) -> int:
        """Return the place of a retained topic: what declares others current comes last."""
        if topic == self._topics.bridge:
            return 2
        return 1 if topic.endswith("/availability") else 0

    def _tell(self, entry: Entry) -> tuple[str, bytes, int] | None:
        """Queue a heart rate; return what must arrive, as (topic, payload, ms since 1970)."""
        if entry.replayed:
            return None  # it was news once, and is not any more
        wearable, event = entry.wearable, entry.event
        if type(event) not in EVENTS_OF_THE_HEART:
            payload = encode(event_payload(entry))
            return self._topics.of(wearable, "event"), payload, entry.utc_ms
        is_fresh = self._utc_ms() - entry.utc_ms < real_s(self._timing.fresh_s) * 1000
        if isinstance(event, events.HeartBeat) and is_fresh:
            payload = encode(heart_payload(event, entry.utc_ms))
            self._outgoing.queue(self._topics.of(wearable, "heart"), payload, qos=0)
            self._announce_told(wearable, "bpm")
        return None

    def _announce_told(self, wearable: str, *fields: str, firmware: str | None = None) -> None:
        """Announce the entities whose value was told for the first time, and another firmware."""
        announcements = self._announcements
        if announcements is None or wearable not in self._views:
            return
        is_new = announcements.add_told(wearable, fields)
        if firmware is not None:
            is_new |= announcements.set_firmware(wearable, firmware)
        if is_new:
            self.announce_anew()

    def _apply(self, entry: Entry) -> None:
        """Have the state follow an entry, unless a later session is known to go on.

        Else the end of the one before would be taken for that of the present one.
        """
        awaited = self._awaited.get(entry.wearable)
        if awaited is not None:
            at = entry.session
            if at.boot_id != awaited.boot_id or at.seq < awaited.seq:
                if isinstance(entry.event, events.LinkLost | events.LinkRestored):
                    # The link is no session's own: the next one begins with it as it is.
                    self._views[entry.wearable].apply(entry.event, entry.utc_ms)
                return
            del self._awaited[entry.wearable]
        self._shown[entry.wearable] = entry.session
        self._views[entry.wearable].apply(entry.event, entry.utc_ms)

    def _retain_session(self, wearable: str) -> None:
        is_known = wearable in self._shown or wearable in self._idle
        view = self._views[wearable] if is_known else SessionView()
        payload = session_payload(view, is_known=is_known)
        self._retain_of(wearable, "session", payload)

    def _retain_of(self, wearable: str, what: str, payload: Mapping[str, Any]) -> None:
        if wearable in self._views:
            self._outgoing.retain(self._topics.of(wearable, what), encode(dict(payload)))

    def _answer(self, wearable: str, word: str | None, answer: Answer) -> None:
        topic = f"{self._topics.base}/{wearable}/result"
        self._outgoing.queue(topic, encode(answer_payload(word, answer)))

    # --- one connection

    async def _serve(self, client: aiomqtt.Client, was_away: bool) -> None:  # noqa: FBT001
        self._refused.clear()
        works = {
            "mqtt send": self._speak(client, was_away=was_away),
            "mqtt receive": self._receive(client),
            "mqtt end": wait_for_end(client),
            "mqtt subscribe": self._subscribe_again(client),
        }
        if self._leases is not None:
            works["mqtt leases"] = self._leases.serve(
                lambda topic: self._subscribe(client, topic),
                lambda message: self._outgoing.publish(client, message),
            )
        # These may wait for an answer of the broker when the connection ends, and would not notice.
        await first_of(works)

    async def _speak(self, client: aiomqtt.Client, *, was_away: bool) -> None:
        """Make sure that no other bridge speaks here, then say all there is to say."""
        await self._subscribe(client, self._topics.who, self._topics.instance)
        await self._outgoing.publish(client, self._rivals.question())
        await asyncio.sleep(real_s(self._timing.rival_wait_s))
        await self._subscribe(client, self._topics.bridge, *self._topics.incoming)
        self._connection.connected = True
        self._outgoing.drop_stale()
        if was_away:
            _log.info("mqtt broker=%s is back dropped=%d", self._connection.address, self.dropped)
        else:
            _log.info("mqtt broker=%s connected", self._connection.address)
        self._outgoing.repeat_all()
        if self._announcements is None:
            await self._outgoing.send(client)
            return
        await self._subscribe(client, self._announcements.status_topic)
        self._announcements.refresh()
        await first_of(
            {
                "mqtt announce": self._announcements.run(client),
                "mqtt send": self._outgoing.send(client),
            }
        )

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            try:
                await self._take(client, message)
            except (aiomqtt.MqttError, GiveWayError, OSError, TimeoutError):
                raise
            except Exception as error:  # noqa: BLE001
                # One message must not cut off those that come after it, a stop among them.
                _log.error("mqtt a message was dropped: %s", describe_failure(error))

    async def _take(self, client: aiomqtt.Client, message: aiomqtt.Message) -> None:
        topic = str(message.topic)
        if topic in (self._topics.who, self._topics.instance):
            if not message.retain:
                await self._rivals.meet(
                    topic,
                    message.payload,
                    is_established=self.connected,
                    publish=lambda answer: self._outgoing.publish(client, answer),
                )
        elif topic == self._topics.bridge:
            if message.payload == OFFLINE and self.connected and not self._closing:
                # The last will of a connection that the broker took so long to give up.
                self._outgoing.repeat(topic)
        elif self._announcements is not None and topic == self._announcements.status_topic:
            if self._announcements.is_birth(topic, message.payload, retained=message.retain):
                self._help(self._answer_birth(), "mqtt birth")
        elif self._leases is not None and self._leases.take(
            topic, message.payload, retained=message.retain
        ):
            pass
        elif (asked := self._topics.asked(topic)) is not None:
            wearable, what = asked
            if wearable == BRIDGE:
                self._management.take(what, message.payload, retained=message.retain)
            else:
                self._inbox.take(wearable, what, message.payload, retained=message.retain)

    async def _answer_birth(self) -> None:
        if self._announcements is not None:
            await self._announcements.answer_birth()

    async def _subscribe(self, client: aiomqtt.Client, *topics: str) -> None:
        for topic in topics:
            for code in await client.subscribe(topic, qos=1):
                refused = isinstance(code, ReasonCode) and code.is_failure
                address = self._connection.address
                if refused or code == _SUBSCRIPTION_FAILED:
                    if topic not in self._refused:
                        _log.warning("mqtt broker=%s lets nothing through of %s", address, topic)
                    self._refused.add(topic)
                elif topic in self._refused:
                    self._refused.remove(topic)
                    _log.info("mqtt broker=%s lets %s through now", address, topic)

    async def _subscribe_again(self, client: aiomqtt.Client) -> None:
        """Ask for what the broker refused again and again.

        A cluster refuses while its nodes agree on a new leader, and without commands nobody could
        stop what plays.
        """
        timing = self._timing
        backoff = Backoff(None, first_s=timing.retry_first_s, max_s=timing.retry_max_s)
        while True:
            await asyncio.sleep(backoff.next_s())
            if not self._refused:
                backoff.reset()
            for topic in sorted(self._refused):
                await self._subscribe(client, topic)

    def _help(self, work: Any, name: str) -> None:  # noqa: ANN401 - a coroutine
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)
