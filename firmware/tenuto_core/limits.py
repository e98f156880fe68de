# SPDX-License-Identifier: MIT
"""How much the motor may run: at most a fifth of any minute, whatever is asked.

There are two guards; the first should leave the second nothing to do.

*Foresight*: a plan is checked as a whole when it arrives: played as written, no minute of it may
hold more.  Pauses, waits and extensions only stretch it.  What shortens it (a skip, a way
back, a press before a step is over, a start just after another session) is refused or put off while
it would make a minute too full.  What is felt besides the plan (alerts, the pause, the menu) is
withheld instead.

*The ledger*: the buzzer asks it before every pulse and books what the motor really did, to the
millisecond.  A pulse that has no room is shortened or left out, whoever asked for it.
"""

MINUTE_MS = 60_000
ON_MS_MAX = 12_000
PULSES_MAX = 128
"""Places in the ledger.  Where a minute has more pulses, the newest share the last one."""
NOTE_BYTES = 3
_NOTE = 0xA5


def on_ms(pattern: tuple[tuple[int, int, int], ...]) -> int:
    """Time for which a pattern of (strength_pct, on_ms, off_ms) runs the motor."""
    total = 0
    for pulse in pattern:
        total += pulse[1]
    return total


class Ledger:
    """What the motor did in the last minute.

    All memory is taken at the start.

    Pulses lie in a ring, each as the pause before it and its length, in 16 bits each. Reading them
    allocates nothing.

    Args:
        memory: Bytes that survive a reset, or None. A reset loses the times of the pulses but not
            their sum, and all of it then counts as if it had run just before. A torn note counts as
            a full minute; bytes that are all zero were never written, or the power was off for
            longer than they last.
        at: The offset of the ledger's `NOTE_BYTES` in `memory`.
        now_ms: The time at which the ledger begins.

    Attributes:
        total_ms: Sum of the pulses in the ring; never less than that of the last minute.
    """

    def __init__(self, memory: bytearray | None = None, at: int = 0, now_ms: int = 0) -> None:
        self._ring = bytearray(4 * PULSES_MAX)
        self._first = 0
        self._count = 0
        self._first_end_ms = 0
        self._end_ms = 0
        self._memory = memory
        self._at = at
        self.total_ms = 0
        before_ms = self._read_note()
        self._noted_ms = before_ms
        if before_ms:
            self._push(before_ms, now_ms - before_ms)

    # --- recording

    def add(self, pulse_ms: int, now_ms: int) -> None:
        """Note that a pulse of `pulse_ms` begins now."""
        self._move(now_ms)
        self._push(pulse_ms, now_ms)
        self._note()

    def cut(self, now_ms: int) -> None:
        """Note that the motor is off, so the rest of the last pulse does not happen."""
        left_ms = self._end_ms - now_ms
        if left_ms <= 0 or not self._count:
            return
        at = self._place(self._count - 1)
        ran_ms = max(0, self._on_ms(at) - left_ms)
        self._set_on_ms(at, ran_ms)
        self.total_ms -= left_ms
        self._end_ms = now_ms
        if self._count == 1:
            self._first_end_ms = now_ms
        if not ran_ms:
            self._end_ms -= self._gap_ms(at)
            self._count -= 1

    def settle(self, now_ms: int) -> None:
        """Forget what is older than a minute; cheap when there is nothing."""
        if self._noted_ms > 0:
            self._move(now_ms)
            self._note()

    # --- queries

    def minute(self, now_ms: int) -> int:
        """Return for how long the motor ran in the last minute."""
        self._move(now_ms)
        return self.since(now_ms - MINUTE_MS)

    def since(self, since_ms: int) -> int:
        """Return for how long the motor ran since then, which is at most a minute ago."""
        total, end_ms = self.total_ms, self._first_end_ms
        for index in range(self._count):
            at = self._place(index)
            pulse_ms = self._on_ms(at)
            if index:
                end_ms += self._gap_ms(at) + pulse_ms
            if end_ms > since_ms:
                return total - max(0, pulse_ms - (end_ms - since_ms))
            total -= pulse_ms
        return total

    def fit(self, pulse_ms: int, now_ms: int) -> int:
        """Return how much of a pulse that would begin now has room in every minute."""
        self._move(now_ms)
        if self.total_ms + pulse_ms <= ON_MS_MAX:
            return pulse_ms
        least, most = 0, pulse_ms
        while least < most:
            middle = (least + most + 1) // 2
            if self.since(now_ms + middle - MINUTE_MS) + middle <= ON_MS_MAX:
                least = middle
            else:
                most = middle - 1
        return least

    # --- the ring

    def _place(self, index: int) -> int:
        return (self._first + index) % PULSES_MAX * 4

    def _gap_ms(self, at: int) -> int:
        return self._ring[at] | self._ring[at + 1] << 8

    def _on_ms(self, at: int) -> int:
        return self._ring[at + 2] | self._ring[at + 3] << 8

    def _set_on_ms(self, at: int, pulse_ms: int) -> None:
        self._ring[at + 2] = pulse_ms & 0xFF
        self._ring[at + 3] = pulse_ms >> 8

    def _push(self, pulse_ms: int, now_ms: int) -> None:
        self.total_ms += pulse_ms
        if self._count == PULSES_MAX:
            # Together they count as if they had run without a pause: never too little.
            at = self._place(PULSES_MAX - 1)
            self._set_on_ms(at, self._on_ms(at) + pulse_ms)
            self._end_ms = now_ms + pulse_ms
            return
        at = self._place(self._count)
        gap_ms = max(0, now_ms - self._end_ms) if self._count else 0
        self._ring[at] = gap_ms & 0xFF
        self._ring[at + 1] = gap_ms >> 8
        self._set_on_ms(at, pulse_ms)
        self._end_ms = now_ms + pulse_ms
        if not self._count:
            self._first_end_ms = self._end_ms
        self._count += 1

    def _move(self, now_ms: int) -> None:
        """Drop what ended a minute ago or longer."""
        while self._count and self._first_end_ms <= now_ms - MINUTE_MS:
            self.total_ms -= self._on_ms(self._first * 4)
            self._first = (self._first + 1) % PULSES_MAX
            self._count -= 1
            if self._count:
                at = self._first * 4
                self._first_end_ms += self._gap_ms(at) + self._on_ms(at)

    # --- the note

    def _read_note(self) -> int:
        if not self._memory:
            return 0
        low, high, check = (self._memory[self._at + index] for index in range(NOTE_BYTES))
        if low == high == check == 0:
            return 0
        return min(ON_MS_MAX, low | high << 8) if low ^ high ^ _NOTE == check else ON_MS_MAX

    def _note(self) -> None:
        total_ms = self.total_ms
        if self._memory and total_ms != self._noted_ms:
            self._noted_ms = total_ms
            low, high = total_ms & 0xFF, total_ms >> 8
            self._memory[self._at] = low
            self._memory[self._at + 1] = high
            self._memory[self._at + 2] = low ^ high ^ _NOTE


