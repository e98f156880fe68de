# SPDX-License-Identifier: MIT
"""The command line.

Exit codes: 0 finished; 3 ended early by the wearer or the user; 2 wrong use or configuration;
1 anything else.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError

from tenuto import __version__
from tenuto.errors import InputError, TenutoError

if TYPE_CHECKING:
    from collections.abc import Sequence

WRONG_USE, FAILED, STOPPED = 2, 1, 3

app = App(
    name="tenuto",
    version=f"tenuto {__version__}",
    help="Stretch with closed eyes: a wearable times the holds by touch. A timer, not advice.",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for _name, _help in (
    ("run", "Play a routine once and show it live."),
    ("daemon", "Stay, keep the wearables, start sessions on command by MQTT."),
    ("routines", "List routines, show what they do, check files."),
    ("history", "List what was played, show it, export, delete, check."),
    ("report", "Show a session, a week or a month as a page or a picture."),
    ("privacy", "Say what is stored where and what is published, and erase it."),
    ("firmware", "Put the firmware on a board, tell what is on it."),
    ("scan", "List the devices in reach by Bluetooth, and their use for Tenuto."),
    ("pair", "Pair with a wearable, so that it trusts this computer."),
    ("forget", "Forget the pairing with a wearable."),
    ("doctor", "Check that everything Tenuto needs is there, and say what to do."),
    ("simulate", "Be a simulated wearable, in a process of its own."),
):
    # By its path, so that the rest is imported only by who needs it.
    app.command(f"tenuto.cli.{_name}:app", name=_name, help=_help)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        result = app([word for word in words if word != "--debug"], exit_on_error=False)
    except CycloptsError:
        code = WRONG_USE  # it has said itself what is wrong
    except KeyboardInterrupt:
        code = STOPPED
    except Exception as error:
        if debug and not isinstance(error, BrokenPipeError):
            raise
        code = _explain(error)
    else:
        code = result if isinstance(result, int) else 0
    sys.exit(code)


def _explain(error: BaseException) -> int:
    """Tell a person what went wrong; returns the exit code."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, BrokenPipeError):
        # The reader has gone, as `head` does; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    lines = str(error).splitlines()
    if not isinstance(error, (TenutoError, OSError)):
        lines = [
            f"a fault of Tenuto's own: {type(error).__name__}: {error}",
            "the same command with --debug shows more; please report it",
        ]
    for line in lines:
        print(f"tenuto: {line}", file=sys.stderr)
    return WRONG_USE if isinstance(error, InputError) else FAILED
