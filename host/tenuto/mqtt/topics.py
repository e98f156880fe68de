# SPDX-License-Identifier: MIT
"""The topics and what is on them, in both directions.  Pure; README.md tells it to users."""

from __future__ import annotations

import difflib
import json
import math
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from tenuto.errors import InputError, TenutoError
from tenuto.routines.adjust import HOLD_PCT, STRENGTH_PCT
from tenuto.sessions import events
from tenuto.sessions.commands import (
    CLASS,
    CLASS_IN_MS,
    CLASS_IN_MS_MAX,
    EXTEND_MS_DEFAULT,
    EXTEND_MS_MAX,
    Answer,
    ClassCommand,
    ClassVerb,
    Command,
    Preference,
    Verb,
    read_json,
)
from tenuto.sessions.events import EVENTS_OF_THE_HEART
from tenuto.sessions.view import State
from tenuto_core import vocab

from .address import OWN_LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenuto.history.person_summary import Counted, PersonSummary
    from tenuto.history.prescription import Standing
    from tenuto.sessions.events import Entry, Event
    from tenuto.sessions.view import Moment, SessionView
    from tenuto.state.preferences import Preferences
    from tenuto.wearables.device_state import DeviceState

BASE_TOPIC = "tenuto"
CLASS_ALL = "all"
ONLINE = b"online"
OFFLINE = b"offline"
BRIDGE = "bridge"
"""In place of a wearable's id: Tenuto itself."""
COMMAND_BYTES_MAX = 1024
CLASS_COMMAND_BYTES_MAX = 8192
CLASS_WEARABLES_MAX = 128
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
        return self.of_bridge("availability")

    @property
    def instance(self) -> str:
        """Who speaks on this base; Tenutos that share it find each other here."""
        return self.of_bridge("instance")

    @property
    def who(self) -> str:
        """The question who speaks on this base."""
        return self.of_bridge("who")

    @property
    def incoming(self) -> tuple[str, ...]:
        """The filters for what others ask of the wearables."""
        return (f"{self.base}/+/command", f"{self.base}/+/+/set")

    def of(self, wearable: str, what: str) -> str:
        """Name a wearable's topic, such as availability, session, event, command or strength/set.

        Raises:
            InputError: the wearable's id cannot be a level of a topic.
        """
        if not _LEVEL.fullmatch(wearable) or wearable in OWN_LEVELS:
            raise InputError(
                f"the id of a wearable must be of letters, digits, _ and -, at most 64 of them, "
                f"and not {' or '.join(map(repr, OWN_LEVELS))}; it is {wearable!r}"
            )
        return f"{self.base}/{wearable}/{what}"

    def of_person(self, person: str, what: str) -> str:
        """Name a person's topic: summary.

        Raises:
            InputError: the person's id cannot be a level of a topic.
        """
        if not _LEVEL.fullmatch(person):
            raise InputError(
                f"the id of a person must be of letters, digits, _ and -, at most 64 of them; "
                f"it is {person!r}"
            )
        return f"{self.base}/person/{person}/{what}"

    def of_bridge(self, what: str) -> str:
        """Name a topic of Tenuto itself, such as state, command or log_level/set."""
        return f"{self.base}/{BRIDGE}/{what}"

    def of_class(self, what: str) -> str:
        """Name a topic of a class: state, settings, command, routine/set or result."""
        return f"{self.base}/{CLASS}/{what}"

    def asked(self, topic: str) -> tuple[str, str] | None:
        """Return the wearable, or `BRIDGE`, and what is asked: `command`, or a setting's name.

        None for a topic that `incoming` does not match: some brokers, amqtt 0.12 among them, give
        a client what others have subscribed to.
        """
        wearable, *what = topic.removeprefix(f"{self.base}/").split("/")
        if what == ["command"]:
            return wearable, "command"
        if len(what) == 2 and what[1] == "set":
            return wearable, what[0]
        return None


# --- what goes out


