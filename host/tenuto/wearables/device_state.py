# SPDX-License-Identifier: MIT
"""What is known of a wearable as a thing: its battery, its radio, its firmware.  Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """What a wearable or its driver has told; None is for what nobody told.

    Attributes:
        link: `ble`, `serial` or `simulated`.
        battery_pct: 0 to 100.
        rssi_dbm: How strongly it was heard.
        firmware: Its version.
        latest_firmware: The version that came with this host.
        capabilities: What its model can do, in the words of `Capability`.
        late_p99_ms: How late 99 of 100 cues of the last session were at most, on its own clock.
    """

    link: str
    battery_pct: int | None = None
    rssi_dbm: int | None = None
    firmware: str | None = None
    latest_firmware: str | None = None
    capabilities: tuple[str, ...] = ()
    late_p99_ms: int | None = None
