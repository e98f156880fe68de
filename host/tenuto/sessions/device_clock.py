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

The best guess for the line comes from the edges of the polygon along the quickest messages (the
line beyond all delays that lies closest to them; Moon, Skelly, Towsley, INFOCOM 1999).  Two kinds
of messages leave at a moment that has nothing to do with the radio, so that the quickest of them
take next to no time: questions, and log records, which come anyway.  Each kind gives an edge, one
from below and one from above.  An answer does not: it is written in a connection event and leaves
with the next one, a whole interval later, and the interval changes while a wearable rests.  So
answers bound the line, and the guess does not follow them.  What both edges say of the skew is
weighted with what was known before; of the moment their middle is taken, where the constant delays
of the host's own Bluetooth cancel out.

No crystal keeps to a line for ever: after `WINDOW_MS` the polygon makes room for a new one that
starts with what the old one has learned.  An answer that contradicts the polygon by much means that
one of the clocks has jumped (the host was suspended); then only the skew is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MODULUS = 1 << 32
_HALF = 1 << 31

SKEW_PPM_MAX = 500.0
"""Calibrated RC oscillators, the worst clocks of the boards in question, keep within this."""
SKEW_UNKNOWN_PPM = 100.0
"""How far off a clock of which nothing is known is likely to be."""
SKEW_WANDER_PPM = 5.0
"""How much a crystal changes from one meeting to the next, mostly with its temperature."""
SKEW_WANDER_WINDOW_PPM = 0.3
"""And from one window to the next, while it is worn."""
SLACK_MS = 0.5
"""Granted to each bound, for the wander of a clock within a window."""
LATE_MS = 200.0
"""A message that was so slow waited for something else than the radio; it says nothing of that."""
WINDOW_MS = 1_800_000.0
RESEED_MS = 2.0
"""By how much more the bounds are widened when a window ends."""
SEED_SPAN_MS_MIN = 300_000.0
"""Two guesses that are closer say nothing of the skew that the messages do not say better."""
INTERVALS_MS = tuple(1.25 * number for number in range(100, 5, -1))
"""Of connections, the longest first: multiples of 1.25 ms."""
ON_TIME_MS = 1.5
"""Answers that come in connection events come within so long of the beat of these."""
LATTICE_SHARE, LATTICE_COUNT_MIN = 0.8, 6
SIDES = (1, -1)
"""Bounds from above and from below."""
VARIED_MS = 1.0
"""Delays that vary by less in the mean are those of a link that has no connection events: it takes
equally long both ways, and the middle of an exchange is right."""
EDGE_COUNT_MIN = 3
"""So few messages say nothing of how quick the quickest can be."""
EDGE_CHANCE = 16.0
"""How far a skew may be off by chance, in mean delays over their number and their span."""
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


@dataclass(slots=True)
class _Side:
    """What is kept of all bounds of one side: their number and mean, the first and the last."""

    count: int = 0
    at_ms: float = 0.0
    bound_ms: float = 0.0
    first_ms: float = math.inf
    last_ms: float = -math.inf

    def add(self, at_ms: float, bound_ms: float) -> None:
        self.count += 1
        self.first_ms, self.last_ms = min(self.first_ms, at_ms), max(self.last_ms, at_ms)
        self.at_ms += (at_ms - self.at_ms) / self.count
        self.bound_ms += (bound_ms - self.bound_ms) / self.count


@dataclass(frozen=True, slots=True)
class _Guess:
    """Theta at a time since the window's origin, both in ms, and its standard deviation."""

    at_ms: float
    ms: float
    sigma_ms: float

    def moved_to(self, at_ms: float, skew: Skew) -> _Guess:
        """Return the guess for another time."""
        away_ms = at_ms - self.at_ms
        sigma_ms = math.hypot(self.sigma_ms, away_ms * skew.sigma_ppm * 1e-6)
        return _Guess(at_ms, self.ms + _slope(skew.ppm) * away_ms, sigma_ms)

    def skew_since(self, before: _Guess) -> list[Skew]:
        """Return the skew from an earlier guess to this one; nothing where they are close."""
        span_ms = self.at_ms - before.at_ms
        if span_ms < SEED_SPAN_MS_MIN:
            return []
        sigma_ppm = 1e6 * math.hypot(self.sigma_ms, before.sigma_ms, 1.0) / span_ms
        return [Skew(_ppm((self.ms - before.ms) / span_ms), sigma_ppm)]


