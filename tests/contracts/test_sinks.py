# SPDX-License-Identifier: MIT
"""What a queue may expect of any sink. A new sink is one row in `SINKS`."""

from __future__ import annotations

import asyncio
import io
import math
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenuto import event_loops
from tenuto.config import Config, History, Mqtt, Person, Wearable
from tenuto.daemon.build import Setting, open_host
from tenuto.daemon.sinks import SINKS as ROWS, HeartRate, Sink, SinkQueue
from tenuto.history import HistorySink, Store
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.bridge import Bridge
from tenuto.mqtt.broker import EmbeddedBroker
from tenuto.mqtt.discovery import Subject
from tenuto.sessions.commands import Answer
from tenuto.sessions.events import EVENTS_OF_THE_HEART, CueFired
from tenuto.terminal.jsonlines import JsonSink
from tenuto.terminal.plain import LinesSink
from tests.contracts import throwaway_sink
from tests.daemon.rig import Collector
from tests.history.sessions import whole_session
from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tenuto.sessions.admission import Request
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
    async def submit(_: Request) -> Answer:
        return Answer(ok=True, reason="ok", text="")

    made = Bridge([address], submit=submit, rng=random.Random(1))
    made.set_subjects([Subject(id="wrist", name="wrist")])
    return made


@asynccontextmanager
async def mqtt(_: Path) -> AsyncIterator[Callable[[], Sink]]:
    async with EmbeddedBroker() as broker:
        yield lambda: bridge(broker.address)


@asynccontextmanager
async def mqtt_without_broker(_: Path) -> AsyncIterator[Callable[[], Sink]]:
    yield lambda: bridge(BrokerAddress("127.0.0.1", 1))


@asynccontextmanager
async def throwaway(_: Path) -> AsyncIterator[Callable[[], Sink]]:
    yield throwaway_sink.NewestCues


SINKS = [null, lines, json_lines, history, mqtt, mqtt_without_broker, throwaway]


@pytest.fixture(params=SINKS, ids=lambda sink: sink.__name__)
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[], Sink]]:
    surroundings: AbstractAsyncContextManager[Callable[[], Sink]] = request.param(tmp_path)
    async with surroundings as factory, asyncio.timeout(patience_s(TIMEOUT_S)):
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
        assert await queue.flush(patience_s(TIMEOUT_S))
    await asyncio.sleep(0.01)

    assert asyncio.all_tasks() == before
    assert queue.dropped == 0


@pytest.mark.parametrize(
    "heart, person, sees",
    [
        (None, "anna", False),
        (HeartRate.SHARED, None, False),
        (HeartRate.SHARED, "ben", False),
        (HeartRate.SHARED, "anna", True),
        (HeartRate.ALL, None, True),
        (ROWS["mqtt"].heart, "ben", False),
        (ROWS["mqtt"].heart, "anna", True),
    ],
)
def test_a_sink_is_one_file_and_one_row_and_sees_a_heart_rate_only_where_it_may(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    heart: HeartRate | None,
    person: str | None,
    *,
    sees: bool,
) -> None:
    """Anna lets her heart rate go out, Ben does not."""
    row = throwaway_sink.ROW if heart is None else replace(throwaway_sink.ROW, heart=heart)
    monkeypatch.setitem(ROWS, row.name, row)
    config = Config(
        mqtt=Mqtt(url="off"),
        history=History(path=tmp_path / "h.db"),
        people=(Person(id="anna", publish_heart_rate=True), Person(id="ben")),
        wearables=(Wearable(id="wrist", link="simulated", person=person),),
    )
    setting = Setting(config=config, speed=math.inf, mqtt=False, say=lambda _: None, seed=0)
    seen = Collector()

    async def scenario() -> None:
        async with open_host(setting, config.wearables, [seen]) as host, host.running():
            supervisor = host.hub.supervisors["wrist"]
            await asyncio.wait_for(supervisor.connected.wait(), 60)
            await supervisor.start(host.compile("wrist", host.library.routine("lower-back")))
            await seen.ended()
            await host.flush()

    event_loops.run(scenario(), speed=math.inf)
    sink = throwaway_sink.BUILT.pop()
    told = [entry.event for entry in seen.entries]
    assert list(sink.cues) == [event.cue for event in told if isinstance(event, CueFired)][-100:]
    assert "finished" in sink.cues
    assert {type(event) for event in told} & EVENTS_OF_THE_HEART, "there was nothing to hide"
    assert bool(sink.shown & EVENTS_OF_THE_HEART) is sees
