# SPDX-License-Identifier: MIT
"""A broker in a storm: amqtt on the storm's own loop, and lines to it that fail on cue.

Each client has a line of its own: a socket file, behind which its packets go one by one to the
broker, and the broker's to it. A line may hold packets back, slow them down, take no calls, or
break in the middle of a packet. Troubles count packets and not bytes, so that a seed means the same
on a computer with a longer name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amqtt.adapters import StreamReaderAdapter, WriterAdapter  # type: ignore[import-untyped]

from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.broker import LISTENER, make_amqtt

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path
    from typing import Any

PACKETS_WAITING_MAX = 4096
READ_BYTES = 65536
PUBLISH = 3

for noisy in ("amqtt", "transitions"):
    logging.getLogger(noisy).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Published:
    """A message that reached the broker whole; at_s: when it went out, by the loop's clock."""

    at_s: float
    topic: str
    payload: bytes
    retain: bool


def take_packets(came: bytearray) -> Iterator[bytes]:
    """Take all whole packets from the front of what came."""
    while len(came) >= 2:
        length, shift, at = 0, 0, 1
        while True:
            if at == len(came):
                return
            length |= (came[at] & 0x7F) << shift
            shift += 7
            at += 1
            if came[at - 1] < 0x80:
                break
        if len(came) < at + length:
            return
        yield bytes(came[: at + length])
        del came[: at + length]


def read_publish(packet: bytes, at_s: float) -> Published | None:
    """Read a PUBLISH of MQTT 3.1.1; None for any other packet."""
    if packet[0] >> 4 != PUBLISH:
        return None
    at = 1
    while packet[at] & 0x80:
        at += 1
    at += 1
    size = int.from_bytes(packet[at : at + 2], "big")
    topic = packet[at + 2 : at + 2 + size].decode()
    at += 2 + size + (2 if packet[0] & 0x06 else 0)
    return Published(at_s, topic, packet[at:], bool(packet[0] & 1))


class Broker:
    """The broker, which can be stopped and started again."""

    def __init__(self) -> None:
        self._amqtt: Any = None
        self._kept: list[tuple[str, bytes, int]] = []
        self.lines: list[Line] = []

    async def start(self) -> None:
        """Start it, with what it kept."""
        self._amqtt = make_amqtt(anonymous=False)
        await self._amqtt.start()
        for topic, payload, qos in self._kept:
            await self._amqtt.retain_message(None, topic, payload, qos)
        for line in self.lines:
            line.listen()

    async def stop(self, *, forgets: bool) -> None:
        """Stop it at once; no client hears of it but by its connection.

        forgets: whether what it retained is gone when it is started again.
        """
        amqtt, self._amqtt = self._amqtt, None
        if amqtt is None:
            return
        kept = amqtt.plugins_manager.context.retained_messages.values()
        self._kept = [] if forgets else [(m.topic, bytes(m.data), m.qos or 0) for m in kept]
        for line in self.lines:
            line.deafen()
        for line in self.lines:
            await line.hang_up()
        await amqtt.shutdown()

    @property
    def is_up(self) -> bool:
        """Whether it takes calls."""
        return self._amqtt is not None

    async def serve(self, reader: asyncio.StreamReader, writer: _ToClient) -> None:
        """Serve one connection to its end."""
        await self._amqtt.external_connected(StreamReaderAdapter(reader), writer, LISTENER)


class _ToClient(WriterAdapter):  # type: ignore[misc]
    """What the broker writes to."""

    def __init__(self, say: Callable[[bytes], None], hang_up: Callable[[], None]) -> None:
        self._say, self._hang_up = say, hang_up

    def write(self, data: bytes) -> None:
        self._say(data)

    async def drain(self) -> None:
        pass

    def get_peer_info(self) -> tuple[str, int]:
        return "storm", 0

    def get_ssl_info(self) -> None:
        return None

    async def close(self) -> None:
        self._hang_up()


@dataclass
class Cut:
    """The end of a connection that is ordered: after so many packets, and a share of the next."""

    packets: int
    share: float
    is_up: bool
    linger_s: float


