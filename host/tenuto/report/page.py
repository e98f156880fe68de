# SPDX-License-Identifier: MIT
"""Reports as one page of HTML that needs nothing else: no script, no font, no network.  Pure.

The pages are in `templates/`, which escape whatever they are given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from tenuto.history.adherence import stopped_at

from . import charts
from .style import DAY, FONT, NIGHT, Colours
from .svg import Picture, together

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenuto.history.adherence import Muscle
    from tenuto.history.rows import SessionRow
    from tenuto.history.timeline import Outline


@dataclass(frozen=True, slots=True)
class Report:
    """A report in all its forms.

    Attributes:
        title: One line.
        template: The template that says it.
        values: What is in it.
        pictures: As drawn for a picture of its own.
    """

    title: str
    template: str
    values: Mapping[str, object]
    pictures: tuple[Picture, ...]

    @property
    def html(self) -> str:
        """One page that needs nothing else."""
        return render(self.template, layout="page.html", title=self.title, **self.values)

    def svg(self, colours: Colours = DAY) -> str:
        """Return all pictures as one SVG file, by day or by night."""
        style = render("picture.css") + render("picture-colours.css", c=colours)
        return together(self.pictures, self.title).file(style)


class Figure(NamedTuple):
    """A number that stands in large print, with a note and what it was in the period before."""

    name: str
    value: str
    note: str = ""
    before: str = ""


@cache
def templates(*packages: str) -> Environment:
    """Return the templates of packages, those of reports last; they escape what they are given."""
    loaders = [PackageLoader(name) for name in (*packages, "tenuto.report")]
    found = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(day=DAY, night=NIGHT, font=FONT)
    return found


def render(template: str, **values: object) -> str:
    """Return a template of `templates/` with values in it."""
    return templates().get_template(template).render(values)


def began(row: SessionRow, zone: tzinfo | None) -> datetime:
    """Return when a session began, in a time zone or, without one, in that of this computer."""
    return datetime.fromtimestamp(row.started_utc_ms / 1000, UTC).astimezone(zone)


def ended(told: Outline) -> str:
    """Return a sentence on how a session ended."""
    row = told.row
    if row.reason is None:
        return "Not known to have ended."
    stopped = stopped_at(told)
    if stopped is None or row.reason == "finished":
        return {"finished": "Finished.", "stopped": "Stopped early.", "failed": "Broken off."}.get(
            row.reason, f"Ended: {row.reason}."
        )
    return f"Stopped in {stopped.hold.place}, after {stopped.hold.held_ms // 1000} s."


def muscle_pictures(
    muscles: Mapping[str, Mapping[str, Muscle]], days: int | None
) -> Iterable[tuple[str, Picture]]:
    """Yield the kind of exercise and the picture of its muscles; those of stretches come first.

    Args:
        muscles: By the kind of exercise and by name.
        days: Of the period, None for one session.
    """
    for kind in sorted(muscles, key=charts.kind_order):
        yield kind, charts.muscles(kind, muscles[kind], days)
