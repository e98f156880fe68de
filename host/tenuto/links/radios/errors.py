# SPDX-License-Identifier: MIT
"""What bleak and the platform raise, in Tenuto's own words.

BlueZ tells what is wrong by the name of a D-Bus error and, for most failures, only by its text.
Names and texts are those of BlueZ 5.82's `src/error.h`; `_D_BUS` is the whole mapping.
"""

from __future__ import annotations

import re
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason as Unavailable,
    BleakCharacteristicNotFoundError,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)

from tenuto.errors import LinkError, LinkReason, one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import TypeAlias

    from dbus_fast import DBusError

    _Meaning: TypeAlias = tuple[type[BaseException], LinkReason | Callable[[Any], LinkReason]]

ADVICE = {
    LinkReason.NOT_FOUND: "is it on, charged and near, and not connected to another computer or a "
    "phone?",
    LinkReason.NO_ADAPTER: "this computer has no Bluetooth adapter that can be used: plug one in, "
    "or use a microcontroller as the radio (see [bluetooth] in tenuto.toml)",
    LinkReason.ADAPTER_OFF: "Bluetooth is switched off: switch it on"
    + (
        ", with `bluetoothctl power on` or, if that is refused, `rfkill unblock bluetooth` first"
        if sys.platform == "linux"
        else " in the system's settings"
    ),
    LinkReason.NO_SERVICE: "the system's Bluetooth service does not run: start it with "
    "`sudo systemctl enable --now bluetooth`, or install it with `sudo apt install bluez`",
    LinkReason.PERMISSION: "this user may not use Bluetooth: "
    + (
        "join the group with `sudo usermod -aG bluetooth $USER` and log in again"
        if sys.platform == "linux"
        else "allow it for this program in the system's privacy settings"
    ),
    LinkReason.BUSY: "the adapter is busy with something else: if it stays so, close other "
    "programs that use Bluetooth, or switch the adapter off and on",
    LinkReason.FULL: "the adapter carries no more links, adapters carry 5 to 20 of them: "
    "disconnect something, or add an adapter",
    LinkReason.HELD: "another host has it: play it there, or start here while nothing plays on it",
    LinkReason.LOST: "the link broke: come nearer, and charge it if that may be due",
    LinkReason.TIMEOUT: "there was no answer in time: come nearer, or switch it off and on",
    LinkReason.NOT_PAIRED: "it wants to be paired with this computer first: `tenuto pair`",
    LinkReason.BOND_LOST: "the wearable or this computer has forgotten that they are paired: "
    "`tenuto forget` and then `tenuto pair`, with the wearable ready for pairing",
    LinkReason.UNPROVEN: "it is another device at its address, or has lost its keys: if you have "
    "reset it, `tenuto forget` and then `tenuto pair`",
    LinkReason.REFUSED: "the pairing was refused: make the wearable ready for pairing, try again",
    LinkReason.PROTOCOL: "it answered with something that Tenuto does not expect there",
}
"""For each reason what a person can do.

Whether it is tried again is not for here to say: a daemon does, `tenuto run` gives up.
"""

# ATT errors (Core 5.4, Vol 3, Part F, 3.4.1.1): a bond is missing, or the link is not encrypted.
_SECURITY_ERRORS = frozenset({0x05, 0x08, 0x0C, 0x0F})

