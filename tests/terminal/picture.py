# SPDX-License-Identifier: MIT
"""Makes the README's picture from a real session: `python -m tests.terminal.picture`.

The whole chain plays `lower-back` on the simulated wearable in virtual time, up to the fourth
hold; what the display shows there becomes `host/tenuto/terminal/session.svg`.
"""

from __future__ import annotations

import asyncio
import io
import math
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tenuto import event_loops
from tenuto.routines.library import Library
from tenuto.sessions.events import StepStarted
from tenuto.terminal.draw import Frame, draw_screen
from tenuto.terminal.screen_state import ScreenState
from tests.chain.rig import chain
from tests.conftest import ROOT

if TYPE_CHECKING:
    from tenuto.sessions.events import Entry

PICTURE = ROOT / "host" / "tenuto" / "terminal" / "session.svg"
WIDTH, HEIGHT = 80, 24
HOLD = ("hold", "Knee to Chest Stretch", "left")
INTO_HOLD_S = 18.15
TIMEOUT_S = 600

THEME = TerminalTheme(
    background=(22, 25, 30),
    foreground=(226, 229, 233),
    normal=[
        (22, 25, 30),
        (213, 94, 0),
        (0, 158, 115),
        (240, 190, 60),
        (86, 150, 233),
        (204, 121, 167),
        (90, 200, 235),
        (226, 229, 233),
    ],
)

# Rich's own format fetches a font from elsewhere; a picture in a README should not.
FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>A Tenuto session in a terminal</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 16px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def is_the_hold(entry: Entry) -> bool:
    """Tell whether the hold of the picture begins."""
    event = entry.event
    return isinstance(event, StepStarted) and (event.kind, event.exercise, event.side) == HOLD


async def play(history: Path) -> list[Text]:
    """Play up to the middle of a hold and give the display's lines."""
    library = Library()
    how = {exercise.name: exercise.how for exercise in library.open("lower-back").exercises}
    async with chain(history, seed=4) as rig:
        supervisor = rig.host.hub.supervisors["simulated"]
        async with asyncio.timeout(TIMEOUT_S):
            await supervisor.connected.wait()
            await supervisor.start(library.plan("lower-back"))
        started = await rig.seen.until(is_the_hold)
        await asyncio.sleep(INTO_HOLD_S - (rig.host.time.utc_ms() - started.utc_ms) / 1_000)
        screen = ScreenState(started.session)
        for entry in rig.seen.entries:
            screen.apply(entry)
        return draw_screen(screen, round(rig.host.time.utc_ms()), Frame(WIDTH, HEIGHT, how))


def solid(line: Text) -> Text:
    """Give a line whose full blocks are filled cells, without the seams between letters."""
    filled = Text(line.plain.replace("█", " "), line.style)
    filled.spans = list(line.spans)
    for block in re.finditer("█+", line.plain):
        filled.stylize("reverse", *block.span())
    return filled


def to_svg(lines: list[Text]) -> str:
    """Give the picture of a terminal with these lines."""
    console = Console(
        record=True,
        width=WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="standard",
        _environ={},
    )
    for line in [*lines, Text()]:
        console.print(solid(line), no_wrap=True)
    svg = console.export_svg(
        title="tenuto run lower-back",
        theme=THEME,
        code_format=FORMAT,
        unique_id="tenuto",
        font_aspect_ratio=0.6,
    )
    return _LEADING.sub(_without_leading_spaces, svg)


_COLUMN = 12
"""Width of a letter, in the SVG's units: 20 high, 0.6 times as wide."""
_LEADING = re.compile(r' x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"([^>]*>)((?:&#160;)+)')


def _without_leading_spaces(found: re.Match[str]) -> str:
    """Begin a text at its first letter: some viewers leave out spaces before it."""
    x, y, length, rest, spaces = found.groups()
    by = _COLUMN * spaces.count("&")
    return f' x="{float(x) + by:g}" y="{y}" textLength="{float(length) - by:g}"{rest}'


def main() -> None:
    """Make the picture anew."""
    with tempfile.TemporaryDirectory() as folder:
        lines = event_loops.run(play(Path(folder) / "history.db"), speed=math.inf)
    PICTURE.write_text(to_svg(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