def encode(payload: dict[str, Any]) -> bytes:
    """Return the bytes of a JSON payload; what UTF-8 cannot write becomes a question mark."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace")


def utc(utc_ms: int) -> str:
    """Return a time as ISO 8601 in UTC with ms."""
    return datetime.fromtimestamp(utc_ms / 1000, UTC).isoformat(timespec="milliseconds")


def session_payload(view: SessionView, *, is_known: bool = True) -> dict[str, Any]:
    """Return the JSON of the present; absolute times only, so it changes when something happens.

    Args:
        is_known: Whether anything is known of what the wearable does, so that "idle" is true.
    """
    return {
        "state": view.state.value if is_known else None,
        "paused": view.state is State.PAUSED,
        "routine": view.routine,
        "title": view.title,
        "plan_id": view.plan_id,
        "step": view.step,
        "steps": view.steps,
        "kind": view.kind,
        "exercise": view.exercise,
        "side": view.side,
        "rep": view.rep,
        "reps": view.reps,
        "set_no": view.set_no,
        "sets": view.sets,
        "phase": view.phase,
        "open": view.is_open,
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
        "cues": None if view.ended is None else view.cues,
        "cues_not_felt": view.unfelt,
        "reason": view.reason,
    }


CLASS_STATES = ("idle", "ready", "playing", "paused", "ended", "stopped")


def class_payload(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of a class; like that of a session, it changes when something happens.

    Args:
        status: What the operation `class_status` tells.
    """
    members = status["members"]

    def count(*standings: str) -> int:
        return sum(row["standing"] in standings for row in members)

    return {
        "state": status["state"],
        "routine": status["routine"],
        "begins_at": _utc_at(status["begins_utc_ms"]),
        "ends_at": _utc_at(status["ends_utc_ms"]),
        "wearables": len(members),
        "in_step": sum(row["in_step"] for row in members),
        "playing": count("playing", "waiting"),
        "paused": count("paused"),
        "ready": count("ready"),
        "not_reached": [row["id"] for row in members if row["standing"] == "coming"],
        "cannot": [row["id"] for row in members if row["standing"] == "refused"],
    }


def event_type(event: Event) -> str:
    """Name what happened in one word that an automation can wait for; one of `EVENT_TYPES`."""
    match event:
        case events.StepStarted(kind="hold"):
            return "hold_started"
        case events.StepEnded(kind="hold"):
            return "hold_ended"
        case events.StepStarted(kind="switch"):
            return "switch_sides"
        case events.SessionEnded(reason=reason) if reason in vocab.END_REASONS:
            return f"session_{reason}"
        case events.SessionEnded():
            return "session_failed"
    return event.name


NOT_OF_THE_SESSION = EVENTS_OF_THE_HEART | {events.CueFired}
"""These leave `session_payload` as it was."""
_MORE_TYPES = ("hold_started", "hold_ended", "switch_sides")
EVENT_TYPES = (
    *(
        kind.name
        for kind in vars(events).values()
        if isinstance(kind, type)
        and issubclass(kind, events.Event)
        and kind.name
        and kind not in {*EVENTS_OF_THE_HEART, events.SessionEnded}
    ),
    *_MORE_TYPES,
    *(f"session_{reason}" for reason in vocab.END_REASONS),
)
"""All that `event_type` gives for what goes to a wearable's `event` topic."""
MINOR_EVENT_TYPES = (events.CueFired.name, events.StepEnded.name, "hold_ended")
"""One of them comes every second; what follows a step tells that it ended."""


def event_payload(entry: Entry) -> dict[str, Any]:
    """Return the JSON of an event with its time in UTC.

    `late` is added on the way out: whether it happened too long ago to act upon.
    """
    key = entry.session
    return {
        "event_type": event_type(entry.event),
        **events.to_json(entry.event),
        "utc": utc(entry.utc_ms),
        "session": f"{key.boot_id:08x}-{key.seq}",
    }


def heart_payload(event: events.HeartBeat, utc_ms: int) -> dict[str, Any]:
    """Return the JSON of a heart rate."""
    return {"bpm": event.bpm, "rr_ms": list(event.rr_ms), "utc": utc(utc_ms)}


def mark_late(payload: bytes, *, late: bool) -> bytes:
    """Add `late` to the bytes of an event."""
    return payload[:-1] + (b',"late":true}' if late else b',"late":false}')


def device_payload(device: DeviceState) -> dict[str, Any]:
    """Return the JSON of what is known of a wearable as a device."""
    return asdict(device)


