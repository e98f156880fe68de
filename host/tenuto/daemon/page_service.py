# SPDX-License-Identifier: MIT
"""What a host has for the page: where it is asked for, and the server that answers.

The server and the libraries that it stands on are loaded when a browser asks for the first time, so
that a daemon at rest stays small.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import math
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError, StoreError
from tenuto.event_loops import real_s
from tenuto.extras import EXTRAS, how_to_get
from tenuto.history import Store
from tenuto.retry import describe_failure

from .fleet_service import central_to_read
from .play import entries_so_far
from .sinks import queue_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from tenuto.config import Config
    from tenuto.doctor import Context
    from tenuto.history.prescription import Standing
    from tenuto.history.reading import HistoryReader
    from tenuto.routines.library import Library
    from tenuto.state.preferences import Preferences
    from tenuto.wearables.surroundings import LinkState
    from tenuto.web.access import Access
    from tenuto.web.backend import Person
    from tenuto.web.listening import Listening
    from tenuto.web.live import Live

    from .build import Host

_log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 6.0
AGAIN_S = 600.0
"""How often what is due is looked at: days end."""


class PageService:
    """The page of one host; where it is off every method does nothing.

    Attributes:
        address: Where it is, without a way in; empty where it is off, and outside `serving`.
    """

    def __init__(self, host: Host) -> None:
        self.address = ""
        self._host = host
        self._access: Access | None = None
        self._live: Live | None = None
        self._prescribed: Mapping[str, Sequence[Standing]] = {}
        self._changed = asyncio.Event()

    @property
    def is_possible(self) -> bool:
        """Whether it can be served: it is wanted, time passes, and its library is there."""
        setting, web = self._host.setting, self._host.config.web
        if not setting.page or web.is_off or math.isinf(setting.speed):
            return False
        return EXTRAS["web"].is_installed

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve the page while inside; says so where it cannot be served."""
        if not self.is_possible:
            yield
            return
        from tenuto.web.listening import listen, make_access  # noqa: PLC0415 - few need it

        config = self._host.config
        try:
            listening = listen(config.web)
        except InputError as error:
            self._host.setting.say(str(error))
            yield
            return
        self._access = make_access(config.own.data)
        self.address = listening.address
        task = asyncio.create_task(self._serve(listening, self._access), name="page")
        try:
            yield
        finally:
            self.address, self._access = "", None
            task.cancel()
            await asyncio.wait({task}, timeout=real_s(STOP_TIMEOUT_S))
            listening.socket.close()

    async def _serve(self, listening: Listening, access: Access) -> None:
        try:
            await _first_request(listening)
            loop, name = asyncio.get_running_loop(), "tenuto.web.server"
            # In a thread: it takes some hundred ms, and the cues of simulated wearables wait here.
            module = await loop.run_in_executor(None, importlib.import_module, name)
            await self._host.files.look()
            behind, now_s = _Behind(self._host), self._host.setting.wall_s
            async with module.PageServer(behind, listening, access, now_s) as server:
                await self._follow(server.live)
        except Exception as error:  # noqa: BLE001 - the page must not end the daemon
            _log.error("the page is not served any more: %s", describe_failure(error))

    async def _follow(self, live: Live) -> None:
        """Give the page what happens, from the beginning of the sessions that go on."""
        host = self._host
        async with queue_for(live) as queue:
            host.hub.attach(queue)
            self._live = live
            try:
                await host.flush()
                supervisors = list(host.hub.supervisors.values())
                so_far = [await entries_so_far(host.store, one) for one in supervisors]
                live.begin([entry for entries in so_far for entry in entries])
                live.on_end = self.refresh
                while True:
                    await self._show_prescribed(live)
            finally:
                self._live = None
                host.hub.detach(queue)

    async def _show_prescribed(self, live: Live) -> None:
        """Show what is due anew once that may have changed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(real_s(AGAIN_S)):
                await self._changed.wait()
        self._changed.clear()
        await self._host.flush()
        before = self._prescribed
        await self.look()
        if self._prescribed != before:
            for wearable in self._host.config.wearables:
                live.tell(wearable.id)

    async def look(self) -> None:
        """Look what is due; what was known stays where the history cannot be read."""
        from tenuto.history.person_summary import PersonSummaries  # noqa: PLC0415 - few need it

        summaries = PersonSummaries(self._host.store)
        with suppress(StoreError):
            self._prescribed = await summaries.prescribed(round(self._host.time.utc_ms()))

    def refresh(self) -> None:
        """Have what is due looked at soon."""
        self._changed.set()

    def prescribed(self, person: str | None) -> Sequence[Standing]:
        """Return how a person stands with what is prescribed to them, as of the last `look`."""
        return () if person is None else self._prescribed.get(person, ())

    def make_link(self, person: str | None) -> str:
        """Return a link that lets a browser in once; see `Access`.

        Raises:
            InputError: There is no page.
        """
        if self._access is None:
            raise InputError(
                "no page is served: see [web] in the configuration"
                if EXTRAS["web"].is_installed
                else how_to_get("web", "the page")
            )
        code = self._access.make_code(self._host.setting.wall_s(), person)
        return f"{self.address}login?code={code}"

    def on_link(self, wearable: str, _state: LinkState) -> None:
        """Show that the link of a wearable came or went."""
        if self._live is not None:
            self._live.tell(wearable)


async def _first_request(listening: Listening) -> None:
    """Wait until a browser knocks; where the event loop cannot tell, until now."""
    loop = asyncio.get_running_loop()
    knocked = asyncio.Event()
    try:
        loop.add_reader(listening.socket, knocked.set)
    except NotImplementedError:
        return
    try:
        await knocked.wait()
    finally:
        loop.remove_reader(listening.socket)


class _Behind:
    """The host, as the page sees it; see `tenuto.web.backend.Backend`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def config(self) -> Config:
        return self._host.config

    @property
    def store(self) -> Store:
        return self._host.store

    def shown(self, *, aside: bool = False) -> AbstractAsyncContextManager[HistoryReader]:
        central = central_to_read(self._host.config)
        if central is not None:
            return central
        store = self._host.store
        return Store(store.path, read_only=True) if aside else nullcontext(store)

    @property
    def library(self) -> Library:
        return self._host.library

    @property
    def routine_labels(self) -> Mapping[str, str]:
        return self._host.files.labels

    @property
    def class_routine_labels(self) -> Mapping[str, str]:
        return self._host.files.offer.class_labels

    @property
    def class_routine(self) -> str:
        return self._host.class_routine(self._host.config.wearables[0].id)

    def prescribed(self, person: str | None) -> Sequence[Standing]:
        return self._host.page.prescribed(person)

    async def look(self) -> None:
        await self._host.files.look()
        await self._host.page.look()

    @property
    def speed(self) -> float:
        return self._host.setting.speed

    def utc_ms(self) -> float:
        return self._host.time.utc_ms()

    def wearable(self, wearable_id: str) -> Mapping[str, Any]:
        from .operations import facts_of  # noqa: PLC0415 - it needs this module's Host

        supervisor = self._host.supervisors.get(wearable_id)
        return {} if supervisor is None else facts_of(supervisor)

    def preferences(self, wearable_id: str) -> Preferences:
        return self._host.settings.preferences(wearable_id)

    def examined(self) -> Context:
        from tenuto.doctor import Context  # noqa: PLC0415 - few need it

        from .operations import status_of  # noqa: PLC0415 - it needs this module's Host

        host = self._host
        return Context(
            config=host.config,
            mistake=None,
            daemon=asdict(status_of(host)),
            adapter=host.drivers.adapter,
        )

    async def call(self, operation: str, told: Mapping[str, Any], person: Person) -> Any:  # noqa: ANN401
        from .operations import OPERATIONS  # noqa: PLC0415 - likewise

        row = OPERATIONS[operation]
        return await row.carry_out(self._host, row.read(told), person)
