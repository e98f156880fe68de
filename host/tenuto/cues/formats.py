# SPDX-License-Identifier: MIT
"""Patterns as other platforms write them, both ways, and what is lost on the way.  Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError
from tenuto_core.plan import PlanError, check_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tenuto.routines.haptics import Pattern

ITEMS_MAX = 256
"""Of what comes from outside; a pattern has at most 16 pulses."""
_TIME_MS_MAX = 60_000
_TAP_MS = 100
"""How long a tap is that has no length: shorter is not felt from a small motor."""
_SHARPNESS = 0.5
_BANGLE = {".": (100, 25), ",": (200, 25), "-": (500, 25)} | {
    ":": (100, 100),
    ";": (200, 100),
    "=": (500, 100),
}
"""The letters of the watch's module `buzz`: length in ms and strength in %."""
_BANGLE_GAP_MS = 100
_Pulse = tuple[int, int, int]
"""Beginning in ms, length in ms, strength in %."""


@dataclass(frozen=True, slots=True)
class Format:
    """One row.

    Attributes:
        name: On the command line.
        title: For people.
        write: Returns the text of a pattern, and what of the pattern it does not say.
        read: Returns the pulses of a text, and what of the text they do not say.
    """

    name: str
    title: str
    write: Callable[[Pattern], tuple[str, list[str]]]
    read: Callable[[str], tuple[list[_Pulse], list[str]]]


def write(name: str, pattern: Pattern) -> tuple[str, list[str]]:
    """Return the text of a pattern in a format, and what is lost.

    Raises:
        InputError: The pattern is silent.
    """
    if not pattern:
        raise InputError("this cue is silent: there is nothing to write")
    return FORMATS[name].write(pattern)


def read(name: str, text: str) -> tuple[Pattern, list[str]]:
    """Return the pattern of a text in a format, and what is lost.

    Raises:
        InputError: It is not of this format, or a wearable cannot play it.
    """
    try:
        pulses, lost = FORMATS[name].read(text)
        pattern = _pattern(pulses, lost)
        check_pattern(pattern, "the pattern")
    except (ValueError, PlanError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(f"this is no pattern for a wearable as {name}: {why}") from None
    return pattern, lost


def _pattern(pulses: list[_Pulse], lost: list[str]) -> Pattern:
    """Put pulses in order; those that touch and are as strong become one."""
    joined: list[_Pulse] = []
    for start_ms, on_ms, strength_pct in sorted(pulses):
        if joined:
            before_ms, before_on_ms, before_pct = joined[-1]
            if start_ms < before_ms + before_on_ms:
                raise ValueError(f"two buzzes overlap at {start_ms} ms")
            if start_ms == before_ms + before_on_ms and strength_pct == before_pct:
                joined[-1] = (before_ms, before_on_ms + on_ms, before_pct)
                continue
        joined.append((start_ms, on_ms, strength_pct))
    if not joined:
        raise ValueError("there is no buzz in it")
    if joined[0][0]:
        lost.append(f"the silence of {joined[0][0]} ms before the first buzz")
    ends = [start_ms for start_ms, _, _ in joined[1:]] + [joined[-1][0] + joined[-1][1]]
    return tuple(
        (strength_pct, on_ms, end_ms - start_ms - on_ms)
        for (start_ms, on_ms, strength_pct), end_ms in zip(joined, ends, strict=True)
    )


def _pulses(pattern: Pattern) -> Iterator[_Pulse]:
    now_ms = 0
    for strength_pct, on_ms, off_ms in pattern:
        yield now_ms, on_ms, strength_pct
        now_ms += on_ms + off_ms


# --- values from outside


def _json(text: str) -> Any:  # noqa: ANN401 - checked by the callers
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number")

    return json.loads(text, parse_constant=refuse)


def _number(value: object, low: float, high: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} is no number")  # noqa: TRY004 - the caller takes ValueError
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{what} is out of range, allowed is {low:g} to {high:g}")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what} is no list")  # noqa: TRY004 - the caller takes ValueError
    if len(value) > ITEMS_MAX:
        raise ValueError(f"{what} has {len(value)} items, allowed are {ITEMS_MAX}")
    return value


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no object")  # noqa: TRY004 - the caller takes ValueError
    return value


def _times(value: object, what: str) -> list[int]:
    return [round(_number(one, 0, _TIME_MS_MAX, what)) for one in _list(value, what)]


# --- Apple


def _write_ahap(pattern: Pattern) -> tuple[str, list[str]]:
    events = [
        {
            "Event": {
                "Time": start_ms / 1000,
                "EventType": "HapticContinuous",
                "EventDuration": on_ms / 1000,
                "EventParameters": [
                    {"ParameterID": "HapticIntensity", "ParameterValue": strength_pct / 100},
                    {"ParameterID": "HapticSharpness", "ParameterValue": _SHARPNESS},
                ],
            }
        }
        for start_ms, on_ms, strength_pct in _pulses(pattern)
    ]
    return json.dumps({"Version": 1.0, "Pattern": events}, indent=2), []


