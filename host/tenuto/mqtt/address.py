# SPDX-License-Identifier: MIT
"""Where the broker is, or the nodes of one.  Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import quote, unquote, urlsplit

from tenuto.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

PORTS = {"mqtt": 1883, "mqtts": 8883}
ADDRESSES_MAX = 8
OWN_LEVELS = ("bridge", "class", "person")
"""Below `base_topic` they are Tenuto's own; no wearable may be called so."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker's address, and how to be let in.

    Attributes:
        host, port: Of the computer; with the transport `unix` the host is the path of a socket on
            this computer, and the port means nothing.
        tls: With the host name checked.
        protocol: `5` or `3.1.1` where it is known, None to find out.
        ca_file: Certificate authorities in place of the system's.
        certificate, certificate_key: What this client shows of itself, and its key where that is in
            another file.
        client_id: None for a random one.
        keepalive_s: A broker that is silent for so long is gone.
    """

    host: str
    port: int = PORTS["mqtt"]
    transport: Literal["tcp", "unix"] = "tcp"
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    protocol: str | None = None
    ca_file: Path | None = None
    certificate: Path | None = None
    certificate_key: Path | None = None
    client_id: str | None = None
    keepalive_s: int = 30

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `mqtt://[user[:password]@]host[:port]`, `mqtts://...` or `unix:///path`.

        All are percent-encoded; user and password go before the path too, as in `unix://ada@/path`.

        Raises:
            InputError: with what is wrong and what is allowed; the text never has the password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise InputError(f"the broker's address must be like {_FORM}; {_ENCODED}") from None
        if parts.scheme not in (*PORTS, "unix"):
            raise InputError(
                f"the broker's address must begin with mqtt://, mqtts:// or unix://, as in {_FORM}"
            )
        user = None if parts.username is None else unquote(parts.username)
        password = None if parts.password is None else unquote(parts.password)
        if parts.scheme == "unix":
            path = unquote(parts.path)
            # Without the null byte the system would take a part of the path for all of it.
            is_clean = not (parts.hostname or parts.query or parts.fragment or "\0" in path)
            if not is_clean or port is not None or not path.strip("/"):
                raise InputError(
                    f"the broker's address names a socket by its whole path, as in {_UNIX_FORM}; "
                    "in it ? # % are %3F %23 %25"
                )
            return cls(path, transport="unix", user=user, password=password)
        if not parts.hostname:
            raise InputError(f"the broker's address names no host; it must be like {_FORM}")
        if "," in parts.hostname:
            raise InputError("of several addresses each begins with mqtt:// or mqtts://")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise InputError(
                f"the broker's address ends after the port, as in {_FORM}; "
                f"topics are set by base_topic, and {_ENCODED}"
            )
        return cls(
            host=parts.hostname,
            port=PORTS[parts.scheme] if port is None else port,
            tls=parts.scheme == "mqtts",
            user=user,
            password=password,
        )

    def __str__(self) -> str:
        """Return the address as a URL, without user and password."""
        if self.transport == "unix":
            return f"unix://{quote(self.host, errors='surrogateescape')}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def parse_addresses(text: str) -> tuple[BrokerAddress, ...]:
    """Read the addresses of a broker's nodes, with commas between them; see `BrokerAddress.parse`.

    A comma belongs to a user or password where no address follows it.

    Raises:
        InputError: With what is wrong and what is allowed; the text never has a password.
    """
    addresses = tuple(BrokerAddress.parse(one) for one in _BETWEEN.split(text))
    if len(addresses) > ADDRESSES_MAX:
        raise InputError(f"there are {len(addresses)} addresses, at most {ADDRESSES_MAX} may be")
    for number, address in enumerate(addresses):
        if str(address) in map(str, addresses[:number]):
            raise InputError(f"{address} is there twice")
    return addresses


_BETWEEN = re.compile(r",\s*(?=(?:mqtts?|unix)://)")
_FORM = "mqtt://user:password@host:1883"
_ENCODED = "in a user or password / ? # @ : are %2F %3F %23 %40 %3A"
_UNIX_FORM = "unix:///run/mosquitto/mosquitto.sock"
