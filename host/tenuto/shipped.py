# SPDX-License-Identifier: MIT
"""The files that come with Tenuto: configuration, routines, firmware, libraries of the board."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from tenuto.errors import InputError

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """Return the folder `config`, `firmware` or `circuitpython` that came with Tenuto.

    Raises:
        InputError: The installation is not complete.
    """
    # In a wheel they are beside the modules, in a checkout at the root of the repository, or where
    # `make setup` puts what is not written here.
    root = _PACKAGE.parents[1]
    for folder in (_PACKAGE / "_data" / name, root / name, root / ".parts" / name):
        if folder.is_dir():
            return folder
    raise InputError(f"the folder {name!r} of Tenuto itself is missing; install Tenuto again")


@cache
def shipped_firmware() -> str | None:
    """Return the version of the firmware that came with Tenuto, None if it does not say."""
    for path in sorted(shipped("firmware").glob("*.py")):
        found = re.search(r'^FIRMWARE = "([^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE)
        if found is not None:
            return found[1]
    return None
