# SPDX-License-Identifier: MIT
"""What a quiz, a measurement of strength or a lesson came to, as it is kept for years.  Pure.

Kept are the answers themselves, with the cues as they were felt; all numbers follow from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from tenuto.routines.adjust import STRENGTH_PCT
from tenuto_core.plan import PlanError, check_pattern
from tenuto_core.vocab import CUES

from .json_values import real
from .quiz import ANSWER_MS_MAX, scan_ms
from .scores import Score, Trial, difference
from .threshold import Threshold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenuto.routines.haptics import Pattern

CONDITIONS = ("resting", "moving", "counting")
ANSWERED_BY = ("keys", "button")
"""By keys of a terminal or of the page, or by the button of the wearable."""
CUES_ASKED_MAX = 9
TRIALS_KEPT_MAX = 250
DAY_MS = 86_400_000
_TRUTHS_MAX, _TRUTH_MAX = 16, 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class QuizResult:
    """The answers of a quiz.

    Attributes:
        cues: Which ones it was about.
        patterns: How each of them was felt.
        trials: In the order in which they came.
        condition: What the person did meanwhile.
        answered_by: How; the button takes longer, so its times are not compared.
        truth: The parameters of a simulated person, empty for a real one.
    """

    kind: ClassVar = "quiz"
    cues: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    trials: tuple[Trial, ...]
    condition: str = "resting"
    answered_by: str = "keys"
    truth: Mapping[str, float] = field(default_factory=dict)

    @property
    def score(self) -> Score:
        """What the answers prove."""
        return Score(self.cues, self.trials)

    def is_like(self, other: QuizResult) -> bool:
        """Return whether two were asked the same in the same way, so that they are compared."""
        return (
            dict(zip(self.cues, self.patterns, strict=True))
            == dict(zip(other.cues, other.patterns, strict=True))
            and self.condition == other.condition
            and self.answered_by == other.answered_by
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `read` reads; cues are told by their places."""
        places: dict[str | None, int] = {cue: number for number, cue in enumerate(self.cues)}
        return {
            "cues": list(self.cues),
            "patterns": [[list(pulse) for pulse in pattern] for pattern in self.patterns],
            "condition": self.condition,
            "answered_by": self.answered_by,
            "trials": [
                [places[one.cue], places.get(one.answer), one.answer_ms] for one in self.trials
            ],
            **({"truth": dict(self.truth)} if self.truth else {}),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> QuizResult:
        """Return a result; raise ValueError for what is none."""
        cues = _cues(told.get("cues"), least=2)
        patterns = tuple(map(_pattern, _list(told.get("patterns"), "patterns", len(cues))))
        if len(patterns) != len(cues):
            raise ValueError(f"`patterns` has {len(patterns)} items for {len(cues)} cues")
        by = _choice(told.get("answered_by"), ANSWERED_BY, "answered_by")
        longest_ms = ANSWER_MS_MAX if by == "keys" else scan_ms(len(cues))
        trials = []
        for one in _list(told.get("trials"), "trials", TRIALS_KEPT_MAX):
            cue, answer, answer_ms = _list(one, "a trial", 3, least=3)
            cue = cues[_whole(cue, len(cues) - 1, "the cue of a trial")]
            if answer is None:
                trials.append(Trial(cue))
                continue
            answer = cues[_whole(answer, len(cues) - 1, "the answer of a trial")]
            trials.append(Trial(cue, answer, _whole(answer_ms, longest_ms, "the time of a trial")))
        return cls(
            cues=cues,
            patterns=patterns,
            trials=tuple(trials),
            condition=_choice(told.get("condition"), CONDITIONS, "condition"),
            answered_by=by,
            truth=_truth(told.get("truth", {})),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StrengthResult:
    """The answers of a measurement of strength.

    Attributes:
        trials: The strength in %, 0 where nothing buzzed, and whether something was felt.
        answered_by: How.
        truth: The parameters of a simulated person, empty for a real one.
    """

    kind: ClassVar = "strength"
    trials: tuple[tuple[int, bool], ...]
    answered_by: str = "keys"
    truth: Mapping[str, float] = field(default_factory=dict)

    @property
    def threshold(self) -> Threshold:
        """What the answers prove."""
        found = Threshold()
        for strength_pct, felt in self.trials:
            found.take(strength_pct, felt=felt)
        return found

    @property
    def advised_pct(self) -> int | None:
        """The strength in which all cues are felt in motion too, None where nothing is proven.

        It is within the limits of what can be set, and where the motor has too little, all it has.
        """
        advice = self.threshold.advice()
        return min(100, max(STRENGTH_PCT[0], advice[-1][2] or 100)) if advice else None

    def to_json(self) -> dict[str, Any]:
        """Return what `read` reads."""
        return {
            "answered_by": self.answered_by,
            "trials": [list(one) for one in self.trials],
            **({"truth": dict(self.truth)} if self.truth else {}),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> StrengthResult:
        """Return a result; raise ValueError for what is none."""
        trials = []
        for one in _list(told.get("trials"), "trials", TRIALS_KEPT_MAX):
            strength_pct, felt = _list(one, "a trial", 2, least=2)
            if not isinstance(felt, bool):
                raise ValueError("whether a trial was felt is neither true nor false")  # noqa: TRY004
            trials.append((_whole(strength_pct, 100, "the strength of a trial"), felt))
        return cls(
            trials=tuple(trials),
            answered_by=_choice(told.get("answered_by"), ANSWERED_BY, "answered_by"),
            truth=_truth(told.get("truth", {})),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonResult:
    """A lesson that was had.

    Attributes:
        cues: Which ones it was about.
        count: How many cues were felt in it.
    """

    kind: ClassVar = "lesson"
    cues: tuple[str, ...]
    count: int

    def to_json(self) -> dict[str, Any]:
        """Return what `read` reads."""
        return {"cues": list(self.cues), "count": self.count}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> LessonResult:
        """Return a result; raise ValueError for what is none."""
        count = _whole(told.get("count"), TRIALS_KEPT_MAX, "count")
        return cls(cues=_cues(told.get("cues"), least=1), count=count)


Result: TypeAlias = QuizResult | StrengthResult | LessonResult
KINDS: dict[str, type[Result]] = {
    "quiz": QuizResult,
    "strength": StrengthResult,
    "lesson": LessonResult,
}


def read(kind: object, told: object) -> Result:
    """Return a result from its JSON form.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"`kind` is {kind!r}, allowed is {', '.join(KINDS)}")
    if not isinstance(told, dict):
        raise ValueError("a result is no object")  # noqa: TRY004 - one error for what is wrong
    return KINDS[kind].from_json(told)


@dataclass(frozen=True, slots=True)
class Step:
    """From one quiz to the next one that is like it.

    Attributes:
        days: Between them.
        low, high: Between what the change of the share lies in 95 of 100 cases, -1 to 1.
    """

    days: int
    change: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = f"[{100 * self.low:+.0f}, {100 * self.high:+.0f}]"
        proven = "better" if self.low > 0 else "worse" if self.high < 0 else "no change is proven"
        after = (
            "the same day" if self.days == 0 else f"{self.days} day{'s'[: self.days != 1]} later"
        )
        return f"{after} {100 * self.change:+.0f} points {interval}: {proven}"


def steps(results: Iterable[tuple[int, QuizResult]]) -> list[Step]:
    """Return what was learned or forgotten from each quiz to the next.

    Args:
        results: With their times in ms, the oldest first; all are like each other.
    """
    found = []
    for (before_ms, before), (after_ms, after) in pairwise(results):
        change, low, high = difference(before.score.right, after.score.right)
        found.append(Step((after_ms - before_ms) // DAY_MS, change, low, high))
    return found


def alike(
    results: Iterable[tuple[int, QuizResult]],
) -> list[list[tuple[int, QuizResult]]]:
    """Return results in groups of those that are compared, each from the oldest to the newest."""
    groups: list[list[tuple[int, QuizResult]]] = []
    for one in sorted(results, key=lambda item: item[0]):
        for group in groups:
            if group[0][1].is_like(one[1]):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


# --- values from outside


def _list(value: object, what: str, most: int, *, least: int = 0) -> list[Any]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise ValueError(f"`{what}` is no list of {least} to {most} items")
    return value


def _whole(value: object, most: int, what: str) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{what} is {value!r}, allowed is a whole number from 0 to {most}")
    return value


def _choice(value: object, allowed: tuple[str, ...], what: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"`{what}` is {value!r}, allowed is {', '.join(allowed)}")
    return value


def _cues(value: object, *, least: int) -> tuple[str, ...]:
    told = _list(value, "cues", CUES_ASKED_MAX, least=least)
    for cue in told:
        _choice(cue, CUES, "a cue")
    if len(set(told)) != len(told):
        raise ValueError("a cue is there twice")
    return tuple(told)


def _pattern(value: object) -> Pattern:
    pulses: list[tuple[int, int, int]] = []
    for pulse in _list(value, "a pattern", 16, least=1):
        numbers = _list(pulse, "a pulse", 3, least=3)
        strength_pct, on_ms, off_ms = (_whole(n, 10_000, "a number of a pattern") for n in numbers)
        pulses.append((strength_pct, on_ms, off_ms))
    try:
        check_pattern(tuple(pulses), "a pattern")
    except PlanError as error:
        raise ValueError(str(error)) from None
    return tuple(pulses)


def _truth(value: object) -> dict[str, float]:
    if not isinstance(value, dict) or len(value) > _TRUTHS_MAX:
        raise ValueError(f"`truth` is no object of at most {_TRUTHS_MAX} numbers")
    for name, number in value.items():
        real(number, -_TRUTH_MAX, _TRUTH_MAX, "a number of `truth`")
        if len(name) > 32:
            raise ValueError("`truth` has a name that is too long")
    return value
