# SPDX-License-Identifier: MIT
"""Puts Tenuto's app on a watch with Espruino, over Bluetooth, and takes it off again.

A file is written beside the one that is there, checked, and put in its place in one write: a watch
that is torn away keeps what it had.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from binascii import crc32
from typing import TYPE_CHECKING, Any

from tenuto.errors import LinkError, LinkReason, TenutoError
from tenuto.links.espruino import EspruinoConsole, EspruinoLink

from .watch_app import OnWatch, WatchApp

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.links.ble_adapter import BleAdapter

PIECE_BYTES = 240
"""A line of about 400 bytes: two of them fill less than the watch can hold."""
ANSWER_TIMEOUT_S = 10.0
"""A write may have the watch tidy its whole storage first."""
LOADED_TIMEOUT_S = 30.0
TRIES = 2
SPARE_BYTES = 20_000
"""What the watch needs besides: the plan, the log and the journal."""
STAGE = "tenuto.new"
_MARK = b"=tenuto "
_IDLE_OR_ARMED = 1


class WatchAppError(TenutoError):
    """The app cannot be put there or taken off; says what to do."""


class _Session:
    """What is asked of a watch's JavaScript on one connection."""

    def __init__(self, console: EspruinoConsole) -> None:
        self.console = console
        self._numbers = itertools.count(1)
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}

    def on_line(self, line: bytes) -> None:
        if line.startswith(_MARK):
            number, _, text = line[len(_MARK) :].partition(b" ")
            waiting = self._waiting.get(number)
            if waiting is not None and not waiting.done():
                waiting.set_result(text)

    async def ask(self, expression: str) -> Any:  # noqa: ANN401 - whatever JSON says
        """Return the value of an expression of JavaScript."""
        number = str(next(self._numbers)).encode()
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        mark = (_MARK + number).decode()
        line = f'\x10Bluetooth.println("{mark} "+JSON.stringify({expression}))\n'
        try:
            await self.console.write(line.encode("ascii"))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                text: bytes = await waiting
        except TimeoutError:
            raise LinkError(
                LinkReason.TIMEOUT,
                f"{self.console.address} does not answer: restart it, by holding its button for "
                "ten seconds",
            ) from None
        finally:
            del self._waiting[number]
        return None if text == b"undefined" else json.loads(text)

    async def run(self, statement: str) -> None:
        """Have a statement run; nothing tells whether it did."""
        await self.console.write(f"\x10{statement}\n".encode("ascii"))

    async def holds(self, name: str, data: bytes) -> bool:
        """Return whether the watch has a file with this content."""
        size, crc = await self.ask(
            f"(function(f){{return f===undefined?[-1,0]:[f.length,E.CRC32(f)>>>0];}})"
            f'(require("Storage").read("{name}"))'
        )
        return (size, crc) == (len(data), crc32(data))

    async def put(self, name: str, data: bytes) -> None:
        """Put a file in place of the one that is there, or change nothing.

        Raises:
            WatchAppError: It did not arrive whole in `TRIES` attempts.
        """
        for _ in range(TRIES):
            await self.run(f'require("Storage").erase("{STAGE}")')
            for at in range(0, len(data), PIECE_BYTES):
                piece = base64.b64encode(data[at : at + PIECE_BYTES]).decode()
                size = f",{at},{len(data)}"
                await self.run(f'require("Storage").write("{STAGE}",atob("{piece}"){size})')
            if await self.holds(STAGE, data):
                await self.ask(
                    f'require("Storage").write("{name}",require("Storage").read("{STAGE}"))'
                )
                await self.run(f'require("Storage").erase("{STAGE}")')
                if await self.holds(name, data):
                    return
        raise WatchAppError(
            f"{name} does not arrive whole at {self.console.address}: is it near, and is its "
            "storage in order (on the watch: Settings, Utils, Compact Storage)?"
        )


async def _open(address: str, adapter: BleAdapter) -> _Session:
    console = EspruinoConsole(adapter, address, by_hand=True)
    session = _Session(console)
    await console.open(session.on_line, lambda: None)
    try:
        if not console.is_programmable:
            raise WatchAppError(
                f"{address} takes no files now: on the watch, set Settings, Bluetooth, "
                "Programmable to on, and to off again when this is done"
            )
        board = await session.ask("process.env.BOARD")
        if board != "BANGLEJS2":
            raise WatchAppError(f"{address} is a {board} and no Bangle.js 2")
        if (await session.ask("global.TENUTO?TENUTO.state().st:0")) > _IDLE_OR_ARMED:
            raise WatchAppError(f"a session goes on on {address}: stop it first")
    except BaseException:
        await console.close()
        raise
    return session


async def install(
    app: WatchApp, address: str, adapter: BleAdapter, show: Callable[[str], None]
) -> OnWatch:
    """Put an app on a watch, have the watch load it, and see that it answers.

    Args:
        show: Tells the person what happens.

    Raises:
        LinkError: The watch is not in reach, does not answer, or is too old.
        WatchAppError: It does not take the app; what it had it has still.
    """
    session = await _open(address, adapter)
    console = session.console
    try:
        missing = {
            name: data for name, data in app.files.items() if not await session.holds(name, data)
        }
        needed = sum(map(len, missing.values())) + SPARE_BYTES
        free = await session.ask('require("Storage").getFree()')
        if missing and free < needed:
            raise WatchAppError(
                f"{address} has {free // 1000} kB left, and {needed // 1000} kB are needed: "
                "remove apps from it, or compact its storage (Settings, Utils, Compact Storage)"
            )
        for name, data in missing.items():
            show(f"writing {name}, {len(data)} bytes")
            await session.put(name, data)
        espruino = console.version or "unknown"
        if missing:
            show("restarting its apps")
            await session.run("load()")
    finally:
        await console.close()
    await _see_that_it_answers(address, adapter)
    return OnWatch(address, app.version, espruino, len(missing), len(app.files))


async def _see_that_it_answers(address: str, adapter: BleAdapter) -> None:
    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + LOADED_TIMEOUT_S
    link = EspruinoLink(adapter, address, by_hand=True)
    while True:
        try:
            await link.connect(lambda _packet: None, lambda: None)
        except LinkError:
            if loop.time() >= give_up_s:
                raise
            await asyncio.sleep(1)
        else:
            await link.disconnect()
            return


async def remove(
    app: WatchApp, address: str, adapter: BleAdapter, show: Callable[[str], None]
) -> OnWatch:
    """Take an app off a watch, with all that it kept there.

    Raises:
        LinkError: The watch is not in reach or does not answer.
        WatchAppError: It does not let it go.
    """
    session = await _open(address, adapter)
    console = session.console
    try:
        names = {*app.files, *app.data, STAGE} & set(await session.ask('require("Storage").list()'))
        show(f"removing {len(names)} files")
        # The program notes where it is when it ends, so that ends first.
        await session.run("if(global.TENUTO)TENUTO.gone=1")
        for name in sorted(names):
            await session.run(f'require("Storage").erase("{name}")')
        left = set(await session.ask('require("Storage").list()')) & names
        if left:
            raise WatchAppError(f"{address} keeps {', '.join(sorted(left))}")
        await session.run("load()")
        espruino = console.version or "unknown"
    finally:
        await console.close()
    return OnWatch(address, app.version, espruino, len(names), 0)
