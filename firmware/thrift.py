# SPDX-License-Identifier: MIT
"""Memory is short on a board, so what is needed at the start only is forgotten after it."""

import gc
import sys


def forget(*names):
    """Give back the memory of modules, and of packages with all that is in them.

    Who still holds on to something of theirs keeps that, and importing one again loads it again.
    """
    for loaded in list(sys.modules):
        if loaded.split(".")[0] in names:
            del sys.modules[loaded]
    gc.collect()
