# SPDX-License-Identifier: MIT
"""SHA-256, from wherever this board has it.

CircuitPython's `hashlib` has `new`, but not every board has `hashlib` (the nRF52840 lacks it);
`adafruit_hashlib` is the same in Python, slower, and copied to the boards that need it.
"""

try:
    import hashlib
except ImportError:
    import adafruit_hashlib as hashlib


def sha256(data):
    """The 32 bytes of the SHA-256 digest of `data`."""
    try:
        found = hashlib.new("sha256", data)
    except (AttributeError, TypeError, ValueError):  # others know it by its name only
        found = hashlib.sha256(data)
    return found.digest()
