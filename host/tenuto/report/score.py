# SPDX-License-Identifier: MIT
"""A session as a score: the heart above, the holds as bars on two lanes, the cues as ticks.  Pure.

The upper lane is the left side, the lower one the right; a hold of both sides takes both. Where a
session does not fit the width, it goes on in the next system, as music does. For a phone all of it
is drawn small, in one system: exercises are numbered, and of the cues only those of holds are left.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tenuto.sessions import heart
from tenuto.sessions.events import COMPLETE, SKIPPED
from tenuto.terminal.words import clock

from .svg import Picture, shorten, text_width

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenuto.history.timeline import Account, Outline, Phase

PX_PER_S = 2.7
SMALL, WIDE = 325.0, 960.0
_PX_PER_S_CLOSE = 2.0
"""With less room there is none for names and for cues that follow each other."""
_STROKES_APART = 3.0
"""How far strokes are apart there, so that they can be told apart."""

_LEFT, _RIGHT = 34.0, 8.0
_HEART_H = 58.0
_LABEL_H = 34.0
_LANE_H, _LANE_GAP = 19.0, 3.0
_CUES_H = 20.0
_AXIS_H = 16.0
_BPM_SPAN_MIN = 30
_TICK_STEPS_S = (10, 20, 30, 60, 120, 300, 600, 1_200, 3_600)

_STROKES: Mapping[str, tuple[tuple[float, float], ...]] = {
    # (offset in px, height in px) of each stroke; by count, as they are felt.
    "hold_start": ((0, 12),),
    "hold_end": ((0, 8), (2.6, 8), (5.2, 8)),
    "switch_sides": ((0, 8), (2.6, 8)),
    "next_exercise": ((0, 8), (2.6, 8)),
    "finished": ((0, 12), (3.4, 12)),
    "attention": ((0, 5), (2.2, 5), (4.4, 5), (6.6, 5), (8.8, 5)),
}
_SMALL_STROKES: Mapping[str, tuple[tuple[float, float], ...]] = {
    "hold_start": ((0, 12),),
    "hold_end": ((0, 8),),
    "finished": ((0, 12),),
}
LEGEND = (
    "one long stroke: hold; two: switch sides or next exercise; three: let go; "
    "short ones: get ready, countdown, halfway"
)


@dataclass(frozen=True, slots=True)
class _Beats:
    """What is drawn of the heart.

    Attributes:
        lines: Rates that follow each other.
        intervals: Those that are marked below them.
    """

    lines: Sequence[Sequence[heart.Sample]]
    intervals: Sequence[heart.Interval]

    def bpm(self, from_ms: int, to_ms: int) -> list[int]:
        """Return the rates of a stretch of time."""
        return [s.bpm for line in self.lines for s in line if from_ms <= s.t_ms < to_ms]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where one system is: its time, and its places from top to bottom."""

    from_ms: int
    to_ms: int
    width: float
    px_per_s: float
    has_heart: bool
    has_intervals: bool

    def x(self, t_ms: float) -> float:
        return _LEFT + (t_ms - self.from_ms) / 1000 * self.px_per_s

    @property
    def is_small(self) -> bool:
        return self.px_per_s < _PX_PER_S_CLOSE

    @property
    def heart_y(self) -> float:
        return 6.0

    @property
    def quality_y(self) -> float:
        return self.heart_y + (_HEART_H + 8 if self.has_heart else 0)

    @property
    def label_y(self) -> float:
        return self.quality_y + (8 if self.has_intervals else 0)

    @property
    def lanes_y(self) -> float:
        return self.label_y + (_LABEL_H / 2 if self.is_small else _LABEL_H)

    @property
    def cues_y(self) -> float:
        return self.lanes_y + 2 * _LANE_H + _LANE_GAP + 4

    @property
    def height(self) -> float:
        return self.cues_y + _CUES_H + _AXIS_H


def score(told: Account, name: str) -> list[Picture]:
    """Draw a session in systems, at least one; `name` begins the ids of the pictures."""
    room_ms, starts = _layout(told)
    px_ms = room_ms / (WIDE - _LEFT - _RIGHT)
    lines = heart.unbroken(told.samples)
    intervals = [one for run in heart.runs(told.intervals) for one in run]
    pictures = []
    for number, (from_ms, to_ms) in enumerate(pairwise([*starts, told.duration_ms]), 1):
        title = "The session as a score"
        if len(starts) > 1:
            title += f", {clock(from_ms)} to {clock(to_ms)}"
        times_ms = (from_ms, to_ms, room_ms)
        seen = ([s for s in line if from_ms <= s.t_ms <= to_ms + px_ms] for line in lines)
        beats = _Beats([heart.thinned(line, px_ms) for line in seen], intervals)
        pictures.append(_system(told, beats, f"{name}-{number}", title, WIDE, times_ms))
    return pictures


