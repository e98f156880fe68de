# SPDX-License-Identifier: MIT
"""A daemon that is killed in mid-session, as processes on a radio in a third one."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tenuto.control import is_possible
from tenuto.history import Store, replay
from tenuto.sessions.events import RecordsLost
from tests.patience import patience_s
from tests.processes import address, configure, tenuto, tenuto_process, user, wearable, world
from tests.sample_routines import one_hold

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.history import StoredSession

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="nobody is killed there like that"),
    pytest.mark.skipif(not is_possible(), reason="no such sockets here"),
]

ONE_HOLD = one_hold("short", 8)


async def sessions(folder: Path) -> list[StoredSession]:
    async with Store(folder / "history.db", read_only=True) as store:
        found = [await store.session(row.id) for row in await store.sessions()]
    return [session for session in found if session is not None]


def ended(folder: Path, timeout_s: float = 60) -> StoredSession:
    """Wait until the one session has ended in the history."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < patience_s(timeout_s):
        (session,) = asyncio.run(sessions(folder))
        if session.row.reason is not None:
            return session
        time.sleep(0.5)
    raise AssertionError("the session never ended in the history")


def test_a_session_outlives_its_daemon_and_is_one_record_without_hole_or_double() -> None:
    with user() as folder, world(folder, 1) as adapter:
        configure(folder, f'bluetooth.adapter = "{adapter}"\n{wearable("anna", address(1))}')
        (folder / "routines").mkdir()
        (folder / "routines" / "short.toml").write_text(ONE_HOLD)
        with tenuto_process("daemon", folder=folder) as daemon:
            daemon.until("connected")
            with tenuto_process("run", "short", "--json", folder=folder) as viewer:
                viewer.until("hold_start")
                daemon.end(signal.SIGKILL)
        time.sleep(3)  # nobody listens, and it plays on
        with tenuto_process("daemon", folder=folder) as daemon:
            daemon.until("connected")
            session = ended(folder)
            daemon.end(signal.SIGTERM)
        assert (session.row.reason, session.row.source) == ("finished", "plan")
        seqs = [item.record.seq for item in session.records]
        assert seqs == list(range(seqs[0], seqs[-1] + 1)), "a hole or a double"
        told = [event for event, _ in replay(session)]
        assert not any(isinstance(event, RecordsLost) for event in told)
        assert told[0].name == "session_started"
        assert 13_000 <= told[-1].t_ms <= 13_050, "2 s, 8 s, and 3 s at the end"
        listed = tenuto("history", folder=folder, toml=None)
        assert listed.stdout.count("short") == 1
