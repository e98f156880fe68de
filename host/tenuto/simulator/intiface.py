# SPDX-License-Identifier: MIT
"""A simulated Buttplug server with one device of two motors, in versions 3 and 4 of the protocol.

It is as strict as the real one: a client says first who it is, a message that its version does not
have is an error, a value beyond the steps of a motor too, and with the connection the device stops.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Protocol

from tenuto import extras
from tenuto.errors import LinkError, LinkReason

from .peripheral import BeatSensor, DeviceMotor, PressButton

if TYPE_CHECKING:
    from collections.abc import Mapping

STEPS = 20
MOTORS = 2
ERROR_INIT, ERROR_MESSAGE, ERROR_DEVICE = 1, 3, 4
QUEUE_MAX = 256


class SimulatedIntiface:
    """The server.

    Args:
        versions: Those of the protocol that it knows.
        name: Of its device.
        max_ping_ms: After so long a silent client counts as dead; 0 for never.
        finds: Whether the device is there only once the server has looked for it.

    Attributes:
        motors: Of the device.
        said: All messages of clients, as (version, name, fields).
        is_up: Whether it lets anybody connect.
    """

    def __init__(
        self,
        versions: tuple[int, ...] = (3, 4),
        name: str = "Simulated Edge",
        *,
        max_ping_ms: int = 0,
        finds: bool = False,
    ) -> None:
        self.versions = versions
        self.name = name
        self.max_ping_ms = max_ping_ms
        self.motors = [DeviceMotor() for _ in range(MOTORS)]
        self.button = PressButton(lambda: None)
        self.heart = BeatSensor(lambda _bpm, _rr: None)
        self.said: list[tuple[int, str, Mapping[str, Any]]] = []
        self.is_up = True
        self._is_there = not finds
        self.clients: list[IntifaceClient] = []

    @property
    def motor(self) -> DeviceMotor:
        """The first motor; all do the same for a client that means the device."""
        return self.motors[0]

    async def connect(self) -> IntifaceClient:
        """Return a connection within this process: a `tenuto.links.websocket.TextChannel`.

        Raises:
            LinkError: The server is down.
        """
        if not self.is_up:
            raise LinkError(LinkReason.NOT_FOUND, "no server there")
        client = IntifaceClient(self)
        self.clients.append(client)
        return client

    @property
    def is_there(self) -> bool:
        """Whether the device is connected to the server."""
        return self._is_there

    def set_there(self, *, is_there: bool) -> None:
        """Have the device come or go."""
        if is_there == self._is_there:
            return
        self._is_there = is_there
        if not is_there:
            self.stop_motors()
        for client in self.clients:
            client.tell_devices(is_added=is_there)

    def stop_motors(self) -> None:
        """Stop the device."""
        for motor in self.motors:
            motor.set(0)

    def drop(self) -> None:
        """End all connections."""
        for client in list(self.clients):
            client.end()


class IntifaceClient:
    """One connection to the server, seen from its client."""

    def __init__(self, server: SimulatedIntiface) -> None:
        self._server = server
        self._version = 0
        self._out: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_MAX)
        self._is_open = True
        self._heard: asyncio.TimerHandle | None = None
        self._hear()

    # --- the client's side

    async def send(self, text: str) -> None:
        """See `TextChannel`."""
        if not self._is_open:
            raise LinkError(LinkReason.LOST, "the server is gone")
        await asyncio.sleep(0.001)
        if not self._is_open:  # what is under way then is read by nobody
            raise LinkError(LinkReason.LOST, "the server is gone")
        self.take(text)

    async def receive(self) -> str:
        """See `TextChannel`."""
        text = await self._out.get() if self._is_open or not self._out.empty() else None
        if text is None:
            raise LinkError(LinkReason.LOST, "the server is gone")
        return text

    async def close(self) -> None:
        """See `TextChannel`."""
        self.end()

    # --- the server's side

    def end(self) -> None:
        """End the connection; the device stops."""
        if not self._is_open:
            return
        self._is_open = False
        if self._heard is not None:
            self._heard.cancel()
        self._server.clients.remove(self)
        self._server.stop_motors()
        while self._out.full():
            self._out.get_nowait()
        self._out.put_nowait(None)

    def _hear(self) -> None:
        if self._heard is not None:
            self._heard.cancel()
        if self._server.max_ping_ms:
            loop = asyncio.get_running_loop()
            self._heard = loop.call_later(self._server.max_ping_ms / 1000, self.end)

    def _say(self, name: str, **fields: Any) -> None:  # noqa: ANN401 - whatever JSON can say
        if self._is_open and not self._out.full():
            self._out.put_nowait(json.dumps([{name: fields}]))

    def take(self, text: str) -> None:
        """Take a text of the client."""
        try:
            messages = json.loads(text)
            pairs = [next(iter(message.items())) for message in messages]
            checked = [(str(name), dict(fields), int(fields["Id"])) for name, fields in pairs]
        except (ValueError, TypeError, KeyError, AttributeError, StopIteration):
            self._say("Error", Id=0, ErrorMessage="no such message", ErrorCode=ERROR_MESSAGE)
            return
        for name, fields, number in checked:
            self._server.said.append((self._version, name, fields))
            self._answer(name, fields, number)

    def _answer(self, name: str, fields: dict[str, Any], number: int) -> None:
        if name == "RequestServerInfo":
            self._greet(fields, number)
            return
        if not self._version:
            self._error(number, ERROR_INIT, "who are you?")
            return
        handle = _HANDLERS.get((self._version, name)) or _HANDLERS.get((0, name))
        if handle is None:
            self._error(number, ERROR_MESSAGE, f"version {self._version} has no {name}")
        elif (problem := handle(self, fields, number)) is not None:
            self._error(number, ERROR_DEVICE, problem)

    def _error(self, number: int, code: int, text: str) -> None:
        self._say("Error", Id=number, ErrorMessage=text, ErrorCode=code)

    def _greet(self, fields: dict[str, Any], number: int) -> None:
        wanted = fields.get("ProtocolVersionMajor", fields.get("MessageVersion"))
        asks_as_4 = "ProtocolVersionMajor" in fields
        if wanted not in self._server.versions or asks_as_4 != (wanted == 4):
            self._error(number, ERROR_INIT, f"version {wanted} is not known")
            return
        self._version = wanted
        told = (
            {"ProtocolVersionMajor": 4, "ProtocolVersionMinor": 0}
            if wanted == 4
            else {"MessageVersion": 3}
        )
        self._say(
            "ServerInfo",
            Id=number,
            ServerName="Simulated Intiface",
            MaxPingTime=self._server.max_ping_ms,
            **told,
        )

    def tell_devices(self, *, is_added: bool) -> None:
        """Tell that the device has come or gone."""
        if self._version == 4:
            self._say("DeviceList", Id=0, Devices=self._devices_4())
        elif self._version == 3 and is_added:
            self._say("DeviceAdded", Id=0, **self._device_3())
        elif self._version == 3:
            self._say("DeviceRemoved", Id=0, DeviceIndex=0)

    def _device_3(self) -> dict[str, Any]:
        motor = {"StepCount": STEPS, "FeatureDescriptor": "", "ActuatorType": "Vibrate"}
        return {
            "DeviceName": self._server.name,
            "DeviceIndex": 0,
            "DeviceMessages": {"ScalarCmd": [motor] * MOTORS, "StopDeviceCmd": {}},
        }

    def _devices_4(self) -> dict[str, Any]:
        if not self._server.is_there:
            return {}
        features = {
            str(index): {
                "FeatureIndex": index,
                "FeatureDescriptor": "",
                "Output": {"Vibrate": {"Value": [0, STEPS]}},
                "Input": {},
            }
            for index in range(MOTORS)
        }
        device = {
            "DeviceIndex": 0,
            "DeviceName": self._server.name,
            "DeviceMessageTimingGap": 0,
            "DeviceFeatures": features,
        }
        return {"0": device}

    # --- what may be asked: each returns why not, None for well

    def _ping(self, _fields: dict[str, Any], number: int) -> str | None:
        self._hear()
        self._say("Ok", Id=number)
        return None

    def _list(self, _fields: dict[str, Any], number: int) -> str | None:
        if self._version == 4:
            self._say("DeviceList", Id=number, Devices=self._devices_4())
        else:
            devices = [self._device_3()] if self._server.is_there else []
            self._say("DeviceList", Id=number, Devices=devices)
        return None

    def _scan(self, _fields: dict[str, Any], number: int) -> str | None:
        self._say("Ok", Id=number)
        self._server.set_there(is_there=True)
        return None

    def _end_scan(self, _fields: dict[str, Any], number: int) -> str | None:
        self._say("Ok", Id=number)
        return None

    def _scalar(self, fields: dict[str, Any], number: int) -> str | None:
        if not self._server.is_there or fields.get("DeviceIndex") != 0:
            return "no such device"
        for one in fields["Scalars"]:
            if not 0 <= one["Scalar"] <= 1 or one["ActuatorType"] != "Vibrate":
                return f"cannot do {one}"
            self._server.motors[one["Index"]].set(round(one["Scalar"] * 100))
        self._say("Ok", Id=number)
        return None

    def _output(self, fields: dict[str, Any], number: int) -> str | None:
        if not self._server.is_there or fields.get("DeviceIndex") != 0:
            return "no such device"
        value = fields["Command"]["Vibrate"]["Value"]
        if type(value) is not int or not 0 <= value <= STEPS:
            return f"{value} is not 0 to {STEPS}"
        self._server.motors[fields["FeatureIndex"]].set(round(value * 100 / STEPS))
        self._say("Ok", Id=number)
        return None

    def _stop(self, fields: dict[str, Any], number: int) -> str | None:
        if fields.get("DeviceIndex", 0) != 0 or not self._server.is_there:
            return "no such device"
        self._server.stop_motors()
        self._say("Ok", Id=number)
        return None


_HANDLERS = {
    # by the version that has it, 0 for both
    (0, "Ping"): IntifaceClient._ping,  # noqa: SLF001 - the class's own table
    (0, "RequestDeviceList"): IntifaceClient._list,  # noqa: SLF001
    (0, "StartScanning"): IntifaceClient._scan,  # noqa: SLF001
    (0, "StopScanning"): IntifaceClient._end_scan,  # noqa: SLF001
    (3, "ScalarCmd"): IntifaceClient._scalar,  # noqa: SLF001
    (3, "StopDeviceCmd"): IntifaceClient._stop,  # noqa: SLF001
    (4, "OutputCmd"): IntifaceClient._output,  # noqa: SLF001
    (4, "StopCmd"): IntifaceClient._stop,  # noqa: SLF001
}


class Closable(Protocol):
    """What can be ended."""

    def close(self) -> None:
        """End it."""


async def serve(server: SimulatedIntiface, host: str, port: int) -> tuple[Closable, int]:
    """Offer a server to other programs by WebSocket.

    Returns:
        What ends it, and the port.

    Raises:
        InputError: The library is not installed.
        OSError: It cannot listen there.
    """
    with extras.needed("intiface", "a simulated server"):
        from websockets.asyncio.server import (  # noqa: PLC0415 - an extra
            ServerConnection,
            serve as listen,
        )
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415

    async def meet(connection: ServerConnection) -> None:
        client = await server.connect()

        async def answer() -> None:
            while True:
                await connection.send(await client.receive())

        task = asyncio.create_task(answer(), name="intiface answers")
        try:
            async for text in connection:
                client.take(text if isinstance(text, str) else "")
        except ConnectionClosed:
            pass
        finally:
            task.cancel()
            client.end()
            await asyncio.gather(task, return_exceptions=True)

    listening = await listen(meet, host, port, compression=None)
    return listening, next(iter(listening.sockets)).getsockname()[1]


async def offer(host: str, port: int) -> tuple[Closable, str, SimulatedIntiface]:
    """Offer a new server; return what ends it, its address, and the server."""
    server = SimulatedIntiface()
    listening, port = await serve(server, host, port)
    return listening, f"ws://{host}:{port}", server
