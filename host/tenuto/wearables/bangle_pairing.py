# SPDX-License-Identifier: MIT
"""Pairing with a Bangle.js: a key for Tenuto's app on it, and what it lets others do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.errors import InputError
from tenuto.links.espruino import EspruinoConsole, EspruinoLink

from .band_pairing import pair_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.config import Wearable
    from tenuto.links.ble import BleAdapter
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
        show: Tells the person what to do, and what the watch lets others do.

    Raises:
        LinkError: it did not work; NOT_PAIRED if the gesture was not made.
    """
    if target.address is None:
        raise InputError("it has no address")
    link = EspruinoLink(adapter, target.address, by_hand=True)
    paired = await pair_by(link, target, adapter, store, show, model=MODEL_ID, gesture=GESTURE)
    if link.is_programmable:
        show(
            f"{target.address} runs JavaScript of whoever connects to it, and that can go round "
            "the key: on the watch, set Settings, Bluetooth, Passkey, or at least Programmable to "
            "off"
        )
    return paired


async def ask_version(
    wearable: Wearable, adapter: Callable[[str | None], BleAdapter]
) -> str | None:
    """Connect and ask for the version of Espruino; None where the watch does not tell it.

    Raises:
        LinkError: It is not in reach, or too old.
    """
    if wearable.address is None:
        return None
    console = EspruinoConsole(adapter(wearable.adapter), wearable.address)
    await console.open(lambda _line: None, lambda: None)
    await console.close()
    return console.version
