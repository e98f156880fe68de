# SPDX-License-Identifier: MIT
"""The whole chain in one process: host, bleak, virtual radio, firmware, person."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tenuto.config import Config, History, Mqtt
from tenuto.daemon.build import Host, Setting, open_host
from tests.daemon.rig import Collector
from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tenuto.simulator.world import SimulatedWearable, World

TIMEOUT_S = 60


def environment(folder: Path) -> dict[str, str]:
    """A user of one's own: configuration, data and daemon are in `folder` and nowhere else."""
    return os.environ | {
        "TENUTO_CONFIG": str(folder / "tenuto.toml"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_RUNTIME_DIR": str(folder),
    }


def tenuto(
    *arguments: str, folder: Path, timeout_s: float = TIMEOUT_S, toml: str = 'mqtt.url = "off"'
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, with a history of its own in `folder`."""
    config = folder / "tenuto.toml"
    config.write_text(f'history.path = "history.db"\n{toml}\n')
    return subprocess.run(
        [sys.executable, "-m", "tenuto", *arguments],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=patience_s(timeout_s),
        check=False,
    )


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


class Chain:
    """A host with one simulated wearable."""

    def __init__(self, host: Host, seen: Collector) -> None:
        self.host = host
        self.seen = seen

    @property
    def world(self) -> World:
        assert self.host.drivers.world is not None
        return self.host.drivers.world

    @property
    def wearable(self) -> SimulatedWearable:
        return self.world.wearables["simulated"]


@asynccontextmanager
async def chain(path: Path, seed: int = 0) -> AsyncIterator[Chain]:
    """Everything that `tenuto run` builds, with a collector in place of the screen."""
    seen = Collector()
    setting = Setting(
        config=Config(mqtt=Mqtt(url="off"), history=History(path=path)),
        speed=math.inf,
        mqtt=False,
        say=lambda _text: None,
        seed=seed,
    )
    async with open_host(setting, setting.config.wearables, [seen]) as host, host.running():
        yield Chain(host, seen)
