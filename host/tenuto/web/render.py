# SPDX-License-Identifier: MIT
"""HTML and CSS from the templates."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from tenuto.report.page import templates
from tenuto.terminal.words import clock, cue, span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2 import Environment

    from tenuto.routines.compile import ScoreCue

SECTIONS = (
    ("", "Now"),
    ("routines", "Routines"),
    ("history", "History"),
    ("wearables", "Wearables"),
    ("learn", "Learn"),
    ("class", "Class"),
)
"""The pages that are always in reach: their address and their name."""


def _cue_list(cues: Iterable[ScoreCue], phase: str | None) -> str:
    """Return cues in words; the same one several times in a row is said once, with how often."""
    grouped = [(words, len(list(same))) for words, same in groupby(cue(c.cue, phase) for c in cues)]
    return ", ".join(words if times == 1 else f"{words} {times} times" for words, times in grouped)


@cache
def _templates() -> Environment:
    found = templates("tenuto.web")
    found.globals.update(sections=SECTIONS)
    found.filters.update(clock=clock, span=span, cue_words=cue, cue_list=_cue_list)
    return found


def render(template: str, **values: object) -> str:
    """Return a template with its values, which are escaped in HTML."""
    return _templates().get_template(template).render(values)
