# SPDX-License-Identifier: MIT
"""What goes wrong in one storm, all of it drawn from one seed before anything begins.

A storm is data: it can be printed, played again, and played with parts of it left out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from tenuto.routines.compile import CompiledPlan
from tenuto_core import vocab
from tenuto_core.encode import encode
from tenuto_core.plan import Plan, PlanError, Step
from tests.core.rig import PATTERNS

CALM_S = 420.0
"""When everything is in order again: longer than the longest disturbance, back-off and pause."""
HOLD_MS_MAX = 15_000


class What(StrEnum):
    """The kinds of trouble, and the ordinary things people do in between."""

    COMMAND = "command"
    MQTT = "mqtt"
    PRESS = "press"
    RACE = "race"
    SILENCE = "silence"
    DROP = "drop"
    LOSS = "loss"
    BROKER_DEAD = "broker_dead"
    BROKER_SLOW = "broker_slow"
    BROKER_CUT = "broker_cut"
    BROKER_RESTART = "broker_restart"
    LEFT = "left"
    SETTING = "setting"
    BIRTH = "birth"
    DISK_FULL = "disk_full"
    CLOCK_STEP = "clock_step"
    BATTERY = "battery"
    RESET = "reset"
    KILL_HOST = "kill_host"
    RIVAL = "rival"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that happens.

    at_s: since the storm began; no two share one, for a command's id is made of it.  value: what
    it takes, see `Storm` and `RealMqtt`.  word: of a command, or which of its kinds it is.
    """

    at_s: float
    what: StrEnum
    value: float = 0.0
    word: str = ""

    def __str__(self) -> str:
        return f"{self.at_s:.3f} s {self.what} {self.word} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Weather:
    """One storm.

    drift_ppm: of the wearable's clock.  loss: on the air from the start.  plans: that may be
    asked for, by name.
    """

    seed: int
    drift_ppm: float
    loss: float
    plans: dict[str, CompiledPlan]
    troubles: tuple[Trouble, ...]


def _plan(name: str, rng: random.Random) -> CompiledPlan:
    while True:
        steps = [Step(vocab.READY, 4_000, ((0, False, vocab.GET_READY),), exercise=0)]
        for number in range(rng.randint(2, 4)):
            hold_ms = rng.randint(4_000, HOLD_MS_MAX)
            cues = [
                (0, False, vocab.HOLD_START),
                (2_000, True, vocab.COUNTDOWN),
                (0, True, vocab.HOLD_END),
            ]
            if hold_ms > 8_000:
                cues.insert(1, (hold_ms // 2, False, vocab.HALFWAY))
            steps.append(Step(vocab.HOLD, hold_ms, cues, exercise=0, rep=number + 1, reps=4))
            lead_ms = rng.randint(3_000, 6_000)
            steps.append(
                Step(vocab.SWITCH, lead_ms, ((500, False, vocab.SWITCH_SIDES),), exercise=0)
            )
        steps[-1] = Step(vocab.DONE, 2_000, ((300, False, vocab.FINISHED),))
        try:
            data = encode(name, ("hold",), steps, PATTERNS)
        except PlanError:
            continue  # too much for the motor
        return CompiledPlan(data, Plan(data))


_OFTEN = (What.COMMAND,) * 5 + (What.MQTT,) * 4 + (What.PRESS,) * 5 + (What.RACE,) * 2
MQTT_TROUBLES = (
    What.BROKER_DEAD,
    What.BROKER_SLOW,
    What.BROKER_CUT,
    What.BROKER_RESTART,
    What.LEFT,
    What.SETTING,
    What.BIRTH,
)
_WORDS = {
    What.RESET: ("POWER_ON", "SOFTWARE", "WATCHDOG", "BROWNOUT"),
    What.KILL_HOST: ("kill", "end"),
    What.RIVAL: ("same base", "own base"),
    What.BROKER_DEAD: ("refuses", "silent", "vanishes"),
    What.BROKER_SLOW: ("0.05", "0.5", "2"),
    What.BROKER_CUT: ("up", "down", "up, told late", "down, told late"),
    What.BROKER_RESTART: ("keeps", "forgets"),
    What.SETTING: ("strength", "hold_time"),
}
_COMMANDS = ("start", "start", "pause", "resume", "skip", "back", "extend", "stop")


def _trouble(rng: random.Random, at_s: float) -> Trouble:
    drawn = rng.random()
    what = rng.choice(_OFTEN if drawn < 0.55 else MQTT_TROUBLES if drawn < 0.7 else tuple(What))
    value, word = 0.0, rng.choice(_WORDS.get(what, ("",)))
    if what in (What.COMMAND, What.MQTT, What.RACE):
        word = rng.choice(_COMMANDS)
        value = rng.choice((1_000, 5_000, 700_000)) if word == "extend" else 0.0
    elif what is What.PRESS:
        value = rng.choice((80.0, 80.0, 80.0, 950.0))
    elif what in (What.SILENCE, What.BROKER_DEAD, What.BROKER_SLOW, What.DISK_FULL, What.RIVAL):
        value = rng.choice((0.2, 3.0, rng.uniform(5, 70)))
    elif what is What.BROKER_CUT:
        value = round(rng.choice((0, 0, rng.randint(0, 9), rng.randint(0, 60))) + rng.random(), 3)
    elif what is What.LOSS:
        value = rng.choice((0.0, 0.1, 0.3, 0.5))
    elif what is What.CLOCK_STEP:
        value = rng.choice((-86_400_000.0, -5_000.0, 3_600_000.0))
    elif what is What.BATTERY:
        value = float(rng.randint(0, 20))
    elif what is What.SETTING:
        value = float(rng.randint(40, 160))
    elif what in (What.KILL_HOST, What.BROKER_RESTART):
        value = rng.choice((0.5, 10.0, 40.0))
    return Trouble(round(at_s, 3), what, value, word)


def forecast(seed: int) -> Weather:
    """Give the storm of a seed."""
    rng = random.Random(seed)
    plans = {name: _plan(name, rng) for name in ("first", "second")}
    troubles = [Trouble(12.0, What.COMMAND, 0.0, "start")]
    at_s = 12.0
    for _ in range(rng.randint(3, 16)):
        # Half of what happens falls near a cue, where it hurts most.
        at_s += rng.choice((rng.uniform(0, 1), rng.uniform(0, 12), rng.uniform(0, 40)))
        at_s = at_s if rng.random() < 0.5 else round(at_s) + rng.uniform(-0.05, 0.05)
        at_s = max(12.1, troubles[-1].at_s + 0.001, at_s)
        troubles.append(_trouble(rng, at_s))
    return Weather(
        seed=seed,
        drift_ppm=rng.choice((0.0, 40.0, -80.0, 300.0)),
        loss=rng.choice((0.0, 0.0, 0.1, 0.3)),
        plans=plans,
        troubles=tuple(troubles),
    )
