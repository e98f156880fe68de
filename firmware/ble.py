# SPDX-License-Identifier: MIT
"""The wearable on the air: who is connected, and the packets of its one host.

Two habits of CircuitPython's `_bleio` shape this file.  Nothing calls back, so everything is
polled.  And a call that finds its queue full waits for the radio, which would hold back a cue: so
at most one full packet is handed over for each connection event.

Who may do what is in PROTOCOL.md.  In short: nothing of Tenuto, Heart Rate or Immediate Alert works
without a bond, but the stack bonds with anybody at any time, and no program can ask whether a bond
is new.  So a peer counts only when it is *admitted*: it proves one of the band's keys, or it has
connected in the wearer's pairing window and is bonded.  Any other peer is disconnected.
"""

import os
import struct

from radio import PACKET_BYTES
from tenuto_core import sleep, wire
from tenuto_core.band import END_ALL, END_NONE
from tenuto_core.host_connection import HostConnection

# Connection intervals that are requested, and how often a packet is sent at each: a little less
# often than there are connection events, or the call would wait.
FAST_MS, FAST_PACKET_MS = 15, 40
SESSION_MS, SESSION_PACKET_MS = 45, 50
SLOW_MS, SLOW_PACKET_MS = 100, 110
# The central's own parameters and the SoftDevice's request for 30 ms come first.
SETTLE_MS = 1_000
BUSY_MS = 5_000
"""How long the link stays fast after a request that needs a fast link."""
# Where half of all packets are lost, a host with a bond encrypts within 0.6 s and proves its key
# within 3.4 s.  After a link on which nothing was proven the next one has half of the time, unless
# `PAUSE_MS` lie in between, in which others have their turn.
ENCRYPT_WITHIN_MS = 4_000
PROVE_WITHIN_MS = 8_000
PAUSE_MS = 3_000
OTHERS_MS = 2_000
"""For so long a host that is sent away stays connected and unheeded, while others may come."""
PAIR_WITHIN_MS = 10_000
"""In the pairing window, for a host that has to discover everything before it bonds."""

# The SoftDevice's store of bonds is a log of 32 KiB that is erased as a whole when it is full.  Its
# blocks cannot be looked at; these sizes are estimates on the safe side.
BOND_STORE_BYTES = 32 * 1024
BOND_BYTES = 128
SUBSCRIPTION_BYTES = 64


def heart_rate_measurement(bpm, contact, rr):
    """The value of 0x2A37: rate, contact known, RR intervals in 1/1024 s if there are any."""
    flags = 0x04 | (0x02 if contact else 0) | (0x10 if rr else 0)
    rate = bytes((flags, bpm)) if bpm < 256 else struct.pack("<BH", flags | 0x01, bpm)
    return rate + b"".join(struct.pack("<H", value) for value in rr)


