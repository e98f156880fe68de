# SPDX-License-Identifier: MIT
"""What is to be said to the broker, in the order in which it goes out.

- Retained topics are a table of what should be there. Only changes are sent, the newest value
  wins, and after each connection all of them are sent anew.
- Heart rates and answers wait for `Timing.fresh_s` at most, then they are dropped and counted.
- Events wait in the outbox, in order, until the broker has them. Those that happened more than
  `Timing.fresh_s` before they go out are marked `late`: an automation that dims a light an hour
  later is worse than none.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.event_loops import real_s

from .client import PublishRefusedError
from .topics import mark_late

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import aiomqtt

    from tenuto.history import Waiting

    from .connection import Timing
    from .outbox import Outbox

_log = logging.getLogger(__name__)

QUEUE_MAX = 512
IN_FLIGHT_MAX = 20
"""Messages that may be on their way at once, as many as Mosquitto and paho take by themselves. Paho
holds back what is more, and what it holds back is not marked `late` any more."""
BESIDE_MAX = 4
"""Of these, those that `Outgoing.publish` is called for beside `Outgoing.send`, one at a time each:
an announcement, a lease, the question after another Tenuto and the answer to one."""
WINDOW = IN_FLIGHT_MAX - BESIDE_MAX
"""Of these, those of `Outgoing.send`. An acknowledgement often takes 40 ms, for the broker's Nagle
waits for this side's delayed one."""
OUTBOX_RETRY_S = 1.0
REFUSED_RETRY_S = 60.0
"""Until events are offered again to a broker that refused one."""
TOPICS_WARNED_MAX = 256


@dataclass(frozen=True, slots=True)
class Message:
    """One message for the broker.

    Attributes:
        at_s: When it was queued, by the event loop's clock.
    """

    topic: str
    payload: bytes
    at_s: float = 0.0
    qos: int = 1
    retain: bool = False


