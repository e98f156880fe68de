# SPDX-License-Identifier: MIT
"""Keys of the terminal while a session is on its screen, and the terminal as it was afterwards."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if sys.platform != "win32":
    import termios

if TYPE_CHECKING:
    from collections.abc import Callable

READ_BYTES = 64


@dataclass(frozen=True, slots=True)
class Key:
    """What a key does.

    Attributes:
        operation: The name of the operation; empty for the help.
        codes: What the terminal sends for it.
        label: What people call the keys.
        does: What it does, for people.
        gesture: For a press of the simulated wearable's button, which.
    """

    operation: str
    codes: tuple[str, ...]
    label: str
    does: str
    gesture: str = ""


KEYS = (
    Key("toggle", (" ",), "space", "pause, go on"),
    Key("skip", ("n", "\x1b[C", "\x1bOC"), "n, right", "skip"),
    Key("back", ("b", "\x1b[D", "\x1bOD"), "b, left", "back"),
    Key("extend", ("+", "="), "+", "15 s more"),
    Key("stop", ("s", "\x1b"), "s, Esc", "stop"),
    Key("find", ("f",), "f", "let the wearable be felt"),
    Key("", ("?", "h"), "?", "this help"),
)
BUTTON_KEYS = (
    Key("press", ("p",), "p", "press its button", "press"),
    Key("press", ("d",), "d", "press it twice", "double"),
    Key("press", ("l",), "l", "press it long", "long"),
)
"""For a simulated wearable, which nobody has in their hands."""


def help_text(keys: tuple[Key, ...]) -> str:
    """Return what the keys do, in a line."""
    return "; ".join(f"{key.label}: {key.does}" for key in keys)


class KeyReader:
    """Calls back for each key; a context manager that leaves the terminal as it was.

    A process of its own puts the terminal right if this one is killed.

    Args:
        keys: Those that mean something; others are passed over.
        on_key: Called with each; must not wait.
        descriptor: Of the terminal.
    """

    def __init__(
        self, keys: tuple[Key, ...], on_key: Callable[[Key], None], descriptor: int = 0
    ) -> None:
        self._by_code = {code: key for key in keys for code in key.codes}
        self._on_key = on_key
        self._descriptor = descriptor
        self._before: list[Any] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Take the keys one by one and without an echo; does nothing where that cannot be."""
        if sys.platform == "win32" or not os.isatty(self._descriptor):
            return self
        try:
            before = termios.tcgetattr(self._descriptor)
            self._guard = _guard_of(self._descriptor)
            quiet = termios.tcgetattr(self._descriptor)
            quiet[3] &= ~(termios.ICANON | termios.ECHO)
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, quiet)
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)
        except (OSError, NotImplementedError, termios.error):
            return self
        self._before = before
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
            self._before = None
        if self._guard is not None and self._guard.stdin is not None:
            with suppress(OSError):
                self._guard.stdin.write(b"done\n")
                self._guard.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._guard.wait(1)
            self._guard = None

    def _read(self) -> None:
        try:
            text = os.read(self._descriptor, READ_BYTES).decode(errors="ignore")
        except OSError:
            text = ""
        if not text:  # the terminal has gone
            asyncio.get_running_loop().remove_reader(self._descriptor)
            return
        while text:
            # An arrow comes as several characters that begin as Esc does.
            code = next((text[:n] for n in (3, 1) if text[:n] in self._by_code), text[:1])
            if code == "\x1b" and len(text) > 1:
                return
            text = text[len(code) :]
            if code in self._by_code:
                self._on_key(self._by_code[code])


def _guard_of(descriptor: int) -> subprocess.Popen[bytes] | None:
    """Start a process that gives the terminal its settings back if this one ends without a word."""
    # By its file: its own standard input is the pipe from here, and not every shell knows a
    # descriptor of two digits.
    terminal = os.dup(descriptor)
    script = (
        f'trap "" TTOU INT HUP; saved=$(stty -g </dev/fd/{terminal}); echo; '
        f'read -r line || stty "$saved" </dev/fd/{terminal}'
    )
    try:
        guard = subprocess.Popen(  # noqa: S603 - all of it stands here
            ["/bin/sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(terminal,),
        )
    except OSError:
        return None
    finally:
        os.close(terminal)
    assert guard.stdout is not None  # noqa: S101 - a pipe was asked for
    guard.stdout.readline()  # until it has the settings as they are
    guard.stdout.close()
    return guard
