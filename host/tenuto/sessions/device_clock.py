# SPDX-License-Identifier: MIT
"""Which moment a time stamp of a wearable is, and how fast its clock runs.  Pure.

Theory of operation.  Let `D` be the wearable's clock and `h` the host's monotonic one, both in
ms.  Their difference is taken for a line over a while: `h = D + theta(D)` with
`theta(D) = c + s * D`.  Everything that is heard says something certain about that line:

- a time stamp `D` that is heard at `h` was made before: `theta(D) <= h - D`
- an answer to a question asked at `h` was given after: `theta(D) > h - (D + 1)`, since the
  wearable counts whole milliseconds

Each is a half of the plane of (c, s), and all of them together leave a small polygon, which is
clipped by one more line with each message.  The truth is inside, so what the corners say of
`theta` at some moment are bounds that hold, and half of their distance is the uncertainty.  A slow
message touches nothing: that is the minimum-delay filter.

The best guess is a Kalman filter's, for theta and its slope.  What it is told are not the messages,
most of which say nothing, but the quickest of a group (Moon, Skelly, Towsley, INFOCOM 1999).  Of
`n` delays that are spread evenly from 0 on, the least is the `n`-th part of them, and as uncertain
as that: so a few messages are hardly believed, and many are.  There are two kinds of groups:

- Questions in a row whose answers keep to the beat of the connection events.  They came in the
  event before that of the answer, so nothing is left of their delay but the time until the wearable
  looked: thirty of them tell theta to a ms.
- Log records, and questions without a beat, which are collected for a while.  Those leave at a
  moment that has nothing to do with the radio.  A hull below them all tells the slope as well.

An answer's own delay is not used: it is written in a connection event and leaves with the next one,
a whole interval later, and the interval changes while a wearable rests.  What is constant, such as
the delay of the host's own Bluetooth, is the same for all wearables of a host and stays in.

No crystal keeps to a line for ever: the filter lets the slope wander, as it does with the warmth of
a wrist, and after `WINDOW_MS` the polygon makes room for a new one.  An answer that contradicts the
polygon by much means that one of the clocks has jumped (the host was suspended); then only the skew
is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MODULUS = 1 << 32
_HALF = 1 << 31

SKEW_PPM_MAX = 500.0
"""Calibrated RC oscillators, the worst clocks of the boards in question, keep within this."""
SKEW_UNKNOWN_PPM = 100.0
"""How far off a clock of which nothing is known is likely to be."""
SKEW_WANDER_PPM = 5.0
"""How much a crystal changes from one meeting to the next, mostly with its temperature."""
SKEW_WANDER_WINDOW_PPM = 0.4
"""And from one window to the next, while it is worn."""
SLACK_MS = 0.5
"""Granted to each bound, for the wander of a clock within a window."""
LATE_MS = 200.0
"""A message that was so slow waited for something else than the radio; it says nothing of that."""
WINDOW_MS = 1_800_000.0
RESEED_MS = 2.0
"""By how much more the bounds are widened when a window ends."""
INTERVALS_MS = tuple(1.25 * number for number in range(100, 5, -1))
"""Of connections, the longest first: multiples of 1.25 ms."""
ON_TIME_MS = 1.5
"""Answers that come in connection events come within so long of the beat of these."""
LATTICE_SHARE, LATTICE_COUNT_MIN = 0.8, 6
VARIED_MS = 1.0
"""Delays that vary by less are those of a link that has no connection events: it takes
equally long both ways, and the middle of an exchange is right."""
QUICK_SHARE = 0.8
"""Of a group; the others were repeated."""
GROUP_COUNT_MIN = 6
"""So few messages say nothing of how quick the quickest can be."""
FEW_COUNT, FEW_OFF_MS = 10, 8.0
"""Fewer questions may all have waited so long for the wearable's program, which is busy with other
things just after a link was made."""
GROUP_SPAN_MS, GROUP_COUNT_MAX = 1_200_000.0, 512
"""So long a group is collected at most."""
GROWN = 1.1
"""A group is looked at anew when it has grown by so much."""
SLOPE_OFF_MS, SLOPE_CHANCE = 1.0, 16.0
"""How far the slope of a group may be off over its span: the first for the milliseconds, the second
by chance, in mean delays over their number."""
BLUR_MS = 0.3
"""Of a time in whole ms, as a standard deviation."""
STEP_MS = 250.0
"""A change of the wall clock against the monotonic one that counts as a step."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One exchange: the wearable's time in ms modulo 2**32, and the host's before and after it."""

    device_ms: int
    before_ms: float
    after_ms: float


