# SPDX-License-Identifier: MIT
"""Small files that a loss of power, or a disk, has cut anywhere: they are read, or passed over."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.errors import LinkError
from tenuto.sessions.device_clock import Skew
from tenuto.state.class_store import ClassStore
from tenuto.state.clocks import ClockStore
from tenuto.state.devices import DeviceIds
from tenuto.state.keys import KeyStore
from tenuto.state.preferences import Preferences
from tenuto.state.settings import SettingsStore
from tests.crash.class_writer import class_of
from tests.state.test_keys import ONE, band

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path


async def keep_class(path: Path) -> None:
    ClassStore(path).save(*class_of(1))


async def keep_clocks(path: Path) -> None:
    ClockStore(path).put("wrist", Skew(12.0, 3.0))


async def keep_device(path: Path) -> None:
    DeviceIds(path).of("wrist")


async def keep_settings(path: Path) -> None:
    await SettingsStore(path).prefer("wrist", Preferences(routine="arms"))


async def keep_key(path: Path) -> None:
    KeyStore(path).of("wrist").offer(band(), ONE, by_cable=True)


@pytest.mark.parametrize(
    "write,load",
    [
        (keep_class, lambda path: ClassStore(path).load()),
        (keep_clocks, lambda path: ClockStore(path).get("wrist")),
        (keep_device, lambda path: DeviceIds(path).of("wrist")),
        (keep_settings, lambda path: SettingsStore(path).preferences("wrist")),
        (keep_key, lambda path: KeyStore(path).known(None, frozenset({"WRIST"}))),
    ],
    ids=["class", "clocks", "device", "settings", "keys"],
)
def test_a_file_that_is_cut_anywhere_is_passed_over(
    tmp_path: Path,
    write: Callable[[Path], Coroutine[Any, Any, None]],
    load: Callable[[Path], object],
) -> None:
    path = tmp_path / "small.json"
    asyncio.run(write(path))
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with suppress(LinkError):  # of keys: they are not to be lost
            load(path)
