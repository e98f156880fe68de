# SPDX-License-Identifier: MIT
"""What outlives a reset, in `microcontroller.nvm`: small things in slots, then the plans.

The plans lie one after the other: place u8 + 1, length u16, CRC-32 of the content u32, content; a
byte that is no place ends them.  One more plan means that all of them are written anew, which only
happens while nothing is played.  With the usual 8 KiB there is room for four plans of 1.7 kB; a
larger one takes the place of older ones, and one that does not fit at all is played but not kept.

The keys lie in two places that no loss of power reaches at once, written one after the other: a
band without a battery loses its power with the very cable over which it is given a key.
"""

import struct
from binascii import crc32

import nvm_slots
from tenuto_core.storage import Storage

_SLOTS = {"journal": nvm_slots.JOURNAL, "keys": nvm_slots.KEYS, "bonds": nvm_slots.BONDS}
_HEAD = "<BHI"
_HEAD_BYTES = 7
_PLACES_MAX = 8


class Keep(Storage):
    """nvm: `microcontroller.nvm`, or None where a board has none: then nothing is kept."""

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
        at, size = self._find(int(name[4:]))
        last = size if end is None else min(end, size)
        return bytes(self._nvm[at + start : at + last]) if start < last else b""

    def save(self, name, data, head=b""):
        """See `Storage`."""
        if not self._nvm:
            return False
        if name in _SLOTS:
            nvm_slots.write(self._nvm, _SLOTS[name], head + bytes(data))
            if name == "keys":
                nvm_slots.write(self._nvm, self._copy, head + bytes(data))
            return True
        place = int(name[4:])
        kept = [(other, at, size) for other, at, size in self._all() if other != place]
        total = sum(_HEAD_BYTES + size for _, _, size in kept)
        size = len(head) + len(data)
        if size:
            total += _HEAD_BYTES + size
        room = self._copy[0] - nvm_slots.PLANS_AT
        if total + 1 > room:
            return False
        area = bytearray(total + 1)
        to = 0
        for other, at, old_size in kept:
            content = bytes(self._nvm[at : at + old_size])
            to = self._put(area, to, other, content, b"")
        if size:
            self._put(area, to, place, head, data)
        self._nvm[nvm_slots.PLANS_AT : nvm_slots.PLANS_AT + len(area)] = area
        return True

    @staticmethod
    def _put(area, to, place, head, data):
        checksum = crc32(data, crc32(head)) & 0xFFFFFFFF
        size = len(head) + len(data)
        struct.pack_into(_HEAD, area, to, place + 1, size, checksum)
        to += _HEAD_BYTES
        area[to : to + len(head)] = head
        area[to + len(head) : to + size] = data
        return to + size

    def _all(self):
        """(place, where its content lies, size) of each plan."""
        found = []
        at, end = nvm_slots.PLANS_AT, self._copy[0]
        while at + _HEAD_BYTES <= end:
            place, size, checksum = struct.unpack(_HEAD, bytes(self._nvm[at : at + _HEAD_BYTES]))
            at += _HEAD_BYTES
            if not 1 <= place <= _PLACES_MAX or at + size > end:
                break
            if crc32(bytes(self._nvm[at : at + size])) & 0xFFFFFFFF != checksum:
                break
            found.append((place - 1, at, size))
            at += size
        return found

    def _find(self, place):
        for other, at, size in self._all():
            if other == place:
                return at, size
        return 0, 0
