# SPDX-License-Identifier: MIT
"""`tenuto cues`: list the cues, check that they can be told apart, and play one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App
from rich.text import Text

from tenuto.cli import tables
from tenuto.config import find_config
from tenuto.cues.lint import Level, lint, nearest_pairs
from tenuto.errors import InputError
from tenuto.routines import haptics
from tenuto.routines.feel import fit
from tenuto.routines.library import Library
from tenuto.toml.rules import hint, quoted
from tenuto.wearables import registry
from tenuto_core.vocab import CUES

from .common import ConfigFile, Speed, make_setting, parse_speed
from .routines import blocks

if TYPE_CHECKING:
    from tenuto.config import Config
    from tenuto.routines.feel import Feel

app = App(name="cues", help="List, check and play the cues, to tell them apart.")

_STYLES = {Level.ERROR: "red", Level.WARNING: "yellow", Level.NOTE: "dim"}
_PAIRS = 5


@app.default
@app.command(name="list")
def list_cues(*, wearable: str | None = None, config: ConfigFile = None) -> None:
    """List all cues and how they feel.

    Args:
        wearable: the id of a wearable in the configuration, for the cues as its motor plays them;
            without it as they are written
        config: as in all commands
    """
    settings = find_config(config)
    vocabulary = Library.of(settings).vocabulary()
    feel = None if wearable is None else registry.feel(settings.wearable(wearable))
    fitted = vocabulary if feel is None else fit(vocabulary, feel)
    table = tables.table("!cue", "!felt as", "!>buzzes", "!>ms", "how it feels")
    for number, cue in enumerate(CUES):
        pattern = fitted.patterns[number]
        table.add_row(
            Text(cue, style="bold"),
            Text(haptics.draw(pattern, 100, blocks()) if pattern else "silent", style="cyan"),
            str(len(pattern)),
            str(fitted.length_ms(number)),
            Text(vocabulary.feels_like[number]),
        )
    tables.write(table)


@app.command(name="lint")
def lint_cues(*, config: ConfigFile = None) -> None:
    """Check which cues will be hard to feel or to tell apart, on each of your wearables.

    Ends with 2 if some will be confused.

    Args:
        config: as in all commands
    """
    settings = find_config(config)
    vocabulary = Library.of(settings).vocabulary()
    is_wrong = False
    for title, feel in _motors(settings):
        tables.write(Text(f"{title}:", style="bold"))
        found = lint(vocabulary, feel)
        for one in found:
            tables.write(Text(f"  {one.level.value}: {one}", style=_STYLES[one.level]))
        if any(one.level is Level.ERROR for one in found):
            is_wrong = True
            continue
        tables.write(Text("  The most alike, by count and length (0 is the same):"))
        for far, one_cue, other in nearest_pairs(vocabulary, feel)[:_PAIRS]:
            tables.write(Text(f"    {far:4.1f}  {one_cue}, {other}"))
    if is_wrong:
        raise SystemExit(2)


def _motors(config: Config) -> list[tuple[str, Feel | None]]:
    """Return what the motors of the configured wearables can do, each kind once."""
    found: dict[Feel | None, str] = {}
    for wearable in config.wearables:
        feel = registry.feel(wearable)
        title = "As written" if feel is None else f"On a {feel.title}"
        found.setdefault(feel, title)
    return [(title, feel) for feel, title in found.items()]


@app.command
def play(
    cue: str,
    /,
    *,
    wearable: str | None = None,
    speed: Speed = "1",
    config: ConfigFile = None,
) -> int:
    """Play one cue on a wearable, as it is felt in a session.

    Args:
        cue: its name, see `tenuto cues list`
        wearable: the id of a wearable in the configuration; without it the first one
        speed: how fast time passes, for simulated wearables
        config: as in all commands
    """
    from tenuto import event_loops
    from tenuto.daemon.cues import PlayCue
    from tenuto.daemon.doors import open_door
    from tenuto.daemon.operations import PLAY_CUE

    from .prompt import Terminal

    if cue not in CUES:
        raise InputError(f"there is no cue {quoted(cue)}{hint(cue, CUES, quote='')}")
    settings = find_config(config)
    worn = settings.wearables[0] if wearable is None else settings.wearable(wearable)
    setting = make_setting(settings, parse_speed(speed), mqtt=False)

    async def played() -> str:
        async with open_door(setting, worn) as door:
            asked = PlayCue(cue=cue, wearable=worn.id)
            return (await door.call(PLAY_CUE, asked, Terminal())).reason

    reason = event_loops.run(played(), speed=setting.speed)
    if reason != "finished":
        print(f"{worn.title} did not play it to its end: {reason}")
        return 1
    print(f"{worn.title} played {cue}.")
    return 0
