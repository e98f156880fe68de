# SPDX-License-Identifier: MIT
"""How the result of a quiz about cues is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tenuto.cli import tables
from tenuto.simulator.perception import truth_of
from tenuto.terminal.words import cue as cue_words

from .measuring import KEYS

if TYPE_CHECKING:
    from tenuto.cues.results import QuizResult


def show_quiz(result: QuizResult) -> None:
    """Print a result; no percentage stands without its interval."""
    score = result.score
    by = ", by the wearable's button" if result.answered_by == "button" else ""
    lines = [f"Right, {result.condition}{by}: {score.right}   (in brackets: the interval of 95 %)"]
    lines.append(f"Missed: {score.missed}")
    if score.answer_ms is not None and not by:
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
    person = truth_of(result.truth)
    if person is not None:
        right = person.right(dict(zip(result.cues, result.patterns, strict=True)))
        end.append(f"In truth this simulated person is right in {100 * right:.1f} %.")
    tables.write(*(Text(line) for line in lines), table, *(Text(line) for line in end))
