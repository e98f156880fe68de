# SPDX-License-Identifier: MIT
"""What a Bluetooth advertisement tells of a device, and how Tenuto would use it.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_BASE = "0000{:04x}-0000-1000-8000-00805f9b34fb"
TENUTO = "c6a10000-7f2d-4f0e-9d5b-2a4e7e6b1f10"
HEART_RATE = _BASE.format(0x180D)
IMMEDIATE_ALERT = _BASE.format(0x1802)
NORDIC_UART = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
INFINITIME_DFU = "00001530-1212-efde-1523-785feabcd123"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of device that Tenuto knows.

    id: for programs.  title, use: for people.  needs: services that it offers, all of them.
    name: what its name begins with, where the services alone do not tell.
    """

    id: str
    title: str
    use: str
    needs: frozenset[str]
    name: str = ""


KINDS = (
    Kind(
        "tenuto",
        "Tenuto band",
        'plays whole routines by itself: link = "ble"',
        frozenset({TENUTO}),
    ),
    Kind(
        "bangle",
        "Bangle.js",
        "buzzes, and plays routines with an app of Tenuto's on it",
        frozenset({NORDIC_UART}),
        "Bangle.js",
    ),
    # The service is in the scan response, which does not always arrive; the name does.
    Kind(
        "bangle",
        "Bangle.js",
        "buzzes, and plays routines with an app of Tenuto's on it",
        frozenset(),
        "Bangle.js",
    ),
    Kind(
        "infinitime",
        "PineTime with InfiniTime",
        "counts cues by short buzzes, the host plays the routine; heart rate",
        frozenset({INFINITIME_DFU}),
    ),
    Kind(
        "infinitime",
        "PineTime with InfiniTime",
        "counts cues by short buzzes, the host plays the routine; heart rate",
        frozenset(),
        "InfiniTime",
    ),
    Kind(
        "alert_heart",
        "alert device with heart rate",
        "buzzes while the host plays the routine; heart rate",
        frozenset({IMMEDIATE_ALERT, HEART_RATE}),
    ),
    Kind("heart", "heart-rate sensor", "heart rate only", frozenset({HEART_RATE})),
    Kind(
        "alert",
        "alert device",
        "buzzes while the host plays the routine",
        frozenset({IMMEDIATE_ALERT}),
    ),
)
"""All kinds; the first that fits counts."""

_CAN = (
    ("play", frozenset({TENUTO})),
    ("buzz", frozenset({TENUTO})),
    ("buzz", frozenset({IMMEDIATE_ALERT})),
    ("heart_rate", frozenset({HEART_RATE})),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A device that was heard.

    address: as the platform writes it.  name: None if it did not tell.  rssi_dbm: how loud, None if
    the platform does not say.  services: 128-bit UUIDs in lower case, as far as they were told.
    """

    address: str
    name: str | None = None
    rssi_dbm: int | None = None
    services: frozenset[str] = frozenset()

    @property
    def kind(self) -> Kind | None:
        """What it is, None for what Tenuto has no use for."""
        for kind in KINDS:
            if kind.needs <= self.services and (self.name or "").startswith(kind.name):
                return kind
        return None

    @property
    def can(self) -> tuple[str, ...]:
        """What it can do for Tenuto by what it has told: `play`, `buzz`, `heart_rate`."""
        found = [what for what, needs in _CAN if needs <= self.services]
        if self.kind is not None and self.kind.id in ("bangle", "infinitime"):
            found += ["buzz", "heart_rate"]
        return tuple(dict.fromkeys(found))

    def again(self, newer: Found) -> Found:
        """Put together what was told before and now: one packet does not carry everything."""
        return Found(
            address=newer.address,
            name=newer.name or self.name,
            rssi_dbm=newer.rssi_dbm if newer.rssi_dbm is not None else self.rssi_dbm,
            services=self.services | newer.services,
        )

    def to_json(self) -> dict[str, Any]:
        """Give the JSON object for programs."""
        kind = self.kind
        return {
            "address": self.address,
            "name": self.name,
            "rssi_dbm": self.rssi_dbm,
            "kind": None if kind is None else kind.id,
            "can": list(self.can),
            "use": None if kind is None else kind.use,
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


def ordered(found: Iterable[Found], *, everything: bool) -> list[Found]:
    """Sort for people: what Tenuto can use first, then the loudest.

    everything: also what Tenuto has no use for.
    """
    kinds = [kind.id for kind in KINDS]

    def key(one: Found) -> tuple[int, int, str]:
        rank = len(kinds) if one.kind is None else kinds.index(one.kind.id)
        return rank, -(one.rssi_dbm or -127), one.address

    return sorted((one for one in found if everything or one.kind), key=key)


def usable(found: Collection[Found]) -> int:
    """Count those that Tenuto can use."""
    return sum(one.kind is not None for one in found)
