# SPDX-License-Identifier: MIT
"""What the page needs of the host behind it, as an interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from tenuto.config import Config
    from tenuto.doctor import Context
    from tenuto.history import Store
    from tenuto.history.prescription import Standing
    from tenuto.history.reading import HistoryReader
    from tenuto.links.scan import Found
    from tenuto.routines.library import Library
    from tenuto.sessions.events import Entry
    from tenuto.state.preferences import Preferences


class Person(Protocol):
    """Whoever asks for an operation; see `tenuto.daemon.operations.Person`."""

    gone: asyncio.Event

    def show(self, text: str) -> None:
        """Show them a line."""

    async def ask(self, text: str) -> str:
        """Ask them something."""
        ...

    async def tell(self, items: Sequence[Entry] | Sequence[Found]) -> None:
        """Tell them what happens on the way."""


class Backend(Protocol):
    """The host, as the page sees it."""

    @property
    def config(self) -> Config:
        """The present configuration; a reload brings another one."""
        ...

    @property
    def store(self) -> Store:
        """The history of this host."""
        ...

    def shown(self, *, aside: bool = False) -> AbstractAsyncContextManager[HistoryReader]:
        """Return the history that the page shows, to be entered.

        Args:
            aside: Whether in another event loop than the host's.
        """
        ...

    @property
    def library(self) -> Library:
        """The routines; a reload brings another one. To be read off the event loop."""
        ...

    @property
    def routine_labels(self) -> Mapping[str, str]:
        """What people are shown for each routine, by its name, as of the last `look`."""
        ...

    @property
    def class_routine_labels(self) -> Mapping[str, str]:
        """Those of `routine_labels` that a class can play."""
        ...

    @property
    def class_routine(self) -> str:
        """What a bare start of a class begins; there is a wearable."""
        ...

    def prescribed(self, person: str | None) -> Sequence[Standing]:
        """Return how a person stands with what is prescribed to them, as of the last `look`."""
        ...

    async def look(self) -> None:
        """Look which routines there are, and what is due."""

    @property
    def speed(self) -> float:
        """How fast the host's clock is; 1 but for simulated wearables."""
        ...

    def utc_ms(self) -> float:
        """Return the present in ms since 1970."""
        ...

    def wearable(self, wearable_id: str) -> Mapping[str, Any]:
        """Return how a wearable is, as the operation `status` tells it; empty if it is not kept."""
        ...

    def preferences(self, wearable_id: str) -> Preferences:
        """Return what is set for a wearable."""
        ...

    def examined(self) -> Context:
        """Return what `tenuto doctor` examines."""
        ...

    async def call(self, operation: str, told: Mapping[str, Any], person: Person) -> Any:  # noqa: ANN401
        """Carry out an operation by its name; see `tenuto.daemon.operations`.

        Args:
            told: The arguments, as they go over the control socket.

        Raises:
            TenutoError: Whatever the operation had to raise.
        """
        ...
