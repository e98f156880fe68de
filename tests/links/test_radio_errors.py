# SPDX-License-Identifier: MIT
"""What people read when Bluetooth fails."""

from __future__ import annotations

import sys

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError as NotAvailable,
    BleakBluetoothNotAvailableReason as Why,
    BleakCharacteristicNotFoundError,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)

from tenuto.errors import LinkError, LinkReason
from tenuto.links.radios.errors import ADVICE, link_error, link_errors

BLUEZ = "org.bluez.Error."
BUS = "org.freedesktop.DBus.Error."
PROXY = "Bluetooth GATT Error address=C0:00:00:00:00:01 handle=17"
"""What aioesphomeapi tells, of which bleak-esphome makes a plain `BleakError`."""
NOT_PAIRED = LinkReason.NOT_PAIRED


@pytest.mark.parametrize(
    "error, reason",
    [
        (NotAvailable("No Bluetooth adapters found.", Why.NO_BLUETOOTH), LinkReason.NO_ADAPTER),
        (NotAvailable("classic only", Why.NO_BLE_CENTRAL_ROLE), LinkReason.NO_ADAPTER),
        (NotAvailable("No powered adapters.", Why.POWERED_OFF), LinkReason.ADAPTER_OFF),
        (NotAvailable("denied", Why.DENIED_BY_USER), LinkReason.PERMISSION),
        (NotAvailable("denied", Why.DENIED_BY_SYSTEM), LinkReason.PERMISSION),
        (NotAvailable("?", Why.UNKNOWN), LinkReason.NO_ADAPTER),
        (BleakError("adapter 'hci7' not found"), LinkReason.NO_ADAPTER),
        (BleakDBusError(BLUEZ + "NotReady", ["Resource Not Ready"]), LinkReason.ADAPTER_OFF),
        (
            BleakDBusError(BLUEZ + "Failed", ["le-connection-adapter-not-powered"]),
            LinkReason.ADAPTER_OFF,
        ),
        (BleakDBusError(BLUEZ + "Failed", ["Blocked through rfkill"]), LinkReason.ADAPTER_OFF),
        (BleakDBusError(BUS + "AccessDenied", ["Rejected send message"]), LinkReason.PERMISSION),
        (PermissionError(13, "Permission denied"), LinkReason.PERMISSION),
        (
            BleakDBusError(BUS + "ServiceUnknown", ["The name org.bluez was not provided"]),
            LinkReason.NO_SERVICE,
        ),
        (BleakDBusError(BLUEZ + "InProgress", ["In Progress"]), LinkReason.BUSY),
        (BleakDBusError(BLUEZ + "Failed", ["Operation already in progress"]), LinkReason.BUSY),
        (BleakDBusError(BLUEZ + "Failed", ["br-connection-canceled"]), LinkReason.BUSY),
        (
            BleakDBusError(BLUEZ + "Failed", ["le-connection-concurrent-connection-limit"]),
            LinkReason.FULL,
        ),
        (
            BleakError("cannot connect: HCI_CONNECTION_LIMIT_EXCEEDED: connection limit exceeded"),
            LinkReason.FULL,
        ),
        (
            BleakDBusError(BLUEZ + "AuthenticationFailed", ["Authentication Failed"]),
            LinkReason.REFUSED,
        ),
        (BleakDBusError(BLUEZ + "AuthenticationCanceled", []), LinkReason.REFUSED),
        (BleakDBusError(BLUEZ + "AuthenticationRejected", []), LinkReason.REFUSED),
        (BleakDBusError(BLUEZ + "AuthenticationTimeout", []), LinkReason.TIMEOUT),
        (BleakDBusError(BLUEZ + "Failed", ["le-connection-key-missing"]), LinkReason.BOND_LOST),
        (BleakDBusError(BLUEZ + "NotPermitted", ["Not paired"]), LinkReason.NOT_PAIRED),
        (BleakGATTProtocolError(0x05), LinkReason.NOT_PAIRED),
        (BleakGATTProtocolError(0x0F), LinkReason.NOT_PAIRED),
        (BleakGATTProtocolError(0x0D), LinkReason.PROTOCOL),
        (BleakError(f"{PROXY} error=5 description=Insufficient authentication"), NOT_PAIRED),
        (BleakError(f"{PROXY} error=15 description=Insufficient encryption"), NOT_PAIRED),
        (BleakError(f"{PROXY} error=12"), NOT_PAIRED),
        (BleakError("Insufficient Authorization"), NOT_PAIRED),
        (BleakError(f"{PROXY} error=133 description=Error"), LinkReason.LOST),
        (BleakError(f"{PROXY} error=51"), LinkReason.LOST),
        (BleakCharacteristicNotFoundError("2a06"), LinkReason.PROTOCOL),
        (BleakDeviceNotFoundError("C0:00", "gone"), LinkReason.NOT_FOUND),
        (BleakError("device 'dev_C0_00' not found"), LinkReason.NOT_FOUND),
        (BleakDBusError(BUS + "UnknownObject", ['Method "Connect" ...']), LinkReason.NOT_FOUND),
        (BleakDBusError(BLUEZ + "DoesNotExist", ["Does Not Exist"]), LinkReason.NOT_FOUND),
        (BleakDBusError(BLUEZ + "Failed", ["le-connection-abort-by-local"]), LinkReason.LOST),
        (BleakDBusError(BLUEZ + "Failed", ["le-connection-timeout"]), LinkReason.TIMEOUT),
        (BleakDBusError(BLUEZ + "Failed", ["Failed to initiate write"]), LinkReason.LOST),
        (BleakDBusError(BUS + "NoReply", ["Did not receive a reply."]), LinkReason.TIMEOUT),
        (
            BleakDBusError(
                BUS + "NoReply",
                ["Message recipient disconnected from message bus without replying"],
            ),
            LinkReason.NO_SERVICE,
        ),
        (BleakDBusError("org.example.Unheard", ["of"]), LinkReason.LOST),
        (BleakError("Service Discovery has not been performed yet"), LinkReason.LOST),
        (EOFError(), LinkReason.LOST),
        (OSError(9, "Bad file descriptor"), LinkReason.LOST),
        (AssertionError(), LinkReason.LOST),
        (TimeoutError(), LinkReason.TIMEOUT),
        (LinkError(LinkReason.BUSY, "as it was"), LinkReason.BUSY),
    ],
    ids=repr,
)
def test_each_error_has_its_reason_and_says_what_to_do(
    error: Exception, reason: LinkReason
) -> None:
    made = link_error(error, "scanning")
    assert made.reason is reason
    if not isinstance(error, LinkError):
        assert str(made).startswith(f"scanning: {ADVICE[reason]}")


