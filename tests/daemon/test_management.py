# SPDX-License-Identifier: MIT
"""What is done of what others ask of the host itself by MQTT."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from tenuto.config import Config, Folders, History, Mqtt
from tenuto.daemon.build import Setting, open_host
from tenuto.daemon.management import RESTART_EVERY_S, Management
from tenuto.errors import RefusedError
from tenuto.mqtt.management import HostRequest
from tenuto.sessions.commands import Command, Verb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tenuto.daemon.build import Host

RESTART = HostRequest(name="restart")


@pytest.fixture
def restarts() -> list[str]:
    return []


@pytest.fixture
async def managed(tmp_path: Path, restarts: list[str]) -> AsyncIterator[tuple[Host, Management]]:
    """A host that a service manager would start again, with its simulated wearable."""
    config = Config(
        mqtt=Mqtt(url="off"),
        history=History(path=tmp_path / "h.db"),
        own=Folders(tmp_path, tmp_path),
    )
    setting = Setting(
        config=config,
        speed=1.0,
        mqtt=False,
        say=lambda _: None,
        seed=1,
        restart=lambda: restarts.append("again"),
    )
    async with open_host(setting, config.wearables, []) as host, host.running():
        yield host, Management(host, lambda: None)


async def reason(management: Management, asked: HostRequest) -> str:
    try:
        await management.carry_out(asked)
    except RefusedError as error:
        return error.reason
    return "ok"


async def test_a_restart_comes_once_a_minute_and_not_in_a_session(
    managed: tuple[Host, Management], restarts: list[str]
) -> None:
    host, management = managed
    assert await reason(management, RESTART) == "too_soon"
    await asyncio.sleep(RESTART_EVERY_S)
    await host.supervisors["simulated"].connected.wait()

    began = await host.commands.submit(Command(wearable="simulated", verb=Verb.START), "test")
    assert began.ok, began
    assert await reason(management, RESTART) == "busy"
    assert restarts == []
    assert (await host.commands.submit(Command(wearable="simulated", verb=Verb.STOP), "test")).ok
    async with asyncio.timeout(10):
        while host.hub.is_playing:  # noqa: ASYNC110 - nothing tells, and the time is virtual
            await asyncio.sleep(0.1)
    assert await reason(management, RESTART) == "ok"
    assert restarts == ["again"]


async def test_without_a_service_manager_there_is_no_restart(
    managed: tuple[Host, Management],
) -> None:
    host, management = managed
    await asyncio.sleep(RESTART_EVERY_S)
    object.__setattr__(host.setting, "restart", None)

    assert await reason(management, RESTART) == "no_service_manager"


async def test_the_log_level_is_set_and_told(managed: tuple[Host, Management]) -> None:
    _, management = managed
    log = logging.getLogger("tenuto")
    before = log.level
    try:
        for level in ("debug", "warning", "info"):
            await management.carry_out(HostRequest(name="log_level", value=level))
            assert management.state["log_level"] == level
            assert log.getEffectiveLevel() == getattr(logging, level.upper())
    finally:
        log.setLevel(before)


async def test_pairing_is_for_wearables_that_wait_for_it(managed: tuple[Host, Management]) -> None:
    _, management = managed

    assert await reason(management, HostRequest(name="pairing", value=True)) == "nothing_to_pair"
    assert await reason(management, HostRequest(name="pairing", value=False)) == "ok"
    assert management.state["pairing"] is False
