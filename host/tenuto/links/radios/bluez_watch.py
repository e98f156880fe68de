# SPDX-License-Identifier: MIT
"""Noticing that BlueZ has ended, on D-Bus.

When bluetoothd ends, crashes or is restarted, its links are gone, and nothing says so: D-Bus tells
that the name `org.bluez` has lost its owner, but not what has become of the objects.  bleak does
not look at the name and goes on with what it knew of them, so that a device counted as connected
for ever.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from bleak.backends.bluezdbus.manager import get_global_bluez_manager
from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus

from tenuto.errors import LinkError, LinkReason

from .errors import ADVICE

if TYPE_CHECKING:
    from bleak.backends.bluezdbus.manager import BlueZManager

_log = logging.getLogger(__name__)

CALL_TIMEOUT_S = 5.0
_BLUEZ = "org.bluez"
_BUS = "org.freedesktop.DBus"
_RULE = (
    f"type='signal',sender='{_BUS}',interface='{_BUS}',member='NameOwnerChanged',arg0='{_BLUEZ}'"
)


class BlueZWatch:
    """Watches the BlueZ that runs; when it ends, all that bleak knows of it is forgotten.

    Attributes:
        is_over: Whether it has ended; a watch of its successor is another one.
    """

    def __init__(self, bus: MessageBus, manager: BlueZManager) -> None:
        self.is_over = False
        self._bus = bus
        self._manager = manager
        bus.add_message_handler(self._on_message)

    @classmethod
    async def begin(cls) -> Self:
        """Begin to watch, with bleak connected to it.

        Raises:
            BleakError, DBusError, OSError, TimeoutError: There is no BlueZ, or no way to it.
        """
        async with asyncio.timeout(CALL_TIMEOUT_S):
            manager = await get_global_bluez_manager()
            bus = MessageBus(bus_type=BusType.SYSTEM)
            try:
                await bus.connect()
                watch = cls(bus, manager)
                reply = await bus.call(
                    Message(
                        destination=_BUS,
                        path="/org/freedesktop/DBus",
                        interface=_BUS,
                        member="AddMatch",
                        signature="s",
                        body=[_RULE],
                    )
                )
                if reply.message_type is MessageType.ERROR:
                    raise DBusError(str(reply.error_name), " ".join(map(str, reply.body)))
            except BaseException:
                bus.disconnect()
                raise
        return watch

    def lost(self) -> LinkError | None:
        """Return what has happened if BlueZ has ended, else None."""
        if not self.is_over and self._bus.connected:
            return None
        reason = LinkReason.NO_SERVICE
        return LinkError(reason, f"BlueZ has ended: {ADVICE[reason]}")

    async def close(self) -> None:
        """Watch no more."""
        if self._bus.connected:
            self._bus.disconnect()
        # What broke the connection is raised here, and has been noticed.
        with suppress(Exception):
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    def _on_message(self, message: Message) -> None:
        if message.member != "NameOwnerChanged" or message.interface != _BUS:
            return
        name, before, _ = message.body
        if name == _BLUEZ and before and not self.is_over:
            self.is_over = True
            _log.warning("bluez: its service has ended, and all its links with it")
            self._forget()

    def _forget(self) -> None:
        """Have bleak forget all objects, as it does when its connection to the bus breaks.

        That ends its clients, and whoever waits for services.  It has no words for this.
        """
        bus = self._manager._bus  # noqa: SLF001
        if bus is not None and bus.connected:  # the watch of another adapter may have been first
            bus.disconnect()
