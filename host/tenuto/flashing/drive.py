# SPDX-License-Identifier: MIT
"""The drive that a CircuitPython board shows: find it, ask it, write to it, compare.

How an installation survives a pulled cable: `tenuto.json` on the drive says first that one has
begun and, when all is written and read back, that it is complete. `code.py` is taken away at the
beginning and comes back as the last, so a half-written firmware never starts. Each file is written
beside its place and then moved there.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shutil
import string
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tenuto import __version__
from tenuto.errors import InputError, TenutoError
from tenuto.files import read, read_text
from tenuto.toml.rules import quoted

from .bundle import BOARD_KEY, SETTINGS, STARTED_LAST, Bundle, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LABEL = "CIRCUITPY"
MANIFEST = "tenuto.json"
BOOT_OUT = "boot_out.txt"
CIRCUITPYTHON_MIN = (10, 0, 0)
PYSTACK_BYTES_MIN = 3072
LIBRARY_FOLDER = "lib/"
FROM_THE_FACTORY = b'print("Hello World!")'
"""What CircuitPython itself writes into a `code.py` on a drive that has none."""
# What FAT gives to a file, and what it and CircuitPython need to breathe.
CLUSTER_BYTES = 1024
SPARE_BYTES = 32 * 1024


class InstallError(TenutoError):
    """The drive cannot be found, read or written; says how far it came."""


@dataclass(frozen=True, slots=True)
class BoardInfo:
    """What `boot_out.txt` says. version: of CircuitPython, such as (10, 3, 1)."""

    board_id: str
    version: tuple[int, int, int]
    machine: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is on a drive, held against a bundle; paths in order.

    Attributes:
        installed: Tenuto's version that was installed last, None if none was.
        is_complete: Whether that installation came to its end.
        missing: Files of the bundle that are not there.
        different: Files of the bundle that are there with another content.
        left_over: Files that an older version put there and that are needed no more.
        by_hand: Files that were changed since they were installed, or that Tenuto did not install.
    """

    installed: str | None
    is_complete: bool
    missing: tuple[str, ...]
    different: tuple[str, ...]
    left_over: tuple[str, ...]
    by_hand: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Whether nothing is to be done."""
        return self.is_complete and not (self.missing or self.different or self.left_over)


@dataclass(frozen=True, slots=True)
class Report:
    """What an installation did. written: files. saved: files of the user's, under new names."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    saved: tuple[str, ...]
    free_bytes: int
    advice: tuple[str, ...]


# --- finding and asking


def find_drive(roots: Iterable[Path] | None = None) -> Path:
    """Find the one CircuitPython drive that is connected.

    Args:
        roots: Folders that may be such a drive; None for the places of this operating system.

    Raises:
        InstallError: There is none, or more than one.
    """
    found = sorted({path.resolve() for path in roots or _mount_points() if _is_drive(path)})
    if not found:
        raise InstallError(
            f"no {LABEL} drive is connected; connect the board with a cable that carries data, "
            "install CircuitPython on it if it is new (see firmware/README.md), "
            "or name the drive's folder with --drive"
        )
    if len(found) > 1:
        raise InstallError(
            f"more than one board is connected: {', '.join(map(str, found))}; "
            "choose one with --drive"
        )
    return found[0]


def _is_drive(path: Path) -> bool:
    try:
        return (path / BOOT_OUT).is_file()
    except OSError:
        return False


def _mount_points() -> Iterable[Path]:
    if sys.platform == "win32":
        return [Path(f"{letter}:\\") for letter in string.ascii_uppercase[3:]]
    if sys.platform == "darwin":
        return Path("/Volumes").glob(f"{LABEL}*")
    patterns = (f"media/{LABEL}*", f"media/*/{LABEL}*", f"run/media/*/{LABEL}*", f"mnt/{LABEL}*")
    return [path for pattern in patterns for path in _glob(Path("/"), pattern)]


def _glob(root: Path, pattern: str) -> list[Path]:
    try:
        return list(root.glob(pattern))
    except OSError:
        return []


def read_board(drive: Path) -> BoardInfo:
    """Ask a drive which board it belongs to.

    Raises:
        InputError: It is no CircuitPython drive, or its CircuitPython is too old.
    """
    try:
        text = read(drive / BOOT_OUT).decode("utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            f"{drive} is no CircuitPython drive: it has no readable {BOOT_OUT}"
        ) from error
    version = re.search(r"CircuitPython (\d+)\.(\d+)\.(\d+)\S* on [^;]*; *(.*)", text)
    board = re.search(r"^Board ID: *(\S+)", text, re.MULTILINE)
    if version is None or board is None:
        raise InputError(f"{drive / BOOT_OUT} does not name a board and its CircuitPython version")
    major, minor, patch = (int(version[i]) for i in (1, 2, 3))
    if (major, minor, patch) < CIRCUITPYTHON_MIN:
        needed = ".".join(map(str, CIRCUITPYTHON_MIN))
        raise InputError(
            f"the board has CircuitPython {major}.{minor}.{patch}; Tenuto needs {needed} or newer. "
            f"Get it from circuitpython.org/board/{board[1]} and copy it to the board's BOOT drive"
        )
    return BoardInfo(board[1], (major, minor, patch), version[4].strip())


