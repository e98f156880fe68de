# SPDX-License-Identifier: MIT
"""Faults that are ordered in words.  Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tenuto.errors import InputError

_TIME = r"(\d{1,6}(?:\.\d{1,3})?)(ms|s|m|h)?"
_SILENCE = re.compile(rf"{_TIME}@{_TIME}")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


@dataclass(frozen=True, slots=True)
class OrderedSilence:
    """Nobody hears anything for `duration_s`, beginning `after_s` after the start."""

    duration_s: float
    after_s: float


def parse_silence(text: str) -> OrderedSilence:
    """Read `20s@60s`: for 20 s, beginning after 60 s; also with `ms`, `m` and `h`.

    Raises:
        InputError: It is something else.
    """
    found = _SILENCE.fullmatch(text)
    if found is None:
        raise InputError(f"{text!r} is no silence, such as 20s@60s: 20 s long, 60 s from the start")
    duration, unit, after, after_unit = found.groups()
    return OrderedSilence(float(duration) * _SECONDS[unit], float(after) * _SECONDS[after_unit])


def parse_time(text: str) -> float:
    """Read `20s`, also with `ms`, `m` and `h`, as seconds.

    Raises:
        InputError: It is something else.
    """
    found = re.fullmatch(_TIME, text)
    if found is None:
        raise InputError(f"{text!r} is no time, such as 20s, 500ms or 2m")
    return float(found[1]) * _SECONDS[found[2]]
