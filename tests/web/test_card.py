# SPDX-License-Identifier: MIT
"""What the card of a wearable says of the present step."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.sessions.events import CueFired, Unfelt
from tenuto.sessions.view import SessionView
from tenuto.web.access import Visitor
from tenuto.web.live import Live
from tenuto.web.now import _step
from tenuto_core import vocab
from tenuto_core.plan import Plan
from tests.core import phased
from tests.history.sessions import Band, whole_session
from tests.patience import patience_s
from tests.web.rig import served

if TYPE_CHECKING:
    from pathlib import Path


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

    assert card["exercise"] == "hamstrings, left: press"
    assert card["place"] == "Hold 2 of 5 · 2 of 2"
    assert card["can_extend"]
    assert (card["left"], card["since_utc_ms"]) == ("0:04", "")


@pytest.mark.parametrize(
    "number, headline, following",
    [
        (phased.READY, "Get ready", "Next: hamstrings"),
        (phased.REST, "Rest", "Next: hamstrings, left"),
        (phased.CHANGE, "Rest", "Next: plank"),
    ],
)
def test_what_is_next_in_a_rest_is_the_hold_that_it_leads_to(
    number: int, headline: str, following: str
) -> None:
    card, _ = shown(number, 1_000)

    assert (card["exercise"], card["next"]) == (headline, following)
    assert not card["can_extend"], "which would be refused"


def test_an_open_hold_counts_up_until_it_is_paused() -> None:
    card, now_ms = shown(phased.OPEN, 43_000)

    assert card["place"] == "Hold 3 of 5 · press when you let go"
    assert (card["left"], card["to_utc_ms"]) == ("0:43", "")
    assert card["since_utc_ms"] == str(now_ms - 43_000)

    paused, _ = shown(phased.OPEN, 43_000, paused=True)
    assert (paused["left"], paused["since_utc_ms"]) == ("0:43", "")
    assert paused["place"].endswith("Paused")


async def test_the_first_cue_of_a_session_finds_a_place_on_the_card() -> None:
    # They come in one batch: the card of before the session has no list of cues.
    entries = whole_session()
    at = next(n for n, one in enumerate(entries) if isinstance(one.event, CueFired))
    live = Live(
        utc_ms=lambda: entries[at].utc_ms,
        render=lambda wearable, _: {"html": live.shown[wearable].view.state},
        sees_heart=lambda *_: False,
    )
    live.begin([])
    with live.stream(Visitor(None, "")) as stream:
        assert stream is not None
        await live.handle(entries[: at + 1])
        told = await stream.next(1)
    assert told is not None
    card, cue = told.decode().strip().split("\n\n")
    assert card.startswith("event: wearable")
    assert '"html": "playing"' in card
    assert cue.startswith("event: cue")


@pytest.mark.real_time
@pytest.mark.slow
async def test_a_cue_that_the_device_did_not_take_is_marked(tmp_path: Path) -> None:
    entries = whole_session(person="anna")
    fired = next(one for one in entries if isinstance(one.event, CueFired))
    assert isinstance(fired.event, CueFired)
    unfelt = Unfelt(t_ms=fired.event.t_ms, seq=fired.event.seq, cue=fired.event.cue)
    after = [*entries[: entries.index(fired) + 1], fired, replace(fired, event=unfelt)]
    async with (
        served(tmp_path, connected=False) as one,
        one.visitor() as client,
        client.get("/events") as stream,
        asyncio.timeout(patience_s(10)),
    ):
        await stream.content.readuntil(b"event: wearable")
        for entry in after:
            one.host.hub._put(entry)
        await stream.content.readuntil(b"not felt")
        async with client.get("/") as answer:
            html = await answer.text()
    assert html.count("<li>get ready</li>") == 1, "the one before it was felt"
    assert html.count('<li class="unfelt">get ready, not felt</li>') == 1


@pytest.mark.real_time
async def test_a_cue_that_comes_before_its_phase_has_the_name_of_that(tmp_path: Path) -> None:
    band = Band(plan=Plan(phased.data()), person="anna")
    band.do(vocab.START)
    band.pass_ms(10_000)
    entries = band.entries()
    led = CueFired(t_ms=10_000, seq=99, cue="own_1", late_ms=0, phase="press")
    async with (
        served(tmp_path, connected=False) as one,
        one.visitor() as client,
        client.get("/events") as stream,
        asyncio.timeout(patience_s(10)),
    ):
        await stream.content.readuntil(b"event: wearable")
        for entry in (*entries, replace(entries[-1], event=led)):
            one.host.hub._put(entry)
        await stream.content.readuntil(b"event: cue")
        async with client.get("/") as answer:
            html = await answer.text()
    assert "<li>press</li>" in html
