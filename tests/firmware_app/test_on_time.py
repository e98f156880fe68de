# SPDX-License-Identifier: MIT
"""Cues are on time on a board that takes its time, while a host follows and the heart is on.

The board's time is an estimate, see `tenuto.simulator.costs`.
"""

from __future__ import annotations

import pytest

from tenuto.simulator import VirtualPerson
from tenuto.simulator.costs import Costs
from tenuto_core import vocab
from tenuto_core.log import unpack_record
from tests.bench.bench_board import errors_ms
from tests.firmware_app.rig import FIRMWARE, Room, follow, plan, room, start, until

GOAL_MS = 5
STEADY_MS = 3
CUES = 64


@pytest.mark.slow
@pytest.mark.parametrize("by_cable", [False, True], ids=["ble", "cable"])
async def test_every_cue_the_first_included_is_within_5_ms(*, by_cable: bool) -> None:
    errors = await errors_ms(FIRMWARE, Costs(cycles=3.0), 1, by_cable=by_cable)

    assert len(errors) == CUES
    assert all(0 <= error <= GOAL_MS for error in errors)
    middle_ms = sorted(errors)[len(errors) // 2]
    assert all(abs(error - middle_ms) <= STEADY_MS for error in errors)


@pytest.mark.slow
async def test_the_band_measures_its_lateness_where_the_promise_is() -> None:
    """At the motor: what it logs and counts is what the motor's edges say."""

    # A board so slow that it is late by more than a millisecond's rounding.
    async with room(person=VirtualPerson(), costs=Costs(cycles=20.0)) as it:
        host = await it.pair()
        await follow(host)
        before = len(it.worn.motor.edges)
        await start(host, plan())
        await until(lambda: it.band.player.number == 0, every_s=0.001)
        begin_ms = it.band.player._anchor_ms
        await until(lambda: not it.band.is_playing)

        edges = [edge.t_ms for edge in it.worn.motor.edges[before:] if edge.on]
        at, real = 0, []
        for _, planned_ms, cue in plan().plan.cues_from(0, begin_ms):
            real.append(edges[at] - planned_ms)
            at += len(plan().plan.patterns[cue])
        told = lateness(it)
        assert max(real) > GOAL_MS
        assert [abs(a - b) <= 1 for a, b in zip(told, real, strict=True)] == [True] * len(real)
        assert it.band.player.lateness.worst_ms == max(told)


def lateness(it: Room) -> list[int]:
    log = it.band.log
    records = [unpack_record(log.read(number, 1)) for number in range(log.first, log.next)]
    return [record[4] for record in records if record[1] == vocab.CUE]


async def test_a_cable_is_given_a_frame_at_a_time() -> None:
    """Or a log that has grown holds back a cue."""

    async with room(person=VirtualPerson()) as it:
        host = it.cabled()
        await host.connect(lambda: None)
        for number in range(300):
            it.band.log.append(number, vocab.HEART, 0, 60)
        written: list[int] = []
        end = it.worn.app.usb._serial
        write = end.write

        def count(data: bytes) -> int:
            written.append(it.worn.board.ticks_ms())
            return int(write(data))

        end.write = count
        await follow(host)
        await until(lambda: it.band.log.acked >= it.band.log.next, every_s=0.05)

        assert len(written) > 10
        assert len(set(written)) == len(written)
