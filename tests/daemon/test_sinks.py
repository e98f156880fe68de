# SPDX-License-Identifier: MIT
from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

import pytest

from tenuto.daemon.sinks import SinkQueue
from tenuto.errors import StoreError, TenutoError
from tenuto.sessions.events import CueFired, Entry, SessionKey

if TYPE_CHECKING:
    from collections.abc import Sequence


def entry(number: int) -> Entry:
    event = CueFired(t_ms=number, seq=number, cue="countdown", late_ms=0)
    return Entry(SessionKey("name:wrist", 1, 0), "wrist", None, event, number)


class Sink:
    """Keeps the numbers that it is given, `delay_s` for each call, or fails as it is told."""

    def __init__(self, delay_s: float = 0, errors: Sequence[Exception] = ()) -> None:
        self.name = "test"
        self.delay_s = delay_s
        self.errors = list(errors)
        self.calls: list[list[int]] = []
        self.at_s: list[float] = []
        self.closed = 0

    async def open(self) -> None:
        pass

    async def handle(self, entries: Sequence[Entry]) -> None:
        await asyncio.sleep(self.delay_s)
        if self.errors:
            raise self.errors.pop(0)
        self.calls.append([one.event.t_ms for one in entries])
        self.at_s.append(asyncio.get_running_loop().time())

    async def close(self) -> None:
        self.closed += 1

    @property
    def numbers(self) -> list[int]:
        return list(itertools.chain(*self.calls))


async def test_a_sink_that_hangs_for_10_s_delays_no_other() -> None:
    quick, slow = Sink(), Sink(delay_s=10)
    loop = asyncio.get_running_loop()
    put_at_s = []
    async with SinkQueue(quick) as one, SinkQueue(slow, close_timeout_s=100) as other:
        for number in range(30):
            put_at_s.append(loop.time())
            for queue in (other, one):
                queue.put(entry(number))
            await asyncio.sleep(1)

    assert quick.at_s == put_at_s
    assert list(range(30)) == slow.numbers


async def test_a_full_queue_drops_the_oldest_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Sink(delay_s=1)
    lost: list[int] = []
    async with SinkQueue(sink, bound=5, batch=1, on_dropped=lost.append) as queue:
        for number in range(100):
            queue.put(entry(number))

        assert await queue.flush(60)
        assert sink.numbers == [95, 96, 97, 98, 99]
        assert queue.dropped == 95 == sum(lost)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2  # that it began, and how much it was
    assert "dropped=95" in warnings[1].message


async def test_a_sink_that_fails_gets_the_same_entries_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Sink(errors=[StoreError("the disk is full"), OSError("x"), TimeoutError()] * 10)
    async with SinkQueue(sink) as queue:
        queue.put(entry(1))
        queue.put(entry(2))

        assert await queue.flush(3600)
        assert not queue.failing
    assert sink.calls == [[1, 2]]
    assert queue.dropped == 0
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["queue=test failed: the disk is full"]


async def test_a_batch_that_a_sink_cannot_bear_is_given_up_and_the_next_one_handled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Sink(errors=[ValueError("bpm 171 of ada")] * 3)
    async with SinkQueue(sink, batch=2) as queue:
        for number in range(4):
            queue.put(entry(number))
        assert await queue.flush(60)

    assert sink.calls == [[2, 3]]
    assert queue.dropped == 2
    assert "ValueError" in caplog.text
    assert "ada" not in caplog.text


async def test_a_cancellation_that_leaks_out_of_a_sink_does_not_end_its_queue() -> None:
    """As of a future inside a client library, which nobody has asked the queue to end for."""
    leak: Exception = asyncio.CancelledError()  # type: ignore[assignment]
    sink = Sink(errors=[leak])
    async with SinkQueue(sink) as queue:
        queue.put(entry(1))
        assert await queue.flush(60)
        queue.put(entry(2))
        assert await queue.flush(60)
    assert sink.calls == [[1], [2]]


