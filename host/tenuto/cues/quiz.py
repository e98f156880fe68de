# SPDX-License-Identifier: MIT
"""A quiz: which cue comes when, and which answer belongs to which cue.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto_core.button import DOUBLE_GAP_MS

from .scores import Score, Trial

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

CORE = ("hold_start", "hold_end", "switch_sides", "finished", "attention")
"""The cues that every session needs; five are what a beginner can tell apart on one motor."""
ANSWER_MS_MAX = 6_000
"""From the beginning of a cue; after that it is missed."""
GAP_MS = (2_000, 4_000)
"""From the end of an answer's time to the next cue, so that nobody can wait for the beat."""

SCAN_FIRST_MS, SCAN_MS = 2_500, 1_500
"""Where the wearable's button answers, the names are shown in turn and a press chooses the one that
is shown: the first for so long, each other one for so long."""
PRESS_MS = 80 + DOUBLE_GAP_MS
"""So long after its beginning a press is known not to be a double one, and ends the hold."""
SCAN_LAG_MS = PRESS_MS + 250
"""A name is still meant so long after it is shown: a press is late, and known later."""

LESSON_PAIRS = 3


def scan_ms(choices: int) -> int:
    """Return how long the names of so many cues are shown in turn."""
    return SCAN_FIRST_MS + (choices - 1) * SCAN_MS + SCAN_LAG_MS + 250


def shown_at(choices: int, elapsed_ms: int) -> int:
    """Return which name, counted from 0, is chosen by a press that ends the hold of a cue.

    Args:
        choices: How many there are.
        elapsed_ms: How long the hold lasted.
    """
    since_ms = elapsed_ms - SCAN_LAG_MS - SCAN_FIRST_MS + SCAN_MS
    return min(choices - 1, max(0, since_ms) // SCAN_MS)


def scan_window_ms(number: int) -> tuple[int, int]:
    """Return from when to when after the beginning of a cue a name is shown."""
    ends_ms = SCAN_FIRST_MS + number * SCAN_MS
    return (0 if number == 0 else ends_ms - SCAN_MS), ends_ms


def order(cues: Sequence[str], count: int, rng: random.Random) -> Iterator[str]:
    """Return the cues of a quiz: in blocks in which each comes once, and none twice running.

    Args:
        cues: Two or more.
        count: How many trials.
        rng: The chance in it.
    """
    last, block = None, list(cues)
    for number in range(count):
        place = number % len(block)
        if place == 0:
            rng.shuffle(block)
            if block[0] == last:
                other = rng.randrange(1, len(block))
                block[0], block[other] = block[other], block[0]
        last = block[place]
        yield last


def lesson_order(cues: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return the cues of a lesson: each three times, then the most alike in turn, twice.

    Args:
        cues: Which ones.
        pairs: Pairs of cues, the most alike first; those of others are passed over.
    """
    alike = [pair for pair in pairs if set(pair) <= set(cues)][:LESSON_PAIRS]
    in_turn = [cue for pair in alike for cue in pair * 2]
    return [cue for cue in cues for _ in range(3)] + in_turn


class Quiz:
    """Takes in what was felt and what was answered, each with the time of one clock.

    Args:
        cues: Those that it is about.
        longest_ms: From the beginning of a cue to its answer; `ANSWER_MS_MAX` for None.

    Attributes:
        cues: Those that it is about.
    """

    def __init__(self, cues: Sequence[str], longest_ms: int | None = None) -> None:
        self.cues = tuple(cues)
        self._longest_ms = ANSWER_MS_MAX if longest_ms is None else longest_ms
        self._felt: list[tuple[str, int]] = []
        self._answers: dict[int, tuple[str, int]] = {}

    @property
    def waits(self) -> bool:
        """Whether a cue was felt that has no answer yet."""
        return bool(self._felt) and len(self._felt) - 1 not in self._answers

    def cue(self, cue: str, at_ms: int) -> None:
        """Take in a cue that was given; others than those of the quiz are passed over."""
        if cue in self.cues:
            self._felt.append((cue, at_ms))

    def unfelt(self, cue: str) -> None:
        """Take back a cue that the device did not take: it says nothing about the person."""
        if self._felt and self._felt[-1][0] == cue:
            self._answers.pop(len(self._felt) - 1, None)
            self._felt.pop()

    def answer(self, cue: str, at_ms: int) -> bool:
        """Take in an answer to the last cue.

        Returns:
            Whether it counts: it is the first one, and in time.
        """
        if not self.waits or not 0 <= at_ms - self._felt[-1][1] <= self._longest_ms:
            return False
        self._answers[len(self._felt) - 1] = (cue, at_ms)
        return True

    def end(self, at_ms: int) -> None:
        """Take back the last cue if the time for its answer is not over yet."""
        if self.waits and at_ms - self._felt[-1][1] < self._longest_ms:
            self._felt.pop()

    def score(self) -> Score:
        """Return the result so far."""
        trials = []
        for number, (cue, at_ms) in enumerate(self._felt):
            answer, answered_ms = self._answers.get(number, (None, None))
            took_ms = None if answered_ms is None else answered_ms - at_ms
            trials.append(Trial(cue, answer, took_ms))
        return Score(self.cues, tuple(trials))
