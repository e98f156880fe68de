# SPDX-License-Identifier: MIT
"""Checks whether everything that Tenuto needs is there, and says for each thing what to do."""

from __future__ import annotations

from .checks import CHECKS, examine
from .context import Context, Finding, Level

__all__ = ["CHECKS", "Context", "Finding", "Level", "examine"]
