# SPDX-License-Identifier: MIT
"""A simulated PineTime: what its wearer feels and reads, and what comes back."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenuto.config import Wearable
from tenuto.routines.library import Library
from tenuto.routines.routine import parse
from tenuto.sessions.commands import Verb
from tenuto.sessions.events import (
    CueFired,
    HeartBeat,
    Paused,
    Resumed,
    SessionEnded,
    Skipped,
    StepStarted,
    Waiting,
    WentBack,
)
from tenuto.state.keys import KeyStore
from tenuto.wearables import registry
from tenuto.wearables.infinitime import MESSAGE_BYTES_MAX, SIMPLE_ALERT, notification
from tenuto.wearables.model import BuildContext
from tenuto.wearables.models.infinitime import InfinitimeOptions
from tests.hosted.rig import NAME, HostedRoom, hosted_room, unfelt_in
from tests.sample_routines import SHORT

if TYPE_CHECKING:
    from tenuto.simulator.pinetime import SimulatedPineTime

PLAY, PAUSE, NEXT, PREVIOUS = 0, 1, 3, 4
REJECT, ANSWER, MUTE = range(3)
PACED = SHORT.replace("[defaults]", "[defaults]\nself_paced = true")


def watch(room: HostedRoom) -> SimulatedPineTime:
    found: SimulatedPineTime = room.device
    return found


async def test_a_cue_is_so_many_buzzes_apart_and_says_what_it_is(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db", "infinitime") as room:
        await room.start()
        await room.seen.until(
            lambda entry: isinstance(entry.event, CueFired) and entry.event.cue == "hold_end"
        )
        await asyncio.sleep(2)
        read = list(watch(room).notifications)
        ups = [edge.loop_s for edge in room.device.motor.edges if edge.on]
        await room.seen.ended()
        told = await room.told()

    assert read == [("Hold", "One"), ("Let go", "One"), ("Let go", "One")]
    assert len(ups) == 3
    assert ups[2] - ups[1] == pytest.approx(0.6, abs=0.05)
    assert unfelt_in(told) == 0


async def test_the_spacing_is_what_the_configuration_says(tmp_path: Path) -> None:
    options = InfinitimeOptions(spacing_ms=740)
    async with hosted_room(tmp_path / "h.db", "infinitime", options=options) as room:
        await room.start()
        await asyncio.sleep(16)
        ups = [edge.loop_s for edge in room.device.motor.edges if edge.on]
    assert min(b - a for a, b in pairwise(ups)) == pytest.approx(0.74, abs=0.05)


async def test_its_music_app_pauses_goes_on_skips_and_goes_back(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db", "infinitime") as room:
        await room.start()
        await asyncio.sleep(5)
        shown = dict(watch(room).music)
        for event in (PAUSE, PLAY, PLAY, NEXT, PREVIOUS):
            watch(room).answer(event)
            await asyncio.sleep(2)
        happened = room.events(Paused, Resumed, Skipped, WentBack)
        paused_shown = watch(room).music["status"]
        await room.ask(Verb.STOP)
        await asyncio.sleep(1)
        over = watch(room).music["track"]

    assert (shown["track"], shown["artist"], shown["status"]) == (b"Hold", b"One", b"\1")
    assert int.from_bytes(shown["length"], "big") == 10
    assert [type(event) for event in happened] == [Paused, Resumed, Skipped, WentBack]
    assert {event.source for event in happened} == {"wearer"}  # type: ignore[attr-defined]
    assert paused_shown == b"\1"
    assert over == b"Tenuto"


async def test_play_begins_what_was_played_last(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db", "infinitime") as room:
        await room.start()
        await asyncio.sleep(1)
        await room.ask(Verb.STOP)
        await asyncio.sleep(1)
        watch(room).answer(PLAY)
        await asyncio.sleep(2)
        assert await room.state() == "running"


async def test_its_heart_rate_comes_by_the_same_connection(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db", "infinitime") as room:
        await room.start()
        for bpm in (0, 88, 91):
            room.device.heart.beat(bpm)
            await asyncio.sleep(1)
        beats = room.events(HeartBeat)
    assert [(beat.bpm, beat.sensor) for beat in beats] == [(88, "own"), (91, "own")]  # type: ignore[attr-defined]


def test_a_device_is_never_opened_twice() -> None:
    def sensors(heart: str) -> dict[str, object]:
        wearable = Wearable(
            id=NAME, model="infinitime", link="ble", address="C1:00:00:00:00:0A", heart=heart
        )
        context = BuildContext(
            adapter=lambda _: None,  # type: ignore[arg-type, return-value]
            simulated=lambda _: None,  # type: ignore[arg-type, return-value]
            keys=KeyStore(None),
            utc_ms=lambda: 0.0,
            rng=random.Random(1),
            folder=Path("unused"),
        )
        return dict(registry.build_sensors(wearable, context, lambda *_: None))

    assert sensors("c1:00:00:00:00:0a") == {}
    assert set(sensors("D0:00:00:00:00:02")) == {"heart"}


async def test_do_not_disturb_takes_cues_and_nobody_can_know(tmp_path: Path) -> None:
    """The one thing that the watch does not tell; `pair` and `doctor` say so."""
    async with hosted_room(tmp_path / "h.db", "infinitime") as room:
        await room.seen.until(lambda _: True, 1) if room.seen.entries else await asyncio.sleep(2)
        watch(room).is_silent = True
        await room.start()
        await room.seen.ended()
        told = await room.told()
        assert room.device.motor.edges == []
    assert unfelt_in(told) == 0
    notes = " ".join(registry.find("infinitime").notes)
    assert "Do Not Disturb" in notes
    assert "does not tell" in notes


async def test_it_rings_while_the_session_waits_and_its_answer_goes_on(tmp_path: Path) -> None:
    options = InfinitimeOptions(ring=True)
    async with hosted_room(tmp_path / "h.db", "infinitime", options=options) as room:
        feel = room.driver._buzzer.feel
        room.plan = Library().compile(parse(PACED, "short.toml"), feel=feel)
        await room.start()
        await room.seen.until(lambda entry: isinstance(entry.event, Waiting))
        await asyncio.sleep(0.5)
        assert watch(room).calls == 1
        assert watch(room).notifications[-1] == ("In position?", "One")
        watch(room).answer_call(ANSWER)
        await asyncio.sleep(1)
        holds = [e for e in room.events(StepStarted) if e.kind == "hold"]  # type: ignore[attr-defined]
        assert len(holds) == 1
        watch(room).answer_call(MUTE)
        await asyncio.sleep(1)
        assert await room.state() == "paused"
        watch(room).answer_call(REJECT)
        await asyncio.sleep(1)
        (ended,) = room.events(SessionEnded)
        assert ended.source == "wearer"  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["Knee to Chest, left", "ü" * 80, "", "x" * 300])
def test_a_notification_fits_and_is_text(text: str) -> None:
    data = notification(SIMPLE_ALERT, "Hold", text)
    title, _, rest = data[3:].decode().partition("\0")
    assert data[:2] == b"\0\1"
    assert title == "Hold"
    assert text.startswith(rest)
    assert len(data[3:]) <= MESSAGE_BYTES_MAX
