# SPDX-License-Identifier: MIT
"""A plan: a routine as a flat list of steps, in the bytes that travel and are played.

Layout of version 2, little-endian, no padding::

    header    16  "TP", version u8, exercises u8, steps u8, cues known u8, cues u16, pulses u16,
                  names u16, nominal duration u32 (ms)
    steps     20 each: kind u8, exercise u8 (255 none), side u8 (bits 0 and 1) and phase (bits 2 to
                  7, 0 none), rep u8, reps u8, set u8, flags u8, gate u8 (bpm, 0 none),
                  duration u32 (ms), longest wait u32 (ms from the step's start), first cue u16,
                  cues u8, limit u8 (bpm, 0 none)
    cues       5 each: offset u32 (ms), cue u8 (+128: the offset counts back from the step's end)
    counts     1 for each cue known: pulses of its pattern, in the order of `vocab.CUES`
    pulses     5 each: strength u8 (%), on u16 (ms), off u16 (ms)
    names         one length byte and UTF-8 each: the routine, its exercises, its phases
    checksum   4  CRC-32 (IEEE) of all before it

"Cues known" is how many the writer of the plan knew.  A cue beyond it has no pattern and is silent,
and the pattern of a cue that the reader has no name for is played all the same.
Flags: bit 0 self-paced; bit 1 an open hold; bits 2 and 3 say something without which the step must
not be played, bits 4 to 7 something that may be passed over.

Version 1 differs in this: steps u16 (in the place of steps and cues known), nine cues known, no
phases, no flag but the first.  In every version the first three bytes and the last four are as
here, so that a reader can tell a newer plan from a damaged one.

`Plan` checks everything once, when it is made; afterwards the player reads it without checks.
`encode.encode` writes one; only hosts do that.
"""

import struct
from binascii import crc32

from .limits import ON_MS_MAX, fullest_minute
from .vocab import BOTH, DONE, HOLD, NO_EXERCISE, READY, RIGHT

try:
    from .names import PlanNames
except ImportError:  # a board asks for the plan's own name only
    PlanNames = object  # type: ignore[assignment,misc]

VERSION = 2
"""The newest version, which is written; every version from 1 on can be read."""
CUES_V1 = 9
"""So many cues version 1 knows; the player needs them."""
MAX_BYTES = 8192
MAX_STEPS = 254
MAX_CUES = 1000
MAX_STEP_CUES = 32
MAX_CUES_KNOWN = 128
"""What the bits of a cue can hold."""
MAX_EXERCISES = 64
MAX_PHASES = 63
"""What the bits of a step can hold."""
MAX_NAME_BYTES = 48
MAX_PATTERN_PULSES = 16
MAX_PULSES = CUES_V1 * MAX_PATTERN_PULSES
"""Of all patterns: they are in a board's memory for as long as the plan is."""
MAX_PULSE_MS = 1000
MIN_PULSE_MS = 20
MAX_PATTERN_MS = 3000
MAX_STEP_MS = 3_600_000
MAX_PLAN_MS = 4 * 3_600_000
GATE_BPM = (30, 240)

SELF_PACED, OPEN = 0x01, 0x02
_MUST_KNOW = 0x0F
"""The flags that must not be ignored."""
_SIDE = 0x03
_PHASE_SHIFT = 2
_FROM_END = 0x80
_HEADER = "<2sBBBBHHHI"
_STEP = "<8BIIHBB"
_CUE = "<IB"
_PULSE = "<BHH"
_HEADER_BYTES = 16
_STEP_BYTES = 20
_CUE_BYTES = 5
_PULSE_BYTES = 5
_CRC_BYTES = 4


class PlanError(Exception):
    """A plan that must not be played; the message says where it is wrong and what is allowed."""


class UnknownPlanError(PlanError):
    """A plan made by a newer Tenuto: not damaged, but it needs what is not known here."""


