# SPDX-License-Identifier: MIT
"""A plan as one strip: the holds as blocks from left to right.  Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tenuto.report.svg import Picture
from tenuto_core import vocab

if TYPE_CHECKING:
    from tenuto_core.plan import Plan

WIDTH, HEIGHT = 960.0, 44.0
_LANE = HEIGHT / 2 - 1


@lru_cache(maxsize=32)
def draw_strip(plan: Plan) -> Picture:
    """Draw it: the left side above, the right side below, a hold of both in both."""
    picture = Picture("strip", WIDTH, HEIGHT, "The session", "Its holds from left to right.")
    whole_ms = max(1, plan.duration_ms)
    at_ms = 0
    for number in range(plan.steps):
        step = plan.step(number)
        if step.kind == vocab.HOLD:
            x, width = at_ms / whole_ms * WIDTH, step.duration_ms / whole_ms * WIDTH
            side = vocab.SIDES[step.side]
            top = HEIGHT / 2 + 1 if side == "right" else 0.0
            height = _LANE if side else HEIGHT
            picture.rect(x, top, max(1.0, width - 1), height, class_="hold", rx=3)
        at_ms += step.duration_ms
    return picture
