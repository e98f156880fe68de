# SPDX-License-Identifier: MIT
"""What is prescribed, on the page History: how it is kept to, and forms to prescribe and to end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tenuto.history import persons
from tenuto.history.prescription import DAYS, NOTE, WEEK
from tenuto.history.prescription_table import standings
from tenuto.terminal.words import date_words, due, kept_to

from .page import call, told
from .wearables import only_owner

if TYPE_CHECKING:
    from datetime import date

    from tenuto.config import Config
    from tenuto.history.reading import HistoryReader

_USUAL = timedelta(weeks=6)
TIMES_A_WEEK = range(1, WEEK + 1)


async def values(
    history: HistoryReader, config: Config, person: str | None, today: date, *, is_owner: bool
) -> dict[str, Any]:
    """Return what the page History shows of prescriptions.

    Args:
        history: What is shown.
        config: For the names of people.
        person: Only theirs, None for everybody's.
        today: The present day.
        is_owner: Whether the visitor may prescribe.
    """
    found = await standings(history, today, person)
    rows = [
        {
            "id": one.prescription.id,
            "person": config.person_title(one.prescription.person),
            "title": one.prescription.title,
            "when": one.prescription.when,
            "until": date_words(one.prescription.until()),
            "due": due(one),
            "is_due": one.is_due,
            "was_due": one.total.due > 0,
            "week": kept_to(one.week),
            "total": kept_to(one.total),
            "note": one.prescription.note,
        }
        for one in found
    ]
    people = [(one.id, one.title) for one in config.people]
    if config.fleet.is_read:
        people = [
            (name, name) for name in sorted(set((await history.work(persons.names)).values()))
        ]
    return {
        "prescribed": rows,
        "may_prescribe": is_owner and bool(people),
        "to_prescribe": people,
        "days": DAYS,
        "times": TIMES_A_WEEK,
        "usual_last": (today + _USUAL).isoformat(),
        "note_letters": NOTE.bytes_max,
    }


async def _prescribe(request: web.Request) -> web.Response:
    only_owner(request)
    form = await request.post()
    asked: dict[str, Any] = {
        name: str(form.get(name, "")) or None
        for name in ("routine", "person", "from", "until", "note")
    }
    asked["days"] = [str(day) for day in form.getall("days", [])] or None
    times = str(form.get("times_a_week", ""))
    asked["times_a_week"] = int(times) if times in map(str, TIMES_A_WEEK) else times or None
    done = await call(request, "prescribe", asked)
    return told(request, done.text, to="history")


async def _end(request: web.Request) -> web.Response:
    only_owner(request)
    done = await call(request, "end_prescription", {"id": request.match_info["id"]})
    return told(request, done.text, to="history")


ROUTES = (
    web.post("/history/prescribe", _prescribe),
    web.post("/history/prescribed/{id:[0-9a-f]{16}}/end", _end),
)
