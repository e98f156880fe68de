# SPDX-License-Identifier: MIT
"""Takes orders to simulated devices, and tells what their motors do, to all who are connected."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import threading
from functools import partial
from typing import TYPE_CHECKING

from .orders import LINE_BYTES_MAX, carry_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .controls import Controls
    from .hardware import Edge

    Message = dict[str, object]
    Tell = Callable[[Message], None]

_log = logging.getLogger(__name__)

CLIENTS_MAX = 16
READ_BYTES = 4096
CHUNKS_MAX = 4
UNREAD_BYTES_MAX = 1_000_000
"""Of a client that does not read; then it is disconnected."""


class Console:
    """The devices of one process, and those who give orders.

    Args:
        devices: By their names.
    """

    def __init__(self, devices: Mapping[str, Controls]) -> None:
        self._devices = devices
        self._listeners: set[Tell] = set()
        self._start_s = asyncio.get_running_loop().time()
        for name, device in devices.items():
            device.motor.on_edge = partial(self._on_edge, name)

    def add_listener(self, tell: Tell) -> None:
        """Tell somebody of every edge."""
        self._listeners.add(tell)

    def remove_listener(self, tell: Tell) -> None:
        """Tell somebody no more."""
        self._listeners.discard(tell)

    async def take(self, line: str, tell: Tell) -> None:
        """Carry out a line, and tell its sender how that went."""
        answer = await carry_out(line, self._devices)
        if answer is not None:
            tell(answer)

    def _on_edge(self, name: str, edge: Edge) -> None:
        message = {
            "wearable": name,
            "event": "motor",
            "t_s": round(edge.loop_s - self._start_s, 4),
            "strength_pct": edge.strength_pct,
        }
        for tell in list(self._listeners):
            tell(message)


class _Lines:
    """Cuts what comes into lines; of one that is too long it keeps as much as shows that."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that are complete now."""
        *whole, begun = (self._begun + data).split(b"\n")
        self._begun = begun[: LINE_BYTES_MAX + 1]
        return [line.decode(errors="replace") for line in whole]

    def end(self) -> list[str]:
        """Return what came after the last line's end."""
        return self.feed(b"\n")


async def listen(console: Console, host: str, port: int) -> asyncio.Server:
    """Take orders by TCP; the server is the caller's to close.

    Raises:
        OSError: It cannot listen there.
    """
    clients: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def tell(message: Message) -> None:
            if writer.transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
                _log.warning("a program that gave orders does not read; it is disconnected")
                writer.transport.abort()
            elif not writer.is_closing():
                writer.write(json.dumps(message).encode() + b"\n")

        if len(clients) >= CLIENTS_MAX:
            tell({"ok": False, "error": f"{CLIENTS_MAX} programs are connected already"})
            writer.close()
            return
        clients.add(writer)
        console.add_listener(tell)
        lines = _Lines()
        try:
            while data := await reader.read(READ_BYTES):
                for line in lines.feed(data):
                    await console.take(line, tell)
            for line in lines.end():
                await console.take(line, tell)
        except OSError as error:
            _log.info("a program that gave orders is gone: %s", error)
        finally:
            clients.discard(writer)
            console.remove_listener(tell)
            writer.close()

    return await asyncio.start_server(serve, host, port)


async def read(file: int, console: Console, tell: Tell) -> None:
    """Carry out the lines of a file, such as standard input, until its end.

    Args:
        file: Its descriptor.
        console: Whose devices are meant.
        tell: Told how each line went.
    """
    # By a thread, since an event loop waits for no ordinary file, and on Windows for no terminal.
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue(CHUNKS_MAX)

    def pump() -> None:
        data = b"begin"
        while data:
            try:
                data = os.read(file, READ_BYTES)
            except OSError:  # such as of a terminal that another program has
                data = b""
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                asyncio.run_coroutine_threadsafe(chunks.put(data), loop).result()

    threading.Thread(target=pump, name="tenuto-orders", daemon=True).start()
    lines = _Lines()
    while data := await chunks.get():
        for line in lines.feed(data):
            await console.take(line, tell)
    for line in lines.end():
        await console.take(line, tell)
