# SPDX-License-Identifier: MIT
"""What every request passes before a page sees it."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http import HttpProcessingError

from tenuto.errors import TenutoError
from tenuto.sessions.admission import Bucket
from tenuto.sessions.commands import Verb

from .access import is_same
from .render import render

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from aiohttp.typedefs import Handler
    from multidict import MultiMapping

    from .access import Access, Visitor

_log = logging.getLogger(__name__)

BODY_BYTES_MAX = 256 * 1024
CHANGES_BURST, CHANGES_PER_S = 30, 5.0
VISITOR: web.RequestKey[Visitor] = web.RequestKey("visitor", object)  # type: ignore[arg-type]
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
INGRESS_USER = "X-Remote-User-Id"
"""Written by the supervisor, which takes away what a browser says there."""
_COMMANDS = ("/do", "/class/do")
"""Where the form may be a stop, for a wearable or for a class."""
_WORD = re.compile("[a-z]+[ ,;]")
_TITLES: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "Not allowed",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.TOO_MANY_REQUESTS: "Too much at once",
}
_WORDS: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "there is no page at this address",
    HTTPStatus.METHOD_NOT_ALLOWED: "this address cannot be asked in this way",
}
_OPEN = ("/login", "/static/")
"""What is to be seen by those who are not known yet."""


class Guard:
    """Looks at the host name, the visitor, and for a change at where it comes from.

    Args:
        access: Knows the visitors.
        hosts: The names by which the page may be asked for; a foreign name that leads here would
            let another page read this one (DNS rebinding).
        now_s: Returns the present in s since 1970.
        ingress: The address of Home Assistant's supervisor, which lets its own users in; nobody
            else is answered then. None where it does not.
    """

    def __init__(
        self,
        access: Access,
        hosts: Collection[str],
        now_s: Callable[[], float],
        ingress: str | None = None,
    ) -> None:
        self._access = access
        self._hosts = hosts
        self._now_s = now_s
        self._ingress = ingress
        self._changes = Bucket(CHANGES_BURST, CHANGES_PER_S)

    @web.middleware
    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or answer it."""
        try:
            refusal = await self._refusal(request)
            response = refusal if refusal is not None else await handler(request)
        except web.HTTPException as error:
            if error.status < HTTPStatus.BAD_REQUEST:
                raise
            text = error.text or error.reason
            if text == f"{error.status}: {error.reason}":  # as the library has it
                text = _WORDS.get(error.status, error.reason)
            response = message(request, error.status, text, ok=False)
        except TenutoError as error:
            response = message(request, HTTPStatus.UNPROCESSABLE_ENTITY, str(error), ok=False)
        except TimeoutError:
            _log.warning("page=%s was not made in time", request.path, exc_info=True)
            text = "this took too long; try it once more"
            response = message(request, HTTPStatus.GATEWAY_TIMEOUT, text, ok=False)
        except Exception:
            if request.writer.output_size:  # half of the answer is on its way
                raise
            _log.exception("page=%s a fault of Tenuto's own", request.path)
            text = "this failed inside Tenuto; its log says where"
            response = message(request, HTTPStatus.INTERNAL_SERVER_ERROR, text, ok=False)
        return response

    async def _refusal(self, request: web.Request) -> web.StreamResponse | None:
        if self._ingress is not None and request.remote != self._ingress:
            text = "this page is only to be had by way of Home Assistant"
            return message(request, HTTPStatus.FORBIDDEN, text, ok=False)
        name = _name(request.host)
        if self._ingress is None and name not in self._hosts:
            text = (
                f"this page is not asked for by the name {name[:64]!r}; "
                "name it in [web] hosts if it is yours"
            )
            return message(request, HTTPStatus.MISDIRECTED_REQUEST, text, ok=False)
        is_change = request.method not in ("GET", "HEAD")
        if is_change and not _is_from_here(request):
            return message(request, HTTPStatus.FORBIDDEN, "another page sent this", ok=False)
        is_open = request.path.startswith(_OPEN)
        visitor = None if is_open else self._visitor(request)
        if visitor is None and not is_open:
            return login_page(request, "")
        if is_change:
            await _read_form(request)
        if visitor is None:
            return None
        request[VISITOR] = visitor
        return await self._refuse_change(request, visitor) if is_change else None

    def _visitor(self, request: web.Request) -> Visitor | None:
        if self._ingress is not None:
            return self._access.ingress_visitor(request.headers.get(INGRESS_USER, ""))
        cookie = request.cookies.get(self._access.cookie_name, "")
        return self._access.visitor(cookie, self._now_s())

    async def _refuse_change(
        self, request: web.Request, visitor: Visitor
    ) -> web.StreamResponse | None:
        if not self._changes.take(self._now_s()) and not await _is_stop(request):
            text = "too much at once; try again in some seconds"
            return message(request, HTTPStatus.TOO_MANY_REQUESTS, text, ok=False)
        key = request.headers.get("X-Tenuto-Key") or str((await request.post()).get("key", ""))
        if not is_same(key, visitor.key):
            text = "this form is too old; load the page again"
            return message(request, HTTPStatus.FORBIDDEN, text, ok=False)
        return None


