# SPDX-License-Identifier: MIT
"""A Bangle.js 2 with Tenuto's app: it plays plans by itself, by the band's protocol in lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.links.registry import LINKS
from tenuto.routines.feel import Feel
from tenuto.wearables.model import Capability, Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.config import Wearable
    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.links.scan import Found
    from tenuto.simulator.peripheral import SimulatedPeripheral
    from tenuto.simulator.person import VirtualPerson
    from tenuto.simulator.world import World
    from tenuto.state.keys import KeyStore
    from tenuto.wearables.band import BandDriver
    from tenuto.wearables.model import BuildContext, Configured, Reached
    from tenuto.wearables.pairing import Paired, Target

TITLE = "Bangle.js 2"
_OPEN = (
    "Tenuto's app on it asks for a key, but a Bangle.js as it is sold runs JavaScript of whoever "
    "connects, and what is said to it can be overheard: on the watch, set Settings, Bluetooth, "
    "Passkey, or at least Programmable to off"
)
_FEELS = "its heart rate is optical, and its cues differ by number and length, not by strength"
_PHONE = "while a phone's Gadgetbridge is connected to it, Tenuto cannot reach it"


def _feel(_: Configured) -> Feel:
    return Feel(title=TITLE, strengths=1)


def _is_one(found: Found) -> bool:
    return (found.name or "").startswith("Bangle.js")


async def _build(wearable: Wearable, context: BuildContext) -> BandDriver:
    from tenuto.links.espruino import EspruinoLink  # noqa: PLC0415 - rows load little
    from tenuto.state.keys import KeyStore  # noqa: PLC0415
    from tenuto.wearables.band import BandDriver  # noqa: PLC0415

    row = LINKS[wearable.link]
    keys = KeyStore(None) if row.is_simulated else context.keys
    return BandDriver(
        EspruinoLink(*await row.locate(wearable, context)),
        keys=keys.of(wearable.id, wearable.address),
        utc_ms=context.utc_ms,
    )


async def _simulate(world: World, name: str, person: VirtualPerson | None) -> SimulatedPeripheral:
    return await world.add_device("bangle", name, person)


async def _pair(
    target: Target, adapter: BleAdapter, keys: KeyStore, show: Callable[[str], None]
) -> Paired:
    from tenuto.wearables.bangle_pairing import pair_over_air  # noqa: PLC0415 - rows load little

    return await pair_over_air(target, adapter, keys, show)


async def _check(wearable: Wearable, adapter: Callable[[str | None], BleAdapter]) -> Reached:
    from tenuto.wearables.bangle_pairing import reach  # noqa: PLC0415 - rows load little

    return await reach(wearable, adapter)


MODEL = Model(
    id="bangle",
    title=TITLE,
    manufacturer="Espruino",
    use="plays whole routines by itself: `tenuto wearable install` puts the app on it",
    capabilities=Capability.PLAYS_ALONE
    | Capability.STOPS_AT_ONCE
    | Capability.CONFIRMS
    | Capability.BUTTON
    | Capability.HEART,
    is_one=_is_one,
    links=("espruino", "simulated"),
    build=_build,
    feel=_feel,
    simulate=_simulate,
    pair=_pair,
    check=_check,
    app="bangle",
    caution=_OPEN,
    notes=(_FEELS, _PHONE),
)
