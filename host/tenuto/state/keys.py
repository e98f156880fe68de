# SPDX-License-Identifier: MIT
"""The keys that this host has handed to its bands, in one file that only its user can read.

A key belongs to a band, which is known by its serial number, the same by cable and over the air.
A band of the first release tells none; its key goes by the names under which it is reached.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tenuto.errors import LinkError, LinkReason
from tenuto.files import read_text, why_unread, write_private
from tenuto_core.auth import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenuto.wearables.base import Identity

_VERSION = 2
_UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    RecursionError,  # of brackets
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Band:
    """What is kept of one band.

    Attributes:
        serial: Its serial number, None where it tells none.
        names: Its addresses and its ids in the configuration, in capitals.
        key: The one that it has, None before the first.
        by_cable: Whether that went by cable.
        bonded: Whether it was proven on a link over the air, which takes a bond.
        offered: One that was handed over while it is not known whether the band has taken it.
        offered_by_cable: Whether that went by cable.
    """

    serial: str | None
    names: frozenset[str]
    key: bytes | None = field(default=None, repr=False)
    by_cable: bool = False
    bonded: bool = False
    offered: bytes | None = field(default=None, repr=False)
    offered_by_cable: bool = False

    def is_for(self, serial: str | None, names: frozenset[str]) -> bool:
        if serial is not None and self.serial is not None:
            return serial == self.serial
        return bool(self.names & names)


class KeyStore:
    """The keys, each with the band that it is for.

    The file is read anew each time, since another process of the same user may have changed it.

    Args:
        path: A JSON file; None to keep the keys in memory only.
        shared: A key that several hosts have, and hand to their bands in place of one of their
            own: a band that one of them was paired with lets all of them in.
    """

    def __init__(self, path: Path | None, shared: bytes | None = None) -> None:
        self.shared = shared
        self._path = path
        self._bands: list[_Band] = []

    def of(self, *names: str | None) -> BandKeys:
        """Return the keys of one band.

        Args:
            names: What it is called, as far as that is known: its address, its id in the
                configuration.
        """
        return BandKeys(self, frozenset(name.upper() for name in names if name is not None))

    def forget(self, *names: str | None) -> bool:
        """Delete the keys of the bands of these names.

        Returns:
            Whether there was one.

        Raises:
            LinkError: If the file cannot be read or written; NOT_PAIRED.
        """
        meant = frozenset(name.upper() for name in names if name is not None)
        bands = self._read()
        others = [band for band in bands if not band.names & meant]
        if len(others) == len(bands):
            return False
        self._write(others)
        return True

    def find(self, serial: str | None, names: frozenset[str]) -> _Band | None:
        """Return what is kept of a band; for `BandKeys`."""
        found = [band for band in self._read() if band.is_for(serial, names)]
        # One whose number is known goes before one that is only called the same.
        return min(found, key=lambda band: band.serial is None, default=None)

    def known(self, serial: str | None, names: frozenset[str]) -> list[_Band]:
        """Return the bands that have a key and this number or one of these names; for `BandKeys`.

        A device may tell any number, so that another one than the number known by a name does not
        make it a new device.
        """
        return [
            band
            for band in self._read()
            if band.key is not None
            and (bool(band.names & names) or (serial is not None and band.serial == serial))
        ]

    def change(
        self, serial: str | None, names: frozenset[str], how: Callable[[_Band], _Band]
    ) -> None:
        """Change what is kept of a band, all at once; for `BandKeys`.

        A name is one band's: those that went by it before lose it.
        """
        known = self.find(serial, names)
        base = _Band(serial=serial, names=names) if known is None else known
        changed = how(replace(base, serial=serial or base.serial, names=base.names | names))
        if changed == known:
            return
        others = [
            replace(band, names=band.names - names) for band in self._bands if band is not known
        ]
        # What has neither a number nor a name any more would never be found again.
        self._write([*(band for band in others if band.serial or band.names), changed])

    def _read(self) -> list[_Band]:
        if self._path is not None:
            try:
                found = json.loads(read_text(self._path))
                self._bands = _first_release(found) if _is_old(found) else _parsed(found)
            except FileNotFoundError:
                self._bands = []
            except _UNREADABLE as error:
                why = why_unread(error, "it is no file of keys")
                raise LinkError(
                    LinkReason.NOT_PAIRED,
                    f"{self._path} cannot be read: {why}; mend it, or take it away and pair anew",
                ) from None
        return list(self._bands)

    def _write(self, bands: list[_Band]) -> None:
        if self._path is not None:
            held = {"version": _VERSION, "bands": [_told(band) for band in bands]}
            try:
                write_private(self._path, json.dumps(held, indent=1) + "\n")
            except OSError as error:
                raise LinkError(
                    LinkReason.NOT_PAIRED, f"{self._path} cannot be written: {error.strerror}"
                ) from error
        self._bands = bands


class BandKeys:
    """The keys of one band; made by `KeyStore.of`.

    All methods raise LinkError, NOT_PAIRED, where the file cannot be read or written; then nothing
    has changed.
    """

    def __init__(self, store: KeyStore, names: frozenset[str]) -> None:
        self._store = store
        self._names = names

    def held(self, band: Identity) -> list[bytes]:
        """Return the keys that the band may have, the likeliest first; at most three."""
        kept = self._store.find(band.serial, self._names)
        own = () if kept is None else (kept.offered, kept.key)
        return list(dict.fromkeys(key for key in (*own, self._store.shared) if key is not None))

    def fresh(self) -> bytes:
        """Return the key to hand to a band that is to trust this host."""
        return self._store.shared or secrets.token_bytes(KEY_BYTES)

    def is_known(self, band: Identity) -> bool:
        """Return whether the device must be a band that was given a key, whatever it tells."""
        return bool(self._store.known(band.serial, self._names))

    @property
    def is_bonded(self) -> bool:
        """Whether a band of these names has proven its key over the air: it has a bond then."""
        known = self._store.known(None, self._names)
        return any(band.bonded or not band.by_cable for band in known)

    def offer(self, band: Identity, key: bytes, *, by_cable: bool) -> None:
        """Keep a key that is about to be handed over, beside the one that there is.

        Raises:
            ValueError: It is not as long as a key.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
        self._change(band, lambda kept: replace(kept, offered=key, offered_by_cable=by_cable))

    def withdraw(self, band: Identity) -> None:
        """The band has refused the key that it was offered."""
        self._change(band, lambda kept: replace(kept, offered=None, offered_by_cable=False))

    def settle(self, band: Identity, key: bytes, *, over_air: bool) -> None:
        """The band has proven that it has this key; now it is the only one."""

        def settled(kept: _Band) -> _Band:
            return replace(
                kept,
                key=key,
                by_cable=kept.offered_by_cable if key == kept.offered else kept.by_cable,
                bonded=kept.bonded or over_air,
                offered=None,
                offered_by_cable=False,
            )

        self._change(band, settled)

    def _change(self, band: Identity, how: Callable[[_Band], _Band]) -> None:
        told = frozenset() if band.address is None else frozenset((band.address.upper(),))
        self._store.change(band.serial, self._names | told, how)


