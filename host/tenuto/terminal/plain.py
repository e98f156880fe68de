# SPDX-License-Identifier: MIT
"""The session as plain lines: for a pipe, a file, a simple terminal or a screen reader."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from tenuto.sessions import events
from tenuto.sessions.view import State
from tenuto_core import vocab

from . import words
from .draw import can_draw, draw_felt
from .screen_state import BEAT_FRESH_MS, ScreenStates
from .writer import Once, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tenuto.sessions.events import Entry
    from tenuto.sessions.view import SessionView

    from .screen_state import ScreenState

_BY = {"wearer": "on the wearable", "host": "from the computer", "plan": "by the plan"}
_TICK = vocab.CUES[vocab.COUNTDOWN]


class LinesSink:
    """Writes a line for each event that matters, without any control code, and a summary.

    Args:
        stream: Where it writes.
        speed: Of the loop's clock, for the summary.
        on_gone: Called once when the reader has gone away.
    """

    name = "lines"

    def __init__(
        self,
        stream: IO[str],
        *,
        speed: float = 1.0,
        on_gone: Callable[[], None] | None = None,
    ) -> None:
        self._writer = Writer(stream, on_gone)
        self._once = Once()
        self._screens = ScreenStates()
        self._speed = speed
        self._plain = not can_draw(self._writer.encoding)

    async def open(self) -> None:
        """Do nothing."""

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Write what the entries mean; returns when it is written."""
        for entry in self._once.fresh(entries):
            screen = self._screens.apply(entry)
            if screen is None:
                continue
            for line in self._lines(screen, entry.event):
                self._writer.write(line + "\n")
        await self._writer.drain()

    async def close(self) -> None:
        """Write what is left."""
        await self._writer.drain()

    def _lines(self, screen: ScreenState, event: events.Event) -> Iterator[str]:
        text = self._text(screen, event)
        if text:
            yield f"{words.clock(event.t_ms):>5}  {text}"
        if isinstance(event, events.SessionEnded):
            yield ""
            yield from words.summary(screen.summary(), self._speed)

    def _text(self, screen: ScreenState, event: events.Event) -> str | None:  # noqa: C901, PLR0911, PLR0912
        match event:
            case events.SessionStarted():
                by = _BY.get(event.source, "")
                return f"{words.printable(event.routine)} begins, started {by}".rstrip()
            case events.StepStarted():
                return _step(screen.view, screen.held, event)
            case events.CueFired() if event.cue != _TICK:
                pattern = events.pattern_of(screen.view.plan, event.cue)
                if pattern == ():
                    return None
                felt = draw_felt(pattern, 100, plain=self._plain)
                return f"felt: {words.cue(event.cue, event.phase):18} {felt}".rstrip()
            case events.Unfelt():
                return f"not felt: {words.cue(event.cue, event.phase)}"
            case events.Paused():
                return "paused: press to go on"
            case events.Resumed():
                return f"goes on after a pause of {words.span(event.paused_ms)}"
            case events.Skipped():
                return f"skipped {_BY.get(event.source, '')}".rstrip()
            case events.WentBack():
                return f"back to the hold before {_BY.get(event.source, '')}".rstrip()
            case events.Extended():
                longer = words.span(event.by_ms)
                return f"{longer} longer: {words.span(event.duration_ms)} in all"
            case events.Waiting():
                waits = words.waiting(event.waits_for, screen.gate_bpm, screen.limit_bpm)
                limited = screen.is_only_limited
                end = words.waiting_end(event.waits_for, event.max_ms, over_limit=limited)
                return f"{waits} ({end})"
            case events.HeartSensor(is_heard=True):
                return f"the heart rate comes from {words.printable(event.sensor)}"
            case events.HeartSensor():
                return f"{words.printable(event.sensor)} is not heard: the heart rate is not known"
            case events.LinkLost():
                is_paused = screen.view.state is State.PAUSED
                how = "is paused" if is_paused else "goes on there"
                return f"the wearable is out of reach; the session {how}"
            case events.LinkRestored():
                return "the wearable is in reach again"
            case events.RecordsLost():
                lost = words.count(event.count, "record", "records")
                return f"{lost} of the wearable could not be read"
            case events.SessionEnded():
                return words.ending(event.reason, event.source).lower()
            case _:
                return None


def _step(view: SessionView, held: str | None, event: events.StepStarted) -> str | None:
    what, time = words.with_rep(view), words.span(event.duration_ms)
    if event.phase:
        what += f", {words.printable(event.phase)}"
    if view.is_open:
        time = f"as long as you can, at most {time}, press when you let go"
    if event.kind == events.DONE:
        return None
    if event.kind != events.HOLD:
        return f"{words.lead(event.kind, same=view.exercise == held)} {what}: {time}"
    heart = ""
    if view.bpm_at is not None and event.t_ms - view.bpm_at.t_ms <= BEAT_FRESH_MS:
        heart = f", heart {view.bpm}"
    return f"{words.hold_number(view) or 'hold'}: {what}, {time}{heart}"
