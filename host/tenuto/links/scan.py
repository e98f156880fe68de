# SPDX-License-Identifier: MIT
"""What a Bluetooth advertisement tells of a device.  Pure.

What Tenuto does with it, the registry of models says; see `tenuto.wearables.registry`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

TENUTO = "c6a10000-7f2d-4f0e-9d5b-2a4e7e6b1f10"
DEVICES_MAX = 500
"""A crowded hall has a few hundred; what changes its address all the time must not fill us up."""
HEART_RATE = "0000180d-0000-1000-8000-00805f9b34fb"
IMMEDIATE_ALERT = "00001802-0000-1000-8000-00805f9b34fb"

_ADDRESS = re.compile(
    r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}|[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}", re.IGNORECASE
)


def is_address(text: str) -> bool:
    """Return whether a text is the address of a device: six bytes, or a UUID, as macOS has them."""
    return _ADDRESS.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A device that was heard.

    Attributes:
        address: As the platform writes it.
        name: None if it did not tell.
        rssi_dbm: How loud, None if the platform does not say.
        services: 128-bit UUIDs in lower case, as far as they were told.
    """

    address: str
    name: str | None = None
    rssi_dbm: int | None = None
    services: frozenset[str] = frozenset()

    def again(self, newer: Found) -> Found:
        """Put together what was told before and now: one packet does not carry everything."""
        return Found(
            address=newer.address,
            name=newer.name or self.name,
            rssi_dbm=newer.rssi_dbm if newer.rssi_dbm is not None else self.rssi_dbm,
            services=self.services | newer.services,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object for programs."""
        return {
            "address": self.address,
            "name": self.name,
            "rssi_dbm": self.rssi_dbm,
            "services": sorted(self.services),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Found:
        """Read what `to_json` gave."""
        return cls(
            address=str(data["address"]),
            name=data["name"],
            rssi_dbm=data["rssi_dbm"],
            services=frozenset(data["services"]),
        )
