# SPDX-License-Identifier: MIT
"""Bonds with devices on Bluetooth LE: made, checked, and what a device then tells."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason
from tenuto.links.radios.errors import ADVICE, link_errors

from .ble_adapter import ENDED_EARLY_MAX, at_address
from .gatt import GATT_TIMEOUT_S, characteristic, limited, read
from .uuids import FIRMWARE_UUID, INBOX_UUID, INFO_UUID, OUTBOX_UUID

if TYPE_CHECKING:
    from bleak import BleakClient

    from .ble_adapter import BleAdapter, Radio, Sighting

PAIR_TIMEOUT_S = 30.0
PAIR_BY_HAND_TIMEOUT_S = 90.0
"""With a person who has to read and type a number in between."""


@dataclass(frozen=True, slots=True)
class Bonded:
    """What this computer has a bond with now.

    Attributes:
        services: The 128-bit UUIDs of the services that it offers, in lower case.
    """

    address: str
    name: str | None
    firmware: str | None
    services: frozenset[str]


async def pair(adapter: BleAdapter, address: str) -> Bonded:
    """Bond with the device at an address, with the adapter's agent answering.

    Raises:
        LinkError: It did not work.
    """
    for is_last in (False, True):
        client, sighting = await adapter.connect(
            at_address(address), address, tries=ENDED_EARLY_MAX
        )
        try:
            is_tenuto = has_tenuto(client)
            if is_tenuto:
                await secure(client, sighting, adapter, by_hand=True)
            elif not sighting.is_bonded:
                async with adapter.agent(sighting.device.address):
                    await _pair(client, PAIR_BY_HAND_TIMEOUT_S)
            firmware = await read_firmware(client)
            services = frozenset(service.uuid.lower() for service in client.services)
            return Bonded(client.address, sighting.found.name, firmware, services)
        except LinkError as error:
            if is_last or error.reason is not LinkReason.BOND_LOST:
                raise
        finally:
            await adapter.let_go(client)
        await adapter.unpair(sighting.device)
    raise AssertionError("not reached")


async def secure(
    client: BleakClient, sighting: Sighting, adapter: BleAdapter, *, by_hand: bool = False
) -> None:
    """Make sure of the bond, by reading something of Tenuto's service that needs it.

    Args:
        by_hand: A person takes part in the pairing.

    Raises:
        LinkError: BOND_LOST if there was a bond that is no good any more; or what went wrong else.
    """
    bonded = sighting.is_bonded
    limit_s = PAIR_BY_HAND_TIMEOUT_S if by_hand else PAIR_TIMEOUT_S
    context = nullcontext() if bonded else adapter.agent(sighting.device.address)
    async with context:
        if bonded is False:
            await _pair(client, limit_s)
        try:
            # Where the bond's state is not known, this read makes the platform pair.
            await _read_info(client, GATT_TIMEOUT_S if bonded is not None else limit_s)
        except LinkError as error:
            if error.reason is LinkReason.NOT_PAIRED and bonded is None:
                await _pair(client, limit_s)
                await _read_info(client, GATT_TIMEOUT_S)
                return
            if error.reason is LinkReason.NOT_PAIRED and bonded is False:
                # Seen where the system cannot encrypt: it calls the device paired at once.
                raise LinkError(
                    LinkReason.REFUSED,
                    f"pairing with {client.address} made no bond that it accepts: make it ready "
                    "for pairing and try again; if it stays so, restart Bluetooth on this computer",
                ) from error
            if error.reason is LinkReason.NOT_PAIRED:
                raise LinkError(
                    LinkReason.BOND_LOST,
                    f"reading what {client.address} is: {ADVICE[LinkReason.BOND_LOST]}",
                ) from error
            raise


async def check_bond(client: BleakClient, sighting: Sighting, radio: Radio) -> None:
    """Make sure of the bond, and make none.

    It is not left to the device whether the link must be encrypted.

    Raises:
        LinkError: BOND_LOST if there is none any more; or what went wrong else.
    """
    address = client.address
    try:
        if sighting.is_bonded is False:
            raise LinkError(LinkReason.NOT_PAIRED, f"this computer has no bond with {address}")
        await _read_info(client, GATT_TIMEOUT_S)
        if radio.is_encrypted(address) is False:
            raise LinkError(LinkReason.NOT_PAIRED, f"the link to {address} is not encrypted")
    except LinkError as error:
        if error.reason is not LinkReason.NOT_PAIRED:
            raise
        raise LinkError(
            LinkReason.BOND_LOST,
            f"the bond with {address} is lost, or this is another device at its address; nothing "
            f"was told to it. `tenuto pair {address}` makes a new bond with the one that you have",
        ) from error


async def pair_client(client: BleakClient, adapter: BleAdapter, *, by_hand: bool) -> None:
    """Bond with what is connected, with the adapter's agent answering.

    Args:
        by_hand: A person takes part, and is given the time for that.

    Raises:
        LinkError: It did not work.
    """
    async with adapter.agent(client.address):
        await _pair(client, PAIR_BY_HAND_TIMEOUT_S if by_hand else PAIR_TIMEOUT_S)


async def _pair(client: BleakClient, limit_s: float) -> None:
    with suppress(NotImplementedError):  # macOS pairs by itself, when something needs it
        async with link_errors(f"pairing with {client.address}", is_linked=True):
            await limited(client.pair(), limit_s)


async def _read_info(client: BleakClient, limit_s: float) -> None:
    await read(client, INFO_UUID, f"reading what {client.address} is", limit_s)


async def read_firmware(client: BleakClient) -> str | None:
    """Ask for the firmware's version by the Device Information service; None if it has none."""
    try:
        if characteristic(client, FIRMWARE_UUID) is None:
            return None
        value = await read(client, FIRMWARE_UUID, "reading the firmware's version")
    except LinkError as error:
        if error.reason in (LinkReason.NOT_PAIRED, LinkReason.PROTOCOL):
            return None
        raise
    return value.decode("utf-8", errors="replace").strip("\0 ") or None


def has_tenuto(client: BleakClient) -> bool:
    """Return whether all of Tenuto's service is there; a link that breaks just now counts as no.

    Raises:
        LinkError: The link is gone.
    """
    return all(
        characteristic(client, uuid) is not None for uuid in (INFO_UUID, INBOX_UUID, OUTBOX_UUID)
    )
