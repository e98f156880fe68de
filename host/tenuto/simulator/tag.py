# SPDX-License-Identifier: MIT
"""A simulated tag: Immediate Alert, a battery, and the button of an iTag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bumble import core, gatt

from .peripheral import SimulatedPeripheral, notified, readable, written

if TYPE_CHECKING:
    from collections.abc import Sequence

STRENGTH_PCT = (0, 50, 100)
"""Of its motor, by the levels of the service."""


class SimulatedTag(SimulatedPeripheral):
    """The tag; see `SimulatedPeripheral`.

    Attributes:
        levels: All that was written, oldest first.
    """

    advertised = (0x1802,)

    def services(self) -> Sequence[gatt.Service]:
        """Return what it offers."""
        self.levels: list[int] = []
        self._presses = notified(core.UUID.from_16_bits(0xFFE1))
        alert = written(core.UUID.from_16_bits(0x2A06), self._alert, responds=False)
        return (
            gatt.Service(core.UUID.from_16_bits(0x1802), [alert]),
            gatt.Service(core.UUID.from_16_bits(0x180F), [readable(0x2A19, bytes([78]))]),
            gatt.Service(core.UUID.from_16_bits(0xFFE0), [self._presses]),
        )

    def _alert(self, value: bytes) -> None:
        level = value[0] if value else 0
        self.levels.append(level)
        self.motor.set(STRENGTH_PCT[min(level, 2)])

    def _pressed(self) -> None:
        self.notify(self._presses, b"\x01")

    def _disconnected(self) -> None:
        self.motor.set(0)
