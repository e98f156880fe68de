# SPDX-License-Identifier: MIT
"""Puts the firmware on a board: what belongs there, the drive it goes to, what is there already.

`bundle` is pure: it says which files a board needs. `libraries` finds those that are not Tenuto's.
`drive` meets the board.
"""

from __future__ import annotations

from tenuto.flashing.bundle import Bundle, make_bundle
from tenuto.flashing.drive import (
    BoardInfo,
    Comparison,
    InstallError,
    Report,
    board_of_settings,
    compare,
    find_drive,
    install,
    read_board,
)
from tenuto.flashing.libraries import load_libraries

__all__ = [
    "BoardInfo",
    "Bundle",
    "Comparison",
    "InstallError",
    "Report",
    "board_of_settings",
    "compare",
    "find_drive",
    "install",
    "load_libraries",
    "make_bundle",
    "read_board",
]
