# SPDX-License-Identifier: MIT
"""What the modules of the pages share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from tenuto.errors import InputError
from tenuto.event_loops import aside

from .backend import Backend
from .guard import VISITOR, message, page_html
from .jobs import Jobs
from .live import Live

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenuto.links.scan import Found
    from tenuto.sessions.events import Entry

    from .access import Visitor
    from .measure import Going

T = TypeVar("T")

WORK_TIMEOUT_S = 30.0

BACKEND: web.AppKey[Backend] = web.AppKey("backend", Backend)
LIVE: web.AppKey[Live] = web.AppKey("live", Live)
JOBS: web.AppKey[Jobs] = web.AppKey("jobs", Jobs)
MEASURES: web.AppKey[dict[int, Going]] = web.AppKey("measures", dict)


def backend_of(request: web.Request) -> Backend:
    """Return the host behind the page."""
    return request.app[BACKEND]


def visitor_of(request: web.Request) -> Visitor:
    """Return who asks."""
    return request[VISITOR]


def page(
    request: web.Request,
    template: str,
    section: str,
    title: str,
    **values: object,
) -> web.Response:
    """Answer with a page.

    Args:
        section: The address of the page in the list of pages that is marked.
        values: For the template.
    """
    html = page_html(request, template, section, title, **values)
    answer = web.Response(text=html, content_type="text/html")
    answer.enable_compression()
    return answer


def told(request: web.Request, text: str, *, ok: bool = True, to: str = "") -> web.Response:
    """Answer a form with a sentence."""
    return message(request, 200 if ok else 422, text, ok=ok, to=to)


class Silent:
    """Somebody who asks by a form: they answer nothing, and are told at the end.

    Attributes:
        gone: Never set.
        lines: What was shown to them.
    """

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.lines: list[str] = []

    def show(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)

    async def ask(self, _text: str) -> str:
        """Answer nothing."""
        return ""

    async def tell(self, _items: Sequence[Entry] | Sequence[Found]) -> None:
        """Do nothing."""


async def call(request: web.Request, operation: str, asked: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Carry out an operation that tells nothing on the way; see `Backend.call`."""
    return await backend_of(request).call(operation, asked, Silent())


async def off_loop(work: Callable[[], T]) -> T:
    """Do something that reads files, or takes long, beside the event loop.

    Raises:
        InputError: It took too long, as files do on a network that is away.
    """
    try:
        return await aside(work, name="tenuto-page", timeout_s=WORK_TIMEOUT_S)
    except TimeoutError:
        raise InputError(
            f"this took longer than {WORK_TIMEOUT_S:.0f} s; are your files on a network that is"
            " away?"
        ) from None
