# SPDX-License-Identifier: MIT
"""A tag, band or key finder that buzzes by the Immediate Alert service; the host plays for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.links.registry import LINKS
from tenuto.links.scan import IMMEDIATE_ALERT, TENUTO
from tenuto.routines.feel import Feel
from tenuto.toml.rules import Choice, Flag, Whole
from tenuto.toml.tables import key
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
    from tenuto.wearables.hosted import HostedDriver
    from tenuto.wearables.model import BuildContext, Configured
    from tenuto.wearables.pairing import Paired, Target

LEAD_MS = 25
"""What it takes to the skin, as long as that was not measured."""
TITLE = "buzzing tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertOptions:
    """What only such a device has."""

    level: str = key(
        Choice(("mild", "high")),
        "How it is told to buzz; what that means is up to the device.",
        default="high",
    )
    bond: bool = key(
        Flag(), "Whether it obeys only a computer that is paired with it.", default=False
    )
    pulse_ms: int = key(
        Whole(50, 500), "The shortest buzz that is felt, in milliseconds.", default=150
    )
    gap_ms: int = key(
        Whole(80, 1000), "The shortest pause between two buzzes, in milliseconds.", default=200
    )
    lead_ms: int | None = key(
        Whole(0, 255),
        "How long before its time a buzz is sent, in milliseconds; measured if left out.",
        default=None,
    )


def _is_one(found: Found) -> bool:
    return IMMEDIATE_ALERT in found.services and TENUTO not in found.services


def _options(configured: Configured) -> AlertOptions:
    found = configured.options
    return found if isinstance(found, AlertOptions) else AlertOptions()


def _feel(configured: Configured) -> Feel:
    options = _options(configured)
    return Feel(
        title=TITLE,
        strengths=1,
        pulse_ms_min=options.pulse_ms,
        gap_ms=options.gap_ms,
        lead_ms=LEAD_MS if options.lead_ms is None else options.lead_ms,
        is_lead_fixed=options.lead_ms is not None,
    )


async def _build(wearable: Wearable, context: BuildContext) -> HostedDriver:
    from tenuto.wearables.alert import LEVELS, AlertBuzzer  # noqa: PLC0415 - rows load little
    from tenuto.wearables.hosted import hosted  # noqa: PLC0415

    adapter, address = await LINKS[wearable.link].locate(wearable, context)
    options = _options(wearable)
    buzzer = AlertBuzzer(
        adapter,
        address,
        _feel(wearable),
        level=LEVELS[options.level],
        is_bonded=options.bond,
    )
    return hosted(buzzer, wearable, context)


async def _pair(
    target: Target, adapter: BleAdapter, _keys: KeyStore, show: Callable[[str], None]
) -> Paired:
    from tenuto.links.bonding import pair  # noqa: PLC0415 - rows load little
    from tenuto.wearables.alert import AlertBuzzer  # noqa: PLC0415
    from tenuto.wearables.device_pairing import try_out  # noqa: PLC0415

    address = target.known_address()
    is_bonded = _options(target).bond
    if is_bonded:
        await pair(adapter, address)
    buzzer = AlertBuzzer(adapter, address, _feel(target), is_bonded=is_bonded)
    return await try_out(buzzer, MODEL.id, show)


async def _simulate(world: World, name: str, person: VirtualPerson | None) -> SimulatedPeripheral:
    return await world.add_device("tag", name, person)


MODEL = Model(
    id="alert",
    title=TITLE,
    manufacturer="Bluetooth",
    use='buzzes while this computer plays the routine: link = "ble"',
    capabilities=Capability.STOPS_AT_ONCE | Capability.CONFIRMS | Capability.BUTTON,
    is_one=_is_one,
    links=("ble", "simulated"),
    options=AlertOptions,
    build=_build,
    feel=_feel,
    simulate=_simulate,
    pair=_pair,
    notes=(
        (
            "this computer plays the routine, so keep it near: out of reach the session pauses,"
            " and cues that it did not get are told as not felt"
        ),
        "its button, where it has one: one press pauses and goes on, two skip, three stop",
        "the halfway cue is silent, because it differs from a tick in strength only",
    ),
)
