# SPDX-License-Identifier: MIT
"""What every test may use: event loops, patience, the real Mosquitto, the real MicroPython.

An `async def test_...` runs in virtual time, in an event loop of its own. A test that waits for
something outside this process (a socket, a broker, a bus, a terminal) is marked `real_time`.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import logging
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import hypothesis
import pytest

from tenuto import event_loops
from tenuto.testing import MosquittoBroker, plugin
from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from tests.fleet.server import PostgresServer

ROOT = Path(__file__).resolve().parent.parent
PARTS = ROOT / ".parts"

TEST_TIMEOUT_S = 120

# On a busy machine an example takes what it takes; the blob replays a failure anywhere.
hypothesis.settings.register_profile("tenuto", deadline=None, print_blob=True)
hypothesis.settings.register_profile(
    "same", hypothesis.settings.get_profile("tenuto"), derandomize=True
)
hypothesis.settings.load_profile("tenuto")


def part(name: str, of: str | None = None) -> Path:
    """Return a program that `make setup-test` provides; without it, skip, or fail in CI.

    Args:
        name: Of the program.
        of: The part that it belongs to, where that has another name.
    """
    path = os.pathsep.join(
        [
            os.environ.get("PATH", os.defpath),
            "/usr/sbin",
            "/usr/local/sbin",
            "/opt/homebrew/sbin",
            str(PARTS / (of or name) / "bin"),
        ]
    )
    found = shutil.which(name, path=path)
    if found:
        return Path(found)
    return _without(f"no {name}: {_reason(of or name)}")


def _reason(name: str) -> str:
    """Return why a part is not there."""
    try:
        return (PARTS / f"{name}.reason").read_text().strip()
    except OSError:
        return "run make setup-test"


def needs_module(name: str) -> None:
    """Skip, or fail in CI, where a Python module of an extra is missing."""
    if importlib.util.find_spec(name) is None:
        _without(f"no Python module {name}: run make setup-test")


def _without(message: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def pytest_configure(config: pytest.Config) -> None:
    """Load the public plugin, where this checkout was installed before it had one."""
    if not config.pluginmanager.has_plugin("tenuto"):
        config.pluginmanager.register(plugin, "tenuto")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Leave a test more time before it counts as hanging where the machine is slow or busy."""
    if item.get_closest_marker("timeout") is None:
        item.add_marker(pytest.mark.timeout(patience_s(TEST_TIMEOUT_S)))
    return (yield)


_unheard: list[str] = []
"""What event loops in virtual time had to report because nobody else noticed it."""


def _virtual_loop() -> asyncio.AbstractEventLoop:
    def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        _unheard.append(f"{context['message']}: {context.get('exception')!r}")
        loop.default_exception_handler(context)

    loop = event_loops.new_event_loop(math.inf)
    loop.set_exception_handler(note)
    return loop


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return what makes the event loop of an asynchronous test; see the top of this file.

    Where every task waits for ever, virtual time ends the test with a `DeadlockError` that names
    each task and its line.
    """
    if item.get_closest_marker("real_time"):
        return {"real": asyncio.new_event_loop}
    return {"virtual": _virtual_loop}


@pytest.fixture(autouse=True)
def no_error_unheard() -> Iterator[None]:
    """Fail a test in virtual time some of whose errors nobody noticed, such as those of a task."""
    _unheard.clear()
    yield
    gc.collect(1)  # a task that failed unheard reports when it goes
    assert _unheard == []


@pytest.fixture(autouse=True)
def log_levels_as_they_were() -> Iterator[None]:
    """A command line that is run in this process sets them for good."""
    loggers = [logging.getLogger(name) for name in (None, "tenuto", "bumble")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(scope="session")
def npm_modules() -> Path:
    """The folder with `node_modules`, whose packages `tests/parts/npm` names."""
    part("node")
    return part("node_modules_of_npm", of="npm").resolve().parent.parent


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The Chromium browser's program."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        message = f"no Chromium: install the package {names[0]}"
        if os.environ.get("CI") == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return Path(found)


@pytest.fixture(scope="session")
def mosquitto() -> Path:
    """The Mosquitto broker's program."""
    return part("mosquitto")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL, one for a run."""
    needs_module("psycopg")
    # Here and not at the top: it needs psycopg.
    from tests.fleet.server import PostgresServer, find_programs

    programs = find_programs()
    if programs is None:
        _without(f"no PostgreSQL: {_reason('postgresql')}")
    server = PostgresServer(programs)
    server.start()
    yield server
    server.remove()


@pytest.fixture
def central(postgres: PostgresServer) -> str:
    """The address of an empty central history, for its owner."""
    return postgres.database()


@pytest.fixture(scope="session")
def micropython() -> Path:
    """The MicroPython interpreter's program."""
    return part("micropython")


class Broker(MosquittoBroker):
    """A Mosquitto of a test's own."""

    def patience_s(self, seconds: float) -> float:
        return patience_s(seconds)


class StartBroker(Protocol):
    """Starts a broker of the test's own, which ends with the test."""

    def __call__(self, config: str = "allow_anonymous true") -> Broker:
        """Start Mosquitto on a free port of 127.0.0.1.

        Args:
            config: Lines for its configuration file, after those for the listener, so that
                listener options such as `cafile` count for it.
        """


@pytest.fixture
def mosquitto_broker(mosquitto: Path, tmp_path: Path) -> Iterator[StartBroker]:
    """A function that starts a Mosquitto with the given configuration."""
    brokers: list[Broker] = []

    def start(config: str = "allow_anonymous true") -> Broker:
        folder = tmp_path / f"mosquitto-{len(brokers)}"
        folder.mkdir()
        broker = Broker(folder, program=mosquitto, config=config)
        brokers.append(broker)
        broker.start()
        return broker

    yield start
    for broker in brokers:
        broker.stop()


class RunMicroPython(Protocol):
    """Runs a script on the real MicroPython."""

    def __call__(
        self,
        script: Path,
        *args: str | Path,
        heap: str = "64k",
        path: Sequence[Path] = (ROOT / "firmware",),
        timeout_s: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a script to its end and return its exit status, output and errors as text.

        Args:
            script: The file to run.
            args: What the script finds in `sys.argv[1:]`.
            heap: All the memory it gets, as MicroPython's `heapsize` writes it. Its objects have
                twice the size that they have on a board, whose pointers are half as wide.
            path: Folders for `import`, before the built-in modules' own.
            timeout_s: After so many seconds it is killed, later on a slow or busy machine.

        Raises:
            subprocess.TimeoutExpired: It was killed.
        """


@pytest.fixture(scope="session")
def run_micropython(micropython: Path) -> RunMicroPython:
    """A function that runs a script on the real MicroPython."""
    return runner_of(micropython)


def runner_of(program: Path) -> RunMicroPython:
    """Give a function that runs a script on a MicroPython."""

    def run(
        script: Path,
        *args: str | Path,
        heap: str = "64k",
        path: Sequence[Path] = (ROOT / "firmware",),
        timeout_s: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "-X", f"heapsize={heap}", script, *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience_s(timeout_s),
            check=False,
            env={**os.environ, "MICROPYPATH": ":".join([*map(str, path), ".frozen"])},
        )

    return run