class Step:
    """One step of a plan.

    Args:
        kind, exercise, side: Numbers of `vocab`; for a step that leads to a hold, the exercise and
            side are those of the hold.
        rep, reps, set_no: Counted from 1, 0 where it means nothing.
        phase: The part of the repetition, counted from 1 in the order of the plan's names, 0 for
            none.
        duration_ms: 0 to `MAX_STEP_MS`.
        is_open: Whether a press ends the hold before its duration is over.
        self_paced: Whether it waits for a press at its end.
        gate_bpm: It waits at its end for a heart rate below this, 0 for no gate.
        limit_bpm: It waits at its end while the heart rate is known to be this or more, 0 for none.
        wait_max_ms: Longest time in the step, waiting included, from its start; 0 where it never
            waits.
        cues: Tuples (offset_ms, from_end, cue), in the order in which they come.
    """

    limit_bpm = 0
    phase = 0
    is_open = False

    def __init__(
        self,
        kind: int,
        duration_ms: int,
        cues: list[tuple[int, bool, int]] | tuple[tuple[int, bool, int], ...] = (),
        *,
        exercise: int = NO_EXERCISE,
        side: int = BOTH,
        rep: int = 0,
        reps: int = 0,
        set_no: int = 0,
        self_paced: bool = False,
        gate_bpm: int = 0,
        limit_bpm: int = 0,
        wait_max_ms: int = 0,
        phase: int = 0,
        is_open: bool = False,
    ) -> None:
        self.kind = kind
        self.duration_ms = duration_ms
        self.cues = tuple(cues)
        self.exercise = exercise
        self.side = side
        self.rep = rep
        self.reps = reps
        self.set_no = set_no
        self.self_paced = self_paced
        self.gate_bpm = gate_bpm
        if limit_bpm:  # hardly any step has one, and a board is short of memory
            self.limit_bpm = limit_bpm
        if phase:
            self.phase = phase
        if is_open:
            self.is_open = True
        self.wait_max_ms = wait_max_ms


def _check(condition: bool, what: str, *values: object) -> None:
    if not condition:
        raise PlanError(what.format(*values))


def _check_int(value: int, low: int, high: int, what: str, *values: object) -> None:
    if not low <= value <= high:
        where = what.format(*values)
        raise PlanError("{} is {}, allowed is {} to {}".format(where, value, low, high))


def pattern_ms(pattern: tuple[tuple[int, int, int], ...]) -> int:
    """Length in ms of a pattern of (strength_pct, on_ms, off_ms), without its last pause."""
    total = 0
    for _, on_ms, off_ms in pattern:
        total += on_ms + off_ms
    return total - pattern[-1][2] if pattern else 0


def check_pattern(pattern: tuple[tuple[int, int, int], ...], where: str) -> None:
    """Raise PlanError unless the pulses keep the limits of the motor and of the skin."""
    _check_int(len(pattern), 0, MAX_PATTERN_PULSES, "{}: number of pulses", where)
    for number, (strength_pct, on_ms, off_ms) in enumerate(pattern):
        _check_int(strength_pct, 1, 100, "{}: strength of pulse {} in %", where, number + 1)
        _check_int(on_ms, MIN_PULSE_MS, MAX_PULSE_MS, "{}: pulse {} in ms", where, number + 1)
        _check_int(off_ms, 0, MAX_PATTERN_MS, "{}: pause {} in ms", where, number + 1)
    _check_int(pattern_ms(pattern), 0, MAX_PATTERN_MS, "{}: length in ms", where)


def _check_step(
    step: Step, number: int, last: bool, exercises: int, phases: int, cues_known: int
) -> None:
    _check_int(step.kind, READY, DONE, "step {}: kind", number)
    if step.exercise != NO_EXERCISE:
        _check_int(step.exercise, 0, exercises - 1, "step {}: exercise", number)
    _check(step.kind != HOLD or step.exercise != NO_EXERCISE, "step {}: hold of nothing", number)
    _check_int(step.side, BOTH, RIGHT, "step {}: side", number)
    _check_int(step.phase, 0, phases, "step {}: phase", number)
    for value, what in ((step.rep, "rep"), (step.reps, "reps"), (step.set_no, "set")):
        _check_int(value, 0, 255, "step {}: {}", number, what)
    least_ms = 1 if step.kind == HOLD else 0
    _check_int(step.duration_ms, least_ms, MAX_STEP_MS, "step {}: duration in ms", number)
    for bpm, what in ((step.gate_bpm, "gate"), (step.limit_bpm, "limit")):
        if bpm:
            _check_int(bpm, GATE_BPM[0], GATE_BPM[1], "step {}: heart {} in bpm", number, what)
    if step.gate_bpm or step.limit_bpm or step.self_paced:
        _check(step.kind not in (HOLD, DONE), "step {}: such a step cannot wait", number)
        low_ms = step.duration_ms
        _check_int(step.wait_max_ms, low_ms, MAX_STEP_MS, "step {}: longest wait in ms", number)
    else:
        _check(step.wait_max_ms == 0, "step {}: a longest wait without a wait", number)
    _check(step.kind == HOLD or not step.is_open, "step {}: kind", number)
    _check((step.kind == DONE) == last, "step {}: the last step and no other is done", number)
    _check_int(len(step.cues), 0, MAX_STEP_CUES, "step {}: number of cues", number)
    before_ms, ends = 0, False
    for offset_ms, from_end, cue in step.cues:
        _check_int(cue, 0, cues_known - 1, "step {}: cue", number)
        _check_int(offset_ms, 0, step.duration_ms, "step {}: offset of a cue in ms", number)
        at_ms = step.duration_ms - offset_ms if from_end else offset_ms
        _check(at_ms >= before_ms, "step {}: cues are not in order of time", number)
        _check(from_end or not ends, "step {}: a cue from the start after one from the end", number)
        # The end of an open hold is not known before it has come.
        _check(not (from_end and offset_ms and step.is_open), "step {}: cue", number)
        before_ms, ends = at_ms, from_end


