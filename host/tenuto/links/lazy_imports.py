# SPDX-License-Identifier: MIT
"""Loading what others import, but seldom use, only when it is used."""

from __future__ import annotations

import importlib.util
import sys


def load_when_used(name: str) -> None:
    """Have a module of a package load at its first use instead of its first import.

    That holds for those who write `from package import module`. A module that is there already
    stays as it is.

    Args:
        name: With its package, such as `bumble.crypto`.

    Raises:
        ModuleNotFoundError: There is no such package.
    """
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Python looks there first, and would else ask the module for its spec, which is a first use.
    package, _, own_name = name.rpartition(".")
    setattr(sys.modules[package], own_name, module)
