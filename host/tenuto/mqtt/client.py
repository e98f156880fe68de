# SPDX-License-Identifier: MIT
"""The client for a broker's address: aiomqtt's, with what paho leaves open closed."""

from __future__ import annotations

import functools
import socket
import ssl
from typing import TYPE_CHECKING, Any

import aiomqtt

from tenuto.errors import InputError

if TYPE_CHECKING:
    from .address import BrokerAddress


class _TlsSocket(ssl.SSLSocket):
    """Closed when its handshake fails; paho would leave it open."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as in ssl
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(address: BrokerAddress) -> ssl.SSLContext | None:
    """Make what TLS needs, None where there is none; it reads files.

    Raises:
        InputError: a certificate cannot be used.
    """
    if not address.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=address.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"{address.ca_file}: no certificate authority: {error}") from None
    context.sslsocket_class = _TlsSocket
    if address.certificate is not None:
        try:
            # Without a password, or OpenSSL would ask the terminal for one.
            context.load_cert_chain(
                address.certificate, address.certificate_key, password=lambda: ""
            )
        except (OSError, ssl.SSLError) as error:
            raise InputError(
                f"{address.certificate}: no certificate with its key, or the key has a "
                f"password: {error}"
            ) from None
    return context


def make_client(
    address: BrokerAddress,
    *,
    timeout_s: float,
    tls: ssl.SSLContext | None,
    **more: Any,  # noqa: ANN401 - what aiomqtt.Client takes besides
) -> aiomqtt.Client:
    """Make a client that is not connected yet.

    Args:
        address: the broker's.
        timeout_s: for connecting, and for each answer of the broker where the call says nothing.
        tls: from `tls_context`.
        more: see `aiomqtt.Client`.
    """
    client = aiomqtt.Client(
        address.host,
        address.port,
        transport=address.transport,
        username=address.user,
        password=address.password,
        timeout=timeout_s,
        tls_context=tls,
        **more,
    )
    if address.transport == "unix":
        paho = client._client  # noqa: SLF001 - there is no public way
        paho._create_unix_socket_connection = functools.partial(  # type: ignore[method-assign]  # noqa: SLF001
            _connect_unix, address.host, timeout_s
        )
    return client


def _connect_unix(path: str, timeout_s: float) -> socket.socket:
    """Connect to a socket file; paho would wait without end, and leave open what fails."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout_s)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection
