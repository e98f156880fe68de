# SPDX-License-Identifier: MIT
"""The page Now: each wearable and its session as it goes on, and the controls."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tenuto.event_loops import real_s
from tenuto.routines.library import name_among
from tenuto.sessions.commands import Verb
from tenuto.sessions.places import count_words
from tenuto.sessions.view import State
from tenuto.terminal.words import clock

from .live import Live, Shown, is_going
from .page import JOBS, LIVE, backend_of, call, page, told, visitor_of
from .render import render
from .strip import draw_strip
from .wearables import is_first_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenuto.config import Config
    from tenuto.history.prescription import Prescription
    from tenuto.sessions.view import Moment, SessionView

    from .access import Visitor
    from .backend import Backend

ALIVE_S = 15.0
"""So often a stream says that it is there, so that proxies leave it open."""
_END_WORDS = {"finished": "Finished", "stopped": "Stopped", "failed": "Broken off"}
_WAITS = {"wearer": "Press the button to go on", "heart": "Waits for the heart to calm down"}


def sees_heart(config: Config, visitor: Visitor, person: str | None) -> bool:
    """Whether a visitor may see the heart rate of somebody."""
    return visitor.person in (None, person) or config.shares_heart_rate(person)


def make_live(backend: Backend) -> Live:
    """Return the sink of the page."""
    live = Live(
        backend.utc_ms,
        lambda wearable, visitor: (
            parts(backend, live.shown, wearable, visitor)
            if any(one.id == wearable for one in backend.config.wearables)
            else None
        ),
        lambda visitor, person: sees_heart(backend.config, visitor, person),
        backend.speed,
    )
    return live


def parts(
    backend: Backend, known: Mapping[str, Shown], wearable_id: str, visitor: Visitor
) -> dict[str, str]:
    """Return the HTML of one wearable: its card, and what is seen of it at a glance."""
    config = backend.config
    wearable = config.wearable(wearable_id)
    shown = known.get(wearable_id) or Shown()
    view, state = shown.view, backend.wearable(wearable_id)
    person = config.person(wearable.person)
    names = backend.routine_labels
    is_theirs = visitor.person in (None, wearable.person)
    prescribed = backend.prescribed(wearable.person) if is_theirs else ()
    due = [one.prescription for one in prescribed if one.is_due]
    values = dict(
        id=wearable_id,
        key=visitor.key,
        title=wearable.title,
        person="" if person is None else person.name or person.id,
        link_words=_link_words(state),
        reach="in reach" if state.get("connected") else "not in reach",
        battery_pct=state.get("battery_pct"),
        is_going=is_going(view),
        is_paused=view.state is State.PAUSED,
        ended=_ended(view),
        heart=sees_heart(config, visitor, wearable.person),
        bpm=view.bpm,
        cues=[(words, felt) for _, words, felt in shown.cues],
        routines=names.items(),
        routine=_routine(names, due, view) or config.routine_for(wearable),
        due=[
            one.title if _offered(names, one) else f"{one.title} (this computer does not have it)"
            for one in due
        ],
        is_missing=any(_offered(names, one) is None for one in due),
        done=[one.prescription.title for one in prescribed if one.is_done],
        **_step(view, round(backend.utc_ms())),
    )
    return {"html": render("wearable.html", **values), "glance": render("glance.html", **values)}


def _routine(
    names: Mapping[str, str], due: Sequence[Prescription], view: SessionView
) -> str | None:
    """Return which routine is offered first: what is due, else what was played last."""
    found = next(filter(None, (_offered(names, one) for one in due)), None)
    return found or (view.routine if view.routine in names else None)


def _offered(names: Mapping[str, str], one: Prescription) -> str | None:
    """Return by which name the routine of a prescription is offered, None if there is none."""
    # A private name is a title and no name.
    return name_among(names, one.routine)


def _link_words(state: Mapping[str, Any]) -> str:
    if state.get("connected"):
        return "in reach"
    return state.get("problem") or "not in reach"


def _ended(view: SessionView) -> str:
    return _END_WORDS.get(view.reason or "", "Ended") if view.state is State.ENDED else ""


def _step(view: SessionView, now_utc_ms: int) -> dict[str, Any]:
    """Return what the card shows of the present step."""
    place = []
    if view.hold is not None and view.holds:
        place.append(f"Hold {view.hold} of {view.holds}")
    # A plan of one set has as many repetitions as holds.
    said = {view.side, *(one.removeprefix("Hold ") for one in place)}
    place += [words for words in count_words(view) if words not in said]
    what = {"hold": view.exercise, "switch": "Switch sides", "rest": "Rest", "ready": "Get ready"}
    headline = what.get(view.kind or "", view.exercise) or view.exercise or "..."
    if view.kind == "hold":
        headline = ": ".join(filter(None, (_joined(headline, view.side), view.phase)))
        following = _joined(view.next_exercise, view.next_side)
    else:
        following = _joined(view.exercise, view.side)
    elapsed_ms = view.elapsed_ms(now_utc_ms)
    left_ms = view.left_ms(now_utc_ms)
    strip = draw_strip(view.plan) if view.plan is not None and is_going(view) else None
    waits = _WAITS.get(view.waits_for or "", "") if view.state is State.WAITING else ""
    if view.is_open:
        waits = "press when you let go"
    if view.state is State.PAUSED:
        waits = "Paused"
    left, since_utc_ms = "" if left_ms is None else clock(left_ms + 999), ""
    if view.is_open and elapsed_ms is not None:
        left = clock(elapsed_ms)
        since_utc_ms = str(now_utc_ms - elapsed_ms) if view.state is State.PLAYING else ""
    begun_ms, whole_ms = (None, None) if strip is None else _of_plan(view, now_utc_ms)
    return {
        "exercise": headline,
        "can_extend": view.kind == "hold",
        "place": " · ".join([*place, *([waits] if waits else [])]),
        "from_utc_ms": _utc(view.step_started) if view.step_ends else "",
        "to_utc_ms": _utc(view.step_ends),
        "elapsed_pct": None
        if elapsed_ms is None or not view.step_duration_ms
        else round(100 * elapsed_ms / view.step_duration_ms),
        "since_utc_ms": since_utc_ms,
        "left": left,
        "next": f"Next: {following}" if following else "",
        "strip": strip,
        "strip_from_utc_ms": begun_ms or "",
        "strip_to_utc_ms": whole_ms or "",
    }


def _joined(exercise: str | None, side: str | None) -> str:
    return ", ".join(filter(None, (exercise, side)))


def _of_plan(view: SessionView, now_utc_ms: int) -> tuple[int | None, int | None]:
    """Return when the plan would have begun and would end, at its own pace from now on."""
    plan, elapsed_ms = view.plan, view.elapsed_ms(now_utc_ms)
    if plan is None or view.step is None or elapsed_ms is None or view.step_ends is None:
        return None, None
    before_ms = sum(plan.step(number).duration_ms for number in range(view.step))
    begun = now_utc_ms - elapsed_ms - before_ms
    return begun, begun + plan.duration_ms


def _utc(moment: Moment | None) -> int | str:
    return "" if moment is None else moment.utc_ms


# --- requests


async def _now(request: web.Request) -> web.Response:
    backend, live = backend_of(request), request.app[LIVE]
    visitor = visitor_of(request)
    await backend.look()
    rows = [
        {"id": one.id, **parts(backend, live.shown, one.id, visitor)}
        for one in backend.config.wearables
    ]
    return page(request, "now.html", "", "Now", rows=rows, is_first_run=is_first_run(request))


async def _events(request: web.Request) -> web.StreamResponse:
    backend, live = backend_of(request), request.app[LIVE]
    with live.stream(visitor_of(request)) as stream:
        if stream is None:
            raise web.HTTPServiceUnavailable(text="too many pages look on; close some")
        answer = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        for one in backend.config.wearables:
            live.tell_one(stream, one.id)
        if visitor_of(request).person is None:
            for message in request.app[JOBS].messages():
                stream.put("job", message)
        # A browser that has gone, or takes nothing, is no news.
        with suppress(ConnectionError, TimeoutError):
            await answer.prepare(request)
            await answer.write(b"retry: 1000\n\n")
            while not stream.is_over:
                waiting = await stream.next(real_s(ALIVE_S))
                async with asyncio.timeout(real_s(ALIVE_S)):
                    await answer.write(b": here\n\n" if waiting is None else waiting)
        return answer


async def _do(request: web.Request) -> web.Response:
    """Carry out a command for a wearable."""
    form = await request.post()
    operation, wearable = str(form.get("operation", "")), str(form.get("wearable", ""))
    if operation not in {verb.value for verb in Verb}:
        return told(request, f"there is no command {operation[:32]!r}", ok=False)
    asked: dict[str, Any] = {"wearable": wearable}
    if operation == Verb.START and form.get("routine"):
        asked["routine"] = str(form["routine"])
    answer = await call(request, operation, asked)
    return told(request, "" if answer.ok else answer.text, ok=answer.ok)


ROUTES = (web.get("/", _now), web.get("/events", _events), web.post("/do", _do))
