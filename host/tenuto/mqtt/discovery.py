# SPDX-License-Identifier: MIT
"""What Home Assistant is told, made from one table of entities.  Pure.

One retained message per wearable and per person, `<prefix>/device/<id>/config`, in the form of
MQTT device discovery that Home Assistant knows since 2024.11.  A new entity is one row.

What must never change once it was released: an entity's `key`, which its `unique_id` is made of.
Home Assistant keeps a person's names, rooms and history by that.  A row whose platform changes, or
that goes, is first removed by its key: `steps` sees to it.

The firmware's version is learnt only when the wearable is reached. A message with it is another one
than that before, and two different ones for one device right after each other are applied in part
only (Home Assistant 2026.11): the announcer leaves time between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tenuto import __version__
from tenuto.sessions.commands import CLASS as CLASS_ID
from tenuto.sessions.view import State
from tenuto_core import vocab

from .management import LOG_LEVELS
from .topics import (
    BASE_TOPIC,
    BRIDGE as BRIDGE_ID,
    CLASS_STATES,
    EVENT_TYPES,
    MINOR_EVENT_TYPES,
    NUMBERS,
    OFFLINE,
    ONLINE,
    Topics,
)
from .words import ENGLISH, name_of, state_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

HEART_EXPIRES_S = 30
_IS_KNOWN = "{{ 'offline' if value_json.%s is none else 'online' }}"
_COMMAND = (
    '{"command": "{{ value }}", "at": {{ now().timestamp() }},'
    ' "id": "ha-{{ value }}-{{ now().timestamp() }}"}'
)
"""A press that waited somewhere is known by its age, one that comes twice by its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A wearable, a person or Tenuto itself, as they are announced.

    Attributes:
        id: From the configuration.
        name: For people.
        heart: Whether the heart rate is published.
        person: Of a wearable: whether it is worn by a person, who has the sums then.
        strength: Of a wearable: whether its cues differ in strength.
        button: Of a wearable: whether its wearer can answer on it.
        own_firmware: Of a wearable: whether its firmware is Tenuto's, which brings newer ones.
        hosted: Of a wearable: whether the host plays for it, so that a cue may not be felt.
        address: Of a wearable: its Bluetooth address, empty where it has none.
        manage: Of Tenuto itself: whether it can be restarted and the like.
        area: Of a wearable: the room that Home Assistant proposes for it, empty for none.
    """

    id: str
    name: str
    heart: bool = False
    person: bool = False
    strength: bool = True
    button: bool = True
    own_firmware: bool = True
    hosted: bool = False
    manage: bool = False
    address: str = ""
    area: str = ""
    manufacturer: str = "Tenuto"
    """Of a wearable: who makes it."""
    model: str = "Wearable"
    """Of a wearable: what people call such a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One row.

    Attributes:
        key: Its name for ever.
        name: What Home Assistant puts after the device's name.
        topic: Which of the subject's topics has its state.
        value: The field of the JSON there; none for a topic that is plain text.
        template: In place of `value` where that is not enough.
        needs_link: Whether it says nothing while the wearable is out of reach.
        known: The field that must not be null for the entity to be available; it is announced
            once it was told.
        command: Which topic it sends to.
        needs: What of the `Subject` must be true for it to exist.
        is_always_there: Whether it says something while Tenuto itself is away.
        words: Those in the template that are told in other languages; see `words.STATES`.
        more: What else Home Assistant is told, by its own names.
    """

    key: str
    platform: str
    name: str
    topic: str = ""
    value: str = ""
    template: str = ""
    needs_link: bool = False
    known: str = ""
    command: str = ""
    needs: str = ""
    is_always_there: bool = False
    words: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One row: a device trigger, shown as `"<subtype>" <type>`.

    Attributes:
        happens: The event type.
        by: Only if this source did it.
        needs: See `Entity`.
    """

    key: str
    subtype: str
    type: str
    happens: str
    by: str = ""
    needs: str = ""


CLASS_OBJECT = "all"
"""In place of a wearable's id: what the ids of the class's entities are made of."""
ANSWER_TYPES = ("accepted", "refused")
"""What becomes of a command or a setting, for the event entity of answers."""

