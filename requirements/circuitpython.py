# SPDX-License-Identifier: MIT
"""Brings the Adafruit libraries along: a build hook of hatchling.

The simulated wearable runs the very libraries that a board runs, and `tenuto firmware install` puts
them on one. They are taken without their dependencies: those lead to Blinka, which would drive the
host's own pins, and to an `asyncio` that would stand in the way of Python's own.

So they become files of Tenuto's, as their makers released them, licences included, and on nobody's
import path: in a wheel under `tenuto/_data/circuitpython`, in a checkout in `.parts/circuitpython`.
`firmware.lock` says by SHA-256 which wheels they come from. pip fetches these to `.parts/wheels`,
once; a source distribution has them in the same place, so it builds without a network.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LOCK = "firmware.lock"
FETCH_TIMEOUT_S = 300
UNPACKED_FROM = "UNPACKED_FROM"


class CircuitPythonLibraries(BuildHookInterface):
    """What hatchling calls for each wheel, source distribution and editable installation."""

    def dependencies(self) -> list[str]:
        """Return what the build needs besides hatchling."""
        return ["pip"] if _missing(Path(self.root)) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See that the libraries are there, and have them included."""
        root = Path(self.root)
        wheels, unpacked = root / ".parts/wheels", root / ".parts/circuitpython"
        if _missing(root):
            _fetch(root, wheels)
        if self.target_name == "sdist":
            for wheel in _locked(wheels, root):
                build_data["force_include"][str(wheel)] = f".parts/wheels/{wheel.name}"
            return
        _unpack(_locked(wheels, root), unpacked)
        if version != "editable":
            build_data["force_include"][str(unpacked)] = "tenuto/_data/circuitpython"


def _hashes(root: Path) -> dict[str, set[str]]:
    """Read the lock: name and version, as wheels write them -> SHA-256 of the files released."""
    text = (root / "requirements" / LOCK).read_text("utf-8")
    entries = re.findall(r"^([\w.-]+)==(\S+)((?:.*\\\n)+.*)", text, re.MULTILINE)
    return {
        f"{name.replace('-', '_')}-{version}": set(re.findall(r"sha256:([0-9a-f]{64})", rest))
        for name, version, rest in entries
    }


def _locked(wheels: Path, root: Path) -> list[Path]:
    """Return the wheels of a folder that the lock knows."""
    return sorted(
        wheel
        for release, hashes in _hashes(root).items()
        for wheel in wheels.glob(f"{release}-*.whl")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() in hashes
    )


def _missing(root: Path) -> bool:
    return len(_locked(root / ".parts/wheels", root)) < len(_hashes(root))


def _fetch(root: Path, wheels: Path) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"),
        *("--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"),
        *("--dest", str(wheels), "--requirement", str(root / "requirements" / LOCK)),
    ]
    subprocess.run(command, check=True, timeout=FETCH_TIMEOUT_S)  # noqa: S603  our own lock
    if _missing(root):
        raise RuntimeError(f"{wheels} has not all that {LOCK} names")


def _unpack(wheels: list[Path], folder: Path) -> None:
    """Unpack wheels side by side, unless just these are there."""
    source = "".join(f"{wheel.name}\n" for wheel in wheels)
    mark = folder / UNPACKED_FROM
    if mark.is_file() and mark.read_text("utf-8") == source:
        return
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(new)
    (new / UNPACKED_FROM).write_text(source, "utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
