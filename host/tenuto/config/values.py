# SPDX-License-Identifier: MIT
"""What single values of the configuration may be: addresses, paths, ids, topics."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tenuto.errors import InputError
from tenuto.links.radios.registry import name_pattern, names_allowed
from tenuto.links.scan import is_address
from tenuto.mqtt.address import OWN_LEVELS, parse_addresses
from tenuto.toml import rules
from tenuto.toml.rules import Choice, Text
from tenuto.wearables import registry

EMBEDDED = "embedded"
OFF = "off"
SUPERVISOR = "supervisor"

ID = Text(32, pattern="[a-z0-9_-]{1,32}", allowed="1 to 32 of a-z, 0-9, _ and -")
PLAIN = Text(200)
ADAPTER = Text(2_000, pattern=name_pattern(), allowed=names_allowed())
TOPIC = Text(
    64,
    pattern="[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*",
    allowed="letters, digits, _ and -, with / between levels",
)
_SCAN = "`tenuto scan` shows it"


@dataclass(frozen=True, slots=True)
class _MqttUrl:
    """Addresses of a broker; a message never repeats them, since they may hold a password."""

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"is {rules.show(value)}, allowed is text in quotes")  # noqa: TRY004
        if value in (EMBEDDED, OFF, SUPERVISOR):
            return value
        if "://" not in value or not value.isprintable() or " " in value.replace(", ", ","):
            raise ValueError(
                'is not known, allowed is "embedded", "off", "supervisor", mqtt://..., mqtts://... '
                "or unix:///..."
            )
        try:
            parse_addresses(value)
        except InputError as error:
            raise ValueError(f"is wrong: {error}") from None
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^(embedded|off|supervisor|mqtts?://.+|unix://.+)$"}


@dataclass(frozen=True, slots=True)
class _CentralUrl:
    """The address of a PostgreSQL database; a message never repeats it, it may hold a password."""

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"is {rules.show(value)}, allowed is text in quotes")  # noqa: TRY004
        if value == OFF or (value.startswith("postgresql://") and value.isprintable()):
            return value
        raise ValueError('is not known, allowed is "off" or "postgresql://user@host/database"')

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^(off|postgresql://.+)$"}


@dataclass(frozen=True, slots=True)
class _Listen:
    """Where a server is: host and port, a socket's file, or nowhere."""

    def read(self, value: object) -> str:
        text = Text(200).read(value)
        host, _, port = text.rpartition(":")
        is_port = host and port.isdecimal() and int(port) < 65_536
        if text == OFF or text.startswith("unix:///") or is_port:
            return text
        raise ValueError(
            f'is {rules.show(text)}, allowed is "off", a host with its port such as '
            '"127.0.0.1:8368", or "unix:///run/tenuto.sock"'
        )

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^(off|unix:///.+|.+:[0-9]{1,5})$"}


@dataclass(frozen=True, slots=True)
class _HostNames:
    """Names of hosts in a list."""

    def read(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > 16:
            raise ValueError(f"is {rules.show(value)}, allowed is a list of up to 16 host names")
        name = Text(253, pattern=r"[a-z0-9.\-\[\]:]+", allowed="a host name in small letters")
        return tuple(name.read(one) for one in value)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string"}, "maxItems": 16}


@dataclass(frozen=True, slots=True)
class _IpAddress:
    """The address of one computer in the network."""

    def read(self, value: object) -> str:
        text = Text(45).read(value)
        try:
            return str(ip_address(text))
        except ValueError:
            raise ValueError(
                f"is {rules.show(text)}, allowed is an address such as 172.30.32.2"
            ) from None

    def schema(self) -> dict[str, Any]:
        return Text(45).schema()


@dataclass(frozen=True, slots=True)
class _WearableId:
    """The id of a wearable, which is a level in topics."""

    def read(self, value: object) -> str:
        found = ID.read(value)
        if found in OWN_LEVELS:
            raise ValueError(
                f'is "{found}", which Tenuto itself has on MQTT; allowed is another one'
            )
        return found

    def schema(self) -> dict[str, Any]:
        return ID.schema() | {"not": {"enum": list(OWN_LEVELS)}}


@dataclass(frozen=True, slots=True)
class _Address:
    """The Bluetooth address of a device, or its name where that is allowed.

    Attributes:
        by_name: Whether a device may be meant by the name that it tells.
    """

    by_name: bool = False

    def read(self, value: object) -> str:
        text = PLAIN.read(value)
        looks_like_one = ":" in text or not text.strip("0123456789abcdefABCDEF-")
        if is_address(text) or (self.by_name and not looks_like_one):
            return text
        or_name = ", or the name that it tells" if self.by_name else ""
        raise ValueError(
            f"is {rules.show(text)}, allowed is an address such as C0:FF:EE:00:00:01{or_name}; "
            f"{_SCAN}"
        )

    def schema(self) -> dict[str, Any]:
        return PLAIN.schema()


@dataclass(frozen=True, slots=True)
class _ModelId:
    """The id of a model that can be a wearable of its own."""

    def read(self, value: object) -> str:
        try:
            if isinstance(value, str) and registry.find(value).buzzes:
                return value
        except InputError:
            pass
        known = tuple(model.id for model in registry.models().values() if model.buzzes)
        try:
            return Choice(known).read(value)
        except ValueError as error:
            raise ValueError("; ".join((str(error), *registry.problems()))) from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[a-z0-9_-]{1,32}$"}


@dataclass(frozen=True, slots=True)
class _Options:
    """The part of a [[wearable]] that belongs to its model, which reads it."""

    def read(self, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"is {rules.show(value)}, allowed is a table")  # noqa: TRY004
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


@dataclass(frozen=True, slots=True)
class _FilePath:
    """A path, with `~` for the home folder."""

    def read(self, value: object) -> Path:
        text = Text(1_000).read(value)
        try:
            return Path(text).expanduser()
        except RuntimeError:
            raise ValueError(f"is {rules.show(text)}, whose home folder is unknown") from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


MQTT_URL = _MqttUrl()
CENTRAL_URL = _CentralUrl()
LISTEN = _Listen()
HOST_NAMES = _HostNames()
IP_ADDRESS = _IpAddress()
WEARABLE_ID = _WearableId()
ADDRESS = _Address()
ADDRESS_OR_NAME = _Address(by_name=True)
MODEL = _ModelId()
OPTIONS = _Options()
FILE = _FilePath()
