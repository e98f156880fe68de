# SPDX-License-Identifier: MIT
"""`tenuto doctor`: check that everything is there, and say what to do."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from tenuto.config import Config, find_config, own_folders
from tenuto.errors import InputError, TenutoError
from tenuto.terminal import words

from .common import ConfigFile  # noqa: TC001 - cyclopts reads it at run time

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.doctor import Context, Finding

_MARKS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}

app = App(name="doctor")


@app.default
def doctor(
    *,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
    config: ConfigFile = None,
) -> int:
    """Check everything that Tenuto needs, and say what to do.

    It ends with 1 if there is a problem, else with 0.

    Args:
        as_json: print one JSON object a line, and nothing else
        config: as in all commands
    """
    from tenuto import event_loops

    return event_loops.run(_doctor(config, as_json=as_json))


async def _doctor(path: Path | None, *, as_json: bool) -> int:
    from tenuto.doctor import Level, examine

    has_problem = False
    async for finding in examine(await _patient(path)):
        has_problem = has_problem or finding.level is Level.PROBLEM
        if as_json:
            sys.stdout.write(json.dumps(finding.to_json(), ensure_ascii=False) + "\n")
        else:
            _print(finding)
        sys.stdout.flush()
    return 1 if has_problem else 0


def _print(finding: Finding) -> None:
    mark = _MARKS[finding.level.value]
    print(words.printable(f"{mark}  {finding.check}: {finding.text}"))
    if finding.advice is not None:
        print(words.printable(f"         what to do: {finding.advice}"))


async def _patient(path: Path | None) -> Context:
    from tenuto.control import find_daemon
    from tenuto.doctor import Context
    from tenuto.links.radios.adapters import open_adapter

    config, mistake = None, None
    try:
        config = find_config(path)
    except InputError as error:
        mistake = error
    own = own_folders()
    daemon = None
    try:
        client = await find_daemon(os.environ, own.data)
        if client is not None:
            daemon = await client.ask("status")
    except TenutoError as error:
        print(f"tenuto: {error}", file=sys.stderr)
    used = config or Config()
    return Context(
        config=config,
        mistake=mistake,
        daemon=daemon,
        adapter=lambda name: open_adapter(name or used.bluetooth.adapter, used.radio_files),
    )
