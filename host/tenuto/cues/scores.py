# SPDX-License-Identifier: MIT
"""What the answers of a quiz prove, and what they do not.  Pure.

A percentage never stands alone: 45 of 50 right is 90 %, and anything from 79 to 96 % fits to it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Trial:
    """One cue that was felt or missed.

    Attributes:
        cue: Which one it was.
        answer: Which one the person took it for, None where no answer came in time.
        answer_ms: From its beginning to the answer, None without one.
    """

    cue: str
    answer: str | None = None
    answer_ms: int | None = None

    @property
    def is_right(self) -> bool:
        """Whether it was taken for what it was."""
        return self.answer == self.cue


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, and between what the truth lies in 95 of 100 such measurements."""

    count: int
    total: int

    @property
    def interval(self) -> tuple[float, float]:
        """The bounds of Wilson's interval, 0 to 1."""
        return wilson(self.count, self.total)

    def __str__(self) -> str:
        if not self.total:
            return "none yet"
        low, high = self.interval
        pct = round(100 * self.count / self.total)
        return f"{self.count} of {self.total}: {pct} % [{100 * low:.0f}, {100 * high:.0f}]"


def wilson(count: int, total: int, z: float = Z_95) -> tuple[float, float]:
    """Return the interval of Wilson (1927) for a share.

    Args:
        count: Of successes, 0 to `total`.
        total: Of trials; 0 proves nothing.
        z: The quantile of the normal distribution; 1.96 for 95 %.
    """
    if not total:
        return 0.0, 1.0
    share = count / total
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    below = 1 + z * z / total
    # At the ends the bounds are exact, which the arithmetic misses by its last digit.
    low = (middle - spread) / below if count else 0.0
    return low, (middle + spread) / below if count < total else 1.0


def difference(one: Share, other: Share) -> tuple[float, float, float]:
    """Return how much greater another share is, and the interval of that (Newcombe 1998).

    The two intervals of Wilson make it, so it is right for few trials and near 100 % too.
    """
    if not one.total or not other.total:
        return 0.0, -1.0, 1.0
    first, second = one.count / one.total, other.count / other.total
    (one_low, one_high), (low, high) = one.interval, other.interval
    change = second - first
    down = math.hypot(second - low, one_high - first)
    up = math.hypot(high - second, first - one_low)
    return change, change - down, change + up


def bits(share_right: float, choices: int) -> float:
    """Return the information in an answer, in bits, if all errors are equally frequent.

    An accuracy proves no less than this; below chance it is 0.

    Args:
        share_right: 0 to 1.
        choices: How many cues there are, 2 or more.
    """
    if share_right <= 1 / choices:
        return 0.0
    found = math.log2(choices)
    for share, ways in ((share_right, 1), (1 - share_right, choices - 1)):
        if share > 0:
            found += share * math.log2(share / ways)
    return found


@dataclass(frozen=True)
class Score:
    """The result of a quiz.

    Attributes:
        cues: Which cues it was about, in the order of the matrix.
        trials: In the order in which they came.
    """

    cues: tuple[str, ...]
    trials: tuple[Trial, ...]

    @property
    def right(self) -> Share:
        """All that were taken for what they were."""
        return _share(trial.is_right for trial in self.trials)

    @property
    def missed(self) -> Share:
        """Those without an answer in time: a miss is no confusion."""
        return _share(trial.answer is None for trial in self.trials)

    def of(self, cue: str) -> Share:
        """Return how often one cue was taken for what it is."""
        return _share(trial.is_right for trial in self.trials if trial.cue == cue)

    @cached_property
    def matrix(self) -> dict[tuple[str, str | None], int]:
        """How often each cue was taken for which; None for a miss."""
        return Counter((trial.cue, trial.answer) for trial in self.trials)

    @property
    def answer_ms(self) -> float | None:
        """The median time to a right answer, None without any."""
        times = [one.answer_ms for one in self.trials if one.is_right and one.answer_ms is not None]
        return median(times) if times else None

    @property
    def most_confused(self) -> tuple[str, str, int] | None:
        """The pair that was confused most often in either direction, and how often."""
        pairs = Counter(
            tuple(sorted((one.cue, one.answer)))
            for one in self.trials
            if one.answer is not None and not one.is_right
        )
        found = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
        return (found[0][0][0], found[0][0][1], found[0][1]) if found else None

    @property
    def bits_at_least(self) -> float:
        """The bits that are proven, by the lower bound of the interval."""
        return bits(self.right.interval[0], len(self.cues))

    @property
    def blocks(self) -> list[Share]:
        """How many were right in each block, in which every cue comes once: the learning."""
        size = len(self.cues)
        parts = [self.trials[at : at + size] for at in range(0, len(self.trials), size)]
        return [_share(trial.is_right for trial in part) for part in parts]


def _share(hits: Iterable[bool]) -> Share:
    found = list(hits)
    return Share(sum(found), len(found))
