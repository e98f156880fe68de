# SPDX-License-Identifier: MIT
"""A device is the same one under every name, and another one is not, whatever it is called."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.sessions.commands import Command, Verb
from tests.daemon.rig import RecordingMotor, connected, daemon_for, log_of

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.history import SessionRow, Store


def band(serial: str, boot_id: int = 1) -> InProcessBand:
    made = InProcessBand(RecordingMotor(), boot_id=boot_id)
    made.band.serial = serial.encode()
    return made


async def begin(path: Path, name: str, worn: InProcessBand, for_s: float) -> None:
    """Start a session, and be killed after a while."""
    async with daemon_for(path, {name: InProcessLink(worn)}) as (daemon, _):
        await connected(daemon, name)
        assert (await daemon.submit(Command(wearable=name, verb=Verb.START))).ok
        await asyncio.sleep(for_s)


async def kept_whole(store: Store, row: SessionRow, worn: InProcessBand) -> None:
    stored = await store.session(row.id)
    assert stored is not None
    logged = [record for record in log_of(worn) if record.seq >= row.key.seq]
    assert [item.record for item in stored.records] == logged


async def test_a_wearable_that_is_renamed_in_mid_session_is_the_same(tmp_path: Path) -> None:
    path, worn = tmp_path / "h.db", band("E661")
    await begin(path, "wrist", worn, 60)
    async with daemon_for(path, {"arm": InProcessLink(worn)}) as (daemon, store):
        await connected(daemon, "arm")
        assert daemon.supervisors["arm"].playing
        await asyncio.sleep(400)
        (row,) = await store.sessions()
        assert (row.key.device, row.reason) == ("serial:E661", "finished")
        await kept_whole(store, row, worn)


async def test_what_was_kept_before_a_device_told_its_number_goes_on(tmp_path: Path) -> None:
    path, worn = tmp_path / "h.db", band("")
    await begin(path, "wrist", worn, 60)
    worn.band.serial = b"E661"
    async with daemon_for(path, {"wrist": InProcessLink(worn)}) as (daemon, store):
        (before,) = await store.sessions()
        assert before.key.device == "name:wrist"
        await connected(daemon, "wrist")
        await asyncio.sleep(400)
        (row,) = await store.sessions()
        assert (row.id, row.key.device, row.reason) == (before.id, "serial:E661", "finished")
        await kept_whole(store, row, worn)


async def test_two_devices_that_were_called_the_same_are_two(tmp_path: Path) -> None:
    path, one, other = tmp_path / "h.db", band("1"), band("2")
    await begin(path, "wrist", one, 400)
    await begin(path, "wrist", other, 400)
    async with daemon_for(path, {}) as (_, store):
        rows = await store.sessions()
        assert {row.key.device for row in rows} == {"serial:1", "serial:2"}
        for row in rows:
            await kept_whole(store, row, one if row.key.device == "serial:1" else other)


async def test_a_device_that_is_away_has_not_ended_its_session(tmp_path: Path) -> None:
    """Another device under its name says nothing about it; it tells the rest when it is back."""
    path, one, other = tmp_path / "h.db", band("1"), band("2")
    await begin(path, "wrist", one, 60)
    async with daemon_for(path, {"wrist": InProcessLink(other)}) as (daemon, store):
        await connected(daemon, "wrist")
        await asyncio.sleep(600)
        (row,) = await store.sessions()
        assert row.reason is None
    async with daemon_for(path, {"wrist": InProcessLink(one)}) as (daemon, store):
        await connected(daemon, "wrist")
        await asyncio.sleep(10)
        (row,) = await store.sessions()
        assert row.reason == "finished"
        await kept_whole(store, row, one)
