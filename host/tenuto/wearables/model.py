# SPDX-License-Identifier: MIT
"""What a row of the registry says of one model of wearable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, Protocol

from tenuto.links.registry import LINKS

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from tenuto.config import Wearable
    from tenuto.links.ble_adapter import BleAdapter
    from tenuto.links.scan import Found
    from tenuto.routines.feel import Feel
    from tenuto.sessions.heart import Measurement
    from tenuto.simulator.hardware import EdgeLog
    from tenuto.simulator.person import FeelsBeats, VirtualPerson
    from tenuto.simulator.world import World
    from tenuto.state.keys import KeyStore

    from .base import Driver, Sensor, SensorStatus
    from .gestures import CanBePressed
    from .pairing import Paired, Target


class Capability(Flag):
    """What a model can do; the driver contract suite checks that it is true."""

    PLAYS_ALONE = auto()
    """It plays a plan by itself: cues go on while the link is cut."""
    STOPS_AT_ONCE = auto()
    """A stop ends what is being felt, not only what would come after it."""
    CONFIRMS = auto()
    """It tells what it has taken, so that nothing counts as felt that was not."""
    STRENGTH = auto()
    """Its cues differ in strength."""
    BUTTON = auto()
    """Its wearer can answer on it."""
    HEART = auto()
    """It can measure a heart rate."""
    TRUSTED = auto()
    """It obeys only hosts that have proven a key to it."""

    @property
    def words(self) -> tuple[str, ...]:
        """The capabilities for programs, such as `plays_alone`."""
        return tuple(one.name.lower() for one in self if one.name is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """What drivers are made of; it offers what a `LinkContext` does.

    Attributes:
        adapter: Returns the adapter of a name, the usual one for None.
        simulated: Returns the virtual adapter and the address of a simulated wearable, which is
            made if it does not exist.
        keys: The keys that this host has handed out.
        utc_ms: Returns the UTC of now in ms since 1970.
        rng: For jitter.
        folder: Where a driver may keep what must outlive the process.
    """

    adapter: Callable[[str | None], BleAdapter]
    simulated: Callable[[str], Awaitable[tuple[BleAdapter, str]]]
    keys: KeyStore
    utc_ms: Callable[[], float]
    rng: random.Random
    folder: Path


class Configured(Protocol):
    """What has a part of the configuration that belongs to its model."""

    @property
    def options(self) -> Any:  # noqa: ANN401 - of the model's own class, None for the defaults
        """The part."""
        ...


class SimulatedDevice(Protocol):
    """A simulated device of a model; see `Model.simulate`.

    Attributes:
        person: Who wears it, or None.
    """

    person: VirtualPerson | None

    @property
    def address(self) -> str:
        """Its Bluetooth address."""
        ...

    @property
    def motor(self) -> EdgeLog:
        """Its motor."""
        ...

    @property
    def button(self) -> CanBePressed:
        """Its button, one that does nothing where it has none."""
        ...

    @property
    def heart(self) -> FeelsBeats:
        """Its sensor, one that feels nothing where it has none."""
        ...

    async def boot(self) -> None:
        """Switch it on."""

    async def stop(self) -> None:
        """Switch it off; nothing if it is off."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A wearable that was reached for `tenuto doctor`.

    Attributes:
        firmware: Its version, None where it does not tell.
        is_trusted: Whether it obeys only hosts that have proven a key to it, None where its model
            says so of all.
    """

    firmware: str | None
    is_trusted: bool | None = None


class PairByCable(Protocol):
    """How a model is paired with by cable."""

    async def __call__(
        self, target: Target, keys: KeyStore, show: Callable[[str], None], *, only: bool
    ) -> Paired:
        """Hand a key to the device; see `pairing.pair_by_cable`."""
        ...


def _bring_none() -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One row: a kind of device, and everything that is special about it.

    A device that buzzes has `build` and `links`; a sensor has `build_sensor` and `worn_as`.

    Attributes:
        id: What `model` of a [[wearable]] says: 1 to 32 of a-z, 0-9, _ and -.
        title: What people call such a device.
        manufacturer: Who makes it.
        use: What it does for Tenuto and how to configure it, in a line for `tenuto scan`.
        capabilities: What it can do.
        is_one: Returns whether what a scan has heard is such a device; must be quick.
        links: The ids of the links that it goes by.
        options: The dataclass, made by `toml.tables.key`, of its own part of the configuration,
            the table `options` of a [[wearable]]; None where it has none.
        worn_as: For a sensor, the key of a [[wearable]] that has its address.
        build: Returns the driver of a wearable of this model.
        feel: Returns what the motor of a wearable can do; None for a model that plays every
            pattern as it is written.
        build_sensor: Returns the sensor of a wearable, which calls back with each measurement, its
            name and its kind; None if the wearable has no such.
        check_sensor: Reaches the sensor of a wearable for `tenuto doctor`.
        simulate: Puts one into a simulated room, by its id and who wears it.
        served_as: For a device behind a server of another program, the kind of simulated server,
            one of `simulator.devices.SERVERS`.
        pair: Pairs over the air where that takes more than a bond: with the device that is meant,
            by an adapter, with the keys of this host; its last argument tells the person something.
        pair_by_cable: Pairs by cable where there is such a way.
        check: Reaches a wearable for `tenuto doctor`; where None, it is reached as any device by
            Bluetooth.
        newest_firmware: Returns the version of its firmware that came with this program, None
            where its firmware is not ours.
        app: The folder in `firmware` of our app that goes onto it, None where there is none.
        caution: What its user is told where it is not `TRUSTED`; None for what holds for most.
        notes: What its user has to know or to set on the device, told by `pair` and `doctor`.
    """

    id: str
    title: str
    manufacturer: str
    use: str
    capabilities: Capability
    is_one: Callable[[Found], bool]
    links: tuple[str, ...] = ()
    options: type | None = None
    worn_as: str | None = None
    build: Callable[[Wearable, BuildContext], Awaitable[Driver]] | None = None
    feel: Callable[[Configured], Feel] | None = None
    build_sensor: (
        Callable[
            [Wearable, BuildContext, Callable[[Measurement, str, str | None], None]],
            Sensor | None,
        ]
        | None
    ) = None
    simulate: Callable[[World, str, VirtualPerson | None], Awaitable[SimulatedDevice]] | None = None
    served_as: str | None = None
    pair: (
        Callable[[Target, BleAdapter, KeyStore, Callable[[str], None]], Awaitable[Paired]] | None
    ) = None
    pair_by_cable: PairByCable | None = None
    check: Callable[[Wearable, Callable[[str | None], BleAdapter]], Awaitable[Reached]] | None = (
        None
    )
    check_sensor: (
        Callable[[Wearable, Callable[[str | None], BleAdapter]], Awaitable[SensorStatus]] | None
    ) = None
    newest_firmware: Callable[[], str | None] = _bring_none
    app: str | None = None
    caution: str | None = None
    notes: Sequence[str] = ()

    @property
    def buzzes(self) -> bool:
        """Whether a session can be played on it."""
        return self.build is not None

    @property
    def distrust(self) -> str | None:
        """What its user has to know of who else may use it, None where nobody else may."""
        if not self.buzzes or Capability.TRUSTED in self.capabilities:
            return None
        asks_none = f"a {self.title} asks for no key; whoever is near can make it buzz"
        return self.caution or asks_none

    @property
    def can(self) -> tuple[str, ...]:
        """What it does for Tenuto, for programs: `play` by itself, `buzz`, `heart_rate`."""
        found = {
            "play": Capability.PLAYS_ALONE in self.capabilities,
            "buzz": self.buzzes,
            "heart_rate": Capability.HEART in self.capabilities,
        }
        return tuple(word for word, does in found.items() if does)

    def configuration(self, address: str) -> str:
        """Return the lines that make a device at a Bluetooth address known to the configuration."""
        if self.worn_as is not None:
            return f'{self.worn_as} = "{address}"'
        # The first link is the one by Bluetooth for what a scan has heard.
        lines = [
            "[[wearable]]",
            f'id = "{self.id}"',
            f'model = "{self.id}"',
            f'link = "{self.links[0]}"',
        ]
        if "address" in LINKS[self.links[0]].needs:
            lines.append(f'address = "{address}"')
        return "\n".join(lines)
