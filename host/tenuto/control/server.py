# SPDX-License-Identifier: MIT
"""The daemon's end of the control socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from tenuto.errors import ControlError, InputError, TenutoError
from tenuto.event_loops import real_s
from tenuto.retry import describe_failure

from .protocol import (
    LINE_BYTES_MAX,
    LOCK,
    VERSION,
    decode,
    encode,
    end,
    error_message,
    is_short_enough,
    socket_paths,
)

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from .protocol import Message

_log = logging.getLogger(__name__)

CONNECTIONS_MAX = 32
REQUEST_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 10.0
"""A client that takes nothing for so long is cut off."""
SAID_MAX = 16
CLOSE_TIMEOUT_S = 0.5


def is_possible() -> bool:
    """Whether this platform has such sockets; Windows has none that Python can serve."""
    return sys.platform != "win32" and hasattr(asyncio, "start_unix_server")


Handler: TypeAlias = "Callable[[Conversation], Coroutine[Any, Any, Message]]"
"""Answers a request; returns the last message's content."""


class Conversation:
    """One request of one client.

    Attributes:
        request: What was asked, with its arguments.
    """

    def __init__(
        self, request: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer
        self._said: asyncio.Queue[Message] = asyncio.Queue(SAID_MAX)

    async def send(self, **item: Any) -> None:  # noqa: ANN401 - whatever JSON can say
        """Tell the client something.

        Raises:
            ControlError: It does not take it.
        """
        await self.write({"item": item})

    async def hear(self) -> Message:
        """Wait for what the client says next."""
        return await self._said.get()

    async def write(self, message: Message) -> None:
        """Write a line.

        Raises:
            ControlError: The client does not read, or has gone.
        """
        try:
            async with asyncio.timeout(real_s(SEND_TIMEOUT_S)):
                self._writer.write(encode(message))
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise ControlError("the client of the control socket does not listen") from error

    async def listen(self) -> None:
        """Take in what the client says until it goes away.

        Raises:
            ControlError: It has gone, sends what is no message, or too many at once.
        """
        while True:
            said = decode(await _line(self._reader)).get("say")
            if isinstance(said, dict):
                if self._said.full():
                    raise ControlError("the client of the control socket says too much at once")
                self._said.put_nowait(said)


class DaemonLock:
    """Sees to it that each user has one daemon; a context manager.

    Args:
        data: The user's data folder. The lock ends with the process, however that ends.

    Raises:
        InputError: On entry, if another daemon of this user runs.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._lock: int | None = None

    def __enter__(self) -> Self:
        if sys.platform == "win32":
            return self
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            told = os.read(lock, 4096)
            os.close(lock)
            raise InputError(
                f"a daemon of yours runs already{_who(told)}; `tenuto run` and the others use it "
                "by themselves"
            ) from None
        self._lock = lock
        # For people and for the message above.
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": os.getpid()}).encode() + b"\n", 0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class ControlServer:
    """Answers the commands of this user; an asynchronous context manager, inside a `DaemonLock`.

    Args:
        environ: For `$XDG_RUNTIME_DIR`.
        data: The user's data folder.
        handlers: For each request what answers it; returns the last message's content.

    Attributes:
        path: Of the socket, None where there can be none.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        data: Path,
        handlers: Mapping[str, Handler],
    ) -> None:
        self.path: Path | None = None
        self._environ = environ
        self._data = data
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        if not is_possible():
            return self
        for path in socket_paths(self._environ, self._data):
            if not is_short_enough(path):
                _log.warning("control: %s is too long for a socket's path", path)
                continue
            try:
                listening = bind_private(path)
            except OSError as error:
                _log.warning("control: no socket at %s: %s", path, error)
                continue
            self._server = await asyncio.start_unix_server(
                self._on_client, sock=listening, limit=LINE_BYTES_MAX
            )
            self.path = path
            return self
        _log.warning("control: the commands beside this daemon cannot talk to it")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            tasks = set(self._tasks)
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=real_s(CLOSE_TIMEOUT_S))
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()

    # --- its clients

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= CONNECTIONS_MAX:
            await end(writer)
            return
        task.set_name("control client")
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (TenutoError, OSError, asyncio.IncompleteReadError) as error:
            _log.debug("control: %s", error)
        except Exception as error:  # noqa: BLE001 - one client must not end the others
            _log.error("control: a fault of Tenuto's own: %s", describe_failure(error))
        finally:
            await end(writer)
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = Conversation({}, reader, writer)
        try:
            async with asyncio.timeout(real_s(REQUEST_TIMEOUT_S)):
                talk.request = decode(await _line(reader))
        except (TimeoutError, ControlError):
            await talk.write(error_message(ControlError("that was no request")))
            return
        version, name = talk.request.get("tenuto"), talk.request.get("ask")
        if version != VERSION:
            text = f"this daemon speaks version {VERSION} on its socket, restart it after an update"
            await talk.write({"error": {"kind": "version", "reason": "", "text": text}})
            return
        handler = self._handlers.get(name) if isinstance(name, str) else None
        if handler is None:
            await talk.write(error_message(ControlError(f"this daemon does not know {name!r}")))
            return
        await self._answer(talk, handler)

    async def _answer(self, talk: Conversation, handler: Handler) -> None:
        """Let the handler work for as long as its client is there."""
        working = asyncio.create_task(handler(talk), name="control request")
        listening = asyncio.create_task(talk.listen(), name="control listen")
        try:
            await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return
            try:
                message: Message = {"done": working.result()}
            except TenutoError as error:
                message = error_message(error)
            except Exception as error:  # noqa: BLE001 - the client is not left waiting
                _log.error("control: a fault of Tenuto's own: %s", describe_failure(error))
                text = f"a fault of the daemon's own: {type(error).__name__}"
                message = error_message(ControlError(text))
            await talk.write(message)
        except asyncio.CancelledError:
            with contextlib.suppress(ControlError):
                await talk.write(error_message(ControlError("the daemon is going")))
            raise
        finally:
            for task in (working, listening):
                task.cancel()
            await asyncio.wait({working, listening}, timeout=real_s(CLOSE_TIMEOUT_S))
            if listening.done() and not listening.cancelled():
                listening.exception()  # that the client has gone is no news


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Read a line.

    Raises:
        ControlError: There is none, or it is too long.
    """
    try:
        line = await reader.readline()
    except ValueError:
        raise ControlError("a line on the control socket is too long") from None
    if not line:
        raise ControlError("the other end of the control socket has gone")
    return line


def bind_private(path: Path) -> socket.socket:
    """Make a socket at a path that only this user may use; what was left there goes."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()  # what a daemon that was killed has left
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    listening.setblocking(False)  # noqa: FBT003 - the standard library's
    return listening


def _who(told: bytes) -> str:
    try:
        return f" (process {int(json.loads(told)['pid'])})"
    except (ValueError, KeyError, TypeError):
        return ""
