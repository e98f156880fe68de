# SPDX-License-Identifier: MIT
"""Has the history keep an outline of each session that has ended, while nobody plays.

An outline takes some ms to make, of those that a session of an older Tenuto or of an import lacks
too; what plays on the host's own clock would be late by as much.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tenuto.errors import StoreError
from tenuto.retry import describe_failure

from .idle import until_idle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tenuto.history import Store

_log = logging.getLogger(__name__)

AT_ONCE = 4
"""As many are made in one transaction; the history waits for that long."""
PAUSE_S = 0.1
"""Between two transactions: others want the history and the processor too."""
AT_LATEST_S = 3600.0
"""However much is played."""
END_TIMEOUT_S = 1.0


class OutlineMaker:
    """Makes outlines in a task of its own.

    Args:
        store: The history.
        is_playing: Whether a session goes on anywhere.
    """

    def __init__(self, store: Store, is_playing: Callable[[], bool]) -> None:
        self._store = store
        self._is_playing = is_playing
        self._has_work = asyncio.Event()
        self._has_work.set()  # sessions that have none from before

    def look(self) -> None:
        """Look for sessions that have ended, soon."""
        self._has_work.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make outlines while inside."""
        task = asyncio.create_task(self._run(), name="outlines")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task}, timeout=END_TIMEOUT_S)

    async def _run(self) -> None:
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            try:
                await self._make()
            except StoreError as error:  # they are told from their records until it can be used
                _log.warning("outlines: %s", error)

    async def _make(self) -> None:
        numbers = await self._store.without_outline()
        for at in range(0, len(numbers), AT_ONCE):
            await until_idle(self._is_playing, AT_LATEST_S)
            try:
                await self._store.keep_outlines(*numbers[at : at + AT_ONCE])
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - a damaged session must not end the others
                _log.warning("outlines: a session is passed over: %s", describe_failure(error))
            await asyncio.sleep(PAUSE_S)
