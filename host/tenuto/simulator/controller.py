# SPDX-License-Identifier: MIT
# ruff: noqa: D102 - what bumble calls is documented there
"""A simulated Bluetooth controller, and bumble devices that stand on one.

Bumble's virtual controller, with what a radio model needs and with these faults mended (as of
bumble 0.0.236): a cancelled connect stays pending for ever; scan responses repeat the advertising
data; the peripheral is told 12.5 ms and 100 ms whatever the central chose; every advertiser can be
connected to; legacy advertising takes units of 0.625 ms for 1 ms; an ACL buffer counts as free
before its packet is sent; a disconnect is over, and a parameter update in force, before the peer
has heard of it; passive scanning gets scan responses; stopping and starting an advertiser at once
makes it advertise twice; a host that has asked for the enhanced event of a connection, since the
controller claims to resolve private addresses, gets the plain one, for which Linux waits 20 s.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, cast

from bumble import att, controller as bumble_controller, hci, ll
from bumble.core import PhysicalTransport
from bumble.device import DeviceConfiguration
from bumble.keys import KeyStore, MemoryKeyStore, PairingKeys
from bumble.pairing import PairingConfig, PairingDelegate

from tenuto.links.radios.bumble_fast_path import QuietDevice, QuietHost, is_logged

from .radio import LL_PAYLOAD_BYTES_MAX, Radio

if TYPE_CHECKING:
    from collections.abc import Callable

    from bumble.device import Connection as DeviceConnection, Device

ADVERTISING_JITTER_S = 0.010  # advDelay, Core Specification 6.0, Vol 6 Part B 4.4.2.2.1
ACL_BUFFERS = 8
# Core Specification 6.0, Vol 4 Part E 7.8.1: the events of Bluetooth 4.0.
LE_EVENT_MASK_AT_RESET = 0x1F
_ENHANCED = 1 << (hci.HCI_LE_ENHANCED_CONNECTION_COMPLETE_EVENT - 1)
_LISTENING = (
    hci.HCI_LE_Set_Scan_Enable_Command,
    hci.HCI_LE_Set_Extended_Scan_Enable_Command,
    hci.HCI_LE_Create_Connection_Command,
    hci.HCI_LE_Extended_Create_Connection_Command,
)
_ATT_CHANNEL = att.ATT_CID.to_bytes(2, "little")

_Report = hci.HCI_LE_Extended_Advertising_Report_Event.Report
_EventType = hci.HCI_LE_Extended_Advertising_Report_Event.EventType
_Properties = hci.HCI_LE_Set_Extended_Advertising_Parameters_Command.AdvertisingProperties
_LegacyType = hci.HCI_LE_Set_Advertising_Parameters_Command.AdvertisingType


@dataclasses.dataclass
class Advertisement(ll.AdvertisingPdu):
    """An undirected advertisement, with the answer that an active scanner would get."""

    advertiser_address: hci.Address
    data: bytes
    scan_response: bytes
    is_connectable: bool
    is_scannable: bool


class _Advertiser:
    """The timer that legacy advertising and advertising sets have in common."""

    def __init__(
        self,
        radio: Radio,
        interval_s: Callable[[], float],
        send: Callable[[], None],
    ) -> None:
        self._radio = radio
        self._interval_s = interval_s
        self._send = send
        self._timer: asyncio.Handle | None = None

    def start(self) -> None:
        self.stop()
        self._timer = asyncio.get_running_loop().call_soon(self._on_timer)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        wait_s = self._interval_s() + self._radio.random.random() * ADVERTISING_JITTER_S
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_timer)
        self._send()


class _OnTimer:
    """What bumble's two kinds of advertising have in common here."""

    enabled: bool
    _timer: _Advertiser

    def start(self) -> None:
        self.enabled = True
        self._timer.start()

    def stop(self) -> None:
        self.enabled = False
        self._timer.stop()


@dataclasses.dataclass
class _LegacyAdvertiser(_OnTimer, bumble_controller.LegacyAdvertiser):
    def __post_init__(self) -> None:
        self._timer = _Advertiser(
            cast("VirtualController", self.controller).radio,
            lambda: self.advertising_interval_min * 0.625e-3,
            self.send_advertising_data,
        )

    @property
    def is_connectable(self) -> bool:
        return self.enabled and self.advertising_type == _LegacyType.ADV_IND

    def send_advertising_data(self) -> None:
        is_scannable = self.advertising_type in (_LegacyType.ADV_IND, _LegacyType.ADV_SCAN_IND)
        self.controller.send_advertising_pdu(
            Advertisement(
                self.address,
                bytes(self.advertising_data),
                bytes(self.scan_response_data) if is_scannable else b"",
                self.is_connectable,
                is_scannable,
            )
        )


