# SPDX-License-Identifier: MIT
"""The slow topics: what the sessions came to is told however long the disk takes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tenuto.daemon.sinks import SinkQueue
from tenuto.history import HistorySink, Store
from tenuto.history.person_summary import PersonSummaries
from tenuto.mqtt.discovery import Subject
from tenuto.mqtt.state_topics import StateTopics
from tenuto.state.settings import SettingsStore
from tenuto.wearables.device_state import DeviceState
from tests.history.prescribed import prescription
from tests.history.sessions import whole_session
from tests.mqtt.dashboard import dashboard
from tests.mqtt.test_bridge import make_bridge

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.mqtt.address import BrokerAddress

SUMMARY = "tenuto/wrist/summary"


@pytest.mark.real_time
async def test_a_session_counts_also_when_the_history_is_long_in_keeping_it(
    tmp_path: Path, embedded: BrokerAddress
) -> None:
    session = whole_session()
    now_ms = session[-1].utc_ms
    disk_free = asyncio.Event()

    async def take_long() -> None:
        await disk_free.wait()

    async with Store(tmp_path / "history.db") as store:
        bridge = make_bridge(embedded, wearables=["wrist", "arm"], utc_ms=lambda: now_ms)
        history = SinkQueue(HistorySink(store, take_long))
        feed = StateTopics(
            bridge,
            settings=SettingsStore(tmp_path / "state.json"),
            summaries=PersonSummaries(store),
            device=lambda _: DeviceState(link="simulated"),
            device_id={"arm": "name:wrist"}.get,
            routine_label=lambda _, name: name or "lower-back",
            flushed=lambda: history.flush(0.1),
            utc_ms=lambda: now_ms,
        )
        feed.set_subjects(["wrist", "arm"], [])
        async with (
            history,
            SinkQueue(bridge),
            SinkQueue(feed) as facts,
            dashboard(embedded, 5) as board,
        ):
            await board.until(lambda b: b.json(SUMMARY))
            for entry in session:
                history.put(entry)
                facts.put(entry)
            assert not await history.flush(0.5)
            assert board.json(SUMMARY)["sessions_this_week"] == 0
            disk_free.set()
            await board.until(lambda b: b.json(SUMMARY)["sessions_this_week"] == 1)
            assert board.json(SUMMARY)["last_reason"] == "finished"
            # The same device under its new name.
            await board.until(lambda b: b.json("tenuto/arm/summary")["sessions_this_week"] == 1)


@pytest.mark.real_time
async def test_what_is_due_is_told_of_a_person_and_goes_when_it_is_done(
    tmp_path: Path, embedded: BrokerAddress
) -> None:
    session = whole_session()
    now_ms = session[-1].utc_ms
    topic = "tenuto/person/ada/summary"
    async with Store(tmp_path / "history.db") as store:
        bridge = make_bridge(
            embedded,
            wearables=["wrist"],
            people=[Subject(id="ada", name="Ada")],
            utc_ms=lambda: now_ms,
        )
        feed = StateTopics(
            bridge,
            settings=SettingsStore(tmp_path / "state.json"),
            summaries=PersonSummaries(store),
            device=lambda _: DeviceState(link="simulated"),
            device_id=lambda _: None,
            routine_label=lambda _, name: name or "lower-back",
            flushed=_flushed,
            utc_ms=lambda: now_ms,
        )
        feed.set_subjects(["wrist"], ["ada"])
        async with SinkQueue(bridge), SinkQueue(feed), dashboard(embedded, 5) as board:
            await board.until(lambda b: b.json(topic))
            assert board.json(topic)["due"] is None
            await store.prescribing.add(prescription())
            feed.refresh()
            await board.until(lambda b: b.json(topic)["due"] == ["Lower back"])
            assert board.json(topic)["due_routines"] == ["lower-back"]
            await store.add(session)
            feed.refresh()
            await board.until(lambda b: b.json(topic)["due"] == [])
            told = board.json(topic)
            assert told["prescribed_done_this_week"] == 1
            assert told["next_due"] == "2027-01-18"


async def _flushed() -> bool:
    return True
