# SPDX-License-Identifier: MIT
"""What the daemon answers on the control socket."""

from __future__ import annotations

import asyncio
import os
from base64 import b64decode
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from tenuto import __version__
from tenuto.control.entries import entry_to_json
from tenuto.errors import ControlError, InputError, LinkError, LinkReason, TenutoError
from tenuto.links.registry import LINKS
from tenuto.routines.compile import CompiledPlan
from tenuto.sessions.commands import Command, Verb
from tenuto.wearables import pairing
from tenuto_core.plan import Plan, PlanError

from .follow import OneSession, begin, reach, so_far
from .sinks import queue_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from tenuto.config import Wearable
    from tenuto.control import Conversation
    from tenuto.history import Store
    from tenuto.links.ble import BleAdapter
    from tenuto.links.radios.bluez_agent import Prompter
    from tenuto.sessions.events import Entry
    from tenuto.state.keys import KeyStore
    from tenuto.wearables.pairing import Target
    from tenuto.wearables.supervisor import Supervisor

    from .commands import Commands
    from .hub import Hub

SESSION_MARGIN_S = 900.0
FLUSH_TIMEOUT_S = 5.0
SCAN_MAX_S = 600.0
"""A whole session's beginning, for a client that takes it slowly."""


Handler: TypeAlias = "Callable[[Conversation], Coroutine[Any, Any, dict[str, Any]]]"


class ControlRequests:
    """Carries out the requests of `tenuto.control`.

    Args:
        daemon, store: the running ones.
        flush: waits until the history has what happened so far.
        compile_routine: see `Commands`.
        facts: what `status` tells besides.
        adapter: gives the radio of a name to scan and pair with; the usual one for None.
        prompting: gives the context in which a person answers what pairings on it ask.
        hands_off: gives the context in which no supervisor uses the wearables of this kind.
        keys: of this computer.
        wearables: those of the configuration.
    """

    def __init__(
        self,
        *,
        daemon: Hub,
        commands: Commands,
        store: Store,
        flush: Callable[[], Awaitable[None]],
        compile_routine: Callable[[str, str | None], CompiledPlan],
        facts: Callable[[], Mapping[str, Any]],
        adapter: Callable[[str | None], BleAdapter],
        prompting: Callable[[BleAdapter, Prompter], AbstractAsyncContextManager[None]],
        hands_off: Callable[[Callable[[Wearable], bool]], AbstractAsyncContextManager[None]],
        keys: KeyStore,
        wearables: Callable[[], Sequence[Wearable]],
    ) -> None:
        self._daemon = daemon
        self._commands = commands
        self._store = store
        self._flush = flush
        self._compile = compile_routine
        self._facts = facts
        self._adapter = adapter
        self._prompting = prompting
        self._hands_off = hands_off
        self._keys = keys
        self._wearables = wearables

    def handlers(self) -> Mapping[str, Handler]:
        """Give what answers each request, by its name."""
        return {
            "status": self.status,
            "flush": self.flush,
            "run": self.run,
            "scan": self.scan,
            "pair": self.pair,
            "pair_by_cable": self.pair_by_cable,
            "forget": self.forget,
        }

    async def status(self, _talk: Conversation) -> dict[str, Any]:
        """Tell who this is and how the wearables are."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "wearables": [_told(supervisor) for supervisor in self._daemon.supervisors.values()],
            **self._facts(),
        }

    async def flush(self, _talk: Conversation) -> dict[str, Any]:
        """Bring the history up to date."""
        await self._flush()
        return {}

    # --- sessions

    async def run(self, talk: Conversation) -> dict[str, Any]:
        """Play a routine, or join what plays, and tell what happens to its end."""
        supervisor = self._supervisor(talk.text("wearable"))
        compiled = self._plan(supervisor.name, talk)
        sink = OneSession(_Remote(talk))
        queue = queue_for(sink)
        async with queue:
            self._daemon.attach(queue)
            try:
                if not supervisor.connected.is_set():
                    await talk.send(say=f"looking for the wearable {supervisor.name}")
                await reach(supervisor)
                key, lasts_ms, joined = await begin(supervisor, compiled)
                before: list[Entry] = []
                if joined:
                    await talk.send(say=f"{supervisor.name} already plays: joining it")
                    await self._flush()
                    before = await so_far(self._store, key, supervisor.person)
                await sink.choose(key, before)
                ended = await self._follow(
                    talk, supervisor, sink, lasts_ms / 1000 + SESSION_MARGIN_S
                )
            finally:
                self._daemon.detach(queue)
        return {"reason": ended}

    async def _follow(
        self, talk: Conversation, supervisor: Supervisor, sink: OneSession, limit_s: float
    ) -> str:
        """Wait for the session's end; the client may wish it to come at once."""
        stopping = asyncio.create_task(
            self._stop_when_asked(talk, supervisor), name="stop when asked"
        )
        try:
            await asyncio.wait({sink.ended}, timeout=limit_s)
        finally:
            stopping.cancel()
        if not sink.ended.done():
            raise LinkError(LinkReason.LOST, f"{supervisor.name} does not tell how it ended")
        return sink.ended.result().reason

    async def _stop_when_asked(self, talk: Conversation, supervisor: Supervisor) -> None:
        while True:
            if (await talk.hear()).get("stop"):
                await self._commands.submit(Command(wearable=supervisor.name, verb=Verb.STOP))

    def _supervisor(self, name: str | None) -> Supervisor:
        supervisors = self._daemon.supervisors
        if name is None and supervisors:
            return next(iter(supervisors.values()))
        if name is None or name not in supervisors:
            known = ", ".join(supervisors) or "none"
            raise InputError(f"the daemon keeps no wearable {name!r}; it keeps: {known}")
        return supervisors[name]

    def _plan(self, wearable: str, talk: Conversation) -> CompiledPlan:
        sent = talk.text("plan")
        if sent is None:
            return self._compile(wearable, talk.text("routine"))
        try:
            data = b64decode(sent, validate=True)
            return CompiledPlan(data, Plan(data))
        except (ValueError, PlanError) as error:
            raise ControlError(f"the plan that was sent is broken: {error}") from error

    # --- the radio

    async def scan(self, talk: Conversation) -> dict[str, Any]:
        """Tell what is heard on the radio."""
        from tenuto.links.listen import heard  # noqa: PLC0415 - bleak takes its time

        seconds = talk.number("seconds", 10.0, 0.5, SCAN_MAX_S)
        async for found in heard(self._adapter(None), seconds):
            await talk.send(found=[one.to_json() for one in found])
        return {}

    async def pair(self, talk: Conversation) -> dict[str, Any]:
        """Pair with a device over the air, the client's person answering."""
        target = pairing.over_air(self._wearables(), _wanted(talk))
        adapter, person = self._adapter(target.adapter), _Person(talk)
        async with self._hands_off(_is_one_of(target)), self._prompting(adapter, person):
            paired = await pairing.pair_over_air(target, adapter, self._keys, person.show)
        return asdict(paired)

    async def pair_by_cable(self, talk: Conversation) -> dict[str, Any]:
        """Give the band on a cable a key."""
        target = pairing.by_cable(self._wearables(), talk.text("port"))
        only = talk.flag("only")  # before anybody lets go of a port
        async with self._hands_off(lambda wearable: LINKS[wearable.link].is_cable):
            show = _Person(talk).show
            paired = await pairing.pair_by_cable(target, self._keys, show, only=only)
        return asdict(paired)

    async def forget(self, talk: Conversation) -> dict[str, Any]:
        """Forget the bond with a device, and the key of a band."""
        target = pairing.any_of(self._wearables(), _wanted(talk))
        async with self._hands_off(_is_one_of(target)):
            adapter = self._adapter(target.adapter)
            forgotten = await pairing.forget(target, adapter, self._keys)
        return asdict(forgotten)


