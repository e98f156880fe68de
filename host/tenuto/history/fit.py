# SPDX-License-Identifier: MIT
"""A session as a FIT activity, for Garmin, Suunto and whatever else reads that.

training / flexibility_training; a lap for each hold; the heart rate once a second; intervals
between beats, only of electrodes; the timer's stops where it was paused; and the plan as the steps
of a workout. Needs the extra `fit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError
from tenuto.sessions import heart
from tenuto_core import vocab

from .timeline import HOLD, Phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .timeline import Account

_RR_PER_MESSAGE = 5
_NAME_BYTES = 50


def fit_file(told: Account) -> bytes:
    """Return the bytes of the file.

    Raises:
        InputError: the extra `fit` is not installed.
    """
    try:
        from fit_tool.fit_file_builder import FitFileBuilder  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError(
            "FIT needs the extra `fit`: install tenuto[fit], or fit-tool beside Tenuto"
        ) from None
    builder = FitFileBuilder(auto_define=True, min_string_size=_NAME_BYTES, strict=True)
    for message in _messages(told):
        builder.add(message)
    return bytes(builder.build().to_bytes())


def _messages(told: Account) -> Iterator[Any]:
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
        serial_number=(key.boot_id ^ key.seq) & 0xFFFFFFFF or 1,
        time_created=told.row.started_utc_ms,
    )
    yield from _workout(told)
    for _, _, message in sorted(_timeline(told, EventType), key=lambda item: item[:2]):
        yield message
    laps = told.holds or (_everything(told),)
    yield from (_lap(told, hold, index) for index, hold in enumerate(laps))
    yield _session(told, len(laps))
    yield _activity(told)


def _everything(told: Account) -> Phase:
    """Return one lap for a session in which nothing was held: a file must have one."""
    end_ms = told.duration_ms
    return Phase(0, HOLD, None, None, 0, 0, end_ms, end_ms, end_ms, None)


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
        message = _filled(RecordMessage(), timestamp=told.utc_ms(t_ms), heart_rate=bpm)
        if bpm is None:
            # One definition serves all records, so the absent value is written as such.
            message.heart_rate = 0xFF
        yield t_ms, 1, message


def _hrv(intervals: Sequence[float]) -> Any:  # noqa: ANN401
    from fit_tool.profile.messages.hrv_message import HrvMessage  # noqa: PLC0415

    seconds = [interval / 1000 for interval in intervals]
    absent = [65.535] * (_RR_PER_MESSAGE - len(seconds))
    return _filled(HrvMessage(), time=seconds + absent)


def _lap(told: Account, hold: Phase, index: int) -> Any:  # noqa: ANN401
    from fit_tool.profile.messages.lap_message import LapMessage  # noqa: PLC0415
    from fit_tool.profile.profile_type import (  # noqa: PLC0415
        Event,
        EventType,
        Intensity,
        Sport,
        SubSport,
    )

    within = [s for s in told.samples if hold.from_ms <= s.t_ms < hold.to_ms]
    rate = heart.rate(within, hold.to_ms)
    return _filled(
        LapMessage(),
        message_index=index,
        timestamp=told.utc_ms(hold.to_ms),
        event=Event.LAP,
        event_type=EventType.STOP,
        start_time=told.utc_ms(hold.from_ms),
        total_elapsed_time=(hold.to_ms - hold.from_ms) / 1000,
        total_timer_time=hold.held_ms / 1000,
        avg_heart_rate=round(rate.mean_bpm) if rate else 0xFF,
        max_heart_rate=rate.max_bpm if rate else 0xFF,
        intensity=Intensity.ACTIVE,
        sport=Sport.TRAINING,
        sub_sport=SubSport.FLEXIBILITY_TRAINING,
        workout_step_index=hold.number,
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
    paused_ms = sum(pause.to_ms - pause.from_ms for pause in told.pauses)
    return _filled(
        SessionMessage(),
        message_index=0,
        timestamp=told.utc_ms(told.duration_ms),
        event=Event.SESSION,
        event_type=EventType.STOP,
        start_time=told.row.started_utc_ms,
        total_elapsed_time=told.duration_ms / 1000,
        total_timer_time=(told.duration_ms - paused_ms) / 1000,
        sport=Sport.TRAINING,
        sub_sport=SubSport.FLEXIBILITY_TRAINING,
        first_lap_index=0,
        num_laps=laps,
        avg_heart_rate=None if summary.bpm_mean is None else round(summary.bpm_mean),
        max_heart_rate=summary.bpm_max,
        trigger=SessionTrigger.ACTIVITY_END,
    )


def _activity(told: Account) -> Any:  # noqa: ANN401
    from fit_tool.profile.messages.activity_message import ActivityMessage  # noqa: PLC0415
    from fit_tool.profile.profile_type import Activity, Event, EventType  # noqa: PLC0415

    return _filled(
        ActivityMessage(),
        timestamp=told.utc_ms(told.duration_ms),
        total_timer_time=told.duration_ms / 1000,
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
        workout_name=_cut(plan.name),
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
