# SPDX-License-Identifier: MIT
"""`tenuto cues`: list, check, play and learn cues, and measure how they feel."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Literal

from cyclopts import App
from rich.text import Text

from tenuto.cli import tables
from tenuto.config import find_config
from tenuto.cues.lint import Level, lint, nearest_pairs, propose_set
from tenuto.errors import InputError
from tenuto.routines import haptics
from tenuto.routines.feel import fit
from tenuto.routines.library import Library
from tenuto.terminal.words import cue as cue_words
from tenuto.toml.rules import hint, quoted
from tenuto.wearables import registry
from tenuto_core.vocab import CUES

from .common import ConfigFile, Speed, make_setting, parse_speed
from .routines import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.config import Config, Wearable
    from tenuto.daemon.build import Setting
    from tenuto.routines.feel import Feel

app = App(
    name="cues",
    help="List, check, play and learn cues, and measure how they feel.",
)

_STYLES = {Level.ERROR: "red", Level.WARNING: "yellow", Level.NOTE: "dim"}
_PAIRS = 5
_Kind = Literal["ahap", "android", "composition", "hjif", "haptic", "vibrate", "bangle"]


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
def propose(count: int = 5, /, *, wearable: str | None = None, config: ConfigFile = None) -> None:
    """Print patterns that are as far from each other as a motor allows, for your vocabulary.

    `tenuto cues quiz` measures whether you tell them apart better than the present ones.

    Args:
        count: how many, 2 to 9
        wearable: the id of a wearable in the configuration; without it the first one
        config: as in all commands
    """
    if not 2 <= count <= 9:
        raise InputError(f"{count} patterns: allowed are 2 to 9")
    settings = find_config(config)
    worn = settings.wearables[0] if wearable is None else settings.wearable(wearable)
    for on_off_ms in propose_set(count, registry.feel(worn)):
        pattern = haptics.PatternRule().read(list(on_off_ms))
        print(f"on_off_ms = {list(on_off_ms)}  # {haptics.draw(pattern, 100, blocks())}")


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
    from tenuto.daemon.dispatch import open_dispatcher
    from tenuto.daemon.operations import PLAY_CUE

    from .prompt import Terminal

    _known(cue)
    settings = find_config(config)
    worn = settings.wearables[0] if wearable is None else settings.wearable(wearable)
    setting = make_setting(settings, parse_speed(speed), mqtt=False)

    async def played() -> str:
        async with open_dispatcher(setting, worn) as dispatch:
            asked = PlayCue(cue=cue, wearable=worn.id)
            return (await dispatch.call(PLAY_CUE, asked, Terminal())).reason

    reason = event_loops.run(played(), speed=setting.speed)
    if reason != "finished":
        print(f"{worn.title} did not play it to its end: {reason}")
        return 1
    print(f"{worn.title} played {cue}.")
    return 0


@app.command
def lesson(
    *,
    wearable: str | None = None,
    cues: str | None = None,
    speed: Speed = "1",
    config: ConfigFile = None,
) -> int:
    """Learn the cues: each comes three times with its name, then the most alike in turn.

    Args:
        wearable: the id of a wearable in the configuration; without it the first one
        cues: their names, with commas between them; without it the five that every session needs
        speed: how fast time passes, for simulated wearables
        config: as in all commands
    """
    from tenuto.cues.trials import LESSON_EVERY_MS
    from tenuto.daemon.cues import Learn
    from tenuto.daemon.operations import LEARN_CUES

    from .measuring import Measurement

    setting, worn = _begin(config, speed, wearable)
    chosen = _chosen(cues)
    texts = dict(zip(CUES, Library.of(setting.config).vocabulary().feels_like, strict=True))
    print(f"One cue every {LESSON_EVERY_MS // 1000} s. Ctrl-C ends it.")
    measurement = Measurement(
        setting,
        worn,
        on_cue=lambda cue: print(f"{cue_words(cue)}: {texts.get(cue, '')}", flush=True),
    )
    return measurement.run(LEARN_CUES, Learn(wearable=worn.id, cues=chosen))[0]


@app.command(name="quiz")
def ask(
    *,
    wearable: str | None = None,
    cues: str | None = None,
    trials: int | None = None,
    condition: Literal["resting", "moving", "counting"] = "resting",
    button: bool = False,
    simulated_person: int | None = None,
    seed: int | None = None,
    speed: Speed = "1",
    config: ConfigFile = None,
) -> int:
    """Measure how well you tell the cues apart: feel a cue, press the key of its name.

    The wearable plays the cues by its own clock, at times that cannot be foreseen. Ctrl-C ends it,
    and what was answered is shown. The result is kept, see `tenuto cues results`.

    Args:
        wearable: the id of a wearable in the configuration; without it the first one
        cues: their names, with commas between them; without it the five that every session needs
        trials: how many cues come; without it ten for each. Five for each are a practice, twenty
            a study
        condition: what you do meanwhile; results of different ones are not compared
        button: answer by the wearable's own button: after each cue the names are shown in turn,
            and a press chooses the one that is shown. Its times are not compared
        simulated_person: have a simulated person answer, who is made from this number
        seed: make the order repeatable
        speed: how fast time passes, for simulated wearables
        config: as in all commands
    """
    from tenuto.cues.quiz import ANSWER_MS_MAX
    from tenuto.cues.results import QuizResult
    from tenuto.daemon.cues import Measure
    from tenuto.daemon.operations import MEASURE_CUES

    from .keys import require_keys
    from .measuring import KEYS, Measurement
    from .quiz import show_quiz

    has_keys = simulated_person is None and not button
    if has_keys:
        require_keys()
    setting, worn = _begin(config, speed, wearable)
    chosen = _chosen(cues)
    count = 10 * len(chosen) if trials is None else trials
    print(f"{count} cues, {condition}.")
    if button:
        print("After each, press the wearable's button when its name is shown:")
    else:
        print(f"After each, press its key within {ANSWER_MS_MAX // 1000} s:")
    for key, cue in zip(KEYS, chosen, strict=False):
        print(f"  {' ' if button else key}  {cue_words(cue)}")
    asked = Measure(
        wearable=worn.id,
        cues=chosen,
        trials=trials,
        condition=condition,
        answered_by="button" if button else "keys",
        simulated_person=simulated_person,
        seed=seed,
    )
    shown = button and simulated_person is None
    measurement = Measurement(
        setting, worn, choices=chosen, has_keys=has_keys, is_shown_in_turn=shown
    )
    code, result = measurement.run(MEASURE_CUES, asked)
    print()
    if isinstance(result, QuizResult):
        show_quiz(result)
    else:
        print("No cue was felt, so nothing was measured.")
    return code


@app.command
def strength(
    *,
    wearable: str | None = None,
    apply: bool = False,
    last: bool = False,
    button: bool = False,
    simulated_person: int | None = None,
    seed: int | None = None,
    speed: Speed = "1",
    config: ConfigFile = None,
) -> int:
    """Measure from which strength on you feel a buzz: press a key whenever you feel one.

    There are thirty trials, and in one of five nothing buzzes. Nothing is set without --apply. The
    result is kept for the person and the wearable.

    Args:
        wearable: the id of a wearable in the configuration; without it the first one
        apply: set the strength that is advised for moving, in which all cues are felt
        last: measure nothing, and show the last result of this wearable's person on it
        button: press the wearable's own button instead of a key
        simulated_person: have a simulated person answer, who is made from this number
        seed: make chance repeatable
        speed: how fast time passes, for simulated wearables
        config: as in all commands
    """
    from tenuto.cues.results import StrengthResult
    from tenuto.cues.threshold import TRIALS
    from tenuto.daemon.cues import MeasureStrength as Asked
    from tenuto.daemon.operations import MEASURE_STRENGTH

    from .cue_results import last_strength
    from .keys import require_keys
    from .measuring import Measurement
    from .strength import set_strength, show_strength

    has_keys = simulated_person is None and not button
    if has_keys and not last:
        require_keys()
    setting, worn = _begin(config, speed, wearable)
    if last:
        result: object = last_strength(setting.config, worn)
    else:
        what = "the wearable's button" if button else "a key"
        print(f"{TRIALS} trials. Press {what} whenever you feel a buzz. Ctrl-C ends it.")
        asked = Asked(
            wearable=worn.id,
            answered_by="button" if button else "keys",
            simulated_person=simulated_person,
            seed=seed,
        )
        code, result = Measurement(setting, worn, has_keys=has_keys).run(MEASURE_STRENGTH, asked)
        print()
        if code:
            return code
    if not isinstance(result, StrengthResult):
        print("Nothing was measured.")
        return 1
    advised = show_strength(result)
    if advised is not None and apply:
        print(set_strength(setting, worn, advised))
    return 0 if advised is not None else 1


@app.command(name="results")
def list_results(*, person: str | None = None, config: ConfigFile = None) -> None:
    """Show the results of lessons, quizzes and measurements of strength, and how they changed.

    Args:
        person: only those of one person
        config: as in all commands
    """
    from .cue_results import show_results

    show_results(find_config(config), person)


@app.command(name="forget")
def forget_results(
    results: tuple[str, ...] = (), /, *, yes: bool = False, config: ConfigFile = None
) -> int:
    """Delete results for good; `tenuto history delete --person` deletes all of somebody.

    Args:
        results: their ids, from `tenuto cues results`
        yes: do not ask
        config: as in all commands
    """
    from .cue_results import delete_results

    return delete_results(find_config(config), results, yes=yes)


@app.command(name="export")
def export_cue(cue: str, kind: _Kind, /, *, config: ConfigFile = None) -> None:
    """Print a cue as other platforms write patterns; what is lost goes to standard error.

    Args:
        cue: its name, see `tenuto cues list`
        kind: ahap (Apple), android (timings and amplitudes), composition (Android's primitives),
            hjif (MPEG), haptic (Lofelt and Meta), vibrate (browsers), bangle (the string of the
            Bangle.js)
        config: as in all commands
    """
    from tenuto.cues.formats import write

    vocabulary = Library.of(find_config(config)).vocabulary()
    text, lost = write(kind, vocabulary.patterns[CUES.index(_known(cue))])
    print(text)
    _tell_lost(lost)


@app.command(name="import")
def import_cue(cue: str, kind: _Kind, file: Path, /) -> None:
    """Read a pattern of another platform, and print it as a cue for your vocabulary file.

    Nothing is written: what is lost goes to standard error, and the rest is yours to look at.

    Args:
        cue: which cue it is to be
        kind: one of those that `tenuto cues export --help` lists
        file: the file
    """
    from tenuto.cues.formats import read, vibrate_ms
    from tenuto.files import read_input

    _known(cue)
    try:
        text = read_input(file).decode()
    except UnicodeDecodeError:
        raise InputError(f"{file} is not UTF-8") from None
    pattern, lost = read(kind, text)
    on_off_ms = vibrate_ms(pattern)
    strengths = [strength_pct for strength_pct, _, _ in pattern]
    print(f"[{cue}]\non_off_ms = {on_off_ms}")
    if set(strengths) != {100}:
        print(f"strength_pct = {strengths}")
    _tell_lost(lost)


def _tell_lost(lost: Sequence[str]) -> None:
    for text in lost:
        print(f"tenuto: lost: {text}", file=sys.stderr)


def _known(cue: str) -> str:
    if cue not in CUES:
        raise InputError(f"there is no cue {quoted(cue)}{hint(cue, CUES, quote='')}")
    return cue


def _begin(config_file: ConfigFile, speed: str, wearable: str | None) -> tuple[Setting, Wearable]:
    """Return what is measured with."""
    settings = find_config(config_file)
    worn = settings.wearables[0] if wearable is None else settings.wearable(wearable)
    return make_setting(settings, parse_speed(speed)), worn


def _chosen(cues: str | None) -> tuple[str, ...]:
    """Return the cues that were asked for by their names."""
    from tenuto.cues.quiz import CORE

    names = CORE if cues is None else [one.strip() for one in cues.split(",")]
    chosen = tuple(dict.fromkeys(_known(name) for name in names))
    if len(chosen) < 2:
        raise InputError("--cues has one name, allowed are two or more")
    return chosen
