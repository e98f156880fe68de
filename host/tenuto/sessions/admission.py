# SPDX-License-Identifier: MIT
"""Which requests are carried out: each once, and not too many from where anyone may ask.  Pure.

A request that comes again with its id is the same request.  A stop is never refused for the number
of others: those for one wearable that come while a stop is under way share its outcome, unless
something else was asked of the wearable in between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from .commands import Answer, ClassCommand, Command, Preference, Unreadable, Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

Ordered: TypeAlias = Command | ClassCommand
Request: TypeAlias = Ordered | Preference | Unreadable

REPEAT_WITHIN_S = 60.0
"""A request that comes again with its id within this time is the same request."""
REPEATS_KEPT = 256
REQUEST_BURST = 10
REQUESTS_PER_S = 2.0
REQUESTS_AT_ONCE = 16
"""Under way for one wearable from one origin, besides stops: a slow one delays only its own, and a
room of a hundred starts at one word."""
STOPS_AT_ONCE = 64
"""That share the outcome of one stop."""
NOT_KEPT = frozenset({"unreachable", "failed", "too_soon", "too_many"})
"""Reasons after which the same request is tried again when it is repeated."""


@dataclass(eq=False, slots=True)
class Ticket:
    """One request that was let in.

    Attributes:
        command_id: 32 bits, the same for every repeat.
        until_s: When the request is forgotten.
        answer: Once there is one that stays.
        under_way: Whether it is being carried out.
        shared_by: How many wait for its outcome besides.
    """

    command_id: int
    until_s: float
    answer: Answer | None = None
    under_way: bool = False
    shared_by: int = 0


class Bucket:
    """A limit on how often: `burst` at once, then `per_s` a second."""

    def __init__(self, burst: int, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = float(burst)
        self._at_s = -math.inf

    def take(self, now_s: float) -> bool:
        """Take one at `now_s`; False if none is left."""
        self._left = min(self._burst, self._left + max(0.0, now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(slots=True)
class _Flow:
    """What comes for one wearable from one origin, without stops."""

    bucket: Bucket = field(default_factory=lambda: Bucket(REQUEST_BURST, REQUESTS_PER_S))
    under_way: int = 0


class Admission:
    """Decides on each request before it is carried out.

    Args:
        draw: Returns a new command id of 32 bits.
        limited: Origins that anyone can be, whose requests are limited in number.
    """

    def __init__(self, draw: Callable[[], int], limited: Collection[str] = ()) -> None:
        self._draw = draw
        self._limited = frozenset(limited)
        self._flows: dict[tuple[str, str], _Flow] = {}
        self._repeats: dict[Ordered, Ticket] = {}
        self._stops: dict[str, Ticket] = {}

    def enter(self, asked: Request, origin: str, now_s: float) -> Ticket | Answer:
        """Let a request in, or answer it.

        Args:
            asked: The request.
            origin: Where it came in.
            now_s: A monotonic time.

        Returns:
            Its answer, if it is known. A ticket that is under way, whose outcome is to be waited
            for. Or else a ticket that is now under way and for which `leave` has to be called.
        """
        is_stop = _is_stop(asked)
        if not is_stop and not self._has_room(asked, origin, now_s):
            return _too_many(asked, _TOO_MANY)
        if isinstance(asked, Unreadable):
            return asked.refusal
        ticket = self._ticket(asked, now_s)
        if ticket.answer is not None:
            return ticket.answer
        if is_stop and not ticket.under_way:
            ticket = self._stops.get(asked.wearable, ticket)
        if ticket.under_way:
            if ticket.shared_by >= STOPS_AT_ONCE:
                return _too_many(asked, _STOPPING)
            ticket.shared_by += 1
            return ticket
        ticket.under_way = True
        if is_stop:
            self._stops[asked.wearable] = ticket
        else:
            self._stops.pop(asked.wearable, None)
            self._count(asked, origin, 1)
        return ticket

    def leave(self, ticket: Ticket, asked: Request, origin: str, answer: Answer | None) -> None:
        """Note that a ticket from `enter` is not under way any more; answer: None for none."""
        ticket.under_way = False
        ticket.shared_by = 0
        if _is_stop(asked):
            if self._stops.get(asked.wearable) is ticket:
                del self._stops[asked.wearable]
        else:
            self._count(asked, origin, -1)
        if answer is not None:
            self.keep(asked, answer)

    def keep(self, asked: Request, answer: Answer) -> None:
        """Keep the answer for a request that is repeated, if it is one that stays."""
        ticket = self._repeats.get(asked) if isinstance(asked, Ordered) else None
        if ticket is not None and answer.reason not in NOT_KEPT:
            ticket.answer = replace(answer, id=asked.id)  # type: ignore[union-attr]

    def _ticket(self, asked: Ordered | Preference, now_s: float) -> Ticket:
        if not isinstance(asked, Ordered) or asked.id is None:
            return Ticket(self._draw(), now_s)
        found = self._repeats.get(asked)
        if found is None or (now_s >= found.until_s and not found.under_way):
            self._repeats.pop(asked, None)
            found = self._repeats[asked] = Ticket(self._draw(), now_s + REPEAT_WITHIN_S)
            while len(self._repeats) > REPEATS_KEPT:
                del self._repeats[next(iter(self._repeats))]
        return found

    def _has_room(self, asked: Request, origin: str, now_s: float) -> bool:
        if origin not in self._limited:
            return True
        flow = self._flows.setdefault((origin, asked.wearable), _Flow())
        return flow.bucket.take(now_s) and flow.under_way < REQUESTS_AT_ONCE

    def _count(self, asked: Request, origin: str, by: int) -> None:
        flow = self._flows.get((origin, asked.wearable))
        if flow is not None:
            flow.under_way += by


def _is_stop(asked: Request) -> bool:
    return isinstance(asked, Ordered) and asked.verb == Verb.STOP


def _too_many(asked: Request, text: str) -> Answer:
    request = asked.id if isinstance(asked, Ordered) else None
    return Answer(ok=False, reason="too_many", text=text, id=request)


_TOO_MANY = (
    f"too many commands: {REQUEST_BURST} at once and {REQUESTS_PER_S:g} a second are taken, "
    "the rest is dropped"
)
_STOPPING = f"a stop is under way, and {STOPS_AT_ONCE} others wait for its answer already"
