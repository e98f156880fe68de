# SPDX-License-Identifier: MIT
"""A PineTime with InfiniTime; the host plays for it, and each pulse is a notification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.links.registry import LINKS
from tenuto.routines.feel import Feel
from tenuto.toml.rules import Flag, Whole
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
TITLE = "PineTime"
NAME = "InfiniTime"


@dataclass(frozen=True, slots=True, kw_only=True)
class InfinitimeOptions:
    """What only such a watch has."""

    spacing_ms: int = key(
        Whole(200, 740),
        "From one buzz of a cue to the next one, in milliseconds; closer ones may be felt as one.",
        default=600,
    )
    ring: bool = key(
        Flag(),
        "Whether it rings like a call while the session waits for you; `answer` goes on.",
        default=False,
    )
    lead_ms: int | None = key(
        Whole(0, 255),
        "How long before its time a buzz is sent, in milliseconds; measured if left out.",
        default=None,
    )


def _is_one(found: Found) -> bool:
    return (found.name or "").startswith(NAME)


def _options(configured: Configured) -> InfinitimeOptions:
    found = configured.options
    return found if isinstance(found, InfinitimeOptions) else InfinitimeOptions()


def _feel(configured: Configured) -> Feel:
    from tenuto.wearables.infinitime import KEPT, PULSE_MS  # noqa: PLC0415 - rows load little

    options = _options(configured)
    return Feel(
        title=TITLE,
        strengths=1,
        pulse_ms_min=PULSE_MS,
        pulse_ms_max=PULSE_MS,
        gap_ms=options.spacing_ms - PULSE_MS,
        pulses_max=KEPT,
        ends_by_itself=True,
        lead_ms=LEAD_MS if options.lead_ms is None else options.lead_ms,
        is_lead_fixed=options.lead_ms is not None,
    )


async def _build(wearable: Wearable, context: BuildContext) -> HostedDriver:
    from tenuto.wearables.hosted import hosted  # noqa: PLC0415 - rows load little
    from tenuto.wearables.infinitime import InfinitimeBuzzer  # noqa: PLC0415

    adapter, address = await LINKS[wearable.link].locate(wearable, context)
    rings = _options(wearable).ring
    buzzer = InfinitimeBuzzer(adapter, address, _feel(wearable), rings=rings)
    return hosted(buzzer, wearable, context)


async def _pair(
    target: Target, adapter: BleAdapter, _keys: KeyStore, show: Callable[[str], None]
) -> Paired:
    from tenuto.wearables.device_pairing import try_out  # noqa: PLC0415 - rows load little
    from tenuto.wearables.infinitime import InfinitimeBuzzer  # noqa: PLC0415

    buzzer = InfinitimeBuzzer(adapter, target.known_address(), _feel(target))
    return await try_out(buzzer, MODEL.id, show)


async def _simulate(world: World, name: str, person: VirtualPerson | None) -> SimulatedPeripheral:
    return await world.add_device("pinetime", name, person)


MODEL = Model(
    id="infinitime",
    title=TITLE,
    manufacturer="PINE64",
    use='buzzes and says the cues while this computer plays the routine: link = "ble"',
    capabilities=Capability.STOPS_AT_ONCE
    | Capability.CONFIRMS
    | Capability.BUTTON
    | Capability.HEART,
    is_one=_is_one,
    links=("ble", "simulated"),
    options=InfinitimeOptions,
    build=_build,
    feel=_feel,
    simulate=_simulate,
    pair=_pair,
    notes=(
        (
            "this computer plays the routine, so keep it near: out of reach the session pauses,"
            " and cues that it did not get are told as not felt"
        ),
        (
            "switch its notifications on: with Do Not Disturb or in sleep mode it takes a cue and"
            " does not buzz, and it does not tell; such cues count as felt"
        ),
        (
            "cues are counts of short buzzes: 1 hold, 2 let go, 3 switch sides, 4 finished,"
            " 5 look here; what they mean is on its screen"
        ),
        "open its music app to answer: play, pause, next and previous",
        "for the heart rate, switch on the measurement in the background in its settings",
        "it has one connection: leave no phone connected to it",
    ),
)
