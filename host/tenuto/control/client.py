# SPDX-License-Identifier: MIT
"""The commands' end of the control socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tenuto.errors import ControlError, one_line

from .protocol import LINE_BYTES_MAX, VERSION, decode, encode, end, socket_paths, to_error
from .server import is_possible

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from .protocol import Message

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 30.0
"""For a request with one short answer; who follows something waits for as long as it takes."""


class Talk:
    """One request and what comes of it: iterate over the items, then read `result`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.result: Message = {}
        self._reader = reader
        self._writer = writer

    def __aiter__(self) -> AsyncIterator[Message]:
        """Return the items."""
        return self._items()

    async def _items(self) -> AsyncIterator[Message]:
        while True:
            message = await self._read()
            if "item" in message and isinstance(message["item"], dict):
                yield message["item"]
            elif "error" in message and isinstance(message["error"], dict):
                raise to_error(message["error"])
            elif "done" in message and isinstance(message["done"], dict):
                self.result = message["done"]
                return

    async def _read(self) -> Message:
        try:
            line = await self._reader.readline()
        except (OSError, ValueError) as error:
            raise ControlError(f"the daemon cannot be understood: {one_line(error)}") from error
        if not line:
            raise ControlError("the daemon has gone")
        return decode(line)

    async def say(self, **said: Any) -> None:  # noqa: ANN401 - whatever JSON can say
        """Tell the daemon something.

        Raises:
            ControlError: It has gone.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                self._writer.write(encode({"say": said}))
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise ControlError("the daemon has gone") from error


class Client:
    """A daemon that can be talked to at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @asynccontextmanager
    async def talk(self, name: str, **arguments: Any) -> AsyncIterator[Talk]:  # noqa: ANN401
        """Ask for something that goes on for a while.

        Raises:
            ControlError: The daemon has gone.
            TenutoError: While iterating, whatever the daemon had to raise.
        """
        reader, writer = await _connect(self.path)
        try:
            writer.write(encode({"tenuto": VERSION, "ask": name, **arguments}))
            yield Talk(reader, writer)
        finally:
            await end(writer)

    async def ask(self, name: str, **arguments: Any) -> Message:  # noqa: ANN401
        """Ask for something with one answer.

        Raises:
            ControlError: The daemon has gone or does not answer.
            TenutoError: Whatever the daemon had to raise.
        """
        try:
            async with (
                asyncio.timeout(ANSWER_TIMEOUT_S),
                self.talk(name, **arguments) as talk,
            ):
                async for _ in talk:
                    pass
        except TimeoutError:
            raise ControlError(f"the daemon does not answer {name!r}") from None
        else:
            return talk.result


async def _connect(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await asyncio.open_unix_connection(str(path), limit=LINE_BYTES_MAX)
    except (OSError, TimeoutError) as error:
        raise ControlError(f"no daemon answers at {path}: {one_line(error)}") from error


async def find_daemon(environ: Mapping[str, str], data: Path) -> Client | None:
    """Find this user's daemon; None if there is none.

    A socket that nobody serves counts as none.

    Args:
        environ, data: See `ControlServer`.
    """
    if not is_possible():
        return None
    for path in socket_paths(environ, data):
        if not path.exists():
            continue
        try:
            _, writer = await _connect(path)
        except ControlError:
            continue
        await end(writer)
        return Client(path)
    return None
