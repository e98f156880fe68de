# SPDX-License-Identifier: MIT
"""Pictures as SVG: few elements, short numbers.  Pure.

Elements are text from the beginning: a month has five thousand, and a tree of them took twice as
long.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LETTER = 0.58
"""Mean width of a letter, as a share of the font's size; wide enough for most fonts."""

_SHEET_WIDTH = 720.0
"""Pictures stand beside each other up to this width, or to that of the widest."""

_HATCHINGS = {"pause": (6, 2, 45), "cut": (5, 2.2, -45)}
"""Classes whose rectangles are hatched: distance and width of the strokes, their angle."""
_IN_ATTRIBUTES = {'"': "&quot;", "\t": "&#09;", "\n": "&#10;", "\r": "&#13;"}


def number(value: float) -> str:
    """Return a coordinate with one decimal at most."""
    text = f"{value:.1f}"
    return text[:-2] if text[-1] == "0" else text


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
    """One picture; all lengths are in px of a picture shown in its own size.

    Attributes:
        name: Begins the ids of its elements; two pictures of one page have different names.
        width: Its width.
        height: Its height; may grow while it is drawn.
        title: What it is, for people who do not see it.
        desc: What it shows, likewise; may be empty.
    """

    def __init__(self, name: str, width: float, height: float, title: str, desc: str = "") -> None:
        self.name = name
        self.width = width
        self.height = height
        self.title = title
        self.desc = desc
        self._elements: list[str] = []
        self._hatchings: set[str] = set()

    def add(self, tag: str, text: str | None = None, **attributes: object) -> None:
        """Add an element.

        Args:
            tag: Its name.
            text: Its content.
            attributes: `class_` is written as `class`, `stroke_width` as `stroke-width`; None is
                left out.
        """
        self._elements.append(_element(tag, text, **attributes))

    def rect(
        self, x: float, y: float, width: float, height: float, *, class_: str, rx: float = 0
    ) -> None:
        """Add a rectangle, hatched where its class is."""
        fill = None
        if class_ in _HATCHINGS:
            self._hatchings.add(class_)
            fill = f"url(#{self.name}-{class_})"
        self.add("rect", x=x, y=y, width=width, height=height, rx=rx, class_=class_, fill=fill)

    def line(self, x1: float, y1: float, x2: float, y2: float, *, class_: str) -> None:
        """Add a line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)

    def upright(self, strokes: Iterable[tuple[float, float, float]], *, class_: str) -> None:
        """Add upright lines as one element: x, from y and to y of each."""
        data = "".join(f"M{number(x)} {number(y1)}V{number(y2)}" for x, y1, y2 in strokes)
        if data:
            self.add("path", d=data, class_=class_)

    def level(self, x1: float, x2: float, heights: Iterable[float], *, class_: str) -> None:
        """Add level lines as one element, from one x to the other at each height."""
        data = "".join(f"M{number(x1)} {number(y)}H{number(x2)}" for y in heights)
        self.add("path", d=data, class_=class_)

    def text(
        self, x: float, y: float, text: str, *, class_: str = "text", anchor: str = ""
    ) -> None:
        """Add a text with its baseline at `y`."""
        self.add("text", text, x=x, y=y, class_=class_, text_anchor=anchor or None)

    def path(self, points: Iterable[tuple[float, float]], *, class_: str) -> None:
        """Add a line through points."""
        data = "L".join(f"{number(x)} {number(y)}" for x, y in points)
        self.add("path", d=f"M{data}", class_=class_)

    def place(self, picture: Picture, x: float, y: float) -> None:
        """Add another picture, with its upper left corner at a place."""
        width, height = picture.width, picture.height
        # A font may be wider than the estimate.
        whole = picture._whole(x=x, y=y, width=width, height=height, overflow="visible")
        self._elements.append(whole)

    def file(self, style: str) -> str:
        """Return the picture as a file of its own.

        Args:
            style: The CSS rules of its classes; that of the ground is `paper`.
        """
        ground = [
            _element("style", style),
            _element("rect", width="100%", height="100%", class_="paper"),
        ]
        whole = self._whole(
            *ground, xmlns="http://www.w3.org/2000/svg", width=self.width, height=self.height
        )
        return whole + "\n"

    def __html__(self) -> str:
        """Return the element for a page that has the style; templates ask for it by this name."""
        return self._whole(class_="picture")

    def _whole(self, *ground: str, **attributes: object) -> str:
        view = f"0 0 {number(self.width)} {number(self.height)}"
        told = [("title", self.title), *([("desc", self.desc)] if self.desc else [])]
        ids = " ".join(f"{self.name}-{tag}" for tag, _ in told)
        parts = [_element(tag, text, id=f"{self.name}-{tag}") for tag, text in told]
        parts += ground
        if self._hatchings:
            parts.append(_group("defs", map(self._hatching, sorted(self._hatchings))))
        parts += self._elements
        return _group("svg", parts, **attributes, viewBox=view, role="img", aria_labelledby=ids)

    def _hatching(self, class_: str) -> str:
        apart, width, angle = _HATCHINGS[class_]
        strokes = (
            _element("rect", width=part_width, height=apart, class_=f"{class_}-{part}")
            for part, part_width in (("paper", apart), ("ink", width))
        )
        return _group(
            "pattern",
            strokes,
            id=f"{self.name}-{class_}",
            width=apart,
            height=apart,
            patternUnits="userSpaceOnUse",
            patternTransform=f"rotate({angle})",
        )


def together(pictures: Iterable[Picture], title: str, margin: float = 24) -> Picture:
    """Return one picture with others in rows, each under its title."""
    drawn = list(pictures)
    room = max(_SHEET_WIDTH, *(picture.width for picture in drawn))
    sheet = Picture("sheet", 0, margin + 26, title)
    sheet.text(margin, margin + 12, title, class_="top")
    right, bottom = text_width(title, 20), sheet.height
    x = 0.0
    for picture in drawn:
        width = max(picture.width, text_width(picture.title, 15))
        if x + width > room:
            x, sheet.height = 0.0, bottom
        sheet.text(margin + x, sheet.height + 14, picture.title, class_="heading")
        sheet.place(picture, margin + x, sheet.height + 26)
        bottom = max(bottom, sheet.height + picture.height + 26 + margin)
        right = max(right, x + width)
        x += width + margin
    sheet.width, sheet.height = math.ceil(right + 2 * margin), bottom
    return sheet


def _element(tag: str, text: str | None = None, /, **attributes: object) -> str:
    start = f"<{tag}{_written(attributes)}"
    return f"{start}>{escape(text)}</{tag}>" if text else f"{start} />"


def _group(tag: str, parts: Iterable[str], /, **attributes: object) -> str:
    """Return an element with others in it, each on a line of its own."""
    return "\n".join((f"<{tag}{_written(attributes)}>", *parts, f"</{tag}>"))


def _written(attributes: Mapping[str, object]) -> str:
    return "".join(
        f' {_attribute(key)}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )


@cache
def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: object) -> str:
    if isinstance(value, (int, float)):
        return number(value)
    text = str(value)
    return text if text.isalnum() else escape(text, _IN_ATTRIBUTES)
