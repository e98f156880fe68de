# SPDX-License-Identifier: MIT
"""The configuration: wearables, people, broker, history; see `config/tenuto.toml`.

It is looked for in this order: the file that was named, `$TENUTO_CONFIG`, `tenuto.toml` in the
user's configuration folder; without any of them the built-in defaults hold.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import PlatformDirs
from platformdirs.macos import MacOS

from tenuto.errors import InputError, Mistake
from tenuto.files import open_regular, read_input
from tenuto.links.radios.registry import RadioFiles, name_pattern, names_allowed
from tenuto.links.registry import LINKS, PLACE_KEYS
from tenuto.links.scan import is_address
from tenuto.mqtt.address import OWN_LEVELS, BrokerAddress, parse_addresses
from tenuto.mqtt.words import ENGLISH, LANGUAGES
from tenuto.sessions.heart import SENSOR_KINDS, Zones, max_bpm_at
from tenuto.toml import rules, tables
from tenuto.toml.rules import Choice, Flag, ListOf, Text, Whole
from tenuto.toml.tables import Nested, Remark, TableError, Tables, key
from tenuto.wearables import registry
from tenuto.wearables.model import Capability
from tenuto_core.auth import KEY_BYTES
from tenuto_core.plan import MAX_NAME_BYTES
from tenuto_core.plans import PLACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from platformdirs import PlatformDirsABC

    from tenuto.toml.lines import Key
    from tenuto.wearables.model import Model

EMBEDDED = "embedded"
OFF = "off"
SUPERVISOR = "supervisor"
PASSWORD_VARIABLE = "TENUTO_MQTT_PASSWORD"  # noqa: S105 - the name of it
MAX_WEARABLES = 128
MAX_PEOPLE = MAX_WEARABLES

_ID = Text(32, pattern="[a-z0-9_-]{1,32}", allowed="1 to 32 of a-z, 0-9, _ and -")
_PLAIN = Text(200)
_SCAN = "`tenuto scan` shows it"
_ADAPTER = Text(2_000, pattern=name_pattern(), allowed=names_allowed())
_LINKS = tuple(row.id for row in LINKS.values() if row.is_configurable)


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
class _WearableId:
    """The id of a wearable, which is a level in topics."""

    def read(self, value: object) -> str:
        found = _ID.read(value)
        if found in OWN_LEVELS:
            raise ValueError(
                f'is "{found}", which Tenuto itself has on MQTT; allowed is another one'
            )
        return found

    def schema(self) -> dict[str, Any]:
        return _ID.schema() | {"not": {"enum": list(OWN_LEVELS)}}


@dataclass(frozen=True, slots=True)
class _Address:
    """The Bluetooth address of a device, or its name where that is allowed.

    Attributes:
        by_name: Whether a device may be meant by the name that it tells.
    """

    by_name: bool = False

    def read(self, value: object) -> str:
        text = _PLAIN.read(value)
        looks_like_one = ":" in text or not text.strip("0123456789abcdefABCDEF-")
        if is_address(text) or (self.by_name and not looks_like_one):
            return text
        or_name = ", or the name that it tells" if self.by_name else ""
        raise ValueError(
            f"is {rules.show(text)}, allowed is an address such as C0:FF:EE:00:00:01{or_name}; "
            f"{_SCAN}"
        )

    def schema(self) -> dict[str, Any]:
        return _PLAIN.schema()


@dataclass(frozen=True, slots=True)
class _File:
    """A path, with `~` for the home folder."""

    def read(self, value: object) -> Path:
        text = Text(1_000).read(value)
        try:
            return Path(text).expanduser()
        except RuntimeError:
            raise ValueError(f"is {rules.show(text)}, whose home folder is unknown") from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True)
class _Model:
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


_TOPIC = Text(
    64,
    pattern="[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*",
    allowed="letters, digits, _ and -, with / between levels",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mqtt:
    """The broker, and where in it Tenuto speaks."""

    url: str = key(_MqttUrl(), "Which broker to use.", default=EMBEDDED, shown=False)
    base_topic: str = key(_TOPIC, "What all topics begin with.", default="tenuto")

    password_file: Path | None = key(_File(), "A file with the password.", default=None)
    ca_file: Path | None = key(
        _File(), "Certificate authorities in place of the system's.", default=None
    )
    certificate: Path | None = key(_File(), "The client certificate.", default=None)
    certificate_key: Path | None = key(
        _File(), "Its key, if that is in another file.", default=None
    )
    client_id: str | None = key(
        Text(64, pattern="[A-Za-z0-9_.-]+", allowed="1 to 64 letters, digits, _, . and -"),
        "The client's name at the broker.",
        default=None,
    )
    keep_alive_s: int = key(Whole(5, 3600), "A silent broker is gone after this.", default=30)
    discovery: bool = key(Flag(), "Whether to announce everything to Home Assistant.", default=True)
    discovery_prefix: str = key(
        _TOPIC, "Where Home Assistant listens for that.", default="homeassistant"
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
        _ADAPTER,
        "Which adapter to use.",
        default="default",
    )
    links_max: int | None = key(
        Whole(1, 100),
        "How many links each adapter carries at once; beyond that the wearables share them.",
        default=None,
    )
    proxy_keys: Path | None = key(
        _File(), "A file with the encryption keys of ESPHome proxies.", default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Where sessions are kept; see `Config.history_path`."""

    path: Path | None = key(_File(), "The database file.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routines:
    """Where routines are, and which one is meant where none is named; see `Config`."""

    folder: Path | None = key(_File(), "The user's own routines.", default=None)
    default: str = key(Text(MAX_NAME_BYTES), "The routine to start.", default="lower-back")


@dataclass(frozen=True, slots=True, kw_only=True)
class Haptics:
    """How cues feel; see `Config.haptics_file`."""

    file: Path | None = key(_File(), "The user's own vocabulary.", default=None)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The page, and who reaches it."""

    listen: str = key(_Listen(), "Where it is served.", default="127.0.0.1:8368")
    hosts: tuple[str, ...] = key(
        _HostNames(), "Other names by which browsers ask for it.", default=()
    )
    certificate: Path | None = key(_File(), "The certificate for https.", default=None)
    certificate_key: Path | None = key(
        _File(), "Its key, if that is in another file.", default=None
    )
    behind_proxy: bool = key(Flag(), "Whether a proxy in front of it speaks https.", default=False)
    ingress: str | None = key(
        _IpAddress(), "Home Assistant's supervisor, by which alone it is reached.", default=None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """One history of several hosts, in PostgreSQL."""

    url: str = key(_CentralUrl(), "The database of the central history.", default=OFF, shown=False)
    password_file: Path | None = key(_File(), "A file with the password.", default=None)
    host: str | None = key(_ID, "The name of this host there.", default=None)
    key_file: Path | None = key(
        _File(), "A file with the key that all hosts hand to their bands.", default=None
    )
    heart_rate: bool = key(
        Flag(), "Whether heart beats of everybody are kept there.", default=False
    )
    read: bool = key(
        Flag(), "Whether the central history is shown here, and nothing forwarded.", default=False
    )
    lease_topic: str | None = key(
        _TOPIC,
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

    id: str = key(_ID, "A short word for topics and records.")
    name: str | None = key(_PLAIN, "What people call them.", default=None)
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

    id: str = key(_WearableId(), "A short word for topics and commands.")
    name: str | None = key(_PLAIN, "What people call it.", default=None)
    model: str = key(_Model(), "What kind of device it is.", default=registry.DEFAULT)
    link: str = key(Choice(_LINKS), "How it is reached.")
    address: str | None = key(_Address(), "Its Bluetooth address.", default=None)
    adapter: str | None = key(
        _ADAPTER, "The Bluetooth adapter, if it is not the usual one.", default=None
    )
    port: str | None = key(_PLAIN, "Its serial port, or auto.", default=None)
    person: str | None = key(_ID, "The id of who wears it.", default=None)
    area: str | None = key(_PLAIN, "The room that Home Assistant proposes for it.", default=None)
    routine: str | None = key(Text(MAX_NAME_BYTES), "The routine to start on it.", default=None)
    routines: tuple[str, ...] = key(
        ListOf(Text(MAX_NAME_BYTES), PLACES),
        "The routines that are kept on it, to be started there without a host, at most"
        f" {PLACES}; the first is what a press starts.",
        default=(),
    )
    heart: str | None = key(
        _Address(by_name=True),
        "The Bluetooth address of a heart-rate strap worn with it, or the strap's name.",
        default=None,
    )
    heart_sensor: str | None = key(
        Choice(SENSOR_KINDS),
        "What that measures with, where it does not say itself.",
        default=None,
    )
    options: Any = key(_Options(), "What only its model knows.", default=None)

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


@dataclass(frozen=True, slots=True)
class Folders:
    """The user's folders for Tenuto, by the convention of the platform."""

    config: Path
    data: Path


def own_folders(dirs: type[PlatformDirsABC] = PlatformDirs) -> Folders:
    """Return the folders of the user who runs this.

    The state of the daemon stays beside the history and not in a state folder: the service file
    that users have installed lets it write nowhere else, and each history has its own state.

    Args:
        dirs: The conventions of the platform; those of this one where nothing else is said.

    Raises:
        InputError: If the user has no home folder, and no variables that make up for it.
    """
    try:
        config = dirs("tenuto", appauthor=False, roaming=True).user_config_path
        data = dirs("tenuto", appauthor=False).user_data_path
        if issubclass(dirs, MacOS) and not (config.exists() and data.exists()):
            # Tenuto's own folders did not heed the XDG variables on macOS; what is there stays.
            earlier = Path("~/Library/Application Support/tenuto").expanduser()
            if earlier.is_dir():
                config = config if config.exists() else earlier
                data = data if data.exists() else earlier
    except RuntimeError:
        raise InputError(
            "your home folder is not known: set HOME, or XDG_CONFIG_HOME and XDG_DATA_HOME"
        ) from None
    return Folders(config, data)


SIMULATED = Wearable(id="simulated", link="simulated")
_MQTT, _BLUETOOTH, _HISTORY = Mqtt(), Bluetooth(), History()
_HOME_ASSISTANT = HomeAssistant()
_ROUTINES, _HAPTICS, _WEB, _FLEET = Routines(), Haptics(), Web(), Fleet()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A checked configuration.

    Attributes:
        file: Where it was read, None for the built-in defaults; its relative paths start in its
            folder.
        own: The user's folders, for what it does not say.
    """

    mqtt: Mqtt = key(Nested(Mqtt), "The broker.", default=_MQTT)
    home_assistant: HomeAssistant = key(
        Nested(HomeAssistant), "Home Assistant.", default=_HOME_ASSISTANT
    )
    bluetooth: Bluetooth = key(Nested(Bluetooth), "The radio.", default=_BLUETOOTH)
    history: History = key(Nested(History), "The history.", default=_HISTORY)
    routines: Routines = key(Nested(Routines), "The routines.", default=_ROUTINES)
    haptics: Haptics = key(Nested(Haptics), "The vocabulary.", default=_HAPTICS)
    web: Web = key(Nested(Web), "The page.", default=_WEB)
    fleet: Fleet = key(Nested(Fleet), "Several hosts.", default=_FLEET)
    people: tuple[Person, ...] = key(
        Tables(Person, "person", 0, MAX_PEOPLE), "Who wears them.", default=(), name="person"
    )
    wearables: tuple[Wearable, ...] = key(
        Tables(Wearable, "wearable", 1, MAX_WEARABLES),
        "The wearables.",
        default=(SIMULATED,),
        name="wearable",
    )
    file: Path | None = None
    own: Folders = field(default_factory=own_folders)

    @property
    def history_path(self) -> Path:
        """The history's database file."""
        return self._from_file(self.history.path) or self.own.data / "history.db"

    @property
    def routines_folder(self) -> Path:
        """The folder of the user's own routines; need not exist."""
        return self._from_file(self.routines.folder) or self.own.config / "routines"

    @property
    def haptics_file(self) -> Path | None:
        """The user's own vocabulary, None for the shipped one."""
        return self._from_file(self.haptics.file)

    @property
    def state_path(self) -> Path:
        """What the daemon remembers between its runs, besides the history."""
        return self.history_path.with_name("state.json")

    def broker(self, environ: Mapping[str, str]) -> tuple[BrokerAddress, ...]:
        """Return the addresses of the broker to connect to, none for the embedded one or for none.

        It reads files, and may ask Home Assistant's supervisor, so that it takes a while.

        Args:
            environ: Its `TENUTO_MQTT_PASSWORD` comes before any other password, and its
                `SUPERVISOR_TOKEN` is shown to the supervisor.

        Raises:
            InputError: With all that is wrong with the files it takes, or the supervisor knows no
                broker.
        """
        addresses = self.mqtt.addresses
        if self.mqtt.is_supervised:
            # Here and not at the top: few need it, and it needs what is slow to load.
            from tenuto.mqtt.supervisor import ask_supervisor  # noqa: PLC0415

            addresses = (ask_supervisor(environ),)
        if not addresses:
            return ()
        mistakes: list[Mistake] = []
        files = {
            name: self._from_file(getattr(self.mqtt, name))
            for name in ("ca_file", "certificate", "certificate_key")
        }
        for name, path in files.items():
            try:
                if path is not None:
                    open_regular(path).close()
            except OSError as error:
                text = f"`{name}` of [mqtt] cannot be read: {error.strerror}"
                mistakes.append(Mistake(str(path), 0, text))
        password = environ.get(PASSWORD_VARIABLE)
        if password is not None and all(one.user is None for one in addresses):
            text = f"{PASSWORD_VARIABLE} needs a user: write [mqtt] url as mqtt://user@host"
            mistakes.append(Mistake("environment", 0, text))
        from_file = None
        if password is None and self.mqtt.password_file is not None:
            secret = self._from_file(self.mqtt.password_file) or self.mqtt.password_file
            try:
                from_file = _read_secret(secret, "mqtt")
            except InputError as error:
                mistakes += error.mistakes
        if mistakes:
            raise InputError(mistakes)
        return tuple(
            replace(
                one,
                password=_password(one, environ, from_file),
                client_id=self.mqtt.client_id,
                keepalive_s=self.mqtt.keep_alive_s,
                ca_file=files["ca_file"],
                certificate=files["certificate"],
                certificate_key=files["certificate_key"],
            )
            for one in addresses
        )

    @property
    def central_password(self) -> str | None:
        """The password for the central history; None where `url` or libpq's own files have it.

        Raises:
            InputError: The file cannot be read.
        """
        path = self._from_file(self.fleet.password_file)
        return None if path is None else _read_secret(path, "fleet")

    @property
    def shared_key(self) -> bytes | None:
        """The key that all hosts of the fleet hand to their bands; None where each makes its own.

        Raises:
            InputError: The file cannot be read, others may read it, or it has no key in it.
        """
        path = self._from_file(self.fleet.key_file)
        if path is None:
            return None
        text = _read_secret(path, "fleet", "key_file")
        try:
            found = bytes.fromhex(text)
        except ValueError:
            found = b""
        if len(found) != KEY_BYTES:
            text = "`key_file` of [fleet] has no key: `tenuto fleet key FILE` makes one"
            raise InputError([Mistake(str(path), 1, text)])
        return found

    @property
    def radio_files(self) -> RadioFiles:
        """The files that radios have in this user's folders."""
        keys = self._from_file(self.bluetooth.proxy_keys)
        return RadioFiles(bonds=self.own.data / "bonds.json", proxy_keys=keys)

    def _from_file(self, path: Path | None) -> Path | None:
        return self.file.parent / path if path is not None and self.file is not None else path

    def wearable(self, wearable_id: str) -> Wearable:
        """Return a wearable by its id.

        Raises:
            InputError: If no wearable has this id.
        """
        for wearable in self.wearables:
            if wearable.id == wearable_id:
                return wearable
        known = [wearable.id for wearable in self.wearables]
        raise InputError(
            f"there is no wearable {rules.quoted(wearable_id)}"
            f"{rules.hint(wearable_id, known, quote='')}"
        )

    def person(self, person_id: str | None) -> Person | None:
        """Return a person by the id, None if nobody has it."""
        return next((person for person in self.people if person.id == person_id), None)

    def person_title(self, person_id: str | None) -> str | None:
        """Return what people call a person: the name, or what stands for it where none is known."""
        found = self.person(person_id)
        return person_id if found is None else found.title

    def shares_heart_rate(self, person_id: str | None) -> bool:
        """Return whether a person lets the heart rate go out; nobody known does not."""
        found = self.person(person_id)
        return found is not None and found.publish_heart_rate

    def routine_for(self, wearable: Wearable) -> str:
        """Return the name of the routine to start on a wearable where none is named."""
        return wearable.routine or self.routines.default


def _read_secret(path: Path, table: str, name: str = "password_file") -> str:
    """Return the first line of a file that no other user may read.

    Raises:
        InputError: If it cannot be read, is empty, or others may read it.
    """
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.readline(1_000).decode("utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        text = f"`{name}` of [{table}] cannot be read: {why}"
        raise InputError([Mistake(str(path), 0, text)]) from None
    if os.name == "posix" and mode & 0o077:
        text = f"`{name}` of [{table}] may be read by others: chmod 600 {path}"
        raise InputError([Mistake(str(path), 0, text)])
    if not text:
        raise InputError([Mistake(str(path), 0, f"`{name}` of [{table}] has no first line")])
    return text


def parse(data: str | bytes, file: str) -> Config:
    """Return the configuration of a TOML text.

    Args:
        data: The text.
        file: Its name in messages, and its place.

    Raises:
        InputError: With all mistakes at once.
    """
    raw, origin = tables.parse(data, file)
    mistakes = list(_cross_check(raw, origin))
    try:
        config = tables.read_table(raw, Config)
    except TableError as error:
        for remark in error.remarks:
            prefix = _called(raw, remark.table)
            mistakes.append(origin.mistake(remark.path, prefix + remark.text))
    if mistakes:
        raise InputError(sorted(mistakes))
    return replace(config, file=Path(file))


def find_config(explicit: Path | None = None) -> Config:
    """Find and read the configuration: `explicit`, `$TENUTO_CONFIG`, the user's, or the built-in.

    Raises:
        InputError: If a file that was named cannot be read, or if it is wrong.
    """
    from_environment = os.environ.get("TENUTO_CONFIG")
    path = explicit or (Path(from_environment) if from_environment else None)
    if path is None:
        path = own_folders().config / "tenuto.toml"
        if not path.is_file():
            return Config()
    config = parse(read_input(path), str(path))
    _check_owner_only(path, config)
    return config


def _check_owner_only(path: Path, config: Config) -> None:
    """Refuse a file that others may change, and one with a password that others may read.

    Raises:
        InputError: With the command that mends it.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # it was readable a moment ago; whoever reads it next is told
    if os.name != "posix":
        return
    has_password = any(one.password is not None for one in config.mqtt.addresses)
    if mode & 0o002:
        text = f"everybody may change this file: chmod o-w {path}"
    elif has_password and mode & 0o044:
        text = f"it holds a password, and others may read it: chmod 600 {path}"
    else:
        return
    raise InputError([Mistake(str(path), 0, text)])


def _password(
    address: BrokerAddress, environ: Mapping[str, str], from_file: str | None
) -> str | None:
    """Return the password to use: of the environment, of the address, or of the file."""
    if address.user is None:
        return None
    given = address.password if address.password is not None else from_file
    return environ.get(PASSWORD_VARIABLE, given)


def _called(raw: Mapping[str, Any], table: Key) -> str:
    """Return what a message calls a table: `[mqtt]: `, `wearable 'anna': `."""
    match table:
        case (str(name), int(index), *_):
            own_id = raw[name][index].get("id")
            is_named = isinstance(own_id, str) and own_id.isprintable() and len(own_id) <= 32
            return f"{name} {own_id!r}: " if is_named else f"{name} {index + 1}: "
        case (str(name), *_):
            return f"[{name}]: "
    return ""


def _tables(raw: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    tables = raw.get(name, [])
    return [t for t in tables if isinstance(t, dict)] if isinstance(tables, list) else []


def _cross_check(raw: Mapping[str, Any], origin: tables.Source) -> Iterator[Mistake]:
    """Find what is wrong between tables, whatever is wrong inside them."""
    for name, unique in (
        ("person", "id"),
        ("wearable", "id"),
        ("wearable", "address"),
        ("wearable", "port"),
        ("wearable", "heart"),
    ):
        seen: dict[str, int] = {}
        for index, table in enumerate(_tables(raw, name)):
            value = table.get(unique)
            if not isinstance(value, str):
                continue
            if unique in ("address", "heart"):
                value = value.upper()
            if value in seen:
                first = origin.line((name, seen[value], unique))
                text = f"`{unique}` is that of the {name} on line {first}; allowed is another one"
                yield origin.mistake((name, index, unique), _called(raw, (name, index)) + text)
            seen.setdefault(value, index)
    yield from _wrong_lease_topic(raw, origin)
    people = [t["id"] for t in _tables(raw, "person") if isinstance(t.get("id"), str)]
    for index, table in enumerate(_tables(raw, "wearable")):
        person = table.get("person")
        if isinstance(person, str) and person not in people:
            there = rules.hint(person, people, quote='"') if people else ""
            text = f"`person` is {rules.quoted(person)}, but no [[person]] has that id{there}"
            yield origin.mistake(
                ("wearable", index, "person"), _called(raw, ("wearable", index)) + text
            )


def _wrong_lease_topic(raw: Mapping[str, Any], origin: tables.Source) -> Iterator[Mistake]:
    """Find a topic for leases that no other host can hear, or that is in the way of others."""
    fleet, mqtt = (
        {} if not isinstance(raw.get(name), dict) else raw[name] for name in ("fleet", "mqtt")
    )
    topic = fleet.get("lease_topic")
    if not isinstance(topic, str):
        return
    if mqtt.get("url", EMBEDDED) in (EMBEDDED, OFF):
        text = "needs a broker that all hosts share: write its address as `url` under [mqtt]"
        yield origin.mistake(("fleet", "lease_topic"), f"[fleet]: `lease_topic` {text}")
    own = mqtt.get("base_topic", Mqtt().base_topic)
    if isinstance(own, str) and (f"{topic}/".startswith(f"{own}/")):
        text = f"is below the `base_topic` {rules.quoted(own)} of this host; allowed is another one"
        yield origin.mistake(("fleet", "lease_topic"), f"[fleet]: `lease_topic` {text}")
