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

The best guess for the skew `s` comes from the edge of the polygon along the quickest messages
(the line below all delays that lies closest to them; Moon, Skelly, Towsley, INFOCOM 1999),
weighted with what was known before.  It needs many messages, and the log records that come anyway
are messages.

No crystal keeps to a line for ever: after `WINDOW_MS` the polygon makes room for a new one that
starts with what the old one has learned.  An answer that contradicts the polygon by much means that
one of the clocks has jumped (the host was suspended); then only the skew is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

_MODULUS = 1 << 32
_HALF = 1 << 31

SKEW_PPM_MAX = 500.0
"""Calibrated RC oscillators, the worst clocks of the boards in question, keep within this."""
SKEW_UNKNOWN_PPM = 100.0
"""How far off a clock of which nothing is known is likely to be."""
SKEW_WANDER_PPM = 5.0
"""How much a crystal changes from one meeting to the next, mostly with its temperature."""
SLACK_MS = 0.5
"""Granted to each bound, for the wander of a clock within a window."""
LATE_MS = 200.0
"""A message that was so slow waited for something else than the radio; it says nothing of that."""
WINDOW_MS = 1_800_000.0
RESEED_MS = 2.0
"""By how much more the bounds are widened when a window ends."""
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
    """What is kept of all bounds of one side: their number and mean."""

    count: int = 0
    at_ms: float = 0.0
    bound_ms: float = 0.0

    def add(self, at_ms: float, bound_ms: float) -> None:
        self.count += 1
        self.at_ms += (at_ms - self.at_ms) / self.count
        self.bound_ms += (bound_ms - self.bound_ms) / self.count


@dataclass(slots=True)
class _Window:
    """The bounds of a while; times are ms of the wearable since `origin_ms`.

    Attributes:
        corners: Corners of the polygon, as (c, s).
        sides: What bounds theta from above and from below.
    """

    origin_ms: float
    corners: list[tuple[float, float]]
    first_ms: float = math.inf
    last_ms: float = -math.inf
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

    def closest(self, side: _Side, sign: int) -> list[tuple[float, float]]:
        """Return the corners of those lines that come close to the mean of a side's bounds.

        How close: the milliseconds blur the edge, and so does chance, by the quickest of all
        messages being a little slow.
        """
        best = max(sign * (c + s * side.at_ms) for c, s in self.corners)
        delay_ms = max(0.0, sign * side.bound_ms - best)
        part = _Window(self.origin_ms, self.corners)
        part.clip(side.at_ms, sign * (best - max(0.5, 5 * delay_ms / side.count)), -sign)
        return part.corners


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
        skew = self.skew if self._window is not None else self._prior
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
        if at_ms - window.origin_ms > WINDOW_MS:
            low, high = window.bounds(at_ms - window.origin_ms)
            window = self._window = self._start(at_ms, low, high, RESEED_MS)
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
            return
        low, high = window.bounds(relative_ms)
        if sign * theta - max(sign * low, sign * high) > LATE_MS:
            return
        window.first_ms = min(window.first_ms, relative_ms)
        window.last_ms = max(window.last_ms, relative_ms)
        window.sides[0 if sign > 0 else 1].add(relative_ms, theta)

    def _unwrap(self, device_ms: int) -> int:
        """Return a time stamp without its wrap, by the one before it."""
        return self._last_ms + (device_ms - self._last_ms + _HALF) % _MODULUS - _HALF

    # --- what is known

    @property
    def skew(self) -> Skew:
        """How much faster than the host's clock the wearable's runs, as well as is known."""
        prior, window = self._prior, self._window
        if window is None:
            return prior
        # Log records are many and need no answer; without them both sides are about as good.
        above, below = window.sides
        side, sign = (above, 1) if above.count >= below.count else (below, -1)
        if side.count < 3 or window.last_ms <= window.first_ms:
            return prior
        closest = window.closest(side, sign)
        slopes = [s for _, s in closest]
        sigma_ppm = max(0.1, 1e6 * (max(slopes) - min(slopes)) / 3)
        weight, before = sigma_ppm**-2, prior.sigma_ppm**-2
        ppm = (weight * _ppm(_middle(closest)) + before * prior.ppm) / (weight + before)
        return Skew(ppm, (weight + before) ** -0.5)

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
        low, high = self._known().bounds(at_ms - self._known().origin_ms)
        # The stamp is the wearable's time without its fraction.
        return Moment(at_ms + 0.5 + (low + high) / 2, (high - low) / 2 + 0.5)

    def device_ms(self, host_ms: float) -> int:
        """Return the wearable's time, modulo 2**32, at a moment of the host.

        Raises:
            ValueError: there was no probe yet.
        """
        window = self._known()
        at_ms = host_ms - sum(window.bounds(self._last_ms - window.origin_ms)) / 2
        at_ms = host_ms - sum(window.bounds(at_ms - window.origin_ms)) / 2
        return math.floor(at_ms) % _MODULUS

    def _known(self) -> _Window:
        if self._window is None:
            raise ValueError("the wearable was not asked for its clock yet")
        return self._window


def _slope(ppm: float) -> float:
    """Return the slope of theta for a skew."""
    return 1 / (1 + ppm * 1e-6) - 1


def _middle(corners: list[tuple[float, float]]) -> float:
    """Return the slope of the centroid of a polygon."""
    c0, s0 = corners[0]
    area = total = 0.0
    for (c1, s1), (c2, s2) in pairwise(corners[1:]):
        part = (c1 - c0) * (s2 - s0) - (c2 - c0) * (s1 - s0)
        area += part
        total += part * (s0 + s1 + s2) / 3
    return total / area if area else s0


def _ppm(slope: float) -> float:
    return (1 / (1 + slope) - 1) * 1e6
