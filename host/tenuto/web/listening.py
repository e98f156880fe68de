# SPDX-License-Identifier: MIT
"""Where browsers ask for the page, before anything that answers them is loaded."""

from __future__ import annotations

import errno
import secrets
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto.control.server import bind_private
from tenuto.errors import InputError
from tenuto.files import read, write_private

from .access import SECRET_BYTES, Access

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenuto.config import Web

SECRET = "page-secret"  # noqa: S105 - a file's name
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
BACKLOG = 32


@dataclass(frozen=True, slots=True)
class Listening:
    """A socket that listens.

    Attributes:
        socket: Not blocking.
        tls: For https, None where it is not spoken here.
        address: What to type into a browser; the file's path where it is one.
        hosts: The names by which it may be asked for.
    """

    socket: socket.socket
    tls: ssl.SSLContext | None
    address: str
    hosts: frozenset[str]


def listen(settings: Web) -> Listening:
    """Open the socket that a configuration wants.

    Raises:
        InputError: The place is taken, or the certificate cannot be used.
    """
    tls = _tls(settings)
    try:
        listening = _bind(settings)
        listening.listen(BACKLOG)
    except OSError as error:
        raise InputError(
            f"the page cannot be served at {settings.listen}: {error.strerror or error}; "
            'set [web] listen to another place, or to "off"'
        ) from error
    listening.setblocking(False)  # noqa: FBT003 - the standard library's
    if settings.socket is not None:
        return Listening(listening, tls, settings.socket, frozenset((*LOOPBACK, *settings.hosts)))
    address = f"{settings.scheme}://{settings.host}:{listening.getsockname()[1]}/"
    return Listening(
        listening, tls, address, frozenset((*LOOPBACK, settings.host, *settings.hosts))
    )


def _bind(settings: Web) -> socket.socket:
    if settings.socket is not None:
        return bind_private(Path(settings.socket))
    host = settings.host.strip("[]")
    try:
        return socket.create_server((host, settings.port), family=_family(host))
    except OSError as error:
        # On this computer nobody has to know the port beforehand.
        if error.errno != errno.EADDRINUSE or not settings.is_loopback:
            raise
        return socket.create_server((host, 0), family=_family(host))


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _tls(settings: Web) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.certificate, settings.certificate_key)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"the certificate of [web] cannot be used: {error}") from error
    return context


def make_access(data: Path, draw: Callable[[int], int] = secrets.randbelow) -> Access:
    """Return what knows the visitors, with the secret of this user, which is made if need be.

    Args:
        data: The user's data folder.
        draw: See `Access`.
    """
    path = data / SECRET
    try:
        secret = read(path)
    except OSError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        secret = bytes(draw(256) for _ in range(SECRET_BYTES))
        write_private(path, secret)
    return Access(secret, draw)