def summary_payload(stands: PersonSummary, prescribed: Sequence[Standing] = ()) -> dict[str, Any]:
    """Return the JSON of the summary of sessions; null is for what is not known.

    Args:
        stands: The sums.
        prescribed: How the person stands with what is prescribed at present.
    """
    last = stands.last
    row = None if last is None else last.row
    return {
        "last_session_at": _ended_at(last),
        "last_held_at": _ended_at(stands.last_held),
        "last_routine": None if row is None else row.routine,
        "last_reason": None if row is None else row.reason,
        "last_minutes": None if last is None else _minutes(last.held_ms),
        "last_holds": None if last is None else last.completed,
        "last_holds_planned": None if last is None else last.planned,
        "streak_days": stands.streak_days,
        "streak_keep_until": None if stands.keep_until is None else stands.keep_until.isoformat(),
        "minutes_this_week": _minutes(stands.held_ms),
        "days_this_week": stands.days,
        "sessions_this_week": stands.sessions,
        "advised_days_a_week": stands.advised_days,
        "advised_minutes_a_week": None
        if stands.advised_ms is None
        else _minutes(stands.advised_ms),
        **_prescribed(prescribed),
    }


def _prescribed(standings: Sequence[Standing]) -> dict[str, Any]:
    due = [one.prescription for one in standings if one.is_due]
    days = [one.next_due for one in standings if one.next_due is not None]
    told = {
        "due": [one.title for one in due],
        "due_routines": [one.routine for one in due],
        "next_due": min(days).isoformat() if days else None,
        "prescribed_done_this_week": sum(one.week.done for one in standings),
        "prescribed_due_this_week": sum(one.week.due for one in standings),
    }
    return told if standings else dict.fromkeys(told)


def _ended_at(counted: Counted | None) -> str | None:
    return None if counted is None else utc(counted.row.ended_utc_ms or counted.row.started_utc_ms)


def _minutes(ms: int) -> float:
    return round(ms / 60_000, 1)


def settings_payload(preferences: Preferences, routine: str) -> dict[str, Any]:
    """Return the JSON of what is set for a wearable; times in percent of what the routine says.

    Args:
        preferences: What is set.
        routine: What people are shown for the routine of a bare start.
    """
    adjustment = preferences.adjustment
    return {
        "routine": routine,
        "strength": adjustment.strength_pct,
        "hold_time": adjustment.hold_pct,
        "halfway": adjustment.halfway,
        "countdown": adjustment.countdown,
    }


def class_settings_payload(routine: str) -> dict[str, Any]:
    """Return the JSON of what is set for a class.

    Args:
        routine: What people are shown for the routine of a bare start.
    """
    return {"routine": routine}


def answer_payload(command: str | None, answer: Answer) -> dict[str, Any]:
    """Return the JSON of an answer; command: the word that was asked, None if it had none."""
    return {
        "id": answer.id,
        "command": command,
        "ok": answer.ok,
        "reason": answer.reason,
        "text": answer.text,
    }


def _utc_at(utc_ms: int | None) -> str | None:
    return None if utc_ms is None else utc(utc_ms)


def _utc(moment: Moment | None) -> str | None:
    return None if moment is None else utc(moment.utc_ms)


# --- what comes in


class BadCommandError(TenutoError):
    """A message is not a command; `word`, `id` and `age_s` are what could be read, or None."""

    reason = "bad_request"
    """What the answer says; see `Answer`."""

    def __init__(
        self,
        text: str,
        *,
        word: str | None = None,
        request: str | None = None,
        age_s: float | None = None,
    ) -> None:
        super().__init__(text)
        self.word = word
        self.id = request
        self.age_s = age_s


_Refuse: TypeAlias = "Callable[[str], BadCommandError]"


class TooOldError(BadCommandError):
    """A command was asked too long ago."""

    reason = "too_old"


def text_of(payload: bytes, bytes_max: int = COMMAND_BYTES_MAX) -> str:
    """Return the text of a command.

    Raises:
        BadCommandError: It is too long, or not UTF-8.
    """
    if len(payload) > bytes_max:
        raise BadCommandError(
            f"a command has at most {bytes_max} bytes, this one has {len(payload)}"
        )
    try:
        return payload.decode().strip()
    except UnicodeDecodeError:
        raise BadCommandError("a command is UTF-8 text") from None


