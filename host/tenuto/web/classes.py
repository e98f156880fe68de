# SPDX-License-Identifier: MIT
"""The page Class: several wearables that play one routine in unison.

Heart rates are those of people who share theirs, whoever looks: a class is watched by others.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tenuto.sessions.commands import ClassVerb
from tenuto.terminal import class_words

from .page import backend_of, call, page, told, visitor_of
from .render import render

if TYPE_CHECKING:
    from .backend import Backend

IN_S = "10"
_GOING = ("ready", "playing", "paused")


async def _values(request: web.Request) -> dict[str, Any]:
    """Return what the page shows of the class at the moment."""
    backend = backend_of(request)
    status = asdict(await call(request, "class_status", {}))
    return {
        "state": status["state"],
        "is_going": status["state"] in _GOING,
        "headline": class_words.headline(status),
        "rows": [_row(backend, row, status["now_utc_ms"]) for row in status["members"]],
    }


def _row(backend: Backend, row: dict[str, Any], now_utc_ms: int) -> dict[str, Any]:
    known = {one.id: one for one in backend.config.wearables}
    wearable, person = known.get(row["id"]), backend.config.person(row["person"])
    is_together = row["in_step"] or row["standing"] in ("ready", "ended")
    return {
        "id": row["id"],
        "title": row["id"] if wearable is None else wearable.title,
        "person": "" if person is None else person.name or person.id,
        "standing": row["standing"],
        "words": class_words.member(row, now_utc_ms),
        "is_together": is_together,
        "can_join": not is_together and row["standing"] not in ("coming", "refused"),
        "bpm": row["bpm"],
    }


async def _class(request: web.Request) -> web.Response:
    backend = backend_of(request)
    await backend.look()
    wearables = [
        (one.id, one.title, bool(backend.wearable(one.id).get("connected")))
        for one in backend.config.wearables
    ]
    shown = await _values(request)
    return page(
        request,
        "class.html",
        "class",
        "Class",
        wearables=wearables,
        routines=backend.class_routine_labels.items(),
        routine=backend.class_routine if wearables else "",
        in_s=IN_S,
        **shown,
    )


async def _now(request: web.Request) -> web.Response:
    """Answer with the part of the page that changes."""
    html = render("class-now.html", key=visitor_of(request).key, **await _values(request))
    answer = web.Response(text=html, content_type="text/html")
    answer.enable_compression()
    return answer


async def _do(request: web.Request) -> web.Response:
    """Carry out a command for the class."""
    form = await request.post()
    verb = str(form.get("operation", ""))
    if verb not in {one.value for one in ClassVerb}:
        return told(request, f"there is no command {verb[:32]!r}", ok=False)
    asked: dict[str, Any] = {}
    names = [str(one) for one in form.getall("wearable", [])]
    if verb == ClassVerb.START and not names:
        return told(request, "Tick who takes part.", ok=False)
    if names:
        asked["wearables"] = ",".join(names)
    if verb == ClassVerb.START:
        asked["routine"] = str(form.get("routine", "")) or None
        asked["in_s"] = _number(str(form.get("in_s", IN_S)))
    answer = await call(request, f"class_{verb}", asked)
    return told(request, answer.text, ok=answer.ok, to="class")


def _number(text: str) -> float | str:
    """Return a number that is one; what is none is refused with the others' words."""
    try:
        return float(text)
    except ValueError:
        return text


ROUTES = (web.get("/class", _class), web.get("/class/now", _now), web.post("/class/do", _do))
