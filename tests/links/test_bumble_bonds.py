# SPDX-License-Identifier: MIT
"""Several adapters by `bumble:` on one host: each is known to its wearables, also after a restart.

Their controllers are behind TCP, as those of `tenuto simulate`.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from bleak import BleakClient

from tenuto.config.reading import parse
from tenuto.links.radios.registry import RadioFiles, open_adapter
from tenuto.simulator import World
from tenuto.simulator.server import listen
from tests.processes import wearable
from tests.simulator.rig import FIRMWARE, SECRET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tenuto.links.ble_adapter import Radio
    from tenuto.simulator import SimulatedWearable

pytestmark = pytest.mark.real_time


class Host:
    """A host whose daemon is started again and again; it has one band by each of its adapters."""

    def __init__(self, folder: Path, bands: list[SimulatedWearable], adapters: list[str]) -> None:
        self.bands = bands
        self.adapters = adapters
        self.bonds = folder / "bonds.json"

    def files(self, configured: Sequence[int]) -> RadioFiles:
        """What a file of configuration leads to that has these adapters, and the system's own."""
        toml = wearable("other", "C0:00:00:00:00:99") + "".join(
            wearable(f"band-{n}", self.bands[n].address, f'adapter = "{self.adapters[n]}"')
            for n in configured
        )
        adapters = parse(toml, "tenuto.toml").radio_files.adapters
        return RadioFiles(bonds=self.bonds, adapters=adapters)

    async def run(
        self, *opened: int, configured: Sequence[int], pairs: bool = False
    ) -> list[bytes]:
        """Start, read what only a bonded host may from the bands of these adapters, and end."""
        async with AsyncExitStack() as stack:

            async def told_by(n: int, radio: Radio) -> bytes:
                client = BleakClient(self.bands[n].address, **radio.kwargs(radio.client))
                await stack.enter_async_context(client)
                if pairs:
                    await client.pair()
                return bytes(await client.read_gatt_char(SECRET))

            radios = {}
            for n in opened:
                adapter = open_adapter(self.adapters[n], self.files(configured))
                stack.push_async_callback(adapter.close)
                radios[n] = await adapter.radio()
            return await asyncio.gather(*(told_by(n, radio) for n, radio in radios.items()))

    def known_as(self, n: int) -> list[str]:
        """The addresses of this host that a band has bonds with."""
        return [str(address) for address in self.bands[n].board.flash.all_keys]


@asynccontextmanager
async def a_host(folder: Path) -> AsyncIterator[Host]:
    async with World() as world:
        bands = [await world.add_wearable(f"band-{n}", firmware_dir=FIRMWARE) for n in range(2)]
        servers = [await listen(world.radio, "127.0.0.1", 0) for _ in bands]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        try:
            yield Host(folder, bands, [f"bumble:tcp-client:127.0.0.1:{port}" for port in ports])
        finally:
            for server in servers:
                server.close()
            await asyncio.gather(*(server.wait_closed() for server in servers))


async def test_each_adapter_keeps_its_address_and_its_bonds_over_restarts(tmp_path: Path) -> None:
    async with a_host(tmp_path) as host:
        assert await host.run(0, 1, configured=(0, 1), pairs=True) == [b"secret"] * 2
        for opened, configured in (((1, 0), (0, 1)), ((0, 1), (1, 0))):
            assert await host.run(*opened, configured=configured) == [b"secret"] * 2
        (first,), (second,) = host.known_as(0), host.known_as(1)
        assert first != second


@pytest.mark.parametrize("is_file_old", [False, True])
async def test_a_second_adapter_leaves_the_first_one_its_address(
    tmp_path: Path, *, is_file_old: bool
) -> None:
    async with a_host(tmp_path) as host:
        await host.run(0, configured=(0,), pairs=True)
        if is_file_old:
            kept = json.loads(host.bonds.read_text())
            del kept["adapters"]
            host.bonds.write_text(json.dumps(kept))

        assert await host.run(1, 0, configured=(0, 1), pairs=True) == [b"secret"] * 2
        (first,), (second,) = host.known_as(0), host.known_as(1)
        assert first != second
        assert await host.run(1, 0, configured=(1, 0)) == [b"secret"] * 2


async def test_a_radio_whose_port_has_another_name_now_takes_its_bonds_along(
    tmp_path: Path,
) -> None:
    async with a_host(tmp_path) as host:
        await host.run(0, configured=(0,), pairs=True)
        host.adapters.reverse()
        assert await host.run(0, configured=(0,)) == [b"secret"]

        await host.run(0, 1, configured=(1, 0), pairs=True)
        (first,), (second,) = host.known_as(0), host.known_as(1)
        assert first != second, "the old name has another radio now"
