# SPDX-License-Identifier: MIT
"""What straps and watches really send, what the standard allows, and what neither should."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tenuto.sessions.heart import LOCATIONS, Measurement, location, sensor_kind


@pytest.mark.parametrize(
    "value,measurement",
    [
        # Captures of real sensors, as their readers' own tests have them.
        ("16 50 00 04 80 03", Measurement(80, contact=True, rr_1024=(1024, 896))),
        ("10 43 72 03 8a 03", Measurement(67, rr_1024=(882, 906))),
        ("10 44 92 03", Measurement(68, rr_1024=(914,))),
        ("10 3c 8c 04", Measurement(60, rr_1024=(1164,))),
        ("00 40", Measurement(64)),
        ("06 48", Measurement(72, contact=True)),
        # All at once, and each alone.
        (
            "1f 2c 01 e8 03 ff 03 00 04 01 80",
            Measurement(300, contact=True, energy_kj=1000, rr_1024=(1023, 1024, 32769)),
        ),
        ("01 2c 01", Measurement(300)),
        ("04 48", Measurement(72, contact=False)),
        ("08 48 ff ff", Measurement(72, energy_kj=65535)),
        ("00 00", Measurement(0)),
    ],
)
def test_bytes_mean_what_they_mean_and_come_back(value: str, measurement: Measurement) -> None:
    data = bytes.fromhex(value)

    assert measurement == Measurement.from_bytes(data)
    assert data == bytes(measurement)


def test_intervals_are_in_ms_where_people_read_them() -> None:
    assert Measurement.from_bytes(bytes.fromhex("165000048003")).rr_ms == (1000.0, 875.0)


@pytest.mark.parametrize(
    "value,measurement",
    [
        ("02 48", Measurement(72)),  # contact means nothing where it is not supported
        ("e0 48", Measurement(72)),  # reserved flags
        ("e6 48", Measurement(72, contact=True)),
        ("00 48 01 02 03", Measurement(72)),  # more than the flags announce
        ("10 48 00 04 80", Measurement(72, rr_1024=(1024,))),  # cut in the middle of an interval
        ("10 48", Measurement(72)),  # announced, but none came
        ("10 48" + " 00 04" * 9, Measurement(72, rr_1024=(1024,) * 9)),
        ("11 48 00 00 04", Measurement(72, rr_1024=(1024,))),  # wider than it need be
    ],
)
def test_what_is_beside_the_standard_is_read_as_far_as_it_goes(
    value: str, measurement: Measurement
) -> None:
    assert measurement == Measurement.from_bytes(bytes.fromhex(value))


@pytest.mark.parametrize("value", ["", "00", "16", "01 48", "08 48", "08 48 01", "09 48 00 01"])
def test_a_value_that_is_too_short_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="bytes"):
        Measurement.from_bytes(bytes.fromhex(value))


def test_a_value_longer_than_any_may_be_is_refused() -> None:
    with pytest.raises(ValueError, match="not 513"):
        Measurement.from_bytes(bytes([0x10, 72]) + bytes(511))


def test_intervals_of_nothing_are_padding() -> None:
    told = Measurement.from_bytes(bytes.fromhex("10 50 00 04 00 00 80 03 00 00"))
    assert told.rr_1024 == (1024, 896)


@pytest.mark.parametrize(
    "value,is_rate",
    [
        ("00 00", False),
        ("00 FF", False),
        ("01 FF FF", False),
        ("01 2C 01", False),
        ("00 50", True),
        ("04 50", False),
        ("06 50", True),
        ("00 1E", True),
        ("00 F0", True),
    ],
    ids=["0", "255", "65535", "300", "80", "80 off the skin", "80 on the skin", "30", "240"],
)
def test_what_stands_for_none_is_no_heart_rate(value: str, is_rate: bool) -> None:
    assert Measurement.from_bytes(bytes.fromhex(value)).is_rate is is_rate


@given(st.binary(max_size=600))
def test_no_bytes_make_it_fail_in_another_way(data: bytes) -> None:
    try:
        measurement = Measurement.from_bytes(data)
    except ValueError:
        return
    assert measurement == Measurement.from_bytes(bytes(measurement))


@given(
    st.builds(
        Measurement,
        bpm=st.integers(0, 0xFFFF),
        contact=st.none() | st.booleans(),
        energy_kj=st.none() | st.integers(0, 0xFFFF),
        rr_1024=st.lists(st.integers(1, 0xFFFF), max_size=9).map(tuple),
    )
)
def test_whatever_is_written_is_read(measurement: Measurement) -> None:
    assert measurement == Measurement.from_bytes(bytes(measurement))


@pytest.mark.parametrize(
    "wrong",
    [{"bpm": -1}, {"bpm": 65536}, {"bpm": 60, "energy_kj": -1}, {"bpm": 60, "rr_1024": (0,)}],
)
def test_what_does_not_fit_the_bytes_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"[01] to 65535"):
        Measurement(**wrong)  # type: ignore[arg-type]


def test_where_a_sensor_is_worn_tells_what_it_measures_with() -> None:
    kinds = {name: sensor_kind(name) for name in LOCATIONS}

    assert kinds == {
        "other": None,
        "chest": "ecg",
        "wrist": "optical",
        "finger": "optical",
        "hand": "optical",
        "ear lobe": "optical",
        "foot": None,
    }
    assert location(b"\x01") == "chest"
    assert [location(b""), location(b"\x07"), sensor_kind(None)] == [None] * 3
