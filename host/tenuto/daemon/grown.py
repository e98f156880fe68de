# SPDX-License-Identifier: MIT
"""Routines as long as what was completed has made them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.history.completed_holds import times_held
from tenuto.routines.progression import grown, grows, growths

if TYPE_CHECKING:
    from tenuto.config import Config
    from tenuto.routines.progression import Growth
    from tenuto.routines.routine import Routine


def as_grown(config: Config, wearable: str, routine: Routine) -> tuple[Routine, list[Growth]]:
    """Return a routine with its holds as its own rules have grown them, and what has grown."""
    if not grows(routine):
        return routine, []
    person = config.wearable(wearable).person
    held = times_held(config.history_path, routine.shown_name, person)
    shown = zip(routine.exercises, routine.shown_exercises, strict=True)
    times = {own.name: held.get(played.name, 0) for own, played in shown}
    present = grown(routine, times)
    return present, list(growths(routine, present, times))