def small_score(told: Outline, name: str) -> Picture:
    """Draw a session in one system as wide as a phone; `name` begins the ids of the picture."""
    times_ms = (0, told.duration_ms, max(_usual_ms(SMALL), told.duration_ms))
    artefacts = [heart.Interval(t_ms, 0.0, is_sound=False) for t_ms in told.artefacts or ()]
    beats = _Beats(told.curve, artefacts)
    return _system(told, beats, name, "The session as a score", SMALL, times_ms)


def _system(  # noqa: PLR0917 - each says another thing
    told: Outline,
    beats: _Beats,
    name: str,
    title: str,
    width: float,
    times_ms: tuple[int, int, int],
) -> Picture:
    """Draw a system: from when, to when, and for how much time there is room."""
    from_ms, to_ms, room_ms = times_ms
    px_per_s = (width - _LEFT - _RIGHT) / room_ms * 1000
    has_heart, has_intervals = bool(told.curve), told.artefacts is not None
    frame = _Frame(from_ms, from_ms + room_ms, width, px_per_s, has_heart, has_intervals)
    desc = describe(told, beats.bpm(from_ms, to_ms), from_ms, to_ms)
    picture = Picture(name, width, frame.height, title, desc)
    _draw(picture, told, beats, frame, to_ms)
    return picture


def _usual_ms(width: float) -> int:
    return int((width - _LEFT - _RIGHT) / PX_PER_S) * 1000


