# SPDX-License-Identifier: MIT
"""The quiz of `tenuto cues`: how what happens becomes answers, and how the result is shown."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from rich.text import Text

from tenuto.cli import tables
from tenuto.sessions.events import CueFired, Unfelt
from tenuto.simulator.perception import Perceiver
from tenuto.terminal.words import cue as cue_words
from tenuto_core.vocab import CUES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.cues.quiz import Quiz
    from tenuto.cues.scores import Score
    from tenuto.routines.haptics import Vocabulary
    from tenuto.sessions.events import Entry

KEYS = "123456789"
"""For the answers, in the order of the cues."""


class Simulated:
    """A simulated person who answers in place of one at the keys.

    Args:
        cues: Those that may be the answer.
        vocabulary: As it is felt.
        seed: Makes the person.
    """

    def __init__(self, cues: Sequence[str], vocabulary: Vocabulary, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - repeatable chance is wanted
        self._person = Perceiver.some(self._rng)
        patterns = dict(zip(CUES, vocabulary.patterns, strict=True))
        self._choices = {cue: patterns[cue] for cue in cues}

    def answer(self, cue: str) -> tuple[str | None, int]:
        """Return what the person takes a cue for, None for a miss, and after how many ms."""
        return self._person.answer(cue, self._choices, self._rng)

    def truth(self) -> str:
        """Return what this person tells apart in truth."""
        right = [self._person.takes_for(cue, self._choices)[cue] for cue in self._choices]
        return f"In truth this simulated person is right in {100 * sum(right) / len(right):.1f} %."


class Asking:
    """Hands on to a quiz what the wearable tells and what is pressed.

    Args:
        quiz: Takes it in.
        person: Answers in place of the keys.
    """

    def __init__(self, quiz: Quiz, person: Simulated | None = None) -> None:
        self._quiz = quiz
        self._person = person

    def press(self, key: str, at_ms: int) -> None:
        """Take in a key; others than those of the answers are passed over."""
        number = KEYS.find(key)
        if 0 <= number < len(self._quiz.cues):
            is_taken = self._quiz.answer(self._quiz.cues[number], at_ms)
            print("." if is_taken else "", end="", flush=True)

    async def tell(self, entries: Sequence[Entry]) -> None:
        """Take in what the wearable did."""
        for entry in entries:
            if isinstance(entry.event, CueFired):
                self._felt(entry.event.cue, entry.utc_ms)
            elif isinstance(entry.event, Unfelt):
                self._quiz.unfelt(entry.event.cue)

    def _felt(self, cue: str, at_ms: int) -> None:
        self._quiz.cue(cue, at_ms)
        if self._person is not None and cue in self._quiz.cues:
            answer, took_ms = self._person.answer(cue)
            if answer is not None:
                self._quiz.answer(answer, at_ms + took_ms)


def show_score(score: Score, condition: str) -> None:
    """Print a result; no percentage stands without its interval."""
    if not score.trials:
        print("No cue was felt, so nothing was measured.")
        return
    lines = [f"Right, {condition}: {score.right}   (in brackets: the interval of 95 %)"]
    lines.append(f"Missed: {score.missed}")
    if score.answer_ms is not None:
        lines.append(f"Median time to a right answer: {score.answer_ms / 1000:.1f} s")
    table = tables.table(
        "!felt", *(f"!>{number}" for number in KEYS[: len(score.cues)]), "!>missed", "right"
    )
    for number, cue in enumerate(score.cues, 1):
        counts = [score.matrix.get((cue, answer), 0) for answer in (*score.cues, None)]
        cells = [str(count) if count else "." for count in counts]
        table.add_row(Text(f"{number} {cue_words(cue)}"), *cells, str(score.of(cue)))
    end = []
    if score.most_confused is not None:
        one, other, times = score.most_confused
        end.append(
            f"Confused most: {cue_words(one)} and {cue_words(other)}, {times} times. One buzz more"
            " or one three times as long tells them apart; `tenuto cues lint` proposes one."
        )
    blocks = ", ".join(str(block.count) for block in score.blocks)
    end.append(f"Right in each block of {len(score.cues)}: {blocks}")
    end.append(f"Information in an answer: at least {score.bits_at_least:.2f} bits are proven.")
    tables.write(*(Text(line) for line in lines), table, *(Text(line) for line in end))
