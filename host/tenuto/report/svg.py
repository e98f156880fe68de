# SPDX-License-Identifier: MIT
"""Pictures as SVG, drawn by hand: few elements, short numbers, escaped text.  Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HATCHED = frozenset({"pause", "cut"})
LETTER = 0.58
"""Mean width of a letter, as a share of the font's size; wide enough for most fonts."""


def number(value: float) -> str:
    """Give a coordinate with one decimal at most."""
    text = f"{value:.1f}"
    return text.removesuffix(".0")


def text_width(text: str, size: float) -> float:
    """Estimate how wide a text is."""
    return LETTER * size * len(text)


def shorten(text: str, width: float, size: float) -> str:
    """Cut a text to a width; empty where not even three letters fit."""
    if text_width(text, size) <= width:
        return text
    letters = int(width / (LETTER * size)) - 1
    return text[:letters].rstrip(" ,") + "\u2026" if letters >= 3 else ""


class Picture:
    """One picture.

    title, desc: what it is, and what it shows, for people who do not see it.  Measures are in px
    of a picture shown in its own size.
    """

    def __init__(self, name: str, width: float, height: float, title: str, desc: str) -> None:
        self.name = name
        self.width = width
        self.height = height
        self.title = title
        self.desc = desc
        self._body: list[str] = []

    def add(self, tag: str, text: str | None = None, **attributes: object) -> None:
        """Add an element; `class_` is `class`, `stroke_width` is `stroke-width`, None is left out.

        text: its content, to be escaped.
        """
        written = "".join(
            f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
            for key, value in attributes.items()
            if value is not None
        )
        inner = "/>" if text is None else f">{escape(text, quote=False)}</{tag}>"
        self._body.append(f"<{tag}{written}{inner}")

    def rect(
        self, x: float, y: float, width: float, height: float, *, class_: str, rx: float = 0
    ) -> None:
        """Add a rectangle; those of the classes in `HATCHED` are hatched."""
        fill = f"url(#{self.name}-{class_})" if class_ in HATCHED else None
        self.add("rect", x=x, y=y, width=width, height=height, rx=rx, class_=class_, fill=fill)

    def line(self, x1: float, y1: float, x2: float, y2: float, *, class_: str) -> None:
        """Add a line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)

    def text(
        self, x: float, y: float, text: str, *, class_: str = "text", anchor: str = ""
    ) -> None:
        """Add a text with its baseline at `y`."""
        self.add("text", text, x=x, y=y, class_=class_, text_anchor=anchor or None)

    def path(self, points: Iterable[tuple[float, float]], *, class_: str) -> None:
        """Add a line through points."""
        data = "L".join(f"{number(x)} {number(y)}" for x, y in points)
        self.add("path", d=f"M{data}", class_=class_)

    def inline(self) -> str:
        """Give the element for a page that has the style."""
        ids = f"{self.name}-title {self.name}-desc"
        return (
            f'<svg class="picture" role="img" aria-labelledby="{ids}"'
            f' viewBox="0 0 {number(self.width)} {number(self.height)}">'
            f'<title id="{self.name}-title">{escape(self.title, quote=False)}</title>'
            f'<desc id="{self.name}-desc">{escape(self.desc, quote=False)}</desc>'
            f"{_PATTERNS.replace('NAME', self.name)}"
            f"{''.join(self._body)}</svg>"
        )

    def placed(self, x: float, y: float) -> str:
        """Give the element for a place within another picture."""
        head = f'<svg x="{number(x)}" y="{number(y)}" width="{number(self.width)}"'
        head += f' height="{number(self.height)}"'
        return self.inline().replace('<svg class="picture"', head, 1)


def together(pictures: Iterable[Picture], style: str, title: str, margin: float = 24) -> str:
    """Give a file of its own with pictures one below the other, each under its title."""
    placed: list[str] = []
    y, width = margin + 26.0, 0.0
    for picture in pictures:
        placed.append(
            f'<text x="{number(margin)}" y="{number(y + 14)}" class="heading">'
            f"{escape(picture.title, quote=False)}</text>"
        )
        placed.append(picture.placed(margin, y + 26))
        y += picture.height + 26 + margin
        width = max(width, picture.width)
    width += 2 * margin
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{number(width)}" height="{number(y)}"'
        f' viewBox="0 0 {number(width)} {number(y)}"><title>{escape(title, quote=False)}</title>'
        f'<style>{style}</style><rect width="100%" height="100%" class="paper"/>'
        f'<text x="{number(margin)}" y="{number(margin + 12)}" class="top">'
        f"{escape(title, quote=False)}</text>{''.join(placed)}</svg>\n"
    )


def _value(value: object) -> str:
    return number(value) if isinstance(value, (int, float)) else escape(str(value))


_PATTERNS = (
    "<defs>"
    '<pattern id="NAME-pause" width="6" height="6" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><rect width="6" height="6" class="pause-paper"/>'
    '<rect width="2" height="6" class="pause-ink"/></pattern>'
    '<pattern id="NAME-cut" width="5" height="5" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(-45)"><rect width="5" height="5" class="cut-paper"/>'
    '<rect width="2.2" height="5" class="cut-ink"/></pattern>'
    "</defs>"
)
