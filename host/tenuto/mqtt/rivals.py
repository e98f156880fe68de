# SPDX-License-Identifier: MIT
"""Two bridges that share a base topic would contradict each other, so one of them gives way.

Each asks, after it has connected, whether another one speaks there. The one that has been there
longer answers, and the newer one leaves and says so.
"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

from .connection import GiveWayError
from .outgoing import Message
from .topics import encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .topics import Topics

QUESTION_BYTES_MAX = 1024


class Rivals:
    """This bridge's side of the question.

    Args:
        topics: The topics of the bridge.
        instance: A random word for this bridge.
        since_utc_ms: When it began.
    """

    def __init__(self, topics: Topics, instance: str, since_utc_ms: int) -> None:
        self._topics = topics
        self._me = {
            "instance": instance,
            "since": since_utc_ms,
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        self._rank = (since_utc_ms, instance)
        self._met: set[str] = set()

    def question(self) -> Message:
        """Return the message that asks, for a new connection."""
        self._met.clear()
        return Message(self._topics.who, encode(self._me))

    async def meet(
        self,
        topic: str,
        payload: bytes,
        *,
        is_established: bool,
        publish: Callable[[Message], Awaitable[object]],
    ) -> None:
        """Answer another Tenuto on this base topic, or give way to it.

        Args:
            topic: `Topics.who` or `Topics.instance`.
            payload: What came.
            is_established: Whether this bridge speaks on the base topic already.
            publish: Sends the answer.

        Raises:
            GiveWayError: The other one was there first.
        """
        try:
            other = json.loads(payload[:QUESTION_BYTES_MAX])
            rank = (int(other["since"]), str(other["instance"]))
            where = f"{str(other['host'])[:64]!r} (process {int(other['pid'])})"
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return
        name = rank[1]
        if name == self._rank[1]:
            return
        if topic == self._topics.who:
            if is_established or self._rank < rank:
                await publish(Message(self._topics.instance, encode(self._me | {"to": name})))
            elif name not in self._met:
                # It may have asked before it could hear the question of this one.
                self._met.add(name)
                await publish(Message(self._topics.who, encode(self._me)))
        elif other.get("to") == self._rank[1]:
            raise GiveWayError(
                f"another Tenuto, on {where}, already uses the base topic "
                f"{self._topics.base!r}: give each its own [mqtt] base_topic; this one stays silent"
            )
