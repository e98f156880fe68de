# SPDX-License-Identifier: MIT
"""A small world: one band, two hosts, a short session, and everything that one fault can do to it.

One message between a host and the band is lost or comes twice, and one of the three crashes. They
crash where they have just done what outlives them: a host when it has sent a message or written to
its history, a band when its log, its motor or its storage has changed. A crash in between leaves
the same behind, a little later. The checks are those of storms, for both hosts, and a few more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tenuto.routines.compile import CompiledPlan
from tenuto.sessions.commands import Answer, Command, Verb
from tenuto.sessions.view import State
from tenuto.wearables.band import ANSWER_TIMEOUT_S, BandDriver
from tenuto_core import vocab, wire
from tenuto_core.encode import encode
from tenuto_core.plan import Plan, Step
from tenuto_core.player import IDLE
from tests.core.rig import PATTERNS, Memory
from tests.search.choices import CRASH, MESSAGE, Choices, Deviation
from tests.storm.hosts import BAND, Host
from tests.storm.mqtt import BASE, StandIn
from tests.storm.rooms import Life, MemoryLink, MemoryRoom
from tests.storm.storm import Storm
from tests.storm.weather import Weather

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tenuto.sessions.admission import Request

_T = TypeVar("_T")

FIRST, SECOND = "first", "second"
SETTLED_S = 5.0
"""Until both hosts have met the band; nothing goes wrong before."""
LASTS_S = 13.0
"""From the first command until nothing goes wrong any more: the session, and what is told after."""
AWAY_S = 2.0
"""A host that crashed is there again after this."""
CALM_S = 200.0
"""Longer than a stop waits for its band, and than a silent link is believed in."""
REPEATED_S = 2 * ANSWER_TIMEOUT_S
"""Within this a stop is obeyed although one of its messages is lost."""
CAUSES = {"watchdog": vocab.CAUSE_WATCHDOG, "power": vocab.CAUSE_POWER_ON}


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does.

    Attributes:
        at_s: Since the first act of all, which is a start by the first host.
        who: A host, or `person`, who presses the button for `held_ms`.
        verb: What the host is asked.
        by_mqtt: By a message, which comes twice.
    """

    at_s: float
    who: str
    verb: Verb = Verb.STOP
    held_ms: int = 80
    by_mqtt: bool = False


PLAYS = {
    "plays through": (),
    "the second stops": (Act(3.2, SECOND),),
    "the first stops by MQTT": (Act(3.2, FIRST, by_mqtt=True),),
    "one pauses, the other resumes": (
        Act(2.6, SECOND, Verb.PAUSE),
        Act(4.1, FIRST, Verb.RESUME),
        Act(6.0, "person", held_ms=950),
    ),
    "a stop meets a press": (Act(3.2, FIRST), Act(3.2, "person")),
    "both start": (Act(0.0, SECOND, Verb.START), Act(4.0, "person", held_ms=950)),
    "a stop, and another start": (
        Act(2.6, FIRST),
        Act(3.1, SECOND, Verb.START),
        Act(6.0, "person", held_ms=950),
    ),
    "both skip": (Act(2.6, FIRST, Verb.SKIP), Act(2.6, SECOND, Verb.SKIP)),
}
"""What people do, by name, after the first host has started a session."""


def _plan() -> CompiledPlan:
    steps = [
        Step(vocab.READY, 2_000, ((0, False, vocab.GET_READY),), exercise=0),
        Step(
            vocab.HOLD,
            3_000,
            ((0, False, vocab.HOLD_START), (0, True, vocab.HOLD_END)),
            exercise=0,
            rep=1,
            reps=1,
        ),
        Step(vocab.SWITCH, 2_000, ((500, False, vocab.SWITCH_SIDES),), exercise=0),
        Step(vocab.DONE, 1_500, ((300, False, vocab.FINISHED),)),
    ]
    data = encode(FIRST, ("hold",), steps, PATTERNS)
    return CompiledPlan(data, Plan(data))


def _named(packet: bytes, *, down: bool) -> str:
    op = wire.split(packet)[0][0] if down else packet[0]
    return wire.FRAMES[op][0]