@dataclass(frozen=True, slots=True)
class Skew:
    """How much faster than the host's clock the wearable's runs, in parts per million.

    Attributes:
        sigma_ppm: The standard deviation of that.
    """

    ppm: float = 0.0
    sigma_ppm: float = SKEW_UNKNOWN_PPM


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment on the host's clock, and how far from it the truth may be, both in ms."""

    ms: float
    uncertainty_ms: float


class _Group:
    """Bounds of one kind, of which the closest count; times are the wearable's, in ms.

    Args:
        sign: 1 for bounds from above, -1 from below.
    """

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self._points: list[tuple[float, float]] = []
        """When, and the bound times the sign."""
        self._first_ms, self._last_ms = math.inf, -math.inf

    def add(self, at_ms: float, bound_ms: float) -> None:
        """Take one more into account."""
        self._points.append((at_ms, self.sign * bound_ms))
        self._first_ms, self._last_ms = min(self._first_ms, at_ms), max(self._last_ms, at_ms)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._points)

    @property
    def span_ms(self) -> float:
        """Over how long they came."""
        return self._last_ms - self._first_ms

    def closest(self, slope: float | None) -> _Closest:
        """Return what the closest bounds say.

        Args:
            slope: What theta rises by in a ms; None to find that out as well.
        """
        points = sorted(self._points)
        middle_ms = sum(at_ms for at_ms, _ in points) / len(points)
        rise = self.sign * slope if slope is not None else _rise_under(points)
        levels = sorted(level - rise * (at_ms - middle_ms) for at_ms, level in points)
        return _Closest(middle_ms, self.sign, self.sign * rise, levels)


@dataclass(frozen=True, slots=True)
class _Closest:
    """The bounds of a group as if they were made at one moment.

    Attributes:
        at_ms: When.
        sign: Of the group.
        slope: What theta rises by in a ms.
        levels_ms: The bounds times the sign, the closest first.
    """

    at_ms: float
    sign: int
    slope: float
    levels_ms: list[float]

    @property
    def delay_ms(self) -> float:
        """By how much the mean is slower than the quickest."""
        return sum(self.levels_ms) / len(self.levels_ms) - self.levels_ms[0]

    @property
    def least_ms(self) -> float:
        """How slow the quickest is likely to be.

        No further from none than the others from each other: where a wearable looks for questions
        in step with the radio, all of them wait for one of a few times.
        """
        quick = self.levels_ms[: math.ceil(QUICK_SHARE * len(self.levels_ms))]
        return max(later - sooner for sooner, later in pairwise(quick)) / 2

    @property
    def theta_ms(self) -> float:
        """What they say of theta; in whole ms the wearable's time is half of one too small."""
        return self.sign * (self.levels_ms[0] - self.least_ms) - 0.5

    @property
    def sigma_ms(self) -> float:
        """How uncertain that is: where some waited for something else as well, more so."""
        return max(self.least_ms, 2 * self.delay_ms / (len(self.levels_ms) - 1), BLUR_MS)


