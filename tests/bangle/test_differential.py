# SPDX-License-Identifier: MIT
"""Random sessions on the watch and on `tenuto_core`: the same log, answers and motor."""

from __future__ import annotations

import random
import re

import pytest

from tenuto.simulator import espruino
from tenuto.simulator.bangle import PLAYER_FILE
from tests.bangle import differential

GROUPS = 8
SESSIONS = 125
"""In each group; `make watch` plays as many as one likes."""


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