def board_of_settings(drive: Path) -> tuple[str, bytes | None] | None:
    """Return the file of `boards/` that the settings on a drive name, with its content there.

    None if they name none; the content is None if the drive has no such file.

    Raises:
        InstallError: The drive cannot be read.
        InputError: The file there is no Python.
    """
    with _told("read"):
        name = _named_board((_read(drive, SETTINGS) or b"").decode("utf-8", errors="replace"))
        pins = _read(drive, f"boards/{name}.py") if name else None
    if name is None:
        return None
    try:
        ast.parse(pins or b"")
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise InputError(
            f"boards/{name}.py on the drive is no Python{line}: "
            f"{getattr(error, 'msg', None) or error}"
        ) from error
    return name, pins


def _named_board(settings: str) -> str | None:
    named = re.search(rf"^\s*{BOARD_KEY}\s*=\s*\"(\w+)\"", settings, re.MULTILINE)
    return named[1] if named else None


# --- comparing


def compare(drive: Path, bundle: Bundle) -> Comparison:
    """Hold a drive against a bundle; reads each file.

    Raises:
        InstallError: The drive cannot be read.
    """
    manifest = _read_manifest(drive)
    before: dict[str, list[str]] = manifest.get("files", {})
    missing, different, by_hand = [], [], []
    with _told("read"):
        for path, data in bundle.files.items():
            there = _read(drive, path)
            if there is None:
                missing.append(path)
            elif there != data:
                different.append(path)
                if _is_precious(path, there, before.get(path)):
                    by_hand.append(path)
        left_over = [
            p for p in sorted(before) if p not in bundle.files and _read(drive, p) is not None
        ]
    return Comparison(
        installed=manifest.get("version"),
        is_complete=bool(manifest.get("complete")),
        missing=tuple(missing),
        different=tuple(different),
        left_over=tuple(left_over),
        by_hand=tuple(by_hand),
    )


def _is_precious(path: str, data: bytes, installed: list[str] | None) -> bool:
    """Whether a file is somebody's own work, which no package index has."""
    if installed is not None:
        return sha256(data) not in installed
    return not path.startswith(LIBRARY_FOLDER) and data.strip() != FROM_THE_FACTORY


def _read_manifest(drive: Path) -> dict[str, Any]:
    """What the last installation noted; nothing if it is not to be understood."""
    try:
        manifest = json.loads(read_text(drive / MANIFEST))
    except (OSError, ValueError):
        return {}
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files", {}), dict):
        return {}
    files = {
        path: digests
        for path, digests in manifest.get("files", {}).items()
        if isinstance(digests, list) and _is_inside(path)
    }
    return {**manifest, "files": files}


def _is_inside(path: str) -> bool:
    """Whether a path from a drive, which may hold anything, stays on it."""
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and "\\" not in path


def _read(drive: Path, path: str) -> bytes | None:
    file = drive / path
    return read(file) if file.is_file() else None


# --- writing


def install(
    drive: Path, bundle: Bundle, on_progress: Callable[[str, int, int], None] = lambda *_: None
) -> Report:
    """Bring a drive to what a bundle says, and check it by reading it back.

    The user's `settings.toml` is never changed. A file of the firmware that somebody changed by
    hand, and one of the same name that was there before, is kept as `<name>.bak`.

    Args:
        drive: The drive's folder.
        bundle: What it gets.
        on_progress: Called with the path, and the bytes done and to do, before each file.

    Raises:
        InstallError: The drive is full or read-only, or does not give back what was written. What
            was done until then, `compare` will tell.
    """
    comparison = compare(drive, bundle)
    to_write = [p for p in bundle.files if p in {*comparison.missing, *comparison.different}]
    _check_space(drive, bundle, to_write, comparison)
    hashes = {path: [sha256(data)] for path, data in bundle.files.items()}
    before: dict[str, list[str]] = _read_manifest(drive).get("files", {})
    total = sum(len(bundle.files[path]) for path in to_write)
    done = 0
    saved = []
    with _told("write"):
        if to_write or comparison.left_over or not comparison.is_complete:
            # Until it is complete, a file may be the old one or the new one, and both are Tenuto's.
            both = {
                path: sorted({*before.get(path, []), *hashes.get(path, [])})
                for path in {**before, **hashes}
            }
            _write_manifest(drive, bundle, both, complete=False)
            if STARTED_LAST not in to_write:
                to_write.append(STARTED_LAST)
                total += len(bundle.files[STARTED_LAST])
            for path in comparison.by_hand:
                kept = _free_name(drive, f"{path}.bak")
                (drive / path).rename(drive / kept)
                saved.append(kept)
            (drive / STARTED_LAST).unlink(missing_ok=True)
        for path in comparison.left_over:
            (drive / path).unlink(missing_ok=True)
        for path in to_write:
            on_progress(path, done, total)
            _write(drive, path, bundle.files[path])
            done += len(bundle.files[path])
        advice = _settle_settings(drive, bundle)
        _verify(drive, bundle)
        _write_manifest(drive, bundle, hashes, complete=True)
    on_progress("", total, total)
    return Report(
        written=tuple(to_write),
        removed=comparison.left_over,
        saved=tuple(saved),
        free_bytes=shutil.disk_usage(drive).free,
        advice=advice,
    )