_DIAGNOSTIC = {"entity_category": "diagnostic"}
_CONFIG = {"entity_category": "config"}
_PERCENT = {"unit_of_measurement": "%", "step": 5, "mode": "slider"} | _CONFIG


def _number(name: str) -> dict[str, Any]:
    low, high = NUMBERS[name]
    return {"min": low, "max": high} | _PERCENT


def _button(key: str, name: str, word: str, icon: str, **more: str) -> Entity:
    return Entity(
        key=key,
        platform="button",
        name=name,
        needs_link=True,
        command="command",
        more={"payload_press": word, "command_template": _COMMAND, "icon": icon} | more,
    )


def _routine_select(key: str) -> Entity:
    return Entity(
        key=key,
        platform="select",
        name="Routine",
        topic="settings",
        value="routine",
        command="routine/set",
        more={"icon": "mdi:format-list-numbered"},
    )


ANSWER = Entity(
    key="answer",
    platform="event",
    name="Last answer",
    topic="result",
    template=(
        "{{ {'event_type': 'accepted' if value_json.ok else 'refused', 'id': value_json.id,"
        " 'command': value_json.command, 'reason': value_json.reason,"
        " 'text': value_json.text} | tojson }}"
    ),
    more={"event_types": list(ANSWER_TYPES), "icon": "mdi:message-alert-outline"},
)

PERSON: tuple[Entity, ...] = (
    Entity(
        key="last_session",
        platform="sensor",
        name="Last session",
        topic="summary",
        value="last_session_at",
        more={"device_class": "timestamp", "attributes": "summary"},
    ),
    Entity(
        key="last_result",
        platform="sensor",
        name="Last result",
        topic="summary",
        value="last_reason",
        more={
            "device_class": "enum",
            "options": list(vocab.END_REASONS),
            "icon": "mdi:flag-checkered",
        },
    ),
    Entity(
        key="streak",
        platform="sensor",
        name="Streak",
        topic="summary",
        value="streak_days",
        more={
            "device_class": "duration",
            "unit_of_measurement": "d",
            "state_class": "measurement",
            "icon": "mdi:fire",
        },
    ),
    Entity(
        key="minutes_this_week",
        platform="sensor",
        name="Held this week",
        topic="summary",
        value="minutes_this_week",
        more={
            "device_class": "duration",
            "unit_of_measurement": "min",
            "state_class": "total_increasing",
            "suggested_display_precision": 1,
        },
    ),
    Entity(
        key="days_this_week",
        platform="sensor",
        name="Days this week",
        topic="summary",
        value="days_this_week",
        more={
            "device_class": "duration",
            "unit_of_measurement": "d",
            "state_class": "total_increasing",
            "icon": "mdi:calendar-week",
        },
    ),
    Entity(
        key="last_holds",
        platform="sensor",
        name="Last holds",
        topic="summary",
        value="last_holds",
        more={"state_class": "measurement", "icon": "mdi:counter"},
    ),
    Entity(
        key="due",
        platform="sensor",
        name="Due today",
        topic="summary",
        template="{{ (value_json.due | join(', '))[:255] if value_json.due else 'nothing' }}",
        known="due",
        words=("nothing",),
        more={"icon": "mdi:calendar-check", "attributes": "summary"},
    ),
)