def _told(band: _Band) -> dict[str, Any]:
    return {
        "serial": band.serial,
        "names": sorted(band.names),
        "key": None if band.key is None else band.key.hex(),
        "by_cable": band.by_cable,
        "bonded": band.bonded,
        "offered": None if band.offered is None else band.offered.hex(),
        "offered_by_cable": band.offered_by_cable,
    }


def _is_old(found: Any) -> bool:  # noqa: ANN401 - whatever the file holds
    return not isinstance(found.get("bands"), list)


def _first_release(found: dict[str, Any]) -> list[_Band]:
    """Read what was kept by the names of wearables."""
    return [
        _Band(serial=None, names=frozenset((name.upper(),)), key=_key(key))
        for name, key in found.items()
    ]


def _parsed(found: dict[str, Any]) -> list[_Band]:
    if found["version"] != _VERSION:
        raise ValueError(f"it is of version {found['version']}")
    return [
        _Band(
            serial=None if one["serial"] is None else str(one["serial"]),
            names=frozenset(map(str, one["names"])),
            key=None if one["key"] is None else _key(one["key"]),
            by_cable=bool(one["by_cable"]),
            bonded=bool(one.get("bonded")),
            offered=None if one["offered"] is None else _key(one["offered"]),
            offered_by_cable=bool(one["offered_by_cable"]),
        )
        for one in found["bands"]
    ]


def _key(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
    return key