class Line:
    """The way of one client to the broker.

    published: what came by it, in the order in which the broker got it.  cut: where it is to break.
    ended_unheard: whether its client died while the broker was down.
    """

    def __init__(self, broker: Broker, path: Path, protocol: str | None = None) -> None:
        self.address = BrokerAddress(
            str(path), transport="unix", protocol=protocol, user=path.stem, client_id=path.stem
        )
        self.published: list[Published] = []
        self.broker = broker
        self.cut: Cut | None = None
        self.ended_unheard = False
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._listening: socket.socket | None = None
        self._calls: dict[_Call, None] = {}  # in order, unlike a set
        self._clear = asyncio.Event()
        self._clear.set()
        self._is_refused = False
        self._delay_s = 0.0
        self._ends: dict[str, asyncio.TimerHandle] = {}
        broker.lines.append(self)

    # --- what befalls it

    def refuse(self, for_s: float) -> None:
        """Break what there is, and take no calls for a while."""
        self._is_refused = True
        self.deafen()
        self.break_off()
        self._after("refuse", for_s, self._accept_again)

    def silence(self, for_s: float) -> None:
        """Hold everything back for a while; who calls is let in, and hears nothing either."""
        self._clear.clear()
        self._after("silence", for_s, self._clear.set)

    def vanish(self, linger_s: float) -> None:
        """Let all connections lead nowhere from now on: nobody closes them, nobody answers."""
        for call in list(self._calls):
            call.vanish(linger_s)

    def slow_down(self, for_s: float, delay_s: float) -> None:
        """Let each packet take so long for a while, one after the other."""
        self._delay_s = delay_s
        self._after("slow", for_s, self._hurry_again)

    def cut_within(self, for_s: float) -> None:
        """Forget a cut that was ordered if it has not come by then."""

        def forget() -> None:
            self.cut = None

        self._after("cut", for_s, forget)

    def break_off(self, linger_s: float = 0.0) -> None:
        """Break all connections now; the broker hears of it after so long."""
        for call in list(self._calls):
            call.break_off(linger_s)

    @property
    def is_open(self) -> bool:
        """Whether the broker has a connection to the client, be it a dead one."""
        return bool(self._calls)

    @property
    def is_clear(self) -> bool:
        """Whether nothing is in the way of anybody."""
        is_held = not self._clear.is_set() or self._delay_s or self._is_refused
        return self.broker.is_up and not is_held and not any(c.is_gone for c in self._calls)

    def _accept_again(self) -> None:
        self._is_refused = False
        self.listen()

    def _hurry_again(self) -> None:
        self._delay_s = 0.0

    def _after(self, what: str, for_s: float, do: Callable[[], None]) -> None:
        """End a trouble after so long, or when an earlier one of its kind ends, if that is later.

        Its end is the timer and not a time: a timer may come a rounding error early.
        """
        end_s = self._loop.time() + for_s
        before = self._ends.get(what)
        if before is not None:
            if before.when() > end_s:
                return
            before.cancel()
        self._ends[what] = self._loop.call_at(end_s, do)

    # --- taking calls

    def listen(self) -> None:
        """Take calls, unless something keeps it from that."""
        if self._listening is not None or self._is_refused or not self.broker.is_up:
            return
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.setblocking(False)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)  # noqa: PTH108 - nothing waits here
        self._listening.bind(str(self._path))
        self._listening.listen()
        self._loop.add_reader(self._listening, self._accept, self._listening)

    def deafen(self) -> None:
        """Take no calls; the file stays, as that of a broker that was killed."""
        listening, self._listening = self._listening, None
        if listening is not None:
            self._loop.remove_reader(listening)
            listening.close()

    def _accept(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        connection.setblocking(False)
        call = _Call(self, connection)
        self._calls[call] = None
        call.begin(lambda: self._calls.pop(call))

    async def hang_up(self) -> None:
        """Break all connections and wait until the broker knows; what is held back is lost."""
        calls = list(self._calls)
        for call in calls:
            call.break_off(0.0)
        for call in calls:
            await call.end()

    async def close(self) -> None:
        """End it for good."""
        self.deafen()
        for end in self._ends.values():
            end.cancel()
        await self.hang_up()
        self.broker.lines.remove(self)

    # --- for its calls

    async def pass_along(self) -> None:
        """Wait for as long as a packet has to."""
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        await self._clear.wait()


class _Call:
    """One connection, from the client's socket to the broker and back."""

    def __init__(self, line: Line, connection: socket.socket) -> None:
        self._line = line
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._up: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue(PACKETS_WAITING_MAX)
        self._down: asyncio.Queue[bytes | None] = asyncio.Queue(PACKETS_WAITING_MAX)
        self._said = bytearray()
        self._to_broker = asyncio.StreamReader()
        self._ways: list[asyncio.Task[None]] = []
        self._serving: asyncio.Task[None] | None = None
        self._whole: asyncio.Task[None] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self.is_gone = False

    def begin(self, over: Callable[[], object]) -> None:
        """Begin; calls back when all of it is over."""
        writer = _ToClient(self._say, self._hang_up)
        self._serving = self._start(self._line.broker.serve(self._to_broker, writer), "serve")
        self._ways = [
            self._start(self._listen(), "listen"),
            self._start(self._carry_up(), "up"),
            self._start(self._carry_down(), "down"),
        ]
        self._whole = self._start(self._run(), "call")
        self._whole.add_done_callback(lambda _: over())

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=f"line {name}")

    async def _run(self) -> None:
        assert self._serving is not None
        try:
            await asyncio.wait({self._serving})
            self._hang_up()
            # What it said last still has its way to go, if there is somebody who listens; where
            # nothing comes through any more it is for the client to notice.
            await asyncio.wait(self._ways[:1] if self.is_gone else self._ways[2:])
        finally:
            for way in self._ways:
                way.cancel()
            await asyncio.gather(*self._ways, return_exceptions=True)
            self._connection.close()

    def break_off(self, linger_s: float) -> None:
        """Break it on the client's side now, on the broker's after so long."""
        for way in self._ways:
            way.cancel()
        with contextlib.suppress(OSError):  # the client has gone
            self._connection.shutdown(socket.SHUT_RDWR)
        if self._linger is not None:
            self._linger.cancel()
            linger_s = 0.0
        self._linger = self._loop.call_later(linger_s, self._to_broker.feed_eof)

    def vanish(self, linger_s: float) -> None:
        """Let nothing through any more; the broker gives it up after so long."""
        if self._linger is None:
            self.is_gone = True
            for way in self._ways[1:]:
                way.cancel()
            self._linger = self._loop.call_later(linger_s, self._to_broker.feed_eof)

    async def end(self) -> None:
        """Wait until it is over."""
        if self._whole is not None:
            await asyncio.wait({self._whole})

    # --- from the client

    async def _listen(self) -> None:
        came = bytearray()
        with contextlib.suppress(OSError):
            while data := await self._loop.sock_recv(self._connection, READ_BYTES):
                if self.is_gone:
                    continue
                came += data
                for packet in take_packets(came):
                    await self._up.put((self._loop.time(), packet))
        await self._up.put(None)

    async def _carry_up(self) -> None:
        while (item := await self._up.get()) is not None:
            at_s, packet = item
            await self._line.pass_along()
            if self._is_cut(is_up=True):
                self._to_broker.feed_data(packet[: self._part(packet)])
                self._break_as_ordered()
                return
            self._to_broker.feed_data(packet)
            if (published := read_publish(packet, at_s)) is not None:
                self._line.published.append(published)
        await self._line.pass_along()
        self._to_broker.feed_eof()

    # --- from the broker

    def _say(self, data: bytes) -> None:
        self._said += data
        for packet in take_packets(self._said):
            self._put_down(packet)

    def _hang_up(self) -> None:
        self._put_down(None)

    def _put_down(self, item: bytes | None) -> None:
        if self.is_gone:
            return
        try:
            self._down.put_nowait(item)
        except asyncio.QueueFull:
            self.break_off(0.0)

    async def _carry_down(self) -> None:
        with contextlib.suppress(OSError):
            while (packet := await self._down.get()) is not None:
                await self._line.pass_along()
                if self._is_cut(is_up=False):
                    part = packet[: self._part(packet)]
                    await self._loop.sock_sendall(self._connection, part)
                    self._break_as_ordered()
                    return
                await self._loop.sock_sendall(self._connection, packet)
        await self._line.pass_along()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    # --- cuts

    def _is_cut(self, *, is_up: bool) -> bool:
        cut = self._line.cut
        if cut is None or cut.is_up is not is_up:
            return False
        cut.packets -= 1
        return cut.packets < 0

    def _part(self, packet: bytes) -> int:
        assert self._line.cut is not None
        return min(int(len(packet) * self._line.cut.share), len(packet) - 1)

    def _break_as_ordered(self) -> None:
        cut, self._line.cut = self._line.cut, None
        assert cut is not None
        self._line.break_off(cut.linger_s)
