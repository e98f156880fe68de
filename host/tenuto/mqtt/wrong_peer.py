# SPDX-License-Identifier: MIT
"""Says what answers at an address where no MQTT connection comes about.

A web server, a port that wants TLS, or one without it end a connection, or say nothing, and the
libraries tell no more than that. So what is there is asked once more by a CONNECT of MQTT 3.1.1,
without user and password, and, where that is of no use, by a TLS handshake.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

from tenuto.event_loops import real_s

if TYPE_CHECKING:
    from .address import BrokerAddress

LOOK_S = 2.0
"""For each of the ways in which it is asked, at most three."""
REPLY_BYTES = 64

_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"
"""A clean session of 10 s, and no client id."""
_DISCONNECT = b"\xe0\x00"
_CONNACK = b"\x20"
_TLS_ALERT = b"\x15\x03"
_OTHERS = {
    b"HTTP/": "a web server answers there, and no broker",
    b"<": "a web server answers there, and no broker",
    b"SSH-": "an SSH server answers there, and no broker",
    b"INFO {": "the port of NATS itself answers there; its MQTT has another one",
}
_WHICH_PORT = "is the port right? MQTT has 1883, with TLS 8883, unless the broker says otherwise"
_WANTS_TLS = "it wants TLS there; write mqtts:// for mqtt:// in [mqtt] url"
_HAS_NO_TLS = (
    "a broker answers there without TLS; is the port right? mqtt:// is without it, for a network "
    "that you trust"
)


async def what_answers(address: BrokerAddress) -> str | None:
    """Find out what answers at an address.

    Returns:
        What it is and what to do about it; None where that is not known, or nothing answers.
    """
    if address.tls:
        return await _behind_tls(address)
    reply = await _reply(address, None)
    if reply is None or reply.startswith(_CONNACK):
        return None
    is_tls = reply.startswith(_TLS_ALERT)
    if is_tls or (not reply and await _reply(address, _context()) is not None):
        return _WANTS_TLS
    if not reply:
        return f"it takes the connection and says nothing that is MQTT; {_WHICH_PORT}"
    return f"{_known(reply)}; {_WHICH_PORT}"


async def _behind_tls(address: BrokerAddress) -> str | None:
    reply = await _reply(address, _context())
    if reply is None:  # no TLS is spoken there
        reply = await _reply(address, None)
        if reply is None or reply.startswith(_TLS_ALERT):
            return None
        if reply.startswith(_CONNACK):
            return _HAS_NO_TLS
        return f"{_known(reply)}, nor TLS; {_WHICH_PORT}" if reply else None
    if not reply or reply.startswith(_CONNACK):
        return None  # such as one that wants a certificate of ours
    return f"{_known(reply)}; {_WHICH_PORT}"


def _known(reply: bytes) -> str:
    what = (words for begins, words in _OTHERS.items() if reply.startswith(begins))
    return next(what, "what answers there does not speak MQTT")


def _context() -> ssl.SSLContext:
    """Return one that trusts anybody: nothing that is secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _reply(address: BrokerAddress, tls: ssl.SSLContext | None) -> bytes | None:
    """Send a CONNECT and return how the answer begins, empty for none; None for no connection."""
    writer = None
    try:
        async with asyncio.timeout(real_s(LOOK_S)):
            if address.transport == "unix":
                reader, writer = await asyncio.open_unix_connection(address.host, ssl=tls)
            else:
                name = address.host if tls else None
                reader, writer = await asyncio.open_connection(
                    address.host, address.port, ssl=tls, server_hostname=name
                )
            writer.write(_CONNECT)
            reply = await reader.read(REPLY_BYTES)
            writer.write(_DISCONNECT)
            return reply
    except (OSError, TimeoutError):  # of TLS as well
        return None if writer is None else b""
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(real_s(LOOK_S)):
                    await writer.wait_closed()
