# SPDX-License-Identifier: MIT
"""The page Routines: what there is, the score of each, sharing, and an editor that is the score."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tenuto import files
from tenuto.errors import InputError, Mistake
from tenuto.report.qr_code import code_svg
from tenuto.routines.compile import describe
from tenuto.routines.exercise import SIDES

from . import routine_text
from .page import backend_of, off_loop, page, told, visitor_of
from .render import render
from .strip import draw_strip
from .wearables import only_owner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.routines.compile import CompiledPlan
    from tenuto.routines.exercise import Exercise
    from tenuto.routines.library import Library
    from tenuto.routines.routine import Routine

_SCALE_PX_PER_S = 4.0
_BAR_PX_MAX = 480.0
_NO_CHANGE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""What comes of JSON that is of any other form than the editor's."""
_NUMBERS = {
    "hold_s": float,
    "reps": int,
    "sets": int,
    "rest_s": float,
    "change_s": float,
    "s": float,
}


# --- what there is


async def _list(request: web.Request) -> web.Response:
    library = backend_of(request).library
    wanted = request.query.get("q", "").strip().lower()[:64]
    rows = await off_loop(lambda: _rows(library, wanted))
    is_owner = visitor_of(request).person is None
    return page(
        request,
        "routines.html",
        "routines",
        "Routines",
        rows=rows,
        wanted=wanted,
        is_owner=is_owner,
    )


