# SPDX-License-Identifier: MIT
"""The page's server."""

from __future__ import annotations

import asyncio
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Self

from aiohttp import web

from tenuto.event_loops import real_s

from . import classes, history, learn, measure, now, prescribed, routines, start, wearables
from .access import COOKIE_VALID_S
from .guard import BODY_BYTES_MAX, Guard, add_headers, login_page, message
from .jobs import Jobs
from .page import BACKEND, JOBS, LIVE, MEASURES
from .render import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from .access import Access
    from .backend import Backend
    from .listening import Listening
    from .live import Live


PAGES = (now, routines, history, prescribed, wearables, start, learn, measure, classes)
"""The modules of the pages; each has `ROUTES`."""
CLOSE_TIMEOUT_S = 2.0
_STATIC_AGE_S = 3600
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class PageServer:
    """Serves the page; an asynchronous context manager.

    Args:
        backend: The host behind it.
        listening: Where it is asked.
        access: Knows the visitors.
        now_s: Returns the present of the wall clock, in s since 1970.

    Attributes:
        live: The sink that has to get what happens.
    """

    def __init__(
        self, backend: Backend, listening: Listening, access: Access, now_s: Callable[[], float]
    ) -> None:
        self.live: Live = now.make_live(backend)
        self._listening = listening
        self._access = access
        self._now_s = now_s
        guard = Guard(access, listening.hosts, now_s, backend.config.web.ingress)
        self._app = web.Application(middlewares=[guard.__call__], client_max_size=BODY_BYTES_MAX)
        self._jobs = Jobs(
            lambda job: wearables.job_message(job, backend.config),
            lambda message: self.live.tell_owners("job", message),
        )
        self._app[MEASURES] = {}
        self._app[BACKEND], self._app[LIVE], self._app[JOBS] = backend, self.live, self._jobs
        self._app.on_response_prepare.append(add_headers)
        self._app.add_routes(
            [
                web.get("/static/{name}", _static),
                web.get("/login", self._login),
                web.post("/login", self._login),
                *(route for page in PAGES for route in page.ROUTES),
            ]
        )
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=CLOSE_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        """Begin to serve."""
        await self._runner.setup()
        listening = self._listening
        await web.SockSite(self._runner, listening.socket, ssl_context=listening.tls).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the streams and the connections, within a time limit."""
        self.live.end()
        await self._jobs.close()
        async with asyncio.timeout(real_s(2 * CLOSE_TIMEOUT_S)):
            await self._runner.cleanup()

    async def _login(self, request: web.Request) -> web.StreamResponse:
        is_form = request.method == "POST"
        code = (await request.post()).get("code") if is_form else request.query.get("code")
        if not code:
            return login_page(request, "")
        cookie = self._access.take_code(str(code), self._now_s())
        if cookie is None:
            return login_page(request, "This code has expired, was used already, or is wrong.", 403)
        answer = message(request, 303, "Welcome.", ok=True)
        answer.headers["Location"] = "./"
        answer.set_cookie(
            self._access.cookie_name,
            cookie,
            max_age=COOKIE_VALID_S,
            httponly=True,
            samesite="Lax",
            secure=self._listening.address.startswith("https"),
        )
        return answer


async def _static(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    found = _assets().get(name)
    if found is None:
        raise web.HTTPNotFound(text="there is no such file")
    body, tag = found
    headers = {"ETag": tag, "Cache-Control": f"max-age={_STATIC_AGE_S}, must-revalidate"}
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    answer = web.Response(body=body, content_type=_TYPES[name.rpartition(".")[2]], headers=headers)
    answer.enable_compression()
    return answer


def _assets() -> dict[str, tuple[bytes, str]]:
    if not _ASSETS:
        found = {
            one.name: one.read_bytes() for one in files("tenuto.web").joinpath("static").iterdir()
        }
        found["app.css"] = render("app.css").encode()
        for name, body in found.items():
            _ASSETS[name] = body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return _ASSETS


_ASSETS: dict[str, tuple[bytes, str]] = {}
