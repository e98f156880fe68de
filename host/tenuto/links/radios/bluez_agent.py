# SPDX-License-Identifier: MIT
"""An agent for pairing on BlueZ, by D-Bus.

BlueZ asks an agent before it makes a bond, also where there is nothing to be asked, and fails
without one; bleak registers none.  Ours is there for the time of one pairing only, and answers for
one device only, since as the default agent it is asked about everybody's.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeAlias, TypeVar

from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import (
    DBusObjectPath,
    DBusSignature,
    DBusStr,
    DBusUInt16,
    DBusUInt32,
)
from dbus_fast.service import ServiceInterface, dbus_method

from tenuto.errors import LinkError

from .errors import link_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

# dbus-fast reads annotations when the module is loaded, and takes no plain None.
Nothing: TypeAlias = Annotated[None, DBusSignature("")]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

PATH = "/org/tenuto/agent"
CALL_TIMEOUT_S = 5.0
ASK_TIMEOUT_S = 60.0
"""BlueZ gives up after about as long."""
_BLUEZ = "org.bluez"
_MANAGER = "org.bluez.AgentManager1"
_REJECTED = "org.bluez.Error.Rejected"
_CANCELED = "org.bluez.Error.Canceled"


class Prompter(Protocol):
    """Talks with the person who pairs.  Its questions may be cancelled at any time."""

    def show(self, text: str) -> None:
        """Tell something."""

    async def ask(self, text: str) -> str:
        """Ask for a line of text."""
        ...


def read_passkey(text: str) -> int | None:
    """Read a number of up to six digits, blanks and dashes allowed; None for anything else."""
    digits = text.replace(" ", "").replace("-", "").strip()
    return int(digits) if digits.isdecimal() and digits.isascii() and len(digits) <= 6 else None


def is_yes(text: str) -> bool:
    """Whether an answer says yes."""
    return text.strip().lower() in ("y", "yes")


class PairingAgent(ServiceInterface):
    """Answers BlueZ's questions about one device; see `org.bluez.Agent1`.

    Args:
        address: Address of the device.
        prompter: None where nobody can be asked, so that only pairings without a number work.
    """

    def __init__(self, address: str, prompter: Prompter | None) -> None:
        super().__init__("org.bluez.Agent1")
        self._suffix = f"/dev_{address.replace(':', '_')}".upper()
        self._prompter = prompter
        self._questions: set[asyncio.Task[Any]] = set()

    @property
    def capability(self) -> str:
        """What BlueZ is told that can be done here."""
        return "NoInputNoOutput" if self._prompter is None else "KeyboardDisplay"

    def _check(self, device: str) -> None:
        if not device.upper().endswith(self._suffix):
            _log.warning("agent: refused %s, which is not the device to pair with", device)
            raise DBusError(_REJECTED, "another device is being paired")

    async def _ask(self, question: str) -> str:
        """Ask the person; BlueZ may take the question back meanwhile."""
        if self._prompter is None:
            raise DBusError(_REJECTED, "nobody can be asked here")
        task = asyncio.ensure_future(self._prompter.ask(question))
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)
        await asyncio.wait({task}, timeout=ASK_TIMEOUT_S)
        if not task.done():
            task.cancel()
            self._tell("that took too long")
        if task.cancelled() or not task.done():
            raise DBusError(_CANCELED, "no answer")
        error = task.exception()
        if error is not None:
            raise DBusError(_CANCELED, f"no answer: {type(error).__name__}")
        return task.result()

    def _tell(self, text: str) -> None:
        if self._prompter is not None:
            self._prompter.show(text)

    async def _agree(self, question: str) -> None:
        if not is_yes(await self._ask(f"{question} [y/N] ")):
            raise DBusError(_REJECTED, "the user said no")

    @dbus_method()
    def Release(self) -> Nothing:  # noqa: N802 - BlueZ's names here and below
        """Take note that BlueZ has let go of the agent."""
        self.cancel()

    @dbus_method()
    async def RequestPinCode(self, device: DBusObjectPath) -> DBusStr:  # noqa: N802
        """Ask for the PIN of an old device."""
        self._check(device)
        return (await self._ask("PIN shown by the wearable: ")).strip()[:16]

    @dbus_method()
    def DisplayPinCode(self, device: DBusObjectPath, pincode: DBusStr) -> Nothing:  # noqa: N802
        """Show a PIN to type on the wearable."""
        self._check(device)
        self._tell(f"type {pincode} on the wearable")

    @dbus_method()
    async def RequestPasskey(self, device: DBusObjectPath) -> DBusUInt32:  # noqa: N802
        """Ask for the number that the wearable shows."""
        self._check(device)
        passkey = read_passkey(await self._ask("number shown by the wearable (6 digits): "))
        if passkey is None:
            self._tell("that is not a number of up to 6 digits")
            raise DBusError(_REJECTED, "no number")
        return passkey

    @dbus_method()
    def DisplayPasskey(  # noqa: N802
        self, device: DBusObjectPath, passkey: DBusUInt32, entered: DBusUInt16
    ) -> Nothing:
        """Show the number to type on the wearable; comes again with each digit that is typed."""
        self._check(device)
        if entered == 0:
            self._tell(f"type {passkey:06} on the wearable")

    @dbus_method()
    async def RequestConfirmation(self, device: DBusObjectPath, passkey: DBusUInt32) -> Nothing:  # noqa: N802
        """Ask whether both show the same number."""
        self._check(device)
        await self._agree(f"does the wearable show {passkey:06}?")

    @dbus_method()
    async def RequestAuthorization(self, device: DBusObjectPath) -> Nothing:  # noqa: N802
        """Allow the pairing that was asked for here; there is nothing to compare."""
        self._check(device)

    @dbus_method()
    async def AuthorizeService(self, device: DBusObjectPath, uuid: DBusStr) -> Nothing:  # noqa: N802
        """Let the device that is being paired use its services."""
        del uuid
        self._check(device)

    @dbus_method()
    def Cancel(self) -> Nothing:  # noqa: N802
        """Take back what was asked."""
        self.cancel()

    def cancel(self) -> None:
        """End all questions."""
        for question in self._questions:
            question.cancel()


@asynccontextmanager
async def registered(address: str, prompter: Prompter | None = None) -> AsyncIterator[None]:
    """Be BlueZ's agent for pairing with a device while inside.

    Raises:
        LinkError: BlueZ cannot be reached or does not take the agent.
    """
    agent = PairingAgent(address, prompter)
    async with link_errors("preparing the pairing"):
        bus = MessageBus(bus_type=BusType.SYSTEM)
        try:
            await _limited(bus.connect())
            bus.export(PATH, agent)
            await _call(bus, "RegisterAgent", "os", [PATH, agent.capability])
            await _call(bus, "RequestDefaultAgent", "o", [PATH])
        except BaseException:
            bus.disconnect()
            raise
    try:
        yield
    finally:
        agent.cancel()
        with suppress(LinkError):
            async with link_errors("ending the pairing"):
                await _call(bus, "UnregisterAgent", "o", [PATH])
        bus.disconnect()


async def bluez_is_there() -> bool:
    """Whether BlueZ is on the system bus.

    Raises:
        LinkError: There is no bus, or this user may not use it.
    """
    async with link_errors("asking for BlueZ"):
        bus = MessageBus(bus_type=BusType.SYSTEM)
        try:
            await _limited(bus.connect())
            reply = await _limited(
                bus.call(
                    Message(
                        destination="org.freedesktop.DBus",
                        path="/org/freedesktop/DBus",
                        interface="org.freedesktop.DBus",
                        member="NameHasOwner",
                        signature="s",
                        body=[_BLUEZ],
                    )
                )
            )
        finally:
            bus.disconnect()
    return bool(reply.body and reply.body[0])


async def _limited(work: Awaitable[_T]) -> _T:
    async with asyncio.timeout(CALL_TIMEOUT_S):
        return await work


async def _call(bus: MessageBus, member: str, signature: str, body: list[Any]) -> None:
    reply = await _limited(
        bus.call(
            Message(
                destination=_BLUEZ,
                path="/org/bluez",
                interface=_MANAGER,
                member=member,
                signature=signature,
                body=body,
            )
        )
    )
    if reply.message_type is MessageType.ERROR:
        text = str(reply.body[0]) if reply.body else ""
        raise DBusError(reply.error_name or "org.bluez.Error.Failed", text)
