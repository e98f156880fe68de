# SPDX-License-Identifier: MIT
"""What the daemon remembers between its runs besides the history: a small JSON file.

It holds what people set for each wearable, and what Home Assistant was told, so that it can be
taken back. A file that cannot be read costs no more than that.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenuto.files import read_text, why_unread, write_private

from .preferences import Preferences

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Announced:
    """One device that Home Assistant was told of.

    Attributes:
        components: All that it may still know, by key, with the platform of each.
        states: The retained topics behind it.
        config: The last message.
    """

    components: dict[str, str] = field(default_factory=dict)
    states: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)


class SettingsStore:
    """The file at `path`, read when this is made; written with mode 0600, wholly or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()
        self._preferences: dict[str, Preferences] = {}
        self._announced: dict[str, Announced] = {}
        self._read()

    def preferences(self, wearable: str) -> Preferences:
        """Return what is set for a wearable."""
        return self._preferences.get(wearable, Preferences())

    async def prefer(self, wearable: str, preferences: Preferences) -> None:
        """Keep what is set for a wearable."""
        self._preferences[wearable] = preferences
        await self._save()

    @property
    def announced(self) -> Mapping[str, Announced]:
        """What Home Assistant was told, by the topic of the message."""
        return self._announced

    async def remember(self, told: Mapping[str, Announced | None]) -> None:
        """Keep what Home Assistant was told, by the topic of each message; None is forgotten.

        The whole file is written, so several are better kept at once.
        """
        for topic, announced in told.items():
            if announced is None:
                self._announced.pop(topic, None)
            else:
                self._announced[topic] = announced
        await self._save()

    # --- the file

    def _read(self) -> None:
        try:
            data = json.loads(read_text(self._path))
            self._preferences = {
                str(wearable): Preferences.from_json(values)
                for wearable, values in data.get("wearables", {}).items()
            }
            self._announced = {
                str(topic): Announced(
                    {str(key): str(platform) for key, platform in item["components"].items()},
                    tuple(map(str, item["states"])),
                    dict(item.get("config", {})),
                )
                for topic, item in data.get("announced", {}).items()
            }
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            _log.warning("%s cannot be read and begins anew: %s", self._path, why_unread(error))
            self._preferences, self._announced = {}, {}

    def _data(self) -> dict[str, Any]:
        return {
            "wearables": {
                wearable: found.to_json() for wearable, found in self._preferences.items()
            },
            "announced": {
                topic: {
                    "components": item.components,
                    "states": list(item.states),
                    "config": item.config,
                }
                for topic, item in self._announced.items()
            },
        }

    async def _save(self) -> None:
        async with self._lock:
            data = self._data()

            def write() -> None:
                write_private(self._path, json.dumps(data, ensure_ascii=False) + "\n")

            try:
                # Of hundreds of wearables it is megabytes of text.
                await asyncio.get_running_loop().run_in_executor(None, write)
            except OSError as error:
                _log.warning("%s cannot be written: %s", self._path, error.strerror)