class BondStore:
    """An estimate of how full the SoftDevice's store of bonds is; on other ports it is not known.

    Args:
        storage: See `tenuto_core.storage`.
    """

    def __init__(self, storage):
        self._storage = storage
        self._counts = [0, 0]
        self._is_log = os.uname().sysname.lower().startswith("nrf")
        data = storage.load("bonds")
        if len(data) == 4:
            self._counts = list(struct.unpack("<HH", data))

    def add(self, bonds, subscriptions):
        """Count new bonds and changed subscriptions."""
        if self._is_log:
            self._counts[0] = min(0xFFFF, self._counts[0] + bonds)
            self._counts[1] = min(0xFFFF, self._counts[1] + subscriptions)
            self._storage.save("bonds", struct.pack("<HH", self._counts[0], self._counts[1]))

    @property
    def full_pct(self):
        """How full the store is: 0 to 100, or 255 where that is not known."""
        if not self._is_log:
            return 255
        used = self._counts[0] * BOND_BYTES + self._counts[1] * SUBSCRIPTION_BYTES
        return min(100, used * 100 // BOND_STORE_BYTES)


class Ble:
    """Advertises while nobody is connected, then serves one host; no method waits.

    Args:
        band: The `tenuto_core.band.Band`.
        radio: A `radio.Radio`.
        storage: See `tenuto_core.storage`.
        trust_bonds: See `App`.

    Attributes:
        peer: The host that is connected, or None; also None while it is sent away.
        stranger_ms: When the last link ended on which nothing was proven, or None.
        due_ms: When `send` must be called next, or None.
    """

    def __init__(self, band, radio, storage, *, trust_bonds):
        self._band = band
        self._radio = radio
        self._interval_ms = None
        self._buffer = bytearray(PACKET_BYTES)
        self._trust_bonds = trust_bonds
        self._bonds = BondStore(storage)
        band.bonds_pct = self._bonds.full_pct
        self._connection = None
        self._connected_ms = 0
        self.stranger_ms = None
        self._haste = 0
        self._end_ms = None
        self._was_admitted = self._was_paired = self._was_subscribed = False
        self._wished_ms = None
        self._tuned_ms = 0
        self._packet_ms = self._wished_packet_ms = FAST_PACKET_MS
        self._next_packet_ms = 0
        self._battery_pct = None
        self.peer = None
        self.due_ms = None

    def introduce(self):
        """Write into the characteristic `info` what the band is."""
        values, tail = self._band.hello()
        self._radio.info.value = wire.encode(wire.HELLO | wire.ANSWER, 0, *values, tail=tail)

    # --- connection and admission

    def receive(self, now_ms, active_ms):
        """Read all that the radio has received, and return whether there was anything.

        Args:
            active_ms: When the wearer last did something.
        """
        self._watch_connection(now_ms, active_ms)
        came = False
        size = self._radio.inbox.readinto(self._buffer)
        while size:
            came = True
            if self.peer:
                self.peer.receive(bytes(self._buffer[:size]), now_ms)
            size = self._radio.inbox.readinto(self._buffer)
        size = self._radio.alert.readinto(self._buffer)
        while size:
            came = True
            if self._is_admitted():
                self._band.alert(self._buffer[0], now_ms)
            size = self._radio.alert.readinto(self._buffer)
        return came

    def _watch_connection(self, now_ms, active_ms):
        connections = self._radio.connections
        connection = connections[0] if connections else None
        if connection is not self._connection:
            self._on_connection(connection, now_ms)
        ending, self._band.ending = self._band.ending, END_NONE
        if connection is None:
            self._advertise(now_ms - max(active_ms, self._connected_ms))
        elif self.peer is None:
            self._send_away(now_ms, len(connections) > 1)
        else:
            for another in connections[1:]:
                another.disconnect()
            if connection.paired:
                self._on_paired(now_ms)
            if ending == END_ALL and self._is_admitted():
                self.drop()
            elif (ending and not self.peer.is_proven) or self._is_overdue(now_ms):
                self.peer = None
                self._end_ms = now_ms + OTHERS_MS

    def _on_connection(self, connection, now_ms):
        """Begin anew with another host, or with none."""
        if self._connection and not self._was_admitted:
            self.stranger_ms = now_ms
        before_ms = self.stranger_ms
        self._haste = int(before_ms is not None and now_ms - before_ms < PAUSE_MS)
        self._connection = connection
        self._connected_ms = now_ms
        self._end_ms = None
        self._was_admitted = self._was_paired = self._was_subscribed = False
        self._wished_ms = None
        self._tuned_ms = now_ms
        self._packet_ms = self._wished_packet_ms = FAST_PACKET_MS
        self.peer = HostConnection(self._band) if connection else None
        # What an earlier host has sent must not count as this one's.
        for buffer in (self._radio.inbox, self._radio.alert):
            while buffer.readinto(self._buffer):
                pass

    def _send_away(self, now_ms, has_come):
        """End a connection when another host has come, or none for a while.

        As long as a stranger is connected it cannot connect again, so that others are first.
        """
        if self._end_ms is None:
            return  # it has been told
        if has_come or now_ms >= self._end_ms:
            self.drop()
        else:
            self._advertise(0)

    def _advertise(self, idle_ms):
        interval_ms = sleep.interval_ms(idle_ms)
        if self._radio.is_advertising:
            if interval_ms == self._interval_ms:
                return
            self._radio.stop_advertising()
        self._interval_ms = interval_ms
        self._radio.start_advertising(interval_ms)

    def _on_paired(self, now_ms):
        """The link is encrypted: by an old bond, or by one of a moment ago."""
        if not self._was_paired:
            self._was_paired = True
            # A subscription that exists already came with the bond; a new bond has none yet.
            self._was_subscribed = self._is_subscribed()
            if not self._was_subscribed:
                self._count_bond(1, 0)
        elif not self._was_subscribed and self._is_subscribed():
            self._was_subscribed = True
            self._count_bond(0, 1)
        if not self.peer.is_trusted:
            self.peer.admit(now_ms)

    def _count_bond(self, bonds, subscriptions):
        self._bonds.add(bonds, subscriptions)
        self._band.bonds_pct = self._bonds.full_pct

    def _is_subscribed(self):
        try:
            return self._radio.outbox.outgoing_packet_length > 0
        except (ValueError, RuntimeError):
            return False

    def _is_admitted(self):
        if self.peer is None or not self._connection.paired:
            return False
        return self.peer.is_trusted or self._trust_bonds

    def _is_overdue(self, now_ms):
        """Whether a host has had its time, and is still not admitted."""
        if self._is_admitted():
            self._was_admitted = True
            return False
        if self._band.is_pairing(now_ms):
            within_ms = PAIR_WITHIN_MS
        else:
            within_ms = PROVE_WITHIN_MS if self._connection.paired else ENCRYPT_WITHIN_MS
            within_ms >>= self._haste
        return now_ms - self._connected_ms >= within_ms

    # --- sending

    def _tune(self, now_ms):
        """Ask for a fast link while the host has much to do, otherwise for one that saves power.

        A session needs something in between: who looks on sees a cue within 0.1 s of its being
        felt, and somebody may want to skip or to go back.
        """
        if now_ms - self._tuned_ms < SETTLE_MS:
            return
        self._packet_ms = self._wished_packet_ms
        asked_ms = self.peer.asked_ms
        if asked_ms is None or now_ms - asked_ms < BUSY_MS:
            wished_ms, packet_ms = FAST_MS, FAST_PACKET_MS
        elif self._band.is_playing:
            wished_ms, packet_ms = SESSION_MS, SESSION_PACKET_MS
        else:
            wished_ms, packet_ms = SLOW_MS, SLOW_PACKET_MS
        if wished_ms == self._wished_ms:
            return
        # Until the change is in force, the slower of the two counts.
        self._packet_ms = max(self._packet_ms, packet_ms)
        self._tuned_ms = now_ms
        self._wished_ms, self._wished_packet_ms = wished_ms, packet_ms
        try:
            self._connection.connection_interval = wished_ms
        except Exception as error:  # noqa: BLE001 - only a request; the link stays as it was
            print("interval:", repr(error))

    def send(self, now_ms):
        """Send as much as the radio takes without waiting."""
        self.due_ms = None
        if self._band.battery_pct != self._battery_pct and self._band.battery_pct <= 100:
            self._battery_pct = self._band.battery_pct
            self._radio.battery.value = bytes((self._battery_pct,))
        if self.peer is None:
            return
        self._tune(now_ms)
        room = min(PACKET_BYTES, self._connection.max_packet_length)
        self.peer.frame_bytes = min(wire.MAX_FRAME, room - 1)
        if self._next_packet_ms <= now_ms:
            packet = b""
            frame = self.peer.pull(room, now_ms)
            while frame:
                packet += frame
                frame = self.peer.pull(room - len(packet), now_ms)
            if packet:
                self._radio.outbox.write(packet)
                self._next_packet_ms = now_ms + self._packet_ms
        if self.peer.has_more:
            self.due_ms = self._next_packet_ms
        elif self.peer.due_ms is not None:
            self.due_ms = max(self.peer.due_ms, self._next_packet_ms)

    def beat(self, bpm, contact, rr):
        """Notify a heart rate to an admitted subscriber."""
        if self._is_admitted():
            self._radio.measurement.value = heart_rate_measurement(bpm, contact, rr)

    def drop(self):
        """End the connection, and heed nothing that still comes over it."""
        self.peer = self._end_ms = None
        if self._connection is not None:
            self._connection.disconnect()
