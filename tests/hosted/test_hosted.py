# SPDX-License-Identifier: MIT
"""Sessions for which the host plays: the promises of the band, and what is told as not felt."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from tenuto.config import Config, Folders, Wearable
from tenuto.daemon.drivers import Drivers
from tenuto.errors import LinkError, RefusedError
from tenuto.history.summary import summarize
from tenuto.history.timeline import account
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.mqtt.topics import session_payload
from tenuto.report.session_page import session_report
from tenuto.sessions.commands import Verb
from tenuto.sessions.events import (
    CueFired,
    LinkLost,
    Paused,
    Resumed,
    SessionEnded,
    SessionStarted,
    Skipped,
    StepEnded,
    StepStarted,
    Unfelt,
    WearableRestarted,
)
from tenuto.sessions.view import SessionView
from tenuto.simulator import World
from tenuto.state.keys import KeyStore
from tenuto.terminal import words
from tenuto.wearables import registry
from tenuto.wearables.model import Capability
from tenuto.wearables.pairing import Target, pair_over_air
from tenuto_core.limits import ON_MS_MAX
from tests.hosted.rig import NAME, HostedRoom, hosted_room, unfelt_in

if TYPE_CHECKING:
    from pathlib import Path

IN_FIRST_HOLD_S = 5.0
AWAY_S = 20.0


async def playing(room: HostedRoom, for_s: float = IN_FIRST_HOLD_S) -> None:
    await room.start()
    await asyncio.sleep(for_s)


async def back(room: HostedRoom) -> None:
    """Wait until the device is reached again."""
    async with asyncio.timeout(300):
        await room.daemon.supervisors[NAME].connected.wait()


async def test_a_session_is_felt_and_kept_as_on_a_band(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db") as room:
        await room.start()
        ended = await room.seen.ended()
        told = await room.told()
        pulses = [edge for edge in room.device.motor.edges if edge.on]
        cues = [event for event in told if isinstance(event, CueFired)]
        plan = room.plan.plan

    assert (ended.reason, ended.t_ms) == ("finished", plan.duration_ms + 25)
    felt = [plan.patterns[list(words.CUE_WORDS).index(cue.cue)] for cue in cues]
    assert len(pulses) == sum(map(len, felt))
    assert room.device.levels[-1] == 0, "the motor is off at the end"
    assert unfelt_in(told) == 0
    assert max(cue.late_ms for cue in cues) <= 1


@pytest.mark.parametrize("model", ["alert", "infinitime"])
async def test_a_device_that_is_gone_pauses_and_only_a_person_goes_on(
    tmp_path: Path, model: str
) -> None:
    async with hosted_room(tmp_path / "h.db", model) as room:
        await playing(room)
        room.world.radio.silence(room.device.address, AWAY_S)
        lost = await room.seen.until(lambda entry: isinstance(entry.event, LinkLost))
        assert room.events(Paused), "told before the loss, so that no screen says that it goes on"
        assert await room.state() == "paused"
        before = len(room.device.motor.edges)
        await back(room)
        await asyncio.sleep(30)
        assert await room.state() == "paused", "nobody has gone on"
        felt = room.device.motor.edges[before:]
        assert 0 < len(felt) <= 2 * len(room.plan.plan.patterns[-1]), "felt: a session waits"
        assert (await room.ask(Verb.RESUME)).ok
        ended = await room.seen.ended()
        told = await room.told()

    assert ended.reason == "finished"
    assert lost.event.seq is None
    holds = [e for e in told if isinstance(e, StepEnded) and e.kind == "hold"]
    assert [(hold.outcome, hold.elapsed_ms) for hold in holds] == [("complete", 10_000)] * 2
    (paused,) = [event for event in told if isinstance(event, Paused)]
    assert paused.source == "host"
    assert unfelt_in(told) >= 1, "the attention of the pause, at least"


async def test_what_was_not_taken_is_never_told_as_felt(tmp_path: Path) -> None:
    """The link is dead for seconds before anybody knows."""
    async with hosted_room(tmp_path / "h.db") as room:
        await room.start()
        await asyncio.sleep(2.5)
        before = sum(edge.on for edge in room.device.motor.edges)
        room.world.radio.silence(room.device.address, AWAY_S)
        await room.seen.until(lambda entry: isinstance(entry.event, LinkLost))
        assert sum(edge.on for edge in room.device.motor.edges) == before
        await back(room)
        await room.ask(Verb.RESUME)
        await room.seen.ended()
        told = await room.told()
        (row,) = await room.store.sessions()
        stored = await room.store.session(row.id)

    summary = summarize(told)
    # The cues of the holds that began while the device was away, and the attention of the pause.
    assert summary.unfelt >= 2
    assert summary.cues > summary.unfelt
    text = "\n".join(words.summary(summary))
    assert f"{summary.unfelt} of {summary.cues} not felt" in text
    view = SessionView()
    for event in told:
        view.apply(event, event.t_ms)
    payload = session_payload(view)
    assert (payload["cues_not_felt"], payload["cues"]) == (summary.unfelt, summary.cues)
    assert stored is not None
    page = session_report(account(stored)).html
    assert f"of {summary.cues} cues: the device did not take them" in page


async def test_a_cue_on_its_way_when_the_link_breaks_is_not_felt(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db") as room:
        await room.start()
        await room.seen.until(
            lambda entry: isinstance(entry.event, CueFired) and entry.event.cue == "hold_start"
        )
        room.world.radio.drop(room.device.address)
        await room.ask(Verb.STOP)
        told = await room.told()

    taken_back = [event.cue for event in told if isinstance(event, Unfelt)]
    assert taken_back[0] == "hold_start"


async def test_away_it_can_be_stopped_and_nothing_that_is_felt_begins(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db") as room:
        await playing(room)
        await room.device.stop()
        await room.seen.until(lambda entry: isinstance(entry.event, LinkLost))
        for verb in (Verb.RESUME, Verb.SKIP, Verb.BACK, Verb.TOGGLE):
            answer = await room.ask(verb)
            assert not answer.ok
            assert answer.reason == "unreachable"
        with pytest.raises(LinkError, match="out of reach"):
            await room.daemon.supervisors[NAME].start(room.plan)
        assert (await room.ask(Verb.STOP)).ok
        ended = await room.seen.ended()
        told = await room.told()

    assert (ended.reason, ended.source) == ("stopped", "host")
    assert told[-1] == ended or any(isinstance(event, SessionEnded) for event in told)


async def test_a_device_that_never_comes_back_leaves_no_session_open(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db") as room:
        await playing(room)
        await room.device.stop()
        over = await room.seen.until(lambda entry: isinstance(entry.event, SessionEnded), 7_200)

    assert over.event.t_ms >= 3_600_000, "a pause lasts an hour at most"


@pytest.mark.parametrize("model", ["alert", "infinitime"])
async def test_a_session_outlives_a_daemon_that_is_killed(tmp_path: Path, model: str) -> None:
    async with hosted_room(tmp_path / "a" / "h.db", model, keeps=True) as room:
        await playing(room, 15)
        shutil.copytree(tmp_path / "a", tmp_path / "b")  # as a kill leaves it
        step = (await room.driver.status()).step
    async with hosted_room(tmp_path / "b" / "h.db", model, keeps=True) as room:
        await back(room)
        assert await room.state() == "paused"
        status = await room.driver.status()
        assert status.step == step
        assert (await room.ask(Verb.RESUME)).ok
        ended = await room.seen.until(
            lambda entry: isinstance(entry.event, SessionEnded) and entry.event.source == "plan"
        )
        told = await room.told()
        rows = sorted(await room.store.sessions(), key=lambda row: row.id)
        stored = await room.store.session(rows[0].id)
        (sitting,) = await room.store.sittings()
        (outline,) = await room.store.outlines([sitting])

    assert isinstance(ended.event, SessionEnded)
    assert ended.event.reason == "finished"
    assert [row.reason for row in rows] == ["failed", "finished"], "the user is told"
    assert (sitting.reason, len(sitting.numbers)) == ("finished", 2), "and it is told as one"
    assert outline.summary.holds_completed == outline.summary.holds_planned
    assert outline.summary.pauses == 1
    first = next(event for event in told if isinstance(event, SessionStarted))
    assert first.source == "reset"
    holds = [e for e in told if isinstance(e, StepEnded) and e.kind == "hold"]
    assert [hold.outcome for hold in holds] == ["complete"]
    assert stored is not None
    assert any(isinstance(item.event, WearableRestarted) for item in stored.host_events)


async def test_the_first_thing_said_to_a_device_is_to_be_still(tmp_path: Path) -> None:
    """A process that was killed may have left the motor on."""
    async with hosted_room(tmp_path / "h.db") as room:
        await back(room)
        assert room.device.levels == [0]


async def test_a_tag_that_is_let_go_of_in_a_pulse_is_told_to_be_still(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db") as room:
        await room.start()
        while room.device.levels[-1] == 0:  # noqa: ASYNC110 - of what has no event
            await asyncio.sleep(0.01)
        await room.driver.disconnect()
        assert room.device.levels[-1] == 0
        assert len(room.device.levels) == 3


async def test_a_session_of_yesterday_is_over(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "a" / "h.db", keeps=True) as room:
        await playing(room)
        shutil.copytree(tmp_path / "a", tmp_path / "b")
    journal = tmp_path / "b" / "hosted" / NAME / "journal"
    yesterday_s = time.time() - 86_400
    os.utime(journal, (yesterday_s, yesterday_s))
    async with hosted_room(tmp_path / "b" / "h.db", keeps=True) as room:
        await back(room)
        await asyncio.sleep(2)
        assert await room.state() == "idle"
        assert [row.reason for row in await room.store.sessions()] == ["failed"]


async def test_what_is_kept_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db", keeps=True) as room:
        await playing(room)
    folder = tmp_path / "hosted" / NAME
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["journal", "latency", "plan0"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    "taps,kinds",
    [(1, (Paused,)), (2, (Skipped,)), (3, (SessionEnded,))],
    ids=["pause", "skip", "stop"],
)
async def test_taps_on_its_button_are_counted(
    tmp_path: Path, taps: int, kinds: tuple[type, ...]
) -> None:
    async with hosted_room(tmp_path / "h.db") as room:
        await playing(room)
        for number in range(taps):
            room.device.button.press(after_ms=300 * number)
        await asyncio.sleep(2)
        found = room.events(Paused, Skipped, SessionEnded)
        assert tuple(map(type, found)) == kinds
        assert found[0].source == "wearer"  # type: ignore[attr-defined]


async def test_a_tap_resumes_what_the_loss_has_paused(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db") as room:
        await playing(room)
        await room.lost()
        await back(room)
        room.device.button.press()
        ended = await room.seen.ended()

    assert ended.reason == "finished"
    assert [event.source for event in room.events(Resumed)] == ["wearer"]  # type: ignore[attr-defined]


async def test_it_is_found_and_its_budget_holds(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db") as room:
        await back(room)
        supervisor = room.daemon.supervisors[NAME]
        refused = []
        for _ in range(20):
            try:
                await supervisor.alert()
            except RefusedError as error:
                refused.append(error.reason)
            await asyncio.sleep(2.5)
        edges = room.device.motor.edges
        on_ms = sum(
            (off.loop_s - on.loop_s) * 1000 for on, off in zip(edges[::2], edges[1::2], strict=True)
        )
    assert set(refused) == {"too_soon"}
    assert on_ms <= ON_MS_MAX * 1.1, "by the device's own time, which the radio stretches"


async def test_an_alert_that_is_not_taken_is_told(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db") as room:
        await back(room)
        room.world.radio.silence(room.device.address, AWAY_S)
        with pytest.raises(LinkError):
            await room.daemon.supervisors[NAME].alert()


async def test_a_start_that_is_asked_for_while_it_is_away_never_comes(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db") as room:
        await back(room)
        await room.device.stop()
        await asyncio.sleep(10)
        with pytest.raises(LinkError):
            await room.daemon.supervisors[NAME].start(room.plan)
        await room.device.boot()
        await back(room)
        await asyncio.sleep(30)
        assert room.events(StepStarted) == []


async def test_an_unfelt_cue_comes_after_the_cue_that_it_takes_back(tmp_path: Path) -> None:
    async with hosted_room(tmp_path / "h.db", loss=0.3) as room:
        await playing(room)
        room.world.radio.silence(room.device.address, AWAY_S)
        await room.seen.until(lambda entry: isinstance(entry.event, LinkLost))
        await room.ask(Verb.STOP)
        told = await room.told()
    due: list[str] = []
    for event in told:
        if isinstance(event, CueFired):
            due.append(event.cue)
        elif isinstance(event, Unfelt):
            due.remove(event.cue)


async def test_pairing_lets_it_be_felt_and_leaves_it_still() -> None:
    shown: list[str] = []
    async with World(seed=1) as world:
        tag = await world.add_device("tag", NAME)
        adapter = BleAdapter(radio_of(await world.adapter()), name="simulated")
        target = Target(tag.address, model="alert")
        paired = await pair_over_air(target, adapter, KeyStore(None), shown.append)
        await adapter.close()
        edges = tag.motor.edges
        assert [edge.on for edge in edges] == [True, False]

    assert (paired.name, paired.address, paired.is_tenuto) == (NAME, tag.address, False)
    assert shown == [f"'{NAME}' has buzzed once just now"]


def test_it_keeps_its_link_and_takes_no_slot_of_those_that_play_alone(tmp_path: Path) -> None:
    config = Config(own=Folders(tmp_path, tmp_path))
    rng = random.Random(1)
    drivers = Drivers(
        config, stack=AsyncExitStack(), keys=KeyStore(None), utc_ms=lambda: 0.0, rng=rng
    )
    address = "C1:00:00:00:00:01"
    for model in registry.models().values():
        if model.buzzes and "ble" in model.links:
            wearable = Wearable(id="one", model=model.id, link="ble", address=address)
            plays_alone = Capability.PLAYS_ALONE in model.capabilities
            assert (drivers.slots(wearable) is not None) is plays_alone