WEARABLE: tuple[Entity, ...] = (
    Entity(
        key="session",
        platform="sensor",
        name="Session",
        topic="session",
        value="state",
        needs_link=True,
        more={
            "device_class": "enum",
            "options": [state.value for state in State],
            "icon": "mdi:yoga",
            "attributes": "session",
        },
    ),
    Entity(
        key="exercise",
        platform="sensor",
        name="Exercise",
        topic="session",
        value="exercise",
        needs_link=True,
        more={"icon": "mdi:human-handsup"},
    ),
    Entity(
        key="next_exercise",
        platform="sensor",
        name="Next exercise",
        topic="session",
        value="next_exercise",
        needs_link=True,
        more={"icon": "mdi:skip-next-outline"},
    ),
    Entity(
        key="step",
        platform="sensor",
        name="Step",
        topic="session",
        value="kind",
        needs_link=True,
        more={
            "device_class": "enum",
            "options": [*vocab.STEP_KINDS, "unknown"],
            "icon": "mdi:stairs",
        },
    ),
    Entity(
        key="side",
        platform="sensor",
        name="Side",
        topic="session",
        template="{{ value_json.side or 'both' if value_json.exercise else None }}",
        needs_link=True,
        more={
            "device_class": "enum",
            "options": ["left", "right", "both"],
            "icon": "mdi:arrow-left-right",
        },
    ),
    Entity(
        key="step_ends",
        platform="sensor",
        name="Step ends",
        topic="session",
        value="step_ends_at",
        needs_link=True,
        more={"device_class": "timestamp", "icon": "mdi:timer-outline"},
    ),
    Entity(
        key="session_ends",
        platform="sensor",
        name="Session ends",
        topic="session",
        value="session_ends_at",
        needs_link=True,
        more={"device_class": "timestamp", "icon": "mdi:timer-check-outline"},
    ),
    Entity(
        key="heart_rate",
        platform="sensor",
        name="Heart rate",
        topic="heart",
        value="bpm",
        needs_link=True,
        known="bpm",
        needs="heart",
        more={
            "unit_of_measurement": "bpm",
            "state_class": "measurement",
            "expire_after": HEART_EXPIRES_S,
            "icon": "mdi:heart-pulse",
        },
    ),
    Entity(
        key="battery",
        platform="sensor",
        name="Battery",
        topic="device",
        value="battery_pct",
        needs_link=True,
        known="battery_pct",
        more={
            "device_class": "battery",
            "unit_of_measurement": "%",
            "state_class": "measurement",
        }
        | _DIAGNOSTIC,
    ),
    Entity(
        key="signal",
        platform="sensor",
        name="Signal",
        topic="device",
        value="rssi_dbm",
        needs_link=True,
        known="rssi_dbm",
        more={
            "device_class": "signal_strength",
            "unit_of_measurement": "dBm",
            "state_class": "measurement",
            "enabled_by_default": False,
        }
        | _DIAGNOSTIC,
    ),
    Entity(
        key="lateness",
        platform="sensor",
        name="Cue lateness",
        topic="device",
        value="late_p99_ms",
        known="late_p99_ms",
        more={
            "device_class": "duration",
            "unit_of_measurement": "ms",
            "state_class": "measurement",
            "icon": "mdi:timer-alert-outline",
            "enabled_by_default": False,
        }
        | _DIAGNOSTIC,
    ),
    Entity(
        key="running",
        platform="binary_sensor",
        name="Session running",
        topic="session",
        template=(
            "{{ None if value_json.state is none"
            " else 'ON' if value_json.state in ['playing', 'waiting', 'paused'] else 'OFF' }}"
        ),
        needs_link=True,
        more={"device_class": "running"},
    ),
    Entity(
        key="connected",
        platform="binary_sensor",
        name="Connected",
        topic="availability",
        more={
            "device_class": "connectivity",
            "payload_on": ONLINE.decode(),
            "payload_off": OFFLINE.decode(),
        }
        | _DIAGNOSTIC,
    ),
    _button("start", "Start", "start", "mdi:play"),
    _button("pause", "Pause or resume", "toggle", "mdi:play-pause"),
    _button("extend", "Hold longer", "extend", "mdi:timer-plus-outline"),
    _button("skip", "Skip", "skip", "mdi:skip-next"),
    _button("back", "Back", "back", "mdi:skip-previous"),
    _button("stop", "Stop", "stop", "mdi:stop"),
    _button("find", "Find my band", "find", "mdi:vibrate", **_DIAGNOSTIC),
    _routine_select("routine"),
    Entity(
        key="strength",
        platform="number",
        name="Strength",
        topic="settings",
        value="strength",
        command="strength/set",
        needs="strength",
        more={"icon": "mdi:vibrate"} | _number("strength"),
    ),
    Entity(
        key="hold_time",
        platform="number",
        name="Hold time",
        topic="settings",
        value="hold_time",
        command="hold_time/set",
        more={"icon": "mdi:timer-sand"} | _number("hold_time"),
    ),
    Entity(
        key="halfway",
        platform="switch",
        name="Halfway cue",
        topic="settings",
        template="{{ 'ON' if value_json.halfway else 'OFF' }}",
        command="halfway/set",
        more={"icon": "mdi:fraction-one-half"} | _CONFIG,
    ),
    Entity(
        key="countdown",
        platform="switch",
        name="Countdown",
        topic="settings",
        template="{{ 'ON' if value_json.countdown else 'OFF' }}",
        command="countdown/set",
        more={"icon": "mdi:numeric-3-circle-outline"} | _CONFIG,
    ),
    Entity(
        key="event",
        platform="event",
        name="Session event",
        topic="event",
        # What is told late is for logs: a light that is dimmed an hour later helps nobody. Each
        # state is a line in Activity and a row in the recorder, so not every cue is one.
        template=(
            "{{ '' if value_json.late or value_json.event_type in "
            f"{list(MINOR_EVENT_TYPES)} else value }}}}"
        ),
        more={
            "event_types": [one for one in EVENT_TYPES if one not in MINOR_EVENT_TYPES],
            "icon": "mdi:bell-ring-outline",
        },
    ),
    ANSWER,
    Entity(
        key="firmware",
        platform="update",
        name="Firmware",
        topic="device",
        template=(
            "{{ ({'installed_version': value_json.firmware,"
            " 'latest_version': value_json.latest_firmware} | tojson)"
            " if value_json.firmware else '' }}"
        ),
        needs_link=True,
        known="firmware",
        needs="own_firmware",
        more={"device_class": "firmware"} | _DIAGNOSTIC,
    ),
    Entity(
        key="capabilities",
        platform="sensor",
        name="Capabilities",
        topic="device",
        template=(
            "{{ value_json.capabilities | default([]) | map('replace', '_', ' ') | join(', ') }}"
        ),
        more={"icon": "mdi:watch-vibrate"} | _DIAGNOSTIC,
    ),
)

