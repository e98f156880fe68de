# SPDX-License-Identifier: MIT
"""One ESPHome Bluetooth proxy: the connection to it, what it hears, its slots.

It stands on aioesphomeapi, and hands bleak-esphome what its client needs.  habluetooth is not used:
its manager takes the place of bleak's own classes in the whole process, keeps time by a clock of
its own, and chooses a proxy in a way that nobody else has a say in; see `esphome_radio`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from aioesphomeapi.client import APIClient
from aioesphomeapi.core import (
    APIConnectionError,
    EncryptionHelloAPIError,
    EncryptionPlaintextAPIError,
    InvalidEncryptionKeyAPIError,
    RequiresEncryptionAPIError,
)
from aioesphomeapi.model import BluetoothProxyFeature
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak_esphome.backend.client import ESPHomeClientData
from bleak_esphome.backend.device import ESPHomeBluetoothDevice
from bluetooth_data_tools import int_to_bluetooth_address, parse_advertisement_data_bytes

from tenuto.errors import LinkError, LinkReason, one_line
from tenuto.links.lanes import LaneState
from tenuto.links.scan import DEVICES_MAX
from tenuto.retry import Backoff, describe_failure, is_cancelled

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from aioesphomeapi.api_pb2 import BluetoothLERawAdvertisementsResponse
    from aioesphomeapi.model import DeviceInfo
    from bleak_esphome.backend.scanner import ESPHomeScanner

    from .esphome import Endpoint

_log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 15.0
KEEPALIVE_S = 5.0
"""A proxy that lost its power is taken for gone after 4.5 times that."""
RETRY_FIRST_S, RETRY_MAX_S = 1.0, 15.0
HELD_S = (3.0, 10.0, 30.0, 60.0)
"""How long to wait for a sign that it has taken the subscription, the last one again and again: it
keeps the place of a program that vanished for some 150 s."""
LOOK_S = 5.0
LEAK_S, STUCK_S = 15.0, 45.0
"""A connection of nobody's that it still has after the one time is ended once more; after the
other, longer than an attempt, the proxy is connected to anew, which has it end everything."""
HEARD_S = 15.0
ADDRESS_MAX = (1 << 48) - 1
ADVERTISEMENT_BYTES_MAX = 255


@dataclass(slots=True)
class Hearing:
    """A device as one proxy hears it.

    Attributes:
        at_s: When last, by the loop's clock.
        rssi_dbm: How loud, smoothed.
    """

    at_s: float
    rssi_dbm: float
    device: BLEDevice
    advertisement: AdvertisementData


@dataclass(eq=False)
class Claim:
    """A slot on a proxy for one device: reserved, then a client's, then a link's."""

    address: str
    proxy: Proxy
    is_used: bool = False
    is_connected: bool = False


class _Unheeded:
    """Stands where bleak-esphome expects its scanner, which needs habluetooth's manager."""

    connecting = nullcontext


