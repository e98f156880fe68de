# SPDX-License-Identifier: MIT
"""A room with simulated wearables, the people who wear them, and the air in between."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Self

from tenuto.errors import TenutoError
from tenuto.links.radios.bumble import BumbleAdapter
from tenuto.wearables.gestures import make_gesture

from .board import BoardReset, FirmwareError, SimulatedBoard
from .controller import power_on_device
from .devices import KINDS
from .hardware import EDGES_MAX, Battery, Button, HeartSensor, Motor
from .radio import Radio
from .rooms import House
from .usb import UsbCable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from bumble.keys import KeyStore

    from .costs import Costs
    from .hardware import I2cChip
    from .peripheral import SimulatedPeripheral
    from .person import VirtualPerson
    from .proxy import SimulatedProxy

WEARABLES_MAX = 0xFFFF
DEVICES_MAX = 0xFF
PROXIES_MAX = 0xFF
_LET_IN_FIRST_S = 0.4
_LET_IN_ANOTHER_S = 4.0
"""Between a host's connecting and the wearer's hand at the button: a host that was let in before is
given the time to show that."""
_KNOCKED_MS = 5_000
"""For so long a wearer remembers that a host has come and gone."""


def _arguments(function: Any) -> frozenset[str]:  # noqa: ANN401 - a class of the firmware
    return frozenset(inspect.signature(function).parameters)


class SimulatedWearable:
    """A wearable: a board that runs the firmware's `app`, its parts, and who wears it.

    Made by `World.add_wearable`.

    Args:
        lets_in: Whether its wearer makes the gesture that lets new hosts in (press, press, hold)
            whenever one connects that is not let in yet, and nothing is played.
        edges_max: See `Motor`.

    Attributes:
        id: The name the firmware is given.
        board: With its clock, its standard output and its `_bleio`.
        motor, heart, button, battery: The parts, which outlive a reset.
        person: Who wears it, or None.
        app: The firmware's `App` since the last boot.
        boots: How many times it was booted.
        crashed: What ended the firmware's main task, or None while it is well.
    """

    def __init__(
        self,
        board: SimulatedBoard,
        person: VirtualPerson | None,
        *,
        lets_in: bool = True,
        edges_max: int = EDGES_MAX,
    ) -> None:
        self._edges_max = edges_max
        self.id = board.name
        self.lets_in = lets_in
        self.cable = UsbCable(board.wake)
        self._next_look: asyncio.TimerHandle | None = None
        self.board = board
        self.person = person
        board.on_reset = self._on_reset
        self.app: Any = None
        self.boots = 0
        self.crashed: BaseException | None = None
        self._main: asyncio.Task[Any] | None = None
        self._restart: asyncio.Task[None] | None = None
        self.motor: Motor
        self.heart: HeartSensor
        self.button: Button
        self.battery: Battery

    @property
    def address(self) -> str:
        """Its Bluetooth address, such as `C0:00:00:00:00:01`."""
        return self.board.address

    async def boot(self) -> None:
        """Power up and run the firmware.

        Raises:
            FirmwareError: It is running already, or the firmware could not be started.
        """
        board = self.board
        await board.boot()
        if self.boots == 0:
            self.motor = Motor(board.clock, self._edges_max)
            self.heart = HeartSensor(board.wake)
            self.button = Button(board.clock, board.wake)
            self.battery = Battery(board.wake)
        else:
            self.motor.use_clock(board.clock)
            self.button.use_clock(board.clock)
        self.boots += 1
        self.crashed = None
        try:
            app = board.load("app").App
            # Other firmwares than Tenuto's may know nothing of a cable.
            cable = {"cable": self.cable.board_end()} if "cable" in _arguments(app) else {}
            self.app = app(
                motor=self.motor,
                heart=self.heart,
                button=self.button,
                battery=self.battery,
                name=self.id,
                **cable,
            )
        except Exception as error:
            await board.stop()
            raise FirmwareError(f"firmware of {self.id} does not start: {error!r}") from error
        self._main = board.create_task(self.app.main(), "main")
        self._main.add_done_callback(self._on_main_done)
        if self.person is not None and self.boots == 1:
            self.person.put_on(self.heart, self.button)

        board.on_connection(self._on_connection)

    def _on_connection(self) -> None:
        if self.lets_in and hasattr(self.app, "band"):
            is_first = self.app.band.keyring.count == 0
            delay_s = _LET_IN_FIRST_S if is_first else _LET_IN_ANOTHER_S
            self._next_look = asyncio.get_running_loop().call_later(delay_s, self._let_in)

    def _let_in(self) -> None:
        """Make the gesture, unless whoever came is let in or it would mean something else.

        The button is held for longer than its long press, or the host would be let in too late.
        """
        ble, band = self.app.ble, self.app.band
        if not self.board.is_running or band.is_playing:
            return
        now_ms = self.board.ticks_ms()
        # A host that needs the gesture leaves at once, and comes back.
        has_left = ble.stranger_ms is not None and now_ms - ble.stranger_ms < _KNOCKED_MS
        waits = has_left if ble.peer is None else not ble.peer.is_trusted
        if not waits or band.is_pairing(now_ms):
            return
        make_gesture(self.button, "pair")

    async def stop(self) -> None:
        """Cut the power; nothing if it is off."""
        if self._next_look is not None:
            self._next_look.cancel()
        self.cable.unplug()
        if self._restart is not None and self._restart is not asyncio.current_task():
            self._restart.cancel()
            await asyncio.gather(self._restart, return_exceptions=True)
        if self.boots:
            self.motor.off()
        await self.board.stop()

    async def reset(self) -> None:
        """Cut the power and boot again; memory and links are lost, flash is not."""
        await self.stop()
        await self.boot()

    def check(self) -> None:
        """Tell of a crash.

        Raises:
            FirmwareError: The firmware's main task has ended, by this exception or by itself.
        """
        if self.crashed is not None:
            raise FirmwareError(
                f"firmware of {self.id} crashed: {self.crashed!r}"
            ) from self.crashed

    def _on_reset(self) -> None:
        if self._restart is None or self._restart.done():
            self._restart = asyncio.get_running_loop().create_task(
                self.reset(), name=f"{self.id}.reset"
            )

    def _on_main_done(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or task is not self._main:
            return
        error = task.exception()
        if isinstance(error, BoardReset):
            return
        self.motor.off()  # the watchdog's work
        self.crashed = error or FirmwareError(f"App.main of {self.id} returned")


class World:
    """Owns the radio, the wearables and the host's adapters; leaving it ends them all.

    Args:
        seed: Of everything random.
        interval_ms: Connection interval that adapters ask for.
        forced_interval_ms: That connections begin with whatever anybody asks for, or None.
        supervision_ms: Supervision timeout that adapters ask for.
        loss: See `tenuto.simulator.radio.Radio`.
        advertising_loss: likewise.
        drift_ppm: Of the boards that are not given another one, see `SimulatedBoard`.
        edges_max: How much the motors remember, see `Motor`; `EDGES_KEPT_MAX` where a world stays
            for days.

    Attributes:
        wearables, devices, proxies: What is in it, by name.
        house: Where everything is; what was put nowhere is heard by everybody.

    Raises:
        FirmwareError: On leaving without another error, if a wearable's firmware crashed.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        interval_ms: float = 40.0,
        supervision_ms: float = 4000.0,
        loss: float = 0.0,
        advertising_loss: float = 0.0,
        forced_interval_ms: float | None = None,
        drift_ppm: float = 0.0,
        edges_max: int = EDGES_MAX,
    ) -> None:
        self.seed = seed
        self._drift_ppm = drift_ppm
        self.radio = Radio(
            seed=seed,
            loss=loss,
            advertising_loss=advertising_loss,
            interval_ms=forced_interval_ms,
        )
        self.wearables: dict[str, SimulatedWearable] = {}
        self.devices: dict[str, SimulatedPeripheral] = {}
        self._interval_ms = interval_ms
        self._supervision_ms = supervision_ms
        self._edges_max = edges_max
        self._adapters: list[BumbleAdapter] = []
        self.proxies: dict[str, SimulatedProxy] = {}
        self.house = House(self.radio)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
        if exc is None:
            for wearable in self.wearables.values():
                wearable.check()

    async def close(self) -> None:
        """End everything; a second call does nothing."""
        for adapter in self._adapters:
            await adapter.close()
        self._adapters.clear()
        for proxy in self.proxies.values():
            await proxy.unplug()
        for wearable in self.wearables.values():
            if wearable.person is not None:
                wearable.person.take_off()
            await wearable.stop()
        for device in self.devices.values():
            await device.stop()

    async def add_wearable(
        self,
        id: str,  # noqa: A002  what the configuration calls it
        *,
        firmware_dir: Path,
        person: VirtualPerson | None = None,
        drift_ppm: float | None = None,
        flavour: str = "nrf52840",
        i2c: Mapping[int, I2cChip] | None = None,
        lets_in: bool = True,
        costs: Costs | None = None,
    ) -> SimulatedWearable:
        """Put a wearable into the room and boot it.

        Args:
            id: Its name, unique in this world.
            firmware_dir: A folder with a module `app` that has a class `App`.
            person: Who wears it; None for nobody, so that no beats come.
            drift_ppm: See `SimulatedBoard`; None for that of the world.
            flavour: See `SimulatedBoard`.
            i2c: See `SimulatedBoard`.
            costs: See `SimulatedBoard`.
            lets_in: See `SimulatedWearable`.

        Raises:
            TenutoError: The name is taken or the room is full.
            FirmwareError: The firmware could not be started.
        """
        self._check_free(id)
        index = len(self.wearables) + 1
        if index > WEARABLES_MAX:
            raise TenutoError(f"a world has room for {WEARABLES_MAX} wearables")
        board = SimulatedBoard(
            self.radio,
            id,
            f"C0:00:00:00:{index >> 8:02X}:{index & 0xFF:02X}",
            firmware_dir=firmware_dir,
            flavour=flavour,
            drift_ppm=self._drift_ppm if drift_ppm is None else drift_ppm,
            i2c=i2c,
            costs=costs,
            seed=self.seed,
        )
        wearable = SimulatedWearable(board, person, lets_in=lets_in, edges_max=self._edges_max)
        await wearable.boot()
        self.wearables[id] = wearable
        return wearable

    async def add_device(
        self,
        kind: str,
        id: str,  # noqa: A002  see `add_wearable`
        person: VirtualPerson | None = None,
    ) -> SimulatedPeripheral:
        """Put a device into the room that is no board of ours, and switch it on.

        Args:
            kind: One of `devices.KINDS`.
            id: Its name, unique in this world.
            person: Who wears it, None for nobody.

        Raises:
            TenutoError: The name is taken or the room is full.
        """
        self._check_free(id)
        if len(self.devices) >= DEVICES_MAX:
            raise TenutoError(f"a world has room for {DEVICES_MAX} devices of others")
        address = f"C1:00:00:00:00:{len(self.devices) + 1:02X}"
        device = KINDS[kind](self.radio, id, address, person)
        await device.boot()
        self.devices[id] = device
        return device

    @property
    def addresses(self) -> list[str]:
        """The Bluetooth addresses of all wearables and devices."""
        return [
            *(wearable.address for wearable in self.wearables.values()),
            *(device.address for device in self.devices.values()),
        ]

    async def add_proxy(
        self,
        name: str,
        place: float = 0.0,
        *,
        slots: int = 3,
        key: str | None = None,
        weak_db: float = 0.0,
    ) -> SimulatedProxy:
        """Hang up an ESPHome Bluetooth proxy and give it power.

        Args:
            name: Of it, unique in this world.
            place: Where, see `House`.
            slots: How many connections it carries.
            key: Its encryption key in base64, None for none.
            weak_db: How much its antenna swallows.

        Raises:
            TenutoError: The name is taken or the house is full.
        """
        from .proxy import SimulatedProxy  # noqa: PLC0415 - needs the packages of `esphome`

        if name in self.proxies or len(self.proxies) >= PROXIES_MAX:
            raise TenutoError(f"there is a proxy {name!r} already, or one too many")
        address = f"F0:00:00:00:02:{len(self.proxies) + 1:02X}"
        proxy = SimulatedProxy(self.radio, name, address, slots=slots, key=key)
        self.house.rooms[name] = place
        self.house.fix(address, place, weak_db=weak_db)
        await proxy.boot()
        self.proxies[name] = proxy
        return proxy

    def _check_free(self, id: str) -> None:  # noqa: A002  see `add_wearable`
        if id in self.wearables or id in self.devices:
            raise TenutoError(f"there is a wearable {id!r} already")

    async def adapter(
        self, name: str = "host", *, keystore: KeyStore | None = None
    ) -> BumbleAdapter:
        """Return the host, or one more host, a Bluetooth adapter.

        Args:
            name: For logs.
            keystore: Bonds that outlive this world; None for an empty store in memory.
        """
        address = f"F0:00:00:00:00:{len(self._adapters) + 1:02X}"
        device, controller = await power_on_device(
            self.radio, name, address, secure_connections=True, keystore=keystore
        )
        adapter = BumbleAdapter(
            device,
            interval_ms=self._interval_ms,
            supervision_ms=self._supervision_ms,
            on_close=controller.power_off,
        )
        self._adapters.append(adapter)
        return adapter
