# SPDX-License-Identifier: MIT
"""Patterns as other platforms write them, both ways, and what is lost on the way.  Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.errors import InputError
from tenuto_core.plan import PlanError, check_pattern

from .envelopes import TAP_MS, Pulse, pulses_of, read_haptic, read_hjif, write_haptic, write_hjif
from .json_values import ITEMS_MAX, TIME_MS_MAX, items, parse, real, table, times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.routines.haptics import Pattern

_SHARPNESS = 0.5
_BANGLE = {".": (100, 25), ",": (200, 25), "-": (500, 25)} | {
    ":": (100, 100),
    ";": (200, 100),
    "=": (500, 100),
}
"""The letters of the watch's module `buzz`: length in ms and strength in %."""
_BANGLE_GAP_MS = 100
_SUSTAINED = {"QUICK_FALL": 100, "QUICK_RISE": 150, "THUD": 300, "SLOW_RISE": 500}
"""Primitives of Android that are long enough to be a buzz, with their usual length in ms; the
device decides on the true one."""
_PRIMITIVES_MS = dict.fromkeys(("CLICK", "TICK", "LOW_TICK"), TAP_MS) | {"SPIN": 150} | _SUSTAINED


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
    read: Callable[[str], tuple[list[Pulse], list[str]]]


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


def _pattern(pulses: list[Pulse], lost: list[str]) -> Pattern:
    """Put pulses in order; those that touch and are as strong become one."""
    joined: list[Pulse] = []
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
        for start_ms, on_ms, strength_pct in pulses_of(pattern)
    ]
    return json.dumps({"Version": 1.0, "Pattern": events}, indent=2), []


def _read_ahap(text: str) -> tuple[list[Pulse], list[str]]:
    pulses: list[Pulse] = []
    lost: dict[str, None] = {}
    for entry in items(table(parse(text), "the file").get("Pattern"), "Pattern"):
        event = table(entry, "an entry of Pattern").get("Event")
        if event is None:
            lost["curves of parameters"] = None
            continue
        kind = table(event, "Event").get("EventType")
        if kind not in ("HapticContinuous", "HapticTransient"):
            lost["events that are not haptic"] = None
            continue
        start_ms = round(1000 * real(event.get("Time"), 0, TIME_MS_MAX / 1000, "Time"))
        on_ms = TAP_MS
        if kind == "HapticTransient":
            lost[f"taps without a length, which become buzzes of {TAP_MS} ms"] = None
        else:
            longest_s = TIME_MS_MAX / 1000
            on_ms = round(1000 * real(event.get("EventDuration"), 0, longest_s, "EventDuration"))
        intensity = 1.0
        for one in items(event.get("EventParameters", []), "EventParameters"):
            parameter = table(one, "a parameter")
            if parameter.get("ParameterID") == "HapticIntensity":
                # Apple's player clamps what is out of range, and so does this.
                told = real(parameter.get("ParameterValue"), -1e6, 1e6, "HapticIntensity")
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


def _read_android(text: str) -> tuple[list[Pulse], list[str]]:
    told = table(parse(text), "the waveform")
    timings = times(told.get("timings"), "timings")
    raw = items(told.get("amplitudes"), "amplitudes")
    if len(raw) != len(timings):
        raise ValueError(f"{len(raw)} amplitudes for {len(timings)} timings")
    lost = []
    if real(told.get("repeat", -1), -1, ITEMS_MAX, "repeat") >= 0:
        lost.append("the repetition")
    pulses, now_ms = [], 0
    for lasts_ms, value in zip(timings, raw, strict=True):
        amplitude = real(value, -1, 255, "an amplitude")
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


def _read_vibrate(text: str) -> tuple[list[Pulse], list[str]]:
    pulses, now_ms = [], 0
    for number, lasts_ms in enumerate(times(parse(text), "the list")):
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


def _read_bangle(text: str) -> tuple[list[Pulse], list[str]]:
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


# --- Android's primitives


def _write_composition(pattern: Pattern) -> tuple[str, list[str]]:
    steps, lost, pause_ms = [], [], 0
    for count, (strength_pct, on_ms, off_ms) in enumerate(pattern, 1):
        name = min(_SUSTAINED, key=lambda one: abs(math.log(_SUSTAINED[one] / on_ms)))
        steps.append({"primitive": name, "scale": strength_pct / 100, "delay_ms": pause_ms})
        lost.append(f"buzz {count}: {on_ms} ms becomes {name}, usually {_SUSTAINED[name]} ms")
        pause_ms = off_ms
    return json.dumps(steps), lost


def _read_composition(text: str) -> tuple[list[Pulse], list[str]]:
    pulses: list[Pulse] = []
    lost: dict[str, None] = {}
    now_ms = 0
    for one in items(parse(text), "the composition"):
        step = table(one, "a primitive")
        name = str(step.get("primitive")).removeprefix("PRIMITIVE_")
        if name not in _PRIMITIVES_MS:
            raise ValueError(f"{name[:32]!r} is none of {', '.join(_PRIMITIVES_MS)}")
        now_ms += round(real(step.get("delay_ms", 0), 0, TIME_MS_MAX, "delay_ms"))
        strength_pct = round(100 * real(step.get("scale", 1), 0, 1, "scale"))
        lost[f"the shape of {name}, which becomes a buzz of {_PRIMITIVES_MS[name]} ms"] = None
        if strength_pct:
            pulses.append((now_ms, _PRIMITIVES_MS[name], strength_pct))
        now_ms += _PRIMITIVES_MS[name]
    return pulses, list(lost)


_ROWS: Sequence[Format] = (
    Format("ahap", "Apple AHAP", _write_ahap, _read_ahap),
    Format("android", "Android waveform", _write_android, _read_android),
    Format(
        "composition", "Android composition of primitives", _write_composition, _read_composition
    ),
    Format("hjif", "MPEG haptics (HJIF)", write_hjif, read_hjif),
    Format("haptic", "Lofelt and Meta .haptic", write_haptic, read_haptic),
    Format("vibrate", "navigator.vibrate of a browser", _write_vibrate, _read_vibrate),
    Format("bangle", "string for the Bangle.js", _write_bangle, _read_bangle),
)
FORMATS = {one.name: one for one in _ROWS}
"""All of them by name."""
