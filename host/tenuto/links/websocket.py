# SPDX-License-Identifier: MIT
"""Texts to a server by WebSocket and back, for models that speak another program's protocol."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from tenuto import extras
from tenuto.errors import LinkError, LinkReason, one_line

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

OPEN_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
MESSAGE_BYTES_MAX = 1 << 20


class TextChannel(Protocol):
    """Texts to one server and back, in order."""

    async def send(self, text: str) -> None:
        """Send a text.

        Raises:
            LinkError: The server is gone.
        """

    async def receive(self) -> str:
        """Return the next text.

        Raises:
            LinkError: The server is gone, or sends something else.
        """
        ...

    async def close(self) -> None:
        """Let go; never raises."""


class _WebSocket:
    """A `TextChannel` on a connection of the library."""

    def __init__(self, connection: ClientConnection, url: str) -> None:
        self._connection = connection
        self._url = url

    async def send(self, text: str) -> None:
        """See `TextChannel`."""
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - an extra

        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise LinkError(LinkReason.LOST, f"{self._url} is gone: {one_line(error)}") from error

    async def receive(self) -> str:
        """See `TextChannel`."""
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - an extra

        try:
            text = await self._connection.recv()
        except ConnectionClosed as error:
            raise LinkError(LinkReason.LOST, f"{self._url} is gone: {one_line(error)}") from error
        if isinstance(text, bytes):
            raise LinkError(LinkReason.PROTOCOL, f"{self._url} sends bytes and no text")
        return text

    async def close(self) -> None:
        """See `TextChannel`."""
        await self._connection.close()


async def open_socket(url: str) -> TextChannel:
    """Connect to a server.

    Args:
        url: Such as `ws://127.0.0.1:12345`.

    Raises:
        LinkError: It is not there, or does not speak WebSocket.
        InputError: The library is not installed.
    """
    with extras.needed("intiface", "a device by WebSocket"):
        # Here and not at the top: few have a use for it.
        from websockets.asyncio.client import connect  # noqa: PLC0415
        from websockets.exceptions import WebSocketException  # noqa: PLC0415
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            connection = await connect(
                url,
                max_size=MESSAGE_BYTES_MAX,
                close_timeout=CLOSE_TIMEOUT_S,
                compression=None,
                proxy=None,
            )
    except (OSError, TimeoutError) as error:
        why = one_line(error) or "no answer"
        raise LinkError(LinkReason.NOT_FOUND, f"no server at {url} ({why}): start it") from error
    except WebSocketException as error:
        text = f"what answers at {url} is no such server: {one_line(error)}"
        raise LinkError(LinkReason.PROTOCOL, text) from error
    return _WebSocket(connection, url)
