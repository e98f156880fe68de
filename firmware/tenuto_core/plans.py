# SPDX-License-Identifier: MIT
"""The plans that a wearable keeps, to be played without a host.

Each has a place, which it holds for as long as it is kept; people know it by that number.  Only
one plan at a time is in memory, the others are in the storage.
"""

import struct

from .plan import Plan, PlanError
from .storage import Storage

PLACES = 4
_HEAD = "<8sI"
_HEAD_BYTES = 12


class Kept:
    """What is known of a plan without reading it; `order` rises with each plan that is kept."""

    def __init__(self, plan_id: bytes, order: int, size: int, name: str) -> None:
        self.plan_id = plan_id
        self.order = order
        self.size = size
        self.name = name


class Shelf:
    """The plans in the storage, a `Kept` or None for each place."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.places: list[Kept | None] = [None] * PLACES
        for place in range(PLACES):
            found = self._read(place)
            if found is not None:
                plan_id, order, plan = found
                self.places[place] = Kept(plan_id, order, len(plan.data), plan.name)

    def _read(self, place: int) -> tuple[bytes, int, Plan] | None:
        head = self._storage.load("plan{}".format(place), 0, _HEAD_BYTES)
        if len(head) < _HEAD_BYTES:
            return None
        plan_id, order = struct.unpack(_HEAD, head)
        try:
            return plan_id, order, Plan(self._storage.load("plan{}".format(place), _HEAD_BYTES))
        except PlanError:
            return None

    @property
    def kept(self) -> list[int]:
        """The places that hold a plan, in their order."""
        return [place for place in range(PLACES) if self.places[place] is not None]

    def find(self, plan_id: bytes) -> int | None:
        """Return the place of a plan, or None."""
        for place in range(PLACES):
            kept = self.places[place]
            if kept is not None and kept.plan_id == plan_id:
                return place
        return None

    def newest(self) -> int | None:
        """Return the place of the plan that was kept last, or None."""
        best, order = None, -1
        for place in range(PLACES):
            kept = self.places[place]
            if kept is not None and kept.order > order:
                best, order = place, kept.order
        return best

    def load(self, place: int) -> Plan | None:
        """Read the plan in a place; if that fails, forget the plan and return None."""
        found = self._read(place)
        kept = self.places[place]
        if found is None or kept is None or found[0] != kept.plan_id:
            self.places[place] = None
            return None
        return found[2]

    def keep(self, plan_id: bytes, plan: Plan) -> bool:
        """Keep a plan: in a free place, or in that of the one that was kept first.

        Where the storage has no room, the oldest plans are removed one by one. Does nothing if the
        plan is there already.

        Returns:
            Whether the plan is kept; False where it is too large even for the empty storage.
        """
        if self.find(plan_id) is not None:
            return True
        while not self._put(plan_id, plan):
            if not self._forget_oldest():
                return False
        return True

    def _forget_oldest(self) -> bool:
        oldest, order = None, 1 << 32
        for place in range(PLACES):
            kept = self.places[place]
            if kept is not None and kept.order < order:
                oldest, order = place, kept.order
        if oldest is None:
            return False
        self._storage.save("plan{}".format(oldest), b"")
        self.places[oldest] = None
        return True

    def _put(self, plan_id: bytes, plan: Plan) -> bool:
        target, oldest, newest = 0, 1 << 32, 0
        for place in range(PLACES - 1, -1, -1):
            kept = self.places[place]
            order = -1 if kept is None else kept.order
            newest = max(newest, order)
            if order < oldest or order == -1:
                target, oldest = place, order
        head = struct.pack(_HEAD, plan_id, newest + 1)
        if not self._storage.save("plan{}".format(target), plan.data, head):
            return False
        self.places[target] = Kept(plan_id, newest + 1, len(plan.data), plan.name)
        return True
