# SPDX-License-Identifier: MIT
"""The page Learn: the cues, felt on a wearable or on the phone that shows the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from tenuto.cues.formats import vibrate_ms
from tenuto.cues.results import CONDITIONS
from tenuto.errors import InputError
from tenuto.routines.feel import fit
from tenuto.wearables import registry
from tenuto_core.vocab import CUES

from .measure import PER_CUE
from .page import backend_of, call, off_loop, page, told, visitor_of

if TYPE_CHECKING:
    from tenuto.config import Config
    from tenuto.routines.haptics import Pattern
    from tenuto.routines.library import Library


async def _list(request: web.Request) -> web.Response:
    backend = backend_of(request)
    wearables = backend.config.wearables
    asked = request.query.get("wearable", "")
    chosen = next((one.id for one in wearables if one.id == asked), "")
    chosen = chosen or (wearables[0].id if wearables else "")
    rows = await off_loop(lambda: _rows(backend.library, backend.config, chosen))
    return page(
        request,
        "learn.html",
        "learn",
        "Learn the cues",
        rows=rows,
        wearables=wearables,
        chosen=chosen,
        own=bool(chosen)
        and visitor_of(request).person in (None, backend.config.wearable(chosen).person),
        per_cue=PER_CUE,
        conditions=CONDITIONS,
        is_here=bool(backend.wearable(chosen).get("connected")) if chosen else False,
    )


def _rows(library: Library, config: Config, chosen: str) -> list[dict[str, Any]]:
    """Return what the page shows of each cue; patterns are those of the chosen wearable."""
    vocabulary = library.vocabulary()
    feel = registry.feel(config.wearable(chosen)) if chosen else None
    fitted = vocabulary if feel is None else fit(vocabulary, feel)
    return [
        {
            "cue": cue,
            "feels_like": vocabulary.feels_like[number],
            "bars": _bars(fitted.patterns[number]),
            "width_ms": max(1, fitted.length_ms(number)),
            "vibrate": ",".join(map(str, vibrate_ms(vocabulary.patterns[number]))),
        }
        for number, cue in enumerate(CUES)
    ]


def _bars(pattern: Pattern) -> list[tuple[int, int, int]]:
    """Return the pulses as (from ms, for ms, strength in %)."""
    bars, now_ms = [], 0
    for strength_pct, on_ms, off_ms in pattern:
        bars.append((now_ms, on_ms, strength_pct))
        now_ms += on_ms + off_ms
    return bars


async def _play(request: web.Request) -> web.Response:
    form = await request.post()
    cue, wearable = str(form.get("cue", "")), str(form.get("wearable", ""))
    if not backend_of(request).wearable(wearable).get("connected"):
        raise InputError(f"{wearable[:64] or 'no wearable'} is not in reach")
    ended = await call(request, "play_cue", {"wearable": wearable, "cue": cue})
    is_whole = ended.reason == "finished"
    return told(request, "" if is_whole else f"It did not end: {ended.reason}.", ok=is_whole)


ROUTES = (web.get("/learn", _list), web.post("/learn/play", _play))
