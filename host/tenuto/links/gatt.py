# SPDX-License-Identifier: MIT
"""Calls of bleak on one connection: each has a time limit, and what it raises is a LinkError.

What a device offers is taken as it comes: a service or a characteristic may be there twice, and a
link may end in the moment in which it was made.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from bleak.uuids import normalize_uuid_str

from tenuto.errors import LinkError, LinkReason
from tenuto.retry import describe_failure

from .radios.errors import link_error, link_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bleak import BleakClient
    from bleak.backends.characteristic import BleakGATTCharacteristic

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

GATT_TIMEOUT_S = 5.0
"""An encrypted read after a failed pairing was seen to hang for more than a minute on BlueZ."""
BATTERY_UUID = "2a19"
CANCEL_GRACE_S = 1.0


async def limited(work: Coroutine[Any, Any, _T], timeout_s: float) -> _T:
    """Run a call of bleak within a limit; one that ignores its cancellation is left behind.

    Raises:
        TimeoutError: It took too long.
    """
    task = asyncio.create_task(work, name="bleak call")
    try:
        await asyncio.wait({task}, timeout=timeout_s)
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_ignore)
            await asyncio.wait({task}, timeout=CANCEL_GRACE_S)
    if not task.done() or task.cancelled():
        raise TimeoutError
    return task.result()


def _ignore(task: asyncio.Task[Any]) -> None:
    """Take note of how something ended that nobody waits for any more."""
    if not task.cancelled() and task.exception() is not None:
        _log.debug("%s ended late: %r", task.get_name(), task.exception())


def characteristics(client: BleakClient, uuid: str) -> list[BleakGATTCharacteristic]:
    """Return the characteristics with a UUID, in the order of their handles.

    bleak's own `get_characteristic` raises where there are several.

    Raises:
        LinkError: The link is gone.
    """
    wanted = normalize_uuid_str(uuid)
    try:
        found = [c for c in client.services.characteristics.values() if c.uuid == wanted]
    except Exception as error:
        doing = f"looking at the services of {client.address}"
        raise link_error(error, doing, is_linked=True) from error
    return sorted(found, key=lambda characteristic: characteristic.handle)


def characteristic(client: BleakClient, uuid: str) -> BleakGATTCharacteristic | None:
    """Return the first characteristic with a UUID, None if there is none.

    Raises:
        LinkError: The link is gone.
    """
    return next(iter(characteristics(client, uuid)), None)


async def read(
    client: BleakClient, uuid: str, doing: str, timeout_s: float = GATT_TIMEOUT_S
) -> bytes:
    """Read the first characteristic with a UUID.

    Args:
        client: connected.
        uuid: Of the characteristic.
        doing: Begins the message of an error.
        timeout_s: The limit.

    Raises:
        LinkError: It did not work; PROTOCOL if there is no such characteristic.
    """
    found = _need(client, uuid, doing)
    async with link_errors(doing, is_linked=True):
        return bytes(await limited(client.read_gatt_char(found), timeout_s))


async def read_optional(client: BleakClient, uuid: str, doing: str) -> bytes | None:
    """Read what a device may tell; None where it has no such characteristic, or a broken one.

    Raises:
        LinkError: The link is gone.
    """
    if characteristic(client, uuid) is None:
        return None
    try:
        return await read(client, uuid, doing)
    except LinkError as error:
        if error.reason is LinkReason.LOST:
            raise
        _log.debug("link=%s %s", client.address, error)
        return None


async def read_battery_pct(client: BleakClient) -> int | None:
    """Ask for the charge; None where it is not told, or not in percent; see `read_optional`."""
    value = await read_optional(client, BATTERY_UUID, "reading the battery")
    return value[0] if value is not None and len(value) == 1 and value[0] <= 100 else None


async def write(client: BleakClient, uuid: str, value: bytes, doing: str) -> None:
    """Write to the first characteristic with a UUID, without a response; see `read`."""
    found = _need(client, uuid, doing)
    async with link_errors(doing, is_linked=True):
        await limited(client.write_gatt_char(found, value, response=False), GATT_TIMEOUT_S)


async def subscribe(
    client: BleakClient,
    found: BleakGATTCharacteristic,
    on_value: Callable[[bytes], None],
    doing: str,
) -> None:
    """Have each new value of a characteristic handed over.

    Args:
        client: connected.
        found: The characteristic.
        on_value: Called with each; must not wait.
        doing: Begins the message of an error.

    Raises:
        LinkError: It did not work.
    """

    def take(_: object, value: bytearray) -> None:
        try:
            on_value(bytes(value))
        except Exception as error:  # noqa: BLE001 - bleak's task, which others use as well
            _log.error("link=%s a value was lost: %s", client.address, describe_failure(error))

    async with link_errors(doing, is_linked=True):
        await limited(client.start_notify(found, take), GATT_TIMEOUT_S)


def _need(client: BleakClient, uuid: str, doing: str) -> BleakGATTCharacteristic:
    found = characteristic(client, uuid)
    if found is None:
        raise LinkError(
            LinkReason.PROTOCOL, f"{doing}: {client.address} has no characteristic {uuid}"
        )
    return found
