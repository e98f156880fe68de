# SPDX-License-Identifier: MIT
"""Playing one routine and following it to its end, for whoever asked."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenuto.cues.trials import is_trial
from tenuto.errors import InputError, LinkError, LinkReason, RefusedError, StoreError
from tenuto.event_loops import real_s
from tenuto.history import replay
from tenuto.history.adherence import day_of, streak
from tenuto.history.completed_holds import held_utc_ms
from tenuto.links.registry import LINKS
from tenuto.routines.compile import CompiledPlan
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import Entry, SessionEnded
from tenuto.toml.rules import Text, show
from tenuto.toml.tables import key
from tenuto_core import vocab
from tenuto_core.plan import MAX_BYTES, Plan, PlanError

from .sinks import queue_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.history import SessionRow, Store
    from tenuto.sessions.events import SessionKey
    from tenuto.wearables.supervisor import Supervisor

    from .build import Host
    from .operations import Person
    from .sinks import Sink

REACH_TIMEOUT_S = 60.0
REACH_LOOK_S = 0.5
"""How often it looks for news while the wearable is not reached."""
SESSION_MARGIN_S = 900.0
"""How long after the plan's own end a session may still go on, for pauses and lost links."""
STOP_TIMEOUT_S = 5.0
ENTRIES_HELD_MAX = 2048
GOES_ON = (
    "{} is out of reach; what it plays goes on there, and the history will be completed when it is "
    "back"
)


