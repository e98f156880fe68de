# SPDX-License-Identifier: MIT
"""The installer, on a folder that stands in for the drive."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tenuto import flashing
from tenuto.errors import InputError
from tenuto.flashing import Bundle, InstallError, compare, install, make_bundle, read_board
from tenuto.flashing.bundle import NOT_FOR_BOARDS, imported
from tenuto.flashing.libraries import load_libraries
from tenuto.shipped import shipped
from tests.conftest import ROOT
from tests.firmware.rig import FIRMWARE, T_WATCH, table
from tests.patience import patience_s

if TYPE_CHECKING:
    from pathlib import Path

BOOT_OUT = (
    "Adafruit CircuitPython {version} on 2026-09-20; Adafruit Feather Bluefruit Sense with "
    "nRF52840\nBoard ID:{board_id}\nUID:0123456789ABCDEF\nboot.py output:\n"
)
FEATHER = "feather_bluefruit_sense"


def own_files() -> dict[str, bytes]:
    return {
        path.relative_to(FIRMWARE).as_posix(): path.read_bytes()
        for path in FIRMWARE.rglob("*")
        if path.suffix in (".py", ".toml")
    }


@pytest.fixture(scope="module")
def libraries() -> dict[str, bytes]:
    return load_libraries()


@pytest.fixture(scope="module")
def bundle(libraries: dict[str, bytes]) -> Bundle:
    return make_bundle(own_files(), libraries, board_id=FEATHER)


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    folder = tmp_path / "CIRCUITPY"
    folder.mkdir()
    text = BOOT_OUT.format(version="10.3.1", board_id=FEATHER)
    (folder / "boot_out.txt").write_text(text)
    (folder / "code.py").write_text("print('hello')\n")
    return folder


def tenuto(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tenuto", "firmware", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=patience_s(60),
        env=os.environ | {"COLUMNS": "100"},
    )


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- what belongs on a board


async def test_a_board_has_all_that_it_imports_while_it_runs() -> None:
    """The proof that no library is missing: what the whole firmware really loaded."""
    bundle = make_bundle(own_files(), load_libraries(), board_id=FEATHER)
    async with table() as it:
        await it.boot()
        heap: Any = it.board.load("heap")
        heap.forget = lambda *_names: None
        it.program = it.board.load("code")
        it.board.create_task(it.program.running)
        loaded: list[str] = []
        for module in it.board._modules.values():
            if module.__spec__ is None or not module.__spec__.origin:
                continue
            name = module.__name__.replace(".", "/")
            loaded += [name]
            if name.startswith("adafruit_bus_device") or f"{name}.py" in NOT_FOR_BOARDS:
                continue
            inside = {f"{name}.py", f"{name}/__init__.py"}
            inside |= {f"lib/{path}" for path in inside}
            assert inside & bundle.files.keys(), name
        assert "adafruit_ble/services" in loaded


def test_what_nobody_imports_stays_at_home(bundle: Bundle) -> None:
    names = " ".join(bundle.files)
    assert not NOT_FOR_BOARDS & bundle.files.keys()
    assert own_files().keys() >= NOT_FOR_BOARDS

    assert "lib/asyncio/core.py" in bundle.files
    assert "lib/asyncio/event.py" in bundle.files, "the board's asyncio names it only in a table"
    for absent in ("lib/adafruit_bus_device", "midi", "hid", "apple", "xiao", "template", ".md"):
        assert absent not in names
    assert list(bundle.files)[-1] == "code.py"


@pytest.mark.parametrize("board_id", [FEATHER, "adafruit_qtpy_esp32s3_nopsram", T_WATCH])
def test_a_board_gets_its_own_pins_and_no_others(
    libraries: dict[str, bytes], board_id: str
) -> None:
    bundle = make_bundle(own_files(), libraries, board_id=board_id)

    pins = {path for path in bundle.files if path.startswith("boards/")}
    assert pins == {"boards/__init__.py", f"boards/{bundle.board}.py"}
    assert b"TENUTO_BOARD = " not in bundle.settings.replace(b"# TENUTO_BOARD = ", b"")


def test_another_board_is_told_of_its_pins_in_the_settings(libraries: dict[str, bytes]) -> None:
    bundle = make_bundle(own_files(), libraries, board_id="my_board", board="xiao_nrf52840_sense")

    assert bundle.settings.endswith(b'\nTENUTO_BOARD = "xiao_nrf52840_sense"\n')


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"board_id": "my_board"}, "--board"),
        ({"board_id": FEATHER, "board": "xiao_nrf52840"}, "did you mean xiao_nrf52840_sense"),
        ({"board_id": FEATHER, "board": "../../secret"}, "there is no board"),
    ],
)
def test_an_unknown_board_is_refused_with_what_to_do(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_bundle(own_files(), {}, **arguments)


def test_a_library_that_is_missing_is_named(libraries: dict[str, bytes]) -> None:
    without = {path: data for path, data in libraries.items() if "drv2605" not in path}

    with pytest.raises(InputError, match="adafruit_drv2605"):
        make_bundle(own_files(), without, board_id=FEATHER)


def test_imports_are_found_in_all_their_forms() -> None:
    source = b"import a, b.c\nfrom d import e\nfrom . import f\nfrom .g import h\nfrom ..i import j"

    assert set(imported(source, package="p.q")) == {
        *("a", "b.c", "d", "d.e", "p.q", "p.q.f", "p.q.g", "p.q.g.h", "p.i", "p.i.j"),
    }


def test_the_libraries_are_those_of_the_lock() -> None:
    lock = (ROOT / "requirements/firmware.lock").read_text(encoding="utf-8")
    there = importlib.metadata.distributions(path=[str(shipped("circuitpython"))])
    releases = {f"{one.metadata['Name'].lower()}=={one.version}" for one in there}

    assert releases == set(re.findall(r"^\S+==\S+", lock, re.MULTILINE))


def test_a_library_that_was_changed_goes_to_no_board(tmp_path: Path) -> None:
    copy = shutil.copytree(shipped("circuitpython"), tmp_path / "circuitpython")
    with (copy / "adafruit_drv2605.py").open("a", encoding="utf-8") as file:
        file.write("\n")

    with pytest.raises(InputError, match=r"adafruit_drv2605\.py is not as its makers"):
        load_libraries(copy)


# --- onto the drive


def test_a_new_board_gets_everything_and_says_so(drive: Path) -> None:
    result = tenuto("install", "--drive", str(drive))

    assert (result.returncode, result.stderr) == (0, "")
    assert "Adafruit Feather Bluefruit Sense" in result.stdout
    assert "boards/feather_nrf52840_sense.py" in result.stdout
    assert b"composition root" in (drive / "code.py").read_bytes()
    assert b"CIRCUITPY_BLE_WORKFLOW = false" in (drive / "settings.toml").read_bytes()
    again = tenuto("status", "--drive", str(drive))
    assert again.returncode == 0
    assert "files are as they should be" in again.stdout
    assert not list(drive.rglob("*.new"))


def test_a_second_time_changes_nothing(drive: Path, bundle: Bundle) -> None:
    install(drive, bundle)
    before = content(drive)
    report = install(drive, bundle)

    assert report.written == ()
    assert content(drive) == before


def test_the_users_settings_are_never_touched_and_advice_is_given(
    drive: Path, bundle: Bundle
) -> None:
    mine = 'TENUTO_NAME = "Anna"\n'
    (drive / "settings.toml").write_text(mine)
    report = install(drive, bundle)

    assert (drive / "settings.toml").read_text() == mine
    assert any("CIRCUITPY_BLE_WORKFLOW" in advice for advice in report.advice)
    assert any("CIRCUITPY_PYSTACK_SIZE = 3072" in advice for advice in report.advice)
    settings = "CIRCUITPY_BLE_WORKFLOW = false\nCIRCUITPY_PYSTACK_SIZE = {}\n"
    (drive / "settings.toml").write_text(settings.format(1536))
    assert len(install(drive, bundle).advice) == 1
    (drive / "settings.toml").write_text(settings.format(4096))
    assert install(drive, bundle).advice == ()


def test_the_settings_of_a_new_drive_need_no_advice(drive: Path, bundle: Bundle) -> None:
    install(drive, bundle)
    assert install(drive, bundle).advice == ()


def test_a_file_that_somebody_changed_is_kept_beside_the_new_one(
    drive: Path, bundle: Bundle
) -> None:
    install(drive, bundle)
    pins = drive / "boards/feather_nrf52840_sense.py"
    pins.write_text("# my own pins\n")

    assert compare(drive, bundle).by_hand == ("boards/feather_nrf52840_sense.py",)
    report = install(drive, bundle)
    assert report.saved == ("boards/feather_nrf52840_sense.py.bak",)
    assert (drive / report.saved[0]).read_text() == "# my own pins\n"
    assert compare(drive, bundle).is_current


def test_what_was_there_before_tenuto_is_kept(drive: Path, bundle: Bundle) -> None:
    """The board may have been something else until today, and its program may have no copy."""
    (drive / "code.py").write_text("print('a year of work')\n")
    (drive / "loop_watchdog.py").write_text("# my wrist watch\n")
    theirs = drive / "lib/adafruit_ble/__init__.py"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("# an older release\n")
    result = tenuto("install", "--drive", str(drive))

    assert result.returncode == 0
    assert "What you had in code.py is now in code.py.bak." in result.stdout
    assert (drive / "code.py.bak").read_text() == "print('a year of work')\n"
    assert (drive / "loop_watchdog.py.bak").read_text() == "# my wrist watch\n"
    assert not theirs.with_name("__init__.py.bak").exists(), "PyPI has that"
    assert compare(drive, bundle).is_current
    (drive / "code.py").write_text("# and now I changed yours\n")
    install(drive, bundle)
    assert (drive / "code.py.bak").read_text() == "print('a year of work')\n"
    assert (drive / "code.py.bak2").read_text() == "# and now I changed yours\n"


def test_what_circuitpython_itself_put_there_is_not_kept(drive: Path, bundle: Bundle) -> None:
    (drive / "code.py").write_text('print("Hello World!")\n')

    assert install(drive, bundle).saved == ()


def test_a_board_of_ones_own_is_installed_by_its_name_in_the_settings(drive: Path) -> None:
    """The template's way: a file on the drive, and its name in the settings."""
    pins = (FIRMWARE / "boards/template.py").read_text()
    (drive / "boot_out.txt").write_text(BOOT_OUT.format(version="10.3.1", board_id="nice_nano"))
    (drive / "settings.toml").write_text('TENUTO_BOARD = "my_board"\n')
    (drive / "boards").mkdir()
    result = tenuto("install", "--drive", str(drive))
    assert result.returncode == 2
    assert "no file in boards/ is for the board 'nice_nano'" in result.stderr

    (drive / "boards/my_board.py").write_text(pins)
    result = tenuto("install", "--drive", str(drive))
    assert (result.returncode, result.stderr) == (0, "")
    assert "boards/my_board.py" in result.stdout
    assert "TENUTO_BOARD" not in result.stdout
    assert (drive / "boards/my_board.py").read_text() == pins
    (drive / "boards/my_board.py").write_text(pins + "HEART = False\n")
    assert tenuto("status", "--drive", str(drive)).returncode == 0
    (drive / "boards/my_board.py").write_text("SCL = board.\n")
    result = tenuto("status", "--drive", str(drive))
    assert result.returncode == 2
    assert "boards/my_board.py on the drive is no Python, line 1" in result.stderr


