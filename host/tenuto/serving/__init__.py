# SPDX-License-Identifier: MIT
"""What the daemon does for the commands beside it, and what it makes of a changed configuration."""

from __future__ import annotations

from .beside import play_beside
from .desk import Desk
from .follow import OneSession, begin, reach
from .relay import entry_from_json, entry_to_json
from .reload import Changes, changes

__all__ = [
    "Changes",
    "Desk",
    "OneSession",
    "begin",
    "changes",
    "entry_from_json",
    "entry_to_json",
    "play_beside",
    "reach",
]
