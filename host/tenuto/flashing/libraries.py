# SPDX-License-Identifier: MIT
"""The libraries of the board: exactly the versions of the locks, from where `make setup` put them.

Where Tenuto was installed in another way, pip fetches them, and their hashes are checked.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tenuto.errors import InputError
from tenuto.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCKS = ("firmware.lock", "board.lock")
FETCH_TIMEOUT_S = 180.0


def places() -> tuple[Path, ...]:
    """Return the folders in which the libraries may be installed, the board's own first."""
    paths = sysconfig.get_paths()
    return (Path(sys.prefix) / "board", Path(paths["purelib"]), Path(paths["platlib"]))


def wanted(locks: Path) -> dict[str, str]:
    """Read the locks: name of the package -> version."""
    text = "\n".join((locks / lock).read_text("utf-8") for lock in LOCKS)
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


def load_libraries(folders: Iterable[Path] | None = None) -> dict[str, bytes]:
    """Return all modules of the libraries, by path as on the board's drive.

    Args:
        folders: where to look for installed packages; None for this Python's own.

    Raises:
        InputError: a package is neither installed in the version that is wanted nor to be had, or
            its files are not those that its makers published.
    """
    locks = shipped("requirements")
    files: dict[str, bytes] = {}
    missing = wanted(locks)
    for folder in folders if folders is not None else places():
        for found in importlib.metadata.distributions(path=[str(folder)]):
            name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
            if missing.get(name) == found.version:
                files |= _installed(found)
                del missing[name]
    if missing:
        files |= _fetch(locks, missing)
    return files


def _installed(found: importlib.metadata.Distribution) -> dict[str, bytes]:
    files = {}
    for path in found.files or ():
        if not _is_module(str(path)):
            continue
        data = Path(str(found.locate_file(path))).read_bytes()
        if path.hash is not None and path.hash.mode == "sha256":
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            if digest != path.hash.value:
                raise InputError(f"{path} is not as its makers published it; run make setup again")
        files[str(path)] = data
    return files


def _is_module(path: str) -> bool:
    pure = PurePosixPath(path)
    return pure.suffix == ".py" and ".." not in pure.parts and not pure.is_absolute()


def _fetch(locks: Path, missing: dict[str, str]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="tenuto-") as folder:
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"),
            *("--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes"),
            *("--dest", folder),
        ]
        for lock in LOCKS:
            command += ["--requirement", str(locks / lock)]
        try:
            subprocess.run(  # noqa: S603  our own interpreter, our own lock files
                command, check=True, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S
            )
        except (OSError, subprocess.SubprocessError) as error:
            names = ", ".join(f"{name} {version}" for name, version in sorted(missing.items()))
            raise InputError(
                f"libraries of the board are missing, and pip could not fetch them: {names}; "
                "connect to the internet and try again, or run make setup"
            ) from error
        for wheel in Path(folder).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                names_inside = (name for name in archive.namelist() if _is_module(name))
                files |= {name: archive.read(name) for name in names_inside}
    return files
