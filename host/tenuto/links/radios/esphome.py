# SPDX-License-Identifier: MIT
"""ESPHome Bluetooth proxies: their names and keys, and the adapter that opens them when used."""

from __future__ import annotations

import binascii
import os
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason, one_line
from tenuto.extras import how_to_get
from tenuto.files import open_regular
from tenuto.links.ble_adapter import BleAdapter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenuto.links.ble_adapter import Radio

    from .registry import RadioFiles

PREFIX = "esphome:"
PORT = 6053
PLAIN = "none"
"""In place of a key: this proxy speaks without encryption, and its user knows that."""
KEY_BYTES = 32
KEYS_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a proxy is, as its user writes it."""

    host: str
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read `host`, `host:port` or `[IPv6]:port`."""
        host, colon, port = text.rpartition(":")
        if not colon or text.endswith("]"):
            host, port = text, str(PORT)
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        """Return what `parse` reads."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORT else f"{host}:{self.port}"


def endpoints(adapter: str) -> tuple[Endpoint, ...]:
    """Return the proxies that the name of an adapter has, each once."""
    texts = adapter.removeprefix(PREFIX).split(",")
    return tuple(dict.fromkeys(map(Endpoint.parse, texts)))


def read_keys(path: Path | None, wanted: tuple[Endpoint, ...]) -> Mapping[Endpoint, str | None]:
    """Return the encryption keys of proxies, None for one that speaks without encryption.

    Args:
        path: A TOML file of lines such as `"room-a.local" = "..."` that only its user can read.
        wanted: The proxies.

    Raises:
        LinkError: PERMISSION, with the line that is missing or wrong.
    """
    if path is None:
        raise _refused(
            "ESPHome proxies need [bluetooth] proxy_keys: a file with a line such as "
            f'`"{wanted[0]}" = "..."` for each, with the key that ESPHome has under `api: '
            "encryption: key:`"
        )
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(KEYS_BYTES_MAX + 1)
        if len(data) > KEYS_BYTES_MAX:
            raise ValueError("it is too long")
        told = tomllib.loads(data.decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else one_line(error)
        raise _refused(f"{path} with the keys of the proxies cannot be read: {why}") from None
    if os.name == "posix" and mode & 0o077:
        raise _refused(f"{path} has keys in it, and others may read it: chmod 600 {path}")
    return {one: _key(path, one, told.get(str(one), told.get(one.host))) for one in wanted}


def _key(path: Path, endpoint: Endpoint, value: object) -> str | None:
    if value == PLAIN:
        return None
    if value is None:
        raise _refused(
            f'{path} has no line for {endpoint}: write `"{endpoint}" = "..."` with its key, or '
            f'"{PLAIN}" if it has no encryption, so that everybody in your network could listen'
        )
    try:
        size = len(binascii.a2b_base64(str(value), strict_mode=True))
    except ValueError:
        size = 0
    if size != KEY_BYTES:
        raise _refused(
            f"{path}: the key of {endpoint} is none: ESPHome has it under `api: encryption: key:`, "
            "44 characters that end with ="
        )
    return str(value)


def _refused(text: str) -> LinkError:
    return LinkError(LinkReason.PERMISSION, text)


def open_adapter(name: str, files: RadioFiles) -> BleAdapter:
    """Return the adapter `esphome:` and the addresses of proxies; see `registry`."""

    async def open_radio() -> Radio:
        wanted = endpoints(name)
        keys = read_keys(files.proxy_keys, wanted)
        try:
            # Thirty megabytes and a second that only whoever has proxies should pay for.
            from .esphome_radio import ProxyRadio  # noqa: PLC0415
        except ModuleNotFoundError:
            missing = how_to_get("esphome", f"The adapter {name}")
            raise LinkError(LinkReason.NO_ADAPTER, missing) from None
        return await ProxyRadio.open(keys)

    return BleAdapter(open_radio, name=name)
