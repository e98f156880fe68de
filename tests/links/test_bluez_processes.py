# SPDX-License-Identifier: MIT
"""The commands as processes on BlueZ: real bleak, our agent, a small BlueZ on a private D-Bus."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.links.fake_bluez import ADDRESS, bluez as serve
from tests.patience import patience_s
from tests.processes import configure, environment, tenuto_process, user, wearable

if sys.platform != "linux":
    pytest.skip("BlueZ is Linux's", allow_module_level=True)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.links.fake_bluez import FakeBlueZ
    from tests.processes import Process

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


@pytest.fixture
async def folder() -> AsyncIterator[Path]:
    with user() as made:
        configure(made, "")
        yield made


async def until(process: Process, word: str) -> str:
    """Wait for a word of a process, while BlueZ goes on."""
    return await asyncio.to_thread(process.until, word)


async def pair_in_a_terminal(folder: Path, typed: str) -> tuple[int | None, str]:
    """Run `tenuto pair` at a terminal, and type when a number is asked for."""
    mine, terminal = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tenuto", "pair", ADDRESS),
        env=environment(folder),
        stdin=terminal,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    os.close(terminal)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(patience_s(30)):
            said = await process.stdout.readuntil(b"6 digits")
            os.write(mine, typed.encode() + b"\n")
            said += await process.stdout.read()
            return await process.wait(), said.decode()
    finally:
        os.close(mine)


@pytest.mark.parametrize("beside_a_daemon", [False, True], ids=["alone", "beside a daemon"])
async def test_a_number_is_asked_for_in_the_terminal(
    bluez: FakeBlueZ, folder: Path, beside_a_daemon: bool
) -> None:
    bluez.asks = ("RequestPasskey", "", [])
    if not beside_a_daemon:
        code, said = await pair_in_a_terminal(folder, "123 456")
        assert (code, bluez.paired) == (0, True), said
        assert "Paired with Tenuto" in said
        return
    with tenuto_process("daemon", folder=folder) as daemon:
        await until(daemon, "keeping")
        code, said = await pair_in_a_terminal(folder, "654321")
        assert (code, bluez.paired) == (1, False), said
        assert "refused" in said
        code, said = await pair_in_a_terminal(folder, "123456")
        assert (code, bluez.paired) == (0, True), said
    assert bluez.agents == {}


async def test_a_session_over_bluez(bluez: FakeBlueZ, folder: Path) -> None:
    configure(folder, wearable("anna", ADDRESS))
    with tenuto_process("daemon", folder=folder) as daemon:
        await until(daemon, "connected")
        assert bluez.log == ["registered NoInputNoOutput", "default", "unregistered"]
        with tenuto_process("run", "--json", folder=folder) as run:
            await until(run, "session_started")
            await until(run, '"cue"')
            await bluez.power(on=False)
            await bluez._disconnect()
            await until(daemon, "adapter_off")
            await bluez.power(on=True)
            await until(run, "link_restored")
            await asyncio.to_thread(run.end, signal.SIGINT)
            assert run.process.returncode == 3
        assert await asyncio.to_thread(daemon.end, signal.SIGTERM) < patience_s(2)


async def command(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a command to its end, while BlueZ goes on; gives all that it said."""
    with tenuto_process(*arguments, folder=folder) as process:
        said = await asyncio.to_thread(process.rest)
        return process.process.returncode, said


async def test_a_band_that_has_forgotten_this_computer(bluez: FakeBlueZ, folder: Path) -> None:
    """Everybody who asks is told so, and what is advised mends it."""
    configure(folder, wearable("anna", ADDRESS))
    with tenuto_process("daemon", folder=folder) as daemon:
        await until(daemon, "connected")
        bluez.knows_host = False
        await bluez._disconnect()
        await until(daemon, "reason=bond_lost")
        with tenuto_process("run", folder=folder) as run:
            line = await asyncio.to_thread(run.until, "no longer knows", 5)
            assert f"`tenuto forget {ADDRESS}`" in line
            await asyncio.to_thread(run.end, signal.SIGINT)
            assert run.process.returncode == 3
        code, said = await command(folder, "doctor")
        assert code == 1
        assert "PROBLEM  wearables: anna: not trusted" in said
        assert "no longer knows" in said
        assert bluez.paired
        code, said = await command(folder, "forget", "anna")
        assert code == 0, said
        assert "`tenuto pair anna`" in said
        bluez.knows_host = True
        code, said = await command(folder, "pair", "anna")
        assert code == 0, said
        await until(daemon, "connected")


async def test_a_steady_signal_is_paired_with(bluez: FakeBlueZ, folder: Path) -> None:
    """Beside a daemon whose search for something else keeps the scan running."""
    configure(folder, wearable("bob", "C0:00:00:00:00:02"))
    with tenuto_process("daemon", folder=folder) as daemon:
        await until(daemon, "keeping")
        code, said = await command(folder, "pair")
        assert (code, bluez.paired) == (0, True), said
        assert "Paired with Tenuto" in said


async def test_the_service_dies_in_a_session(
    bluez: FakeBlueZ, bus_address: str, folder: Path
) -> None:
    configure(folder, wearable("anna", ADDRESS))
    with tenuto_process("daemon", folder=folder) as daemon:
        await until(daemon, "connected")
        await bluez.die()
        await until(daemon, "link lost")
        line = await until(daemon, "reason=no_service")
        assert "systemctl" in line
        async with serve(bus_address):
            await until(daemon, "connected")
