# SPDX-License-Identifier: MIT
"""From which strength on somebody feels a buzz, by few trials.  Pure.

A Weibull function of strength, its threshold estimated on a grid: each trial has the strength that
is the best guess so far, and one in five is empty, which tells how often something is felt that is
not there.  After 30 trials the error is some 10 % of the threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

TRIALS = 30
EMPTY_EVERY = 5
SLOPE, LAPSE = 3.5, 0.02
FALSE_ALARM = 0.05
"""What is taken for the share of false alarms before empty trials tell it."""
FALSE_ALARMS_MAX = 1 / 3
"""With a greater share of empty trials felt, the answers tell nothing."""
RESTING, MOVING = 2.0, 3.0
"""How many times the threshold a cue should be."""
_LOW_PCT, _HIGH_PCT, _POINTS = 1.0, 200.0, 80
_GRID: list[float] = [
    _LOW_PCT * (_HIGH_PCT / _LOW_PCT) ** (n / (_POINTS - 1)) for n in range(_POINTS)
]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A threshold in % of the motor's strength, and its interval of 95 %."""

    pct: float
    low_pct: float
    high_pct: float

    def advised_pct(self, times: float) -> int | None:
        """Return the strength that is so many times the threshold, None beyond the motor's own.

        It stands on the upper bound: with the estimate itself, one person in some hundreds would
        be advised a strength that they often miss.
        """
        wanted = math.ceil(times * self.high_pct)
        return wanted if wanted <= 100 else None


def empty_trials(count: int, rng: random.Random) -> Iterator[bool]:
    """Return of each trial whether it is empty: one of each five, at random."""
    for start in range(0, count, EMPTY_EVERY):
        size = min(EMPTY_EVERY, count - start)
        empty = rng.randrange(EMPTY_EVERY)
        yield from (number == empty for number in range(size))


class Threshold:
    """Takes in answers and says which strength to try next."""

    def __init__(self) -> None:
        self._answers: list[tuple[int, bool]] = []
        self._log_weights = [0.0] * _POINTS
        self.empty = 0
        self.false_alarms = 0

    @property
    def next_pct(self) -> int:
        """The strength that tells most: the best guess of the threshold, 1 to 100 %."""
        return min(100, max(1, round(math.exp(_mean(_weights(self._log_weights))))))

    def take(self, strength_pct: int, *, felt: bool) -> None:
        """Take in an answer.

        Args:
            strength_pct: 0 for an empty trial.
            felt: Whether something was felt.
        """
        if strength_pct == 0:
            self.empty += 1
            self.false_alarms += felt
            return
        self._answers.append((strength_pct, felt))
        self._log_weights = _updated(self._log_weights, strength_pct, FALSE_ALARM, felt=felt)

    @property
    def is_reliable(self) -> bool:
        """Whether few enough empty trials were felt."""
        return self.false_alarms <= FALSE_ALARMS_MAX * self.empty

    def advice(self) -> list[tuple[str, float, int | None]]:
        """Return what to set: for what, how many times the threshold, and that in %."""
        found = self.estimate()
        wanted = (("resting", RESTING), ("moving", MOVING))
        if found is None:
            return []
        return [(what, times, found.advised_pct(times)) for what, times in wanted]

    def estimate(self) -> Estimate | None:
        """Return the threshold; None where too many empty trials were felt, or none was tried."""
        if not self._answers or not self.is_reliable:
            return None
        # As many false alarms as were seen, drawn towards the usual share.
        false_alarm = (self.false_alarms + 1) / (self.empty + 1 / FALSE_ALARM)
        log_weights = [0.0] * _POINTS
        for strength_pct, felt in self._answers:
            log_weights = _updated(log_weights, strength_pct, false_alarm, felt=felt)
        weights = _weights(log_weights)
        return Estimate(
            math.exp(_mean(weights)), _quantile(weights, 0.025), _quantile(weights, 0.975)
        )


def _updated(
    log_weights: list[float], strength_pct: int, false_alarm: float, *, felt: bool
) -> list[float]:
    found = []
    for weight, threshold_pct in zip(log_weights, _GRID, strict=True):
        detected = 1 - math.exp(-((strength_pct / threshold_pct) ** SLOPE))
        chance = false_alarm + (1 - false_alarm - LAPSE) * detected
        found.append(weight + math.log(chance if felt else 1 - chance))
    return found


def _weights(log_weights: list[float]) -> list[float]:
    most = max(log_weights)
    raw = [math.exp(weight - most) for weight in log_weights]
    total = sum(raw)
    return [weight / total for weight in raw]


def _mean(weights: list[float]) -> float:
    return sum(w * math.log(t) for w, t in zip(weights, _GRID, strict=True))


def _quantile(weights: list[float], share: float) -> float:
    total = 0.0
    for weight, threshold_pct in zip(weights, _GRID, strict=True):
        total += weight
        if total >= share:
            return threshold_pct
    return _GRID[-1]
