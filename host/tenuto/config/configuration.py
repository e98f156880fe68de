# SPDX-License-Identifier: MIT
"""The whole configuration, checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenuto.config.folders import Folders, own_folders
from tenuto.config.secret_files import read_secret
from tenuto.config.sections import (
    Bluetooth,
    Fleet,
    Haptics,
    History,
    HomeAssistant,
    Mqtt,
    Person,
    Routines,
    Wearable,
    Web,
)
from tenuto.errors import InputError, Mistake
from tenuto.links.radios.registry import RadioFiles
from tenuto.toml import rules
from tenuto.toml.tables import Nested, Tables, key
from tenuto_core.auth import KEY_BYTES

if TYPE_CHECKING:
    from pathlib import Path

MAX_WEARABLES = 128
MAX_PEOPLE = MAX_WEARABLES

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
        return self.path_of(self.history.path) or self.own.data / "history.db"

    @property
    def routines_folder(self) -> Path:
        """The folder of the user's own routines; need not exist."""
        return self.path_of(self.routines.folder) or self.own.config / "routines"

    @property
    def haptics_file(self) -> Path | None:
        """The user's own vocabulary, None for the shipped one."""
        return self.path_of(self.haptics.file)

    @property
    def state_path(self) -> Path:
        """What the daemon remembers between its runs, besides the history."""
        return self.history_path.with_name("state.json")

    @property
    def central_password(self) -> str | None:
        """The password for the central history; None where `url` or libpq's own files have it.

        Raises:
            InputError: The file cannot be read.
        """
        path = self.path_of(self.fleet.password_file)
        return None if path is None else read_secret(path, "fleet")

    @property
    def shared_key(self) -> bytes | None:
        """The key that all hosts of the fleet hand to their bands; None where each makes its own.

        Raises:
            InputError: The file cannot be read, others may read it, or it has no key in it.
        """
        path = self.path_of(self.fleet.key_file)
        if path is None:
            return None
        text = read_secret(path, "fleet", "key_file")
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
        keys = self.path_of(self.bluetooth.proxy_keys)
        usual = self.bluetooth.adapter
        adapters = dict.fromkeys((*(one.adapter or usual for one in self.wearables), usual))
        return RadioFiles(
            bonds=self.own.data / "bonds.json", adapters=tuple(adapters), proxy_keys=keys
        )

    def path_of(self, path: Path | None) -> Path | None:
        """Return where a path of the file leads: relative ones start in the file's folder."""
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
