# SPDX-License-Identifier: MIT
"""What is fuzzed besides the band and its links: the page, small files, orders, other processes.

The rules are those of `tests.fuzz.targets`.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tenuto import config
from tenuto.control.entries import entry_from_json, entry_to_json
from tenuto.control.protocol import decode
from tenuto.daemon.build import Setting, open_host
from tenuto.daemon.page_service import _Behind
from tenuto.errors import ControlError, LinkError
from tenuto.routines.library import Library
from tenuto.simulator import World
from tenuto.simulator.controls import RadioControls
from tenuto.simulator.esphome_frames import FrameError, PlainFrames
from tenuto.simulator.orders import carry_out
from tenuto.state.class_store import ClassStore
from tenuto.state.clocks import ClockStore
from tenuto.state.devices import DeviceIds
from tenuto.state.keys import KeyStore
from tenuto.state.settings import SettingsStore
from tenuto.wearables import registry
from tenuto.wearables.latency import Latency
from tenuto.web.access import Access
from tenuto.web.listening import Listening
from tenuto.web.server import PageServer
from tests.fuzz.bytes_in import CHARS_MAX, in_loop, pieces, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.daemon.build import Host

# --- the page

_NOT_ASKED = re.compile(r"/+(events|settings|jobs|wearables/(add|remove))")
"""What never ends, what goes out to radios, and what changes the host that is asked: the text of a
configuration is a target of its own."""
_PAGE = """
mqtt.url = "off"
history.path = "history.db"
[[person]]
id = "ada"
[[wearable]]
id = "wrist"
link = "simulated"
person = "ada"
"""
ANSWER_WITHIN_S = 30.0


class _Wire(asyncio.Transport):
    """One connection to a server, in this process."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = bytearray()
        self.closed = asyncio.Event()

    def write(self, data: Any) -> None:
        self.answer += data

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Page:
    """The page of a host that nobody wears, and one visitor who may see all."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._folder = TemporaryDirectory(prefix="fuzz-page-")
        self._stack = AsyncExitStack()
        self._ticks = itertools.count(1_000)
        self._loop.run_until_complete(self._open())

    async def _open(self) -> None:
        folder = Path(self._folder.name)
        (folder / "routines").mkdir()
        found = config.parse(_PAGE, f"{folder}/tenuto.toml")
        found = replace(found, own=config.Folders(folder, folder))
        setting = Setting(config=found, speed=1.0, mqtt=False, say=lambda _: None, seed=1)
        host: Host = await self._stack.enter_async_context(open_host(setting, [], []))
        self.library = Library(folder / "routines")
        access = Access(b"s" * 32, lambda _: 1)
        cookie = access.take_code(access.make_code(0.0), 1.0)
        assert cookie is not None
        visitor = access.visitor(cookie, 1.0)
        assert visitor is not None
        self._head = f"Cookie: {access.cookie_name}={cookie}\r\nX-Tenuto-Key: {visitor.key}"
        nowhere: Any = None  # no socket
        listening = Listening(nowhere, None, "http://127.0.0.1/", frozenset(("127.0.0.1",)))
        page = PageServer(_Behind(host), listening, access, lambda: next(self._ticks) / 2)
        self._runner = web.AppRunner(page._app, access_log=None)
        await self._runner.setup()

    def ask(self, method: str, path: str, body: bytes) -> int:
        """Send a request; return the status of the answer, 0 for none."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._head}\r\n"
            "Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return self._loop.run_until_complete(self._ask(head.encode("latin-1") + body))

    async def _ask(self, request: bytes) -> int:
        assert self._runner.server is not None
        wire, server = _Wire(), self._runner.server()
        server.connection_made(wire)
        server.data_received(request)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await wire.closed.wait()
        server.connection_lost(None)
        await asyncio.sleep(0)
        found = re.match(rb"HTTP/1\.[01] (\d{3}) ", wire.answer)
        return 0 if found is None else int(found[1])


_pages: list[Page] = []


def page(data: bytes) -> None:
    """A request of somebody who is let in: `GET /history?before=3`, and after a line end its body.

    It is answered, never by an error inside, and nothing is kept that cannot be played.
    """
    line, _, body = data.partition(b"\n")
    method, _, path = line.decode("latin-1").partition(" ")
    is_asked = (
        method in ("GET", "POST") and path.startswith("/") and path.isprintable() and path.isascii()
    )
    if not is_asked or " " in path or _NOT_ASKED.match(path):
        return
    if not _pages:
        _pages.append(Page())
    one = _pages[0]
    status = one.ask(method, path, body)
    assert 200 <= status < 500, f"{status} for {method} {path}"
    if method == "POST":
        for name in one.library.names():
            one.library.compile(one.library.routine(name))


# --- small files

_STATES: tuple[Callable[[Path], object], ...] = (
    lambda path: ClockStore(path).get("wrist"),
    lambda path: DeviceIds(path).of("wrist"),
    lambda path: SettingsStore(path).preferences("wrist"),
    lambda path: SettingsStore(path).announced,
    lambda path: Latency.unpack(path.read_bytes()),
    lambda path: ClassStore(path).load(),
    lambda path: KeyStore(path).known(None, frozenset(("WRIST",))),
)


def state(data: bytes) -> None:
    """A file in which this host remembers something, after a disk or a person has spoiled it."""
    with TemporaryDirectory(prefix="fuzz-state-") as folder:
        path = Path(folder) / "state.json"
        path.write_bytes(data[1:])
        try:
            assert repr(_STATES[data[0] % len(_STATES)](path)) if data else True
        except LinkError as error:  # of keys: they are not to be lost
            said(error, CHARS_MAX)


# --- other processes


def entries(data: bytes) -> None:
    """What a daemon of another version tells a terminal."""
    try:
        entry = entry_from_json(decode(data))
    except ControlError as error:
        said(error, CHARS_MAX)
        return
    assert repr(entry_to_json(entry))


def orders(data: bytes) -> None:
    """Lines of whoever reaches the port of `tenuto simulate --orders`."""

    async def work() -> None:
        async with World(seed=1) as world:
            device = await world.add_device("tag", "tag")
            can = registry.find("alert").capabilities
            devices = {"tag": RadioControls("tag", device, world.radio, can)}
            for line in pieces(data):
                told = await carry_out(line.decode(errors="replace"), devices)
                assert told is None or told["ok"] or len(str(told["error"])) <= CHARS_MAX
            if device.person is not None:
                device.person.take_off()

    in_loop(work())


def proxy(data: bytes) -> None:
    """What anybody may send to a simulated ESPHome proxy, in pieces."""
    frames = PlainFrames()
    try:
        for piece in pieces(data):
            for message in frames.feed(piece):
                assert frames.pack(message)
    except FrameError as error:
        said(error, CHARS_MAX)


def shown(data: bytes) -> None:
    """Routines on the page, as their editor sends them."""
    text, _, change = data.partition(b"\0")
    body = b"text=" + _quoted(text) + b"&change=" + _quoted(change)
    page(b"POST /routines/own/change\n" + body)
    page(b"POST /routines/own/edit\n" + body)


def _quoted(data: bytes) -> bytes:
    return b"".join(b"%%%02X" % byte for byte in data)


TARGETS: tuple[Callable[[bytes], None], ...] = (page, shown, state, entries, orders, proxy)
