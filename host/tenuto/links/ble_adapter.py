# SPDX-License-Identifier: MIT
"""Scanning and connecting by bleak, whatever radio bleak stands on.

Real stacks are not as good as their interfaces say; the habits of this file are the answer:

- One scanner for a whole process, and only one connection is being made at a time.  While one is
  made nobody scans.  A radio that has several lanes makes one connection on each, and hears
  meanwhile; see `lanes`.
- A device is looked for anew before each connection.  BlueZ deletes the objects of devices, and a
  `BLEDevice` kept from before then leads nowhere.
- Whoever joins a scan that runs is told what it has heard so far: BlueZ tells of a steady signal
  once in a scan.
- Characteristics are looked up by their UUIDs after each connection, never kept.
- Every call has a time limit, and one that does not even obey its cancellation is left behind;
  but a scan that begins late is ended, or nobody could begin another one.
- Nobody waits long for a disconnect: BlueZ takes two seconds and more for it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bleak import BleakAdapter as PlatformAdapter, BleakClient, BleakScanner
from bleak.uuids import normalize_uuid_str

from tenuto.errors import LinkError, LinkReason
from tenuto.links.radios.errors import ADVICE, is_ended_early, link_errors
from tenuto.retry import describe_failure

from .gatt import (
    CANCEL_GRACE_S,
    GATT_TIMEOUT_S,
    limited,
)
from .scan import DEVICES_MAX, Found
from .uuids import SERVICE_UUID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
    from contextlib import AbstractAsyncContextManager

    from bleak.backends.adapter import BaseBleakAdapter
    from bleak.backends.client import BaseBleakClient
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData, BaseBleakScanner

    from .lanes import Lanes

_log = logging.getLogger(__name__)

SCAN_TIMEOUT_S = 15.0
"""Time that the scanner really ran: what others take for their connections does not count."""
SCANNER_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 20.0
LOST_LOOK_S = 1.0
"""How often it looks whether the radio is lost while it scans."""
FRESH_S = 20.0
"""BlueZ forgets a device that it has not heard for 30 s."""
LATE_TIMEOUT_S = 60.0
"""A kernel that waits for its controller was seen to take 20 s for each command."""
ENDED_EARLY_MAX = 3
"""So many links in a row that end before their services are known are not chance any more: one was
seen on adapters that are well."""
ENDED_EARLY_PAUSE_S = 1.0
LEAVE_WAIT_S = 0.3
LEAVE_TIMEOUT_S = 15.0
RADIO_REASONS = frozenset(
    {
        LinkReason.NO_ADAPTER,
        LinkReason.ADAPTER_OFF,
        LinkReason.NO_SERVICE,
        LinkReason.PERMISSION,
    }
)
"""Reasons that are about this computer and not about a wearable."""


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Radio:
    """What bleak stands on.

    Attributes:
        scanner, client, adapter: Backends for bleak, None for the platform's own.
        options: Further keyword arguments for them, such as `{"bluez": {"adapter": "hci1"}}`.
        trouble: Returns what keeps it from hearing at present, None while it hears.
        lanes: By which ways it reaches devices, None where it is a single one.
        lost: Returns what has happened to it if it is gone for good, so that it has to be opened
            anew; None while it is well.
        is_encrypted: Returns whether the link to a device at an address is encrypted; None where
            the platform sees to that, as BlueZ does for each device that it has a bond with.
        close: Lets go of it.
    """

    scanner: type[BaseBleakScanner] | None = None
    client: type[BaseBleakClient] | None = None
    adapter: type[BaseBleakAdapter] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    trouble: Callable[[], LinkError | None] = lambda: None
    lanes: Lanes | None = None
    lost: Callable[[], LinkError | None] = lambda: None
    is_encrypted: Callable[[str], bool | None] = lambda _address: None
    close: Callable[[], Awaitable[None]] = _nothing

    @property
    def is_platform(self) -> bool:
        """Whether it is the platform's own."""
        return self.client is None

    def kwargs(self, backend: type | None) -> dict[str, Any]:
        """Return the keyword arguments for bleak."""
        return dict(self.options) | ({} if backend is None else {"backend": backend})