@pytest.mark.parametrize(
    "error",
    [
        BleakDBusError(BUS + "UnknownObject", ['Method "WriteValue" does not exist\n']),
        BleakDBusError(BUS + "UnknownMethod", ["does not exist"]),
        BleakDBusError(BLUEZ + "DoesNotExist", ["Does Not Exist"]),
        BleakError("device 'dev_C0_00' not found"),
    ],
    ids=repr,
)
def test_what_is_gone_while_a_link_is_there_is_the_link(error: Exception) -> None:
    assert link_error(error, "sending", is_linked=True).reason is LinkReason.LOST


@pytest.mark.parametrize(
    "error",
    [
        BleakDBusError(BLUEZ + "Failed", ["several\nlines\r\n"]),
        BleakError("one\n"),
        NotAvailable("two\n lines", Why.POWERED_OFF),
        OSError(5, "a\nb"),
    ],
    ids=repr,
)
def test_a_message_is_one_line(error: Exception) -> None:
    assert len(str(link_error(error, "scanning")).splitlines()) == 1


@pytest.mark.parametrize("reason", list(LinkReason))
def test_no_advice_promises_what_only_a_daemon_does(reason: LinkReason) -> None:
    assert "tried again" not in ADVICE[reason]


def test_every_reason_has_an_advice() -> None:
    assert set(ADVICE) == set(LinkReason)


@pytest.mark.skipif(sys.platform != "linux", reason="D-Bus is Linux's")
async def test_without_a_system_bus_it_is_said_how_to_get_one() -> None:
    with pytest.raises(LinkError, match="bluez") as caught:
        async with link_errors("scanning"):
            raise FileNotFoundError(2, "No such file or directory")
    assert caught.value.reason is LinkReason.NO_SERVICE


async def test_what_is_no_fault_of_bluetooth_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        async with link_errors("scanning"):
            raise ZeroDivisionError
