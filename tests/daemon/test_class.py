# SPDX-License-Identifier: MIT
"""A class: wearables that play one routine in unison, and what becomes of those who cannot."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.sessions.commands import Answer, ClassCommand, ClassVerb, Command, Verb
from tenuto_core import vocab
from tenuto_core.player import IDLE, PAUSED, RUNNING
from tests.daemon.rig import RecordingMotor, daemon_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tenuto.daemon.classes import ClassStatus
    from tenuto.daemon.commands import Commands
    from tenuto.history import Store

ROUTINE, LASTS_S = "lower-back-short", 178
MET_MS = 16
"""Of bands that were met a moment ago, over the whole routine; tests/bench/bench_class.py measures
what a class gets by radio."""
AT_ONCE_MS = 34
"""Two touches that are no further apart are felt as one."""


@dataclass
class Room:
    """A class in one room: its bands, and what is asked of them."""

    daemon: Commands
    store: Store
    motors: dict[str, RecordingMotor]
    bands: dict[str, InProcessBand]
    links: dict[str, InProcessLink]
    begun_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def ask(self, verb: ClassVerb, **more: Any) -> Answer:
        return await self.daemon.submit(ClassCommand(verb=verb, **more))

    async def start(self, **more: Any) -> Answer:
        answer = await self.ask(ClassVerb.START, routine=ROUTINE, **more)
        assert answer.ok, answer.text
        return answer

    @property
    def status(self) -> ClassStatus:
        assert self.daemon.classes is not None
        return self.daemon.classes.status()

    def row(self, name: str) -> dict[str, Any]:
        return next(row for row in self.status.members if row["id"] == name)

    async def until(self, state: str, timeout_s: float = 600) -> None:
        async with asyncio.timeout(timeout_s):
            while self.status.state != state:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)

    async def stop_without(self, name: str) -> None:
        """Play, and stop while one is out of reach."""
        await self.start()
        await self.until("playing")
        self.links[name].reachable = False
        self.links[name].drop()
        await self.ask(ClassVerb.STOP)

    async def sittings(self) -> list[tuple[str, str | None, int]]:
        """What the history tells: on which wearable, how it ended, in how many parts."""
        rows = await self.store.sittings()
        return sorted((row.wearable, row.reason, len(row.numbers)) for row in rows)

    def buzzes(self, name: str, from_s: float) -> list[float]:
        """When its motor went on, in ms of the host, from a time of the loop on."""
        motor = self.motors[name]
        return [
            ms
            for edge_ms, strength in motor.edges
            if strength and (ms := edge_ms + motor._start_s * 1000) >= from_s * 1000
        ]

    def spread_ms(self, names: list[str], from_s: float) -> float:
        """How far apart the same buzz is felt at worst; the last ones are the same."""
        told = [self.buzzes(name, from_s) for name in names]
        fewest = min(map(len, told))
        # One may fall just before that time for some of them.
        assert 3 < fewest >= max(map(len, told)) - 1, [len(one) for one in told]
        felt = list(zip(*(one[-fewest:] for one in told), strict=True))
        worst_ms: float = max(max(times_ms) - min(times_ms) for times_ms in felt)
        return worst_ms


class RadioLink(InProcessLink):
    """Each packet waits for the next connection event, up to `slowest_s`."""

    def __init__(self, band: InProcessBand, slowest_s: float, dice: random.Random) -> None:
        self._slowest_s, self._dice = slowest_s, dice
        super().__init__(band)

    @property
    def _latency_s(self) -> float:
        return self._dice.uniform(0.001, self._slowest_s)

    @_latency_s.setter
    def _latency_s(self, _latency_s: float) -> None: ...


@asynccontextmanager
async def class_of(path: Path, count: int, *, away: tuple[int, ...] = ()) -> AsyncIterator[Room]:
    """A class whose packets take up to 0.1 s; bands of the numbers `away` are out of reach."""
    dice = random.Random(count)
    motors: dict[str, RecordingMotor] = {}
    bands: dict[str, InProcessBand] = {}
    links: dict[str, InProcessLink] = {}
    for number in range(1, count + 1):
        name = f"band-{number}"
        await asyncio.sleep(dice.uniform(0.1, 2))  # clocks that began at other times
        motors[name] = RecordingMotor()
        bands[name] = InProcessBand(motors[name], number, name)
        links[name] = RadioLink(bands[name], dice.uniform(0.03, 0.1), dice)
        links[name].reachable = number not in away
    async with daemon_for(path / "h.db", links) as (daemon, store):
        for number, name in enumerate(links, 1):
            if number not in away:
                await daemon.supervisors[name].connected.wait()
        yield Room(daemon, store, motors, bands, links)


async def test_all_begin_at_one_moment_and_each_session_is_kept(tmp_path: Path) -> None:
    async with class_of(tmp_path, 6) as room:
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        answer = await room.start(in_ms=20_000)
        assert "in 20 s on 6 wearables" in answer.text
        await room.until("playing")
        assert 19.9 <= loop.time() - asked_s <= 20.7
        await room.until("ended")
        assert room.spread_ms(list(room.bands), asked_s) <= MET_MS
        await asyncio.sleep(5)
        rows = await room.store.sessions()
        assert [row.reason for row in rows] == ["finished"] * 6


async def test_one_that_is_away_joins_in_step_at_the_next_exercise(tmp_path: Path) -> None:
    async with class_of(tmp_path, 3, away=(3,)) as room:
        loop = asyncio.get_running_loop()
        answer = await room.start()
        assert "not in reach yet: band-3" in answer.text
        await room.until("playing")
        await asyncio.sleep(10)
        assert room.row("band-3")["standing"] == "coming"
        assert room.row("band-3")["problem"]
        room.links["band-3"].reachable = True
        async with asyncio.timeout(90):
            while room.row("band-3")["standing"] != "playing":  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        joined_s = loop.time()
        exercise = room.row("band-1")["exercise"]
        assert room.row("band-3")["exercise"] == exercise
        assert room.row("band-3")["in_step"]
        await room.until("ended")
        assert room.spread_ms(list(room.bands), joined_s + 1) <= MET_MS
        # What it joined at is the beginning of an exercise, with the cue that leads to it.
        assert room.buzzes("band-3", 0)[0] >= (joined_s - 5) * 1000
        await asyncio.sleep(5)
        assert [row.reason for row in await room.store.sessions()] == ["finished"] * 3


async def test_after_a_pause_of_all_they_are_in_step_again(tmp_path: Path) -> None:
    async with class_of(tmp_path, 6) as room:
        loop = asyncio.get_running_loop()
        await room.start()
        await room.until("playing")
        await asyncio.sleep(20)
        assert (await room.ask(ClassVerb.PAUSE)).ok
        assert {band.band.player.state for band in room.bands.values()} == {PAUSED}
        assert room.status.state == "paused"
        await asyncio.sleep(33)
        assert (await room.ask(ClassVerb.RESUME)).ok
        assert {band.band.player.state for band in room.bands.values()} == {RUNNING}
        await asyncio.sleep(25)  # the next hold has brought them together
        together_s = loop.time()
        await room.until("ended")
        assert room.spread_ms(list(room.bands), together_s) <= AT_ONCE_MS
        await asyncio.sleep(5)
        assert [row.reason for row in await room.store.sessions()] == ["finished"] * 6


async def test_who_pauses_alone_comes_back_in_step(tmp_path: Path) -> None:
    async with class_of(tmp_path, 3) as room:
        loop = asyncio.get_running_loop()
        await room.start()
        await room.until("playing")
        await asyncio.sleep(20)
        room.bands["band-2"].press(80)
        await asyncio.sleep(20)
        assert room.row("band-2")["standing"] == "paused"
        assert 18_000 <= room.row("band-2")["behind_ms"] <= 21_000
        assert room.row("band-1")["in_step"], "nobody waits for the one"
        assert room.bands["band-2"].band.player.state == PAUSED, "nobody goes on for them"
        answer = await room.ask(ClassVerb.JOIN, wearables=("band-2",))
        assert answer.ok
        assert "band-2" in answer.text
        async with asyncio.timeout(60):
            while not room.row("band-2")["in_step"]:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        joined_s = loop.time()
        await room.until("ended")
        assert room.spread_ms(list(room.bands), joined_s + 1) <= MET_MS
        await asyncio.sleep(5)
        reasons = sorted(row.reason or "" for row in await room.store.sessions())
        assert reasons == ["finished"] * 3 + ["stopped"], "as it was logged"
        assert await room.sittings() == [
            ("band-1", "finished", 1),
            ("band-2", "finished", 2),
            ("band-3", "finished", 1),
        ]
        told = {
            one.row.wearable: one.summary
            for one in await room.store.outlines(await room.store.sittings())
        }
        whole, left = told["band-1"], told["band-2"]
        assert whole.holds_completed == whole.holds_planned == left.holds_planned
        assert 0 < left.holds_completed < whole.holds_completed
        assert abs(left.duration_ms - whole.duration_ms) <= 100, "they began and ended together"


async def test_who_pauses_and_goes_on_alone_keeps_their_own_pace(tmp_path: Path) -> None:
    async with class_of(tmp_path, 2) as room:
        await room.start()
        await room.until("playing")
        await asyncio.sleep(20)
        room.bands["band-2"].press(80)
        await asyncio.sleep(10)
        await room.ask(ClassVerb.PAUSE)
        await room.ask(ClassVerb.RESUME)
        await asyncio.sleep(1)
        assert room.bands["band-2"].band.player.state == PAUSED, "it was their own pause"
        room.bands["band-2"].press(80)
        await asyncio.sleep(60)
        assert room.row("band-2")["own_pace"]
        assert 10_000 <= room.row("band-2")["behind_ms"] <= 13_000
        await asyncio.sleep(120)
        assert await room.sittings() == [(name, "finished", 1) for name in room.bands]


async def test_a_band_that_resets_comes_back_in_step(tmp_path: Path) -> None:
    async with class_of(tmp_path, 2) as room:
        await room.start()
        await room.until("playing")
        await asyncio.sleep(15)
        link = room.links["band-2"]
        room.bands["band-2"].sleep()
        room.motors["band-2"] = RecordingMotor()
        room.bands["band-2"] = link._band = InProcessBand(room.motors["band-2"], 99, "band-2")
        link.drop()
        for standing in ("ready", "playing"):
            async with asyncio.timeout(90):
                while room.row("band-2")["standing"] != standing:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        joined_s = asyncio.get_running_loop().time()
        await room.until("ended")
        assert room.spread_ms(list(room.bands), joined_s + 1) <= MET_MS
        await asyncio.sleep(5)
        assert await room.sittings() == [("band-1", "finished", 1), ("band-2", "finished", 2)]


async def test_a_stop_reaches_all_at_once_whoever_is_away(tmp_path: Path) -> None:
    async with class_of(tmp_path, 8) as room:
        loop = asyncio.get_running_loop()
        await room.start()
        await room.until("playing")
        await asyncio.sleep(20)
        mute, gone = room.links["band-3"], room.links["band-5"]
        mute._lose = lambda _direction, _packet: True
        gone.reachable = False
        gone.drop()
        await asyncio.sleep(1)
        asked_s = loop.time()
        stopping = asyncio.create_task(room.ask(ClassVerb.STOP))
        await asyncio.sleep(0.13)
        well = [name for name in room.bands if name not in ("band-3", "band-5")]
        assert {room.bands[name].band.player.state for name in well} == {IDLE}
        answer = await stopping
        assert loop.time() - asked_s <= 6
        assert "band-3" in answer.text
        assert "band-5" in answer.text
        assert room.status.state == "stopped"
        gone.reachable = True
        mute._lose = lambda _direction, _packet: False
        await asyncio.sleep(40)
        assert {band.band.player.state for band in room.bands.values()} == {IDLE}


async def test_a_stop_before_it_begins_calls_it_off_for_all(tmp_path: Path) -> None:
    async with class_of(tmp_path, 4, away=(4,)) as room:
        await room.start(in_ms=30_000)
        await asyncio.sleep(10)
        assert [row["standing"] for row in room.status.members] == ["ready"] * 3 + ["coming"]
        # This one has its plan, and cannot be told that it is off.
        room.links["band-2"].reachable = False
        room.links["band-2"].drop()
        await room.ask(ClassVerb.STOP)
        room.links["band-4"].reachable = True
        room.links["band-2"].reachable = True
        await asyncio.sleep(60)
        assert not await room.store.sessions(), "something began that was called off"
        assert {band.band.player.state for band in room.bands.values()} == {IDLE}


async def test_who_has_stopped_is_not_brought_back(tmp_path: Path) -> None:
    async with class_of(tmp_path, 2) as room:
        await room.start()
        await room.until("playing")
        await asyncio.sleep(10)
        room.bands["band-2"].press(1_500)
        await asyncio.sleep(5)
        assert room.row("band-2")["standing"] == "ended"
        await room.ask(ClassVerb.JOIN)
        await room.until("ended")
        await asyncio.sleep(5)
        assert room.bands["band-2"].band.player.state == IDLE
        reasons = sorted(row.reason or "" for row in await room.store.sessions())
        assert reasons == ["finished", "stopped"]


async def test_what_is_wrong_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async with class_of(tmp_path, 2) as room:
        assert (await room.ask(ClassVerb.PAUSE)).reason == "not_playing"
        answer = await room.ask(ClassVerb.START, wearables=("band-1", "none"))
        assert answer.reason == "unknown_wearable"
        assert "band-1, band-2" in answer.text
        answer = await room.ask(ClassVerb.START, routine="planks")
        assert answer.reason == "bad_request"
        assert "Plank" in answer.text
        answer = await room.ask(ClassVerb.START, routine="nothing-such")
        assert answer.reason == "unknown_routine"
        assert room.status.state == "idle"
        await room.start()
        assert (await room.ask(ClassVerb.START)).reason == "already_playing"
        assert (await room.ask(ClassVerb.RESUME)).reason == "not_paused"


async def test_one_that_plays_something_else_is_told_and_left_alone(tmp_path: Path) -> None:
    async with class_of(tmp_path, 2) as room:
        await room.daemon.submit(Command(wearable="band-2", verb=Verb.START, routine="desk"))
        await room.start()
        await room.until("playing")
        await asyncio.sleep(1)
        assert room.row("band-2")["standing"] == "refused"
        assert room.row("band-1")["standing"] == "playing"
        assert room.bands["band-2"].band.player.state == RUNNING
        await room.ask(ClassVerb.STOP)
        await asyncio.sleep(1)
        assert room.bands["band-2"].band.player.state == RUNNING


async def test_the_heart_of_someone_who_does_not_share_it_is_not_shown(tmp_path: Path) -> None:
    async with class_of(tmp_path, 2) as room:
        await room.start()
        await room.until("playing")
        for _ in range(5):
            host = room.bands["band-1"]
            host.band.beat(131, (), host.now_ms)
            host.poke()
            await asyncio.sleep(1)
        told = [
            record
            for row in await room.store.sessions()
            if (session := await room.store.session(row.id)) is not None
            for record in session.records
            if record.record.kind == vocab.HEART
        ]
        assert told, "it is in the history"
        assert [row["bpm"] for row in room.status.members] == [None, None]


@asynccontextmanager
async def after_a_restart(path: Path, before: Room) -> AsyncIterator[Room]:
    """The same room, after the daemon was away for a while."""
    await asyncio.sleep(5)
    async with daemon_for(path / "h.db", before.links) as (daemon, store):
        yield Room(daemon, store, before.motors, before.bands, before.links)


async def test_a_class_outlives_the_daemon(tmp_path: Path) -> None:
    async with class_of(tmp_path, 3, away=(3,)) as room:
        await room.start()
        await room.until("playing")
        await asyncio.sleep(10)
        before = room.status
    async with after_a_restart(tmp_path, room) as room:
        status = room.status
        assert (status.state, status.routine) == ("playing", ROUTINE)
        assert status.begins_utc_ms == before.begins_utc_ms
        room.links["band-3"].reachable = True
        async with asyncio.timeout(90):
            while room.status.counts()["in_step"] < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        assert (await room.ask(ClassVerb.PAUSE)).ok
        states = [band.band.player.state for band in room.bands.values()]
        assert states == [PAUSED] * 3
    async with after_a_restart(tmp_path, room) as room:
        assert room.status.state == "paused"
        for name in room.bands:
            await room.daemon.supervisors[name].connected.wait()
        assert (await room.ask(ClassVerb.RESUME)).ok
        await asyncio.sleep(40)
        resumed_s = asyncio.get_running_loop().time()
        assert room.status.counts()["in_step"] == 3
        await asyncio.sleep(20)
        assert room.spread_ms(list(room.bands), resumed_s) <= AT_ONCE_MS
    async with after_a_restart(tmp_path, room) as room:
        for name in room.bands:
            await room.daemon.supervisors[name].connected.wait()
        assert (await room.ask(ClassVerb.STOP)).ok
        await asyncio.sleep(1)
        states = [band.band.player.state for band in room.bands.values()]
        assert states == [IDLE] * 3
    async with after_a_restart(tmp_path, room) as room:
        assert room.status.state == "idle", "it is over"


async def test_a_stop_outlives_the_daemon(tmp_path: Path) -> None:
    async with class_of(tmp_path, 2) as room:
        await room.stop_without("band-2")
    async with after_a_restart(tmp_path, room) as room:
        assert room.status.state == "stopped"
        assert room.bands["band-2"].band.player.state == RUNNING
        room.links["band-2"].reachable = True
        await room.daemon.supervisors["band-2"].connected.wait()
        await asyncio.sleep(2)
        assert room.bands["band-2"].band.player.state == IDLE
    async with after_a_restart(tmp_path, room) as room:
        assert room.status.state == "idle", "all are stopped"


async def test_a_class_of_others_keeps_no_stop_from_its_wearable(tmp_path: Path) -> None:
    async with class_of(tmp_path, 3) as room:
        await room.stop_without("band-3")
        await room.start(wearables=("band-1", "band-2"))
        room.links["band-3"].reachable = True
        await room.daemon.supervisors["band-3"].connected.wait()
        await asyncio.sleep(2)
        assert room.bands["band-3"].band.player.state == IDLE


async def test_a_class_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    async with class_of(tmp_path, 2) as room:
        await room.start()
        await room.until("playing")
    kept = json.loads((tmp_path / "class.json").read_text(encoding="utf-8"))
    first = next(iter(kept["members"].values()))
    wrongs: list[Any] = [
        kept | {"plan": "AAAA"},
        kept | {"anchor_utc_ms": None},
        kept | {"anchor_utc_ms": 10**30},
        kept | {"members": {"band-1": first | {"begins_utc_ms": -(10**30)}}},
        kept | {"members": {}},
        kept | {"members": {"band-1": first | {"step": 9999}}},
        kept | {"members": {"band-1": first | {"standing": "flying"}}},
        [],
    ]
    for wrong in wrongs:
        (tmp_path / "class.json").write_text(json.dumps(wrong), encoding="utf-8")
        async with after_a_restart(tmp_path, room) as again:
            assert again.status.state == "idle"


async def test_who_is_asked_twice_to_join_again_is_brought_and_can_be_stopped(
    tmp_path: Path,
) -> None:
    async with class_of(tmp_path, 2) as room:
        await room.start()
        await room.until("playing")
        await asyncio.sleep(20)
        room.bands["band-2"].press(80)
        await asyncio.sleep(5)
        link = room.links["band-2"]
        link.reachable = False
        link.drop()
        for _ in range(2):
            assert (await room.ask(ClassVerb.JOIN, wearables=("band-2",))).ok
            await asyncio.sleep(2)
        link.reachable = True
        async with asyncio.timeout(90):
            while not room.row("band-2")["in_step"]:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        assert (await room.ask(ClassVerb.STOP)).ok
        assert room.bands["band-2"].band.player.state == IDLE
