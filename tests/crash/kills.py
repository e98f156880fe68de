# SPDX-License-Identifier: MIT
"""Kills, power cuts and full disks, and what has to be there afterwards."""

from __future__ import annotations

import asyncio
import math
import os
import resource
import select
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.history import Store
from tenuto.history.repair import check
from tenuto.routines.plan_bytes import id_of
from tenuto.state.class_store import ClassStore
from tenuto.state.player_store import PlayerStore
from tenuto_core.journal import Journal
from tenuto_core.plans import Shelf
from tests.crash.class_writer import NONE_EACH, class_of
from tests.crash.power import cut, remove
from tests.patience import patience_s
from tests.processes import (
    TIMEOUT_S,
    address,
    configure,
    environment,
    tenuto,
    tenuto_process,
    wearable,
    world,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILE_BYTES_MAX = 400_000
BRIEF = """
name = "brief"
description = "One hold"
safety = "none"
ready_s = 3
[[exercise]]
name = "One"
how = "lie down"
muscles = ["back"]
hold_s = 6
"""
SESSION_S = 90.0
"""Much longer than the routine, for a busy machine."""


@dataclass
class Acknowledged:
    """What the writer said last: whole sessions, records in all, and how far its log is."""

    sessions: int = 0
    records: int = 0
    wal_salt: int = 0
    wal_frames: int = 0


class Writer:
    """The writer as a process."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.writer", str(path)],
            stdout=subprocess.PIPE,
            bufsize=0,  # so that what was not read yet is in the pipe, where it can be seen
            env=environment(path.parent),
        )
        self.last = Acknowledged()
        self.failures = 0

    def line(self) -> str:
        """Read the next line, and note what it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        if line.startswith("ACK") and line.endswith("\n"):
            self.last = Acknowledged(*map(int, line.split()[1:]))
        self.failures += line.startswith("FAILED")
        return line

    def until_acknowledged(self, times: int) -> None:
        """Read so many acknowledgements."""
        while times:
            line = self.line()
            if not line:
                raise AssertionError(f"the writer ended: {self.process.wait()}")
            times -= line.startswith("ACK")

    def stop(self) -> None:
        """Let it stand still, wherever it is, and read all that it has said until then."""
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
        while select.select([self.process.stdout], [], [], 0)[0]:
            self.line()

    def drain(self) -> None:
        """Read all that it said before it ended."""
        while self.line():
            pass


@contextmanager
def writer(path: Path) -> Iterator[Writer]:
    running = Writer(path)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait(patience_s(10))
        assert running.process.stdout is not None
        running.process.stdout.close()


def see_that_it_holds(
    path: Path, told: Acknowledged, before: tuple[int, int] = (0, 0)
) -> tuple[int, int]:
    """Open a history after a crash: sound, and with all that was acknowledged.

    Gives how many whole sessions and how many records there are; before: what it gave last time.
    """

    async def look() -> tuple[int, int]:
        async with Store(path) as store:
            found = await check(store)
            assert found.is_sound, found
            rows = await store.sessions()
            noted = await store.work(_noted)
            for row in rows:
                key = (row.key.device, row.key.boot_id, row.key.seq)
                assert noted.get(key, math.inf) <= row.key.seq, "a fleet is never told of it"
            whole = sum(row.reason is not None for row in rows)
            assert whole >= before[0] + told.sessions, f"{whole} whole sessions of {told}"
            records = 0
            for row in rows:
                session = await store.session(row.id)
                assert session is not None
                seqs = [item.record.seq for item in session.records]
                assert seqs == list(range(row.key.seq, row.key.seq + len(seqs))), "a hole"
                records += len(seqs)
            assert records >= before[1] + told.records, f"{records} records of {told}"
            return whole, records

    return asyncio.run(look())


def _noted(db: sqlite3.Connection) -> dict[tuple[str, int, int], int]:
    """Return from which record on each session is to be told to a central history."""
    query = "SELECT subject, boot_id, seq, from_seq FROM unforwarded WHERE kind = 'session'"
    return {(device, boot_id, seq): first for device, boot_id, seq, first in db.execute(query)}


def kill_writers(folder: Path, times: int, rng: random.Random) -> None:
    """Kill a writer again and again on one history."""
    path, kept = folder / "killed.db", (0, 0)
    for _ in range(times):
        with writer(path) as running:
            running.until_acknowledged(rng.randint(1, 30))
            time.sleep(rng.uniform(0, 0.02))
            running.process.send_signal(signal.SIGKILL)
            running.drain()
            told = running.last
        kept = see_that_it_holds(path, told, kept)


def kill_players(folder: Path, times: int, rng: random.Random) -> None:
    """Kill what plays for a device that can only buzz, as it keeps plans and its journal.

    Afterwards the journal is whole and at least as new as was told, and its plan is there.
    """
    store, told = PlayerStore(folder / "player"), -1
    for _ in range(times):
        lines = _told_until_killed("player", folder / "player", rng, lines_max=12, within_s=0.02)
        numbers = [int(line.split()[2]) for line in lines]
        assert numbers == list(range(told + 1, told + 1 + len(numbers))), "it has begun anew"
        told = numbers[-1]
        entry, shelf = Journal(store).read(), Shelf(store)
        assert entry is not None, "the journal is torn"
        assert told <= entry.session <= told + 1
        place = shelf.find(entry.plan_id)
        assert place is not None, "the plan of the journal is not there"
        plan = shelf.load(place)
        assert plan is not None
        assert id_of(bytes(plan.data)) == entry.plan_id
        told = entry.session


def kill_class_writers(folder: Path, times: int, rng: random.Random) -> None:
    """Kill what keeps a class as it changes: afterwards the class is whole, and as new as told."""
    path = folder / "class.json"
    store = ClassStore(path)
    for _ in range(times):
        lines = _told_until_killed("class_writer", path, rng, lines_max=100, within_s=0.01)
        told, kept = int(lines[-1].split()[1]), store.load()
        numbers = (told, told + 1)
        if kept is None:
            assert not path.exists(), "the class cannot be read"
            assert any(number % NONE_EACH == 0 for number in numbers), f"class {told} is lost"
            store.save(*class_of(told + 1))
            continue
        number = kept[0].anchor_utc_ms
        assert number in numbers, f"class {number} was kept, told was {told}"
        unison, plan, sent, stopping = class_of(number)
        assert list(kept[0].members) == list(unison.members)
        assert kept[1:] == (plan, set(sent), stopping)


def cut_the_power(folder: Path, times: int, rng: random.Random) -> None:
    """Stop a writer at any instruction, and take from its files what no sync has made sure."""
    path = folder / "power.db"
    with writer(path) as running:
        running.until_acknowledged(3)
        for number in range(times):
            running.until_acknowledged(rng.randint(1, 4))
            time.sleep(rng.uniform(0, 0.004))
            running.stop()
            told, copy = running.last, folder / f"copy-{number}.db"
            cut(path, copy, (told.wal_salt, told.wal_frames), rng)
            see_that_it_holds(copy, told)
            remove(copy)
            running.process.send_signal(signal.SIGCONT)


def fill_the_disk(folder: Path) -> None:
    """Let no file grow for a while: nothing is lost, and afterwards it goes on by itself."""
    path = folder / "full.db"
    with writer(path) as running:
        running.until_acknowledged(5)
        pid = running.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, hard))
        until_s = time.monotonic() + TIMEOUT_S
        while not running.failures and time.monotonic() < until_s:
            running.line()
        assert running.failures, "the disk was never full"
        see_that_it_holds_for_readers(path, running.last)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
        before = running.last.records
        while running.last.records <= before + 50:
            assert running.line(), "the writer ended"
        running.process.send_signal(signal.SIGKILL)
        running.drain()
        told = running.last
    see_that_it_holds(path, told)


