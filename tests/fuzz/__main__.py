# SPDX-License-Identifier: MIT
"""`python -m tests.fuzz [TARGET ...] [--seconds S]`: fuzz each target for so long.

With atheris (requirements/fuzz.txt) the inputs are guided by what code they reach, and new ones of
worth go into tests/fuzz/corpus; without it good inputs are spoiled at random.  An input that fails
is kept in the corpus, where the tests find it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import logging
import os
import random
import secrets
import subprocess
import sys
import time
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.mutate import BYTES_MAX, mutated
from tests.fuzz.seeds import CORPUS, seeds
from tests.fuzz.targets import TARGETS

HANGS_AFTER_S = 20
MEMORY_MIB_MAX = 2048


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def keep(name: str, data: bytes) -> Path:
    """Put an input into the corpus."""
    path = CORPUS / name / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def spoil(name: str, seconds: float) -> int:
    """Fuzz without guidance; gives how many inputs it were, or raises after keeping the bad one."""
    seed, good, count = secrets.randbits(30), seeds(name), 0
    rng, until_s = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < until_s:
        data = mutated(good, rng)
        begin_s = time.monotonic()
        try:
            TARGETS[name](data)
            if time.monotonic() - begin_s > HANGS_AFTER_S:
                raise TimeoutError(f"took {time.monotonic() - begin_s:.0f} s")
        except Exception:
            traceback.print_exc()
            say(f"{name} fails on {keep(name, data)}")
            raise
        count += 1
    return count


def guided(name: str, seconds: float) -> bool:
    """Fuzz with atheris, in a process of its own; gives whether all was well."""
    with TemporaryDirectory(prefix="fuzz-") as folder:
        start = Path(folder) / "start"
        start.mkdir()
        for number, data in enumerate(seeds(name)):
            (start / f"{number}").write_bytes(data)
        options = [f"-max_total_time={seconds:.0f}", f"-max_len={BYTES_MAX}"]
        options += [f"-timeout={HANGS_AFTER_S}", f"-rss_limit_mb={MEMORY_MIB_MAX}"]
        options += ["-print_final_stats=1", f"-artifact_prefix={folder}/failed-"]
        ended = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.guided", name, *options, str(start)],
            env=os.environ,
            check=False,
        )
        for path in Path(folder).glob("failed-*"):
            say(f"{name} fails on {keep(name, path.read_bytes())}")
        return ended.returncode == 0


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", default=[])
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    failed = []
    with_atheris = importlib.util.find_spec("atheris") is not None
    for name in args.targets or TARGETS:
        if with_atheris:
            say(f"{name}: guided by atheris for {args.seconds:.0f} s")
            if not guided(name, args.seconds):
                failed.append(name)
        else:
            try:
                say(f"{name}: {spoil(name, args.seconds)} inputs")
            except Exception:  # noqa: BLE001 - it was told of
                failed.append(name)
    say(f"failed: {', '.join(failed)}" if failed else "nothing failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