def _layout(told: Outline) -> tuple[int, list[int]]:
    """Return how much time a system has room for, and where each begins.

    A short session is drawn wider, up to twice; a longer one a little closer together where the
    last system would be no more than a rest of one.
    """
    usual_ms = _usual_ms(WIDE)
    if told.duration_ms <= usual_ms:
        return max(told.duration_ms, usual_ms // 2), [0]
    layouts = []
    for tenths in (10, 11, 12, 13):
        room_ms = usual_ms * tenths // 10
        layouts.append((room_ms, _breaks(told, room_ms)))
    return next(
        (
            (room_ms, starts)
            for room_ms, starts in layouts
            if len(starts) == 1 or told.duration_ms - starts[-1] >= room_ms // 3
        ),
        layouts[0],
    )


def _breaks(told: Outline, room_ms: int) -> list[int]:
    """Return where each system begins: where it may, before the step that does not fit."""
    starts = [0]
    begins = sorted(phase.from_ms for phase in told.phases if not phase.is_hold)
    while told.duration_ms - starts[-1] > room_ms:
        last = starts[-1]
        fitting = [t for t in begins if last + room_ms // 2 < t <= last + room_ms]
        starts.append(fitting[-1] if fitting else last + room_ms)
    return starts


def describe(told: Outline, beats: Sequence[int], from_ms: int, to_ms: int) -> str:
    """Say in words what a stretch of the score shows.

    Args:
        told: The session.
        beats: The rates of the stretch.
        from_ms: When it begins.
        to_ms: When it ends.
    """
    parts = [
        f"{hold.place}: {outcome(hold)}" for hold in told.holds if from_ms <= hold.from_ms < to_ms
    ]
    parts += [
        f"pause of {clock(p.to_ms - p.from_ms)}"
        for p in told.pauses
        if from_ms <= p.from_ms < to_ms
    ]
    if beats:
        parts.append(f"heart rate from {beats[0]} to {beats[-1]}, highest {max(beats)}")
    return "; ".join(parts) or "nothing was held"


def outcome(hold: Phase) -> str:
    """Say how a hold ended."""
    held_s, planned_s = round(hold.held_ms / 1000), round(hold.planned_ms / 1000)
    match hold.outcome:
        case "complete":
            return f"{held_s} s"
        case "skipped":
            return f"skipped after {held_s} s"
        case "cut":
            return f"{held_s} of {planned_s} s, then stopped"
        case "back":
            return f"left after {held_s} s to do it again"
        case _:
            return "its end is not known"


def _draw(picture: Picture, told: Outline, beats: _Beats, frame: _Frame, to_ms: int) -> None:
    end_x = frame.x(to_ms)
    if frame.has_heart:
        _draw_heart(picture, told, beats, frame, end_x)
    # A staff, as the name of this program asks for.
    staff = [frame.lanes_y + row * (2 * _LANE_H + _LANE_GAP) / 4 for row in range(5)]
    picture.level(_LEFT, end_x, staff, class_="guide")
    picture.text(_LEFT - 10, frame.lanes_y + 14, "L", class_="quiet", anchor="end")
    picture.text(
        _LEFT - 10, frame.lanes_y + _LANE_H + _LANE_GAP + 14, "R", class_="quiet", anchor="end"
    )
    names = told.exercise_names
    for from_ms, until_ms, name in _exercises(told, frame, to_ms):
        if frame.is_small:
            number = str(names.index(name) + 1)
            picture.text(frame.x(from_ms), frame.lanes_y - 5, number, class_="label")
            continue
        room = frame.x(until_ms) - frame.x(from_ms) - 4
        y = frame.lanes_y - 6
        for line in reversed(_in_two_lines(name or "?", room)):
            picture.text(frame.x(from_ms), y, line, class_="label")
            y -= 14
    for hold in told.holds:
        if hold.to_ms > frame.from_ms and hold.from_ms < to_ms:
            _draw_hold(picture, told, frame, hold, to_ms)
    _draw_pauses(picture, told, frame, to_ms)
    _draw_cues(picture, told, frame, to_ms)
    _draw_away(picture, told, frame, to_ms)
    _draw_axis(picture, frame, to_ms)


def _draw_away(picture: Picture, told: Outline, frame: _Frame, to_ms: int) -> None:
    y = frame.cues_y + 15
    for away in told.away:
        if away.to_ms > frame.from_ms and away.from_ms < to_ms:
            x = frame.x(max(away.from_ms, frame.from_ms))
            picture.line(x, y, frame.x(min(away.to_ms, to_ms)), y, class_="away")


def _draw_pauses(picture: Picture, told: Outline, frame: _Frame, to_ms: int) -> None:
    for pause in told.pauses:
        if pause.to_ms > frame.from_ms and pause.from_ms < to_ms:
            x = frame.x(max(pause.from_ms, frame.from_ms))
            width = frame.x(min(pause.to_ms, to_ms)) - x
            y = frame.lanes_y - 2
            picture.rect(x, y, max(width, 2), 2 * _LANE_H + _LANE_GAP + 4, class_="pause")
            if width > 34:
                mid = x + width / 2
                picture.text(mid, y + _LANE_H + 8, "pause", class_="quiet", anchor="middle")


def _exercises(told: Outline, frame: _Frame, to_ms: int) -> Iterator[tuple[int, int, str | None]]:
    """Return from when to when each exercise is held in this system, with its name."""
    groups: list[tuple[int, str | None]] = []
    holds = told.holds
    for hold in holds:
        if not groups or groups[-1][1] != hold.exercise:
            groups.append((hold.from_ms, hold.exercise))
    ends = [*(from_ms for from_ms, _ in groups[1:]), told.duration_ms]
    for (from_ms, name), end_ms in zip(groups, ends, strict=False):
        begin_ms, until_ms = max(from_ms, frame.from_ms), min(end_ms, to_ms)
        # One that went on from the system before is named again only if a hold of it is here.
        here = any(hold.exercise == name and begin_ms <= hold.from_ms < until_ms for hold in holds)
        if begin_ms < until_ms and here:
            yield begin_ms, until_ms, name


def _in_two_lines(name: str, room: float) -> list[str]:
    """Break a name where it is too long for its place, and cut what is too long even then."""
    first, rest = name, ""
    while text_width(first, 12) > room and " " in first:
        first, _, word = first.rpartition(" ")
        rest = f"{word} {rest}".strip()
    return [line for line in (shorten(first, room, 12), shorten(rest, room, 12)) if line]


def _draw_hold(picture: Picture, told: Outline, frame: _Frame, hold: Phase, to_ms: int) -> None:
    top = frame.lanes_y + (_LANE_H + _LANE_GAP if hold.side == "right" else 0)
    height = _LANE_H if hold.side else 2 * _LANE_H + _LANE_GAP
    from_ms, until_ms = max(hold.from_ms, frame.from_ms), min(hold.to_ms, to_ms)
    kind = {COMPLETE: "hold", "skipped": "skipped", "back": "skipped"}.get(
        hold.outcome or "", "cut"
    )
    widest = (0.0, 0.0)
    for begin_ms, end_ms in _without_pauses(told, from_ms, until_ms):
        x, width = frame.x(begin_ms), max(1.5, frame.x(end_ms) - frame.x(begin_ms))
        picture.rect(x, top, width, height, class_=kind, rx=3)
        widest = max(widest, (width, x))
    width, x = widest
    label = f"{round(hold.held_ms / 1000)}" + ("" if frame.is_small else " s")
    if hold.outcome not in (COMPLETE, None):
        name = SKIPPED if kind == SKIPPED else "stopped"
        label = name if width > text_width(name, 11) + 6 else label
    text_w = text_width(label, 11)
    if width > text_w + (1 if frame.is_small else 4) and from_ms == hold.from_ms:
        class_ = "on-hold" if kind == "hold" else "small"
        if kind == "cut":  # a text on hatching is hard to read
            left = x + (width - text_w) / 2 - 2
            picture.rect(left, top + height / 2 - 8, text_w + 4, 16, class_="chip", rx=3)
        picture.text(x + width / 2, top + height / 2 + 4, label, class_=class_, anchor="middle")


def _without_pauses(told: Outline, from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    at_ms = from_ms
    for pause in told.pauses:
        if pause.to_ms <= at_ms or pause.from_ms >= to_ms:
            continue
        if pause.from_ms > at_ms:
            yield at_ms, pause.from_ms
        at_ms = pause.to_ms
    if at_ms < to_ms or at_ms == from_ms:
        yield at_ms, max(to_ms, at_ms)


def _draw_cues(picture: Picture, told: Outline, frame: _Frame, to_ms: int) -> None:
    y = frame.cues_y
    last_x = -_STROKES_APART
    strokes = []
    for cue in told.cues:
        if frame.from_ms <= cue.t_ms < to_ms or cue.t_ms == to_ms == told.duration_ms:
            close, usual = _SMALL_STROKES.get(cue.cue, ()), _STROKES.get(cue.cue, ((0, 4),))
            for offset, height in close if frame.is_small else usual:
                x = frame.x(cue.t_ms) + offset
                if not frame.is_small or x - last_x >= _STROKES_APART:
                    strokes.append((x, y, y + height))
                    last_x = x
    picture.upright(strokes, class_="ink-tick")


def _draw_axis(picture: Picture, frame: _Frame, to_ms: int) -> None:
    step_s = next((s for s in _TICK_STEPS_S if s * frame.px_per_s >= 48), _TICK_STEPS_S[-1])
    y = frame.height - 4
    second = -(-frame.from_ms // (step_s * 1000)) * step_s
    ticks = []
    while second * 1000 <= to_ms:
        x = frame.x(second * 1000)
        ticks.append((x, y - 14, y - 10))
        if x + 14 <= frame.width:
            picture.text(x, y, clock(second * 1000), class_="quiet", anchor="middle")
        second += step_s
    picture.upright(ticks, class_="frame")


# --- the heart


def bpm_range(low: int, high: int) -> tuple[int, int]:
    """Return the range of the scale: whole tens around all rates, at least 30 wide."""
    low, high = low // 10 * 10, -(-high // 10) * 10
    if high - low < _BPM_SPAN_MIN:
        high = low + _BPM_SPAN_MIN
    return low, high


def _draw_heart(
    picture: Picture, told: Outline, beats: _Beats, frame: _Frame, end_x: float
) -> None:
    low, high = bpm_range(told.summary.bpm_min or 0, told.summary.bpm_max or 0)

    def y(bpm: float) -> float:
        return frame.heart_y + _HEART_H * (high - bpm) / (high - low)

    scale = (low, (low + high) // 2, high)
    picture.level(_LEFT, end_x, map(y, scale), class_="guide")
    for bpm in scale:
        picture.text(_LEFT - 6, y(bpm) + 4, str(bpm), class_="quiet", anchor="end")
    for line in beats.lines:
        places = ((frame.x(t_ms), y(bpm)) for t_ms, bpm in line)
        points = [place for place in places if place[0] <= end_x + 1]
        if len(points) == 1:
            picture.add("circle", cx=points[0][0], cy=points[0][1], r=1.8, class_="beat")
        elif points:
            picture.path(points, class_="heart")
    sound = []
    for interval in beats.intervals:
        x = frame.x(interval.t_ms)
        if not (frame.from_ms <= interval.t_ms < frame.to_ms and x <= end_x):
            continue
        if interval.is_sound:
            sound.append((x, frame.quality_y, frame.quality_y + 3))
        else:
            picture.add(
                "circle",
                cx=x,
                cy=frame.quality_y + 1,
                r=1.6 if frame.is_small else 2.4,
                class_="beat",
            )
    if not frame.is_small:
        picture.upright(sound, class_="frame")
