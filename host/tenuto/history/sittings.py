# SPDX-License-Identifier: MIT
"""Sittings: what somebody did in one go, also where the history has several sessions of it.

Whoever leaves a class and joins it again plays the rest of its plan as a plan of its own, and a
wearable that was reset goes on in a session of its own, as does a device that a host plays for once
that host was restarted. Each session is kept as it was logged. What lists, reports, exports and
counts tell of is sittings: a session, and those that took it up.

Which sessions are one sitting follows from them alone, so it is the same in every history that has
them. One is taken up by the next one of the same person, device and routine if

- it did not run to its end, and the next one began no later after that than a pause may last;
- and the next one plays the rest of its plan, from after the last hold that was held to its end, or
  goes on with the same plan after a reset.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tenuto.routines import plan_bytes
from tenuto.routines.unison import first_step
from tenuto.sessions import events
from tenuto.sessions.places import steps
from tenuto_core import vocab
from tenuto_core.plan import MAX_PLAN_MS
from tenuto_core.player import PAUSE_MS_MAX

from . import persons
from .rows import UTC_MS_MAX, SessionRow, to_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenuto.sessions.events import Event
    from tenuto_core.plan import Plan

    from .database import Database

REACH_MS = MAX_PLAN_MS + PAUSE_MS_MAX
"""No session is taken up by one that began so much later than it began itself."""
ROWS_AT_ONCE = 20
_HOST, _RESET = vocab.SOURCES[vocab.BY_HOST], vocab.SOURCES[vocab.BY_RESET]


def as_one(parts: Sequence[SessionRow]) -> SessionRow:
    """Return the row of a sitting: of its first session, with the end of the last one."""
    last = parts[-1]
    return replace(
        parts[0],
        ended_utc_ms=last.ended_utc_ms,
        reason=last.reason,
        source=last.source,
        parts=tuple(part.id for part in parts[1:]),
    )


def joined(
    happened: Sequence[tuple[Event, int]],
    more: Sequence[tuple[Event, int]],
    begins_ms: int,
    first: int,
) -> list[tuple[Event, int]]:
    """Return the events of a session and of the one that took it up, as of one with a pause.

    Args:
        happened: In the first one, in order, each with its time in ms since 1970; at least one.
        more: In the other one, likewise.
        begins_ms: When the other one began, in ms since the first one did.
        first: The step of the first one's plan with which the other one's plan begins.
    """
    logged_ms = max((event.t_ms for event, _ in happened if event.seq is not None), default=0)
    begins_ms = max(begins_ms, logged_ms)
    told, since_ms, open_step = _left(happened, begins_ms)
    begun = next((event for event, _ in more if isinstance(event, events.SessionStarted)), None)
    is_paused = begun is not None and begun.source == _RESET  # it goes on when somebody says so
    for event, utc_ms in more:
        moved = _moved(event, begins_ms, first)
        if event is begun:
            if is_paused:
                continue
            moved = events.Resumed(
                t_ms=begins_ms, seq=begun.seq, source=begun.source, paused_ms=begins_ms - since_ms
            )
        elif is_paused:
            is_known = isinstance(moved, events.StepStarted) and moved.step == open_step
            if is_known or isinstance(moved, events.Paused):
                continue
            if isinstance(moved, events.Resumed):
                moved, is_paused = replace(moved, paused_ms=moved.t_ms - since_ms), False
        told.append((moved, utc_ms))
    return sorted(told, key=lambda pair: pair[0].t_ms)


def _left(
    happened: Sequence[tuple[Event, int]], until_ms: int
) -> tuple[list[tuple[Event, int]], int, int | None]:
    """Return the events of a session with a pause in the place of its end.

    Returns:
        Them, since when it is paused, and the step that has not ended.
    """
    told: list[tuple[Event, int]] = []
    ended: tuple[Event, int] | None = None
    paused_ms, open_step = None, None
    for event, utc_ms in happened:
        if isinstance(event, events.SessionEnded):
            ended = event, utc_ms
            continue
        if isinstance(event, events.Paused):
            paused_ms = event.t_ms
        elif isinstance(event, events.Resumed):
            paused_ms = None
        elif isinstance(event, events.StepStarted):
            open_step = event.step
        elif isinstance(event, events.StepEnded):
            open_step = None
        told.append((event, utc_ms))
    if paused_ms is None:
        event, utc_ms = ended or happened[-1]
        source = event.source if isinstance(event, events.SessionEnded) else _HOST
        paused_ms = min(event.t_ms, until_ms)
        told.append((events.Paused(t_ms=paused_ms, seq=event.seq, source=source), utc_ms))
    return told, paused_ms, open_step


def _moved(event: Event, by_ms: int, steps: int) -> Event:
    """Return an event of a later part as one of the whole."""
    changes = {
        name: getattr(event, name) + steps for name in ("step", "to_step") if hasattr(event, name)
    }
    return replace(event, t_ms=event.t_ms + by_ms, **changes)


# --- in the database


def session_rows(db: Database, rest: str, values: Sequence[Any] = ()) -> list[SessionRow]:
    """Return rows of the table of sessions, each as its wearable logged it.

    Args:
        db: The database.
        rest: What comes after `FROM sessions`; text of this package only.
        values: For its question marks.
    """
    rows = db.execute(
        "SELECT id, device, boot_id, seq, wearable, person_id, is_simulated,"  # noqa: S608
        " plan_id, routine, started_utc_ms, ended_utc_ms, reason, source"
        f" FROM sessions {rest}",
        values,
    ).fetchall()
    names = persons.names(db)
    return [
        SessionRow(
            number,
            events.SessionKey(device, boot_id, seq),
            wearable,
            names.get(person_id, person_id),
            plan_id,
            routine,
            to_range(began_ms),
            None if ended_ms is None else to_range(ended_ms),
            reason,
            source,
            bool(is_simulated),
        )
        for number, device, boot_id, seq, wearable, person_id, is_simulated, *of in rows
        for plan_id, routine, began_ms, ended_ms, reason, source in (of,)
    ]


def rows_of(db: Database, numbers: Sequence[int]) -> Iterator[SessionRow]:
    """Yield the rows of sessions in the order of their numbers, some at a time."""
    for at in range(0, len(numbers), ROWS_AT_ONCE):
        some = numbers[at : at + ROWS_AT_ONCE]
        marks = ", ".join("?" * len(some))
        found = {row.id: row for row in session_rows(db, f"WHERE id IN ({marks})", some)}
        yield from (found[number] for number in some if number in found)


def in_parts(
    db: Database,
    from_utc_ms: int = 0,
    to_utc_ms: int = UTC_MS_MAX,
    alike: str = "1 = 1",
    values: Sequence[Any] = (),
) -> list[list[SessionRow]]:
    """Return the sittings of several sessions, each in the order of time; of most there is none.

    Args:
        db: In a transaction.
        from_utc_ms, to_utc_ms: Only those of which a session began between these moments.
        alike: Only of sessions that have this in common, such as their person; text of this package
            only.
        values: For its question marks.
    """
    first_ms, last_ms = from_utc_ms, to_utc_ms
    while True:
        following = _links(db, first_ms - REACH_MS, last_ms + REACH_MS, alike, values)
        rows = {row.id: row for row in rows_of(db, [*{*following, *following.values()}])}
        begin = following.keys() - set(following.values())
        sittings = ([rows[one] for one in _chain(following, number)] for number in begin)
        found = [
            parts
            for parts in sittings
            if any(from_utc_ms <= part.started_utc_ms <= to_utc_ms for part in parts)
        ]
        # One that goes on beyond what was looked at is looked at as a whole.
        begun_ms = min((parts[0].started_utc_ms for parts in found), default=first_ms)
        ended_ms = max((parts[-1].started_utc_ms for parts in found), default=last_ms)
        if first_ms <= begun_ms and ended_ms <= last_ms:
            return found
        first_ms, last_ms = min(first_ms, begun_ms), max(last_ms, ended_ms)


class _Seen(NamedTuple):
    """Of the row of a session what tells whether it is taken up; there may be many thousand."""

    id: int
    plan_id: str | None
    started_utc_ms: int
    ended_utc_ms: int | None
    reason: str | None
    device: str
    boot_id: int
    seq: int
    person_id: str | None
    routine: str | None
    is_simulated: int


def _links(
    db: Database, from_utc_ms: int, to_utc_ms: int, alike: str, values: Sequence[Any]
) -> dict[int, int]:
    """Return by which session each one that began in a span is taken up, if it is."""
    rows = db.execute(
        f"SELECT {', '.join(_Seen._fields)} FROM sessions WHERE {alike}"  # noqa: S608 - fixed text
        " AND started_utc_ms >= ? AND started_utc_ms <= ? ORDER BY started_utc_ms, boot_id, seq",
        (*values, from_utc_ms, to_utc_ms),
    )
    newest: dict[tuple[Any, ...], _Seen] = {}
    found = {}
    for later in map(_Seen._make, rows):
        who = later.device, later.person_id, later.routine, later.is_simulated
        earlier, newest[who] = newest.get(who), later
        if earlier is not None and _may_take_up(earlier, later) and _takes_up(db, earlier, later):
            found[earlier.id] = later.id
    return found


def _may_take_up(earlier: _Seen, later: _Seen) -> bool:
    """Return whether a session is one that could go on with another one, by its time."""
    began_ms = later.started_utc_ms
    ended_ms = began_ms if earlier.ended_utc_ms is None else earlier.ended_utc_ms
    return (
        earlier.reason != events.FINISHED
        and began_ms - ended_ms <= PAUSE_MS_MAX
        and began_ms - earlier.started_utc_ms <= REACH_MS
    )


def _takes_up(db: Database, earlier: _Seen, later: _Seen) -> bool:
    """Return whether a session plays on from where another one of the same routine had come to."""
    if earlier.plan_id == later.plan_id:
        return _was_reset(db, later)
    plan, rest = (
        plan_bytes.known(one.plan_id, plan_of(db, one.plan_id)) for one in (earlier, later)
    )
    first = first_step(plan, rest)
    return plan is not None and first is not None and first > _last_held(db, earlier, plan)


def _was_reset(db: Database, one: _Seen) -> bool:
    """Return whether a session goes on with what a reset cut."""
    begun = db.execute(
        "SELECT 1 FROM records WHERE device = ? AND boot_id = ? AND seq = ? AND kind = ? AND a = ?",
        (one.device, one.boot_id, one.seq, vocab.SESSION_STARTED, vocab.BY_RESET),
    )
    return begun.fetchone() is not None


def _last_held(db: Database, one: _Seen, plan: Plan) -> int:
    """Return the last step of a plan that was held to its end, -1 for none."""
    ended = db.execute(
        "SELECT step FROM records WHERE session_id = ? AND kind = ? AND a = ?",
        (one.id, vocab.STEP_ENDED, vocab.STEP_COMPLETE),
    ).fetchall()
    known = steps(plan)
    held = (step for (step,) in ended if step < len(known) and known[step].kind == vocab.HOLD)
    return max(held, default=-1)


def _chain(following: Mapping[int, int], number: int) -> Iterator[int]:
    one: int | None = number
    while one is not None:
        yield one
        one = following.get(one)


def plan_of(db: Database, plan_id: str | None) -> bytes | None:
    """Return the bytes of a plan, None if it is not kept."""
    with closing(db.execute("SELECT data FROM plans WHERE plan_id = ?", (plan_id,))) as cursor:
        row = cursor.fetchone()
    return bytes(row[0]) if row else None
