# SPDX-License-Identifier: MIT
"""More wearables than an adapter carries links: they share them, and nothing is lost by that."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import LinkError, LinkReason
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.sessions.commands import Command, Verb
from tenuto.wearables.command_sender import DELIVER_WITHIN_S
from tenuto.wearables.link_slots import IDLE_HOLD_S, PLAYING_HOLD_S, LinkSlots
from tests.daemon.rig import Collector, RecordingMotor, daemon_for, log_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenuto.daemon.commands import Commands

COUNT, LINKS = 7, 3


class Adapter:
    """Carries so many links and refuses more, as real ones do."""

    def __init__(self, carries: int) -> None:
        self.carries = carries
        self.up: set[LimitedLink] = set()
        self.refused = self.most = 0


class LimitedLink(InProcessLink):
    """A link on an adapter."""

    def __init__(self, adapter: Adapter, band: InProcessBand) -> None:
        super().__init__(band)
        self.adapter = adapter
        self.connecting = False

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        if len(self.adapter.up) >= self.adapter.carries:
            self.adapter.refused += 1
            raise LinkError(LinkReason.FULL, "the adapter carries no more links")
        self.adapter.up.add(self)
        self.adapter.most = max(self.adapter.most, len(self.adapter.up))
        self.connecting = True
        try:
            await super().connect(on_packet, on_lost)
        finally:
            self.connecting = False

    async def disconnect(self) -> None:
        await super().disconnect()
        if not self.connecting:
            self.adapter.up.discard(self)


async def started(daemon: Commands, name: str) -> None:
    """Begin on a wearable as soon as it has a link."""
    while True:
        await daemon.supervisors[name].connected.wait()
        answer = await daemon.submit(Command(wearable=name, verb=Verb.START))
        if answer.ok or answer.reason == "already_playing":
            return
        assert answer.reason == "unreachable", answer
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("told", [True, False], ids=["links_max is set", "the adapter says it"])
async def test_all_play_and_each_record_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, told: bool
) -> None:
    with caplog.at_level(logging.WARNING):
        adapter = Adapter(LINKS)
        bands = {f"band-{n}": InProcessBand(RecordingMotor(), n + 1) for n in range(COUNT)}
        links = {name: LimitedLink(adapter, band) for name, band in bands.items()}
        slots = LinkSlots("hci0", LINKS if told else None)
        async with daemon_for(tmp_path / "h.db", links, slots=slots) as (daemon, store):
            async with asyncio.timeout(400):
                await asyncio.gather(*(started(daemon, name) for name in bands))
            await asyncio.sleep(900)
            rows = {row.wearable: row for row in await store.sessions()}
            for name, band in bands.items():
                assert rows[name].reason == "finished"
                stored = await store.session(rows[name].id)
                assert stored is not None
                logged = [r for r in log_of(band) if r.seq >= rows[name].key.seq]
                assert [item.record for item in stored.records] == logged
            assert adapter.most == LINKS
            assert slots.limit == LINKS
            assert adapter.refused == 0 if told else 1 <= adapter.refused <= COUNT
            waiting = [k for k in daemon.supervisors.values() if not k.connected.is_set()]
            assert len(waiting) >= COUNT - LINKS
            assert any("waits for a link" in str(supervisor.problem) for supervisor in waiting)
        assert ("carries no more than 3 links" in caplog.text) is not told


async def test_everybody_has_a_link_within_bounds(tmp_path: Path) -> None:
    adapter = Adapter(2)
    links = {
        f"band-{n}": LimitedLink(adapter, InProcessBand(RecordingMotor(), n + 1)) for n in range(6)
    }
    async with daemon_for(tmp_path / "h.db", links, slots=LinkSlots("hci0", 2)) as (daemon, _):
        for _ in range(5):
            async with asyncio.timeout(3 * 40):
                await asyncio.gather(*(k.connected.wait() for k in daemon.supervisors.values()))


async def test_who_has_room_keeps_the_link(tmp_path: Path) -> None:
    adapter, seen = Adapter(2), Collector()
    links = {
        f"band-{n}": LimitedLink(adapter, InProcessBand(RecordingMotor(), n + 1)) for n in range(2)
    }
    async with daemon_for(tmp_path / "h.db", links, seen, slots=LinkSlots("hci0", 2)) as (
        daemon,
        _,
    ):
        await asyncio.gather(*(started(daemon, name) for name in links))
        await asyncio.sleep(340)
        assert not [e for e in seen.entries if e.event.name == "link_lost"]


async def test_a_stop_reaches_a_wearable_at_its_next_link(tmp_path: Path) -> None:
    assert 2 * PLAYING_HOLD_S <= DELIVER_WITHIN_S

    adapter = Adapter(1)
    bands = {f"band-{n}": InProcessBand(RecordingMotor(), n + 1) for n in range(2)}
    links = {name: LimitedLink(adapter, band) for name, band in bands.items()}
    async with daemon_for(tmp_path / "h.db", links, slots=LinkSlots("hci0", 1)) as (
        daemon,
        store,
    ):
        await asyncio.gather(*(started(daemon, name) for name in bands))
        away = next(n for n, k in daemon.supervisors.items() if not k.connected.is_set())
        answer = await daemon.submit(Command(wearable=away, verb=Verb.STOP))
        assert answer.reason == "unreachable"
        assert "waits for a link" in answer.text
        await asyncio.sleep(80)
        assert bands[away].band.player.state == 0
        await asyncio.sleep(120)
        rows = {row.wearable: row.reason for row in await store.sessions()}
        assert rows[away] == "stopped"


async def test_a_wearable_that_is_wanted_gets_the_next_slot() -> None:
    slots, order = LinkSlots("hci0", 1), list[str]()
    await slots.acquire()

    async def wait(name: str, *, is_wanted: bool) -> None:
        await slots.acquire(lambda: is_wanted)
        order.append(name)
        slots.release()

    waiting = [
        asyncio.create_task(wait(name, is_wanted=name == "wanted"))
        for name in ("first", "second", "wanted", "third")
    ]
    await asyncio.sleep(0)
    slots.release()
    await asyncio.wait(waiting)
    assert order == ["wanted", "first", "second", "third"]


async def test_all_are_reached_in_turn_when_somebody_waits_for_them(tmp_path: Path) -> None:
    adapter = Adapter(2)
    bands = {f"band-{n}": InProcessBand(RecordingMotor(), n + 1) for n in range(10)}
    links = {name: LimitedLink(adapter, band) for name, band in bands.items()}
    async with daemon_for(tmp_path / "h.db", links, slots=LinkSlots("hci0", 2)) as (daemon, _):
        loop = asyncio.get_running_loop()
        await asyncio.sleep(3)
        begun_s = loop.time()

        async def reach(name: str) -> None:
            with daemon.supervisors[name].wanted():
                await daemon.supervisors[name].connected.wait()
                await asyncio.sleep(1)

        await asyncio.gather(*map(reach, bands))
        assert loop.time() - begun_s < 10 * (1 + 1.5) / 2 + IDLE_HOLD_S / 2


async def test_a_slot_that_is_given_up_while_waiting_goes_to_the_next() -> None:
    slots = LinkSlots("hci0", 1)
    await slots.acquire()
    first, second = (asyncio.create_task(slots.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    assert slots.waiting == 2
    first.cancel()
    await asyncio.wait({first})
    slots.release()
    await second
    assert (slots.held, slots.waiting) == (1, 0)
    third = asyncio.create_task(slots.acquire())
    await asyncio.sleep(0)
    slots.release()
    third.cancel()  # just when it got its slot
    await asyncio.wait({third})
    await slots.acquire()
    assert slots.held == 1
