# SPDX-License-Identifier: MIT
"""What people and programs call the numbers of `vocab`; not needed, and not copied, on a board."""

COMMANDS = ("start", "pause", "resume", "skip", "back", "stop", "extend", "start_at")

STEP_KINDS = ("ready", "hold", "switch", "rest", "done")

CUES = (
    "get_ready",
    "countdown",
    "hold_start",
    "halfway",
    "hold_end",
    "switch_sides",
    "next_exercise",
    "finished",
    "attention",
    "next_phase",
    "mark",
)

OWN_CUES = range(96, 128)
"""The numbers of cues that have no meaning but in the plan that brings their patterns."""

SIDES = (None, "left", "right")

GESTURES = (None, "press", "double_press", "long_press")

SOURCES = ("plan", "wearer", "host", "reset")

END_REASONS = ("finished", "stopped", "failed")

STEP_OUTCOMES = ("complete", "skipped", "back", "cut")

WAITS = (None, "press", "heart")

STATUSES = (
    "ok",
    "no_plan",
    "wrong_plan",
    "not_playing",
    "already_playing",
    "already_paused",
    "not_paused",
    "not_a_hold",
    "out_of_range",
    "too_late",
    "busy",
    "bad_frame",
    "unknown_request",
    "bad_plan",
    "no_upload",
    "wrong_offset",
    "no_such_plan",
    "log_overrun",
    "too_soon",
    "not_proven",
    "not_open",
    "unknown_plan",
)

CAUSES = ("unknown", "power_on", "brownout", "software", "watchdog", "pin", "deep_sleep")

RECORDS = (
    None,
    "booted",
    "session_started",
    "step_started",
    "step_ended",
    "cue",
    "paused",
    "resumed",
    "skipped",
    "went_back",
    "extended",
    "waiting",
    "heart",
    "session_ended",
    "interrupted",
    "utc",
    "withheld",
    "unfelt",
)


def cue_name(cue: int) -> str:
    """What a cue is called: of `CUES`, `own_1` and so on, or `unknown_11` for a newer one."""
    if cue < len(CUES):
        return CUES[cue]
    return "own_{}".format(cue - 95) if cue in OWN_CUES else "unknown_{}".format(cue)


def cue_number(name: str) -> int | None:
    """The number of a cue by its name, None for one that is not known."""
    if name in CUES:
        return CUES.index(name)
    return {cue_name(cue): cue for cue in OWN_CUES}.get(name)


class PlanNames:
    """What `plan.Plan` tells besides to people and programs."""

    data: bytes | bytearray
    exercises: int
    phases: int
    steps: int

    def _name(self, index: int) -> str:
        raise NotImplementedError

    def step(self, number: int):  # type: ignore[no-untyped-def]
        """Step `number`, counted from 0."""
        raise NotImplementedError

    @property
    def version(self) -> int:
        """The version of the plan's bytes."""
        return self.data[2]

    def exercise_name(self, exercise: int) -> str | None:
        """The name of an exercise, or None for `vocab.NO_EXERCISE`."""
        return None if exercise == 0xFF else self._name(exercise + 1)

    def phase_name(self, phase: int) -> str | None:
        """The name of a phase, or None for 0."""
        return self._name(self.exercises + phase) if phase else None

    @property
    def title(self) -> str | None:
        """The title of the routine, or None: the name after those of all phases that are used."""
        used = max(self.step(number).phase for number in range(self.steps))
        return self._name(self.exercises + used + 1) if self.phases > used else None