def see_that_it_holds_for_readers(path: Path, told: Acknowledged) -> None:
    """Whoever reads meanwhile sees what was acknowledged."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        (records,) = db.execute("SELECT count(*) FROM records").fetchone()
    assert records >= told.records


# --- the daemon itself


def kill_daemons(
    folder: Path, times: int, rng: random.Random, tell: Callable[[int], None] = lambda _kills: None
) -> int:
    """Kill `tenuto daemon` again and again while a band in another process plays.

    Gives how many sessions were played.  After each the history must have it from its first record
    to its last.  tell: is told after each how many kills there were.
    """
    routines = folder / "routines"
    routines.mkdir(exist_ok=True)
    (routines / "brief.toml").write_text(BRIEF)
    sessions = 0
    with world(folder, 1) as adapter:
        configure(folder, f'bluetooth.adapter = "{adapter}"\n{wearable("wrist", address(1))}')
        kills = 0
        while kills < times:
            with tenuto_process("daemon", folder=folder) as daemon:
                daemon.until("connected")
                with tenuto_process("run", "brief", "--json", folder=folder) as player:
                    player.until("step_started")
                    time.sleep(rng.uniform(0, 0.5))
                    daemon.process.kill()  # before its client, whose end it must not see
                    daemon.process.wait(patience_s(10))
            kills += 1
            sessions += 1
            for _ in range(rng.randint(0, 4)):
                with tenuto_process("daemon", folder=folder) as daemon:
                    time.sleep(rng.uniform(0.2, 4.0))
                    daemon.process.kill()
                    daemon.process.wait(patience_s(10))
                kills += 1
            _let_it_end(folder, sessions)
            tell(kills)
    return sessions


def _let_it_end(folder: Path, sessions: int) -> None:
    """Run a daemon until the history says that the last session has ended, and look at it."""
    path = folder / "history.db"
    with tenuto_process("daemon", folder=folder) as daemon:
        until_s = time.monotonic() + SESSION_S
        ended: list[tuple[str | None]] = []
        while len([row for row in ended if row[0]]) < sessions:
            if time.monotonic() > until_s:
                daemon.process.kill()
                raise AssertionError(f"not ended: {ended}; the daemon said:\n{daemon.rest()}")
            time.sleep(0.2)
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
                ended = db.execute("SELECT reason FROM sessions").fetchall()
    assert ended == [("finished",)] * sessions, ended
    told = tenuto("history", "check", folder=folder, toml=None)
    assert told.returncode == 0, told.stdout + told.stderr

    async def look() -> None:
        async with Store(path) as store:
            for row in await store.sessions():
                session = await store.session(row.id)
                assert session is not None
                seqs = [item.record.seq for item in session.records]
                assert seqs == list(range(row.key.seq, row.key.seq + len(seqs))), "a hole"

    asyncio.run(look())


def _told_until_killed(
    writer: str, path: Path, rng: random.Random, *, lines_max: int, within_s: float
) -> list[bytes]:
    """Return the whole lines of a writer that is killed a moment after some of them."""
    with subprocess.Popen(
        [sys.executable, "-m", f"tests.crash.{writer}", str(path)],
        stdout=subprocess.PIPE,
        env=environment(path.parent),
    ) as running:
        assert running.stdout is not None
        lines = [running.stdout.readline() for _ in range(rng.randint(1, lines_max))]
        time.sleep(rng.uniform(0, within_s))
        running.kill()
        lines += [line for line in running.stdout if line.endswith(b"\n")]
    return lines
