# SPDX-License-Identifier: MIT
"""Keeps a chosen set of routines on a wearable, to be started there without a host."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from tenuto.errors import TenutoError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tenuto.routines.compile import CompiledPlan

_log = logging.getLogger(__name__)

LOOK_S = 30.0
"""How often it looks whether all of them are there; a file may have changed, a hold have grown."""


class RoutineStore(Protocol):
    """A wearable as this needs it; the supervisor is one."""

    @property
    def name(self) -> str:
        """The wearable's."""

    @property
    def is_idle(self) -> bool:
        """Whether it plays nothing."""

    @property
    def connected(self) -> asyncio.Event:
        """Set while it is in reach."""

    async def keep(self, plans: Sequence[CompiledPlan]) -> int:
        """Put those of the plans there that it does not keep; return how many these were."""


class KeptRoutines:
    """Brings the plans of the chosen routines onto a wearable while it plays nothing.

    Args:
        wearable: The wearable.
        names: The routines; the first is what a press starts afterwards.
        plan: Compiles a routine for this wearable.
    """

    def __init__(
        self,
        wearable: RoutineStore,
        names: Sequence[str],
        plan: Callable[[str], Awaitable[CompiledPlan]],
    ) -> None:
        self._wearable = wearable
        self._names = names
        self._plan = plan
        self._said: str | None = None

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self._wearable.connected.wait()
            if self._wearable.is_idle:
                await self._refresh()
            await asyncio.sleep(LOOK_S)

    async def _refresh(self) -> None:
        """Bring over what is missing; what goes wrong is said once until it is something else."""
        try:
            plans = [await self._plan(name) for name in self._names]
            count = await self._wearable.keep(plans)
        except (TenutoError, TimeoutError) as error:
            text = str(error) or "an answer took too long"
            if text != self._said:
                self._said = text
                _log.warning("wearable=%s its routines are not kept: %s", self._wearable.name, text)
            return
        self._said = None
        if count:
            _log.info("wearable=%s routines=%d now kept on it", self._wearable.name, count)
