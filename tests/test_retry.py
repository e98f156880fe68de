# SPDX-License-Identifier: MIT
"""Pauses between attempts, and tasks that outlive their failures."""

from __future__ import annotations

import asyncio
import logging
import random
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from tenuto.errors import LinkError, LinkReason
from tenuto.retry import STABLE_S, Backoff, describe_failure, run_for_ever


@given(first_s=st.floats(0.01, 10), max_s=st.floats(0.01, 100), seed=st.integers())
def test_pauses_double_up_to_the_limit_and_the_jitter_halves_them_at_most(
    first_s: float, max_s: float, seed: int
) -> None:
    plain = Backoff(None, first_s=first_s, max_s=max_s)
    spread = Backoff(random.Random(seed), first_s=first_s, max_s=max_s)
    pauses_s = [plain.next_s() for _ in range(20)]
    assert pauses_s[0] == min(first_s, max_s)
    assert all(after == min(2 * before, max_s) for before, after in pairwise(pauses_s))
    assert all(0.5 * pause_s <= spread.next_s() <= 1.5 * pause_s for pause_s in pauses_s)


def test_what_worked_for_long_begins_a_new_row() -> None:
    backoff = Backoff(None, first_s=1.0, max_s=8.0)
    assert [backoff.next_s() for _ in range(5)] == [1, 2, 4, 8, 8]
    backoff.reset_if_stable(STABLE_S - 0.1)
    assert backoff.next_s() == 8
    backoff.reset_if_stable(STABLE_S)
    assert backoff.next_s() == 1


def test_a_failure_is_told_by_type_and_place_and_never_by_a_foreign_text() -> None:
    try:
        raise ValueError("171 bpm of ada")
    except ValueError as error:
        told = describe_failure(error)
    assert told.startswith("ValueError at test_retry.py:")
    assert "ada" not in told
    assert describe_failure(LinkError(LinkReason.LOST, "the band is away")) == "the band is away"


async def test_work_that_fails_is_run_again_after_a_growing_pause_until_it_returns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.get_running_loop()
    began_s: list[float] = []
    errors: list[BaseException | None] = [ValueError(), asyncio.CancelledError(), OSError(), None]

    async def work() -> None:
        began_s.append(loop.time())
        error = errors[len(began_s) - 1]
        if error is not None:
            raise error

    with caplog.at_level(logging.ERROR):
        await run_for_ever(work, "work", Backoff(None, first_s=1.0, max_s=30.0))
    gaps_s = [after - before for before, after in pairwise(began_s)]
    assert gaps_s == pytest.approx([1, 2, 4])
    assert [name in caplog.text for name in ("ValueError", "CancelledError", "OSError")] == [
        True
    ] * 3


@pytest.mark.parametrize("after_s", [0.0, 0.5, 100.0], ids=["in work", "in a pause", "much later"])
async def test_a_cancellation_ends_it_whatever_it_does(after_s: float) -> None:
    async def work() -> None:
        await asyncio.sleep(0.2)
        raise RuntimeError

    task = asyncio.create_task(run_for_ever(work, "work", Backoff(None)), name="work")
    await asyncio.sleep(after_s)
    task.cancel()
    _, left = await asyncio.wait({task}, timeout=1)
    assert not left
    assert task.cancelled()