def parse_setting(wearable: str, name: str, payload: bytes) -> Preference:
    """Read a message on the `set` topic of a setting.

    Whether a routine exists is not looked at.

    Args:
        wearable: The wearable's id, or `CLASS`.
        name: The setting.
        payload: The message.

    Raises:
        BadCommandError: with what is wrong and what is allowed.
    """
    word = f"{name[:TEXT_CHARS_MAX]}/set"
    known = CLASS_SETTINGS if wearable == CLASS else SETTINGS
    if name not in known:
        raise BadCommandError(f"unknown setting, known are {', '.join(known)}", word=word)
    text = text_of(payload)
    if name == "routine":
        if not is_text(text):
            raise BadCommandError(
                f"{name} must be a text of 1 to {TEXT_CHARS_MAX} characters", word=word
            )
        return Preference(wearable=wearable, name=name, value=text)
    if name in SWITCHES:
        if text.upper() not in ("ON", "OFF"):
            raise BadCommandError(f"{name} must be ON or OFF", word=word)
        return Preference(wearable=wearable, name=name, value=text.upper() == "ON")
    low, high = NUMBERS[name]
    number = _number(text)
    if number is None or not low <= number <= high:
        raise BadCommandError(f"{name} must be a number from {low} to {high} (%)", word=word)
    return Preference(wearable=wearable, name=name, value=round(number))


def _number(text: str) -> float | None:
    try:
        return float(text) if len(text) <= TEXT_CHARS_MAX else None
    except ValueError:
        return None


NUMBERS = {"strength": STRENGTH_PCT, "hold_time": HOLD_PCT}
"""Settings that are a number in %, and its range."""
SWITCHES = ("halfway", "countdown")
CLASS_SETTINGS = ("routine",)
SETTINGS = (*CLASS_SETTINGS, *NUMBERS, *SWITCHES)


def parse_command(wearable: str, payload: bytes, now_utc_ms: float) -> Command:
    """Read a message on a command topic.

    Raises:
        BadCommandError: with what is wrong and what is allowed.
    """
    told = _word_or_object(text_of(payload), _FORM)
    if isinstance(told, str):
        return Command(wearable=wearable, verb=_verb(told, None))
    return _from_json(wearable, told, now_utc_ms)


def _word_or_object(text: str, form: str) -> str | dict[str, Any]:
    """Return the word or the JSON object of a command; `form` is an object as it should be."""
    if not text.startswith(("{", "[", '"')):
        return text
    try:
        data = read_json(text)
    except ValueError:
        raise BadCommandError(f"this is not JSON; write {form}") from None
    if not isinstance(data, dict):
        raise BadCommandError(f"a command is a word or a JSON object such as {form}")
    return data


def parse_class_command(payload: bytes, now_utc_ms: float) -> ClassCommand:
    """Read a message on the command topic of all wearables together.

    Raises:
        BadCommandError: with what is wrong and what is allowed.
    """
    data = _word_or_object(text_of(payload, CLASS_COMMAND_BYTES_MAX), _CLASS_FORM)
    if isinstance(data, str):
        return ClassCommand(verb=_class_verb(data, None))
    request = _id_of(data)
    verb = _class_verb(data.get("command"), request)
    word = f"class_{verb}"

    def refuse(text: str) -> BadCommandError:
        return BadCommandError(text, word=word, request=request)

    _check_keys(data, word, _CLASS_KEYS.get(verb, ()), refuse)
    age_s = _asked_ago_s(data, now_utc_ms, refuse)
    routine = _routine_of(data, refuse)
    wearables = data.get("wearables", CLASS_ALL)
    if isinstance(wearables, str):
        wearables = wearables.split(",")
    is_list = isinstance(wearables, list) and len(wearables) <= CLASS_WEARABLES_MAX
    if not is_list or not wearables or not all(map(is_text, wearables)):
        raise refuse(f'wearables must be "{CLASS_ALL}" or a list of their ids')
    in_s = data.get("in_s", CLASS_IN_MS / 1000)
    if not _is_number(in_s) or not 0 <= in_s <= CLASS_IN_MS_MAX / 1000:
        raise refuse(f"in_s must be a number from 0 to {CLASS_IN_MS_MAX // 1000}")
    command = ClassCommand(
        verb=verb,
        routine=routine,
        wearables=None if wearables == [CLASS_ALL] else tuple(one.strip() for one in wearables),
        in_ms=round(in_s * 1000),
        id=request,
        age_s=age_s,
    )
    if verb not in (ClassVerb.STOP, ClassVerb.PAUSE) and command.is_late:
        raise TooOldError(command.too_late, word=word, request=request, age_s=age_s)
    return command


def _class_verb(word: object, request: str | None) -> ClassVerb:
    known = [f"class_{verb}" for verb in ClassVerb]
    return ClassVerb(_known_word(word, known, request).removeprefix("class_"))


