# SPDX-License-Identifier: MIT
"""The relay of beats alone: a wearable that takes them or not, and a log that notes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from tenuto.errors import LinkError, LinkReason
from tenuto.sessions.events import Event, HeartBeat, HeartSensor, SessionKey
from tenuto.sessions.heart import FRESH_MS, Measurement
from tenuto.sessions.tracker import Tracker
from tenuto.wearables.heart_relay import HeartRelay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tenuto.wearables.base import Driver


class Wrist:
    """Takes beats, or says why not; and keeps what the host notes of its session."""

    def __init__(self) -> None:
        self.tracker: Tracker | None = Tracker(SessionKey("serial:1", 1, 0), None, bytes(8))
        self.is_connected = True
        self.answer: bool | LinkError = True
        self.beats: list[int] = []
        self.noted: list[Event] = []

    @property
    def playing(self) -> bool:
        return self.tracker is not None and not self.tracker.ended

    def notice(self, make: Callable[[int], Event]) -> None:
        self.noted.append(make(0))

    async def beat(self, bpm: int, rr_1024: Sequence[int]) -> bool:
        del rr_1024
        if isinstance(self.answer, LinkError):
            raise self.answer
        self.beats.append(bpm)
        return self.answer


@asynccontextmanager
async def relay_to(wrist: Wrist) -> AsyncIterator[HeartRelay]:
    relay = HeartRelay(cast("Driver", wrist), wrist, is_connected=lambda: wrist.is_connected)
    task = asyncio.create_task(relay.run(), name="relay")
    yield relay
    task.cancel()
    await asyncio.wait({task}, timeout=1)


async def hear(relay: HeartRelay, *rates: int) -> None:
    for bpm in rates:
        relay.hear(Measurement(bpm, rr_1024=(633,)), "strap", "ecg")
        await asyncio.sleep(1)


async def test_what_the_wearable_takes_is_not_noted_a_second_time() -> None:
    wrist = Wrist()
    async with relay_to(wrist) as relay:
        await hear(relay, 80, 255, 0, 81)
    assert wrist.beats == [80, 81]
    assert [type(event) for event in wrist.noted] == [HeartSensor]


@pytest.mark.parametrize("why", ["out of reach", "lost just now", "of no use"])
async def test_what_the_wearable_does_not_take_is_noted_once(why: str) -> None:
    wrist = Wrist()
    wrist.is_connected = why != "out of reach"
    wrist.answer = LinkError(LinkReason.LOST, "gone") if why == "lost just now" else False
    async with relay_to(wrist) as relay:
        await hear(relay, 80, 81)
    noted = [event for event in wrist.noted if isinstance(event, HeartBeat)]
    assert [(beat.bpm, beat.rr_ms, beat.sensor) for beat in noted] == [
        (80, (618.2,), "strap"),
        (81, (618.2,), "strap"),
    ]


async def test_silence_and_return_are_told_and_nothing_outside_a_session() -> None:
    wrist = Wrist()
    async with relay_to(wrist) as relay:
        await hear(relay, 80)
        await asyncio.sleep(2 * FRESH_MS / 1000)
        await hear(relay, 80)
        told = [event.is_heard for event in wrist.noted if isinstance(event, HeartSensor)]
        assert told == [True, False, True]

        wrist.tracker, wrist.is_connected = None, False
        wrist.noted.clear()
        await hear(relay, 80)
        assert wrist.noted == []
