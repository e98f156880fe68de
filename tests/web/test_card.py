# SPDX-License-Identifier: MIT
"""What the card of a wearable says of the present step."""

from __future__ import annotations

from typing import Any

from tenuto.sessions.view import SessionView
from tenuto.web.now import _step
from tenuto_core import vocab
from tenuto_core.plan import Plan
from tests.core import phased
from tests.history.sessions import Band


def shown(number: int, after_ms: int, *, paused: bool = False) -> tuple[dict[str, Any], int]:
    """Return what is shown so many ms into a step of the plan, and the time in UTC."""
    band, view = Band(plan=Plan(phased.data())), SessionView()
    band.do(vocab.START)
    band.pass_ms(sum(step.duration_ms for step in phased.steps()[:number]) + after_ms)
    if paused:
        band.do(vocab.PAUSE)
    for entry in band.entries():
        view.apply(entry.event, entry.utc_ms)
    now_ms = band.boot_utc_ms + band.now_ms
    return _step(view, now_ms), now_ms


def test_a_phase_stands_beside_its_repetition() -> None:
    card, _ = shown(phased.AGAIN + 1, 2_000)

    assert card["exercise"] == "hamstrings, left"
    assert card["place"] == "Hold 2 of 5 · 2 of 2 · press"
    assert (card["left"], card["since_utc_ms"]) == ("0:04", "")


def test_an_open_hold_counts_up_until_it_is_paused() -> None:
    card, now_ms = shown(phased.OPEN, 43_000)

    assert card["place"] == "Hold 3 of 5 · press when you let go"
    assert (card["left"], card["to_utc_ms"]) == ("0:43", "")
    assert card["since_utc_ms"] == str(now_ms - 43_000)

    paused, _ = shown(phased.OPEN, 43_000, paused=True)
    assert (paused["left"], paused["since_utc_ms"]) == ("0:43", "")
    assert paused["place"].endswith("Paused")
