# SPDX-License-Identifier: MIT
"""What several commands share."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tenuto.errors import InputError, TenutoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import date
    from typing import BinaryIO

    from tenuto.config import Config, Person, Wearable
    from tenuto.daemon.build import Setting
    from tenuto.history.reading import HistoryReader

SPEED_MAX = 1000.0

ConfigFile = Annotated[
    Path | None, Parameter(name="--config", help="Configuration file to use instead of your own.")
]
Speed = Annotated[str, Parameter(name="--speed")]


def parse_speed(text: str) -> float:
    """Read a speed: `max`, or a number above 0 and up to `SPEED_MAX`.

    Raises:
        InputError: it is neither.
    """
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed <= SPEED_MAX:
        raise InputError(
            f"--speed is {text!r}, allowed is a number above 0 and up to {SPEED_MAX:.0f}, or max"
        )
    return speed


def make_setting(
    config: Config,
    speed: float,
    *,
    json: bool = False,
    mqtt: bool = False,
    seed: int | None = None,
) -> Setting:
    """Put together what holds for a whole run."""
    from tenuto.daemon.build import Setting

    return Setting(
        config=config,
        speed=speed,
        mqtt=mqtt,
        say=lambda text: print(f"tenuto: {text}", file=sys.stderr),
        json=json,
        seed=seed,
    )


@contextmanager
def signals(
    on_end: Callable[[], object], on_reload: Callable[[], object] | None = None
) -> Iterator[None]:
    """Call back on Ctrl-C and on a polite end, where the platform lets the loop see them."""
    import asyncio

    loop = asyncio.get_running_loop()
    callbacks = {signal.SIGINT: on_end, signal.SIGTERM: on_end}
    if on_reload is not None and hasattr(signal, "SIGHUP"):
        callbacks[signal.SIGHUP] = on_reload
    taken = []
    for number, callback in callbacks.items():
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, callback)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


class _ToStderr(logging.Handler):
    """Writes to what `sys.stderr` is at the moment, which a live display may have taken over."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def log_to_stderr(level: int) -> None:
    """Send Tenuto's own log lines to standard error."""
    line = "%(levelname)s %(name)s %(message)s"
    if not _is_journal():
        line = f"%(asctime)s {line}"
    handler = _ToStderr()
    handler.setFormatter(logging.Formatter(line, "%Y-%m-%d %H:%M:%S"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("tenuto").setLevel(level)
    # Their warnings are about what Tenuto notices itself and says in words for people.
    for library in ("bleak", "bumble"):
        logging.getLogger(library).setLevel(logging.ERROR)


def _is_journal() -> bool:
    """Return whether standard error goes to systemd's journal, which notes the time itself."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def parse_date(text: str, option: str = "--date") -> date:
    """Read a day that was given with an option.

    Raises:
        InputError: it is none, or not of a year in which there can be sessions.
    """
    from tenuto.history.adherence import read_day

    try:
        return read_day(text)
    except ValueError as error:
        raise InputError(f"{option} is {text!r}, {error}") from None


def id_of(those: Sequence[Person | Wearable], given: str) -> str:
    """Return the id of the person or wearable that is called so; what was given if none is."""
    return next((one.id for one in those if given in (one.id, one.title)), given)


async def whose(config: Config, store: HistoryReader, given: str | None) -> str | None:
    """Return what the history calls somebody; without a name, whose the last session is.

    Args:
        config: For the names that people have in it.
        store: The history.
        given: With `--person`: their name, their id, or what the history calls them.

    Raises:
        InputError: nobody is called so.
    """
    from tenuto.history import persons
    from tenuto.history.period import last_person

    if given is None:
        return await last_person(store)
    person = id_of(config.people, given)
    known = {*(await store.work(persons.names)).values(), *(one.id for one in config.people)}
    if person not in known:
        names = ", ".join(sorted(known)) or "nobody yet"
        raise InputError(f"nobody is called {given!r}; --person knows {names}")
    return person


def history_file(config: Config) -> Path:
    """Return the history's file, with all in it that a daemon knows so far."""
    import asyncio

    from tenuto.control import find_daemon

    async def bring_up_to_date() -> None:
        with suppress(TenutoError):  # the file is as good as it is
            client = await find_daemon(os.environ, config.own.data)
            if client is not None:
                await client.ask("flush")

    asyncio.run(bring_up_to_date())
    return config.history_path


def history_to_read(config: Config) -> AbstractAsyncContextManager[HistoryReader]:
    """Return the history that reports are made of, to be entered: the central one, or this host's.

    Raises:
        InputError: there is none yet.
    """
    from tenuto.daemon.fleet_service import central_to_read
    from tenuto.history import Store

    central = central_to_read(config)
    if central is not None:
        return central

    path = history_file(config)
    if not path.exists():
        raise InputError(f"there is no history at {path} yet; `tenuto run` begins one")
    return Store(path, read_only=True)


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask before something that cannot be undone; `yes` answers in advance.

    Raises:
        InputError: there is nobody to ask.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise InputError(f"{question} Nobody is here to ask; say --yes if that is meant")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def write_output(path: Path, data: bytes) -> None:
    """Write a file that was asked for; see `output_to`."""
    with output_to(path) as file:
        file.write(data)


@contextmanager
def output_to(path: Path | None) -> Iterator[BinaryIO]:
    """Yield what to write to; only its owner may read a file, for it holds health data.

    Args:
        path: of a file, which appears when it is whole; None or `-` for standard output.

    Raises:
        InputError: it cannot be written.
    """
    from tenuto.files import new_private

    if path is None or str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with new_private(path, make_folder=False) as file:
            yield file
    except TimeoutError:  # an OSError too, and not of the file
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
