# SPDX-License-Identifier: MIT
"""What tells one device from all others, on every host and under every configured name.  Pure.

A device is known by a text of two parts, `kind:value`:

    serial:E6614C775B3F2A21    the serial number that it tells of itself
    address:C0:12:34:56:78:9A  its Bluetooth address, for one that tells no serial number
    local:5f0c9a7be1d2c344     a random number that this host has given to what the configuration
                               calls by one id, for one that tells neither
    name:wrist                 what a session recorded before version 5 of the history goes by,
                               which kept nothing but the configured id
"""

from __future__ import annotations

from typing import TypeGuard

SERIAL, ADDRESS, LOCAL, NAME = "serial:", "address:", "local:", "name:"
SIMULATED_NAME = "simulated"
"""What the wearable is called that is built in for trying things out, and simulated."""
VALUE_MAX = 64
"""Characters of a serial number or address; what is longer or not printable counts as not told."""


def device_of(serial: str | None, address: str | None, stand_in: str) -> str:
    """Return the text that a device is known by.

    Args:
        serial: As the device tells it; None where it tells none.
        address: Of its radio; None where it is not known.
        stand_in: For a device that has neither; a whole text such as `local:5f0c9a7be1d2c344`.
    """
    if _is_told(serial):
        return f"{SERIAL}{serial}"
    if _is_told(address):
        return f"{ADDRESS}{address.upper()}"
    return stand_in


def named(wearable: str) -> str:
    """Return the device of a session of which nothing but the configured id was kept."""
    return f"{NAME}{wearable}"


def _is_told(value: str | None) -> TypeGuard[str]:
    if value is None or not 0 < len(value) <= VALUE_MAX:
        return False
    return value.isascii() and value.isprintable()
