# SPDX-License-Identifier: MIT
"""HTML and CSS from the templates."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tenuto.report.page import templates
from tenuto.terminal.words import clock, cue, span

if TYPE_CHECKING:
    from jinja2 import Environment

SECTIONS = (
    ("", "Now"),
    ("routines", "Routines"),
    ("history", "History"),
    ("wearables", "Wearables"),
    ("learn", "Learn"),
    ("class", "Class"),
)
"""The pages that are always in reach: their address and their name."""


@cache
def _templates() -> Environment:
    found = templates("tenuto.web")
    found.globals.update(sections=SECTIONS)
    found.filters.update(clock=clock, span=span, cue_words=cue)
    return found


def render(template: str, **values: object) -> str:
    """Return a template with its values, which are escaped in HTML."""
    return _templates().get_template(template).render(values)
