# SPDX-License-Identifier: MIT
"""`python -m tests.fuzz [TARGET ...] [--seconds S]`: fuzz each target for so long.

With atheris (requirements/fuzz.lock) the inputs are guided by what code they reach, and those that
reach something new are added to tests/fuzz/corpus, as few and as short as can be; without it good
inputs are spoiled at random.  An input that fails is made shorter and kept in tests/fuzz/failed,
where the tests find it.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import random
import re
import secrets
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import ROOT
from tests.fuzz.corpus import FAILED, WORTHY, add
from tests.fuzz.limits import INPUT_BYTES_MAX, limited
from tests.fuzz.mutate import mutated, shrunk
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

HANGS_AFTER_S = 60
"""Of real time, which on a busy machine is much longer than `limits.CPU_S_MAX`."""
MEMORY_MIB_MAX = 1024
RUN_TIMEOUT_S = 1_200
"""For the processes to begin, to read the corpus and to put together the new one."""
LINES_SHOWN = 40
_FEATURES = re.compile(r" ft: (\d+)")
_INPUTS = re.compile(r"^#(\d+)\s", re.MULTILINE)
_DONE = re.compile(r"^Done (\d+) runs in (\d+) second", re.MULTILINE)


@dataclass
class Told:
    """What became of a target.

    features: libFuzzer's, of which each is an edge between two pieces of code and how often it was
    taken; None without guidance.  worthy: how many inputs are new in the corpus.
    """

    inputs: int
    seconds: float
    features: int | None = None
    worthy: int = 0
    failed: bool = False


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def keep_failed(name: str, data: bytes) -> None:
    """Make a failing input shorter and keep it."""
    short = shrunk(limited(TARGETS[name]), data)
    add(FAILED, name, [short])
    say(f"{name} fails on {short!r}")


def spoil(name: str, seconds: float) -> Told:
    """Fuzz without guidance."""
    seed, good = secrets.randbits(30), seeds(name)
    say(f"{name}: seed {seed}")
    target, rng, told = limited(TARGETS[name]), random.Random(seed), Told(0, seconds)
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s and not told.failed:
        data = mutated(good, rng)
        try:
            target(data)
        except Exception:
            logging.getLogger(__name__).exception(name)
            keep_failed(name, data)
            told.failed = True
        told.inputs += 1
    return told


class Guided:
    """A target under atheris, in processes of their own; folder: for their files."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._command = folder / "command"
        self._command.write_text(
            f"#!/bin/sh\ncd {shlex.quote(str(ROOT))} || exit\n"
            f"exec {shlex.quote(sys.executable)} -m tests.fuzz.guided"
            f' {shlex.quote(str(self._command))} {name} "$@"\n'
        )
        self._command.chmod(0o700)

    def fuzz(self, seconds: float) -> Told:
        """Fuzz for so long, and add to the corpus what is worth it."""
        known, found = self._folder / "known", self._folder / "found"
        found.mkdir()
        known.mkdir()
        for number, data in enumerate(seeds(self._name)):
            (known / f"{number}").write_bytes(data)
        log = self._run(seconds, f"-max_total_time={seconds:.0f}", f"{found}", f"{known}")
        counts, features = _INPUTS.findall(log), _FEATURES.findall(log)
        told = Told(max(map(int, counts), default=0), seconds)
        told.features = max(map(int, features), default=None)
        if done := _DONE.search(log):
            told.inputs, told.seconds = int(done.group(1)), float(done.group(2))
        else:
            told.failed = True
            say(log[-200 * LINES_SHOWN :])
        for path in self._folder.glob("failed-*"):
            keep_failed(self._name, path.read_bytes())
        told.worthy = add(WORTHY, self._name, self._worthy(known, found))
        return told

    def _worthy(self, known: Path, found: Path) -> list[bytes]:
        """Of what was found, give as few inputs as reach all that what is known does not."""
        before = {path.name for path in known.iterdir()}
        self._run(0, "-set_cover_merge=1", f"{known}", f"{found}")
        return [path.read_bytes() for path in known.iterdir() if path.name not in before]

    def _run(self, seconds: float, *arguments: str) -> str:
        """Run libFuzzer; gives what it says."""
        options = [
            f"-max_len={INPUT_BYTES_MAX}",
            f"-timeout={HANGS_AFTER_S}",
            f"-rss_limit_mb={MEMORY_MIB_MAX}",
            f"-artifact_prefix={self._folder}/failed-",
        ]
        done = subprocess.run(
            [self._command, *options, *arguments],
            env={**os.environ, "TMPDIR": str(self._folder)},  # libFuzzer ends without cleaning up
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds + RUN_TIMEOUT_S,
        )
        return done.stdout


def fuzz(name: str, seconds: float) -> Told:
    """Fuzz a target with what there is."""
    if importlib.util.find_spec("atheris") is None:
        return spoil(name, seconds)
    with TemporaryDirectory(prefix="fuzz-") as folder:
        return Guided(name, Path(folder)).fuzz(seconds)


def line(name: str, told: Told) -> str:
    """Give a row of the table."""
    rate = told.inputs / told.seconds if told.seconds else 0
    features = "" if told.features is None else told.features
    said = "FAILED" if told.failed else ""
    return (
        f"{name:<15}{told.inputs:>12,}{rate:>12,.0f}{features:>10}{told.worthy:>8}  {said}".rstrip()
    )


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", default=[])
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args()
    logging.disable(logging.ERROR - 1)
    say(f"{'target':<15}{'inputs':>12}{'a second':>12}{'features':>10}{'new':>8}")
    total = Told(0, 0.0)
    for name in args.targets or TARGETS:
        told = fuzz(name, args.seconds)
        say(line(name, told))
        total.inputs += told.inputs
        total.seconds += told.seconds
        total.worthy += told.worthy
        total.failed |= told.failed
    say(line("in all", total))
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
