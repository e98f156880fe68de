# SPDX-License-Identifier: MIT
"""The command line.

Exit codes: 0 finished; 3 ended early by the wearer or the user; 2 wrong use or configuration;
1 anything else.
"""

from __future__ import annotations

import codecs
import io
import os
import sys

from tenuto.cli import overview

WRONG_USE, FAILED, STOPPED = 2, 1, 3

_PLAIN = {
    **dict.fromkeys(range(0x2500, 0x2580), "-"),
    **dict.fromkeys(range(0x2580, 0x25A0), "#"),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-"),
    **dict.fromkeys(map(ord, "\u2018\u2019"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d"), '"'),
    ord("\u00b7"): ".",
    ord("\u2026"): "...",
}
"""What stands for lines, blocks and punctuation that an encoding lacks."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    _write_anywhere()
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


def _write_anywhere() -> None:
    """Have what a terminal or pipe cannot encode come out in plain characters."""
    codecs.register_error("tenuto-plain", _in_plain_characters)
    for stream in (sys.stdout, sys.stderr):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(encoding).name != "utf-8":
            stream.reconfigure(errors="tenuto-plain")


def _in_plain_characters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = "".join(_PLAIN.get(ord(one), "?") for one in error.object[error.start : error.end])
    return plain, error.end


def _run(words: list[str]) -> int:
    told = overview.answer(words)
    if told is not None:
        print(told, flush=True)
        return 0
    if words and not words[0].startswith("-") and words[0] not in overview.NAMES:
        print(f"tenuto: {overview.unknown(words[0])}", file=sys.stderr)
        return WRONG_USE
    from cyclopts import CycloptsError

    from tenuto.cli.program import app, wrong_use

    try:
        result = app(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(f"tenuto: {wrong_use(error)}", file=sys.stderr)
        return WRONG_USE
    return result if isinstance(result, int) else 0


def _explain(error: BaseException) -> int:
    """Tell a person what went wrong.

    Returns:
        The exit code.
    """
    from tenuto.errors import InputError, TenutoError
    from tenuto.terminal.words import printable

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
    for line in lines:  # names of people, as of whatever else came from outside, may be in it
        print(f"tenuto: {printable(line)}", file=sys.stderr)
    return WRONG_USE if isinstance(error, InputError) else FAILED
