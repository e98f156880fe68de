# SPDX-License-Identifier: MIT
"""The page Wearables: what there is, what is in reach, and the configuration behind it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tenuto import config as configuration, files
from tenuto.errors import InputError
from tenuto.links.registry import LINKS
from tenuto.routines.adjust import HOLD_PCT, STRENGTH_PCT
from tenuto.wearables import registry
from tenuto.wearables.pairing import Forgotten, Paired

from .config_text import add_table, remove_table
from .page import JOBS, LIVE, Silent, backend_of, call, off_loop, page, told, visitor_of
from .render import render

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from tenuto.config import Config, Wearable
    from tenuto.errors import Mistake

    from .backend import Backend
    from .jobs import Job

SCAN_S = 10
_SETTINGS: Mapping[str, Callable[[str], Any]] = {
    "routine": str,
    "strength": int,
    "hold_time": int,
    "halfway": lambda text: text == "on",
    "countdown": lambda text: text == "on",
}


def only_owner(request: web.Request) -> None:
    """Refuse somebody who was let in as one person.

    Raises:
        web.HTTPForbidden: This is for those who may see all.
    """
    if visitor_of(request).person is not None:
        raise web.HTTPForbidden(
            text="only the owner of this Tenuto may do that; on its computer, `tenuto web` opens"
            " the page for the owner"
        )


def is_own(wearable: Wearable) -> bool:
    """Whether a wearable is a real one."""
    return not LINKS[wearable.link].is_simulated


def is_first_run(request: web.Request) -> bool:
    """Whether the visitor may set up a wearable, and there is no real one yet."""
    wearables = backend_of(request).config.wearables
    return visitor_of(request).person is None and not any(map(is_own, wearables))


# --- what there is


async def _list(request: web.Request) -> web.Response:
    backend = backend_of(request)
    await backend.look()
    rows = []
    for wearable in backend.config.wearables:
        model = registry.of(wearable)
        person = backend.config.person(wearable.person)
        rows.append(
            {
                "wearable": wearable,
                "model": model,
                "is_own": is_own(wearable),
                "person": "" if person is None else person.name or person.id,
                "state": backend.wearable(wearable.id),
                "liked": backend.preferences(wearable.id),
                "routine": backend.preferences(wearable.id).routine
                or backend.config.routine_for(wearable),
            }
        )
    return page(
        request,
        "wearables.html",
        "wearables",
        "Wearables",
        rows=rows,
        routines=backend.routine_labels,
        strength_range=STRENGTH_PCT,
        hold_range=HOLD_PCT,
        is_owner=visitor_of(request).person is None,
        is_first_run=is_first_run(request),
        config_path=str(_path(backend.config)),
        broker=" or ".join(map(str, backend.config.mqtt.addresses)) or backend.config.mqtt.url,
    )


async def _prefer(request: web.Request) -> web.Response:
    form = await request.post()
    wearable = str(form.get("wearable", ""))
    for name, read in _SETTINGS.items():
        if name not in form and not form.get(f"{name}-asked"):
            continue
        try:
            value = read(str(form.get(name, "")))
        except ValueError:
            return told(request, f"{name} must be a number", ok=False)
        answer = await call(request, "prefer", {"wearable": wearable, name: value})
        if not answer.ok:
            return told(request, answer.text, ok=False)
    return told(request, "Saved. It holds from the next start on.")


# --- what takes longer


async def _begin(request: web.Request) -> web.Response:
    only_owner(request)
    form = await request.post()
    what, address = str(form.get("operation", "")), str(form.get("address", ""))
    backend = backend_of(request)
    works: dict[str, tuple[str, Callable[[Job], Awaitable[Any]]]] = {
        "scan": (
            f"Searching for wearables, {SCAN_S} s",
            lambda job: backend.call("scan", {"seconds": SCAN_S}, job),
        ),
        "pair": (
            f"Pairing with {address}",
            lambda job: backend.call("pair", {"address": address}, job),
        ),
        "forget": (
            f"Forgetting {address}",
            lambda job: backend.call("forget", {"address": address}, job),
        ),
        "doctor": ("Checking this computer", lambda job: _examine(backend, job)),
    }
    if what not in works:
        return told(request, f"there is nothing called {what[:32]!r}", ok=False)
    job = request.app[JOBS].begin(*works[what])
    back = "?back=start" if form.get("back") == "start" else ""
    return told(request, "", to=f"jobs/{job.number}{back}")


async def _examine(backend: Backend, job: Job) -> None:
    from tenuto.doctor import examine  # noqa: PLC0415 - few need it

    marks = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}
    async for finding in examine(backend.examined()):
        job.show(f"{marks[finding.level.value]}: {finding.check}: {finding.text}")
        if finding.advice is not None:
            job.show(f"what to do: {finding.advice}")


def render_job(job: Job, config: Config) -> str:
    """Return the HTML of a job as it is now."""
    known = {(one.address or "").upper(): one.id for one in config.wearables}
    rows = [
        (found, model, known.get(found.address.upper()))
        for found, model in registry.ordered(job.found.values(), everything=False)
    ]
    return render("job-lines.html", job=job, rows=rows, result=_result_words(job.result))


def job_message(job: Job, config: Config) -> dict[str, Any]:
    """Return what a browser is sent of a job."""
    return {
        "number": job.number,
        "html": render_job(job, config),
        "asks": bool(job.question),
        "over": job.is_over,
    }


def _result_words(result: object) -> str:
    match result:
        case Paired(is_tenuto=False):
            return "Paired. It does not speak Tenuto's protocol, so it has no key of its own."
        case Paired():
            return "Paired: it and this computer trust each other."
        case Forgotten(bond=False, key=False):
            return "There was nothing to forget."
        case Forgotten():
            return "Forgotten on this computer. The wearable forgets by its own menu."
    return ""


async def _job(request: web.Request) -> web.Response:
    only_owner(request)
    job = _job_of(request)
    html = render_job(job, backend_of(request).config)
    is_start = request.query.get("back") == "start"
    return page(request, "job.html", "wearables", job.title, job=job, html=html, is_start=is_start)


def _job_of(request: web.Request) -> Job:
    number = request.match_info["number"]
    job = request.app[JOBS].get(int(number)) if number.isdecimal() and len(number) < 9 else None
    if job is None:
        raise web.HTTPNotFound(text="this has ended, and what it said is gone; start it again")
    return job


async def _answer(request: web.Request) -> web.Response:
    only_owner(request)
    job, form = _job_of(request), await request.post()
    if form.get("operation") == "end":
        await job.end()
        return told(request, "Ended.")
    is_taken = job.answer(str(form.get("answer", "")))
    return told(request, "" if is_taken else "nothing is asked any more", ok=is_taken)


# --- the configuration


def _path(config: Config) -> Path:
    return (config.file or config.own.config / "tenuto.toml").absolute()


async def _text(config: Config) -> str:
    """Return the text of the configuration; empty where the built-in one holds.

    Raises:
        InputError: It cannot be read.
    """
    path = _path(config)
    try:
        return await off_loop(lambda: files.read_text(path, files.TEXT_BYTES_MAX))
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


async def _save(request: web.Request, text: str) -> list[str]:
    """Check a configuration, write it and have it read.

    Returns:
        What the daemon says about it.

    Raises:
        InputError: With all that is wrong; then nothing was written.
    """
    backend = backend_of(request)
    path = _path(backend.config)
    configuration.parse(text, str(path))
    loop = asyncio.get_running_loop()

    def write() -> None:
        with contextlib.suppress(FileNotFoundError):
            files.write_private(path.with_name(f"{path.name}.bak"), files.read(path))
        files.write_private(path, text)

    try:
        await loop.run_in_executor(None, write)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    said = Silent()
    await backend.call("reload", {}, said)
    for wearable in backend.config.wearables:
        request.app[LIVE].tell(wearable.id)
    return said.lines


async def _settings(request: web.Request) -> web.Response:
    only_owner(request)
    return _settings_page(request, await _text(backend_of(request).config), ())


def _settings_page(
    request: web.Request, text: str, mistakes: tuple[Mistake, ...] | tuple[()], said: str = ""
) -> web.Response:
    config = backend_of(request).config
    return page(
        request,
        "settings.html",
        "wearables",
        "Configuration",
        text=text,
        path=str(_path(config)),
        mistakes=mistakes,
        told=said,
    )


async def _save_settings(request: web.Request) -> web.Response:
    only_owner(request)
    form = await request.post()
    text = str(form.get("text", "")).replace("\r\n", "\n")
    try:
        said = await _save(request, text)
    except InputError as error:
        return _settings_page(request, text, error.mistakes, "Not saved: there are mistakes.")
    return _settings_page(request, text, (), "Saved. " + "; ".join(said) + ".")


async def _new(request: web.Request) -> web.Response:
    """Ask how a device that was heard is to be called."""
    only_owner(request)
    config = backend_of(request).config
    name = request.query.get("name", "")[:200]
    return page(
        request,
        "new-wearable.html",
        "wearables",
        "A new wearable",
        model=registry.find(request.query.get("model", "")),
        address=request.query.get("address", "")[:64],
        name=name,
        suggested=suggest_id(name, {one.id for one in config.wearables}),
    )


async def _add(request: web.Request) -> web.Response:
    """Add a wearable that was heard to the configuration."""
    only_owner(request)
    form = await request.post()
    backend = backend_of(request)
    address, model_id = str(form.get("address", "")), str(form.get("model", ""))
    model = registry.find(model_id)
    values: dict[str, Any] = {
        "id": str(form.get("id", "")),
        "name": str(form.get("name", "")) or None,
        "model": None if model.id == registry.DEFAULT else model.id,
        "link": next(iter(model.links), "ble"),
        "address": address,
    }
    to = "start" if is_first_run(request) else "wearables"
    text = add_table(await _text(backend.config), "wearable", values)
    said = await _save(request, text)
    return told(request, "; ".join(said), to=to)


async def _remove(request: web.Request) -> web.Response:
    only_owner(request)
    form = await request.post()
    text = remove_table(
        await _text(backend_of(request).config), "wearable", str(form.get("wearable"))
    )
    return told(request, "; ".join(await _save(request, text)), to="wearables")


def suggest_id(name: str, taken: set[str]) -> str:
    """Return an id for a device of this name."""
    letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    word = letters.strip("-")[:24] or "wearable"
    numbered = (f"{word}-{number}" for number in range(2, len(taken) + 3))
    return next(one for one in (word, *numbered) if one not in taken)


ROUTES = (
    web.get("/wearables", _list),
    web.post("/wearables/prefer", _prefer),
    web.get("/wearables/new", _new),
    web.post("/wearables/add", _add),
    web.post("/wearables/remove", _remove),
    web.post("/jobs", _begin),
    web.get("/jobs/{number}", _job),
    web.post("/jobs/{number}", _answer),
    web.get("/settings", _settings),
    web.post("/settings", _save_settings),
)