def _free_name(drive: Path, path: str) -> str:
    """A name that no file has: the path, or the path and a number."""
    name, number = path, 1
    while (drive / name).exists():
        number += 1
        name = f"{path}{number}"
    return name


def _check_space(drive: Path, bundle: Bundle, to_write: list[str], now: Comparison) -> None:
    def room(size: int) -> int:
        return -(-size // CLUSTER_BYTES) * CLUSTER_BYTES

    with _told("read"):
        needed = sum(room(len(bundle.files[path])) for path in to_write) + SPARE_BYTES
        goes = ({*now.different} - {*now.by_hand}) | {*now.left_over}
        freed = sum(room((drive / path).stat().st_size) for path in goes)
        free = shutil.disk_usage(drive).free
    if free + freed < needed:
        raise InstallError(
            f"the drive has {(free + freed) // 1024} kB to give, and {needed // 1024} kB are "
            "needed; delete files that you do not need. Nothing was changed"
        )


def _settle_settings(drive: Path, bundle: Bundle) -> tuple[str, ...]:
    there = _read(drive, SETTINGS)
    if there is None:
        _write(drive, SETTINGS, bundle.settings)
        return ()
    advice = []
    text = there.decode("utf-8", errors="replace")
    if not re.search(r"^\s*CIRCUITPY_BLE_WORKFLOW\s*=\s*(false|0)\b", text, re.MULTILINE):
        advice.append(
            f"your {SETTINGS} does not have CIRCUITPY_BLE_WORKFLOW = false; without it "
            "CircuitPython itself advertises, and anybody may bond"
        )
    deep = re.search(r"^\s*CIRCUITPY_PYSTACK_SIZE\s*=\s*(\d+)", text, re.MULTILINE)
    if deep is None or int(deep[1]) < PYSTACK_BYTES_MIN:
        advice.append(
            f"your {SETTINGS} should have CIRCUITPY_PYSTACK_SIZE = {PYSTACK_BYTES_MIN}; with less "
            'the band may end with "pystack exhausted"'
        )
    named = _named_board(text)
    if named != bundle.board and (named or not bundle.is_known):
        advice.append(
            f'put {BOARD_KEY} = "{bundle.board}" into your {SETTINGS}, or the board will not '
            "find its pins"
        )
    return tuple(advice)


def _write_manifest(
    drive: Path, bundle: Bundle, files: dict[str, list[str]], *, complete: bool
) -> None:
    manifest = {
        "version": __version__,
        "board": bundle.board,
        "digest": bundle.digest,
        "complete": complete,
        "files": files,
    }
    _write(drive, MANIFEST, (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode())


def _write(drive: Path, path: str, data: bytes) -> None:
    file = drive / path
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(file.name + ".new")
    with beside.open("wb") as output:
        output.write(data)
        output.flush()
        os.fsync(output.fileno())
    beside.replace(file)


def _verify(drive: Path, bundle: Bundle) -> None:
    """Read everything back, from the drive itself where the operating system lets us."""
    for path, data in bundle.files.items():
        with (drive / path).open("rb") as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if file.read() != data:
                raise InstallError(
                    f"{path} on the drive is not what was written there; its flash may be worn. "
                    "Try again, and if it stays so, erase the drive (circuitpython.org: "
                    "storage.erase_filesystem)"
                )


@contextlib.contextmanager
def _told(what: str) -> Any:  # noqa: ANN401
    try:
        yield
    except OSError as error:
        name = f" {quoted(str(error.filename))}" if error.filename else ""
        raise InstallError(
            f"cannot {what}{name} on the drive: {error.strerror or error}; is the cable still in, "
            "and the drive not read-only? `tenuto firmware status` tells what is there"
        ) from error
