# SPDX-License-Identifier: MIT
"""A person at a terminal: keys, a second terminal, and the terminal as it was afterwards."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.patience import patience_s
from tests.processes import user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="no terminals here")]


class Terminal:
    """A terminal with a command in it."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.environ = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
            "TERM": "xterm-256color",
        }
        self.shown = b""
        self._mine, self._its = pty.openpty()
        self.before = termios.tcgetattr(self._its)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tenuto", *words],
            stdin=self._its,
            stdout=self._its,
            stderr=self._its,
            env=self.environ,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                self.shown += os.read(self._mine, 65536)
            except OSError:
                return
            if b"Enter begins" in self.shown:
                self.shown = b""
                self.press("\n")

    @property
    def is_as_before(self) -> bool:
        """Whether the settings are those of the beginning."""
        return termios.tcgetattr(self._its) == self.before

    @property
    def echoes(self) -> bool:
        """Whether what is typed is shown."""
        return bool(termios.tcgetattr(self._its)[3] & termios.ECHO)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._mine, keys.encode())

    def ask(self, *words: str) -> tuple[int, str]:
        """Run a command in a second terminal."""
        done = subprocess.run(
            [sys.executable, "-m", "tenuto", *words],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=patience_s(30),
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def state(self, what: str = "state") -> Any:
        """Ask what plays; None for nothing."""
        code, said = self.ask("status", "--json")
        if code:
            return None
        session = json.loads(said)["wearables"][0]["session"]
        return session and session[what]

    def close(self) -> None:
        """End all of it."""
        self.process.kill()
        self.process.wait(patience_s(10))
        os.close(self._its)
        os.close(self._mine)


@contextmanager
def terminal(*words: str) -> Iterator[Terminal]:
    with user() as folder:
        opened = Terminal(folder, *words)
        try:
            yield opened
        finally:
            opened.close()


def until(happened: Callable[[], object], what: str = "") -> None:
    end_s = time.monotonic() + patience_s(30)
    while not happened():
        assert time.monotonic() < end_s, what
        time.sleep(0.05)


def test_keys_and_a_second_terminal_command_the_same_session() -> None:
    with terminal("run", "lower-back") as first:
        until(lambda: first.state("kind") == "hold")  # which alone can be made longer
        assert not first.echoes
        first.press(" ")
        until(lambda: first.state() == "paused")
        assert first.ask("resume")[0] == 0
        until(lambda: first.state() == "playing")
        code, said = first.ask("resume")
        assert (code, "not paused" in said) == (1, True)
        assert first.ask("extend", "20")[0] == 0
        code, said = first.ask("run", "lower-back-short")
        assert code == 2
        assert "plays" in said

        # Somebody looks on and leaves: the session goes on.
        viewer = subprocess.Popen(
            [sys.executable, "-m", "tenuto", "run"],
            env=first.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert viewer.stdout is not None
        until(lambda: "joining it" in viewer.stdout.readline())  # type: ignore[union-attr]
        time.sleep(0.5)
        viewer.send_signal(signal.SIGINT)
        rest = viewer.communicate(timeout=patience_s(20))[0]
        assert viewer.returncode == 0, rest
        assert "plays on" in rest
        assert first.state() == "playing"

        first.press("?")
        until(lambda: b"space: pause" in first.shown)
        first.press("l")  # the button of the simulated wearable, held
        assert first.process.wait(patience_s(40)) == 3, first.shown[-500:]
        until(lambda: first.is_as_before)
        until(lambda: b"`tenuto report 1` shows it" in first.shown)
        code, said = first.ask("stop")
        assert (code, "nothing runs yet" in said) == (2, True)


def test_a_killed_run_leaves_the_terminal_as_it_was() -> None:
    with terminal("run", "lower-back", "--speed", "20") as one:
        until(lambda: not one.echoes)
        one.process.kill()
        until(lambda: one.is_as_before, "the terminal stays without an echo")


def test_it_counts_before_it_starts_and_esc_stops() -> None:
    with terminal("run", "lower-back", "--speed", "20", "--count-in", "3") as one:
        until(lambda: b"starts in 1 s" in one.shown)
        until(lambda: b"Back Flexion" in one.shown)
        one.press("\x1b")
        assert one.process.wait(patience_s(20)) == 3
        until(lambda: one.is_as_before)
