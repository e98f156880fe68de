# SPDX-License-Identifier: MIT
"""The haptic vocabulary: how each cue feels, read from a TOML file that people edit.

A pattern is a tuple of pulses `(strength_pct, on_ms, off_ms)`, as the plan carries it; the last
pulse has no pause.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from tenuto.errors import InputError, Mistake
from tenuto.files import read_input
from tenuto.toml import rules, tables
from tenuto.toml.rules import ListOf, Text, Whole
from tenuto.toml.tables import (
    Nested,
    Remark,
    TableError,
    key,
    keys,
    read_table,
    table_schema,
)
from tenuto_core.plan import (
    MAX_PATTERN_MS,
    MAX_PATTERN_PULSES,
    MAX_PULSE_MS,
    MIN_PULSE_MS,
    PlanError,
    check_pattern,
    pattern_ms,
)
from tenuto_core.vocab import CUES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Pattern: TypeAlias = "tuple[tuple[int, int, int], ...]"

GAP_MS_MIN = 80
"""Pulses closer than this are felt as one (rate segregation, Jurado 2021)."""
PULSE_MS_MIN = 100
"""A motor with an eccentric mass needs this to be felt, at 50 to 100 ms to spin up."""
CUE_MS_MAX = 2_000
"""A longer cue is no longer taken in as one."""
LENGTH_RATIO_MIN = 1.5
"""Pulses whose lengths are nearer than this feel alike; long against short wants 3."""
STRENGTH_RATIO_MIN = 1.4
"""Strengths nearer than this feel alike (Android, custom haptic effects)."""

BLOCKS = "▁▂▃▄▅▆▇"
ASCII_BLOCKS = "._-=+*#"


@dataclass(frozen=True, slots=True)
class _Strength:
    """One strength for all pulses, or a list."""

    one: Whole
    many: ListOf

    def read(self, value: object) -> int | tuple[int, ...]:
        return self.many.read(value) if isinstance(value, list) else self.one.read(value)

    def schema(self) -> dict[str, Any]:
        return {"oneOf": [self.one.schema(), self.many.schema()]}


_PCT = Whole(1, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One cue of the file."""

    feels_like: str = key(Text(200, empty=True), "A reminder.", default="")
    on_off_ms: tuple[int, ...] = key(
        ListOf(Whole(0, MAX_PATTERN_MS), 2 * MAX_PATTERN_PULSES - 1),
        "buzz, pause, buzz, ... in milliseconds",
    )
    strength_pct: int | tuple[int, ...] = key(
        _Strength(_PCT, ListOf(_PCT, MAX_PATTERN_PULSES)),
        "Strength in percent.",
        default=100,
    )
    count: int | None = key(
        Whole(0, MAX_PATTERN_PULSES),
        "How many buzzes on a device whose buzzes are all alike.",
        default=None,
    )

    def __post_init__(self) -> None:
        remarks = list(self._remarks())
        if remarks:
            raise TableError(remarks)

    def _remarks(self) -> Iterator[Remark]:
        pulses = (len(self.on_off_ms) + 1) // 2
        if self.on_off_ms and len(self.on_off_ms) % 2 == 0:
            text = "ends with a pause, allowed is an odd count: buzz, pause, buzz"
            yield Remark.of("on_off_ms", text)
        for number, on_ms in enumerate(self.on_off_ms[::2], 1):
            if not MIN_PULSE_MS <= on_ms <= MAX_PULSE_MS:
                allowed = f"allowed is {MIN_PULSE_MS} to {MAX_PULSE_MS} ms"
                yield Remark.of("on_off_ms", f"has buzz {number} of {on_ms} ms, {allowed}")
        if isinstance(self.strength_pct, tuple) and len(self.strength_pct) != pulses:
            count = f"{len(self.strength_pct)} strengths for {pulses} buzzes"
            text = f"has {count}, allowed is one for each or one number for all"
            yield Remark.of("strength_pct", text)
        total_ms = sum(self.on_off_ms)
        if total_ms > MAX_PATTERN_MS:
            text = f"is {total_ms} ms long in all, allowed is at most {MAX_PATTERN_MS}"
            yield Remark.of("on_off_ms", text)

    @property
    def pattern(self) -> Pattern:
        on_ms = self.on_off_ms[::2]
        off_ms = (*self.on_off_ms[1::2], 0)
        pct = self.strength_pct
        strengths = pct if isinstance(pct, tuple) else (pct,) * len(on_ms)
        return tuple(zip(strengths, on_ms, off_ms, strict=False))


