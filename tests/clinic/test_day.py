# SPDX-License-Identifier: MIT
"""A short day in a small clinic, and that its proof is worth something."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.clinic.__main__ import play, table
from tests.clinic.day import Plan

if TYPE_CHECKING:
    from tests.fleet.server import PostgresServer


@pytest.mark.slow
def test_the_central_history_is_what_the_bands_logged(postgres: PostgresServer) -> None:
    """`python -m tests.clinic` plays eight hours with 300 bands and 20 hosts."""
    seed = random.randrange(1 << 30)  # of pytest-randomly's seed, which pytest prints
    print(f"a clinic's day with seed {seed}")  # noqa: T201 - pytest shows it when it is wanted
    plan = Plan(bands=10, hosts=3, minutes=16, seed=seed)
    report = play(plan, postgres)
    # A day on which nothing is played or killed proves nothing.
    assert report.found.sessions >= plan.bands // 2
    assert report.kills.total() >= plan.minutes // 2
    assert report.found.erased
    print(table(plan, report, 0.0))  # noqa: T201 - likewise
