# SPDX-License-Identifier: MIT
"""Beats that a host hands over, from a strap that it hears."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from tenuto_core import vocab, wire
from tenuto_core.player import BEAT_FRESH_MS
from tests.core.test_band import linked, playing

if TYPE_CHECKING:
    from tests.core.rig import Host, Wrist


def beat(host: Host, bpm: int, *rr_1024: int) -> None:
    host.send(wire.HEART, bpm, tail=struct.pack(f"<{len(rr_1024)}H", *rr_1024))


def beats(wrist: Wrist) -> list[tuple[int, ...]]:
    return [record[3:] for record in wrist.records() if record[1] == vocab.HEART]


def test_a_band_says_that_it_takes_them() -> None:
    _, host = linked()
    (_, _, _, _, _, _, features), _ = host.ask(wire.HELLO)

    assert features & wire.FEATURE_HEART


def test_they_are_logged_as_what_they_are_and_not_answered() -> None:
    wrist, host = playing()
    beat(host, 92, 640, 650)
    wrist.run(1_000)
    beat(host, 255)

    assert beats(wrist) == [(92 | vocab.HEART_BY_HOST, 640 | 650 << 16, 0), (255 | 256, 0, 0)]
    assert host.pull() is None


@pytest.mark.parametrize(
    "tail,rr",
    [
        (b"\x01", (0, 0)),  # half an interval
        (b"\x80\x02\x8a", (640, 0)),
        (struct.pack("<6H", 1, 2, 3, 4, 5, 6), (1 | 2 << 16, 3 | 4 << 16)),
    ],
)
def test_intervals_are_taken_as_far_as_they_go(tail: bytes, rr: tuple[int, int]) -> None:
    wrist, host = playing()
    host.send(wire.HEART, 92, tail=tail)

    assert beats(wrist) == [(92 | vocab.HEART_BY_HOST, *rr)]


def test_no_rate_is_no_beat() -> None:
    wrist, host = playing()
    beat(host, 0)
    wrist.band.beat(70, (), wrist.now_ms)

    assert beats(wrist) == [(70, 0, 0)]


def test_the_strap_outweighs_the_bands_own_sensor_while_it_is_heard() -> None:
    wrist, host = playing()
    beat(host, 92)
    wrist.run(BEAT_FRESH_MS)
    wrist.band.beat(70, (), wrist.now_ms)
    assert len(beats(wrist)) == 1

    wrist.run(1)
    wrist.band.beat(70, (), wrist.now_ms)
    assert beats(wrist)[1:] == [(70, 0, 0)]
