# SPDX-License-Identifier: MIT
"""Runs the steps of a Containerfile in fresh Debians, where no container engine is at hand.

It knows what Tenuto's own files use of the language, and refuses the rest.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.install.debian import Debian

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Stage:
    """What one `FROM` begins.

    Attributes:
        suite: Of Debian.
        name: For later stages, empty for none.
        steps: The instructions that follow, each with its arguments.
    """

    suite: str
    name: str = ""
    steps: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Image:
    """A built image: a Debian, and how it is started."""

    debian: Debian
    environ: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    at: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        """Return what starts it; without arguments as its `CMD` says."""
        return self.execute(*self.entrypoint, *(arguments or self.arguments))

    def execute(self, *words: str) -> list[str]:
        """Return what runs a command in it."""
        return self.debian.command(*words, user=self.user, at=self.at, environ=self.environ)


def parse(text: str) -> list[Stage]:
    """Read a Containerfile.

    Raises:
        ValueError: It has what is not known here.
    """
    stages: list[Stage] = []
    for line in _lines(text):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found = re.fullmatch(r"debian:(\w+)-slim(?: AS (\w+))?", rest)
            if found is None:
                raise ValueError(f"FROM {rest}: only Debian is at hand")
            stages.append(Stage(found[1], found[2] or ""))
        elif word in {*_STEPS, *_PASSED_OVER, "COPY"}:
            stages[-1].steps.append((word, rest.strip()))
        else:
            raise ValueError(f"{word} is not known")
    return stages


def _lines(text: str) -> Iterator[str]:
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", kept)
    yield from (line.strip() for line in joined.splitlines() if line.strip())


def build(file: Path, context: Path, folder: Path) -> Image:
    """Build the image of a Containerfile, and return that of its last stage.

    Args:
        file: The Containerfile.
        context: What it copies from.
        folder: Where the Debians are made.

    Raises:
        StepError: A step failed.
        ValueError: It has what is not known here.
    """
    images: dict[str, Image] = {}
    for number, stage in enumerate(parse(file.read_text(encoding="utf-8"))):
        image = Image(Debian.fresh(stage.suite, folder / str(number)))
        images[stage.name or str(number)] = image
        for word, rest in stage.steps:
            if word == "COPY":
                _copy(image, rest, context, images)
            elif word in _STEPS:
                _STEPS[word](image, rest)
    return images.popitem()[1]


def _run(image: Image, rest: str) -> None:
    image.debian.run("sh", "-c", rest, user=image.user, at=image.at, environ=image.environ)


def _copy(image: Image, rest: str, context: Path, images: dict[str, Image]) -> None:
    *sources, target = shlex.split(rest)
    if sources[0].startswith("--from="):
        context = images[sources.pop(0).removeprefix("--from=")].debian.folder
    base = image.debian.inside(target if target.startswith("/") else f"{image.at}/{target}")
    for pattern in sources:
        found = sorted(context.glob(pattern.lstrip("/")))
        if not found:
            raise ValueError(f"COPY {rest}: there is no {pattern}")
        for source in found:
            if source.is_dir():
                shutil.copytree(source, base, symlinks=True, dirs_exist_ok=True)
            elif target.endswith("/"):
                base.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, base / source.name)
            else:
                shutil.copy(source, base)


def _work_at(image: Image, rest: str) -> None:
    image.at = rest
    image.debian.inside(rest).mkdir(parents=True, exist_ok=True)


def _set(image: Image, rest: str) -> None:
    image.environ |= dict(word.split("=", 1) for word in shlex.split(rest))


def _use(image: Image, rest: str) -> None:
    image.user = rest


def _enter_by(image: Image, rest: str) -> None:
    image.entrypoint = json.loads(rest)


def _start_with(image: Image, rest: str) -> None:
    image.arguments = json.loads(rest)


def _ask_health(image: Image, rest: str) -> None:
    image.health = json.loads(rest.partition(" CMD ")[2])


_STEPS = {
    "RUN": _run,
    "WORKDIR": _work_at,
    "ENV": _set,
    "USER": _use,
    "ENTRYPOINT": _enter_by,
    "CMD": _start_with,
    "HEALTHCHECK": _ask_health,
}
_PASSED_OVER = {"VOLUME", "STOPSIGNAL"}