@dataclasses.dataclass
class _AdvertisingSet(_OnTimer, bumble_controller.AdvertisingSet):
    def __post_init__(self) -> None:
        self._timer = _Advertiser(
            cast("VirtualController", self.controller).radio,
            self._interval_s,
            self.send_extended_advertising_data,
        )

    @property
    def is_connectable(self) -> bool:
        return self.enabled and self._has(_Properties.CONNECTABLE_ADVERTISING)

    def send_extended_advertising_data(self) -> None:
        if self.address is None:
            return
        is_scannable = self._has(_Properties.SCANNABLE_ADVERTISING)
        self.controller.send_advertising_pdu(
            Advertisement(
                self.address,
                bytes(self.data),
                bytes(self.scan_response_data) if is_scannable else b"",
                self.is_connectable,
                is_scannable,
            )
        )

    def _has(self, wanted: int) -> bool:
        return bool(self.parameters and self.parameters.advertising_event_properties & int(wanted))

    def _interval_s(self) -> float:
        if self.parameters is None:  # it could not have been enabled
            return 1.0
        return self.parameters.primary_advertising_interval_min * 0.625e-3


@dataclasses.dataclass
class _Connection(bumble_controller.Connection):
    """Frees the host's ACL buffers when the packet is over the air, not before."""

    _fragments: int = 0

    def on_hci_acl_data_packet(self, packet: hci.HCI_AclDataPacket) -> None:
        self._fragments += 1
        self.assembler.feed_packet(packet)

    def on_acl_pdu(self, pdu: bytes) -> None:
        fragments, self._fragments = self._fragments, 0

        def on_sent() -> None:
            if self.controller.le_connections.get(self.peer_address) is self:
                cast("VirtualController", self.controller).tell_sent(self.handle, fragments)

        cast("Radio", self.link).send_data(self.self_address, self.peer_address, pdu, on_sent)


class _NearHost(QuietHost):
    """A bumble host in the process of its controller: data pass between them without HCI.

    That saves two thirds of their way; commands and events take the whole of it.

    Attributes:
        on_att: Takes what comes on ATT's channel of a connection.
    """

    on_att: Callable[[int, bytes], None] | None = None

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        controller = self.hci_sink
        if isinstance(packet, hci.HCI_AclDataPacket) and isinstance(controller, VirtualController):
            controller.on_hci_packet(packet)
        else:
            super().send_hci_packet(packet)

    def on_data(self, connection_handle: int, pdu: bytes) -> None:
        connection = self.connections.get(connection_handle)
        if connection is None:
            return
        if self.on_att is not None and pdu[2:4] == _ATT_CHANNEL:
            self.on_att(connection_handle, pdu[4:])
        else:
            connection.on_acl_pdu(pdu)

    def on_sent(self, connection_handle: int, fragments: int) -> None:
        queue = self.get_data_packet_queue(connection_handle)
        if queue is not None:
            queue.on_packets_completed(fragments, connection_handle)


