# SPDX-License-Identifier: MIT
"""A small `org.bluez` on a private D-Bus: the outside world for bleak and for our agent.

It speaks what bleak 3 and an agent need of BlueZ 5.82's interfaces, and behind its one device is
the real `tenuto_core.Band`.  As there, a signal that stays the same is told of once in a scan, and
the link to a band that has forgotten its bond is cut before the services are known.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from tenuto.links.in_process import InProcessBand
from tenuto.links.uuids import FIRMWARE_UUID, INBOX_UUID, INFO_UUID, OUTBOX_UUID, SERVICE_UUID
from tenuto_core.host_connection import HostConnection
from tests.daemon.rig import RecordingMotor
from tests.patience import patience_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ADAPTER = "/org/bluez/hci0"
ADDRESS = "C0:00:00:00:00:01"
DEVICE = f"{ADAPTER}/dev_{ADDRESS.replace(':', '_')}"
SERVICE = f"{DEVICE}/service0010"
_ADAPTER1, _DEVICE1 = "org.bluez.Adapter1", "org.bluez.Device1"
_SERVICE1, _CHARACTERISTIC1 = "org.bluez.GattService1", "org.bluez.GattCharacteristic1"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_MANAGER = "org.freedesktop.DBus.ObjectManager"
CHARACTERISTICS = {
    f"{SERVICE}/char0011": (INFO_UUID, ["read"]),
    f"{SERVICE}/char0013": (INBOX_UUID, ["write", "write-without-response"]),
    f"{SERVICE}/char0015": (OUTBOX_UUID, ["notify"]),
    f"{SERVICE}/char0018": (FIRMWARE_UUID, ["read"]),
}
OUTBOX = next(path for path, (uuid, _) in CHARACTERISTICS.items() if uuid == OUTBOX_UUID)
MTU = 247
CUT_AFTER_S = 0.05


class BlueZError(Exception):
    """Becomes a D-Bus error; its arguments are the name and the text."""


class FakeBlueZ:
    """The service.

    Attributes:
        asks: what pairing asks of the agent: the name of a method of `org.bluez.Agent1` and its
            arguments after the device; None for nothing, as with Just Works.
        answers: what the agent said, a value or the name of an error.
        agents: what was registered and is still: sender, path and capability.
        log: the agent's life.
        scans: how many have begun.
        in_reach: whether the band is heard.
        knows_host: whether the band has the bond that `device` may say is there.
        starts_late: StartDiscovery is answered when this is set; None for at once.
    """

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self.band = InProcessBand(RecordingMotor(), name="band")
        self.asks: tuple[str, str, list[Any]] | None = None
        self.answers: list[Any] = []
        self.passkey = 123_456
        self.agents: dict[str, tuple[str, str]] = {}
        self.default: str | None = None
        self.log: list[str] = []
        self.scans = 0
        self.in_reach = True
        self.knows_host = True
        self.starts_late: asyncio.Event | None = None
        self.objects: dict[str, dict[str, dict[str, Variant]]] = {
            ADAPTER: {
                _ADAPTER1: {
                    "Address": Variant("s", "F0:00:00:00:00:01"),
                    "Powered": Variant("b", True),
                    "Roles": Variant("as", ["central", "peripheral"]),
                    "Discovering": Variant("b", False),
                }
            }
        }
        self.peer: HostConnection | None = None
        self._discovering: asyncio.Task[None] | None = None
        self._helpers: set[asyncio.Task[None]] = set()
        bus.add_message_handler(self._on_message)

    # --- what is there

    @property
    def device(self) -> dict[str, Variant]:
        return self.objects[DEVICE][_DEVICE1]

    @property
    def paired(self) -> bool:
        return DEVICE in self.objects and bool(self.device["Paired"].value)

    async def _add(self, path: str, interfaces: dict[str, dict[str, Variant]]) -> None:
        self.objects[path] = interfaces
        await self._emit("/", _MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, interfaces])

    async def _remove(self, path: str) -> None:
        interfaces = list(self.objects.pop(path))
        await self._emit("/", _MANAGER, "InterfacesRemoved", "oas", [path, interfaces])

    async def set(self, path: str, interface: str, **changed: Variant) -> None:
        self.objects[path][interface] |= changed
        await self._emit(
            path, _PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, changed, []]
        )

    async def _emit(
        self, path: str, interface: str, member: str, signature: str, body: Any
    ) -> None:
        await self.bus.send(Message.new_signal(path, interface, member, signature, body))

    async def die(self) -> None:
        """End as if killed: the name goes, and nobody hears what has become of the objects."""
        self.band.links.pop(self, None)  # type: ignore[call-overload]
        self.close()
        await self.bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    async def power(self, on: bool) -> None:
        await self.set(ADAPTER, _ADAPTER1, Powered=Variant("b", on))

    # --- what is asked

    def _on_message(self, message: Message) -> bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        if message.path is None or not (
            message.path == "/" or message.path.startswith("/org/bluez")
        ):
            return False
        task = asyncio.ensure_future(self._answer(message))
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)
        return True

    async def _answer(self, message: Message) -> None:
        method = getattr(self, f"_{message.interface}_{message.member}".replace(".", "_"), None)
        is_there = message.path in ("/", "/org/bluez") or message.path in self.objects
        if method is None or not is_there:
            kind = "UnknownMethod" if is_there else "UnknownObject"
            # With the line break that is there in BlueZ's own.
            text = (
                f'Method "{message.member}" with signature "{message.signature}" on interface '
                f'"{message.interface}" doesn\'t exist\n'
            )
            reply = Message.new_error(message, f"org.freedesktop.DBus.Error.{kind}", text)
        else:
            try:
                signature, body = await method(message)
                reply = Message.new_method_return(message, signature, body)
            except BlueZError as error:
                reply = Message.new_error(message, *error.args)
        await self.bus.send(reply)

    async def _org_freedesktop_DBus_ObjectManager_GetManagedObjects(self, _m: Message) -> Any:  # noqa: N802
        return "a{oa{sa{sv}}}", [self.objects]

    async def _org_freedesktop_DBus_Properties_Set(self, message: Message) -> Any:  # noqa: N802
        interface, name, value = message.body
        await self.set(str(message.path), interface, **{name: value})
        return "", []

    async def _org_bluez_Adapter1_SetDiscoveryFilter(self, _message: Message) -> Any:  # noqa: N802
        return "", []

    async def _org_bluez_Adapter1_StartDiscovery(self, _message: Message) -> Any:  # noqa: N802
        if not self.objects[ADAPTER][_ADAPTER1]["Powered"].value:
            raise BlueZError("org.bluez.Error.NotReady", "Resource Not Ready")
        if self.starts_late is not None:
            await self.starts_late.wait()
        if self._discovering is not None:
            raise BlueZError("org.bluez.Error.InProgress", "Operation already in progress")
        self.scans += 1
        await self.set(ADAPTER, _ADAPTER1, Discovering=Variant("b", True))
        self._discovering = asyncio.create_task(self._discover(), name="discover")
        return "", []

    async def _org_bluez_Adapter1_StopDiscovery(self, _message: Message) -> Any:  # noqa: N802
        if self._discovering is None:
            raise BlueZError("org.bluez.Error.Failed", "No discovery started")
        self._discovering.cancel()
        self._discovering = None
        if DEVICE in self.objects and "RSSI" in self.device:
            del self.device["RSSI"]
            body = [_DEVICE1, {}, ["RSSI"]]
            await self._emit(DEVICE, _PROPERTIES, "PropertiesChanged", "sa{sv}as", body)
        await self.set(ADAPTER, _ADAPTER1, Discovering=Variant("b", False))
        return "", []

    async def _discover(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            if not self.in_reach:
                continue
            if DEVICE not in self.objects:
                await self._add(DEVICE, {_DEVICE1: self._new_device()})
            elif not self.device["Connected"].value and "RSSI" not in self.device:
                await self.set(DEVICE, _DEVICE1, RSSI=Variant("n", -55))

    @staticmethod
    def _new_device() -> dict[str, Variant]:
        return {
            "Adapter": Variant("o", ADAPTER),
            "Address": Variant("s", ADDRESS),
            "Alias": Variant("s", "Tenuto"),
            "Name": Variant("s", "Tenuto"),
            "UUIDs": Variant("as", [SERVICE_UUID]),
            "RSSI": Variant("n", -55),
            "Connected": Variant("b", False),
            "Paired": Variant("b", False),
            "Bonded": Variant("b", False),
            "Trusted": Variant("b", False),
            "ServicesResolved": Variant("b", False),
        }

    async def _org_bluez_Adapter1_RemoveDevice(self, message: Message) -> Any:  # noqa: N802
        if message.body[0] not in self.objects:
            raise BlueZError("org.bluez.Error.DoesNotExist", "Does Not Exist")
        await self._disconnect()
        for path in sorted(self.objects, reverse=True):
            if path.startswith(DEVICE):
                await self._remove(path)
        return "", []

    async def _org_bluez_Device1_Connect(self, _message: Message) -> Any:  # noqa: N802
        await self.set(DEVICE, _DEVICE1, Connected=Variant("b", True))
        if self.paired and not self.knows_host:
            # The kernel: PIN or Key Missing, then Authentication Failure.
            asyncio.get_running_loop().call_later(CUT_AFTER_S, self._cut)
            return "", []
        await self._add(
            SERVICE,
            {
                _SERVICE1: {
                    "UUID": Variant("s", SERVICE_UUID),
                    "Device": Variant("o", DEVICE),
                    "Primary": Variant("b", True),
                }
            },
        )
        for path, (uuid, flags) in CHARACTERISTICS.items():
            properties = {
                "UUID": Variant("s", uuid),
                "Service": Variant("o", SERVICE),
                "Flags": Variant("as", flags),
                "MTU": Variant("q", MTU),
            }
            await self._add(path, {_CHARACTERISTIC1: properties})
        self.peer = HostConnection(self.band.band)
        await self.set(DEVICE, _DEVICE1, ServicesResolved=Variant("b", True))
        return "", []

    def _cut(self) -> None:
        task = asyncio.ensure_future(self._disconnect())
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)

    async def _org_bluez_Device1_Disconnect(self, _message: Message) -> Any:  # noqa: N802
        await self._disconnect()
        return "", []

    async def _disconnect(self) -> None:
        self.band.links.pop(self, None)  # type: ignore[call-overload]
        if self.device["Connected"].value:
            off = Variant("b", False)
            await self.set(DEVICE, _DEVICE1, Connected=off, ServicesResolved=off)

    async def _org_bluez_Device1_Pair(self, _message: Message) -> Any:  # noqa: N802
        if self.default is None:
            raise BlueZError("org.bluez.Error.AuthenticationFailed", "Authentication Failed")
        if self.asks is not None:
            member, signature, body = self.asks
            sender, path = self.agents[self.default][0], self.default
            answer = await self.bus.call(
                Message(
                    destination=sender,
                    path=path,
                    interface="org.bluez.Agent1",
                    member=member,
                    signature="o" + signature,
                    body=[DEVICE, *body],
                )
            )
            if answer.message_type is MessageType.ERROR:
                self.answers.append(answer.error_name)
                raise BlueZError("org.bluez.Error.AuthenticationRejected", "Rejected")
            self.answers.append(answer.body[0] if answer.body else None)
            if member == "RequestPasskey" and answer.body[0] != self.passkey:
                raise BlueZError("org.bluez.Error.AuthenticationFailed", "Authentication Failed")
        await self.set(DEVICE, _DEVICE1, Paired=Variant("b", True), Bonded=Variant("b", True))
        return "", []

    # --- agents

    async def _org_bluez_AgentManager1_RegisterAgent(self, message: Message) -> Any:  # noqa: N802
        path, capability = message.body
        self.agents[path] = (str(message.sender), capability)
        self.log.append(f"registered {capability}")
        return "", []

    async def _org_bluez_AgentManager1_RequestDefaultAgent(self, message: Message) -> Any:  # noqa: N802
        self.default = message.body[0]
        self.log.append("default")
        return "", []

    async def _org_bluez_AgentManager1_UnregisterAgent(self, message: Message) -> Any:  # noqa: N802
        del self.agents[message.body[0]]
        self.default = None
        self.log.append("unregistered")
        return "", []

    # --- GATT

    async def _org_bluez_GattCharacteristic1_ReadValue(self, message: Message) -> Any:  # noqa: N802
        uuid, _ = CHARACTERISTICS[str(message.path)]
        if uuid == FIRMWARE_UUID:
            return "ay", [b"0.1.0"]
        self._secured()
        return "ay", [b"info"]

    def _secured(self) -> None:
        if not self.paired:
            raise BlueZError("org.bluez.Error.NotPermitted", "Not paired")

    async def _org_bluez_GattCharacteristic1_WriteValue(self, message: Message) -> Any:  # noqa: N802
        self._secured()
        value, options = message.body
        if options["type"].value == "command" and len(value) > MTU - 3:
            raise BlueZError("org.bluez.Error.Failed", "Failed to initiate write")
        assert self.peer is not None
        self.peer.receive(bytes(value), self.band.now_ms)
        self.band.poke()
        return "", []

    async def _org_bluez_GattCharacteristic1_StartNotify(self, _message: Message) -> Any:  # noqa: N802
        self._secured()
        self.band.links[self] = None  # type: ignore[index]  # all that a band asks of a link
        return "", []

    async def _org_bluez_GattCharacteristic1_StopNotify(self, _message: Message) -> Any:  # noqa: N802
        return "", []

    def pump(self, now_ms: int) -> None:
        """Notify what the band has to say; called by it."""
        assert self.peer is not None
        while packet := self.peer.pull(MTU - 3, now_ms):
            task = asyncio.ensure_future(
                self.set(OUTBOX, _CHARACTERISTIC1, Value=Variant("ay", packet))
            )
            self._helpers.add(task)
            task.add_done_callback(self._helpers.discard)

    def close(self) -> None:
        for task in (*self._helpers, *([self._discovering] if self._discovering else [])):
            task.cancel()
        self.bus.disconnect()


@contextmanager
def private_bus(program: Path) -> Iterator[str]:
    """A D-Bus of the test's own; gives its address."""
    # Not pytest's folder: the path of a socket has room for some 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="tenuto-"))
    address = f"unix:path={folder / 'bus'}"
    config = folder / "bus.conf"
    config.write_text(
        "<!DOCTYPE busconfig PUBLIC '-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN'"
        " 'http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd'>"
        f"<busconfig><type>system</type><listen>{address}</listen><auth>EXTERNAL</auth>"
        "<policy context='default'><allow user='*'/><allow own='*'/>"
        "<allow send_destination='*'/><allow receive_sender='*'/></policy></busconfig>"
    )
    with subprocess.Popen(
        [program, "--nofork", f"--config-file={config}", "--print-address"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("unix:"), "the bus is up"
            yield address
        finally:
            process.terminate()
            process.wait(patience_s(5))
            shutil.rmtree(folder)


@asynccontextmanager
async def bluez(address: str) -> AsyncIterator[FakeBlueZ]:
    """The service on a bus."""
    bus = await MessageBus(bus_address=address, bus_type=BusType.SYSTEM).connect()
    service = FakeBlueZ(bus)
    try:
        await bus.request_name("org.bluez")
        yield service
    finally:
        service.close()