@dataclass(slots=True)
class _Filter:
    """The best guess for theta and its slope, and their covariance; times are the wearable's.

    Attributes:
        at_ms, theta_ms, slope: The guess.
        p00, p01, p11: The covariance of theta and slope.
    """

    at_ms: float
    theta_ms: float
    slope: float
    p00: float
    p01: float
    p11: float

    @classmethod
    def of(cls, at_ms: float, theta_ms: float, sigma_ms: float, skew: Skew) -> _Filter:
        """Return one that begins with a guess for theta, and with a skew."""
        variance = (skew.sigma_ppm * 1e-6) ** 2
        return cls(at_ms, theta_ms, _slope(skew.ppm), sigma_ms**2, 0.0, variance)

    @property
    def skew(self) -> Skew:
        """The slope as a skew, of a clock that is one."""
        steepest = [_slope(sign * SKEW_PPM_MAX) for sign in (1, -1)]
        slope = min(max(self.slope, min(steepest)), max(steepest))
        return Skew(_ppm(slope), self.p11**0.5 * 1e6)

    def theta_at(self, at_ms: float) -> float:
        """Return theta at a moment."""
        return self.theta_ms + self.slope * (at_ms - self.at_ms)

    def advance(self, at_ms: float) -> None:
        """Let time pass; the slope wanders meanwhile."""
        dt_ms = at_ms - self.at_ms
        if dt_ms <= 0:
            return
        wander = (SKEW_WANDER_WINDOW_PPM * 1e-6) ** 2 / WINDOW_MS
        self.at_ms = at_ms
        self.theta_ms += self.slope * dt_ms
        self.p00 += 2 * dt_ms * self.p01 + dt_ms**2 * self.p11 + wander * dt_ms**3 / 3
        self.p01 += dt_ms * self.p11 + wander * dt_ms**2 / 2
        self.p11 += wander * dt_ms

    def measure_theta(self, at_ms: float, theta_ms: float, sigma_ms: float) -> None:
        """Take a measurement of theta into account, of now or of a little while ago."""
        self.advance(at_ms)
        self._update(1.0, at_ms - self.at_ms, theta_ms - self.theta_at(at_ms), sigma_ms)

    def measure_slope(self, slope: float, sigma: float) -> None:
        """Take a measurement of the slope into account."""
        self._update(0.0, 1.0, slope - self.slope, sigma)

    def _update(self, h0: float, h1: float, off: float, sigma: float) -> None:
        g0, g1 = self.p00 * h0 + self.p01 * h1, self.p01 * h0 + self.p11 * h1
        variance = h0 * g0 + h1 * g1 + sigma**2
        self.theta_ms += g0 / variance * off
        self.slope += g1 / variance * off
        self.p00 -= g0 * g0 / variance
        self.p01 -= g0 * g1 / variance
        self.p11 -= g1 * g1 / variance


@dataclass(slots=True)
class _Window:
    """The bounds of a while; times are ms of the wearable since `origin_ms`.

    Attributes:
        corners: Corners of the polygon, as (c, s).
    """

    origin_ms: float
    corners: list[tuple[float, float]]

    @classmethod
    def of(cls, at_ms: float, low_ms: float, high_ms: float, skew: Skew) -> _Window:
        """Return a window that begins with theta between two bounds, and with a skew."""
        reach = max(5 * skew.sigma_ppm, 4 * SKEW_WANDER_PPM)
        least = _slope(min(skew.ppm + reach, SKEW_PPM_MAX))
        most = _slope(max(skew.ppm - reach, -SKEW_PPM_MAX))
        return cls(at_ms, [(low_ms, least), (high_ms, least), (high_ms, most), (low_ms, most)])

    def bounds(self, at_ms: float) -> tuple[float, float]:
        """Return the least and the largest theta at a moment."""
        thetas = [c + s * at_ms for c, s in self.corners]
        return min(thetas), max(thetas)

    def clip(self, at_ms: float, bound_ms: float, sign: int) -> bool:
        """Keep what is below (`sign` 1) or above (-1) a bound; False if nothing would be left."""
        corners = self.corners
        over = [sign * (c + s * at_ms - bound_ms) for c, s in corners]
        if max(over) <= 0:
            return True  # as with most messages
        kept: list[tuple[float, float]] = []
        for index, corner in enumerate(corners):
            before = index - 1
            if (over[index] <= 0) != (over[before] <= 0):
                share = over[before] / (over[before] - over[index])
                c, s = corners[before]
                kept.append((c + share * (corner[0] - c), s + share * (corner[1] - s)))
            if over[index] <= 0:
                kept.append(corner)
        if not kept:
            return False
        self.corners = kept
        return True


