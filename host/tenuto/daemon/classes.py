# SPDX-License-Identifier: MIT
"""A class: several wearables that play one routine in unison; see `tenuto.sessions.unison`.

Each wearable has a task of its own for what is asked of it, so that one that is out of reach, or
fails, holds up no other one.  What is asked later takes the place of what was asked before.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError, LinkError, LinkReason, RefusedError, TenutoError
from tenuto.event_loops import real_s
from tenuto.retry import describe_failure
from tenuto.routines.unison import for_clock, lasts_as_long
from tenuto.sessions.commands import ClassCommand, ClassVerb, Verb
from tenuto.sessions.places import UNKNOWN, count_words
from tenuto.sessions.unison import (
    GOING,
    HEART_FRESH_MS,
    IN_STEP_MS,
    ON_THE_WAY,
    Member,
    Standing,
    Unison,
    check_unison,
    ready_in_ms,
)
from tenuto_core.player import PAUSE_MS_MAX

from .sinks import queue_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
    from contextlib import AbstractContextManager

    from tenuto.routines.compile import CompiledPlan
    from tenuto.sessions.events import Entry
    from tenuto.state.class_store import ClassStore
    from tenuto.wearables.supervisor import Supervisor

    from .hub import Hub

_log = logging.getLogger(__name__)

SINK = "class"
TICK_S = 0.5
ANSWER_S = 5.0
"""How long the answer waits for the wearables; what they have not done by then goes on."""
EACH_MS = 6_000
"""What one wearable takes to be reached, to get its plan and to be set to begin; with one in ten
packets lost, a hundred took 3 s each to be connected, which is done one after the other."""
SET_UP_MS = 1_500
"""So long before it begins, a wearable is not set to begin with the others any more."""
JOIN_AHEAD_MS = 6_000
"""The next exercise begins no sooner than this, for the plan has to get there."""
OVERDUE_S = 5.0
"""A wearable that was to begin so long ago and has logged nothing is asked what it does."""
LOOK_S = 1.0
"""How often it looks for news while a wearable is out of reach."""
INSIST_S = 3_600.0
"""For so long a stop waits for a wearable that is out of reach."""
_GOING_ON = ("ready", "playing", "paused")
_NOTHING_TO_STOP = ("not_playing", "wrong_plan", "no_plan")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassStatus:
    """How a class is.

    Attributes:
        state: `idle`, `ready` before it begins, `playing`, `paused`, `ended` or `stopped`.
        begins_utc_ms, ends_utc_ms: Of its plan as a whole, pauses so far included; None without.
        exercise, side, kind, place: Where it is in its plan, None before and after.
        members: A row for each wearable; see `_row`.
    """

    now_utc_ms: int
    state: str = "idle"
    routine: str | None = None
    begins_utc_ms: int | None = None
    ends_utc_ms: int | None = None
    exercise: str | None = None
    side: str | None = None
    kind: str | None = None
    place: str | None = None
    members: list[dict[str, Any]] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Return how many members stand how, and how many are in step."""
        found = {standing.value: 0 for standing in Standing}
        for member in self.members:
            found[member["standing"]] += 1
        found["in_step"] = sum(member["in_step"] for member in self.members)
        return found


