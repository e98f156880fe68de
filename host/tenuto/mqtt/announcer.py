# SPDX-License-Identifier: MIT
"""Tells Home Assistant what there is, and takes back what is there no longer.

Home Assistant applies the second of two different messages for one device only in part when it
comes right after the first (seen with 2026.11). So different messages for one device have time in
between, and each that changed is sent once more, which heals what a message of an earlier run may
have done.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from tenuto.event_loops import real_s
from tenuto.state.settings import Announced

from .discovery import steps
from .topics import encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

    from .discovery import Announcement

SETTLE_S = 3.0


class Known(Protocol):
    """What was ever announced and not taken back; `tenuto.state.settings.SettingsStore` is one."""

    @property
    def announced(self) -> Mapping[str, Announced]:
        """By the topic of the announcement."""

    async def remember(self, told: Mapping[str, Announced | None]) -> None:
        """Keep announcements by their topics, None to forget one."""


class Announcer:
    """Keeps the announcements at the broker as they should be.

    Args:
        known: What earlier runs announced.
        settle_s: Real time between different messages for one device.
    """

    def __init__(self, known: Known, settle_s: float = SETTLE_S) -> None:
        self._known = known
        self._settle_s = real_s(settle_s)
        self._wanted: dict[str, Announcement] = {}
        self._wake = asyncio.Event()
        self._again = True

    def want(self, announcements: Iterable[Announcement]) -> None:
        """Say what there is from now on; all else that is known is taken back."""
        wanted = {item.topic: item for item in announcements}
        if wanted != self._wanted:
            self._wanted = wanted
            self._wake.set()

    def repeat(self) -> None:
        """Send everything again: Home Assistant has begun anew."""
        self._again = True
        self._wake.set()

    async def run(
        self, publish: Callable[[str, bytes], Awaitable[None]], is_used: Callable[[str], bool]
    ) -> None:
        """Send until cancelled.

        Args:
            publish: Sends a retained message and returns when the broker has it.
            is_used: Whether a topic has something to say, though its device is announced no more.
        """
        sent = _Sent(publish, self._settle_s)
        self._again = True
        once_more: Collection[str] = ()
        while True:
            self._wake.clear()
            again, self._again = self._again, False
            await self._take_back(sent, is_used)
            wanted = dict(self._wanted)
            once_more = await self._tell(sent, wanted.values(), wanted if again else once_more)
            await self._wait(self._settle_s if once_more else None)

    async def _wait(self, timeout_s: float | None) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _tell(
        self, sent: _Sent, wanted: Collection[Announcement], again: Collection[str]
    ) -> set[str]:
        """Send what there is: the first message of each device, then the second of those with two.

        What is remembered of all of them is written at once, for it is one file.

        Args:
            again: The topics of what is sent even if it was sent already.

        Returns:
            The topics of what is new.
        """
        new: set[str] = set()
        messages = [(item, self._steps(item)) for item in wanted]
        for number in range(max((len(configs) for _, configs in messages), default=0)):
            due = [
                (item, config)
                for item, configs in messages
                for config in configs[number : number + 1]
                if item.topic in again or not sent.is_newest(item.topic, config)
            ]
            new |= await self._remember(due)
            for item, config in due:
                await sent.send(item.topic, config)
        await self._settle_on(wanted)
        return new

    def _steps(self, item: Announcement) -> list[dict[str, object]]:
        known = self._known.announced.get(item.topic)
        return steps({} if known is None else known.components, item)

    async def _take_back(self, sent: _Sent, is_used: Callable[[str], bool]) -> None:
        """Clear what is there no longer.

        A broker that restarts may have lost an announcement, and Home Assistant warns of the end of
        a device that it does not know and keeps its entities. So it is told of the device first.
        """
        gone = {
            topic: known
            for topic, known in self._known.announced.items()
            if topic not in self._wanted
        }
        for topic, known in gone.items():
            if known.config and not sent.is_newest(topic, known.config):
                await sent.send(topic, known.config)
        cleared: list[str] = []
        for topic, known in gone.items():
            await sent.settle(topic)
            if topic in self._wanted:  # meanwhile
                continue
            await sent.send(topic, None)
            for state in known.states:
                if not is_used(state):
                    await sent.send(state, None)
            cleared.append(topic)
        if cleared:
            await self._known.remember(dict.fromkeys(cleared))

    async def _remember(self, due: Iterable[tuple[Announcement, dict[str, Any]]]) -> set[str]:
        """Keep, before it is sent, what Home Assistant may know then; returns what is new."""
        news: dict[str, Announced | None] = {}
        for item, config in due:
            known = self._known.announced.get(item.topic)
            if known is None or known.config != config:
                components = ({} if known is None else dict(known.components)) | item.components
                news[item.topic] = Announced(components, item.states, config)
        if news:
            await self._known.remember(news)
        return set(news)

    async def _settle_on(self, wanted: Iterable[Announcement]) -> None:
        """Forget the components that were removed by now."""
        news: dict[str, Announced | None] = {}
        for item in wanted:
            known = self._known.announced.get(item.topic)
            if known is not None and known.components != item.components:
                news[item.topic] = Announced(item.components, item.states, known.config)
        if news:
            await self._known.remember(news)


class _Sent:
    """What was sent over one connection, with time between different messages on a topic."""

    def __init__(self, publish: Callable[[str, bytes], Awaitable[None]], settle_s: float) -> None:
        self._publish = publish
        self._settle_s = settle_s
        self._sent: dict[str, tuple[dict[str, Any] | None, float]] = {}

    def is_newest(self, topic: str, config: dict[str, Any] | None) -> bool:
        """Return whether this is the newest message on a topic; None is one that clears it."""
        return topic in self._sent and self._sent[topic][0] == config

    async def send(self, topic: str, config: dict[str, Any] | None) -> None:
        """Send a message, once Home Assistant has dealt with a different one on this topic."""
        if not self.is_newest(topic, config):
            await self.settle(topic)
        await self._publish(topic, b"" if config is None else encode(config))
        self._sent[topic] = config, asyncio.get_running_loop().time()

    async def settle(self, topic: str) -> None:
        """Wait until Home Assistant has dealt with the newest message on a topic."""
        if topic in self._sent:
            since_s = asyncio.get_running_loop().time() - self._sent[topic][1]
            await asyncio.sleep(self._settle_s - since_s)