def test_room_for_what_is_kept_is_counted(
    drive: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(drive, bundle)
    (drive / "loop_watchdog.py").write_bytes(b"#" * 100_000)
    usage = shutil.disk_usage(drive)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=30_000))

    with pytest.raises(InstallError, match="Nothing was changed"):
        install(drive, bundle)


def test_what_an_older_version_left_is_taken_away_and_nothing_else(
    drive: Path, bundle: Bundle
) -> None:
    older = Bundle(
        bundle.board, {**bundle.files, "old.py": b"x = 1\n"}, bundle.settings, bundle.is_known
    )
    install(drive, older)
    (drive / "mine.py").write_text("y = 2\n")

    assert compare(drive, bundle).left_over == ("old.py",)
    assert install(drive, bundle).removed == ("old.py",)
    assert not (drive / "old.py").exists()
    assert (drive / "mine.py").exists()


def test_a_note_on_the_drive_cannot_reach_beyond_it(drive: Path, bundle: Bundle) -> None:
    victim = drive.parent / "victim.txt"
    victim.write_text("precious")
    for files in ({"../victim.txt": ["0" * 64], str(victim): ["0" * 64]}, ["../victim.txt"], 7):
        note = {"version": "0.0.1", "complete": True, "files": files}
        (drive / "tenuto.json").write_text(json.dumps(note))
        install(drive, bundle)
        assert victim.read_text() == "precious"


