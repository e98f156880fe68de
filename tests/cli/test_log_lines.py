# SPDX-License-Identifier: MIT
"""The lines of the log as they reach a terminal, a file or systemd's journal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.patience import patience_s

if TYPE_CHECKING:
    from pathlib import Path

SAY = """
import logging
from tenuto.cli.common import log_to_stderr
log_to_stderr(logging.INFO)
logging.getLogger("tenuto.wearables").info("wearable=%s connected", "anna")
"""
LINE = "INFO tenuto.wearables wearable=anna connected\n"


def said(path: Path, stream: str | None) -> str:
    """What is written to a file that is, or is not, the journal's."""
    with path.open("w") as file:
        told = os.fstat(file.fileno())
        own = f"{told.st_dev}:{told.st_ino}"
        environ = os.environ | ({} if stream is None else {"JOURNAL_STREAM": stream or own})
        subprocess.run(
            [sys.executable, "-c", SAY],
            env=environ,
            stderr=file,
            timeout=patience_s(30),
            check=True,
        )
    return path.read_text()


@pytest.mark.parametrize("stream", [None, "1:2", "nonsense"])
def test_a_line_has_its_time(tmp_path: Path, stream: str | None) -> None:
    text = said(tmp_path / "log", stream)

    assert re.fullmatch(rf"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d {LINE}", text)


@pytest.mark.skipif(sys.platform == "win32", reason="no journal there")
def test_the_journal_notes_the_time_itself(tmp_path: Path) -> None:
    assert said(tmp_path / "log", "") == LINE
