# SPDX-License-Identifier: MIT
"""The page Start: from nothing to the first felt cue, simulated at first, then on one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from tenuto.cues.formats import vibrate_ms
from tenuto.links.registry import LINKS
from tenuto.wearables import registry
from tenuto_core import vocab

from .page import backend_of, call, off_loop, page, told
from .wearables import is_own, only_owner

if TYPE_CHECKING:
    from tenuto.config import Wearable

    from .backend import Backend

FIRST_CUE = vocab.HOLD_START


async def _start(request: web.Request) -> web.Response:
    only_owner(request)
    backend = backend_of(request)
    rows = [_row(backend, one) for one in backend.config.wearables]
    vocabulary = await off_loop(backend.library.vocabulary)
    return page(
        request,
        "start.html",
        "wearables",
        "Get started",
        simulated=[row for row in rows if not row["is_own"]],
        own=[row for row in rows if row["is_own"]],
        feels_like=vocabulary.feels_like[FIRST_CUE],
        vibrate=",".join(map(str, vibrate_ms(vocabulary.patterns[FIRST_CUE]))),
    )


def _row(backend: Backend, wearable: Wearable) -> dict[str, Any]:
    state = backend.wearable(wearable.id)
    return {
        "wearable": wearable,
        "model": registry.of(wearable),
        "is_own": is_own(wearable),
        "is_by_air": LINKS[wearable.link].is_by_air,
        "is_here": bool(state.get("connected")),
        "problem": state.get("problem") or "",
    }


async def _feel(request: web.Request) -> web.Response:
    """Play the first cue."""
    only_owner(request)
    wearable = str((await request.post()).get("wearable", ""))
    ended = await call(
        request, "play_cue", {"wearable": wearable, "cue": vocab.cue_name(FIRST_CUE)}
    )
    if ended.reason != "finished":
        return told(request, f"The cue did not end: {ended.reason}.", ok=False)
    return told(request, f"Played to its end on {wearable}.")


ROUTES = (web.get("/start", _start), web.post("/start/feel", _feel))
