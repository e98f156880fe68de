# SPDX-License-Identifier: MIT
"""`tenuto cues`: list the cues, check and play them, learn them, and be asked about them."""

from __future__ import annotations

import random
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
    from collections.abc import Awaitable, Callable, Sequence

    from tenuto.config import Config, Wearable
    from tenuto.daemon.build import Setting
    from tenuto.routines.compile import CompiledPlan
    from tenuto.routines.feel import Feel
    from tenuto.routines.haptics import Vocabulary
    from tenuto.sessions.events import Entry

app = App(
    name="cues",
    help="List, check, play and learn the cues, and be asked about them.",
)

_STYLES = {Level.ERROR: "red", Level.WARNING: "yellow", Level.NOTE: "dim"}
_PAIRS = 5
_Kind = Literal["ahap", "android", "vibrate", "bangle"]


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

    Whether you tell them apart better than the present ones, `tenuto cues quiz` measures.

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
    from tenuto.daemon.doors import open_door
    from tenuto.daemon.operations import PLAY_CUE

    from .prompt import Terminal

    _known(cue)
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
    from tenuto.cues.quiz import lesson_order
    from tenuto.cues.trials import LESSON_EVERY_MS, lesson_plan
    from tenuto.sessions.events import CueFired

    setting, worn, vocabulary, chosen = _begin(config, speed, wearable, cues)
    feel = registry.feel(worn)
    order = lesson_order(chosen, [(a, b) for _, a, b in nearest_pairs(vocabulary, feel)])
    texts = dict(zip(CUES, vocabulary.feels_like, strict=True))

    async def told(entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry.event, CueFired):
                cue = entry.event.cue
                print(f"{cue_words(cue)}: {texts.get(cue, '')}", flush=True)

    print(f"{len(order)} cues, one every {LESSON_EVERY_MS // 1000} s. Ctrl-C ends it.")
    return _play(
        setting, worn, lesson_plan(_felt(setting, worn, vocabulary), order, LESSON_EVERY_MS), told
    )


@app.command(name="quiz")
def ask(
    *,
    wearable: str | None = None,
    cues: str | None = None,
    trials: int | None = None,
    condition: Literal["resting", "moving", "counting"] = "resting",
    simulated_person: int | None = None,
    seed: int | None = None,
    speed: Speed = "1",
    config: ConfigFile = None,
) -> int:
    """Measure how well you tell the cues apart: feel a cue, press the key of its name.

    The wearable plays the cues by its own clock, at times that cannot be foreseen, and its clock
    takes the time of each answer. Ctrl-C ends it, and what was answered is shown.

    Args:
        wearable: the id of a wearable in the configuration; without it the first one
        cues: their names, with commas between them; without it the five that every session needs
        trials: how many cues come; without it ten for each. Five for each are a practice, twenty
            a study
        condition: what you do meanwhile; results of different ones are not compared
        simulated_person: have a simulated person answer, whom this number makes
        seed: make the order repeatable
        speed: how fast time passes, for simulated wearables
        config: as in all commands
    """
    from tenuto.cues.quiz import ANSWER_MS_MAX, GAP_MS, Quiz, order
    from tenuto.cues.trials import TRIALS_MAX, quiz_plan

    from .keys import require_keys
    from .quiz import KEYS, Asking, Simulated, show_score

    if simulated_person is None:
        require_keys()
    setting, worn, vocabulary, chosen = _begin(config, speed, wearable, cues)
    count = 10 * len(chosen) if trials is None else trials
    if not len(chosen) <= count <= TRIALS_MAX:
        raise InputError(f"--trials is {count}, allowed is {len(chosen)} to {TRIALS_MAX}")
    if len(chosen) > len(KEYS):
        raise InputError(f"--cues has {len(chosen)} names, allowed are {len(KEYS)}")
    rng = random.Random(seed)  # noqa: S311 - nobody has to be kept from guessing it
    sequence = list(order(chosen, count, rng))
    felt = _felt(setting, worn, vocabulary)
    plan = quiz_plan(felt, sequence, [rng.randint(*GAP_MS) for _ in sequence])
    quiz = Quiz(chosen)
    person = None if simulated_person is None else Simulated(chosen, felt, simulated_person)
    asking = Asking(quiz, person)
    lasts_s = plan.plan.duration_ms // 1000
    print(f"{count} cues, {lasts_s // 60} min {lasts_s % 60} s, {condition}.")
    print(f"After each, press its key within {ANSWER_MS_MAX // 1000} s:")
    for key, cue in zip(KEYS, chosen, strict=False):
        print(f"  {key}  {cue_words(cue)}")
    code = _play(setting, worn, plan, asking.tell, None if person is not None else asking.press)
    print()
    show_score(quiz.score(), condition)
    if person is not None:
        print(person.truth())
    return code


