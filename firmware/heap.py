# SPDX-License-Identifier: MIT
"""Saves heap: modules that only the start needs are unloaded after it."""

import gc
import sys

# On a PC.
PLENTY = 1 << 30


def free_bytes():
    """Return how much heap is free after a collection; on a PC, which does not say, plenty."""
    collect()
    return gc.mem_free() if hasattr(gc, "mem_free") else PLENTY


def load(*names):
    """Import modules one by one, and collect after each the garbage of its compilation.

    The modules then lie close together, and the next one finds free memory in one piece.
    """
    for name in names:
        __import__(name)
        collect()


def collect():
    """Collect garbage; on a PC, do nothing."""
    if hasattr(gc, "mem_free"):
        gc.collect()


def forget(*names):
    """Free the memory of modules, and of packages with all that is in them.

    Objects of theirs that are still referenced stay; importing a module again loads it again.
    """
    for loaded in list(sys.modules):
        for name in names:
            if loaded == name or loaded.startswith(name + "."):
                del sys.modules[loaded]
    for name in names:
        dot = name.rfind(".")
        if dot > 0 and hasattr(sys.modules[name[:dot]], name[dot + 1 :]):
            delattr(sys.modules[name[:dot]], name[dot + 1 :])
    collect()
