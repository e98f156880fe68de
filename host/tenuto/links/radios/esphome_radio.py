# SPDX-License-Identifier: MIT
# ruff: noqa: ANN401 - bleak hands backends the options of all backends
"""Several ESPHome Bluetooth proxies as one radio: which of them reaches a device, and when.

Theory of operation.  All proxies hear all the time.  A connection needs a slot on one of those that
hear the device; of several the best is taken: loudest, heard just now, not busy with another
attempt, and not one through which the device was in vain tried a moment ago.  Where all are full
the device waits, and whoever waits longest gets the next slot that is any use to it.

What is known to go wrong in proxies and in what Home Assistant has in front of them is met here.
A device that a far proxy could not reach is tried through another one, and through the far one
again later.  A connection that the proxy has lost, but not its slot, is ended by `Proxy`.  A bond
belongs to the proxy, so one that the device has forgotten is made anew through it, and a proxy new
to a device bonds by itself: who the device is, its key says (`wearables.band`).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import BaseBleakScanner
from bleak.exc import BleakDeviceNotFoundError, BleakError
from bleak_esphome.backend.client import ESPHomeClient

from tenuto.errors import LinkError, LinkReason
from tenuto.links.ble_adapter import Radio
from tenuto.links.scan import DEVICES_MAX

from .errors import ADVICE
from .esphome_proxy import Claim, Proxy

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.client import NotifyCallback
    from bleak.backends.scanner import AdvertisementDataCallback

    from tenuto.links.lanes import LaneState

    from .esphome import Endpoint
    from .esphome_proxy import Hearing

_log = logging.getLogger(__name__)

OPEN_WAIT_S = 8.0
"""How long to wait at the start until it is known of each proxy whether it serves."""
CLOSE_WAIT_S = 3.0
SLOT_WAIT_S = 15.0
SETTLE_S, LOUD_DBM = 0.3, -72.0
"""A device that is heard less loud may be nearer to a proxy that has not told of it yet."""
AGE_DB_PER_S = 3.0
BUSY_DB = 15.0
FAILED_DB, FAILED_S = 30.0, 60.0
"""A failed attempt makes a proxy count as so much farther away, for so long."""
FAILED_MAX = 3


@dataclass(eq=False)
class _Waiter:
    """A device that waits for a slot."""

    address: str
    claim: asyncio.Future[Claim] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class ProxyRadio:
    """The proxies of one adapter; see `Lanes` for what the rest of Tenuto asks of it.

    Args:
        keys: The proxies, each with its key; see `Proxy`.
        dial: See `Proxy`.
    """

    def __init__(
        self,
        keys: Mapping[Endpoint, str | None],
        dial: Callable[[Endpoint], Awaitable[socket.socket]] | None = None,
    ) -> None:
        self.proxies = [
            Proxy(endpoint, key, on_heard=self._on_heard, on_change=self._hand_out, dial=dial)
            for endpoint, key in keys.items()
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._scanners: list[ProxyScanner] = []
        self._claims: dict[str, Claim] = {}
        self._waiters: list[_Waiter] = []
        self._failed: dict[tuple[str, Endpoint], list[float]] = {}

    @classmethod
    async def open(
        cls,
        keys: Mapping[Endpoint, str | None],
        dial: Callable[[Endpoint], Awaitable[socket.socket]] | None = None,
    ) -> Radio:
        """Connect to the proxies and return them as a radio, whatever has become of each."""
        self = cls(keys, dial)
        self._tasks = [
            asyncio.create_task(proxy.run(), name=f"proxy {proxy}") for proxy in self.proxies
        ]
        try:
            async with asyncio.timeout(OPEN_WAIT_S):
                for proxy in self.proxies:
                    await proxy.settled.wait()
        except TimeoutError:
            pass  # the others may do, and it goes on trying
        except BaseException:
            await self.close()
            raise
        return Radio(
            scanner=type("ProxyScanner", (ProxyScanner,), {"radio": self}),
            client=type("ProxyClient", (ProxyClient,), {"radio": self}),
            trouble=self.trouble,
            lanes=self,
            close=self.close,
        )

    async def close(self) -> None:
        """Let go of all proxies."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_WAIT_S)

    def trouble(self) -> LinkError | None:
        """Return why nothing is heard; None while any proxy serves."""
        problems = [proxy.problem for proxy in self.proxies if proxy.problem is not None]
        if len(problems) < len(self.proxies):
            return None
        # A key can be mended at once, a proxy that is away perhaps not.
        problems.sort(key=lambda one: one.reason is not LinkReason.PERMISSION)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return LinkError(problems[0].reason, f"no proxy serves: {problems[0]}{more}")

    # --- hearing

    def add_scanner(self, scanner: ProxyScanner) -> None:
        """Begin to hand over what is heard, and what was a moment ago.

        Raises:
            LinkError: No proxy serves.
        """
        trouble = self.trouble()
        if trouble is not None:
            raise trouble
        self._scanners.append(scanner)
        now_s = asyncio.get_running_loop().time()
        for proxy in self.proxies:
            for address, hearing in list(proxy.heard.items()):
                if now_s - hearing.at_s <= 1.0 and self._best(address) is proxy:
                    scanner.take(hearing)

    def remove_scanner(self, scanner: ProxyScanner) -> None:
        """End it; nothing if it was not begun."""
        if scanner in self._scanners:
            self._scanners.remove(scanner)

    def _on_heard(self, proxy: Proxy, address: str, hearing: Hearing) -> None:
        if any(waiter.address == address for waiter in self._waiters):
            if hearing.rssi_dbm >= LOUD_DBM:
                self._hand_out()
            else:
                asyncio.get_running_loop().call_later(SETTLE_S, self._hand_out)
        if self._scanners and self._best(address) is proxy:
            for scanner in list(self._scanners):
                scanner.take(hearing)

    def _hearing(self, address: str) -> list[Proxy]:
        return [proxy for proxy in self.proxies if proxy.hearing(address) is not None]

    def _best(self, address: str) -> Proxy | None:
        """Return the proxy that hears a device best."""

        def loudness_dbm(proxy: Proxy) -> float:
            hearing = proxy.hearing(address)
            assert hearing is not None  # noqa: S101 - for mypy: only those are asked
            age_s = asyncio.get_running_loop().time() - hearing.at_s
            return hearing.rssi_dbm - AGE_DB_PER_S * age_s

        return max(self._hearing(address), key=loudness_dbm, default=None)

    # --- slots

    def _score(self, proxy: Proxy, address: str) -> float:
        hearing = proxy.hearing(address)
        if hearing is None:
            return -1000.0
        now_s = asyncio.get_running_loop().time()
        failed = self._failed.get((address, proxy.endpoint), [])
        failures = sum(now_s - at_s < FAILED_S for at_s in failed)
        return (
            hearing.rssi_dbm
            - AGE_DB_PER_S * (now_s - hearing.at_s)
            - BUSY_DB * proxy.lane.locked()
            - FAILED_DB * failures
        )

    def _claim(self, address: str) -> Claim | None:
        """Take a slot for a device on the best proxy that has one."""
        usable = [proxy for proxy in self._hearing(address) if proxy.free > 0]
        if not usable:
            return None
        proxy = max(usable, key=lambda one: self._score(one, address))
        claim = self._claims[address] = Claim(address, proxy)
        proxy.taken[address] = claim
        return claim

    def _hand_out(self) -> None:
        """Give slots to those that wait, whoever waits longest first."""
        for waiter in list(self._waiters):
            if waiter.claim.done():
                continue
            claim = self._claim(waiter.address)
            if claim is not None:
                self._waiters.remove(waiter)
                waiter.claim.set_result(claim)

    async def _wait(self, address: str) -> Claim:
        """Wait for a slot, behind those that wait already."""
        waiter = _Waiter(address)
        self._waiters.append(waiter)
        self._hand_out()
        try:
            return await waiter.claim
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif waiter.claim.done() and not waiter.claim.cancelled():
                self.give_back(waiter.claim.result())  # it came just now
            raise

    def give_back(self, claim: Claim) -> None:
        """Free a slot; nothing if it was."""
        if claim.proxy.taken.get(claim.address) is claim:
            del claim.proxy.taken[claim.address]
        if self._claims.get(claim.address) is claim:
            del self._claims[claim.address]
            self._hand_out()

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Let a connection be made by the best proxy; see `Lanes`."""
        address = address.upper()
        await self._settle(address)
        claim = self._claims.get(address)
        if claim is None or claim.is_used:
            try:
                async with asyncio.timeout(SLOT_WAIT_S):
                    claim = await self._wait(address)
            except TimeoutError:
                raise self._why_not(address) from None
        try:
            async with claim.proxy.lane:
                yield
        finally:
            if not claim.is_used:
                self.give_back(claim)

    def _why_not(self, address: str) -> LinkError:
        names = ", ".join(map(str, self._hearing(address)))
        if not names:
            reason = LinkReason.NOT_FOUND
            return LinkError(reason, f"no proxy hears {address} any more: {ADVICE[reason]}")
        return LinkError(
            LinkReason.FULL,
            f"the proxies that hear {address} carry no more links ({names}): add a proxy, or raise "
            "`connection_slots` in its ESPHome configuration",
        )

    async def _settle(self, address: str) -> None:
        """Wait a moment where a proxy that is nearer may be about to tell of a device."""
        heard = [proxy.hearing(address) for proxy in self.proxies if proxy.data is not None]
        if None in heard and all(one is None or one.rssi_dbm < LOUD_DBM for one in heard):
            await asyncio.sleep(SETTLE_S)

    def is_full(self, address: str) -> bool:
        """Return whether `reserve` would wait now; see `Lanes`."""
        hearing = self._hearing(address.upper())
        return bool(hearing) and (
            all(proxy.free <= 0 for proxy in hearing) or bool(self._waiters_for(hearing))
        )

    async def reserve(self, address: str) -> None:
        """Wait for a slot; see `Lanes`."""
        address = address.upper()
        if address not in self._claims and self._hearing(address):
            await self._wait(address)

    def release(self, address: str) -> None:
        """Give a reserved slot back; see `Lanes`."""
        claim = self._claims.get(address.upper())
        if claim is not None and not claim.is_used:
            self.give_back(claim)

    def waiting(self, address: str) -> int:
        """Return how many wait for a device's proxy; see `Lanes`."""
        claim = self._claims.get(address.upper())
        return 0 if claim is None else len(self._waiters_for([claim.proxy]))

    def slots(self, address: str) -> int:
        """Return how many links a device's proxy carries; see `Lanes`."""
        claim = self._claims.get(address.upper())
        return 1 if claim is None else max(1, claim.proxy.slots)

    def _waiters_for(self, proxies: list[Proxy]) -> list[_Waiter]:
        return [
            waiter
            for waiter in self._waiters
            if any(proxy.hearing(waiter.address) is not None for proxy in proxies)
        ]

    def states(self) -> list[LaneState]:
        """Return how each proxy is; see `Lanes`."""
        return [proxy.state() for proxy in self.proxies]

    # --- for clients

    def use(self, address: str) -> Claim | None:
        """Take over the slot that was reserved for a device; None if none was."""
        claim = self._claims.get(address)
        if claim is None or claim.is_used:
            return None
        claim.is_used = True
        return claim

    def connected(self, claim: Claim) -> None:
        """Note that a device was reached: what was heard of it before says nothing any more."""
        claim.is_connected = True
        self._failed.pop((claim.address, claim.proxy.endpoint), None)
        for proxy in self.proxies:
            proxy.heard.pop(claim.address, None)

    def failed(self, claim: Claim) -> None:
        """Note that a device was not reached, so that another proxy is tried first."""
        now_s = asyncio.get_running_loop().time()
        at = self._failed.setdefault((claim.address, claim.proxy.endpoint), [])
        at.append(now_s)
        del at[:-FAILED_MAX]
        while len(self._failed) > DEVICES_MAX:
            del self._failed[next(iter(self._failed))]

    def forget_services(self, address: str) -> None:
        """Have the services of a device looked for anew, by whatever proxy."""
        for proxy in self.proxies:
            proxy.forget_services(address)

    def any_serving(self) -> Proxy | None:
        """Return a proxy that serves."""
        return next((proxy for proxy in self.proxies if proxy.data is not None), None)


