# SPDX-License-Identifier: MIT
"""Notes before a session at a terminal: the safety note once, and how the last session ended."""

from __future__ import annotations

import asyncio
import shutil
import sys
import textwrap
from contextlib import suppress
from typing import TYPE_CHECKING

from tenuto.errors import TenutoError
from tenuto.terminal.words import printable

from .privacy import NOTE_SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenuto.config import Config
    from tenuto.history import SessionRow
    from tenuto.history.adherence import StoppedAt

READ_TIMEOUT_S = 5.0
LOOKED_AT_MAX = 20
"""How many sessions back to look for the last one of a routine."""

SAFETY_NOTE = """\
This is shown once. Tenuto is a timer, not medical advice.

Stretch to mild tension, never into pain, and keep breathing. A long press stops everything.

Call for emergency care at once for: new trouble with bladder, bowel or sexual function; numbness
between the legs; weakness or numbness in both legs; unsteady walking.

Ask a doctor first after a fall or an accident, with osteoporosis or long use of steroids, with
fever or weight loss that nothing explains, and when pain below the knee grows worse.

What research says, and does not say, is in Tenuto's EVIDENCE.md."""
WIDTH_MAX = 80
"""Of the note; longer lines are hard to read."""


def tell(config: Config, routine: str | None, wearable: str | None) -> None:
    """Tell a person what they should know before they start, on standard error.

    The note stays until they press Enter, where there is a person to press it.
    """
    _show_note(config.own.data / NOTE_SHOWN)
    for line in _last_time(config, routine, wearable):
        print(f"tenuto: {line}", file=sys.stderr)


def _show_note(marker: Path) -> None:
    if marker.exists():
        return
    width = min(WIDTH_MAX, shutil.get_terminal_size((WIDTH_MAX, 24)).columns)
    for paragraph in SAFETY_NOTE.split("\n\n"):
        print(textwrap.fill(paragraph, max(20, width)), file=sys.stderr)
    print(file=sys.stderr)
    if sys.stdin.isatty() and sys.stderr.isatty():
        print("Enter begins, Ctrl-C leaves.", end=" ", file=sys.stderr, flush=True)
        sys.stdin.readline()
    with suppress(OSError):  # then it is shown again, which does no harm
        marker.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        marker.touch(mode=0o600)


def _last_time(config: Config, routine: str | None, wearable: str | None) -> list[str]:
    """Say where this routine was stopped last time, if it was stopped in a hold."""
    if not config.history_path.exists():
        return []
    worn = config.wearables[0] if wearable is None else config.wearable(wearable)
    name = routine or config.routine_for(worn)
    with suppress(TenutoError, TimeoutError):  # the session itself will tell what is wrong
        found = asyncio.run(
            _stopped(
                config,
                lambda row: (
                    (row.routine, row.person) == (name, worn.person) and not row.is_simulated
                ),
            )
        )
        if found is not None:
            held_s, planned_s = found.hold.held_ms // 1000, found.hold.planned_ms // 1000
            where = f"in {printable(found.hold.place)}, after {held_s} s of {planned_s}"
            shorter = f"hold_s = {found.suggested_ms // 1000} in the routine"
            return [f"last time you stopped {where}; {shorter} would be a shorter start"]
    return []


async def _stopped(config: Config, wanted: Callable[[SessionRow], bool]) -> StoppedAt | None:
    from tenuto.history import Store
    from tenuto.history.adherence import stopped_at
    from tenuto.history.timeline import account

    async with (
        asyncio.timeout(READ_TIMEOUT_S),
        Store(config.history_path, read_only=True) as store,
    ):
        for row in await store.sessions(LOOKED_AT_MAX):
            if wanted(row):
                session = await store.session(row.id)
                return None if session is None else stopped_at(account(session))
    return None
