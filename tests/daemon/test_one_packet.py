# SPDX-License-Identifier: MIT
"""A stop, a pause and a toggle set out at once, in one packet, without a question before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.mqtt.discovery import WEARABLE
from tenuto.mqtt.topics import parse_command
from tenuto.routines.library import Library
from tenuto.sessions.commands import Verb
from tenuto.sessions.events import Paused, Resumed
from tenuto.wearables.band import BandDriver
from tenuto_core import player, wire
from tests.daemon.rig import Collector, RecordingMotor, command, connected, daemon_for, utc_ms

if TYPE_CHECKING:
    from pathlib import Path

OF_THE_LOG = (wire.LOG_ACK, wire.CLOCK)
"""What the host sends in any case."""


class Wire:
    """Notes what the host asks of the band; `lost` are the operations whose packets get lost."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.lost: set[int] = set()

    def __call__(self, direction: str, packet: bytes) -> bool:
        if direction == "up":
            if packet[0] not in OF_THE_LOG:
                self.asked.append(wire.FRAMES[packet[0]][0])
            return False
        return any(frame[0] in self.lost for frame in wire.split(packet))


@pytest.mark.parametrize(
    "verb, state",
    [(Verb.STOP, player.IDLE), (Verb.PAUSE, player.PAUSED), (Verb.TOGGLE, player.PAUSED)],
)
async def test_it_takes_one_packet(tmp_path: Path, verb: Verb, state: int) -> None:
    band, heard = InProcessBand(RecordingMotor()), Wire()
    link = InProcessLink(band, lose=heard)
    async with daemon_for(tmp_path / "h.db", {"band": link}) as (daemon, _):
        await connected(daemon)
        assert (await daemon.submit(command(Verb.START))).ok
        await asyncio.sleep(10)
        heard.asked.clear()
        assert (await daemon.submit(command(verb))).ok
        assert heard.asked == ["command"]
        assert band.band.player.state == state


async def test_the_button_of_home_assistant_takes_one_packet_each_time(tmp_path: Path) -> None:
    (button,) = (entity for entity in WEARABLE if entity.key == "pause")

    band, seen, heard = InProcessBand(RecordingMotor()), Collector(), Wire()
    link = InProcessLink(band, lose=heard)
    async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, _):
        await connected(daemon)
        assert (await daemon.submit(command(Verb.START))).ok
        for state in (player.PAUSED, player.RUNNING, player.PAUSED):
            await asyncio.sleep(6)
            heard.asked.clear()
            word = str(button.more["payload_press"]).encode()
            assert (await daemon.submit(parse_command("band", word, utc_ms()))).ok
            assert heard.asked == ["command"]
            assert band.band.player.state == state
        await asyncio.sleep(1)
        events = [type(entry.event) for entry in seen.entries]
        assert (events.count(Paused), events.count(Resumed)) == (2, 1)


async def test_a_toggle_that_comes_before_the_log_is_right_all_the_same(tmp_path: Path) -> None:
    band, heard = InProcessBand(RecordingMotor()), Wire()
    link = InProcessLink(band, lose=heard)
    async with daemon_for(tmp_path / "h.db", {"band": link}) as (daemon, _):
        await connected(daemon)
        assert (await daemon.submit(command(Verb.START))).ok
        await asyncio.sleep(10)
        heard.lost = {wire.LOG}
        band.press(80)
        await asyncio.sleep(1)
        assert band.band.player.state == player.PAUSED
        assert "resume" in (await daemon.submit(command(Verb.TOGGLE))).text
        assert band.band.player.state == player.RUNNING


async def test_a_toggle_whose_answer_was_lost_is_obeyed_once_and_told_as_it_was(
    tmp_path: Path,
) -> None:
    band, seen, heard = InProcessBand(RecordingMotor()), Collector(), Wire()
    link = InProcessLink(band, lose=heard)
    async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, _):
        await connected(daemon)
        assert (await daemon.submit(command(Verb.START))).ok
        await asyncio.sleep(10)
        heard.lost = {wire.COMMAND | wire.ANSWER}
        asked = command(Verb.TOGGLE, id="7")
        assert (await daemon.submit(asked)).reason == "unreachable"
        heard.lost.clear()
        await asyncio.sleep(1)
        answer = await daemon.submit(asked)
        assert (answer.ok, answer.text) == (True, "band: pause")
        assert band.band.player.state == player.PAUSED
        await asyncio.sleep(1)
        assert sum(isinstance(entry.event, Paused) for entry in seen.entries) == 1


@pytest.mark.parametrize("times", [1, 2])
async def test_a_stop_for_a_plan_that_another_host_brought_is_asked_once_and_obeyed(
    tmp_path: Path, times: int
) -> None:
    band, heard = InProcessBand(RecordingMotor()), Wire()
    link, other = InProcessLink(band, lose=heard), BandDriver(InProcessLink(band))
    async with daemon_for(tmp_path / "h.db", {"band": link}) as (daemon, _):
        await connected(daemon)
        assert (await daemon.submit(command(Verb.START))).ok
        await asyncio.sleep(10)
        heard.lost = {wire.LOG}
        plan = Library().plan("lower-back-short")
        await other.connect(lambda: None)
        await other.command(Verb.STOP, band.band.player.plan_id)
        await other.upload(plan.plan_id, plan.data)
        await other.command(Verb.START, plan.plan_id)
        await asyncio.sleep(1)
        heard.asked.clear()
        for _ in range(times):
            assert (await daemon.submit(command(Verb.STOP, id="s"))).ok
        assert heard.asked == ["command", "state", "command"]
        assert band.band.player.state == player.IDLE
        await other.disconnect()
