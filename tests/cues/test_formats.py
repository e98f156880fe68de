# SPDX-License-Identifier: MIT
from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from tenuto.cues.formats import FORMATS, read, write
from tenuto.errors import InputError
from tenuto_core.plan import PlanError, check_pattern

if TYPE_CHECKING:
    from tenuto.routines.haptics import Pattern

THREE: Pattern = ((100, 150, 150), (60, 150, 150), (100, 500, 0))


def _playable(pulses: list[tuple[int, int, int]]) -> Pattern:
    return (*pulses[:-1], (*pulses[-1][:2], 0))


PATTERNS = st.lists(
    st.tuples(st.integers(1, 100), st.integers(20, 400), st.integers(1, 200)),
    min_size=1,
    max_size=5,
).map(_playable)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Pattern",
                    "Event",
                    "Time",
                    "EventType",
                    "EventDuration",
                    "EventParameters",
                    "timings",
                    "amplitudes",
                    "repeat",
                    "ParameterID",
                    "ParameterValue",
                    *("perceptions", "channels", "bands", "effects", "keyframes", "band_type"),
                    *("amplitude_modulation", "relative_position", "timescale", "gain"),
                    *("signals", "continuous", "envelopes", "amplitude", "time", "version"),
                    *("primitive", "scale", "delay_ms"),
                ]
            ),
            inner | st.sampled_from(["HapticContinuous", "HapticTransient", "HapticIntensity"]),
            max_size=5,
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("name", ["ahap", "android", "hjif", "haptic"])
@given(pattern=PATTERNS)
def test_what_is_written_is_read_as_it_was(name: str, pattern: Pattern) -> None:
    text, lost = write(name, pattern)

    assert lost == []
    found, lost = read(name, text)
    assert found == pattern
    assert not any("ramps" in one for one in lost)


@given(PATTERNS)
def test_a_browser_loses_the_strengths_and_says_so(pattern: Pattern) -> None:
    text, lost = write("vibrate", pattern)
    found, _ = read("vibrate", text)

    assert [pulse[1:] for pulse in found] == [pulse[1:] for pulse in pattern]
    assert bool(lost) is any(pulse[0] != 100 for pulse in pattern)


@given(PATTERNS)
def test_the_watch_tells_each_change_and_loses_nothing_more(pattern: Pattern) -> None:
    text, lost = write("bangle", pattern)
    found, _ = read("bangle", text)
    again, lost_again = write("bangle", found)

    changed = sum(a[:2] != b[:2] for a, b in zip(found, pattern, strict=True))
    pauses = sum(a[2] != b[2] for a, b in zip(found, pattern, strict=True))
    assert len(lost) == changed + pauses
    assert (again, lost_again) == (text, [])


def test_the_formats_are_those_of_the_platforms() -> None:
    event = json.loads(write("ahap", THREE)[0])["Pattern"][1]["Event"]
    assert event["Time"] == 0.3
    assert event["EventDuration"] == 0.15
    assert {"ParameterID": "HapticIntensity", "ParameterValue": 0.6} in event["EventParameters"]
    assert json.loads(write("android", THREE)[0]) == {
        "timings": [0, 150, 150, 150, 150, 500],
        "amplitudes": [0, 255, 0, 153, 0, 255],
        "repeat": -1,
    }
    assert json.loads(write("vibrate", THREE)[0]) == [150, 150, 150, 150, 500]
    assert read("bangle", ": =  .\n")[0] == ((100, 100, 200), (100, 500, 300), (25, 100, 0))


@given(PATTERNS)
def test_primitives_keep_counts_and_pauses_and_tell_each_length(pattern: Pattern) -> None:
    text, lost = write("composition", pattern)
    steps = json.loads(text)

    assert len(lost) == len(steps) == len(pattern)
    assert [step["scale"] for step in steps] == [pulse[0] / 100 for pulse in pattern]
    assert [step["delay_ms"] for step in steps] == [0, *(pulse[2] for pulse in pattern[:-1])]
    with suppress(InputError):  # one that is longer than a wearable may buzz
        found, _ = read("composition", text)
        assert write("composition", found)[0] == text