class VirtualController(bumble_controller.Controller):
    """A controller on a `Radio`, LE only, at a random static address."""

    def __init__(self, name: str, radio: Radio, address: hci.Address) -> None:
        self.radio = radio
        super().__init__(name, link=radio)
        self.le_legacy_advertiser = self._legacy_advertiser = _LegacyAdvertiser(self)
        # Bumble's own table, known to hold nothing but ours.
        self._advertising_sets = cast("dict[int, _AdvertisingSet]", self.advertising_sets)
        self.le_acl_data_packet_length = LL_PAYLOAD_BYTES_MAX
        self.total_num_le_acl_data_packets = ACL_BUFFERS
        self.random_address = address
        self.le_event_mask = LE_EVENT_MASK_AT_RESET
        self._scans_actively = True

    # -- asked by the radio

    def listens_to(self, advertiser: hci.Address) -> bool:
        """Return whether an advertisement of this device would be noticed."""
        if self.le_scan_enable:
            return True
        pending = self.pending_le_connection
        return pending is not None and pending.peer_address == advertiser

    def can_be_connected_at(self, address: hci.Address) -> bool:
        """Return whether this device waits for a connection at an address."""
        return self._advertiser_at(address) is not None

    def on_link_lost(self, peer_address: hci.Address, reason: int) -> None:
        """Take note that the link to a peer is gone; nothing if there is none."""
        connection = self.le_connections.get(peer_address)
        if connection is not None:
            self.on_le_disconnected(connection, reason)

    def power_off(self) -> None:
        """Vanish from the air in the middle of everything, as at a reset."""
        self._forget_everything()
        self.host = None
        self.radio.abandon(self)

    def _forget_everything(self) -> None:
        self.le_legacy_advertiser.stop()
        for advertising_set in self.advertising_sets.values():
            advertising_set.stop()
        self.advertising_sets.clear()
        self.le_scan_enable = False
        self.le_event_mask = LE_EVENT_MASK_AT_RESET
        self.pending_le_connection = None
        self.le_connections.clear()

    def _advertiser_at(self, address: hci.Address) -> _LegacyAdvertiser | _AdvertisingSet | None:
        advertisers: list[_LegacyAdvertiser | _AdvertisingSet] = [self._legacy_advertiser]
        for advertiser in advertisers + list(self._advertising_sets.values()):
            if advertiser.is_connectable and advertiser.address == address:
                return advertiser
        return None

    # -- between host and controller; the base class formats each packet for a log nobody reads

    def on_hci_packet(self, packet: hci.HCI_Packet) -> None:
        if isinstance(packet, hci.HCI_AclDataPacket):
            connection = self.find_le_connection_by_handle(packet.connection_handle)
            # A write may still be queued in the host when its link goes.
            if connection is not None:
                connection.on_hci_acl_data_packet(packet)
        elif isinstance(packet, hci.HCI_Command):
            if isinstance(packet, _LISTENING):
                self.radio.add_listener(self)
            self.on_hci_command_packet(packet)
        else:
            super().on_hci_packet(packet)

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        if self.host is not None:
            asyncio.get_running_loop().call_soon(self._pass_to_host, bytes(packet))

    def _pass_to_host(self, packet: bytes) -> None:
        if self.host is not None:
            self.host.on_packet(packet)

    def tell_sent(self, connection_handle: int, fragments: int) -> None:
        """Tell the host that the other end of a connection has what it wanted to send."""
        host = self._near_host
        if host is not None:
            host.on_sent(connection_handle, fragments)
            return
        self.send_hci_packet(
            hci.HCI_Number_Of_Completed_Packets_Event([connection_handle], [fragments])
        )

    @property
    def _near_host(self) -> _NearHost | None:
        """The host, if it is in this process and nobody wants to see the packets between."""
        host = self.host
        if isinstance(host, _NearHost) and not host.snooper and not is_logged():
            return host
        return None

    # -- what comes over the air

    def on_ll_advertising_pdu(self, packet: ll.AdvertisingPdu) -> None:
        if isinstance(packet, Advertisement):
            self._on_advertisement(packet)
        elif isinstance(packet, ll.ConnectInd):
            self.on_le_connect_ind(packet)

    def on_ll_control_pdu(self, sender_address: hci.Address, packet: ll.ControlPdu) -> None:
        if sender_address in self.le_connections:  # else it crossed with our own end of the link
            super().on_ll_control_pdu(sender_address, packet)

    def on_link_acl_data(
        self, sender_address: hci.Address, transport: PhysicalTransport, data: bytes
    ) -> None:
        connection = self.le_connections.get(sender_address)
        if connection is None:
            return
        host = self._near_host
        if host is not None:
            host.on_data(connection.handle, data)
        else:
            super().on_link_acl_data(sender_address, transport, data)

    def _on_advertisement(self, pdu: Advertisement) -> None:
        if self.le_scan_enable:
            kind = _EventType.LEGACY_ADVERTISING_PDU_USED
            if pdu.is_connectable:
                kind |= _EventType.CONNECTABLE_ADVERTISING
            if pdu.is_scannable:
                kind |= _EventType.SCANNABLE_ADVERTISING
            self._report(pdu, kind, pdu.data)
            if self._scans_actively and pdu.is_scannable:
                self._report(pdu, kind | _EventType.SCAN_RESPONSE, pdu.scan_response)
        pending = self.pending_le_connection
        if pending and pdu.is_connectable and pending.peer_address == pdu.advertiser_address:
            self.create_le_connection(pdu.advertiser_address)

    def _report(self, pdu: Advertisement, event_type: int, data: bytes) -> None:
        self.send_hci_packet(
            hci.HCI_LE_Extended_Advertising_Report_Event(
                [
                    _Report(
                        event_type=event_type,
                        address_type=pdu.advertiser_address.address_type,
                        address=pdu.advertiser_address,
                        primary_phy=hci.Phy.LE_1M,
                        secondary_phy=0,
                        advertising_sid=0xFF,
                        tx_power=0x7F,
                        rssi=round(
                            self.radio.signal_dbm(self.random_address, pdu.advertiser_address)
                        ),
                        periodic_advertising_interval=0,
                        direct_address_type=0,
                        direct_address=hci.Address.ANY,
                        data=data,
                    )
                ]
            )
        )

    # -- connections

    def create_le_connection(self, peer_address: hci.Address) -> None:
        command = self.pending_le_connection
        if command is None or peer_address in self.le_connections:
            return
        self.pending_le_connection = None
        if isinstance(command, hci.HCI_LE_Extended_Create_Connection_Command):
            interval = command.connection_interval_mins[0]
            latency = command.max_latencies[0]
            timeout = command.supervision_timeouts[0]
        else:
            interval = command.connection_interval_min
            latency = command.max_latency
            timeout = command.supervision_timeout
        if self.radio.interval_ms is not None:
            interval = round(self.radio.interval_ms / 1.25)
        request = ll.ConnectInd(self.random_address, peer_address, interval, latency, timeout)
        self._add_connection(hci.Role.CENTRAL, self.random_address, peer_address, request)
        self.send_advertising_pdu(request)

    def on_le_connect_ind(self, packet: ll.ConnectInd) -> None:
        advertiser = self._advertiser_at(packet.advertiser_address)
        if advertiser is None:
            return
        advertiser.stop()
        connection = self._add_connection(
            hci.Role.PERIPHERAL, packet.advertiser_address, packet.initiator_address, packet
        )
        if isinstance(advertiser, _AdvertisingSet):
            self.send_hci_packet(
                hci.HCI_LE_Advertising_Set_Terminated_Event(
                    status=hci.HCI_ErrorCode.SUCCESS,
                    advertising_handle=advertiser.handle,
                    connection_handle=connection.handle,
                    num_completed_extended_advertising_events=0,
                )
            )

    def _add_connection(
        self,
        role: hci.Role,
        self_address: hci.Address,
        peer_address: hci.Address,
        request: ll.ConnectInd,
    ) -> _Connection:
        connection = _Connection(
            controller=self,
            handle=self.allocate_connection_handle(),
            role=role,
            self_address=self_address,
            peer_address=peer_address,
            link=self.radio,
            transport=PhysicalTransport.LE,
            link_type=hci.HCI_Connection_Complete_Event.LinkType.ACL,
        )
        self.le_connections[peer_address] = connection
        self._tell_connection(
            status=hci.HCI_ErrorCode.SUCCESS,
            connection_handle=connection.handle,
            role=role,
            peer_address_type=peer_address.address_type,
            peer_address=peer_address,
            connection_interval=request.interval,
            peripheral_latency=request.latency,
            supervision_timeout=request.timeout,
            central_clock_accuracy=0,
        )
        return connection

    def _tell_connection(self, **told: Any) -> None:  # noqa: ANN401 - the fields of the event
        """Tell what has become of a connection, in the form that the host has asked for."""
        if self.le_event_mask & _ENHANCED:
            self.send_hci_packet(
                hci.HCI_LE_Enhanced_Connection_Complete_Event(
                    # Nobody here has a private address.
                    local_resolvable_private_address=hci.Address.ANY_RANDOM,
                    peer_resolvable_private_address=hci.Address.ANY_RANDOM,
                    **told,
                )
            )
        else:
            self.send_hci_packet(hci.HCI_LE_Connection_Complete_Event(**told))

    # -- commands

    def on_hci_reset_command(
        self, _command: hci.HCI_Reset_Command
    ) -> hci.HCI_StatusReturnParameters:
        self._forget_everything()
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_disconnect_command(self, command: hci.HCI_Disconnect_Command) -> None:
        connection = self.find_le_connection_by_handle(command.connection_handle)
        if connection is None:
            self._send_hci_command_status(
                hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR, command.op_code
            )
            return
        self._send_hci_command_status(hci.HCI_COMMAND_STATUS_PENDING, command.op_code)
        # Over when the peer has heard of it, or at the supervision timeout.
        self.radio.send_control(
            connection.self_address,
            connection.peer_address,
            ll.TerminateInd(command.reason),
            lambda: self.on_link_lost(
                connection.peer_address,
                hci.HCI_ErrorCode.CONNECTION_TERMINATED_BY_LOCAL_HOST_ERROR,
            ),
        )

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        pending = self.pending_le_connection
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.pending_le_connection = None
        # After the answer to the command itself.
        asyncio.get_running_loop().call_soon(
            functools.partial(
                self._tell_connection,
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=pending.peer_address.address_type,
                peer_address=pending.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_le_set_extended_advertising_parameters_command(
        self, command: hci.HCI_LE_Set_Extended_Advertising_Parameters_Command
    ) -> hci.HCI_LE_Set_Extended_Advertising_Parameters_ReturnParameters:
        handle = command.advertising_handle
        if handle not in self.advertising_sets:
            self.advertising_sets[handle] = _AdvertisingSet(controller=self, handle=handle)
        return super().on_hci_le_set_extended_advertising_parameters_command(command)

    def on_hci_le_set_extended_scan_parameters_command(
        self, command: hci.HCI_LE_Set_Extended_Scan_Parameters_Command
    ) -> hci.HCI_StatusReturnParameters:
        self._scans_actively = bool(command.scan_types[0])
        return super().on_hci_le_set_extended_scan_parameters_command(command)

    def on_hci_le_connection_update_command(
        self, command: hci.HCI_LE_Connection_Update_Command
    ) -> None:
        connection = self.find_le_connection_by_handle(command.connection_handle)
        if connection is None:
            self._send_hci_command_status(
                hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR, command.op_code
            )
            return
        self._send_hci_command_status(hci.HCI_COMMAND_STATUS_PENDING, command.op_code)

        def on_sent() -> None:
            self.send_hci_packet(
                hci.HCI_LE_Connection_Update_Complete_Event(
                    status=hci.HCI_ErrorCode.SUCCESS,
                    connection_handle=command.connection_handle,
                    connection_interval=command.connection_interval_max,
                    peripheral_latency=command.max_latency,
                    supervision_timeout=command.supervision_timeout,
                )
            )

        update = ll.ConnectionUpdateInd(
            command.connection_interval_max, command.max_latency, command.supervision_timeout
        )
        self.radio.send_control(connection.self_address, connection.peer_address, update, on_sent)


class BoardFlash(MemoryKeyStore):
    """The bonds in a board's flash, with what each bonded peer has subscribed to.

    Bumble 0.0.236 files a responder's two legacy keys under each other's name, and a link could
    not be encrypted again; they are put right here.

    Attributes:
        bonds_max: How many peers are remembered, None for any number; the oldest gives way.
        cccds: Peer -> handle of the characteristic -> value of its configuration descriptor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cccds: dict[str, dict[int, bytes]] = {}
        self.bonds_max: int | None = None

    async def update(self, name: str, keys: PairingKeys) -> None:
        """Store the keys of a peer."""
        keys.ltk_central, keys.ltk_peripheral = keys.ltk_peripheral, keys.ltk_central
        self.cccds.pop(name, None)
        await super().update(name, keys)
        while self.bonds_max is not None and len(self.all_keys) > self.bonds_max:
            oldest = next(iter(self.all_keys))
            del self.all_keys[oldest]
            self.cccds.pop(oldest, None)

    def erase_bonds(self) -> None:
        """Forget every peer."""
        self.all_keys.clear()
        self.cccds.clear()


def just_works(*, secure_connections: bool) -> Callable[[DeviceConnection], PairingConfig]:
    """Make a bumble pairing policy: bond without asking anybody."""

    def config(_connection: DeviceConnection) -> PairingConfig:
        return PairingConfig(
            sc=secure_connections,
            mitm=False,
            bonding=True,
            delegate=PairingDelegate(PairingDelegate.NO_OUTPUT_NO_INPUT),
            identity_address_type=PairingConfig.AddressType.RANDOM,
        )

    return config


async def power_on_device(
    radio: Radio,
    name: str,
    address: str,
    *,
    secure_connections: bool,
    keystore: KeyStore | None = None,
) -> tuple[Device, VirtualController]:
    """Put a new device on the air and power it on.

    Args:
        radio: The medium.
        name: Its GAP name.
        address: A random static address, such as `C0:00:00:00:00:01`.
        secure_connections: Whether it pairs by LE Secure Connections or only the legacy way.
        keystore: Its bonds; None for an empty store in memory.
    """
    hci_address = hci.Address(address)
    controller = VirtualController(name, radio, hci_address)
    host = _NearHost()
    host.set_packet_sink(controller)
    controller.set_packet_sink(host)
    # The controller resolves private addresses itself; else every connect to a bonded peer would
    # begin with a scan of its own.
    config = DeviceConfiguration(name=name, address=hci_address, address_resolution_offload=True)
    device = QuietDevice(config=config, host=host)
    host.on_att = device.on_gatt_pdu
    device.pairing_config_factory = just_works(secure_connections=secure_connections)
    device.keystore = keystore if keystore is not None else MemoryKeyStore()
    await device.power_on()
    return device, controller