_BLUEZ = "org.bluez.Error."
_BUS = "org.freedesktop.DBus.Error."
# The name of a D-Bus error, what its text matches, and what that means; the first that fits counts.
_D_BUS: tuple[tuple[str, str, LinkReason], ...] = (
    (_BLUEZ + "NotReady", "", LinkReason.ADAPTER_OFF),
    (_BLUEZ + "InProgress", "", LinkReason.BUSY),
    (_BLUEZ + "NotAuthorized", "", LinkReason.NOT_PAIRED),
    (_BLUEZ + "NotPermitted", "(?i)not paired", LinkReason.NOT_PAIRED),
    (_BLUEZ + "AuthenticationRejected", "", LinkReason.REFUSED),
    (_BLUEZ + "AuthenticationCanceled", "", LinkReason.REFUSED),
    (_BLUEZ + "AuthenticationFailed", "", LinkReason.REFUSED),
    (_BLUEZ + "AuthenticationTimeout", "", LinkReason.TIMEOUT),
    (_BLUEZ + "ConnectionAttemptFailed", "", LinkReason.LOST),
    (_BLUEZ + "NotConnected", "", LinkReason.LOST),
    (_BLUEZ + "DoesNotExist", "", LinkReason.NOT_FOUND),
    (_BLUEZ + "Failed", "adapter-not-powered|(?i:rfkill|not powered)", LinkReason.ADAPTER_OFF),
    (_BLUEZ + "Failed", "concurrent-connection-limit|memory-allocation", LinkReason.FULL),
    (_BLUEZ + "Failed", "key-missing", LinkReason.BOND_LOST),
    (_BLUEZ + "Failed", "connection-busy|canceled|(?i:in progress|busy)", LinkReason.BUSY),
    (_BLUEZ + "Failed", "timeout", LinkReason.TIMEOUT),
    (_BLUEZ + "Failed", "", LinkReason.LOST),
    (_BUS + "ServiceUnknown", "", LinkReason.NO_SERVICE),
    (_BUS + "NameHasNoOwner", "", LinkReason.NO_SERVICE),
    (_BUS + "Spawn", "", LinkReason.NO_SERVICE),
    (_BUS + "Disconnected", "", LinkReason.NO_SERVICE),
    (_BUS + "AccessDenied", "", LinkReason.PERMISSION),
    (_BUS + "AuthFailed", "", LinkReason.PERMISSION),
    (_BUS + "UnknownObject", "", LinkReason.NOT_FOUND),
    (_BUS + "UnknownMethod", "", LinkReason.NOT_FOUND),
    (_BUS + "NoReply", "(?i)disconnected from message bus", LinkReason.NO_SERVICE),
    (_BUS + "NoReply", "", LinkReason.TIMEOUT),
    (_BUS + "Timeout", "", LinkReason.TIMEOUT),
    (_BUS + "LimitsExceeded", "", LinkReason.BUSY),
)
_UNAVAILABLE = {
    Unavailable.NO_BLUETOOTH: LinkReason.NO_ADAPTER,
    Unavailable.NO_BLE_CENTRAL_ROLE: LinkReason.NO_ADAPTER,
    Unavailable.POWERED_OFF: LinkReason.ADAPTER_OFF,
    Unavailable.DENIED_BY_USER: LinkReason.PERMISSION,
    Unavailable.DENIED_BY_SYSTEM: LinkReason.PERMISSION,
    Unavailable.DENIED_BY_UNKNOWN: LinkReason.PERMISSION,
}
# Errors that bleak and its backends tell apart by their text alone.
_TEXTS: tuple[tuple[str, LinkReason], ...] = (
    # An ESPHome proxy tells an ATT error as "Bluetooth GATT Error address=... handle=... error=5".
    (
        rf"gatt error .*\berror=({'|'.join(map(str, sorted(_SECURITY_ERRORS)))})\b",
        LinkReason.NOT_PAIRED,
    ),
    (r"insufficient (authentication|authorization|encryption)", LinkReason.NOT_PAIRED),
    (r"^adapter '.*' not found", LinkReason.NO_ADAPTER),
    (r"^device '.*' not found", LinkReason.NOT_FOUND),
    (r"limit exceeded|limited resources", LinkReason.FULL),
    (r"pin or key missing|unpair and pair|forgotten", LinkReason.BOND_LOST),
    (r"pairing .*failed|could not pair", LinkReason.REFUSED),
    (r"no answer|did not answer", LinkReason.TIMEOUT),
)

# How BlueZ and bleak tell that a link was made and ended before its services were known.  Not
# "abort-by-local", which is how a weak signal ends.
_ENDED_EARLY = re.compile(
    r"connection-canceled|disconnected early|failed to discover services", re.IGNORECASE
)

# bleak asserts that its connection to the bus is there, which a lost link may have closed already.
_RAISED: tuple[type[Exception], ...] = (
    BleakError,
    OSError,
    EOFError,
    TimeoutError,
    AssertionError,
)


