# SPDX-License-Identifier: MIT
"""A daemon that stays for months holds no more than one that began today."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenuto.sessions import device_clock
from tenuto.simulator import hardware
from tests.storm.steady import play

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS, WEARABLES = 8, 3


@pytest.mark.slow
def test_nothing_is_left_of_a_session_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m tests.storm --sessions 10000` does it for hours."""
    # So that what the motors and the clocks remember is full before the first count.
    monkeypatch.setattr(hardware, "EDGES_KEPT_MAX", 20)
    monkeypatch.setattr(device_clock, "GROUP_COUNT_MAX", 20)

    _, before, after = play(tmp_path, rounds=ROUNDS, samples=3, wearables=WEARABLES)

    assert after.sessions - before.sessions == ROUNDS * WEARABLES
    more = after.total - before.total
    assert more < ROUNDS * WEARABLES, after.since(before)
