# SPDX-License-Identifier: MIT
"""The live display as lines of text: one screen state at one time, in one size. Pure.

The side, or what to do, stands in letters five rows high, at the left edge for the left side and
at the right edge for the right one, so that it can be read from the mat. Colour only repeats what
a word says.
"""

from __future__ import annotations

import codecs
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from tenuto.routines import haptics
from tenuto.sessions.events import DONE, HOLD
from tenuto.sessions.view import State
from tenuto_core import vocab

from . import words
from .screen_state import BEAT_FRESH_MS, CUES_KEPT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .screen_state import Felt, ScreenState

WIDTH_MIN = 16
WIDTH_MAX = 120
"""Lines longer than this are hard to follow."""
WIDE = 72
"""From this width on the letters are two columns a dot, and the cues get a column of their own."""
HOW_LINES = 3

ACCENT = "bold cyan"
CARE = "bold yellow"
QUIET = "dim"

_BIG_WORDS = {"ready": "READY", "hold": "HOLD", "switch": "SWITCH", "rest": "NEXT", "done": "DONE"}
_LABEL_WIDTH = 9
_CUE_WORDS_WIDTH = max(map(len, words.CUE_WORDS.values())) + 1
_BPM_SPAN_MIN = 12
"""A smaller range of heart rates is not stretched over the whole height of the curve."""

_FONT = {
    "A": "####/#..#/####/#..#/#..#",
    "C": "####/#.../#.../#.../####",
    "D": "###./#..#/#..#/#..#/###.",
    "E": "####/#.../###./#.../####",
    "F": "####/#.../###./#.../#...",
    "G": "####/#.../#.##/#..#/####",
    "H": "#..#/#..#/####/#..#/#..#",
    "I": "###/.#./.#./.#./###",
    "L": "#.../#.../#.../#.../####",
    "N": "#..#/##.#/#.##/#..#/#..#",
    "O": "####/#..#/#..#/#..#/####",
    "P": "####/#..#/####/#.../#...",
    "R": "####/#..#/###./#.#./#..#",
    "S": "####/#.../####/...#/####",
    "T": "###/.#./.#./.#./.#.",
    "U": "#..#/#..#/#..#/#..#/####",
    "W": "#...#/#...#/#.#.#/##.##/#...#",
    "X": "#..#/#..#/.##./#..#/#..#",
    "Y": "#..#/#..#/####/..#./..#.",
    "0": "####/#..#/#..#/#..#/####",
    "1": "..#./.##./..#./..#./.###",
    "2": "####/...#/####/#.../####",
    "3": "####/...#/.###/...#/####",
    "4": "#..#/#..#/####/...#/...#",
    "5": "####/#.../####/...#/####",
    "6": "####/#.../####/#..#/####",
    "7": "####/...#/..#./.#../.#..",
    "8": "####/#..#/####/#..#/####",
    "9": "####/#..#/####/...#/####",
    ":": "./#/./#/.",
}
_FONT_ROWS = 5


def can_draw(encoding: str) -> bool:
    """Return whether a terminal of this encoding shows blocks; else plain characters are used."""
    try:
        return codecs.lookup(encoding).name in ("utf-8", "utf-16-le", "utf-16-be")
    except LookupError:
        return False


@dataclass(frozen=True, slots=True)
class Frame:
    """How to draw.

    Attributes:
        width, height: Columns and rows that may be used.
        how: How to do each exercise, by its name.
        plain: Without any character beyond ASCII.
    """

    width: int
    height: int
    how: Mapping[str, str]
    plain: bool = False


