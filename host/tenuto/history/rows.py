# SPDX-License-Identifier: MIT
"""What the history hands out: sessions, records, notes on exercises, messages that wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.sessions.device import SIMULATED_NAME

if TYPE_CHECKING:
    from tenuto.sessions.events import Event, Record, SessionKey

UTC_MS_MAX = 4_102_444_800_000
"""The beginning of the year 2100: a later moment is a clock that is wrong."""


def to_range(utc_ms: int) -> int:
    """Return a moment, or the nearest one that every calendar, time zone and format can express.

    What comes in is in that range; a history of an older Tenuto may have other moments.
    """
    return min(max(0, utc_ms), UTC_MS_MAX)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What the table of sessions says of one.

    Attributes:
        id: Its number in this history, and in no other.
        key: Which session it is, in every history.
        wearable: What the configuration called the device.
        person: What to call who wore it, None where not known; see `tenuto.history.persons`.
        plan_id: None where not known.
        routine: None where not known.
        started_utc_ms: Of its first known record.
        ended_utc_ms: None while it is not known to have ended, as `reason` and `source`.
        is_simulated: Whether it was played on a simulated device and counts for nobody.
        parts: Of a sitting, the numbers of the sessions after its first one, in order; the end is
            then that of the last of them. See `tenuto.history.sittings`.
    """

    id: int
    key: SessionKey
    wearable: str
    person: str | None
    plan_id: str | None
    routine: str | None
    started_utc_ms: int
    ended_utc_ms: int | None
    reason: str | None
    source: str | None
    is_simulated: bool = False
    parts: tuple[int, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of all its sessions, in order."""
        return self.id, *self.parts

    @property
    def where(self) -> str:
        """What it was played on, for people."""
        is_told = not self.is_simulated or self.wearable == SIMULATED_NAME
        return self.wearable if is_told else f"{self.wearable} (simulated)"


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record of the wearable's log and when it happened, ms since 1970 in UTC.

    Attributes:
        uncertainty_ms: How far from the truth that may be; None where it is not known.
    """

    record: Record
    utc_ms: int
    uncertainty_ms: int | None = None


@dataclass(frozen=True, slots=True)
class HostEvent:
    """An event that only the host noticed and when it happened, ms since 1970 in UTC."""

    event: Event
    utc_ms: int


@dataclass(frozen=True, slots=True)
class ExerciseNote:
    """What a routine says of an exercise: `stretch` or `strength`, and which muscles it is for."""

    name: str
    kind: str
    muscles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session with all that is kept of it.

    Attributes:
        plan: The bytes of the plan, None where it was never known.
        records: In order of their numbers.
        host_events: In order of session time.
        exercises: Empty where the routine was never known.
        parts: Of a sitting, the sessions after its first one, in order.
    """

    row: SessionRow
    plan: bytes | None
    records: tuple[StoredRecord, ...]
    host_events: tuple[HostEvent, ...]
    exercises: tuple[ExerciseNote, ...] = ()
    parts: tuple[StoredSession, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message for the broker that waits in the outbox.

    Attributes:
        utc_ms: When what it tells happened, ms since 1970.
    """

    id: int
    utc_ms: int
    topic: str
    payload: bytes