async def test_a_call_that_hangs_for_ever_is_cancelled_and_tried_again() -> None:
    sink = Sink(delay_s=1e6)
    async with SinkQueue(sink, handle_timeout_s=30) as queue:
        queue.put(entry(1))
        await asyncio.sleep(29)
        sink.delay_s = 0

        assert await queue.flush(3)
    assert sink.calls == [[1]]


async def test_flush_says_when_it_took_too_long() -> None:
    async with SinkQueue(Sink(delay_s=10)) as queue:
        assert await queue.flush(0)
        queue.put(entry(1))
        assert not await queue.flush(5)
        queue.put(entry(2))
        assert await queue.flush(20)


async def test_flush_waits_for_the_batch_under_way_whatever_is_dropped_meanwhile() -> None:
    sink = Sink(delay_s=10)
    async with SinkQueue(sink, bound=2, batch=1) as queue:
        queue.put(entry(0))
        await asyncio.sleep(1)
        flushing = asyncio.create_task(queue.flush(60), name="flush")
        await asyncio.sleep(0)
        for number in range(1, 20):
            queue.put(entry(number))
        await asyncio.sleep(1)
        assert not flushing.done()
        assert await flushing
        assert sink.numbers == [0]


async def test_a_sink_to_which_calls_are_dear_gets_at_once_what_comes_within_a_moment() -> None:
    sink = Sink()
    begin_s = asyncio.get_running_loop().time()
    async with SinkQueue(sink, linger_s=0.25) as queue:
        for number in range(8):
            queue.put(entry(number))
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)

    assert sink.calls == [[0, 1, 2], [3, 4, 5], [6, 7]]
    waits_s = [round(at_s - begin_s, 3) for at_s in sink.at_s]
    assert waits_s == [0.25, 0.55, 0.85]  # each counted from the first of its entries


async def test_whoever_flushes_or_closes_or_has_a_batch_does_not_wait_for_more_to_come() -> None:
    loop = asyncio.get_running_loop()
    sink = Sink()
    begin_s = loop.time()
    async with SinkQueue(sink, batch=3, linger_s=60) as queue:
        for number in range(4):
            queue.put(entry(number))
        await asyncio.sleep(1)
        assert sink.calls == [[0, 1, 2]]
        queue.put(entry(4))
        assert await queue.flush(5)
        assert sink.numbers == list(range(5))
        for number in range(5, 12):
            queue.put(entry(number))
        assert await queue.flush(5)
        assert sink.numbers == list(range(12))
        queue.put(entry(12))
    assert sink.numbers == list(range(13))
    assert loop.time() == begin_s + 1


async def test_closing_handles_what_waits_but_not_for_ever() -> None:
    loop = asyncio.get_running_loop()
    patient = Sink(delay_s=1)
    async with SinkQueue(patient, batch=1) as queue:
        queue.put(entry(1))
    assert patient.numbers == [1]

    hanging = Sink(delay_s=1e6)
    began_s = loop.time()
    async with SinkQueue(hanging) as queue:
        queue.put(entry(1))
        queue.put(entry(2))
    assert queue.dropped == 2
    assert loop.time() - began_s <= 6
    assert (patient.closed, hanging.closed) == (1, 1)

    queue.put(entry(3))
    assert queue.dropped == 3


async def test_a_sink_that_does_not_open_is_closed_and_told() -> None:
    class Closed(Sink):
        async def open(self) -> None:
            raise StoreError("no")

    class Hanging(Sink):
        async def open(self) -> None:
            await asyncio.sleep(1e6)

    for sink in (Closed(), Hanging()):
        with pytest.raises(TenutoError):
            await SinkQueue(sink).__aenter__()
        assert sink.closed == 1


async def test_its_task_has_its_name_and_ends_with_it() -> None:
    async with SinkQueue(Sink()):
        assert "queue test" in {task.get_name() for task in asyncio.all_tasks()}
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("bad", [{"bound": 0}, {"batch": 0}])
async def test_a_queue_without_room_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        SinkQueue(Sink(), **bad)  # type: ignore[arg-type]
