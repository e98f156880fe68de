# SPDX-License-Identifier: MIT
"""How the configuration is found and read, and what fits between its tables.

It is looked for in this order: the file that was named, `$TENUTO_CONFIG`, `tenuto.toml` in the
user's configuration folder; without any of them the built-in defaults hold.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenuto.config.configuration import Config
from tenuto.config.folders import own_folders
from tenuto.config.sections import Mqtt
from tenuto.config.values import EMBEDDED, OFF
from tenuto.errors import InputError, Mistake
from tenuto.files import read_input
from tenuto.toml import rules, tables
from tenuto.toml.tables import TableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenuto.toml.lines import Key


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
