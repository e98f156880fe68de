# SPDX-License-Identifier: MIT
"""What each model can do, and what it did in one session: `python -m tests.contracts.results`.

Each plays a routine on its simulated device, with a daemon and its history, in virtual time: it is
out of reach for a minute, is resumed by its wearer where that has paused the session, and is paused
and resumed once more.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto import event_loops
from tenuto.routines.library import Library
from tenuto.sessions.commands import Command, Verb
from tenuto.wearables import registry
from tenuto.wearables.model import Capability
from tenuto_core import vocab
from tests.contracts.rigs import NOTICED_S, rigs_of
from tests.daemon.rig import Collector, connected, daemon_for

if TYPE_CHECKING:
    from tenuto.wearables.model import Model

NAME = "wrist"
AWAY_AFTER_S, AWAY_S, PAUSED_S = 40.0, 60.0, 5.0


@dataclass(frozen=True, slots=True)
class Result:
    """What one model did.

    Attributes:
        can: What its row in the registry promises.
        due: How many cues the plan has.
        cues: How many the history has, with those of pauses.
        unfelt: How many of these are told as not felt.
        pulses_told: The pulses of those that count as felt.
        pulses: How often its motor went on.
        is_off: Whether its motor was off at the end.
        paused_by_loss: Whether the session waited while it was away.
        missing: Records that the history lacks.
        reason: How the session ended.
    """

    model: str
    can: Capability
    due: int
    cues: int
    unfelt: int
    pulses_told: int
    pulses: int
    is_off: bool
    paused_by_loss: bool
    missing: int
    reason: str


def models() -> list[Model]:
    """Those that can be simulated here."""
    return [model for model in registry.models().values() if model.buzzes and rigs_of(model)]


async def play(model: Model, folder: Path, routine: str = "lower-back") -> Result:
    """Play a routine on a model's simulated device."""
    name = next(iter(rigs_of(model)))
    seen = Collector()
    async with rigs_of(model)[name](model) as rig:
        feel = None if model.feel is None else model.feel(rig.wearable)
        library = Library()
        compiled = library.compile(library.routine(routine), feel=feel)
        plan, path = compiled.plan, folder / f"{model.id}.db"
        async with daemon_for(path, {NAME: rig.driver}, seen) as (daemon, store):  # type: ignore[dict-item]
            await connected(daemon, NAME)
            await asyncio.sleep(10)
            before = len(rig.edges())
            await daemon.supervisors[NAME].start(compiled)
            await asyncio.sleep(AWAY_AFTER_S)
            await rig.take_away(AWAY_S)
            await asyncio.sleep(AWAY_S - NOTICED_S)
            await rig.bring_back()
            await connected(daemon, NAME)
            await asyncio.sleep(2)
            is_paused = (await rig.driver.status()).state == "paused"
            for verb in (Verb.RESUME,) * is_paused + (Verb.PAUSE, Verb.RESUME):
                await asyncio.sleep(PAUSED_S)
                answer = await daemon.submit(Command(wearable=NAME, verb=verb))
                assert answer.ok, answer
            ended = await seen.ended()
            await asyncio.sleep(5)
            (row,) = await store.sessions()
            kept = await store.find(row.key)
            edges = rig.edges()[before:]
    assert kept is not None
    records = {one.record.seq: one.record for one in kept.records}
    cues = {seq: record for seq, record in records.items() if record.kind == vocab.CUE}
    unfelt = {record.b for record in records.values() if record.kind == vocab.UNFELT}
    return Result(
        model=model.id,
        can=model.capabilities,
        due=sum(len(plan.step(number).cues) for number in range(plan.steps)),
        cues=len(cues),
        unfelt=len(unfelt),
        pulses_told=sum(len(plan.patterns[cues[seq].a]) for seq in cues.keys() - unfelt),
        pulses=sum(1 for _, strength_pct in edges if strength_pct),
        is_off=not edges[-1][1],
        paused_by_loss=is_paused,
        missing=max(records) - min(records) + 1 - len(records),
        reason=ended.reason,
    )


def table(results: list[Result]) -> list[str]:
    """Return the lines of a table in Markdown."""
    kinds = list(Capability)
    head = [
        *(one.name.lower().replace("_", " ") for one in kinds if one.name is not None),
        *("away for a minute", "cues", "not felt", "pulses felt / told", "records lost", "ended"),
    ]
    lines = [f"| model | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for one in results:
        cells = [
            *("yes" if kind in one.can else "" for kind in kinds),
            "waits for its wearer" if one.paused_by_loss else "goes on",
            f"{one.cues} ({one.due} of the plan)",
            str(one.unfelt),
            f"{one.pulses} / {one.pulses_told}",
            str(one.missing),
            one.reason + ("" if one.is_off else ", MOTOR ON"),
        ]
        lines.append(f"| {one.model} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routine", default="lower-back")
    routine = parser.parse_args().routine
    with tempfile.TemporaryDirectory() as folder:
        results = [
            event_loops.run(play(model, Path(folder), routine), speed=math.inf)
            for model in models()
        ]
    sys.stdout.write("\n".join(table(results)) + "\n")


if __name__ == "__main__":
    main()
