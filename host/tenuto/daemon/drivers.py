# SPDX-License-Identifier: MIT
"""The drivers of one process and what they stand on: radios, link slots, a simulated room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.links.radios.registry import radio_named
from tenuto.links.registry import LINKS
from tenuto.wearables import registry
from tenuto.wearables.link_slots import LaneSlot, LinkSlots
from tenuto.wearables.model import BuildContext

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from contextlib import AsyncExitStack

    from tenuto.config import Config, Wearable
    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.sessions.heart import Measurement
    from tenuto.simulator.world import World
    from tenuto.state.keys import KeyStore
    from tenuto.wearables.base import Driver, Sensor
    from tenuto.wearables.gestures import CanBePressed
    from tenuto.wearables.link_slots import Slots
    from tenuto.wearables.model import SimulatedDevice

_VIRTUAL = "simulated"
"""The name of the adapter in the simulated room."""


class Drivers:
    """Builds by the registries; each thing is made at its first use and kept.

    Args:
        config: The configuration that the process began with: radios need a restart.
        stack: Closes what is opened here.
        keys: The keys that this host has handed out.
        utc_ms: Returns the UTC of now in ms since 1970.
        rng: For jitter and simulation.

    Attributes:
        world: The simulated room, None while nothing is simulated.
    """

    def __init__(
        self,
        config: Config,
        *,
        stack: AsyncExitStack,
        keys: KeyStore,
        utc_ms: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.world: World | None = None
        self._config = config
        self._stack = stack
        self._rng = rng
        self._context = BuildContext(
            adapter=self.adapter,
            simulated=self.simulated,
            keys=keys,
            utc_ms=utc_ms,
            rng=rng,
            folder=config.own.data,
        )
        self._adapters: dict[str, BleAdapter] = {}
        self._slots: dict[str, LinkSlots] = {}
        self._drivers: dict[str, Driver] = {}
        self._wearables: dict[str, Wearable] = {}
        self._simulated: dict[str, SimulatedDevice] = {}

    async def driver(self, wearable: Wearable) -> Driver:
        """Return the driver of a wearable.

        Raises:
            TenutoError: It cannot be built.
        """
        if wearable.id not in self._drivers:
            self._wearables[wearable.id] = wearable
            self._drivers[wearable.id] = await registry.build_driver(wearable, self._context)
        return self._drivers[wearable.id]

    def forget_driver(self, wearable_id: str) -> None:
        """Build the driver anew when it is asked for next."""
        self._drivers.pop(wearable_id, None)

    def rssi_dbm(self, wearable_id: str) -> int | None:
        """Return how strongly a wearable was heard, None where that is not known."""
        driver = self._drivers.get(wearable_id)
        return None if driver is None else driver.rssi_dbm

    def sensors(
        self, wearable: Wearable, hear: Callable[[Measurement, str, str | None], None]
    ) -> dict[str, Sensor]:
        """Return the sensors worn with a wearable; see `registry.build_sensors`."""
        return registry.build_sensors(wearable, self._context, hear)

    def slots(self, wearable: Wearable) -> Slots | None:
        """Return the link slots that a wearable shares with others, None where it shares none."""
        if not LINKS[wearable.link].is_by_air or not registry.shares_link(wearable):
            return None
        bluetooth = self._config.bluetooth
        name = wearable.adapter or bluetooth.adapter
        if radio_named(name).has_lanes and wearable.address is not None:
            return LaneSlot(self.adapter(name), wearable.address)
        if name not in self._slots:
            self._slots[name] = LinkSlots(name, bluetooth.links_max)
        return self._slots[name]

    def adapter(self, name: str | None = None) -> BleAdapter:
        """Return an adapter, the usual one if none is named; it is opened when it is first used."""
        from tenuto.links.radios.adapters import open_adapter  # noqa: PLC0415 - bleak takes long

        name = name or self._config.bluetooth.adapter
        if name not in self._adapters:
            self._keep_adapter(name, open_adapter(name, self._config.radio_files))
        return self._adapters[name]

    async def simulated(self, wearable_id: str) -> tuple[BleAdapter, str]:
        """Return the virtual adapter and the address of a simulated wearable; see `LinkContext`."""
        from tenuto.links.ble_adapter import BleAdapter  # noqa: PLC0415 - bleak and bumble take long
        from tenuto.links.radios.adapters import radio_of  # noqa: PLC0415
        from tenuto.simulator.hardware import EDGES_KEPT_MAX  # noqa: PLC0415
        from tenuto.simulator.person import VirtualPerson  # noqa: PLC0415
        from tenuto.simulator.world import World  # noqa: PLC0415

        if self.world is None:
            world = World(seed=self._rng.getrandbits(32), edges_max=EDGES_KEPT_MAX)
            self.world = await self._stack.enter_async_context(world)
            radio = radio_of(await world.adapter())
            self._keep_adapter(_VIRTUAL, BleAdapter(radio, name=_VIRTUAL))
        if wearable_id not in self._simulated:
            model = registry.of(self._wearables[wearable_id])
            simulate = registry.simulator_of(model)
            person = VirtualPerson(seed=self._rng.getrandbits(32), start_bpm=128.0)
            device = await simulate(self.world, wearable_id, person)
            self._simulated[wearable_id] = device
        return self._adapters[_VIRTUAL], self._simulated[wearable_id].address

    def simulated_button(self, wearable_id: str) -> CanBePressed | None:
        """Return the button of a simulated wearable; None where there is none."""
        return getattr(self._simulated.get(wearable_id), "button", None)

    def _keep_adapter(self, name: str, adapter: BleAdapter) -> None:
        self._stack.push_async_callback(adapter.close)
        self._adapters[name] = adapter
