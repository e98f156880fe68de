# SPDX-License-Identifier: MIT
"""What an app for a watch consists of.

Its `metadata.json` says which files there are, as the app loader of the watch reads it.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.shipped import shipped

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class WatchApp:
    """An app for a watch.

    Attributes:
        id, version: As its `metadata.json` says.
        files: What goes into the watch's storage, by name.
        data: The names of what it keeps there itself.
    """

    id: str
    version: str
    files: dict[str, bytes]
    data: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OnWatch:
    """What was done to a watch.

    Attributes:
        address: Of the watch.
        version: Of the app.
        espruino: The version of its system.
        changed: How many files were written or removed.
        files: How many there are in all.
    """

    address: str
    version: str
    espruino: str
    changed: int
    files: int


def read_app(name: str) -> WatchApp:
    """Read an app from the folder of its sources in `firmware`.

    Raises:
        InputError: The installation of Tenuto is not complete.
    """
    folder = shipped("firmware") / name
    told = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    files = {
        row["name"]: _content(folder / row["url"], is_evaluated=row.get("evaluate", False))
        for row in told["storage"]
    }
    data = tuple(row["name"] for row in told["data"])
    return WatchApp(told["id"], told["version"], files | _info(told, files, data), data)


def _content(path: Path, *, is_evaluated: bool) -> bytes:
    text = path.read_text(encoding="utf-8")
    if is_evaluated:  # an image, as a call that makes it
        found = re.search(r'atob\("([^"]+)"\)', text)
        return base64.b64decode(found[1]) if found is not None else b""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")).encode()


def _info(told: dict[str, Any], files: dict[str, bytes], data: tuple[str, ...]) -> dict[str, bytes]:
    """Return the file by which the watch's launcher knows the app."""
    name = f"{told['id']}.info"
    info = {
        "id": told["id"],
        "name": told["shortName"],
        "type": told["type"],
        "src": f"{told['id']}.app.js",
        "icon": f"{told['id']}.img",
        "version": told["version"],
        "tags": told["tags"],
        "files": ",".join([name, *files]),
        "data": ",".join(data),
    }
    return {name: json.dumps(info, separators=(",", ":")).encode()}