def _read_ahap(text: str) -> tuple[list[_Pulse], list[str]]:
    pulses: list[_Pulse] = []
    lost: dict[str, None] = {}
    for entry in _list(_object(_json(text), "the file").get("Pattern"), "Pattern"):
        event = _object(entry, "an entry of Pattern").get("Event")
        if event is None:
            lost["curves of parameters"] = None
            continue
        kind = _object(event, "Event").get("EventType")
        if kind not in ("HapticContinuous", "HapticTransient"):
            lost["events that are not haptic"] = None
            continue
        start_ms = round(1000 * _number(event.get("Time"), 0, _TIME_MS_MAX / 1000, "Time"))
        on_ms = _TAP_MS
        if kind == "HapticTransient":
            lost[f"taps without a length, which become buzzes of {_TAP_MS} ms"] = None
        else:
            longest_s = _TIME_MS_MAX / 1000
            on_ms = round(1000 * _number(event.get("EventDuration"), 0, longest_s, "EventDuration"))
        intensity = 1.0
        for one in _list(event.get("EventParameters", []), "EventParameters"):
            parameter = _object(one, "a parameter")
            if parameter.get("ParameterID") == "HapticIntensity":
                # Apple's player clamps what is out of range, and so does this.
                told = _number(parameter.get("ParameterValue"), -1e6, 1e6, "HapticIntensity")
                intensity = min(1.0, max(0.0, told))
            elif parameter.get("ParameterID") == "HapticSharpness":
                lost["sharpness"] = None
            else:
                lost["other parameters"] = None
        if on_ms and round(100 * intensity):
            pulses.append((start_ms, on_ms, round(100 * intensity)))
    return pulses, list(lost)


# --- Android


def _write_android(pattern: Pattern) -> tuple[str, list[str]]:
    timings, amplitudes = [0], [0]
    for number, (strength_pct, on_ms, off_ms) in enumerate(pattern, 1):
        timings.append(on_ms)
        amplitudes.append(max(1, round(strength_pct * 2.55)))
        if number < len(pattern):
            timings.append(off_ms)
            amplitudes.append(0)
    return json.dumps({"timings": timings, "amplitudes": amplitudes, "repeat": -1}), []


def _read_android(text: str) -> tuple[list[_Pulse], list[str]]:
    told = _object(_json(text), "the waveform")
    timings = _times(told.get("timings"), "timings")
    raw = _list(told.get("amplitudes"), "amplitudes")
    if len(raw) != len(timings):
        raise ValueError(f"{len(raw)} amplitudes for {len(timings)} timings")
    lost = []
    if _number(told.get("repeat", -1), -1, ITEMS_MAX, "repeat") >= 0:
        lost.append("the repetition")
    pulses, now_ms = [], 0
    for lasts_ms, value in zip(timings, raw, strict=True):
        amplitude = _number(value, -1, 255, "an amplitude")
        if amplitude == -1:
            amplitude = 255
            lost.append("the phone's own default amplitude, which becomes 100 %")
        if lasts_ms and amplitude > 0:
            pulses.append((now_ms, lasts_ms, max(1, round(amplitude / 2.55))))
        now_ms += lasts_ms
    return pulses, list(dict.fromkeys(lost))


# --- browsers


def _write_vibrate(pattern: Pattern) -> tuple[str, list[str]]:
    lost = ["the strengths"] if any(strength_pct != 100 for strength_pct, _, _ in pattern) else []
    return json.dumps(vibrate_ms(pattern)), lost


def vibrate_ms(pattern: Pattern) -> list[int]:
    """Return a pattern as `navigator.vibrate` takes it: buzz, pause, buzz, in ms."""
    return [ms for _, on_ms, off_ms in pattern for ms in (on_ms, off_ms)][:-1]


def _read_vibrate(text: str) -> tuple[list[_Pulse], list[str]]:
    pulses, now_ms = [], 0
    for number, lasts_ms in enumerate(_times(_json(text), "the list")):
        if number % 2 == 0 and lasts_ms:
            pulses.append((now_ms, lasts_ms, 100))
        now_ms += lasts_ms
    return pulses, []


# --- Bangle.js


def _write_bangle(pattern: Pattern) -> tuple[str, list[str]]:
    text, lost = "", []
    for number, (strength_pct, on_ms, off_ms) in enumerate(pattern, 1):
        letter = min(
            _BANGLE,
            key=lambda one: (
                abs(math.log(_BANGLE[one][0] / on_ms)),
                abs(_BANGLE[one][1] - strength_pct),
            ),
        )
        as_ms, as_pct = _BANGLE[letter]
        if (as_ms, as_pct) != (on_ms, strength_pct):
            lost.append(
                f"buzz {number}: {on_ms} ms at {strength_pct} % becomes {as_ms} ms at {as_pct} %"
            )
        text += letter
        if number < len(pattern):
            spaces = max(0, round(off_ms / _BANGLE_GAP_MS) - 1)
            as_off_ms = (spaces + 1) * _BANGLE_GAP_MS
            if as_off_ms != off_ms:
                lost.append(f"the pause after buzz {number}: {off_ms} ms becomes {as_off_ms} ms")
            text += " " * spaces
    return text, lost


def _read_bangle(text: str) -> tuple[list[_Pulse], list[str]]:
    letters = text.strip("\r\n")
    if len(letters) > ITEMS_MAX:
        raise ValueError(f"it has {len(letters)} letters, allowed are {ITEMS_MAX}")
    pulses, now_ms = [], 0
    for letter in letters:
        if letter != " ":
            if letter not in _BANGLE:
                raise ValueError(f"{letter!r} is none of {' '.join(_BANGLE)} and the space")
            on_ms, strength_pct = _BANGLE[letter]
            pulses.append((now_ms, on_ms, strength_pct))
            now_ms += on_ms
        now_ms += _BANGLE_GAP_MS
    return pulses, []


_ROWS: Sequence[Format] = (
    Format("ahap", "Apple AHAP", _write_ahap, _read_ahap),
    Format("android", "Android waveform", _write_android, _read_android),
    Format("vibrate", "navigator.vibrate of a browser", _write_vibrate, _read_vibrate),
    Format("bangle", "string for the Bangle.js", _write_bangle, _read_bangle),
)
FORMATS = {one.name: one for one in _ROWS}
"""All of them by name."""
