# SPDX-License-Identifier: MIT
"""Lessons, quizzes and measurements of strength on the page, and what they came to."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tenuto.cues.quiz import CORE, SCAN_FIRST_MS, SCAN_MS
from tenuto.cues.results import (
    ANSWERED_BY,
    CONDITIONS,
    LessonResult,
    QuizResult,
    StrengthResult,
    alike,
    steps,
)
from tenuto.errors import InputError
from tenuto.event_loops import real_s
from tenuto.report.cue_pictures import confusions, over_days
from tenuto.sessions.events import CueFired, Entry
from tenuto.simulator.perception import truth_of
from tenuto.terminal.words import cue as cue_words

from .guard import root_of
from .page import JOBS, LIVE, MEASURES, backend_of, call, off_loop, page, told, visitor_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenuto.config import Wearable
    from tenuto.cues.results import Result
    from tenuto.history.cue_results import CueResult
    from tenuto.links.scan import Found
    from tenuto.simulator.perception import Perceiver

    from .backend import Backend
    from .jobs import Job
    from .live import Live

TITLES = {
    "lesson": "Lesson",
    "quiz": "Which cue was it?",
    "strength": "Do you feel it?",
}
OPERATIONS = {"lesson": "learn_cues", "quiz": "measure_cues", "strength": "measure_strength"}
PER_CUE = {"5": "practice", "10": "measurement", "20": "study"}
"""How often each cue comes."""
END_TIMEOUT_S = 10.0
_ID = re.compile("[0-9a-f]{16}")


@dataclass
class Going:
    """What goes on, for the page that shows it; to the operation it is the person who asks.

    Attributes:
        what: A key of `TITLES`.
        wearable: Where.
        person: Who wears it.
        choices: What can be answered.
        by_button: Whether the wearable's button answers.
        felt: How many cues have come.
        to: Where the result is, empty before.
        number: Of the job that it is.
        gone: Set when the person wants the end, which comes by itself then.
        over: Set when it has ended.
    """

    what: str
    wearable: str
    person: str | None
    choices: Sequence[str]
    by_button: bool
    live: Live
    felt: int = 0
    cue: str = ""
    to: str = ""
    number: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self, text: str) -> None:
        """Show a line."""
        self._tell(text=text)

    async def ask(self, _text: str) -> str:
        """Answer nothing."""
        return ""

    async def tell(self, items: Sequence[Entry] | Sequence[Found]) -> None:
        """Show what may be shown: a quiz by keys must not tell that a cue has come."""
        for item in items:
            if isinstance(item, Entry) and isinstance(item.event, CueFired):
                self.felt += 1
                self.cue = item.event.cue
                if self.what == "lesson":
                    self._tell(cue=cue_words(self.cue).capitalize())
                elif self.what == "quiz" and self.by_button:
                    self._tell(turn=True)

    def end(self, to: str) -> None:
        """Lead to the result."""
        self.to = to
        self._tell(to=to)

    def _tell(self, **message: object) -> None:
        self.live.tell_wearer("measure", {"number": self.number, **message}, self.person)


# --- beginning and answering


async def _begin(request: web.Request) -> web.Response:
    form = await request.post()
    backend, what = backend_of(request), str(form.get("what", ""))
    worn = _own_wearable(request, str(form.get("wearable", "")))
    if what not in TITLES:
        raise InputError(f"there is no {what[:32]!r}; there are {', '.join(TITLES)}")
    asked: dict[str, Any] = {"wearable": worn.id}
    by = _choice(form.get("answered_by"), ANSWERED_BY)
    if what != "lesson":
        asked["answered_by"] = by
    if what == "quiz":
        asked["trials"] = int(_choice(form.get("per_cue"), tuple(PER_CUE))) * len(CORE)
        asked["condition"] = _choice(form.get("condition"), CONDITIONS)
    if not backend.wearable(worn.id).get("connected"):
        raise InputError(f"{worn.title} is not in reach")
    going = Going(
        what,
        worn.id,
        worn.person,
        CORE if what == "quiz" else (),
        by_button=what != "lesson" and by == "button",
        live=request.app[LIVE],
    )

    async def work(job: Job) -> None:
        going.number = job.number
        try:
            measured = await backend.call(OPERATIONS[what], asked, going)
            going.end(f"learn/results/{measured.result_id}" if measured.result_id else "learn")
        finally:
            going.over.set()

    job = request.app[JOBS].begin(TITLES[what], work)
    measures = request.app[MEASURES]
    measures[job.number] = going
    for number in [one for one in measures if request.app[JOBS].get(one) is None]:
        del measures[number]
    return told(request, "", to=f"learn/now/{job.number}")


def _choice(given: object, allowed: tuple[str, ...]) -> str:
    """Return what was chosen in a form, the first one where nothing was."""
    if given is None:
        return allowed[0]
    if given not in allowed:
        raise InputError(f"{str(given)[:32]!r} is none of {', '.join(allowed)}")
    return str(given)


async def _now(request: web.Request) -> web.Response:
    job, going = _going(request)
    if going.to:
        raise web.HTTPSeeOther(f"{root_of(request)}{going.to}")
    return page(
        request,
        "measure.html",
        "learn",
        TITLES[going.what],
        job=job,
        going=going,
        first_ms=SCAN_FIRST_MS,
        each_ms=SCAN_MS,
        told=job.problem,
    )


async def _answer(request: web.Request) -> web.Response:
    _, going = _going(request)
    form = await request.post()
    if form.get("operation") == "end":
        going.gone.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(real_s(END_TIMEOUT_S)):
                await going.over.wait()
        return told(request, "", to=going.to or "learn")
    number = str(form.get("number", "0"))
    if not (number.isdecimal() and len(number) == 1):
        raise InputError("an answer is the number of a choice")
    answered = await call(
        request, "answer_cue", {"wearable": going.wearable, "number": int(number)}
    )
    return told(request, "Taken." if answered.counts else "That does not count.")


def _going(request: web.Request) -> tuple[Job, Going]:
    number = request.match_info["number"]
    key = int(number) if number.isdecimal() and len(number) < 9 else 0
    job, going = request.app[JOBS].get(key), request.app[MEASURES].get(key)
    if job is None or going is None or visitor_of(request).person not in (None, going.person):
        raise web.HTTPNotFound(text="this is over; begin again on the page Learn")
    return job, going


def _own_wearable(request: web.Request, wearable_id: str) -> Wearable:
    """Return a wearable whose wearer the visitor is, or may ask for."""
    person = visitor_of(request).person
    for worn in backend_of(request).config.wearables:
        if worn.id == wearable_id and person in (None, worn.person):
            return worn
    raise InputError(f"{wearable_id[:64] or 'no wearable'} is none of yours")


# --- results


async def _results(request: web.Request) -> web.Response:
    found = await _kept(request)
    groups: list[dict[str, Any]] = []

    def make() -> None:
        whose: dict[tuple[str, str], list[tuple[int, QuizResult]]] = {}
        for one in found:
            if isinstance(one.result, QuizResult) and not one.result.truth:
                key = (_person(request, one), one.wearable)
                whose.setdefault(key, []).append((one.utc_ms, one.result))
        for (person, wearable), results in whose.items():
            for group in alike(results):
                last = group[-1][1]
                by = ", by the button" if last.answered_by == "button" else ""
                what = f"{len(last.cues)} cues, {last.condition}{by}"
                picture = over_days(f"days{len(groups)}", group)
                title = ", ".join(part for part in (person, wearable, what) if part)
                groups.append({"title": title, "picture": picture, "steps": steps(group)})

    await off_loop(make)
    rows = [
        {
            "id": one.result_id,
            "when": _when(one),
            "person": _person(request, one),
            "wearable": one.wearable,
            "is_simulated": one.is_simulated,
            "what": _what(one.result),
            "told": _told(one.result),
        }
        for one in found
    ]
    return page(request, "results.html", "learn", "Results", rows=rows, groups=groups)


async def _result(request: web.Request) -> web.Response:
    one = await _one(request)
    person = truth_of(getattr(one.result, "truth", {}))
    values: dict[str, Any] = {
        "one": one,
        "when": _when(one),
        "person": _person(request, one),
        "truth": person,
    }
    if isinstance(one.result, QuizResult):
        values |= await off_loop(lambda: _quiz_values(one.result, person))  # type: ignore[arg-type]
    elif isinstance(one.result, StrengthResult):
        threshold = one.result.threshold
        values |= {
            "threshold": threshold,
            "estimate": threshold.estimate(),
            "advised": one.result.advised_pct,
            "may_set": any(worn.id == one.wearable for worn in backend_of(request).config.wearables)
            and person is None,
        }
    return page(request, "result.html", "learn", _what(one.result), **values)


def _quiz_values(result: QuizResult, person: Perceiver | None) -> dict[str, Any]:
    """Return what the page shows of a quiz, and of the truth beside it where it is known."""
    score = result.score

    def share(cue: str, answer: str | None) -> float:
        total = score.of(cue).total
        return score.matrix.get((cue, answer), 0) / total if total else 0.0

    def count(cue: str, answer: str | None) -> str:
        return str(score.matrix.get((cue, answer), "") or "")

    pictures = [confusions("answers", "What was taken for what", result.cues, share, count)]
    rights: dict[str, float] = {}
    patterns = dict(zip(result.cues, result.patterns, strict=True))
    if person is not None:
        takes = {cue: person.takes_for(cue, patterns) for cue in result.cues}
        rights = {cue: takes[cue][cue] for cue in result.cues}

        def true_share(cue: str, answer: str | None) -> float:
            missed = max(0.0, 1 - sum(takes[cue].values()))
            return missed if answer is None else takes[cue][answer]

        def pct(cue: str, answer: str | None) -> str:
            rounded = round(100 * true_share(cue, answer))
            return f"{rounded} %" if rounded else ""

        title = "In truth, for this simulated person"
        pictures.append(confusions("truth", title, result.cues, true_share, pct))
    right = None if person is None else person.right(patterns)
    return {
        "score": score,
        "pictures": pictures,
        "rights": rights,
        "right": right,
        "is_by_button": result.answered_by == "button",
    }


async def _delete(request: web.Request) -> web.Response:
    one, store = await _one(request), backend_of(request).store
    if one.result_id not in {here.result_id for here in await store.results()}:
        raise web.HTTPNotFound(text="this host has no such result: delete it where it was measured")
    await store.cue_results.delete(one.result_id)
    return told(request, "", to="learn/results")


async def _set(request: web.Request) -> web.Response:
    one = await _one(request)
    worn = _own_wearable(request, one.wearable)
    if not isinstance(one.result, StrengthResult) or one.result.advised_pct is None:
        raise InputError("this result advises no strength")
    asked = {"wearable": worn.id, "strength": one.result.advised_pct}
    return told(request, (await call(request, "prefer", asked)).text)


async def _kept(request: web.Request) -> list[CueResult]:
    """Return the results that a visitor may see: their own, or all."""
    person = visitor_of(request).person
    async with backend_of(request).shown() as history:
        found = await history.results()
    return [one for one in found if person in (None, one.person)]


async def _one(request: web.Request) -> CueResult:
    result_id = request.match_info["result"]
    if _ID.fullmatch(result_id):
        for one in await _kept(request):
            if one.result_id == result_id:
                return one
    raise web.HTTPNotFound(text="there is no such result")


def _person(request: web.Request, one: CueResult) -> str:
    backend: Backend = backend_of(request)
    return backend.config.person_title(one.person) or ""


def _when(one: CueResult) -> str:
    at = datetime.fromtimestamp(one.utc_ms / 1000, UTC).astimezone()
    return f"{at.day} {at:%b %Y}"


def _what(result: Result) -> str:
    match result:
        case QuizResult():
            by = ", by the button" if result.answered_by == "button" else ""
            return f"Quiz of {len(result.cues)} cues, {result.condition}{by}"
        case StrengthResult():
            return "Strength"
        case LessonResult():
            return "Lesson"


def _told(result: Result) -> str:
    match result:
        case QuizResult():
            return str(result.score.right)
        case StrengthResult():
            found = result.threshold.estimate()
            if found is None:
                return "nothing proven"
            return f"threshold {found.pct:.0f} % [{found.low_pct:.0f}, {found.high_pct:.0f}]"
        case LessonResult():
            return f"{result.count} cues felt"


ROUTES = (
    web.post("/learn/begin", _begin),
    web.get("/learn/now/{number}", _now),
    web.post("/learn/now/{number}", _answer),
    web.get("/learn/results", _results),
    web.get("/learn/results/{result}", _result),
    web.post("/learn/results/{result}/delete", _delete),
    web.post("/learn/results/{result}/set", _set),
)