BRIDGE: tuple[Entity, ...] = (
    Entity(
        key="connected",
        platform="binary_sensor",
        name="Connected",
        topic="availability",
        is_always_there=True,
        more={
            "device_class": "connectivity",
            "payload_on": ONLINE.decode(),
            "payload_off": OFFLINE.decode(),
        }
        | _DIAGNOSTIC,
    ),
    Entity(
        key="version",
        platform="sensor",
        name="Version",
        topic="state",
        value="version",
        more={"icon": "mdi:tag-outline"} | _DIAGNOSTIC,
    ),
    Entity(
        key="log_level",
        platform="select",
        name="Log level",
        topic="state",
        value="log_level",
        command="log_level/set",
        needs="manage",
        more={"options": list(LOG_LEVELS), "icon": "mdi:text-box-search-outline"} | _CONFIG,
    ),
    Entity(
        key="pairing",
        platform="switch",
        name="Pairing",
        topic="state",
        template="{{ 'ON' if value_json.pairing else 'OFF' }}",
        command="pairing/set",
        needs="manage",
        more={"icon": "mdi:bluetooth-connect"} | _CONFIG,
    ),
    Entity(
        key="restart",
        platform="button",
        name="Restart",
        command="command",
        needs="manage",
        more={
            "device_class": "restart",
            "payload_press": "restart",
            "command_template": _COMMAND,
        }
        | _CONFIG,
    ),
    replace(ANSWER, needs="manage"),
)
"""Tenuto itself."""


def _class_button(verb: str, name: str, icon: str) -> Entity:
    return Entity(
        key=f"class_{verb}",
        platform="button",
        name=name,
        command="command",
        more={"payload_press": f"class_{verb}", "command_template": _COMMAND, "icon": icon},
    )


CLASS: tuple[Entity, ...] = (
    Entity(
        key="class",
        platform="sensor",
        name="Class",
        topic="state",
        value="state",
        more={
            "device_class": "enum",
            "options": list(CLASS_STATES),
            "icon": "mdi:account-group",
            "attributes": "state",
        },
    ),
    Entity(
        key="class_in_step",
        platform="sensor",
        name="In step",
        topic="state",
        value="in_step",
        more={"state_class": "measurement", "icon": "mdi:account-multiple-check"},
    ),
    _routine_select("class_routine"),
    _class_button("start", "Start the class", "mdi:play"),
    _class_button("pause", "Pause the class", "mdi:pause"),
    _class_button("resume", "Class goes on", "mdi:play-pause"),
    _class_button("stop", "Stop the class", "mdi:stop"),
    ANSWER,
)
"""Of all wearables together."""

