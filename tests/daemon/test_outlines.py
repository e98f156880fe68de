# SPDX-License-Identifier: MIT
"""Outlines are made of sessions that have ended, and not while somebody plays; in virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenuto.config import Config, Folders, History, Mqtt
from tenuto.daemon.build import Setting, open_host
from tenuto.daemon.idle import LOOK_EVERY_S
from tenuto.daemon.outlines import AT_ONCE, OutlineMaker
from tenuto.history import HistorySink, Store
from tenuto.sessions.commands import Command, Verb
from tests.history.sessions import whole_session

if TYPE_CHECKING:
    from pathlib import Path


async def test_outlines_are_made_once_nobody_plays(tmp_path: Path) -> None:
    playing = True
    async with Store(tmp_path / "h.db") as store:
        for boot_id in range(AT_ONCE + 1):
            await store.add(whole_session(boot_id=boot_id))
        maker = OutlineMaker(store, lambda: playing)
        async with maker.running():
            await asyncio.sleep(60)
            assert len(await store.without_outline()) == AT_ONCE + 1
            playing = False
            await asyncio.sleep(2 * LOOK_EVERY_S)
            assert await store.without_outline() == []

            await HistorySink(store, on_end=maker.look).handle(whole_session(boot_id=99))
            await asyncio.sleep(1)
            assert await store.without_outline() == []


async def test_a_damaged_session_keeps_no_other_one_from_its_outline(tmp_path: Path) -> None:
    async with Store(tmp_path / "h.db") as store:
        for boot_id in range(2 * AT_ONCE):
            await store.add(whole_session(boot_id=boot_id))
        newest = (await store.without_outline())[0]
        spoil = "INSERT INTO host_events (session_id, t_ms, utc_ms, data) VALUES (?, 1, 1, '{')"
        await store.work(lambda db: db.execute(spoil, (newest,)))
        maker = OutlineMaker(store, lambda: False)
        async with maker.running():
            await asyncio.sleep(60)
            assert len(await store.without_outline()) == AT_ONCE
            await store.add(whole_session(boot_id=99))
            maker.look()
            await asyncio.sleep(60)
            assert len(await store.without_outline()) <= AT_ONCE


async def test_a_host_makes_outlines_of_what_was_kept_before(tmp_path: Path) -> None:
    config = Config(
        mqtt=Mqtt(url="off"),
        history=History(path=tmp_path / "h.db"),
        own=Folders(tmp_path, tmp_path),
    )
    async with Store(tmp_path / "h.db") as store:
        await store.add(whole_session())
    setting = Setting(config=config, speed=1.0, mqtt=False, say=lambda _: None, seed=1)
    async with open_host(setting, config.wearables, []) as host, host.running():
        await asyncio.sleep(2 * LOOK_EVERY_S)
        assert await host.store.without_outline() == []
        await host.commands.submit(Command(wearable="simulated", verb=Verb.START))
        await asyncio.sleep(600)

        assert len(await host.store.sessions()) == 2
        assert await host.store.without_outline() == []
