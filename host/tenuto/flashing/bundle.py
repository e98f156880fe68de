# SPDX-License-Identifier: MIT
"""Which files go to a board. Pure: files in, files out.

A board gets Tenuto's own modules, the one file of `boards/` that fits it, and of the libraries only
what is really imported from there: its drive has two megabytes, and half of `adafruit_ble` is about
other people's gadgets.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tenuto.errors import InputError
from tenuto.toml.rules import nearest, quoted

from .slim import slim

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SETTINGS = "settings.toml"
STARTED_LAST = "code.py"
BOARD_KEY = "TENUTO_BOARD"

BUILT_IN = frozenset({"adafruit_bus_device", "adafruit_pixelbuf"})
"""Libraries that CircuitPython 10 has in itself on every board that Tenuto knows."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a board gets.

    Attributes:
        board: The name of its file in `boards/`.
        files: Content by path on the drive, in the order in which they are to be written;
            `code.py`, which starts it all, is the last.
        settings: The `settings.toml` for a drive that has none.
        is_known: Whether the firmware finds the board's file by itself; else the settings must
            tell.
    """

    board: str
    files: Mapping[str, bytes]
    settings: bytes
    is_known: bool

    @property
    def digest(self) -> str:
        """The same for the same files, 16 hexadecimal digits."""
        total = hashlib.sha256()
        for path in sorted(self.files):
            total.update(f"{path}\0{sha256(self.files[path])}\n".encode())
        return total.hexdigest()[:16]


def sha256(data: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


NOT_FOR_BOARDS = frozenset({"tenuto_core/encode.py", "tenuto_core/names.py"})
"""Words for people and the writer of plans: a host needs them, and a board has little memory."""


def make_bundle(
    own: Mapping[str, bytes],
    libraries: Mapping[str, bytes],
    *,
    board_id: str | None,
    board: str | None = None,
) -> Bundle:
    """Choose the files for a board.

    Args:
        own: The folder `firmware`, by path.
        libraries: All library files that there are, by path.
        board_id: CircuitPython's name of the board, from its `boot_out.txt`; None if unknown.
        board: A file of `boards/` that the user chose; None for the one that fits the board.

    Raises:
        InputError: There is no file for the board, or a library is missing.
    """
    known = known_boards(own)
    there = sorted(
        PurePosixPath(path).stem
        for path in own
        if path.startswith("boards/") and not path.endswith(("__init__.py", "template.py"))
    )
    chosen = board or known.get(board_id or "")
    if chosen is None:
        raise InputError(
            f"no file in boards/ is for the board {quoted(board_id or 'without a name')}; "
            f"choose the nearest with --board, there are {', '.join(there)}; "
            "or make one, see boards/template.py"
        )
    if f"boards/{chosen}.py" not in own:
        found = nearest(chosen, there)
        hint = f"; did you mean {found}?" if found else ""
        raise InputError(f"there is no board {quoted(chosen)}, only {', '.join(there)}{hint}")
    mine = {
        path: data
        for path, data in own.items()
        if path.endswith(".py")
        and path not in NOT_FOR_BOARDS
        and (not path.startswith("boards/") or _is_wanted(path, chosen))
    }
    mine = slim(mine)
    lib = {f"lib/{path}": data for path, data in closure(mine.values(), libraries).items()}
    order = sorted({**lib, **mine}, key=lambda path: (path == STARTED_LAST, path))
    files = {path: (lib.get(path) or mine.get(path) or b"") for path in order}
    is_known = known.get(board_id or "") == chosen
    settings = own.get(SETTINGS, b"")
    if not is_known:
        settings += f'\n{BOARD_KEY} = "{chosen}"\n'.encode()
    return Bundle(chosen, files, settings, is_known)


def _is_wanted(path: str, board: str) -> bool:
    return path in ("boards/__init__.py", f"boards/{board}.py")


def known_boards(own: Mapping[str, bytes]) -> dict[str, str]:
    """Read the table `FILES` of `boards/__init__.py`: CircuitPython's board id -> file.

    Raises:
        InputError: There is no such table.
    """
    for node in ast.parse(own["boards/__init__.py"]).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FILES":
            return dict(ast.literal_eval(node.value))
    raise InputError("boards/__init__.py has no table FILES; install Tenuto again")


def closure(sources: Iterable[bytes], libraries: Mapping[str, bytes]) -> dict[str, bytes]:
    """Follow the imports from some sources through the libraries.

    Raises:
        InputError: An `adafruit_*` module that the sources cannot do without is not there.
    """
    found: dict[str, bytes] = {}
    waiting: list[str] = []
    for source in sources:
        for name in imported(source, package="", tried=False):
            top = name.partition(".")[0]
            if top.startswith("adafruit_") and top not in BUILT_IN and not _paths(top, libraries):
                raise InputError(
                    f"the library {top} is missing; run make setup, or install Tenuto again"
                )
        waiting += imported(source, package="")
    while waiting:
        name = waiting.pop()
        if name.partition(".")[0] in BUILT_IN:
            continue
        for path in _paths(name, libraries):
            if path in found:
                continue
            found[path] = libraries[path]
            package = PurePosixPath(path).parent
            waiting += imported(libraries[path], package=".".join(package.parts))
    return found


def imported(source: bytes, *, package: str, tried: bool = True) -> Iterator[str]:
    """Yield the dotted names that a module may import, those of its packages included.

    Args:
        source: The module.
        package: The package it is in, "" for none.
        tried: Also what it imports within a `try`, and so can do without.
    """
    tree = ast.parse(source)
    optional: set[ast.AST] = set()
    if not tried:
        tries = (node for node in ast.walk(tree) if isinstance(node, ast.Try))
        optional = {inner for node in tries for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if node in optional:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            base = parts[: len(parts) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module:
                yield module
            for alias in node.names:
                # It may be a module of the package, or only a name in it.
                yield f"{module}.{alias.name}" if module else alias.name
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_attrs":
            # The board's asyncio imports its parts when they are asked for, by this table.
            yield from (f"{package}.{name}" for name in ast.literal_eval(node.value).values())


def _paths(name: str, libraries: Mapping[str, bytes]) -> list[str]:
    """The files that importing a dotted name runs: its packages and itself."""
    parts = name.split(".")
    paths = []
    for end in range(1, len(parts) + 1):
        stem = "/".join(parts[:end])
        paths += [path for path in (f"{stem}/__init__.py", f"{stem}.py") if path in libraries]
    return paths
