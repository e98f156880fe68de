# SPDX-License-Identifier: MIT
"""Tenuto times stretches and holds by touch: the host side."""

from __future__ import annotations

__version__ = "0.1.0"
