# SPDX-License-Identifier: MIT
"""Outlines of sessions, kept beside their records, so that a report on a year need not read those.

The records are the truth, and what has no outline is told from them, which takes longer and says
the same. An outline is kept once its session has ended. Triggers (`outlines.sql`) take it away when
something comes in that it follows from; one that another version of what makes them has made does
not count.
"""

from __future__ import annotations

import json
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any

from tenuto.sessions import heart
from tenuto.sessions.events import COMPLETE
from tenuto_core.plan import VERSION as PLAN_VERSION

from .schema import statements_of
from .summary import Held, Summary
from .timeline import Cue, Outline, Phase, Span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .database import Database
    from .rows import ExerciseNote, SessionRow

VERSION = 1 + 1_000 * PLAN_VERSION
"""Of what makes outlines, which is all between the records and `Outline`, and of the plans that can
be read. To be raised whenever the same records would lead to another outline."""

_SUMMARY = tuple(field.name for field in fields(Summary))


def to_text(outline: Outline) -> str:
    """Return what is kept of an outline: what follows from records, nothing of the row."""
    told = (
        outline.plan_title,
        astuple(outline.summary),
        [(*phase[:-1], phase.rate and astuple(phase.rate)) for phase in outline.phases],
        outline.pauses,
        outline.away,
        outline.cues,
        outline.curve,
        outline.artefacts,
    )
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def from_text(text: str, row: SessionRow, exercises: Mapping[str, ExerciseNote]) -> Outline:
    """Return an outline that was kept.

    Raises:
        ValueError, TypeError: The text is damaged.
    """
    title, summary, phases, pauses, away, cues, curve, artefacts = json.loads(text)
    return Outline(
        row=row,
        exercises=exercises,
        plan_title=title,
        summary=_summary(dict(zip(_SUMMARY, summary, strict=True))),
        phases=tuple(map(_phase, phases)),
        pauses=tuple(map(Span._make, pauses)),
        away=tuple(map(Span._make, away)),
        cues=tuple(map(Cue._make, cues)),
        curve=tuple(tuple(map(heart.Sample._make, line)) for line in curve),
        artefacts=None if artefacts is None else tuple(artefacts),
    )


def _phase(told: Sequence[Any]) -> Phase:
    *rest, rate = told
    return Phase._make((*rest, _or_none(heart.Rate, rate)))


def _summary(told: dict[str, Any]) -> Summary:
    return Summary(
        **{
            **told,
            "held": tuple(Held(*one) for one in told["held"]),
            "recovery": _or_none(heart.Recovery, told["recovery"]),
            "variability": _or_none(heart.Variability, told["variability"]),
        }
    )


def _or_none(kind: type[Any], told: Sequence[Any] | None) -> Any:  # noqa: ANN401
    return None if told is None else kind(*told)


def is_held(outline: Outline) -> bool:
    """Return whether a hold was held to its end."""
    return any(hold.outcome == COMPLETE for hold in outline.holds)


# --- in the database, SQLite only


def watch(db: Database) -> None:
    """Have outlines taken away by what this connection writes."""
    for statement in statements_of("outlines.sql"):
        db.execute(statement)


def keep(db: Database, outline: Outline) -> None:
    """Keep an outline; in the transaction in which the records were read."""
    db.execute(
        "INSERT OR REPLACE INTO outlines VALUES (?, ?, ?, ?)",
        (outline.row.id, VERSION, int(is_held(outline)), to_text(outline)),
    )


def kept(db: Database, number: int) -> str | None:
    """Return the outline of a session as it is kept, None if there is none that counts."""
    row = db.execute(
        "SELECT data FROM outlines WHERE id = ? AND version = ?", (number, VERSION)
    ).fetchone()
    return None if row is None else str(row[0])


def missing(db: Database) -> list[int]:
    """Return the numbers of sessions that have ended and have no outline, the newest first."""
    return [
        number
        for (number,) in db.execute(
            "SELECT id FROM sessions WHERE ended_utc_ms IS NOT NULL"
            " AND id NOT IN (SELECT id FROM outlines WHERE version = ?)"
            " ORDER BY started_utc_ms DESC",
            (VERSION,),
        )
    ]


def forget_all(db: Database) -> None:
    """Forget all outlines; they are made anew."""
    db.execute("DELETE FROM outlines")
