# SPDX-License-Identifier: MIT
"""What a power cut leaves of an SQLite database: what was synced, and anything at all of the rest.

How far its log was synced a database tells in the index that its processes share, the `-shm` file;
the layout is that of https://sqlite.org/walformat.html, section 2.1.
"""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import random

SECTOR_BYTES = 512
_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_INDEX_BYTES = 136
_ALL_FILES = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class WalIndex:
    """How far the write-ahead log is.

    salt: changes when the log begins anew, which it does once all of it is safe in the database.
    frames: that were committed, with a sync after each transaction.  copied: of these, frames that
    are safe in the database too; being_copied: may be on their way there just now.
    """

    salt: int
    frames: int
    copied: int
    being_copied: int
    page_bytes: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read the index of a database that some process has open."""
        with Path(f"{path}-shm").open("rb") as file:
            data = file.read(_INDEX_BYTES)
        (page_bytes, frames) = struct.unpack_from("=HI", data[14:20])
        (salt,) = struct.unpack_from("=Q", data, 32)
        (copied,) = struct.unpack_from("=I", data, 96)
        (being_copied,) = struct.unpack_from("=I", data, 128)
        return cls(salt, frames, copied, being_copied, page_bytes)


def cut(path: Path, copy: Path, synced: tuple[int, int], rng: random.Random) -> None:
    """Copy a database whose process stands still, as a power cut in this moment would leave it.

    synced: salt and frames of the log when it was last said that something is kept.
    """
    index = WalIndex.of(path)
    for end in ("", "-wal"):  # never the shared memory: it does not survive
        shutil.copy(f"{path}{end}", f"{copy}{end}")
    salt, frames = synced
    # What is being copied was synced before that began.
    safe = max(index.being_copied, frames if salt == index.salt else 0)
    frame_bytes = index.page_bytes + _FRAME_HEADER_BYTES
    with Path(f"{copy}-wal").open("r+b") as wal, copy.open("r+b") as db:
        size = wal.seek(0, 2)
        for frame in range(index.copied, index.being_copied):
            wal.seek(_HEADER_BYTES + frame * frame_bytes)
            (page,) = struct.unpack(">I", wal.read(4))
            if rng.random() < 0.5:  # written, but who knows how much of it
                db.seek(
                    (page - 1) * index.page_bytes
                    + SECTOR_BYTES * rng.randrange(index.page_bytes // SECTOR_BYTES)
                )
                db.write(rng.randbytes(SECTOR_BYTES))
        begin = min(size, _HEADER_BYTES + safe * frame_bytes if safe else 0)
        at = rng.randint(begin, size)
        if rng.random() < 0.5:
            wal.truncate(at)
        else:
            wal.seek(at)
            wal.write(rng.randbytes(rng.randint(0, size - at)))


def remove(path: Path) -> None:
    """Remove a database with all its files."""
    for end in _ALL_FILES:
        Path(f"{path}{end}").unlink(missing_ok=True)
