# SPDX-License-Identifier: MIT
"""Pairing: a bond with a wearable, and what its model wants besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError, LinkError, LinkReason
from tenuto.links.registry import LINKS
from tenuto.links.scan import Found, is_address
from tenuto.links.serial import AUTO

from . import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.config import Wearable
    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.state.keys import KeyStore

    from .model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """What was paired with.

    Attributes:
        address: As the platform writes it, or by cable as the band tells it; None where it does
            not.
        port: None over the air.
        model: The id of its model, None where Tenuto has no use for it.
        is_tenuto: Whether it speaks Tenuto's protocol.
        is_new: Whether it got a key just now; over the air it keeps one that is good.
        is_only: Whether it has forgotten the keys of all other computers.
        is_trusted: Whether it obeys only computers that have proven a key to it, None where its
            model says so of all.
    """

    address: str | None
    name: str | None
    firmware: str | None = None
    port: str | None = None
    model: str | None = None
    is_tenuto: bool = True
    is_new: bool = False
    is_only: bool = False
    is_trusted: bool | None = None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What this computer had of a wearable: a bond, a key."""

    bond: bool
    key: bool


@dataclass(frozen=True, slots=True)
class Target:
    """The wearable that a person means.

    Attributes:
        address: The Bluetooth address, None where it is not known.
        port: The serial port, None where it is not known.
        names: Its ids in the configuration.
        adapter: The name of the one that it is reached by, None for the usual one.
        model: The id of its model, None where it is not configured.
        options: The part of its configuration that belongs to its model, None where there is none.
    """

    address: str | None = None
    port: str | None = None
    names: tuple[str, ...] = ()
    adapter: str | None = None
    model: str | None = None
    options: Any = None

    def known_address(self) -> str:
        """Return the Bluetooth address.

        Raises:
            InputError: It is not known.
        """
        if self.address is None:
            raise InputError("it has no address")
        return self.address


def over_air(wearables: Sequence[Wearable], text: str) -> Target:
    """Find the wearable that is meant by an id, or by an address that need not be configured.

    Raises:
        InputError: There is none, or it has no Bluetooth.
    """
    target = known(wearables, text)
    if target.address is None:
        how = f"tenuto pair --cable {text}" if target.port else "there is nothing to pair"
        raise InputError(f"{text!r} is not reached by Bluetooth: {how}")
    return target


def known(wearables: Sequence[Wearable], text: str) -> Target:
    """Find the wearable that is meant by an id, or by an address that need not be configured.

    Raises:
        InputError: It is neither.
    """
    target = any_of(wearables, text)
    if not target.names and not is_address(text):
        raise InputError(
            f"there is no wearable {text!r}, known: {_listed(wearables)}; and an address is written"
            " as C0:FF:EE:00:00:01"
        )
    return target


def _listed(wearables: Sequence[Wearable]) -> str:
    return ", ".join(repr(one.id) for one in wearables) or "none"


def by_cable(wearables: Sequence[Wearable], text: str | None) -> Target:
    """Find the wearable that is meant by an id or a port; None for the one that goes by cable.

    Raises:
        InputError: That is none, or several.
    """
    if text is None:
        cabled = [one for one in wearables if LINKS[one.link].is_cable]
        if len(cabled) > 1:
            listed = ", ".join(f"{one.id} on {one.port}" for one in cabled)
            raise InputError(f"several wearables go by cable: {listed}; name the one that is meant")
        if not cabled:
            return Target()
        return Target(port=cabled[0].port, names=(cabled[0].id,), model=cabled[0].model)
    target = any_of(wearables, text)
    if target.names and target.address is None and target.port is None:
        raise InputError(f"{text!r} is simulated and has no cable")
    if target.names:
        return target
    if "/" not in text and not text.upper().startswith("COM") and text != AUTO:
        raise InputError(
            f"there is no wearable {text!r}, known: {_listed(wearables)}; and a port is written as "
            "/dev/ttyACM1 or COM3"
        )
    return Target(port=text)


def any_of(wearables: Sequence[Wearable], text: str) -> Target:
    """Find the wearable that is meant by an id or an address, whatever it is reached by."""
    named = next((one for one in wearables if one.id == text), None)
    address = text if named is None else named.address
    if named is not None and address is None:
        return Target(port=named.port, names=(named.id,), model=named.model)
    same = [one for one in wearables if (one.address or "").upper() == (address or "").upper()]
    meant = named or next(iter(same), None)
    return Target(
        address,
        names=tuple(one.id for one in same),
        adapter=None if meant is None else meant.adapter,
        model=None if meant is None else meant.model,
        options=None if meant is None else meant.options,
    )


async def model_of(target: Target, adapter: BleAdapter) -> Model | None:
    """Return the model of the device at an address, None for what Tenuto has no use for.

    Raises:
        LinkError: It was not heard.
    """
    from tenuto.links.ble_adapter import at_address  # noqa: PLC0415 - see `pair_over_air`

    address = str(target.address)
    sighting = await adapter.find(at_address(address), address)
    if target.model is not None:
        return registry.find(target.model)
    if sighting.advertisement is None:
        # What is connected already was asked for by the service of our own devices.
        return registry.find(registry.DEFAULT)
    return registry.recognize(sighting.found)


async def pair_over_air(
    target: Target, adapter: BleAdapter, store: KeyStore, show: Callable[[str], None]
) -> Paired:
    """Pair with the device at an address as its model wants it; of no model, by a bond.

    Args:
        target: The device.
        adapter: The radio that reaches it.
        store: The keys of this host.
        show: Tells the person what to do.

    Raises:
        LinkError: It did not work; NOT_PAIRED if the gesture was not made.
    """
    # Here and not at the top: bleak takes half a second, which a cable has no use for.
    from tenuto.links.bonding import pair  # noqa: PLC0415

    address = target.known_address()
    model = await model_of(target, adapter)
    if model is None or model.pair is None:
        bond = await pair(adapter, address)
        named = Found(address=bond.address, name=bond.name, services=bond.services)
        model = registry.recognize(named) if model is None else model
        if model is None or model.pair is None:
            return Paired(
                address=bond.address,
                name=bond.name,
                firmware=bond.firmware,
                model=None if model is None else model.id,
                is_tenuto=False,
            )
    return await model.pair(target, adapter, store, show)


async def pair_by_cable(
    target: Target, store: KeyStore, show: Callable[[str], None], *, only: bool = False
) -> Paired:
    """Hand a key to the wearable on a cable, and see that it has it.

    Args:
        target: With a port of None or `AUTO`, the only one on which a wearable answers; with an
            address, the wearable that has it.
        store: The keys of this host.
        show: Tells the person what happens.
        only: Have it forget the keys of all other computers.

    Raises:
        InputError: There are several; or it is another one, and nothing was changed; or its model
            has no cable.
        LinkError: It did not work; what key it has now, this computer has as well.
    """
    model = registry.find(target.model or registry.DEFAULT)
    if model.pair_by_cable is None:
        raise InputError(f"a {model.title} cannot be paired with by cable")
    return await model.pair_by_cable(target, store, show, only=only)


async def forget(target: Target, adapter: BleAdapter, store: KeyStore) -> Forgotten:
    """Forget the key of a wearable and the bond with it; it still knows this computer.

    Raises:
        LinkError: The radio cannot be used; the key is forgotten all the same.
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
