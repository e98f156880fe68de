# SPDX-License-Identifier: MIT
"""Many bands through a proxy with few slots: all play, and all is in the history soon after."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.sessions.commands import Command, Verb
from tests.proxies.rig import house
from tests.storm.rooms import records_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.proxies.rig import ProxyHouse

ROUTINE = "lower-back-short"
LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Crowd:
    """What has become of them.

    Attributes:
        started_s: After how long the last one had begun.
        complete_s: How long after the end of the last session the history had everything.
        edges: How many edges each motor had.
        apart_ms: How far at most the same edge was from its time on another band: they play the
            same plan, and none knows what the links do.
        links_most: How many links there were at once.
    """

    started_s: float
    complete_s: float
    edges: int
    apart_ms: float
    links_most: int


async def _start(it: ProxyHouse, name: str) -> None:
    while True:
        await it.daemon.supervisors[name].connected.wait()
        command = Command(wearable=name, verb=Verb.START, routine=ROUTINE)
        answer = await it.daemon.submit(command)
        if answer.ok or answer.reason == "already_playing":
            return
        assert answer.reason == "unreachable", answer
        await asyncio.sleep(0.1)


async def _is_complete(it: ProxyHouse, name: str) -> bool:
    """Whether the session is in the history with each record that the band has of it."""
    rows = [row for row in await it.store.sessions() if row.wearable == name]
    if len(rows) != 1 or rows[0].reason != "finished":
        return False
    stored = await it.store.session(rows[0].id)
    assert stored is not None
    records = [one.record for one in stored.records]
    first, last = rows[0].key.seq, records[-1].seq
    log = records_of(it.bands[name].app.band.log)
    assert records == [one for one in log if first <= one.seq <= last], name
    return True


async def _felt(it: ProxyHouse, name: str) -> list[tuple[float, int]]:
    """Return the edges of a motor in the session: ms since its beginning, strength in %."""
    (row,) = [row for row in await it.store.sessions() if row.wearable == name]
    stored = await it.store.session(row.id)
    assert stored is not None
    band = it.bands[name]
    ahead_ms = band.board.ticks_ms() - band.app._clock.now()
    begin_ms, end_ms = (stored.records[at].record.at_ms + ahead_ms for at in (0, -1))
    return [
        (edge.t_ms - begin_ms, edge.strength_pct)
        for edge in band.motor.edges
        if begin_ms - 1 <= edge.t_ms <= end_ms + 1
    ]


async def crowd(path: Path, bands: int, slots: int) -> Crowd:
    """Let so many bands begin at once and see to it that all is well in the end."""
    async with house(path, rooms=1, bands=bands, slots=slots) as it:
        loop = asyncio.get_running_loop()
        (proxy,) = it.proxies.values()
        begin_s = loop.time()
        most = 0

        async def look() -> None:
            nonlocal most
            while True:
                most = max(most, proxy.links)
                await asyncio.sleep(LOOK_S)

        looking = asyncio.create_task(look(), name="look")
        await asyncio.gather(*(_start(it, name) for name in it.bands))
        started_s = loop.time() - begin_s
        played = [one.app.band for one in it.bands.values()]
        while any(band.is_playing for band in played):  # noqa: ASYNC110 - in virtual time
            await asyncio.sleep(LOOK_S)
        ended_s = loop.time()
        for name in it.bands:
            while not await _is_complete(it, name):  # noqa: ASYNC110 - likewise
                await asyncio.sleep(LOOK_S)
        looking.cancel()
        complete_s = loop.time() - ended_s
        felt = [await _felt(it, name) for name in it.bands]
        for name, one in zip(it.bands, felt, strict=True):
            assert [pct for _, pct in one] == [pct for _, pct in felt[0]], name
        times = list(zip(*([ms for ms, _ in one] for one in felt), strict=True))
        return Crowd(
            started_s=started_s,
            complete_s=complete_s,
            edges=len(felt[0]),
            apart_ms=max(max(one) - min(one) for one in times),
            links_most=most,
        )
