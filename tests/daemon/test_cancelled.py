# SPDX-License-Identifier: MIT
"""A cancellation that comes together with an error.

On Python 3.11 a TaskGroup raises the error then and forgets the cancellation; whoever catches that
and goes on would run for ever.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tenuto.daemon.hub import Hub
from tenuto.daemon.sinks import queue_for
from tenuto.history import HistorySink, Store
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.wearables.band import BandDriver
from tests.daemon.rig import RecordingMotor, utc_ms

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.wearables.supervisor import Supervisor

WITHIN_S = 30


class Fault:
    """A piece of a supervisor's work that fails when it is told to."""

    def __init__(self) -> None:
        self.now = asyncio.Event()

    async def work(self) -> None:
        await self.now.wait()
        raise RuntimeError("a fault of ours")


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.5, 5.0], ids=lambda after_s: f"{after_s} s")
@pytest.mark.parametrize("whole", [False, True], ids=["supervisor", "daemon"])
async def test_supervisor_and_daemon_end_all_the_same(
    tmp_path: Path, whole: bool, after_s: float, turns: int
) -> None:
    """turns: of the event loop, between the error and the cancellation."""

    fault = Fault()
    async with Store(tmp_path / "h.db") as store, queue_for(HistorySink(store)) as history:
        daemon = Hub(
            store=store,
            history=history,
            queues=[],
            utc_ms=utc_ms,
            rng=random.Random(1),
            on_link=lambda _name, _state: None,
        )
        link = InProcessLink(InProcessBand(RecordingMotor()))
        supervisor: Supervisor = daemon.add("band", None, BandDriver(link))
        supervisor.add_part("fault", fault.work)
        task = asyncio.create_task(daemon.run() if whole else supervisor.run())
        await asyncio.sleep(after_s)
        fault.now.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        ended, _ = await asyncio.wait({task}, timeout=WITHIN_S)
        assert ended
        assert not supervisor.connected.is_set()
        assert task.cancelled()
