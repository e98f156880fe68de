# SPDX-License-Identifier: MIT
"""`tenuto routines`: list them, print their score, check files that are being written."""

from __future__ import annotations

import json
import sys
from itertools import zip_longest
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING

from cyclopts import App
from rich.text import Text

from tenuto.cli import tables
from tenuto.config import find_config
from tenuto.cues.lint import Level, lint
from tenuto.errors import InputError
from tenuto.routines import haptics, muscles, routine
from tenuto.routines.compile import compile_routine, describe
from tenuto.routines.feel import fit, silenced
from tenuto.routines.library import Library, as_file_is_called
from tenuto.routines.schema import routine_schema
from tenuto.routines.sharing import WORD_CHARS_MAX
from tenuto.sessions.places import count_words, holds_in
from tenuto.wearables import registry
from tenuto_core.vocab import CUES

from .common import ConfigFile, confirmed
from .qr_code import print_code, save_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType
    from rich.table import Table

    from tenuto.routines.compile import CompiledPlan, ScoreRow
    from tenuto.routines.haptics import Vocabulary
    from tenuto.routines.routine import Routine
    from tenuto_core.plan import Plan

app = App(name="routines", help="List, show, check, share and add routines.")

_MS_PER_CELL = 100
_DESCRIBED_WIDTH = 110
"""A narrower terminal would fold each description to a tower of words."""


@app.default
@app.command(name="list")
def list_routines(*, config: ConfigFile = None) -> None:
    """List all routines, your own and those that come with Tenuto."""
    library = Library.of(find_config(config))
    vocabulary = library.vocabulary()
    has_room = tables.console().width >= _DESCRIBED_WIDTH
    table = tables.table("!name", "!>duration", "title", *(["description"] if has_room else []))

    def told(title: str, description: Text) -> list[Text]:
        return [Text(title), description] if has_room else [Text(title) if title else description]

    for name in library.names():
        try:
            found = library.routine(name)
            compiled = compile_routine(found, vocabulary)
            at_most = "at most " if compiled.has_open_hold else ""
            lasts = at_most + duration(compiled.plan.duration_ms)
        except InputError:
            wrong = Text(f"has mistakes: tenuto routines check {library.path(name)}", style="red")
            table.add_row(Text(name), "", *told("", wrong))
        else:
            row = told(found.title, Text(found.description))
            table.add_row(Text(name, style="bold"), lasts, *row)
    tables.write(table)
    if not has_room:
        tables.write(Text("`tenuto routines show NAME` tells more of one.", style="dim"))


@app.command
def show(name: str, /, *, wearable: str | None = None, config: ConfigFile = None) -> None:
    """Print the score of a routine: each step with its time, its length and its cues.

    Args:
        name: a routine's name, or a file that ends in .toml
        wearable: draw the cues as they feel on this one
        config: as in all commands
    """
    settings = find_config(config)
    library = Library.of(settings)
    found = library.open(name)
    vocabulary = library.vocabulary()
    feel = None if wearable is None else registry.feel(settings.wearable(wearable))
    _show(found, library.compile(found, feel=feel))
    if feel is not None and (silent := silenced(vocabulary, fit(vocabulary, feel))):
        tables.write(Text(f"Silent on a {feel.title}: {', '.join(silent)}"))
    tables.write(*(Text(text, style="yellow") for text in _findings(vocabulary)))


def _show(found: Routine, compiled: CompiledPlan) -> None:
    tables.write(
        _heading(found),
        _score(compiled, blocks()),
        Text(),
        Text(f"{_summary(compiled)}; plan {compiled.plan_id_hex}, {len(compiled.data)} bytes"),
        *_held(found),
        *_links(found),
    )


@app.command
def check(file: Path, /, *files: Path, config: ConfigFile = None) -> None:
    """Check routine files, and say all that is wrong with them.

    Args:
        file: a routine file
        files: more of them
        config: as in all commands; its vocabulary decides which cues have room
    """
    vocabulary = Library.of(find_config(config)).vocabulary()
    lines = [_check(path, vocabulary) for path in (file, *files)]
    prefixed = len(lines) > 1
    for path, (is_right, text) in zip((file, *files), lines, strict=True):
        prefix = f"{path}: " if prefixed and is_right else ""
        tables.write(Text(prefix + text, style="green" if is_right else ""))
    if not all(is_right for is_right, _ in lines):
        raise SystemExit(2)


@app.command
def share(name: str, /, *, qr: Path | None = None, config: ConfigFile = None) -> None:
    """Print a routine as a text that can be sent, and on a terminal as a QR code.

    `tenuto routines add` takes it. Comments are left out.

    Args:
        name: a routine's name, or a file that ends in .toml
        qr: a file for the code as a picture, .svg or .png
        config: as in all commands
    """
    word = Library.of(find_config(config)).share(name)
    # Not by `tables`, which would fold it into the lines of the terminal.
    print(word)
    if qr is not None:
        save_code(word, qr)
    elif sys.stdout.isatty():
        print_code(word)


@app.command
def add(
    text: str | None = None,
    /,
    *,
    yes: bool = False,
    replace: bool = False,
    config: ConfigFile = None,
) -> None:
    """Check a shared routine, show it, and store it; it is not run.

    Args:
        text: what `tenuto routines share` printed; without it, it is read from standard input
        yes: store it without a question
        replace: take the place of a routine of your own that has the same name
        config: as in all commands
    """
    library = Library.of(find_config(config))
    word = sys.stdin.read(WORD_CHARS_MAX + 1) if text is None else text
    received = library.receive(word)
    found, target = received.routine, received.path
    if received.is_there:
        tables.write(Text(f"{target} is this routine already"))
        return
    _show(found, received.compiled)
    if received.is_taken and not replace:
        taken = f"you have another routine of that name, {target}"
        raise InputError(f"{taken}; --replace takes its place")
    what = f"Store it as {target}?"
    if received.hides_shipped:
        what = f"It would come before the routine {found.name} that Tenuto brings along. {what}"
    if not confirmed(what, yes=yes):
        tables.write(Text("It was not stored."))
        raise SystemExit(1)
    library.store(received, replace=replace)
    tables.write(Text(f"Stored. `tenuto run {found.name}` plays it."))


