# SPDX-License-Identifier: MIT
"""What people and programs ask for, on its way to a wearable, and the answer on its way back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn


class Verb(StrEnum):
    """What may be asked."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    SKIP = "skip"
    BACK = "back"
    STOP = "stop"
    EXTEND = "extend"
    TOGGLE = "toggle"
    """Pause what plays, resume what is paused."""
    FIND = "find"
    """Let the wearable be felt, so that it is found."""


EXTEND_MS_DEFAULT = 15_000
EXTEND_MS_MAX = 600_000
AGE_MAX_S = 30.0
"""A command that was asked longer ago sets nothing going."""


class _Aged:
    """A command that may say when it was asked."""

    __slots__ = ()
    verb: StrEnum
    age_s: float | None

    @property
    def is_late(self) -> bool:
        """Whether it waited somewhere for too long, or the clocks differ by as much."""
        return self.age_s is not None and not -AGE_MAX_S <= self.age_s <= AGE_MAX_S

    @property
    def too_late(self) -> str:
        """Why a late one is refused, for a person."""
        age_s = self.age_s or 0.0
        return (
            f"{self.verb} was asked {abs(age_s):.0f} s {'ago' if age_s > 0 else 'ahead'}, at most "
            f"{AGE_MAX_S:.0f} s are allowed; do the clocks agree?"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(_Aged):
    """One request.

    Attributes:
        wearable: The id from the configuration.
        routine: For `start`, a name or None for the default one.
        by_ms: For `extend`, 1 to `EXTEND_MS_MAX`.
        id: Given by whoever asked, echoed in the answer.
        age_s: How long ago it was asked, by the clock of whoever asked; below 0 if that is ahead.
            None if the command does not say.
    """

    wearable: str
    verb: Verb
    routine: str | None = None
    by_ms: int = EXTEND_MS_DEFAULT
    id: str | None = None
    age_s: float | None = field(default=None, compare=False)


class ClassVerb(StrEnum):
    """What may be asked of a class."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    JOIN = "join"
    """Bring some of it to where the class is, at the next exercise."""


CLASS = "class"
"""In place of a wearable's id: all of a class together; no wearable has this id."""
CLASS_IN_MS = 5_000
CLASS_IN_MS_MAX = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCommand(_Aged):
    """One request for a class, which is of all wearables or of some.

    Attributes:
        routine: For `start`, a name or None for the usual one.
        wearables: Their ids, None for all.
        in_ms: For `start`, how long until it begins, at least.
        id, age_s: See `Command`.
    """

    verb: ClassVerb
    routine: str | None = None
    wearables: tuple[str, ...] | None = None
    in_ms: int = CLASS_IN_MS
    id: str | None = None
    age_s: float | None = field(default=None, compare=False)

    wearable = CLASS
    """What it counts for where requests are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One request to set something for a wearable, from its next start on.

    Attributes:
        wearable: The id from the configuration, or `CLASS`, which has a routine only.
        name: `routine`, `strength`, `hold_time`, `halfway` or `countdown`.
    """

    wearable: str
    name: str
    value: str | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A request that cannot be read or is refused where it arrives; it counts as one all the same.

    Attributes:
        wearable: The id from the configuration, empty for one that does not exist.
    """

    wearable: str
    refusal: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a command.

    Attributes:
        reason: `ok`, one of `tenuto_core.vocab.STATUSES`, or one of the host's own:
            `unknown_wearable`, `unknown_routine`, `unreachable`, `bad_request`, `too_old`,
            `too_many`, and `failed` where no other says it.
        text: For a person.
    """

    ok: bool
    reason: str
    text: str
    id: str | None = None


def read_json(text: str | bytes) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Read JSON from outside.

    Raises:
        ValueError: it is not JSON, is nested too deeply, has a number that JSON does not know, or
            has text that cannot be written out again.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
        # Half of a surrogate pair reads well, and whatever repeats it fails later.
        json.dumps(data, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