@app.command
def strength(
    *,
    wearable: str | None = None,
    apply: bool = False,
    simulated_person: int | None = None,
    seed: int | None = None,
    speed: Speed = "1",
    config: ConfigFile = None,
) -> int:
    """Measure from which strength on you feel a buzz: press a key whenever you feel one.

    There are thirty trials, and in one of five nothing buzzes. Nothing is set without --apply.

    Args:
        wearable: the id of a wearable in the configuration; without it the first one
        apply: set the strength that is advised for moving, in which all cues are felt
        simulated_person: have a simulated person answer, whom this number makes
        seed: make chance repeatable
        speed: how fast time passes, for simulated wearables
        config: as in all commands
    """
    from .keys import require_keys
    from .strength import Measuring, show_estimate

    if simulated_person is None:
        require_keys()
    settings = find_config(config)
    worn = settings.wearables[0] if wearable is None else settings.wearable(wearable)
    feel = registry.feel(worn)
    if feel is not None and feel.strengths == 1:
        raise InputError(f"a {feel.title} has one strength: there is nothing to measure")
    measuring = Measuring(worn, simulated_person, seed)
    setting = make_setting(settings, parse_speed(speed))
    if not measuring.run(setting):
        return 3
    advised = show_estimate(measuring.threshold)
    if advised is not None and apply:
        print(measuring.set_strength(setting, advised))
    return 0 if advised is not None else 1


@app.command(name="export")
def export_cue(cue: str, kind: _Kind, /, *, config: ConfigFile = None) -> None:
    """Print a cue as other platforms write patterns; what is lost goes to standard error.

    Args:
        cue: its name, see `tenuto cues list`
        kind: ahap (Apple), android (timings and amplitudes), vibrate (browsers), bangle (the
            string of the Bangle.js)
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
        kind: ahap, android, vibrate or bangle; see `tenuto cues export --help`
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


def _begin(
    config_file: ConfigFile, speed: str, wearable: str | None, cues: str | None
) -> tuple[Setting, Wearable, Vocabulary, tuple[str, ...]]:
    """Return what a lesson and a quiz need."""
    from tenuto.cues.quiz import CORE

    settings = find_config(config_file)
    worn = settings.wearables[0] if wearable is None else settings.wearable(wearable)
    setting = make_setting(settings, parse_speed(speed))
    names = CORE if cues is None else [one.strip() for one in cues.split(",")]
    chosen = tuple(dict.fromkeys(_known(name) for name in names))
    if len(chosen) < 2:
        raise InputError("--cues has one name, allowed are two or more")
    return setting, worn, Library.of(settings).vocabulary(), chosen


def _felt(setting: Setting, worn: Wearable, vocabulary: Vocabulary) -> Vocabulary:
    """Return the vocabulary as it is felt on a wearable, in the strength that is set."""
    from tenuto.routines.adjust import adjust_vocabulary
    from tenuto.state.settings import SettingsStore

    liked = SettingsStore(setting.config.state_path).preferences(worn.id)
    adjusted = adjust_vocabulary(vocabulary, liked.adjustment)
    feel = registry.feel(worn)
    return adjusted if feel is None else fit(adjusted, feel)


def _play(
    setting: Setting,
    worn: Wearable,
    plan: CompiledPlan,
    told: Callable[[Sequence[Entry]], Awaitable[None]],
    on_key: Callable[[str, int], None] | None = None,
) -> int:
    """Play a plan to its end and return the exit code."""
    import asyncio
    from contextlib import nullcontext

    from tenuto import event_loops
    from tenuto.daemon.doors import open_door
    from tenuto.daemon.operations import RUN
    from tenuto.daemon.play import Run
    from tenuto.event_loops import HostTime

    from .common import signals
    from .keys import keys
    from .prompt import Terminal

    async def played() -> str:
        gone, clock = asyncio.Event(), HostTime(setting.speed)

        def pressed(key: str) -> None:
            if on_key is not None:
                on_key(key, round(clock.utc_ms()))

        async with open_door(setting, worn) as door:
            with signals(gone.set), nullcontext() if on_key is None else keys(pressed):
                asked = Run(wearable=worn.id, plan=plan)
                return (await door.call(RUN, asked, Terminal(told, gone))).reason

    reason = event_loops.run(played(), speed=setting.speed)
    return {"finished": 0, "stopped": 3}.get(reason, 1)