class DeviceClock:
    """The clock of one boot of one wearable.

    Attributes:
        skew: What is known of it from earlier boots.
        steps: how often an answer contradicted all before it.
    """

    def __init__(self, skew: Skew | None = None) -> None:
        self.steps = 0
        self._prior = skew or Skew()
        self._window: _Window | None = None
        self._filter: _Filter | None = None
        self._groups: dict[int, _Group] = {}
        self._with_open: _Filter | None = None
        self._grown: dict[int, int] = {}
        self._last_ms = 0

    @property
    def is_known(self) -> bool:
        """Whether there was a probe yet."""
        return self._window is not None

    # --- what is heard

    def probe(self, probe: Probe) -> None:
        """Take one more exchange into account."""
        self.probes([probe])

    def probes(self, probes: Sequence[Probe]) -> None:
        """Take exchanges into account that were made right after each other.

        Their answers keep to the beat of the connection events, which tells the interval.  A
        question that was answered within two intervals was not repeated: it came in the event
        before that of its answer, and the wearable read its clock after that.
        """
        for probe in probes:
            self._bound_by(probe)
        beat = find_beat(probes)
        asked = [(probe, probe.before_ms) for probe in probes]
        if beat is not None:
            asked = list(_in_events(probes, *beat))
            for probe, asked_ms in asked:
                at_ms = self._unwrap(probe.device_ms)
                self._bound(at_ms, asked_ms - at_ms - 1, -1, None)
        self._measure_questions(asked, has_beat=beat is not None)

    def _bound_by(self, probe: Probe) -> None:
        at_ms = self._unwrap(probe.device_ms)
        upper, lower = probe.after_ms - at_ms, probe.before_ms - at_ms - 1
        if self._window is None:
            self._start(at_ms, lower, upper)
        self._bound(at_ms, upper, 1, probe)
        self._bound(at_ms, lower, -1, probe)
        self._last_ms = at_ms

    def _measure_questions(self, asked: Sequence[tuple[Probe, float]], *, has_beat: bool) -> None:
        now = self._filter
        if now is None:
            return
        lasting_ms = [probe.after_ms - probe.before_ms for probe, _ in asked]
        if has_beat:
            group = _Group(-1)
            for probe, asked_ms in asked:
                at_ms = self._unwrap(probe.device_ms)
                group.add(at_ms, asked_ms - at_ms)
            if group.count >= GROUP_COUNT_MIN:
                closest = group.closest(now.slope)
                least_ms = FEW_OFF_MS if group.count < FEW_COUNT else 0.0
                self._measure(now, closest, max(closest.sigma_ms, least_ms))
                self._with_open = None
        elif len(asked) > 1 and max(lasting_ms) - min(lasting_ms) < VARIED_MS:
            probe, before_ms = asked[lasting_ms.index(min(lasting_ms))]
            at_ms = self._unwrap(probe.device_ms)
            middle_ms = (before_ms + probe.after_ms) / 2
            now.measure_theta(at_ms, middle_ms - at_ms - 0.5, 2 * BLUR_MS)
            self._with_open = None
        else:
            for probe, asked_ms in asked:
                at_ms = self._unwrap(probe.device_ms)
                self._collect(at_ms, asked_ms - at_ms, -1)

    def _collect(self, at_ms: float, bound_ms: float, sign: int) -> None:
        """Take a record or a question into account that is one of many."""
        now = self._filter
        if now is None or sign * (bound_ms - self._theta(at_ms)[0]) > LATE_MS:
            return
        group = self._groups.setdefault(sign, _Group(sign))
        group.add(at_ms, bound_ms)
        if group.span_ms >= GROUP_SPAN_MS or group.count >= GROUP_COUNT_MAX:
            del self._groups[sign]
            self._believe(now, group)
            self._with_open = None
        elif group.count >= self._grown.get(sign, 0):
            self._with_open = None

    def _believe(self, guess: _Filter, group: _Group) -> None:
        """Have a filter believe a group that was collected."""
        if group.count < GROUP_COUNT_MIN:
            return
        closest, span_ms = group.closest(None), group.span_ms
        if closest.delay_ms < VARIED_MS:
            return
        # A question waits for the radio and then for the wearable, and is seldom quick with both.
        unsure_ms = 2 * closest.delay_ms / math.sqrt(group.count)
        sigma_ms = closest.sigma_ms if closest.sign > 0 else unsure_ms
        self._measure(guess, closest, sigma_ms)
        if span_ms > 0:
            chance_ms = max(SLOPE_OFF_MS, SLOPE_CHANCE * closest.delay_ms / group.count)
            guess.measure_slope(closest.slope, chance_ms / span_ms)

    def _measure(self, guess: _Filter, closest: _Closest, sigma_ms: float) -> None:
        window = self._window
        if window is not None:
            low, high = window.bounds(closest.at_ms - window.origin_ms)
            guess.measure_theta(closest.at_ms, min(max(closest.theta_ms, low), high), sigma_ms)

    def _guess(self) -> _Filter | None:
        """Return the filter as it would be if the groups that are open were closed now."""
        if self._filter is None or not self._groups:
            return self._filter
        if self._with_open is None:
            self._with_open = replace(self._filter)
            for sign, group in self._groups.items():
                self._believe(self._with_open, group)
                self._grown[sign] = math.ceil(group.count * GROWN)
        return self._with_open

    def heard(self, device_ms: int, now_ms: float) -> None:
        """Take into account that a time stamp was heard at `now_ms`; nothing before any probe."""
        if self._window is None:
            return
        at_ms = self._unwrap(device_ms)
        bound_ms = now_ms - at_ms
        self._bound(at_ms, bound_ms, 1, None)
        self._last_ms = max(self._last_ms, at_ms)
        self._collect(at_ms, bound_ms, 1)

    def _start(self, at_ms: float, lower: float, upper: float) -> None:
        """Begin with theta here between two bounds, and the skew that was known."""
        skew = self._prior
        self._window = _Window.of(at_ms, lower - SLACK_MS, upper + SLACK_MS, skew)
        self._filter = _Filter.of(at_ms, (lower + upper) / 2, (upper - lower) / 12**0.5, skew)
        self._groups, self._with_open = {}, None

    def _bound(self, at_ms: float, theta: float, sign: int, probe: Probe | None) -> None:
        window, now = self._window, self._filter
        if window is None or now is None:
            return
        if at_ms - window.origin_ms > WINDOW_MS:
            low, high = window.bounds(at_ms - window.origin_ms)
            now.advance(at_ms)
            window = self._window = _Window.of(at_ms, low - RESEED_MS, high + RESEED_MS, now.skew)
        relative_ms = at_ms - window.origin_ms
        if window.clip(relative_ms, theta + sign * SLACK_MS, sign) or probe is None:
            return
        self.steps += 1
        low, high = window.bounds(relative_ms)
        lower, upper = probe.before_ms - at_ms - 1, probe.after_ms - at_ms
        is_jump = max(low - upper, lower - high) >= STEP_MS
        # By little it does not jump: then the skew was believed too much.
        self._prior = self.skew if is_jump else Skew()
        self._start(at_ms, lower, upper)

    def _unwrap(self, device_ms: int) -> int:
        """Return a time stamp without its wrap, by the one before it."""
        return self._last_ms + (device_ms - self._last_ms + _HALF) % _MODULUS - _HALF

    # --- what is known

    @property
    def skew(self) -> Skew:
        """How much faster than the host's clock the wearable's runs, as well as is known."""
        guess = self._guess()
        return self._prior if guess is None else guess.skew

    def _theta(self, at_ms: float) -> tuple[float, float]:
        """Return the best guess for theta at a time of the wearable, and how far off it may be."""
        window, now = self._window, self._guess()
        if window is None or now is None:
            raise ValueError("the wearable was not asked for its clock yet")
        low, high = window.bounds(at_ms - window.origin_ms)
        guess = min(max(now.theta_at(at_ms), low), high)
        return guess, max(high - guess, guess - low)

    def remember(self) -> Skew:
        """Return the skew as it should be known at the next boot, or the next day."""
        skew = self.skew
        sigma_ppm = math.hypot(skew.sigma_ppm, SKEW_WANDER_PPM)
        return Skew(skew.ppm, min(sigma_ppm, SKEW_UNKNOWN_PPM))

    def host(self, device_ms: int) -> Moment:
        """Return the moment of a time stamp within 24 days of the last message.

        Raises:
            ValueError: there was no probe yet.
        """
        at_ms = self._unwrap(device_ms)
        theta_ms, uncertainty_ms = self._theta(at_ms)
        # The stamp is the wearable's time without its fraction.
        return Moment(at_ms + 0.5 + theta_ms, uncertainty_ms + 0.5)

    def device_ms(self, host_ms: float) -> int:
        """Return the wearable's time, modulo 2**32, at a moment of the host.

        Raises:
            ValueError: there was no probe yet.
        """
        at_ms = host_ms - self._theta(self._last_ms)[0]
        at_ms = host_ms - self._theta(at_ms)[0]
        return math.floor(at_ms) % _MODULUS