@dataclass(frozen=True, slots=True)
class PatternRule:
    """A pattern: buzz, pause, buzz in ms, or the same table as in a vocabulary."""

    def read(self, value: object) -> Pattern:
        """Return the pattern."""
        if not isinstance(value, list):
            return Nested(_Entry).read(value).pattern
        try:
            return read_table({"on_off_ms": value}, _Entry).pattern
        except TableError as error:
            # There is no key of that name where the list stands.
            text = error.remarks[0].text.removeprefix("`on_off_ms` ")
            raise ValueError(text) from None

    def schema(self) -> dict[str, Any]:
        """Return the schema of a list or of a table."""
        return {"oneOf": [self.list_schema(), table_schema(_Entry)]}

    def list_schema(self) -> dict[str, Any]:
        """Return the schema of a list."""
        rule: ListOf = keys(_Entry)["on_off_ms"].metadata["rule"]
        return rule.schema()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """How each cue feels.

    Attributes:
        patterns: In the order of `vocab.CUES`, an empty one for a silent cue.
        feels_like: A text for people for each, may be empty.
        counts: How many buzzes each has on a device whose buzzes are all alike; None for as many as
            its pattern has.
        file: Where it was read.

    Raises:
        InputError: If a pattern is outside the limits of `tenuto_core.plan`.
    """

    patterns: tuple[Pattern, ...]
    feels_like: tuple[str, ...] = ("",) * len(CUES)
    counts: tuple[int | None, ...] = (None,) * len(CUES)
    file: str = field(default="haptics", compare=False)

    def __post_init__(self) -> None:
        """Check what a caller made without a file."""
        if len(self.patterns) != len(CUES) or len(self.feels_like) != len(CUES):
            raise InputError(f"a vocabulary has {len(CUES)} cues, not {len(self.patterns)}")
        for cue, pattern in zip(CUES, self.patterns, strict=True):
            try:
                check_pattern(pattern, cue)
            except PlanError as error:
                raise InputError([Mistake(self.file, 0, str(error))]) from None

    def pattern(self, cue: int) -> Pattern:
        """Return the pattern of a cue, a number of `tenuto_core.vocab`."""
        return self.patterns[cue]

    def length_ms(self, cue: int) -> int:
        """Return how long a cue is felt."""
        return int(pattern_ms(self.patterns[cue]))


def parse(data: str | bytes, file: str, base: Vocabulary | None = None) -> Vocabulary:
    """Return the vocabulary of a TOML text.

    Args:
        data: The text.
        file: Its name in messages.
        base: Has the cues that the text leaves out; without one they must all be there.

    Raises:
        InputError: With all mistakes at once.
    """
    raw, origin = tables.parse(data, file)
    mistakes = [
        origin.mistake((name,), f"unknown cue [{name}]{rules.hint(name, CUES, quote='')}")
        for name in raw
        if name not in CUES
    ]
    entries: dict[str, _Entry] = {}
    for name in CUES:
        if name not in raw:
            if base is None:
                mistakes.append(origin.mistake((), f"the cue [{name}] is missing"))
            continue
        try:
            entries[name] = Nested(_Entry).read(raw[name])
        except TableError as error:
            mistakes += [
                origin.mistake((name, *remark.path), f"[{name}]: {remark.text}")
                for remark in error.remarks
            ]
        except ValueError as error:
            mistakes.append(origin.mistake((name,), f"`{name}` {error}"))
    if mistakes:
        raise InputError(sorted(mistakes))
    return _assemble(entries, file, base)


def _assemble(entries: dict[str, _Entry], file: str, base: Vocabulary | None) -> Vocabulary:
    patterns, texts, counts = [], [], []
    for number, name in enumerate(CUES):
        known = None if base is None else base.counts[number]
        if name in entries:
            entry = entries[name]
            patterns.append(entry.pattern)
            texts.append(entry.feels_like)
            if entry.count is not None:
                known = entry.count
            elif not entry.on_off_ms:
                known = 0  # a cue that is silent is so everywhere
        elif base is not None:
            patterns.append(base.patterns[number])
            texts.append(base.feels_like[number])
        counts.append(known)
    return Vocabulary(
        patterns=tuple(patterns), feels_like=tuple(texts), counts=tuple(counts), file=file
    )


def load(path: Path, base: Vocabulary | None = None) -> Vocabulary:
    """Read a vocabulary file.

    Raises:
        InputError: If it cannot be read or is wrong.
    """
    return parse(read_input(path), str(path), base)


def felt(pattern: Pattern) -> Pattern:
    """Return the pattern with pulses joined that are too close to be felt apart."""
    joined: list[tuple[int, int, int]] = []
    for pulse in pattern:
        if joined and joined[-1][2] < GAP_MS_MIN:
            strength, on_ms, off_ms = joined.pop()
            joined.append((max(strength, pulse[0]), on_ms + off_ms + pulse[1], pulse[2]))
        else:
            joined.append(pulse)
    return tuple(joined)


def _near(one: int, other: int, ratio: float) -> bool:
    return max(one, other) < ratio * min(one, other)


def alike(one: Pattern, other: Pattern) -> bool:
    """Return whether two patterns feel the same."""
    one, other = felt(one), felt(other)
    return len(one) == len(other) and all(
        _near(a[0], b[0], STRENGTH_RATIO_MIN) and _near(a[1], b[1], LENGTH_RATIO_MIN)
        for a, b in zip(one, other, strict=True)
    )


def draw(pattern: Pattern, ms_per_cell: int = 100, blocks: str = BLOCKS) -> str:
    """Draw a pattern to scale: a block as wide as its pulse is long and as high as it is strong.

    Pulses and pauses have at least one character each.

    Args:
        pattern: The pulses.
        ms_per_cell: What one character stands for, 1 or more.
        blocks: Characters from weak to strong.
    """
    cells = ""
    for number, (strength_pct, on_ms, off_ms) in enumerate(pattern, 1):
        block = blocks[max(0, -(-strength_pct * len(blocks) // 100) - 1)]
        cells += block * max(1, round(on_ms / ms_per_cell))
        if number < len(pattern):
            cells += " " * max(1, round(off_ms / ms_per_cell))
    return cells
