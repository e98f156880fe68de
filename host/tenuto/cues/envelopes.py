# SPDX-License-Identifier: MIT
"""Patterns in files that tell the amplitude over time: MPEG's HJIF and Lofelt's `.haptic`.  Pure.

Read and written is what a pattern of one motor needs.  HJIF is ISO/IEC 23090-31 in its readable
form; the fields are those that its reference software writes.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .json_values import ITEMS_MAX, TIME_MS_MAX, items, parse, real, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenuto.routines.haptics import Pattern

Pulse = tuple[int, int, int]
"""Beginning in ms, length in ms, strength in %."""
TAP_MS = 100
"""How long a tap is that has no length: shorter is not felt from a small motor."""
EDGE_MS = 2.0
"""What rises or falls within this is an edge, and belongs to the buzz."""
_HZ = 170
_LEVEL, _TICKS_PER_S = 1, 1_000


def pulses_of(pattern: Pattern) -> Iterator[Pulse]:
    """Yield the pulses of a pattern with their times."""
    now_ms = 0
    for strength_pct, on_ms, off_ms in pattern:
        yield now_ms, on_ms, strength_pct
        now_ms += on_ms + off_ms


def _under(points: Sequence[tuple[float, float]], lost: dict[str, None]) -> Iterator[Pulse]:
    """Yield the pulses under a line through points of ms and amplitude; ramps become steps."""
    for (from_ms, before), (to_ms, after) in pairwise(points):
        if to_ms < from_ms:
            raise ValueError(f"the times are not in order at {to_ms:g} ms")
        level = max(before, after)
        if before != after and to_ms - from_ms > EDGE_MS:
            lost["ramps, which become steps of their mean"] = None
            level = (before + after) / 2
        strength_pct, start_ms = round(100 * level), round(from_ms)
        if strength_pct and round(to_ms) > start_ms:
            yield start_ms, round(to_ms) - start_ms, strength_pct


# --- MPEG


def write_hjif(pattern: Pattern) -> tuple[str, list[str]]:
    """Return the text of a pattern, and what is lost: nothing."""
    effects = [
        {
            "effect_type": "Basis",
            "position": start_ms,
            "phase": 0.0,
            "base_signal": "Sine",
            "keyframes": [
                {
                    "relative_position": at_ms,
                    "amplitude_modulation": strength_pct / 100,
                    "frequency_modulation": _HZ,
                }
                for at_ms in (0, on_ms)
            ],
        }
        for start_ms, on_ms, strength_pct in pulses_of(pattern)
    ]
    band = {
        "band_type": "VectorialWave",
        "curve_type": "Unknown",
        "block_length": 0.0,
        "lower_frequency_limit": 0,
        "upper_frequency_limit": 1000,
        "effects": effects,
    }
    channel = {
        "id": 0,
        "description": "",
        "gain": 1.0,
        "mixing_weight": 1.0,
        "body_part_mask": 0,
        "bands": [band],
    }
    perception = {
        "id": 0,
        "avatar_id": 0,
        "description": "",
        "perception_modality": "Vibrotactile",
        "unit_exponent": -3,
        "perception_unit_exponent": 0,
        "reference_devices": [],
        "effect_library": [],
        "channels": [channel],
    }
    whole = {
        "version": "1",
        "profile": "Main",
        "level": _LEVEL,
        "date": "",
        "description": "",
        "timescale": _TICKS_PER_S,
        "avatars": [],
        "perceptions": [perception],
        "syncs": [{"timestamp": 0, "timescale": _TICKS_PER_S}],
    }
    return json.dumps(whole), []


def read_hjif(text: str) -> tuple[list[Pulse], list[str]]:
    """Return the pulses of a text, and what of it they do not say.

    Raises:
        ValueError: It is not of this format, or has values out of range.
    """
    lost: dict[str, None] = {}
    whole = table(parse(text), "the file")
    tick_ms = 1000 / real(whole.get("timescale", _TICKS_PER_S), 1, 1e6, "timescale")
    perceptions = [
        table(one, "a perception") for one in items(whole.get("perceptions"), "perceptions")
    ]
    felt = [one for one in perceptions if one.get("perception_modality") == "Vibrotactile"]
    if not felt:
        raise ValueError("no perception is Vibrotactile")
    if len(perceptions) > 1:
        lost["perceptions but the first one that vibrates"] = None
    library = {
        str(effect.get("id")): effect
        for effect in (
            table(one, "an effect")
            for one in items(felt[0].get("effect_library", []), "effect_library")
        )
    }
    channels = items(felt[0].get("channels"), "channels")
    if not channels:
        raise ValueError("there is no channel")
    if len(channels) > 1:
        lost["channels but the first"] = None
    channel = table(channels[0], "a channel")
    gain = real(channel.get("gain", 1), 0, 100, "gain")
    pulses: list[Pulse] = []
    for told in items(channel.get("bands"), "bands"):
        pulses += _of_band(table(told, "a band"), library, tick_ms, gain, lost)
        if len(pulses) > ITEMS_MAX:
            raise ValueError(f"there are more than {ITEMS_MAX} buzzes")
    lost["frequencies"] = None
    return [pulse for pulse in pulses if pulse[2]], list(lost)


def _of_band(
    band: dict[str, Any],
    library: dict[str, dict[str, Any]],
    tick_ms: float,
    gain: float,
    lost: dict[str, None],
) -> list[Pulse]:
    """Return the pulses of a band of a channel."""
    kind = band.get("band_type")
    if kind not in ("VectorialWave", "Transient"):
        lost["bands that are neither waves nor transients"] = None
        return []
    pulses: list[Pulse] = []
    for one in items(band.get("effects"), "effects"):
        effect = table(one, "an effect")
        position = real(effect.get("position", 0), 0, TIME_MS_MAX / tick_ms, "position")
        if effect.get("effect_type") == "Reference":
            found = library.get(str(effect.get("id")))
            if found is None:
                raise ValueError("an effect refers to none of the effect_library")
            effect = found
        points = _points(effect, position, tick_ms, gain)
        if kind == "Transient":
            lost[f"taps without a length, which become buzzes of {TAP_MS} ms"] = None
            pulses += [(round(at_ms), TAP_MS, round(100 * level)) for at_ms, level in points]
        else:
            pulses += _under(points, lost)
    return pulses


def _points(
    effect: dict[str, Any], position: float, tick_ms: float, gain: float
) -> list[tuple[float, float]]:
    """Return the keyframes of an effect that tell an amplitude, in ms and 0 to 1."""
    points = []
    for one in items(effect.get("keyframes"), "keyframes"):
        keyframe = table(one, "a keyframe")
        if keyframe.get("amplitude_modulation") is None:
            continue
        place = real(
            keyframe.get("relative_position", 0), 0, TIME_MS_MAX / tick_ms, "relative_position"
        )
        level = real(keyframe["amplitude_modulation"], 0, 1, "amplitude_modulation")
        points.append(((position + place) * tick_ms, min(1.0, level * gain)))
    return points


# --- Lofelt


def write_haptic(pattern: Pattern) -> tuple[str, list[str]]:
    """Return the text of a pattern, and what is lost: nothing; its times must rise, so edges do."""
    points: list[tuple[int, float]] = []
    for start_ms, on_ms, strength_pct in pulses_of(pattern):
        level = strength_pct / 100
        if points and points[-1][0] == start_ms:
            points.pop()
        edges = ((0, 0.0), (1, level), (on_ms - 1, level), (on_ms, 0.0))
        points += [(start_ms + at_ms, told) for at_ms, told in edges]
    amplitude = [{"time": at_ms / 1000, "amplitude": level} for at_ms, level in points]
    whole = {
        "version": {"major": 1, "minor": 0, "patch": 0},
        "metadata": {"editor": "tenuto"},
        "signals": {"continuous": {"envelopes": {"amplitude": amplitude}}},
    }
    return json.dumps(whole), []


def read_haptic(text: str) -> tuple[list[Pulse], list[str]]:
    """Return the pulses of a text, and what of it they do not say.

    Raises:
        ValueError: It is not of this format, or has values out of range.
    """
    lost: dict[str, None] = {}
    whole = table(parse(text), "the file")
    version = table(whole.get("version"), "version")
    if real(version.get("major"), 0, 1e6, "major") != 1:
        raise ValueError("its version is not 1")
    signals = table(whole.get("signals"), "signals")
    envelopes = table(table(signals.get("continuous"), "continuous").get("envelopes"), "envelopes")
    if envelopes.get("frequency"):
        lost["frequencies"] = None
    points = []
    for one in items(envelopes.get("amplitude"), "amplitude"):
        point = table(one, "a point")
        if point.get("emphasis") is not None:
            lost["emphasis"] = None
        at_ms = 1000 * real(point.get("time"), 0, TIME_MS_MAX / 1000, "time")
        points.append((at_ms, real(point.get("amplitude"), 0, 1, "amplitude")))
    return list(_under(points, lost)), list(lost)
