# SPDX-License-Identifier: MIT
"""Virtual people who feel cues, miss some, and take some for others.

Their numbers are those of published people; the table is in `tenuto/history/EVIDENCE.md`, and
`tests/simulator/test_perception.py` holds it to what comes out here.  Not modelled: a second buzz
near a cue, several motors, and age.
"""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from tenuto.cues.distance import distance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenuto.routines.haptics import Pattern

CONFUSES_AT = 1.1
"""The scale of distances over which an untrained person confuses, in the mean of people."""
LEARNING_TRIALS = 60.0
FORGETTING_DAYS = 13.0
"""After so long without practice, half of what was learned is left."""

_distance = lru_cache(maxsize=4_096)(distance)


@dataclass(frozen=True, kw_only=True)
class Perceiver:
    """How somebody feels.

    Attributes:
        threshold_pct: The strength that is felt in about 63 of 100 cases.
        slope: Of the Weibull function of strength.
        lapse: The share of cues that are missed whatever their strength.
        false_alarm: The share of empty trials in which something is felt.
        confuses_at: The scale of distances over which cues are confused; small is good.
        learns: How much smaller that is after `LEARNING_TRIALS`, 0 to 1.
        answer_ms: The usual time to an answer.
    """

    threshold_pct: float = 20.0
    slope: float = 3.5
    lapse: float = 0.02
    false_alarm: float = 0.03
    confuses_at: float = CONFUSES_AT
    learns: float = 0.4
    answer_ms: float = 1_400.0

    @classmethod
    def some(cls, rng: random.Random) -> Perceiver:
        """Return somebody."""
        return cls(
            threshold_pct=min(70.0, 20.0 * math.exp(rng.gauss(0.0, 0.35))),
            lapse=rng.uniform(0.0, 0.04),
            false_alarm=rng.uniform(0.0, 0.1),
            confuses_at=CONFUSES_AT * math.exp(rng.gauss(0.0, 0.35)),
            answer_ms=1_400.0 * math.exp(rng.gauss(0.0, 0.2)),
        )

    def moving(self) -> Perceiver:
        """Return the same person in motion: weaker, and slower to answer."""
        return replace(
            self,
            threshold_pct=1.5 * self.threshold_pct,
            confuses_at=1.35 * self.confuses_at,
            answer_ms=1.3 * self.answer_ms,
        )

    def parameters(self) -> dict[str, float]:
        """Return what makes this person, by the names above."""
        return asdict(self)

    def feels(self, strength_pct: float) -> float:
        """Return how probable it is that a buzz is felt; for strength 0, that nothing is."""
        detected = 1 - math.exp(-((strength_pct / self.threshold_pct) ** self.slope))
        return self.false_alarm + (1 - self.false_alarm - self.lapse) * detected

    def far(self, one: Pattern, other: Pattern) -> float:
        """Return how far two patterns are from each other for this person."""
        return _distance(one, other)

    def takes_for(
        self, cue: str, patterns: Mapping[str, Pattern], trials: int = 0, days: float = 0.0
    ) -> dict[str, float]:
        """Return how probable each answer to a cue is; what is left of 1 is missed.

        Args:
            cue: What is played.
            patterns: Of all cues that may be the answer.
            trials: How many the person has had before.
            days: Since the last of them.
        """
        learned = self.learns * (1 - math.exp(-trials / (LEARNING_TRIALS / 2)))
        scale = self.confuses_at * (1 - learned / (1 + (days / FORGETTING_DAYS) ** 3))
        played = patterns[cue]
        weights = {
            name: math.exp(-self.far(played, pattern) / scale) for name, pattern in patterns.items()
        }
        strongest = max((pulse[0] for pulse in played), default=0)
        felt = self.feels(strongest) / sum(weights.values())
        return {name: weight * felt for name, weight in weights.items()}

    def right(self, patterns: Mapping[str, Pattern], trials: int = 0, days: float = 0.0) -> float:
        """Return the share of cues that are taken for what they are, each as often as others."""
        shares = [self.takes_for(cue, patterns, trials, days)[cue] for cue in patterns]
        return sum(shares) / len(patterns)

    def information(self, patterns: Mapping[str, Pattern], trials: int = 0) -> float:
        """Return the bits that an answer carries, each cue as often as others; misses count."""
        rows = []
        for cue in patterns:
            row = list(self.takes_for(cue, patterns, trials).values())
            rows.append([*row, max(0.0, 1 - sum(row))])
        columns = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        return sum(
            share / len(rows) * math.log2(share / mean)
            for row in rows
            for share, mean in zip(row, columns, strict=True)
            if share > 0
        )

    def answer(
        self, cue: str, patterns: Mapping[str, Pattern], rng: random.Random, trials: int = 0
    ) -> tuple[str | None, int]:
        """Return an answer, None for a miss, and how long it takes in ms."""
        chance = self.takes_for(cue, patterns, trials)
        named = rng.choices((*chance, None), (*chance.values(), max(0.0, 1 - sum(chance.values()))))
        return named[0], round(self.answer_ms * math.exp(rng.gauss(0.0, 0.25)))


class Volunteer:
    """A simulated person who takes part in a quiz or a measurement of strength.

    Args:
        seed: Makes the person and their chance.
        condition: What they do meanwhile; whoever does not rest feels less.

    Attributes:
        person: How they feel.
    """

    def __init__(self, seed: int, condition: str = "resting") -> None:
        self._rng = random.Random(seed)  # noqa: S311 - repeatable chance is wanted
        some = Perceiver.some(self._rng)
        self.person = some if condition == "resting" else some.moving()

    def answer(self, cue: str, patterns: Mapping[str, Pattern]) -> tuple[str | None, int]:
        """Return what they take a cue for, None for a miss, and after how many ms.

        Args:
            cue: What is played.
            patterns: Of all cues that may be the answer.
        """
        return self.person.answer(cue, patterns, self._rng)

    def presses(self, strength_pct: float) -> bool:
        """Return whether they feel a buzz of a strength, and say so."""
        return self._rng.random() < self.person.feels(strength_pct)


def truth_of(parameters: Mapping[str, float]) -> Perceiver | None:
    """Return the person whom parameters make, None if they make none of this kind."""
    if not parameters:
        return None
    try:
        person = Perceiver(**parameters)
    except TypeError:
        return None
    scales = (person.threshold_pct, person.slope, person.confuses_at)
    shares = (person.lapse, person.false_alarm)
    is_one = all(0.01 <= one <= 1_000 for one in scales) and all(0 <= one <= 0.5 for one in shares)
    return person if is_one else None
