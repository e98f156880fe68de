# SPDX-License-Identifier: MIT
"""Whatever fails at one wearable is tried again, and the others and the daemon do not notice."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import RecordsLost, SessionEnded, SessionStarted
from tenuto.sessions.tracker import Tracker
from tenuto.wearables.band import BandDriver
from tests.daemon.rig import Collector, RecordingMotor, connected, daemon_for, log_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenuto.daemon.commands import Commands

UNEXPECTED = (
    RuntimeError("of a library: pulse 187"),
    AssertionError(),
    EOFError(),
    ValueError("embedded null byte"),
    KeyError("handle"),
    asyncio.CancelledError(),  # of a future inside a library, and not of the task
    ExceptionGroup("several", [OSError()]),
)


class FaultyDriver(BandDriver):
    """A driver in which something unexpected happens as long as `error` is set."""

    def __init__(self, link: InProcessLink) -> None:
        super().__init__(link)
        self.error: BaseException | None = None
        self.where = ""
        self.faults = 0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name == "where" or name.startswith("_") or name != self.where or self.error is None:
            return found

        async def fail(*args: Any) -> Any:
            if name == "disconnect":
                await found(*args)
            self.faults += 1
            assert self.error is not None
            raise self.error

        return fail


Edges = list[tuple[int, int]]


async def session_beside(
    path: Path, add: Callable[[Commands], FaultyDriver | None]
) -> tuple[Edges, list[Any]]:
    """Play a session on a wearable; give its motor's edges and what the history has of it."""
    motor, seen = RecordingMotor(), Collector()
    band = InProcessBand(motor)
    async with daemon_for(path, {"band": InProcessLink(band)}, seen) as (daemon, store):
        await connected(daemon)
        faulty = add(daemon)
        await asyncio.sleep(20)
        assert (await daemon.submit(Command(wearable="band", verb=Verb.START))).ok
        start = await seen.until(lambda e: isinstance(e.event, SessionStarted))
        await seen.ended()
        await asyncio.sleep(1)
        (row,) = await store.sessions()
        stored = await store.session(row.id)
        assert stored is not None
        records = [item.record for item in stored.records]
        assert records == [r for r in log_of(band) if r.seq >= row.key.seq]
        assert start.record is not None
        start_ms = start.record.at_ms
        if faulty is not None:
            assert faulty.faults >= 2, "it was not tried again"
            faulty.error = None
            await connected(daemon, "faulty")
    began_ms = motor.edges[0][0]
    edges = [(at_ms - began_ms, strength) for at_ms, strength in motor.edges]
    return edges, [(r.seq, r.at_ms - start_ms, r.kind, r.a, r.b) for r in records]


@pytest.mark.parametrize("error", UNEXPECTED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["connect", "status", "clock", "follow", "disconnect"])
async def test_the_other_wearable_plays_and_is_kept_as_if_nothing_were(
    tmp_path: Path, where: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def add(daemon: Commands) -> FaultyDriver:
        link = InProcessLink(InProcessBand(RecordingMotor(), boot_id=9))
        driver = FaultyDriver(link)
        driver.where, driver.error = where, error
        daemon.hub.add("faulty", None, driver)
        if where == "disconnect":
            asyncio.get_running_loop().create_task(drop_again_and_again(link))
        return driver

    with caplog.at_level(logging.INFO):
        undisturbed = await session_beside(tmp_path / "one.db", lambda _daemon: None)
        assert await session_beside(tmp_path / "two.db", add) == undisturbed
    told = [r.getMessage() for r in caplog.records if "wearable=faulty" in r.getMessage()]
    assert any(type(error).__name__ in line and "test_isolated.py:" in line for line in told)
    assert "187" not in caplog.text, "what an error quotes may be private"


async def drop_again_and_again(link: InProcessLink) -> None:
    for _ in range(3):
        await asyncio.sleep(4)
        link.drop()


async def test_a_record_that_cannot_be_read_is_told_as_lost_and_the_next_ones_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Tracker.feed

    def feed_but_one(self: Tracker, record: Any) -> Any:
        if record.seq == 9:
            raise IndexError
        return feed(self, record)

    monkeypatch.setattr(Tracker, "feed", feed_but_one)
    seen = Collector()
    link = InProcessLink(InProcessBand(RecordingMotor()))
    async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, _):
        await connected(daemon)
        await daemon.submit(Command(wearable="band", verb=Verb.START))
        ended = await seen.ended()
    assert ended.reason == "finished"
    lost = [e.event for e in seen.entries if isinstance(e.event, RecordsLost)]
    assert [event.count for event in lost] == [1]


async def test_who_is_told_of_a_link_cannot_end_it(tmp_path: Path) -> None:
    def fail(_name: str, _state: object) -> None:
        raise RuntimeError

    link = InProcessLink(InProcessBand(RecordingMotor()))
    async with daemon_for(tmp_path / "h.db", {}) as (daemon, _):
        daemon.hub._around.on_link = fail
        daemon.hub.add("band", None, BandDriver(link))
        await connected(daemon)
        await asyncio.sleep(60)
        assert daemon.supervisors["band"].connected.is_set()


async def test_a_number_in_the_history_that_no_log_has_does_not_keep_the_wearable_away(
    tmp_path: Path,
) -> None:
    """As an older version stored what a band had told."""

    seen = Collector()
    band = InProcessBand(RecordingMotor())
    link = InProcessLink(band)
    async with daemon_for(tmp_path / "h.db", {"band": link}) as (daemon, store):
        await connected(daemon)
        await daemon.submit(Command(wearable="band", verb=Verb.START))
        await asyncio.sleep(10)
        await daemon.submit(Command(wearable="band", verb=Verb.STOP))
        await asyncio.sleep(1)
        await store.work(
            lambda db: db.execute(
                "UPDATE records SET seq = 4294967296 WHERE seq = (SELECT max(seq) FROM records)"
            )
        )
    async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, _):
        await connected(daemon)
        assert (await daemon.submit(Command(wearable="band", verb=Verb.START))).ok
        await seen.until(
            lambda e: isinstance(e.event, SessionEnded) and e.event.reason == "finished"
        )
