# SPDX-License-Identifier: MIT
"""`[[wearable]] routines`: what can be started on a wearable while no host is there."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tenuto.config import parse
from tenuto.errors import InputError
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.routines.library import Library
from tenuto.sessions.commands import Command, Verb
from tenuto.wearables.kept_routines import LOOK_S, KeptRoutines
from tests.core.rig import Memory
from tests.daemon.rig import RecordingMotor, connected, daemon_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tenuto.daemon.commands import Commands
    from tenuto.routines.compile import CompiledPlan

LIBRARY = Library()
NAMES = ("breathe-six", "planks", "pelvic-floor")
SHOWN = [LIBRARY.routine(name).shown_name for name in NAMES]


async def plan(name: str) -> CompiledPlan:
    return LIBRARY.plan(name)


@asynccontextmanager
async def kept(
    tmp_path: Path, band: InProcessBand, names: Sequence[str] = NAMES
) -> AsyncIterator[Commands]:
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}) as (daemon, _):
        await connected(daemon)
        keeping = KeptRoutines(daemon.supervisors["band"], names, plan)
        task = asyncio.create_task(keeping.run(), name="routines band")
        try:
            await asyncio.sleep(10)
            yield daemon
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def names_on(band: InProcessBand) -> list[str]:
    return sorted(place.name for place in band.band.shelf.places if place is not None)


async def test_the_chosen_routines_are_on_the_band_and_a_press_starts_the_first(
    tmp_path: Path,
) -> None:
    band = InProcessBand(RecordingMotor(), storage=Memory())
    async with kept(tmp_path, band):
        assert names_on(band) == sorted(SHOWN)
        assert band.band.player.plan is not None
        assert band.band.player.plan.name == SHOWN[0]


async def test_what_is_there_is_not_sent_again_and_what_is_gone_comes_back(tmp_path: Path) -> None:
    band = InProcessBand(RecordingMotor(), storage=Memory())
    async with kept(tmp_path, band):
        before = [place and place.order for place in band.band.shelf.places]
        await asyncio.sleep(3 * LOOK_S)
        assert [place and place.order for place in band.band.shelf.places] == before

        place = band.band.shelf.find((await plan(NAMES[1])).plan_id)
        assert place is not None
        band.band.shelf.places[place] = None
        await asyncio.sleep(LOOK_S)
        assert names_on(band) == sorted(SHOWN)


async def test_what_has_no_room_is_sent_once_and_not_again_and_again(tmp_path: Path) -> None:
    small = Memory(room=len((await plan(NAMES[0])).data) + 100)
    band = InProcessBand(RecordingMotor(), storage=small)
    async with kept(tmp_path, band) as daemon:
        sent: list[bytes] = []
        driver = daemon.supervisors["band"].commands._driver
        upload = driver.upload

        async def note(plan_id: bytes, data: bytes) -> None:
            sent.append(plan_id)
            await upload(plan_id, data)

        driver.upload = note  # type: ignore[method-assign]
        await asyncio.sleep(5 * LOOK_S)
        assert sent == []


async def test_nothing_is_sent_while_something_plays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    band = InProcessBand(RecordingMotor(), storage=Memory())
    async with daemon_for(tmp_path / "h.db", {"band": InProcessLink(band)}) as (daemon, _):
        await connected(daemon)
        assert (await daemon.submit(Command(wearable="band", verb=Verb.START))).ok
        keeping = KeptRoutines(daemon.supervisors["band"], NAMES, plan)
        task = asyncio.create_task(keeping.run(), name="routines band")
        await asyncio.sleep(60)
        assert names_on(band) == ["lower-back"]
        assert "not kept" not in caplog.text

        assert (await daemon.submit(Command(wearable="band", verb=Verb.STOP))).ok
        await asyncio.sleep(LOOK_S + 10)
        assert names_on(band) == sorted([*SHOWN, "lower-back"])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_routine_that_is_wrong_is_told_once_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    band = InProcessBand(RecordingMotor(), storage=Memory())
    async with kept(tmp_path, band, ("breathe-six", "no-such")) as daemon:
        await asyncio.sleep(3 * LOOK_S)
        assert (await daemon.submit(Command(wearable="band", verb=Verb.START))).ok

    assert caplog.text.count("its routines are not kept: there is no routine 'no-such'") == 1


async def test_an_open_hold_is_ended_by_a_press_on_the_band_itself(tmp_path: Path) -> None:
    band = InProcessBand(RecordingMotor(), storage=Memory())
    async with kept(tmp_path, band, ("planks",)):
        player = band.band.player
        band.press(100)
        await asyncio.sleep(40)
        assert player.plan is not None
        assert player.plan.step(player.number).is_open
        number = player.number
        band.press(100)
        await asyncio.sleep(1)
        assert player.number == number + 1


@pytest.mark.parametrize(
    "line,text",
    [
        ('routines = ["a", "b", "c", "d", "e"]', "has 5 elements, allowed is at most 4"),
        ('routines = ["a", "a"]', "`routines` has a routine twice"),
        ('model = "alert"\nroutines = ["a"]', "which cannot play without a host"),
    ],
)
def test_a_set_that_cannot_be_kept_is_refused_where_it_is_written(line: str, text: str) -> None:
    config = f'[[wearable]]\nid = "w"\nlink = "ble"\naddress = "C0:00:00:00:00:01"\n{line}\n'

    with pytest.raises(InputError, match=text):
        parse(config, "t.toml")
