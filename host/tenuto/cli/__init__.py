# SPDX-License-Identifier: MIT
"""The command line.

Exit codes: 0 finished; 3 ended early by the wearer or the user; 2 wrong use or configuration;
1 anything else.
"""

from __future__ import annotations

import os
import sys

from tenuto.cli import overview

WRONG_USE, FAILED, STOPPED = 2, 1, 3


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    try:
        code = _run([word for word in words if word != "--debug"])
    except KeyboardInterrupt:
        code = STOPPED
    except Exception as error:
        if debug and not isinstance(error, BrokenPipeError):
            raise
        code = _explain(error)
    sys.exit(code)


def _run(words: list[str]) -> int:
    told = overview.answer(words)
    if told is not None:
        print(told, flush=True)
        return 0
    from cyclopts import CycloptsError

    from tenuto.cli.program import app

    try:
        result = app(words, exit_on_error=False)
    except CycloptsError:
        return WRONG_USE  # it has said itself what is wrong
    return result if isinstance(result, int) else 0


def _explain(error: BaseException) -> int:
    """Tell a person what went wrong.

    Returns:
        The exit code.
    """
    from tenuto.errors import InputError, TenutoError

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
