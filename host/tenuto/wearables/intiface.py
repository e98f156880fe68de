# SPDX-License-Identifier: MIT
"""A device that vibrates behind a Buttplug server, such as Intiface Central, by WebSocket.

The server has the radio and the drivers of many makers; a command of ours has no length, so each
pulse is ended by a command of its own.  The server stops its devices when this connection ends.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason
from tenuto.retry import describe_failure
from tenuto.toml.rules import quoted

from .buttplug import ID_MAX, VERSIONS, Message, VibratingDevice, pack, unpack
from .buzzer import DeviceInfo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenuto.links.websocket import TextChannel
    from tenuto.routines.feel import Feel
    from tenuto.routines.haptics import Pattern
    from tenuto.sessions.heart import Measurement

    from .buttplug import Version
    from .buzzer import Answer, CueText, StepDisplay

_log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 3.0
SCAN_TIMEOUT_S = 15.0
"""How long the server looks for a device that it does not have yet."""
PINGS_IN_TIME = 3
"""How many pings fit into the time after which a server takes a silent client for dead."""


class IntifaceBuzzer:
    """One device of a server; see `buzzer.Buzzer`.

    Args:
        name: For messages.
        open_channel: Connects to the server.
        feel: What can be felt of the device.
        device: A part of the device's name, whatever the case; None for the first that vibrates.
    """

    rssi_dbm: int | None = None

    def __init__(
        self,
        name: str,
        open_channel: Callable[[], Awaitable[TextChannel]],
        feel: Feel,
        *,
        device: str | None = None,
    ) -> None:
        self.name = name
        self.feel = feel
        self._open = open_channel
        self._wanted = device
        self._server: _Server | None = None
        self._device: VibratingDevice | None = None

    async def connect(
        self,
        on_lost: Callable[[], None],
        on_answer: Callable[[Answer], None],  # noqa: ARG002 - its wearer cannot answer
        on_heart: Callable[[Measurement], None],  # noqa: ARG002 - nor does it measure
    ) -> DeviceInfo:
        """Connect to the server, find the device, and switch it off."""

        def gone() -> None:
            if self._server is server and self._device is not None:
                self._device = None
                on_lost()

        server = await self._reach()
        self._server = server
        try:
            device = self._device = await self._find(server)
            server.on_lost = gone
            server.on_devices = lambda: self._look(gone)
            await self.stop()
        except BaseException:
            await self.disconnect()
            raise
        return DeviceInfo(name=device.name)

    async def _reach(self) -> _Server:
        """Connect in the newest version that the server knows."""
        refused: LinkError | None = None
        for version in VERSIONS:
            server = _Server(self.name, version, await self._open())
            try:
                await server.greet()
            except LinkError as error:
                await server.close()
                refused = error
            except BaseException:
                await server.close()
                raise
            else:
                return server
        assert refused is not None  # noqa: S101 - there are versions
        raise refused

    async def _find(self, server: _Server) -> VibratingDevice:
        """Return the device; have the server look for it where it is not there."""
        await server.ask(Message("RequestDeviceList", {}))
        if (device := self._choose(server)) is not None:
            return device
        await server.ask(Message("StartScanning", {}))
        try:
            async with asyncio.timeout(SCAN_TIMEOUT_S):
                while (device := self._choose(server)) is None:
                    await server.changed()
        except TimeoutError:
            there = ", ".join(one.name for one in server.devices.values()) or "none"
            wanted = "no device that vibrates" if self._wanted is None else f"no {self._wanted!r}"
            raise LinkError(
                LinkReason.NOT_FOUND,
                f"{self.name} has {wanted}, only: {there}; switch it on, and see Intiface",
            ) from None
        finally:
            server.post(Message("StopScanning", {}))
        return device

    def _choose(self, server: _Server) -> VibratingDevice | None:
        wanted = (self._wanted or "").lower()
        found = (one for one in server.devices.values() if wanted in one.name.lower())
        return next(found, None)

    def _look(self, gone: Callable[[], None]) -> None:
        """Take note that the devices of the server have changed."""
        server, device = self._server, self._device
        if server is not None and device is not None and device.index not in server.devices:
            gone()

    async def buzz(self, pattern: Pattern, text: CueText) -> bool:  # noqa: ARG002 - it shows nothing
        """Have all motors of the device vibrate, until `stop`."""
        server, device = self._here()
        level = pattern[0][0] / 100
        await asyncio.gather(*map(server.ask, server.version.vibrate(device, level)))
        return True

    async def stop(self) -> None:
        """Stop the device."""
        server, device = self._here()
        await server.ask(server.version.stop(device))

    async def show(self, shown: StepDisplay) -> None:
        """Do nothing: it has no screen."""

    def _here(self) -> tuple[_Server, VibratingDevice]:
        if self._server is None or self._device is None:
            raise LinkError(LinkReason.LOST, f"{self.name} is not connected")
        return self._server, self._device

    async def disconnect(self) -> None:
        """Let go of the server, which stops the device."""
        server, self._server, self._device = self._server, None, None
        if server is not None:
            await server.close()


class _Server:
    """A connection to a server in one version of the protocol."""

    def __init__(self, name: str, version: Version, channel: TextChannel) -> None:
        self.name = name
        self.version = version
        self.devices: dict[int, VibratingDevice] = {}
        self.on_lost: Callable[[], None] = lambda: None
        self.on_devices: Callable[[], None] = lambda: None
        self._channel = channel
        self._ids = itertools.cycle(range(1, ID_MAX))
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._changed = asyncio.Event()
        self._tasks = {asyncio.create_task(self._read(), name=f"server {name}")}

    async def greet(self) -> None:
        """Say who this is.

        Raises:
            LinkError: The server does not know this version.
        """
        info = await self.ask(self.version.hello())
        if info.name != "ServerInfo":
            text = f"{self.name} answers with {quoted(info.name)}, not with who it is"
            raise LinkError(LinkReason.PROTOCOL, text)
        ping_ms = info.fields.get("MaxPingTime")
        if isinstance(ping_ms, int) and ping_ms > 0:
            every_s = ping_ms / 1000 / PINGS_IN_TIME
            self._keep(lambda: self._ping(every_s), "ping")

    async def ask(self, message: Message) -> Message:
        """Send a message and return its answer.

        Raises:
            LinkError: The server is gone, does not answer, or says that it cannot.
        """
        number = next(self._ids)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            await self._channel.send(
                pack([Message(message.name, {"Id": number, **message.fields})])
            )
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                found = await answer
        except TimeoutError:
            raise LinkError(LinkReason.TIMEOUT, f"{self.name} does not answer") from None
        finally:
            self._waiting.pop(number, None)
        if found.name == "Error":
            told = quoted(str(found.fields.get("ErrorMessage")))
            raise LinkError(LinkReason.PROTOCOL, f"{self.name} cannot do {message.name}: {told}")
        return found

    def post(self, message: Message) -> None:
        """Send a message whose answer does not matter."""
        self._keep(lambda: self.ask(message), message.name)

    async def changed(self) -> None:
        """Wait until the devices have changed."""
        self._changed.clear()
        await self._changed.wait()

    async def close(self) -> None:
        """End the connection."""
        for task in self._tasks:
            task.cancel()
        self._end(LinkError(LinkReason.LOST, f"{self.name} is not connected"))
        try:
            await self._channel.close()
        except LinkError as error:
            _log.debug("wearable=%s %s", self.name, error)

    def _keep(self, work: Callable[[], Awaitable[object]], name: str) -> None:
        async def run() -> None:
            try:
                await work()
            except LinkError as error:
                _log.debug("wearable=%s %s: %s", self.name, name, error)

        task = asyncio.create_task(run(), name=f"{name} {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ping(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self.ask(Message("Ping", {}))

    async def _read(self) -> None:
        """Take what the server says until it is gone."""
        try:
            while True:
                text = await self._channel.receive()
                try:
                    messages = unpack(text)
                except ValueError as error:
                    _log.debug("wearable=%s is sent what is no message: %s", self.name, error)
                    continue
                for message in messages:
                    self._take(message)
        except LinkError as error:
            self._end(error)
            self.on_lost()
        except Exception as error:  # noqa: BLE001 - of a library below; the link is no good any more
            what = describe_failure(error)
            _log.error("wearable=%s %s", self.name, what)
            self._end(LinkError(LinkReason.LOST, f"{self.name} failed: {what}"))
            self.on_lost()

    def _end(self, error: LinkError) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # seen here, in case nobody waits any more

    def _take(self, message: Message) -> None:
        self._note_devices(message)
        waiting = self._waiting.get(message.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _note_devices(self, message: Message) -> None:
        listed = self.version.devices(message)
        if listed is not None:
            self.devices = {device.index: device for device in listed}
        elif message.name == "DeviceAdded":  # only version 3 tells of one at a time
            found = self.version.devices(Message("DeviceList", {"Devices": [message.fields]})) or ()
            self.devices |= {device.index: device for device in found}
        elif message.name == "DeviceRemoved":
            self.devices.pop(message.fields.get("DeviceIndex", -1), None)
        else:
            return
        self._changed.set()
        self.on_devices()
