# SPDX-License-Identifier: MIT
"""A wearable held by bleak alone, as the floor of what a daemon at rest takes.

`python -m tests.bench.bare_bleak ADDRESS UUIDS [TRANSPORT BONDS]` connects, bonds, subscribes to
the characteristics (with commas between) that are there, says `connected`, and rests until SIGTERM.
The radio is the system's own, or bumble's by a transport, with a file for the bonds.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from bleak import BleakClient, BleakScanner

from tenuto.links.lazy_imports import load_when_used

TIMEOUT_S = 30.0


async def radio(transport: str, bonds: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give what bleak's scanner and client are to be told of a radio by bumble."""
    load_when_used("bumble.crypto")
    from tenuto.links.radios.bumble import BumbleAdapter

    adapter = await BumbleAdapter.open_transport(transport, bonds)
    return {"backend": adapter.scanner_backend}, {"backend": adapter.client_backend}


async def hold(address: str, uuids: list[str], *bumble: str) -> None:
    """Connect and rest."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    scanning: dict[str, Any] = {}
    connecting: dict[str, Any] = {}
    if bumble:
        transport, bonds = bumble
        scanning, connecting = await radio(transport, Path(bonds))
    device = await BleakScanner.find_device_by_address(address, TIMEOUT_S, **scanning)
    if device is None:
        sys.exit(f"{address} is not heard")
    async with BleakClient(device, **connecting) as client:
        await client.pair()
        for uuid in uuids:
            if client.services.get_characteristic(uuid) is not None:
                await client.start_notify(uuid, lambda _from, _data: None)
        sys.stdout.write("connected\n")
        await over.wait()


if __name__ == "__main__":
    asyncio.run(hold(sys.argv[1], sys.argv[2].split(","), *sys.argv[3:]))
