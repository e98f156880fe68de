# SPDX-License-Identifier: MIT
"""The kinds of simulated devices that are no boards of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .bangle import SimulatedBangle
from .pinetime import SimulatedPineTime
from .tag import SimulatedTag

if TYPE_CHECKING:
    from .peripheral import SimulatedPeripheral

KINDS: dict[str, type[SimulatedPeripheral]] = {
    "bangle": SimulatedBangle,
    "pinetime": SimulatedPineTime,
    "tag": SimulatedTag,
}
"""By the word for each."""
