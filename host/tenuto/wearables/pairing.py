# SPDX-License-Identifier: MIT
"""Pairing: a bond with a wearable, and with a Tenuto band a key of its own besides.

The band takes a key by cable at any time, and over the air in the minute after its wearer's
gesture, in which it bonds as well: see firmware/PROTOCOL.md.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.errors import InputError, LinkError, LinkReason
from tenuto.links.serial import AUTO, SerialLink, bands_on, board_ports
from tenuto_core import wire

from .band import GESTURE, BandDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.config import Wearable
    from tenuto.links.ble import BleAdapter
    from tenuto.state.keys import KeyStore

    from .base import Identity

GESTURE_TIMEOUT_S = 90.0
"""For a person who reads what to do, finds the button and does it, perhaps twice."""
_ADDRESS_CHARACTERS = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """What was paired with.

    address: as the platform writes it, or by cable as the band tells it; None where it does not.
    port: None over the air.  is_tenuto: whether it is a Tenuto band.  is_new: whether that got a
    key just now; over the air it keeps one that is good.  is_only: whether it has forgotten the
    keys of all other computers.
    """

    address: str | None
    name: str | None
    firmware: str | None = None
    port: str | None = None
    is_tenuto: bool = True
    is_new: bool = False
    is_only: bool = False


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What this computer had of a wearable: a bond, a key."""

    bond: bool
    key: bool


@dataclass(frozen=True, slots=True)
class Target:
    """The wearable that a person means.

    address: over the air; port: by cable; each None where it is not known.  names: its ids in the
    configuration.  adapter: the name of the one that it is reached by, None for the usual one.
    """

    address: str | None = None
    port: str | None = None
    names: tuple[str, ...] = ()
    adapter: str | None = None


def over_air(wearables: Sequence[Wearable], text: str) -> Target:
    """Find the wearable that is meant by an id, or by an address that need not be configured.

    Raises:
        InputError: it has no Bluetooth.
    """
    target = any_of(wearables, text)
    if target.address is None:
        how = f"tenuto pair --cable {text}" if target.port else "there is nothing to pair"
        raise InputError(f"{text!r} is not reached by Bluetooth: {how}")
    return target


def by_cable(wearables: Sequence[Wearable], text: str | None) -> Target:
    """Find the wearable that is meant by an id or a port; None for the one that goes by cable.

    Raises:
        InputError: that is none, or several.
    """
    if text is None:
        cabled = [one for one in wearables if one.link == "serial"]
        if len(cabled) > 1:
            listed = ", ".join(f"{one.id} on {one.port}" for one in cabled)
            raise InputError(f"several wearables go by cable: {listed}; name the one that is meant")
        return Target(port=cabled[0].port, names=(cabled[0].id,)) if cabled else Target()
    target = any_of(wearables, text)
    if target.names and target.address is None and target.port is None:
        raise InputError(f"{text!r} is simulated and has no cable")
    if target.names:
        return target
    if "/" not in text and not text.upper().startswith("COM") and text != AUTO:
        known = ", ".join(repr(one.id) for one in wearables) or "none"
        raise InputError(
            f"there is no wearable {text!r}, known: {known}; and a port is written as "
            "/dev/ttyACM1 or COM3"
        )
    return Target(port=text)


def any_of(wearables: Sequence[Wearable], text: str) -> Target:
    """Find the wearable that is meant by an id or an address, whatever it is reached by."""
    named = next((one for one in wearables if one.id == text), None)
    address = text if named is None else named.address
    if named is not None and address is None:
        return Target(port=named.port, names=(named.id,))
    same = [one for one in wearables if (one.address or "").upper() == (address or "").upper()]
    meant = named or next(iter(same), None)
    return Target(
        address,
        names=tuple(one.id for one in same),
        adapter=None if meant is None else meant.adapter,
    )


async def pair_over_air(
    target: Target, adapter: BleAdapter, store: KeyStore, show: Callable[[str], None]
) -> Paired:
    """Bond with the device at an address; a Tenuto band gets a key with the same gesture.

    show: tells the person what to do.

    Raises:
        LinkError: it did not work; NOT_PAIRED if the gesture was not made.
    """
    # Here and not at the top: bleak takes half a second, which a cable has no use for.
    from tenuto.links.ble import SERVICE_UUID, BleLink, at_address, pair  # noqa: PLC0415

    address = target.address
    if address is None:
        raise InputError("it has no address")
    sighting = await adapter.find(at_address(address), address)
    if sighting.advertisement is not None and SERVICE_UUID not in sighting.found.services:
        bond = await pair(adapter, address)
        if not bond.is_tenuto:
            return Paired(
                address=bond.address, name=bond.name, firmware=bond.firmware, is_tenuto=False
            )
    asked = asyncio.Event()

    def ask() -> None:
        if not asked.is_set():
            show(f"{address} waits for its wearer: {GESTURE}")
        asked.set()

    keys = store.of(address, *target.names)
    driver = BandDriver(BleLink(adapter, address, by_hand=True), keys=keys, on_wait=ask)
    try:
        identity = await _reach(driver, asked)
        return Paired(
            address=sighting.device.address,
            name=sighting.found.name or identity.name,
            firmware=identity.firmware,
            is_new=driver.is_new,
        )
    finally:
        await driver.disconnect()


async def _reach(driver: BandDriver, asked: asyncio.Event) -> Identity:
    """Connect again and again, since the band sends away who waits for long."""
    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + GESTURE_TIMEOUT_S
    while True:
        try:
            return await driver.connect(lambda: None)
        except LinkError as error:
            is_waiting = error.reason is LinkReason.NOT_PAIRED and asked.is_set()
            if not is_waiting or loop.time() >= give_up_s:
                raise


async def pair_by_cable(
    target: Target, store: KeyStore, show: Callable[[str], None], *, only: bool = False
) -> Paired:
    """Give the band on a cable a key, and see that it has it.

    target: with a port of None or `AUTO` the only one on which a band answers; with an address the
    band that has it.  only: have it forget the keys of all other computers.

    Raises:
        InputError: there are several bands; or it is another one, and nothing was changed.
        LinkError: it did not work; what key the band has now, this computer has as well.
    """
    port = target.port
    if port is None or port == AUTO:
        show("looking for a band on a cable")
        port = await _only_port()
    driver = BandDriver(
        SerialLink(port), keys=store.of(target.address, *target.names), by_cable=True
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
        address=identity.address, name=identity.name, port=port, is_new=True, is_only=only
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


async def forget(target: Target, adapter: BleAdapter, store: KeyStore) -> Forgotten:
    """Forget the key of a wearable and the bond with it; it still knows this computer.

    Raises:
        LinkError: the radio cannot be used; the key is forgotten all the same.
    """
    address = target.address
    had_key = store.forget(address, *target.names)
    if address is None:
        return Forgotten(bond=False, key=had_key)
    try:
        await adapter.unpair(address)
    except LinkError as error:
        if error.reason is LinkReason.NOT_FOUND:
            return Forgotten(bond=False, key=had_key)
        if not had_key:
            raise
        raise LinkError(
            error.reason, f"the key of {address} is forgotten, its bond is not: {error}"
        ) from error
    return Forgotten(bond=True, key=had_key)
