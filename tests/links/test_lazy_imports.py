# SPDX-License-Identifier: MIT
"""A process for each, because what Python has loaded it keeps."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.patience import patience_s

BUMBLE = """
import sys
from tenuto.links.lazy_imports import load_when_used

load_when_used("bumble.crypto")
import tenuto.links.radios.bumble

before = "cryptography" in sys.modules
from bumble import crypto

made = crypto.EccKey.generate()
print(before, "cryptography" in sys.modules, len(made.x), crypto is sys.modules["bumble.crypto"])
"""
LOADED = """
import json.decoder
from tenuto.links.lazy_imports import load_when_used

load_when_used("json.decoder")
print(json.decoder is __import__("sys").modules["json.decoder"])
"""
MISSING = """
from tenuto.links.lazy_imports import load_when_used

load_when_used("json.no_such_module")
try:
    load_when_used("no_such_package.module")
except ModuleNotFoundError:
    print("missing")
"""


@pytest.mark.parametrize(
    "program, said",
    [(BUMBLE, "False True 32 True"), (LOADED, "True"), (MISSING, "missing")],
    ids=["used later", "there already", "not there"],
)
def test_a_module_is_loaded_when_it_is_used(program: str, said: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=patience_s(60),
        check=False,
    )

    assert ran.stdout.split() == said.split(), ran.stderr
