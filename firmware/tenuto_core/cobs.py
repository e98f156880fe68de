# SPDX-License-Identifier: MIT
"""Packets on a stream of bytes, for the link by cable.

On the cable a packet is `COBS(packet + CRC-32 of it, little-endian) + 00`.  Consistent Overhead
Byte Stuffing (Cheshire and Baker, IEEE/ACM Transactions on Networking 7(2), 1999) leaves no zero
inside, so after garbage the next zero is the start of something new; the checksum tells garbage
from a packet.
"""

from binascii import crc32

_CRC_BYTES = 4
_RUN = 254


PACKET_BYTES_MAX = _RUN - 1 - _CRC_BYTES
"""A packet and its checksum are one run at most, so that stuffing moves nothing but a byte."""


def pack_into(packet: bytes, out: bytearray) -> int:
    """Write the bytes on the cable for one packet into `out`, and return their number.

    They are 6 more than the packet's own, of which there may be `PACKET_BYTES_MAX`.
    """
    size = len(packet)
    if size > PACKET_BYTES_MAX:
        raise ValueError("a packet of {} bytes, at most {}".format(size, PACKET_BYTES_MAX))
    checksum = crc32(packet) & 0xFFFFFFFF
    out[1 : size + 1] = packet
    # Each zero becomes the distance to the next one.
    code, zero = 0, packet.find(b"\x00")
    while zero >= 0:
        out[code] = zero + 1 - code
        code = zero + 1
        zero = packet.find(b"\x00", code)
    size += 1
    for _ in range(_CRC_BYTES):
        if checksum & 0xFF:
            out[size] = checksum & 0xFF
        else:
            out[code] = size - code
            code = size
        checksum >>= 8
        size += 1
    out[code] = size - code
    out[size] = 0
    return size + 1


def pack(packet: bytes) -> bytes:
    """The bytes on the cable for one packet, see `pack_into`."""
    out = bytearray(len(packet) + _CRC_BYTES + 2)
    return bytes(out[: pack_into(packet, out)])


def _unstuff(data: bytes) -> bytes:
    """Undo COBS; return b"" for what cannot be its output."""
    out, at, size = b"", 0, len(data)
    while at < size:
        end = at + data[at]
        if end > size:
            return b""
        out += data[at + 1 : end]
        if data[at] <= _RUN and end < size:
            out += b"\x00"
        at = end
    return out


class Unpacker:
    """Finds the packets in the bytes from the cable.

    Args:
        packet_bytes_max: Longer ones are garbage, and no more than this is ever held.

    Attributes:
        broken: Pieces that were no packet so far.
    """

    def __init__(self, packet_bytes_max: int) -> None:
        size = packet_bytes_max + _CRC_BYTES
        self._most = size + size // _RUN + 1
        self._held = b""
        self._skipping = False
        self.broken = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the packets that are complete now."""
        packets = []
        pieces = (self._held + data).split(b"\x00")
        self._held = pieces.pop()
        for piece in pieces:
            if self._skipping:
                self._skipping = False
                continue
            packet = _unstuff(piece) if len(piece) <= self._most else b""
            body = packet[:-_CRC_BYTES]
            if body and packet[-_CRC_BYTES:] == (crc32(body) & 0xFFFFFFFF).to_bytes(4, "little"):
                packets.append(body)
            elif piece:
                self.broken += 1
        if len(self._held) > self._most:
            self._held = b""
            if not self._skipping:
                self.broken += 1
            self._skipping = True
        return packets
