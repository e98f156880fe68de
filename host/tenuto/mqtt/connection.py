# SPDX-License-Identifier: MIT
"""One connection to a broker at a time, made again for as long as it takes.

The broker keeps nothing for this side: each connection is a clean start, so a command that was sent
while Tenuto was away is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tenuto.errors import TenutoError, one_line
from tenuto.event_loops import real_s
from tenuto.retry import STABLE_S, Backoff

from .client import code_of, is_unexplained, make_client, refusal, tls_context
from .outgoing import IN_FLIGHT_MAX
from .wrong_peer import what_answers

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Awaitable, Callable, Sequence

    from .address import BrokerAddress

_log = logging.getLogger(__name__)

SHORT_MAX = 4
"""Short connections in a row: another client with the same id takes them over."""
REASONS_SAID_MAX = 8
LEAVE_S = 0.3
INCOMING_MAX = 256
PACKET_BYTES_MAX = 65536
"""An MQTT 5 broker drops larger packets on its side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things may take; in s of real time unless another clock is named.

    Attributes:
        fresh_s: Heart rates and answers that waited longer are dropped, events are marked late.
        connect_timeout_s: For a connection; a name that does not resolve may take longer.
        publish_timeout_s: A message without an acknowledgement for so long ends the connection.
        retry_first_s, retry_max_s: Bounds of the back-off between connections, by the event
            loop's clock.
        rival_wait_s: How long to wait for another Tenuto on the same base topic.
        rival_retry_s: How long to stay away from one, by the event loop's clock.
    """

    fresh_s: float = 3.0
    connect_timeout_s: float = 10.0
    publish_timeout_s: float = 10.0
    retry_first_s: float = 1.0
    retry_max_s: float = 30.0
    rival_wait_s: float = 0.3
    rival_retry_s: float = 30.0


class GiveWayError(TenutoError):
    """Another client has the right to speak here; stay away for `Timing.rival_retry_s`."""


class Connection:
    """Connects, serves, and connects again.

    Where there are several addresses, of the nodes of a cluster or of a broker and its spare, the
    next one is tried as soon as one fails; the pause comes after all of them.

    Args:
        addresses: Addresses of the broker, at least one.
        will: What the broker publishes when this connection breaks.
        serve: Uses a connection until it ends. Called with the client and whether an outage came
            before.
        on_end: Called when a connection has ended, before the wait for the next one.
        rng: For the jitter of the back-off and the client's name.
        timing: The time limits.

    Attributes:
        connected: Whether `serve` has declared the connection good; it sets this itself.
        address: The address that is connected, or tried next.
    """

    def __init__(
        self,
        addresses: Sequence[BrokerAddress],
        *,
        will: aiomqtt.Will,
        serve: Callable[[aiomqtt.Client, bool], Awaitable[None]],
        on_end: Callable[[], None],
        rng: random.Random,
        timing: Timing,
    ) -> None:
        self.connected = False
        self._addresses = addresses
        self._next = 0
        self._will = will
        self._serve = serve
        self._on_end = on_end
        self._rng = rng
        self._timing = timing
        self._client_id = addresses[0].client_id or f"tenuto-{rng.getrandbits(32):08x}"
        self._protocols = [_PROTOCOLS[one.protocol or "5"] for one in addresses]
        self._old: set[int] = set()
        """Those of the addresses that know MQTT 3.1.1 only."""
        self._failures = _FailureListener()
        self._tls: ssl.SSLContext | None = None
        self._opened = False

    @property
    def address(self) -> BrokerAddress:
        """The address in turn."""
        return self._addresses[self._next]

    async def prepare(self) -> None:
        """Read the certificates.

        Raises:
            InputError: A certificate cannot be used.
        """
        encrypted = next((one for one in self._addresses if one.tls), None)
        if encrypted is not None and self._tls is None:
            # The certificates are the same for all.
            loop = asyncio.get_running_loop()
            self._tls = await loop.run_in_executor(None, tls_context, encrypted)

    async def run(self) -> None:
        """Connect and serve again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        timing, rng = self._timing, self._rng
        backoff = Backoff(rng, first_s=timing.retry_first_s, max_s=timing.retry_max_s)
        rival_pause = Backoff(rng, first_s=timing.rival_retry_s, max_s=timing.rival_retry_s)
        away = False
        said: set[str] = set()
        short = failed = 0
        while True:
            began_s = loop.time()
            rival = again = False
            try:
                await self._connect_and_serve(away=away)
            except Exception as error:  # noqa: BLE001 - whatever it was, the next try may work
                rival = isinstance(error, GiveWayError) or code_of(error) == _TAKEN_OVER
                if self.connected:
                    said.clear()
                    failed = 0
                again = self._try_other_protocol(error)
                if not again:
                    away = True
                    await self._report(error, said, logging.ERROR if rival else logging.WARNING)
            if self._opened and not rival:
                lasted_s = loop.time() - began_s
                backoff.reset_if_stable(lasted_s)
                short = 0 if lasted_s >= STABLE_S else short + 1
                if short == SHORT_MAX:
                    _log.error("mqtt broker=%s", self._taken_over())
            self.connected = self._opened = False
            if again:
                continue
            failed += 1
            if rival:
                await asyncio.sleep(rival_pause.next_s())
                continue
            self._next = (self._next + 1) % len(self._addresses)
            # One that lets in and hangs up at once is no reason to ask the others without a pause.
            if failed >= len(self._addresses) or short > 1:
                failed = 0
                await asyncio.sleep(backoff.next_s())

    async def _report(self, error: Exception, said: set[str], level: int) -> None:
        """Say each reason once in an outage: the second one may be the one to act on."""
        why = self._explain(error)
        if why in said or len(said) >= REASONS_SAID_MAX:
            return
        said.add(why)
        if not self._opened and is_unexplained(error):
            found = await what_answers(self.address)
            why = why if found is None else f"{self.address}: {found}"
        _log.log(level, "mqtt broker=%s", why)

    def _explain(self, error: Exception) -> str:
        if isinstance(error, GiveWayError):
            return f"{self.address} {error}"
        code = code_of(error)
        if code == _TAKEN_OVER:
            return self._taken_over()
        why = refusal(error)
        if why is not None and not self._opened:
            return f"{self.address}: {why}"
        return f"{self.address} is away: {why or one_line(error)}"

    def _taken_over(self) -> str:
        return (
            f"{self.address} ends the connection again and again: has another client the id "
            f"{self._client_id!r} too? Give each its own [mqtt] client_id, or none"
        )

    def _try_other_protocol(self, error: BaseException) -> bool:
        """After a refusal of MQTT 5 speak 3.1.1; after silence try either in turn.

        Some brokers that do not know MQTT 5 answer it by closing the connection, NATS 2.9 among
        them, or not at all.

        Returns:
            Whether this address is worth another try at once.
        """
        if self.address.protocol is not None or self.connected:
            return False
        was_5 = self._protocols[self._next] is aiomqtt.ProtocolVersion.V5
        if code_of(error) == _UNSUPPORTED_PROTOCOL and was_5:
            self._protocols[self._next] = aiomqtt.ProtocolVersion.V311
            return True
        if self._opened or not is_unexplained(error):
            return False
        self._protocols[self._next] = _PROTOCOLS["3.1.1" if was_5 else "5"]
        # One that takes its time to say nothing is not asked twice in a row.
        return was_5 and str(error) != _TIMED_OUT

    def _say_protocol(self) -> None:
        """Say once that an address is spoken to in MQTT 3.1.1 because it answered to no other."""
        is_old = self._protocols[self._next] is aiomqtt.ProtocolVersion.V311
        if is_old and self.address.protocol is None and self._next not in self._old:
            self._old.add(self._next)
            _log.info("mqtt broker=%s knows MQTT 3.1.1 only", self.address)

    async def _connect_and_serve(self, *, away: bool) -> None:
        client = self._make_client()
        try:
            await self._open_client(client)
            self._opened = True
            self._say_protocol()
            await self._serve(client, away)
        except (asyncio.CancelledError, GiveWayError):
            # Without the farewell the broker would publish the last will.
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
            raise
        except aiomqtt.MqttError as error:
            raise _cause(client) or error from None
        finally:
            self._on_end()
            _give_up(client)

    def _make_client(self) -> aiomqtt.Client:
        protocol, properties = self._protocols[self._next], None
        if protocol is aiomqtt.ProtocolVersion.V5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = PACKET_BYTES_MAX
        client = make_client(
            self.address,
            timeout_s=self._timing.connect_timeout_s,
            tls=self._tls if self.address.tls else None,
            identifier=self._client_id,
            protocol=protocol,
            will=self._will,
            keepalive=self.address.keepalive_s,
            **_clean_start(protocol),
            max_queued_incoming_messages=INCOMING_MAX,
            max_inflight_messages=IN_FLIGHT_MAX,
            properties=properties,
            logger=self._failures.logger,
        )
        client.pending_calls_threshold = IN_FLIGHT_MAX + 1
        self._failures.follow(client)
        return client

    async def _open_client(self, client: aiomqtt.Client) -> None:
        # The connection is made in a thread, which cannot be interrupted: let it end first.
        opening = asyncio.create_task(client.__aenter__(), name="mqtt connect")
        broken = self._failures.listen()
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


