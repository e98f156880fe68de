# SPDX-License-Identifier: MIT
"""What a queue may expect of any sink. A new sink is one row in `SINKS`."""

from __future__ import annotations

import asyncio
import io
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tenuto.daemon.sinks import Sink, SinkQueue
from tenuto.history import HistorySink, Store
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.bridge import Bridge
from tenuto.mqtt.broker import EmbeddedBroker
from tenuto.mqtt.discovery import Subject
from tenuto.sessions.commands import Answer, Command
from tenuto.terminal.jsonlines import JsonSink
from tenuto.terminal.plain import LinesSink
from tests.history.sessions import whole_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tenuto.sessions.events import Entry

pytestmark = pytest.mark.real_time

TIMEOUT_S = 10


class NullSink:
    """Takes everything and keeps nothing: the least that a sink can be."""

    name = "null"

    async def open(self) -> None:
        pass

    async def handle(self, entries: Sequence[Entry]) -> None:
        pass

    async def close(self) -> None:
        pass


@asynccontextmanager
async def null(_: Path) -> AsyncIterator[Callable[[], Sink]]:
    yield NullSink


@asynccontextmanager
async def lines(_: Path) -> AsyncIterator[Callable[[], Sink]]:
    yield lambda: LinesSink(io.StringIO())


@asynccontextmanager
async def json_lines(_: Path) -> AsyncIterator[Callable[[], Sink]]:
    yield lambda: JsonSink(io.StringIO())


@asynccontextmanager
async def history(folder: Path) -> AsyncIterator[Callable[[], Sink]]:
    yield lambda: HistorySink(Store(folder / "history.db"))


def bridge(address: BrokerAddress) -> Bridge:
    async def submit(_: Command) -> Answer:
        return Answer(ok=True, reason="ok", text="")

    made = Bridge(address, submit=submit, rng=random.Random(1))
    made.set_subjects([Subject(id="wrist", name="wrist")])
    return made


@asynccontextmanager
async def mqtt(_: Path) -> AsyncIterator[Callable[[], Sink]]:
    async with EmbeddedBroker() as broker:
        yield lambda: bridge(broker.address)


@asynccontextmanager
async def mqtt_without_broker(_: Path) -> AsyncIterator[Callable[[], Sink]]:
    yield lambda: bridge(BrokerAddress("127.0.0.1", 1))


SINKS = [null, lines, json_lines, history, mqtt, mqtt_without_broker]


@pytest.fixture(params=SINKS, ids=lambda sink: sink.__name__)
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[], Sink]]:
    surroundings: AbstractAsyncContextManager[Callable[[], Sink]] = request.param(tmp_path)
    async with surroundings as factory, asyncio.timeout(TIMEOUT_S):
        yield factory


async def test_it_has_a_name(make: Callable[[], Sink]) -> None:
    assert make().name.isidentifier()


async def test_it_takes_a_session(make: Callable[[], Sink]) -> None:
    entries = whole_session()
    sink = make()
    await sink.open()
    await sink.handle(entries[:1])
    await sink.handle(entries[1:])
    await sink.close()


async def test_it_takes_nothing(make: Callable[[], Sink]) -> None:
    sink = make()
    await sink.open()
    await sink.handle([])
    await sink.close()


async def test_it_takes_the_same_entries_again(make: Callable[[], Sink]) -> None:
    entries = whole_session()
    sink = make()
    await sink.open()
    for _ in range(3):
        await sink.handle(entries)
    await sink.close()


async def test_it_begins_in_the_middle(make: Callable[[], Sink]) -> None:
    sink = make()
    await sink.open()
    await sink.handle(whole_session()[9:20])
    await sink.close()


async def test_it_closes_twice(make: Callable[[], Sink]) -> None:
    sink = make()
    await sink.open()
    await sink.close()
    await sink.close()


async def test_it_closes_unopened(make: Callable[[], Sink]) -> None:
    await make().close()


async def test_it_opens_again(make: Callable[[], Sink]) -> None:
    sink = make()
    for _ in range(2):
        await sink.open()
        await sink.handle(whole_session())
        await sink.close()


@pytest.mark.parametrize("rounds", range(4))
async def test_a_cancelled_call_leaves_it_usable(make: Callable[[], Sink], rounds: int) -> None:
    """Cancelled after so many rounds of the event loop."""
    entries = whole_session()
    sink = make()
    await sink.open()
    call = asyncio.create_task(sink.handle(entries), name="call")
    for _ in range(rounds):
        await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait({call})
    assert call.cancelled() or call.exception() is None

    await sink.handle(entries)
    await sink.close()


@pytest.mark.parametrize("rounds", range(4))
async def test_an_opening_that_is_cancelled_can_be_closed(
    make: Callable[[], Sink], rounds: int
) -> None:
    sink = make()
    call = asyncio.create_task(sink.open(), name="call")
    for _ in range(rounds):
        await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait({call})
    await sink.close()


async def test_it_leaves_no_task_behind(make: Callable[[], Sink]) -> None:
    before = asyncio.all_tasks()
    async with SinkQueue(make()) as queue:
        for entry in whole_session():
            queue.put(entry)
        assert await queue.flush(TIMEOUT_S)
    await asyncio.sleep(0.01)

    assert asyncio.all_tasks() == before
    assert queue.dropped == 0
