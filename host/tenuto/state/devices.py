# SPDX-License-Identifier: MIT
"""What to know wearables by that tell neither serial number nor address: a small JSON file.

It has a random number for each id in the configuration. Without the file such a wearable begins
anew: its older sessions stay in the history, as those of another device.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from typing import TYPE_CHECKING

from tenuto.files import read_text, why_unread, write_private
from tenuto.sessions.device import LOCAL

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)


class DeviceIds:
    """The file at `path`; read when it is first needed, written when there is a new wearable."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] | None = None

    def of(self, wearable: str) -> str:
        """Return what to know a wearable by, such as `local:5f0c9a7be1d2c344`.

        Args:
            wearable: Its id in the configuration.
        """
        if self._known is None:
            self._known = _read(self._path)
        if wearable not in self._known:
            self._known[wearable] = secrets.token_hex(8)
            try:
                write_private(self._path, json.dumps(self._known, indent=1) + "\n")
            except OSError as error:
                _log.warning("%s cannot be written: %s", self._path, error.strerror)
        return f"{LOCAL}{self._known[wearable]}"


def _read(path: Path) -> dict[str, str]:
    try:
        data = json.loads(read_text(path))
        known = {str(name): str(value) for name, value in data.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        _log.warning("%s cannot be read and begins anew: %s", path, why_unread(error))
        return {}
    return {name: value for name, value in known.items() if re.fullmatch("[0-9a-f]{16}", value)}
