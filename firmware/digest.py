# SPDX-License-Identifier: MIT
"""SHA-256, from wherever this board has it: not every CircuitPython has `hashlib`."""

try:
    import hashlib

    def sha256(data):
        """The 32 bytes of the SHA-256 digest of `data`."""
        return hashlib.new("sha256", data).digest()

except ImportError:
    from tenuto_core.sha256 import sha256  # noqa: F401 - for the application
