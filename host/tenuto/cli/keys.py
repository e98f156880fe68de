# SPDX-License-Identifier: MIT
"""Single keys of the terminal, without Enter and without blocking the event loop."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenuto.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BYTES_MAX = 64


def require_keys() -> None:
    """See that there is a terminal whose keys can be read.

    Raises:
        InputError: There is none.
    """
    if not sys.stdin.isatty() or sys.platform == "win32":
        raise InputError("the answers are keys: run this in a terminal of Linux or macOS")


@contextmanager
def keys(on_key: Callable[[str], None]) -> Iterator[None]:
    """Call back with each key while inside; the terminal is as before afterwards.

    Raises:
        InputError: There is no terminal whose keys can be read.
    """
    require_keys()
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def read() -> None:
        data = os.read(descriptor, _BYTES_MAX)
        if not data:
            loop.remove_reader(descriptor)
        for key in data.decode(errors="ignore"):
            on_key(key)

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