class ProxyScanner(BaseBleakScanner):
    """A bleak scanner; `ProxyRadio.open` binds it to its radio."""

    radio: ClassVar[ProxyRadio]

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        _scanning_mode: str,
        **_kwargs: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)

    async def start(self) -> None:
        """Begin to tell what is heard; the proxies hear all the time."""
        self.seen_devices = {}
        self.radio.add_scanner(self)

    async def stop(self) -> None:
        """Tell no more."""
        self.radio.remove_scanner(self)

    def take(self, hearing: Hearing) -> None:
        """Tell of one advertisement."""
        told = hearing.advertisement
        if not self.is_allowed_uuid(told.service_uuids):
            return
        self.seen_devices.pop(hearing.device.address, None)
        self.seen_devices[hearing.device.address] = (hearing.device, told)
        if len(self.seen_devices) > DEVICES_MAX:
            del self.seen_devices[next(iter(self.seen_devices))]
        self.call_detection_callbacks(hearing.device, told)


class ProxyClient(ESPHomeClient):
    """bleak-esphome's client through the proxy that was chosen for the device.

    `ProxyRadio.open` binds it to its radio; it is made within the radio's `turn`.
    """

    radio: ClassVar[ProxyRadio]

    def __init__(
        self,
        target: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None = None,
        **kwargs: Any,
    ) -> None:
        self._has_heard = False
        address = (target if isinstance(target, str) else target.address).upper()
        self._slot = self.radio.use(address)
        proxy = self.radio.any_serving() if self._slot is None else self._slot.proxy
        hearing = None if proxy is None else proxy.heard.get(address)
        if proxy is None or proxy.data is None or (hearing is None and self._slot is not None):
            self._give_back()
            raise BleakError(f"no proxy reaches {address} any more")
        data = proxy.data
        device = hearing.device if hearing is not None else _unheard(address, proxy)
        super().__init__(
            device,
            client_data=data,
            disconnected_callback=partial(self._on_gone, disconnected_callback),
            **kwargs,
        )

    def _give_back(self) -> None:
        if self._slot is not None:
            self.radio.give_back(self._slot)

    def _on_gone(self, told: Callable[[], None] | None) -> None:
        self._give_back()
        if told is not None:
            told()

    async def connect(self, pair: bool, **kwargs: Any) -> None:  # type: ignore[override] # noqa: FBT001
        """Connect by the proxy that was chosen."""
        slot = self._slot
        if slot is None:
            raise BleakError(f"no proxy was chosen for {self.address}")
        try:
            # Else the proxy has them told anew each time, which takes a second.
            await super().connect(pair, dangerous_use_bleak_cache=True, **kwargs)
        except BaseException as error:
            if isinstance(error, Exception):
                self.radio.failed(slot)
            self._give_back()
            raise
        self.radio.connected(slot)
        if not self.is_connected:
            self._give_back()

    async def disconnect(self) -> None:
        """Disconnect, after which the slot is another one's."""
        try:
            await super().disconnect()
        finally:
            self._give_back()
            self._doubt_services()

    def _doubt_services(self) -> None:
        """Have the services told anew after a link on which nothing came.

        What is remembered of them may be wrong, after an update of the device.
        """
        if not self._has_heard:
            self.radio.forget_services(self.address)

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **kwargs: Any
    ) -> None:
        """Have each new value of a characteristic handed over."""

        def take(value: bytearray) -> None:
            self._has_heard = True
            callback(value)

        await super().start_notify(characteristic, take, **kwargs)

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        """Bond, or use the bond that the proxy has; one that the device has forgotten is replaced.

        Raises:
            BleakError: It did not work.
        """
        try:
            await super().pair(*args, **kwargs)
        except BleakError as error:
            if not self.is_connected:
                raise
            _log.info("link=%s bonding anew: %s", self.address, error)
            await super().unpair()
            await super().pair(*args, **kwargs)

    async def unpair(self) -> None:
        """Forget what is remembered of the device.

        Raises:
            BleakDeviceNotFoundError: It is not connected. Its bonds lie in the proxies, where they
                give nobody anything; see `pair`.
        """
        self.radio.forget_services(self.address)
        if not self.is_connected:
            raise BleakDeviceNotFoundError(self.address, "this computer has no bond with it")
        await super().unpair()


def _unheard(address: str, proxy: Proxy) -> BLEDevice:
    """Return the device at an address that is not heard just now; no connection is made to it."""
    return BLEDevice(address, None, {"source": str(proxy), "address_type": 1})
