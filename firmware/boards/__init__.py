# SPDX-License-Identifier: MIT
"""The pins of each board, one file a board, and nothing else.

A new board is a copy of `template.py` and a row here; or no row, and its name in `settings.toml`
as `TENUTO_BOARD`.  `load` finds the file.
"""

import os

# CircuitPython's `board.board_id` = the file here.
FILES = {
    "feather_bluefruit_sense": "feather_nrf52840_sense",
    "Seeed_XIAO_nRF52840_Sense": "xiao_nrf52840_sense",
    "adafruit_qtpy_esp32s3_nopsram": "qtpy_esp32s3",
    "lilygo_twatch_s3": "lilygo_twatch_s3",
}


def load(board_id):
    """The module with the pins of this board.

    Raises:
        ImportError: There is none. The message says what to do.
    """
    name = os.getenv("TENUTO_BOARD") or FILES.get(board_id)
    if not name:
        raise ImportError("no file in boards/ for " + board_id + ": see boards/template.py")
    return __import__("boards." + name, None, None, (name,))