class _FailureListener(logging.Handler):
    """Takes the reason of a failure from paho's log, the only place where paho says it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.logger = logging.Logger("tenuto.mqtt.client", logging.ERROR)  # noqa: LOG001 - for one
        self.logger.addHandler(self)
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Future[str] = self._loop.create_future()

    def listen(self) -> asyncio.Future[str]:
        """Return a future for the next failure."""
        self._heard = self._loop.create_future()
        return self._heard

    def follow(self, client: aiomqtt.Client) -> None:
        """Notice a closed connection too, which aiomqtt does not report while it connects."""
        paho = client._client  # noqa: SLF001 - there is no public way
        on_close: Any = paho.on_socket_close

        def hear(*args: Any) -> None:  # noqa: ANN401
            on_close(*args)
            self._tell(_CLOSED)

        paho.on_socket_close = hear

    def emit(self, record: logging.LogRecord) -> None:
        """Take a log line, from any thread."""
        self._tell(record.getMessage())

    def _tell(self, text: str) -> None:
        heard = self._heard

        def tell() -> None:
            if not heard.done():
                heard.set_result(text)

        self._loop.call_soon_threadsafe(tell)


_PROTOCOLS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}
_CLOSED = "it closed the connection without a word"
_TIMED_OUT = "Operation timed out"
_UNSUPPORTED_PROTOCOL = 132
_TAKEN_OVER = 142


def _clean_start(protocol: aiomqtt.ProtocolVersion) -> dict[str, Any]:
    """Return the arguments that have the broker keep nothing from one connection to the next."""
    is_5 = protocol is aiomqtt.ProtocolVersion.V5
    return {"clean_start": True} if is_5 else {"clean_session": True}


async def wait_for_end(client: aiomqtt.Client) -> None:
    """Wait until the connection has ended.

    Raises:
        aiomqtt.MqttError: It ended without a farewell.
    """
    ended = client._disconnected  # noqa: SLF001 - there is no public way
    await asyncio.wait({ended})
    ended.result()


def _cause(client: aiomqtt.Client) -> BaseException | None:
    """Return what ended a connection, which is often more than what the one who waited was told."""
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