class _Follower:
    """The sink that has the class follow what its wearables log."""

    name = SINK

    def __init__(self, unison: Unison) -> None:
        self._unison = unison

    async def open(self) -> None:
        """Do nothing."""

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Follow."""
        for entry in entries:
            self._unison.apply(entry)

    async def close(self) -> None:
        """Do nothing."""


class Classes:
    """The class of a host; there is one at a time.

    Args:
        hub: Has the supervisors of the wearables.
        compile_for: Returns the plan of a routine for each of these wearables, all equally long;
            None for the usual routine. Raises InputError.
        utc_ms: Returns the present in ms since 1970.
        on_change: Called when something has changed that is told outside.
        store: Where the class is kept over a restart, None for nowhere.
    """

    def __init__(
        self,
        hub: Hub,
        compile_for: Callable[[str | None, Sequence[str]], Awaitable[Mapping[str, CompiledPlan]]],
        *,
        utc_ms: Callable[[], float],
        on_change: Callable[[], None] = lambda: None,
        store: ClassStore | None = None,
    ) -> None:
        self._store = store
        self._plan_bytes = b""
        self.present: Unison | None = None
        self._hub = hub
        self._compile_for = compile_for
        self._utc_ms = utc_ms
        self._on_change = on_change
        self._plans: dict[str, CompiledPlan] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sent: set[str] = set()
        """Those that may have been set to begin, whatever they have answered."""
        self._stopping: dict[str, int] = {}
        """Those that are still to be stopped, and until when, in UTC."""
        self._runner: asyncio.Task[None] | None = None
        self._told: object = None

    async def restore(self) -> None:
        """Take up the class that went on before a restart, if it still does, and tell outside."""
        await self._take_up()
        self._change()

    async def _take_up(self) -> None:
        kept = None if self._store is None else self._store.load()
        if kept is None:
            return
        unison, self._plan_bytes, self._sent, stopping = kept
        now_ms, paused_ms = self._utc_ms(), unison.paused_utc_ms
        if unison.is_stopped:
            self.present = unison
            for name, until_ms in stopping.items():
                if name in self._hub.supervisors:
                    self._order(name, self._insist_on_stop(name, until_ms))
            return
        is_forgotten = paused_ms is not None and now_ms - paused_ms > PAUSE_MS_MAX
        names = [name for name in unison.members if name in self._hub.supervisors]
        if is_forgotten or not names or unison.is_over(now_ms):
            self._keep(None)
            return
        unison.members = {name: unison.members[name] for name in names}
        for name, member in unison.members.items():
            member.person = self._hub.supervisors[name].person
            # It was being set to begin, and may play by now.
            is_open = member.standing is Standing.COMING and name in self._sent
            member.has_old = member.has_old or is_open
        try:
            plans = dict(await self._compile_for(unison.plan.name, names))
        except TenutoError as error:
            _log.warning("the class goes on without those who come late: %s", error)
            plans = {}
        self._plans = {
            name: plan for name, plan in plans.items() if lasts_as_long(plan.plan, unison.plan)
        }
        self.present = unison
        self._runner = asyncio.create_task(self._run(unison), name="class")
        for member in unison.members.values():
            if member.standing is Standing.COMING and unison.paused_utc_ms is None:
                self._order(member.wearable, self._bring(unison, member))

    # --- what is asked

    async def checked(self, routine: str) -> CompiledPlan:
        """Return the plan of a routine, for the first wearable, if all can play it in unison.

        Raises:
            InputError: It does not exist, has mistakes, or waits for its wearer.
            RefusedError: There is no wearable.
        """
        names = self._names(None)
        plans = await self._compile_for(routine, names)
        for compiled in plans.values():
            check_unison(compiled.plan)
        return plans[names[0]]

    async def carry_out(self, asked: ClassCommand) -> str:
        """Do what is asked.

        Returns:
            What to say about it.

        Raises:
            InputError: A routine cannot be played.
            RefusedError: With the reason; nothing changed.
        """
        match asked.verb:
            case ClassVerb.START:
                return await self._start(asked)
            case ClassVerb.JOIN:
                return await self._join(asked)
            case ClassVerb.PAUSE:
                return await self._pause()
            case ClassVerb.RESUME:
                return await self._resume()
            case ClassVerb.STOP:
                return await self._stop()

    async def _start(self, asked: ClassCommand) -> str:
        if self._going() is not None:
            raise RefusedError("already_playing", "a class goes on; stop it first")
        names = self._names(asked.wearables)
        plans = await self._compile_for(asked.routine, names)
        if self._going() is not None:  # asked twice at one time
            raise RefusedError("already_playing", "a class goes on; stop it first")
        whole = plans[names[0]].plan
        now_ms = round(self._utc_ms())
        in_ms = max(asked.in_ms, self._ready_in_ms(names))
        persons = {name: self._hub.supervisors[name].person for name in names}
        try:
            unison = Unison.of(whole, persons, now_ms + in_ms)
        except InputError as error:
            raise RefusedError("bad_request", str(error)) from error
        for name, task in self._tasks.items():
            if name in self._sent and name in unison.members and not task.done():
                unison.members[name].has_old = True  # the class before is not stopped there yet
        elsewhere = {name for name in self._stopping if name not in unison.members}
        await self._end_tasks(but=elsewhere)
        self._stopping = {name: self._stopping[name] for name in elsewhere}
        self._plans, self._sent = dict(plans), set()
        for name in names:
            if not lasts_as_long(plans[name].plan, whole):
                text = f"the motor of {name} needs other times for {whole.name}"
                unison.members[name].refuse(text)
        self.present, self._plan_bytes = unison, plans[names[0]].data
        self._runner = asyncio.create_task(self._run(unison), name="class")
        for member in unison.members.values():
            if member.standing is Standing.COMING:
                self._order(member.wearable, self._bring(unison, member))
        self._change()
        away = [name for name in names if not self._hub.supervisors[name].connected.is_set()]
        text = f"{whole.name} begins in {in_ms / 1000:.0f} s on {_number(names)}"
        return f"{text}; not in reach yet: {', '.join(away)}" if away else text

    async def _join(self, asked: ClassCommand) -> str:
        unison = self._needed()
        names = self._names(asked.wearables)
        new = [name for name in names if name not in unison.members]
        if new and asked.wearables is not None:
            plans = await self._compile_for(unison.plan.name, new)
            for name in new:
                if not lasts_as_long(plans[name].plan, unison.plan):
                    raise RefusedError(
                        "bad_request", f"the motor of {name} needs other times for this routine"
                    )
                self._plans[name] = plans[name]
                unison.members[name] = Member(name, self._hub.supervisors[name].person)
        brought = []
        for name in names:
            member = unison.members.get(name)
            if member is None or unison.is_in_step(member, self._utc_ms()):
                continue
            is_asked_for = asked.wearables is not None or member.standing is not Standing.ENDED
            if is_asked_for and member.standing is not Standing.READY:
                self._order(name, self._bring(unison, member))
                brought.append(name)
        self._change()
        if not brought:
            return "all of them are in step"
        return f"{', '.join(brought)}: to join at the next exercise"

    async def _pause(self) -> str:
        unison = self._needed()
        if unison.paused_utc_ms is not None:
            raise RefusedError("already_paused", "the class is paused already")
        now_ms = round(self._utc_ms())
        if not unison.has_begun(now_ms):
            raise RefusedError("not_playing", "the class has not begun; stop it to call it off")
        unison.pause(now_ms)
        for member in unison.members.values():
            if member.standing in ON_THE_WAY:
                self._order(member.wearable, self._call_off(unison, member))
            elif member.standing in GOING and not member.own_pace:
                self._order(member.wearable, self._obey(unison, member, Verb.PAUSE))
        return await self._answered("paused", unison)

    async def _resume(self) -> str:
        unison = self._needed()
        if unison.paused_utc_ms is None:
            raise RefusedError("not_paused", "the class is not paused")
        unison.resume(round(self._utc_ms()))
        for member in unison.members.values():
            if member.standing is Standing.COMING:
                self._order(member.wearable, self._bring(unison, member))
            elif member.standing in GOING and not member.own_pace and not member.was_reset:
                self._order(member.wearable, self._obey(unison, member, Verb.RESUME))
        return await self._answered("goes on", unison)

    async def _stop(self) -> str:
        unison = self._going()
        if unison is None:
            # After a restart nothing is known of a class, and all are to be stopped all the same.
            playing = [name for name, one in self._hub.supervisors.items() if one.playing]
            for name in playing:
                self._order(name, self._insist_on_stop(name))
            return await self._answered("stopped", None, playing)
        unison.is_stopped = True
        may_play = [
            member.wearable
            for member in unison.members.values()
            if member.standing in GOING or member.has_old or member.wearable in self._sent
        ]
        for name in [name for name in self._tasks if name not in may_play]:
            self._tasks[name].cancel()
        for name in may_play:
            self._order(name, self._insist_on_stop(name))
        for member in unison.members.values():
            member.call_off()
        return await self._answered("stopped", unison, may_play)

    def _names(self, wearables: Sequence[str] | None) -> list[str]:
        known = self._hub.supervisors
        names = list(dict.fromkeys(known if wearables is None else wearables))
        for name in names:
            if name not in known:
                raise RefusedError(
                    "unknown_wearable",
                    f"there is no wearable {name[:64]!r}, known: {', '.join(known)}",
                )
        if not names:
            raise RefusedError("unknown_wearable", "there is no wearable here to make a class of")
        return names

    def _going(self) -> Unison | None:
        unison = self.present
        return None if unison is None or unison.is_over(self._utc_ms()) else unison

    def _needed(self) -> Unison:
        unison = self._going()
        if unison is None:
            raise RefusedError("not_playing", "no class goes on")
        return unison

    def _ready_in_ms(self, names: Sequence[str]) -> int:
        """Return how long it takes until all that can be reached have their plan."""
        waiting: dict[object, list[Supervisor]] = {}
        for name in names:
            supervisor = self._hub.supervisors[name]
            if _waits_for_link(supervisor):
                waiting.setdefault(id(supervisor.slots), []).append(supervisor)
        times = [0]
        for group in waiting.values():
            slots = group[0].slots
            times.append(ready_in_ms(len(group), None if slots is None else slots.limit, EACH_MS))
        return max(times)

    async def _answered(
        self, what: str, unison: Unison | None, names: Sequence[str] | None = None
    ) -> str:
        """Wait a little for those who were told something, and return how many have done it."""
        asked = {name: self._tasks[name] for name in names or list(self._tasks)}
        if asked:
            await asyncio.wait(asked.values(), timeout=real_s(ANSWER_S))
        late = [name for name, task in asked.items() if not task.done()]
        self._change()
        text = f"the class is {what}" if what != "goes on" else "the class goes on"
        if unison is None:
            text = f"no class goes on; {len(asked)} wearables that play are stopped"
        return f"{text}; not reached yet, tried on: {', '.join(late)}" if late else text

    # --- one wearable

    def _order(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Have something done for a wearable, in place of what is under way for it."""
        before = self._tasks.get(name)
        if before is not None:
            before.cancel()
        task = asyncio.create_task(self._alone(name, before, work), name=f"class {name}")
        self._tasks[name] = task

    async def _alone(
        self, name: str, before: asyncio.Task[None] | None, work: Coroutine[Any, Any, None]
    ) -> None:
        """Do something for a wearable; a failure is its own."""
        try:
            if before is not None:
                await asyncio.wait({before}, timeout=ANSWER_S)
            await work
        except TenutoError as error:
            _log.info("wearable=%s class: %s", name, error)
        except Exception as error:  # noqa: BLE001 - it must not end the others
            _log.error("wearable=%s class: %s", name, describe_failure(error))
        finally:
            work.close()
            self._change()

    async def _reach(self, name: str) -> Supervisor:
        """Wait until a wearable is in reach."""
        while True:
            supervisor = self._hub.supervisors.get(name)
            if supervisor is None:
                raise RefusedError("unknown_wearable", f"{name} is not kept here any more")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await supervisor.connected.wait()
                    return supervisor

    async def _bring(self, unison: Unison, member: Member) -> None:
        """Set a wearable to begin with the others, or where the next exercise begins."""
        name = member.wearable
        member.leave()
        with self._wanted(name):
            while not unison.is_over(self._utc_ms()):
                supervisor = await self._reach(name)
                try:
                    if member.has_old:
                        await _stop_what_plays(supervisor)
                        member.has_old = False
                    if await self._set(unison, member, supervisor):
                        return
                except LinkError as error:
                    member.problem = str(error)
                except RefusedError as error:
                    if member.session is not None:
                        return  # it has begun, and its answer was lost
                    if error.reason not in ("too_late", "too_soon"):
                        member.refuse(str(error))
                        self._sent.discard(name)
                        return
                    member.problem = str(error)
                await asyncio.sleep(LOOK_S)

    async def _set(self, unison: Unison, member: Member, supervisor: Supervisor) -> bool:
        """Give a wearable its plan; returns whether that is over, one way or the other."""
        if unison.paused_utc_ms is not None:
            return False
        now_ms = self._utc_ms()
        is_early = unison.anchor_utc_ms - now_ms >= SET_UP_MS
        entrance = unison.entrance(now_ms, SET_UP_MS if is_early else JOIN_AHEAD_MS)
        if entrance is None:
            member.refuse("there is no exercise left to join")
            return True
        name = member.wearable
        compiled = self._plans.get(name)
        if compiled is None:
            member.refuse("its routine is not what it was when the class began")
            return True
        at_utc_ms = unison.anchor_utc_ms + entrance.at_ms
        at_ms = asyncio.get_running_loop().time() * 1000 + at_utc_ms - now_ms
        self._sent.add(name)
        self._keep(unison)
        sent, is_sure = await supervisor.start_at(
            lambda ppm: for_clock(compiled, ppm, entrance.step), at_ms
        )
        member.set_to(entrance.step, sent.plan_id_hex, at_utc_ms)
        if not is_sure:
            member.problem = f"{name} did not say whether it will begin"
        return is_sure

    async def _call_off(self, unison: Unison, member: Member) -> None:
        """Take back what a wearable is set to begin; it is brought when the class goes on."""
        member.leave()
        if member.wearable in self._sent or member.has_old:
            await self._insist_on_stop(member.wearable)
        del unison

    async def _obey(self, unison: Unison, member: Member, verb: Verb) -> None:
        """Pause or resume a wearable as soon as it is in reach."""
        name = member.wearable
        with self._wanted(name):
            while not unison.is_over(self._utc_ms()):
                supervisor = self._hub.supervisors.get(name)
                if supervisor is None:
                    return
                try:
                    await supervisor.command(verb)
                except LinkError:
                    await asyncio.sleep(real_s(TICK_S))
                    await self._reach(name)
                except RefusedError as error:
                    _log.info("wearable=%s class: %s", name, error)
                    return
                else:
                    return

    async def _insist_on_stop(self, name: str, until_utc_ms: int | None = None) -> None:
        """Stop a wearable: now, or as soon as it is in reach."""
        if until_utc_ms is None:
            until_utc_ms = round(self._utc_ms() + 1000 * INSIST_S)
        self._stopping[name] = until_utc_ms
        self._change()
        with self._wanted(name):
            while self._utc_ms() < until_utc_ms:
                supervisor = self._hub.supervisors.get(name)
                if supervisor is None:
                    break
                try:
                    await _stop_what_plays(supervisor)
                except LinkError:
                    await asyncio.sleep(real_s(TICK_S))
                    await self._reach(name)
                else:
                    self._sent.discard(name)
                    if self.present is not None and name in self.present.members:
                        self.present.members[name].has_old = False
                    break
        self._stopping.pop(name, None)

    def _wanted(self, name: str) -> AbstractContextManager[None]:
        supervisor = self._hub.supervisors.get(name)
        return nullcontext() if supervisor is None else supervisor.wanted()

    # --- while it goes on

    async def _run(self, unison: Unison) -> None:
        async with queue_for(_Follower(unison)) as queue:
            self._hub.attach(queue)
            try:
                while not unison.is_over(self._utc_ms()):
                    await asyncio.sleep(TICK_S)
                    self._tick(unison)
                await queue.flush()
            finally:
                self._hub.detach(queue)
                self._change()

    def _tick(self, unison: Unison) -> None:
        """Bring together who can be, and bring back who has lost step."""
        now_ms = round(self._utc_ms())
        supervisors = self._hub.supervisors
        reached = {
            name
            for name in unison.members
            if name in supervisors and supervisors[name].connected.is_set()
        }
        for name, by_ms in unison.corrections(now_ms, reached):
            if self._is_free(name):
                self._order(name, self._hold_longer(name, by_ms))
        for member in unison.to_bring(now_ms):
            if self._is_free(member.wearable):
                self._order(member.wearable, self._bring(unison, member))
        for member in unison.members.values():
            begins_ms = member.begins_utc_ms
            if member.standing is Standing.READY and begins_ms is not None:
                is_overdue = now_ms > begins_ms + 1000 * OVERDUE_S
                if is_overdue and member.wearable in reached and self._is_free(member.wearable):
                    self._order(member.wearable, self._look_after(unison, member))
        self._change()

    def _is_free(self, name: str) -> bool:
        task = self._tasks.get(name)
        return task is None or task.done()

    async def _hold_longer(self, name: str, by_ms: int) -> None:
        await self._hub.supervisors[name].command(Verb.EXTEND, by_ms)

    async def _look_after(self, unison: Unison, member: Member) -> None:
        """Ask a wearable that should have begun what it does; what has begun anew is brought."""
        await asyncio.sleep(OVERDUE_S)
        if member.standing is not Standing.READY:
            return
        supervisor = self._hub.supervisors[member.wearable]
        session = await supervisor.present_session()
        if session is None and member.standing is Standing.READY:
            await self._bring(unison, member)
        elif session is not None:
            member.session, member.standing = session, Standing.PLAYING

    async def close(self) -> None:
        """End what goes on here; what plays on the wearables goes on there."""
        going = self._going()
        if going is not None:
            self._keep(going)
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait({self._runner}, timeout=real_s(ANSWER_S))
        await self._end_tasks()

    async def _end_tasks(self, but: Collection[str] = ()) -> None:
        """End what is done for the wearables, except for some."""
        ended = {name: task for name, task in self._tasks.items() if name not in but}
        tasks = {task for task in ended.values() if not task.done()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=real_s(ANSWER_S))
        for name in ended:
            del self._tasks[name]

    # --- what is told

    def status(self) -> ClassStatus:
        """Return how the class is."""
        unison, now_ms = self.present, round(self._utc_ms())
        if unison is None:
            return ClassStatus(now_utc_ms=now_ms)
        place = None if unison.is_stopped else unison.place(now_ms)
        place = place or UNKNOWN
        return ClassStatus(
            now_utc_ms=now_ms,
            state=_state(unison, now_ms),
            routine=unison.plan.name,
            begins_utc_ms=unison.anchor_utc_ms,
            ends_utc_ms=unison.ends_utc_ms,
            exercise=place.exercise,
            side=place.side,
            kind=None if place.kind == UNKNOWN.kind else place.kind,
            place=", ".join(count_words(place)) or None,
            members=[self._row(unison, member, now_ms) for member in unison.members.values()],
        )

    def _row(self, unison: Unison, member: Member, now_ms: int) -> dict[str, Any]:
        """Return how one member is, for people; `bpm` only where they share it."""
        supervisor = self._hub.supervisors.get(member.wearable)
        behind_ms = unison.behind_ms(member, now_ms)
        is_fresh = now_ms - member.bpm_utc_ms <= HEART_FRESH_MS
        return {
            "id": member.wearable,
            "person": member.person,
            "standing": member.standing.value,
            "exercise": unison.exercise_of(member),
            "connected": supervisor is not None and supervisor.connected.is_set(),
            "behind_ms": behind_ms,
            "in_step": behind_ms is not None and abs(behind_ms) <= IN_STEP_MS,
            "own_pace": member.own_pace,
            "begins_utc_ms": member.begins_utc_ms,
            "reason": member.reason,
            "problem": member.problem or _problem_of(supervisor, member),
            "bpm": member.bpm if is_fresh else None,
        }

    def _change(self) -> None:
        """Tell outside that something has changed, if it has."""
        status = self.status()
        stopping = dict(self._stopping)
        told = (status.state, status.routine, status.begins_utc_ms, status.counts(), stopping)
        if told != self._told:
            self._told = told
            self._keep(self.present if status.state in _GOING_ON or stopping else None)
            self._on_change()

    def _keep(self, unison: Unison | None) -> None:
        if self._store is not None:
            self._store.save(unison, self._plan_bytes, self._sent, self._stopping)


