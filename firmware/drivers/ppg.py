# SPDX-License-Identifier: MIT
"""Finds heart beats in the light that comes back from the skin.  Pure: samples in, beats out.

The method is the slope sum: with each beat blood rushes in, the skin swallows more light, and the
sum of all rises within `WINDOW` samples peaks, more sharply than the wave itself and blind to its
dicrotic notch (Zong, Heldt, Moody, Mark: An open-source algorithm to detect onset of arterial
blood pressure pulses, Computers in Cardiology 2003, which this follows in its idea).

A rate is reported only while beats come evenly.  One sensor on a moving wrist allows nothing
better: a band that guesses would open a heart-rate gate too early.
"""

SAMPLE_MS = 20
# Of the sensor's 262,143 steps, at the LED current that `max30102` sets: skin sends back far more,
# an open strap less, also in room light, which the chip subtracts.
CONTACT_ON = 50_000
CONTACT_OFF = 40_000
SATURATED = 262_000

BOX = 4
WINDOW = 6
SETTLE = 50
# 210 and 30 beats a minute.
REFRACTORY = 14
INTERVAL_MAX = 100
# A change from sample to sample beyond 1/16 of the light is no pulse but a movement; after it the
# filters need so many samples.
MOTION_SHIFT = 4
MOTION_HOLD = 40
# Below 1/4096 of the light the slope sum is noise; and between two beats it falls below 1/8 of its
# peak, which noise does not.
PERFUSION_SHIFT = 12
VALLEY_SHIFT = 3

INTERVALS = 8
INTERVALS_MIN = 6
# Intervals within 1/8 of their median are even: more than breathing changes them at rest.
EVEN_SHIFT = 3
QUALITY_MIN = 75


class BeatDetector:
    """Takes samples of the infrared channel, one every `SAMPLE_MS` of the sensor's own clock.

    Attributes:
        contact: Whether skin is in front of the sensor.
        bpm: Beats per minute by the newest even intervals, or None where it is not known.
        quality: Share of the newest intervals that are even, in percent.
        sample_us: The true time from sample to sample, where it is known better.
    """

    def __init__(self) -> None:
        self.sample_us = SAMPLE_MS * 1000
        self.contact = False
        self._rises = [0] * WINDOW
        self._box = [0] * BOX
        self._intervals: list[int] = []
        self._forget()

    def _forget(self) -> None:
        """Begin anew: nothing that came before belongs to what comes."""
        self._break_chain()
        self._count = 0
        self._valley = 0
        self._last64 = self._left = self._right = 0
        self._envelope = 0
        self._above = False
        self._peak = 0
        self._wait = SETTLE
        for i in range(WINDOW):
            self._rises[i] = 0
        self._sum = self._before = 0

    def gap(self) -> None:
        """Samples were lost."""
        self._forget()

    def add(self, sample: int) -> bool:
        """Take a sample.

        Returns:
            Whether a beat has just become certain.
        """
        if not self._check_contact(sample):
            return False
        if self._count == 0:
            self._dc = sample << 6
            self._previous = sample
            for i in range(BOX):
                self._box[i] = sample
        self._count += 1
        self._dc += sample - (self._dc >> 6)
        level = self._dc >> 6
        if abs(sample - self._previous) > level >> MOTION_SHIFT or sample >= SATURATED:
            self._moved(sample)
        self._previous = sample
        # The slope of the mean of `BOX` samples, turned over: more blood sends back less light.
        rise = max(0, self._box[self._count % BOX] - sample)
        self._box[self._count % BOX] = sample
        slot = self._count % WINDOW
        self._sum += rise - self._rises[slot]
        self._rises[slot] = rise
        if self._wait > 0:
            self._wait -= 1
            # The largest slope sum of the settling time is a first idea of the threshold.
            if self._wait < SETTLE // 2:
                self._envelope = max(self._envelope, self._sum)
            self._before = self._sum
            return False
        is_beat = self._look_for_peak(level)
        self._before = self._sum
        return is_beat

    def _check_contact(self, sample: int) -> bool:
        was = self.contact
        self.contact = sample > (CONTACT_OFF if was else CONTACT_ON)
        if self.contact != was:
            self._forget()
        return self.contact

    def _moved(self, sample: int) -> None:
        self._dc = sample << 6
        self._forget()
        for i in range(BOX):
            self._box[i] = sample
        self._count = 1
        self._wait = MOTION_HOLD

    def _look_for_peak(self, level: int) -> bool:
        value = self._sum
        since = INTERVAL_MAX if self._last_beat is None else self._count - self._last_beat
        if since > INTERVAL_MAX and self._envelope:
            # Too long without a beat: the pulse has become weaker, or is none.
            self._envelope -= max(1, self._envelope >> 6)
            if self._last_beat is not None:
                self._break_chain()
        floor = max(level >> PERFUSION_SHIFT, 2)
        threshold = max(self._envelope >> 1, floor)
        if not self._above:
            self._valley = min(self._valley, value)
            if value <= threshold or since < REFRACTORY:
                return False
            self._above = True
            self._peak = 0
        if value > self._peak:
            self._peak = value
            self._peak_at = self._count
            # For the parabola through the highest sum and its neighbours.
            self._left = self._before
            self._right = -1
            return False
        if self._right < 0:
            self._right = value
        if value > self._peak >> 1:
            return False
        self._above = False
        valley, self._valley = self._valley, value
        if valley > self._peak >> VALLEY_SHIFT:
            self._break_chain()
            return False
        self._envelope += (self._peak - self._envelope) >> 2
        return self._beat_at(self._peak_at * 64 + self._vertex())

    def _break_chain(self) -> None:
        """What came before says nothing of what comes, but the filters may go on."""
        self._last_beat: int | None = None
        self._intervals.clear()
        self.bpm: int | None = None
        self.quality = 0

    def _vertex(self) -> int:
        """How far the parabola's vertex is from the highest sum, in 1/64 of a sample."""
        bend = self._left - 2 * self._peak + self._right
        return 0 if bend >= 0 else 32 * (self._left - self._right) // bend

    def _beat_at(self, at64: int) -> bool:
        last = self._last_beat
        self._last_beat = self._peak_at
        before64, self._last64 = self._last64, at64
        if last is None:
            return True
        if len(self._intervals) == INTERVALS:
            self._intervals.pop(0)
        self._intervals.append(at64 - before64)
        self._rate()
        return True

    def _rate(self) -> None:
        intervals = sorted(self._intervals)
        median = intervals[len(intervals) // 2]
        even = [i for i in intervals if abs(i - median) <= median >> EVEN_SHIFT]
        self.quality = 100 * len(even) // len(intervals)
        if len(intervals) < INTERVALS_MIN or self.quality < QUALITY_MIN:
            self.bpm = None
            return
        beat_us = sum(even) * self.sample_us // (64 * len(even))
        self.bpm = (60_000_000 + beat_us // 2) // beat_us
