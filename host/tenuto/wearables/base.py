# SPDX-License-Identifier: MIT
"""What a driver offers for one wearable, whoever plays the plan: the wearable or the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tenuto.sessions.events import SessionKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.errors import LinkError
    from tenuto.sessions.commands import Verb
    from tenuto.sessions.events import Record


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered.

    Attributes:
        boot_id: Differs from boot to boot; with it the log's numbers and the clock begin anew.
        firmware: Its version.
        serial: Its number, the same on every link.
        address: Address of its radio, such as `C0:00:00:00:00:01`. Firmware, serial and address
            are None where the device does not tell them.
        device: What it is known by in the history, see `tenuto.sessions.device`; empty until the
            supervisor has filled it in.
        plan_version: The newest version of plans that it plays; it plays those before it, too.
        open_holds: Whether it plays holds that a press ends, and can be pressed.
    """

    name: str
    boot_id: int
    plan_bytes_max: int
    firmware: str | None = None
    serial: str | None = None
    address: str | None = None
    device: str = ""
    plan_version: int = 1
    open_holds: bool = False

    def session(self, seq: int) -> SessionKey:
        """Return which session begins with a record of this boot's log."""
        return SessionKey(self.device, self.boot_id, seq)


@dataclass(frozen=True, slots=True)
class Status:
    """What a wearable does at this moment, by its own word.

    Attributes:
        state: One of `tenuto_core.player.STATES`.
        step: None when idle.
        plan_id: 8 bytes, None without a plan.
        session: Log number of the present or last session's start, None before the first.
        now_ms: Its clock, modulo 2**32.
        log_first, log_next: Oldest record that it still has, and the number of the next.
    """

    state: str
    step: int | None
    battery_pct: int | None
    plan_id: bytes | None
    session: int | None
    now_ms: int
    elapsed_ms: int
    duration_ms: int
    log_first: int
    log_next: int

    @property
    def playing(self) -> bool:
        """Whether a session is going on, paused or not."""
        return self.state not in ("idle", "armed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorStatus:
    """How a sensor that is worn with a wearable is.

    Attributes:
        name: Its Bluetooth address, or the name that it tells, as the configuration has it.
        connected: Whether there is a link to it.
        heard: Whether it has sent something on that link.
        kind: See `HeartSensor`; None while that is not known.
        battery_pct: When it was connected to, None where it does not tell.
        problem: Why it is not connected, None when all is well or nothing was tried yet.
    """

    name: str
    connected: bool
    heard: bool
    kind: str | None
    battery_pct: int | None
    problem: LinkError | None


class Sensor(Protocol):
    """A sensor that is worn with a wearable."""

    @property
    def status(self) -> SensorStatus:
        """How it is."""
        ...

    async def run(self) -> None:
        """Keep it connected, until cancelled."""


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan that a wearable keeps, and what it knows of it without reading it.

    Attributes:
        place: Where; people know the plan by that number.
        plan_id: Its id.
        size: Its length in bytes.
        name: The routine's name.
    """

    place: int
    plan_id: bytes
    size: int
    name: str


class Driver(Protocol):
    """One wearable.  Every method but `disconnect` may raise LinkError."""

    name: str
    hosts_player: bool
    """Whether this process plays the plan: then it can be stopped and its log is followed also
    while the device is out of reach."""

    @property
    def heard_s(self) -> float:
        """The loop's time when something was last heard of it."""
        ...

    @property
    def rssi_dbm(self) -> int | None:
        """How strongly it was heard when it was connected to, None without a radio."""
        ...

    async def connect(self, on_lost: Callable[[], None]) -> Identity:
        """Reach the wearable.  `on_lost` is called once if it is lost again."""
        ...

    async def disconnect(self) -> None:
        """Let go; what plays on the wearable goes on playing."""

    async def close(self) -> None:
        """Let go for good, as when this process ends; `connect` begins anew all the same."""

    async def status(self) -> Status:
        """Ask what it does."""
        ...

    async def clock(self) -> tuple[int, float, float]:
        """Ask for its clock.

        Returns:
            its time in ms modulo 2**32, and the loop's time in s before and after the question.
        """
        ...

    async def beat(self, bpm: int, rr_1024: Sequence[int]) -> bool:
        """Hand over a beat of a strap, so that it counts there as one of its own sensor.

        Args:
            bpm: 1 to 255.
            rr_1024: Intervals in 1/1024 s, oldest first.

        Returns:
            False if it has no use for one.
        """
        ...

    async def alert(self) -> None:
        """Have it felt, so that it is found.

        Raises:
            RefusedError: It cannot do that.
        """

    async def upload(self, plan_id: bytes, data: bytes) -> None:
        """Put a plan in its hands: wholly, or not at all.

        Raises:
            RefusedError: It plays something else just now, or does not like the plan.
        """

    async def kept_plans(self) -> Sequence[KeptPlan]:
        """Ask which plans it keeps, to be started without a host; none where it keeps none."""
        ...

    async def read_plan(self, plan_id: bytes) -> bytes | None:
        """Fetch the plan that it has; None if it has another one."""
        ...

    async def command(
        self, verb: Verb, plan_id: bytes, arg: int = 0, command_id: int | None = None
    ) -> None:
        """Have it obey.

        Sent again if no answer comes, obeyed once.

        Args:
            command_id: 32 bits; the same one again soon after, on whatever link, is not obeyed
                twice but answered as the first time. None for a new one.

        Raises:
            RefusedError: With the wearable's reason; nothing changed.
        """

    async def start_at(self, plan_id: bytes, device_ms: int, command_id: int | None = None) -> None:
        """Have it begin a plan at a time of its own clock, modulo 2**32; up to a day ahead.

        Sent again if no answer comes, obeyed once.

        Raises:
            RefusedError: That time is over, it plays, or it does not have the plan.
        """

    async def follow(
        self,
        from_seq: int,
        on_records: Callable[[Sequence[Record]], bool],
        on_gap: Callable[[int, int], None],
    ) -> None:
        """Have the log handed over from this number on, each record once and in order.

        Args:
            on_records: Returns False to be given them again later, when there is room.
            on_gap: The records from the first number up to, not including, the second are gone.
        """
