# SPDX-License-Identifier: MIT
"""Tenuto's commands as processes, each user in a folder of their own."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 60
START_TIMEOUT_S = 30.0


def environment(folder: Path) -> dict[str, str]:
    """A user of one's own: configuration, data and daemon are in `folder` and nowhere else."""
    return os.environ | {
        "TENUTO_CONFIG": str(folder / "tenuto.toml"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_RUNTIME_DIR": str(folder),
    }


def tenuto(
    *arguments: str,
    folder: Path,
    timeout_s: float = TIMEOUT_S,
    toml: str | None = 'mqtt.url = "off"',
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, with a history of its own in `folder`.

    Args:
        arguments: Of the command line.
        folder: The user's.
        timeout_s: How long it may take.
        toml: The configuration; None for the one that is there.
    """
    if toml is not None:
        (folder / "tenuto.toml").write_text(f'history.path = "history.db"\n{toml}\n')
    return subprocess.run(
        [sys.executable, "-m", "tenuto", *arguments],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=patience_s(timeout_s),
        check=False,
    )


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


class Process:
    """A running `tenuto ...`, or another module; what it says is read as it comes."""

    def __init__(
        self, *arguments: str, folder: Path, module: str = "tenuto", **environ: str
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", module, *arguments],
            env=environment(folder) | {"PYTHONFAULTHANDLER": "1"} | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def until(self, word: str, timeout_s: float = START_TIMEOUT_S) -> str:
        """Wait for a line that has this in it."""
        began_s = time.monotonic()
        while time.monotonic() - began_s < patience_s(timeout_s):
            try:
                line = self._lines.get(timeout=0.1)
            except queue.Empty:
                if self.process.poll() is not None and self._lines.empty():
                    break
                continue
            self.said.append(line)
            if word in line:
                return line
        raise AssertionError(f"{word!r} was not said, but:\n{''.join(self.said)}")

    def lines(self) -> list[str]:
        """Return all that it said so far."""
        while not self._lines.empty():
            self.said.append(self._lines.get())
        return self.said

    def rest(self, timeout_s: float = START_TIMEOUT_S) -> str:
        """Wait for its end; gives all that it said."""
        self.process.wait(patience_s(timeout_s))
        self._reader.join(patience_s(timeout_s))
        return "".join(self.lines())

    def end(self, number: int, timeout_s: float = 10.0) -> float:
        """Send a signal and wait for the end; gives the seconds that took.

        Where it does not end, say what each of its threads was doing.
        """
        began_s = time.monotonic()
        self.process.send_signal(number)
        try:
            self.process.wait(patience_s(timeout_s))
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            raise AssertionError(f"it did not end, but:\n{self.rest()}") from None
        return time.monotonic() - began_s


@contextmanager
def tenuto_process(
    *arguments: str, folder: Path, module: str = "tenuto", **environ: str
) -> Iterator[Process]:
    running = Process(*arguments, folder=folder, module=module, **environ)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait(patience_s(10))
        assert running.process.stdout is not None
        running._reader.join(patience_s(10))
        running.process.stdout.close()


@contextmanager
def user() -> Iterator[Path]:
    """A folder with a short name, for the path of the socket."""
    with tempfile.TemporaryDirectory(prefix="tenuto-") as name:
        yield Path(name)


def configure(folder: Path, toml: str, *, mqtt: str = "off") -> None:
    (folder / "tenuto.toml").write_text(
        f'history.path = "history.db"\nmqtt.url = "{mqtt}"\nroutines.folder = "routines"\n{toml}\n'
    )


def wearable(name: str, address: str, more: str = "") -> str:
    return f'[[wearable]]\nid = "{name}"\nlink = "ble"\naddress = "{address}"\n{more}\n'


@contextmanager
def world(folder: Path, count: int, port: int = 0) -> Iterator[str]:
    """Simulated wearables in a process of their own; gives the adapter that meets them."""
    with tenuto_process(
        "simulate", "--listen", f"127.0.0.1:{port}", "--wearables", str(count), folder=folder
    ) as running:
        line = running.until("bumble:tcp-client")
        found = re.search(r"bumble:tcp-client:127\.0\.0\.1:\d+", line)
        assert found is not None
        yield found[0]


def address(number: int) -> str:
    return f"C0:00:00:00:00:{number:02X}"
