# SPDX-License-Identifier: MIT
"""A session that the disk has no room for: it plays on, and nobody is told that it was kept."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tenuto.daemon.operations import RUN
from tenuto.daemon.play import Run
from tests.chain.rig import Chain, chain
from tests.patience import patience_s
from tests.processes import environment, tenuto

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tenuto.links.scan import Found
    from tenuto.sessions.events import Entry

pytestmark = pytest.mark.slow


class Nobody:
    """A person who looks away."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def show(self, text: str) -> None: ...

    async def ask(self, text: str) -> str:
        raise AssertionError(text)

    async def tell(self, items: Sequence[Entry] | Sequence[Found]) -> None: ...


async def limit(it: Chain, pages: int) -> None:
    """Let the history grow to so many pages and no further, 0 for no more than it has."""
    await it.host.store.work(
        lambda db: db.execute(
            f"PRAGMA max_page_count = {pages or db.execute('PRAGMA page_count').fetchone()[0]}"
        ).fetchone()
    )


async def test_what_was_not_kept_is_told_and_what_fits_again_is_kept(tmp_path: Path) -> None:
    async with chain(tmp_path / "h.db") as it:
        asked = Run(wearable=None, routine="lower-back-short")
        assert (await RUN.carry_out(it.host, asked, Nobody())).not_kept is None

        await limit(it, 0)
        ended = await RUN.carry_out(it.host, asked, Nobody())
        assert ended.reason == "finished", "the wearable needs no disk"
        assert ended.not_kept is not None
        assert "the disk is full: make room" in ended.not_kept

        await limit(it, 100_000)
        assert (await RUN.carry_out(it.host, asked, Nobody())).not_kept is None
        await it.host.flush()
        rows = await it.host.store.sessions()
        assert [row.reason for row in rows] == ["finished"] * 3, "what waited came later"


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_the_command_fails_and_says_why(tmp_path: Path) -> None:
    assert tenuto("run", "lower-back-short", "--speed", "max", folder=tmp_path).returncode == 0
    size = max(path.stat().st_size for path in tmp_path.glob("history.db*"))
    command = shlex.join(
        [sys.executable, "-m", "tenuto", "run", "lower-back-short", "--speed", "max"]
    )
    # Blocks of 512 bytes or of 1,024: there is room for the first records and not for all.
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f {size // 1024 + 24}; exec {command}"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=patience_s(60),
        check=False,
    )

    assert done.returncode == 1, done.stderr
    assert "this session was not kept: the history" in done.stderr
