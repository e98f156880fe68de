# SPDX-License-Identifier: MIT
"""`python -m tests.fuzz.guided TARGET [libFuzzer options] FOLDER`: one target under atheris."""

from __future__ import annotations

import logging
import sys

import atheris

with atheris.instrument_imports(include=["tenuto", "tenuto_core"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()
