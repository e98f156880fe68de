# SPDX-License-Identifier: MIT
"""Writes LICENSES.md, the licence of each package that Tenuto runs on: `make licences`.

The packages are those of the locks, on Linux, macOS and Windows; what each says of its licence is
in its own metadata; pip fetches the packages of other systems, and installs nothing.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tempfile
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parent / ".parts/circuitpython"
SYSTEMS = {
    "linux": ("Linux", "manylinux2014_x86_64"),
    "darwin": ("macOS", "macosx_11_0_arm64"),
    "win32": ("Windows", "win_amd64"),
}
"""Python's word for a system -> that of people, and that of wheels."""
FETCH_TIMEOUT_S = 300
CLASSIFIERS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "Python Software Foundation License": "PSF-2.0",
}
"""What older metadata call it -> SPDX."""
TEXTS = {
    "Permission is hereby granted, free of charge, to any person": "MIT",
    "Mozilla Public License Version 2.0": "MPL-2.0",
}
"""A line of a licence's text -> SPDX."""

HEAD = """\
# Licences

Tenuto is under the [MIT licence](../LICENSE).
It runs on the packages below, each under a licence of its own, which comes with the package; extras bring some of them, and some are for one system only.
The libraries of CircuitPython are part of Tenuto's wheel, in `tenuto/_data/circuitpython`, with their licences.
Those under the LGPL, and libusb inside `libusb-package`, which is under it too, are installed beside Tenuto as their makers released them, and anybody can put another version in their place, as it asks.
With the extra `esphome` pip also installs `pyric`, under the GPL-3.0, which is neither shipped nor ever loaded by Tenuto: `bluetooth-auto-recovery` asks for it, as it does in Home Assistant.
A checkout and the container do without it.

`make licences` writes this file from the packages' own metadata.
"""  # noqa: E501


def main() -> None:
    """Write the file anew."""
    text = [HEAD]
    for title, lock in (("Packages", "run.lock"), ("Libraries of CircuitPython", "firmware.lock")):
        text.append(f"## {title}\n\n| package | licence | only on |\n|---|---|---|")
        for name, systems in packages(lock).items():
            here = installed(name)
            says = licence(here) if here else _licence_elsewhere(lock, name, systems[0])
            only = "" if len(systems) == len(SYSTEMS) else SYSTEMS[systems[0]][0]
            text.append(f"| {name} | {says} | {only} |".replace("|  |", "| |"))
        text.append("")
    (HERE / "LICENSES.md").write_text("\n".join(text), "utf-8")


def packages(lock: str) -> dict[str, list[str]]:
    """Read a lock: name of a package -> systems that it is for."""
    found: dict[str, list[str]] = {}
    lines = re.findall(r"^([\w.-]+==[^\\\n]+)", (HERE / lock).read_text("utf-8"), re.MULTILINE)
    for one in map(Requirement, lines):
        for system in SYSTEMS:
            if one.marker is None or one.marker.evaluate({"sys_platform": system}):
                found.setdefault(one.name, []).append(system)
    return found


def installed(name: str) -> Distribution | None:
    """Return a package that is here, for the host or for a board."""
    places = ([str(SHIPPED)], sys.path)
    found = (distributions(name=name, path=path) for path in places)
    return next(itertools.chain.from_iterable(found), None)


def _licence_elsewhere(lock: str, name: str, system: str) -> str:
    """Return the licence of a package for another system."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        whole = (HERE / lock).read_text("utf-8")
        pattern = rf"^({re.escape(name)}==\S+)(?: ;[^\\\n]*)?((?: *\\\n +--hash=\S+)+)"
        wanted.write_text("".join(re.findall(pattern, whole, re.MULTILINE)[0]), "utf-8")
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"),
            *("--disable-pip-version-check", "--only-binary", ":all:", "--dest", folder),
            *("--platform", SYSTEMS[system][1], "--requirement", str(wanted)),
        ]
        subprocess.run(command, check=True, timeout=FETCH_TIMEOUT_S)  # noqa: S603  our own lock
        (wheel,) = Path(folder).glob("*.whl")
        (one,) = distributions(path=[str(wheel)])
        return licence(one)


def licence(package: Distribution) -> str:
    """Return the SPDX expression of a package, from the best that it says of itself."""
    metadata = package.metadata
    if metadata["License-Expression"]:
        return str(metadata["License-Expression"])
    for line in metadata.get_all("Classifier", []):
        name = line.rpartition(" :: ")[2]
        if line.startswith("License ::") and name in CLASSIFIERS:
            return CLASSIFIERS[name]
    texts = [file.read_text() for file in package.files or () if file.name.startswith("LICENSE")]
    for begins, name in TEXTS.items():
        if any(begins in " ".join(text.split()) for text in texts):
            return name
    said = str(metadata["License"] or "unknown").strip().splitlines()[0]
    return CLASSIFIERS.get(said, said)


if __name__ == "__main__":
    main()
