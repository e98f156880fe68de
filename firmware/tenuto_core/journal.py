# SPDX-License-Identifier: MIT
"""Remembers across a reset that a session was going on, and how far it was.

It is written when a session begins, when it ends, and in between at most once a step and as seldom
as the storage asks, always between cues.  Flash on the nRF52840 stands 10,000 writes of a page: a
session of six minutes writes at most 14 times, so the page lasts for 700 of them.
"""

import struct
from binascii import crc32

from .storage import Storage

_FORMAT = "<BBBxII8sII"
_BYTES = 28
_VERSION = 1
NONE, PLAYING = 0, 1


class Entry:
    """One entry; all but the plan's id counts only while a plan is played.

    Args:
        state: `PLAYING` or `NONE`.
        plan_id: The last plan played.
        boot_id: The boot of the session.
        step: The number of its present step.
        session: Log number of its `SESSION_STARTED`, in that boot.
        elapsed_ms: Time since the start of step `step`.
        utc_s: When it began, 0 where that is not known.
    """

    def __init__(
        self,
        state: int,
        plan_id: bytes,
        boot_id: int = 0,
        session: int = 0,
        step: int = 0,
        elapsed_ms: int = 0,
        utc_s: int = 0,
    ) -> None:
        self.state = state
        self.plan_id = plan_id
        self.boot_id = boot_id
        self.session = session
        self.step = step
        self.elapsed_ms = elapsed_ms
        self.utc_s = utc_s


class Journal:
    """The journal in the storage; its owner writes when nothing else is due."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._written_ms: int | None = None
        self.writes = 0

    def read(self) -> Entry | None:
        """Return the last entry; None if there is none that can be trusted."""
        data = self._storage.load("journal")
        if len(data) != _BYTES + 4:
            return None
        (checksum,) = struct.unpack_from("<I", data, _BYTES)
        if crc32(data[:_BYTES]) & 0xFFFFFFFF != checksum or data[0] != _VERSION:
            return None
        _, state, step, boot_id, session, plan_id, elapsed_ms, utc_s = struct.unpack_from(
            _FORMAT, data
        )
        return Entry(state, plan_id, boot_id, session, step, elapsed_ms, utc_s)

    def may_write(self, now_ms: int) -> bool:
        """Return whether the last entry is old enough for one in the midst of a session."""
        written_ms = self._written_ms
        return written_ms is None or now_ms - written_ms >= self._storage.write_every_ms

    def write(self, entry: Entry, now_ms: int) -> None:
        """Store an entry; a failure to store is ignored, because it must not stop a session."""
        data = struct.pack(
            _FORMAT,
            _VERSION,
            entry.state,
            entry.step,
            entry.boot_id,
            entry.session,
            entry.plan_id,
            entry.elapsed_ms,
            entry.utc_s,
        )
        data += struct.pack("<I", crc32(data) & 0xFFFFFFFF)
        self._storage.save("journal", data)
        self._written_ms = now_ms
        self.writes += 1
