# SPDX-License-Identifier: MIT
"""The heart: what a sensor sends, and what a session's heart rate comes to.  Pure.

Bytes: the Heart Rate Measurement characteristic (0x2A37) and the Body Sensor Location (0x2A38) of
the Bluetooth Heart Rate Service 1.0.  Measures: each function names its source; what they mean,
and what they do not, is in `history/EVIDENCE.md`.

A rate holds until the next one, but no longer than `FRESH_MS`: after that nobody knows the rate,
and that time counts for nothing.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter
from statistics import fmean, median, stdev
from typing import TYPE_CHECKING, NamedTuple, Self

from tenuto_core.player import BEAT_FRESH_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FRESH_MS = BEAT_FRESH_MS
"""How long a heart rate counts; the player's heart gate holds it the same."""
BPM_MIN, BPM_MAX = 20, 250
"""What a heart can do; other rates are not believed."""
VALUE_BYTES_MAX = 512
"""No value of a characteristic is longer (Bluetooth Core, Vol 3, Part F, 3.2.9)."""

_WIDE, _CONTACT, _CONTACT_KNOWN, _ENERGY, _RR = 0x01, 0x02, 0x04, 0x08, 0x10

LOCATIONS = ("other", "chest", "wrist", "finger", "hand", "ear lobe", "foot")
"""Names of the values of 0x2A38."""
ECG, OPTICAL = "ecg", "optical"
SENSOR_KINDS = (ECG, OPTICAL)
_OPTICAL_LOCATIONS = frozenset({"wrist", "finger", "hand", "ear lobe"})


def location(value: bytes) -> str | None:
    """Name where a sensor is worn by its value of 0x2A38; None for one that says nothing."""
    return LOCATIONS[value[0]] if value and value[0] < len(LOCATIONS) else None


def sensor_kind(worn_at: str | None) -> str | None:
    """Return what a sensor measures with, by where it is worn; None where that does not tell.

    On the chest it is electrodes, on wrist, hand and ear it is light. Intervals between beats are
    used for variability only from electrodes: light is smoothed.
    """
    if worn_at == "chest":
        return ECG
    return OPTICAL if worn_at in _OPTICAL_LOCATIONS else None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of 0x2A37.

    Attributes:
        bpm: 0 to 65535, 0 while the sensor has no rate.
        contact: Whether it touches the skin, None from a sensor that cannot tell.
        energy_kj: Spent since it was reset, 65535 for that or more, None where it is not told.
        rr_1024: Intervals between beats in 1/1024 s, oldest first.

    Raises:
        ValueError: a number is out of its range.
    """

    bpm: int
    contact: bool | None = None
    energy_kj: int | None = None
    rr_1024: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what does not fit the bytes."""
        for name, value in (("bpm", self.bpm), ("energy_kj", self.energy_kj or 0)):
            if not 0 <= value <= 0xFFFF:
                raise ValueError(f"{name} must be 0 to 65535, not {value}")
        for interval in self.rr_1024:
            if not 1 <= interval <= 0xFFFF:
                raise ValueError(f"an RR interval must be 1 to 65535, not {interval}")

    @property
    def is_rate(self) -> bool:
        """Whether this is a heart rate to believe: on the skin, and `BPM_MIN` to `BPM_MAX`.

        Sensors send 0 or 255 for "none".
        """
        return self.contact is not False and BPM_MIN <= self.bpm <= BPM_MAX

    @property
    def rr_ms(self) -> tuple[float, ...]:
        """The intervals in ms."""
        return tuple(interval * 1000 / 1024 for interval in self.rr_1024)

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """Read a value.

        Flags that are reserved, and bytes that no flag announces, are passed over; so is half an
        interval at the end, as of a value that was cut to the packet.

        Raises:
            ValueError: it is too short for what its flags announce, or longer than a value may be.
        """
        if not 2 <= len(value) <= VALUE_BYTES_MAX:
            raise ValueError(f"a heart rate has 2 to {VALUE_BYTES_MAX} bytes, not {len(value)}")
        flags = value[0]
        head = "<" + ("H" if flags & _WIDE else "B") + ("H" if flags & _ENERGY else "")
        at = 1 + struct.calcsize(head)
        if len(value) < at:
            raise ValueError(f"a heart rate with flags {flags:#04x} has at least {at} bytes")
        bpm, *energy = struct.unpack_from(head, value, 1)
        count = (len(value) - at) // 2 if flags & _RR else 0
        return cls(
            bpm=bpm,
            contact=bool(flags & _CONTACT) if flags & _CONTACT_KNOWN else None,
            energy_kj=energy[0] if energy else None,
            # Some sensors fill up with intervals of nothing.
            rr_1024=tuple(filter(None, struct.unpack_from(f"<{count}H", value, at))),
        )

    def __bytes__(self) -> bytes:
        """Return the value, as short as it can be."""
        wide = self.bpm > 0xFF
        flags = _WIDE if wide else 0
        if self.contact is not None:
            flags |= _CONTACT_KNOWN | (_CONTACT if self.contact else 0)
        if self.energy_kj is not None:
            flags |= _ENERGY
        if self.rr_1024:
            flags |= _RR
        value = struct.pack("<BH" if wide else "<BB", flags, self.bpm)
        if self.energy_kj is not None:
            value += struct.pack("<H", self.energy_kj)
        return value + struct.pack(f"<{len(self.rr_1024)}H", *self.rr_1024)