class Outgoing:
    """All messages that wait for the broker.

    Args:
        outbox: The events.
        timing: The time limits.
        utc_ms: UTC of now in ms since 1970.
        rank: The place of a retained topic among all of them, lowest first.

    Attributes:
        sent: Messages that the broker has.
        sent_bytes: Bytes of their topics and payloads.
    """

    def __init__(
        self,
        outbox: Outbox,
        timing: Timing,
        utc_ms: Callable[[], float],
        rank: Callable[[str], int],
    ) -> None:
        self.sent = self.sent_bytes = 0
        self._dropped = 0
        self._outbox = outbox
        self._fresh_s = real_s(timing.fresh_s)
        self._publish_timeout_s = timing.publish_timeout_s
        self._utc_ms = utc_ms
        self._rank = rank
        self._retained: dict[str, bytes] = {}
        self._unsent: dict[str, None] = {}
        self._queue: deque[Message] = deque()
        self._refused: set[str] = set()
        self._events_after_s = -math.inf
        self._wake = asyncio.Event()
        self._all_sent = asyncio.Event()

    @property
    def dropped(self) -> int:
        """Messages that the broker never got, or may not have got."""
        return self._dropped + self._outbox.dropped

    @property
    def retained(self) -> Mapping[str, bytes]:
        """The retained topics as they should be; an empty payload clears one."""
        return self._retained

    def retain(self, topic: str, payload: bytes) -> None:
        """Set a retained topic."""
        if self._retained.get(topic) != payload:
            self._retained[topic] = payload
            self._unsent[topic] = None
            self.wake()

    def clear(self, topics: Iterable[str]) -> None:
        """Clear retained topics."""
        for topic in topics:
            self.retain(topic, b"")

    def repeat(self, topic: str) -> None:
        """Send a retained topic again."""
        self._unsent[topic] = None
        self.wake()

    def repeat_all(self) -> None:
        """Send all retained topics again, in the order of their rank."""
        self._unsent = dict.fromkeys(sorted(self._retained, key=self._rank))
        self.wake()

    def queue(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Queue a message that is worth sending now or never.

        A full queue drops its oldest message. Of heart rates, which go out with QoS 0, only the
        newest of each topic waits.
        """
        if qos == 0:
            for old in [one for one in self._queue if one.topic == topic]:
                self._queue.remove(old)
                self._dropped += 1
        if len(self._queue) >= QUEUE_MAX:
            self._queue.popleft()
            self._dropped += 1
        self._queue.append(Message(topic, payload, asyncio.get_running_loop().time(), qos))
        self.wake()

    def drop_stale(self) -> None:
        """Drop queued messages that waited too long."""
        oldest_s = asyncio.get_running_loop().time() - self._fresh_s
        while self._queue and self._queue[0].at_s < oldest_s:
            self._queue.popleft()
            self._dropped += 1

    def wake(self) -> None:
        """Have `send` look for something to send."""
        self._all_sent.clear()
        self._wake.set()

    async def wait_until_sent(self) -> None:
        """Wait until the broker has everything."""
        await self._all_sent.wait()

    async def send(self, client: aiomqtt.Client) -> None:
        """Send what waits, until cancelled or until the connection fails.

        Raises:
            aiomqtt.MqttError: The connection failed; what was under way is sent again later.
        """
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
                again_s = None if sending or not self._outbox.waits else self._retry_s()
                if not sending and again_s is None:
                    self._all_sent.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(again_s):
                        await self._wake.wait()
        finally:
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)

    def _retry_s(self) -> float:
        held_back_s = self._events_after_s - asyncio.get_running_loop().time()
        return max(OUTBOX_RETRY_S, held_back_s)

    async def _next(self) -> tuple[Message, Waiting | None] | None:
        for topic in self._unsent:
            del self._unsent[topic]
            return Message(topic, self._retained[topic], retain=True), None
        if self._queue:  # before the outbox, which may hold what happened in hours
            return self._queue.popleft(), None
        if asyncio.get_running_loop().time() < self._events_after_s:
            return None
        lasting = await self._outbox.take()
        if lasting is None:
            return None
        # What seems to be still to come happened before the clock was set back, who knows when.
        late = abs(self._utc_ms() - lasting.utc_ms) > self._fresh_s * 1000
        return Message(lasting.topic, mark_late(lasting.payload, late=late)), lasting

    async def _deliver(
        self, client: aiomqtt.Client, message: Message, lasting: Waiting | None
    ) -> None:
        try:
            is_taken = await self.publish(client, message)
        except BaseException:
            # What is retained is sent anew, what lasts is given back.
            self._dropped += lasting is None and not message.retain
            raise
        if lasting is None:
            self._dropped += not (is_taken or message.retain)
        elif is_taken:
            self._outbox.arrived(lasting)
        else:
            self._outbox.put_back(lasting)
            self._events_after_s = asyncio.get_running_loop().time() + real_s(REFUSED_RETRY_S)

    async def publish(self, client: aiomqtt.Client, message: Message) -> bool:
        """Publish one message and wait until the broker has it.

        Returns:
            False if the broker refused it; a warning has named the topic.

        Raises:
            aiomqtt.MqttError: It did not get there.
        """
        try:
            await self._publish(client, message)
        except PublishRefusedError as error:
            # Once for each topic.
            if error.topic not in self._refused and len(self._refused) < TOPICS_WARNED_MAX:
                self._refused.add(error.topic)
                _log.warning("mqtt %s; see the access list in the broker's configuration", error)
            return False
        return True

    async def _publish(self, client: aiomqtt.Client, message: Message) -> None:
        await client.publish(
            message.topic,
            message.payload,
            qos=message.qos,
            retain=message.retain,
            timeout=real_s(self._publish_timeout_s),
        )
        self.sent += 1
        self.sent_bytes += len(message.topic) + len(message.payload)
