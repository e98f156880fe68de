# SPDX-License-Identifier: MIT
"""`make run`: stopping it is not an error of make."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.patience import patience_s

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = """#!/bin/sh
trap 'exit {code}' INT
echo playing
while :; do sleep 0.05; done
"""


def heed_interrupts() -> None:
    """Undo what a shell does for a command in its background: have Ctrl-C passed over."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("code,complaint", [(3, ""), (1, "Error 1")])
def test_ctrl_c_ends_in_silence_and_a_failure_does_not(
    tmp_path: Path, code: int, complaint: str
) -> None:
    command = tmp_path / "tenuto"
    command.write_text(STAND_IN.format(code=code))
    command.chmod(0o755)
    with subprocess.Popen(
        ["make", "-o", "setup", "run", f"BIN={tmp_path}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # as a terminal, which sends Ctrl-C to all of them
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no other thread holds a lock of it
    ) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "playing\n"
            os.killpg(running.pid, signal.SIGINT)
            _, err = running.communicate(timeout=patience_s(10))
        finally:
            running.kill()

    assert complaint in err
    assert bool(err) == bool(complaint)