TRIGGERS: tuple[Trigger, ...] = (
    Trigger(key="on_start", subtype="Session", type="started", happens="session_started"),
    Trigger(key="on_hold", subtype="Hold", type="started", happens="hold_started"),
    Trigger(key="on_hold_end", subtype="Hold", type="ended", happens="hold_ended"),
    Trigger(key="on_switch", subtype="Sides", type="to be switched", happens="switch_sides"),
    Trigger(key="on_finish", subtype="Session", type="finished", happens="session_finished"),
    Trigger(key="on_stop", subtype="Session", type="stopped", happens="session_stopped"),
    Trigger(key="on_fail", subtype="Session", type="failed", happens="session_failed"),
    Trigger(key="on_pause", subtype="Session", type="paused", happens="paused"),
    Trigger(key="on_resume", subtype="Session", type="resumed", happens="resumed"),
    Trigger(key="on_link_lost", subtype="Link", type="lost", happens="link_lost"),
    Trigger(key="on_unfelt", subtype="Cue", type="not felt", happens="unfelt", needs="hosted"),
    Trigger(
        key="on_wearer_stop",
        subtype="Session",
        type="stopped by wearer",
        happens="session_stopped",
        by="wearer",
        needs="button",
    ),
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """One device for Home Assistant.

    Attributes:
        topic: Where its configuration goes.
        config: The configuration itself.
        states: The retained topics behind it, which go when it goes.
    """

    topic: str
    config: dict[str, Any]
    states: tuple[str, ...]

    @property
    def components(self) -> dict[str, str]:
        """Its components by their keys, with the platform of each."""
        return {key: item["platform"] for key, item in self.config["components"].items()}


RETAINED_OF_WEARABLE = ("availability", "session", "settings", "device", "summary")
RETAINED_OF_PERSON = ("summary",)
RETAINED_OF_BRIDGE = ("state",)
RETAINED_OF_CLASS = ("state", "settings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where all announcements go, and how they speak.

    Attributes:
        topics: Those of the bridge.
        prefix: Where Home Assistant listens.
        language: One of `words.LANGUAGES`.
        page: Where a browser finds the page of Tenuto, empty where others do not reach it.
    """

    topics: Topics
    prefix: str = "homeassistant"
    language: str = ENGLISH
    page: str = ""


def announce_wearable(
    place: Place,
    wearable: Subject,
    routines: Sequence[str],
    *,
    told: Collection[str] = (),
    before: Collection[str] = (),
    firmware: str | None = None,
) -> Announcement:
    """Make the announcement of a wearable.

    Args:
        place: Where it goes.
        wearable: What is announced.
        routines: The names that its `Routine` offers, with the one that is set.
        told: The fields of its `device` and `heart` topics that have had a value.
        before: The keys of entities that stay because they were announced before.
        firmware: The version that it told last, None where it never did.
    """
    topics = place.topics
    rows = [
        row
        for row in (*WEARABLE, *(() if wearable.person else PERSON))
        if _has(wearable, row) and _is_told(row, told, before)
    ]
    of = {what: topics.of(wearable.id, what) for what in _topics_of((*WEARABLE, *PERSON))}
    device_id = _device_id(topics, "wearable", wearable.id)
    called = object_id(topics, wearable.id)
    components = {row.key: _component(place, row, device_id, called, of) for row in rows}
    components["routine"]["options"] = list(routines)
    components |= {row.key: _trigger(row, of["event"]) for row in TRIGGERS if _has(wearable, row)}
    more: dict[str, Any] = {"via_device": _bridge_id(topics)}
    if firmware:
        more["sw_version"] = firmware
    if wearable.area:
        more["suggested_area"] = wearable.area
    if wearable.address:
        more["connections"] = [["bluetooth", wearable.address]]
    config = _device(place, device_id, wearable, wearable.model, components, **more) | {
        "availability": _available(topics.bridge, of["availability"]),
        "availability_mode": "all",
        "qos": 1,
    }
    states = tuple(topics.of(wearable.id, what) for what in RETAINED_OF_WEARABLE)
    return Announcement(wearable_topic(topics, place.prefix, wearable.id), config, states)


def wearable_topic(topics: Topics, prefix: str, wearable: str) -> str:
    """Return where the configuration of a wearable goes."""
    return f"{prefix}/device/{_device_id(topics, 'wearable', wearable)}/config"


def announce_person(
    place: Place, person: Subject, *, told: Collection[str] = (), before: Collection[str] = ()
) -> Announcement:
    """Make the announcement of a person.

    Args:
        place: Where it goes.
        person: Who is announced.
        told: The fields of their `summary` topic that have had a value.
        before: The keys of entities that stay because they were announced before.
    """
    topics = place.topics
    of = {what: topics.of_person(person.id, what) for what in _topics_of(PERSON)}
    device_id = _device_id(topics, "person", person.id)
    called = object_id(topics, f"person_{person.id}")
    rows = [row for row in PERSON if _is_told(row, told, before)]
    components = {row.key: _component(place, row, device_id, called, of) for row in rows}
    config = _device(place, device_id, person, "Person", components) | {
        "availability": _available(topics.bridge),
        "availability_mode": "all",
        "qos": 1,
    }
    states = tuple(topics.of_person(person.id, what) for what in RETAINED_OF_PERSON)
    return Announcement(person_topic(topics, place.prefix, person.id), config, states)


def person_topic(topics: Topics, prefix: str, person: str) -> str:
    """Return where the configuration of a person goes."""
    return f"{prefix}/device/{_device_id(topics, 'person', person)}/config"


def announce_bridge(place: Place, *, manage: bool) -> Announcement:
    """Make the announcement of Tenuto itself."""
    topics = place.topics
    bridge = Subject(id=BRIDGE_ID, name="", manage=manage, model="Host")
    of = {what: topics.of_bridge(what) for what in _topics_of(BRIDGE)}
    device_id = _bridge_id(topics)
    called = object_id(topics, bridge.id)
    rows = [row for row in BRIDGE if _has(bridge, row)]
    components = {row.key: _component(place, row, device_id, called, of) for row in rows}
    config = _device(place, device_id, bridge, bridge.model, components, sw_version=__version__)
    states = tuple(topics.of_bridge(what) for what in RETAINED_OF_BRIDGE)
    return Announcement(f"{place.prefix}/device/{device_id}/config", config | {"qos": 1}, states)


def announce_class(place: Place, routines: Sequence[str]) -> Announcement:
    """Make the announcement of all wearables together.

    Args:
        place: Where it goes.
        routines: The names that its `Routine` offers, with the one that is set.
    """
    topics = place.topics
    of = {what: topics.of_class(what) for what in _topics_of(CLASS)}
    of["availability"] = topics.bridge
    device_id = _device_id(topics, CLASS_ID, "all")
    together = Subject(id=CLASS_ID, name=name_of(place.language, "class", "class"))
    called = object_id(topics, CLASS_OBJECT)
    components = {row.key: _component(place, row, device_id, called, of) for row in CLASS}
    components["class_routine"]["options"] = list(routines)
    config = _device(place, device_id, together, "Class", components) | {
        "availability": _available(topics.bridge),
        "availability_mode": "all",
        "qos": 1,
    }
    states = tuple(topics.of_class(what) for what in RETAINED_OF_CLASS)
    return Announcement(f"{place.prefix}/device/{device_id}/config", config, states)


def steps(known: Mapping[str, str], announcement: Announcement) -> list[dict[str, Any]]:
    """Return the configurations to send, one after the other, with time in between.

    Args:
        known: The components that Home Assistant was ever told of, by key, with the platform. What
            is no longer there must be removed by its key: leaving it out changes nothing.
    """
    present = announcement.components
    gone = {key: platform for key, platform in known.items() if present.get(key) != platform}
    if not gone:
        return [announcement.config]
    kept = {key: item for key, item in announcement.config["components"].items() if key not in gone}
    removal = {key: {"platform": platform} for key, platform in gone.items()}
    return [announcement.config | {"components": kept | removal}, announcement.config]


def _has(wearable: Subject, row: Entity | Trigger) -> bool:
    return not row.needs or bool(getattr(wearable, row.needs))


def _is_told(row: Entity, told: Collection[str], before: Collection[str]) -> bool:
    return not row.known or row.known in told or row.key in before


def _topics_of(rows: Sequence[Entity]) -> set[str]:
    named = {row.topic for row in rows} | {row.command for row in rows} | {"availability"}
    return named - {""}


def _bridge_id(topics: Topics) -> str:
    return f"{topics.base.replace('/', '-')}_{BRIDGE_ID}"


def _device_id(topics: Topics, kind: str, own_id: str) -> str:
    # The base is part of it, for two Tenutos on one broker may have wearables of the same id.
    return f"{topics.base.replace('/', '-')}_{kind}_{own_id}"


def object_id(topics: Topics, own_id: str) -> str:
    """Return what the ids of a subject's entities begin with."""
    # So that the entities of two Tenutos in one Home Assistant are not told apart by "_2".
    return re.sub(r"[^a-z0-9_]", "_", f"{topics.base}_{own_id}".lower())


def _device(
    place: Place,
    device_id: str,
    subject: Subject,
    model: str,
    components: dict[str, Any],
    **more: Any,  # noqa: ANN401 - by Home Assistant's own names
) -> dict[str, Any]:
    base = place.topics.base
    where = "" if base == BASE_TOPIC else f" ({base})"
    url = {"configuration_url": place.page} if place.page else {}
    return {
        "device": {
            "identifiers": [device_id],
            "name": f"Tenuto {subject.name}".rstrip() + where,
            "manufacturer": subject.manufacturer,
            "model": model,
            **url,
            **more,
        },
        "origin": {"name": "Tenuto", "sw_version": __version__},
        "components": components,
    }


def _available(*topics: str, more: Sequence[dict[str, str]] = ()) -> list[dict[str, str]]:
    return [{"topic": topic} for topic in topics] + list(more)


def _component(
    place: Place, row: Entity, device_id: str, called: str, of: Mapping[str, str]
) -> dict[str, Any]:
    bridge, language = place.topics.bridge, place.language
    found: dict[str, Any] = {
        "platform": row.platform,
        "unique_id": f"{device_id}_{row.key}",
        "default_entity_id": f"{row.platform}.{called}_{row.key}",
        "name": name_of(language, row.key, row.name),
    }
    if row.topic:
        found["state_topic"] = of[row.topic]
    template = row.template or (f"{{{{ value_json.{row.value} }}}}" if row.value else "")
    for word in row.words:
        template = template.replace(f"'{word}'", f"'{state_of(language, word)}'")
    if template:
        found["value_template"] = template
    if row.command:
        found["command_topic"] = of[row.command]
    needed = [bridge, of["availability"]] if row.needs_link else [bridge]
    if row.known and row.topic in RETAINED_OF_WEARABLE:
        known = {"topic": of[row.topic], "value_template": _IS_KNOWN % row.known}
        found["availability"] = _available(*needed, more=[known])
    elif not (row.needs_link or row.is_always_there):
        found["availability"] = _available(*needed)
    for name, value in row.more.items():
        if name == "attributes":
            found["json_attributes_topic"] = of[value]
        elif name == "options" and row.platform == "sensor" and language != ENGLISH:
            found[name] = [state_of(language, word) for word in value]
            found["value_template"] = _translated(found["value_template"], value, language)
        else:
            found[name] = value
    return found


def _translated(template: str, states: Sequence[str], language: str) -> str:
    """Return a template whose outcome, one of some states or nothing, is in another language."""
    inner = template.removeprefix("{{ ").removesuffix(" }}")
    words = {word: state_of(language, word) for word in states}
    return f"{{{{ {words}.get({inner}) }}}}"


def _trigger(row: Trigger, topic: str) -> dict[str, Any]:
    what = "value_json.event_type"
    payload = row.happens
    if row.by:
        # Most events have no source, and Home Assistant logs a warning for each field that it
        # does not find.
        what = f"{what} ~ '_by_' ~ (value_json.source | default(''))"
        payload = f"{payload}_by_{row.by}"
    return {
        "platform": "device_automation",
        "automation_type": "trigger",
        "type": row.type,
        "subtype": row.subtype,
        "topic": topic,
        "payload": payload,
        "value_template": f"{{{{ 'late' if value_json.late else ({what}) }}}}",
    }
