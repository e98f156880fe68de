# SPDX-License-Identifier: MIT
"""The configuration as the text that a person edits: changed in place, with its comments.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT

from tenuto.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tomlkit import TOMLDocument


def add_table(text: str, kind: str, values: Mapping[str, Any]) -> str:
    """Add a `[[wearable]]` or a `[[person]]` at the end.

    Args:
        text: The configuration; may be empty.
        kind: The name of the table.
        values: Its keys; None is left out.

    Raises:
        InputError: The text is no TOML.
    """
    document = _parse(text)
    table = tomlkit.table()
    for name, value in values.items():
        if value is not None:
            table.add(name, value)
    tables = document.get(kind)
    if tables is None:
        tables = tomlkit.aot()
        document.append(kind, tables)
    if not isinstance(tables, AoT):
        raise InputError(f"`{kind}` is no [[{kind}]] in this file; change it there by hand")
    tables.append(table)
    return tomlkit.dumps(document)


def remove_table(text: str, kind: str, own_id: str) -> str:
    """Remove the `[[wearable]]` or `[[person]]` with an id.

    Raises:
        InputError: There is none, or the text is no TOML.
    """
    document = _parse(text)
    found = document.get(kind)
    tables = found if isinstance(found, AoT) else tomlkit.aot()
    for index, table in enumerate(tables):
        if table.get("id") == own_id:
            del tables[index]
            if not tables:
                document.remove(kind)
            return tomlkit.dumps(document)
    raise InputError(f"there is no [[{kind}]] {own_id!r} in this file")


def _parse(text: str) -> TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise InputError(f"the configuration is no TOML: {error}") from error