@dataclass(frozen=True, slots=True)
class Sighting:
    """A device just heard, or one that the system is connected to already (no advertisement)."""

    device: BLEDevice
    advertisement: AdvertisementData | None
    at_s: float

    @property
    def found(self) -> Found:
        """What it has told of itself."""
        told = self.advertisement
        if told is None:
            return Found(address=self.device.address, name=self.device.name)
        return Found(
            address=self.device.address,
            name=told.local_name or self.device.name,
            # BlueZ gives no signal for a device that it knows but does not hear.
            rssi_dbm=told.rssi if -127 < told.rssi < 20 else None,
            services=frozenset(normalize_uuid_str(uuid) for uuid in told.service_uuids),
        )

    @property
    def is_bonded(self) -> bool | None:
        """Whether this computer has a bond with it; None where the platform does not tell."""
        details = self.device.details
        props = details.get("props") if isinstance(details, dict) else None
        if not isinstance(props, dict):
            return None
        bonded = props.get("Bonded", props.get("Paired"))
        return bonded if isinstance(bonded, bool) else None


@dataclass
class _Watcher:
    """Who wants to hear, until when (in seconds of scanning), and what ends it."""

    on_heard: Callable[[Sighting], bool]
    until_s: float
    over: asyncio.Future[None]

    def end(self, error: LinkError | None = None) -> None:
        if self.over.done():
            return
        if error is None:
            self.over.set_result(None)
        else:
            self.over.set_exception(error)