# --- the rate


class Sample(NamedTuple):
    """A heart rate in beats per minute and when it was told, ms since the session began."""

    t_ms: int
    bpm: int


_bpm_of = attrgetter("bpm")


@dataclass(frozen=True, slots=True)
class Rate:
    """What a heart rate came to.

    Attributes:
        mean_bpm: Each rate counted for as long as it held.
        known_ms: How long a rate was known.
    """

    mean_bpm: float
    min_bpm: int
    max_bpm: int
    known_ms: int


def spans(samples: Sequence[Sample], end_ms: int) -> Iterator[tuple[int, int, int]]:
    """Yield (from_ms, to_ms, bpm) of each rate up to `end_ms`, samples in order of time."""
    ends_ms = [*(sample.t_ms for sample in samples[1:]), end_ms]
    for sample, next_ms in zip(samples, ends_ms, strict=False):
        yield sample.t_ms, max(sample.t_ms, min(next_ms, sample.t_ms + FRESH_MS)), sample.bpm


def rate(samples: Sequence[Sample], end_ms: int) -> Rate | None:
    """Sum up a heart rate from its first sample to `end_ms`; None without any."""
    if not samples:
        return None
    held = [(to_ms - from_ms, bpm) for from_ms, to_ms, bpm in spans(samples, end_ms)]
    known_ms = sum(ms for ms, _ in held)
    beats = [bpm for _, bpm in held]
    mean_bpm = sum(ms * bpm for ms, bpm in held) / known_ms if known_ms else fmean(beats)
    return Rate(mean_bpm, min(beats), max(beats), known_ms)


def unbroken(samples: Iterable[Sample]) -> list[list[Sample]]:
    """Put rates together that follow each other; where none was known, a new list begins."""
    lines: list[list[Sample]] = []
    for sample in samples:
        if not lines or sample.t_ms - lines[-1][-1].t_ms > FRESH_MS:
            lines.append([])
        lines[-1].append(sample)
    return lines


