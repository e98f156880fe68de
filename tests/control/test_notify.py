# SPDX-License-Identifier: MIT
"""What systemd is told."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tenuto.daemon.systemd import ServiceManager
from tests.patience import patience_s
from tests.processes import configure, tenuto_process, user

if TYPE_CHECKING:
    from collections.abc import Iterator

if not hasattr(socket, "AF_UNIX"):
    pytest.skip("no such sockets here", allow_module_level=True)


@contextmanager
def systemd(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(address)
        end.settimeout(patience_s(20))
        yield end


def heard(end: socket.socket) -> str:
    return end.recv(4096).decode()


def until(end: socket.socket, word: str) -> list[str]:
    """Listen until something has this in it."""
    said = []
    for _ in range(200):
        said.append(heard(end))
        if word in said[-1]:
            return said
    raise AssertionError(f"{word!r} was not said, but {said}")


async def test_it_is_told_that_we_live_twice_as_often_as_it_wants_to_hear() -> None:
    with user() as folder, systemd(f"{folder}/notify") as end:
        manager = ServiceManager({"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "200000"})
        assert manager.watchdog_s == 0.2
        manager.ready()
        async with manager.watched(lambda: "1 of 1\nwearables"):
            await asyncio.sleep(0.35)
        said = until(end, "WATCHDOG")
        end.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                said.append(heard(end))
    assert said[:2] == ["READY=1", "STATUS=1 of 1 wearables"]
    assert said.count("WATCHDOG=1") == 4, "at 0, 100, 200 and 300 ms"
    assert said.count("STATUS=1 of 1 wearables") == 1, "once, as long as it stays so"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="POSIX")
def test_the_abstract_namespace() -> None:
    name = f"\0tenuto-test-{os.getpid()}"
    with systemd(name) as end:
        ServiceManager({"NOTIFY_SOCKET": "@" + name[1:]}).ready()
        assert heard(end) == "READY=1"


@pytest.mark.parametrize(
    "environ",
    [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"WATCHDOG_USEC": "1000000"}],
)
async def test_away_from_systemd_nothing_happens(environ: dict[str, str]) -> None:
    manager = ServiceManager(environ)
    assert not manager
    assert manager.watchdog_s is None
    manager.ready()
    async with manager.watched(lambda: "no"):
        pass


@pytest.mark.parametrize(
    "usec, pid, watchdog_s",
    [
        ("5000000", str(os.getpid()), 5.0),
        ("5000000", "1", None),
        ("0", None, None),
        ("x", None, None),
    ],
    ids=["mine", "another's", "off", "nonsense"],
)
def test_the_watchdog_is_for_the_process_that_is_meant(
    usec: str, pid: str | None, watchdog_s: float | None
) -> None:
    environ = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": usec}
    if pid is not None:
        environ["WATCHDOG_PID"] = pid
    assert ServiceManager(environ).watchdog_s == watchdog_s


def test_a_manager_that_has_gone_is_no_reason_to_stop() -> None:
    ServiceManager({"NOTIFY_SOCKET": "/nowhere/at/all"}).ready()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="POSIX")
def test_the_life_of_a_daemon_as_systemd_sees_it() -> None:
    with user() as folder, systemd(f"{folder}/notify") as end:
        configure(folder, "")
        environ = {"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "400000"}
        with tenuto_process("daemon", folder=folder, **environ) as daemon:
            said = until(end, "READY=1")
            assert not any("1 of 1" in one for one in said)
            until(end, "STATUS=1 of 1 wearables in reach")
            until(end, "WATCHDOG=1")
            daemon.process.send_signal(signal.SIGHUP)
            (reloading,) = until(end, "RELOADING=1")[-1:]
            assert "MONOTONIC_USEC=" in reloading
            until(end, "READY=1")
            assert daemon.end(signal.SIGTERM) < patience_s(2)
            until(end, "STOPPING=1")
