# SPDX-License-Identifier: MIT
"""The messages of a FIT activity; see `fit`, which loads this where the extra is installed."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from fit_tool.fit_file_builder import FitFileBuilder
from fit_tool.profile import profile_type as fit
from fit_tool.profile.messages.activity_message import ActivityMessage
from fit_tool.profile.messages.event_message import EventMessage
from fit_tool.profile.messages.file_id_message import FileIdMessage
from fit_tool.profile.messages.hrv_message import HrvMessage
from fit_tool.profile.messages.lap_message import LapMessage
from fit_tool.profile.messages.record_message import RecordMessage
from fit_tool.profile.messages.session_message import SessionMessage
from fit_tool.profile.messages.workout_message import WorkoutMessage
from fit_tool.profile.messages.workout_step_message import WorkoutStepMessage

from tenuto_core import vocab

from .fit import EPOCH_S
from .timeline import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .fit import Lap
    from .timeline import Account

_RR_PER_MESSAGE = 5
_NAME_BYTES = 50
_DEFINITIONS_MAX = 16
"""How many layouts of messages a reader keeps at once."""
_SPORT = {"sport": fit.Sport.TRAINING, "sub_sport": fit.SubSport.FLEXIBILITY_TRAINING}


def build(told: Account, laps: Sequence[Lap], zone: tzinfo | None) -> bytes:
    """Return the bytes of a file.

    Args:
        told: The session.
        laps: Its laps.
        zone: Of time, of where it was played; None for that of this computer.
    """
    builder = FitFileBuilder(auto_define=True, min_string_size=_NAME_BYTES, strict=True)
    layouts: dict[tuple[str, ...], int] = {}
    for message in _messages(told, laps, zone):
        # A number for each layout: with one for all, each change of messages would define it anew.
        fields = (field.name for field in message.fields if field.is_valid())
        number = layouts.setdefault((message.name, *fields), len(layouts))
        message.local_id = number % _DEFINITIONS_MAX
        builder.add(message)
    return bytes(builder.build().to_bytes())


def _messages(told: Account, laps: Sequence[Lap], zone: tzinfo | None) -> Iterator[Any]:
    key = told.row.key
    yield _filled(
        FileIdMessage(),
        type=fit.FileType.ACTIVITY,
        manufacturer=fit.Manufacturer.DEVELOPMENT.value,
        product=0,
        product_name=_title(told, "Tenuto"),
        serial_number=(key.boot_id ^ key.seq) & 0xFFFFFFFF or 1,
        time_created=told.row.started_utc_ms,
    )
    yield from _workout(told)
    for _, _, message in sorted(_timeline(told), key=lambda item: item[:2]):
        yield message
    yield from (_lap(told, lap, index) for index, lap in enumerate(laps))
    yield _session(told, len(laps))
    yield _activity(told, zone)


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


def _timeline(told: Account) -> Iterator[tuple[int, int, Any]]:
    """Yield (time in ms, rank, message) of what happened from second to second."""
    yield 0, 0, _timer(told, 0, fit.EventType.START)
    for pause in told.pauses:
        yield pause.from_ms, 2, _timer(told, pause.from_ms, fit.EventType.STOP)
        if pause.to_ms < told.duration_ms:
            yield pause.to_ms, 0, _timer(told, pause.to_ms, fit.EventType.START)
    yield told.duration_ms, 3, _timer(told, told.duration_ms, fit.EventType.STOP_ALL)
    yield from _records(told)
    for t_ms, intervals in told.intervals:
        for at in range(0, len(intervals), _RR_PER_MESSAGE):
            yield t_ms, 1, _hrv(intervals[at : at + _RR_PER_MESSAGE])


def _timer(told: Account, t_ms: int, kind: Any) -> Any:  # noqa: ANN401
    return _filled(
        EventMessage(), timestamp=told.utc_ms(t_ms), event=fit.Event.TIMER, event_type=kind
    )


def _records(told: Account) -> Iterator[tuple[int, int, Any]]:
    # A reader wants some record even of a session without a heart rate.
    rates: dict[int, int | None] = {0: None, told.duration_ms // 1000: None}
    for sample in told.samples:
        if not any(pause.from_ms < sample.t_ms < pause.to_ms for pause in told.pauses):
            rates[sample.t_ms // 1000] = sample.bpm
    for second, bpm in rates.items():
        t_ms = min(second * 1000, told.duration_ms)
        yield t_ms, 1, _filled(RecordMessage(), timestamp=told.utc_ms(t_ms), heart_rate=bpm)


def _hrv(intervals: Sequence[float]) -> Any:  # noqa: ANN401
    seconds = [interval / 1000 for interval in intervals]
    absent = [65.535] * (_RR_PER_MESSAGE - len(seconds))
    return _filled(HrvMessage(), time=seconds + absent)


def _timer_s(told: Account, span: Span) -> float:
    return (span.to_ms - span.from_ms - told.paused_ms(span)) / 1000


def _lap(told: Account, lap: Lap, index: int) -> Any:  # noqa: ANN401
    span, phase = lap
    is_hold = phase is not None and phase.is_hold
    steps = 0 if told.plan is None else told.plan.steps - 1
    rate = told.rate(span)
    return _filled(
        LapMessage(),
        message_index=index,
        timestamp=told.utc_ms(span.to_ms),
        event=fit.Event.LAP,
        event_type=fit.EventType.STOP,
        start_time=told.utc_ms(span.from_ms),
        total_elapsed_time=(span.to_ms - span.from_ms) / 1000,
        total_timer_time=_timer_s(told, span),
        avg_heart_rate=round(rate.mean_bpm) if rate else None,
        max_heart_rate=rate.max_bpm if rate else None,
        intensity=fit.Intensity.ACTIVE if is_hold else fit.Intensity.REST,
        **_SPORT,
        workout_step_index=phase.number if phase is not None and phase.number < steps else None,
    )


def _session(told: Account, laps: int) -> Any:  # noqa: ANN401
    summary = told.summary
    return _filled(
        SessionMessage(),
        message_index=0,
        timestamp=told.utc_ms(told.duration_ms),
        event=fit.Event.SESSION,
        event_type=fit.EventType.STOP,
        start_time=told.row.started_utc_ms,
        total_elapsed_time=told.duration_ms / 1000,
        total_timer_time=_timer_s(told, Span(0, told.duration_ms)),
        sport_profile_name=_title(told, "Stretching"),
        **_SPORT,
        first_lap_index=0,
        num_laps=laps,
        avg_heart_rate=None if summary.bpm_mean is None else round(summary.bpm_mean),
        max_heart_rate=summary.bpm_max,
        trigger=fit.SessionTrigger.ACTIVITY_END,
    )


def _activity(told: Account, zone: tzinfo | None) -> Any:  # noqa: ANN401
    end_s = told.utc_ms(told.duration_ms) // 1000
    there = datetime.fromtimestamp(end_s, zone).astimezone(zone)
    offset_s = round((there.utcoffset() or timedelta()).total_seconds())
    return _filled(
        ActivityMessage(),
        timestamp=told.utc_ms(told.duration_ms),
        local_timestamp=end_s + offset_s - EPOCH_S,
        total_timer_time=_timer_s(told, Span(0, told.duration_ms)),
        num_sessions=1,
        type=fit.Activity.MANUAL,
        event=fit.Event.ACTIVITY,
        event_type=fit.EventType.STOP,
    )


def _workout(told: Account) -> Iterator[Any]:
    plan = told.plan
    if plan is None:
        return
    # The last step of a plan is no more than its cue; the others keep their numbers.
    steps = [plan.step(number) for number in range(plan.steps - 1)]
    yield _filled(
        WorkoutMessage(),
        workout_name=_cut(_title(told, plan.name)),
        **_SPORT,
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
            duration_type=fit.WorkoutStepDuration.TIME,
            duration_time=step.duration_ms / 1000,
            target_type=fit.WorkoutStepTarget.OPEN,
            target_value=0,
            intensity=fit.Intensity.ACTIVE if is_hold else fit.Intensity.REST,
        )
