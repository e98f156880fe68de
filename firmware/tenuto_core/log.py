# SPDX-License-Identifier: MIT
"""The event log: numbered records of 16 bytes in a ring of fixed size.

Record, little-endian: at u32 (ms of the wearable's clock, modulo 2**32), kind u8, step u8,
a u16, b u32, c u32; what a, b and c hold is said in `vocab` for each kind.
The number of a record is its position since boot, from 0; it is not stored but follows from the
place.  A full ring overwrites its oldest record; `first` says what is still there.
"""

import struct

RECORD_BYTES = 16
_RECORD = "<IBBHII"
_RECORD_IN_HALVES = "<HHBBHII"


def unpack_record(data: bytes | bytearray, offset: int = 0) -> tuple[int, int, int, int, int, int]:
    """Return the fields (at_ms, kind, step, a, b, c) of the record at `offset` of `data`."""
    return struct.unpack_from(_RECORD, data, offset)


class Log:
    """A ring of `capacity` records, all memory taken at the start.

    Attributes:
        first: Number of the oldest record still held.
        next: Number that the next record gets.
        acked: All records below this number were acknowledged by some host.
        lost: How many were overwritten before that.
    """

    def __init__(self, capacity: int = 1024) -> None:
        self.capacity = capacity
        self.next = 0
        self.acked = 0
        self.lost = 0
        self._ring = bytearray(capacity * RECORD_BYTES)

    @property
    def first(self) -> int:
        """Number of the oldest record still held."""
        return max(0, self.next - self.capacity)

    def append(self, at_ms: int, kind: int, step: int, a: int = 0, b: int = 0, c: int = 0) -> int:
        """Add a record and return its number; values too large for their field are cut to it."""
        struct.pack_into(
            _RECORD_IN_HALVES,
            self._ring,
            self.next % self.capacity * RECORD_BYTES,
            # A board's small integers have 31 bits: a mask of 32 would be taken from the heap, on
            # the way from a cue's time to the motor.
            at_ms & 0xFFFF,
            at_ms >> 16 & 0xFFFF,
            kind,
            step,
            min(a, 0xFFFF),
            min(b, 0xFFFFFFFF),
            min(c, 0xFFFFFFFF),
        )
        if self.next - self.capacity >= self.acked:
            self.lost += 1
        self.next += 1
        return self.next - 1

    def read(self, number: int, most: int) -> bytes:
        """Return up to `most` records from `number` on, as bytes; empty where there are none.

        A `most` of 0 or less gives none.

        The bytes end at the ring's edge, so a second call may be needed.
        """
        if most < 1 or not self.first <= number < self.next:
            return b""
        start = number % self.capacity
        count = min(most, self.next - number, self.capacity - start)
        return bytes(self._ring[start * RECORD_BYTES : (start + count) * RECORD_BYTES])
