# SPDX-License-Identifier: MIT
"""A lesson, a quiz and a measurement of strength while they go on, wherever they were asked for.

Each has plans that the wearable plays, takes in what happens there and what is answered, and ends
with a result.  Pure: the time is that of the entries, or an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tenuto.sessions.events import (
    COMPLETE,
    HOLD,
    CueFired,
    SessionEnded,
    StepEnded,
    StepStarted,
    Unfelt,
)
from tenuto_core.vocab import CUES, END_REASONS, ENDED_FINISHED

from .quiz import GAP_MS, Quiz, lesson_order, order, scan_ms, shown_at
from .results import LessonResult, QuizResult, StrengthResult
from .threshold import TRIALS, Threshold, empty_trials
from .trials import LESSON_EVERY_MS, lesson_plan, quiz_plan, strength_plan

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence

    from tenuto.routines.compile import CompiledPlan
    from tenuto.routines.haptics import Vocabulary
    from tenuto.sessions.events import Entry

    from .results import Result

FINISHED = END_REASONS[ENDED_FINISHED]
STRENGTH_WAIT_MS = (1_500, 4_000)
STRENGTH_TRIES_MAX = 2 * TRIALS
"""A trial whose answer came before the buzz, or whose buzz did not, is made once more."""


class Measuring(Protocol):
    """What the three have in common.

    Attributes:
        choices: What may be answered, in the order of the keys; empty where one answer is enough.
    """

    choices: tuple[str, ...]

    def plans(self) -> Iterator[CompiledPlan]:
        """Yield the plans that have to be played, each when the one before has ended."""
        ...

    def take(self, entry: Entry) -> str | None:
        """Take in what the wearable did; return the cue that began, None for anything else."""
        ...

    def answer(self, number: int, utc_ms: int) -> bool:
        """Take in an answer: the place of a choice, from 0; return whether it counts."""
        ...

    def result(self) -> Result | None:
        """Return what it came to, None if that is nothing."""
        ...


class Lesson:
    """Plays each cue three times, then the most alike in turn; see `Measuring`.

    Args:
        cues: Which ones.
        felt: The vocabulary, as it is felt.
        pairs: Pairs of cues, the most alike first.
    """

    choices: tuple[str, ...] = ()

    def __init__(
        self, cues: Sequence[str], felt: Vocabulary, pairs: Sequence[tuple[str, str]]
    ) -> None:
        self.order = lesson_order(cues, pairs)
        self._cues = tuple(cues)
        self._plan = lesson_plan(felt, self.order, LESSON_EVERY_MS)
        self._count = 0

    def plans(self) -> Iterator[CompiledPlan]:
        """See `Measuring`."""
        yield self._plan

    def take(self, entry: Entry) -> str | None:
        """See `Measuring`."""
        if isinstance(entry.event, CueFired):
            self._count += 1
            return entry.event.cue
        return None

    def answer(self, _number: int, _utc_ms: int) -> bool:
        """See `Measuring`."""
        return False

    def result(self) -> LessonResult | None:
        """See `Measuring`."""
        return LessonResult(cues=self._cues, count=self._count) if self._count else None


class AskedQuiz:
    """Asks which cue it was; see `Measuring`.

    Args:
        cues: Those that may be the answer.
        felt: The vocabulary, as it is felt.
        count: How many trials.
        rng: The chance in it.
        condition: What the person does meanwhile.
        by_button: Whether the wearable's button answers, see `quiz.scan_ms`.
        truth: The parameters of a simulated person.

    Attributes:
        felt: The patterns of the cues.
    """

    def __init__(
        self,
        cues: Sequence[str],
        felt: Vocabulary,
        count: int,
        rng: random.Random,
        *,
        condition: str = "resting",
        by_button: bool = False,
        truth: Mapping[str, float] | None = None,
    ) -> None:
        self.choices = tuple(cues)
        self.felt = {cue: felt.patterns[CUES.index(cue)] for cue in cues}
        self.count = count
        self.by_button = by_button
        self._condition = condition
        self._truth = truth or {}
        self._longest_ms = 0
        self._quiz = Quiz(cues, scan_ms(len(cues)) if by_button else None)
        sequence = list(order(cues, count, rng))
        gaps_ms = [rng.randint(*GAP_MS) for _ in sequence]
        self.plan = quiz_plan(felt, sequence, gaps_ms, choices=len(cues) if by_button else 0)

    def plans(self) -> Iterator[CompiledPlan]:
        """See `Measuring`."""
        yield self.plan

    def take(self, entry: Entry) -> str | None:
        """See `Measuring`."""
        event = entry.event
        match event:
            case CueFired() if event.cue in self.choices:
                self._quiz.cue(event.cue, event.t_ms if self.by_button else entry.utc_ms)
                return event.cue
            case Unfelt():
                self._quiz.unfelt(event.cue)
            case SessionEnded(reason=reason) if reason != FINISHED:
                # A cue whose time for an answer is not over says nothing.
                self._quiz.end(event.t_ms if self.by_button else entry.utc_ms)
            case StepStarted(kind=kind) if kind == HOLD:
                self._longest_ms = event.duration_ms
            case StepEnded(kind=kind, elapsed_ms=elapsed_ms) if kind == HOLD:
                # The wearable's own clock says when the button was pressed.
                if elapsed_ms < self._longest_ms and event.outcome == COMPLETE:
                    chosen = self.choices[shown_at(len(self.choices), elapsed_ms)]
                    self._quiz.answer(chosen, event.t_ms)
            case _:
                pass
        return None

    def answer(self, number: int, utc_ms: int) -> bool:
        """See `Measuring`."""
        if self.by_button or not 0 <= number < len(self.choices):
            return False
        return self._quiz.answer(self.choices[number], utc_ms)

    def result(self) -> QuizResult | None:
        """See `Measuring`."""
        trials = self._quiz.score().trials
        if not trials:
            return None
        return QuizResult(
            cues=self.choices,
            patterns=tuple(self.felt.values()),
            trials=trials,
            condition=self._condition,
            answered_by="button" if self.by_button else "keys",
            truth=self._truth,
        )


class AskedStrength:
    """Asks whether something was felt; see `Measuring`.

    Args:
        rng: The chance in it.
        by_button: Whether the wearable's button answers.
        truth: The parameters of a simulated person.
    """

    choices: tuple[str, ...] = ()

    def __init__(
        self,
        rng: random.Random,
        *,
        by_button: bool = False,
        truth: Mapping[str, float] | None = None,
    ) -> None:
        self.by_button = by_button
        self.strength_pct = 0
        self._rng = rng
        self._truth = truth or {}
        self._longest_ms = 0
        self._threshold = Threshold()
        self._trials: list[tuple[int, bool]] = []
        self._is_given = self._is_felt = False

    @property
    def count(self) -> int:
        """How many trials were made."""
        return len(self._trials)

    def plans(self) -> Iterator[CompiledPlan]:
        """See `Measuring`."""
        empties = list(empty_trials(TRIALS, self._rng))
        for _ in range(STRENGTH_TRIES_MAX):
            if self.count == TRIALS:
                return
            self.strength_pct = 0 if empties[self.count] else self._threshold.next_pct
            self._is_given = self._is_felt = False
            wait_ms = self._rng.randint(*STRENGTH_WAIT_MS)
            yield strength_plan(self.strength_pct, wait_ms, by_button=self.by_button)
            if self._is_given:
                self._threshold.take(self.strength_pct, felt=self._is_felt)
                self._trials.append((self.strength_pct, self._is_felt))

    def take(self, entry: Entry) -> str | None:
        """See `Measuring`."""
        event = entry.event
        match event:
            case CueFired():
                # What was pressed before the buzz was no answer to it.
                self._is_given, self._is_felt = True, False
                return event.cue
            case Unfelt():
                self._is_given = False
            case StepStarted(kind=kind) if kind == HOLD:
                self._longest_ms = event.duration_ms
            case StepEnded(kind=kind, elapsed_ms=elapsed_ms) if kind == HOLD:
                is_pressed = elapsed_ms < self._longest_ms and event.outcome == COMPLETE
                self._is_felt = self._is_felt or is_pressed
            case _:
                pass
        return None

    def answer(self, _number: int, _utc_ms: int) -> bool:
        """See `Measuring`."""
        is_first = self._is_given and not self._is_felt and not self.by_button
        self._is_felt = self._is_felt or is_first
        return is_first

    def result(self) -> StrengthResult | None:
        """See `Measuring`."""
        if not self._trials:
            return None
        return StrengthResult(
            trials=tuple(self._trials),
            answered_by="button" if self.by_button else "keys",
            truth=self._truth,
        )
