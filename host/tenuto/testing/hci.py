# SPDX-License-Identifier: MIT
"""A Bluetooth controller behind TCP, for any host stack that speaks HCI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from tenuto.simulator.server import listen

from .worlds import LiveWorld

if TYPE_CHECKING:
    from types import TracebackType

HOST = "127.0.0.1"


class HciEndpoint(LiveWorld):
    """A live world with a TCP port; each program that connects gets a controller of its own.

    What travels is plain HCI: H4 packets as of the Bluetooth Core Specification, Vol 4, Part A.

    Attributes:
        host, port: Where to connect.
    """

    host = HOST
    port: int

    def __enter__(self) -> Self:
        super().__enter__()
        self._server = self.run(listen(self.world.radio, HOST, 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    @property
    def transport(self) -> str:
        """The address as bumble's `open_transport` takes it."""
        return f"tcp-client:{self.host}:{self.port}"

    @property
    def adapter(self) -> str:
        """The address as `[bluetooth] adapter` of Tenuto's configuration takes it."""
        return f"bumble:{self.transport}"

    async def end(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take no more programs, and end what is in it."""
        self._server.close()
        await super().end(kind, error, trace)
