# SPDX-License-Identifier: MIT
"""Finds the plan that a session plays: here, in the history or on the wearable."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from tenuto.errors import TenutoError
from tenuto.event_loops import real_s
from tenuto.routines import plan_bytes
from tenuto_core.device_requests import NO_PLAN_ID
from tenuto_core.plan import PlanError

if TYPE_CHECKING:
    from tenuto_core.plan import Plan

    from .base import Driver
    from .surroundings import History

_log = logging.getLogger(__name__)

PLANS_KEPT = 8
STORE_TIMEOUT_S = 10.0


class PlanFinder:
    """The plans of one wearable.

    Args:
        name: The wearable's, for the log.
        driver: Asked for a plan that the history does not have.
        history: Asked first.

    Attributes:
        present_id: Of the plan that the wearable has, as far as is known; `NO_PLAN_ID` for none.
    """

    def __init__(self, name: str, driver: Driver, history: History) -> None:
        self.present_id = NO_PLAN_ID
        self._name = name
        self._driver = driver
        self._history = history
        self._plans: dict[bytes, Plan] = {}

    def remember(self, plan_id: bytes, plan: Plan) -> None:
        """Keep a plan at hand; the oldest is forgotten where there are many."""
        self._plans.pop(plan_id, None)
        self._plans[plan_id] = plan
        while len(self._plans) > PLANS_KEPT:
            del self._plans[next(iter(self._plans))]

    async def find(self, plan_id: bytes) -> Plan | None:
        """Return the plan with this id, None if nobody has it.

        Bytes that do not have the id as their hash are another plan, and not believed.
        """
        if plan_id in self._plans:
            return self._plans[plan_id]
        ask_history = partial(self._history.plan, plan_id.hex())
        ask_wearable = partial(self._driver.read_plan, plan_id)
        for place, ask in (("history", ask_history), ("wearable", ask_wearable)):
            try:
                async with asyncio.timeout(real_s(STORE_TIMEOUT_S)):
                    data = await ask()
                if data is not None:
                    plan = plan_bytes.read(plan_id.hex(), data)
                    self.remember(plan_id, plan)
                    return plan
            except (TenutoError, TimeoutError, PlanError) as error:
                what = "wearable=%s plan=%s asked=%s %s"
                _log.warning(what, self._name, plan_id.hex(), place, error)
                if not isinstance(error, plan_bytes.DamagedPlanError):
                    break
        return None
