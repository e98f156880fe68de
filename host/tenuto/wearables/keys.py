# SPDX-License-Identifier: MIT
"""The keys that this host has handed to its bands, in one file that only its user can read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tenuto.errors import TenutoError
from tenuto.private import write_private
from tenuto_core.auth import KEY_BYTES

if TYPE_CHECKING:
    from pathlib import Path


class KeyStore:
    """One key for each wearable, by the name that it has in the configuration.

    path: a JSON file; None to keep the keys in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._keys: dict[str, bytes] = {}
        if path is not None and path.exists():
            self._keys = _read(path)

    def get(self, wearable: str) -> bytes | None:
        """Give the key for a wearable, None if it was never paired."""
        return self._keys.get(wearable)

    def put(self, wearable: str, key: bytes) -> None:
        """Keep a key in place of the one before.

        Raises:
            TenutoError: the file cannot be written; the key is kept in memory.
            ValueError: it is no key.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
        self._keys[wearable] = key
        self._write()

    def forget(self, wearable: str) -> None:
        """Keep no key for a wearable any more.

        Raises:
            TenutoError: the file cannot be written.
        """
        if self._keys.pop(wearable, None) is not None:
            self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        text = json.dumps({name: key.hex() for name, key in sorted(self._keys.items())}, indent=1)
        try:
            write_private(self._path, text + "\n")
        except OSError as error:
            raise TenutoError(f"{self._path} cannot be written: {error}") from error


def _read(path: Path) -> dict[str, bytes]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        keys = {str(name): bytes.fromhex(key) for name, key in found.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise TenutoError(
            f"{path} cannot be read: {error}; mend it, or take it away and pair anew"
        ) from error
    if any(len(key) != KEY_BYTES for key in keys.values()):
        raise TenutoError(f"{path} holds what is no key; mend it, or take it away and pair anew")
    return keys
