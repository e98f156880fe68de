# SPDX-License-Identifier: MIT
"""A command beside the daemon: shows what the daemon tells."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING

from tenuto.control.entries import entry_from_json
from tenuto.errors import ControlError, LinkError, LinkReason, TenutoError
from tenuto.sessions.events import SessionEnded

from .sinks import queue_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.control import Client, Talk
    from tenuto.routines.compile import CompiledPlan

    from .sinks import Sink, SinkQueue

STOP_TIMEOUT_S = 5.0
FLUSH_TIMEOUT_S = 5.0


async def play_beside(
    client: Client,
    sink: Sink,
    *,
    wearable: str,
    routine: str | None,
    plan: CompiledPlan | None,
    gone: asyncio.Event,
    say: Callable[[str], None],
) -> str:
    """Have the daemon play a routine, and show it; returns how it ended.

    routine: by its name, None for the one that is usual there.  plan: instead of the routine by
    its name, for one that the daemon cannot find.  gone: set when the user wants to stop.

    Raises:
        LinkError: the wearable is out of reach, or the daemon has gone in the middle.
        TenutoError: whatever else the daemon had to raise.
    """
    own_plan = {} if plan is None else {"plan": b64encode(plan.data).decode()}
    async with (
        queue_for(sink) as queue,
        client.talk("run", wearable=wearable, routine=routine, **own_plan) as talk,
    ):
        showing = asyncio.create_task(_show(talk, queue, say), name="show")
        wanted = asyncio.create_task(gone.wait(), name="wait for a reason to stop")
        try:
            await asyncio.wait({showing, wanted}, return_when=asyncio.FIRST_COMPLETED)
            if not showing.done():
                say(f"stopping {wearable}")
                with suppress(TenutoError):
                    await talk.say(stop=True)
                await asyncio.wait({showing}, timeout=STOP_TIMEOUT_S)
            if not showing.done():
                raise LinkError(
                    LinkReason.LOST,
                    f"{wearable} is out of reach; what it plays goes on there, "
                    "and the history will be completed when it is back",
                )
            return showing.result()
        finally:
            wanted.cancel()
            showing.cancel()
            await asyncio.wait({wanted, showing}, timeout=1)
            await queue.flush(FLUSH_TIMEOUT_S)


async def _show(talk: Talk, queue: SinkQueue, say: Callable[[str], None]) -> str:
    ended: SessionEnded | None = None
    try:
        async for item in talk:
            if "say" in item:
                say(str(item["say"]))
            if "entry" in item:
                entry = entry_from_json(item["entry"])
                queue.put(entry)
                if isinstance(entry.event, SessionEnded):
                    ended = entry.event
    except ControlError as error:
        if ended is not None:
            return ended.reason
        raise LinkError(
            LinkReason.LOST,
            f"{error}; what plays on the wearable goes on there, `tenuto run` joins it again",
        ) from error
    return str(talk.result.get("reason"))