class _Link(MemoryLink):
    """A link whose messages may be lost or come twice, and whose host may crash when it sends."""

    def __init__(self, room: ChoosingRoom, host: str) -> None:
        super().__init__(room._band, lose=lambda way, _packet: way == "up" and not self._copies)
        self.is_mute = False
        self._copies = 1
        self._host = host
        self._room = room
        self.links_max = room.links_max

    async def send(self, packet: bytes) -> None:
        """See `Link`."""
        name = f"{self._host} sends {_named(packet, down=False)}"
        self._copies = 0 if self.is_mute else self._room.copies(name)
        await super().send(packet)
        if self._copies == 2:
            await super().send(packet)
        self.may_crash(name)

    def _deliver(self, packet: bytes) -> None:
        if self.is_mute or self._on_packet is None:
            return
        name = f"{self._host} hears {_named(packet, down=True)}"
        for _ in range(self._room.copies(name)):
            super()._deliver(packet)

    def may_crash(self, name: str) -> None:
        """Crash the host, perhaps, which has just done what this name says."""
        if not self.is_mute and self._room.choices.choose(CRASH, name, ("", "crash")):
            self._room.on_host_crash(self._host)


class ChoosingRoom(MemoryRoom):
    """A band that keeps its storage through a reset.

    loses_packets: whether messages between a host and the band may be lost or come twice.
    """

    def __init__(
        self, choices: Choices, links_max: int | None = None, *, loses_packets: bool = True
    ) -> None:
        super().__init__(links_max)
        self.choices = choices
        self._loses_packets = loses_packets
        self.on_host_crash: Callable[[str], None] = lambda _host: None
        self.on_band_crash: Callable[[str], None] = lambda _cause: None
        self._storage = Memory()
        self._seen: object = None
        self._is_down = False

    def copies(self, name: str) -> int:
        """Return how often a message arrives."""
        if not self._loses_packets:
            return 1
        return {"": 1, "lost": 0, "twice": 2}[
            self.choices.choose(MESSAGE, name, ("", "lost", "twice"))
        ]

    def _boot(self, **parts: Any) -> None:
        super()._boot(storage=self._storage, on_poke=self._poked, **parts)

    def _poked(self) -> None:
        """Crash, perhaps, where something has changed that a reset loses or keeps."""
        seen = (
            self.band().log.next,
            len(self._motor.edges),
            hash(tuple(self._storage.held.items())),
        )
        if seen == self._seen or self._is_down:
            return
        self._seen = seen
        cause = self.choices.choose(CRASH, "the band changes", ("", *CAUSES))
        if cause:
            self._is_down = True
            self.on_band_crash(cause)

    def host_wrote(self, host: str) -> None:
        """Crash a host, perhaps, that has written to its history."""
        link = self._links.get(host)
        if isinstance(link, _Link):
            link.may_crash(f"{host} writes")

    def mute(self, host: str) -> None:
        """Let nothing through between a host and the band any more: the host has crashed."""
        link = self._links.get(host)
        if isinstance(link, _Link):
            link.is_mute = True

    def is_mute(self, host: str) -> bool:
        """Return whether a host has crashed."""
        link = self._links.get(host)
        return isinstance(link, _Link) and link.is_mute

    def plays(self) -> tuple[int, int] | None:
        """Return the session that the band plays: boot and log number."""
        band = self.band()
        return None if band.player.state == IDLE else (band.boot_id, band.player.session or 0)

    async def driver(self, host: str, utc_ms: Callable[[], float]) -> BandDriver:
        """Return the driver of a host that was started."""
        link = self._links[host] = _Link(self, host)
        return BandDriver(link, utc_ms=utc_ms)

    async def reset(self, reason: str) -> None:
        """Start the wearable anew."""
        self._motor.off()
        self.past.append(self.present())
        self.drop()
        self._band.sleep()
        self._boot(cause=CAUSES[reason])
        self._is_down = False
        self._band.poke()
        for link in self._links.values():
            link._band = self._band


@dataclass(frozen=True, slots=True)
class _Stopped:
    """A stop that was obeyed: what the band played when it was asked, and when it was answered."""

    asked_s: float
    answered_s: float
    played: tuple[int, int] | None
    plays: tuple[int, int] | None


class _Host(Host):
    """A host that may crash when it has written to its history, and notes how stops were obeyed."""

    def __init__(self, name: str, world: SmallWorld, *, base: str) -> None:
        super().__init__(
            name, world.room, world.mqtt, world.weather, folder=world.folder, base=base
        )
        self._place = world.room
        self.stopped: list[_Stopped] = []

    def _while_there_is_room(self, write: Callable[..., _T]) -> Callable[..., _T]:
        def attempt(*given: Any) -> _T:
            done = write(*given)
            self._place.host_wrote(self.name)
            return done

        return attempt

    async def submit(self, asked: Request, origin: str = "") -> Answer:
        """See the base class."""
        asked_s, played = self._loop.time(), self._place.plays()
        answer = await super().submit(asked, origin)
        if isinstance(asked, Command) and asked.verb is Verb.STOP and answer.ok:
            now_s = self._loop.time()
            self.stopped.append(_Stopped(asked_s, now_s, played, self._place.plays()))
        return answer


