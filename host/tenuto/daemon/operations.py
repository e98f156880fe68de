# SPDX-License-Identifier: MIT
"""Everything that a user may ask: one row for each operation, wherever the request comes from.

A row has the dataclass of the arguments, whose rules check what comes from outside, the dataclass
of the result and the function that carries the operation out. The command line, the control socket
and the signals of the daemon go by the rows; `dispatch` says where an operation is carried out.
MQTT goes straight to `Commands`, which the rows for wearables use too.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from tenuto import __version__
from tenuto.errors import ControlError, InputError
from tenuto.flashing.watch_app import OnWatch, WatchApp, read_app
from tenuto.links.registry import LINKS
from tenuto.mqtt.topics import session_payload
from tenuto.routines.adjust import HOLD_PCT, STRENGTH_PCT
from tenuto.sessions.commands import (
    EXTEND_MS_DEFAULT,
    EXTEND_MS_MAX,
    Answer,
    ClassVerb,
    Command,
    Preference,
    Verb,
)
from tenuto.sessions.view import SessionView
from tenuto.toml.rules import Choice, Flag, Seconds, Text, Whole
from tenuto.toml.tables import TableError, key, read_table
from tenuto.wearables import pairing
from tenuto.wearables.gestures import GESTURES, make_gesture
from tenuto.wearables.pairing import Forgotten, Paired

from .class_requests import CLASS_ARGUMENTS, OfClass, obey_class
from .classes import ClassStatus
from .cues import (
    AnswerCue,
    Answered,
    Learn,
    Measure,
    Measured,
    MeasureStrength,
    PlayCue,
    answer_cue,
    learn_cues,
    measure_cues,
    measure_strength,
    play_cue,
)
from .play import Ended, Run, entries_so_far, run
from .prescriptions import (
    Due,
    EndPrescription,
    Prescribe,
    Prescribed,
    due_today,
    end_prescription,
    prescribe,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from tenuto.config import Wearable
    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.links.scan import Found
    from tenuto.sessions.events import Entry
    from tenuto.wearables.base import SensorStatus
    from tenuto.wearables.pairing import Target
    from tenuto.wearables.supervisor import Supervisor

    from .build import Host

A = TypeVar("A")
R = TypeVar("R")

WEARABLE = Text(64)
"""An id from the configuration, or an address."""
PATH = Text(4096)
SCAN_MS_MAX = 600_000
SOCKET = "socket"
"""The origin of requests by the control socket and of this process's own commands."""