def test_a_file_of_the_reference_software_is_read() -> None:
    # The fields and numbers of `DoubleTick.hjif` of MPEG's reference software.
    keyframes = [
        {"relative_position": at, "amplitude_modulation": 0.945, "frequency_modulation": 166}
        for at in (0, 24)
    ]
    effects = [{"effect_type": "Reference", "position": at, "id": 0} for at in (0, 421)]
    perception = {
        "perception_modality": "Vibrotactile",
        "effect_library": [{"effect_type": "Basis", "id": 0, "keyframes": keyframes}],
        "channels": [{"gain": 1.0, "bands": [{"band_type": "VectorialWave", "effects": effects}]}],
    }
    whole = {"version": "1", "timescale": 1000, "perceptions": [perception]}

    found, lost = read("hjif", json.dumps(whole))

    assert found == ((94, 24, 397), (94, 24, 0))
    assert lost == ["frequencies"]
    half = json.dumps(whole | {"timescale": 500})
    assert read("hjif", half)[0] == ((94, 48, 794), (94, 48, 0))


def test_a_ramp_becomes_a_step_and_that_is_told() -> None:
    points = [(0, 0), (0.2, 1), (0.4, 1), (0.401, 0)]
    amplitude = [{"time": at, "amplitude": level} for at, level in points]
    whole = {
        "version": {"major": 1},
        "signals": {"continuous": {"envelopes": {"amplitude": amplitude, "frequency": [1]}}},
    }

    found, lost = read("haptic", json.dumps(whole))

    assert found == ((50, 200, 0), (100, 201, 0))
    assert set(lost) == {"frequencies", "ramps, which become steps of their mean"}
    late = json.dumps(whole).replace("0.401", "0.2")
    with pytest.raises(InputError, match="not in order"):
        read("haptic", late)


def test_what_another_file_says_more_is_told() -> None:
    events: list[dict[str, Any]] = [
        {"Event": {"Time": 0.5, "EventType": "HapticTransient"}},
        {"ParameterCurve": {}},
        {"Event": {"Time": 1, "EventType": "AudioCustom"}},
    ]

    pattern, lost = read("ahap", json.dumps({"Pattern": events}))

    assert pattern == ((100, 100, 0),)
    assert [text.split()[0] for text in lost] == ["taps", "curves", "events", "the"]


@pytest.mark.parametrize("name", FORMATS)
@given(told=JSON.map(json.dumps) | st.text(max_size=40))
def test_a_hostile_text_is_read_or_refused(name: str, told: str) -> None:
    with suppress(InputError):
        check_pattern(read(name, told)[0], "")


@pytest.mark.parametrize(
    "name,text",
    [
        ("vibrate", "[" * 100_000),
        ("vibrate", json.dumps([100] * 257)),
        ("vibrate", json.dumps([1_001])),
        ("vibrate", json.dumps([True])),
        ("vibrate", "[1e999]"),
        ("vibrate", "[NaN]"),
        ("vibrate", "[" + "9" * 10_000 + "]"),
        ("vibrate", "[]"),
        ("android", '{"timings": [100], "amplitudes": []}'),
        ("ahap", '{"Pattern": [{"Event": {"EventType": "HapticTransient"}}]}'),
        ("composition", '[{"primitive": "BANG"}]'),
        ("composition", '[{"primitive": "CLICK", "scale": 2}]'),
        ("hjif", '{"perceptions": []}'),
        ("hjif", '{"timescale": 0, "perceptions": []}'),
        ("haptic", '{"version": {"major": 0}}'),
        ("haptic", '{"version": {"major": 1}, "signals": []}'),
        ("bangle", ":x"),
        ("bangle", ":" * 257),
    ],
)
def test_what_no_wearable_plays_is_refused(name: str, text: str) -> None:
    with pytest.raises(InputError):
        read(name, text)


def test_two_buzzes_at_once_are_refused() -> None:
    event = {"Event": {"Time": 0, "EventType": "HapticTransient"}}

    with pytest.raises(InputError, match="overlap"):
        read("ahap", json.dumps({"Pattern": [event, event]}))
    with pytest.raises(PlanError):
        check_pattern(((100, 5, 0),), "")
