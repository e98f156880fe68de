# SPDX-License-Identifier: MIT
"""The numbers that travel between host and wearable, each with its name.

A number never changes its meaning: new ones are added at the end, old ones are left unused.
The tuples of names are indexed by the number.
"""

# --- steps of a plan
READY, HOLD, SWITCH, REST, DONE = range(5)
STEP_KINDS = ("ready", "hold", "switch", "rest", "done")

BOTH, LEFT, RIGHT = range(3)
SIDES = (None, "left", "right")

# --- cues
(
    GET_READY,
    COUNTDOWN,
    HOLD_START,
    HALFWAY,
    HOLD_END,
    SWITCH_SIDES,
    NEXT_EXERCISE,
    FINISHED,
    ATTENTION,
) = range(9)
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
)

# --- what may be asked of the player; the wire carries the first eight
START, PAUSE, RESUME, SKIP, BACK, STOP, EXTEND, START_AT = range(8)
COMMANDS = ("start", "pause", "resume", "skip", "back", "stop", "extend", "start_at")

# --- gestures on the wearable's one button
PRESS, DOUBLE_PRESS, LONG_PRESS = 1, 2, 3
GESTURES = (None, "press", "double_press", "long_press")

# --- who caused it
BY_PLAN, BY_WEARER, BY_HOST = range(3)
SOURCES = ("plan", "wearer", "host")

# --- why a session ended
ENDED_FINISHED, ENDED_STOPPED, ENDED_FAILED = range(3)
END_REASONS = ("finished", "stopped", "failed")

# --- how a step ended
STEP_COMPLETE, STEP_SKIPPED, STEP_LEFT_BACK, STEP_CUT = range(4)
STEP_OUTCOMES = ("complete", "skipped", "back", "cut")

# --- what a waiting player waits for
WAIT_PRESS, WAIT_HEART = 1, 2
WAITS = (None, "press", "heart")

# --- answers to a request: 0, or why it was refused
(
    OK,
    NO_PLAN,
    WRONG_PLAN,
    NOT_PLAYING,
    ALREADY_PLAYING,
    ALREADY_PAUSED,
    NOT_PAUSED,
    NOT_A_HOLD,
    OUT_OF_RANGE,
    TOO_LATE,
    BUSY,
    BAD_FRAME,
    UNKNOWN_REQUEST,
    BAD_PLAN,
    NO_UPLOAD,
    WRONG_OFFSET,
    NO_SUCH_PLAN,
    LOG_OVERRUN,
) = range(18)
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
)

# --- records of the event log: kind, then what its fields a (16 bits), b and c (32 bits) hold
(
    BOOTED,  # a: reset cause, b: boot id
    SESSION_STARTED,  # a: source, b and c: plan id, little-endian
    STEP_STARTED,  # b: duration_ms
    STEP_ENDED,  # a: outcome, b: elapsed_ms without pauses, c: duration_ms with extensions
    CUE,  # a: cue, b: late_ms
    PAUSED,  # a: source, b: elapsed_ms of the step
    RESUMED,  # a: source, b: paused_ms
    SKIPPED,  # a: source
    WENT_BACK,  # a: source, b: step gone back to
    EXTENDED,  # a: source, b: by_ms, c: new duration_ms
    WAITING,  # a: what for, b: longest wait_ms from now
    HEART,  # a: beats per minute (+ HEART_BY_HOST), b and c: up to four RR intervals in 1/1024 s
    SESSION_ENDED,  # a: reason + 256 * source, b: t_ms
) = range(1, 14)
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
)

HEART_BY_HOST = 0x100
"""In a of HEART: the host handed the beat over, from a strap that it hears."""

NO_STEP = 0xFF
NO_EXERCISE = 0xFF
