# SPDX-License-Identifier: MIT
"""Any device that a Buttplug server, such as Intiface Central, makes vibrate; the host plays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.routines.feel import Feel
from tenuto.toml.rules import Text, Whole
from tenuto.toml.tables import key
from tenuto.wearables.model import Capability, Model, Reached

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.config import Wearable
    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.links.scan import Found
    from tenuto.wearables.hosted import HostedDriver
    from tenuto.wearables.intiface import IntifaceBuzzer
    from tenuto.wearables.model import BuildContext, Configured

LEAD_MS = 40
"""What it takes to the skin, as long as that was not measured."""
TITLE = "device of Intiface"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntifaceOptions:
    """Where the server is, and which of its devices is meant."""

    url: str = key(
        Text(
            200, pattern="wss?://[^ /]+(/[^ ]*)?", allowed="an address such as ws://127.0.0.1:12345"
        ),
        "The server.",
        default="ws://127.0.0.1:12345",
    )
    device: str | None = key(
        Text(200), "A part of the device's name; the first that vibrates if left out.", default=None
    )
    pulse_ms: int = key(
        Whole(50, 500), "The shortest buzz that is felt, in milliseconds.", default=100
    )
    gap_ms: int = key(
        Whole(80, 1000), "The shortest pause between two buzzes, in milliseconds.", default=150
    )
    lead_ms: int | None = key(
        Whole(0, 255),
        "How long before its time a buzz is sent, in milliseconds; measured if left out.",
        default=None,
    )


def _is_one(_found: Found) -> bool:
    return False  # the server finds them


def _options(configured: Configured) -> IntifaceOptions:
    found = configured.options
    return found if isinstance(found, IntifaceOptions) else IntifaceOptions()


def _feel(configured: Configured) -> Feel:
    options = _options(configured)
    return Feel(
        title=TITLE,
        pulse_ms_min=options.pulse_ms,
        gap_ms=options.gap_ms,
        lead_ms=LEAD_MS if options.lead_ms is None else options.lead_ms,
        is_lead_fixed=options.lead_ms is not None,
    )


def _buzzer(wearable: Wearable) -> IntifaceBuzzer:
    from tenuto.links.websocket import open_socket  # noqa: PLC0415 - rows load little
    from tenuto.wearables.intiface import IntifaceBuzzer  # noqa: PLC0415

    options = _options(wearable)
    return IntifaceBuzzer(
        options.url,
        lambda: open_socket(options.url),
        _feel(wearable),
        device=options.device,
    )


async def _build(wearable: Wearable, context: BuildContext) -> HostedDriver:
    from tenuto.wearables.hosted import hosted  # noqa: PLC0415 - rows load little

    return hosted(_buzzer(wearable), wearable, context)


async def _check(wearable: Wearable, _adapter: Callable[[str | None], BleAdapter]) -> Reached:
    buzzer = _buzzer(wearable)
    try:
        await buzzer.connect(lambda: None, lambda _: None, lambda _: None)
    finally:
        await buzzer.disconnect()
    return Reached(firmware=None)


MODEL = Model(
    id="intiface",
    title=TITLE,
    manufacturer="Buttplug",
    use="buzzes behind Intiface Central while this computer plays the routine",
    capabilities=Capability.STOPS_AT_ONCE | Capability.CONFIRMS | Capability.STRENGTH,
    is_one=_is_one,
    links=("websocket",),
    options=IntifaceOptions,
    build=_build,
    feel=_feel,
    served_as="buttplug",
    check=_check,
    notes=(
        (
            "this computer plays the routine by the server: when the device or the server is gone"
            " the session pauses, and cues that were not taken are told as not felt"
        ),
        "its wearer cannot answer on it: pause and stop from this computer",
    ),
)
