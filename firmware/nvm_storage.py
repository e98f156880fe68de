# SPDX-License-Identifier: MIT
"""Storage in `microcontroller.nvm`, which survives a reset: small slots first, then the plans.

The plans lie one after the other: place u8 + 1, length u16, CRC-32 of the content u32, content; a
byte that is no place ends them.  A new plan is appended.  Where it replaces an older one, all plans
behind that are rewritten in one assignment, because each assignment wears a whole page of the
flash.  This needs one contiguous buffer, and happens only while nothing is played.  The usual 8 KiB
hold four plans of 1.7 kB; a larger plan replaces older ones, and one for which there is no room in
the flash or in memory is played but not stored.

The keys are stored twice, one copy after the other, so that a loss of power destroys at most one:
a band without a battery loses its power with the very cable over which it receives a key.
"""

import struct
from binascii import crc32

import nvm_slots
from tenuto_core.storage import Storage

_SLOTS = {"journal": nvm_slots.JOURNAL, "keys": nvm_slots.KEYS, "bonds": nvm_slots.BONDS}
_HEAD = "<BHI"
_HEAD_BYTES = 7
_PLACES_MAX = 8
_PIECE_BYTES = 64


class NvmStorage(Storage):
    """The storage on a board.

    Args:
        nvm: `microcontroller.nvm`, or None where a board has none: then nothing is stored.
    """

    def __init__(self, nvm):
        self._nvm = nvm
        if nvm:
            keys = nvm_slots.KEYS
            self._copy = nvm_slots.copy(keys, len(nvm))
            held = nvm_slots.read(nvm, keys) or nvm_slots.read(nvm, self._copy)
            if held:
                self.save("keys", held)

    def load(self, name, start=0, end=None):
        """See `Storage`."""
        if not self._nvm:
            return b""
        if name in _SLOTS:
            return (nvm_slots.read(self._nvm, _SLOTS[name]) or b"")[start:end]
        at, last = self._find(int(name[4:]))
        if end is not None:
            last = min(at + end, last)
        return self._nvm[at + start : last] if at + start < last else b""

    def save(self, name, data, head=b""):
        """See `Storage`."""
        if not self._nvm:
            return False
        if name in _SLOTS:
            nvm_slots.write(self._nvm, _SLOTS[name], head + bytes(data))
            if name == "keys":
                nvm_slots.write(self._nvm, self._copy, head + bytes(data))
            return True
        return self._save_plan(int(name[4:]), data, head)

    def _save_plan(self, place, data, head):
        # start: where to write (-1: not stored yet). behind: where the plans after it begin.
        start = behind = -1
        last = nvm_slots.PLANS_AT
        for other, at, end in self._all():
            if other == place:
                start, behind = at - _HEAD_BYTES, end
            last = end
        if start < 0:
            start = behind = last
        size = len(head) + len(data)
        total = last - behind
        if size:
            total += _HEAD_BYTES + size
        if start + total + 1 > self._copy[0]:
            return False
        try:
            area = bytearray(total + 1)
        except MemoryError:
            return False
        to = 0
        for piece in self._pieces(behind, last):
            area[to : to + len(piece)] = piece
            to += len(piece)
        if size:
            checksum = crc32(data, crc32(head)) & 0xFFFFFFFF
            struct.pack_into(_HEAD, area, to, place + 1, size, checksum)
            to += _HEAD_BYTES
            area[to : to + len(head)] = head
            area[to + len(head) : to + size] = data
        self._nvm[start : start + len(area)] = area
        return True

    def _all(self):
        """Return (place, start of its content, end of it) for each plan."""
        found = []
        at, end = nvm_slots.PLANS_AT, self._copy[0]
        while at + _HEAD_BYTES <= end:
            place, size, checksum = struct.unpack(_HEAD, self._nvm[at : at + _HEAD_BYTES])
            at += _HEAD_BYTES
            if not 1 <= place <= _PLACES_MAX or at + size > end:
                break
            seen = 0
            for piece in self._pieces(at, at + size):
                seen = crc32(piece, seen)
            if seen & 0xFFFFFFFF != checksum:
                break
            found.append((place - 1, at, at + size))
            at += size
        return found

    def _pieces(self, at, end):
        """Yield the bytes between, in pieces so small that memory for one is always found."""
        while at < end:
            yield self._nvm[at : min(at + _PIECE_BYTES, end)]
            at += _PIECE_BYTES

    def _find(self, place):
        for other, at, end in self._all():
            if other == place:
                return at, end
        return 0, 0