def _from_json(wearable: str, data: dict[str, Any], now_utc_ms: float) -> Command:
    request = _id_of(data)
    verb = _verb(data.get("command"), request)

    def refuse(text: str) -> BadCommandError:
        return BadCommandError(text, word=verb.value, request=request)

    _check_keys(data, verb, _OWN_KEYS.get(verb, ()), refuse)
    age_s = _asked_ago_s(data, now_utc_ms, refuse)
    routine = _routine_of(data, refuse)
    by_s = data.get("by_s", EXTEND_MS_DEFAULT / 1000)
    # Compared as it came: an integer of 1000 digits is no float.
    if not _is_number(by_s) or not 1 <= by_s <= EXTEND_MS_MAX / 1000:
        raise refuse(f"by_s must be a number from 1 to {EXTEND_MS_MAX // 1000}")
    command = Command(
        wearable=wearable,
        verb=verb,
        routine=routine,
        by_ms=round(by_s * 1000),
        id=request,
        age_s=age_s,
    )
    # What ends or halts a session does no harm, and must not fail because two clocks differ.
    expires = verb not in (Verb.STOP, Verb.PAUSE, Verb.TOGGLE)
    if expires and command.is_late:
        raise TooOldError(command.too_late, word=verb.value, request=request, age_s=age_s)
    return command


def _id_of(data: Mapping[str, Any]) -> str | None:
    request = data.get("id")
    if request is not None and not is_text(request):
        raise BadCommandError(f"id must be a text of 1 to {TEXT_CHARS_MAX} characters")
    return request


def _check_keys(data: Mapping[str, Any], word: str, own: Sequence[str], refuse: _Refuse) -> None:
    allowed = ["command", "id", "at", *own]
    for key in data:
        if key not in allowed:
            raise refuse(f"{word} takes {', '.join(allowed)}, not {key[:TEXT_CHARS_MAX]!r}")


def _asked_ago_s(data: Mapping[str, Any], now_utc_ms: float, refuse: _Refuse) -> float | None:
    if data.get("at") is None:
        return None
    age_s = age_of(data["at"], now_utc_ms)
    if age_s is None or math.isnan(age_s):
        raise refuse("at must be a time with its zone, as in 2026-11-24T18:00:00Z, or s since 1970")
    return age_s


def _routine_of(data: Mapping[str, Any], refuse: _Refuse) -> str | None:
    routine = data.get("routine")
    if routine is not None and not is_text(routine):
        raise refuse(f"routine must be a text of 1 to {TEXT_CHARS_MAX} characters")
    return routine


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def age_of(at: object, now_utc_ms: float) -> float | None:
    """Return how long ago a moment was, None if it is none."""
    if isinstance(at, str) and len(at) <= TEXT_CHARS_MAX:
        try:
            moment = datetime.fromisoformat(at)
        except ValueError:
            return None
        return None if moment.tzinfo is None else now_utc_ms / 1000 - moment.timestamp()
    if isinstance(at, int | float) and not isinstance(at, bool) and 0 <= at < 1e11:
        return now_utc_ms / 1000 - at
    return None


def _verb(word: object, request: str | None) -> Verb:
    return Verb(_known_word(word, [verb.value for verb in Verb], request))


def _known_word(word: object, known: Sequence[str], request: str | None) -> str:
    if not isinstance(word, str):
        raise BadCommandError(f"command must be one of {', '.join(known)}", request=request)
    if word in known:
        return word
    shown = word[:TEXT_CHARS_MAX]
    near = difflib.get_close_matches(shown.lower(), known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise BadCommandError(
        f"unknown command {shown!r}, known are {', '.join(known)}{hint}",
        word=shown,
        request=request,
    )


def is_text(value: object) -> TypeGuard[str]:
    """Return whether a value is a text as ids and names have."""
    return isinstance(value, str) and 1 <= len(value) <= TEXT_CHARS_MAX


_OWN_KEYS = {Verb.START: ("routine",), Verb.EXTEND: ("by_s",)}
_CLASS_KEYS = {
    ClassVerb.START: ("routine", "wearables", "in_s"),
    ClassVerb.JOIN: ("wearables",),
}
_CLASS_FORM = '{"command": "class_start", "routine": "lower-back", "wearables": "all"}'
_FORM = '{"command": "start", "routine": "lower-back"}'
