# SPDX-License-Identifier: MIT
"""What the motor of a device can do, and the vocabulary as it comes out on it.  Pure.

A wearable that plays by itself has the motor that the vocabulary was written for.  A device that
can only buzz may have one strength, one length of pulse, or neither: then cues that differ in
nothing else feel alike.  What a cue means must not depend on the device, so a cue that the wearer
can do without is left silent where it would feel like another one, and where two of the others
would feel alike the vocabulary is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenuto.errors import InputError, Mistake
from tenuto_core.plan import MAX_PATTERN_MS, MAX_PATTERN_PULSES, MAX_PULSE_MS, MIN_PULSE_MS
from tenuto_core.vocab import CUES

from .haptics import GAP_MS_MIN, alike

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .haptics import Pattern, Vocabulary

DISPENSABLE = ("next_phase", "countdown", "get_ready", "next_exercise", "halfway", "mark")
"""The cues that a session can do without, the most useful one first.

Where next_phase is silent, the compiler takes hold_start in its place.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feel:
    """What the motor of a device can do.

    Attributes:
        title: What people call the device that has it.
        strengths: How many strengths it has besides off; 1 where it is on or off.
        pulse_ms_min, pulse_ms_max: How long a pulse may be; where they are the same, pulses can
            only be counted.
        gap_ms: The shortest pause between two pulses that are felt apart.
        pulses_max: Of one pattern.
        whole_pattern: Whether it takes a pattern in one message and plays it by itself; else each
            pulse is sent when it is due.
        ends_by_itself: Whether a pulse ends without another message.
        lead_ms: From the moment at which the host sends a pulse until it is usually felt.
        is_lead_fixed: Whether that is configured; else what is measured takes its place.
    """

    title: str
    strengths: int = 100
    pulse_ms_min: int = MIN_PULSE_MS
    pulse_ms_max: int = MAX_PULSE_MS
    gap_ms: int = GAP_MS_MIN
    pulses_max: int = MAX_PATTERN_PULSES
    whole_pattern: bool = False
    ends_by_itself: bool = False
    lead_ms: int = 0
    is_lead_fixed: bool = False

    def __post_init__(self) -> None:
        """Refuse what no motor is like."""
        if self.strengths < 1 or self.gap_ms < 0 or not 0 <= self.lead_ms <= 255:
            raise ValueError(f"a motor cannot be like this: {self}")
        if self.whole_pattern and not self.ends_by_itself:
            raise ValueError("a device that plays whole patterns ends them by itself")
        if not MIN_PULSE_MS <= self.pulse_ms_min <= self.pulse_ms_max <= MAX_PULSE_MS:
            raise ValueError(f"pulses of {self.pulse_ms_min} to {self.pulse_ms_max} ms")

    @property
    def only_counts(self) -> bool:
        """Whether all pulses are alike, so that nothing but their number can be felt."""
        return self.pulse_ms_min == self.pulse_ms_max

    def pattern(self, pattern: Pattern, count: int | None = None) -> Pattern:
        """Return a pattern as this motor can play it.

        Args:
            pattern: The pulses as they were written.
            count: How many there are where they can only be counted; None for as many as written.
        """
        if self.only_counts:
            number = len(pattern) if count is None else count
            pulse = (100, self.pulse_ms_min, self.gap_ms)
            return tuple([pulse] * (number - 1) + [(*pulse[:2], 0)]) if number else ()
        last = len(pattern) - 1
        return tuple(
            (
                self._strength_pct(strength_pct),
                min(max(on_ms, self.pulse_ms_min), self.pulse_ms_max),
                max(off_ms, self.gap_ms) if index < last else 0,
            )
            for index, (strength_pct, on_ms, off_ms) in enumerate(pattern)
        )

    def _strength_pct(self, wanted_pct: int) -> int:
        """Return the next strength that it has: a cue is rather too strong than not felt."""
        level = -(-wanted_pct * self.strengths // 100)
        return max(1, level * 100 // self.strengths)


def fit(vocabulary: Vocabulary, feel: Feel) -> Vocabulary:
    """Return the vocabulary as it feels on a device.

    Args:
        vocabulary: As it was written.
        feel: What the device can do.

    Raises:
        InputError: It cannot play a pattern, or cues that must be told apart would feel alike.
    """
    counts = vocabulary.counts if feel.only_counts else (None,) * len(CUES)
    patterns = [
        feel.pattern(pattern, count)
        for pattern, count in zip(vocabulary.patterns, counts, strict=True)
    ]
    mistakes = [
        Mistake(vocabulary.file, 0, text)
        for cue, pattern in zip(CUES, patterns, strict=True)
        for text in _too_much(cue, pattern, feel)
    ]
    needed = [number for number, cue in enumerate(CUES) if cue not in DISPENSABLE]
    kept: list[int] = []
    for number in (*needed, *(CUES.index(cue) for cue in DISPENSABLE)):
        same = next((n for n in kept if alike(patterns[n], patterns[number])), None)
        if same is None:
            kept += [number] if patterns[number] else []
        elif number in needed:
            what = "another count of buzzes" + ("" if feel.only_counts else " or other lengths")
            key = "`count`" if feel.only_counts else "`on_off_ms`"
            text = (
                f"{CUES[same]} and {CUES[number]} feel alike on a {feel.title}:"
                f" give one of them {what}, by its {key}"
            )
            mistakes.append(Mistake(vocabulary.file, 0, text))
        else:
            patterns[number] = ()
    if mistakes:
        raise InputError(mistakes)
    return replace(vocabulary, patterns=tuple(patterns))


def silenced(vocabulary: Vocabulary, fitted: Vocabulary) -> list[str]:
    """Return the cues that are silent on a device and not as they were written."""
    pairs = zip(CUES, vocabulary.patterns, fitted.patterns, strict=True)
    return [cue for cue, written, felt in pairs if written and not felt]


def _too_much(cue: str, pattern: Pattern, feel: Feel) -> Iterator[str]:
    if len(pattern) > feel.pulses_max:
        yield f"{cue} has {len(pattern)} buzzes, a {feel.title} plays at most {feel.pulses_max}"
    length_ms = sum(on_ms + off_ms for _, on_ms, off_ms in pattern)
    if length_ms > MAX_PATTERN_MS:
        yield f"{cue} takes {length_ms} ms on a {feel.title}, allowed is at most {MAX_PATTERN_MS}"
