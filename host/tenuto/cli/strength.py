# SPDX-License-Identifier: MIT
"""How the result of a measurement of strength is shown, and set on wish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto import event_loops
from tenuto.daemon.dispatch import open_dispatcher
from tenuto.daemon.operations import PREFER, Prefer
from tenuto.simulator.perception import truth_of

from .prompt import Terminal

if TYPE_CHECKING:
    from tenuto.config import Wearable
    from tenuto.cues.results import StrengthResult
    from tenuto.daemon.build import Setting


def set_strength(setting: Setting, worn: Wearable, strength_pct: int) -> str:
    """Set the strength of a wearable; return what was said about it."""

    async def prefer() -> str:
        async with open_dispatcher(setting, worn) as dispatch:
            wanted = Prefer(wearable=worn.id, strength=strength_pct)
            return (await dispatch.call(PREFER, wanted, Terminal())).text

    return event_loops.run(prefer(), speed=setting.speed)


def show_strength(result: StrengthResult) -> int | None:
    """Print a result, and return the strength that is advised, None without one."""
    threshold = result.threshold
    print(f"Felt where nothing buzzed: {threshold.false_alarms} of {threshold.empty}")
    found = threshold.estimate()
    if found is None:
        print("More than a third of the empty trials were felt, so there is no result.")
        print("Try again in quiet, and press only when you are sure.")
        return None
    interval = f"[{found.low_pct:.0f}, {found.high_pct:.0f}]"
    print(f"Threshold: {found.pct:.0f} % of the motor's strength {interval}")
    for what, times, pct in threshold.advice():
        words = (
            "more than this motor has; wear it tighter or elsewhere" if pct is None else f"{pct} %"
        )
        print(f"Advised strength {what}, {times:g} times its upper bound: {words}")
    person = truth_of(result.truth)
    if person is not None:
        print(f"In truth this simulated person has a threshold of {person.threshold_pct:.0f} %.")
    strength_pct = result.advised_pct
    print(f"`--apply`, or `strength` on the page Wearables, sets it: {strength_pct} %.")
    return strength_pct
