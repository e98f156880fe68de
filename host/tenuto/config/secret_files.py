# SPDX-License-Identifier: MIT
"""Files with one secret in them: passwords and keys."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tenuto.errors import InputError, Mistake
from tenuto.files import open_regular

if TYPE_CHECKING:
    from pathlib import Path


def read_secret(path: Path, table: str, name: str = "password_file") -> str:
    """Return the first line of a file that no other user may read.

    Raises:
        InputError: If it cannot be read, is empty, or others may read it.
    """
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.readline(1_000).decode("utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        text = f"`{name}` of [{table}] cannot be read: {why}"
        raise InputError([Mistake(str(path), 0, text)]) from None
    if os.name == "posix" and mode & 0o077:
        text = f"`{name}` of [{table}] may be read by others: chmod 600 {path}"
        raise InputError([Mistake(str(path), 0, text)])
    if not text:
        raise InputError([Mistake(str(path), 0, f"`{name}` of [{table}] has no first line")])
    return text