class Person(Protocol):
    """Whoever asked: at this terminal, or at the other end of the socket.

    Attributes:
        gone: Set when they want the end of what goes on.
    """

    gone: asyncio.Event

    def show(self, text: str) -> None:
        """Show them a line."""

    async def ask(self, text: str) -> str:
        """Ask them something.

        Raises:
            InputError: Nobody is there to answer.
        """
        ...

    async def tell(self, items: Sequence[Entry] | Sequence[Found]) -> None:
        """Tell them what happens on the way."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[A, R]):
    """One row.

    Attributes:
        name: On the control socket.
        arguments: The dataclass of the arguments; its fields are made by `key`.
        result: The dataclass of the result.
        carry_out: Does it.
    """

    name: str
    arguments: type[A]
    result: type[R]
    carry_out: Callable[[Host, A, Person], Awaitable[R]]

    def read(self, told: Mapping[str, Any]) -> A:
        """Read arguments that come from outside; null stands for what is not given.

        Raises:
            ControlError: With everything that is wrong with them.
        """
        try:
            return read_table(
                {name: value for name, value in told.items() if value is not None}, self.arguments
            )
        except TableError as error:
            raise ControlError(f"{self.name}: {error}") from error


@dataclass(frozen=True, slots=True)
class Nothing:
    """No arguments, or no result."""


# --- about the host


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """Which host this is and how its wearables are; see `Host.facts`.

    Attributes:
        is_daemon: Whether it stays; False for a session of `tenuto run`.
    """

    version: str
    pid: int
    wearables: list[dict[str, Any]]
    config: str | None
    history: str
    broker: str
    adapter: str
    asked_ago_s: float | None = None
    is_daemon: bool = True


def status_of(host: Host) -> HostStatus:
    """Return how a host is."""
    told = [facts_of(supervisor) for supervisor in host.hub.supervisors.values()]
    return HostStatus(version=__version__, pid=os.getpid(), wearables=told, **host.facts())


def facts_of(supervisor: Supervisor) -> dict[str, Any]:
    """Return how a wearable is."""
    return {
        "id": supervisor.name,
        "state": supervisor.state.value,
        "connected": supervisor.connected.is_set(),
        "problem": None if supervisor.problem is None else str(supervisor.problem),
        "reason": None if supervisor.problem is None else supervisor.problem.reason.value,
        "playing": supervisor.playing,
        "battery_pct": supervisor.battery_pct,
        "firmware": supervisor.firmware,
        "sensors": {name: _sensor(one.status) for name, one in supervisor.sensors.items()},
    }


def _sensor(status: SensorStatus) -> dict[str, Any]:
    problem = status.problem
    return {
        "name": status.name,
        "connected": status.connected,
        "heard": status.heard,
        "kind": status.kind,
        "battery_pct": status.battery_pct,
        "problem": None if problem is None else str(problem),
        "reason": None if problem is None else problem.reason.value,
    }


async def _status(host: Host, _asked: Nothing, _person: Person) -> HostStatus:
    status = status_of(host)
    for told in status.wearables:
        told["session"] = await _session(host, host.hub.supervisors.get(told["id"]))
    return status


async def _session(host: Host, supervisor: Supervisor | None) -> dict[str, Any] | None:
    """Return what plays on a wearable; None for nothing."""
    if supervisor is None or not supervisor.playing:
        return None
    await host.history.flush()
    view = SessionView()
    for entry in await entries_so_far(host.store, supervisor):
        view.apply(entry.event, entry.utc_ms)
    return session_payload(view)


async def _flush(host: Host, _asked: Nothing, _person: Person) -> Nothing:
    await host.flush()
    return Nothing()


async def _reload(host: Host, _asked: Nothing, person: Person) -> Nothing:
    for line in await host.reload():
        person.show(line)
    return Nothing()


# --- for wearables


@dataclass(frozen=True, slots=True, kw_only=True)
class OnWearable:
    """A command without more; `id` tells a repeat from a new one."""

    wearable: str = key(WEARABLE, "a wearable's id")
    id: str | None = key(Text(64), "comes back in the answer", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(OnWearable):
    """Begin a routine, the usual one for None."""

    routine: str | None = key(Text(64), "a routine's name", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend(OnWearable):
    """Make the present hold longer."""

    by_ms: int = key(
        Seconds(1000, EXTEND_MS_MAX), "how much longer", name="by_s", default=EXTEND_MS_DEFAULT
    )


def _command(verb: Verb, arguments: type[OnWearable] = OnWearable) -> Operation[OnWearable, Answer]:
    async def carry_out(host: Host, asked: OnWearable, _person: Person) -> Answer:
        command = Command(
            wearable=asked.wearable,
            verb=verb,
            routine=getattr(asked, "routine", None),
            by_ms=getattr(asked, "by_ms", EXTEND_MS_DEFAULT),
            id=asked.id,
        )
        return await host.commands.submit(command, SOCKET)

    return Operation(verb.value, arguments, Answer, carry_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefer:
    """What to set for a wearable, from its next start on; one of them."""

    wearable: str = key(WEARABLE, "a wearable's id")
    routine: str | None = key(Text(64), "what a bare start begins", default=None)
    strength: int | None = key(Whole(*STRENGTH_PCT), "of the cues, in %", default=None)
    hold_time: int | None = key(Whole(*HOLD_PCT), "of the holds, in %", default=None)
    halfway: bool | None = key(Flag(), "whether the halfway cue is felt", default=None)
    countdown: bool | None = key(Flag(), "whether the ticks are felt", default=None)


async def _prefer(host: Host, asked: Prefer, _person: Person) -> Answer:
    names = ("routine", "strength", "hold_time", "halfway", "countdown")
    given = {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
    if len(given) != 1:
        raise InputError(f"one of {', '.join(names)} is set at a time")
    ((name, value),) = given.items()
    wanted = Preference(wearable=asked.wearable, name=name, value=value)
    return await host.commands.submit(wanted, SOCKET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """What to do with the button of a simulated wearable."""

    wearable: str = key(WEARABLE, "a wearable's id")
    gesture: str = key(Choice(tuple(GESTURES)), "what to do with its button", default="press")


async def _press(host: Host, asked: Press, _person: Person) -> Nothing:
    button = host.drivers.simulated_button(asked.wearable)
    if button is None:
        raise InputError(f"{asked.wearable} has no simulated button; press the real one")
    make_gesture(button, asked.gesture)
    return Nothing()


# --- for a class


def _class_command(verb: ClassVerb) -> Operation[OfClass, Answer]:
    async def carry_out(host: Host, asked: OfClass, person: Person) -> Answer:
        return await obey_class(host, verb, asked, person)

    return Operation(f"class_{verb}", CLASS_ARGUMENTS.get(verb, OfClass), Answer, carry_out)


async def _class_status(host: Host, _asked: Nothing, _person: Person) -> ClassStatus:
    return host.classes.status()


# --- on the radio and on the cable


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """How long to listen."""

    listen_ms: int = key(
        Seconds(500, SCAN_MS_MAX), "how long to listen", name="seconds", default=10_000
    )


async def _scan(host: Host, asked: Scan, person: Person) -> Nothing:
    from tenuto.links.listen import heard  # noqa: PLC0415 - bleak takes its time

    async for found in heard(host.drivers.adapter(None), asked.listen_ms / 1000):
        await person.tell(found)
    return Nothing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A device that is in the configuration or in reach."""

    address: str = key(PATH, "a wearable's id or its address")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cable:
    """A band on a cable; `only` has it forget the keys of all other computers."""

    port: str | None = key(PATH, "a wearable's id or its port, the only one", default=None)
    only: bool = key(Flag(), "whether other computers lose their keys", default=False)