def _wanted(talk: Conversation) -> str:
    text = talk.text("address")
    if not text:
        raise ControlError("`address` is missing")
    return text


def _is_one_of(target: Target) -> Callable[[Wearable], bool]:
    return lambda wearable: wearable.id in target.names


def _told(supervisor: Supervisor) -> dict[str, Any]:
    return {
        "id": supervisor.name,
        "state": supervisor.state.value,
        "connected": supervisor.connected.is_set(),
        "problem": None if supervisor.problem is None else str(supervisor.problem),
        "reason": None if supervisor.problem is None else supervisor.problem.reason.value,
        "playing": supervisor.playing,
        "battery_pct": supervisor.battery_pct,
        "firmware": supervisor.firmware,
    }


class _Remote:
    """The sink that tells a client."""

    name = "control"

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk

    async def open(self) -> None:
        pass

    async def handle(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            await self._talk.send(entry=entry_to_json(entry))

    async def close(self) -> None:
        pass


class _Person:
    """The person at the client's terminal."""

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk
        self._helpers: set[asyncio.Task[None]] = set()

    def show(self, text: str) -> None:
        """Show something there."""
        task = asyncio.create_task(self._send(text), name="show")
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)

    async def _send(self, text: str) -> None:
        with suppress(TenutoError):  # a client that has gone ends the request anyway
            await self._talk.send(show=text)

    async def ask(self, text: str) -> str:
        """Ask something there."""
        await self._talk.send(ask=text)
        return str((await self._talk.hear()).get("answer", ""))
