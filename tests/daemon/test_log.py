# SPDX-License-Identifier: MIT
"""A band's log on its way to the host: without a pause, without a hole, and each record once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.wearables.band import BandDriver
from tenuto_core import vocab, wire
from tenuto_core.buzzer import Motor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from tenuto.sessions.events import Record
    from tenuto_core.log import Log


class Reader:
    """Follows the log of a band with so many records of old.

    Args:
        records: How many.
        room: How many more are taken.
        lose: Told each packet of the band; True drops it.
    """

    def __init__(
        self,
        records: int,
        room: int = 1_000_000,
        *,
        lose: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self.band = InProcessBand(Motor())
        while self.log.next < records:
            self.log.append(0, vocab.HEART, 0, self.log.next & 0xFFFF)
        self.requests: list[int] = []
        self.asked_from: list[int] = []
        self._lose = lose
        self.driver = BandDriver(InProcessLink(self.band, lose=self._note))
        self.seqs: list[int] = []
        self.gaps: list[tuple[int, int]] = []
        self.room = room

    @property
    def log(self) -> Log:
        return self.band.band.log

    def _note(self, direction: str, packet: bytes) -> bool:
        if direction == "up":
            op, _, values, _ = wire.decode(packet)
            self.requests.append(op)
            if op == wire.LOG_READ:
                self.asked_from.append(values[0])
        return direction == "down" and self._lose(packet)

    async def __aenter__(self) -> Self:
        await self.driver.connect(lambda: None)
        await self.driver.follow(0, self._take, self._on_gap)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.driver.disconnect()

    def _take(self, records: Sequence[Record]) -> bool:
        if len(records) > self.room:
            return False
        self.room -= len(records)
        self.seqs += [record.seq for record in records]
        return True

    def _on_gap(self, first: int, end: int) -> None:
        self.gaps.append((first, end))


async def test_a_long_log_comes_without_a_pause() -> None:
    async with Reader(1_000) as reader:
        await asyncio.sleep(1.5)
        assert reader.seqs == list(range(1_000))
        assert reader.requests.count(wire.LOG_ACK) < 1_000 // 20


async def test_what_there_was_no_room_for_comes_soon_after_there_is_some() -> None:
    async with Reader(5, room=3) as reader:
        await asyncio.sleep(4)
        assert reader.seqs == []
        reader.room = 5
        await asyncio.sleep(0.5)
        assert reader.seqs == list(range(5))
        assert reader.requests.count(wire.LOG_READ) < 20


async def test_what_was_overwritten_is_known_before_what_follows() -> None:
    async with Reader(1_500) as reader:
        await asyncio.sleep(1.5)
        assert reader.gaps == [(0, 1_500 - reader.log.capacity)]
        assert reader.seqs == list(range(1_500 - reader.log.capacity, 1_500))
        assert reader.requests.count(wire.LOG_READ) == 1


async def test_an_answer_that_is_lost_while_records_come_does_not_stop_the_log() -> None:
    lost: list[bytes] = []

    def lose(packet: bytes) -> bool:
        if packet[1] == wire.LOG_READ | wire.ANSWER and not lost:
            lost.append(packet)
        return lost == [packet]

    async with Reader(3 * wire.LOG_AHEAD_MAX, lose=lose) as reader:
        reader.log.append(0, vocab.HEART, 0, 0)
        reader.band.poke()
        await asyncio.sleep(0.5)

        assert reader.asked_from == [0, 3 * wire.LOG_AHEAD_MAX], "older bands start anew there"
        assert reader.seqs == list(range(3 * wire.LOG_AHEAD_MAX + 1))