def check_motor(cues_from, patterns) -> int:  # type: ignore[no-untyped-def]
    """Return how long the fullest minute runs the motor, in ms; raise PlanError where too long.

    Args:
        cues_from: See `Plan.cues_from`.
        patterns: One for each cue.
    """
    most_ms, number = fullest_minute(cues_from, tuple(patterns))
    what = "the minute up to step {}: the motor runs {} ms, allowed is {}"
    _check(most_ms <= ON_MS_MAX, what, number, most_ms, ON_MS_MAX)
    return most_ms


class Plan(PlanNames):
    """A checked plan, read in place.

    Args:
        data: The bytes of `encode.encode`, of any version; kept, not copied.

    Attributes:
        data: The same bytes.
        steps, exercises, phases: How many there are.
        duration_ms: The nominal duration.
        cues_known: How many cues the writer knew.
        patterns: A tuple of tuples (strength_pct, on_ms, off_ms) for each of these cues, and an
            empty one for each of the first `CUES_V1` that the writer did not know.
        fullest_ms: The longest motor time in any minute of the plan.

    Raises:
        UnknownPlanError: The bytes are sound, but need what is not known here.
        PlanError: Some bytes are not as `encode` would have written them.
    """

    def __init__(self, data: bytes | bytearray) -> None:
        size = len(data)
        _check(size >= _HEADER_BYTES + _CRC_BYTES and data[:2] == b"TP", "not a plan")
        crc = crc32(memoryview(data)[: size - _CRC_BYTES]) & 0xFFFFFFFF
        _check(struct.unpack_from("<I", data, size - _CRC_BYTES)[0] == crc, "checksum is wrong")
        _, version, exercises, steps, known, cues, pulses, names, total_ms = struct.unpack_from(
            _HEADER, data
        )
        if version > VERSION:
            raise UnknownPlanError("plan version {}, known is {}".format(version, VERSION))
        _check(version > 0, "plan version 0")
        if version == 1:
            steps |= known << 8
            known = CUES_V1
        _check_int(size, 0, MAX_BYTES, "size of the plan in bytes")
        _check_int(exercises, 0, MAX_EXERCISES, "number of exercises")
        _check_int(steps, 1, MAX_STEPS, "number of steps")
        _check_int(cues, 0, MAX_CUES, "number of cues")
        _check_int(pulses, 0, MAX_PULSES, "number of pulses")
        self.data = data
        self.steps = steps
        self.duration_ms = total_ms
        self.cues_known: int = known
        self.exercises: int = exercises
        self._cues = _HEADER_BYTES + steps * _STEP_BYTES
        counts = self._cues + cues * _CUE_BYTES
        self._names = counts + known + pulses * _PULSE_BYTES
        _check(self._names + names + _CRC_BYTES == size, "sizes in the header do not add up")
        self.patterns = self._read_patterns(counts, pulses)
        self.phases = self._check_names(names)
        first, seen_ms = 0, 0
        unknown = _MUST_KNOW & ~(SELF_PACED | OPEN) if version > 1 else 0xFF & ~SELF_PACED
        for number in range(steps):
            row = struct.unpack_from(_STEP, data, _HEADER_BYTES + number * _STEP_BYTES)
            if row[0] > DONE or row[2] & _SIDE > RIGHT or row[6] & unknown:
                # Version 1 is complete, so no newer Tenuto can have written that.
                error = UnknownPlanError if version > 1 else PlanError
                raise error("step {} asks for what is not known".format(number))
            _check(row[10] == first, "step {}: its cues are not where they belong", number)
            first += row[11]
            _check(first <= cues, "step {}: more cues than there are", number)
            last = number == steps - 1
            _check_step(self.step(number), number, last, exercises, self.phases, known)
            seen_ms += row[8]
        _check(first == cues, "cues that belong to no step")
        _check(seen_ms == total_ms, "duration in the header is not that of the steps")
        _check_int(total_ms, 0, MAX_PLAN_MS, "duration of the plan in ms")
        self.fullest_ms = check_motor(self.cues_from, self.patterns)

    def _read_patterns(
        self, counts: int, pulses: int
    ) -> tuple[tuple[tuple[int, int, int], ...], ...]:
        at, patterns, left = counts + self.cues_known, [], pulses
        for cue in range(self.cues_known):
            pattern = []
            left -= self.data[counts + cue]
            _check(left >= 0, "cue {}: more pulses than there are", cue)
            for _ in range(self.data[counts + cue]):
                pattern.append(struct.unpack_from(_PULSE, self.data, at))
                at += _PULSE_BYTES
            patterns.append(tuple(pattern))
            check_pattern(patterns[cue], "cue {}".format(cue))
        _check(left == 0, "pulses that belong to no cue")
        return tuple(patterns) + ((),) * (CUES_V1 - self.cues_known)

    def _check_names(self, size: int) -> int:
        """Check all names, and return how many are those of phases."""
        at, end, count = self._names, self._names + size, 0
        while at < end:
            length = self.data[at]
            _check_int(length, 1, MAX_NAME_BYTES, "length of a name in bytes")
            _check(at + 1 + length <= end, "names are cut short")
            try:
                bytes(self.data[at + 1 : at + 1 + length]).decode()
            except (UnicodeError, ValueError):
                raise PlanError("name {} is not UTF-8".format(count))
            at += 1 + length
            count += 1
        phases = count - self.exercises - 1
        _check(phases >= 0, "names are cut short")
        _check(phases == 0 or self.data[2] > 1, "names are longer than the header says")
        return phases

    def _name(self, index: int) -> str:
        at = self._names
        for _ in range(index):
            at += 1 + self.data[at]
        return bytes(self.data[at + 1 : at + 1 + self.data[at]]).decode()

    @property
    def name(self) -> str:
        """The routine's name."""
        return self._name(0)

    def cues_from(self, number: int, start_ms: int):  # type: ignore[no-untyped-def]
        """Yield (number of the step, at_ms, cue) in order from step `number`, begun at `start_ms`.

        As they come when nobody intervenes; without a `Step` for each, to spare memory.
        """
        while number < self.steps:
            at = _HEADER_BYTES + number * _STEP_BYTES + 8
            duration_ms, _, first, count = struct.unpack_from("<IIHB", self.data, at)
            for index in range(first, first + count):
                at = self._cues + index * _CUE_BYTES
                offset_ms, cue = struct.unpack_from(_CUE, self.data, at)
                at_ms = duration_ms - offset_ms if cue >= _FROM_END else offset_ms
                yield number, start_ms + at_ms, cue & ~_FROM_END
            start_ms += duration_ms
            number += 1

    def follows(self, number: int) -> int:
        """Return 0 for a step that is no phase, 1 for one, 2 where the repetition goes on with it.

        It goes on where the step before it is of the same exercise, side, repetition and set.
        """
        data, at = self.data, _HEADER_BYTES + number * _STEP_BYTES
        before = at - _STEP_BYTES
        if data[at] != HOLD or data[at + 2] <= _SIDE:
            return 0
        if not number or data[before] != HOLD or (data[at + 2] ^ data[before + 2]) & _SIDE:
            return 1
        same = data[at + 1] == data[before + 1]
        return 1 + (same and data[at + 3 : at + 6] == data[before + 3 : before + 6])

    def step(self, number: int) -> Step:
        """Step `number`, counted from 0, as a fresh `Step`."""
        at = _HEADER_BYTES + number * _STEP_BYTES
        kind, exercise, side, rep, reps, set_no, flags, gate, ms, wait_ms, first, count, limit = (
            struct.unpack_from(_STEP, self.data, at)
        )
        cues = []
        for index in range(first, first + count):
            offset_ms, cue = struct.unpack_from(_CUE, self.data, self._cues + index * _CUE_BYTES)
            cues.append((offset_ms, cue >= _FROM_END, cue & ~_FROM_END))
        return Step(
            kind,
            ms,
            cues,
            exercise=exercise,
            side=side & _SIDE,
            phase=side >> _PHASE_SHIFT,
            rep=rep,
            reps=reps,
            set_no=set_no,
            self_paced=bool(flags & SELF_PACED),
            gate_bpm=gate,
            limit_bpm=limit,
            wait_max_ms=wait_ms,
            is_open=bool(flags & OPEN),
        )
