# SPDX-License-Identifier: MIT
"""Which of the three sinks fits a console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .jsonlines import JsonSink
from .live import LiveSink
from .plain import LinesSink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console


def choose_sink(
    console: Console,
    *,
    json: bool,
    now_ms: Callable[[], int],
    speed: float = 1.0,
    how: Mapping[str, str] | None = None,
    on_gone: Callable[[], None] | None = None,
) -> JsonSink | LinesSink | LiveSink:
    """Return the sink that fits the console.

    Args:
        json: One object a line, for programs. Without it a terminal gets the live display, and a
            pipe and a terminal that cannot move its cursor (TERM=dumb) get plain lines; NO_COLOR
            takes only the colours away.
        now_ms, speed, how: See `LiveSink`.
        on_gone: Called once when a pipe's reader is gone.
    """
    stream = console.file
    if json:
        return JsonSink(stream, on_gone=on_gone)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveSink(console, now_ms=now_ms, speed=speed, how=how)
    return LinesSink(stream, speed=speed, on_gone=on_gone)
