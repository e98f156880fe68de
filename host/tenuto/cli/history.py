# SPDX-License-Identifier: MIT
"""`tenuto history`: list what was played, show one session. Only reads, also beside a daemon."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators

from tenuto import events
from tenuto.cli.common import ConfigFile, history_file
from tenuto.config import find_config
from tenuto.errors import InputError
from tenuto.history import Store, replay, summarize
from tenuto.terminal import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tenuto.events import Event
    from tenuto.history import SessionRow, StoredSession, Summary

READ_TIMEOUT_S = 30.0
_RIGHT = frozenset({"id", "holds", "time", "bpm"})

app = App(name="history", help="List what was played, show one session.")


@app.default
@app.command(name="list")
def list_sessions(
    *,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))] = 20,
    config: ConfigFile = None,
) -> None:
    """List the sessions that were played, the newest first.

    Args:
        limit: how many
        config: as in all commands
    """
    path = history_file(find_config(config))
    sessions = asyncio.run(_newest(path, limit)) if path.exists() else []
    if not sessions:
        print(f"Nothing was played yet; `tenuto run` plays, and {path} will have it.")
        return
    head = ("id", "when", "routine", "wearable", "ended", "holds", "time", "bpm")
    _print_table(head, [_row(session) for session in sessions])


@app.command
def show(
    number: Annotated[int, Parameter(name="ID")],
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    config: ConfigFile = None,
) -> None:
    """Show a session: what it came to, and all that happened.

    Args:
        number: the session's id, from `tenuto history`
        as_json: print one JSON object a line, as `tenuto run --json` does, and nothing else
        config: as in all commands
    """
    path = history_file(find_config(config))
    session = asyncio.run(_one(path, number)) if path.exists() else None
    if session is None:
        raise InputError(f"there is no session {number}; `tenuto history` lists those there are")
    happened = replay(session)
    if as_json:
        for event, _ in happened:
            sys.stdout.write(json.dumps(events.to_json(event), allow_nan=False) + "\n")
        return
    row = session.row
    wearer = "" if row.person is None else f", {row.person}"
    print(words.printable(f"Session {row.id}, {_when(row)}, on {row.key.wearable}{wearer}"))
    for line in words.summary(summarize(event for event, _ in happened)):
        print(line)
    print()
    _print_table(
        ("at", "event", ""),
        [(_clock(event.t_ms), event.name, _details(event)) for event, _ in happened],
    )


async def _newest(path: Path, limit: int) -> list[StoredSession]:
    async with asyncio.timeout(READ_TIMEOUT_S), Store(path, read_only=True) as store:
        found = [await store.session(row.id) for row in await store.sessions(limit)]
    return [session for session in found if session is not None]


async def _one(path: Path, number: int) -> StoredSession | None:
    async with asyncio.timeout(READ_TIMEOUT_S), Store(path, read_only=True) as store:
        return await store.session(number)


def _row(session: StoredSession) -> tuple[str, ...]:
    summary = summarize(event for event, _ in replay(session))
    row = session.row
    return (
        str(row.id),
        _when(row),
        row.routine or "?",
        row.key.wearable,
        row.reason or "not yet",
        _holds(summary),
        words.clock(summary.duration_ms),
        "" if summary.bpm_mean is None else f"{summary.bpm_mean:.0f}",
    )


def _holds(summary: Summary) -> str:
    planned = "?" if summary.holds_planned is None else summary.holds_planned
    return f"{summary.holds_completed}/{planned}"


def _when(row: SessionRow) -> str:
    began = datetime.fromtimestamp(row.started_utc_ms / 1000, UTC)
    return began.astimezone().strftime("%Y-%m-%d %H:%M")


def _clock(t_ms: int) -> str:
    return f"{words.clock(t_ms)}.{t_ms % 1000:03}"


def _details(event: Event) -> str:
    own = events.to_json(event)
    shown = ((key, value) for key, value in own.items() if key not in ("event", "t_ms"))
    return " ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in shown
        if value not in (None, ())
    )


def _print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    lines = [head, *(tuple(map(words.printable, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(_cells(line, head, widths)).rstrip())


def _cells(line: tuple[str, ...], head: tuple[str, ...], widths: Sequence[int]) -> Iterable[str]:
    for text, title, width in zip(line, head, widths, strict=True):
        yield text.rjust(width) if title in _RIGHT else text.ljust(width)
