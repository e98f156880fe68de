# SPDX-License-Identifier: MIT
"""The player: the one state machine that walks a plan.

Theory of operation
-------------------
Time goes in as integer ms of one monotonic clock; nothing here reads a clock.  The owner calls
`receive` when something comes in and `advance` when `due_ms` has come; both do all that is due.

The running step has an *anchor*: the clock time at which its elapsed time would be 0.  A pause
moves the anchor, an extension moves the end.  When a step is over in the ordinary way, the next
one is anchored at the planned end, not at the time at which the player happened to be called, so
lateness never adds up; a gate that gives way after its longest wait is no different.  A skip, a
press or an opened gate anchors the next step at that moment.

A cue belongs to a step by an offset from its start or from its end, and a pointer walks the cues
of the step, so each is given once; an extension delays those that count from the end.

In an open hold a press moves the step's end to now: what counts from its start and has not come is
passed over, what counts from its end comes now, and the next step follows as always.

Phases of one repetition follow each other as steps.  A skip passes over all phases that follow
without a pause; a way back leads to the first phase of a repetition.

States: IDLE; ARMED (a start is set for later); RUNNING (the step's time runs); WAITING (the
step's time is over, a press or a heart rate is awaited); PAUSED.
`TABLE` has every transition.  An input that has no row in the present state is refused, see
`refusal`, and nothing changes; an action may refuse as well, before it changes anything.

A motor needs its lead time until it can be felt.  So a cue is driven that much earlier than it is
meant to be felt: from a step's time, from before its beginning where it is the first, and where a
step begins at a moment that was not known before, its anchor is set later by the lead.  The
log has the moment of the drive, and the lead beside it.

Out come records to the log (all of them in `vocab.RECORDS`) and patterns to the buzzer.
A pause, and a heart too fast to go on, are felt as `attention`, the end of a pause as one
`countdown` tick: the only cues that are given without being in the plan.  They are withheld where
the motor would run too much in a minute, see `limits`; a skip, a way back or a start that would
lead to that is refused.

From the moment that a cue is due to the drive of the motor nothing is allocated, so that no garbage
collection comes in between: the next step is read from the plan long before it begins.
"""

from .buzzer import Buzzer
from .lateness import Lateness
from .limits import ON_MS_MAX, has_room, on_ms
from .log import Log
from .plan import MAX_STEP_MS, Plan, Step
from .vocab import (
    ALREADY_PAUSED,
    ALREADY_PLAYING,
    ATTENTION,
    BACK,
    BUSY,
    BY_PLAN,
    BY_RESET,
    BY_WEARER,
    COUNTDOWN,
    CUE,
    DONE,
    DOUBLE_PRESS,
    ENDED_FAILED,
    ENDED_FINISHED,
    ENDED_STOPPED,
    EXTEND,
    EXTENDED,
    HEART,
    HOLD,
    LONG_PRESS,
    NO_PLAN,
    NO_STEP,
    NOT_A_HOLD,
    NOT_PAUSED,
    NOT_PLAYING,
    OK,
    OUT_OF_RANGE,
    PAUSE,
    PAUSED as PAUSED_RECORD,
    PRESS,
    RESUME,
    RESUMED,
    SESSION_ENDED,
    SESSION_STARTED,
    SKIP,
    SKIPPED,
    START,
    START_AT,
    STEP_COMPLETE,
    STEP_CUT,
    STEP_ENDED,
    STEP_LEFT_BACK,
    STEP_SKIPPED,
    STEP_STARTED,
    STOP,
    TOO_LATE,
    TOO_SOON,
    WAIT_HEART,
    WAIT_PRESS,
    WAITING as WAITING_RECORD,
    WENT_BACK,
    WITHHELD,
)

IDLE, ARMED, RUNNING, WAITING, PAUSED = range(5)
STATES = ("idle", "armed", "running", "waiting", "paused")

# Inputs: the commands of `vocab` (0 to 7), the button, and what time or the heart brings about.
# Their names are in tests/core/diagram.py: a board does not need them.
PRESSED, PRESSED_TWICE, PRESSED_LONG, IN_POSITION, LET_GO = range(10, 15)
START_DUE, STEP_OVER, MUST_WAIT, GO, NOBODY_CAME, PLAN_OVER = range(20, 26)
_GESTURES = {PRESS: PRESSED, DOUBLE_PRESS: PRESSED_TWICE, LONG_PRESS: PRESSED_LONG}

