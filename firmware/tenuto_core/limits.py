# SPDX-License-Identifier: MIT
"""How much the motor may run: at most a fifth of any minute, whatever is asked.

A plan is checked as a whole when it arrives: played as written, no minute of it may hold more.
Pauses, waits and extensions only stretch it.  What draws it together, a skip or a start just after
another session, is refused while it would make a minute too full; so a cue of a plan is never cut
or left out.  What is felt besides the plan (alerts, the pause, the menu) is withheld instead.

A cue counts with all its pulses, even where a skip cuts it short.
"""

MINUTE_MS = 60_000
ON_MS_MAX = 12_000
_SECONDS = 62
"""A pulse counts in the second in which it begins and lasts up to one second."""


def on_ms(pattern: tuple[tuple[int, int, int], ...]) -> int:
    """Time for which a pattern of (strength_pct, on_ms, off_ms) runs the motor."""
    total = 0
    for pulse in pattern:
        total += pulse[1]
    return total


class Ledger:
    """What the motor did in the last minute.  All memory is taken at the start."""

    def __init__(self) -> None:
        self._on_ms = [0] * _SECONDS
        self._second = 0

    def add(self, pulse_ms: int, now_ms: int) -> None:
        """A pulse of so many ms begins now."""
        self._move(now_ms)
        self._on_ms[self._second % _SECONDS] += pulse_ms

    def _move(self, now_ms: int) -> None:
        second = now_ms // 1000
        if second - self._second >= _SECONDS:
            self._second = second - _SECONDS
        while self._second < second:
            self._second += 1
            self._on_ms[self._second % _SECONDS] = 0

    def since(self, at_ms: int, now_ms: int) -> int:
        """Time for which the motor ran since `at_ms`, which is at most a minute ago; rounded up."""
        self._move(now_ms)
        first = max(at_ms // 1000 - 1, self._second - _SECONDS + 1)
        total = 0
        for second in range(first, self._second + 1):
            total += self._on_ms[second % _SECONDS]
        return total

    def minute(self, now_ms: int) -> int:
        """Time for which the motor ran in the last minute, rounded up."""
        return self.since(now_ms - MINUTE_MS, now_ms)


def length_ms(pattern: tuple[tuple[int, int, int], ...]) -> int:
    """Time from the beginning of a pattern to the end of its last pause."""
    total = 0
    for pulse in pattern:
        total += pulse[1] + pulse[2]
    return total


def fullest_minute(cues_from, patterns: tuple) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    """The most that a plan runs the motor in any minute, in ms, and the step where that ends.

    cues_from: see `plan.Plan.cues_from`.
    """
    oldest = cues_from(0, 0)
    end_ms = -1
    total, most, where, leaving = 0, 0, 0, 0
    for number, at_ms, cue in cues_from(0, 0):
        begin_ms = at_ms + length_ms(patterns[cue]) - MINUTE_MS
        total += on_ms(patterns[cue])
        while end_ms <= begin_ms:
            total -= leaving
            _, oldest_ms, oldest_cue = next(oldest)
            end_ms = oldest_ms + length_ms(patterns[oldest_cue])
            leaving = on_ms(patterns[oldest_cue])
        if total > most:
            most, where = total, number
    return most, where


def has_room(  # type: ignore[no-untyped-def]
    ledger: Ledger,
    cues_from,
    patterns: tuple,
    number: int,
    elapsed_ms: int,
    now_ms: int,
    besides_ms: int = 0,
) -> bool:
    """Whether a plan can go on from `elapsed_ms` of step `number` without a minute too full.

    cues_from: see `plan.Plan.cues_from`.  besides_ms: what shall be felt now besides.
    """
    total = besides_ms
    if total + ledger.minute(now_ms) > ON_MS_MAX:
        return False
    for _, at_ms, cue in cues_from(number, now_ms - elapsed_ms):
        if at_ms >= now_ms + MINUTE_MS:
            break
        if at_ms < now_ms:
            continue
        total += on_ms(patterns[cue])
        since_ms = at_ms + length_ms(patterns[cue]) - MINUTE_MS
        if total + ledger.since(since_ms, now_ms) > ON_MS_MAX:
            return False
    return True
