# SPDX-License-Identifier: MIT
"""A session as a FIT activity, for Garmin, Suunto and whatever else reads that.

training / flexibility_training; laps without a gap, active ones for holds and others for what lies
between them; the heart rate once a second; intervals between beats, only of electrodes; the timer's
stops where it was paused; and the plan as the steps of a workout. Needs the extra `fit`.

The timer of a lap, of the session and of the activity is the time without pauses. A field whose
value is not known is left out.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from tenuto import extras
from tenuto.errors import InputError

from .timeline import Span

if TYPE_CHECKING:
    from .timeline import Account, Phase

EPOCH_S = 631_065_600
"""1989-12-31 00:00 UTC, from which FIT counts seconds."""
_FIRST_MS = (EPOCH_S + 0x1000_0000) * 1000
"""Smaller numbers are no moments to FIT, but seconds since a device was switched on."""


class Lap(NamedTuple):
    """A part of the session; phase: None for time of which no step is known."""

    span: Span
    phase: Phase | None


def fit_file(told: Account, zone: tzinfo | None = None) -> bytes:
    """Return the bytes of the file.

    Args:
        told: The session.
        zone: Of time, of where it was played; None for that of this computer.

    Raises:
        InputError: the extra `fit` is not installed, or FIT cannot say when the session was.
    """
    if told.row.started_utc_ms < _FIRST_MS:
        began, first = (_day(ms) for ms in (told.row.started_utc_ms, _FIRST_MS))
        raise InputError(
            f"session {told.row.id} began on {began} by the clock of then, and FIT knows no day "
            f"before {first}: take it along as jsonl or csv"
        )
    with extras.needed("fit", "FIT"):
        from . import fit_messages  # noqa: PLC0415 - an extra
    return fit_messages.build(told, laps(told), zone)


def _day(utc_ms: int) -> str:
    return datetime.fromtimestamp(utc_ms / 1000, UTC).date().isoformat()


def laps(told: Account) -> list[Lap]:
    """Return the laps of a session, at least one: they follow each other without a gap."""
    parts: list[Lap] = []
    at_ms = 0
    for phase in sorted(told.phases, key=lambda phase: phase.from_ms):
        if phase.from_ms > at_ms:
            parts.append(Lap(Span(at_ms, phase.from_ms), None))
        from_ms, at_ms = max(at_ms, phase.from_ms), max(at_ms, phase.to_ms)
        if at_ms > from_ms:
            parts.append(Lap(Span(from_ms, at_ms), phase))
    if at_ms < told.duration_ms or not parts:
        parts.append(Lap(Span(at_ms, told.duration_ms), None))
    return parts