def thinned(line: Sequence[Sample], column_ms: float) -> list[Sample]:
    """Return those rates of a line by which a picture of it is the same.

    Of each column the lowest and the highest one stay, so that no peak is lost, and of equal ones
    in a row the first and the last.

    Args:
        line: As `unbroken` returns it.
        column_ms: How much time a column of the picture shows.
    """
    kept: list[Sample] = []
    for _, within in groupby(line, lambda sample: sample.t_ms // column_ms):
        column = list(within)
        ends = {min(column, key=_bpm_of), max(column, key=_bpm_of)}
        ends |= {line[0], line[-1]} & set(column)
        kept += sorted(ends)
    return [
        sample
        for number, sample in enumerate(kept)
        if number in (0, len(kept) - 1)
        or not kept[number - 1].bpm == sample.bpm == kept[number + 1].bpm
    ]


# --- zones

ZONE_SHARES = (0.5, 0.6, 0.7, 0.8, 0.9)


def max_bpm_at(age: int) -> int:
    """Estimate the highest heart rate of a healthy adult: 208 - 0.7 * age.

    Tanaka, Monahan and Seals 2001, J Am Coll Cardiol 37:153, doi 10.1016/S0735-1097(00)01054-8;
    people of one age differ by some 10 beats, so a measured one is better.
    """
    return round(208 - 0.7 * age)


@dataclass(frozen=True, slots=True)
class Zones:
    """Five zones of effort, from 50, 60, 70, 80 and 90 % of a range.

    The range is the highest heart rate; or, where the resting one is known too, what lies between
    both (Karvonen, Kentala and Mustala 1957, Ann Med Exp Biol Fenn 35:307).
    """

    max_bpm: int
    rest_bpm: int | None = None

    @property
    def from_bpm(self) -> tuple[int, ...]:
        """Where each zone begins."""
        low = self.rest_bpm or 0
        return tuple(round(low + share * (self.max_bpm - low)) for share in ZONE_SHARES)

    def times_ms(self, samples: Sequence[Sample], end_ms: int) -> tuple[int, ...]:
        """Return the time below all zones, then in each of the five."""
        times = [0] * (1 + len(ZONE_SHARES))
        for from_ms, to_ms, bpm in spans(samples, end_ms):
            times[sum(bpm >= limit for limit in self.from_bpm)] += to_ms - from_ms
        return tuple(times)


# --- recovery

RECOVERY_MS = 60_000
_PEAK_WITHIN_MS = 10_000
_AROUND_MS = 2_500


@dataclass(frozen=True, slots=True)
class Recovery:
    """How a heart rate fell in a minute: highest at first, mean around the minute's end."""

    peak_bpm: int
    after_bpm: float

    @property
    def drop_bpm(self) -> float:
        """How far it fell, negative where it rose."""
        return self.peak_bpm - self.after_bpm


def recovery(samples: Sequence[Sample], from_ms: int = 0) -> Recovery | None:
    """Return the recovery in the first minute from `from_ms` on; None where the rate is not known.

    The highest rate of the first 10 s less the rate a minute later. After Cole and others 1999,
    N Engl J Med 341:1351, doi 10.1056/NEJM199910283411804, who stopped an exercise test of known
    effort; after a run it is a trend of one's own, not a finding.
    """
    first = [s.bpm for s in samples if 0 <= s.t_ms - from_ms <= _PEAK_WITHIN_MS]
    low_ms = from_ms + RECOVERY_MS - _AROUND_MS
    high_ms = low_ms + 2 * _AROUND_MS
    around = [
        (min(to_ms, high_ms) - max(begin_ms, low_ms), bpm)
        for begin_ms, to_ms, bpm in spans(samples, high_ms)
        if begin_ms < high_ms and to_ms > low_ms
    ]
    known_ms = sum(ms for ms, _ in around)
    if not first or not known_ms:
        return None
    return Recovery(max(first), sum(ms * bpm for ms, bpm in around) / known_ms)


# --- variability

RR_MS_MIN, RR_MS_MAX = 300.0, 2_000.0
"""200 and 30 beats a minute."""
STRAY_SHARE = 0.2
_NEIGHBOURS = 5
_GAP_MS = 1_500
"""Packets of one stream come within about a second; a beat that is missing for longer was lost."""
BEATS_MIN = 30
ARTEFACT_PCT_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Variability:
    """The variability of a heart's intervals; experimental.

    Attributes:
        rmssd_ms, sdnn_ms: None where there are fewer than `BEATS_MIN` good intervals, or more than
            `ARTEFACT_PCT_MAX` of artefacts.
        beats: Good intervals.
        artefact_pct: Share of intervals that were left out.
    """

    rmssd_ms: float | None
    sdnn_ms: float | None
    beats: int
    artefact_pct: float


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval between two beats, and when the packet that told it came.

    Attributes:
        is_sound: False for an artefact.
    """

    t_ms: int
    rr_ms: float
    is_sound: bool


def runs(packets: Iterable[tuple[int, Sequence[float]]]) -> list[list[Interval]]:
    """Put intervals together that follow each other without a gap, and judge each.

    An interval is an artefact if it is not within 300 to 2000 ms, or more than 20 % away from the
    median of the eleven around it.

    Args:
        packets: When they came, in ms, and their intervals in ms; one without any is passed over.
    """
    found: list[list[tuple[int, float]]] = []
    beat_ms = -math.inf
    for t_ms, intervals in packets:
        if not intervals:
            continue
        beat_ms += sum(intervals)
        if abs(t_ms - beat_ms) > _GAP_MS:
            found.append([])
            beat_ms = t_ms
        found[-1].extend((t_ms, rr_ms) for rr_ms in intervals)
    return [_judged(run) for run in found]


def _judged(run: Sequence[tuple[int, float]]) -> list[Interval]:
    lengths = [rr_ms for _, rr_ms in run]
    judged = []
    for index, (t_ms, rr_ms) in enumerate(run):
        middle = median(lengths[max(0, index - _NEIGHBOURS) : index + _NEIGHBOURS + 1])
        near = abs(rr_ms - middle) <= STRAY_SHARE * middle
        judged.append(Interval(t_ms, rr_ms, RR_MS_MIN <= rr_ms <= RR_MS_MAX and near))
    return judged


def variability(packets: Iterable[tuple[int, Sequence[float]]]) -> Variability | None:
    """Return RMSSD and SDNN of intervals from electrodes; None without any interval.

    RMSSD: root of the mean of the squared differences between successive intervals. SDNN: their
    standard deviation, with n - 1 as in neurokit2. Both by the Task Force of the European Society
    of Cardiology and the North American Society of Pacing and Electrophysiology 1996, Circulation
    93:1043, doi 10.1161/01.CIR.93.5.1043.

    An artefact is left out, and so are the differences with its neighbours; nothing is put in its
    place. The same holds across a gap in the stream.

    Args:
        packets: As for `runs`.
    """
    found = runs(packets)
    total = sum(map(len, found))
    if not total:
        return None
    good = [interval.rr_ms for run in found for interval in run if interval.is_sound]
    squares = [
        (after.rr_ms - before.rr_ms) ** 2
        for run in found
        for before, after in pairwise(run)
        if before.is_sound and after.is_sound
    ]
    artefact_pct = 100 * (total - len(good)) / total
    if len(good) < BEATS_MIN or artefact_pct > ARTEFACT_PCT_MAX or not squares:
        return Variability(None, None, len(good), artefact_pct)
    return Variability(math.sqrt(fmean(squares)), stdev(good), len(good), artefact_pct)
