# SPDX-License-Identifier: MIT
"""Telling systemd how the daemon is: ready, what it does, that it is alive; see `sd_notify(3)`.

Away from systemd everything here does nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

_log = logging.getLogger(__name__)

STATUS_EVERY_S = 5.0


class ServiceManager:
    """The service manager that started this process, if one did.

    Args:
        environ: for `$NOTIFY_SOCKET`, `$WATCHDOG_USEC` and `$WATCHDOG_PID`.

    Attributes:
        watchdog_s: how often it wants to hear that we live, None if it does not.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environ) if self._address else None
        self._status = ""

    def __bool__(self) -> bool:
        """Whether there is one."""
        return self._address is not None

    def ready(self) -> None:
        """Say that everything is up."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` ends that."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that this is the end."""
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """Say in a line what is going on; nothing if that is known already."""
        if text != self._status:
            self._status = text
            self._tell("STATUS=" + text.replace("\n", " "))

    def alive(self) -> None:
        """Say that the event loop turns."""
        self._tell("WATCHDOG=1")

    @asynccontextmanager
    async def watched(self, describe: Callable[[], str]) -> AsyncIterator[None]:
        """Say regularly, while inside, that we live, and what is going on."""
        task = None
        if self:
            task = asyncio.create_task(self._keep_telling(describe), name="service manager")
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                await asyncio.wait({task}, timeout=1)

    async def _keep_telling(self, describe: Callable[[], str]) -> None:
        # Half of what is allowed, as sd_watchdog_enabled(3) advises.
        every_s = STATUS_EVERY_S
        if self.watchdog_s is not None:
            every_s = min(every_s, self.watchdog_s / 2)
        while True:
            self.status(describe())
            if self.watchdog_s is not None:
                self.alive()
            await asyncio.sleep(every_s)

    def _tell(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.setblocking(False)  # noqa: FBT003 - the standard library's
                end.connect(self._address)
                end.send(message.encode())
        except OSError as error:
            _log.warning("the service manager does not listen: %s", error)


def _address(text: str) -> str | None:
    if not hasattr(socket, "AF_UNIX"):
        return None
    if text.startswith("@"):
        return "\0" + text[1:]  # the abstract namespace
    return text if text.startswith("/") else None


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    with suppress(ValueError):
        pid = environ.get("WATCHDOG_PID")
        if pid is None or int(pid) == os.getpid():
            usec = int(environ.get("WATCHDOG_USEC", "0"))
            return usec / 1_000_000 if usec > 0 else None
    return None
