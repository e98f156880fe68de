# SPDX-License-Identifier: MIT
"""A session as a FIT activity, for Garmin, Suunto and whatever else reads that.

training / flexibility_training; laps without a gap, active ones for holds and others for what lies
between them; the heart rate once a second; intervals between beats, only of electrodes; the timer's
stops where it was paused; and the plan as the steps of a workout. Needs the extra `fit`.

The timer of a lap, of the session and of the activity is the time without pauses. A field whose
value is not known is left out.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

from tenuto.errors import InputError
from tenuto_core import vocab

from .timeline import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .timeline import Account, Phase

_RR_PER_MESSAGE = 5
_NAME_BYTES = 50
_EPOCH_S = 631_065_600
"""1989-12-31 00:00 UTC, from which FIT counts seconds."""
_FIRST_MS = (_EPOCH_S + 0x1000_0000) * 1000
"""Smaller numbers are no moments to FIT, but seconds since a device was switched on."""
_DEFINITIONS_MAX = 16
"""How many layouts of messages a reader keeps at once."""


class Lap(NamedTuple):
    """A part of the session; phase: None for time of which no step is known."""

    span: Span
    phase: Phase | None


def fit_file(told: Account, zone: tzinfo | None = None) -> bytes:
    """Return the bytes of the file.

    Args:
        told: The session.
        zone: Of time, of where it was played; None for that of this computer.

    Raises:
        InputError: the extra `fit` is not installed, or FIT cannot say when the session was.
    """
    if told.row.started_utc_ms < _FIRST_MS:
        began, first = (_day(ms) for ms in (told.row.started_utc_ms, _FIRST_MS))
        raise InputError(
            f"session {told.row.id} began on {began} by the clock of then, and FIT knows no day "
            f"before {first}: take it along as jsonl or csv"
        )
    try:
        from fit_tool.fit_file_builder import FitFileBuilder  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError(
            "FIT needs the extra `fit`: install tenuto[fit], or fit-tool beside Tenuto"
        ) from None
    builder = FitFileBuilder(auto_define=True, min_string_size=_NAME_BYTES, strict=True)
    layouts: dict[tuple[str, ...], int] = {}
    for message in _messages(told, zone):
        # A number for each layout: with one for all, each change of messages would define it anew.
        fields = (field.name for field in message.fields if field.is_valid())
        number = layouts.setdefault((message.name, *fields), len(layouts))
        message.local_id = number % _DEFINITIONS_MAX
        builder.add(message)
    return bytes(builder.build().to_bytes())


def _day(utc_ms: int) -> str:
    return datetime.fromtimestamp(utc_ms / 1000, UTC).date().isoformat()


def _messages(told: Account, zone: tzinfo | None) -> Iterator[Any]:
    from fit_tool.profile.messages.file_id_message import FileIdMessage  # noqa: PLC0415
    from fit_tool.profile.profile_type import (  # noqa: PLC0415
        EventType,
        FileType,
        Manufacturer,
    )

    key = told.row.key
    yield _filled(
        FileIdMessage(),
        type=FileType.ACTIVITY,
        manufacturer=Manufacturer.DEVELOPMENT.value,
        product=0,
        product_name=_title(told, "Tenuto"),
        serial_number=(key.boot_id ^ key.seq) & 0xFFFFFFFF or 1,
        time_created=told.row.started_utc_ms,
    )
    yield from _workout(told)
    for _, _, message in sorted(_timeline(told, EventType), key=lambda item: item[:2]):
        yield message
    parts = laps(told)
    yield from (_lap(told, lap, index) for index, lap in enumerate(parts))
    yield _session(told, len(parts))
    yield _activity(told, zone)


def laps(told: Account) -> list[Lap]:
    """Return the laps of a session, at least one: they follow each other without a gap."""
    parts: list[Lap] = []
    at_ms = 0
    for phase in sorted(told.phases, key=lambda phase: phase.from_ms):
        if phase.from_ms > at_ms:
            parts.append(Lap(Span(at_ms, phase.from_ms), None))
        from_ms, at_ms = max(at_ms, phase.from_ms), max(at_ms, phase.to_ms)
        if at_ms > from_ms:
            parts.append(Lap(Span(from_ms, at_ms), phase))
    if at_ms < told.duration_ms or not parts:
        parts.append(Lap(Span(at_ms, told.duration_ms), None))
    return parts


def _title(told: Account, name: str) -> str:
    """Return a name that says where a session was only simulated: readers count what they get."""
    return f"{name} (simulated)" if told.row.is_simulated else name


def _filled(message: Any, **fields: object) -> Any:  # noqa: ANN401 - fit-tool has no types
    for name, value in fields.items():
        if not hasattr(type(message), name):
            raise AttributeError(f"{type(message).__name__} has no {name}")
        if value is not None:
            setattr(message, name, value)
    return message


def _cut(text: str) -> str:
    """Cut a name to what a message holds, between letters."""
    return text.encode()[: _NAME_BYTES - 1].decode(errors="ignore")


def _timeline(told: Account, event_type: Any) -> Iterator[tuple[int, int, Any]]:  # noqa: ANN401
    """Yield (time in ms, rank, message) of what happened from second to second."""
    yield 0, 0, _timer(told, 0, event_type.START)
    for pause in told.pauses:
        yield pause.from_ms, 2, _timer(told, pause.from_ms, event_type.STOP)
        if pause.to_ms < told.duration_ms:
            yield pause.to_ms, 0, _timer(told, pause.to_ms, event_type.START)
    yield told.duration_ms, 3, _timer(told, told.duration_ms, event_type.STOP_ALL)
    yield from _records(told)
    for t_ms, intervals in told.intervals:
        for at in range(0, len(intervals), _RR_PER_MESSAGE):
            yield t_ms, 1, _hrv(intervals[at : at + _RR_PER_MESSAGE])


def _timer(told: Account, t_ms: int, kind: Any) -> Any:  # noqa: ANN401
    from fit_tool.profile.messages.event_message import EventMessage  # noqa: PLC0415
    from fit_tool.profile.profile_type import Event  # noqa: PLC0415

    return _filled(EventMessage(), timestamp=told.utc_ms(t_ms), event=Event.TIMER, event_type=kind)


def _records(told: Account) -> Iterator[tuple[int, int, Any]]:
    from fit_tool.profile.messages.record_message import RecordMessage  # noqa: PLC0415

    # A reader wants some record even of a session without a heart rate.
    rates: dict[int, int | None] = {0: None, told.duration_ms // 1000: None}
    for sample in told.samples:
        if not any(pause.from_ms < sample.t_ms < pause.to_ms for pause in told.pauses):
            rates[sample.t_ms // 1000] = sample.bpm
    for second, bpm in rates.items():
        t_ms = min(second * 1000, told.duration_ms)
        yield t_ms, 1, _filled(RecordMessage(), timestamp=told.utc_ms(t_ms), heart_rate=bpm)


def _hrv(intervals: Sequence[float]) -> Any:  # noqa: ANN401
    from fit_tool.profile.messages.hrv_message import HrvMessage  # noqa: PLC0415

    seconds = [interval / 1000 for interval in intervals]
    absent = [65.535] * (_RR_PER_MESSAGE - len(seconds))
    return _filled(HrvMessage(), time=seconds + absent)


def _timer_s(told: Account, span: Span) -> float:
    return (span.to_ms - span.from_ms - told.paused_ms(span)) / 1000


def _lap(told: Account, lap: Lap, index: int) -> Any:  # noqa: ANN401
    from fit_tool.profile.messages.lap_message import LapMessage  # noqa: PLC0415
    from fit_tool.profile.profile_type import (  # noqa: PLC0415
        Event,
        EventType,
        Intensity,
        Sport,
        SubSport,
    )

    span, phase = lap
    steps = 0 if told.plan is None else told.plan.steps - 1
    rate = told.rate(span)
    return _filled(
        LapMessage(),
        message_index=index,
        timestamp=told.utc_ms(span.to_ms),
        event=Event.LAP,
        event_type=EventType.STOP,
        start_time=told.utc_ms(span.from_ms),
        total_elapsed_time=(span.to_ms - span.from_ms) / 1000,
        total_timer_time=_timer_s(told, span),
        avg_heart_rate=round(rate.mean_bpm) if rate else None,
        max_heart_rate=rate.max_bpm if rate else None,
        intensity=Intensity.ACTIVE if phase is not None and phase.is_hold else Intensity.REST,
        sport=Sport.TRAINING,
        sub_sport=SubSport.FLEXIBILITY_TRAINING,
        workout_step_index=phase.number if phase is not None and phase.number < steps else None,
    )


def _session(told: Account, laps: int) -> Any:  # noqa: ANN401
    from fit_tool.profile.messages.session_message import SessionMessage  # noqa: PLC0415
    from fit_tool.profile.profile_type import (  # noqa: PLC0415
        Event,
        EventType,
        SessionTrigger,
        Sport,
        SubSport,
    )

    summary = told.summary
    return _filled(
        SessionMessage(),
        message_index=0,
        timestamp=told.utc_ms(told.duration_ms),
        event=Event.SESSION,
        event_type=EventType.STOP,
        start_time=told.row.started_utc_ms,
        total_elapsed_time=told.duration_ms / 1000,
        total_timer_time=_timer_s(told, Span(0, told.duration_ms)),
        sport_profile_name=_title(told, "Stretching"),
        sport=Sport.TRAINING,
        sub_sport=SubSport.FLEXIBILITY_TRAINING,
        first_lap_index=0,
        num_laps=laps,
        avg_heart_rate=None if summary.bpm_mean is None else round(summary.bpm_mean),
        max_heart_rate=summary.bpm_max,
        trigger=SessionTrigger.ACTIVITY_END,
    )


def _activity(told: Account, zone: tzinfo | None) -> Any:  # noqa: ANN401
    from fit_tool.profile.messages.activity_message import ActivityMessage  # noqa: PLC0415
    from fit_tool.profile.profile_type import Activity, Event, EventType  # noqa: PLC0415

    end_s = told.utc_ms(told.duration_ms) // 1000
    there = datetime.fromtimestamp(end_s, zone).astimezone(zone)
    offset_s = round((there.utcoffset() or timedelta()).total_seconds())
    return _filled(
        ActivityMessage(),
        timestamp=told.utc_ms(told.duration_ms),
        local_timestamp=end_s + offset_s - _EPOCH_S,
        total_timer_time=_timer_s(told, Span(0, told.duration_ms)),
        num_sessions=1,
        type=Activity.MANUAL,
        event=Event.ACTIVITY,
        event_type=EventType.STOP,
    )


def _workout(told: Account) -> Iterator[Any]:
    from fit_tool.profile.messages.workout_message import WorkoutMessage  # noqa: PLC0415
    from fit_tool.profile.messages.workout_step_message import WorkoutStepMessage  # noqa: PLC0415
    from fit_tool.profile.profile_type import (  # noqa: PLC0415
        Intensity,
        Sport,
        SubSport,
        WorkoutStepDuration,
        WorkoutStepTarget,
    )

    plan = told.plan
    if plan is None:
        return
    # The last step of a plan is no more than its cue; the others keep their numbers.
    steps = [plan.step(number) for number in range(plan.steps - 1)]
    yield _filled(
        WorkoutMessage(),
        workout_name=_cut(_title(told, plan.name)),
        sport=Sport.TRAINING,
        sub_sport=SubSport.FLEXIBILITY_TRAINING,
        num_valid_steps=len(steps),
    )
    for index, step in enumerate(steps):
        name = plan.exercise_name(step.exercise) or vocab.STEP_KINDS[step.kind]
        side = vocab.SIDES[step.side]
        is_hold = step.kind == vocab.HOLD
        own = f"{name}, {side}" if side else name
        yield _filled(
            WorkoutStepMessage(),
            message_index=index,
            workout_step_name=_cut(own if is_hold else f"{vocab.STEP_KINDS[step.kind]}: {own}"),
            duration_type=WorkoutStepDuration.TIME,
            duration_time=step.duration_ms / 1000,
            target_type=WorkoutStepTarget.OPEN,
            target_value=0,
            intensity=Intensity.ACTIVE if is_hold else Intensity.REST,
        )
