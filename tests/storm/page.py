# SPDX-License-Identifier: MIT
"""Storms of the page: several browsers on one host with two wearables, and what they may expect.

A stop that is answered well has stopped, whatever else was sent.  Nothing is saved that cannot be
played.  Nobody is shown the heart rate of somebody else.  A browser that follows shows in the end
what is, whatever became of its stream and of the daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import aiohttp

from tenuto.errors import InputError
from tenuto.routines.library import Library
from tests.storm import sealed
from tests.storm.weather import Trouble, Weather
from tests.web.rig import TWO_PEOPLE, Served, key_of, served

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

WEARABLES = {"wrist": "anna", "ankle": "ben"}
PEOPLE: tuple[str | None, ...] = (None, None, "anna", "ben")
"""Who the browsers belong to; two of them may see all."""
RETRY_S = 1.0
"""After so long a browser asks again for a stream that has ended."""
STOPPED_WITHIN_S = 5.0
ANSWER_WITHIN_S = 60.0
CALM_S = 60.0
FLOOD = 60
ROUTINE = """name = "own"
description = "One hold"
source = "none"
safety = "none"
ready_s = 3
[[exercise]]
name = "One"
how = "lie down"
muscles = ["back"]
hold_s = 20
"""
TEXTS = (
    ROUTINE,
    ROUTINE.replace("20", "25"),
    ROUTINE.replace("20", "-1"),
    ROUTINE.replace("20", "99999999999999999999"),
    ROUTINE.replace('name = "own"', 'name = "other"'),
    ROUTINE.replace("[[exercise]]", "[[exercises]]"),
    ROUTINE[:60],
    "\x00",
    "",
)
"""What is saved: the first two can be played."""
PATHS = ("/", "/routines", "/routines/own", "/history", "/class/now", "/wearables")


class Act(StrEnum):
    """What browsers do, and what befalls them."""

    DO = "do"
    CLASS = "class"
    SAVE = "save"
    CHANGE = "change"
    FLOOD = "flood"
    LOOK = "look"
    BREAK = "break"
    HANG = "hang"
    STRANGER = "stranger"
    SILENCE = "silence"
    PRESS = "press"
    RESTART = "restart"


_COMMANDS = ("start", "start", "pause", "resume", "skip", "back", "extend", "stop", "stop")
_OFTEN = (Act.DO,) * 9 + (Act.SAVE,) * 3 + (Act.CHANGE, Act.LOOK, Act.BREAK, Act.FLOOD)


def forecast(seed: int) -> Weather:
    """Return what happens in the storm of a seed."""
    rng = random.Random(f"page {seed}")
    troubles = [Trouble(1.0, Act.DO, 0.0, "start")]
    at_s = 1.0
    for _ in range(rng.randint(8, 30)):
        at_s = round(at_s + rng.choice((0.001, rng.uniform(0, 1), rng.uniform(0, 15))), 3)
        what = rng.choice(_OFTEN if rng.random() < 0.7 else tuple(Act))
        word = {
            Act.DO: rng.choice(_COMMANDS),
            Act.CLASS: rng.choice(("start", "pause", "resume", "stop", "none-such")),
            Act.LOOK: rng.choice(PATHS),
        }.get(what, "")
        troubles.append(Trouble(at_s, what, rng.random(), word))
    return Weather(seed, 0.0, 0.0, {}, tuple(troubles))


@dataclass(slots=True)
class _Stop:
    """A stop that was answered well; number: of its wearable's requests by then."""

    wearable: str
    number: int


