# SPDX-License-Identifier: MIT
"""The link by cable: the same frames as over the air, packed by `tenuto_core.cobs`.

Whoever holds the cable holds the band, so a host on it needs no proof.
"""

from tenuto_core.cobs import Unpacker, pack
from tenuto_core.peer import Peer

PACKET_BYTES = 244
READ_BYTES = 256
PENDING_BYTES_MAX = 600


class Cable:
    """band: the `tenuto_core.band.Band`.  serial: `usb_cdc.data`.  All methods return at once.

    peer: the host, while one has the port open.  due_ms: when `send` wants to be called next.
    """

    def __init__(self, band, serial):
        self._band = band
        self._serial = serial
        serial.timeout = 0
        serial.write_timeout = 0  # a host that does not read must not hold back a cue
        self._unpacker = Unpacker(PACKET_BYTES)
        self._pending = b""
        self.peer = None
        self.due_ms = None

    def receive(self, now_ms):
        """Take in what has come, and tell whether anything has."""
        if not self._serial.connected:
            self.peer = None
            self._pending = b""
            return False
        if self.peer is None:
            self.peer = Peer(self._band, True)
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
        """Hand over as much as the port takes."""
        self.due_ms = None
        if self.peer is None:
            return
        while True:
            while len(self._pending) < PENDING_BYTES_MAX:
                packet = self.peer.pull(PACKET_BYTES, now_ms)
                if not packet:
                    break
                self._pending += pack(packet)
            if not self._pending:
                break
            taken = self._serial.write(self._pending)
            if not taken:
                return  # looked at again with the next poll
            self._pending = self._pending[taken:]
        self.due_ms = self.peer.due_ms
