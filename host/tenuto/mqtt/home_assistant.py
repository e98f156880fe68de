# SPDX-License-Identifier: MIT
"""What Home Assistant is told: which devices there are, again when it has restarted."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .announcer import SETTLE_S, Announcer
from .discovery import (
    Place,
    announce_bridge,
    announce_class,
    announce_person,
    announce_wearable,
    person_topic,
    wearable_topic,
)
from .outgoing import Message
from .topics import ONLINE
from .words import ENGLISH

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import aiomqtt

    from .announcer import Known
    from .discovery import Announcement, Subject
    from .outgoing import Outgoing
    from .topics import Topics

BIRTH_DELAY_S = (0.5, 3.0)
"""After Home Assistant's birth message, so that not all its devices answer at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistant:
    """The settings for announcements.

    Attributes:
        known: What was announced before.
        routines: Returns the names of all routines.
        class_routines: Returns the names of those that a class can play.
        prefix: Where Home Assistant listens.
        language: Of names and states, one of `words.LANGUAGES`.
        page: Where a browser finds the page of Tenuto, empty where others do not reach it.
        manage: Whether Tenuto itself can be restarted and the like.
        announce: False only takes back what an earlier run announced.
        settle_s: See `Announcer`.
    """

    known: Known
    routines: Callable[[], Sequence[str]]
    class_routines: Callable[[], Sequence[str]] = tuple
    prefix: str = "homeassistant"
    language: str = ENGLISH
    page: str = ""
    manage: bool = False
    announce: bool = True
    settle_s: float = SETTLE_S


class Announcements:
    """Keeps the announced devices equal to the wearables and people of the bridge.

    Args:
        home: The settings.
        topics: The topics of the bridge.
        outgoing: What the bridge says; the payload of a settings topic names a routine.
        rng: For the delay after a birth message.
    """

    def __init__(
        self, home: HomeAssistant, topics: Topics, outgoing: Outgoing, rng: random.Random
    ) -> None:
        self.status_topic = f"{home.prefix}/status"
        self._home = home
        self._topics = topics
        self._place = Place(
            topics=topics, prefix=home.prefix, language=home.language, page=home.page
        )
        self._outgoing = outgoing
        self._rng = rng
        self._announcer = Announcer(home.known, home.settle_s)
        self._offered: tuple[Sequence[str], Sequence[str]] | None = None
        self._wearables: Collection[Subject] = ()
        self._people: Collection[Subject] = ()
        self._told: dict[str, set[str]] = {}
        self._firmware: dict[str, str] = {}
        self._made: dict[str, tuple[tuple[object, ...], Announcement]] = {}

    def set_subjects(self, wearables: Collection[Subject], people: Collection[Subject]) -> None:
        """Set the devices that `refresh` announces."""
        self._wearables, self._people = wearables, people
        self._offered = None
        self._made.clear()

    def forget_offer(self) -> None:
        """Have `refresh_if_changed` compare anew: a setting names another routine."""
        self._offered = None

    def add_told(self, wearable: str, fields: Iterable[str]) -> bool:
        """Note which fields of its `device` and `heart` topics a wearable has told.

        Returns:
            Whether that is new.
        """
        return self._add_told(wearable_topic(self._topics, self._home.prefix, wearable), fields)

    def add_told_of_person(self, person: str, fields: Iterable[str]) -> bool:
        """Note which fields of the `summary` topic of a person have had a value; see `add_told`."""
        return self._add_told(person_topic(self._topics, self._home.prefix, person), fields)

    def _add_told(self, topic: str, fields: Iterable[str]) -> bool:
        told = self._told.setdefault(topic, set())
        if told.issuperset(fields):
            return False
        told.update(fields)
        self._offered = None
        return True

    def set_firmware(self, wearable: str, version: str) -> bool:
        """Note the version that a wearable told.

        Returns:
            Whether that is new.
        """
        if self._firmware.get(wearable) == version:
            return False
        self._firmware[wearable] = version
        self._offered = None
        return True

    def refresh_if_changed(self) -> None:
        """Announce again if the list of routines, or what is known of a wearable, has changed."""
        if self._offer() != self._offered:
            self.refresh()

    def _offer(self) -> tuple[Sequence[str], Sequence[str]]:
        return self._home.routines(), self._home.class_routines()

    def refresh(self) -> None:
        """Announce what has changed, and take back what is gone."""
        wanted = []
        routines, of_class = self._offered = self._offer()
        if self._home.announce:
            wanted += [self._wearable(wearable, routines) for wearable in self._wearables]
            wanted += [self._person(person) for person in self._people]
            wanted.append(announce_bridge(self._place, manage=self._home.manage))
            if len(self._wearables) > 1:
                settings = self._topics.of_class("settings")
                wanted.append(announce_class(self._place, self._with_own(settings, of_class)))
        self._announcer.want(wanted)

    def _wearable(self, wearable: Subject, routines: Sequence[str]) -> Announcement:
        topic = wearable_topic(self._topics, self._home.prefix, wearable.id)
        known = self._home.known.announced.get(topic)
        told_before = {} if known is None else known.config.get("device", {})
        follows_from = (
            wearable,
            tuple(self._with_own(self._topics.of(wearable.id, "settings"), routines)),
            frozenset(self._told.get(topic, ())),
            () if known is None else tuple(known.components),
            self._firmware.get(wearable.id, told_before.get("sw_version")),
        )
        # Of hundreds of wearables only the one that has told something is put together again.
        if wearable.id not in self._made or self._made[wearable.id][0] != follows_from:
            _, names, told, before, firmware = follows_from
            made = announce_wearable(
                self._place, wearable, names, told=told, before=before, firmware=firmware
            )
            self._made[wearable.id] = follows_from, made
        return self._made[wearable.id][1]

    def _person(self, person: Subject) -> Announcement:
        topic = person_topic(self._topics, self._home.prefix, person.id)
        known = self._home.known.announced.get(topic)
        return announce_person(
            self._place,
            person,
            told=self._told.get(topic, ()),
            before=() if known is None else known.components,
        )

    async def run(self, client: aiomqtt.Client) -> None:
        """Send announcements over one connection until cancelled."""

        async def publish(topic: str, payload: bytes) -> None:
            await self._outgoing.publish(client, Message(topic, payload, retain=True))

        await self._announcer.run(publish, lambda topic: bool(self._outgoing.retained.get(topic)))

    def is_birth(self, topic: str, payload: bytes, *, retained: bool) -> bool:
        """Return whether a message says that Home Assistant has started just now."""
        return topic == self.status_topic and payload == ONLINE and not retained

    async def answer_birth(self) -> None:
        """Announce everything again, after a random delay."""
        await asyncio.sleep(self._rng.uniform(*BIRTH_DELAY_S))
        self.refresh()
        self._announcer.repeat()
        self._outgoing.repeat_all()

    def _with_own(self, topic: str, names: Sequence[str]) -> Sequence[str]:
        """Return the names of routines with the one that is set according to a settings topic."""
        payload = self._outgoing.retained.get(topic, b"{}")
        settings: Mapping[str, str] = json.loads(payload or b"{}")
        own = settings.get("routine")
        return names if own is None or own in names else sorted([*names, own])
