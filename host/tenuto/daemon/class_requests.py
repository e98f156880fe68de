# SPDX-License-Identifier: MIT
"""What may be asked of a class, as it is told over the control socket and from the page."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tenuto.sessions.commands import (
    CLASS_IN_MS,
    CLASS_IN_MS_MAX,
    Answer,
    ClassCommand,
    ClassVerb,
)
from tenuto.sessions.unison import Standing
from tenuto.toml.rules import Flag, Seconds, Text, show
from tenuto.toml.tables import key

if TYPE_CHECKING:
    from .build import Host
    from .classes import ClassStatus
    from .operations import Person

ALL = "all"
SOCKET = "socket"
TELL_EVERY_S = 0.5


class _Wearables:
    """Which wearables: `all`, or their ids with commas between them."""

    _text = Text(8192)

    def read(self, value: object) -> tuple[str, ...] | None:
        """Return their ids, None for all."""
        text = self._text.read(value)
        if text == ALL:
            return None
        names = tuple(name.strip() for name in text.split(","))
        if not all(names):
            raise ValueError(f"is {show(text)}, allowed is {ALL} or ids with commas between them")
        return names

    def write(self, names: tuple[str, ...] | None) -> str:
        """Return what `read` reads."""
        return ALL if names is None else ",".join(names)

    def schema(self) -> dict[str, Any]:
        """Return the schema of a string."""
        return self._text.schema()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfClass:
    """A command for a class without more; `id` tells a repeat from a new one."""

    id: str | None = key(Text(64), "comes back in the answer", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassJoin(OfClass):
    """Who joins; without names all who are not in step."""

    wearables: tuple[str, ...] | None = key(_Wearables(), "which wearables", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassStart(ClassJoin):
    """Begin a routine on several wearables at one moment."""

    routine: str | None = key(Text(64), "a routine's name", default=None)
    in_ms: int = key(
        Seconds(0, CLASS_IN_MS_MAX), "how soon at the earliest", name="in_s", default=CLASS_IN_MS
    )
    wait: bool = key(Flag(), "whether the answer waits until it begins", default=False)


CLASS_ARGUMENTS: dict[ClassVerb, type[OfClass]] = {
    ClassVerb.START: ClassStart,
    ClassVerb.JOIN: ClassJoin,
}
"""Of those that take more than `OfClass`."""


async def obey_class(host: Host, verb: ClassVerb, asked: OfClass, person: Person) -> Answer:
    """Carry out a command for a class."""
    names = ("routine", "wearables", "in_ms")
    more = {name: getattr(asked, name) for name in names if hasattr(asked, name)}
    answer = await host.commands.submit(ClassCommand(verb=verb, id=asked.id, **more), SOCKET)
    if answer.ok and getattr(asked, "wait", False):
        person.show(answer.text)
        return replace(answer, text=await _tell_until_begun(host, person))
    return answer


async def _tell_until_begun(host: Host, person: Person) -> str:
    """Tell what keeps wearables from taking part until it begins; return who takes part."""
    shown: set[tuple[str, str]] = set()
    while (status := host.classes.status()).state == "ready" and not person.gone.is_set():
        for row in status.members:
            news = row["id"], row["problem"]
            if row["problem"] and news not in shown:
                shown.add(news)
                person.show(f"{row['id']}: {row['problem']}")
        await asyncio.sleep(TELL_EVERY_S)
    return taking_part(status)


def taking_part(status: ClassStatus) -> str:
    """Return who takes part and who does not, for a person."""
    if status.state == "stopped":
        return "the class was stopped before it began"
    coming = [row["id"] for row in status.members if row["standing"] == Standing.COMING]
    refused = [row["id"] for row in status.members if row["standing"] == Standing.REFUSED]
    ready = len(status.members) - len(coming) - len(refused)
    text = f"{ready} of {len(status.members)} take part"
    if coming:
        text += f"; not reached, they join at the next exercise: {', '.join(coming)}"
    return f"{text}; they cannot: {', '.join(refused)}" if refused else text
