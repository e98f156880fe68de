# SPDX-License-Identifier: MIT
"""`make install-check`: install Tenuto as its README says, in fresh Debians, and play a routine.

    python -m tests.install                       everything
    python -m tests.install trixie container      some of it

It is for root, on a Debian with mmdebstrap and a network, and takes some minutes.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import ROOT
from tests.install import containerfile
from tests.install.debian import Debian, StepError, reason_against

if TYPE_CHECKING:
    from collections.abc import Callable

SUITES = ("bookworm", "trixie", "sid")
FELT = re.compile(r"^Cues +[1-9]\d* felt", re.MULTILINE)
HEALTHY_WITHIN_S = 120
END_WITHIN_S = 30


def readme_commands() -> tuple[str, list[str]]:
    """Return what the README says for Debian, and the lines of its first example."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    row = re.search(r"^\| Debian 12 and newer.*?\| `(sudo apt install [^`]+)`", text, re.MULTILINE)
    if row is None:
        raise StepError("the README does not say what Debian needs")
    block = text.partition("```console\n")[2].partition("```")[0]
    lines = re.findall(r"^\$ ([^#\n]*)", block, re.MULTILINE)
    return row[1], [line.strip() for line in lines]


def install_in(suite: str, dist: Path, folder: Path) -> str:
    """Install as the README says, and from the source distribution; return what was tried."""
    debian = Debian.fresh(suite, folder / suite)
    debian.run("useradd", "--create-home", "--shell", "/bin/bash", "ada")
    shutil.copytree(dist, debian.inside("/dist"))
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    before, lines = readme_commands()
    debian.run("apt-get", "update")
    debian.run("sh", "-c", before.removeprefix("sudo ").replace("install", "install --yes", 1))
    debian.log_in("ada", "pipx ensurepath")
    for line in lines:
        said = debian.log_in("ada", line.replace("install tenuto", f"install /dist/{wheel.name}"))
    if not FELT.search(said):
        raise StepError(f"no cue was felt:\n{said}")
    debian.log_in("ada", f"pipx install --force '/dist/{wheel.name}[all]'")
    doctor = debian.log_in("ada", "tenuto doctor")
    if "extras: all are installed" not in doctor:
        raise StepError(f"an extra is missing:\n{doctor}")
    debian.log_in("ada", "python3 -m venv v")
    debian.log_in("ada", f"v/bin/pip install --quiet /dist/{sdist.name}")
    if not FELT.search(debian.log_in("ada", "v/bin/tenuto run breathe-box --speed max")):
        raise StepError("what was built from the source distribution played nothing")
    version = debian.run("python3", "--version").strip()
    return f"{version}: pipx, pipx with all extras, pip from the source distribution"


def lowest(dist: Path, folder: Path) -> str:
    """Play with the oldest versions that `pyproject.toml` allows of what Tenuto names itself."""
    debian = Debian.fresh("trixie", folder / "lowest")
    debian.run("useradd", "--create-home", "--shell", "/bin/bash", "ada")
    shutil.copytree(dist, debian.inside("/dist"))
    shutil.copy(ROOT / "pyproject.toml", debian.inside("/dist"))
    debian.run("apt-get", "update")
    debian.run("apt-get", "install", "--yes", "--no-install-recommends", "python3-venv")
    (wheel,) = dist.glob("*.whl")
    choose = "v/bin/uv pip compile --quiet --resolution lowest-direct --all-extras"
    for line in (
        "python3 -m venv v",
        "v/bin/pip install --quiet uv",
        f"{choose} /dist/pyproject.toml --output-file lowest.txt",
        "v/bin/uv pip install --quiet --python v/bin/python --requirement lowest.txt",
        f"v/bin/pip install --quiet --no-deps /dist/{wheel.name}",
        "v/bin/python -c 'import tenuto.web.server, tenuto.links.radios.esphome_radio'",
        "v/bin/tenuto run breathe-box --speed 50",  # with a broker of its own
        "v/bin/tenuto report 1 --format png --output report.png",
        "v/bin/tenuto history export 1 --format fit --output session.fit",
    ):
        debian.log_in("ada", line)
    if not FELT.search(debian.log_in("ada", "v/bin/tenuto run lower-back --speed max")):
        raise StepError("no cue was felt")
    return "the routine, the page, a report and an export"


def container(_dist: Path, folder: Path) -> str:
    """Build the image; play in it; start its daemon, ask whether it is healthy, and end it."""
    file = ROOT / "config/container/Containerfile"
    image = containerfile.build(file, ROOT, folder / "container")
    played = _output(image.command("run", "lower-back", "--speed", "max"))
    if not FELT.search(played):
        raise StepError(f"no cue was felt:\n{played}")
    _lives_and_ends(image)
    return f"user {image.user}: the routine, the daemon, its health, its end"


def homeassistant_app(dist: Path, folder: Path) -> str:
    """Build the app from a copy of its folder with a wheel, and play in it."""
    context = folder / "app"
    shutil.copytree(ROOT / "config/homeassistant-app", context)
    shutil.copy(next(dist.glob("*.whl")), context)
    image = containerfile.build(context / "Dockerfile", context, folder / "app-image")
    for name in ("data", "config"):
        image.debian.inside(name).mkdir()
    file = image.debian.inside("/config/tenuto.toml")
    own = (context / "tenuto.toml").read_text(encoding="utf-8")
    # No supervisor is here: its broker is tried in tests/mqtt, its ingress in tests/web.
    file.write_text(own.replace('"supervisor"', '"off"'), encoding="utf-8")
    image.health = ["tenuto", "status"]
    _lives_and_ends(image)
    return "the image, the daemon with its page, its end"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _output(command: list[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=HEALTHY_WITHIN_S
    )
    if done.returncode:
        raise StepError(f"{command[-1]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _lives_and_ends(image: containerfile.Image) -> None:
    """Start it as its `CMD` says, wait until it is healthy, and end it as an engine does."""
    with subprocess.Popen(
        image.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        try:
            until_s = time.monotonic() + HEALTHY_WITHIN_S
            while True:
                asked = subprocess.run(
                    image.execute(*image.health),
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=HEALTHY_WITHIN_S,
                )
                if asked.returncode == 0:
                    break
                if running.poll() is not None or time.monotonic() > until_s:
                    running.kill()
                    raise StepError(f"it is not healthy: {asked.stderr}{running.communicate()[0]}")
                time.sleep(1)
            # The program itself: `unshare` in between does not pass signals on.
            (pid,) = _children(running.pid)
            subprocess.run(["kill", f"-{signal.SIGTERM.value}", str(pid)], check=True)
            said, _ = running.communicate(timeout=END_WITHIN_S)
        finally:
            running.kill()
    if running.returncode or "going" not in said:
        raise StepError(f"it ended with {running.returncode}:\n{said}")


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


TRIALS: dict[str, Callable[[Path, Path], str]] = {
    **{
        suite: lambda dist, folder, suite=suite: install_in(suite, dist, folder)  # type: ignore[misc]
        for suite in SUITES
    },
    "lowest": lowest,
    "container": container,
    "homeassistant-app": homeassistant_app,
}


def main(names: list[str]) -> int:
    """Try what is named, or everything; return how many failed."""
    reason = reason_against()
    if reason is not None:
        _say(f"tenuto: nothing was tried: {reason}")
        return 1
    failed = 0
    with tempfile.TemporaryDirectory(prefix="tenuto-install-") as folder:
        dist = Path(folder) / "dist"
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(ROOT)]
        subprocess.run(build, check=True, capture_output=True)
        for name in names or TRIALS:
            began_s = time.monotonic()
            try:
                told = TRIALS[name](dist, Path(folder))
            except (StepError, ValueError, subprocess.SubprocessError) as error:
                told, failed = f"FAILED: {error}", failed + 1
            _say(f"{name:18} {time.monotonic() - began_s:4.0f} s  {told}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
