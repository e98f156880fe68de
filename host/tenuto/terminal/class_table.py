# SPDX-License-Identifier: MIT
"""A class in a terminal: one line for each member.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from . import class_words
from .words import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARKS = {
    "playing": "▶",
    "waiting": "…",
    "paused": "⏸",
    "ready": "·",
    "coming": "?",
    "ended": "■",
    "refused": "✗",
}
"""They repeat what the words say."""


def draw(status: Mapping[str, Any]) -> Group:
    """Draw the status of a class."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "wearable", "person", "does"):
        table.add_column(name, no_wrap=name != "does")
    table.add_column("heart", justify="right", no_wrap=True)
    for row in status["members"]:
        is_well = row["in_step"] or row["standing"] in ("ready", "ended")
        table.add_row(
            Text(_MARKS[row["standing"]]),
            Text(printable(row["id"])),
            Text(printable(row["person"] or "")),
            Text(class_words.member(row, status["now_utc_ms"]), style="" if is_well else "yellow"),
            Text("" if row["bpm"] is None else f"{row['bpm']} bpm"),
        )
    headline = Text(class_words.headline(status), style="bold")
    return Group(headline, table) if status["members"] else Group(headline)
