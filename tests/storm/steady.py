# SPDX-License-Identifier: MIT
"""One daemon that stays: session after session, with links that break, and what is left of each.

What a session leaves behind is found by counting what Python holds when nothing is played: all
objects that can refer to others, and the lengths of all containers, so that numbers and texts in a
list count too.
"""

from __future__ import annotations

import asyncio
import gc
import math
import sys
import weakref
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto import event_loops
from tenuto.config import Folders, parse
from tenuto.daemon.build import Setting, open_host
from tenuto.sessions.commands import Command, Verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.daemon.build import Host

ROUTINE = """
name = "often"
description = "One hold"
source = "none"
safety = "none"
ready_s = 3
[[exercise]]
name = "One"
how = "lie down"
muscles = ["back"]
hold_s = 8
"""
LASTS_S = 20.0
SILENCE_S, REUNION_S = 12.0, 600.0
QUIET_S = 120.0
"""So long after the last session, what it set has run out: timers, answers that are remembered."""
BREAK_EVERY = 4
"""Rounds from one loss of all links to the next."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process holds while nothing is played.

    Attributes:
        sessions: How many were played before.
        objects: That the collector of garbage knows, by the names of their types.
        lengths: Of all lists, dictionaries, sets and queues together.
        rss_kib: Of the process, 0 where the system does not tell.
    """

    sessions: int
    objects: Counter[str]
    lengths: int
    rss_kib: int

    @property
    def total(self) -> int:
        """All that is counted."""
        return self.objects.total() + self.lengths

    def since(self, before: Sample) -> str:
        """Return which types have become more."""
        more = (self.objects - before.objects).most_common(12)
        return ", ".join(f"{count} {name}" for name, count in more)


def play(
    folder: Path,
    *,
    rounds: int,
    samples: int,
    wearables: int,
    mqtt: str = "off",
    on_sample: Callable[[Sample], object] = lambda _: None,
) -> list[Sample]:
    """Play the same routine on all wearables, round by round.

    Args:
        folder: For the history and all else.
        rounds: From one sample to the next.
        samples: How many.
        mqtt: As `mqtt.url` in the configuration.
        on_sample: Called with each at once.
    """
    bands = "".join(
        f'[[wearable]]\nid = "band-{n}"\nlink = "simulated"\nperson = "ada"\n'
        for n in range(wearables)
    )
    text = (
        f'history.path = "history.db"\nroutines.folder = "."\nmqtt.url = "{mqtt}"\n'
        f'[[person]]\nid = "ada"\npublish_heart_rate = true\n{bands}'
    )
    (folder / "often.toml").write_text(ROUTINE, encoding="utf-8")
    config = parse(text, str(folder / "tenuto.toml"))
    object.__setattr__(config, "own", Folders(folder, folder))
    setting = Setting(config=config, speed=math.inf, mqtt=mqtt != "off", say=lambda _: None, seed=1)

    async def main() -> list[Sample]:
        taken: list[Sample] = []
        async with open_host(setting, config.wearables, []) as host, host.running():
            for _ in range(samples):
                for number in range(rounds):
                    await _play_once(host, breaks=number % BREAK_EVERY == BREAK_EVERY - 1)
                await asyncio.sleep(QUIET_S)
                await host.flush()
                taken.append(_sample((len(taken) + 1) * rounds * wearables))
                on_sample(taken[-1])
            kept = await host.store.sessions()
            assert len(kept) == samples * rounds * wearables, "a session is missing"
            assert {row.reason for row in kept} == {"finished"}
        return taken

    return event_loops.run(main(), speed=math.inf, settle_s=0.001 if setting.mqtt else 0.0)


async def _play_once(host: Host, *, breaks: bool) -> None:
    supervisors = host.hub.supervisors
    async with asyncio.timeout(REUNION_S):
        await asyncio.gather(*(one.connected.wait() for one in supervisors.values()))
    answers = await asyncio.gather(
        *(
            host.commands.submit(Command(wearable=name, verb=Verb.START, routine="often"))
            for name in supervisors
        )
    )
    assert all(answer.ok for answer in answers), answers
    if breaks:
        assert host.drivers.world is not None
        host.drivers.world.radio.silence(None, SILENCE_S, after_s=2.0)
    await asyncio.sleep(LASTS_S + (SILENCE_S + 10.0 if breaks else 0.0))


def _sample(sessions: int) -> Sample:
    gc.collect()
    objects: Counter[str] = Counter()
    lengths = 0
    for one in gc.get_objects():
        kind = type(one)
        # SQLite's connection looks through its weak references to cursors every 200 cursors only.
        if kind in (weakref.ref, Sample) or (kind is list and one and type(one[-1]) is weakref.ref):
            continue
        objects[f"{kind.__module__}.{kind.__qualname__}"] += 1
        if kind in (list, dict, set, deque):
            lengths += len(one)
    return Sample(sessions, objects, lengths, _rss_kib())


def _rss_kib() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)  # what is free already is not what a session has left
    lines = status.read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
