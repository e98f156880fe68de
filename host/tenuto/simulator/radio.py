# SPDX-License-Identifier: MIT
# ruff: noqa: D102 - what bumble calls is documented there
"""The air between simulated Bluetooth controllers: connection events, loss, silence.

Theory of operation. Bumble's `LocalLink` hands every packet over at once. Here two controllers
that are connected meet only in connection events, `interval` apart; what they want to say waits
for the next one, in order. A transmission that fails is repeated in the next event, for in
Bluetooth LE the link layer loses nothing: loss is delay, and beyond the supervision timeout it is
the end of the link (reason 0x08 on both sides). During a silence nobody hears anything: links die
after their supervision timeout, advertisements and connection requests are not heard.
So it is between two devices that are too far apart; where their signal is only weak, more is lost.

Nothing is scheduled while nothing is to be sent, so that an idle link costs nothing; the empty
packets that keep a real link alive are taken for granted unless there is silence.

Everything random comes from one seed, and controllers are kept in the order in which they came, so
two runs with one seed are the same in every packet's time and size. (The bytes of cryptographic
keys differ: bumble takes them from the operating system.)
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from bumble import hci, ll
from bumble.core import PhysicalTransport
from bumble.link import LocalLink

if TYPE_CHECKING:
    from collections.abc import Callable

    import bumble.controller

    from .controller import VirtualController

INTERVAL_MS_MIN, INTERVAL_MS_MAX = 7.5, 4000.0
SIGNAL_DBM = -60.0
"""Between devices of which nothing else was said."""
WEAK_DBM, DEAF_DBM = -84.0, -95.0
"""From the one on packets are lost, and at the other nothing is heard any more."""
WEAK_LOSS_MAX = 0.7
LL_PAYLOAD_BYTES_MAX = 251
_LL_OVERHEAD_BYTES = 14  # preamble 1, access address 4, header 2, MIC 4, CRC 3
_BYTE_S = 8e-6  # LE 1M PHY
_GAP_S = 150e-6  # T_IFS, Core Specification 6.0, Vol 6 Part B 4.1.1
_EMPTY_S = (_LL_OVERHEAD_BYTES - 4) * _BYTE_S
_TRANSMIT_WINDOW_DELAY_S = 1.25e-3
_ESTABLISH_EVENTS = 6  # a link on which nothing was heard so long was never established
_CONTROL_PDU_BYTES = 12
_EPSILON_S = 1e-9

_Route: TypeAlias = tuple[hci.Address, hci.Address]


class Happening(StrEnum):
    """What a `RadioEvent` tells of."""

    ADVERTISED = "advertised"
    CONNECTED = "connected"
    DATA = "data"
    CONTROL = "control"
    REPEATED = "repeated"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class RadioEvent:
    """One thing that happened on the air.

    Attributes:
        t_s: The loop's time.
        size_bytes: Size of the payload, 0 where there is none.
    """

    t_s: float
    what: Happening
    source: str
    destination: str
    size_bytes: int


@dataclass(slots=True)
class LinkStatistics:
    """What went over one link, counted over all its connections.

    Attributes:
        data_pdus, data_bytes: L2CAP packets delivered and their size.
        retransmissions: Transmissions that failed and were repeated.
        connections: Times it was established.
        timeouts: Times it was lost to silence or loss.
    """

    data_pdus: int = 0
    data_bytes: int = 0
    control_pdus: int = 0
    retransmissions: int = 0
    connections: int = 0
    timeouts: int = 0


@dataclass(slots=True)
class _Pdu:
    deliver: Callable[[], None]
    on_sent: Callable[[], None] | None
    size_bytes: int
    is_data: bool

    @property
    def air_s(self) -> float:
        fragments = max(1, -(-self.size_bytes // LL_PAYLOAD_BYTES_MAX))
        return self.size_bytes * _BYTE_S + fragments * (
            _LL_OVERHEAD_BYTES * _BYTE_S + _GAP_S + _EMPTY_S + _GAP_S
        )


class _Link:
    """One connection between a central and a peripheral."""

    def __init__(
        self,
        radio: Radio,
        ends: tuple[VirtualController, VirtualController],
        addresses: tuple[hci.Address, hci.Address],
        interval_s: float,
        supervision_s: float,
    ) -> None:
        self.radio = radio
        self.ends = ends
        self.addresses = addresses
        self.agreed_s = interval_s
        self.interval_s = radio.hurried_s(interval_s)
        self.supervision_s = supervision_s
        self.is_alive = True
        self.statistics = radio.link_statistics(str(addresses[0]), str(addresses[1]))
        self._loop = asyncio.get_running_loop()
        self._queues: tuple[deque[_Pdu], deque[_Pdu]] = (deque(), deque())
        self._event_timer: asyncio.TimerHandle | None = None
        self._supervision_timer: asyncio.TimerHandle | None = None
        self._anchor_s = (
            self._loop.time() + _TRANSMIT_WINDOW_DELAY_S + radio.random.random() * self.interval_s
        )
        self._heard_s = self._loop.time()

    @property
    def routes(self) -> tuple[_Route, _Route]:
        """From whom to whom, for each direction."""
        central, peripheral = self.addresses
        return (central, peripheral), (peripheral, central)

    @property
    def is_silent(self) -> bool:
        return any(self.radio.is_silent(address) for address in self.addresses) or (
            self.radio.signal_dbm(*self.addresses) <= DEAF_DBM
        )

    def send(self, direction: int, pdu: _Pdu) -> None:
        """Queue a packet; direction 0 is from the central."""
        if not any(self._queues) and self._supervision_timer is None:
            self._heard_s = self._loop.time()
        self._queues[direction].append(pdu)
        self._schedule_event()

    def change_interval(self, interval_s: float, supervision_s: float) -> None:
        self.agreed_s = interval_s
        self.interval_s = self.radio.hurried_s(interval_s)
        self.supervision_s = supervision_s
        self._anchor_s = self._loop.time()

    def on_silence_changed(self) -> None:
        """Start or stop counting towards the supervision timeout."""
        if not self.is_alive:
            return
        if self.is_silent:
            if self._supervision_timer is None:
                now = self._loop.time()
                last_event_s = self._next_event_s(now) - self.interval_s
                # While a repeated packet waits, the last word heard was before its first try.
                self._heard_s = self._heard_s if any(self._queues) else min(now, last_event_s)
                self._supervision_timer = self._loop.call_at(
                    max(now, self._heard_s + self.supervision_s), self._on_timeout
                )
        elif self._supervision_timer is not None:
            self._supervision_timer.cancel()
            self._supervision_timer = None
            self._heard_s = self._loop.time()
            self._schedule_event()

    def close(self) -> None:
        """Forget the link without a word to either end."""
        self.is_alive = False
        for timer in (self._event_timer, self._supervision_timer):
            if timer is not None:
                timer.cancel()
        self._event_timer = self._supervision_timer = None
        for queue in self._queues:
            queue.clear()
        self.radio.forget_link(self)

    def abandon(self) -> None:
        """Keep only the timeout of the end that is still there."""
        waits_since_s = self._heard_s if self._supervision_timer else self._loop.time()
        self.close()
        self.is_alive = True
        self._supervision_timer = self._loop.call_at(
            waits_since_s + self.supervision_s, self._on_timeout
        )

    def lose(self, reason: int) -> None:
        """End the link and tell whoever still believes in it."""
        if not self.is_alive:
            return
        self.close()
        for end, peer in zip(self.ends, reversed(self.addresses), strict=True):
            end.on_link_lost(peer, reason)

    def _next_event_s(self, after_s: float) -> float:
        if after_s < self._anchor_s:
            return self._anchor_s
        n = math.floor((after_s - self._anchor_s + _EPSILON_S) / self.interval_s) + 1
        return self._anchor_s + n * self.interval_s

    def _schedule_event(self) -> None:
        if self._event_timer is None and any(self._queues):
            self._event_timer = self._loop.call_at(
                self._next_event_s(self._loop.time()), self._on_event
            )

    def _on_event(self) -> None:
        self._event_timer = None
        if self.is_silent:
            return  # the end of the silence schedules the next event
        now = self._loop.time()
        first, failed = self._transmit(now)
        if not self.is_alive:
            return
        if failed and now - self._heard_s >= self.supervision_s:
            self._on_timeout()
            return
        self._schedule_event()
        # Only now, or its answer would still catch this event.
        if first is not None:
            self._deliver(*first)

    def _transmit(self, now: float) -> tuple[tuple[int, _Pdu] | None, bool]:
        """Put on the air what one event has time for.

        Returns:
            Direction and packet of the data that are to be delivered at once, if there are any;
            whether a transmission failed.
        """
        budget_s = self.interval_s - _GAP_S
        offset_s = 0.0
        loss = max(self.radio.loss, weak_loss(self.radio.signal_dbm(*self.addresses)))
        first: tuple[int, _Pdu] | None = None
        for direction, queue in enumerate(self._queues):
            while queue:
                pdu = queue[0]
                air_s = pdu.air_s
                if offset_s and offset_s + air_s > budget_s:
                    break
                if loss and self.radio.random.random() < loss:
                    # Neither side can tell what the other has heard: the event is over.
                    self.statistics.retransmissions += 1
                    self._report(Happening.REPEATED, direction, pdu)
                    return first, True
                queue.popleft()
                self._heard_s = now
                if offset_s:
                    self._loop.call_at(now + offset_s, self._deliver, direction, pdu)
                elif pdu.is_data:
                    first = direction, pdu
                else:
                    self._deliver(direction, pdu)
                if not self.is_alive:
                    return None, False
                offset_s += air_s
        return first, False

    def _deliver(self, direction: int, pdu: _Pdu) -> None:
        if not self.is_alive:
            return
        if pdu.is_data:
            self.statistics.data_pdus += 1
            self.statistics.data_bytes += pdu.size_bytes
        else:
            self.statistics.control_pdus += 1
        self._report(Happening.DATA if pdu.is_data else Happening.CONTROL, direction, pdu)
        if pdu.on_sent is not None:
            pdu.on_sent()
        pdu.deliver()

    def _report(self, what: Happening, direction: int, pdu: _Pdu) -> None:
        if self.radio.on_event is not None:
            source, destination = self.addresses[direction], self.addresses[1 - direction]
            self.radio.report(what, str(source), str(destination), pdu.size_bytes)

    def _on_timeout(self) -> None:
        self.statistics.timeouts += 1
        self.radio.report(Happening.LOST, str(self.addresses[0]), str(self.addresses[1]), 0)
        self.lose(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)


@dataclass(eq=False, slots=True)
class Silence:
    """A silence that was ordered; ends by itself or by `end()`.

    Attributes:
        address: Who is not heard and hears nothing, None for everybody.
    """

    radio: Radio
    address: str | None
    is_over: bool = False
    is_on: bool = False
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    def end(self) -> None:
        """End it now, or keep it from beginning; nothing if it is over."""
        if self.is_over:
            return
        self.is_over = True
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
        if self.is_on:
            self.is_on = False
            self.radio.count_silence(self.address, -1)


def weak_loss(dbm: float) -> float:
    """Return the share of transmissions that fail for want of signal, 1 where nothing is heard."""
    if dbm <= DEAF_DBM:
        return 1.0
    return WEAK_LOSS_MAX * min(1.0, max(0.0, (WEAK_DBM - dbm) / (WEAK_DBM - DEAF_DBM)))


def _plain(address: hci.Address | str) -> str:
    name = address if isinstance(address, str) else address.to_string(with_type_qualifier=False)
    return name.upper()


class Radio(LocalLink):
    """The shared medium of all simulated controllers.

    Args:
        seed: Of everything random on the air.
        loss: Chance of 0 to below 1 that one transmission in a connection fails.
        advertising_loss: Chance of 0 to 1 that one listener misses one advertisement.
        interval_ms: What connections begin with; None for what the central asks for.

    Attributes:
        random: The one source of randomness.
        on_event: Called with a `RadioEvent` for each thing that happens, if not None.

    Raises:
        ValueError: A chance is out of its range, or the interval is not one of Bluetooth's.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        loss: float = 0.0,
        advertising_loss: float = 0.0,
        interval_ms: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if not 0 <= loss < 1:
            raise ValueError(f"loss must be at least 0 and below 1, not {loss!r}")
        if not 0 <= advertising_loss <= 1:
            raise ValueError(f"advertising_loss must be 0 to 1, not {advertising_loss!r}")
        if interval_ms is not None and not INTERVAL_MS_MIN <= interval_ms <= INTERVAL_MS_MAX:
            raise ValueError(f"interval_ms must be 7.5 to 4000, not {interval_ms!r}")
        self.interval_ms = interval_ms
        self.random = random.Random(seed)  # noqa: S311  repeatable, not secret
        self.loss = loss
        self.advertising_loss = advertising_loss
        self.on_event: Callable[[RadioEvent], None] | None = None
        # Bumble's own set is in the order of memory addresses, which differs from run to run.
        self._in_order: list[VirtualController] = []
        self._listeners: list[VirtualController] = []
        self._hurry_s: float | None = None
        self._links: dict[_Route, tuple[_Link, int]] = {}
        self._statistics: dict[tuple[str, str], LinkStatistics] = {}
        self._silences: Counter[str | None] = Counter()
        self._signals: dict[tuple[str, str], float] = {}

    # -- for tests and for people

    def silence(
        self, address: str | None = None, duration_s: float | None = None, *, after_s: float = 0.0
    ) -> Silence:
        """Take a device, or everybody, off the air for a while.

        Args:
            address: Such as `C0:00:00:00:00:01`; None for the whole radio.
            duration_s: How long; None until `Silence.end` is called.
            after_s: Seconds from now until it begins.

        Raises:
            ValueError: A duration is negative.
        """
        if after_s < 0 or (duration_s is not None and duration_s < 0):
            raise ValueError("a silence begins at 0 s or later and lasts 0 s or more")
        silence = Silence(self, address.upper() if address is not None else None)
        loop = asyncio.get_running_loop()

        def begin() -> None:
            silence.is_on = True
            self.count_silence(silence.address, +1)

        if after_s:
            silence.timers.append(loop.call_later(after_s, begin))
        else:
            begin()
        if duration_s is not None:
            silence.timers.append(loop.call_later(after_s + duration_s, silence.end))
        return silence

    def is_silent(self, address: hci.Address | str) -> bool:
        """Return whether a device is off the air at the moment."""
        if not self._silences:
            return False
        return bool(self._silences[None] or self._silences[_plain(address)])

    def set_signal(self, one: str, other: str, dbm: float) -> None:
        """Say how well two devices hear each other, by their addresses; see `WEAK_DBM`."""
        one, other = _plain(one), _plain(other)
        self._signals[one, other] = self._signals[other, one] = dbm
        for link in self._links_of(one):
            if other in map(_plain, link.addresses):
                link.on_silence_changed()

    def signal_dbm(self, one: hci.Address | str, other: hci.Address | str) -> float:
        """Return how well two devices hear each other."""
        if not self._signals:
            return SIGNAL_DBM
        return self._signals.get((_plain(one), _plain(other)), SIGNAL_DBM)

    def link_statistics(self, central: str, peripheral: str) -> LinkStatistics:
        """Return the counters of a pair of devices, which live as long as the radio."""
        return self._statistics.setdefault((central, peripheral), LinkStatistics())

    def drop(self, address: str, reason: int = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR) -> None:
        """End all connections of a device at once, as if each had timed out."""
        for link in self._links_of(address):
            link.lose(reason)

    def hurry(self, interval_ms: float | None) -> None:
        """Have links meet at least so often, whatever both ends have agreed on.

        So that a crowd is linked soon, before that which matters begins.

        Args:
            interval_ms: At most so long from event to event, also less than Bluetooth allows; None
                for what was agreed on, from now on.
        """
        self._hurry_s = None if interval_ms is None else interval_ms / 1000
        for link, direction in list(self._links.values()):
            if direction == 0:
                link.change_interval(link.agreed_s, link.supervision_s)

    def report(self, what: Happening, source: str, destination: str, size_bytes: int) -> None:
        """Tell `on_event`."""
        if self.on_event is not None:
            now = asyncio.get_running_loop().time()
            self.on_event(RadioEvent(now, what, source, destination, size_bytes))

    # -- for silences, links and controllers

    def hurried_s(self, interval_s: float) -> float:
        """Return the interval that links have now which have agreed on this one."""
        return interval_s if self._hurry_s is None else min(interval_s, self._hurry_s)

    def add_listener(self, controller: VirtualController) -> None:
        """Note that a controller scans or connects; most never do, and need not be asked."""
        if controller not in self._listeners:
            them = {*self._listeners, controller}
            self._listeners = [c for c in self._in_order if c in them]

    def count_silence(self, address: str | None, change: int) -> None:
        """Note that one more or one less silence covers an address."""
        self._silences[address] += change
        if not self._silences[address]:
            del self._silences[address]
        for link, direction in list(self._links.values()):
            if direction == 0:
                link.on_silence_changed()

    def forget_link(self, link: _Link) -> None:
        """Take a link that ended out of the tables."""
        for route in link.routes:
            if self._links.get(route, (None, 0))[0] is link:
                del self._links[route]

    def abandon(self, controller: VirtualController) -> None:
        """Let a controller vanish: its peers hear nothing more and time out."""
        for link, direction in list(self._links.values()):
            if direction == 0 and controller in link.ends:
                link.abandon()
        if controller in self._in_order:
            self.remove_controller(controller)

    def _links_of(self, address: str) -> list[_Link]:
        return [
            link
            for link, direction in self._links.values()
            if direction == 0
            and address.upper() in {a.to_string(with_type_qualifier=False) for a in link.addresses}
        ]

    # -- LocalLink's interface, which controllers call

    def add_controller(self, controller: bumble.controller.Controller) -> None:
        super().add_controller(controller)
        self._in_order.append(controller)  # type: ignore[arg-type]  # only ours are ever made

    def remove_controller(self, controller: bumble.controller.Controller) -> None:
        super().remove_controller(controller)
        self._in_order.remove(controller)  # type: ignore[arg-type]
        if controller in self._listeners:
            self._listeners.remove(controller)

    def send_advertising_pdu(
        self, sender_controller: bumble.controller.Controller, packet: ll.AdvertisingPdu
    ) -> None:
        if isinstance(packet, ll.ConnectInd):
            self._connect(sender_controller, packet)  # type: ignore[arg-type]
            return
        advertiser = packet.advertiser_address  # type: ignore[attr-defined]
        if self.is_silent(advertiser):
            return
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            if listener is sender_controller or not listener.listens_to(advertiser):
                continue
            if self.is_silent(listener.random_address):
                continue
            loss = self.advertising_loss
            if self._signals:
                weak = weak_loss(self.signal_dbm(listener.random_address, advertiser))
                loss = max(loss, weak)
            if loss and self.random.random() < loss:
                continue
            if self.on_event is not None:
                self.report(Happening.ADVERTISED, str(advertiser), listener.name, 0)
            loop.call_soon(listener.on_ll_advertising_pdu, packet)

    def send_acl_data(
        self,
        sender_controller: bumble.controller.Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        del transport  # there is only LE here
        self.send_data(sender_controller.random_address, destination_address, data)

    def send_data(
        self,
        source: hci.Address,
        destination: hci.Address,
        data: bytes,
        on_sent: Callable[[], None] | None = None,
    ) -> None:
        """Send one L2CAP packet over a connection; lost without a word if there is none.

        Args:
            source: The sender's address in the connection.
            destination: The receiver's.
            data: The packet.
            on_sent: Called when the receiver has it.
        """
        found = self._links.get((source, destination))
        if found is None:
            return
        link, direction = found
        receiver = link.ends[1 - direction]

        def deliver() -> None:
            receiver.on_link_acl_data(source, PhysicalTransport.LE, data)

        link.send(direction, _Pdu(deliver, on_sent, len(data), is_data=True))

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        self.send_control(sender_address, receiver_address, packet)

    def send_control(
        self,
        source: hci.Address,
        destination: hci.Address,
        packet: ll.ControlPdu,
        on_sent: Callable[[], None] | None = None,
    ) -> None:
        """Send a packet of the link layer itself, in order with the data; see `send_data`."""
        found = self._links.get((source, destination))
        if found is None:
            return
        link, direction = found
        receiver = link.ends[1 - direction]

        def deliver() -> None:
            if isinstance(packet, ll.ConnectionUpdateInd):
                link.change_interval(packet.interval * 1.25e-3, packet.timeout * 10e-3)
            receiver.on_ll_control_pdu(source, packet)
            if isinstance(packet, ll.TerminateInd):
                link.close()

        link.send(direction, _Pdu(deliver, on_sent, _CONTROL_PDU_BYTES, is_data=False))

    def _connect(self, central: VirtualController, request: ll.ConnectInd) -> None:
        addresses = (request.initiator_address, request.advertiser_address)
        interval_s, supervision_s = request.interval * 1.25e-3, request.timeout * 10e-3
        peripheral = next((c for c in self._in_order if c.can_be_connected_at(addresses[1])), None)
        if peripheral is None or self.signal_dbm(*addresses) <= DEAF_DBM:
            asyncio.get_running_loop().call_later(
                _ESTABLISH_EVENTS * interval_s,
                central.on_link_lost,
                addresses[1],
                hci.HCI_ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR,
            )
            return
        link = _Link(self, (central, peripheral), addresses, interval_s, supervision_s)
        for stale in [found[0] for route in link.routes if (found := self._links.get(route))]:
            stale.close()
        for direction, route in enumerate(link.routes):
            self._links[route] = (link, direction)
        link.statistics.connections += 1
        self.report(Happening.CONNECTED, str(addresses[0]), str(addresses[1]), 0)
        peripheral.on_ll_advertising_pdu(request)