def length_ms(pattern: tuple[tuple[int, int, int], ...]) -> int:
    """Time from the beginning of a pattern to the end of its last pause."""
    total = 0
    for pulse in pattern:
        total += pulse[1] + pulse[2]
    return total


def fullest_minute(cues_from, patterns: tuple) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    """Return the most that a plan runs the motor in any minute, in ms, and the step at its end.

    A minute is fullest where a pulse ends. At the end of a cue, a cue that reaches into the minute
    counts whole, because older bands count like that and must agree.

    Args:
        cues_from: See `plan.Plan.cues_from`.
    """
    oldest = cues_from(0, 0)
    coming = cues_from(0, 0)
    following = next(coming, None)
    total, most, where, leaving, end_ms = 0, 0, 0, 0, -1
    while following is not None:
        number, at_ms, cue = following
        following = next(coming, None)
        for pulse in patterns[cue] + (None,):
            if pulse is not None:
                total += pulse[1]
                at_ms += pulse[1]
            # A cue that runs into the next one must not drop what still counts for that one.
            since_ms = (at_ms if following is None else min(at_ms, following[1])) - MINUTE_MS
            while end_ms <= since_ms:
                total -= leaving
                _, oldest_ms, oldest_cue = next(oldest)
                end_ms = oldest_ms + length_ms(patterns[oldest_cue])
                leaving = on_ms(patterns[oldest_cue])
            inside = total
            if pulse is not None:
                inside -= max(0, leaving - (end_ms - since_ms))
                at_ms += pulse[2]
            if inside > most:
                most, where = inside, number
    return most, where


def has_room(  # type: ignore[no-untyped-def]
    ledger: Ledger, cues, patterns: tuple, now_ms: int, besides_ms: int = 0
) -> bool:
    """Return whether the coming cues fit beside what the motor did, with no minute too full.

    Args:
        cues: Yields (anything, at_ms, cue) in order of time.
        besides_ms: Motor time of what is to be felt now in addition.
    """
    total = besides_ms
    if total + ledger.minute(now_ms) > ON_MS_MAX:
        return False
    for _, at_ms, cue in cues:
        if at_ms >= now_ms + MINUTE_MS:
            break
        at_ms = max(at_ms, now_ms)  # noqa: PLW2901 - what is overdue comes now
        pattern = patterns[cue]
        if total + on_ms(pattern) + ledger.since(at_ms - MINUTE_MS) <= ON_MS_MAX:
            total += on_ms(pattern)
            continue
        for pulse in pattern:
            at_ms += pulse[1]  # noqa: PLW2901
            total += pulse[1]
            if total + ledger.since(at_ms - MINUTE_MS) > ON_MS_MAX:
                return False
            at_ms += pulse[2]  # noqa: PLW2901
    return True