async def _pair(host: Host, asked: Address, person: Person) -> Paired:
    target = pairing.over_air(host.config.wearables, asked.address)
    adapter = host.drivers.adapter(target.adapter)
    async with host.hands_off(_is_one_of(target)), _prompting(adapter, person):
        return await pairing.pair_over_air(target, adapter, host.keys, person.show)


@asynccontextmanager
async def _prompting(adapter: BleAdapter, person: Person) -> AsyncIterator[None]:
    """Let a person answer what pairings on an adapter ask, while inside."""
    from tenuto.links.radios.adapters import with_prompter  # noqa: PLC0415 - bleak takes its time

    with_prompter(adapter, person)
    try:
        yield
    finally:
        with_prompter(adapter, None)


async def _pair_by_cable(host: Host, asked: Cable, person: Person) -> Paired:
    target = pairing.by_cable(host.config.wearables, asked.port)
    async with host.hands_off(lambda wearable: LINKS[wearable.link].is_cable):
        return await pairing.pair_by_cable(target, host.keys, person.show, only=asked.only)


async def _install_app(host: Host, asked: Address, person: Person) -> OnWatch:
    from tenuto.flashing import watch  # noqa: PLC0415 - bleak takes its time

    return await _with_app(host, asked, person, watch.install)


async def _remove_app(host: Host, asked: Address, person: Person) -> OnWatch:
    from tenuto.flashing import watch  # noqa: PLC0415 - bleak takes its time

    return await _with_app(host, asked, person, watch.remove)


async def _with_app(
    host: Host,
    asked: Address,
    person: Person,
    do: Callable[[WatchApp, str, BleAdapter, Callable[[str], None]], Awaitable[OnWatch]],
) -> OnWatch:
    target = pairing.over_air(host.config.wearables, asked.address)
    adapter = host.drivers.adapter(target.adapter)
    model = await pairing.model_of(target, adapter)
    if model is None or model.app is None:
        title = "what is there" if model is None else f"a {model.title}"
        raise InputError(f"{asked.address!r}: no app of Tenuto's goes onto {title}")
    async with host.hands_off(_is_one_of(target)), _prompting(adapter, person):
        return await do(read_app(model.app), str(target.address), adapter, person.show)


