# SPDX-License-Identifier: MIT
"""What a session must be like, said in another way than the player says it.

The player keeps an anchor and a pointer; this keeps an agenda: the absolute times of what is
still to come in the present step.  A pause moves the whole agenda, an extension its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenuto_core import vocab

if TYPE_CHECKING:
    from tenuto_core.plan import Step

LONGEST_PAUSE_MS = 60 * 60_000
BEAT_LASTS_MS = 5_000
BACK_GRACE_MS = 3_000


@dataclass
class Oracle:
    """Follows one session; felt: (at_ms, cue, planned_ms), ended: (at_ms, reason)."""

    steps: list[Step]
    felt: list[tuple[int, int, int]] = field(default_factory=list)
    ended: tuple[int, str] | None = None
    mode: str = "idle"
    number: int = 0
    agenda: list[tuple[int, bool, int]] = field(default_factory=list)
    begin_ms: int = 0
    end_ms: int = 0
    frozen_ms: int = 0
    thawed_ms: int = 0
    in_position: bool = False
    heart: tuple[int, int] = (-(10**9), 0)

    @property
    def step(self) -> Step:
        return self.steps[self.number]

    def enter(self, number: int, at_ms: int) -> None:
        self.mode, self.number, self.in_position = "run", number, False
        self.begin_ms, self.end_ms = at_ms, at_ms + self.step.duration_ms
        self.agenda = [
            (self.end_ms - offset_ms if from_end else at_ms + offset_ms, from_end, cue)
            for offset_ms, from_end, cue in self.step.cues
        ]

    def awaits(self, now_ms: int) -> bool:
        beat_ms, bpm = self.heart
        calm = now_ms - beat_ms <= BEAT_LASTS_MS and bpm < self.step.gate_bpm
        return (self.step.gate_bpm > 0 and not calm) or self.needs_press

    @property
    def is_let_go(self) -> bool:
        """Whether a press would end the present hold."""
        return self.mode == "run" and self.step.is_open

    @property
    def needs_press(self) -> bool:
        return self.step.self_paced and not self.in_position

    def end(self, at_ms: int, reason: str) -> None:
        self.mode, self.ended = "idle", (at_ms, reason)

    def advance(self, now_ms: int) -> None:
        while True:
            if self.mode == "run" and self.agenda and self.agenda[0][0] <= now_ms:
                planned_ms, _, cue = self.agenda.pop(0)
                self.felt.append((now_ms, cue, planned_ms))
            elif self.mode == "run" and not self.agenda and self.end_ms <= now_ms:
                if self.number == len(self.steps) - 1:
                    self.end(now_ms, "finished")
                elif self.awaits(now_ms):
                    self.mode = "wait"
                else:
                    # What was awaited may have come while time stood still.
                    self.enter(self.number + 1, max(self.end_ms, self.thawed_ms))
            elif self.mode == "wait" and self.begin_ms + self.step.wait_max_ms <= now_ms:
                if self.needs_press:
                    self.end(now_ms, "stopped")
                else:
                    self.enter(self.number + 1, self.begin_ms + self.step.wait_max_ms)
            elif self.mode == "pause" and self.frozen_ms + LONGEST_PAUSE_MS <= now_ms:
                self.end(now_ms, "stopped")
            else:
                return

    def thaw(self, now_ms: int) -> None:
        by_ms = now_ms - self.frozen_ms
        self.thawed_ms = now_ms
        self.begin_ms += by_ms
        self.end_ms += by_ms
        self.agenda = [(at_ms + by_ms, from_end, cue) for at_ms, from_end, cue in self.agenda]
        self.mode = "run"

    def beat(self, bpm: int, now_ms: int) -> None:
        self.heart = (now_ms, bpm)
        self._go_on(now_ms, early=False)

    def press(self, now_ms: int) -> None:
        if self.is_let_go:
            if now_ms < self.end_ms:
                self.end_ms = now_ms
                self.agenda = [(now_ms, end, cue) for _, end, cue in self.agenda if end]
        elif self.mode in ("run", "wait") and self.needs_press:
            self.in_position = True
            self._go_on(now_ms, early=True)
        else:
            {"idle": self.start, "run": self.pause, "wait": self.pause, "pause": self.resume}[
                self.mode
            ](now_ms)

    def _go_on(self, now_ms: int, *, early: bool) -> None:
        if (self.mode == "wait" or (self.mode == "run" and early)) and not self.awaits(now_ms):
            self.enter(self.number + 1, now_ms)

    def start(self, now_ms: int) -> None:
        self.enter(0, now_ms)

    def pause(self, now_ms: int) -> None:
        self.mode, self.frozen_ms = "pause", now_ms
        self.felt.append((now_ms, vocab.ATTENTION, now_ms))

    def resume(self, now_ms: int) -> None:
        self.thaw(now_ms)
        self.felt.append((now_ms, vocab.COUNTDOWN, now_ms))

    def skip(self, now_ms: int) -> None:
        """On to what follows, and from a phase past all phases that follow at once."""
        passed = [self.number]
        if self.step.kind == vocab.HOLD and self.step.phase:
            for number in range(self.number + 1, len(self.steps)):
                if not (self.steps[number].kind == vocab.HOLD and self.steps[number].phase):
                    break
                passed.append(number)
        self.enter(passed[-1] + 1, now_ms)

    def back(self, now_ms: int) -> None:
        """To what leads to this hold, or within its first 3 s and elsewhere to the one before.

        The phases of a repetition are one hold.
        """
        spent_ms = (self.frozen_ms if self.mode == "pause" else now_ms) - self.begin_ms
        holds: list[list[int]] = []
        for number, step in enumerate(self.steps):
            if step.kind != vocab.HOLD:
                continue
            follows = bool(holds) and holds[-1][-1] == number - 1 and bool(step.phase)
            if follows and self._repetition(number) == self._repetition(number - 1):
                holds[-1].append(number)
            else:
                holds.append([number])
        reached = [hold for hold in holds if hold[-1] < self.number]
        present = next((hold for hold in holds if self.number in hold), None)
        if present and (spent_ms > BACK_GRACE_MS or self.number > present[0]):
            reached.append(present)
        self.enter(reached[-2][-1] + 1 if len(reached) > 1 else 0, now_ms)

    def _repetition(self, number: int) -> tuple[int, int, int, int]:
        step = self.steps[number]
        return step.exercise, step.side, step.rep, step.set_no

    def extend(self, by_ms: int) -> None:
        self.end_ms += by_ms
        self.agenda = [(at + by_ms if end else at, end, cue) for at, end, cue in self.agenda]

    def stop(self, now_ms: int) -> None:
        self.end(now_ms, "stopped")
