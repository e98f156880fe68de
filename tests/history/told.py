# SPDX-License-Identifier: MIT
"""Prints as JSON what a build of Tenuto reads in plans and histories; see test_one_cue_more.py.

`python told.py ROUTINE HAPTICS HISTORY ... -- PLAN ...`
"""

from __future__ import annotations

import asyncio
import json
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

from tenuto.history import Store, replay, summarize
from tenuto.history.repair import check, rebuild
from tenuto.routines import haptics, routine
from tenuto.routines.compile import compile_routine
from tenuto_core import vocab
from tenuto_core.plan import Plan
from tests.core.describe_plan import describe


async def history(path: Path) -> dict[str, Any]:
    """Tell what a history says, also after it was mended."""
    async with Store(path) as store:
        found = await check(store)
        await rebuild(store)
        sessions = await store.between(0, 1 << 60)
    return {
        "found": [found.damage, found.faults, found.notes],
        "plans": [session.row.plan_id for session in sessions if session.plan is not None],
        "sessions": [str(summarize([event for event, _ in replay(s)])) for s in sessions],
        "events": [[str(pair) for pair in replay(session)] for session in sessions],
    }


def main(arguments: list[str]) -> None:
    """Tell of all that is named."""
    at = arguments.index("--")
    text, feel, *histories = map(Path, arguments[:at])
    compiled = compile_routine(routine.load(text), haptics.load(feel))
    told = {
        "cues": vocab.CUES,
        "plans": [describe(Plan(Path(path).read_bytes())) for path in arguments[at + 1 :]],
        "histories": [asyncio.run(history(path)) for path in histories],
        "compiled": {n: b64encode(compiled.for_device(n).data).decode() for n in (1, 2)},
    }
    print(json.dumps(told, default=str))  # noqa: T201 - a script


if __name__ == "__main__":
    main(sys.argv[1:])
