# SPDX-License-Identifier: MIT
"""Tables on a terminal and in a pipe, for all commands that print one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import JustifyMethod, RenderableType

_PIPE_WIDTH = 1_000


def table(*columns: str) -> Table:
    """Make a table; `!` before a column: never folded, then `>`: aligned to the right."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        title = column.lstrip("!>")
        justify: JustifyMethod = "right" if ">" in column else "left"
        made.add_column(title, justify=justify, overflow="fold", no_wrap="!" in column)
    return made


def console() -> Console:
    """Return a console that prints texts as they are; in a pipe, lines are whole, however long."""
    made = Console(highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _PIPE_WIDTH
    return made


def write(*parts: RenderableType) -> None:
    """Print one below the other; in a pipe, without blanks at the ends of lines."""
    out = console()
    if out.is_terminal:
        out.print(*parts, sep="\n")
        return
    with out.capture() as capture:
        out.print(*parts, sep="\n")
    lines = (line.rstrip() for line in capture.get().splitlines())
    out.file.write("\n".join(lines) + "\n")
