# SPDX-License-Identifier: MIT
"""What a command has loaded is what it takes to begin."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.patience import patience_s

NOT_NEEDED = {
    "aiohttp": "no page is served",
    "aiomqtt": "no broker is asked",
    "jinja2": "no report is made",
    "sqlite3": "the history is not opened",
    "tenuto.daemon": "nothing is played",
    "tenuto.history": "the history is not opened",
    "tenuto.report": "no report is made",
}


@pytest.mark.slow
@pytest.mark.parametrize("words", ["routines list", "run --help", "class --help", "web --help"])
def test_a_command_loads_only_what_it_needs(words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tenuto", *words.split()],
        env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=patience_s(30),
    )

    loaded = set(re.findall(r"^import time:.*\| +(\S+)$", ended.stderr, re.MULTILINE))
    assert "tenuto.cli" in loaded
    assert loaded & NOT_NEEDED.keys() == set()
