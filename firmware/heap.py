# SPDX-License-Identifier: MIT
"""Memory is short on a board, so what is needed at the start only is forgotten after it."""

import gc
import sys

# On a PC.
PLENTY = 1 << 30


def free_bytes():
    """How much memory is left, as far as that can be known."""
    collect()
    return gc.mem_free() if hasattr(gc, "mem_free") else PLENTY


def load(*names):
    """Import modules one by one, and take away after each what compiling it has left.

    What stays then lies close together, and the next one finds its room in one piece.
    """
    for name in names:
        __import__(name)
        collect()


def collect():
    """Collect garbage; on a PC nobody waits for that."""
    if hasattr(gc, "mem_free"):
        gc.collect()


def forget(*names):
    """Give back the memory of modules, and of packages with all that is in them.

    Who still holds on to something of theirs keeps that, and importing one again loads it again.
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
