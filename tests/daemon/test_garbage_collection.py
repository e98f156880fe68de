# SPDX-License-Identifier: MIT
"""In virtual time, with Python's own collector."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenuto.daemon.garbage_collection import AT_LATEST_S, EVERY_S, collected_between_sessions
from tenuto.daemon.idle import LOOK_EVERY_S

if TYPE_CHECKING:
    from collections.abc import Iterator

A_MILLION = 1_000_000


class Circle:
    def __init__(self) -> None:
        self.me = self


@contextmanager
def full_looks() -> Iterator[list[float]]:
    """The times of the loop at which the collector looked through everything."""
    seen: list[float] = []

    def on_look(phase: str, told: dict[str, int]) -> None:
        if phase == "start" and told["generation"] == 2:
            seen.append(asyncio.get_running_loop().time())

    gc.callbacks.append(on_look)
    try:
        yield seen
    finally:
        gc.callbacks.remove(on_look)


async def test_nothing_stands_still_while_somebody_plays_and_then_the_garbage_goes() -> None:
    playing = True

    loop = asyncio.get_running_loop()
    with full_looks() as looks:
        async with collected_between_sessions(lambda: playing):
            circle = weakref.ref(Circle())
            # So much that lasts would have it look at everything, and again and again.
            lasting = [[number] for number in range(A_MILLION)]
            gc.collect(1)  # or it may still be among what is new
            gc.collect(1)
            await asyncio.sleep(2 * EVERY_S)
            assert looks == []
            playing = False
            ended_s = loop.time()
            await asyncio.sleep(LOOK_EVERY_S)
            assert [ended_s <= look_s <= ended_s + LOOK_EVERY_S for look_s in looks] == [True]
            assert circle() is None
        assert len(lasting) == A_MILLION


async def test_those_who_play_all_day_have_it_once_an_hour() -> None:
    with full_looks() as looks:
        async with collected_between_sessions(lambda: True):
            await asyncio.sleep(3 * AT_LATEST_S + 1)
    assert len(looks) == 3


async def test_it_leaves_the_collector_as_it_was() -> None:
    before = gc.get_threshold()

    async with collected_between_sessions(lambda: False):
        assert gc.get_threshold() != before
    assert gc.get_threshold() == before
