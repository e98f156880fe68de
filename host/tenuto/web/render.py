# SPDX-License-Identifier: MIT
"""HTML and CSS from the templates."""

from __future__ import annotations

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from tenuto.report.style import DAY, FONT, NIGHT
from tenuto.terminal.words import clock, cue, span

SECTIONS = (
    ("", "Now"),
    ("routines", "Routines"),
    ("history", "History"),
    ("wearables", "Wearables"),
    ("learn", "Learn"),
)
"""The pages that are always in reach: their address and their name."""


@cache
def _templates() -> Environment:
    found = Environment(
        loader=ChoiceLoader([PackageLoader("tenuto.web"), PackageLoader("tenuto.report")]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(day=DAY, night=NIGHT, font=FONT, sections=SECTIONS)
    found.filters.update(clock=clock, span=span, cue_words=cue)
    return found


def render(template: str, **values: object) -> str:
    """Return a template with its values, which are escaped in HTML."""
    return _templates().get_template(template).render(values)
