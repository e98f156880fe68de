# SPDX-License-Identifier: MIT
"""What a host has for a fleet: the task that forwards its history."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING

from tenuto.event_loops import real_s
from tenuto.retry import Backoff, run_for_ever

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from tenuto.config import Config
    from tenuto.fleet.forwarder import Forwarder
    from tenuto.fleet.postgres import CentralHistory

    from .build import Host

STOP_TIMEOUT_S = 2.0
RETRY_FIRST_S = 2.0


def central_to_read(config: Config) -> CentralHistory | None:
    """Return the central history, to be entered, where the configuration shows that one."""
    if not config.fleet.is_read:
        return None
    # Here and not at the top: few need it.
    from tenuto.fleet.postgres import CentralHistory  # noqa: PLC0415

    return CentralHistory(config.fleet.url, config.central_password, read_only=True)


class FleetService:
    """Forwarding of one host; without `[fleet]` it does nothing, and PostgreSQL is not loaded.

    Attributes:
        forwarder: None without `[fleet]`.
    """

    def __init__(self, host: Host) -> None:
        self.forwarder: Forwarder | None = None
        self._host = host

    async def open(self, stack: AsyncExitStack, rng: random.Random) -> None:
        """Begin to forward, until `stack` ends.

        Only the daemon forwards; what other processes write is noted in the history, for it.
        """
        config, store = self._host.config, self._host.store
        if self._host.setting.reread is None:
            return
        await store.forwarding.turn(on=config.fleet.forwards)
        if not config.fleet.forwards:
            return
        # Here and not at the top: few need it.
        from tenuto.fleet.forwarder import Forwarder  # noqa: PLC0415
        from tenuto.fleet.postgres import CentralHistory  # noqa: PLC0415

        central = CentralHistory(config.fleet.url, config.central_password)
        await stack.enter_async_context(central)
        self.forwarder = forwarder = Forwarder(
            store,
            central,
            host=config.fleet.host_name,
            shares_heart=lambda who: (
                self._host.config.fleet.heart_rate or self._host.config.shares_heart_rate(who)
            ),
            people=lambda: (one.id for one in self._host.config.people),
            on_prescribed=self._host.on_prescribed,
        )
        own_rng = random.Random(rng.getrandbits(64))  # noqa: S311 - jitter
        task = asyncio.create_task(
            run_for_ever(
                lambda: forwarder.run(own_rng), "fleet", Backoff(own_rng, first_s=RETRY_FIRST_S)
            ),
            name="fleet",
        )

        async def end() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task}, timeout=real_s(STOP_TIMEOUT_S))

        stack.push_async_callback(end)