async def _read_form(request: web.Request) -> None:
    """Read the form that a request brings, which the pages get from `request.post`.

    Raises:
        web.HTTPBadRequest: It is none.
    """
    try:
        await request.post()
    except (ValueError, LookupError, AssertionError, HttpProcessingError):
        raise web.HTTPBadRequest(text="this form cannot be read") from None


async def _is_stop(request: web.Request) -> bool:
    """Whether this stops what plays, which is never too much."""
    return request.path in _COMMANDS and (await request.post()).get("operation") == Verb.STOP


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Add what tells browsers to be careful."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def root_of(request: web.BaseRequest) -> str:
    """Return the way from a page to the first one, so that all links work behind any prefix."""
    return "../" * (request.path.count("/") - 1) or "./"


def message(
    request: web.BaseRequest, status: int, text: str, *, ok: bool, to: str = ""
) -> web.Response:
    """Answer with a sentence: as JSON for the scripts, as a page for a browser without them.

    Args:
        to: Where to go on, relative to the first page.
    """
    text = _sentence(text)
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response({"ok": ok, "text": text, "to": to}, status=status)
    title = _TITLES.get(status, "Done" if ok else "Not done")
    html = page_html(request, "message.html", None, title, text=text, ok=ok, to=to)
    return web.Response(text=html, content_type="text/html", status=status)


def login_page(request: web.BaseRequest, problem: str, status: int = 401) -> web.Response:
    """Answer somebody who is not known."""
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response({"ok": False, "text": "not known here", "to": ""}, status=status)
    html = page_html(request, "login.html", None, "Tenuto", problem=problem)
    return web.Response(text=html, content_type="text/html", status=status)


def page_html(
    request: web.BaseRequest, template: str, section: str | None, title: str, **values: object
) -> str:
    """Return a page; somebody who is not known gets it without the list of pages.

    Args:
        section: The address of the page in the list of pages that is marked.
        values: For the template.
    """
    visitor = request.get(VISITOR)
    return render(
        template,
        root=root_of(request),
        here=request.path.removeprefix("/"),
        section=section,
        title=title,
        key="" if visitor is None else visitor.key,
        **{"told": "", **values},
    )


def _sentence(text: str) -> str:
    """Return a message as a sentence; what begins with a file or an address stays as it is."""
    if not text:
        return ""
    end = "" if text[-1] in ".!?:" else "."
    start = text[0].upper() if _WORD.match(text) else text[0]
    return f"{start}{text[1:]}{end}"


def _name(host: str) -> str:
    """Return a host without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()


def _is_from_here(request: web.Request) -> bool:
    headers: MultiMapping[str] = request.headers
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.host
