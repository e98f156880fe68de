# SPDX-License-Identifier: MIT
"""An empty environment that has just what Tenuto's wheel asks for, made without a network.

The packages are those that `make setup` installed from the lock: a folder of links to them, chosen
by what the wheel and they themselves declare. What nobody declares is not there.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RUN_TIMEOUT_S = 60
LEFT_OUT = {"pyric"}
"""What somebody asks for and nobody loads; the lock is without it too."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and an empty home folder."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def packages(self) -> Path:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.folder / "lib" / version / "site-packages"

    @property
    def requirements(self) -> list[str]:
        """What the wheel declares, extras included."""
        (tenuto,) = importlib.metadata.distributions(name="tenuto", path=[str(self.packages)])
        return tenuto.requires or []

    def run(self, *command: str, also: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment to its end in the empty home; it must succeed.

        Args:
            command: Its name and its arguments.
            also: A folder with packages that it finds besides.
        """
        done = subprocess.run(
            [self.folder / "bin" / command[0], *command[1:]],
            cwd=self.home,
            env={
                "HOME": str(self.home),
                "PATH": os.defpath,
                "COLUMNS": "100",
                "LANG": "C.UTF-8",
                "PYTHONPATH": str(also or ""),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=patience_s(RUN_TIMEOUT_S),
        )
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done


def make(folder: Path, wheel: Path) -> Environment:
    """Make an environment with a wheel and all that it requires, without extras."""
    venv.create(folder, symlinks=True)
    environment = Environment(folder)
    environment.home.mkdir()
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install"),
            *("--quiet", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir"),
            *("--disable-pip-version-check", wheel),
        ],
        check=True,
        timeout=patience_s(RUN_TIMEOUT_S),
    )
    link(closure(environment.requirements), environment.packages)
    return environment


def link(distributions: Iterable[importlib.metadata.Distribution], folder: Path) -> Path:
    """Make installed packages available in a folder, by links, and return it."""
    for one in distributions:
        tops = {Path(file).parts[0] for file in one.files or () if ".." not in Path(file).parts}
        for top in tops - {"__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(one.locate_file(top))))
    return folder


def closure(
    requirements: Iterable[str], extras: frozenset[str] = frozenset()
) -> list[importlib.metadata.Distribution]:
    """Return what some requirements lead to, from what is installed here.

    Args:
        requirements: As a package declares them.
        extras: Which ones of that package are wanted.
    """
    found: dict[str, importlib.metadata.Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(_wanted(requirements, extras))
    while waiting:
        name, asked = waiting.pop()
        if (name, asked) in seen or name in LEFT_OUT:
            continue
        seen.add((name, asked))
        found[name] = importlib.metadata.distribution(name)
        waiting += _wanted(found[name].requires or (), asked)
    return list(found.values())


def _wanted(
    requirements: Iterable[str], extras: frozenset[str]
) -> Iterator[tuple[str, frozenset[str]]]:
    for text in requirements:
        one = Requirement(text)
        if one.marker is None or any(
            one.marker.evaluate({"extra": extra}) for extra in extras or {""}
        ):
            yield canonicalize_name(one.name), frozenset(one.extras)