@app.command
def schema() -> None:
    """Print the JSON Schema of routine files, for your editor."""
    tables.write(Text(json.dumps(routine_schema(), indent=2)))


def _check(path: Path, vocabulary: Vocabulary) -> tuple[bool, str]:
    try:
        found = as_file_is_called(routine.load(path), path.stem)
        compiled = compile_routine(found, vocabulary)
        told = [f"OK: {_summary(compiled)}", *_findings(vocabulary, compiled.plan)]
    except InputError as error:
        return False, str(error)
    words = [muscle for exercise in found.exercises for muscle in exercise.muscles]
    return True, "\n".join([*told, *(f"{path}: {text}" for text in muscles.unknown(words))])


def _findings(vocabulary: Vocabulary, plan: Plan | None = None) -> list[str]:
    """Return what is wrong with the cues of a plan, of all cues for None.

    What only the place of a cue tells is for `tenuto cues lint`.
    """
    used = None if plan is None else {cue for _, _, cue in plan.cues_from(0, 0)}
    names = [name for number, name in enumerate(CUES) if used is None or number in used]
    found = lint(vocabulary, only=names)
    return [
        f"{vocabulary.file}: {one}"
        for one in found
        if one.level is Level.ERROR or (one.level is Level.WARNING and len(one.cues) == 1)
    ]


def duration(ms: int) -> str:
    """Return a duration in words: `5 min 42 s`, `1 h 0 min 3 s`, `8.5 s`."""
    minutes, rest_ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    words = f"{rest_ms / 1000:.3f}".rstrip("0").rstrip(".") + " s"
    if hours:
        return f"{hours} h {minutes} min {words}"
    return f"{minutes} min {words}" if minutes else words


def _clock(ms: int) -> str:
    minutes, rest_ms = divmod(ms, 60_000)
    return f"{minutes}:{rest_ms // 1000:02}" + (f".{rest_ms % 1000:03}" if rest_ms % 1000 else "")


def _summary(compiled: CompiledPlan) -> str:
    holds = holds_in(compiled.plan)
    at_most = "at most " if compiled.has_open_hold else ""
    return f"{holds} hold{'s' * (holds > 1)}, {at_most}{duration(compiled.plan.duration_ms)}"


def _heading(found: Routine) -> Text:
    heading = Text(found.name, style="bold")
    if found.title:
        heading.append(f": {found.title}")
    if found.private_name:
        heading.append(f"\nshown as {found.private_name!r} while it is played", style="not bold")
    for text in (found.description, found.safety, found.source):
        heading.append(f"\n{text}" if text else "", style="not bold")
    heading.append("\n")
    return heading


def _score(compiled: CompiledPlan, blocks: str) -> Table:
    """Return the steps as a table that fits into 80 columns."""
    from tenuto.terminal import words

    table = tables.table("!>at", "!>for", "what", "!>cue at", "!cue", "!felt as")
    for row in describe(compiled):
        style = "bold" if row.kind == "hold" else ""
        what = [Text(text, style=style) for text in _what(row)]
        cues: list[list[RenderableType]] = [
            [
                f"{cue.at_ms / 1000:.2f}",
                cue.cue if cue.cue in CUES else words.cue(cue.cue, row.phase),
                Text(haptics.draw(cue.pattern, _MS_PER_CELL, blocks), style="cyan"),
            ]
            for cue in row.cues
        ]
        times = [[_clock(row.start_ms), _clock(row.duration_ms)]]
        for time, text, cue in zip_longest(times, what, cues):
            table.add_row(*(time or ["", ""]), text or "", *(cue or ["", "", ""]))
    return table


def _what(row: ScoreRow) -> list[str]:
    """Return what a step is: its kind and exercise, where in it, and what it waits for."""
    lines = [f"{row.kind} {row.exercise or ''}".rstrip()]
    place = ", ".join(count_words(row))
    if row.phase:
        place = f"{place}: {row.phase}" if place else row.phase
    if place:
        lines.append(f"  {place}")
    if row.is_open:
        lines.append("  until a press")
    return lines + [f"  {text}" for text in _waits(row)]


def _waits(row: ScoreRow) -> Iterator[str]:
    if row.waits is not None:
        what = "a press" if row.waits == "press" else f"below {row.gate_bpm} bpm"
        yield f"until {what}, at most {_clock(row.wait_max_ms)}"
    if row.limit_bpm:
        yield f"held back from {row.limit_bpm} bpm on"


def _held(found: Routine) -> list[RenderableType]:
    table = tables.table("muscle", ">left", ">right")
    for muscle, (left_ms, right_ms) in found.held_ms().items():
        table.add_row(Text(muscle), duration(left_ms), duration(right_ms))
    return [Text("\nHeld in all:"), table] if table.row_count else []


def _links(found: Routine) -> list[RenderableType]:
    linked = [exercise for exercise in found.exercises if exercise.link]
    return [Text(f"{exercise.name}: {exercise.link}") for exercise in linked]


def blocks() -> str:
    """Return the characters for `haptics.draw` that the terminal can show."""
    try:
        haptics.BLOCKS.encode(tables.console().encoding)
    except UnicodeEncodeError:
        return haptics.ASCII_BLOCKS
    return haptics.BLOCKS
