# SPDX-License-Identifier: MIT
"""The commands for what plays: by the daemon, or by `tenuto run` in another terminal."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from tenuto.config import find_config
from tenuto.errors import InputError, TenutoError

from .common import ConfigFile, make_setting

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.daemon.operations import HostStatus
    from tenuto.sessions.commands import Answer

WearableId = Annotated[str | None, Parameter(name=["--wearable", "-w"])]
AsJson = Annotated[bool, Parameter(name="--json")]

start, extend, status = (App(name=name) for name in ("start", "extend", "status"))


@start.default
def _start(
    routine: str | None = None,
    /,
    *,
    wearable: WearableId = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> int:
    """Start a routine on a wearable, and do not wait for its end.

    Args:
        routine: a routine's name; without it the usual one of the wearable
        wearable: the id of a wearable; without it the only one
        as_json: print the answer as one JSON object
        config: as in all commands
    """
    return _ask("start", wearable, config, as_json=as_json, routine=routine)


@extend.default
def _extend(
    seconds: float | None = None,
    /,
    *,
    wearable: WearableId = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> int:
    """Make this hold longer.

    Args:
        seconds: how much longer; without it 15
        wearable: the id of a wearable; without it the one that plays
        as_json: print the answer as one JSON object
        config: as in all commands
    """
    return _ask("extend", wearable, config, as_json=as_json, by_s=seconds)


@status.default
def _status(*, as_json: AsJson = False, config: ConfigFile = None) -> int:
    """Show each wearable, what it plays, and what is due today.

    Args:
        as_json: print one JSON object
        config: as in all commands
    """
    from tenuto.terminal.words import due_lines, printable, status_line

    told, due = asyncio.run(_status_and_due(config))
    if as_json:
        print(json.dumps(asdict(told) | due, ensure_ascii=False))
        return 0
    for wearable in told.wearables:
        print(printable(status_line(wearable)))
    for line in due_lines(due["due"], due["next_due"]):
        print(printable(line))
    return 0


async def _status_and_due(config: Path | None) -> tuple[HostStatus, dict[str, Any]]:
    """Return how the host is, and what is due there; nothing where the history cannot be read."""
    told: HostStatus = await call("status", {}, config)
    try:
        due: dict[str, Any] = asdict(await call("due", {}, config))
    except TenutoError as error:
        print(f"tenuto: what is due is not known: {error}", file=sys.stderr)
        due = {"due": None, "next_due": None}
    return told, due


def _plain(name: str, does: str) -> App:
    """Make a command that takes no more than a wearable."""
    app = App(name=name)

    def command(
        *, wearable: WearableId = None, as_json: AsJson = False, config: ConfigFile = None
    ) -> int:
        return _ask(name, wearable, config, as_json=as_json)

    command.__doc__ = f"""{does}

    Args:
        wearable: the id of a wearable; without it the one that plays
        as_json: print the answer as one JSON object
        config: as in all commands
    """
    app.default(command)
    return app


pause = _plain("pause", "Pause what plays.")
resume = _plain("resume", "Go on after a pause.")
skip = _plain("skip", "Skip this step.")
back = _plain("back", "Do this hold again, or go back to the one before.")
stop = _plain("stop", "Stop what plays.")
find = _plain("find", "Make a wearable buzz, so that you find it.")


def _ask(
    name: str, wearable: str | None, config: Path | None, *, as_json: bool, **asked: object
) -> int:
    """Have a command carried out.

    Returns:
        The exit code: 0 done, 1 refused.
    """
    answer = asyncio.run(_ask_wearable(name, wearable, config, asked))
    if as_json:
        print(json.dumps(asdict(answer), ensure_ascii=False))
    elif not answer.ok:
        print(f"tenuto: {answer.text}", file=sys.stderr)
    return 0 if answer.ok else 1


async def _ask_wearable(
    name: str, wearable: str | None, config: Path | None, asked: dict[str, object]
) -> Answer:
    if wearable is None:
        wearable = _only_one((await call("status", {}, config)).wearables, name)
    answer: Answer = await call(name, {"wearable": wearable, **asked}, config)
    return answer


def _only_one(wearables: list[dict[str, Any]], name: str) -> str:
    """Return the id of the wearable that is meant where none is named.

    Raises:
        InputError: There are several.
    """
    playing = [one["id"] for one in wearables if one["playing"]]
    if name != "start" and len(playing) == 1:
        return str(playing[0])
    if len(wearables) == 1:
        return str(wearables[0]["id"])
    known = ", ".join(str(one["id"]) for one in wearables) or "none"
    raise InputError(f"which wearable? --wearable knows {known}")


async def call(name: str, asked: dict[str, object], config: Path | None) -> Any:  # noqa: ANN401
    """Ask the daemon, or the session of another terminal.

    Raises:
        InputError: Nobody is there to ask.
    """
    from tenuto.daemon.dispatch import RemoteDispatcher, daemon_of
    from tenuto.daemon.operations import OPERATIONS

    from .prompt import Terminal

    client = await daemon_of(make_setting(find_config(config), 1.0))
    if client is None:
        raise InputError(
            "nothing runs yet: start `tenuto daemon` in another terminal, or play with `tenuto run`"
        )
    operation = OPERATIONS[name]
    return await RemoteDispatcher(client).call(operation, operation.read(asked), Terminal())