class Browser:
    """One browser, which follows the stream of events as browsers do.

    Attributes:
        person: Whose it is, None for somebody who may see all.
        cards: The HTML of each wearable, as it was told last.
    """

    def __init__(self, name: str, person: str | None) -> None:
        self.name = name
        self.person = person
        self.cards: dict[str, str] = {}
        self.key = ""
        self.client: aiohttp.ClientSession
        self.address = ""
        self._takes = asyncio.Event()
        self._takes.set()
        self.streams = 0
        self._answer: aiohttp.ClientResponse | None = None
        self._task: asyncio.Task[None]

    async def open(self, one: Served) -> None:
        """Log in and begin to follow."""
        jar = aiohttp.CookieJar(unsafe=True)
        timeout = aiohttp.ClientTimeout(total=None)
        self.client = aiohttp.ClientSession(one.address, cookie_jar=jar, timeout=timeout)
        async with self.client.get(one.link(self.person)) as answer:
            assert answer.status == 200
        self.key = await key_of(self.client)
        self._task = asyncio.create_task(self._follow(), name=f"stream of {self.name}")

    async def close(self) -> None:
        """End it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.client.close()

    def hang(self) -> None:
        """Take nothing any more, or again what comes."""
        if self._takes.is_set():
            self._takes.clear()
        else:
            self._takes.set()

    def wake(self) -> None:
        """Take what comes."""
        self._takes.set()

    def break_off(self) -> None:
        """Lose the stream, as a phone does that leaves the network."""
        if self._answer is not None:
            self._answer.close()

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                async with self.client.get("/events") as answer:
                    assert answer.status == 200, f"{self.name} may not follow: {answer.status}"
                    self._answer = answer
                    self.streams += 1
                    await self._read(answer)
            self._answer = None
            await asyncio.sleep(RETRY_S)

    async def _read(self, answer: aiohttp.ClientResponse) -> None:
        event = ""
        while line := (await answer.content.readline()).decode():
            await self._takes.wait()
            if line.startswith("event: "):
                event = line.removeprefix("event: ").strip()
            elif line.startswith("data: "):
                self._take(event, json.loads(line.removeprefix("data: ")))

    def _take(self, event: str, data: Mapping[str, Any]) -> None:
        if event == "heart":
            self._see(str(data["id"]))
        elif event == "wearable":
            self.cards[data["id"]] = data["html"]
            self.look_at(data["html"])

    def look_at(self, html: str) -> None:
        """See that a page has no heart rate that is not for this visitor."""
        for card in re.split(r"(?=<article|<header>)", html):
            if 'class="heart"' in card:
                found = re.search(r'name="wearable" value="(\w+)"', card)
                assert found is not None
                self._see(found[1])

    def _see(self, wearable: str) -> None:
        assert self.person in (None, WEARABLES[wearable]), (
            f"{self.name} sees the heart rate of {wearable}"
        )


class PageStorm:
    """Plays one weather.

    Attributes:
        sessions: How many were played in the end.
        trace: What happened, for comparing two runs.
    """

    def __init__(self, weather: Weather, folder: Path) -> None:
        self.weather = weather
        self.folder = folder
        self.trace: list[object] = []
        self.sessions = 0
        self._loop = asyncio.get_running_loop()
        self._browsers = [Browser(f"{n} of {who}", who) for n, who in enumerate(PEOPLE)]
        self._stack = AsyncExitStack()
        self._asking: set[asyncio.Task[None]] = set()
        self._asked = dict.fromkeys(WEARABLES, 0)
        self._one: Served | None = None
        self._port = _free_port()

    async def play(self) -> None:
        """Play it to its end and check everything."""
        (self.folder / "routines").mkdir()
        (self.folder / "routines" / "own.toml").write_text(ROUTINE, encoding="utf-8")
        try:
            await self._start()
            for browser in self._browsers:
                assert self._one is not None
                await browser.open(self._one)
            await self._go_through()
            await self._calm_down()
            await self._check()
        finally:
            for task in self._asking:
                task.cancel()
            await asyncio.gather(*self._asking, return_exceptions=True)
            for browser in self._browsers:
                await browser.close()
            await self._stack.aclose()

    async def _start(self) -> None:
        listen = f"127.0.0.1:{self._port}"
        one = served(self.folder, TWO_PEOPLE, connected=False, listen=listen)
        self._one = await self._stack.enter_async_context(one)
        for supervisor in self._one.host.hub.supervisors.values():
            await supervisor.connected.wait()

    async def _go_through(self) -> None:
        begin_s = self._loop.time()
        for trouble in self.weather.troubles:
            await asyncio.sleep(max(0.0, begin_s + trouble.at_s - self._loop.time()))
            await self._happen(trouble)
            for task in [task for task in self._asking if task.done()]:
                self._asking.discard(task)
                task.result()

    async def _happen(self, trouble: Trouble) -> None:
        browser = self._browsers[int(trouble.value * 1000) % len(self._browsers)]
        wearable = list(WEARABLES)[int(trouble.value * 100) % 2]
        what = trouble.what
        if what is Act.RESTART:
            await self._restart(trouble.value * 10)
        elif what is Act.BREAK:
            browser.break_off()
        elif what is Act.HANG:
            browser.hang()
        elif what in (Act.SILENCE, Act.PRESS):
            self._befall(wearable, trouble)
        else:
            work: dict[Act, Callable[[], Coroutine[Any, Any, None]]] = {
                Act.DO: lambda: self._do(browser, wearable, trouble.word),
                Act.CLASS: lambda: self._class(browser, trouble.word),
                Act.SAVE: lambda: self._save(browser, TEXTS[int(trouble.value * 1e4) % len(TEXTS)]),
                Act.CHANGE: lambda: self._change(browser, 1),
                Act.FLOOD: lambda: self._change(browser, FLOOD),
                Act.LOOK: lambda: self._look(browser, trouble.word),
                Act.STRANGER: lambda: self._strange(wearable),
            }
            self._ask(what, work[Act(what)]())

    def _ask(self, what: StrEnum, work: Any) -> None:
        async def ask() -> None:
            # What is under way while the daemon ends is answered or not.
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    await work

        self._asking.add(asyncio.create_task(ask(), name=f"ask {what}"))

    async def _restart(self, away_s: float) -> None:
        self._one = None
        await self._stack.aclose()
        await asyncio.sleep(away_s)
        await self._start()

    def _befall(self, wearable: str, trouble: Trouble) -> None:
        assert self._one is not None
        world = self._one.host.drivers.world
        assert world is not None
        device = world.wearables[wearable]
        if trouble.what is Act.PRESS:
            self._asked[wearable] += 1
            device.button.press(80.0)
        else:
            world.radio.silence(device.address, trouble.value * 30)

    # --- what browsers do

    async def _send(self, browser: Browser, path: str, **form: str) -> tuple[int, dict[str, Any]]:
        headers = {"Accept": "application/json", "X-Tenuto-Key": browser.key}
        async with browser.client.post(path, data=form, headers=headers) as answer:
            said = await answer.json() if answer.content_type == "application/json" else {}
            self.trace.append((path, form.get("operation"), answer.status))
            assert answer.status < 500, f"{path} of {form}: {answer.status}"
            return answer.status, said

    async def _do(self, browser: Browser, wearable: str, operation: str) -> None:
        if operation != "stop":
            self._asked[wearable] += 1
        number = self._asked[wearable]
        form = {"operation": operation, "wearable": wearable, "routine": "own"}
        status, said = await self._send(browser, "/do", **form)
        if operation == "stop":
            assert status != 429, "a stop was too much"
            if said.get("ok"):
                await self._is_stopped(wearable, number)

    async def _class(self, browser: Browser, operation: str) -> None:
        if operation != "stop":
            for wearable in WEARABLES:
                self._asked[wearable] += 1
        form = {"operation": operation, "routine": "own", "in_s": "3"}
        if operation == "start":
            form["wearable"] = "wrist"
        status, _ = await self._send(browser, "/class/do", **form)
        assert operation != "stop" or status != 429, "a stop of the class was too much"

    async def _is_stopped(self, wearable: str, number: int) -> None:
        """See that it stands still soon, unless somebody asked for something else since."""
        one = self._one
        world = None if one is None else one.host.drivers.world
        if world is None:
            return
        band = world.wearables[wearable].app.band
        await asyncio.sleep(STOPPED_WITHIN_S)
        is_last = self._asked[wearable] == number and self._one is one
        assert band.player.state == 0 or not is_last, f"{wearable} plays on after a stop"

    async def _save(self, browser: Browser, text: str) -> None:
        form = {"text": text, "key": browser.key}
        path = "/routines/own/edit"
        async with browser.client.post(path, data=form) as answer:
            html = await answer.text()
            self.trace.append((path, TEXTS.index(text), answer.status))
            assert answer.status < 500, f"{text!r}: {answer.status}"
        is_good = text in TEXTS[:2]
        if answer.status == 200:
            assert ("Saved as" in html) is is_good, f"saved? {text!r}"
        elif browser.person is None:
            assert answer.status == 429
        else:
            assert answer.status in (403, 429)
        self._check_saved()

    async def _change(self, browser: Browser, times: int) -> None:
        change = json.dumps({"what": "set", "exercise": 0, "path": ["hold_s"], "value": 30})
        for _ in range(times):
            await self._send(browser, "/routines/own/change", text=ROUTINE, change=change)

    async def _look(self, browser: Browser, path: str) -> None:
        async with browser.client.get(path) as answer:
            html = await answer.text()
            assert answer.status == 200, f"{path}: {answer.status}"
            browser.look_at(html)

    async def _strange(self, wearable: str) -> None:
        form = {"operation": "start", "wearable": wearable, "key": "0"}
        assert self._one is not None
        async with (
            aiohttp.ClientSession(self._one.address) as client,
            client.post("/do", data=form) as answer,
        ):
            assert answer.status == 401

    # --- the promises

    async def _calm_down(self) -> None:
        for browser in self._browsers:
            browser.wake()
        await asyncio.sleep(CALM_S)
        owner = self._browsers[0]
        for wearable in WEARABLES:
            async with asyncio.timeout(CALM_S):
                assert self._one is not None
                await self._one.host.hub.supervisors[wearable].connected.wait()
            await self._send(owner, "/do", operation="stop", wearable=wearable)
        await asyncio.sleep(10)
        if self._asking:
            done, late = await asyncio.wait(self._asking, timeout=ANSWER_WITHIN_S)
            assert not late, f"never answered: {late}"
            for task in done:
                task.result()

    async def _check(self) -> None:
        assert self._one is not None
        host = self._one.host
        world = host.drivers.world
        assert world is not None
        for wearable in WEARABLES:
            assert world.wearables[wearable].app.band.player.state == 0, f"{wearable} plays"
        self._check_saved()
        for browser in self._browsers:
            await self._check_shown(browser)
        await host.flush()
        rows = await host.store.sessions()
        self.sessions = len(rows)
        assert all(row.reason is not None for row in rows), "a session was never closed"
        self.trace.append([row.reason for row in rows])

    async def _check_shown(self, browser: Browser) -> None:
        async with browser.client.get("/") as answer:
            html = await answer.text()
        browser.look_at(html)
        shown = re.sub(r"\s+", " ", html)
        for wearable, card in browser.cards.items():
            text = re.sub(r"\s+", " ", card).strip()
            assert text in shown, f"{browser.name} shows of {wearable}: {text}\nthe page: {shown}"
        assert set(browser.cards) == set(WEARABLES), f"{browser.name} misses a wearable"

    def _check_saved(self) -> None:
        library = Library(self.folder / "routines")
        for path in (self.folder / "routines").iterdir():
            try:
                library.compile(library.open(str(path)))
            except InputError as error:
                raise AssertionError(f"{path.name} was saved: {error}") from error


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def play(weather: Weather) -> PageStorm:
    """Play a weather; raises AssertionError for a promise that was not kept."""

    async def main(folder: Path) -> PageStorm:
        storm = PageStorm(weather, folder)
        await storm.play()
        return storm

    return sealed.run_in_folder(main, weather.seed)
