# SPDX-License-Identifier: MIT
"""`tenuto privacy`: what is stored where, what is published; and erase it on request."""

from __future__ import annotations

import asyncio
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyclopts import App

from tenuto.config import find_config
from tenuto.errors import InputError
from tenuto.state import player_store
from tenuto.terminal.words import printable

from .common import ConfigFile, confirmed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenuto.config import Config

app = App(name="privacy", help="Show what is stored and what is published, and erase it.")

NOTHING_ERASED = 3
_OPEN = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class PersonalFile:
    """A file with what belongs to a person.

    Attributes:
        what: For people.
        path: Need not exist.
    """

    what: str
    path: Path


def personal_files(config: Config) -> list[PersonalFile]:
    """Return the files that Tenuto writes and `erase` removes; files that the person wrote stay."""
    history = config.history_path
    files = [
        PersonalFile(
            "history: sessions, holds, heart rate, how cues are felt, what is prescribed", history
        ),
        PersonalFile(
            "history: what is not in its file yet", history.with_name(f"{history.name}-wal")
        ),
        PersonalFile("history: an index of that", history.with_name(f"{history.name}-shm")),
    ]
    if history.parent.is_dir():
        files += [
            PersonalFile("history: a damaged one, kept", path)
            for path in sorted(history.parent.glob(f"{history.name}.damaged*"))
        ]
    return [
        *files,
        PersonalFile("how fast the clocks of wearables go", history.with_name("clocks.json")),
        PersonalFile("the class that goes on", history.with_name("class.json")),
        PersonalFile("numbers for wearables that tell none", history.with_name("devices.json")),
        PersonalFile("settings of wearables, what Home Assistant was told", config.state_path),
        PersonalFile("pairings with wearables", config.own.data / "bonds.json"),
        PersonalFile("keys of wearables", config.own.data / "keys.json"),
        *(
            PersonalFile("what was played last on a device for which this computer plays", path)
            for path in sorted((config.own.data / player_store.FOLDER).glob("*/*"))
        ),
        PersonalFile("which safety notes were shown", config.own.data / NOTE_SHOWN),
    ]


NOTE_SHOWN = "safety-note-shown"


@app.default
def privacy(*, config: ConfigFile = None) -> None:
    """Show what is stored where, who may read it, and what is published.

    Args:
        config: as in all commands
    """
    settings = find_config(config)
    elsewhere = ", and nowhere else" if settings.fleet.is_off else ""
    print(f"On this computer{elsewhere}:")
    found = [item for item in personal_files(settings) if item.path.exists()]
    for item in found:
        print(f"  {item.what}\n    {printable(str(item.path))}, {_who(item.path)}")
    if not found:
        print("  nothing yet")
    print("Yours, and left alone by `tenuto privacy erase`:")
    for what, path in (
        ("configuration", settings.file),
        ("routines", settings.routines_folder),
    ):
        if path is not None and path.exists():
            print(f"  {what}\n    {printable(str(path))}")
    print("  files that you exported, reports, backups")
    print("Published:")
    for line in _published(settings):
        print(f"  {line}")
    print("On a wearable: its last sessions, until it is switched off or writes over them.")
    print("Tenuto sends nothing to anybody else: no account, no cloud, no statistics.")


def _who(path: Path) -> str:
    """Return how large a file is and who may read it."""
    about = path.stat()
    size = f"{max(1, round(about.st_size / 1024))} KiB"
    if os.name == "posix" and about.st_mode & _OPEN:
        return f"{size}, OTHERS MAY READ IT: chmod 600 mends that"
    return f"{size}, only you may read it"


def _published(config: Config) -> Iterator[str]:
    if config.fleet.forwards:
        from tenuto.fleet.postgres import place_of

        who = "everybody" if config.fleet.heart_rate else "those who share them"
        yield f"to the central history at {place_of(config.fleet.url)}: every session"
        yield f"  with the heart beats of {who}, and what is prescribed;"
        yield "  what is deleted here is deleted there"
    mqtt = config.mqtt
    if mqtt.is_off:
        yield "nothing: MQTT is off" if config.fleet.is_off else "nothing by MQTT, which is off"
        return
    where = "to programs on this computer"
    if mqtt.addresses:
        where = f"to the broker at {' or '.join(map(str, mqtt.addresses))}"
    yield f"by MQTT, {where}, below {mqtt.base_topic}/: what is played, how it went, the battery"
    if config.people:
        yield "  and what is due today to whom something is prescribed"
    if mqtt.discovery:
        yield f"  below {mqtt.discovery_prefix}/: the names, addresses and rooms of wearables"
    for person in config.people:
        heart = "with the heart rate" if person.publish_heart_rate else "without the heart rate"
        yield f"  {printable(person.name or person.id)}: {heart}"
    if not config.people:
        yield "  without the heart rate; [[person]] publish_heart_rate = true would change that"
    if not mqtt.is_embedded:
        yield "  a broker keeps the last state of each wearable until somebody clears it there"


@app.command
def erase(*, yes: bool = False, config: ConfigFile = None) -> int:
    """Erase all that Tenuto has stored about you on this computer. It cannot be undone.

    Args:
        yes: do not ask
        config: as in all commands
    """
    settings = find_config(config)
    found = [item for item in personal_files(settings) if item.path.exists()]
    if not found:
        print("There is nothing to erase.")
        return 0
    if asyncio.run(_is_daemon_up(settings)):
        raise InputError("the daemon runs and would write it again: end it first")
    for item in found:
        print(f"{item.what}\n  {printable(str(item.path))}")
    if not confirmed("Erase all of that, for good?", yes=yes):
        print("Nothing is erased.")
        return NOTHING_ERASED
    for item in found:
        try:
            item.path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{item.path} cannot be erased: {error.strerror}") from error
    print(
        "Erased. Switch a wearable off and on, or its last sessions come back from it. A disk may "
        "keep traces of erased files; what helps there is an encrypted disk. Exports, reports, "
        "backups and what a broker keeps are elsewhere."
    )
    return 0


async def _is_daemon_up(config: Config) -> bool:
    from tenuto.control import find_daemon

    return await find_daemon(os.environ, config.own.data) is not None