@dataclass(frozen=True, slots=True)
class _Edge:
    """What the quickest messages of one side say of the line.

    Attributes:
        theta: In the middle of their time, where it is known best; None where all messages take
            equally long, so that nothing says how long that is.
        skew: None where they came at one time.
    """

    theta: _Guess | None
    skew: Skew | None


@dataclass(slots=True)
class _Window:
    """The bounds of a while; times are ms of the wearable since `origin_ms`.

    Attributes:
        corners: Corners of the polygon, as (c, s).
        seed: What the window before it has left, None for the first one.
        sides: The records, which bound theta from above, and the questions, from below.
    """

    origin_ms: float
    corners: list[tuple[float, float]]
    seed: _Guess | None = None
    sides: tuple[_Side, _Side] = field(default_factory=lambda: (_Side(), _Side()))

    def bounds(self, at_ms: float) -> tuple[float, float]:
        """Return the least and the largest theta at a moment."""
        thetas = [c + s * at_ms for c, s in self.corners]
        return min(thetas), max(thetas)

    def clip(self, at_ms: float, bound_ms: float, sign: int) -> bool:
        """Keep what is below (`sign` 1) or above (-1) a bound; False if nothing would be left."""
        kept: list[tuple[float, float]] = []
        corners = self.corners
        over = [sign * (c + s * at_ms - bound_ms) for c, s in corners]
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

    def edge(self, side: _Side, sign: int) -> _Edge:
        """Return what those lines have in common that come close to the mean of a side's bounds.

        How close: the milliseconds blur the edge, and so does chance, by the quickest of all
        messages being a little slow.
        """
        best = max(sign * (c + s * side.at_ms) for c, s in self.corners)
        delay_ms = max(0.0, sign * side.bound_ms - best)
        near_ms = max(0.5, 5 * delay_ms / side.count)
        part = _Window(self.origin_ms, self.corners)
        part.clip(side.at_ms, sign * (best - near_ms), -sign)
        c, s = _centroid(part.corners)
        skew = None
        if side.last_ms > side.first_ms:
            slopes = [slope for _, slope in part.corners]
            span_ms = side.last_ms - side.first_ms
            chance_ppm = 1e6 * max(2.0, EDGE_CHANCE * delay_ms / side.count) / span_ms
            skew = Skew(_ppm(s), max(0.1, chance_ppm, 1e6 * (max(slopes) - min(slopes)) / 3))
        # A question waits for the radio and then for the wearable, and is seldom quick with both.
        sigma_ms = max(near_ms / 3, delay_ms / math.sqrt(side.count))
        theta = _Guess(side.at_ms, c + s * side.at_ms, sigma_ms)
        return _Edge(None if delay_ms < VARIED_MS else theta, skew)


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
        self._edges_known: list[_Edge] | None = None
        self._last_ms = 0

    @property
    def is_known(self) -> bool:
        """Whether there was a probe yet."""
        return self._window is not None

    # --- what is heard

    def probe(self, probe: Probe) -> None:
        """Take one more exchange into account."""
        at_ms = self._unwrap(probe.device_ms)
        upper, lower = probe.after_ms - at_ms, probe.before_ms - at_ms - 1
        if self._window is None:
            self._window = self._start(at_ms, lower, upper)
        self._bound(at_ms, upper, 1, probe)
        self._bound(at_ms, lower, -1, probe)
        self._last_ms = at_ms

    def probes(self, probes: Sequence[Probe]) -> None:
        """Take exchanges into account that were made right after each other.

        Their answers keep to the beat of the connection events, which tells the interval.  A
        question that was answered within two intervals was not repeated: it came in the event
        before that of its answer, and the wearable read its clock after that.
        """
        for probe in probes:
            self.probe(probe)
        beat = find_beat([probe.after_ms for probe in probes])
        if beat is None:
            return
        interval_ms, first_ms = beat
        for probe in probes:
            if probe.after_ms - probe.before_ms <= 2 * interval_ms:
                events = math.floor((probe.after_ms - first_ms) / interval_ms + 1e-6)
                asked_ms = first_ms + (events - 1) * interval_ms
                at_ms = self._unwrap(probe.device_ms)
                self._bound(at_ms, asked_ms - at_ms - 1, -1, None)

    def heard(self, device_ms: int, now_ms: float) -> None:
        """Take into account that a time stamp was heard at `now_ms`; nothing before any probe."""
        if self._window is not None:
            at_ms = self._unwrap(device_ms)
            self._bound(at_ms, now_ms - at_ms, 1, None)
            self._last_ms = max(self._last_ms, at_ms)

    def _start(
        self, at_ms: float, lower: float, upper: float, extra_ms: float = SLACK_MS
    ) -> _Window:
        """Begin with a box: theta here between two bounds, and the skew that was known."""
        skew = self._prior
        if self._window is not None:
            told = self.skew
            skew = Skew(told.ppm, math.hypot(told.sigma_ppm, SKEW_WANDER_WINDOW_PPM))
        self._prior = skew
        reach = max(5 * skew.sigma_ppm, 4 * SKEW_WANDER_PPM)
        least = _slope(min(skew.ppm + reach, SKEW_PPM_MAX))
        most = _slope(max(skew.ppm - reach, -SKEW_PPM_MAX))
        low, high = lower - extra_ms, upper + extra_ms
        return _Window(at_ms, [(low, least), (high, least), (high, most), (low, most)])

    def _bound(self, at_ms: float, theta: float, sign: int, probe: Probe | None) -> None:
        window = self._window
        if window is None:
            return
        self._edges_known = None
        if at_ms - window.origin_ms > WINDOW_MS:
            low, high = window.bounds(at_ms - window.origin_ms)
            best, origin_ms = self._best(), window.origin_ms
            window = self._window = self._start(at_ms, low, high, RESEED_MS)
            if best is not None:
                window.seed = replace(best, at_ms=best.at_ms + origin_ms - at_ms)
            self._edges_known = None
        relative_ms = at_ms - window.origin_ms
        if not window.clip(relative_ms, theta + sign * SLACK_MS, sign):
            if probe is None:
                return  # a probe will tell
            self.steps += 1
            low, high = window.bounds(relative_ms)
            lower, upper = probe.before_ms - at_ms - 1, probe.after_ms - at_ms
            is_jump = max(low - upper, lower - high) >= STEP_MS
            # By little it does not jump: then the skew was believed too much.
            self._prior, self._window = self.skew if is_jump else Skew(), None
            self._window = self._start(at_ms, lower, upper)
            self._edges_known = None
            return
        low, high = window.bounds(relative_ms)
        is_answer = sign > 0 and probe is not None
        if is_answer or sign * theta - max(sign * low, sign * high) > LATE_MS:
            return
        window.sides[0 if sign > 0 else 1].add(relative_ms, theta)
        self._edges_known = None

    def _unwrap(self, device_ms: int) -> int:
        """Return a time stamp without its wrap, by the one before it."""
        return self._last_ms + (device_ms - self._last_ms + _HALF) % _MODULUS - _HALF

    # --- what is known

    @property
    def skew(self) -> Skew:
        """How much faster than the host's clock the wearable's runs, as well as is known."""
        return self._skew(self._edges())

    def _edges(self) -> list[_Edge]:
        """Return what each side of the window says of the line, where it says anything."""
        window = self._window
        if window is None:
            return []
        if self._edges_known is None:
            self._edges_known = [
                window.edge(side, sign)
                for side, sign in zip(window.sides, SIDES, strict=True)
                if side.count >= EDGE_COUNT_MIN
            ]
        return self._edges_known

    def _skew(self, edges: list[_Edge]) -> Skew:
        told = [self._prior, *(edge.skew for edge in edges if edge.skew is not None)]
        seed = None if self._window is None else self._window.seed
        for edge in edges:
            if edge.theta is not None and seed is not None:
                told += edge.theta.skew_since(seed)
        weight = sum(skew.sigma_ppm**-2 for skew in told)
        return Skew(sum(skew.ppm * skew.sigma_ppm**-2 for skew in told) / weight, weight**-0.5)

    def _best(self) -> _Guess | None:
        """Return the best guess for theta at the time at which it is known best; None for none."""
        window, edges = self._known(), self._edges()
        skew = self._skew(edges)
        told = [edge.theta for edge in edges if edge.theta is not None]
        has_both = len(told) == len(SIDES)
        if window.seed is not None:
            told.append(window.seed)
        if not told:
            return None
        # They meet at the time of the newest: what the skew adds from there is common to all.
        at_ms = max(one.at_ms for one in told)
        there = [one.moved_to(at_ms, skew) for one in told]
        # What two edges differ by beyond chance is a delay that every message has, and which of
        # the two has more of it is not known.
        apart_ms = 0.0
        if has_both:
            chance_ms = 2 * (there[0].sigma_ms + there[1].sigma_ms)
            apart_ms = max(0.0, abs(there[0].ms - there[1].ms) - chance_ms) / 2
        weights = [1 / (one.sigma_ms**2 + apart_ms**2) for one in there]
        total = sum(weights)
        theta_ms = sum(w * one.ms for w, one in zip(weights, there, strict=True)) / total
        return _Guess(at_ms, theta_ms, total**-0.5)

    def _theta(self, at_ms: float) -> tuple[float, float]:
        """Return the best guess for theta at a time of the wearable, and how far off it may be."""
        window, best = self._known(), self._best()
        relative_ms = at_ms - window.origin_ms
        low, high = window.bounds(relative_ms)
        if best is None:
            return (low + high) / 2, (high - low) / 2
        guess = min(max(best.moved_to(relative_ms, self.skew).ms, low), high)
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

    def _known(self) -> _Window:
        if self._window is None:
            raise ValueError("the wearable was not asked for its clock yet")
        return self._window


