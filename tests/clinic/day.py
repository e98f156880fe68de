# SPDX-License-Identifier: MIT
"""A clinic's day on the virtual clock: in each minute something is killed, and nothing is lost.

Hosts are what `tenuto daemon` is made of, each with a history on disk; bands have the real core;
PostgreSQL is a real one, for which the clock stands still; the broker is amqtt, to which each host
has a line of its own. Who has a band goes from room to room
and plays. Which things are killed, when and for how long, the seed decides.

At the end everything is back, and the central history has to equal what the bands logged.
"""

from __future__ import annotations

import asyncio
import math
import random
import shutil
import socket
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

import paho.mqtt.client
import psycopg

from tenuto.config import Config, Fleet, Folders, History, Mqtt, Person, Routines, Wearable
from tenuto.daemon.build import Setting, open_host
from tenuto.errors import TenutoError
from tenuto.fleet.inbox import join_until
from tenuto.fleet.postgres import CentralHistory, PostgresDatabase
from tenuto.sessions.commands import Command, Verb
from tests.clinic.patients import Patient
from tests.clinic.proof import Found, prove
from tests.storm.broker import Broker, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from tenuto.daemon.build import Host
    from tests.fleet.server import PostgresServer

UTC_S = 1_800_000_000.0
ROOMS_OF_A_PATIENT = (0, 7, 13)
"""How far apart, by number, the rooms are where one patient goes: each host knows its bands."""
VISIT_S = 120.0
"""Longer than the longest pause between two attempts to connect."""
SETTLED_S = 900.0
"""Longer than any pause between two attempts: whatever works by then would never."""
ROUTINE = """
name = "{name}"
description = "Some holds"
source = "none"
safety = "none"
ready_s = 3
[defaults]
hold_s = {hold_s}
change_s = 6
[[exercise]]
name = "One"
how = "lie down"
muscles = ["back"]
sides = "each"
reps = {reps}
[[exercise]]
name = "Two"
how = "lie on"
muscles = ["back"]
"""
ROUTINES = {"few": (10, 1), "many": (20, 3)}
KILLS = {
    "host": 25,
    "battery": 20,
    "radio": 20,
    "connections": 10,
    "transaction": 15,
    "ingest": 5,
    "PostgreSQL": 5,
    "broker": 5,
}
"""What is killed, and how often in a hundred minutes."""
LASTS_S = {
    "host": (5, 120),
    "battery": (5, 60),
    "radio": (10, 120),
    "ingest": (5, 60),
    "PostgreSQL": (20, 300),
    "broker": (5, 120),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large a clinic it is.

    Attributes:
        minutes: How long patients play and things are killed.
    """

    bands: int = 300
    hosts: int = 20
    minutes: int = 480
    seed: int = 0

    @property
    def rest_s(self) -> tuple[float, float]:
        """The shortest and the longest time between two sessions of a patient."""
        return 1.25 * self.minutes, 7.5 * self.minutes


@dataclass(slots=True)
class Report:
    """What there was on a day; see `tests.clinic.__main__` for the words."""

    kills: Counter[str] = field(default_factory=Counter)
    away_s: float = 0.0
    found: Found = field(default_factory=Found)


class Wires:
    """What lies between hosts and PostgreSQL: it can be cut in the midst of a transaction.

    Attributes:
        dead: Users of the database whose hosts are dead: nothing comes from them any more.
    """

    def __init__(self, rng: random.Random) -> None:
        self.dead: set[str] = set()
        self.cuts = 0
        self._rng = rng
        self._due: int | None = None
        self._only: str | None = None
        self._execute = PostgresDatabase.execute

    def order_cut(self) -> None:
        """Cut the wire at one of the next statements of whoever comes, or at a next commit."""
        self._only = self._rng.choice((None, "COMMIT", "INSERT", "DELETE"))
        self._due = self._rng.randint(0, 3 if self._only else 40)

    def execute(self, db: PostgresDatabase, sql: str, values: Sequence[Any] = ()) -> Any:
        """Carry out a statement, in place of `PostgresDatabase.execute`."""
        if db.connection.info.user in self.dead:
            raise psycopg.OperationalError("its host is dead")
        if self._due is not None and (self._only is None or sql.startswith(self._only)):
            self._due -= 1
            if self._due < 0:
                self._due = None
                self._cut(db)
        return self._execute(db, sql, values)

    def _cut(self, db: PostgresDatabase) -> None:
        """Cut it: either the statement or its answer does not arrive."""
        self.cuts += 1
        how = self._rng.choice((socket.SHUT_RDWR, socket.SHUT_RD))
        with socket.fromfd(db.connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.shutdown(how)


class Room:
    """A room of the clinic, with a host of its own and its radio.

    Attributes:
        host: None while it is dead.
        has_radio: Whether the radio works.
        line: Its way to the broker.
    """

    def __init__(self, number: int, clinic: Clinic) -> None:
        self.number = number
        self.name = f"room-{number:02}"
        self.user = f"clinic_{number}"
        self.has_radio = True
        self.host: Host | None = None
        self.folder = clinic.folder / self.name
        self.folder.mkdir()
        self._clinic = clinic
        self._rng = random.Random(f"{clinic.plan.seed}/{self.name}")
        self._off_s = self._rng.uniform(-3, 3)
        self.line = Line(clinic.broker, clinic.folder / f"{self.name}.sock", "3.1.1")
        self._end = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def works(self) -> bool:
        """Whether bands can be reached from here."""
        return self.host is not None and self.has_radio

    def _config(self) -> Config:
        patients = [one for one in self._clinic.patients if self.number in one.rooms]
        return Config(
            mqtt=Mqtt(url=f"mqtt://{self.name}", base_topic=self.name),
            history=History(path=self.folder / "history.db"),
            routines=Routines(folder=self._clinic.folder / "routines"),
            fleet=Fleet(url=self._clinic.url_of(self.user), host=self.name),
            people=tuple(Person(id=one.name) for one in patients),
            wearables=tuple(
                Wearable(id=one.wearable, link="in_process", person=one.name) for one in patients
            ),
            own=Folders(self.folder, self.folder),
        )

    async def start(self) -> None:
        """Start the host on the history that it has."""
        config, started = self._config(), asyncio.Event()
        setting = Setting(
            config=config,
            speed=math.inf,
            mqtt=True,
            broker=self.line.address,
            say=lambda _: None,
            reread=lambda: config,
            seed=self._rng.getrandbits(32),
            wall_s=lambda: UTC_S + self._off_s + asyncio.get_running_loop().time(),
        )

        async def live() -> None:
            async with open_host(setting, config.wearables, []) as host, host.running():
                self.host = host
                started.set()
                await self._end.wait()

        self._end = asyncio.Event()
        self._task = asyncio.create_task(live(), name=self.name)
        waiting = asyncio.create_task(started.wait(), name=f"{self.name} starts")
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            waiting.cancel()
            await self._task
        self._clinic.look()

    async def stop(self) -> None:
        """End the host as `tenuto daemon` ends."""
        self._end.set()
        if self._task is not None:
            await self._task
        self.host, self._task = None, None

    async def kill(self) -> None:
        """End the host in the midst of whatever it does.

        What is on the disk in that moment is what it finds there later; what it does while its
        tasks are taken down reaches neither disk, nor bands, nor PostgreSQL, nor the broker.
        """
        kept = self.folder.with_suffix(".kept")
        shutil.copytree(self.folder, kept)
        self.host = None
        self._clinic.wires.dead.add(self.user)
        self._clinic.look()
        self.line.deafen()
        await self.line.hang_up()
        await self.stop()
        shutil.rmtree(self.folder)
        kept.rename(self.folder)
        self._clinic.wires.dead.discard(self.user)
        self.line.listen()


class Clinic:
    """The day.

    Args:
        plan: How large it is.
        server: A PostgreSQL of its own.
        folder: For histories.
        say: Told how it goes.
        say_each_min: How often, in minutes of the day.
    """

    def __init__(
        self,
        plan: Plan,
        server: PostgresServer,
        folder: Path,
        say: Callable[[str], object] = lambda _: None,
        say_each_min: int = 60,
    ) -> None:
        self.plan = plan
        self.server = server
        self.folder = folder
        self.report = Report()
        self.rng = random.Random(f"{plan.seed}/clinic")
        self.wires = Wires(random.Random(f"{plan.seed}/wires"))
        self.deleted: set[tuple[str, int, int]] = set()
        self._say = say
        self._say_each_min = say_each_min
        self._loop = asyncio.get_running_loop()
        self._url = server.database()
        self._mending: set[asyncio.Task[None]] = set()
        self._is_down = False
        self.broker = Broker()
        self._ended = asyncio.Event()
        self._ingesting: asyncio.Task[Any] | None = None
        (folder / "routines").mkdir()
        for name, (hold_s, reps) in ROUTINES.items():
            text = ROUTINE.format(name=name, hold_s=hold_s, reps=reps)
            (folder / "routines" / f"{name}.toml").write_text(text, encoding="utf-8")
        self.patients = [
            Patient(
                number,
                tuple(sorted({(number + by) % plan.hosts for by in ROOMS_OF_A_PATIENT})),
                plan.seed,
            )
            for number in range(plan.bands)
        ]
        self.rooms = [Room(number, self) for number in range(plan.hosts)]

    def url_of(self, user: str) -> str:
        """Return the address of the central history for a user."""
        return self._url.replace("//owner@", f"//{user}@")

    def look(self) -> None:
        """Have all links be what they have to be."""
        for patient in self.patients:
            for number in patient.rooms:
                patient.see(number, works=self.rooms[number].works)

    # --- the day

    async def play(self) -> Report:
        """Play it, and prove what it has to keep.

        Raises:
            AssertionError: A promise was not kept.
        """
        with psycopg.connect(self._url, autocommit=True) as db:
            for room in self.rooms:
                db.execute(f"DROP ROLE IF EXISTS {room.user}".encode())
                db.execute(f"CREATE ROLE {room.user} LOGIN IN ROLE tenuto_host".encode())
        async with AsyncExitStack() as stack:
            stack.enter_context(
                mock.patch("tenuto.links.in_process.open_link", new=self._open_link)
            )
            stack.enter_context(
                mock.patch.object(
                    PostgresDatabase,
                    "execute",
                    lambda db, sql, values=(): self.wires.execute(db, sql, values),
                )
            )
            # paho reads the clock of its module, and pings and gives up by it.
            stack.enter_context(mock.patch.object(paho.mqtt.client, "time_func", self._loop.time))
            stack.push_async_callback(self._close)
            await self.broker.start()
            self._start_ingest()
            for room in self.rooms:
                await room.start()
            await self._go_through()
            self._say("the day is over; everything is brought back")
            await self._calm_down()
            await self._until_all_is_told()
            self._say("the central history is compared with the bands")
            await prove(self, self.report.found, are_ends_known=False)
            self._say("every patient goes into every room; some sessions and people are deleted")
            await self._go_everywhere()
            await self._delete_more()
            await self._until_all_is_told()
            self._say("the central history is compared again")
            self.report.found = Found(erased=self.report.found.erased)
            await prove(self, self.report.found, are_ends_known=True)
        return self.report

    async def _open_link(self, place: Any, context: Any) -> Any:
        number = int(context.folder.name.removeprefix("room-"))
        (patient,) = (one for one in self.patients if one.wearable == place.id)
        return patient.link_of(number)

    async def _close(self) -> None:
        await _end(self._mending)
        if self._ingesting is not None:
            await _end({self._ingesting})
        for room in self.rooms:
            await room.stop()
        for line in list(self.broker.lines):
            await line.close()
        await self.broker.stop(forgets=True)
        for patient in self.patients:
            patient.band.sleep()

    async def _go_through(self) -> None:
        until_s = self._loop.time() + 60 * self.plan.minutes
        days = [
            asyncio.create_task(self._spend_day(one, until_s), name=one.name)
            for one in self.patients
        ]
        for minute in range(1, self.plan.minutes + 1):
            await asyncio.sleep(60 * self.rng.random())
            await self._kill_something()
            if self.rng.random() < 0.05:
                await self._delete_one()
            await asyncio.sleep(
                max(0.0, until_s - 60 * (self.plan.minutes - minute) - self._loop.time())
            )
            if minute % self._say_each_min == 0:
                self._say(
                    f"minute {minute} of {self.plan.minutes}: {self.report.kills.total()} kills,"
                    f" {sum(one.is_playing for one in self.patients)} play"
                )
        await asyncio.gather(*days)

    async def _spend_day(self, patient: Patient, until_s: float) -> None:
        rng = patient.rng
        await asyncio.sleep(rng.uniform(0, self.plan.rest_s[1]))
        while self._loop.time() < until_s:
            self._walk(patient, rng.choice(patient.rooms))
            await asyncio.sleep(rng.uniform(5, 75))
            if rng.random() < 0.8:
                await self._ask(patient, rng.choice(tuple(ROUTINES)))
            else:
                patient.press(80)
            for _ in range(rng.randint(0, 3)):
                await asyncio.sleep(rng.uniform(2, 60))
                self._happen(patient)
            await asyncio.sleep(rng.uniform(20, 240))
            if patient.is_playing and rng.random() < 0.5:
                patient.press(950)
            self._walk(patient, rng.choice((None, *patient.rooms)))
            await asyncio.sleep(rng.uniform(*self.plan.rest_s))

    def _happen(self, patient: Patient) -> None:
        """Do what a person does in a session."""
        drawn = patient.rng.random()
        if drawn < 0.5:
            self._walk(patient, patient.rng.choice((None, *patient.rooms)))
        elif patient.is_playing:
            patient.press(80)

    def _walk(self, patient: Patient, room: int | None) -> None:
        patient.place = room
        for number in patient.rooms:
            patient.see(number, works=self.rooms[number].works)

    async def _ask(self, patient: Patient, routine: str) -> None:
        """Ask the host of the room to start; whether it can is not to be expected on such a day."""
        host = None if patient.place is None else self.rooms[patient.place].host
        if host is not None:
            command = Command(wearable=patient.wearable, verb=Verb.START, routine=routine)
            await host.commands.submit(command)

    # --- kills

    async def _kill_something(self) -> None:
        (what,) = self.rng.choices(list(KILLS), list(KILLS.values()))
        for_s = self.rng.uniform(*LASTS_S.get(what, (0, 0)))
        room = self.rng.choice(self.rooms)
        if what == "host" and room.host is not None:
            await room.kill()
            self._later(f"start {room.name}", self._start_again(room, for_s))
        elif what == "radio" and room.has_radio:
            room.has_radio = False
            self.look()
            self._later(f"radio {room.name}", self._mend_radio(room, for_s))
        elif what == "battery":
            playing = [one for one in self.patients if one.is_playing]
            patient = self.rng.choice(playing or self.patients)
            patient.lose_power()
            self.look()
            self._later(f"charge {patient.name}", self._charge(patient, for_s))
        elif what == "connections" and not self._is_down:
            with psycopg.connect(self._url, autocommit=True) as db:
                db.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid != pg_backend_pid()"
                )
        elif what == "transaction":
            self.wires.order_cut()
        elif what == "ingest" and self._ingesting is not None:
            await _end({self._ingesting})
            self._ingesting = None
            self._later("ingest", self._ingest_again(for_s))
        elif what == "PostgreSQL" and not self._is_down:
            self._is_down = True
            self.server.stop()
            self.report.away_s += for_s
            self._later("PostgreSQL", self._start_server(for_s))
        elif what == "broker" and self.broker.is_up:
            await self.broker.stop(forgets=self.rng.random() < 0.5)
            self._later("broker", self._start_broker(for_s))
        else:
            return
        self.report.kills[what] += 1

    def _later(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        self._mending.add(task)

    async def _start_again(self, room: Room, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await room.start()

    async def _mend_radio(self, room: Room, after_s: float) -> None:
        await asyncio.sleep(after_s)
        room.has_radio = True
        self.look()

    async def _charge(self, patient: Patient, after_s: float) -> None:
        await patient.recover(after_s)
        self.look()

    async def _ingest_again(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self._start_ingest()

    async def _start_server(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self.server.start_again()
        self._is_down = False

    async def _start_broker(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self.broker.start()

    def _start_ingest(self) -> None:
        async def ingest() -> None:
            async with CentralHistory(self._url) as central:
                joined = await join_until(self._ended, central, lambda _: None)
                assert joined.refused == 0, "a parcel was refused"

        self._ingesting = asyncio.create_task(ingest(), name="ingest")

    # --- deletions

    async def _delete_one(self, host: Host | None = None) -> None:
        """Have somebody delete a session on a host that has it."""
        alive = [room.host for room in self.rooms if room.host is not None]
        host = host or (self.rng.choice(alive) if alive else None)
        rows = [] if host is None else await host.store.sessions()
        if host is None or not rows:
            return
        row = self.rng.choice(rows)
        self.deleted.add((row.key.device, row.key.boot_id, row.key.seq))
        await host.store.delete(row.id)

    async def _delete_more(self) -> None:
        """In the calm, also erase somebody, of whom nothing may be left anywhere."""
        await self._until_all_is_told()
        hosts = [room.host for room in self.rooms if room.host is not None]
        for host in self.rng.sample(hosts, min(2, len(hosts))):
            await self._delete_one(host)
            people = [row.person for row in await host.store.sessions() if row.person]
            if people:
                name = self.rng.choice(people)
                self.report.found.erased.add(name)
                await host.store.delete_person(name)
        await asyncio.sleep(SETTLED_S)

    # --- the end

    async def _calm_down(self) -> None:
        """Have everything back, and wait until nobody has anything left to tell."""
        if self._mending:
            await asyncio.wait(self._mending)
            for task in self._mending:
                task.result()
        for patient in self.patients:
            self._walk(patient, self.rng.choice(patient.rooms))
        await asyncio.sleep(SETTLED_S)
        for patient in self.patients:
            if patient.is_playing:  # paused by somebody
                patient.press(950)
        await asyncio.sleep(60)
        for patient in self.patients:
            assert patient.place is not None
            host = self.rooms[patient.place].host
            assert host is not None
            supervisor = host.supervisors[patient.wearable]
            assert supervisor.connected.is_set(), f"{patient.name}: {supervisor.problem}"
            assert not patient.is_playing, f"{patient.name} still plays"
        for room in self.rooms:
            assert room.host is not None
            await room.host.flush()

    async def _go_everywhere(self) -> None:
        """Have each patient go to all their rooms once more.

        A host learns only from the band itself that a session has no end, because its memory went.
        """
        for number in range(max(len(one.rooms) for one in self.patients)):
            for patient in self.patients:
                self._walk(patient, patient.rooms[number % len(patient.rooms)])
            await asyncio.sleep(VISIT_S)

    async def _until_all_is_told(self) -> None:
        """Wait until the hosts have forwarded everything and all of it is joined."""
        until_s = self._loop.time() + SETTLED_S
        while self._loop.time() < until_s:
            untold = [await self._untold(room) for room in self.rooms]
            if not any(untold) and not self._unjoined():
                return
            await asyncio.sleep(1)
        lacking = {room.name: await self._untold(room) for room in self.rooms}
        raise AssertionError(f"never told: {lacking}; never joined: {self._unjoined()}")

    async def _untold(self, room: Room) -> str:
        assert room.host is not None
        waiting = (await room.host.store.forwarding.waiting()).count
        forwarder = room.host.fleet.forwarder
        return f"{waiting} notes, {forwarder and forwarder.failure}" if waiting else ""

    def _unjoined(self) -> int:
        with psycopg.connect(self._url) as db:
            row = db.execute("SELECT count(*) FROM inbox").fetchone()
            assert row is not None
            return int(row[0])

    @property
    def url(self) -> str:
        """The address of the central history for its owner."""
        return self._url


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception) and not isinstance(result, TenutoError):
            raise result
