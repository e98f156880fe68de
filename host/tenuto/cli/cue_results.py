# SPDX-License-Identifier: MIT
"""What `tenuto cues results` shows of the history, and what it deletes there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.text import Text

from tenuto.cli import tables
from tenuto.cues.results import LessonResult, QuizResult, StrengthResult, alike, steps
from tenuto.daemon.fleet_service import central_to_read
from tenuto.errors import InputError
from tenuto.history import Store
from tenuto.terminal import words

from .common import confirmed, history_file, id_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from tenuto.config import Config, Wearable
    from tenuto.cues.results import Result
    from tenuto.history.cue_results import CueResult
    from tenuto.history.reading import HistoryReader

TIMEOUT_S = 30.0
NOTHING_DELETED = 3


def show_results(config: Config, person: str | None) -> None:
    """Print all results, the newest first, and what changed between those that are alike.

    They are those of the central history where the configuration shows that one.
    """
    central = central_to_read(config)
    found = _kept(config) if central is None else asyncio.run(_read(central))
    if person is not None:
        who = id_of(config.people, person)
        found = [one for one in found if one.person == who]
    if not found:
        print("Nothing was measured yet; `tenuto cues quiz` and `strength` measure.")
        return
    table = tables.table("!id", "!when", "person", "wearable", "!what", "result")
    for one in found:
        where = f"{one.wearable} (simulated)" if one.is_simulated else one.wearable
        texts = (one.result_id, _when(one), one.person or "?", where, *_told(one.result))
        table.add_row(*(Text(words.printable(text)) for text in texts))
    tables.write(table, *(Text(words.printable(line)) for line in _changes(found)))


def last_strength(config: Config, worn: Wearable) -> StrengthResult:
    """Return the newest measurement of strength of who wears a wearable, on that wearable.

    Raises:
        InputError: There is none.
    """
    for one in _kept(config):
        is_own = one.wearable == worn.id and one.person == worn.person
        if is_own and isinstance(one.result, StrengthResult) and not one.result.truth:
            return one.result
    raise InputError(f"who wears {worn.title} has measured no strength on it yet")


def delete_results(config: Config, result_ids: Sequence[str], *, yes: bool) -> int:
    """Delete results after a question; return the exit code.

    Raises:
        InputError: One is not there.
    """
    found = {one.result_id: one for one in _kept(config)}
    if not result_ids:
        raise InputError("which? Name the ids of results, from `tenuto cues results`")
    for result_id in result_ids:
        if result_id not in found:
            raise InputError(f"there is no result {result_id!r}; see `tenuto cues results`")
        one = found[result_id]
        print(words.printable(f"{result_id}, {_when(one)}, {' '.join(_told(one.result))}"))
    if not confirmed("Delete what is listed, for good?", yes=yes):
        print("Nothing is deleted.")
        return NOTHING_DELETED

    async def remove() -> None:
        async with asyncio.timeout(TIMEOUT_S), Store(config.history_path) as store:
            await store.cue_results.delete(*result_ids)

    asyncio.run(remove())
    print("Deleted. Files that you exported before, and backups, still have it.")
    return 0


def _kept(config: Config) -> list[CueResult]:
    """Return the results in the history of this host."""
    path = history_file(config)
    if not path.exists():
        return []

    return asyncio.run(_read(Store(path, read_only=True)))


async def _read(history: AbstractAsyncContextManager[HistoryReader]) -> list[CueResult]:
    async with asyncio.timeout(TIMEOUT_S), history as found:
        return await found.results()


def _when(one: CueResult) -> str:
    return datetime.fromtimestamp(one.utc_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _told(result: Result) -> tuple[str, str]:
    match result:
        case QuizResult():
            by = ", button" if result.answered_by == "button" else ""
            return f"quiz of {len(result.cues)}, {result.condition}{by}", str(result.score.right)
        case StrengthResult():
            found = result.threshold.estimate()
            if found is None:
                return "strength", "nothing proven"
            interval = f"[{found.low_pct:.0f}, {found.high_pct:.0f}]"
            return (
                "strength",
                f"threshold {found.pct:.0f} % {interval}, {result.advised_pct} % advised",
            )
        case LessonResult():
            return "lesson", f"{result.count} cues"


def _changes(found: Iterable[CueResult]) -> list[str]:
    """Return what was learned and forgotten, of each person on each wearable."""
    whose: dict[tuple[str | None, str], list[tuple[int, QuizResult]]] = {}
    for one in found:
        if isinstance(one.result, QuizResult) and not one.result.truth:
            whose.setdefault((one.person, one.wearable), []).append((one.utc_ms, one.result))
    lines = []
    for (person, wearable), results in whose.items():
        for group in alike(results):
            for step in steps(group):
                what = f"{len(group[0][1].cues)} cues, {group[0][1].condition}"
                lines.append(f"{person or '?'} on {wearable}, {what}: {step}")
    return lines