class PulledCableError(OSError):
    pass


@pytest.mark.parametrize("after", [0, 1, 5, 30, -1])
def test_a_pulled_cable_is_recognised_and_mended(
    drive: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """At whichever file it was pulled: nothing half-written starts, and a second try finishes."""
    older = {path: b"# an older one\n" + data for path, data in bundle.files.items()}
    install(drive, Bundle(bundle.board, older, bundle.settings, bundle.is_known))
    files = list(bundle.files)
    pulled_at = files[after]

    def pull(path: str, _done: int, _total: int) -> None:
        if path == pulled_at:
            raise PulledCableError(5, "Input/output error")

    with pytest.raises(InstallError, match="is the cable still in"):
        install(drive, bundle, pull)
    found = compare(drive, bundle)
    assert not found.is_complete
    assert not found.is_current
    assert found.by_hand == ()
    assert not (drive / "code.py").exists(), "a mixture must not start"
    status = tenuto("status", "--drive", str(drive))
    assert status.returncode == 1
    assert "interrupted" in status.stdout
    monkeypatch.undo()
    install(drive, bundle)
    assert compare(drive, bundle).is_current


def test_a_flash_that_forgets_is_found_out(
    drive: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenuto.flashing import drive as module

    write = module._write

    def forgetful(folder: Path, path: str, data: bytes) -> None:
        is_worn = path == "loop_watchdog.py"
        write(folder, path, data.replace(b"motor", b"rotom") if is_worn else data)

    monkeypatch.setattr(module, "_write", forgetful)
    with pytest.raises(InstallError, match=r"loop_watchdog\.py .* is not what was written"):
        install(drive, bundle)
    assert not compare(drive, bundle).is_complete


def test_a_full_drive_is_left_as_it_is(
    drive: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(drive)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=50_000))
    before = content(drive)
    with pytest.raises(InstallError, match="Nothing was changed"):
        install(drive, bundle)

    assert content(drive) == before


def test_the_firmware_fits_a_drive_of_two_megabytes_many_times(bundle: Bundle) -> None:
    assert sum(-(-len(data) // 1024) for data in bundle.files.values()) < 1024


# --- the board


@pytest.mark.parametrize(
    "text, message",
    [
        (BOOT_OUT.format(version="9.2.8", board_id=FEATHER), r"needs 10\.0\.0"),
        (BOOT_OUT.format(version="7.0.0-rc.1", board_id=FEATHER), r"needs 10\.0\.0"),
        ("MicroPython 1.29 on a stick\n", "does not name a board"),
        ("", "does not name a board"),
    ],
)
def test_a_board_that_will_not_do_is_refused(drive: Path, text: str, message: str) -> None:
    (drive / "boot_out.txt").write_text(text)
    before = content(drive)
    with pytest.raises(InputError, match=message):
        read_board(drive)
    result = tenuto("install", "--drive", str(drive))

    assert result.returncode == 2
    assert content(drive) == before


@pytest.mark.parametrize("version", ["10.0.0", "10.3.1", "11.0.0-alpha.2-12-gabcdef"])
def test_newer_versions_are_taken(drive: Path, version: str) -> None:
    (drive / "boot_out.txt").write_text(BOOT_OUT.format(version=version, board_id=FEATHER))

    assert read_board(drive).board_id == FEATHER


def test_a_folder_that_is_no_drive_is_refused_and_stays_empty(tmp_path: Path) -> None:
    result = tenuto("install", "--drive", str(tmp_path))

    assert result.returncode == 2
    assert "is no CircuitPython drive" in result.stderr
    assert content(tmp_path) == {}


def test_the_drive_is_found_where_there_is_one_and_a_choice_is_asked_for(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("CIRCUITPY", "CIRCUITPY1", "OTHER")]
    for root in roots:
        root.mkdir()
    with pytest.raises(InstallError, match="no CIRCUITPY drive"):
        flashing.find_drive(roots)
    (roots[0] / "boot_out.txt").write_text("x")
    assert flashing.find_drive(roots) == roots[0].resolve()
    (roots[1] / "boot_out.txt").write_text("x")
    with pytest.raises(InstallError, match="--drive"):
        flashing.find_drive(roots)