def reason_of(error: BaseException) -> LinkReason:
    """Say what an error of bleak, of D-Bus or of the system means for a link."""
    for kind, meaning in (*_MEANINGS, *_meanings_of_bus()):
        if isinstance(error, kind):
            return meaning if isinstance(meaning, LinkReason) else meaning(error)
    # The connection to the bus broke in the middle of something: EOFError, "bad file descriptor".
    return LinkReason.LOST


def _of_bus(error: BleakDBusError | DBusError) -> LinkReason:
    if isinstance(error, BleakDBusError):
        error_name, text = error.dbus_error, error.dbus_error_details or ""
    else:
        error_name, text = error.type, error.text
    for name, pattern, reason in _D_BUS:
        if error_name.startswith(name) and re.search(pattern, text):
            return reason
    return LinkReason.LOST


def _of_bleak(error: BleakError) -> LinkReason:
    text = str(error).lower()
    return next((r for pattern, r in _TEXTS if re.search(pattern, text)), LinkReason.LOST)


# No socket of the system bus: bleak lets it through as it is.
_NO_SOCKET = LinkReason.NO_SERVICE if sys.platform == "linux" else LinkReason.NO_ADAPTER
# The first that fits counts.
_MEANINGS: tuple[_Meaning, ...] = (
    (LinkError, lambda error: error.reason),
    (
        BleakGATTProtocolError,
        lambda error: (
            LinkReason.NOT_PAIRED if error.code in _SECURITY_ERRORS else LinkReason.PROTOCOL
        ),
    ),
    (BleakDBusError, _of_bus),
    (
        BleakBluetoothNotAvailableError,
        lambda error: _UNAVAILABLE.get(error.reason, LinkReason.NO_ADAPTER),
    ),
    (BleakCharacteristicNotFoundError, LinkReason.PROTOCOL),
    (BleakDeviceNotFoundError, LinkReason.NOT_FOUND),
    (BleakError, _of_bleak),
    (TimeoutError, LinkReason.TIMEOUT),
    (PermissionError, LinkReason.PERMISSION),
    (FileNotFoundError, _NO_SOCKET),
    (ConnectionRefusedError, _NO_SOCKET),
)


def _meanings_of_bus() -> tuple[_Meaning, ...]:
    """Return what dbus-fast raises and bleak lets through.

    Without BlueZ nothing of the kind comes, and dbus-fast stays out of memory.
    """
    if "dbus_fast" not in sys.modules:
        return ()
    from dbus_fast import AuthError, DBusError  # noqa: PLC0415

    return ((AuthError, LinkReason.PERMISSION), (DBusError, _of_bus))


def _raised() -> tuple[type[BaseException], ...]:
    return (*_RAISED, *(kind for kind, _ in _meanings_of_bus()))


def is_ended_early(error: BaseException | None) -> bool:
    """Whether an error of connecting says that the link was made and ended at once.

    That is all that BlueZ tells when the device has forgotten the bond: the kernel cannot encrypt
    the link ("PIN or Key Missing") and cuts it before the services are known.
    """
    return isinstance(error, BleakError) and _ENDED_EARLY.search(str(error)) is not None


def link_error(error: BaseException, doing: str, *, is_linked: bool = False) -> LinkError:
    """Make the LinkError for an error of bleak, of D-Bus or of the system.

    Args:
        doing: What was tried, such as `scanning`; begins the message.
        is_linked: Whether a link was there. What is not found then was there before, so the link
            is lost: after a restart BlueZ knows nothing of the objects of its links.
    """
    if isinstance(error, LinkError):
        return error
    reason = reason_of(error)
    if is_linked and reason is LinkReason.NOT_FOUND:
        reason = LinkReason.LOST
    is_pair = isinstance(error, BleakBluetoothNotAvailableError)
    detail = one_line(error.args[0] if is_pair else error)
    return LinkError(reason, f"{doing}: {ADVICE[reason]} ({detail})")


@asynccontextmanager
async def link_errors(doing: str, *, is_linked: bool = False) -> AsyncIterator[None]:
    """Turn what bleak, D-Bus and the system raise inside into a LinkError; see `link_error`."""
    try:
        yield
    except _raised() as error:
        raise link_error(error, doing, is_linked=is_linked) from error
