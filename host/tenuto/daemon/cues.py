# SPDX-License-Identifier: MIT
"""Playing one cue on a wearable, so that its wearer learns it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.cues.trials import cue_plan
from tenuto.routines.adjust import adjust_vocabulary
from tenuto.routines.feel import fit
from tenuto.toml.rules import Choice, Text
from tenuto.toml.tables import key
from tenuto.wearables import registry
from tenuto_core.vocab import CUES

from .play import Ended, Run, run, supervisor_of

if TYPE_CHECKING:
    from tenuto.routines.compile import CompiledPlan

    from .build import Host
    from .operations import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayCue:
    """Which cue to play, and where."""

    cue: str = key(Choice(CUES), "a cue's name")
    wearable: str | None = key(Text(64), "a wearable's id, the first one without it", default=None)


async def play_cue(host: Host, asked: PlayCue, person: Person) -> Ended:
    """Play a cue as it is felt in a session: fitted to the motor, in the strength that is set.

    Raises:
        InputError: There is no such wearable, or the cue is silent there.
        LinkError: The wearable is out of reach.
        RefusedError: It plays a session, which goes on.
    """
    supervisor = supervisor_of(host, asked.wearable)

    def compiled() -> CompiledPlan:
        liked = host.settings.preferences(supervisor.name).adjustment
        vocabulary = adjust_vocabulary(host.library.vocabulary(), liked)
        feel = registry.feel(host.config.wearable(supervisor.name))
        return cue_plan(vocabulary if feel is None else fit(vocabulary, feel), asked.cue)

    plan = await host.files.read(compiled)
    return await run(host, Run(wearable=supervisor.name, plan=plan), person)