def _rows(library: Library, wanted: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in library.names():
        try:
            found = library.routine(name)
            compiled = library.compile(found)
        except InputError as error:
            rows.append({"name": name, "problem": str(error)})
            continue
        words = " ".join(
            (name, found.shown_name, found.description, *(e.name for e in found.exercises))
        )
        muscles = dict.fromkeys(m for e in found.exercises for m in e.muscles)
        if all(word in f"{words} {' '.join(muscles)}".lower() for word in wanted.split()):
            rows.append(
                {
                    "name": name,
                    "title": found.title or name,
                    "description": found.description,
                    "duration_ms": compiled.plan.duration_ms,
                    "exercises": len(found.exercises),
                    "muscles": ", ".join(muscles),
                    "strip": draw_strip(compiled.plan),
                    "problem": "",
                }
            )
    return rows


async def _show(request: web.Request) -> web.Response:
    backend = backend_of(request)
    name = request.match_info["name"]
    found, compiled = await off_loop(lambda: _open(backend.library, name))
    return page(
        request,
        "routine.html",
        "routines",
        found.title or found.name,
        wearables=backend.config.wearables,
        **_shown(found, compiled),
    )


def _shown(found: Routine, compiled: CompiledPlan) -> dict[str, Any]:
    """Return what the pages show of a routine."""
    return {
        "routine": found,
        "compiled": compiled,
        "rows": [row for row in describe(compiled) if row.kind != "done"],
        "strip": draw_strip(compiled.plan),
    }


def _open(library: Library, name: str) -> tuple[Routine, CompiledPlan]:
    try:
        found = library.routine(name)
    except InputError as error:
        if name not in library.names():
            raise web.HTTPNotFound(text=str(error)) from None
        raise
    return found, library.compile(found)


# --- sharing


async def _share(request: web.Request) -> web.Response:
    library, name = backend_of(request).library, request.match_info["name"]
    found, _ = await off_loop(lambda: _open(library, name))
    word = await off_loop(lambda: library.share(found.name))
    try:
        code, problem = await off_loop(lambda: code_svg(word)), ""
    except InputError as error:
        code, problem = "", str(error)
    return page(
        request,
        "routine-share.html",
        "routines",
        f"Share {found.title or found.name}",
        name=found.name,
        word=word,
        code=code,
        problem=problem,
    )


async def _receive(request: web.Request) -> web.Response:
    """Show a routine that somebody shared; store it where that was asked after it was shown."""
    only_owner(request)
    form = await request.post()
    library, word = backend_of(request).library, str(form.get("word", ""))
    received = await off_loop(lambda: library.receive(word))
    if form.get("operation") == "store":
        await off_loop(lambda: library.store(received, replace=form.get("replace") == "yes"))
        raise web.HTTPSeeOther(f"routines/{received.routine.name}")
    return page(
        request,
        "routine-received.html",
        "routines",
        f"Add {received.routine.title or received.routine.name}?",
        received=received,
        word=word,
        **_shown(received.routine, received.compiled),
    )


# --- the editor


async def _edit(request: web.Request) -> web.Response:
    only_owner(request)
    library, name = backend_of(request).library, request.match_info["name"]
    if name not in library.names():
        raise web.HTTPNotFound(text=f"there is no routine {name[:64]!r}")
    text = await off_loop(lambda: files.read_text(library.path(name), files.TEXT_BYTES_MAX))
    said = f"Saved as {library.path(name)}." if "saved" in request.query else ""
    return await _editor(request, name, text, said)


async def _editor(request: web.Request, name: str, text: str, said: str = "") -> web.Response:
    library = backend_of(request).library
    score = await off_loop(lambda: _score(library, name, text))
    return page(
        request,
        "routine-edit.html",
        "routines",
        f"Edit {name}",
        name=name,
        text=text,
        score=score,
        told=said,
    )


def _score(library: Library, name: str, text: str) -> str:
    """Return the HTML of the score that a text makes, or of what is wrong with it."""
    mistakes: Sequence[Mistake] = ()
    found, compiled = None, None
    try:
        found = library.parse(name, text, f"{name}.toml")
        compiled = library.compile(found)
    except InputError as error:
        mistakes = error.mistakes or (Mistake(name, 0, str(error)),)
    longest_ms = max((_length_ms(e) for e in found.exercises), default=1) if found else 1
    return render(
        "routine-score.html",
        routine=found,
        compiled=compiled,
        strip=None if compiled is None else draw_strip(compiled.plan),
        mistakes=mistakes,
        px_per_ms=min(_SCALE_PX_PER_S, _BAR_PX_MAX / max(1, longest_ms) * 1000) / 1000,
        sides=SIDES,
        bars=_bars,
    )


def _bars(exercise: Exercise) -> list[tuple[str, str, int]]:
    """Return what of an exercise can be dragged: its key in the file, a name and a length."""
    if exercise.phases:
        return [
            (f"phases.{number}.s", f"{phase.name}, ", phase.duration_ms)
            for number, phase in enumerate(exercise.phases)
        ]
    hold = exercise.hold_ms
    return [("hold_s", "", hold)] if isinstance(hold, int) else []


def _length_ms(exercise: Exercise) -> int:
    if exercise.phases:
        return sum(phase.duration_ms for phase in exercise.phases)
    hold = exercise.hold_ms
    return max(hold) if isinstance(hold, tuple) else hold or exercise.hold_max_ms


async def _change(request: web.Request) -> web.Response:
    """Answer the editor's script: the text after a change, and the score that it makes."""
    only_owner(request)
    form, name = await request.post(), request.match_info["name"]
    text = str(form.get("text", "")).replace("\r\n", "\n")
    library = backend_of(request).library
    try:
        text = await off_loop(lambda: _changed(text, json.loads(str(form.get("change", "{}")))))
    except _NO_CHANGE:
        return told(request, "the change cannot be read", ok=False)
    score = await off_loop(lambda: _score(library, name, text))
    return web.json_response({"ok": True, "text": "", "toml": text, "html": score})


def _changed(text: str, change: dict[str, Any]) -> str:
    what = change.get("what")
    if what is None:
        return text
    number = int(change.get("exercise", -1))
    match what:
        case "set":
            path = [str(one) if not str(one).isdecimal() else int(one) for one in change["path"]]
            last = str(path[-1])
            if last not in (*routine_text.KEYS, "s") or len(path) > 3:
                raise ValueError
            value = change["value"]
            if value in ("", None):
                return routine_text.set_value(text, number, path, None)
            if last in _NUMBERS:
                value = _NUMBERS[last](value)
                value = int(value) if value == int(value) else round(value, 1)
            return routine_text.set_value(text, number, path, value)
        case "move":
            return routine_text.move(text, number, int(change["to"]))
        case "add":
            return routine_text.add(text, str(change["name"])[:64])
        case "remove":
            return routine_text.remove(text, number)
    raise ValueError


async def _save(request: web.Request) -> web.Response:
    """Check a routine and write it into the user's own folder."""
    only_owner(request)
    form = await request.post()
    library, name = backend_of(request).library, request.match_info["name"]
    text = str(form.get("text", "")).replace("\r\n", "\n")
    own_name = str(form.get("own-name", "")).strip() or name
    try:
        if own_name != name:
            text = routine_text.rename(text, own_name)
        path = await off_loop(lambda: library.save(own_name, text))
    except InputError as error:
        return await _editor(request, name, text, f"Not saved. {_first(error)}")
    said = f"Saved as {path}. It is played from the next start on."
    if own_name != name:
        raise web.HTTPSeeOther(f"../{own_name}/edit?saved")
    return await _editor(request, name, text, said)


def _first(error: InputError) -> str:
    if not error.mistakes:
        return str(error)
    one = error.mistakes[0]
    return f"Line {one.line}: {one.text}" if one.line else one.text


ROUTES = (
    web.get("/routines", _list),
    web.post("/routines", _receive),
    web.get("/routines/{name}", _show),
    web.get("/routines/{name}/share", _share),
    web.get("/routines/{name}/edit", _edit),
    web.post("/routines/{name}/change", _change),
    web.post("/routines/{name}/edit", _save),
)
