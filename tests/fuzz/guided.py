# SPDX-License-Identifier: MIT
"""`python -m tests.fuzz.guided COMMAND TARGET [libFuzzer options] FOLDER ...`: one under atheris.

COMMAND: a program that runs this module again, for libFuzzer, which has to begin anew for some of
what it does.
"""

from __future__ import annotations

import logging
import resource
import sys

import atheris

_DEAF = ("alert", "button", "buzzer", "lateness", "limits", "log", "menu", "player", "vocab")
"""Modules of the core that read no bytes; to watch them halves the speed and finds nothing."""

with atheris.instrument_imports(
    include=["tenuto", "tenuto_core"], exclude=[f"tenuto_core.{name}" for name in _DEAF]
):
    from tests.fuzz.limits import limited
    from tests.fuzz.targets import TARGETS

ADDRESS_BYTES_MAX = 4 << 30
"""An input that asks for more gets a MemoryError, before the machine has to feel it."""

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES_MAX, ADDRESS_BYTES_MAX))
    command, name, *options = sys.argv[1:]
    atheris.Setup([command, *options], limited(TARGETS[name]))
    atheris.Fuzz()
