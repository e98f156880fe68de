# SPDX-License-Identifier: MIT
# ruff: noqa: N999 - the command is called so
"""`tenuto class`: one routine on several wearables, in unison."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from tenuto.errors import InputError

from .common import ConfigFile  # noqa: TC001 - cyclopts reads the annotations
from .control import AsJson, call

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.daemon.classes import ClassStatus

app = App(name="class", help="Play one routine on several wearables, in unison.")

LIVE_EVERY_S = 0.5
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "": 1.0}
Wearables = Annotated[str, Parameter(name=["--wearables", "-w"])]


@app.command
def start(
    routine: str | None = None,
    /,
    *,
    wearables: Wearables = "all",
    begins_in: Annotated[str, Parameter(name="--in")] = "5s",
    wait: bool = True,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> int:
    """Start a routine on several wearables at one moment.

    All get the plan, and begin together by their own clocks. Those that cannot be reached are
    listed; a wearable that comes later joins where the next exercise begins.

    Args:
        routine: a routine's name; without it the one that is set for the class in Home Assistant,
            or else the usual one of the first wearable
        wearables: their ids with commas between them, or all
        begins_in: how soon at the earliest, as in 5s or 2min; many wearables on few links take
            longer, and then it says when
        wait: wait until it begins, and tell who takes part
        as_json: print the answer as one JSON object
        config: as in all commands
    """
    in_s = _seconds(begins_in)
    asked = {"routine": routine, "wearables": wearables, "in_s": in_s, "wait": wait}
    return _ask("start", config, as_json=as_json, **asked)


@app.command
def join(
    wearables: Annotated[str, Parameter(name=["WEARABLES", "--wearables", "-w"])] = "all",
    *,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> int:
    """Bring wearables to where the class is, at the next exercise.

    What they did before and what they do then is one session in the history.

    Args:
        wearables: their ids with commas between them; without it all that are not in step
        as_json: print the answer as one JSON object
        config: as in all commands
    """
    return _ask("join", config, as_json=as_json, wearables=wearables)


def _plain(name: str, does: str) -> None:
    def command(*, as_json: AsJson = False, config: ConfigFile = None) -> int:
        return _ask(name, config, as_json=as_json)

    command.__doc__ = f"""{does}

    Args:
        as_json: print the answer as one JSON object
        config: as in all commands
    """
    app.command(command, name=name)


_plain("pause", "Pause all of the class.")
_plain("resume", "Have all of the class go on, in step again.")
_plain("stop", "Stop all of the class at once.")


@app.command
def status(*, live: bool = False, as_json: AsJson = False, config: ConfigFile = None) -> int:
    """Show where each wearable of the class is.

    Args:
        live: go on showing it until Ctrl-C
        as_json: print one JSON object
        config: as in all commands
    """
    if live:
        asyncio.run(_show_live(config))
        return 0
    told = asyncio.run(_status(config))
    if as_json:
        print(json.dumps(asdict(told), ensure_ascii=False))
        return 0
    from tenuto.terminal.class_table import draw

    from . import tables

    tables.write(draw(asdict(told)))
    return 0


async def _status(config: Path | None) -> ClassStatus:
    told: ClassStatus = await call("class_status", {}, config)
    return told


async def _show_live(config: Path | None) -> None:
    from rich.live import Live

    from tenuto.terminal.class_table import draw

    with Live(refresh_per_second=4) as screen:
        while True:
            screen.update(draw(asdict(await _status(config))), refresh=True)
            await asyncio.sleep(LIVE_EVERY_S)


def _seconds(text: str) -> float:
    number = text.rstrip("smin")
    unit = text[len(number) :].strip()
    try:
        return float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        raise InputError(f"--in is {text!r}, allowed is a time such as 5s or 2min") from None


def _ask(verb: str, config: Path | None, *, as_json: bool, **asked: object) -> int:
    """Have a command carried out.

    Returns:
        The exit code: 0 done, 1 refused.
    """
    answer = asyncio.run(call(f"class_{verb}", asked, config))
    if as_json:
        print(json.dumps(asdict(answer), ensure_ascii=False))
    else:
        print(f"tenuto: {answer.text}", file=sys.stdout if answer.ok else sys.stderr)
    return 0 if answer.ok else 1