def find_beat(times_ms: Sequence[float]) -> tuple[float, float] | None:
    """Return the interval that times keep to, and the first event; None for none."""
    if len(times_ms) < LATTICE_COUNT_MIN:
        return None
    for interval_ms in INTERVALS_MS:
        if interval_ms <= 2 * ON_TIME_MS:
            break
        # Some come late, and none early: the beat is what most are just behind.
        late = sorted((one - times_ms[0]) % interval_ms for one in times_ms)
        late += [one + interval_ms for one in late]
        count = math.ceil(LATTICE_SHARE * len(times_ms))
        spans = [(late[at + count - 1] - late[at], late[at]) for at in range(len(times_ms))]
        span_ms, phase_ms = min(spans)
        if span_ms <= ON_TIME_MS:
            return interval_ms, times_ms[0] + phase_ms
    return None


def _slope(ppm: float) -> float:
    """Return the slope of theta for a skew."""
    return 1 / (1 + ppm * 1e-6) - 1


def _centroid(corners: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the centroid of a polygon."""
    c0, s0 = corners[0]
    area = c_sum = s_sum = 0.0
    for (c1, s1), (c2, s2) in pairwise(corners[1:]):
        part = (c1 - c0) * (s2 - s0) - (c2 - c0) * (s1 - s0)
        area += part
        c_sum += part * (c1 - c0 + c2 - c0) / 3
        s_sum += part * (s1 - s0 + s2 - s0) / 3
    return (c0 + c_sum / area, s0 + s_sum / area) if area else (c0, s0)


def _ppm(slope: float) -> float:
    return (1 / (1 + slope) - 1) * 1e6
