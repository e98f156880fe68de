# SPDX-License-Identifier: MIT
"""The daemon: sees both ends, sources and sinks, and joins them.

Sources never call sinks.  What a wearable logs comes from its keeper as entries, and each entry
goes into every outlet.  What people ask comes as commands, and each goes to one keeper.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.commands import EXTEND_MS_MAX, Answer, Command, Verb
from tenuto.errors import InputError, LinkError, RefusedError, TenutoError
from tenuto.keeper import Keeper, LinkState, Surroundings
from tenuto.timebase import real_s

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from tenuto.compile import CompiledPlan
    from tenuto.events import Entry, SessionKey
    from tenuto.history import Store
    from tenuto.outlets import Outlet
    from tenuto.skews import Skews
    from tenuto.turns import Turns
    from tenuto.wearables.base import Driver

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

    store: open.  history: the outlet that must not lose anything; while it is full, the records
    wait on the wearables.  outlets: all others; already entered.  compile_routine: gives the plan
    of a routine by its name, None for the default of this wearable, and raises InputError.
    utc_ms: UTC of now in ms since 1970.  rng: for jitter.  on_link: told when a wearable is
    reached or lost; must not wait or raise.  skews: what is remembered of the clocks.
    """

    def __init__(
        self,
        *,
        store: Store,
        history: Outlet,
        outlets: Sequence[Outlet],
        compile_routine: Callable[[str, str | None], CompiledPlan],
        utc_ms: Callable[[], float],
        rng: random.Random,
        on_link: Callable[[str, LinkState], None],
        skews: Skews | None = None,
    ) -> None:
        self._compile = compile_routine
        self._outlets = [history, *outlets]
        self._keepers: dict[str, Keeper] = {}
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
        if skews is not None:
            self._around.skew, self._around.learn = skews.get, skews.put
        self._requests: dict[Command, _Request] = {}

    @property
    def keepers(self) -> Mapping[str, Keeper]:
        """The keepers by the names of their wearables."""
        return self._keepers

    def add(
        self, name: str, person: str | None, driver: Driver, turns: Turns | None = None
    ) -> Keeper:
        """Take a wearable into care; at once if `run` runs.

        turns: of the adapter that it shares with others, None where there is room for all.
        """
        keeper = Keeper(name, person, driver, self._around, turns)
        self._keepers[name] = keeper
        if self._group is not None:
            self._keep(self._group, keeper)
        return keeper

    async def remove(self, name: str) -> None:
        """Let go of a wearable; what it plays goes on there."""
        del self._keepers[name]
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=real_s(REMOVE_TIMEOUT_S))

    def attach(self, outlet: Outlet) -> None:
        """Put all entries from now on into one more outlet."""
        self._outlets.append(outlet)

    def detach(self, outlet: Outlet) -> None:
        """Put no more entries into an outlet; nothing if it was not attached."""
        if outlet in self._outlets:
            self._outlets.remove(outlet)

    async def run(self) -> None:
        """Keep all wearables until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for keeper in self._keepers.values():
                    self._keep(group, keeper)
                # There may be none, or none any more.
                await asyncio.Event().wait()
        finally:
            self._group = None

    def _keep(self, group: asyncio.TaskGroup, keeper: Keeper) -> None:
        self._tasks[keeper.name] = group.create_task(keeper.run(), name=f"keep {keeper.name}")

    def _put(self, entry: Entry) -> None:
        for outlet in self._outlets:
            outlet.put(entry)

    async def start(self, wearable: str, routine: str | None) -> SessionKey:
        """Begin a routine on a wearable.

        Raises:
            InputError: there is no such routine, or it has mistakes.
            LinkError, RefusedError: see `Keeper.start`.
        """
        return await self._keepers[wearable].start(self._compile(wearable, routine))

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
        keeper = self._keepers.get(command.wearable)
        if keeper is None:
            known = ", ".join(self._keepers)
            raise RefusedError(
                "unknown_wearable", f"there is no wearable {command.wearable!r}, known: {known}"
            )
        if command.verb is Verb.START:
            compiled = self._compile(command.wearable, command.routine)
            await keeper.start(compiled, command_id)
            return f"{compiled.plan.name} begins on {keeper.name}"
        if command.verb is Verb.FIND:
            await keeper.alert()
            return f"{keeper.name} can be felt now; a press on it ends that"
        if command.verb is Verb.TOGGLE:
            return f"{keeper.name}: {await keeper.toggle(command_id)}"
        if command.verb is Verb.EXTEND and not 1 <= command.by_ms <= EXTEND_MS_MAX:
            limit_s = EXTEND_MS_MAX // 1000
            raise RefusedError("out_of_range", f"a hold is extended by up to {limit_s} s at once")
        by_ms = command.by_ms if command.verb is Verb.EXTEND else 0
        await keeper.command(command.verb, by_ms, command_id)
        return f"{keeper.name}: {command.verb.value}"
