# SPDX-License-Identifier: MIT
"""Writing files that only their owner may read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_private(path: Path, content: str | bytes, *, make_folder: bool = True) -> None:
    """Write a file with mode 0600 anew: in whole or not at all, also at a power cut.

    Text goes out as UTF-8.

    Args:
        make_folder: Make folders that are missing, with mode 0700.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    data = content.encode() if isinstance(content, str) else content
    if make_folder:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp makes it with mode 0600, so that there is no moment in which others could open it.
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
