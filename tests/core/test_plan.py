# SPDX-License-Identifier: MIT
from __future__ import annotations

import struct
from binascii import crc32
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tenuto_core import vocab
from tenuto_core.encode import as_version, encode
from tenuto_core.plan import (
    CUES_V1,
    GATE_BPM,
    MAX_BYTES,
    MAX_CUES_KNOWN,
    MAX_EXERCISES,
    MAX_NAME_BYTES,
    MAX_PATTERN_MS,
    MAX_PATTERN_PULSES,
    MAX_PHASES,
    MAX_PULSE_MS,
    MAX_STEP_CUES,
    MAX_STEP_MS,
    MAX_STEPS,
    MIN_PULSE_MS,
    VERSION,
    Plan,
    PlanError,
    Step,
    UnknownPlanError,
    check_pattern,
    pattern_ms,
)

TAP = ((100, 150, 0),)
PATTERNS = (TAP,) * CUES_V1
STEP_BYTES, CUE_BYTES = 20, 5


def done() -> Step:
    return Step(vocab.DONE, 3_000, [(0, False, vocab.FINISHED)])


def hold(duration_ms: int = 30_000, **fields: Any) -> Step:
    cues = [(0, False, vocab.HOLD_START), (0, True, vocab.HOLD_END)]
    return Step(vocab.HOLD, duration_ms, cues, **{"exercise": 0} | fields)


def rest(**fields: Any) -> Step:
    return Step(vocab.REST, 8_000, (), **fields)


def make(
    *steps: Step,
    name: str = "a",
    exercises: tuple[str, ...] = ("b",),
    phases: tuple[str, ...] = (),
    version: int = VERSION,
) -> bytes:
    return encode(name, exercises, [*steps, done()], PATTERNS, phases, version)


def with_checksum(body: bytes) -> bytes:
    return body + struct.pack("<I", crc32(body))


