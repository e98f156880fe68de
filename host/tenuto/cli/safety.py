# SPDX-License-Identifier: MIT
"""Notes before a session at a terminal: the safety note once, and how the last session ended."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
import textwrap
from contextlib import suppress
from typing import TYPE_CHECKING

from tenuto.errors import TenutoError
from tenuto.files import read_text, write_private
from tenuto.terminal.words import printable

from .privacy import NOTE_SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenuto.config import Config, Wearable
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
    _show_notes(config.own.data / NOTE_SHOWN, _note_of(config, routine, wearable))
    for line in _last_time(config, routine, wearable):
        print(f"tenuto: {line}", file=sys.stderr)


def _note_of(config: Config, routine: str | None, wearable: str | None) -> str:
    """Return what a routine says of its own safety, with its title; empty where it says nothing."""
    from tenuto.routines.library import Library

    name = _meant(config, routine, _worn(config, wearable))
    with suppress(TenutoError):  # the session itself will tell what is wrong
        found = Library.of(config).open(name)
        if found.safety:
            return f"{found.shown_title}:\n{found.safety}"
    return ""


def _worn(config: Config, wearable: str | None) -> Wearable:
    return config.wearables[0] if wearable is None else config.wearable(wearable)


def _meant(config: Config, routine: str | None, worn: Wearable) -> str:
    """Return the routine that `tenuto run` plays."""
    from tenuto.state.settings import SettingsStore

    liked = SettingsStore(config.state_path).preferences(worn.id).routine
    return routine or liked or config.routine_for(worn)


def _show_notes(marker: Path, own: str) -> None:
    """Show the note for everybody and that of a routine, each once as long as it says the same."""
    width = max(20, min(WIDTH_MAX, shutil.get_terminal_size((WIDTH_MAX, 24)).columns))
    seen = _seen(marker)
    digest = hashlib.sha256(own.encode()).hexdigest()[:16]
    paragraphs = [] if seen is not None else SAFETY_NOTE.split("\n\n")
    if own and digest not in (seen or ()):
        paragraphs += own.splitlines()
    if not paragraphs:
        return
    for paragraph in paragraphs:
        print(textwrap.fill(paragraph, width), file=sys.stderr)
    print(file=sys.stderr)
    if sys.stdin.isatty() and sys.stderr.isatty():
        print("Enter begins, Ctrl-C leaves.", end=" ", file=sys.stderr, flush=True)
        sys.stdin.readline()
    with suppress(OSError):  # then it is shown again, which does no harm
        lines = sorted({*(seen or ()), *([digest] if own else [])})
        write_private(marker, "".join(f"{line}\n" for line in lines))


def _seen(marker: Path) -> list[str] | None:
    """Return the hashes of the notes of routines that were shown, None before the first start."""
    try:
        return read_text(marker).split()
    except OSError:
        return None
    except UnicodeDecodeError:
        return []


def _last_time(config: Config, routine: str | None, wearable: str | None) -> list[str]:
    """Say where this routine was stopped last time, if it was stopped in a hold."""
    if not config.history_path.exists():
        return []
    worn = _worn(config, wearable)
    name = _meant(config, routine, worn)
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
        for row in await store.sittings(LOOKED_AT_MAX):
            if wanted(row):
                session = await store.sitting(row.id)
                return None if session is None else stopped_at(account(session))
    return None
