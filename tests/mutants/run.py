# SPDX-License-Identifier: MIT
"""Puts each fault of `mutants.toml` into a copy of the tree and runs the tests that must notice it.

`python tests/mutants/run.py [WORD ...]` takes the faults whose `what` has one of the words, or all.
Prints each fault and the test that noticed it.  Exit status 1 if a fault survived.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("mutants.toml")
COPIED = (
    *("firmware", "host", "config", "requirements", "tests"),
    *("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore"),
)
TESTS = ("tests/core", "tests/sessions")
TIMEOUT_S = 600
HANGS_AFTER = 4
"""A fault with which the tests take so many times as long makes something hang."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One fault: in `file`, `new` stands where `old` is; what: the promise that it breaks.

    tests: where it must be noticed; the core's tests if they are not said.
    """

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = TESTS

    def source(self, root: Path) -> str:
        """Give the file with the fault in it; raises ValueError if `old` is not there once."""
        text = (root / self.file).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.what}: {text.count(self.old)} times in {self.file}")
        return text.replace(self.old, self.new)


def mutants() -> list[Mutant]:
    """Give all that are in the table."""
    table = tomllib.loads(TABLE.read_text("utf-8"))["mutant"]
    return [Mutant(**{**entry, "tests": tuple(entry.get("tests", TESTS))}) for entry in table]


def copy_tree(target: Path) -> None:
    """Copy what the tests need; the parts beside the tree are linked."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignore)
        elif source.exists():
            shutil.copy(source, target / name)
    # The firmware's folder has a `code.py` that would stand in for the library's own. The link is
    # where no build of a wheel takes it for the folder itself.
    (target / ".venv").mkdir()
    (target / ".venv" / "tenuto_core").symlink_to(target / "firmware" / "tenuto_core")
    if (ROOT / ".parts").exists():
        (target / ".parts").symlink_to(ROOT / ".parts")


def run_tests(root: Path, tests: tuple[str, ...], timeout_s: float) -> tuple[bool, str]:
    """Run tests of a copy; gives whether they pass, and the first one that does not."""
    paths = (root, root / ".venv", root / "host")
    env = {
        **os.environ,
        # Before the installed ones, which are those of the tree itself.
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # No example that one fault left behind may convict the next.
    shutil.rmtree(root / ".hypothesis", ignore_errors=True)
    options = ["-x", "-q", "--no-header", "--tb=no", "--hypothesis-seed=0"]
    options += ["-p", "no:cacheprovider", "-p", "no:randomly"]
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=root,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return False, f"longer than {timeout_s:.0f} s"
        finally:
            # Brokers and other servers outlive tests that are killed.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", out, re.MULTILINE)
    return process.returncode == 0, found[1] if found else out[-500:] + errors


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def try_all(chosen: list[Mutant]) -> list[Mutant]:
    """Give those that survived; each core works on a copy of its own."""
    with contextlib.ExitStack() as stack:
        roots: queue.SimpleQueue[Path] = queue.SimpleQueue()
        workers = os.cpu_count() or 1
        for _ in range(workers):
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-")))
            copy_tree(root)
            roots.put(root)

        def on_a_copy(work: Callable[[Path], tuple[bool, str]]) -> tuple[bool, str]:
            root = roots.get()
            try:
                return work(root)
            finally:
                roots.put(root)

        def faultless(tests: tuple[str, ...]) -> tuple[bool, str]:
            begin_s = time.monotonic()
            passes, why = on_a_copy(lambda root: run_tests(root, tests, TIMEOUT_S))
            takes_s[tests] = time.monotonic() - begin_s
            return passes, why

        def faulty(mutant: Mutant) -> tuple[bool, str]:
            timeout_s = HANGS_AFTER * takes_s[mutant.tests]
            return on_a_copy(lambda root: _run_faulty(root, mutant, timeout_s))

        takes_s: dict[tuple[str, ...], float] = {}
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        for passes, why in pool.map(faultless, dict.fromkeys(mutant.tests for mutant in chosen)):
            if not passes:
                raise SystemExit(f"the tests do not pass without a fault: {why}")
        survivors = []
        results = zip(chosen, pool.map(faulty, chosen), strict=True)
        for number, (mutant, (survived, by)) in enumerate(results, 1):
            say(f"{number}/{len(chosen)} {mutant.what}: {'SURVIVED' if survived else by}")
            if survived:
                survivors.append(mutant)
        return survivors


def _run_faulty(root: Path, mutant: Mutant, timeout_s: float) -> tuple[bool, str]:
    path = root / mutant.file
    good = path.read_text(encoding="utf-8")
    path.write_text(mutant.source(root), encoding="utf-8")
    try:
        # The tests of the same name see most faults at once; all others take a minute.
        for folder in ("tests/core", f"tests/{path.parent.name}"):
            near = f"{folder}/test_{path.stem}.py"
            if mutant.tests == TESTS and (root / near).exists():
                survived, by = run_tests(root, (near,), timeout_s)
                if not survived:
                    return survived, by
        return run_tests(root, mutant.tests, timeout_s)
    finally:
        path.write_text(good, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="tests/mutants/run.py", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD")
    words = parser.parse_args(arguments).words
    chosen = [m for m in mutants() if not words or any(word in m.what for word in words)]
    if not chosen:
        parser.error(f"no fault has one of these words: {', '.join(words)}")
    survivors = try_all(chosen)
    say(f"{len(chosen)} faults, {len(survivors)} survived")
    for mutant in survivors:
        say(f"  {mutant.file}: {mutant.what}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
