# SPDX-License-Identifier: MIT
"""Where a broker is.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from tenuto.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker's address, and how to be let in.

    tls: with the host name checked.  protocol: `5` or `3.1.1` where it is known, None to find out.
    ca_file: certificate authorities in place of the system's.  certificate, certificate_key: what
    this client shows of itself, and its key where that is in another file.  client_id: None for a
    random one.  keepalive_s: a broker that is silent for so long is gone.
    """

    host: str
    port: int
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
        """Read `mqtt://[user[:password]@]host[:port]` or `mqtts://...`, percent-encoded.

        Raises:
            InputError: with what is wrong and what is allowed; the text never has the password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise InputError(f"the broker's address must be like {_FORM}") from None
        if parts.scheme not in PORTS:
            raise InputError(
                f"the broker's address must begin with mqtt:// or mqtts://, as in {_FORM}"
            )
        if not parts.hostname:
            raise InputError(f"the broker's address names no host; it must be like {_FORM}")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise InputError(
                f"the broker's address ends after the port, as in {_FORM}; "
                "topics are set by base_topic, and in a password / ? # are %2F %3F %23"
            )
        return cls(
            host=parts.hostname,
            port=PORTS[parts.scheme] if port is None else port,
            tls=parts.scheme == "mqtts",
            user=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )

    def __str__(self) -> str:
        """Give the address as a URL, without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


_FORM = "mqtt://user:password@host:1883"
