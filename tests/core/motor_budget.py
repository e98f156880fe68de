# SPDX-License-Identifier: MIT
"""Random inputs to a whole band, and a meter at its motor that knows nothing of the band's ledger.

The plans are as full as a plan may be, of the longest patterns; the inputs are those that draw
cues together.  `python -m tests.core.motor_budget --count 1000000` plays so many inputs and prints
the worst minute that was seen; exit status 1 where it is above the limit.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import deque
from dataclasses import dataclass, field

from tenuto_core import buzzer, vocab, wire
from tenuto_core.band import Band
from tenuto_core.encode import encode
from tenuto_core.plan import MAX_STEP_MS, PlanError, Step
from tenuto_core.player import IDLE
from tests.core.rig import Host, Memory, plan_id_of

MINUTE_MS = 60_000
LIMIT_MS = 12_000
PULSE_MS_MAX = 1_000
CUE_MS_MAX = 3_000
SEQUENCE = 250
"""Inputs to one band."""
LATE_MS = (0, 0, 0, 5, 30)


class Meter(buzzer.Motor):
    """A motor that ends its pulses by itself, and the most that it ran in any minute."""

    def __init__(self, lead_ms: int) -> None:
        self.lead_ms = lead_ms
        self.now_ms = 0
        self.worst_ms = 0
        self.longest_ms = 0
        self._pulses: deque[tuple[int, int]] = deque()
        self._pulse: tuple[int, int] | None = None

    def on(self, strength_pct: int, on_ms: int) -> None:
        """As `buzzer` wants it."""
        assert strength_pct
        self._over(self.now_ms)
        assert self._pulse is None, "switched on while it is on"
        self._pulse = (self.now_ms, self.now_ms + on_ms)

    def off(self) -> None:
        """As `buzzer` wants it."""
        self._over(self.now_ms)
        if self._pulse is not None:
            self._book(self._pulse[0], self.now_ms)

    def _over(self, now_ms: int) -> None:
        if self._pulse is not None and self._pulse[1] <= now_ms:
            self._book(*self._pulse)

    def _book(self, begin_ms: int, end_ms: int) -> None:
        self._pulse = None
        self.longest_ms = max(self.longest_ms, end_ms - begin_ms)
        self._pulses.append((begin_ms, end_ms))
        since_ms = end_ms - MINUTE_MS
        while self._pulses[0][1] <= since_ms:
            self._pulses.popleft()
        ran_ms = sum(end - max(begin, since_ms) for begin, end in self._pulses)
        self.worst_ms = max(self.worst_ms, ran_ms)


def a_pattern(rng: random.Random) -> tuple[tuple[int, int, int], ...]:
    """One of up to 3 s, as full as it may be more often than not."""
    kind = rng.randrange(5)
    if kind == 0:
        return ((100, 1_000, 0),) * 3
    if kind == 1:
        return ((100, 1_000, rng.randint(0, 1_000)), (50, rng.randint(20, 1_000), 0))
    if kind == 2:
        return ((100, 20, rng.randint(0, 60)),) * 16
    if kind == 3:
        return ((100, 20, 1_400), (100, 1_000, 0), (100, 500, 0))
    return ((100, rng.randint(20, 1_000), rng.randint(0, 100)),)


def a_plan(rng: random.Random) -> bytes:
    """A plan that a band takes, as dense as the limit lets it be."""
    patterns = tuple(a_pattern(rng) for _ in vocab.CUES)
    sketch = []
    for _ in range(rng.randint(2, 14)):
        kind = rng.choice((vocab.READY, vocab.HOLD, vocab.HOLD, vocab.REST, vocab.SWITCH))
        sketch.append((kind, rng.random(), rng.randint(0, 3), rng.random() < 0.4, rng.random()))
    low, high, data = 0, 3_600_000, b""
    while high - low > 1:
        scale_ms = (low + high) // 2
        try:
            data = encode("x", ["a"], _steps(sketch, scale_ms), patterns)
            high = scale_ms
        except PlanError:
            low = scale_ms
    return data or a_plan(rng)


def _steps(sketch: list[tuple[int, float, int, bool, float]], scale_ms: int) -> list[Step]:
    steps = []
    for number, (kind, part, cues, waits, gate) in enumerate(sketch):
        duration_ms = 1 + int(scale_ms * part)
        paced = waits and kind != vocab.HOLD and gate < 0.7
        gated = waits and kind != vocab.HOLD and gate > 0.5
        steps.append(
            Step(
                kind,
                duration_ms,
                [
                    (duration_ms * index // 3, False, (number + index) % len(vocab.CUES))
                    for index in range(cues)
                ]
                + [(0, True, vocab.HOLD_END)] * (kind == vocab.HOLD),
                exercise=0,
                self_paced=paced,
                gate_bpm=100 if gated else 0,
                wait_max_ms=min(duration_ms + 300_000, MAX_STEP_MS) if paced or gated else 0,
            )
        )
    return [*steps, Step(vocab.DONE, 0, [(0, False, vocab.FINISHED)])]


@dataclass
class Wearer:
    """A band, and all that can happen to it."""

    rng: random.Random
    now_ms: int = 1_000
    resets: int = 0
    cuts: int = 0
    down: bool = False
    # The first edge of a gesture in a session that is over must never begin one.
    unasked: int = 0
    storage: Memory = field(default_factory=Memory)
    memory: bytearray = field(default_factory=lambda: bytearray(8))

    def __post_init__(self) -> None:
        self.meter = Meter(self.rng.choice((0, 0, 40, 255)))
        self.late_ms = self.rng.choice(LATE_MS)
        self.plans = [a_plan(self.rng) for _ in range(2)]
        self._boot(vocab.CAUSE_POWER_ON)
        for data in self.plans:
            assert self.host.upload(data) == vocab.OK

    def _boot(self, cause: int) -> None:
        self.meter.now_ms = self.now_ms
        self.band = Band(
            self.meter,
            self.resets,
            "x",
            self.now_ms,
            64,
            self.storage,
            cause=cause,
            memory=self.memory,
            memory_at=3,
        )
        self.down = False

        # What `Host` wants of a wrist.
        self.host = Host(self)  # type: ignore[arg-type]
        self.asked_ms: int | None = None

    def _at(self, now_ms: int) -> None:
        self.now_ms = self.meter.now_ms = now_ms

    def run(self, by_ms: int) -> None:
        """Let time pass."""
        until_ms = self.now_ms + by_ms
        while (due_ms := self.band.due_ms) is not None and due_ms <= until_ms:
            self._at(max(self.now_ms, due_ms + self.rng.randint(0, self.late_ms)))
            self.band.advance(self.now_ms)
            self.band.settle(self.now_ms)
        self._at(max(self.now_ms, until_ms))
        self.band.advance(self.now_ms)
        self.band.settle(self.now_ms)

    def edge(self) -> None:
        """The button moves."""
        self.down = not self.down
        self.band.edge(self.down, self.now_ms, self.now_ms)

    def press(self) -> None:
        """One gesture, of which other things may come in between."""
        kind = self.rng.randrange(8)
        self.edge()
        if kind == 0:
            self.run(900)
        else:
            self.run(self.rng.choice((30, 80)))
        self.edge()
        if kind in (1, 2):
            self.run(self.rng.choice((60, 200)))
            self.edge()
            self.run(50)
            self.edge()
        if kind > 2:
            self.run(self.rng.choice((0, 100, 349, 350, 400)))

    def command(self) -> None:
        """A host wants something."""
        rng = self.rng
        what = rng.choice(
            (
                *(vocab.START, vocab.START, vocab.START_AT, vocab.START_AT, vocab.STOP, vocab.STOP),
                *(vocab.SKIP, vocab.SKIP, vocab.BACK, vocab.PAUSE, vocab.RESUME, vocab.EXTEND),
            )
        )
        arg = 0
        if what == vocab.START_AT:
            arg = self.now_ms + rng.choice((1, 50, 1_000, rng.randint(1, 40_000)))
        elif what == vocab.EXTEND:
            arg = rng.choice((1, 5_000))
        plan_id = plan_id_of(rng.choice(self.plans))
        if self.band.player.state != IDLE:
            plan_id = self.band.player.plan_id
        self.host.ask(wire.COMMAND, what, rng.getrandbits(32), plan_id, arg)

    def reset(self) -> None:
        """The program begins anew; a pulse that goes on ends by itself."""
        self.resets += 1
        self.cuts += self.band.buzzer.cuts
        cause = self.rng.choice((vocab.CAUSE_WATCHDOG, vocab.CAUSE_PIN, vocab.CAUSE_UNKNOWN))
        self._boot(cause)

    def anything(self) -> None:
        """One input."""
        rng = self.rng
        pick = rng.randrange(100)
        if pick < 50:
            self.command()
        elif pick < 75:
            self.press()
        elif pick < 88:
            self.band.alert(rng.choice((0, 1, 2, 2)), self.now_ms)
        elif pick < 98:
            self.band.beat(rng.choice((60, 130, 130)), (), self.now_ms)
        elif pick < 99 or self.resets > 2:
            self.run(MINUTE_MS)
        else:
            self.reset()
        due_ms = self.band.due_ms
        to_due_ms = 0 if due_ms is None else max(0, due_ms - self.now_ms)
        self.run(rng.choice((0, 0, 1, 100, 700, 3_000, to_due_ms, to_due_ms, 15_000)))


@dataclass
class Found:
    """What a run saw: the worst minute, the longest pulse, and pulses cut on a punctual board."""

    worst_ms: int = 0
    longest_ms: int = 0
    cuts: int = 0
    resets: int = 0
    worst_seed: int = 0


def play(seed: int, inputs: int = SEQUENCE) -> tuple[Wearer, int]:
    """Play one band's life; returns it and how many pulses its ledger had to cut."""
    wearer = Wearer(random.Random(seed))
    for _ in range(inputs):
        wearer.anything()
    wearer.run(5_000)
    wearer.band.alert(0, wearer.now_ms)
    return wearer, wearer.cuts + wearer.band.buzzer.cuts


def run(count: int, seed: int) -> Found:
    """Give about `count` inputs to as many bands as that takes."""
    found = Found()
    for offset in range(max(1, count // SEQUENCE)):
        wearer, cuts = play(seed + offset)
        if wearer.meter.worst_ms > found.worst_ms:
            found.worst_ms, found.worst_seed = wearer.meter.worst_ms, seed + offset
        found.longest_ms = max(found.longest_ms, wearer.meter.longest_ms)
        found.resets += wearer.resets
        if not wearer.late_ms:
            if cuts and not found.cuts:
                sys.stdout.write(f"cut {cuts} with seed {seed + offset}\n")
            found.cuts += cuts
    return found


def main(arguments: list[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="tests.core.motor_budget", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="how many inputs")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args(arguments)
    found = run(options.count, options.seed)
    sys.stdout.write(
        f"seed {options.seed}: {options.count} inputs, {found.resets} resets; the worst minute has "
        f"{found.worst_ms} ms (seed {found.worst_seed}), the longest pulse {found.longest_ms} ms, "
        f"{found.cuts} pulses cut by the ledger on punctual boards\n"
    )
    return int(found.worst_ms > LIMIT_MS or found.longest_ms > PULSE_MS_MAX or found.cuts > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
