# SPDX-License-Identifier: MIT
"""What a player in this process keeps on disk: its plans and its journal, a file for each.

It is the storage of `tenuto_core.band.Band` for a device that can only buzz, so that a session
outlives a daemon that is killed.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from tenuto.files import read, write_private
from tenuto_core.storage import Storage

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

FOLDER = "hosted"
"""In the user's data folder: a folder for each wearable, by its id."""
BYTES_MAX = 1 << 20
"""A larger file is not one of these."""


class PlayerStore(Storage):
    """The files in a folder, which is made when the first one is written.

    A write goes to the disk before it returns.  The journal is written between cues only, and
    waits for no disk: it has to outlive this process, while after a loss of power the session
    is over for a host as it is for a band.
    """

    write_every_ms = 1_000

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """See `Storage`."""
        try:
            return read(self._folder / name, BYTES_MAX)[start:end]
        except FileNotFoundError:
            return b""
        except OSError as error:
            _log.warning("%s cannot be read: %s", self._folder / name, error.strerror)
            return b""

    def save(self, name: str, data: bytes | bytearray, head: bytes = b"") -> bool:
        """See `Storage`."""
        path, content = self._folder / name, bytes(head) + bytes(data)
        try:
            if not content:
                path.unlink(missing_ok=True)
            else:
                write_private(path, content, to_disk=name != "journal")
        except OSError as error:
            _log.warning("%s cannot be written: %s", path, error.strerror)
            return False
        return True

    def age_s(self) -> float | None:
        """Return how long ago the journal was written, None where there is none."""
        try:
            written_s = (self._folder / "journal").stat().st_mtime
        except OSError:
            return None
        return max(0.0, time.time() - written_s)
