# SPDX-License-Identifier: MIT
"""What a host reads of the user's files while it runs, also where a disk does not answer."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenuto.config import Config, Haptics, Routines
from tenuto.daemon import user_files
from tenuto.daemon.user_files import UserFiles
from tenuto.errors import InputError
from tests.sample_routines import SHORT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real_time


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "short.toml").write_text(SHORT)
    return Config(routines=Routines(folder=tmp_path))


async def test_a_disk_that_does_not_answer_is_told_and_the_loop_goes_on(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_files, "TIMEOUT_S", 0.3)
    there, turns = threading.Event(), 0
    files = UserFiles(config)

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    turning = asyncio.create_task(turn(), name="turn")
    try:
        with pytest.raises(InputError, match="is their folder on a network that is away"):
            await files.read(lambda: there.wait(60))
    finally:
        there.set()
        turning.cancel()
    assert turns > 3


async def test_a_new_routine_is_known_after_the_next_reading(
    config: Config, tmp_path: Path
) -> None:
    files = UserFiles(config)
    await files.look()
    assert "short" in files.labels

    (tmp_path / "later.toml").write_text(SHORT.replace('"short"', '"later"'))
    assert await files.read(lambda: files.library.routine("later").name) == "later"
    assert {"short", "later"} <= files.labels.keys()


async def test_after_a_wrong_configuration_everything_is_as_before(
    config: Config, tmp_path: Path
) -> None:
    files = UserFiles(config)
    await files.look()
    library, labels = files.library, files.labels
    wrong = tmp_path / "haptics.toml"
    wrong.write_text("[no_such_cue]\n")

    with pytest.raises(InputError, match="unknown cue"):
        await files.reread(lambda: replace(config, haptics=Haptics(file=wrong)))
    assert (files.library, files.labels) == (library, labels)

    assert await files.reread(Config) == Config()
    assert "short" not in files.labels
