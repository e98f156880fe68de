# SPDX-License-Identifier: MIT
"""What the band keeps in `microcontroller.nvm`, through resets and empty batteries: one table.

A slot is a version byte, a length byte, the content and a CRC-32 (little-endian) of all three; a
slot that was never written, was torn by a loss of power or is of another version reads as None.

The nRF52840 keeps these bytes in flash: an assignment erases and rewrites a page of 4 KiB, which
blocks for about 90 ms and which the flash stands 10,000 times (nRF52840 Product Specification,
NVMC).  So a slot is written in one assignment, only when its content changes, and never while a
cue may be due.  A loss of power in the midst of it can take the other slots of the page along,
which their checksums then say.  What must not get lost in that way lies in a second place as well,
in the last page.

The module is not called `nvm` because CircuitPython has a built-in of that name.
"""

from binascii import crc32

# name = (offset, bytes with head and checksum, version of its content)
CALIBRATION = (0, 32, 1)  # drivers/drv2605.py
JOURNAL = (32, 48, 1)  # tenuto_core/journal.py
KEYS = (96, 80, 1)  # tenuto_core/auth.py
BONDS = (176, 16, 1)  # ble.py
SLOTS = (CALIBRATION, JOURNAL, KEYS, BONDS)
# The plans lie from here to the slot that `copy` returns, see nvm_storage.py.
PLANS_AT = 1024

_OVERHEAD = 6


def copy(slot: tuple[int, int, int], nvm_bytes: int) -> tuple[int, int, int]:
    """The second place of a slot, at the end of so many bytes; there is room for one of them."""
    return (nvm_bytes - slot[1], slot[1], slot[2])


def capacity(slot: tuple[int, int, int]) -> int:
    """How many bytes of content a slot holds."""
    return slot[1] - _OVERHEAD


def read(nvm: bytearray, slot: tuple[int, int, int]) -> bytes | None:
    """The content of a slot, or None where there is none that can be trusted."""
    offset, size, version = slot
    data = bytes(nvm[offset : offset + size])
    end = 2 + data[1]
    if data[0] != version or end + 4 > size:
        return None
    checksum = int.from_bytes(data[end : end + 4], "little")
    return data[2:end] if crc32(data[:end]) & 0xFFFFFFFF == checksum else None


def write(nvm: bytearray, slot: tuple[int, int, int], content: bytes) -> bool:
    """Store `content`; does nothing if it is there already.

    Raises ValueError, and changes nothing, if the slot is too small.

    Returns:
        Whether it wrote.
    """
    offset, size, version = slot
    if len(content) > size - _OVERHEAD:
        raise ValueError("a slot of %d bytes cannot hold %d" % (size - _OVERHEAD, len(content)))
    data = bytes((version, len(content))) + bytes(content)
    data += (crc32(data) & 0xFFFFFFFF).to_bytes(4, "little")
    if bytes(nvm[offset : offset + len(data)]) == data:
        return False
    nvm[offset : offset + len(data)] = data
    return True


def clear(nvm: bytearray, slot: tuple[int, int, int]) -> None:
    """Forget the content of a slot; does nothing if it is empty already."""
    if read(nvm, slot) is not None:
        nvm[slot[0] : slot[0] + 1] = b"\xff"
