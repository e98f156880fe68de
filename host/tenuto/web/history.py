# SPDX-License-Identifier: MIT
"""The page History: the sessions, and the reports on each of them, on weeks and on months."""

from __future__ import annotations

import asyncio
import io
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tenuto.history.adherence import read_day
from tenuto.history.csv_table import write_table
from tenuto.history.fit import fit_file
from tenuto.history.period import NAMES as PERIODS, Period, PeriodAccount, period_account
from tenuto.history.timeline import account
from tenuto.report import period_report, session_report
from tenuto.report.named import titled

from . import prescribed
from .page import backend_of, off_loop, page, told, visitor_of
from .wearables import only_owner

if TYPE_CHECKING:
    from tenuto.history import SessionRow, StoredSession
    from tenuto.report import Report

    from .access import Visitor

ROWS_A_PAGE = 30
_NUMBER = re.compile("[0-9]{1,12}")


def may_see(visitor: Visitor, row: SessionRow) -> bool:
    """Whether a session is for a visitor: all are for those who see all, else their own."""
    return visitor.person in (None, row.person)


# --- the list


async def _list(request: web.Request) -> web.Response:
    backend, visitor = backend_of(request), visitor_of(request)
    query = {name: request.query.get(name, "")[:64] for name in ("person", "routine", "before")}
    # One who was let in as a person asks for nobody else's.
    person = visitor.person or query["person"] or None
    rows: list[SessionRow] = []
    is_owner, today = visitor.person is None, _today()
    if is_owner:
        await backend.look()  # for the form
    async with backend.shown() as history:
        shown = await prescribed.values(history, backend.config, person, today, is_owner=is_owner)
        if query["person"] in ("", person):
            rows = await history.sittings(
                ROWS_A_PAGE + 1,
                before=int(query["before"]) if _NUMBER.fullmatch(query["before"]) else None,
                person=person,
                routine=query["routine"],
            )
    return page(
        request,
        "history.html",
        "history",
        "History",
        rows=[_told(row, backend.config.person_title(row.person)) for row in rows[:ROWS_A_PAGE]],
        last=rows[ROWS_A_PAGE - 1].id if len(rows) > ROWS_A_PAGE else None,
        query=query,
        people=[one for one in backend.config.people if visitor.person in (None, one.id)],
        today=today.isoformat(),
        is_owner=is_owner,
        routines=backend.routine_labels.items(),
        **shown,
    )


def _told(row: SessionRow, person: str | None) -> dict[str, Any]:
    began = datetime.fromtimestamp(row.started_utc_ms / 1000, UTC).astimezone()
    return {
        "id": row.id,
        "began": f"{began:%a} {began.day} {began:%b %Y, %H:%M}",
        "routine": row.routine or "?",
        "person": person or "",
        "reason": row.reason or "not known",
        "is_simulated": row.is_simulated,
    }


# --- reports


async def _session(request: web.Request) -> web.Response:
    backend = backend_of(request)
    stored = await _stored(request)
    row = stored.row
    who = backend.config.person(row.person)
    began = datetime.fromtimestamp(row.started_utc_ms / 1000, UTC).astimezone()
    zones = None if who is None else who.zones(began.year)
    known = backend.library.exercises

    def make() -> Report:
        return session_report(account(titled(backend.config, stored), known()), zones=zones)

    return _report(
        request, await off_loop(make), number=row.id, day=began.date(), person=row.person
    )


async def _period(request: web.Request) -> web.Response:
    backend, visitor = backend_of(request), visitor_of(request)
    name = request.match_info["name"]
    person = visitor.person or request.query.get("person") or None
    try:
        day = read_day(request.query.get("date") or _today().isoformat())
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    period = Period.of(name, day)

    async def tell() -> PeriodAccount:
        async with backend.shown(aside=True) as history:
            known = backend.library.exercises()
            return await period_account(history, period, _today(), person, known)

    def make() -> Report:
        # Sessions are told one by one, which would hold up what plays on the daemon's loop.
        return period_report(asyncio.run(tell()), person=backend.config.person_title(person))

    made = await off_loop(make)
    following = period.last + timedelta(days=1)
    return _report(
        request,
        made,
        day=day,
        person=person,
        period=name,
        before=period.before.first.isoformat(),
        after=following.isoformat() if following <= _today() else "",
    )


def _report(request: web.Request, report: Report, **values: Any) -> web.Response:  # noqa: ANN401
    return page(
        request,
        report.template,
        "history",
        report.title,
        layout="report.html",
        session_address="history/",
        is_owner=visitor_of(request).person is None,
        **{"number": None, "period": "", "before": "", "after": "", **values, **report.values},
    )


# --- taking it elsewhere, and deleting it


async def _export(request: web.Request) -> web.Response:
    stored = await _stored(request)
    form = request.match_info["form"]
    told_in_full = account(stored)
    if form == "fit":
        body = await off_loop(lambda: fit_file(told_in_full))
        kind = "application/octet-stream"
    else:
        file = io.StringIO(newline="")
        write_table([told_in_full], file)
        body, kind = file.getvalue().encode(), "text/csv"
    name = f"tenuto-session-{stored.row.id}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=body, content_type=kind, headers=headers)


async def _delete(request: web.Request) -> web.Response:
    only_owner(request)
    sitting, store = await _stored(request), backend_of(request).store
    # Its numbers in the history of this host may be other ones.
    here = [await store.find(part.row.key) for part in (sitting, *sitting.parts)]
    if None in here:
        raise web.HTTPNotFound(text="this host has no such session: delete it where it was played")
    await store.delete(*(part.row.id for part in here if part is not None))
    return told(request, f"Session {sitting.row.id} is deleted.", to="history")


async def _stored(request: web.Request) -> StoredSession:
    number = request.match_info["number"]
    async with backend_of(request).shown() as history:
        found = await history.sitting(int(number))
    if found is None or not may_see(visitor_of(request), found.row):
        raise web.HTTPNotFound(text=f"there is no session {number}")
    return found


def _today() -> date:
    return datetime.now(UTC).astimezone().date()


ROUTES = (
    web.get("/history", _list),
    web.get("/history/{name:" + "|".join(PERIODS) + "}", _period),
    web.get(f"/history/{{number:{_NUMBER.pattern}}}", _session),
    web.get(f"/history/{{number:{_NUMBER.pattern}}}/session.{{form:csv|fit}}", _export),
    web.post(f"/history/{{number:{_NUMBER.pattern}}}/delete", _delete),
)
