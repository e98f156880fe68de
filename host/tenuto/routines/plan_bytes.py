# SPDX-License-Identifier: MIT
"""Plan bytes that come from outside: they count only if their hash is their id."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from tenuto_core.plan import Plan, PlanError

_PLANS_MAX = 64
"""A month of sessions has a handful of them; to check one takes as long as to tell a session."""


class DamagedPlanError(PlanError):
    """The bytes are not those of the plan that they are said to be."""


def id_of(data: bytes | bytearray) -> bytes:
    """Return the id of a plan: the first 8 bytes of the SHA-256 of its bytes."""
    return hashlib.sha256(data).digest()[:8]


def read(plan_id: str, data: bytes) -> Plan:
    """Read a plan that is said to have an id.

    Args:
        plan_id: As 16 hexadecimal digits.
        data: Bytes from a wearable, a file or another program.

    Returns:
        The plan, with each bound checked.

    Raises:
        DamagedPlanError: The hash does not fit; they are other bytes, or broken ones.
        UnknownPlanError: They are a plan that a newer Tenuto made.
        PlanError: They are no plan that may be played.
    """
    return _read(plan_id, bytes(data))


def known(plan_id: str | None, data: bytes | None) -> Plan | None:
    """Read a plan as `read` does; None where there is none that can be read."""
    if plan_id is None or data is None:
        return None
    try:
        return read(plan_id, data)
    except PlanError:
        return None


@lru_cache(maxsize=_PLANS_MAX)
def _read(plan_id: str, data: bytes) -> Plan:
    if id_of(data).hex() != plan_id:
        raise DamagedPlanError(f"the plan is damaged: its bytes are not those of plan {plan_id}")
    return Plan(data)
