# SPDX-License-Identifier: MIT
"""Many wearables on one host: each with its own session, and one that is ill disturbs nobody."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from itertools import dropwhile
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import TenutoError
from tenuto.history import replay
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import RecordsLost
from tenuto_core import wire
from tenuto_core.log import RECORD_BYTES
from tests.daemon.rig import connected
from tests.world.rig import Room, room

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tenuto.simulator import SimulatedWearable

ROUTINE, LASTS_S = "lower-back-short", 178
ILL = "band-2"


async def play_all(it: Room, names: Sequence[str]) -> None:
    await asyncio.gather(*(connected(it.daemon, name) for name in names))
    answers = await asyncio.gather(
        *(
            it.daemon.submit(Command(wearable=name, verb=Verb.START, routine=ROUTINE))
            for name in names
        )
    )
    assert all(answer.ok for answer in answers), answers
    await asyncio.sleep(LASTS_S + 15)


def felt(band: SimulatedWearable) -> tuple[tuple[int, bool, int], ...]:
    """The motor's edges of the last session, from its first buzz on."""
    start_ms = band.app.band.player.started_ms
    edges = [edge for edge in band.motor.edges if edge.t_ms > start_ms - 1]
    # What was felt before it, such as the answer to a pairing, may end with its start.
    return tuple(
        (round(edge.t_ms) - start_ms, edge.on, edge.strength_pct)
        for edge in dropwhile(lambda edge: not edge.on, edges)
    )


async def check_all(it: Room, names: Sequence[str]) -> None:
    """Each finished in its time, is in the history without a hole, and was felt like the others."""
    rows = {row.wearable: row for row in await it.store.sessions()}
    for name in names:
        row = rows[name]
        assert (row.reason, row.source) == ("finished", "plan"), name
        stored = await it.store.session(row.id)
        assert stored is not None
        told = [event for event, _ in replay(stored)]
        assert not any(isinstance(event, RecordsLost) for event in told)
        seqs = [item.record.seq for item in stored.records]
        assert seqs == list(range(seqs[0], seqs[-1] + 1)), name
        assert LASTS_S * 1000 <= told[-1].t_ms <= LASTS_S * 1000 + 50
    assert len({felt(it.bands[name]) for name in names}) == 1, "not all felt the same"
    assert len(felt(it.bands[names[0]])) > 100


@pytest.mark.slow
async def test_all_play_side_by_side(tmp_path: Path) -> None:
    """`tests/bench/bench_many.py` does it with a hundred."""
    async with room(tmp_path / "h.db", count=12) as it:
        await play_all(it, list(it.bands))
        await check_all(it, list(it.bands))
        tasks = {task.get_name() for task in asyncio.all_tasks()}
        assert {f"keep {name}" for name in it.bands} <= tasks


def stalls(band: SimulatedWearable, _rng: random.Random) -> None:
    """Its link stays and nothing is ever answered."""
    band.app.ble.send = lambda _now_ms: None


def sends_garbage(band: SimulatedWearable, rng: random.Random) -> None:
    """Whatever it sends is nonsense, as often as the air takes it."""
    send_all_the_time(band, lambda: rng.randbytes(rng.randint(1, 200)))


def floods(band: SimulatedWearable, rng: random.Random) -> None:
    """What it sends has the right form and never ends: records of a log that it does not have."""

    def frame() -> bytes:
        data = wire.encode(
            wire.LOG, 0, rng.randrange(1 << 20), tail=rng.randbytes(12 * RECORD_BYTES)
        )
        return bytes((len(data),)) + data

    send_all_the_time(band, frame)


def send_all_the_time(band: SimulatedWearable, packet: Callable[[], bytes]) -> None:
    ble, send, next_ms = band.app.ble, band.app.ble.send, 0

    def send_more(now_ms: int) -> None:
        nonlocal next_ms
        send(now_ms)
        if ble.peer is not None and ble.peer.is_trusted and now_ms >= next_ms:
            ble._radio.outbox.write(packet())
            next_ms = now_ms + 120  # more would make it wait for the air
        if ble.peer is not None:
            ble.due_ms = max(now_ms + 1, next_ms)

    ble.send = send_more


def reboots(band: SimulatedWearable, rng: random.Random) -> None:
    """It begins anew again and again."""
    loop = asyncio.get_running_loop()

    def again() -> None:
        band._on_reset()
        loop.call_later(rng.uniform(2, 9), again)

    loop.call_later(1, again)


async def nag(it: Room) -> None:
    """Want the one that is ill to play all the same, again and again."""
    while True:
        with suppress(TenutoError):
            await it.daemon.submit(Command(wearable=ILL, verb=Verb.START, routine=ROUTINE))
        await asyncio.sleep(3)


@pytest.mark.slow
@pytest.mark.parametrize("sickness", [stalls, sends_garbage, floods, reboots])
async def test_one_that_is_ill_disturbs_nobody(
    tmp_path: Path, sickness: Callable[[SimulatedWearable, random.Random], None]
) -> None:
    async with room(tmp_path / "h.db", count=4) as it:
        well = [name for name in it.bands if name != ILL]
        await asyncio.gather(*(connected(it.daemon, name) for name in it.bands))
        sickness(it.bands[ILL], random.Random(1))
        nagging = asyncio.create_task(nag(it), name="nag")
        await play_all(it, well)
        nagging.cancel()
        await check_all(it, well)
        it.bands[ILL].crashed = None