class _PlanBytes:
    """A plan in base64."""

    def read(self, value: object) -> CompiledPlan:
        """Return the plan; raise ValueError if it is none."""
        if not isinstance(value, str) or len(value) > 2 * MAX_BYTES:
            raise ValueError(f"is {show(value)}, allowed is a plan in base64")
        data = b64decode(value, validate=True)
        try:
            return CompiledPlan(data, Plan(data))
        except PlanError as error:
            raise ValueError(f"is broken: {error}") from error

    def write(self, plan: CompiledPlan) -> str:
        """Return what `read` reads."""
        return b64encode(plan.data).decode()

    def schema(self) -> dict[str, Any]:
        """Return the schema of a string."""
        return {"type": "string", "contentEncoding": "base64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What to play; without a plan the routine by its name, None for the usual one."""

    wearable: str | None = key(Text(64), "a wearable's id, the first one without it", default=None)
    routine: str | None = key(Text(4096), "a routine's name", default=None)
    plan: CompiledPlan | None = key(_PlanBytes(), "a plan in place of a routine", default=None)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session ended.

    Attributes:
        reason: One of `tenuto_core.vocab.END_REASONS`, or `LEFT`.
        not_kept: Why the history does not have all of it, None where it has.
        number: Of the session in the history, None where it is not known.
        streak_days: The days in a row of whoever wore it, with this one; 0 where it does not count.
    """

    reason: str
    not_kept: str | None = None
    number: int | None = None
    streak_days: int = 0


LEFT = "left"
"""The reason of `Ended` where somebody has looked on, and the session goes on without them."""


class OneSession:
    """Lets the entries of one session through to a sink, and tells when it has ended.

    Until `choose` says which, entries are held back: a wearable may first hand over sessions that
    it played alone.
    """

    def __init__(self, sink: Sink) -> None:
        self.name = sink.name
        self.ended: asyncio.Future[SessionEnded] = asyncio.get_running_loop().create_future()
        self._sink = sink
        self._key: SessionKey | None = None
        self._held: list[Entry] = []

    async def open(self) -> None:
        """Open the sink."""
        await self._sink.open()

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Pass on what belongs to the session."""
        if self._key is None:
            self._held = [*self._held, *entries][-ENTRIES_HELD_MAX:]
            return
        await self._pass_on(entries)

    async def choose(self, session: SessionKey, before: Sequence[Entry] = ()) -> None:
        """Say which session; what was held back of it comes first.

        Args:
            before: What is known of its beginning; what is in it and was held back comes once.
        """
        known = {entry.event for entry in before}
        held, self._held = self._held, []
        self._key = session
        await self._pass_on([*before, *(entry for entry in held if entry.event not in known)])

    async def _pass_on(self, entries: Sequence[Entry]) -> None:
        mine = [entry for entry in entries if entry.session == self._key]
        if mine:
            await self._sink.handle(mine)
        for entry in mine:
            if isinstance(entry.event, SessionEnded) and not self.ended.done():
                self.ended.set_result(entry.event)

    async def close(self) -> None:
        """Close the sink."""
        await self._sink.close()


class PersonSink:
    """The sink that tells a person."""

    name = "control"

    def __init__(self, person: Person) -> None:
        self._person = person

    async def open(self) -> None:
        """Do nothing: the person is there."""

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Tell them."""
        await self._person.tell(entries)

    async def close(self) -> None:
        """Do nothing."""


async def run(host: Host, asked: Run, person: Person) -> Ended:
    """Play a routine, or join what plays, and tell what happens to its end.

    Raises:
        InputError: There is no such wearable or routine, or it has mistakes.
        LinkError: The wearable is out of reach.
        RefusedError: It does not take the plan.
    """
    supervisor = supervisor_of(host, asked.wearable)
    compiled = asked.plan or await host.plan(supervisor.name, asked.routine)
    sink = OneSession(PersonSink(person))
    dropped = host.history.dropped
    async with queue_for(sink) as queue:
        host.hub.attach(queue)
        try:
            if not supervisor.connected.is_set():
                title = host.config.wearable(supervisor.name).title
                person.show(f"looking for the wearable {title}")
            with supervisor.wanted():
                is_reached = await _reach(supervisor, person)
            if not is_reached:
                return Ended(vocab.END_REASONS[vocab.ENDED_STOPPED])
            session, plan, joined = await _begin(supervisor, compiled, asked)
            before: list[Entry] = []
            if joined:
                person.show(
                    f"{supervisor.name} already plays: joining it; leaving does not stop it"
                )
                await host.flush()
                before = await entries_so_far(host.store, supervisor, session)
            await sink.choose(session, before)
            ended = await _follow(
                host, supervisor, sink, plan.duration_ms, person, stops=not joined
            )
        finally:
            host.hub.detach(queue)
    if ended is None:
        person.show(f"{supervisor.name} plays on; `tenuto stop` stops it")
        return Ended(LEFT)
    if is_trial(plan):
        return Ended(ended.reason)
    is_sure = host.history.dropped == dropped
    return await _kept(host, supervisor, session, ended.reason, is_sure=is_sure)


async def _kept(
    host: Host, supervisor: Supervisor, session: SessionKey, reason: str, *, is_sure: bool
) -> Ended:
    """Return how a session ended, and what the history has of it.

    Args:
        is_sure: Whether nothing was dropped meanwhile; of several wearables it may be another's.
    """
    is_all = await host.history.flush()
    try:
        stored = await host.store.find(session)
    except StoreError as error:
        why = str(error)
    else:
        if is_all and stored is not None and stored.row.reason is not None:
            seqs = [one.record.seq for one in stored.records]
            if is_sure or seqs == list(range(session.seq, session.seq + len(seqs))):
                return Ended(
                    reason,
                    number=stored.row.id,
                    streak_days=await _streak_days(host, stored.row),
                )
        why = host.history.failure or "it was not written in time"
    wearable = host.config.wearable(supervisor.name)
    if not LINKS[wearable.link].is_simulated:
        why += "; the wearable still has it, and the history is completed when there is room"
    return Ended(reason, why)


async def _streak_days(host: Host, row: SessionRow) -> int:
    if row.is_simulated:
        return 0
    today = datetime.now(UTC).astimezone().date()
    held = [day_of(utc_ms) for utc_ms in await held_utc_ms(host.store, row.person)]
    return streak(held, today).present


def supervisor_of(host: Host, name: str | None) -> Supervisor:
    """Return the supervisor of a wearable, of the first one for None.

    Raises:
        InputError: No such wearable is kept here.
    """
    supervisors = host.hub.supervisors
    if name is None and supervisors:
        return next(iter(supervisors.values()))
    if name is None or name not in supervisors:
        known = ", ".join(supervisors) or "none"
        raise InputError(f"no wearable {name!r} is kept here; known: {known}")
    return supervisors[name]


async def _reach(supervisor: Supervisor, person: Person) -> bool:
    """Wait until a wearable is in reach, and show what stands in the way as soon as it is known.

    Returns:
        False if the person does not want it any more.

    Raises:
        LinkError: It was not in `REACH_TIMEOUT_S`; with the reason if one is known.
    """
    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + REACH_TIMEOUT_S
    shown: set[LinkReason] = set()
    while not supervisor.connected.is_set():
        if person.gone.is_set():
            return False
        problem = supervisor.problem
        # A simulated wearer makes the gesture unasked, after the band has sent this host away.
        expected = {LinkReason.NOT_PAIRED, LinkReason.LOST} if supervisor.is_simulated else set()
        if problem is not None and problem.reason not in shown | expected:
            left_s = round(give_up_s - loop.time())
            person.show(f"{supervisor.name} is not reached yet: {problem}")
            if not shown:
                person.show(f"trying for {left_s} s more; `tenuto doctor` checks what it needs")
            shown.add(problem.reason)
        if loop.time() >= give_up_s:
            why = "it did not answer" if problem is None else str(problem)
            raise LinkError(
                LinkReason.NOT_FOUND if problem is None else problem.reason,
                f"{supervisor.name} was not reached in {REACH_TIMEOUT_S:.0f} s: {why}; "
                "`tenuto doctor` checks what it needs",
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(REACH_LOOK_S):
                await supervisor.connected.wait()
    return True


async def _begin(
    supervisor: Supervisor, compiled: CompiledPlan, asked: Run
) -> tuple[SessionKey, Plan, bool]:
    """Start the plan, or join what plays.

    Returns:
        The session, its plan as far as it is known, and whether it was joined.

    Raises:
        InputError: Something else plays than what was asked for by its name.
        RefusedError: Something plays, and what was asked for tries cues.
    """
    playing = await supervisor.present_session()
    if playing is None:
        return await supervisor.start(compiled), compiled.plan, False
    if is_trial(compiled.plan):
        raise RefusedError(
            "already_playing", f"{supervisor.name} plays a session; end it first, then try cues"
        )
    plan = supervisor.tracker.plan if supervisor.tracker is not None else None
    wants = asked.routine is not None or asked.plan is not None
    if wants and plan is not None and plan.name != compiled.plan.name:
        raise InputError(
            f"{supervisor.name} plays {plan.name}: `tenuto stop` stops it, and `tenuto run` "
            "without a name shows it"
        )
    return playing, compiled.plan if plan is None else plan, True


async def _follow(
    host: Host,
    supervisor: Supervisor,
    sink: OneSession,
    lasts_ms: int,
    person: Person,
    *,
    stops: bool,
) -> SessionEnded | None:
    """Wait for the session's end; whoever asked for it may wish it to come at once.

    Args:
        stops: Whether the session stops when the person goes.

    Returns:
        How it ended; None if the person has gone and it goes on.
    """
    wanted = asyncio.create_task(person.gone.wait(), name="wait for a reason to stop")
    try:
        await asyncio.wait(
            (sink.ended, wanted),
            timeout=lasts_ms / 1000 + SESSION_MARGIN_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
    finally:
        wanted.cancel()
    if person.gone.is_set() and not sink.ended.done() and not stops:
        return None
    if person.gone.is_set() and not sink.ended.done():
        person.show(f"stopping {supervisor.name}")
        stop = Command(wearable=supervisor.name, verb=Verb.STOP)
        stopping = asyncio.create_task(host.commands.submit(stop), name="stop when asked")
        try:
            await asyncio.wait((sink.ended,), timeout=real_s(STOP_TIMEOUT_S))
        finally:
            stopping.cancel()
            await asyncio.wait((stopping,), timeout=1)
    if not sink.ended.done():
        raise LinkError(LinkReason.LOST, GOES_ON.format(supervisor.name))
    return sink.ended.result()


async def entries_so_far(
    store: Store, supervisor: Supervisor, session: SessionKey | None = None
) -> list[Entry]:
    """Return what the history has of a session that still goes on, as entries that are replayed.

    Args:
        session: Which one; None for the newest.
    """
    if supervisor.device is None:
        return []
    kept = [
        stored
        for stored in await store.unfinished(supervisor.device)
        if session is None or stored.row.key == session
    ]
    return [
        Entry(
            stored.row.key,
            stored.row.wearable,
            supervisor.person,
            event,
            utc_ms,
            replayed=True,
            is_simulated=stored.row.is_simulated,
        )
        for stored in kept[-1:]
        for event, utc_ms in replay(stored)
    ]
