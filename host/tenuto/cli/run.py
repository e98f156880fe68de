# SPDX-License-Identifier: MIT
"""`tenuto run`: play a routine once and show it live."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cyclopts import App

from .common import ConfigFile, Speed, log_to_stderr, make_setting, parse_speed, signals
from .prompt import Terminal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from tenuto.config import Wearable
    from tenuto.daemon.build import Setting
    from tenuto.daemon.dispatch import Dispatcher
    from tenuto.daemon.play import Ended


FINISHED, FAILED, STOPPED = 0, 1, 3
"""Exit codes; 2, wrong use, is given where the mistake is found."""

COUNT_IN_S_MAX = 600
COUNTED_S = 5
"""The last of these are counted one by one."""
KEYS_AT_ONCE_MAX = 4

app = App(name="run")


@app.default
def run(
    routine: str | None = None,
    /,
    *,
    wearable: str | None = None,
    strength: int | None = None,
    hold_time: int | None = None,
    count_in: int = 0,
    speed: Speed = "1",
    json: bool = False,
    mqtt: bool = False,
    seed: int | None = None,
    config: ConfigFile = None,
) -> int:
    """Play a routine once and show it live.

    Space pauses, n skips, b goes back, + makes the hold longer, s stops; ? shows all keys. Ctrl-C
    stops it too. A wearable that already plays is joined, not disturbed: leaving does not stop it.
    If it is not reached within a minute, this ends with 1 and shows the reason.

    Args:
        routine: a routine's name, or a file that ends in .toml; without it the default one
        wearable: the id of a wearable in the configuration; without it the first one
        strength: how strong the cues are felt, 10 to 150 % of the vocabulary; without it as set
        hold_time: how long holds are, 50 to 200 % of the routine; without it as set
        count_in: seconds to lie down before it starts, counted on the screen
        speed: how fast time passes, for simulated wearables: 20, or max for no waiting at all
        json: print one JSON object a line and nothing else
        mqtt: use MQTT also with --speed max
        seed: make chance in the simulation repeatable
        config: as in all commands
    """
    from dataclasses import replace

    from tenuto import event_loops
    from tenuto.config import find_config

    log_to_stderr(logging.WARNING)
    settings = find_config(config)
    if not json and sys.stdout.isatty():
        from tenuto.cli import safety

        safety.tell(settings, routine, wearable)
    setting = replace(
        make_setting(settings, parse_speed(speed), json=json, mqtt=mqtt, seed=seed),
        page=not json and sys.stdout.isatty(),
    )
    return event_loops.run(
        _run(
            setting,
            routine,
            wearable,
            strength_pct=strength,
            hold_pct=hold_time,
            count_in_s=min(max(0, count_in), COUNT_IN_S_MAX),
        ),
        speed=setting.speed,
        settle_s=0.001 if mqtt else 0.0,
    )


async def _run(
    setting: Setting,
    routine: str | None,
    wearable_id: str | None,
    *,
    strength_pct: int | None,
    hold_pct: int | None,
    count_in_s: int,
) -> int:
    """Have a routine played and show it.

    Args:
        strength_pct, hold_pct: See `Adjustment`; None for what is set for the wearable.
        count_in_s: How long to wait before the start.

    Returns:
        The exit code.
    """
    import asyncio
    from dataclasses import replace

    from rich.console import Console

    from tenuto.daemon.dispatch import open_dispatcher
    from tenuto.daemon.operations import RUN
    from tenuto.daemon.plans import as_grown
    from tenuto.daemon.play import LEFT, Run
    from tenuto.event_loops import HostTime
    from tenuto.routines.library import Library
    from tenuto.state.settings import SettingsStore
    from tenuto.terminal.choose import choose_sink
    from tenuto.wearables import registry

    from .prompt import Terminal

    config = setting.config
    wearable = config.wearables[0] if wearable_id is None else config.wearable(wearable_id)
    liked = SettingsStore(config.state_path).preferences(wearable.id)
    adjustment = replace(
        liked.adjustment,
        strength_pct=liked.adjustment.strength_pct if strength_pct is None else strength_pct,
        hold_pct=liked.adjustment.hold_pct if hold_pct is None else hold_pct,
    )
    library = Library.of(config)
    name = routine or liked.routine or config.routine_for(wearable)
    written = library.open(name)
    present, longer = as_grown(config, wearable.id, written)
    for one in longer:
        setting.say(
            f"{one.exercise}: {one.hold_ms / 1000:g} s now, {one.written_ms / 1000:g} s as written;"
            f" it was held to its end {one.times} times"
        )
    # A plan of one's own where the daemon would not find it or would compile another one.
    is_own = name.endswith(".toml") or adjustment != liked.adjustment
    compiled = library.compile(present, adjustment, registry.feel(wearable))
    clock = HostTime(setting.speed)
    gone = asyncio.Event()
    screen = choose_sink(
        Console(),
        json=setting.json,
        now_ms=lambda: round(clock.utc_ms()),
        speed=setting.speed,
        how={exercise.name: exercise.how for exercise in written.exercises if exercise.how},
        on_gone=gone.set,
    )
    person = Terminal(screen.handle, gone)
    asked = Run(wearable=wearable.id, routine=routine, plan=compiled if is_own else None)
    async with open_dispatcher(setting, wearable) as dispatch:
        await screen.open()
        try:
            with signals(gone.set), _keys(dispatch, wearable, person, wanted=not setting.json):
                if not await _count_in(count_in_s, person, gone):
                    return STOPPED
                ended = await dispatch.call(RUN, asked, person)
        finally:
            await screen.close()
    _tell_kept(ended, json=setting.json)
    if ended.not_kept is not None:
        person.show(f"this session was not kept: {ended.not_kept}")
        return FAILED
    return {"finished": FINISHED, "stopped": STOPPED, LEFT: FINISHED}.get(ended.reason, FAILED)


async def _count_in(seconds: int, person: Terminal, gone: asyncio.Event) -> bool:
    """Count down before the start.

    Returns:
        False if the person does not want it any more.
    """
    import asyncio
    from contextlib import suppress

    for left in range(seconds, 0, -1):
        if left == seconds or left <= COUNTED_S or left % 10 == 0:
            person.show(f"starts in {left} s")
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await gone.wait()
        if gone.is_set():
            return False
    return True


@contextmanager
def _keys(
    dispatch: Dispatcher, wearable: Wearable, person: Terminal, *, wanted: bool
) -> Iterator[None]:
    """Carry out what the keys say while inside."""
    import asyncio

    from tenuto.daemon.operations import OPERATIONS
    from tenuto.errors import TenutoError
    from tenuto.links.registry import LINKS
    from tenuto.terminal.keys import BUTTON_KEYS, KEYS, Key, KeyReader, help_text

    if not wanted or not sys.stdin.isatty() or not sys.stdout.isatty():
        yield
        return
    keys = (*KEYS, *(BUTTON_KEYS if LINKS[wearable.link].is_simulated else ()))
    tasks: set[asyncio.Task[None]] = set()

    async def carry_out(key: Key) -> None:
        told = {"wearable": wearable.id, **({"gesture": key.gesture} if key.gesture else {})}
        operation = OPERATIONS[key.operation]
        try:
            answer = await dispatch.call(operation, operation.read(told), Terminal())
        except TenutoError as error:
            person.show(str(error))
            return
        if not getattr(answer, "ok", True):
            person.show(answer.text)

    def on_key(key: Key) -> None:
        if not key.operation:
            person.show(help_text(keys))
        elif len(tasks) < KEYS_AT_ONCE_MAX or key.operation == "stop":
            task = asyncio.create_task(carry_out(key), name=f"key {key.operation}")
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    with KeyReader(keys, on_key):
        person.show("space pauses, s stops, ? shows all keys")
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def _tell_kept(ended: Ended, *, json: bool) -> None:
    """Say how to look at the session again."""
    if ended.number is None or json:
        return
    words = [f"Session {ended.number}: `tenuto report {ended.number}` shows it."]
    if ended.streak_days > 1:
        words.append(f"{ended.streak_days} days in a row.")
    print(" ".join(words))
