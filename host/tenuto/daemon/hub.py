# SPDX-License-Identifier: MIT
"""The daemon: sees both ends, sources and sinks, and joins them.

Sources never call sinks.  What a wearable logs comes from its supervisor as entries, and each entry
goes into every queue.  What people ask comes as commands, and each goes to one supervisor.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.errors import InputError, LinkError, RefusedError, TenutoError
from tenuto.event_loops import real_s
from tenuto.sessions.commands import EXTEND_MS_MAX, Answer, Command, Verb
from tenuto.sessions.events import EVENTS_OF_THE_HEART
from tenuto.wearables.supervisor import Supervisor
from tenuto.wearables.surroundings import LinkState, Surroundings

from .sinks import HeartRate

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from tenuto.history import Store
    from tenuto.routines.compile import CompiledPlan
    from tenuto.sessions.events import Entry, SessionKey
    from tenuto.state.clocks import ClockStore
    from tenuto.wearables.base import Driver
    from tenuto.wearables.link_slots import LinkSlots

    from .sinks import SinkQueue

_log = logging.getLogger(__name__)

REMOVE_TIMEOUT_S = 2.0
REPEAT_WITHIN_S = 60.0
"""A request that comes again with its id within this time is the same request."""
REQUESTS_KEPT = 256
COMMAND_TIMEOUT_S = 20.0
"""Longer than an upload over a slow link with its repetitions."""


@dataclass(slots=True)
class _Request:
    """A command with an id; answer is None until the wearable has given one."""

    command_id: int
    until_s: float
    answer: Answer | None = None


class Daemon:
    """All wearables of one host.

    store: open.  history: the queue that must not lose anything; while it is full, the records
    wait on the wearables.  queues: all others; already entered.  compile_routine: gives the plan
    of a routine by its name, None for the default of this wearable, and raises InputError.
    utc_ms: UTC of now in ms since 1970.  rng: for jitter.  on_link: told when a wearable is
    reached or lost; must not wait or raise.  skews: what is remembered of the clocks.
    shares_heart: whether a person lets the heart rate go out.
    """

    def __init__(
        self,
        *,
        store: Store,
        history: SinkQueue,
        queues: Sequence[SinkQueue],
        compile_routine: Callable[[str, str | None], CompiledPlan],
        utc_ms: Callable[[], float],
        rng: random.Random,
        on_link: Callable[[str, LinkState], None],
        skews: ClockStore | None = None,
        stand_in: Callable[[str], str] | None = None,
        shares_heart: Callable[[str | None], bool] = lambda _person: False,
    ) -> None:
        self._compile = compile_routine
        self._shares_heart = shares_heart
        self._queues = [history, *queues]
        self._supervisors: dict[str, Supervisor] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._around = Surroundings(
            store=store,
            utc_ms=utc_ms,
            put=self._put,
            has_room=lambda count: history.room >= count,
            on_link=on_link,
            rng=rng,
        )
        if stand_in is not None:
            self._around.stand_in = stand_in
        if skews is not None:
            self._around.skew, self._around.learn = skews.get, skews.put
        self._requests: dict[Command, _Request] = {}

    @property
    def supervisors(self) -> Mapping[str, Supervisor]:
        """The supervisors by the names of their wearables."""
        return self._supervisors

    def add(
        self,
        name: str,
        person: str | None,
        driver: Driver,
        slots: LinkSlots | None = None,
        *,
        is_simulated: bool = False,
    ) -> Supervisor:
        """Take a wearable into care; at once if `run` runs.

        slots: of the adapter that it shares with others, None where there is room for all.
        is_simulated: its sessions are marked, and count for nobody.
        """
        supervisor = Supervisor(
            name, person, driver, self._around, slots, is_simulated=is_simulated
        )
        self._supervisors[name] = supervisor
        if self._group is not None:
            self._keep(self._group, supervisor)
        return supervisor

    async def remove(self, name: str) -> None:
        """Let go of a wearable; what it plays goes on there."""
        del self._supervisors[name]
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=real_s(REMOVE_TIMEOUT_S))

    def attach(self, queue: SinkQueue) -> None:
        """Put all entries from now on into one more queue."""
        self._queues.append(queue)

    def detach(self, queue: SinkQueue) -> None:
        """Put no more entries into a queue; nothing if it was not attached."""
        if queue in self._queues:
            self._queues.remove(queue)

    async def run(self) -> None:
        """Keep all wearables until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for supervisor in self._supervisors.values():
                    self._keep(group, supervisor)
                # There may be none, or none any more.
                await asyncio.Event().wait()
        finally:
            self._group = None

    def _keep(self, group: asyncio.TaskGroup, supervisor: Supervisor) -> None:
        self._tasks[supervisor.name] = group.create_task(
            supervisor.run(), name=f"keep {supervisor.name}"
        )

    def _put(self, entry: Entry) -> None:
        """Put an entry into every queue, a heart rate only where it may be seen."""
        sees = {HeartRate.NONE, HeartRate.SHARED, HeartRate.ALL}
        if type(entry.event) in EVENTS_OF_THE_HEART:
            sees.remove(HeartRate.NONE)
            if not self._shares_heart(entry.person):
                sees.remove(HeartRate.SHARED)
        for queue in self._queues:
            if queue.heart in sees:
                queue.put(entry)

    async def start(self, wearable: str, routine: str | None) -> SessionKey:
        """Begin a routine on a wearable.

        Raises:
            InputError: there is no such routine, or it has mistakes.
            LinkError, RefusedError: see `Supervisor.start`.
        """
        return await self._supervisors[wearable].start(self._compile(wearable, routine))

    async def submit(self, command: Command) -> Answer:
        """Carry out a command, from whoever it comes; never raises for what it asks.

        One with an id that comes again within `REPEAT_WITHIN_S`, because its answer got lost, is
        carried out once and answered as the first time.
        """
        request = self._request(command)
        if request is None:
            return await self._submit(command, None)
        if request.answer is None:
            answer = await self._submit(command, request.command_id)
            if answer.reason != "unreachable":
                request.answer = answer
            return answer
        return request.answer

    def _request(self, command: Command) -> _Request | None:
        if command.id is None:
            return None
        now_s = asyncio.get_running_loop().time()
        found = self._requests.get(command)
        if found is None or now_s >= found.until_s:
            self._requests.pop(command, None)
            found = _Request(secrets.randbits(32), now_s + REPEAT_WITHIN_S)
            self._requests[command] = found
            while len(self._requests) > REQUESTS_KEPT:
                del self._requests[next(iter(self._requests))]
        return found

    async def _submit(self, command: Command, command_id: int | None) -> Answer:
        try:
            async with asyncio.timeout(real_s(COMMAND_TIMEOUT_S)):
                text = await self._carry_out(command, command_id)
        except RefusedError as error:
            answer = Answer(ok=False, reason=error.reason, text=str(error), id=command.id)
        except LinkError as error:
            answer = Answer(ok=False, reason="unreachable", text=str(error), id=command.id)
        except InputError as error:
            answer = Answer(ok=False, reason="unknown_routine", text=str(error), id=command.id)
        except TimeoutError:
            text = f"{command.wearable} took more than {COMMAND_TIMEOUT_S:.0f} s"
            answer = Answer(ok=False, reason="unreachable", text=text, id=command.id)
        except TenutoError as error:
            answer = Answer(ok=False, reason="bad_request", text=str(error), id=command.id)
        else:
            answer = Answer(ok=True, reason="ok", text=text, id=command.id)
        _log.info("wearable=%s command=%s answer=%s", command.wearable, command.verb, answer.reason)
        return answer

    async def _carry_out(self, command: Command, command_id: int | None) -> str:
        supervisor = self._supervisors.get(command.wearable)
        if supervisor is None:
            known = ", ".join(self._supervisors)
            raise RefusedError(
                "unknown_wearable", f"there is no wearable {command.wearable!r}, known: {known}"
            )
        if command.verb is Verb.START:
            compiled = self._compile(command.wearable, command.routine)
            await supervisor.start(compiled, command_id)
            return f"{compiled.plan.name} begins on {supervisor.name}"
        if command.verb is Verb.FIND:
            await supervisor.alert()
            return f"{supervisor.name} can be felt now; a press on it ends that"
        if command.verb is Verb.TOGGLE:
            return f"{supervisor.name}: {await supervisor.toggle(command_id)}"
        if command.verb is Verb.EXTEND and not 1 <= command.by_ms <= EXTEND_MS_MAX:
            limit_s = EXTEND_MS_MAX // 1000
            raise RefusedError("out_of_range", f"a hold is extended by up to {limit_s} s at once")
        by_ms = command.by_ms if command.verb is Verb.EXTEND else 0
        await supervisor.command(command.verb, by_ms, command_id)
        return f"{supervisor.name}: {command.verb.value}"
