# SPDX-License-Identifier: MIT
"""What happens now, for the browsers that look: a sink, and a bounded queue for each browser."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenuto.sessions import events
from tenuto.sessions.view import SessionView, State
from tenuto.terminal.words import cue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tenuto.sessions.events import Entry

    from .access import Visitor

STREAMS_MAX = 32
MESSAGES_MAX = 256
"""A browser that takes none of so many begins anew."""
CUES_MAX = 8
HELD_MAX = 2_048
FRESH_MS = 3_000
"""An older cue is no news: it comes from the log of a wearable that was away."""


@dataclass(slots=True)
class Shown:
    """One wearable, as the page shows it.

    Attributes:
        view: Its session.
        person: Who wears it, by the id in the configuration.
        cues: The newest cues, the newest last: name, what people are told, whether it was felt.
    """

    view: SessionView = field(default_factory=SessionView)
    person: str | None = None
    cues: list[tuple[str, str, bool]] = field(default_factory=list)

    def take_back(self, name: str) -> None:
        """Mark the newest cue of this name as not felt."""
        for at in reversed(range(len(self.cues))):
            cue_name, words, is_felt = self.cues[at]
            if cue_name == name and is_felt:
                self.cues[at] = cue_name, words, False
                return


class Stream:
    """What waits for one browser.

    Attributes:
        visitor: Who looks.
        is_over: Whether it fell behind, and has to begin anew.
    """

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.is_over = False
        self._messages: asyncio.Queue[bytes] = asyncio.Queue(MESSAGES_MAX)

    def put(self, event: str, data: dict[str, Any]) -> None:
        """Add a message, unless there is no room for it."""
        if self._messages.full():
            self.is_over = True
            return
        text = json.dumps(data, ensure_ascii=False)
        self._messages.put_nowait(f"event: {event}\ndata: {text}\n\n".encode())

    def wake(self) -> None:
        """Let `next` return."""
        if not self._messages.full():
            self._messages.put_nowait(b"")

    async def next(self, timeout_s: float) -> bytes | None:
        """Wait for the next messages; None if none came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                first = await self._messages.get()
        except TimeoutError:
            return None
        more = [self._messages.get_nowait() for _ in range(self._messages.qsize())]
        return b"".join([first, *more])


class Live:
    """The sink of the page.

    Args:
        utc_ms: Returns the present in ms since 1970.
        render: Returns the parts of a wearable for a visitor, as HTML; None where a reload has
            taken it out.
        sees_heart: Whether a visitor may see the heart rate of a person.
        speed: How fast that present passes.

    Attributes:
        shown: The wearables by their ids.
        on_end: Called when a session has ended.
    """

    name = "web"

    def __init__(
        self,
        utc_ms: Callable[[], float],
        render: Callable[[str, Visitor], dict[str, str] | None],
        sees_heart: Callable[[Visitor, str | None], bool],
        speed: float = 1.0,
    ) -> None:
        self.shown: dict[str, Shown] = {}
        self.on_end: Callable[[], None] = lambda: None
        self._utc_ms = utc_ms
        self._render = render
        self._sees_heart = sees_heart
        self._speed = speed
        self._streams: set[Stream] = set()
        self._held: list[Entry] | None = []

    # --- as a sink

    async def open(self) -> None:
        """Do nothing."""

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Take what happened, and tell the browsers what it changes."""
        if self._held is not None:
            self._held = [*self._held, *entries][-HELD_MAX:]
            return
        self._take(entries)

    def begin(self, before: Sequence[Entry]) -> None:
        """Take what happened before this sink was there; what came meanwhile was held back.

        Args:
            before: The sessions that go on, from their beginning.
        """
        known = {(entry.session, entry.event) for entry in before}
        held, self._held = self._held or [], None
        self._take([*before, *(one for one in held if (one.session, one.event) not in known)])

    def _take(self, entries: Sequence[Entry]) -> None:
        changed: dict[str, None] = {}
        for entry in entries:
            shown = self.shown.setdefault(entry.wearable, Shown())
            shown.person = entry.person
            shown.view.apply(entry.event, entry.utc_ms)
            match entry.event:
                case events.HeartBeat():
                    self._tell_heart(entry.wearable, shown)
                    continue
                case events.CueFired():
                    self._take_cue(entry, shown, changed)
                    continue
                case events.Unfelt(cue=name):
                    shown.take_back(name)
                case events.SessionStarted():
                    shown.cues.clear()
            changed[entry.wearable] = None
        for wearable in changed:
            self.tell(wearable)
        if any(isinstance(entry.event, events.SessionEnded) for entry in entries):
            self.on_end()

    async def close(self) -> None:
        """Do nothing: the server ends the streams."""

    # --- to the browsers

    @contextmanager
    def stream(self, visitor: Visitor) -> Iterator[Stream | None]:
        """Let a browser follow while inside; None where too many do."""
        if len(self._streams) >= STREAMS_MAX:
            yield None
            return
        stream = Stream(visitor)
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)

    def tell(self, wearable: str) -> None:
        """Send a wearable to all browsers, as it is now."""
        for stream in self._streams:
            self.tell_one(stream, wearable)

    def tell_one(self, stream: Stream, wearable: str) -> None:
        """Send a wearable to one browser, as it is now."""
        parts = self._render(wearable, stream.visitor)
        if parts is None:
            self.shown.pop(wearable, None)
            stream.put("gone", {"id": wearable})
            return
        now = {"now": round(self._utc_ms()), "speed": self._speed}
        stream.put("wearable", {"id": wearable, **parts, **now})

    def tell_owners(self, event: str, data: dict[str, Any]) -> None:
        """Send a message to those who may see all."""
        for stream in self._streams:
            if stream.visitor.person is None:
                stream.put(event, data)

    def tell_wearer(self, event: str, data: dict[str, Any], person: str | None) -> None:
        """Send a message to a person, and to those who may see all."""
        for stream in self._streams:
            if stream.visitor.person in (None, person):
                stream.put(event, data)

    def end(self) -> None:
        """End all streams."""
        for stream in self._streams:
            stream.is_over = True
            stream.wake()

    def _tell_heart(self, wearable: str, shown: Shown) -> None:
        for stream in self._streams:
            if self._sees_heart(stream.visitor, shown.person):
                stream.put("heart", {"id": wearable, "bpm": shown.view.bpm})

    def _take_cue(self, entry: Entry, shown: Shown, changed: dict[str, None]) -> None:
        assert isinstance(entry.event, events.CueFired)  # noqa: S101 - matched before
        is_fresh = self._utc_ms() - entry.utc_ms <= FRESH_MS
        if is_fresh and entry.wearable in changed:
            # A card of before the session has no place for its first cue.
            del changed[entry.wearable]
            self.tell(entry.wearable)
        words = cue(entry.event.cue, entry.event.phase)
        shown.cues = [*shown.cues, (entry.event.cue, words, True)][-CUES_MAX:]
        if is_fresh:
            for stream in self._streams:
                stream.put("cue", {"id": entry.wearable, "text": words})


def is_going(view: SessionView) -> bool:
    """Whether a session goes on."""
    return view.state in (State.PLAYING, State.WAITING, State.PAUSED)