async def _forget(host: Host, asked: Address, _person: Person) -> Forgotten:
    target = pairing.known(host.config.wearables, asked.address)
    async with host.hands_off(_is_one_of(target)):
        return await pairing.forget(target, host.drivers.adapter(target.adapter), host.keys)


def _is_one_of(target: Target) -> Callable[[Wearable], bool]:
    return lambda wearable: wearable.id in target.names


# --- the page


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """Who is to see the page."""

    person: str | None = key(
        Text(32), "who sees only their own heart rate, everyone's without it", default=None
    )


@dataclass(frozen=True, slots=True)
class Invitation:
    """A way in, good once and for ten minutes."""

    link: str
    code: str


async def _invite(host: Host, asked: Invite, _person: Person) -> Invitation:
    if asked.person is not None and host.config.person(asked.person) is None:
        raise InputError(f"no [[person]] has the id {asked.person!r}")
    link = host.page.make_link(asked.person)
    return Invitation(link, link.rpartition("=")[2])


STATUS = Operation("status", Nothing, HostStatus, _status)
FLUSH = Operation("flush", Nothing, Nothing, _flush)
RELOAD = Operation("reload", Nothing, Nothing, _reload)
RUN = Operation("run", Run, Ended, run)
PLAY_CUE = Operation("play_cue", PlayCue, Ended, play_cue)
LEARN_CUES = Operation("learn_cues", Learn, Measured, learn_cues)
MEASURE_CUES = Operation("measure_cues", Measure, Measured, measure_cues)
MEASURE_STRENGTH = Operation("measure_strength", MeasureStrength, Measured, measure_strength)
ANSWER_CUE = Operation("answer_cue", AnswerCue, Answered, answer_cue)
PREFER = Operation("prefer", Prefer, Answer, _prefer)
PRESS = Operation("press", Press, Nothing, _press)
SCAN = Operation("scan", Scan, Nothing, _scan)
PAIR = Operation("pair", Address, Paired, _pair)
PAIR_BY_CABLE = Operation("pair_by_cable", Cable, Paired, _pair_by_cable)
FORGET = Operation("forget", Address, Forgotten, _forget)
INSTALL_APP = Operation("install_app", Address, OnWatch, _install_app)
REMOVE_APP = Operation("remove_app", Address, OnWatch, _remove_app)
CLASS_STATUS = Operation("class_status", Nothing, ClassStatus, _class_status)
PRESCRIBE = Operation("prescribe", Prescribe, Prescribed, prescribe)
END_PRESCRIPTION = Operation("end_prescription", EndPrescription, Prescribed, end_prescription)
DUE = Operation("due", Nothing, Due, due_today)
INVITE = Operation("invite", Invite, Invitation, _invite)

_OWN_ARGUMENTS: dict[Verb, type[OnWearable]] = {Verb.START: Start, Verb.EXTEND: Extend}

_ROWS: tuple[Operation[Any, Any], ...] = (
    *(STATUS, FLUSH, RELOAD, RUN, PLAY_CUE, PREFER, PRESS, SCAN, PAIR, PAIR_BY_CABLE, FORGET),
    *(INVITE, INSTALL_APP, REMOVE_APP),
    *(LEARN_CUES, MEASURE_CUES, MEASURE_STRENGTH, ANSWER_CUE),
    *(PRESCRIBE, END_PRESCRIPTION, DUE),
    CLASS_STATUS,
    *(_command(verb, _OWN_ARGUMENTS.get(verb, OnWearable)) for verb in Verb),
    *map(_class_command, ClassVerb),
)
OPERATIONS: dict[str, Operation[Any, Any]] = {one.name: one for one in _ROWS}
"""All of them by name."""