async def _stop_what_plays(supervisor: Supervisor) -> None:
    """Stop a wearable, or take back what it is set to begin.

    Raises:
        LinkError: It is out of reach.
    """
    try:
        await supervisor.command(Verb.STOP)
    except RefusedError as error:
        if error.reason not in _NOTHING_TO_STOP:
            raise


def _waits_for_link(supervisor: Supervisor) -> bool:
    """Return whether a wearable is only not in reach because others have the links, or it."""
    problem = supervisor.problem
    is_away = problem is not None and problem.reason not in (LinkReason.FULL, LinkReason.HELD)
    return not supervisor.connected.is_set() and not is_away


def _problem_of(supervisor: Supervisor | None, member: Member) -> str:
    """Return why a member has no plan yet, as its supervisor knows it."""
    if member.standing is not Standing.COMING or supervisor is None or supervisor.problem is None:
        return ""
    return "" if supervisor.connected.is_set() else str(supervisor.problem)


def _state(unison: Unison, now_ms: int) -> str:
    if unison.is_stopped:
        return "stopped"
    if unison.is_over(now_ms):
        return "ended"
    if not unison.has_begun(now_ms):
        return "ready"
    return "playing" if unison.paused_utc_ms is None else "paused"


def _number(names: Sequence[str]) -> str:
    return f"{len(names)} wearables" if len(names) > 1 else names[0]
