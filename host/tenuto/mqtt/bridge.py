# SPDX-License-Identifier: MIT
"""The bridge between Tenuto and a broker: a sink for entries, a source of commands.

`handle` only notes what is to be said; a task of the bridge's own connects, says it, and takes
commands. So a broker that is slow, hangs or is away costs nobody anything:

- Retained topics are a table of what should be there. Only changes are sent, the newest value
  wins, and after each connection all of them are sent anew.
- Events and answers wait in a bounded queue. What is older than `FRESH_S` when the broker comes
  back is dropped and counted: a dashboard that dims a light a minute late is worse than none.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tenuto import events
from tenuto.commands import Answer, Command, Verb
from tenuto.errors import LinkError, RefusedError, TenutoError
from tenuto.view import SessionView

from .topics import (
    OFFLINE,
    ONLINE,
    BadCommandError,
    Bucket,
    Topics,
    answer_payload,
    encode,
    event_payload,
    parse_command,
    session_payload,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from tenuto.events import Entry

    from .address import BrokerAddress

_log = logging.getLogger(__name__)
_client_log = logging.getLogger(f"{__name__}.client")
# paho and aiomqtt tell of each packet and each failure; the bridge says what matters.
_client_log.setLevel(logging.ERROR)

QUEUE_MAX = 512
WINDOW = 8
"""Messages that may be on their way at once."""
FRESH_S = 10.0
STABLE_S = 10.0
"""A connection that lasted so long was a good one: the next back-off begins anew."""
DRAIN_S = 1.0
LEAVE_S = 0.3
COMMAND_BURST = 10
COMMANDS_PER_S = 2.0
COMMANDS_AT_ONCE = 16
INCOMING_MAX = 256
PACKET_BYTES_MAX = 65536
"""An MQTT 5 broker drops larger packets on its side."""


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    payload: bytes
    at_s: float
    qos: int = 1
    retain: bool = False


class Bridge:
    """The sink for MQTT, and the way in for commands.

    Attributes:
        connected: whether the broker is there.
        dropped: messages that the broker never got, or may not have got.

    Args:
        address: the broker's.
        base_topic: what all topics begin with; each Tenuto on a broker needs its own.
        wearables: ids of those that may be commanded.
        heart: ids of those whose heart rate is published, because their person said so.
        submit: gives a command to the daemon; called in the order of arrival.
        rng: for the jitter of the back-off and the client's name.
        submit_timeout_s: after that a command is answered as `unreachable`.
        connect_timeout_s: for a connection; a name that does not resolve may take longer.
        publish_timeout_s: a message that is not acknowledged for so long ends the connection.
        keepalive_s: a broker that is silent for so long is gone.
        retry_first_s, retry_max_s: bounds of the back-off between connections.

    Raises:
        InputError: `base_topic` or a wearable's id cannot be part of a topic.
    """

    name = "mqtt"

    def __init__(
        self,
        address: BrokerAddress,
        *,
        wearables: Collection[str],
        submit: Callable[[Command], Awaitable[Answer]],
        rng: random.Random,
        base_topic: str = "tenuto",
        heart: Collection[str] = (),
        submit_timeout_s: float = 10.0,
        connect_timeout_s: float = 10.0,
        publish_timeout_s: float = 10.0,
        keepalive_s: int = 30,
        retry_first_s: float = 1.0,
        retry_max_s: float = 30.0,
    ) -> None:
        self.connected = False
        self.dropped = 0
        self._address = address
        self._topics = Topics(base_topic)
        self._submit = submit
        self._rng = rng
        self._heart = frozenset(heart)
        self._submit_timeout_s = submit_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._publish_timeout_s = publish_timeout_s
        self._keepalive_s = keepalive_s
        self._retry_first_s = retry_first_s
        self._retry_max_s = retry_max_s
        self._client_id = f"tenuto-{rng.getrandbits(32):08x}"
        self._protocol = _PROTOCOLS[address.protocol or "5"]
        self._views = {wearable: SessionView() for wearable in wearables}
        self._limits = {
            (wearable, is_stop): Bucket(COMMAND_BURST, COMMANDS_PER_S)
            for wearable in (*wearables, None)
            for is_stop in (False, True)
        }
        self._too_many = 0
        self._retained: dict[str, bytes] = {}
        self._unsent: dict[str, None] = {}
        self._queue: deque[_Message] = deque()
        self._on_their_way = 0
        self._wake = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._commands: set[asyncio.Task[None]] = set()
        self._tls: ssl.SSLContext | None = None
        self._task: asyncio.Task[None] | None = None
        self._say_all(ONLINE)
        for wearable in self._views:
            self._retain(self._topics.of(wearable, "availability"), OFFLINE)
            self._retain_session(wearable)

    # --- the sink

    async def open(self) -> None:
        """Start to connect, and go on trying for as long as the bridge is open."""
        if self._task is not None:
            return
        if self._address.tls and self._tls is None:
            self._tls = await asyncio.get_running_loop().run_in_executor(
                None, ssl.create_default_context
            )
        self._task = asyncio.create_task(self._run(), name="mqtt bridge")

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Note what entries change; the broker gets it as soon as it can take it.

        Raises:
            KeyError: an entry is of a wearable that was not named; nothing is noted then.
        """
        views = [self._views[entry.session.wearable] for entry in entries]
        for entry, view in zip(entries, views, strict=True):
            view.apply(entry.event, entry.utc_ms)
            self._tell(entry)
        for wearable in {entry.session.wearable for entry in entries}:
            self._retain_session(wearable)

    async def close(self) -> None:
        """Say goodbye if the broker listens, within `DRAIN_S`, and disconnect."""
        task, self._task = self._task, None
        if task is None:
            return
        commands = list(self._commands)
        for command in commands:
            command.cancel()
        try:
            if self.connected:
                self._say_all(OFFLINE)
                for wearable in self._views:
                    self._retain(self._topics.of(wearable, "availability"), OFFLINE)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(DRAIN_S):
                        await self._all_sent.wait()
        finally:
            task.cancel()
            _, late = await asyncio.wait({task, *commands}, timeout=LEAVE_S)
            if late:
                # The polite way out takes too long; without it the broker publishes the last will.
                task.cancel()
                await asyncio.wait({task}, timeout=LEAVE_S)

    def wearable_online(self, wearable: str, online: bool) -> None:  # noqa: FBT001 - it is the news
        """Say whether a wearable is there.

        Raises:
            KeyError: it was not named.
        """
        _ = self._views[wearable]
        self._retain(self._topics.of(wearable, "availability"), ONLINE if online else OFFLINE)

    # --- what is to be said

    def _tell(self, entry: Entry) -> None:
        if entry.replayed:
            return  # it was news once, and is not any more
        wearable, event = entry.session.wearable, entry.event
        payload = encode(event_payload(event, entry.utc_ms))
        if not isinstance(event, events.HeartBeat):
            self._queue_message(self._topics.of(wearable, "event"), payload)
        elif wearable in self._heart:
            self._queue_message(self._topics.of(wearable, "heart"), payload, qos=0)

    def _say_all(self, availability: bytes) -> None:
        self._retain(self._topics.bridge, availability)

    def _retain_session(self, wearable: str) -> None:
        payload = encode(session_payload(self._views[wearable]))
        self._retain(self._topics.of(wearable, "session"), payload)

    def _retain(self, topic: str, payload: bytes) -> None:
        if self._retained.get(topic) != payload:
            self._retained[topic] = payload
            self._unsent[topic] = None
            self._stir()

    def _queue_message(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        if len(self._queue) >= QUEUE_MAX:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(_Message(topic, payload, asyncio.get_running_loop().time(), qos))
        self._stir()

    def _stir(self) -> None:
        self._all_sent.clear()
        self._wake.set()

    def _next(self) -> _Message | None:
        for topic in self._unsent:
            del self._unsent[topic]
            return _Message(topic, self._retained[topic], 0, retain=True)
        return self._queue.popleft() if self._queue else None

    # --- the connection

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        retry_s = self._retry_first_s
        away = False
        while True:
            began_s = loop.time()
            try:
                await self._connect_and_serve(away=away)
            except Exception as error:  # noqa: BLE001 - whatever it was, the next try may work
                if self.connected or not away:
                    why = str(error) or type(error).__name__
                    _log.warning("mqtt broker=%s is away: %s", self._address, why)
                away = True
                self._try_other_protocol(error)
            if self.connected and loop.time() - began_s >= STABLE_S:
                retry_s = self._retry_first_s
            self.connected = False
            await asyncio.sleep(retry_s * self._rng.uniform(0.5, 1.0))
            retry_s = min(2 * retry_s, self._retry_max_s)

    def _try_other_protocol(self, error: BaseException) -> None:
        """After a refusal of MQTT 5 speak 3.1.1; after silence try either in turn.

        Some brokers that do not know MQTT 5 answer it by closing the connection.
        """
        if self._address.protocol is not None or self.connected:
            return
        code = getattr(getattr(error, "rc", None), "value", None)
        if code == _UNSUPPORTED_PROTOCOL:
            self._protocol = aiomqtt.ProtocolVersion.V311
        elif code is None and not isinstance(error, OSError) and _is_silence(error):
            was_5 = self._protocol is aiomqtt.ProtocolVersion.V5
            self._protocol = _PROTOCOLS["3.1.1" if was_5 else "5"]

    async def _connect_and_serve(self, *, away: bool) -> None:
        client = self._make_client()
        try:
            await self._open_client(client)
            for code in await client.subscribe(self._topics.commands, qos=1):
                if isinstance(code, ReasonCode) and code.is_failure:
                    _log.warning("mqtt broker=%s lets no commands through: %s", self._address, code)
            self.connected = True
            self._forget_stale()
            if away:
                _log.info("mqtt broker=%s is back dropped=%d", self._address, self.dropped)
            else:
                _log.info("mqtt broker=%s connected", self._address)
            self._unsent.update(dict.fromkeys(self._retained))
            await self._serve(client)
        except asyncio.CancelledError:
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
            raise
        finally:
            _give_up(client)

    async def _serve(self, client: aiomqtt.Client) -> None:
        # Not a TaskGroup: on Python 3.11 that forgets a cancellation that comes with an error.
        tasks = (
            asyncio.create_task(self._send(client), name="mqtt send"),
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

    def _make_client(self) -> aiomqtt.Client:
        properties = None
        if self._protocol is aiomqtt.ProtocolVersion.V5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = PACKET_BYTES_MAX
        client = aiomqtt.Client(
            self._address.host,
            self._address.port,
            username=self._address.user,
            password=self._address.password,
            identifier=self._client_id,
            protocol=self._protocol,
            will=aiomqtt.Will(self._topics.bridge, OFFLINE, qos=1, retain=True),
            timeout=self._connect_timeout_s,
            keepalive=self._keepalive_s,
            max_queued_incoming_messages=INCOMING_MAX,
            properties=properties,
            tls_context=self._tls,
            logger=_client_log,
        )
        client.pending_calls_threshold = WINDOW + 1
        return client

    async def _open_client(self, client: aiomqtt.Client) -> None:
        # The connection is made in a thread, which cannot be interrupted: let it end first.
        opening = asyncio.create_task(client.__aenter__(), name="mqtt connect")
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            await asyncio.wait({opening}, timeout=LEAVE_S / 2)
            opening.cancel()
            opening.add_done_callback(lambda task: task.cancelled() or task.exception())
            raise

    def _forget_stale(self) -> None:
        oldest_s = asyncio.get_running_loop().time() - FRESH_S
        while self._queue and self._queue[0].at_s < oldest_s:
            self._queue.popleft()
            self.dropped += 1

    async def _send(self, client: aiomqtt.Client) -> None:
        sending: set[asyncio.Task[None]] = set()
        try:
            while True:
                self._wake.clear()
                for task in [task for task in sending if task.done()]:
                    sending.discard(task)
                    task.result()
                while len(sending) < WINDOW and (message := self._next()) is not None:
                    task = asyncio.create_task(self._publish(client, message), name="mqtt publish")
                    task.add_done_callback(lambda _: self._wake.set())
                    sending.add(task)
                if not sending:
                    self._all_sent.set()
                await self._wake.wait()
        finally:
            for task in sending:
                task.cancel()
            for result in await asyncio.gather(*sending, return_exceptions=True):
                self.dropped += isinstance(result, BaseException)

    async def _publish(self, client: aiomqtt.Client, message: _Message) -> None:
        await client.publish(
            message.topic,
            message.payload,
            qos=message.qos,
            retain=message.retain,
            timeout=self._publish_timeout_s,
        )

    # --- commands

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            wearable = self._topics.wearable_of(str(message.topic))
            self._take(wearable, message.payload, retained=message.retain)

    def _take(self, wearable: str, payload: bytes, *, retained: bool) -> None:
        """Check a message on a command topic; either start to obey it or refuse it."""
        if not payload:  # how a retained message is cleared
            return
        command = None
        word = request = None
        reason, text = "bad_request", ""
        if retained:
            text = _RETAINED
        elif wearable not in self._views:
            reason, text = "unknown_wearable", f"unknown wearable, known are {self._known}"
        else:
            try:
                command = parse_command(wearable, payload)
            except BadCommandError as error:
                word, request, text = error.word, error.id, str(error)
            else:
                word, request = command.verb.value, command.id
        if not self._allows(wearable, command):
            self._too_many += 1
            if self._too_many > 1:
                return
            command, reason, text = None, "too_many", _TOO_MANY
        if command is None:
            _log.info("mqtt command refused reason=%s", reason)
            self._answer(wearable, word, Answer(ok=False, reason=reason, text=text, id=request))
            return
        task = asyncio.create_task(self._obey(command), name=f"mqtt {command.verb}")
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    @property
    def _known(self) -> str:
        return ", ".join(self._views) or "none"

    def _allows(self, wearable: str, command: Command | None) -> bool:
        """Tell whether the limit lets a message through, be it good or bad.

        `stop` has a limit of its own, so that a flood of others cannot hold it up. All wearables
        that do not exist share one.
        """
        is_stop = command is not None and command.verb is Verb.STOP
        bucket = self._limits[wearable if wearable in self._views else None, is_stop]
        if not bucket.take(asyncio.get_running_loop().time()):
            return False
        if command is not None and not is_stop and len(self._commands) >= COMMANDS_AT_ONCE:
            return False
        if self._too_many > 1:
            _log.warning("mqtt commands dropped=%d too many", self._too_many)
        self._too_many = 0
        return True

    async def _obey(self, command: Command) -> None:
        try:
            async with asyncio.timeout(self._submit_timeout_s):
                answer = await self._submit(command)
        except TimeoutError:
            text = f"no answer within {self._submit_timeout_s:g} s; it may still take effect"
            answer = Answer(ok=False, reason="unreachable", text=text, id=command.id)
        except RefusedError as error:
            answer = Answer(ok=False, reason=error.reason, text=str(error), id=command.id)
        except LinkError as error:
            answer = Answer(ok=False, reason="unreachable", text=str(error), id=command.id)
        except TenutoError as error:
            answer = Answer(ok=False, reason="failed", text=str(error), id=command.id)
        except Exception:  # noqa: BLE001 - the one who asked must get an answer
            _log.exception("mqtt command=%s failed", command.verb)
            text = "this failed inside Tenuto; its log says where"
            answer = Answer(ok=False, reason="failed", text=text, id=command.id)
        self._answer(command.wearable, command.verb, answer)

    def _answer(self, wearable: str, word: str | None, answer: Answer) -> None:
        topic = f"{self._topics.base}/{wearable}/result"
        self._queue_message(topic, encode(answer_payload(word, answer)))


_PROTOCOLS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}
_UNSUPPORTED_PROTOCOL = 132
_RETAINED = (
    "a retained command is ignored, for it would come again at each connection: "
    "publish it without retain, and clear it with an empty retained message"
)
_TOO_MANY = (
    f"too many commands: {COMMAND_BURST} at once and {COMMANDS_PER_S:g} a second are taken, "
    "the rest is dropped"
)


def _is_silence(error: BaseException) -> bool:
    return isinstance(error, aiomqtt.MqttError) and str(error) == "Operation timed out"


def _give_up(client: aiomqtt.Client) -> None:
    """Close the socket of a client that may not have been able to do so itself.

    After a failed or cancelled connection or farewell aiomqtt leaves it open, with its reader on
    the event loop; there is no public way to close it.
    """
    client._client._sock_close()  # noqa: SLF001
    ended = client._disconnected  # noqa: SLF001
    if ended.done() and not ended.cancelled():
        ended.exception()  # or asyncio complains that nobody asked