def write_unchecked(steps: list[Step], version: int) -> bytes:
    """Write a plan as an encoder would that has forgotten all its checks."""
    rows, cues = b"", b""
    for s in steps:
        side = s.side + 4 * s.phase
        numbers = (s.kind, s.exercise, side, s.rep, s.reps, s.set_no, int(s.self_paced))
        waits = (s.gate_bpm, s.duration_ms, s.wait_max_ms)
        rows += struct.pack("<8BIIHBB", *numbers, *waits, len(cues) // 5, len(s.cues), s.limit_bpm)
        for offset_ms, from_end, cue in s.cues:
            cues += struct.pack("<IB", offset_ms, cue + 128 * from_end)
    pulses = b"".join(struct.pack("<BHH", *pulse) for pattern in PATTERNS for pulse in pattern)
    names = b"\x01a\x01b"
    sizes = (len(cues) // 5, len(pulses) // 5, len(names), sum(s.duration_ms for s in steps))
    if version == 1:
        header = struct.pack("<2sBBHHHHI", b"TP", 1, 1, len(steps), *sizes)
    else:
        header = struct.pack("<2sBBBBHHHI", b"TP", 2, 1, len(steps), len(PATTERNS), *sizes)
    counts = bytes(map(len, PATTERNS))
    return with_checksum(header + rows + cues + counts + pulses + names)


def fields_of(step: Step) -> dict[str, object]:
    return vars(step)


def encode_again(plan: Plan) -> bytes:
    steps = [plan.step(number) for number in range(plan.steps)]
    names = [plan.exercise_name(number) or "" for number in range(plan.exercises)]
    phases = [plan.phase_name(number) or "" for number in range(1, plan.phases + 1)]
    patterns = plan.patterns[: plan.cues_known]
    return encode(plan.name, names, steps, patterns, phases, plan.version)


@pytest.mark.parametrize("version", [1, 2])
def test_the_bytes_are_those_of_the_layout_in_the_docstring(version: int) -> None:
    step = Step(
        vocab.REST,
        8_000,
        [(1_150, False, vocab.NEXT_EXERCISE), (3_000, True, vocab.COUNTDOWN)],
        exercise=1,
        side=vocab.RIGHT,
        rep=2,
        reps=3,
        set_no=4,
        self_paced=True,
        gate_bpm=100,
        wait_max_ms=120_000,
        phase=5 if version > 1 else 0,
    )
    patterns = (((60, 120, 80), (100, 500, 0)), *[()] * 8)
    phases = ("p", "q", "r", "s", "t") if version > 1 else ()
    head = struct.pack("<H", 2) if version == 1 else bytes((2, 9))
    names = b"\x01r" + b"\x02\xc3\xa9" + b"\x02xy"
    names += b"".join(b"\x01" + phase.encode() for phase in phases)
    body = b"TP" + bytes((version, 2)) + head
    body += struct.pack("<HHHI", 2, 2, len(names), 8_000 + 3_000)
    side = 2 if version == 1 else 2 + 5 * 4
    body += struct.pack("<8BIIHBB", 3, 1, side, 2, 3, 4, 1, 100, 8_000, 120_000, 0, 2, 0)
    body += struct.pack("<8BIIHBB", 4, 255, 0, 0, 0, 0, 0, 0, 3_000, 0, 2, 0, 0)
    body += struct.pack("<IBIB", 1_150, 6, 3_000, 1 + 128)
    body += bytes([2, 0, 0, 0, 0, 0, 0, 0, 0])
    body += struct.pack("<BHHBHH", 60, 120, 80, 100, 500, 0)
    body += names

    steps = [step, Step(vocab.DONE, 3_000)]
    data = encode("r", ("é", "xy"), steps, patterns, phases, version)

    assert with_checksum(body) == data


def test_what_was_encoded_is_read_again() -> None:
    steps = [
        Step(vocab.READY, 5_000, [(0, False, vocab.GET_READY)], exercise=0),
        hold(side=vocab.LEFT, rep=1, reps=2, set_no=1),
        rest(exercise=1, gate_bpm=100, wait_max_ms=60_000),
        rest(exercise=1, self_paced=True, wait_max_ms=60_000),
        hold(exercise=1, phase=2),
        done(),
    ]

    plan = Plan(encode("name", ("één", "two"), steps, PATTERNS, ("in", "out")))

    assert plan.name == "name"
    assert [plan.phase_name(p) for p in (0, 1, 2)] == [None, "in", "out"]
    assert [plan.exercise_name(e) for e in (0, 1, vocab.NO_EXERCISE)] == ["één", "two", None]
    assert plan.duration_ms == 5_000 + 30_000 + 8_000 + 8_000 + 30_000 + 3_000
    assert plan.patterns == PATTERNS
    assert [fields_of(s) for s in steps] == [fields_of(plan.step(n)) for n in range(plan.steps)]


IN_BOUNDS = [
    pytest.param([hold(1)], id="shortest hold"),
    pytest.param([hold(MAX_STEP_MS)], id="longest hold"),
    pytest.param([hold(MAX_STEP_MS)] * 3 + [hold(MAX_STEP_MS - 3_000)], id="longest plan"),
    pytest.param([hold(5_000)] * (MAX_STEPS - 1), id="most steps"),
    pytest.param([rest(gate_bpm=GATE_BPM[0], wait_max_ms=8_000)], id="lowest gate"),
    pytest.param([rest(gate_bpm=GATE_BPM[1], wait_max_ms=MAX_STEP_MS)], id="highest gate"),
    pytest.param([rest(limit_bpm=GATE_BPM[0], wait_max_ms=8_000)], id="lowest limit"),
    pytest.param([rest(limit_bpm=GATE_BPM[1], wait_max_ms=8_000)], id="highest limit"),
    pytest.param([hold(rep=255, reps=255, set_no=255)], id="most repetitions"),
    pytest.param(
        [Step(vocab.REST, 8_000, [(n, False, 1) for n in range(MAX_STEP_CUES)])], id="most cues"
    ),
    pytest.param([Step(vocab.REST, 10, [(10, False, 1), (0, True, 1)])], id="cues at the end"),
    pytest.param([Step(vocab.REST, 0)], id="a rest of nothing"),
]

OUT_OF_BOUNDS = [
    pytest.param([hold(0)], "step 0: duration", id="hold of nothing"),
    pytest.param([hold(MAX_STEP_MS + 1)], "step 0: duration", id="hold too long"),
    pytest.param([hold(-1)], "step 0: duration", id="negative"),
    pytest.param(
        [hold(MAX_STEP_MS)] * 3 + [hold(MAX_STEP_MS - 2_999)], "plan in ms", id="too long"
    ),
    pytest.param([hold(1)] * MAX_STEPS, "number of steps", id="too many steps"),
    pytest.param([hold(exercise=1)], "step 0: exercise", id="no such exercise"),
    pytest.param([hold(exercise=vocab.NO_EXERCISE)], "hold of nothing", id="no exercise"),
    pytest.param([hold(side=3)], "step 0: side", id="no such side"),
    pytest.param([hold(rep=256)], "step 0: rep", id="rep"),
    pytest.param([hold(reps=-1)], "step 0: reps", id="reps"),
    pytest.param([hold(set_no=256)], "step 0: set", id="set"),
    pytest.param([Step(5, 1)], "step 0: kind", id="no such kind"),
    pytest.param([done()], "step 0: the last step", id="done before the end"),
    pytest.param([rest(gate_bpm=29, wait_max_ms=9_000)], "heart gate", id="gate too low"),
    pytest.param([rest(gate_bpm=241, wait_max_ms=9_000)], "heart gate", id="gate too high"),
    pytest.param([rest(gate_bpm=90, wait_max_ms=7_999)], "longest wait", id="wait too short"),
    pytest.param([rest(gate_bpm=90, wait_max_ms=3_600_001)], "longest wait", id="wait too long"),
    pytest.param([rest(self_paced=True)], "longest wait", id="no longest wait"),
    pytest.param([rest(wait_max_ms=9_000)], "without a wait", id="no wait"),
    pytest.param([hold(self_paced=1, wait_max_ms=40_000)], "cannot wait", id="a hold waits"),
    pytest.param([Step(vocab.REST, 9, [(10, False, 1)])], "offset", id="cue after the end"),
    pytest.param([Step(vocab.REST, 9, [(10, True, 1)])], "offset", id="cue before the start"),
    pytest.param([Step(vocab.REST, 9, [(-1, False, 1)])], "offset", id="negative offset"),
    pytest.param([Step(vocab.REST, 9, [(0, False, 9)])], "cue", id="no such cue"),
    pytest.param([hold(phase=1)], "step 0: phase", id="no such phase"),
    pytest.param([Step(vocab.REST, 9, [(2, False, 1), (1, False, 1)])], "order", id="order"),
    pytest.param([Step(vocab.REST, 9, [(1, True, 1), (2, True, 1)])], "order", id="order from end"),
    pytest.param([Step(vocab.REST, 9, [(9, True, 1), (5, False, 1)])], "after one", id="mixed"),
    pytest.param(
        [Step(vocab.REST, 8_000, [(0, False, 1)] * (MAX_STEP_CUES + 1))],
        "number of cues",
        id="cues",
    ),
    pytest.param(
        [Step(vocab.REST, 8_000, [(0, False, 1)] * 32)] * 32, "number of cues", id="cues in all"
    ),
]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("steps", IN_BOUNDS)
def test_a_bound_itself_is_allowed(steps: list[Step], version: int) -> None:
    data = make(*steps, version=version)

    assert data == encode_again(Plan(data))


@pytest.mark.parametrize("steps,where", OUT_OF_BOUNDS)
def test_encode_refuses_what_is_out_of_bounds(steps: list[Step], where: str) -> None:
    with pytest.raises(PlanError, match=where):
        make(*steps)


def has_bytes(steps: Any) -> bool:
    try:
        return bool(write_unchecked(steps, VERSION))
    except struct.error:
        return False


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "steps", [pytest.param(p.values[0], id=p.id) for p in OUT_OF_BOUNDS if has_bytes(p.values[0])]
)
def test_a_plan_refuses_what_is_out_of_bounds(steps: list[Step], version: int) -> None:
    with pytest.raises(PlanError):
        Plan(write_unchecked([*steps, done()], version))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("steps", IN_BOUNDS)
def test_the_unchecked_writer_of_these_tests_writes_the_format(
    steps: list[Step], version: int
) -> None:
    assert write_unchecked([*steps, done()], version) == make(*steps, version=version)


@pytest.mark.parametrize(
    "name,exercises",
    [
        ("", ("b",)),
        ("a" * (MAX_NAME_BYTES + 1), ("b",)),
        ("é" * (MAX_NAME_BYTES // 2 + 1), ("b",)),
        ("a", ("b" * (MAX_NAME_BYTES + 1),)),
        ("a", ("",)),
        ("a", ("b",) * (MAX_EXERCISES + 1)),
    ],
)
def test_names_have_bounds(name: str, exercises: tuple[str, ...]) -> None:
    with pytest.raises(PlanError):
        make(hold(), name=name, exercises=exercises)


def test_a_plan_has_a_greatest_size() -> None:
    names = ("x" * MAX_NAME_BYTES,) * MAX_EXERCISES
    around = len(make(exercises=names))
    holds = (MAX_BYTES - around) // (STEP_BYTES + 2 * CUE_BYTES)

    assert len(make(*[hold()] * holds, exercises=names)) <= MAX_BYTES
    with pytest.raises(PlanError, match="size of the plan"):
        make(*[hold()] * (holds + 1), exercises=names)


def test_a_cue_without_a_pattern_is_silent() -> None:
    quiet = Step(vocab.REST, 8_000, [(0, False, vocab.GET_READY)])

    plan = Plan(encode("a", ("b",), [quiet, Step(vocab.DONE, 0)], PATTERNS[:1]))

    assert plan.cues_known == 1
    assert plan.patterns == (TAP, *[()] * 8), "those that the player itself plays are silent"


def test_a_cue_that_has_no_name_here_keeps_its_pattern() -> None:
    newest = MAX_CUES_KNOWN - 1
    patterns = [*PATTERNS, *[()] * (newest - len(PATTERNS)), ((70, 90, 0),)]
    step = Step(vocab.REST, 8_000, [(5, False, newest), (0, True, newest)])

    plan = Plan(encode("a", ("b",), [step, done()], patterns))

    assert list(plan.step(0).cues) == [(5, False, newest), (0, True, newest)]
    assert plan.patterns[newest] == ((70, 90, 0),)


def test_there_are_bounds_of_cues_phases_and_pulses() -> None:
    with pytest.raises(PlanError, match="number of patterns"):
        encode("a", ("b",), [done()], [()] * (MAX_CUES_KNOWN + 1))
    with pytest.raises(PlanError, match="number of phases"):
        make(phases=("p",) * (MAX_PHASES + 1))
    with pytest.raises(PlanError, match="number of pulses"):
        encode("a", ("b",), [done()], [((90, 100, 0),) * MAX_PATTERN_PULSES] * 10)
    assert Plan(make(phases=("p",) * MAX_PHASES)).phases == MAX_PHASES


def test_a_plan_becomes_one_of_version_1_and_back() -> None:
    data = make(hold(), rest(gate_bpm=90, wait_max_ms=9_000))

    old = as_version(Plan(data), 1)

    assert old == make(hold(), rest(gate_bpm=90, wait_max_ms=9_000), version=1)
    assert as_version(Plan(old), VERSION) == data


def test_version_1_leaves_out_the_names_of_phases() -> None:
    old = Plan(as_version(Plan(make(hold(phase=1), phases=("in",))), 1))

    assert (old.phases, old.step(0).phase) == (0, 0)


def test_version_1_cannot_say_a_tenth_cue() -> None:
    step = Step(vocab.REST, 8_000, [(0, False, CUES_V1)])
    data = encode("a", ("b",), [step, done()], [*PATTERNS, TAP])

    with pytest.raises(PlanError, match="step 0: cue is 9, allowed is 0 to 8"):
        as_version(Plan(data), 1)


@pytest.mark.parametrize(
    "pattern",
    [
        (),
        ((1, MIN_PULSE_MS, 0),),
        ((100, MAX_PULSE_MS, 0),),
        ((100, 100, 0),) * MAX_PATTERN_PULSES,
        ((100, 1_000, 1_000), (100, 1_000, 0)),
        ((100, 1_000, MAX_PATTERN_MS),),  # the last pause is felt by nobody
    ],
)
def test_a_pattern_at_its_bounds(pattern: tuple[tuple[int, int, int], ...]) -> None:
    check_pattern(pattern, "here")


@pytest.mark.parametrize(
    "pattern",
    [
        ((0, 100, 0),),
        ((101, 100, 0),),
        ((100, MIN_PULSE_MS - 1, 0),),
        ((100, MAX_PULSE_MS + 1, 0),),
        ((100, 100, -1),),
        ((100, 100, 0),) * (MAX_PATTERN_PULSES + 1),
        ((100, 1_000, 1_001), (100, 1_000, 0)),
    ],
)
def test_a_pattern_out_of_bounds(pattern: tuple[tuple[int, int, int], ...]) -> None:
    with pytest.raises(PlanError, match="here"):
        check_pattern(pattern, "here")


def test_the_length_of_a_pattern_is_from_the_first_to_the_last_buzz() -> None:
    assert pattern_ms(()) == 0
    assert pattern_ms(((100, 150, 100), (100, 500, 999))) == 150 + 100 + 500


@pytest.mark.parametrize("version", [3, 255])
def test_a_newer_version_is_unknown_and_not_damaged(version: int) -> None:
    data = bytearray(make(hold()))
    data[2] = version

    with pytest.raises(UnknownPlanError, match=f"plan version {version}, known is 2"):
        Plan(with_checksum(bytes(data[:-4]) + b"and what nobody here knows"))


def test_a_changed_version_without_a_new_checksum_is_damage() -> None:
    data = bytearray(make(hold()))
    data[2] = 9

    with pytest.raises(PlanError, match="checksum is wrong") as refused:
        Plan(bytes(data))
    assert not isinstance(refused.value, UnknownPlanError)


def test_there_is_no_version_0() -> None:
    data = bytearray(make(hold()))
    data[2] = 0

    with pytest.raises(PlanError, match="plan version 0") as refused:
        Plan(with_checksum(bytes(data[:-4])))
    assert not isinstance(refused.value, UnknownPlanError)


# A plan of one hold and its end: where its parts begin, by the layout.
STEPS_AT, CUES_AT = 16, 16 + 2 * STEP_BYTES
COUNTS_AT = CUES_AT + 3 * CUE_BYTES
PULSES_AT = COUNTS_AT + CUES_V1
NAMES_AT = PULSES_AT + 5 * CUES_V1


UNKNOWN = [
    pytest.param(0, b"\x05", id="kind"),
    pytest.param(2, b"\x03", id="side"),
    pytest.param(6, b"\x04", id="flag that must be known"),
    pytest.param(6, b"\x08", id="last flag that must be known"),
]


@pytest.mark.parametrize("at,byte", UNKNOWN)
def test_a_step_that_asks_for_what_is_not_known_is_unknown_and_not_damaged(
    at: int, byte: bytes
) -> None:
    body = bytearray(make(hold())[:-4])
    body[STEPS_AT + at : STEPS_AT + at + 1] = byte

    with pytest.raises(UnknownPlanError, match="step 0 asks for what is not known"):
        Plan(with_checksum(bytes(body)))

    body[2], body[5] = 1, 0  # the same in version 1, which is complete, is no plan
    with pytest.raises(PlanError) as refused:
        Plan(with_checksum(bytes(body)))
    assert not isinstance(refused.value, UnknownPlanError)


@pytest.mark.parametrize("bit", [4, 5, 6, 7])
def test_a_flag_that_may_be_passed_over_is_passed_over(bit: int) -> None:
    sound = make(rest(self_paced=True, wait_max_ms=9_000))
    body = bytearray(sound[:-4])
    body[STEPS_AT + 6] |= 1 << bit

    assert fields_of(Plan(with_checksum(bytes(body))).step(0)) == fields_of(Plan(sound).step(0))


@pytest.mark.parametrize(
    "edits,what",
    [
        ([(STEPS_AT + 19, 0, b"\x01")], "heart limit in bpm is 1, allowed is 30 to 240"),
        ([(STEPS_AT + 16, 0, b"\x01")], "not where they belong"),
        ([(STEPS_AT + 18, 0, b"\x09")], "more cues than there are"),
        ([(6, 0, b"\x04"), (COUNTS_AT, 5, b"")], "cues that belong to no step"),
        ([(8, 0, b"\x0a"), (NAMES_AT, 5, b"")], "pulses that belong to no cue"),
        ([(COUNTS_AT, 0, b"\x02")], "more pulses than there are"),
        ([(10, 0, b"\x05"), (NAMES_AT + 4, 1, b"")], "length of a name"),
        ([(10, 0, b"\x03"), (NAMES_AT + 3, -1, b"")], "names are cut short"),
        ([(3, 0, b"\x02")], "names are cut short"),
        (
            [
                (2, 0, b"\x01"),
                (5, 0, b"\0"),
                (10, 0, b"\x06"),
                (NAMES_AT, 2, b""),
                (NAMES_AT, 0, b"\1a"),
            ],
            "names are longer than the header says",
        ),
        ([(2, 0, b"\x01")], "number of steps"),
        ([(STEPS_AT + 2, 0, b"\x04")], "step 0: phase is 1, allowed is 0 to 0"),
        ([(NAMES_AT + 1, 0, b"\xff")], "not UTF-8"),
        ([(NAMES_AT, 0, b"\x00")], "length of a name"),
        ([(3, 0, b"\x41")], "number of exercises"),
        ([(4, 0, b"\x00")], "number of steps"),
        ([(12, 0, b"\x00")], "duration in the header"),
        ([(NAMES_AT + 4, 1, b"")], "do not add up"),
        ([(0, 0, b"X")], "not a plan"),
    ],
)
def test_each_part_must_be_what_the_header_says(
    edits: list[tuple[int, int, bytes]], what: str
) -> None:
    """Each edit puts bytes at a place, then grows (or shrinks) the plan there by some zeros."""
    body = bytearray(make(hold())[:-4])
    for at, grow, piece in edits:
        body[at : at + len(piece)] = piece
        body[at : at - min(grow, 0)] = bytes(max(grow, 0))

    with pytest.raises(PlanError, match=what):
        Plan(with_checksum(bytes(body)))


@st.composite
def plans(draw: st.DrawFn) -> bytes:
    version = draw(st.integers(1, VERSION))
    steps = []
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from([vocab.READY, vocab.HOLD, vocab.SWITCH, vocab.REST]))
        duration_ms = draw(st.integers(1, MAX_STEP_MS // 2))
        offsets = st.lists(st.integers(0, duration_ms), max_size=5)
        cue = st.integers(0, CUES_V1 - 1)
        middle_ms = duration_ms // 2
        cues = [(ms, False, draw(cue)) for ms in sorted(draw(offsets)) if ms <= middle_ms]
        late = sorted(draw(offsets), reverse=True)
        cues += [(ms, True, draw(cue)) for ms in late if duration_ms - ms >= middle_ms]
        waits = kind != vocab.HOLD and draw(st.booleans())
        steps.append(
            Step(
                kind,
                duration_ms,
                cues,
                exercise=draw(st.integers(0, 1)),
                side=draw(st.integers(0, 2)),
                rep=draw(st.integers(0, 255)),
                reps=draw(st.integers(0, 255)),
                set_no=draw(st.integers(0, 255)),
                self_paced=waits and draw(st.booleans()),
                gate_bpm=draw(st.integers(*GATE_BPM)) if waits else 0,
                limit_bpm=draw(st.integers(*GATE_BPM) | st.just(0)) if waits else 0,
                wait_max_ms=draw(st.integers(duration_ms, MAX_STEP_MS)) if waits else 0,
                phase=draw(st.integers(0, 2)) if version > 1 else 0,
            )
        )
    pulse = st.tuples(st.integers(1, 100), st.integers(MIN_PULSE_MS, 200), st.integers(0, 100))
    patterns = [tuple(draw(st.lists(pulse, max_size=4))) for _ in range(CUES_V1)]
    name = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
    exercises, phases = (draw(name), draw(name)), (draw(name), draw(name))
    named = phases if version > 1 else ()
    return encode(draw(name), exercises, [*steps, done()], patterns, named, version)


@pytest.mark.slow
@given(plans())
def test_every_plan_comes_back_as_it_was(data: bytes) -> None:
    assert data == encode_again(Plan(data))


@pytest.mark.slow
@given(plans(), st.data())
def test_a_changed_byte_without_a_new_checksum_is_noticed(data: bytes, more: st.DataObject) -> None:
    at = more.draw(st.integers(0, len(data) - 1))
    bit = more.draw(st.integers(0, 7))
    changed = bytearray(data)
    changed[at] ^= 1 << bit

    with pytest.raises(PlanError):
        Plan(bytes(changed))


@pytest.mark.slow
@given(plans(), st.data())
def test_whatever_has_a_checksum_is_refused_or_within_bounds(
    data: bytes, more: st.DataObject
) -> None:
    body = bytearray(data[:-4])
    for _ in range(more.draw(st.integers(1, 4))):
        at = more.draw(st.integers(0, len(body) - 1))
        body[at] = more.draw(st.integers(0, 255))
    change = more.draw(st.integers(-8, 8))
    body = body[:change] if change < 0 else body + bytes(change)
    changed = with_checksum(bytes(body))

    try:
        plan = Plan(changed)
    except PlanError:
        return

    # `encode` checks every bound, so a plan that it writes again is within them.
    assert without_hints(plan, changed) == encode_again(plan)


def without_hints(plan: Plan, data: bytes) -> bytes:
    """Take out the flags that a reader passes over."""
    body = bytearray(data[:-4])
    for number in range(plan.steps):
        body[STEPS_AT + number * STEP_BYTES + 6] &= 0x0F
    return with_checksum(bytes(body))


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    for noise in (
        data,
        with_checksum(data),
        with_checksum(b"TP\x01" + data),
        with_checksum(b"TP\x02" + data),
    ):
        with pytest.raises(PlanError):
            Plan(noise)
