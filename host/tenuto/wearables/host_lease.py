# SPDX-License-Identifier: MIT
"""This host's part in the lease of one wearable, on the event loop's clock.

What is decided is in `tenuto.sessions.lease`; here are its timer and those who wait.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenuto.sessions.lease import Lease, Use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenuto.sessions.lease import Claim


class HostLease:
    """The lease of one wearable; see `Lease`.

    Args:
        host: What people call this host.
        new_id: Returns a random text.
        publish: Publishes a claim, retained; must not wait or raise.

    Attributes:
        on_loss: Called when this host may not stay connected any more; must not wait or raise.
        read_use: Returns what this host does with the wearable, when a claim is renewed.
    """

    def __init__(
        self, host: str, new_id: Callable[[], str], publish: Callable[[Claim], None]
    ) -> None:
        self.on_loss: Callable[[], None] = lambda: None
        self.read_use: Callable[[], Use] = lambda: Use.TRYING
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._lease = Lease(host, new_id, self._loop.time())
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._could_connect = False
        self._keeping = 0
        self._after()

    @property
    def may_connect(self) -> bool:
        """Whether this host may connect to the wearable, or stay connected."""
        return self._lease.may_connect

    @property
    def is_free(self) -> bool:
        """Whether `acquire` has a chance."""
        return self._lease.is_free(self._loop.time())

    @property
    def holder(self) -> Claim | None:
        """The claim of another host that has the lease, None where there is none."""
        return self._lease.holder(self._loop.time())

    @property
    def is_elsewhere(self) -> bool:
        """Whether another host is connected to the wearable."""
        holder = self.holder
        return holder is not None and holder.use is not Use.TRYING

    async def change(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    async def acquire(self) -> bool:
        """Claim the lease, and return whether this host has it; `release` ends that, or the try."""
        self._lease.claim(self._loop.time())
        self._after()
        while not self.may_connect and self._lease.is_claimed:
            await self.change()
        return self.may_connect

    def ask(self) -> None:
        """Claim the lease although another host has it, for a user of this one."""
        self._lease.ask(self._loop.time())
        self._after()

    def release(self) -> None:
        """Give the lease up, unless it is kept."""
        if not self._keeping:
            self._lease.release(self._loop.time())
            self._after()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Take the lease, whoever has it, and keep it while inside: for what uses no supervisor."""
        self._keeping += 1
        self.ask()
        try:
            yield
        finally:
            self._keeping -= 1
            self.release()

    def tell_use(self) -> None:
        """Tell the other hosts what this one does with the wearable, if that has changed."""
        self._lease.set_use(self.read_use(), self._loop.time())
        self._after()

    # --- what comes from the broker

    def connect(self) -> None:
        """The broker is there."""
        self._lease.connect(self._loop.time())
        self._after()

    def disconnect(self) -> None:
        """The broker is away."""
        self._lease.disconnect(self._loop.time())
        self._after()

    def hear(self, claim: Claim, *, retained: bool) -> None:
        """Take a claim; see `Lease.hear`."""
        self._lease.hear(claim, self._loop.time(), retained=retained)
        self._after()

    def close(self) -> None:
        """Do nothing more by itself."""
        if self._timer is not None:
            self._timer.cancel()

    # --- after each of them

    def _after(self) -> None:
        """Publish what there is, arm the timer, and wake those who wait."""
        claims, self._lease.outgoing = self._lease.outgoing, []
        for claim in claims:
            self._publish(claim)
        if self._timer is not None:
            self._timer.cancel()
        now_s = self._loop.time()
        next_s = self._lease.next_s(now_s)
        self._timer = None
        if not math.isinf(next_s):
            self._timer = self._loop.call_at(max(next_s, now_s), self._due)
        self._changed.set()
        self._changed = asyncio.Event()
        is_lost = self._could_connect and not self.may_connect
        self._could_connect = self.may_connect
        if is_lost:
            self.on_loss()

    def _due(self) -> None:
        now_s = self._loop.time()
        self._lease.set_use(self.read_use(), now_s)
        self._lease.tick(now_s)
        self._after()
