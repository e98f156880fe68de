# SPDX-License-Identifier: MIT
"""Pairing with a Bangle.js: a key for Tenuto's app on it, and what it lets others do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenuto.errors import InputError
from tenuto.links.espruino import EspruinoConsole, EspruinoLink

from .band_pairing import pair_by
from .model import Reached

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.config import Wearable
    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.state.keys import KeyStore

    from .pairing import Paired, Target

MODEL_ID = "bangle"
GESTURE = (
    "open Tenuto on the watch, press its button twice and once more for a second, until it buzzes "
    "long, short, long"
)


async def pair_over_air(
    target: Target, adapter: BleAdapter, store: KeyStore, show: Callable[[str], None]
) -> Paired:
    """Hand a key to Tenuto's app on a watch.

    Args:
        show: Tells the person what to do.

    Raises:
        LinkError: It did not work; NOT_PAIRED if the gesture was not made.
    """
    link = EspruinoLink(adapter, target.known_address(), by_hand=True)
    paired = await pair_by(link, target, adapter, store, show, model=MODEL_ID, gesture=GESTURE)
    return replace(paired, is_trusted=link.is_shut)


async def reach(wearable: Wearable, adapter: Callable[[str | None], BleAdapter]) -> Reached:
    """Connect, and ask for the version of Espruino and who else gets in.

    Raises:
        LinkError: It is not in reach, or too old.
    """
    if wearable.address is None:
        raise InputError(f"wearable {wearable.id!r} has no address")
    console = EspruinoConsole(adapter(wearable.adapter), wearable.address)
    await console.open(lambda _line: None, lambda: None)
    await console.close()
    return Reached(console.version, console.is_shut)
