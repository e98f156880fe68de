# SPDX-License-Identifier: MIT
"""The link by cable: the same frames as over the air, packed by `tenuto_core.cobs`.

Whoever holds the cable also holds the band, so a host on it needs no proof.
"""

from tenuto_core.cobs import Unpacker, pack_into
from tenuto_core.host_connection import HostConnection

PACKET_BYTES = 244
READ_BYTES = 256
_STUFFED_BYTES = PACKET_BYTES + 6


class Cable:
    """The link to the host at the other end of the cable; no method waits.

    Args:
        band: The `tenuto_core.band.Band`.
        serial: `usb_cdc.data`.

    Attributes:
        peer: The host, while one has the port open.
        due_ms: When `send` must be called next.
    """

    def __init__(self, band, serial):
        self._band = band
        self._serial = serial
        serial.timeout = 0
        serial.write_timeout = 0  # a host that does not read must not hold back a cue
        self._unpacker = Unpacker(PACKET_BYTES)
        self._out = bytearray(_STUFFED_BYTES)
        self._at = self._size = 0
        self.peer = None
        self.due_ms = None

    def receive(self, now_ms):
        """Read what has come, and return whether there was anything."""
        if not self._serial.connected:
            self.peer = None
            self._at = self._size = 0
            return False
        if self.peer is None:
            self.peer = HostConnection(self._band, True)
            self._unpacker = Unpacker(PACKET_BYTES)
        came = waiting = self._serial.in_waiting
        while waiting:
            data = self._serial.read(min(waiting, READ_BYTES))
            if not data:
                break
            for packet in self._unpacker.feed(data):
                self.peer.receive(packet, now_ms)
            waiting -= len(data)
        return came > 0

    def send(self, now_ms):
        """Send one frame, or as much of it as the port takes: a cue must not wait for more."""
        self.due_ms = None
        if self.peer is None:
            return
        if self._at == self._size:
            packet = self.peer.pull(PACKET_BYTES, now_ms)
            if packet:
                self._at, self._size = 0, pack_into(packet, self._out)
        if self._at < self._size:
            taken = self._serial.write(memoryview(self._out)[self._at : self._size])
            if not taken:
                return  # looked at again with the next poll
            self._at += taken
        is_more = self._at < self._size or self.peer.has_more
        self.due_ms = now_ms + 1 if is_more else self.peer.due_ms
