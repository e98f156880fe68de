# SPDX-License-Identifier: MIT
"""A daemon that is killed while it plays for a simulated device in another process."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.control import find_daemon, is_possible
from tenuto.history import Store
from tests.patience import patience_s
from tests.processes import configure, environment, tenuto_process, user
from tests.sample_routines import one_hold

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="nobody is killed there like that"),
    pytest.mark.skipif(not is_possible(), reason="no such sockets here"),
]

ONE_HOLD = one_hold("short", 6)
WEARABLE = """
[[wearable]]
id = "tag"
model = "alert"
link = "ble"
address = "C1:00:00:00:00:01"
"""


def ask(folder: Path, name: str, **arguments: Any) -> dict[str, Any]:
    """Ask the daemon of this user."""

    async def talk() -> dict[str, Any]:
        client = await find_daemon(environment(folder), folder / "data" / "tenuto")
        assert client is not None
        return dict(await client.ask(name, **arguments))

    return asyncio.run(talk())


def reasons(folder: Path) -> list[str | None]:
    async def read() -> list[str | None]:
        async with Store(folder / "history.db", read_only=True) as store:
            rows = await store.sessions()
            return [row.reason for row in sorted(rows, key=lambda row: row.id)]

    return asyncio.run(read())


def until(folder: Path, wanted: list[str | None], timeout_s: float = 60) -> None:
    began_s = time.monotonic()
    while (found := reasons(folder)) != wanted:
        assert time.monotonic() - began_s < patience_s(timeout_s), found
        time.sleep(0.3)


def test_a_session_outlives_the_daemon_that_plays_it() -> None:
    simulate = ("simulate", "--model", "alert", "--listen", "127.0.0.1:0")
    with user() as folder, tenuto_process(*simulate, folder=folder) as room:
        found = re.search(r"bumble:tcp-client:127\.0\.0\.1:\d+", room.until("bumble:tcp-client"))
        assert found is not None
        configure(folder, f'bluetooth.adapter = "{found[0]}"\n{WEARABLE}')
        (folder / "routines").mkdir()
        (folder / "routines" / "short.toml").write_text(ONE_HOLD)
        with tenuto_process("daemon", folder=folder) as daemon:
            daemon.until("connected")
            with tenuto_process("run", "short", "--json", folder=folder) as viewer:
                viewer.until("hold_start")
                daemon.end(signal.SIGKILL)
        with tenuto_process("daemon", folder=folder) as daemon:
            daemon.until("connected")
            until(folder, ["failed", None])
            with tenuto_process("run", "--json", folder=folder) as viewer:
                viewer.until("paused")
                assert ask(folder, "resume", wearable="tag")["ok"]
                viewer.until("hold_end")
            assert ask(folder, "stop", wearable="tag")["ok"]
            until(folder, ["failed", "stopped"])
            daemon.end(signal.SIGTERM)
