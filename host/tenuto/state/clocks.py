# SPDX-License-Identifier: MIT
"""What is remembered of the wearables' clocks from one run to the next: a small JSON file.

Losing it costs nothing but the minutes until it is known again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from typing import TYPE_CHECKING

from tenuto.files import read_text, why_unread, write_private
from tenuto.sessions.device_clock import SKEW_PPM_MAX, SKEW_UNKNOWN_PPM, Skew

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

SAVE_EVERY_S = 600.0
_UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(OverflowError, RecursionError),  # of numbers that are too large, and of brackets
)


class ClockStore:
    """The file at `path`, read when this is made; written now and then, and by `save`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _read(path)
        self._is_new = False
        self._saved_s = -math.inf

    def get(self, wearable: str) -> Skew | None:
        """Return what is known of a wearable's clock, None for nothing."""
        return self._known.get(wearable)

    def put(self, wearable: str, skew: Skew) -> None:
        """Remember it; a file that cannot be written is passed over."""
        self._known[wearable] = skew
        self._is_new = True
        now_s = asyncio.get_running_loop().time()
        if now_s - self._saved_s >= SAVE_EVERY_S:
            self._saved_s = now_s
            self.save()

    def save(self) -> None:
        """Write what is new."""
        if not self._is_new:
            return
        self._is_new = False
        data = {
            wearable: {"ppm": round(skew.ppm, 2), "sigma_ppm": round(skew.sigma_ppm, 2)}
            for wearable, skew in self._known.items()
        }
        try:
            write_private(self._path, json.dumps(data, indent=1))
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._path, error.strerror)


def _read(path: Path) -> dict[str, Skew]:
    try:
        data = json.loads(read_text(path))
        known = {
            str(name): Skew(float(v["ppm"]), float(v["sigma_ppm"])) for name, v in data.items()
        }
    except FileNotFoundError:
        return {}
    except _UNREADABLE as error:
        _log.warning("%s cannot be read and begins anew: %s", path, why_unread(error))
        return {}
    return {
        name: skew
        for name, skew in known.items()
        if abs(skew.ppm) <= SKEW_PPM_MAX and 0 < skew.sigma_ppm <= SKEW_UNKNOWN_PPM
    }
