# SPDX-License-Identifier: MIT
"""The tables of the configuration, a class each: what they hold, and what fits together."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.config.values import (
    ADAPTER,
    ADDRESS,
    ADDRESS_OR_NAME,
    CENTRAL_URL,
    EMBEDDED,
    FILE,
    HOST_NAMES,
    ID,
    IP_ADDRESS,
    LISTEN,
    MODEL,
    MQTT_URL,
    OFF,
    OPTIONS,
    PLAIN,
    SUPERVISOR,
    TOPIC,
    WEARABLE_ID,
)
from tenuto.errors import InputError
from tenuto.links.registry import LINKS, PLACE_KEYS
from tenuto.mqtt.address import BrokerAddress, parse_addresses
from tenuto.mqtt.words import ENGLISH, LANGUAGES
from tenuto.sessions.heart import SENSOR_KINDS, Zones, max_bpm_at
from tenuto.toml import tables
from tenuto.toml.rules import Choice, Flag, ListOf, Text, Whole
from tenuto.toml.tables import Remark, TableError, key
from tenuto.wearables import registry
from tenuto.wearables.model import Capability
from tenuto_core.plan import MAX_NAME_BYTES
from tenuto_core.plans import PLACES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenuto.wearables.model import Model

_LINKS = tuple(row.id for row in LINKS.values() if row.is_configurable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mqtt:
    """The broker, and where in it Tenuto speaks."""

    url: str = key(MQTT_URL, "Which broker to use.", default=EMBEDDED, shown=False)
    base_topic: str = key(TOPIC, "What all topics begin with.", default="tenuto")

    password_file: Path | None = key(FILE, "A file with the password.", default=None)
    ca_file: Path | None = key(
        FILE, "Certificate authorities in place of the system's.", default=None
    )
    certificate: Path | None = key(FILE, "The client certificate.", default=None)
    certificate_key: Path | None = key(FILE, "Its key, if that is in another file.", default=None)
    client_id: str | None = key(
        Text(64, pattern="[A-Za-z0-9_.-]+", allowed="1 to 64 letters, digits, _, . and -"),
        "The client's name at the broker.",
        default=None,
    )
    keep_alive_s: int = key(Whole(5, 3600), "A silent broker is gone after this.", default=30)
    discovery: bool = key(Flag(), "Whether to announce everything to Home Assistant.", default=True)
    discovery_prefix: str = key(
        TOPIC, "Where Home Assistant listens for that.", default="homeassistant"
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be meant together."""
        remarks = [
            Remark.of(name, "is for mqtts:// only; write `url` so, or leave it out")
            for name in ("ca_file", "certificate", "certificate_key")
            if getattr(self, name) is not None and not any(one.tls for one in self.addresses)
        ]
        if self.certificate_key is not None and self.certificate is None:
            remarks.append(Remark.of("certificate_key", "needs `certificate` beside it"))
        if self.password_file is not None:
            users = [one for one in self.addresses if one.user is not None]
            if not users:
                remarks.append(Remark.of("password_file", "needs a user: mqtt://user@host"))
            elif all(one.password is not None for one in users):
                remarks.append(
                    Remark.of("password_file", "is a second password, `url` has one already")
                )
        if remarks:
            raise TableError(remarks)

    @property
    def addresses(self) -> tuple[BrokerAddress, ...]:
        """What `url` says; none for the embedded broker, for none, and if it is wrong."""
        try:
            return parse_addresses(self.url)
        except InputError:
            return ()

    @property
    def is_embedded(self) -> bool:
        """Whether Tenuto brings its own broker."""
        return self.url == EMBEDDED

    @property
    def is_supervised(self) -> bool:
        """Whether Home Assistant's supervisor says which broker there is."""
        return self.url == SUPERVISOR

    @property
    def is_off(self) -> bool:
        """Whether there is no MQTT at all."""
        return self.url == OFF


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistant:
    """How Tenuto shows itself there, and what it may do."""

    language: str = key(Choice(LANGUAGES), "The language of the names and states.", default=ENGLISH)
    manage: bool = key(
        Flag(), "Whether restart, log level and pairing may be asked by MQTT.", default=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bluetooth:
    """The radio."""

    adapter: str = key(
        ADAPTER,
        "Which adapter to use.",
        default="default",
    )
    links_max: int | None = key(
        Whole(1, 100),
        "How many links each adapter carries at once; beyond that the wearables share them.",
        default=None,
    )
    proxy_keys: Path | None = key(
        FILE, "A file with the encryption keys of ESPHome proxies.", default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Where sessions are kept; see `Config.history_path`."""

    path: Path | None = key(FILE, "The database file.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routines:
    """Where routines are, and which one is meant where none is named; see `Config`."""

    folder: Path | None = key(FILE, "The user's own routines.", default=None)
    default: str = key(Text(MAX_NAME_BYTES), "The routine to start.", default="lower-back")


@dataclass(frozen=True, slots=True, kw_only=True)
class Haptics:
    """How cues feel; see `Config.haptics_file`."""

    file: Path | None = key(FILE, "The user's own vocabulary.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The page, and who reaches it."""

    listen: str = key(LISTEN, "Where it is served.", default="127.0.0.1:8368")
    hosts: tuple[str, ...] = key(
        HOST_NAMES, "Other names by which browsers ask for it.", default=()
    )
    certificate: Path | None = key(FILE, "The certificate for https.", default=None)
    certificate_key: Path | None = key(FILE, "Its key, if that is in another file.", default=None)
    behind_proxy: bool = key(Flag(), "Whether a proxy in front of it speaks https.", default=False)
    ingress: str | None = key(
        IP_ADDRESS, "Home Assistant's supervisor, by which alone it is reached.", default=None
    )

    def __post_init__(self) -> None:
        """Refuse to send in the clear what others in the network could read."""
        if self.certificate_key is not None and self.certificate is None:
            raise TableError([Remark.of("certificate_key", "needs `certificate` beside it")])
        is_open = not (self.is_off or self.socket or self.is_loopback or self.is_encrypted)
        if is_open and self.ingress is None:
            text = (
                "is in reach of the network, where others could read along: set `certificate` "
                "beside it, or `behind_proxy = true` where a proxy speaks https"
            )
            raise TableError([Remark.of("listen", text)])

    @property
    def is_off(self) -> bool:
        """Whether there is no page."""
        return self.listen == OFF

    @property
    def socket(self) -> str | None:
        """The file of its socket, None where it has a host and a port."""
        is_socket = self.listen.startswith("unix://")
        return self.listen.removeprefix("unix://") if is_socket else None

    @property
    def host(self) -> str:
        """Its host."""
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        """Its port, 0 for any that is free."""
        return int(self.listen.rpartition(":")[2])

    @property
    def is_loopback(self) -> bool:
        """Whether only this computer reaches it."""
        return self.host in ("127.0.0.1", "localhost", "[::1]")

    @property
    def is_encrypted(self) -> bool:
        """Whether browsers speak https with it."""
        return self.certificate is not None or self.behind_proxy

    @property
    def scheme(self) -> str:
        """How browsers speak with it."""
        return "https" if self.is_encrypted else "http"

    @property
    def address_for_others(self) -> str:
        """Where other computers find it, empty where they do not reach it or it is not known."""
        if self.is_off or not self.hosts:
            return ""
        if self.behind_proxy:
            return f"https://{self.hosts[0]}/"
        if self.socket or self.is_loopback:
            return ""
        return f"{self.scheme}://{self.hosts[0]}:{self.port}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """One history of several hosts, in PostgreSQL."""

    url: str = key(CENTRAL_URL, "The database of the central history.", default=OFF, shown=False)
    password_file: Path | None = key(FILE, "A file with the password.", default=None)
    host: str | None = key(ID, "The name of this host there.", default=None)
    key_file: Path | None = key(
        FILE, "A file with the key that all hosts hand to their bands.", default=None
    )
    heart_rate: bool = key(
        Flag(), "Whether heart beats of everybody are kept there.", default=False
    )
    read: bool = key(
        Flag(), "Whether the central history is shown here, and nothing forwarded.", default=False
    )
    lease_topic: str | None = key(
        TOPIC,
        "What the topics begin with by which hosts agree which of them connects to a wearable.",
        default=None,
    )

    @property
    def is_off(self) -> bool:
        """Whether this host is alone."""
        return self.url == OFF

    @property
    def is_read(self) -> bool:
        """Whether what is shown comes from the central history; such a host forwards nothing."""
        return self.read and not self.is_off

    @property
    def forwards(self) -> bool:
        """Whether this host forwards its history."""
        return not self.read and not self.is_off

    @property
    def host_name(self) -> str:
        """The name of this host in the central history."""
        return self.host or socket.gethostname()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who wears a wearable."""

    id: str = key(ID, "A short word for topics and records.")
    name: str | None = key(PLAIN, "What people call them.", default=None)
    publish_heart_rate: bool = key(Flag(), "Whether it goes out on MQTT.", default=False)
    birth_year: int | None = key(
        Whole(1900, 2100),
        "From it the highest heart rate is estimated.",
        default=None,
    )
    heart_max_bpm: int | None = key(
        Whole(100, 240), "The highest heart rate, if measured.", default=None
    )
    heart_rest_bpm: int | None = key(Whole(30, 99), "The heart rate at rest.", default=None)

    @property
    def title(self) -> str:
        """What people call them: their name, or their id where they have none."""
        return self.name or self.id

    def zones(self, year: int) -> Zones | None:
        """Return the zones of this heart in a year; None where the highest rate is not known."""
        max_bpm = self.heart_max_bpm
        if max_bpm is None and self.birth_year is not None:
            max_bpm = max_bpm_at(max(0, year - self.birth_year))
        return None if max_bpm is None else Zones(max_bpm, self.heart_rest_bpm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wearable:
    """One wearable, and how to reach it."""

    id: str = key(WEARABLE_ID, "A short word for topics and commands.")
    name: str | None = key(PLAIN, "What people call it.", default=None)
    model: str = key(MODEL, "What kind of device it is.", default=registry.DEFAULT)
    link: str = key(Choice(_LINKS), "How it is reached.")
    address: str | None = key(ADDRESS, "Its Bluetooth address.", default=None)
    adapter: str | None = key(
        ADAPTER, "The Bluetooth adapter, if it is not the usual one.", default=None
    )
    port: str | None = key(PLAIN, "Its serial port, or auto.", default=None)
    person: str | None = key(ID, "The id of who wears it.", default=None)
    area: str | None = key(PLAIN, "The room that Home Assistant proposes for it.", default=None)
    routine: str | None = key(Text(MAX_NAME_BYTES), "The routine to start on it.", default=None)
    routines: tuple[str, ...] = key(
        ListOf(Text(MAX_NAME_BYTES), PLACES),
        "The routines that are kept on it, to be started there without a host, at most"
        f" {PLACES}; the first is what a press starts.",
        default=(),
    )
    heart: str | None = key(
        ADDRESS_OR_NAME,
        "The Bluetooth address of a heart-rate strap worn with it, or the strap's name.",
        default=None,
    )
    heart_sensor: str | None = key(
        Choice(SENSOR_KINDS),
        "What that measures with, where it does not say itself.",
        default=None,
    )
    options: Any = key(OPTIONS, "What only its model knows.", default=None)

    def __post_init__(self) -> None:
        """Refuse what does not fit the model or the link, and read the model's own part."""
        model, link = registry.find(self.model), LINKS[self.link]
        remarks = []
        if self.link not in model.links:
            allowed = ", ".join(f'"{name}"' for name in model.links if name in _LINKS)
            text = f'is "{self.link}", and the model "{model.id}" goes by {allowed}'
            remarks.append(Remark.of("link", text))
        for name in PLACE_KEYS:
            if name in link.needs and getattr(self, name) is None:
                remarks.append(Remark.of(name, f'is missing, the link "{self.link}" needs it'))
            elif name not in link.needs and getattr(self, name) is not None:
                remarks.append(Remark.of(name, f'is not for the link "{self.link}"; leave it out'))
        if link.is_simulated and self.heart is not None:
            remarks.append(
                Remark.of("heart", f'is not for the link "{self.link}", it brings its own heart')
            )
        remarks += self._wrong_routines(model)
        if self.heart_sensor is not None and self.heart is None:
            remarks.append(Remark.of("heart_sensor", "needs `heart` beside it"))
        try:
            object.__setattr__(self, "options", _read_options(model, self.options))
        except TableError as error:
            remarks += error.remarks
        if remarks:
            raise TableError(remarks)

    def _wrong_routines(self, model: Model) -> Iterator[Remark]:
        if self.routines and Capability.PLAYS_ALONE not in model.capabilities:
            text = f'is not for the model "{model.id}", which cannot play without a host'
            yield Remark.of("routines", text)
        if len(set(self.routines)) < len(self.routines):
            yield Remark.of("routines", "has a routine twice; allowed is each once")

    @property
    def title(self) -> str:
        """What people call it: its name, or its id where it has none."""
        return self.name or self.id


def _read_options(model: Model, given: Any) -> Any:  # noqa: ANN401 - of the model's own class
    """Return the options of a model's own class; raise TableError with all that is wrong."""
    if model.options is None:
        if not given:
            return None
        text = f'is not for the model "{model.id}"; leave it out'
        raise TableError([Remark.of("options", text)])
    if isinstance(given, model.options):
        return given
    try:
        return tables.read_table(given or {}, model.options)
    except TableError as error:
        raise TableError([remark.inside("options") for remark in error.remarks]) from None
