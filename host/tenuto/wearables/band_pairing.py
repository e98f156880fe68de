# SPDX-License-Identifier: MIT
"""Pairing with a Tenuto band: a bond, and a key of its own besides.

The band takes a key by cable at any time, and over the air in the minute after its wearer's
gesture, in which it bonds as well: see firmware/PROTOCOL.md.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenuto.errors import InputError, LinkError, LinkReason
from tenuto.links.serial import AUTO, SerialLink, bands_on, board_ports
from tenuto_core import wire

from .band import GESTURE, BandDriver
from .pairing import Paired

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.links.base import Link
    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.state.keys import KeyStore

    from .base import Identity
    from .pairing import Target

MODEL_ID = "band"
GESTURE_TIMEOUT_S = 90.0
"""For a person who reads what to do, finds the button and does it, perhaps twice."""
KNOCK_EVERY_S = 2.0
"""Long enough that another host gets its turn."""
LOST_MAX = 3
"""How often a link may break before the band has answered at all."""
_PASSING = frozenset({LinkReason.LOST, LinkReason.TIMEOUT, LinkReason.NOT_FOUND})
_ADDRESS_CHARACTERS = 17


async def pair_over_air(
    target: Target, adapter: BleAdapter, store: KeyStore, show: Callable[[str], None]
) -> Paired:
    """Bond with a band and hand it a key, both with the same gesture of its wearer.

    Args:
        show: Tells the person what to do.

    Raises:
        LinkError: It did not work; NOT_PAIRED if the gesture was not made.
    """
    # Here and not at the top: bleak takes half a second, which a cable has no use for.
    from tenuto.links.ble import BleLink  # noqa: PLC0415

    address = target.known_address()
    link = BleLink(adapter, address, by_hand=True)
    return await pair_by(link, target, adapter, store, show, model=MODEL_ID, gesture=GESTURE)


async def pair_by(
    link: Link,
    target: Target,
    adapter: BleAdapter,
    store: KeyStore,
    show: Callable[[str], None],
    *,
    model: str,
    gesture: str,
) -> Paired:
    """Hand a key over a link by Bluetooth to what speaks the band's protocol.

    Args:
        link: Leads to the address of `target`.
        show: Tells the person what to do.
        model: The id of its model.
        gesture: What its wearer does to let a computer in.

    Raises:
        LinkError: It did not work; NOT_PAIRED if the gesture was not made.
    """
    from tenuto.links.ble_adapter import at_address  # noqa: PLC0415 - see above

    address = target.known_address()
    sighting = await adapter.find(at_address(address), address)
    asked = asyncio.Event()

    def ask() -> None:
        if not asked.is_set():
            show(f"{address} waits for its wearer: {gesture}")
        asked.set()

    keys = store.of(address, *target.names)
    driver = BandDriver(link, keys=keys, by_hand=True, on_wait=ask, gesture=gesture)
    try:
        identity = await _reach(driver, asked)
        return Paired(
            address=sighting.device.address,
            name=sighting.found.name or identity.name,
            firmware=identity.firmware,
            model=model,
            is_new=driver.is_new,
        )
    finally:
        await driver.disconnect()


async def _reach(driver: BandDriver, asked: asyncio.Event) -> Identity:
    """Connect again and again: the gesture ends the link, and lets in the one that comes next."""
    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + GESTURE_TIMEOUT_S
    refusal: LinkError | None = None
    lost = 0
    while True:
        try:
            return await driver.connect(lambda: None)
        except LinkError as error:
            if error.reason is LinkReason.NOT_PAIRED and asked.is_set():
                refusal, lost = error, 0
            elif error.reason not in _PASSING or (refusal is None and lost == LOST_MAX):
                raise
            lost += 1
            if loop.time() >= give_up_s:
                raise refusal or error from None
        await asyncio.sleep(KNOCK_EVERY_S)


async def pair_by_cable(
    target: Target, store: KeyStore, show: Callable[[str], None], *, only: bool = False
) -> Paired:
    """Hand a key to the band on a cable, and see that it has it.

    Args:
        target: With a port of None or `AUTO` the only one on which a band answers; with an address
            the band that has it.
        only: Have it forget the keys of all other computers.

    Raises:
        InputError: There are several bands; or it is another one, and nothing was changed.
        LinkError: It did not work; what key the band has now, this computer has as well.
    """
    port = target.port
    if port is None or port == AUTO:
        show("looking for a band on a cable")
        port = await _only_port()
    driver = BandDriver(
        SerialLink(port),
        keys=store.of(target.address, *target.names),
        by_cable=True,
        by_hand=True,
    )
    identity = await driver.connect(lambda: None)
    try:
        _check(driver, identity, port, target, only=only)
        show(f"giving a key to {identity.name} on {port}")
        await driver.provision()
        if only:
            show("having it forget all other keys")
            await driver.forget_others()
    finally:
        await driver.disconnect()
    return Paired(
        address=identity.address,
        name=identity.name,
        port=port,
        model=MODEL_ID,
        is_new=True,
        is_only=only,
    )


async def _only_port() -> str:
    ports = await asyncio.get_running_loop().run_in_executor(None, board_ports)
    found = await bands_on(ports)
    if len(found) > 1:
        listed = ", ".join(f"{name} on {port}" for port, name in found.items())
        raise InputError(
            f"there are several bands: {listed}; name the port of the one that is meant"
        )
    return next(iter(found))


def _check(
    driver: BandDriver, identity: Identity, port: str, target: Target, *, only: bool
) -> None:
    """See that this is the band that is meant, that it can do it, and is known again over the air.

    Nothing has changed when it is not.
    """
    if not driver.features & wire.FEATURE_KEYS:
        raise LinkError(
            LinkReason.PROTOCOL,
            f"the firmware of {identity.name} knows no keys: `tenuto firmware install` renews it",
        )
    if only and not driver.features & wire.FEATURE_FORGETS:
        raise LinkError(
            LinkReason.PROTOCOL,
            f"the firmware of {identity.name} cannot forget other keys: `tenuto firmware install` "
            "renews it; nothing was changed",
        )
    if identity.serial is None and not target.names:
        raise LinkError(
            LinkReason.PROTOCOL,
            f"the firmware of {identity.name} does not tell which band it is: `tenuto firmware "
            "install` renews it, or name the wearable of your configuration",
        )
    told, wanted = identity.address, target.address
    # Where addresses are hidden from programs, as on macOS, they cannot be compared.
    if told and wanted and len(wanted) == _ADDRESS_CHARACTERS and told != wanted.upper():
        raise InputError(
            f"the band on {port} is {identity.name} with the address {told}, and the one that is "
            f"meant has {wanted}; nothing was changed"
        )
