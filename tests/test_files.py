# SPDX-License-Identifier: MIT
"""What stands where a file is expected: nothing waits for it, and nothing is read without end."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tenuto import files
from tenuto.config import find_config, parse
from tenuto.config.broker import broker_addresses
from tenuto.control import is_possible
from tenuto.errors import InputError, LinkError
from tenuto.flashing import drive
from tenuto.routines import haptics, routine
from tenuto.routines.library import Library
from tenuto.sessions.device import LOCAL
from tenuto.state.clocks import ClockStore
from tenuto.state.devices import DeviceIds
from tenuto.state.keys import KeyStore
from tenuto.state.settings import SettingsStore
from tenuto.wearables.base import Identity
from tests.patience import patience_s
from tests.processes import configure, tenuto_process, user
from tests.sample_routines import SHORT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here"),
    pytest.mark.timeout(20),
]


def broker_of(path: Path, key: str) -> object:
    text = f'mqtt.url = "mqtts://me@host"\nmqtt.{key} = {str(path)!r}\n'
    return broker_addresses(parse(text, "tenuto.toml"), {})


BY_A_PERSON: dict[str, Callable[[Path], object]] = {
    "routine": routine.load,
    "named routine": lambda path: Library(routines_folder=path.parent).routine(path.stem),
    "vocabulary": haptics.load,
    "own vocabulary": lambda path: Library(haptics_file=path).vocabulary(),
    "configuration": find_config,
    "password": lambda path: broker_of(path, "password_file"),
    "authority": lambda path: broker_of(path, "ca_file"),
    "certificate": lambda path: broker_of(path, "certificate"),
}
PLAYED = pytest.mark.parametrize("what", BY_A_PERSON)


@PLAYED
def test_a_pipe_in_place_of_a_file_is_named_and_not_waited_for(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    os.mkfifo(path)

    with pytest.raises(InputError, match=r"a\.toml: .*it is a named pipe, allowed is a regular"):
        BY_A_PERSON[what](path)


@PLAYED
def test_a_device_without_end_is_not_read(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.symlink_to("/dev/zero")

    with pytest.raises(InputError, match=r"a\.toml: .*it is a device, allowed is a regular file"):
        BY_A_PERSON[what](path)


def test_a_folder_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read: .*[Ff]older|Is a directory"):
        routine.load(tmp_path)


def test_what_tenuto_keeps_for_itself_begins_anew_behind_a_pipe(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.json"
    os.mkfifo(path)

    assert SettingsStore(path).preferences("wrist").routine is None
    assert ClockStore(path).get("wrist") is None
    assert DeviceIds(path).of("wrist").startswith(LOCAL)
    assert caplog.text.count("begins anew: it is a named pipe, allowed is a regular file") == 3
    with pytest.raises(LinkError, match="it is a named pipe"):
        KeyStore(pipe_in(tmp_path, "keys.json")).of("wrist").held(
            Identity("band", 1, 1000, serial="1")
        )
    with pytest.raises(InputError, match="no CircuitPython drive"):
        drive.read_board(pipe_in(tmp_path / "drive", "boot_out.txt").parent)


def pipe_in(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    os.mkfifo(folder / name)
    return folder / name


def test_a_file_that_is_too_long_is_told_with_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "long.toml"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # nothing of it is on the disk, and no memory holds it

    with pytest.raises(InputError, match=r"long\.toml: .*longer than 262144 bytes"):
        routine.load(path)
    with pytest.raises(OSError, match="is longer than 1000 bytes"):
        files.read(path, 1000)


def test_what_a_killed_process_has_left_of_a_file_is_removed_by_the_next(tmp_path: Path) -> None:
    """A key that was forgotten would else be there for ever."""
    path = tmp_path / "keys [old].json"
    of_user = tmp_path / f".{path.name}.swp"
    of_user.touch()
    code = (
        "import sys, os; from pathlib import Path; from tenuto.files import new_private\n"
        "with new_private(Path(sys.argv[1])) as file: file.write(b'key'); file.flush(); os._exit(9)"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    left = [one for one in tmp_path.iterdir() if one != of_user]
    assert len(left) == 2
    for one in (left[0], of_user):
        os.utime(one, (0, 0))

    files.write_private(path, "{}")

    assert {one.name for one in tmp_path.iterdir()} == {path.name, left[1].name, of_user.name}, (
        "what is young may still be written"
    )


def test_lines_of_any_number_and_of_bounded_length() -> None:
    text = "\ufeffone\n" + "zwölf\n" * 3 + "last"
    assert list(files.lines_of(io.BytesIO(text.encode()), "x", 8)) == [
        "one\n",
        *["zwölf\n"] * 3,
        "last",
    ]
    with pytest.raises(InputError, match=r"x:2: is longer than 8 bytes"):
        list(files.lines_of(io.BytesIO(b"one\n" + b"2" * 1000), "x", 8))
    with pytest.raises(InputError, match=r"x:2: byte 3 of the line is not UTF-8"):
        list(files.lines_of(io.BytesIO(b"one\n12\xff\n"), "x", 8))


def test_what_comes_by_a_pipe_is_kept_as_far_as_it_may_go() -> None:
    with files.spooled(io.BytesIO(b"ab" * 500_000), 1_000_000) as kept:
        assert kept.read() == b"ab" * 500_000
    with pytest.raises(OSError, match="there is no end of it after 1000 bytes"):
        files.spooled(io.BytesIO(bytes(1001)), 1000)


@pytest.mark.slow
@pytest.mark.skipif(not is_possible(), reason="no such sockets here")
def test_a_daemon_is_not_stopped_by_a_pipe_among_the_routines() -> None:
    with user() as folder:
        configure(folder, '[[wearable]]\nid = "anna"\nlink = "simulated"')
        (folder / "routines").mkdir()
        (folder / "routines" / "short.toml").write_text(SHORT)
        os.mkfifo(folder / "routines" / "pipe.toml")
        with tenuto_process("daemon", "--speed", "20", folder=folder) as daemon:
            daemon.until("keeping anna")
            with tenuto_process("history", "list", folder=folder) as other:
                assert "Nothing was played yet" in other.rest()
            with tenuto_process("run", "pipe", folder=folder) as run:
                assert "it is a named pipe" in run.rest()
            assert daemon.end(signal.SIGTERM) < patience_s(5)
            assert daemon.process.returncode == 0


def test_what_hangs_all_the_same_keeps_no_process(tmp_path: Path) -> None:
    """As a network share does that is away; here it is a pipe that is truly waited for."""
    (tmp_path / "hang.py").write_text(
        "import asyncio, os\n"
        "from tenuto.event_loops import aside\n"
        "async def main():\n"
        "    kept, _ = os.pipe()\n"
        "    try:\n"
        "        await aside(lambda: os.read(kept, 1), name='hang', timeout_s=0.2)\n"
        "    except TimeoutError:\n"
        "        print('went on')\n"
        "asyncio.run(main())\n"
    )
    with tenuto_process(
        folder=tmp_path, module="hang", PYTHONPATH=os.pathsep.join((str(tmp_path), path_of()))
    ) as running:
        assert running.rest() == "went on\n"


def path_of() -> str:
    return os.environ.get("PYTHONPATH", "")


@pytest.mark.real_time
async def test_no_more_than_a_few_may_hang_at_once() -> None:
    from tenuto.event_loops import ASIDE_MAX, aside

    go = threading.Event()
    try:
        for _ in range(ASIDE_MAX):
            with pytest.raises(TimeoutError):
                await aside(lambda: go.wait(60), name="hang", timeout_s=0.01)
        with pytest.raises(TimeoutError):
            await aside(lambda: 1, name="one more", timeout_s=0.2)
    finally:
        go.set()
    assert await aside(lambda: 1, name="one more", timeout_s=patience_s(10)) == 1


@pytest.mark.real_time
async def test_what_is_done_aside_comes_back_with_its_value_or_its_error() -> None:
    from tenuto.event_loops import aside

    assert await aside(lambda: 7, name="seven", timeout_s=patience_s(10)) == 7
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 // 0, name="one", timeout_s=patience_s(10))
