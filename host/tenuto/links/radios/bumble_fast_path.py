# SPDX-License-Identifier: MIT
# ruff: noqa: D102 - what bumble calls is documented there
"""Bumble's host and device without what they do for a debug log that nobody reads.

Bumble makes a text of each packet on each of its layers before it asks whether it is to be logged,
which took a sixth of the time that a packet takes. Where somebody does log `bumble` at DEBUG, or a
snooper is attached, everything is as bumble has it.

Two of its habits are mended (as of bumble 0.0.236): a command whose caller was cancelled leaves its
answer to the next command; and each new bond is followed by a command for every bond there is.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from typing import TYPE_CHECKING

from bumble import att, hci, smp
from bumble.device import Device
from bumble.host import Host

if TYPE_CHECKING:
    from typing import Any

_log = logging.getLogger("bumble")

_OFTEN = (int(att.Opcode.ATT_HANDLE_VALUE_NOTIFICATION), int(att.Opcode.ATT_WRITE_COMMAND))
_HEADER = struct.Struct("<BH")  # of both: opcode and attribute handle


def is_logged() -> bool:
    """Return whether somebody wants to read bumble's debug log."""
    return _log.isEnabledFor(logging.DEBUG)


class QuietHost(Host):
    """A bumble host that makes no text of what passes through it."""

    async def _send_command(self, command: Any, response_timeout: float | None = None) -> Any:  # noqa: ANN401 - as the base class has them
        """Send a command and take its answer, also when nobody waits for it any more."""
        return await asyncio.shield(super()._send_command(command, response_timeout))

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        if self.snooper or is_logged():
            super().send_hci_packet(packet)
        elif self.hci_sink:
            self.hci_sink.on_packet(bytes(packet))

    def on_hci_packet(self, packet: hci.HCI_Packet) -> None:
        if self.snooper or is_logged():
            super().on_hci_packet(packet)
        elif isinstance(packet, hci.HCI_AclDataPacket):
            self.on_hci_acl_data_packet(packet)
        elif isinstance(packet, hci.HCI_Event):
            self.on_hci_event_packet(packet)
        else:
            super().on_hci_packet(packet)


class QuietDevice(Device):
    """A bumble device that takes the GATT packets which come often by the short way."""

    _resolved: set[tuple[bytes, hci.Address]] | None = None
    """The keys of private addresses that the controller has, None while that is not known."""

    async def refresh_resolving_list(self) -> None:
        keys = [] if self.keystore is None else await self.keystore.get_resolving_keys()
        resolved, self._resolved = self._resolved, None
        if resolved is None or not resolved.issubset(keys):
            await super().refresh_resolving_list()
        else:
            self.address_resolver = smp.AddressResolver(keys)
            if self.address_resolution_offload or self.address_generation_offload:
                for irk, address in [key for key in keys if key not in resolved]:
                    await self.send_sync_command(
                        hci.HCI_LE_Add_Device_To_Resolving_List_Command(
                            peer_identity_address_type=address.address_type,
                            peer_identity_address=address,
                            peer_irk=irk,
                            local_irk=self.irk,
                        )
                    )
        self._resolved = set(keys)

    def on_gatt_pdu(self, connection_handle: int, pdu: bytes) -> None:
        connection = self.lookup_connection(connection_handle)
        kind = pdu[0] if len(pdu) >= _HEADER.size else None
        if connection is not None and kind in _OFTEN and not is_logged():
            _, attribute = _HEADER.unpack_from(pdu)
            value = pdu[_HEADER.size :]
            if kind == att.Opcode.ATT_HANDLE_VALUE_NOTIFICATION:
                told = att.ATT_Handle_Value_Notification(attribute, value)
                connection.gatt_client.on_att_handle_value_notification(told)
            else:
                command = att.ATT_Write_Command(attribute, value)
                connection.gatt_server.on_att_write_command(connection, command)
        else:
            super().on_gatt_pdu(connection_handle, pdu)


def write_command(attribute: int, value: bytes) -> bytes:
    """Make the packet of a write without response, Core Specification Vol 3 Part F 3.4.5.3."""
    return _HEADER.pack(att.Opcode.ATT_WRITE_COMMAND, attribute) + value


def notification(attribute: int, value: bytes) -> bytes:
    """Make the packet of a notification, Core Specification Vol 3 Part F 3.4.7.1."""
    return _HEADER.pack(att.Opcode.ATT_HANDLE_VALUE_NOTIFICATION, attribute) + value