def find_beat(probes: Sequence[Probe]) -> tuple[float, float] | None:
    """Return the interval that answers keep to, and the first event; None for none.

    Of a true interval its multiples would do as well where chance has it, but an exchange takes at
    least one interval.
    """
    if len(probes) < LATTICE_COUNT_MIN:
        return None
    first_ms = probes[0].after_ms
    longest_ms = min(probe.after_ms - probe.before_ms for probe in probes) + ON_TIME_MS
    count = math.ceil(LATTICE_SHARE * len(probes))
    for interval_ms in INTERVALS_MS:
        if interval_ms > longest_ms:
            continue
        # Some come late, and none early: the beat is what most are just behind.
        late = sorted((probe.after_ms - first_ms) % interval_ms for probe in probes)
        late += [one + interval_ms for one in late]
        spans = [(late[at + count - 1] - late[at], late[at]) for at in range(len(probes))]
        span_ms, phase_ms = min(spans)
        if span_ms <= ON_TIME_MS:
            return interval_ms, first_ms + phase_ms
    return None


def _rise_under(points: Sequence[tuple[float, float]]) -> float:
    """Return how steeply the lower convex hull of sorted points rises, from a quarter of it on."""
    hull: list[tuple[float, float]] = []
    for x, y in points:
        while len(hull) > 1:
            (x0, y0), (x1, y1) = hull[-2:]
            if (x1 - x0) * (y - y0) > (y1 - y0) * (x - x0):
                break
            hull.pop()
        hull.append((x, y))
    first, last = hull[0][0], hull[-1][0]
    quarter = (last - first) / 4
    if not quarter:
        return 0.0
    return (_height(hull, last - quarter) - _height(hull, first + quarter)) / (2 * quarter)


def _height(hull: Sequence[tuple[float, float]], at: float) -> float:
    (x0, y0), (x1, y1) = next(edge for edge in pairwise(hull) if edge[1][0] >= at)
    return y0 + (y1 - y0) * (at - x0) / ((x1 - x0) or 1.0)


def _in_events(
    probes: Sequence[Probe], interval_ms: float, first_ms: float
) -> Iterator[tuple[Probe, float]]:
    """Return those that were not repeated, and the connection event in which each was asked."""
    for probe in probes:
        if probe.after_ms - probe.before_ms <= 2 * interval_ms:
            events = math.floor((probe.after_ms - first_ms) / interval_ms + 1e-6)
            yield probe, first_ms + (events - 1) * interval_ms


def _slope(ppm: float) -> float:
    """Return the slope of theta for a skew."""
    return 1 / (1 + ppm * 1e-6) - 1


def _ppm(slope: float) -> float:
    return (1 / (1 + slope) - 1) * 1e6
