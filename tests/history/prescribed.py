# SPDX-License-Identifier: MIT
"""Prescriptions to keep."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tenuto.history.prescription import Prescription
from tests.history.sessions import UTC_MS

MONDAY = date(2027, 1, 11)
"""Of the week of `UTC_MS`, which is a Friday."""

_ONE = Prescription(
    id="00112233aabbccdd",
    person="ada",
    routine="lower-back",
    title="Lower back",
    days=("mon", "wed", "fri"),
    times_a_week=3,
    first=MONDAY,
    last=date(2027, 2, 28),
    assigned_utc_ms=UTC_MS,
)


def prescription(**changes: object) -> Prescription:
    """Return lower back on Monday, Wednesday and Friday for seven weeks, or something else."""
    return replace(_ONE, **changes)  # type: ignore[arg-type]  # the caller knows the fields
