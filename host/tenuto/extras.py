# SPDX-License-Identifier: MIT
"""The optional parts of Tenuto: what each brings, and how to get it where it is missing."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Extra:
    """One extra of `pyproject.toml`.

    Attributes:
        brings: What works with it, as a part of a sentence.
        modules: What it is recognised by: those that Tenuto itself imports.
    """

    brings: str
    modules: tuple[str, ...]

    @property
    def is_installed(self) -> bool:
        """Whether all its modules are there; none is imported."""
        return all(find_spec(module) is not None for module in self.modules)


EXTRAS = {
    "broker": Extra("a broker of Tenuto's own", ("amqtt",)),
    "esphome": Extra(
        "ESPHome Bluetooth proxies", ("aioesphomeapi", "bleak_esphome", "bluetooth_data_tools")
    ),
    "fit": Extra("sessions as FIT files", ("fit_tool",)),
    "fleet": Extra("a history in PostgreSQL", ("psycopg",)),
    "intiface": Extra("devices by a Buttplug server", ("websockets",)),
    "report": Extra("reports as PNG", ("resvg_py",)),
    "share": Extra("QR codes", ("segno",)),
    "simulator": Extra("a simulated Bangle.js", ("quickjs",)),
    "web": Extra("the page in the browser", ("aiohttp", "segno", "tomlkit")),
}


@contextmanager
def needed(name: str, what: str) -> Iterator[None]:
    """Import what an extra brings inside of this; where it is missing, say how to get it.

    Args:
        name: Of the extra.
        what: Needs it, as the beginning of a sentence.

    Raises:
        InputError: Something of it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "tenuto":
            raise
        raise InputError(how_to_get(name, what)) from None


def how_to_get(name: str, what: str) -> str:
    """Return a sentence: what needs an extra, and the command that installs it."""
    return f"{what} needs the extra `{name}`: {install_command(name)}"


def install_command(*names: str, prefix: Path | None = None) -> str:
    """Return the command that adds extras to this installation and keeps those that it has.

    Args:
        names: Of the extras.
        prefix: The environment, that of this process where none is given.
    """
    folder = Path(sys.prefix) if prefix is None else prefix
    tools = {"pipx_metadata.json": "pipx install --force", "uv-receipt.toml": "uv tool install"}
    for file, command in tools.items():
        if (folder / file).is_file():
            # Both make the environment anew from what they are told.
            present = (name for name, extra in EXTRAS.items() if extra.is_installed)
            wanted = ",".join(sorted({*names, *present}))
            return f'{command} "tenuto[{wanted}]{_source()}"'
    return f'pip install "tenuto[{",".join(sorted(names))}]"'


def _source() -> str:
    """Return where Tenuto was installed from, as requirements say it; empty for an index."""
    try:
        text = distribution("tenuto").read_text("direct_url.json")
    except PackageNotFoundError:
        return ""
    told = json.loads(text) if text else {}
    if not told or told.get("dir_info", {}).get("editable"):
        return ""
    vcs = told.get("vcs_info", {}).get("vcs")
    return f" @ {vcs}+{told['url']}" if vcs else f" @ {told['url']}"