class BleAdapter:
    """One radio, shared by everything in the process that uses it.

    Args:
        radio: What it is, or what opens it: called at the first use, and again after it was lost.
        name: For messages.
        agent: Gives the context in which a pairing with the device of an address is answered; for
            BlueZ, see `bluez_agent`.
    """

    def __init__(
        self,
        radio: Radio | Callable[[], Awaitable[Radio]] | None = None,
        *,
        name: str = "default",
        agent: Callable[[str], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        self.name = name
        self.agent = agent or (lambda _address: nullcontext())
        self.links: set[BleakClient] = set()
        self._radio_now: Radio | None = None
        self._open: Callable[[], Awaitable[Radio]]
        if callable(radio):
            self._open = radio
        else:
            self._open = _opened(radio or Radio())
        self._opening = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._connecting = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._stir = asyncio.Event()
        self._watchers: list[_Watcher] = []
        self._scanned_s = 0.0
        self._scan_began_s: float | None = None
        self._scan: asyncio.Task[None] | None = None
        self._heard: dict[str, Sighting] = {}
        """By the scan that runs, by address; the oldest first."""
        self._late: asyncio.Task[None] | None = None
        """Ends a scanner that took too long to begin or to end."""
        self._ended_early: dict[str, int] = {}
        """How many links in a row to a bonded device ended at once, by its address."""
        self._leaving: dict[asyncio.Task[None], str] = {}

    # --- the radio

    async def radio(self) -> Radio:
        """Return the radio, opened if it is not; one that was lost is opened anew.

        Raises:
            LinkError: There is none, or it cannot be used.
        """
        async with self._opening:
            why = None if self._radio_now is None else self._radio_now.lost()
            if self._radio_now is not None and why is not None:
                lost, self._radio_now = self._radio_now, None
                _log.warning("adapter=%s reason=%s %s", self.name, why.reason, why)
                await _close(lost)
            if self._radio_now is None:
                async with link_errors(f"opening the adapter {self.name}"):
                    self._radio_now = await self._open()
            return self._radio_now

    async def close(self) -> None:
        """Stop scanning and let go of the radio; what is connected was let go of before."""
        if self._scan is not None:
            self._scan.cancel()
            await asyncio.wait({self._scan}, timeout=LEAVE_WAIT_S)
        leaving = set(self._leaving) | ({self._late} if self._late is not None else set())
        if leaving:
            # BlueZ has been asked and goes on by itself.
            await asyncio.wait(leaving, timeout=LEAVE_WAIT_S)
            for task in leaving:
                task.cancel()
            await asyncio.wait(leaving, timeout=CANCEL_GRACE_S)
        radio, self._radio_now = self._radio_now, None
        if radio is not None:
            await _close(radio)

    # --- hearing

    async def watch(self, on_heard: Callable[[Sighting], bool], timeout_s: float) -> None:
        """Hand over what is heard in `timeout_s` of scanning, or until `on_heard` returns True.

        The same device comes again and again, and what a scan that runs already has heard comes
        first.  `on_heard` must not wait or raise.

        Raises:
            LinkError: The radio cannot scan.
        """
        now_s = asyncio.get_running_loop().time()
        for sighting in list(self._heard.values()):
            if now_s - sighting.at_s <= FRESH_S and self._is_wanted(sighting, on_heard):
                return
        over = asyncio.get_running_loop().create_future()
        watcher = _Watcher(on_heard, self._scanned() + timeout_s, over)
        self._watchers.append(watcher)
        self._stir.set()
        if self._scan is None:
            self._scan = asyncio.create_task(self._keep_scanning(), name=f"scan {self.name}")
        try:
            await over
        finally:
            self._drop(watcher)
            self._stir.set()

    def _drop(self, watcher: _Watcher) -> None:
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    async def find(
        self,
        fits: Callable[[Sighting], bool],
        what: str,
        timeout_s: float = SCAN_TIMEOUT_S,
        service: str = SERVICE_UUID,
    ) -> Sighting:
        """Wait for a device that fits.

        Args:
            fits: Returns whether a device that was heard is the one.
            what: Names it in the message.
            timeout_s: How long to scan.
            service: What it offers; a device that the system is connected to is asked for by it.

        Raises:
            LinkError: It was not heard in `timeout_s`, or the radio cannot scan.
        """
        heard: list[Sighting] = []

        def on_heard(sighting: Sighting) -> bool:
            if not heard and fits(sighting):
                heard.append(sighting)
            return bool(heard)

        for sighting in await self._connected_already(service):
            if fits(sighting):
                return sighting
        await self.watch(on_heard, timeout_s)
        if not heard:
            raise LinkError(
                LinkReason.NOT_FOUND,
                f"{what} was not heard in {timeout_s:.0f} s: {ADVICE[LinkReason.NOT_FOUND]}",
            )
        return heard[0]

    async def _connected_already(self, service: str) -> list[Sighting]:
        """Return what the system is connected to and so is not heard any more.

        BlueZ holds on to the links of a process that was killed.
        """
        radio = await self.radio()
        if not radio.is_platform and radio.adapter is None:
            return []
        try:
            async with (
                link_errors("asking for the system's links"),
                asyncio.timeout(GATT_TIMEOUT_S),
            ):
                adapter = await PlatformAdapter.get(**radio.kwargs(radio.adapter))
                devices = await adapter.get_connected_devices([service])
        except NotImplementedError:
            return []
        except LinkError as error:
            if error.reason in RADIO_REASONS:
                raise
            _log.debug("adapter=%s %s", self.name, error)
            return []  # scanning will tell
        now_s = asyncio.get_running_loop().time()
        mine = {client.address.upper() for client in self.links} | set(self._leaving.values())
        return [
            Sighting(device, None, now_s)
            for device in devices
            if device.address.upper() not in mine
        ]

    async def _keep_scanning(self) -> None:
        """Scan while anybody wants to hear; connections come first."""
        try:
            while self._watchers:
                await self._quiet.wait()
                async with self._turn:
                    if not self._connecting:
                        await self._scan_once()
                self._end_overdue()
        except LinkError as error:
            self._end_all(error)
        except Exception as error:  # noqa: BLE001 - those who listen get it
            what = describe_failure(error)
            _log.error("adapter=%s scanning failed: %s", self.name, what)
            self._end_all(LinkError(LinkReason.LOST, f"scanning failed: {what}"))
        finally:
            self._scan = None
            self._end_all(LinkError(LinkReason.LOST, "scanning was stopped"))

    def _end_all(self, error: LinkError) -> None:
        for watcher in self._watchers:
            watcher.end(error)
        self._watchers.clear()

    async def _scan_once(self) -> None:
        """Scan until nobody listens any more, or somebody wants to connect."""
        radio = await self.radio()
        loop = asyncio.get_running_loop()
        async with link_errors("scanning"):
            await self._late_is_over()
            scanner = BleakScanner(self._on_advertisement, **radio.kwargs(radio.scanner))
            await self._start(scanner)
        self._scan_began_s = loop.time()
        try:
            while self._watchers and not self._connecting:
                self._stir.clear()
                left_s = min(watcher.until_s for watcher in self._watchers) - self._scanned()
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(max(0.0, left_s), LOST_LOOK_S)):
                        await self._stir.wait()
                error = radio.lost() or radio.trouble()
                if error is not None:
                    raise error
                self._end_overdue()
        finally:
            self._scanned_s, self._scan_began_s = self._scanned(), None
            self._heard.clear()
            await self._stop(scanner)

    async def _start(self, scanner: BleakScanner) -> None:
        """Begin to scan.

        A scan that has not begun in time begins later all the same, and then nobody would end it:
        BlueZ refuses every other one as long.

        Raises:
            TimeoutError: It did not begin in time; it is ended when it does.
        """

        async def stop_when_begun() -> None:
            await starting
            await scanner.stop()

        starting = asyncio.create_task(scanner.start(), name="begin to scan")
        try:
            await asyncio.wait({starting}, timeout=SCANNER_TIMEOUT_S)
        finally:
            if not starting.done():
                self._end_late(stop_when_begun())
        if not starting.done():
            raise TimeoutError
        starting.result()

    async def _stop(self, scanner: BleakScanner) -> None:
        """End a scan; what takes too long goes on by itself.  Never raises LinkError."""
        stopping = asyncio.create_task(scanner.stop(), name="end a scan")
        await asyncio.wait({stopping}, timeout=SCANNER_TIMEOUT_S)

        async def stopped() -> None:
            await stopping

        if not stopping.done():
            self._end_late(stopped())
            return
        try:
            async with link_errors("ending the scan"):
                stopping.result()
        except LinkError as error:
            _log.info("adapter=%s reason=%s %s", self.name, error.reason, error)

    def _end_late(self, work: Coroutine[Any, Any, None]) -> None:
        async def end() -> None:
            try:
                async with link_errors("ending a late scan"), asyncio.timeout(LATE_TIMEOUT_S):
                    await work
            except LinkError as error:
                _log.info("adapter=%s reason=%s %s", self.name, error.reason, error)

        self._late = asyncio.create_task(end(), name=f"late scan {self.name}")

    async def _late_is_over(self) -> None:
        """Wait until a scan that was late is ended.

        Raises:
            LinkError: It is not yet.
        """
        late = self._late
        if late is None:
            return
        await asyncio.wait({late}, timeout=SCANNER_TIMEOUT_S)
        if not late.done():
            raise LinkError(LinkReason.BUSY, f"scanning: {ADVICE[LinkReason.BUSY]}")
        self._late = None

    def _scanned(self) -> float:
        """Return the seconds that the scanner has run in all."""
        began_s = self._scan_began_s
        running_s = 0.0 if began_s is None else asyncio.get_running_loop().time() - began_s
        return self._scanned_s + running_s

    def _end_overdue(self) -> None:
        now_s = self._scanned()
        for watcher in list(self._watchers):
            # A timer may come a rounding error early.
            if watcher.until_s <= now_s + 1e-6:
                watcher.end()
                self._drop(watcher)

    def _on_advertisement(self, device: BLEDevice, advertisement: AdvertisementData) -> None:
        sighting = Sighting(device, advertisement, asyncio.get_running_loop().time())
        self._heard.pop(device.address, None)
        # BlueZ tells of the end of a link in the same way, but of no signal.
        if sighting.found.rssi_dbm is not None:
            self._heard[device.address] = sighting
        if len(self._heard) > DEVICES_MAX:
            del self._heard[next(iter(self._heard))]
        for watcher in list(self._watchers):
            if self._is_wanted(sighting, watcher.on_heard):
                watcher.end()
                self._drop(watcher)
                self._stir.set()

    def _is_wanted(self, sighting: Sighting, on_heard: Callable[[Sighting], bool]) -> bool:
        """Ask who listens; an advertisement of a stranger that cannot be read is passed over."""
        try:
            return on_heard(sighting)
        except Exception as error:  # noqa: BLE001 - whatever a stranger sends
            what = describe_failure(error)
            _log.debug("adapter=%s heard=%s %s", self.name, sighting.device.address, what)
            return False

    # --- connecting

    @asynccontextmanager
    async def _turn_to_connect(self, address: str) -> AsyncIterator[None]:
        radio = await self.radio()
        if radio.lanes is not None:
            async with radio.lanes.turn(address):
                yield
            return
        self._connecting += 1
        self._quiet.clear()
        self._stir.set()
        try:
            async with self._turn:
                yield
        finally:
            self._connecting -= 1
            if not self._connecting:
                self._quiet.set()

    async def connect(
        self,
        fits: Callable[[Sighting], bool],
        what: str,
        on_lost: Callable[[BleakClient], None] = lambda _client: None,
        service: str = SERVICE_UUID,
        *,
        tries: int = 1,
    ) -> tuple[BleakClient, Sighting]:
        """Look for a device that fits, connect and discover the services.

        Args:
            fits: See `find`.
            what: likewise.
            on_lost: Called once if the link is lost.
            service: See `find`.
            tries: How often a link that ends at once is made; `ENDED_EARLY_MAX` where nobody comes
                back after a while to find out why it does.

        Raises:
            LinkError: It did not work; nothing is left open.  BOND_LOST if the device seems to
                have forgotten its bond with this computer, which keeps it all the same.
        """
        loop = asyncio.get_running_loop()
        while True:
            sighting = await self.find(fits, what, service=service)
            async with self._turn_to_connect(sighting.device.address):
                if loop.time() - sighting.at_s > FRESH_S:
                    continue  # others had their turn for so long that it may be gone
                try:
                    return await self._connect(sighting, what, on_lost), sighting
                except LinkError as error:
                    tries -= 1
                    is_known = error.reason is LinkReason.BOND_LOST
                    if is_known or tries <= 0 or not is_ended_early(error.__cause__):
                        raise
            await asyncio.sleep(ENDED_EARLY_PAUSE_S)

    async def _connect(
        self, sighting: Sighting, what: str, on_lost: Callable[[BleakClient], None]
    ) -> BleakClient:
        radio = await self.radio()
        address = sighting.device.address
        before = {task for task, left in self._leaving.items() if left == address.upper()}
        if before:
            await asyncio.wait(before, timeout=LEAVE_TIMEOUT_S)

        def lost(client: BleakClient) -> None:
            if client in self.links:
                self._part(client)  # bleak keeps the D-Bus connection of a link that was lost
            on_lost(client)

        client = BleakClient(
            sighting.device,
            disconnected_callback=lost,
            timeout=CONNECT_TIMEOUT_S,
            **radio.kwargs(radio.client),
        )
        try:
            async with link_errors(f"connecting to {what}"):
                await limited(client.connect(), 2 * CONNECT_TIMEOUT_S)
        except LinkError as error:
            if error.reason is LinkReason.FULL:
                count = len(self.links)
                raise LinkError(error.reason, f"{error}; Tenuto has {count} on it") from error
            self._see_if_forgotten(error, sighting, what)
            raise
        self._ended_early.pop(address, None)
        if client.is_connected:
            self.links.add(client)
        return client

    def _see_if_forgotten(self, error: LinkError, sighting: Sighting, what: str) -> None:
        """Count the links to a bonded device that end at once, and say so if they are too many.

        BlueZ cannot be asked: it keeps the bond, and tells nothing of a link that could not be
        encrypted but its end.

        Raises:
            LinkError: BOND_LOST.
        """
        address = sighting.device.address
        count = self._ended_early.get(address, 0)
        if sighting.is_bonded and is_ended_early(error.__cause__):
            count = self._ended_early[address] = count + 1
        if count >= ENDED_EARLY_MAX:
            raise LinkError(
                LinkReason.BOND_LOST,
                f"{what} is heard, but {count} links in a row ended at once: it no longer knows "
                f"this computer, as it seems. `tenuto forget {address}`, make it ready for "
                f"pairing, then `tenuto pair {address}`",
            ) from error.__cause__

    async def let_go(self, client: BleakClient) -> None:
        """Disconnect; what takes longer than a moment goes on by itself.  Never raises."""
        await asyncio.wait({self._part(client)}, timeout=LEAVE_WAIT_S)

    def _part(self, client: BleakClient) -> asyncio.Task[None]:
        self.links.discard(client)
        task = asyncio.create_task(_leave(client), name=f"leave {client.address}")
        self._leaving[task] = client.address.upper()
        task.add_done_callback(lambda done: self._leaving.pop(done, None))
        return task

    async def unpair(self, target: BLEDevice | str) -> None:
        """Forget a device: its bond, and on BlueZ what is remembered of its services.

        Raises:
            LinkError: It did not work; NOT_FOUND if nothing was known of it.
        """
        radio = await self.radio()
        # No connection is made where there are lanes: what they keep is no use to anybody else.
        turn = nullcontext() if radio.lanes is not None else self._turn_to_connect(str(target))
        async with turn, link_errors("forgetting"):
            client = BleakClient(target, timeout=CONNECT_TIMEOUT_S, **radio.kwargs(radio.client))
            self._ended_early.pop(client.address, None)
            await limited(client.unpair(), LEAVE_TIMEOUT_S)


async def _close(radio: Radio) -> None:
    with suppress(LinkError):
        async with link_errors("closing"), asyncio.timeout(GATT_TIMEOUT_S):
            await radio.close()


def _opened(radio: Radio) -> Callable[[], Awaitable[Radio]]:
    async def give() -> Radio:
        return radio

    return give


async def _leave(client: BleakClient) -> None:
    try:
        async with link_errors("disconnecting"):
            await limited(client.disconnect(), LEAVE_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001 - nobody waits for it
        _log.debug("link=%s %s", client.address, describe_failure(error))


def at_address(address: str | None) -> Callable[[Sighting], bool]:
    """Make the test for the device at this address, or for any Tenuto wearable if it is None."""

    def fits(sighting: Sighting) -> bool:
        if address is not None:
            return sighting.device.address.upper() == address.upper()
        # What is connected already was asked for by this service.
        return sighting.advertisement is None or SERVICE_UUID in sighting.found.services

    return fits


def called(name: str) -> Callable[[Sighting], bool]:
    """Make the test for a device by the name that it tells, for one whose address changes."""
    return lambda sighting: sighting.found.name == name