class SmallWorld(Storm):
    """Plays one world."""

    calm_s = CALM_S

    def __init__(
        self,
        acts: Sequence[Act],
        choices: Choices,
        folder: Path,
        room: ChoosingRoom | None = None,
        mqtt: StandIn | None = None,
    ) -> None:
        weather = Weather(1, 0.0, 0.0, {FIRST: _plan()}, ())
        self.room: ChoosingRoom
        super().__init__(weather, room or ChoosingRoom(choices), mqtt or StandIn(), folder)
        self.choices = choices
        self.acts = acts
        self.room.on_host_crash = self._on_host_crash
        self.room.on_band_crash = lambda cause: self._later("reset", self.room.reset(cause))

    async def _add_host(self, name: str, base: str = BASE) -> Host:
        host = _Host(name, self, base=base)
        self.hosts.append(host)
        await host.start()
        return host

    def _on_host_crash(self, name: str, away_s: float = AWAY_S) -> None:
        self.room.mute(name)
        self._later("crash", self._crash(name, away_s))

    async def _crash(self, name: str, away_s: float) -> None:
        host = self._named(name)
        await host.stop(kill=True)
        await asyncio.sleep(away_s)
        await host.start()

    def _named(self, name: str) -> Host:
        return next(host for host in self.hosts if host.name == name)

    async def _go_through(self) -> None:
        await asyncio.sleep(SETTLED_S)
        self.choices.is_open = True
        begin_s = self._loop.time()
        for number, act in enumerate((Act(0.0, FIRST, Verb.START), *self.acts)):
            await asyncio.sleep(begin_s + act.at_s - self._loop.time())
            self._do(act, str(number))
        await asyncio.sleep(begin_s + LASTS_S - self._loop.time())
        self.choices.is_open = False

    async def _start_others(self) -> None:
        await self._add_host(SECOND, SECOND)

    def _do(self, act: Act, own_id: str) -> None:
        if act.who == "person":
            self.room.press(act.held_ms)
            return
        host = self._named(act.who)
        routine = FIRST if act.verb is Verb.START else None
        command = Command(wearable=BAND, verb=act.verb, routine=routine, id=own_id)
        if act.by_mqtt:
            self.mqtt.ask(host, command)
        else:
            host.ask(command)

    # --- the promises, beside those of every storm

    def _is_in_use(self, host: Host) -> bool:  # noqa: ARG002 - both are
        return True

    async def _check(self) -> None:
        await super()._check()
        lives = [*self.room.past, self.room.present()]
        self._check_ends(lives)
        self._check_stops()
        for host in self.hosts:
            assert self._is_linked(host), f"{host.name} has lost the band"
            assert not host.supervisor.playing, f"{host.name} thinks that it plays"
            assert host.view().state in (State.IDLE, State.ENDED), f"{host.name} shows a session"
            self._check_told(host)

    def _is_linked(self, host: Host) -> bool:
        return host.supervisor.connected.is_set()

    def _check_told(self, host: Host) -> None:
        """Screens are told each event once, and MQTT shows what they show."""
        told = Counter(
            (entry.session, entry.record.seq, type(entry.event))
            for entry in host.screen.entries
            if entry.record is not None
        )
        assert all(count == 1 for count in told.values()), f"{host.name} told an event twice"
        assert isinstance(self.mqtt, StandIn)
        self.mqtt.check_host(host)

    def _check_ends(self, lives: list[Life]) -> None:
        """A session that is over stays over."""
        over = set()
        for life in lives:
            begun = None
            for record in life.records:
                if record.kind == vocab.SESSION_STARTED:
                    begun = (life.boot_id, record.seq)
                elif record.kind == vocab.SESSION_ENDED:
                    over.add(begun)
                elif record.kind == vocab.INTERRUPTED and record.a:
                    assert (record.b, record.c) not in over, "a session goes on after its end"

    def _check_stops(self) -> None:
        for host in self.hosts:
            assert isinstance(host, _Host)
            for stop in host.stopped:
                assert stop.plays is None or stop.plays != stop.played, "obeyed, and it plays on"
                is_calm = not any(wrong.what in ("crash", *CAUSES) for wrong in self.happened)
                took_s = stop.answered_s - stop.asked_s
                assert not is_calm or took_s <= self.stop_s, f"stopped after {took_s:.1f} s"

    @property
    def stop_s(self) -> float:
        """How long a stop may take in this world."""
        return REPEATED_S

    @property
    def happened(self) -> list[Deviation]:
        """What went wrong in this world."""
        return self.choices.happened