def draw_screen(screen: ScreenState, now_ms: int, frame: Frame) -> list[Text]:
    """Draw the session at `now_ms` UTC; never wider or higher than the frame."""
    width = max(WIDTH_MIN, min(frame.width - 1, WIDTH_MAX))
    wide = width >= WIDE - 1
    facts = _facts(screen, now_ms, frame, width // 2 if wide else width)
    felt = _felt(screen, frame, width - width // 2 if wide else width)
    bottom = _beside(facts, felt, width // 2) if wide else [*facts, *felt]
    big = _big(screen, now_ms, width, 2 if wide else 1, plain=frame.plain)
    head = _head(screen, now_ms, width, frame)
    doing = _doing(screen, width)
    bar = [_bar(screen, now_ms, width, frame), _remark(screen, now_ms, width)]
    # With too few rows, the empty ones go first, then the least important ones.
    room = max(3, frame.height - 1)
    spare = room - len([*head, doing, *big, *bar, *bottom])
    if spare < 0:
        bottom = bottom[: max(0, len(bottom) + spare)]
        spare = room - len([*head, doing, *big, *bar, *bottom])
    if spare < 0:
        head = []
    if spare < -2:
        big = []
    how = _how(screen, frame, width, min(HOW_LINES, spare))
    spare -= len(how)
    gaps = [[Text()] if spare > before else [] for before in range(4)]
    lines = [*head, *gaps[3], doing, *gaps[1], *big, *gaps[0], *bar, *how, *gaps[2], *bottom]
    for line in lines:
        line.no_wrap = True
        line.truncate(max(1, frame.width - 1), overflow="crop" if frame.plain else "ellipsis")
    return lines[:room]


def _head(screen: ScreenState, now_ms: int, width: int, frame: Frame) -> list[Text]:
    view = screen.view
    right = words.hold_number(view) or ""
    name = words.printable(view.title or view.routine or "a session")
    name = name[: max(4, width - len(right) - 2)]
    first = Text(name, "bold")
    first.append(" " * max(1, width - len(name) - len(right)))
    first.append(right, "bold")
    time = words.clock(screen.t_ms(now_ms))
    if view.session_ends is not None:
        time += f" of {words.clock(view.session_ends.t_ms)}"
    share = screen.done_share(now_ms)
    second = Text()
    cells = width - len(time) - 1
    if share is None or cells < 4:
        second.append(" " * max(0, width - len(time)))
    else:
        done = round(share * cells)
        second.append(("=" if frame.plain else "━") * done, "cyan")
        second.append(("-" if frame.plain else "─") * (cells - done), QUIET)
        second.append(" ")
    second.append(time)
    return [first, second]


def _doing(screen: ScreenState, width: int) -> Text:
    view = screen.view
    if view.kind is None:
        return Text("waiting for the first step", QUIET)
    if view.kind == DONE:
        return Text("all holds are done", ACCENT)
    name = words.with_rep(view)
    if view.kind == HOLD:
        what = words.printable(view.phase or "hold")
    else:
        what = words.lead(view.kind, same=view.exercise == screen.held)
        if len(what) + len(name) + 1 > width:
            what = what.split()[0]
    return Text.assemble((what.capitalize(), ACCENT), " ", (name, "bold"))


def _big_word(screen: ScreenState) -> str:
    view = screen.view
    if view.state is State.PAUSED:
        return "PAUSED"
    if view.state is State.WAITING:
        return "REST" if view.waits_for == vocab.WAITS[vocab.WAIT_HEART] else "PRESS"
    return (view.side or _BIG_WORDS.get(view.kind or "", "")).upper()


def _big(screen: ScreenState, now_ms: int, width: int, scale: int, *, plain: bool) -> list[Text]:
    view = screen.view
    word, number = _big_word(screen), ""
    left_ms, elapsed_ms = view.left_ms(now_ms), view.elapsed_ms(now_ms)
    if view.is_open and elapsed_ms is not None:
        left_ms = elapsed_ms - elapsed_ms % 1_000  # it counts up, and shows what is over
    if view.state is State.PLAYING and left_ms is not None:
        seconds = -(-left_ms // 1_000)
        number = str(seconds) if seconds < 100 else words.clock(seconds * 1_000)
    style = CARE if view.state in (State.PAUSED, State.WAITING) else ACCENT
    rows = [_glyph_row(word, row, scale, plain=plain) for row in range(_FONT_ROWS)]
    digits = [_glyph_row(number, row, scale, plain=plain) for row in range(_FONT_ROWS)]
    space = width - len(rows[0]) - len(digits[0])
    if space < 2:
        digits, space = [""] * _FONT_ROWS, width - len(rows[0])
    if space < 0:
        return []
    lines = []
    for row, digit in zip(rows, digits, strict=True):
        line = Text()
        if word == "RIGHT":
            line.append(digit).append(" " * space).append(row, style)
        else:
            line.append(row, style).append(" " * space).append(digit)
        lines.append(line)
    return lines


def _glyph_row(word: str, row: int, scale: int, *, plain: bool) -> str:
    dot = ("#" if plain else "█") * scale
    glyphs = [_FONT[letter].split("/")[row] for letter in word if letter in _FONT]
    return (" " * scale).join(g.replace("#", dot).replace(".", " " * scale) for g in glyphs)


def _bar(screen: ScreenState, now_ms: int, width: int, frame: Frame) -> Text:
    view = screen.view
    elapsed_ms, duration_ms = view.elapsed_ms(now_ms), view.step_duration_ms
    if elapsed_ms is None or duration_ms is None:
        said = "time left not known"
        cells = max(0, width - len(said) - 2)
        return Text.assemble(("." * cells if frame.plain else "·" * cells, QUIET), "  ", said)
    said = f"{words.span(duration_ms - elapsed_ms)} left of {words.span(duration_ms)}"
    if view.is_open:
        said = f"{words.clock(elapsed_ms)} of {words.clock(duration_ms)} at most"
    cells = max(4, width - max(len(said), 19) - 2)
    share = elapsed_ms / duration_ms if duration_ms else 1.0
    bar = Text()
    style = CARE if view.state in (State.PAUSED, State.WAITING) else "cyan"
    full, part = divmod(int(share * cells * 8), 8)
    if frame.plain:
        bar.append("#" * full, style).append("-" * (cells - full))
    else:
        edge = " ▏▎▍▌▋▊▉"[part] if part else ""
        bar.append("█" * full + edge, style).append("░" * (cells - full - len(edge)), QUIET)
    return bar.append("  " + said)


def _remark(screen: ScreenState, now_ms: int, width: int) -> Text:
    """Return what the person should know or do now, empty if nothing."""
    view = screen.view
    if screen.link_lost_utc_ms is not None:
        if view.state is State.PAUSED:
            return Text("out of reach, and paused: what you see here is old", CARE)
        return Text("out of reach: what you see here is old, the cues still come", CARE)
    if view.state is State.PAUSED:
        since_ms = 0 if view.paused is None else now_ms - view.paused.utc_ms
        said = "paused: press to go on"
        longer = f"{said} (for {words.clock(since_ms)} so far)"
        return Text(longer if len(longer) <= width else said, CARE)
    if view.state is State.WAITING:
        said = words.waiting(view.waits_for, screen.gate_bpm, screen.limit_bpm)
        longer = said
        if screen.wait_ends_utc_ms is not None:
            left_ms = screen.wait_ends_utc_ms - now_ms
            end = words.waiting_end(view.waits_for, left_ms, over_limit=screen.is_only_limited)
            longer = f"{said}; {end}"
        return Text(longer if len(longer) <= width else said, CARE)
    step = screen.plan_step
    said = "as long as you can: press when you let go" if view.is_open else ""
    if step is not None and step.self_paced:
        said = "press when in position"
    return Text(said, QUIET)


def _how(screen: ScreenState, frame: Frame, width: int, rows: int) -> list[Text]:
    """Return the instructions, always in the same number of rows, so that nothing jumps."""
    if not frame.how or rows < 1:
        return []
    paragraphs = frame.how.get(screen.view.exercise or "", "").strip()
    text = words.printable(" ".join(paragraphs.split()))
    lines = textwrap.wrap(text, width, max_lines=rows, placeholder=" ..." if frame.plain else " …")
    lines += [""] * (rows - len(lines))
    return [Text(line) for line in lines]


def _facts(screen: ScreenState, now_ms: int, frame: Frame, width: int) -> list[Text]:
    view = screen.view
    if view.next_exercise is not None:
        following = words.place(view.next_exercise, view.next_side)
    elif view.plan is None:
        following = "not known"
    else:
        following = "nothing more"
    lines = [
        _fact("Then", Text(following)),
        _fact("Heart", _heart(screen, now_ms, frame, width - _LABEL_WIDTH)),
        _fact("Wearable", _link(screen, now_ms)),
    ]
    for line in lines:
        line.truncate(width, overflow="crop" if frame.plain else "ellipsis")
    return lines


def _fact(label: str, text: Text) -> Text:
    return Text.assemble((f"{label:{_LABEL_WIDTH}}", QUIET), text)


def _heart(screen: ScreenState, now_ms: int, frame: Frame, width: int) -> Text:
    view = screen.view
    if view.bpm is None or view.bpm_at is None:
        return Text("not measured")
    age_ms = now_ms - view.bpm_at.utc_ms
    if age_ms > BEAT_FRESH_MS:
        return Text(f"no beat for {words.clock(age_ms)}, it was {view.bpm}", CARE)
    age = "now" if age_ms < 2_000 else f"{age_ms // 1_000} s ago"
    said, age = f"{view.bpm:3} bpm ", f" {age:7}"
    curve = _curve(screen, max(0, min(30, width - len(said) - len(age))), frame)
    return Text.assemble((said, "bold"), (curve, "cyan"), (age, QUIET))


def _curve(screen: ScreenState, cells: int, frame: Frame) -> str:
    beats = list(screen.beats)[-cells:] if cells else []
    if not beats:
        return ""
    blocks = haptics.ASCII_BLOCKS if frame.plain else "▁▂▃▄▅▆▇█"
    span = max(_BPM_SPAN_MIN, max(beats) - min(beats))
    low = (max(beats) + min(beats) - span) / 2
    steps = len(blocks) - 1
    return "".join(blocks[min(steps, round((bpm - low) / span * steps))] for bpm in beats)


def _link(screen: ScreenState, now_ms: int) -> Text:
    if screen.link_lost_utc_ms is not None:
        since = words.clock(now_ms - screen.link_lost_utc_ms)
        alone = "" if screen.view.state is State.PAUSED else "; it goes on alone"
        return Text(f"out of reach for {since}{alone}", CARE)
    if screen.view.records_lost:
        lost = words.count(screen.view.records_lost, "record", "records")
        return Text(f"connected, {lost} lost", CARE)
    if screen.view.unfelt:
        said = f"connected, {screen.view.unfelt} of {screen.view.cues} cues not felt"
        return Text(said, CARE)
    return Text("connected")


def _felt(screen: ScreenState, frame: Frame, width: int) -> list[Text]:
    """Return the last cues, newest first, always in the same number of rows."""
    lines = [_felt_line(felt, frame, width, newest=not at) for at, felt in enumerate(screen.cues)]
    if not lines:
        lines = [Text("no cue was felt yet", QUIET)]
    return lines + [Text() for _ in range(CUES_KEPT - len(lines))]


def _felt_line(felt: Felt, frame: Frame, width: int, *, newest: bool) -> Text:
    room = width - 7 - _CUE_WORDS_WIDTH - 2
    drawn = ""
    for ms_per_cell in (50, 100, 200, 400):
        drawn = draw_felt(felt.pattern, ms_per_cell, plain=frame.plain)
        if len(drawn) <= room:
            break
    line = Text(style="" if newest else QUIET)
    line.append(f"{words.clock(felt.t_ms):>5}  ", QUIET)
    said = Text(words.cue(felt.cue, felt.phase), "bold" if newest else "")
    said.truncate(_CUE_WORDS_WIDTH, overflow="crop" if frame.plain else "ellipsis")
    if felt.times > 1:
        said.append(f" x {felt.times}")
    said.pad_right(max(0, _CUE_WORDS_WIDTH - said.cell_len) + 2)
    line.append_text(said)
    if not felt.is_felt:
        return line.append("not felt", CARE)
    return line.append(drawn, ACCENT if newest else "")


def draw_felt(
    pattern: tuple[tuple[int, int, int], ...] | None, ms_per_cell: int, *, plain: bool
) -> str:
    """Draw how a cue feels; empty where that is not known."""
    if pattern is None:
        return ""
    blocks = haptics.ASCII_BLOCKS if plain else haptics.BLOCKS
    return haptics.draw(pattern, ms_per_cell, blocks)


def _beside(left: list[Text], right: list[Text], width: int) -> list[Text]:
    lines = []
    for index in range(max(len(left), len(right))):
        line = left[index].copy() if index < len(left) else Text()
        line.pad_right(max(0, width - line.cell_len))
        lines.append(line + right[index] if index < len(right) else line)
    return lines
