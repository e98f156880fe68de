# SPDX-License-Identifier: MIT
"""The client for a broker's address: aiomqtt's, with what paho leaves open closed."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from typing import TYPE_CHECKING, Any

import aiomqtt

from tenuto.errors import InputError, TenutoError, one_line
from tenuto.event_loops import real_s

if TYPE_CHECKING:
    from paho.mqtt.reasoncodes import ReasonCode

    from .address import BrokerAddress


class _TlsSocket(ssl.SSLSocket):
    """Closed when its handshake fails; paho would leave it open."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as in ssl
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


REASONS = {
    128: "it refuses the connection and does not say why; are user and password right?",
    132: "it does not speak this version of MQTT",
    133: "it refuses the client id; change [mqtt] client_id, or leave it out",
    134: "it refuses the user or the password; see [mqtt] url and password_file",
    135: "Not authorized; check user, password and the broker's access list",
    136: "it is not available just now",
    137: "it is busy",
    138: "it has banned this client",
    140: "it refuses the way of authentication",
}
"""What the reason codes of MQTT 5 mean (section 2.4), where the words of paho say little."""


def code_of(error: BaseException) -> int | None:
    """Return the reason code of a failure, where the broker gave one."""
    value = getattr(getattr(error, "rc", None), "value", None)
    return value if isinstance(value, int) else None


def refusal(error: BaseException) -> str | None:
    """Return why a connection is refused, by the broker or for its certificate; None for others."""
    origin = _origin(error)
    if isinstance(origin, ssl.SSLCertVerificationError):
        why = origin.verify_message or one_line(origin)
        return f"its certificate is not trusted: {why}; see [mqtt] ca_file, and the host's name"
    if "certificate required" in str(error):
        return "it wants to be shown a certificate; see [mqtt] certificate"
    code = code_of(error)
    return None if code is None else REASONS.get(code) or one_line(error)


def is_unexplained(error: BaseException) -> bool:
    """Return whether it was reached and did not speak MQTT, and nobody knows why."""
    origin = _origin(error)
    if isinstance(origin, ConnectionRefusedError) or refusal(error) is not None:
        return False
    return isinstance(origin, aiomqtt.MqttError | ssl.SSLError | ConnectionError | TimeoutError)


def _origin(error: BaseException) -> BaseException:
    """Return the error of the system that aiomqtt hides in one of its own."""
    hidden = error.__context__
    is_hidden = isinstance(error, aiomqtt.MqttError) and isinstance(hidden, OSError)
    return hidden if is_hidden and hidden is not None else error


class PublishRefusedError(TenutoError):
    """The broker does not take what was published; only MQTT 5 tells so.

    Attributes:
        topic: The topic.
        reason: The broker's reason in words.
    """

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"the broker refuses {topic}: {reason}")
        self.topic, self.reason = topic, reason


class _PromptClient(aiomqtt.Client):
    """Neither holds back what it sends nor makes the broker hold back what it answers.

    It can be given up while it connects, and it raises `PublishRefusedError`, where aiomqtt takes
    a refusal for an acknowledgement.

    By Nagle's algorithm a small packet waits until TCP on the other side has acknowledged the one
    before, and TCP waits 40 ms for something that the acknowledgement could go with. Mosquitto has
    the algorithm on unless told otherwise, so its answers to what came together took 40 ms each;
    it is up to this side to acknowledge them at once. Linux has to be asked for that again and
    again; other systems cannot be asked.
    """

    def __init__(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - as aiomqtt's
        super().__init__(*args, **more)
        self._refused: dict[int, str] = {}
        self._numbers: dict[object, int] = {}
        paho_publish = self._client.publish

        def publish(*args: Any, **more: Any) -> Any:  # noqa: ANN401
            # aiomqtt keeps the number of a message to itself.
            info = paho_publish(*args, **more)
            self._numbers[asyncio.current_task()] = info.mid
            return info

        self._client.publish = publish  # type: ignore[method-assign]

    def _on_publish(
        self,
        client: Any,  # noqa: ANN401
        userdata: Any,  # noqa: ANN401
        mid: int,
        reason_code: ReasonCode,
        properties: Any,  # noqa: ANN401
    ) -> None:
        if reason_code.is_failure:
            self._refused[mid] = str(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_disconnect(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - as aiomqtt's
        # That of aiomqtt asks a wait for the connection that was given up, which raises.
        if not self._connected.cancelled():
            super()._on_disconnect(*args, **more)
        elif not self._disconnected.done():
            self._disconnected.set_result(None)

    async def publish(self, /, *args: Any, **more: Any) -> None:  # noqa: ANN401 - as aiomqtt's
        """Publish a message; see `aiomqtt.Client.publish`.

        Raises:
            PublishRefusedError: The broker does not take it.
        """
        try:
            await super().publish(*args, **more)
        finally:
            number = self._numbers.pop(asyncio.current_task(), None)
            refused = None if number is None else self._refused.pop(number, None)
        if refused is not None:
            raise PublishRefusedError(str(args[0]), refused)
        connection = self._client.socket()
        if _QUICK_ACK is None or not isinstance(connection, socket.socket):
            return
        if connection.family in _INTERNET:
            with contextlib.suppress(OSError):  # it may just have been closed
                connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)


_INTERNET = (socket.AF_INET, socket.AF_INET6)
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)


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
        raise InputError(
            f"{address.ca_file}: no certificate authority: {one_line(error)}"
        ) from None
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
                f"password: {one_line(error)}"
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
    is_unix = address.transport == "unix"
    client = _PromptClient(
        address.host,
        address.port,
        transport=address.transport,
        username=address.user,
        password=address.password,
        timeout=real_s(timeout_s),
        tls_context=tls,
        socket_options=() if is_unix else ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        **more,
    )
    if is_unix:
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