TABLE = {
    # state: {input: (action, next state)}
    IDLE: {
        START: ("_begin", RUNNING),
        PRESSED: ("_begin", RUNNING),
        START_AT: ("_arm", ARMED),
    },
    ARMED: {
        START_DUE: ("_begin", RUNNING),
        START: ("_begin", RUNNING),
        PRESSED: ("_begin", RUNNING),
        START_AT: ("_arm", ARMED),
        STOP: ("_disarm", IDLE),
        PRESSED_LONG: ("_disarm", IDLE),
    },
    RUNNING: {
        STEP_OVER: ("_next_on_time", RUNNING),
        MUST_WAIT: ("_wait", WAITING),
        IN_POSITION: ("_note_position", RUNNING),
        LET_GO: ("_let_go", RUNNING),
        GO: ("_next_now", RUNNING),
        PLAN_OVER: ("_finish", IDLE),
        PAUSE: ("_pause", PAUSED),
        PRESSED: ("_pause", PAUSED),
        SKIP: ("_skip", RUNNING),
        PRESSED_TWICE: ("_skip", RUNNING),
        BACK: ("_back", RUNNING),
        EXTEND: ("_extend", RUNNING),
        STOP: ("_stop", IDLE),
        PRESSED_LONG: ("_stop", IDLE),
    },
    WAITING: {
        IN_POSITION: ("_note_position", WAITING),
        GO: ("_next_now", RUNNING),
        NOBODY_CAME: ("_abandon", IDLE),
        PAUSE: ("_pause", PAUSED),
        PRESSED: ("_pause", PAUSED),
        SKIP: ("_skip", RUNNING),
        PRESSED_TWICE: ("_skip", RUNNING),
        BACK: ("_back", RUNNING),
        STOP: ("_stop", IDLE),
        PRESSED_LONG: ("_stop", IDLE),
    },
    PAUSED: {
        RESUME: ("_resume", RUNNING),
        PRESSED: ("_resume", RUNNING),
        SKIP: ("_skip", RUNNING),
        PRESSED_TWICE: ("_skip", RUNNING),
        BACK: ("_back", RUNNING),
        EXTEND: ("_extend", PAUSED),
        STOP: ("_stop", IDLE),
        PRESSED_LONG: ("_stop", IDLE),
        NOBODY_CAME: ("_abandon", IDLE),
    },
}

ARM_MS_MAX = 24 * 3_600_000
EXTEND_MS_MAX = 600_000
PAUSE_MS_MAX = 3_600_000
BEAT_FRESH_MS = 5_000
# As with the "previous" key of a music player: early in a hold it means the hold before.
BACK_SAME_HOLD_MS = 3_000
_CUE_DUE, _EARLY_DUE, _END_DUE = range(3)


def refusal(state: int, what: int) -> int:
    """Return why an input without a row in `TABLE` for `state` is refused: one of `STATUSES`."""
    if state in (IDLE, ARMED):
        return NOT_PLAYING
    if what in (START, START_AT):
        return ALREADY_PLAYING
    if what == RESUME:
        return NOT_PAUSED
    if what == PAUSE:
        return ALREADY_PAUSED
    return NOT_A_HOLD


class Player:
    """Walks one plan at a time.

    Args:
        log: A `log.Log`.
        buzzer: Has `play(pattern, now_ms)` and `stop()`.

    Attributes:
        state: One of the player's states.
        plan: The loaded plan, or None.
        plan_id: Its id of 8 bytes, or none.
        number: The present step, or `NO_STEP`.
        session: Log number of the present session's `SESSION_STARTED`, of the last one when idle,
            None before the first.
        started_ms: When the session started.
        due_ms: When `advance` must be called, None when only an input can change anything.
        lateness: Lateness of the cues since boot.
        prepare_ms: Time that the program needs from an input to the first cue after it; the
            application sets it.
        withheld: How often a pause or its end was not felt, see `limits`.
    """

    def __init__(self, log: Log, buzzer: Buzzer) -> None:
        self._log = log
        self._buzzer = buzzer
        self.state = IDLE
        self.plan: Plan | None = None
        self.plan_id = b""
        self.number = NO_STEP
        self.session: int | None = None
        self.started_ms = 0
        self.due_ms: int | None = None
        self._source = BY_PLAN
        self._playing: Plan = None  # type: ignore[assignment]  # `_begin` sets it
        self._step = Step(DONE, 0)
        self._anchor_ms = 0
        self._stopped_ms = 0
        self._paused_ms = 0
        self._resumed_ms = 0
        self._is_restored = False
        self._duration_ms = 0
        self._cue = 0
        self._in_position = False
        self._beat_ms: int | None = None
        self._bpm = 0
        self.lateness = Lateness()
        self.withheld = 0
        self._era = 0
        self._lead_ms = buzzer.lead_ms
        self.prepare_ms = 0
        self._pending = _END_DUE
        self._ahead: Step | None = None
        self._ahead_number = NO_STEP
        self._early = 0
        self._id_b = self._id_c = 0

    # --- inputs

    def load(self, plan: Plan, plan_id: bytes) -> int:
        """Load a checked `plan.Plan` to be played next.

        Returns:
            A number of `STATUSES`.
        """
        if self.state != IDLE:
            return BUSY
        self.plan = plan
        self.plan_id = plan_id
        self._era += 1
        self._id_b = int.from_bytes(plan_id[:4], "little")
        self._id_c = int.from_bytes(plan_id[4:], "little")
        self._ahead_number = NO_STEP
        return OK

    def restore(self, number: int, elapsed_ms: int, now_ms: int) -> bool:
        """Resume as paused a session of the loaded plan that a reset cut in step `number`.

        Returns:
            Whether it was resumed; False, with nothing changed, where there is no such step or a
            session goes on.
        """
        if self.state != IDLE or self.plan is None or not 0 <= number < self.plan.steps:
            return False
        self._source = BY_RESET
        self._open_session(now_ms)
        self._is_restored = True
        elapsed_ms = min(elapsed_ms, self._playing.step(number).duration_ms)
        self._enter(number, now_ms - elapsed_ms, now_ms)
        cues = self._step.cues
        while self._cue < len(cues) and self._offset_ms(self._step, self._cue) < elapsed_ms:
            self._cue += 1
        self._pause(0, now_ms)
        self.state = PAUSED
        self._rearm()
        return True

    def receive(self, command: int, arg: int, source: int, now_ms: int) -> int:
        """Obey a command of `vocab.COMMANDS`.

        Args:
            arg: For `EXTEND` ms, for `START_AT` a time of the same clock, for `STOP` the reason (0
                or `ENDED_STOPPED`, `ENDED_FAILED`).
            source: A number of `SOURCES`.

        Returns:
            `OK`, or why it is refused; a refused command changes nothing.
        """
        self.advance(now_ms)
        status = self._input(command, arg, source, now_ms)
        self.advance(now_ms)
        return status

    def moment(self) -> tuple[int, int, int]:
        """Return what a gesture beginning now is meant for, see `press`: session, step, meaning."""
        meaning = START
        if self.state == PAUSED:
            meaning = RESUME
        elif self.state in (RUNNING, WAITING):
            awaited = self._step.self_paced and not self._in_position
            meaning = LET_GO if self._step.is_open else IN_POSITION if awaited else PAUSE
        return self._era, self.number, meaning

    def press(self, gesture: int, now_ms: int, made: tuple[int, int, int] | None = None) -> int:
        """Handle a gesture on the button: a number of `GESTURES`.

        Args:
            made: The `moment` of the gesture's first edge, None for the present one. A gesture that
                was meant for something that is over meanwhile is refused with `TOO_LATE`; a long
                press always means stop.

        Returns:
            `OK`, or why it is refused.
        """
        self.advance(now_ms)
        what = _GESTURES[gesture]
        if made is not None and what != PRESSED_LONG and not self._is_meant(what, made):
            return TOO_LATE
        meaning = (self.moment() if made is None else made)[2]
        if what == PRESSED and meaning in (IN_POSITION, LET_GO):
            what = meaning
        status = self._input(what, 0, BY_WEARER, now_ms)
        self.advance(now_ms)
        return status

    def _is_meant(self, what: int, made: tuple[int, int, int]) -> bool:
        """Return whether a gesture of that moment still means what it meant then."""
        era, number, meaning = self.moment()
        if era != made[0]:
            return False
        if what == PRESSED_TWICE:
            return number == made[1]
        if made[2] == PAUSE:
            return meaning in (PAUSE, IN_POSITION, LET_GO)  # in whichever step it comes
        return meaning == made[2] and number == made[1]

    def beat(
        self, bpm: int, rr: tuple[int, ...], now_ms: int, is_logged: bool = True, mark: int = 0
    ) -> None:
        """Take a heart rate of 1 to 255 bpm, with at most four RR intervals in 1/1024 s.

        A heart rate that is no longer known is no longer passed in. A value that is no heart rate,
        such as the 0 of a sensor that has none yet, is ignored.

        Args:
            is_logged: Whether the log takes this one.
            mark: 0 or `HEART_BY_HOST`, for the log.
        """
        self.advance(now_ms)
        if not 1 <= bpm <= 255:
            return
        self._bpm = bpm
        self._beat_ms = now_ms
        if is_logged and self.state in (RUNNING, WAITING, PAUSED):
            packed = [0, 0, 0, 0]
            for index in range(min(4, len(rr))):
                packed[index] = min(rr[index], 0xFFFF)
            b, c = packed[0] | packed[1] << 16, packed[2] | packed[3] << 16
            self._log.append(now_ms, HEART, self.number, bpm | mark, b, c)
        if self.state == WAITING and not self._waits_for(now_ms):
            self._input(GO, 0, BY_PLAN, now_ms)
            self.advance(now_ms)

    def advance(self, now_ms: int) -> None:
        """Do everything that is due at `now_ms`, in its order."""
        while self.due_ms is not None and now_ms >= self.due_ms:
            if self.state == RUNNING and self._pending != _END_DUE:
                self._fire_cue(now_ms, now_ms - self.due_ms)
                now_ms = max(now_ms, self._buzzer.driven_ms)
            else:
                self._input(self._what_is_due(now_ms), 0, BY_PLAN, now_ms)
        self._look_ahead()

    def coming(self) -> tuple[tuple[int, int, int], ...]:
        """Return the pattern that is due next; empty where it is not known."""
        if self.state != RUNNING:
            return ()
        step, index = self._step, self._cue
        if self._pending != _CUE_DUE:
            if self._ahead is None or not self._ends_by_time():
                return ()
            step, index = self._ahead, self._early
        return self._playing.patterns[step.cues[index][2]] if index < len(step.cues) else ()

    def _what_is_due(self, now_ms: int) -> int:
        """The input that time brings about, where it is no cue."""
        if self.state == ARMED:
            return START_DUE
        if self.state == PAUSED:
            return NOBODY_CAME
        if self.state == WAITING:
            # An unopened gate is no reason to stop; a wearer who is gone is, and so is a heart
            # that was last heard above its limit.
            step = self._step
            needs_press = step.self_paced and not self._in_position
            too_fast = step.limit_bpm and self._bpm >= step.limit_bpm
            return NOBODY_CAME if needs_press or too_fast else GO
        if self.number + 1 == self._playing.steps:
            return PLAN_OVER
        if self._waits_for(now_ms):
            return MUST_WAIT
        # What it waited for came in a pause: the next step begins now, and not when this was over.
        waited = self._anchor_ms + self._duration_ms < self._resumed_ms
        return GO if waited else STEP_OVER

    def _look_ahead(self) -> None:
        """Read the step that comes next, while there is time."""
        plan: Plan | None = self._playing
        number = self.number + 1
        if self.state == ARMED:
            number, plan = 0, self.plan
        elif not RUNNING <= self.state <= WAITING:
            return
        if number != self._ahead_number and plan is not None and number < plan.steps:
            self._ahead = plan.step(number)
            self._ahead_number = number
            if self.state == RUNNING:
                self._rearm()  # its first cue may be due before it begins

    def feel(self, pattern: tuple[tuple[int, int, int], ...], what: int, now_ms: int) -> bool:
        """Play a pattern that is in no plan, unless the motor has run too much for it.

        Args:
            what: For the log, a number of `CUES` or of `vocab.WITHHELD_ALERT` and the like.
        """
        on = on_ms(pattern)
        if self.state == IDLE:
            fits = self._buzzer.ledger.minute(now_ms) + on <= ON_MS_MAX
        elif self.state == ARMED:
            fits = self._can_begin(0, self.due_ms or now_ms, now_ms, on)
        else:
            fits = self._can_go_on(now_ms, on)
        if fits:
            self._buzzer.play(pattern, now_ms)
        else:
            self._record(now_ms, WITHHELD, what, self._buzzer.ledger.minute(now_ms))
        return fits

    def _has_plenty(self, plan: Plan, now_ms: int, besides_ms: int) -> bool:
        """Whether the fullest minute of the plan has room now, so no closer check is needed."""
        on_ms_now = self._buzzer.ledger.minute(now_ms) + besides_ms
        return on_ms_now + plan.fullest_ms <= ON_MS_MAX

    def _can_begin(self, number: int, at_ms: int, now_ms: int, besides_ms: int = 0) -> bool:
        """Whether the motor may play on from step `number`, begun at `at_ms`."""
        plan: Plan | None = self.plan if self.state in (IDLE, ARMED) else self._playing
        if plan is None or self._has_plenty(plan, now_ms, besides_ms):
            return True
        # The lead brings a cue nearer to what was felt before, and moves only the first ones.
        cues = plan.cues_from(number, at_ms - self._lead_ms)
        return has_room(self._buzzer.ledger, cues, plan.patterns, now_ms, besides_ms)

    def _can_go_on(self, now_ms: int, besides_ms: int = 0) -> bool:
        """Whether the motor may play what is left, were it to go on now."""
        plan = self._playing
        if self._has_plenty(plan, now_ms, besides_ms):
            return True
        return has_room(
            self._buzzer.ledger, self._cues_left(now_ms), plan.patterns, now_ms, besides_ms
        )

    def _cues_left(self, now_ms: int):  # type: ignore[no-untyped-def]
        """Yield what is left as `Plan.cues_from` does; a step that waits may end at once."""
        step, begin_ms = self._step, now_ms - self.elapsed_at(now_ms) - self._lead_ms
        end_ms = begin_ms + self._duration_ms
        for index in range(self._cue, len(step.cues)):
            offset_ms, from_end, cue = step.cues[index]
            yield self.number, end_ms - offset_ms if from_end else begin_ms + offset_ms, cue
        for row in self._playing.cues_from(self.number + 1, max(end_ms, now_ms - self._lead_ms)):
            yield row

    def elapsed_at(self, now_ms: int) -> int:
        """Time in the present step at `now_ms`, pauses left out; 0 when idle."""
        if self.state == PAUSED:
            return self._stopped_ms
        # A comparison, because `in` would make a tuple of the names each time.
        return now_ms - self._anchor_ms if RUNNING <= self.state <= WAITING else 0

    @property
    def duration_ms(self) -> int:
        """Duration of the present step with its extensions; 0 when idle."""
        return self._duration_ms if self.state in (RUNNING, WAITING, PAUSED) else 0

    # --- the state machine

    def _input(self, what: int, arg: int, source: int, now_ms: int) -> int:
        row = TABLE[self.state].get(what)
        if row is None:
            return refusal(self.state, what)
        self._source = source
        # From the class, because a bound method would be a new object.
        refused: int = getattr(Player, row[0])(self, arg, now_ms)
        if refused:
            return refused
        self.state = row[1]
        self._rearm()
        if what == IN_POSITION and not self._waits_for(now_ms):
            # Too early for the motor, it goes on when the step is over, as if nobody had pressed.
            left_ms = self._buzzer.left_ms
            if self.state == WAITING or self._can_begin(self.number + 1, now_ms, now_ms, left_ms):
                self._input(GO, 0, BY_WEARER, now_ms)
        return OK

    def _rearm(self) -> None:
        if self.state == RUNNING:
            self._pending = _END_DUE
            at_ms = self._duration_ms
            if self._cue < len(self._step.cues):
                self._pending = _CUE_DUE
                offset_ms, from_end, _ = self._step.cues[self._cue]
                at_ms = (at_ms - offset_ms if from_end else offset_ms) - self._lead_ms
            elif self._lead_ms and self._ends_by_time():
                ahead = self._ahead
                if ahead is not None and self._early < len(ahead.cues):
                    offset_ms = self._offset_ms(ahead, self._early)
                    if offset_ms < self._lead_ms:
                        self._pending = _EARLY_DUE
                        at_ms += offset_ms - self._lead_ms
            self.due_ms = self._anchor_ms + at_ms
            if self._pending == _END_DUE:
                self.due_ms = max(self.due_ms, self._resumed_ms)
        elif self.state == WAITING:
            self.due_ms = self._anchor_ms + self._step.wait_max_ms
        elif self.state == PAUSED:
            self.due_ms = self._paused_ms + PAUSE_MS_MAX
        elif self.state == IDLE:
            self.due_ms = None

    def _ends_by_time(self) -> bool:
        step = self._step
        waits = step.self_paced or step.gate_bpm or step.limit_bpm
        return not waits and self._ahead_number == self.number + 1

    @staticmethod
    def _offset_ms(step: Step, index: int) -> int:
        """When a cue of a step is meant to be felt, from the step's start."""
        offset_ms, from_end, _ = step.cues[index]
        return step.duration_ms - offset_ms if from_end else offset_ms

    def _lead_in_ms(self, plan: Plan, number: int) -> int:
        """How much later a step must begin so that its first cue can be felt in time."""
        lead_ms = self._lead_ms + self.prepare_ms
        if not lead_ms:
            return 0
        step = plan.step(number)
        return max(0, lead_ms - self._offset_ms(step, 0)) if step.cues else 0

    def _waits_for(self, now_ms: int) -> int:
        """What must come before the next step may begin: a number of `WAITS`, 0 for nothing."""
        step = self._step
        if step.gate_bpm or step.limit_bpm:
            fresh = self._beat_ms is not None and now_ms - self._beat_ms <= BEAT_FRESH_MS
            if step.gate_bpm and not (fresh and self._bpm < step.gate_bpm):
                return WAIT_HEART
            # An unknown rate holds nobody back: a limit does not oblige anyone to wear a sensor.
            if step.limit_bpm and fresh and self._bpm >= step.limit_bpm:
                return WAIT_HEART
        return WAIT_PRESS if step.self_paced and not self._in_position else 0

    def _record(self, now_ms: int, kind: int, a: int = 0, b: int = 0, c: int = 0) -> None:
        self._log.append(now_ms, kind, self.number, a, b, c)

    def _fire_cue(self, now_ms: int, late_ms: int) -> None:
        # Few names and shallow calls: a frame of more than eleven words is taken from the heap by a
        # MicroPython that has no stack of its own for frames.
        number = self.number + (self._pending == _EARLY_DUE)
        cue = self._next_cue()
        self._buzzer.play(self._playing.patterns[cue], now_ms)
        self._given(number, cue, late_ms, now_ms)

    def _given(self, number: int, cue: int, late_ms: int, now_ms: int) -> None:
        """Log the cue as played or as withheld, now that the motor is driven."""
        buzzer = self._buzzer
        if buzzer.was_felt:
            driven_ms = buzzer.driven_ms
            late_ms += driven_ms - now_ms
            self._log.append(driven_ms, CUE, number, cue, late_ms, self._lead_ms)
            self.lateness.add(late_ms)
        else:
            # A plan that is played as written never gets here; after a long block it may.
            self._log.append(now_ms, WITHHELD, number, cue, buzzer.ledger.minute(now_ms))
            self.withheld += 1
        self._rearm()

    def _next_cue(self) -> int:
        """Return the cue that is due, and move on to the next."""
        if self._pending == _EARLY_DUE and self._ahead is not None:
            self._early += 1
            cue: int = self._ahead.cues[self._early - 1][2]
        else:
            self._cue += 1
            cue = self._step.cues[self._cue - 1][2]
        return cue

    def _feel(self, cue: int, now_ms: int) -> None:
        """A cue that is not in the plan."""
        if self.feel(self._playing.patterns[cue], cue, now_ms):
            self._record(now_ms, CUE, cue, 0, self._lead_ms)
        else:
            self.withheld += 1

    def _enter(self, number: int, anchor_ms: int, now_ms: int) -> None:
        if number == self._ahead_number and self._ahead is not None:
            self._step = self._ahead
        else:
            self._step = self._playing.step(number)
        self.number = number
        self._anchor_ms = anchor_ms
        self._duration_ms = self._step.duration_ms
        self._cue = self._early
        self._early = 0
        self._in_position = False
        self._record(now_ms, STEP_STARTED, 0, self._duration_ms)

    def _leave(self, outcome: int, now_ms: int) -> None:
        elapsed_ms = max(0, self.elapsed_at(now_ms))
        self._record(now_ms, STEP_ENDED, outcome, elapsed_ms, self._duration_ms)

    def _when_due(self, now_ms: int) -> int:
        """Return when the present event was due: now, or earlier when the call is late."""
        return now_ms if self.due_ms is None else min(now_ms, self.due_ms)

    # --- the actions of TABLE: return OK (or nothing), or a refusal before any change

    def _arm(self, at_ms: int, now_ms: int) -> int:
        if self.plan is None:
            return NO_PLAN
        if at_ms <= now_ms:
            return TOO_LATE
        if at_ms - now_ms > ARM_MS_MAX:
            return OUT_OF_RANGE
        self._lead_ms = self._buzzer.lead_ms
        begin_ms = at_ms - self._lead_in_ms(self.plan, 0)
        if not self._can_begin(0, max(begin_ms, now_ms), now_ms, self._buzzer.left_ms):
            return TOO_SOON
        self.due_ms = begin_ms
        self._era += 1
        return OK

    def _disarm(self, _: int, now_ms: int) -> None:
        self._era += 1
        self._buzzer.stop(now_ms)

    def _begin(self, _: int, now_ms: int) -> int:
        if self.plan is None:
            return NO_PLAN
        # A start that was set is not refused when it is due: what is felt until then leaves room.
        is_due = self.state == ARMED and self.due_ms is not None and now_ms >= self.due_ms
        if not is_due:
            self._lead_ms = self._buzzer.lead_ms
            if not self._can_begin(0, now_ms, now_ms, self._buzzer.left_ms):
                return TOO_SOON
        begin_ms = self._when_due(now_ms)
        self._open_session(now_ms)
        self._begin_step(0, begin_ms, now_ms)
        return OK

    def _open_session(self, now_ms: int) -> None:
        self._era += 1
        self._is_restored = False
        self._playing = self.plan  # type: ignore[assignment]  # who calls this has looked
        self.started_ms = now_ms
        self.number = NO_STEP
        self._early = 0
        self.session = self._log.append(
            now_ms, SESSION_STARTED, NO_STEP, self._source, self._id_b, self._id_c
        )

    def _begin_step(self, number: int, at_ms: int, now_ms: int) -> None:
        """Enter a step whose start was not known before: from its first cue on."""
        self._early = 0
        self._enter(number, at_ms, now_ms)
        lead_ms = self._lead_ms + self.prepare_ms
        if lead_ms and self._step.cues:
            self._anchor_ms += max(0, lead_ms - self._offset_ms(self._step, 0))

    def _next_on_time(self, _: int, now_ms: int) -> None:
        self._leave(STEP_COMPLETE, now_ms)
        self._enter(self.number + 1, self._anchor_ms + self._duration_ms, now_ms)

    def _next_now(self, _: int, now_ms: int) -> None:
        self._leave(STEP_COMPLETE, now_ms)
        # A gate that gives way does so at its time, even when this is called after it.
        self._begin_step(self.number + 1, self._when_due(now_ms), now_ms)

    def _wait(self, _: int, now_ms: int) -> None:
        left_ms = self._anchor_ms + self._step.wait_max_ms - now_ms
        self._record(now_ms, WAITING_RECORD, self._waits_for(now_ms), max(0, left_ms))
        if self._step.limit_bpm and self._bpm >= self._step.limit_bpm:
            self._feel(ATTENTION, now_ms)

    def _note_position(self, _: int, now_ms: int) -> None:
        self._in_position = True

    def _let_go(self, _: int, now_ms: int) -> int:
        cues, before_ms, before = self._step.cues, self._duration_ms, self._cue
        # So much later its end can be felt at its time.
        self._duration_ms = min(before_ms, max(0, self.elapsed_at(now_ms)) + self._lead_ms)
        while self._cue < len(cues) and not cues[self._cue][1]:
            self._cue += 1
        if not self._can_go_on(now_ms, self._buzzer.left_ms):
            self._duration_ms, self._cue = before_ms, before
            return TOO_SOON
        return OK

    def _pause(self, _: int, now_ms: int) -> None:
        self._stopped_ms = now_ms - self._anchor_ms
        self._paused_ms = now_ms
        self._buzzer.stop(now_ms)
        self._record(now_ms, PAUSED_RECORD, self._source, max(0, self._stopped_ms))
        self._feel(ATTENTION, now_ms)

    def _unpause(self, now_ms: int) -> None:
        self._anchor_ms = now_ms - self._stopped_ms
        self._resumed_ms = now_ms
        self._record(now_ms, RESUMED, self._source, now_ms - self._paused_ms)

    def _resume(self, _: int, now_ms: int) -> int:
        # A session that a reset cut goes on from where it was noted, which may be some steps back.
        if self._is_restored and not self._can_go_on(now_ms, self._buzzer.left_ms):
            return TOO_SOON
        self._is_restored = False
        self._unpause(now_ms)
        self._feel(COUNTDOWN, now_ms)
        return OK

    def _skip(self, _: int, now_ms: int) -> int:
        target = self.number + 1
        if target == self._playing.steps:
            return OUT_OF_RANGE
        if self._playing.follows(self.number):
            while self._playing.follows(target):
                target += 1
        if not self._can_begin(target, now_ms, now_ms):
            return TOO_SOON
        if self.state == PAUSED:
            self._unpause(now_ms)
        self._buzzer.stop(now_ms)
        self._record(now_ms, SKIPPED, self._source)
        self._leave(STEP_SKIPPED, now_ms)
        self._begin_step(target, now_ms, now_ms)
        return OK

    def _back(self, _: int, now_ms: int) -> int:
        target = self._first_phase(self.number)
        again = target < self.number or self.elapsed_at(now_ms) > BACK_SAME_HOLD_MS
        if not (again and self._step.kind == HOLD):
            target = self._first_phase(self._hold_before(target))
        target = self._hold_before(target) + 1
        if not self._can_begin(target, now_ms, now_ms):
            return TOO_SOON
        if self.state == PAUSED:
            self._unpause(now_ms)
        self._buzzer.stop(now_ms)
        self._record(now_ms, WENT_BACK, self._source, target)
        self._leave(STEP_LEFT_BACK, now_ms)
        self._begin_step(target, now_ms, now_ms)
        return OK

    def _hold_before(self, number: int) -> int:
        """Return the last hold before a step, -1 for none."""
        for earlier in range(number - 1, -1, -1):
            if self._playing.step(earlier).kind == HOLD:
                return earlier
        return -1

    def _first_phase(self, number: int) -> int:
        while number > 0 and self._playing.follows(number) > 1:
            number -= 1
        return number

    def _extend(self, by_ms: int, now_ms: int) -> int:
        if self._step.kind != HOLD:
            return NOT_A_HOLD
        if not 1 <= by_ms <= EXTEND_MS_MAX or self._duration_ms + by_ms > MAX_STEP_MS:
            return OUT_OF_RANGE
        self._duration_ms += by_ms
        self._early = 0
        self._record(now_ms, EXTENDED, self._source, by_ms, self._duration_ms)
        return OK

    def _stop(self, reason: int, now_ms: int) -> int:
        if reason not in (0, ENDED_STOPPED, ENDED_FAILED):
            return OUT_OF_RANGE
        self._buzzer.stop(now_ms)
        self._end(reason or ENDED_STOPPED, STEP_CUT, now_ms)
        return OK

    def _abandon(self, _: int, now_ms: int) -> None:
        self._stop(ENDED_STOPPED, now_ms)

    def _finish(self, _: int, now_ms: int) -> None:
        self._end(ENDED_FINISHED, STEP_COMPLETE, now_ms)

    def _end(self, reason: int, outcome: int, now_ms: int) -> None:
        self._era += 1
        self._leave(outcome, now_ms)
        self.number = NO_STEP
        self._record(now_ms, SESSION_ENDED, reason | self._source << 8, now_ms - self.started_ms)
