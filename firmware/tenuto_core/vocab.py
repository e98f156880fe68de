# SPDX-License-Identifier: MIT
"""The numbers that travel between host and wearable, each with its name.

A number never changes its meaning: new ones are added at the end, old ones are left unused.
The tuples of names are indexed by the number; most of them are in `names`, which a board does
without.
"""

try:
    from .names import (
        CAUSES,
        COMMANDS,
        CUES,
        END_REASONS,
        GESTURES,
        OWN_CUES,
        RECORDS,
        SIDES,
        SOURCES,
        STATUSES,
        STEP_KINDS,
        STEP_OUTCOMES,
        WAITS,
        cue_name,
        cue_number,
    )

    __all__ = (  # the host finds them here
        "CAUSES",
        "COMMANDS",
        "CUES",
        "END_REASONS",
        "GESTURES",
        "OWN_CUES",
        "RECORDS",
        "SIDES",
        "SOURCES",
        "STATUSES",
        "STEP_KINDS",
        "STEP_OUTCOMES",
        "WAITS",
        "cue_name",
        "cue_number",
    )
except ImportError:  # a board does not get that file: it does not need the words
    pass

# --- steps of a plan
READY, HOLD, SWITCH, REST, DONE = range(5)

BOTH, LEFT, RIGHT = range(3)

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
    NEXT_PHASE,
    MARK,
) = range(11)

# --- commands to the player; the wire carries the first eight
START, PAUSE, RESUME, SKIP, BACK, STOP, EXTEND, START_AT = range(8)

# --- gestures on the wearable's one button
PRESS, DOUBLE_PRESS, LONG_PRESS = 1, 2, 3

# --- sources of an event
BY_PLAN, BY_WEARER, BY_HOST, BY_RESET = range(4)

# --- why a session ended
ENDED_FINISHED, ENDED_STOPPED, ENDED_FAILED = range(3)

# --- how a step ended
STEP_COMPLETE, STEP_SKIPPED, STEP_LEFT_BACK, STEP_CUT = range(4)

# --- what a waiting player waits for
WAIT_PRESS, WAIT_HEART = 1, 2

# --- answers to a request: 0, or why it was refused; `LOG_OVERRUN` refuses nothing
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
    TOO_SOON,
    NOT_PROVEN,
    NOT_OPEN,
    UNKNOWN_PLAN,
) = range(22)

# --- why the device started
(
    CAUSE_UNKNOWN,
    CAUSE_POWER_ON,
    CAUSE_BROWNOUT,
    CAUSE_SOFTWARE,
    CAUSE_WATCHDOG,
    CAUSE_PIN,
    CAUSE_DEEP_SLEEP,
) = range(7)

# --- what was withheld to spare the motor; cues have their own numbers
WITHHELD_ALERT, WITHHELD_MENU, WITHHELD_PAIRING = 0x100, 0x101, 0x102

# --- records of the event log: kind, then what its fields a (16 bits), b and c (32 bits) hold
(
    BOOTED,  # a: cause, b: boot id
    SESSION_STARTED,  # a: source, b and c: plan id, little-endian
    STEP_STARTED,  # b: duration_ms
    STEP_ENDED,  # a: outcome, b: elapsed_ms without pauses, c: duration_ms with extensions
    CUE,  # a: cue, b: late_ms, c: lead_ms of the motor, after which it is felt
    PAUSED,  # a: source, b: elapsed_ms of the step
    RESUMED,  # a: source, b: paused_ms
    SKIPPED,  # a: source
    WENT_BACK,  # a: source, b: step gone back to
    EXTENDED,  # a: source, b: by_ms, c: new duration_ms
    WAITING,  # a: what for, b: longest wait_ms from now
    HEART,  # a: beats per minute (+ HEART_BY_HOST), b and c: up to four RR intervals in 1/1024 s
    SESSION_ENDED,  # a: reason + 256 * source, b: t_ms
    INTERRUPTED,  # a reset cut a session; a: 1 it goes on, 0 not, b: its boot id, c: its number
    UTC,  # from a host; a: ms, b: s since 1970, at this record's at_ms
    WITHHELD,  # a: what was not to be felt, b: ms that the motor ran in the last minute
    UNFELT,  # a device that a host plays did not take a cue; a: cue, b: number of its CUE record
) = range(1, 18)

HEART_BY_HOST = 0x100
"""In field a of HEART: the beat came from a host, which hears a strap."""

NO_STEP = 0xFF
NO_EXERCISE = 0xFF
