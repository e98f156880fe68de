# SPDX-License-Identifier: MIT
"""Turns the numbered records of a wearable's log into the events of one session.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenuto_core import vocab

from .events import (
    CueFired,
    Event,
    Extended,
    HeartBeat,
    Paused,
    Record,
    RecordsLost,
    Resumed,
    SessionEnded,
    SessionKey,
    SessionStarted,
    Skipped,
    StepEnded,
    StepStarted,
    Unfelt,
    Waiting,
    WentBack,
    Withheld,
)
from .places import UNKNOWN, Place, places

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto_core.plan import Plan

UNKNOWN_ROUTINE = "unknown routine"
_CLOCK_MODULUS = 1 << 32


def plan_id_of(record: Record) -> bytes:
    """Return the 8 bytes of the plan id that a `session_started` record carries."""
    return record.b.to_bytes(4, "little") + record.c.to_bytes(4, "little")


def how_ended(record: Record) -> tuple[str, str]:
    """Return the reason and the source that a `session_ended` record carries."""
    return _name(vocab.END_REASONS, record.a & 0xFF), _name(vocab.SOURCES, record.a >> 8)


def _name(names: tuple[str | None, ...], number: int) -> str:
    """Name a number of `vocab`; a newer wearable may use numbers that are not known here."""
    return (names[number] if number < len(names) else None) or f"unknown_{number}"


class Tracker:
    """Follows one session.

    Args:
        key: Which session; its `seq` is the number of the first record to feed.
        plan: The plan that is played, or None where the host does not have it; then exercises have
            no names and steps the kind `unknown`. It can be set later.

    Attributes:
        ended, paused: whether it has ended, or is paused, as far as records were fed.
    """

    def __init__(self, key: SessionKey, plan: Plan | None, plan_id: bytes) -> None:
        self.key = key
        self.plan = plan
        self.plan_id = plan_id
        self.next_seq = key.seq
        self.ended = False
        self.paused = False
        self._started_at_ms = 0
        self._last_t_ms = 0

    @property
    def last_t_ms(self) -> int:
        """Session time of the newest record that was fed, 0 before the first."""
        return self._last_t_ms

    def t_ms(self, at_ms: int) -> int:
        """Session time of a time stamp of the wearable's clock, which wraps after 49 days."""
        return (at_ms - self._started_at_ms) % _CLOCK_MODULUS

    def feed(self, record: Record) -> list[Event]:
        """Take the next record and give what it means.

        A record that was fed before gives nothing.  Numbers that are missing give a
        `RecordsLost` first.  Where the first is missing, `t_ms` counts from the first that is not.
        The beginning of a later session means that the end of this one is among the missing: it
        ends as `failed`, by the host's word, and the record is itself none of its events.
        """
        if self.ended or record.seq < self.next_seq:
            return []
        if self.next_seq == self.key.seq:
            self._started_at_ms = record.at_ms
        is_later = record.kind == vocab.SESSION_STARTED and record.seq != self.key.seq
        t_ms = self._last_t_ms if is_later else self.t_ms(record.at_ms)
        events: list[Event] = []
        if record.seq > self.next_seq:
            events.append(RecordsLost(t_ms=t_ms, count=record.seq - self.next_seq))
        self.next_seq = record.seq + 1
        if is_later:
            self.ended = True
            events.append(SessionEnded(t_ms=t_ms, reason="failed", source="host"))
            return events
        self._last_t_ms = t_ms
        make = _MAKERS.get(record.kind)
        if make is not None:
            events.append(make(self, record, t_ms))
        self.ended = record.kind == vocab.SESSION_ENDED
        if record.kind in (vocab.PAUSED, vocab.RESUMED, vocab.SESSION_ENDED):
            self.paused = record.kind == vocab.PAUSED
        return events

    def _started(self, record: Record, t_ms: int) -> Event:
        return SessionStarted(
            t_ms=t_ms,
            seq=record.seq,
            routine=UNKNOWN_ROUTINE if self.plan is None else self.plan.name,
            plan_id=self.plan_id.hex(),
            source=_name(vocab.SOURCES, record.a),
            plan=self.plan,
        )

    def _step_started(self, record: Record, t_ms: int) -> Event:
        return StepStarted(
            t_ms=t_ms,
            seq=record.seq,
            step=record.step,
            duration_ms=record.b,
            **self._place(record.step),
        )

    def _step_ended(self, record: Record, t_ms: int) -> Event:
        return StepEnded(
            t_ms=t_ms,
            seq=record.seq,
            step=record.step,
            duration_ms=record.c,
            elapsed_ms=record.b,
            outcome=_name(vocab.STEP_OUTCOMES, record.a),
            **self._place(record.step),
        )

    def _place(self, number: int) -> dict[str, Any]:
        """Return the fields of `StepEvent` that the plan tells."""
        place = self._place_of(number)
        return {
            "kind": place.kind,
            "exercise": place.exercise,
            "side": place.side,
            "rep": place.rep,
            "reps": place.reps,
            "set_no": place.set_no,
            "sets": place.sets,
            "phase": place.phase,
        }

    def _place_of(self, number: int) -> Place:
        if self.plan is None or number >= self.plan.steps:
            return UNKNOWN
        return places(self.plan)[number]

    def _cue(self, record: Record, t_ms: int) -> Event:
        return CueFired(
            t_ms=t_ms,
            seq=record.seq,
            cue=vocab.cue_name(record.a),
            late_ms=record.b,
            # Where the host leads the device it comes before its step begins.
            phase=self._place_of(record.step).phase,
        )

    def _unfelt(self, record: Record, t_ms: int) -> Event:
        return Unfelt(
            t_ms=t_ms,
            seq=record.seq,
            cue=vocab.cue_name(record.a),
            phase=self._place_of(record.step).phase,
        )

    def _paused(self, record: Record, t_ms: int) -> Event:
        return Paused(t_ms=t_ms, seq=record.seq, source=_name(vocab.SOURCES, record.a))

    def _resumed(self, record: Record, t_ms: int) -> Event:
        source = _name(vocab.SOURCES, record.a)
        return Resumed(t_ms=t_ms, seq=record.seq, source=source, paused_ms=record.b)

    def _skipped(self, record: Record, t_ms: int) -> Event:
        source = _name(vocab.SOURCES, record.a)
        return Skipped(t_ms=t_ms, seq=record.seq, source=source, step=record.step)

    def _went_back(self, record: Record, t_ms: int) -> Event:
        return WentBack(
            t_ms=t_ms,
            seq=record.seq,
            source=_name(vocab.SOURCES, record.a),
            step=record.step,
            to_step=record.b,
        )

    def _extended(self, record: Record, t_ms: int) -> Event:
        return Extended(
            t_ms=t_ms,
            seq=record.seq,
            source=_name(vocab.SOURCES, record.a),
            step=record.step,
            by_ms=record.b,
            duration_ms=record.c,
        )

    def _waiting(self, record: Record, t_ms: int) -> Event:
        waits_for = _name(vocab.WAITS, record.a)
        return Waiting(t_ms=t_ms, seq=record.seq, waits_for=waits_for, max_ms=record.b)

    def _withheld(self, record: Record, t_ms: int) -> Event:
        is_alert = record.a == vocab.WITHHELD_ALERT
        what = "alert" if is_alert else vocab.cue_name(record.a)
        return Withheld(t_ms=t_ms, seq=record.seq, what=what)

    def _heart(self, record: Record, t_ms: int) -> Event:
        packed = (record.b & 0xFFFF, record.b >> 16, record.c & 0xFFFF, record.c >> 16)
        rr_ms = tuple(round(ticks * 1000 / 1024, 1) for ticks in packed if ticks)
        bpm = record.a & 0xFF
        sensor = "strap" if record.a & vocab.HEART_BY_HOST else "own"
        return HeartBeat(t_ms=t_ms, seq=record.seq, bpm=bpm, rr_ms=rr_ms, sensor=sensor)

    def _session_ended(self, record: Record, t_ms: int) -> Event:
        reason, source = how_ended(record)
        return SessionEnded(t_ms=t_ms, seq=record.seq, reason=reason, source=source)


_MAKERS: dict[int, Callable[[Tracker, Record, int], Event]] = {
    vocab.SESSION_STARTED: Tracker._started,  # noqa: SLF001 - the class's own table
    vocab.STEP_STARTED: Tracker._step_started,  # noqa: SLF001
    vocab.STEP_ENDED: Tracker._step_ended,  # noqa: SLF001
    vocab.CUE: Tracker._cue,  # noqa: SLF001
    vocab.PAUSED: Tracker._paused,  # noqa: SLF001
    vocab.RESUMED: Tracker._resumed,  # noqa: SLF001
    vocab.SKIPPED: Tracker._skipped,  # noqa: SLF001
    vocab.WENT_BACK: Tracker._went_back,  # noqa: SLF001
    vocab.EXTENDED: Tracker._extended,  # noqa: SLF001
    vocab.WAITING: Tracker._waiting,  # noqa: SLF001
    vocab.WITHHELD: Tracker._withheld,  # noqa: SLF001
    vocab.UNFELT: Tracker._unfelt,  # noqa: SLF001
    vocab.HEART: Tracker._heart,  # noqa: SLF001
    vocab.SESSION_ENDED: Tracker._session_ended,  # noqa: SLF001
}
