# SPDX-License-Identifier: MIT
"""The Tenuto band: it plays plans by itself and speaks `tenuto_core.wire` over any link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.links.registry import LINKS
from tenuto.links.scan import TENUTO
from tenuto.shipped import shipped, shipped_firmware
from tenuto.wearables.model import Capability, Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.config import Wearable
    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.links.scan import Found
    from tenuto.simulator.person import VirtualPerson
    from tenuto.simulator.world import SimulatedWearable, World
    from tenuto.state.keys import KeyStore
    from tenuto.wearables.band import BandDriver
    from tenuto.wearables.model import BuildContext
    from tenuto.wearables.pairing import Paired, Target


def _is_one(found: Found) -> bool:
    return TENUTO in found.services


async def _build(wearable: Wearable, context: BuildContext) -> BandDriver:
    from tenuto.state.keys import KeyStore  # noqa: PLC0415 - rows load little
    from tenuto.wearables.band import BandDriver  # noqa: PLC0415

    row = LINKS[wearable.link]
    keys = KeyStore(None) if row.is_simulated else context.keys
    return BandDriver(
        await row.open(wearable, context),
        keys=keys.of(wearable.id, wearable.address),
        by_cable=row.is_cable,
        utc_ms=context.utc_ms,
    )


async def _simulate(world: World, name: str, person: VirtualPerson | None) -> SimulatedWearable:
    return await world.add_wearable(name, firmware_dir=shipped("firmware"), person=person)


async def _pair(
    target: Target, adapter: BleAdapter, keys: KeyStore, show: Callable[[str], None]
) -> Paired:
    from tenuto.wearables.band_pairing import pair_over_air  # noqa: PLC0415 - rows load little

    return await pair_over_air(target, adapter, keys, show)


async def _pair_by_cable(
    target: Target, keys: KeyStore, show: Callable[[str], None], *, only: bool
) -> Paired:
    from tenuto.wearables.band_pairing import pair_by_cable  # noqa: PLC0415 - rows load little

    return await pair_by_cable(target, keys, show, only=only)


MODEL = Model(
    id="band",
    title="Tenuto band",
    manufacturer="Tenuto",
    use='plays whole routines by itself: link = "ble"',
    capabilities=Capability.PLAYS_ALONE
    | Capability.STOPS_AT_ONCE
    | Capability.CONFIRMS
    | Capability.STRENGTH
    | Capability.BUTTON
    | Capability.HEART
    | Capability.TRUSTED,
    is_one=_is_one,
    links=("ble", "serial", "simulated", "in_process"),
    build=_build,
    simulate=_simulate,
    pair=_pair,
    pair_by_cable=_pair_by_cable,
    newest_firmware=shipped_firmware,
)
