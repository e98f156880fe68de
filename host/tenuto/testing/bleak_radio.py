# SPDX-License-Identifier: MIT
"""Programs that use bleak meet a simulated world instead of the computer's own Bluetooth."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import bleak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .worlds import SimulatedWorld


@contextmanager
def bleak_meets(world: SimulatedWorld) -> Iterator[None]:
    """Let every `BleakScanner` and `BleakClient` of this process meet a world while this lasts.

    The program under test stays as it is. It must run on the world's clock: `world.run(main())`,
    or in an `async def` test that asks for the fixture `tenuto_world`.
    """
    adapter = world.add_adapter("bleak")
    scanner, client = adapter.scanner_backend, adapter.client_backend
    backends = {
        "get_platform_scanner_backend_type": lambda: (scanner, scanner.__name__),
        "get_platform_client_backend_type": lambda: (client, client.__name__),
    }
    before = {name: getattr(bleak, name) for name in backends}
    for name, choose in backends.items():
        setattr(bleak, name, choose)
    try:
        yield
    finally:
        for name, choose in before.items():
            setattr(bleak, name, choose)
