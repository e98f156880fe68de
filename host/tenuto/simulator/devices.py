# SPDX-License-Identifier: MIT
"""The kinds of simulated devices that are no boards of ours, and of servers that have such."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import intiface
from .bangle import SimulatedBangle
from .pinetime import SimulatedPineTime
from .tag import SimulatedTag

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .intiface import Closable, SimulatedIntiface
    from .peripheral import SimulatedPeripheral

KINDS: dict[str, type[SimulatedPeripheral]] = {
    "bangle": SimulatedBangle,
    "pinetime": SimulatedPineTime,
    "tag": SimulatedTag,
}
"""By the word for each."""

SERVERS: dict[str, Callable[[str, int], Awaitable[tuple[Closable, str, SimulatedIntiface]]]] = {
    "buttplug": intiface.offer,
}
"""By the word for each, what offers one: it returns what ends it, its address, and itself."""