class Proxy:
    """Keeps the connection to one proxy until `run` is cancelled.

    Args:
        endpoint: Where it is.
        key: Its encryption key in base64, None where it speaks without encryption.
        on_heard: Called with each advertisement.
        on_change: Called when more slots may be free.
        dial: Connects to it by other means than TCP, as the simulator does; None for TCP.

    Attributes:
        lane: Held while a connection is made: a proxy makes one at a time.
        taken: Who has a slot or is about to, by the address of the device.
        problem: Why it cannot be used, None while it serves.
        settled: Set once it is known whether it serves.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        key: str | None,
        *,
        on_heard: Callable[[Proxy, str, Hearing], None],
        on_change: Callable[[], None],
        dial: Callable[[Endpoint], Awaitable[socket.socket]] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.lane = asyncio.Lock()
        self.taken: dict[str, Claim] = {}
        self.heard: dict[str, Hearing] = {}
        self.problem: LinkError | None = _no_adapter(f"{endpoint} was not reached yet")
        self.settled = asyncio.Event()
        self._key = key
        self._on_heard = on_heard
        self._on_change = on_change
        self._dial = dial
        self._data: ESPHomeClientData | None = None
        self._served = asyncio.Event()
        self._foreign_since_s: dict[str, float] = {}

    def __str__(self) -> str:
        """Return what its user calls it."""
        return str(self.endpoint)

    # --- what it is asked

    @property
    def data(self) -> ESPHomeClientData | None:
        """What bleak-esphome's client needs; None while it does not serve."""
        return self._data if self.problem is None else None

    @property
    def slots(self) -> int:
        """How many links it carries."""
        return 0 if self.data is None else self.data.bluetooth_device.ble_connections_limit

    @property
    def free(self) -> int:
        """How many more links it would carry."""
        data = self.data
        if data is None:
            return 0
        device = data.bluetooth_device
        used = {int_to_bluetooth_address(one) for one in device.ble_allocations} | set(self.taken)
        # Old firmware tells no addresses; what it tells lags behind what was asked of it.
        return min(device.ble_connections_free, device.ble_connections_limit - len(used))

    def hearing(self, address: str) -> Hearing | None:
        """Return how it hears a device, None where it has not lately or does not serve."""
        hearing = self.heard.get(address)
        if hearing is None or self.data is None:
            return None
        is_fresh = asyncio.get_running_loop().time() - hearing.at_s <= HEARD_S
        return hearing if is_fresh else None

    def state(self) -> LaneState:
        """Return how it is."""
        return LaneState(
            name=str(self),
            problem=self.problem,
            slots=self.slots,
            free=max(0, self.free),
            heard=sum(self.hearing(address) is not None for address in self.heard),
            is_encrypted=self._key is not None,
        )

    def forget_services(self, address: str) -> None:
        """Have the services of a device looked for anew in its next connection."""
        if self._data is not None:
            number = int(address.replace(":", ""), 16)
            self._data.bluetooth_device.cache.clear_gatt_services_cache(number)

    # --- its connection

    async def run(self) -> None:
        """Connect and stay connected, again and again."""
        loop = asyncio.get_running_loop()
        jitter = random.Random(str(self))  # noqa: S311 - no secret
        backoff = Backoff(jitter, first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S)
        while True:
            began_s = loop.time()
            try:
                await self._serve()
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
            except LinkError as error:
                self._say(error)
            except (APIConnectionError, OSError, ValueError) as error:
                self._say(self._explained(error))
            except Exception as error:  # noqa: BLE001 - the other proxies go on
                _log.error("proxy=%s failed: %s", self, describe_failure(error))
                self._say(_no_adapter(f"{self}: an error inside Tenuto"))
            backoff.reset_if_stable(loop.time() - began_s)
            await asyncio.sleep(backoff.next_s())

    async def _serve(self) -> None:
        """Connect, hear, and return by an error when the connection is gone."""
        lost = asyncio.Event()

        async def on_stop(_expected: bool) -> None:  # noqa: FBT001 - aioesphomeapi's interface
            lost.set()

        client = APIClient(
            self.endpoint.host,
            self.endpoint.port,
            client_info="tenuto",
            keepalive=KEEPALIVE_S,
            noise_psk=self._key,
            provide_time=False,
        )
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if self._dial is None:
                    await client.start_resolve_host(on_stop, log_errors=False)
                    await client.start_connection()
                else:
                    sock = await self._dial(self.endpoint)
                    client.start_connection_from_socket(sock, on_stop, log_errors=False)
                await client.finish_connection(login=True)
                info = await client.device_info()
            self._data = data = self._data_of(client, info)
            await self._subscribe(client, data, lost)
            await self._watch(client, data, lost)
        finally:
            self._end()
            with suppress(APIConnectionError, OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await client.disconnect()
        raise _no_adapter(f"the connection to {self} broke")

    def _data_of(self, client: APIClient, info: DeviceInfo) -> ESPHomeClientData:
        version = client.api_version
        if version is None:
            raise _no_adapter(f"{self} does not say what it is")
        features = info.bluetooth_proxy_feature_flags_compat(version)
        if not features & BluetoothProxyFeature.ACTIVE_CONNECTIONS:
            raise _no_adapter(
                f"{self} makes no connections: set `bluetooth_proxy: active: true` in its ESPHome "
                "configuration and install it again"
            )
        wanted = BluetoothProxyFeature.RAW_ADVERTISEMENTS | BluetoothProxyFeature.PAIRING
        if features & wanted != wanted:
            raise _no_adapter(
                f"{self} runs ESPHome {one_line(info.esphome_version)[:20]}: update it to 2024.3 "
                "or newer"
            )
        source = info.bluetooth_mac_address or info.mac_address
        return ESPHomeClientData(
            bluetooth_device=ESPHomeBluetoothDevice(str(self), source, available=True),
            client=client,
            device_info=info,
            api_version=version,
            title=str(self),
            scanner=cast("ESPHomeScanner", _Unheeded()),
        )

    async def _subscribe(
        self, client: APIClient, data: ESPHomeClientData, lost: asyncio.Event
    ) -> None:
        """Have it hear for us, and wait until it does."""
        self._served.clear()

        def on_free(free: int, limit: int, allocated: list[int]) -> None:
            data.bluetooth_device.async_update_ble_connection_limits(free, limit, allocated)
            self._on_change()

        client.subscribe_bluetooth_connections_free(on_free)
        client.subscribe_bluetooth_scanner_state(lambda _state: self._served.set())
        features = data.device_info.bluetooth_proxy_feature_flags_compat(data.api_version)
        tells = bool(features & BluetoothProxyFeature.FEATURE_STATE_AND_MODE)
        for wait_s in itertools.chain(HELD_S, itertools.repeat(HELD_S[-1])):
            client.subscribe_bluetooth_le_raw_advertisements(self._on_advertisements)
            if not tells or await _first(self._served, lost, wait_s) is self._served:
                break
            if lost.is_set():
                return
            self._say(
                _no_adapter(
                    f"{self} serves another program, most likely Home Assistant, and a proxy "
                    "serves one at a time: give Tenuto a proxy of its own, or delete this one "
                    "from Home Assistant's ESPHome integration"
                )
            )
        self.problem = None
        self.settled.set()
        _log.info("proxy=%s serves, with %d slots", self, self.slots)
        self._on_change()

    async def _watch(self, client: APIClient, data: ESPHomeClientData, lost: asyncio.Event) -> None:
        """Wait until the connection is lost, and see that no slot is lost meanwhile."""
        while await _first(lost, lost, LOOK_S) is None:
            self._look_after_slots(client, data)

    def _look_after_slots(self, client: APIClient, data: ESPHomeClientData) -> None:
        """End connections that nobody has, such as those that it has lost without noticing.

        Raises:
            LinkError: It does not let go of one.
        """
        now_s = asyncio.get_running_loop().time()
        linked = {address for address, claim in self.taken.items() if claim.is_connected}
        allocated = set(map(int_to_bluetooth_address, data.bluetooth_device.ble_allocations))
        since_s = self._foreign_since_s
        self._foreign_since_s = {one: since_s.get(one, now_s) for one in allocated - linked}
        for address, at_s in self._foreign_since_s.items():
            if now_s - at_s >= LEAK_S and address not in self.taken:
                client.bluetooth_device_disconnect_no_wait(int(address.replace(":", ""), 16))
        stuck = [one for one, at_s in self._foreign_since_s.items() if now_s - at_s >= STUCK_S]
        if stuck and not linked:
            raise LinkError(
                LinkReason.BUSY,
                f"{self} does not let go of {len(stuck)} connection(s) that have ended: connecting "
                "to it anew; if that comes often, restart it",
            )

    def _end(self) -> None:
        """Tell all its clients that it is gone."""
        if self.problem is None:
            self.problem = _no_adapter(f"the connection to {self} broke")
        data, self._data = self._data, None
        self.heard.clear()
        self.taken.clear()
        self._foreign_since_s.clear()
        if data is not None:
            data.bluetooth_device.async_set_unavailable()
            for told in list(data.disconnect_callbacks):
                told()

    def _say(self, error: LinkError) -> None:
        if self.problem is None or str(error) != str(self.problem):
            _log.warning("proxy=%s reason=%s %s; trying again", self, error.reason, error)
        self.problem = error
        self.settled.set()

    def _explained(self, error: Exception) -> LinkError:
        for kind, text in _EXPLANATIONS:
            if isinstance(error, kind):
                return LinkError(LinkReason.PERMISSION, f"{self} {text}")
        why = "no answer in time" if isinstance(error, TimeoutError) else one_line(error)
        return _no_adapter(
            f"{self} does not answer: is it plugged in, and in this network? ({why[:200]})"
        )

    # --- what it hears

    def _on_advertisements(self, told: BluetoothLERawAdvertisementsResponse) -> None:
        for index in range(len(told.advertisements)):  # iterating is slow, says bleak-esphome
            one = told.advertisements[index]
            try:
                self._hear(one)
            except Exception as error:  # noqa: BLE001 - whatever a stranger sends
                _log.debug("proxy=%s %s", self, describe_failure(error))

    def _hear(self, one: Any) -> None:  # noqa: ANN401 - a message of protobuf's
        if not 0 < one.address <= ADDRESS_MAX or len(one.data) > ADVERTISEMENT_BYTES_MAX:
            return
        if not -127 < one.rssi < 20:
            return
        address = int_to_bluetooth_address(one.address)
        now_s = asyncio.get_running_loop().time()
        name, uuids, service_data, made_by, power = parse_advertisement_data_bytes(one.data)
        before = self.heard.pop(address, None)
        rssi_dbm = float(one.rssi)
        if before is not None:
            # A packet does not carry everything, and its answer to a scan comes by itself.
            told = before.advertisement
            name = name or told.local_name
            uuids = list(dict.fromkeys((*told.service_uuids, *uuids)))[:64]
            service_data = service_data or told.service_data
            made_by = made_by or told.manufacturer_data
            if now_s - before.at_s <= HEARD_S:
                rssi_dbm = (before.rssi_dbm + rssi_dbm) / 2
        source = "" if self._data is None else self._data.bluetooth_device.mac_address
        hearing = self.heard[address] = Hearing(
            at_s=now_s,
            rssi_dbm=rssi_dbm,
            device=BLEDevice(
                address,
                name,
                # The form of BlueZ's, by which others know that this computer has no bond with it:
                # so each link is encrypted by the proxy, which has one or makes it.
                {
                    "source": source,
                    "address_type": int(one.address_type),
                    "props": {"Bonded": False},
                },
            ),
            advertisement=AdvertisementData(
                local_name=name,
                manufacturer_data=made_by,
                service_data=service_data,
                service_uuids=uuids,
                tx_power=power,
                rssi=one.rssi,
                platform_data=(),
            ),
        )
        if len(self.heard) > DEVICES_MAX:
            del self.heard[next(iter(self.heard))]
        self._on_heard(self, address, hearing)


_KEY_PLACE = "`api: encryption: key:` in its ESPHome configuration"
_EXPLANATIONS: tuple[tuple[type[Exception], str], ...] = (
    (
        InvalidEncryptionKeyAPIError,
        f"has another encryption key than the one in proxy_keys; it has {_KEY_PLACE}",
    ),
    (
        RequiresEncryptionAPIError,
        f'is encrypted, and proxy_keys says "none": write its key there, {_KEY_PLACE}',
    ),
    (
        EncryptionPlaintextAPIError,
        (
            f"speaks without encryption, and proxy_keys has a key for it: write {_KEY_PLACE}, or "
            '"none" in the place of the key'
        ),
    ),
    (EncryptionHelloAPIError, f"hangs up on encryption: write {_KEY_PLACE}"),
)


def _no_adapter(text: str) -> LinkError:
    return LinkError(LinkReason.NO_ADAPTER, text)


async def _first(
    one: asyncio.Event, other: asyncio.Event, timeout_s: float
) -> asyncio.Event | None:
    """Wait until one of two events is set; None if neither is in time."""
    tasks = {asyncio.create_task(event.wait(), name="proxy event") for event in {one, other}}
    try:
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return next((event for event in (one, other) if event.is_set()), None)
