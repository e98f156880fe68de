# SPDX-License-Identifier: MIT
"""The plans that wearables play: holds as they have grown, or as written where a class plays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenuto.history.completed_holds import times_held
from tenuto.routines.progression import grown, grows, growths
from tenuto.wearables import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenuto.config import Config
    from tenuto.routines.adjust import Adjustment
    from tenuto.routines.compile import CompiledPlan
    from tenuto.routines.feel import Feel
    from tenuto.routines.library import Library
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


def compile_for_all(
    config: Config, library: Library, name: str, liked: Mapping[str, Adjustment]
) -> dict[str, CompiledPlan]:
    """Compile a routine for several wearables: as strong as each likes it, and as long as written.

    Args:
        liked: What is set for each wearable, by its id.

    Raises:
        InputError: It does not exist, or has mistakes.
    """
    routine = library.routine(name)
    made: dict[tuple[Adjustment, Feel | None], CompiledPlan] = {}
    plans = {}
    for wearable, adjustment in liked.items():
        key = (replace(adjustment, hold_pct=100), registry.feel(config.wearable(wearable)))
        if key not in made:
            made[key] = library.compile(routine, *key)
        plans[wearable] = made[key]
    return plans
