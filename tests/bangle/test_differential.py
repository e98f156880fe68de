# SPDX-License-Identifier: MIT
"""Random sessions on the watch and on `tenuto_core`: the same log, answers and motor."""

from __future__ import annotations

import random
import re

import pytest

from tenuto.simulator import espruino
from tenuto.simulator.bangle import PLAYER_FILE
from tenuto_core import vocab
from tenuto_core.encode import encode
from tenuto_core.plan import Plan, PlanError, Step
from tests.bangle import differential
from tests.bangle.differential import digest
from tests.bangle.test_watch import upload

GROUPS = 8
SESSIONS = 125
"""In each group; `make watch` plays as many as one likes."""


CROWDED = 60


@pytest.fixture(autouse=True)
def _loads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espruino, "LOAD_MS", 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
def test_the_watch_plays_as_the_core_does(group: int) -> None:
    first = random.randrange(1_000_000) + group
    for seed in range(first, first + SESSIONS):
        try:
            differential.play(seed)
        except AssertionError as error:
            pytest.fail(f"python -m tests.bangle.differential --first {seed} --sessions 1: {error}")


def test_nothing_is_used_before_it_is_defined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Espruino hoists no functions; QuickJS hoists those that are no expressions."""
    written = differential.FILES[PLAYER_FILE]
    plain = re.sub(r"^function (\w+)\(", r"var \1=function(", written, flags=re.MULTILINE)
    assert plain != written
    monkeypatch.setitem(differential.FILES, PLAYER_FILE, plain)
    for seed in range(5):
        differential.play(seed)


def crowded_plan(rng: random.Random) -> bytes:
    """A plan with so many long cues that a minute of it may be too full."""
    steps = []
    for _ in range(rng.randint(2, 12)):
        ms = rng.choice((rng.randint(1, 3_000), rng.randint(10_000, 90_000)))
        count = min(24, ms // rng.randint(1_500, 9_000) + rng.randint(0, 2))
        at = sorted(rng.randint(0, ms) for _ in range(count))
        cues = [(offset_ms, False, rng.randint(0, 8)) for offset_ms in at]
        steps.append(Step(vocab.HOLD, ms, cues, exercise=0))
    longest_ms = rng.choice((200, 400, 900))
    patterns = tuple(
        tuple(
            (100, rng.randint(20, longest_ms), rng.randint(0, 150))
            for _ in range(rng.randint(0, 3))
        )
        for _ in range(9)
    )
    return encode("crowded", ["stretch"], [*steps, Step(vocab.DONE, 0)], patterns)


def test_a_plan_with_a_minute_too_full_is_refused_as_on_a_band(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tenuto_core.encode.check_motor", lambda *_: 0)
    first = random.randrange(1_000_000)
    watch = differential.Watch(1)
    statuses = []
    for seed in range(first, first + CROWDED):
        data = crowded_plan(random.Random(seed))
        try:
            Plan(data)
        except PlanError:
            wanted = vocab.BAD_PLAN
        else:
            wanted = vocab.OK
        assert upload(watch, digest(data)[:8], data) == wanted, f"crowded_plan({seed})"
        statuses.append(wanted)
    assert {*statuses} == {vocab.OK, vocab.BAD_PLAN}
