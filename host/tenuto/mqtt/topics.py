# SPDX-License-Identifier: MIT
"""The topics and what is on them, in both directions.  Pure; README.md tells it to users."""

from __future__ import annotations

import difflib
import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenuto import events
from tenuto.commands import EXTEND_MS_DEFAULT, EXTEND_MS_MAX, Answer, Command, Verb
from tenuto.errors import InputError, TenutoError
from tenuto.view import State

if TYPE_CHECKING:
    from tenuto.events import Event
    from tenuto.view import Moment, SessionView

ONLINE = b"online"
OFFLINE = b"offline"
COMMAND_BYTES_MAX = 1024
TEXT_CHARS_MAX = 64
"""Of a routine's name and of an id in a command."""

_LEVEL = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of the topics below `base`.

    Raises:
        InputError: `base` is not one or more levels of letters, digits, `_` and `-`.
    """

    base: str

    def __post_init__(self) -> None:
        if not all(_LEVEL.fullmatch(level) for level in self.base.split("/")):
            raise InputError(
                f"base_topic must be of letters, digits, _ and -, with / between levels, "
                f"as in home/tenuto, not {self.base!r}"
            )

    @property
    def bridge(self) -> str:
        """Whether Tenuto itself is there."""
        return f"{self.base}/bridge/availability"

    @property
    def commands(self) -> str:
        """The filter for the commands to all wearables."""
        return f"{self.base}/+/command"

    def of(self, wearable: str, what: str) -> str:
        """Name a wearable's topic: availability, session, event, heart, command or result.

        Raises:
            InputError: the wearable's id cannot be a level of a topic.
        """
        if not _LEVEL.fullmatch(wearable) or wearable == "bridge":
            raise InputError(
                f"the id of a wearable must be of letters, digits, _ and -, at most 64 of them, "
                f"and not 'bridge'; it is {wearable!r}"
            )
        return f"{self.base}/{wearable}/{what}"

    def wearable_of(self, command_topic: str) -> str:
        """Give the wearable's id in a topic that `commands` matches."""
        return command_topic.removeprefix(f"{self.base}/").removesuffix("/command")


# --- what goes out


def encode(payload: dict[str, Any]) -> bytes:
    """Give the bytes of a JSON payload."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def utc(utc_ms: int) -> str:
    """Give a time as ISO 8601 in UTC with ms."""
    return datetime.fromtimestamp(utc_ms / 1000, UTC).isoformat(timespec="milliseconds")


def session_payload(view: SessionView) -> dict[str, Any]:
    """Give the JSON of the present; absolute times only, so it changes when something happens."""
    return {
        "state": view.state.value,
        "paused": view.state is State.PAUSED,
        "routine": view.routine,
        "plan_id": view.plan_id,
        "step": view.step,
        "steps": view.steps,
        "kind": view.kind,
        "exercise": view.exercise,
        "side": view.side,
        "rep": view.rep,
        "reps": view.reps,
        "hold": view.hold,
        "holds": view.holds,
        "next_exercise": view.next_exercise,
        "next_side": view.next_side,
        "waits_for": view.waits_for,
        "session_started_at": _utc(view.started),
        "session_ends_at": _utc(view.session_ends),
        "session_ended_at": _utc(view.ended),
        "step_started_at": _utc(view.step_started),
        "step_ends_at": _utc(view.step_ends),
        "link": "ok" if view.link_ok else "lost",
        "reason": view.reason,
    }


def event_payload(event: Event, utc_ms: int) -> dict[str, Any]:
    """Give the JSON of an event with its time in UTC."""
    return events.to_json(event) | {"utc": utc(utc_ms)}


def answer_payload(command: str | None, answer: Answer) -> dict[str, Any]:
    """Give the JSON of an answer; command: the word that was asked, None if it had none."""
    return {
        "id": answer.id,
        "command": command,
        "ok": answer.ok,
        "reason": answer.reason,
        "text": answer.text,
    }


def _utc(moment: Moment | None) -> str | None:
    return None if moment is None else utc(moment.utc_ms)


# --- what comes in


class BadCommandError(TenutoError):
    """A message is not a command; `word` and `id` are what could be read of it, or None."""

    def __init__(self, text: str, *, word: str | None = None, request: str | None = None) -> None:
        super().__init__(text)
        self.word = word
        self.id = request


def parse_command(wearable: str, payload: bytes) -> Command:
    """Read a message on a command topic.

    Raises:
        BadCommandError: with what is wrong and what is allowed.
    """
    if len(payload) > COMMAND_BYTES_MAX:
        raise BadCommandError(
            f"a command has at most {COMMAND_BYTES_MAX} bytes, this one has {len(payload)}"
        )
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError:
        raise BadCommandError("a command is UTF-8 text") from None
    if not text.startswith(("{", "[", '"')):
        return Command(wearable=wearable, verb=_verb(text, None))
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadCommandError(f"this is not JSON; write {_FORM}") from None
    if not isinstance(data, dict):
        raise BadCommandError(f"a command is a word or a JSON object such as {_FORM}")
    return _from_json(wearable, data)


def _from_json(wearable: str, data: dict[str, Any]) -> Command:
    request = data.get("id")
    if request is not None and not _is_text(request):
        raise BadCommandError(f"id must be a text of 1 to {TEXT_CHARS_MAX} characters")
    verb = _verb(data.get("command"), request)

    def refuse(text: str) -> BadCommandError:
        return BadCommandError(text, word=verb.value, request=request)

    allowed = ["command", "id", *_OWN_KEYS.get(verb, ())]
    for key in data:
        if key not in allowed:
            raise refuse(f"{verb} takes {', '.join(allowed)}, not {key[:TEXT_CHARS_MAX]!r}")
    routine = data.get("routine")
    if routine is not None and not _is_text(routine):
        raise refuse(f"routine must be a text of 1 to {TEXT_CHARS_MAX} characters")
    by_s = data.get("by_s", EXTEND_MS_DEFAULT / 1000)
    is_number = isinstance(by_s, int | float) and not isinstance(by_s, bool)
    # Compared as it came: an integer of 1000 digits is no float.
    if not is_number or not 1 <= by_s <= EXTEND_MS_MAX / 1000:
        raise refuse(f"by_s must be a number from 1 to {EXTEND_MS_MAX // 1000}")
    return Command(
        wearable=wearable, verb=verb, routine=routine, by_ms=round(by_s * 1000), id=request
    )


def _verb(word: object, request: str | None) -> Verb:
    known = [verb.value for verb in Verb]
    if not isinstance(word, str):
        raise BadCommandError(f"command must be one of {', '.join(known)}", request=request)
    if word in known:
        return Verb(word)
    shown = word[:TEXT_CHARS_MAX]
    near = difflib.get_close_matches(shown.lower(), known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise BadCommandError(
        f"unknown command {shown!r}, known are {', '.join(known)}{hint}",
        word=shown,
        request=request,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= TEXT_CHARS_MAX


def _no_constant(name: str) -> float:
    raise ValueError(name)


_OWN_KEYS = {Verb.START: ("routine",), Verb.EXTEND: ("by_s",)}
_FORM = '{"command": "start", "routine": "lower-back"}'


class Bucket:
    """A limit on how often: `burst` at once, then `per_s` a second."""

    def __init__(self, burst: int, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = float(burst)
        self._at_s = -math.inf

    def take(self, now_s: float) -> bool:
        """Take one at `now_s`; False if none is left."""
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
