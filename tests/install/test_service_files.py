# SPDX-License-Identifier: MIT
"""What systems start the daemon by; that of systemd is tried in `tests/control/test_unit.py`."""

from __future__ import annotations

import plistlib
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest

from tenuto.cli import main
from tests.patience import patience_s

if TYPE_CHECKING:
    from pathlib import Path


def printed(what: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["daemon", "--print", what])
    assert not ended.value.code
    return capsys.readouterr().out


def test_the_file_for_launchd_starts_the_daemon_of_its_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = plistlib.loads(printed("launchd", capsys).encode())
    program = tmp_path / ".local/bin/tenuto"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$@"\necho trouble >&2\n')
    program.chmod(0o755)
    (tmp_path / "Library/Logs").mkdir(parents=True)
    done = subprocess.run(
        job["ProgramArguments"],
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=patience_s(10),
    )

    assert done.stdout == "daemon\n"
    assert (tmp_path / "Library/Logs/tenuto.log").read_text() == "trouble\n"
    assert (job["RunAtLoad"], job["KeepAlive"]) == (True, {"SuccessfulExit": False})
    assert job["Umask"] == 0o077


def test_the_other_files_are_printed_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\nType=notify\n" in printed("systemd", capsys)
    assert tomllib.loads(printed("config", capsys))["mqtt"]["url"] == "embedded"
