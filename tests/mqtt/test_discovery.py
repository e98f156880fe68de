# SPDX-License-Identifier: MIT
"""The table of entities against what Home Assistant takes.

The rules are those that Home Assistant 2026.11 enforces, or ignores in silence, which is worse.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import jinja2
import pytest
from syrupy.extensions.json import JSONSnapshotExtension

from tenuto.daemon.classes import ClassStatus
from tenuto.history.adherence import day_of
from tenuto.history.person_summary import person_summary
from tenuto.history.prescription import standing
from tenuto.mqtt import topics as topics_module
from tenuto.mqtt.discovery import (
    CLASS,
    PERSON,
    TRIGGERS,
    WEARABLE,
    Announcement,
    Entity,
    Place,
    Subject,
    announce_class,
    announce_person,
    announce_wearable,
    steps,
)
from tenuto.mqtt.topics import (
    EVENT_TYPES,
    NUMBERS,
    Topics,
    answer_payload,
    class_payload,
    class_settings_payload,
    device_payload,
    event_type,
    heart_payload,
    session_payload,
    settings_payload,
    summary_payload,
)
from tenuto.mqtt.words import NAMES, STATES
from tenuto.routines.adjust import Adjustment
from tenuto.sessions import events
from tenuto.sessions.commands import Answer
from tenuto.sessions.view import SessionView, State
from tenuto.state.preferences import Preferences
from tenuto.wearables.device_state import DeviceState
from tests.history.prescribed import prescription
from tests.history.sessions import UTC_MS, whole_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syrupy.assertion import SnapshotAssertion

TOPICS = Topics("tenuto")
PLACE = Place(topics=TOPICS, page="https://tenuto.home.arpa/")
ROUTINES = ["lower-back", "lower-back-60"]
WRIST = Subject(id="wrist", name="wrist", heart=True, person=True)
ANNA = Subject(id="anna", name="Anna")

ENTITY_KEYS = {
    "platform",
    "unique_id",
    "default_entity_id",
    "name",
    "state_topic",
    "value_template",
    "command_topic",
    "availability",
    "json_attributes_topic",
    "icon",
    "entity_category",
    "enabled_by_default",
}
OWN_KEYS = {
    "sensor": {
        "device_class",
        "state_class",
        "unit_of_measurement",
        "options",
        "expire_after",
        "suggested_display_precision",
    },
    "binary_sensor": {"device_class", "payload_on", "payload_off"},
    "button": {"payload_press", "command_template"},
    "select": {"options"},
    "number": {"min", "max", "step", "mode", "unit_of_measurement"},
    "switch": set(),
    "event": {"event_types"},
    "update": {"device_class"},
}
TRIGGER_KEYS = {
    "platform",
    "automation_type",
    "type",
    "subtype",
    "topic",
    "payload",
    "value_template",
}
UNITS: dict[str | None, set[str | None]] = {
    "duration": {"d", "min", "s", "ms"},
    "battery": {"%"},
    "signal_strength": {"dBm"},
    "timestamp": {None},
    "enum": {None},
}
BINARY_CLASSES = {"running", "connectivity"}
TOLD = ("battery_pct", "rssi_dbm", "late_p99_ms", "firmware", "bpm")


def wearable(**more: Any) -> Announcement:
    subject = Subject(**vars_of(WRIST) | more)
    return announce_wearable(PLACE, subject, ROUTINES, told=TOLD, firmware="0.4.0")


def alone() -> Subject:
    """Return a wearable that nobody in particular wears, as `wearable(person=False)` has it."""
    return dataclasses.replace(WRIST, person=False)


def vars_of(subject: Subject) -> dict[str, Any]:
    return {
        "id": subject.id,
        "name": subject.name,
        "heart": subject.heart,
        "person": subject.person,
        "strength": subject.strength,
        "button": subject.button,
    }


def components(announcement: Announcement) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = announcement.config["components"]
    return found


def announcements() -> list[Announcement]:
    return [
        wearable(),
        announce_person(PLACE, ANNA, told=("due",)),
        announce_class(PLACE, ROUTINES),
    ]


ALL = [
    pytest.param(key, item, id=f"{announcement.topic.split('_')[1]}-{key}")
    for announcement in announcements()
    for key, item in components(announcement).items()
]
ENTITIES = [one for one in ALL if one.values[1]["platform"] != "device_automation"]  # type: ignore[index]


@pytest.fixture
def as_json(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(JSONSnapshotExtension)


def test_the_announcement_of_a_wearable(as_json: SnapshotAssertion) -> None:
    assert {"topic": wearable().topic} | wearable().config == as_json


def test_the_announcement_of_a_person(as_json: SnapshotAssertion) -> None:
    person = announce_person(PLACE, ANNA)

    assert {"topic": person.topic} | person.config == as_json


def test_the_announcement_of_a_class(as_json: SnapshotAssertion) -> None:
    together = announce_class(PLACE, ROUTINES)

    assert {"topic": together.topic} | together.config == as_json
    assert set(together.states) == {"tenuto/class/state", "tenuto/class/settings"}


@pytest.mark.parametrize("announcement", announcements())
def test_the_root_has_what_is_required_and_nothing_else(announcement: Announcement) -> None:
    assert re.fullmatch(r"homeassistant/device/[A-Za-z0-9_-]+/config", announcement.topic)
    assert set(announcement.config) == {
        "device",
        "origin",
        "components",
        "availability",
        "availability_mode",
        "qos",
    }
    assert announcement.config["device"]["identifiers"]
    assert set(announcement.config["origin"]) == {"name", "sw_version"}
    assert announcement.config["availability_mode"] == "all"


def test_a_device_says_what_and_where_it_is() -> None:
    told = wearable(address="C0:FF:EE:00:00:01", area="Living room").config["device"]
    bare = announce_wearable(Place(topics=TOPICS), WRIST, ROUTINES).config["device"]

    assert told["connections"] == [["bluetooth", "C0:FF:EE:00:00:01"]]
    assert told["suggested_area"] == "Living room"
    assert told["sw_version"] == "0.4.0"
    assert told["configuration_url"] == "https://tenuto.home.arpa/"
    assert told["model"] == "Wearable"
    assert told["via_device"] == "tenuto_bridge"
    assert bare.keys() == told.keys() - {
        "connections",
        "suggested_area",
        "sw_version",
        "configuration_url",
    }, "nothing that is not known"


def test_names_and_states_are_german_where_that_is_wanted() -> None:
    german = Place(topics=TOPICS, language="de")
    for english, translated in (
        (wearable(person=False), announce_wearable(german, alone(), ROUTINES, told=TOLD)),
        (
            announce_person(PLACE, ANNA, told=("due",)),
            announce_person(german, ANNA, told=("due",)),
        ),
        (announce_class(PLACE, ROUTINES), announce_class(german, ROUTINES)),
    ):
        here, there = components(english), components(translated)
        assert here.keys() == there.keys()
        for key, item in here.items():
            other = there[key]
            same = {name for name in item if item[name] == other[name]}
            changed = item.keys() - same
            assert changed <= {"name", "options", "value_template"}, "ids and triggers stay"
            if item["platform"] != "device_automation":
                assert key in NAMES["de"], "a name is missing"
        names = [item["name"] for item in there.values() if "name" in item]
        assert len(names) == len(set(names))


def test_a_state_in_german_is_one_of_its_options() -> None:
    jinja = _home_assistant()
    english, german = (
        components(wearable(person=False)),
        components(announce_wearable(Place(topics=TOPICS, language="de"), alone(), ROUTINES)),
    )
    fields = {"session": "state", "step": "kind", "side": "side", "last_result": "last_reason"}
    for key, field in fields.items():
        found = []
        for word in english[key]["options"]:
            told = {field: None if word == "both" else word, "exercise": "lunge"}
            template = jinja.from_string(german[key]["value_template"])
            found.append(template.render(value_json=told))
        assert found == german[key]["options"]
        assert found == [STATES["de"][word] for word in english[key]["options"]]
        nothing = jinja.from_string(german[key]["value_template"])
        assert nothing.render(value_json={field: None, "exercise": None}) == "None"


def test_what_is_due_is_told_where_something_is_prescribed() -> None:
    jinja = _home_assistant()
    bare = components(announce_person(PLACE, ANNA))
    again = components(announce_person(PLACE, ANNA, before=("due",)))
    assert ("due" in bare, "due" in again) == (False, True)
    for language, nothing in (("en", "nothing"), ("de", "nichts")):
        place = Place(topics=TOPICS, language=language)
        item = components(announce_person(place, ANNA, told=("due",)))["due"]
        shown = jinja.from_string(item["value_template"])
        *_, known = (jinja.from_string(one["value_template"]) for one in item["availability"][1:])
        for prescribed, state in (
            ([prescription()], "Lower back"),
            ([prescription(), prescription(title="Neck")], "Lower back, Neck"),
            ([prescription(title="N" * 64)] * 5, ", ".join(["N" * 64] * 5)[:255]),
            ([prescription(days=("sun",), times_a_week=1)], nothing),
        ):
            told = [standing(one, (), day_of(UTC_MS)) for one in prescribed]
            payload = summary_payload(person_summary([], UTC_MS), told)
            assert shown.render(value_json=payload) == state
            assert known.render(value_json=payload) == "online"
            routines = [] if state == nothing else ["lower-back"] * len(prescribed)
            assert payload["due_routines"] == routines
        assert known.render(value_json=summary_payload(person_summary([], UTC_MS))) == "offline"


def test_what_grows_is_counted_and_what_stands_is_measured() -> None:
    items = components(announce_person(PLACE, ANNA))

    classes = {key: item.get("state_class") for key, item in items.items()}
    assert classes == {
        "last_session": None,
        "last_result": None,
        "streak": "measurement",
        "minutes_this_week": "total_increasing",
        "days_this_week": "total_increasing",
        "last_holds": "measurement",
    }


@pytest.mark.parametrize("key,item", ALL)
def test_no_key_is_unknown(key: str, item: dict[str, Any]) -> None:
    platform = item["platform"]
    if platform == "device_automation":
        assert set(item) == TRIGGER_KEYS
    else:
        assert set(item) <= ENTITY_KEYS | OWN_KEYS[platform], key


@pytest.mark.parametrize("key,item", ENTITIES)
def test_ids_follow_the_platform_and_names_do_not_repeat_the_device(
    key: str, item: dict[str, Any]
) -> None:
    assert re.fullmatch(rf"{item['platform']}\.tenuto_[a-z0-9_]+_{key}", item["default_entity_id"])
    assert item["unique_id"].endswith(f"_{key}")
    assert "tenuto" not in item["name"].lower()
    assert item["name"][0].isupper()
    assert item["name"][1:] == item["name"][1:].lower(), "Home Assistant writes sentence case"


@pytest.mark.parametrize("key,item", ENTITIES)
def test_units_classes_and_categories_fit(key: str, item: dict[str, Any]) -> None:
    platform, device_class = item["platform"], item.get("device_class")
    if platform == "sensor":
        unit = item.get("unit_of_measurement")
        assert unit in UNITS.get(device_class, {unit}), key
        assert ("options" in item) == (device_class == "enum")
        if "options" in item or device_class == "timestamp":
            assert "state_class" not in item
        assert item.get("entity_category") != "config"
        assert device_class != "heart_rate", "there is no such class"
    if platform == "binary_sensor":
        assert device_class in BINARY_CLASSES
        assert item.get("entity_category") != "config"
    if platform == "number":
        assert item["min"] < item["max"]
    assert item.get("icon", "mdi:x").startswith("mdi:")
    assert "icon" in item or device_class, f"{key} has no icon of its own nor one of a class"


def test_only_the_heart_rate_expires_and_only_where_it_is_published() -> None:
    expiring = {key for key, item in components(wearable()).items() if "expire_after" in item}

    assert expiring == {"heart_rate"}
    assert "heart_rate" not in components(wearable(heart=False))


@pytest.mark.parametrize("key,item", ALL)
def test_topics_have_no_wildcard_and_nothing_personal(key: str, item: dict[str, Any]) -> None:
    for name, value in item.items():
        if name.endswith("topic"):
            assert re.fullmatch(r"tenuto/(person/)?(wrist|anna|bridge|class)/[a-z_/]+", value), key


def test_each_name_id_and_trigger_is_there_once() -> None:
    for announcement in announcements():
        items = components(announcement).values()
        for what in ("unique_id", "default_entity_id", "name"):
            values = [item[what] for item in items if what in item]
            assert len(values) == len(set(values))
    pairs = [(row.type, row.subtype) for row in TRIGGERS]
    assert len(pairs) == len(set(pairs))
    both = [
        item.get("default_entity_id") for a in announcements() for item in components(a).values()
    ]
    assert len(set(both) - {None}) == len(WEARABLE) + len(PERSON) + len(CLASS)


# --- what is on the topics fits what was announced


def payload_of(topic: str) -> dict[str, Any]:
    view = SessionView()
    first = whole_session()[:5]
    for entry in first:
        view.apply(entry.event, entry.utc_ms)
    return {
        "session": session_payload(view),
        "heart": heart_payload(events.HeartBeat(t_ms=0, bpm=70), UTC_MS),
        "summary": summary_payload(person_summary([], UTC_MS)),
        "result": answer_payload("start", Answer(ok=False, reason="too_soon", text="")),
        "device": device_payload(DeviceState(link="ble", capabilities=("plays_alone", "heart"))),
        "settings": settings_payload(Preferences(), "lower-back"),
        "class/state": class_payload(dataclasses.asdict(ClassStatus(now_utc_ms=UTC_MS))),
        "class/settings": class_settings_payload("lower-back"),
        "class/result": answer_payload("class_start", Answer(ok=True, reason="ok", text="")),
    }[topic]


@pytest.mark.parametrize(
    "row,place",
    [
        pytest.param(row, place, id=f"{place}{row.key}")
        for rows, place in ((WEARABLE, ""), (PERSON, ""), (CLASS, "class/"))
        for row in rows
    ],
)
def test_every_field_that_a_row_reads_is_on_its_topic(row: Entity, place: str) -> None:
    fields = set(re.findall(r"value_json\.(\w+)", row.template)) | {row.value, row.known} - {""}
    fields.discard("")
    if row.topic in ("", "availability"):
        assert not fields
    elif row.topic == "event":
        assert fields == {"late", "event_type"}
    else:
        assert fields
        assert fields <= set(payload_of(f"{place}{row.topic}"))


def test_enumerations_offer_all_that_can_come() -> None:
    items = components(wearable())

    assert items["session"]["options"] == [state.value for state in State]
    assert {event_type(entry.event) for entry in whole_session()} - {"heart"} <= set(EVENT_TYPES)
    assert items["routine"]["options"] == ROUTINES
    of_class = components(announce_class(PLACE, ROUTINES))
    assert of_class["class_routine"]["options"] == ROUTINES


def test_every_event_has_a_type_that_home_assistant_was_told_of() -> None:
    for kind in vars(events).values():
        if isinstance(kind, type) and issubclass(kind, events.Event) and kind.name:
            values = {field.name: "" for field in dataclasses.fields(kind)}
            made = kind(**values | {"t_ms": 0})  # type: ignore[arg-type]
            if not kind.name.startswith("heart"):
                assert event_type(made) in EVENT_TYPES


def test_each_trigger_waits_for_an_event_that_comes() -> None:
    for row in TRIGGERS:
        assert row.happens in EVENT_TYPES


def test_numbers_have_the_range_of_what_they_set() -> None:
    items = components(wearable())
    plain = Adjustment()
    assert {name: (items[name]["min"], items[name]["max"]) for name in NUMBERS} == NUMBERS
    assert all(low <= 100 <= high for low, high in NUMBERS.values())
    assert (plain.strength_pct, plain.hold_pct) == (100, 100)


def test_buttons_say_when_they_were_pressed_and_which_press_it_was() -> None:
    buttons = [*components(wearable()).values(), *components(announce_class(PLACE, [])).values()]
    for item in buttons:
        if item["platform"] == "button":
            template = item["command_template"].replace("{{ value }}", item["payload_press"])
            text = re.sub(r"\{\{ now\(\)\.timestamp\(\) \}\}", "1800000000.5", template)
            assert set(json.loads(text)) == {"command", "at", "id"}


# --- once, and only what there is


def test_an_entity_whose_value_nobody_told_is_not_announced() -> None:
    def keys(told: tuple[str, ...], before: tuple[str, ...] = ()) -> set[str]:
        announcement = announce_wearable(PLACE, WRIST, ROUTINES, told=told, before=before)
        return set(components(announcement))

    everything = keys(TOLD)
    assert everything - keys(()) == {"battery", "signal", "lateness", "firmware", "heart_rate"}
    assert everything - keys(TOLD[1:]) == {"battery"}
    assert keys((), before=tuple(everything)) == everything, "who is away takes nothing along"
    assert keys((), before=("worn",)) == keys(()), "what is no longer in the table goes"


def test_what_a_wearable_cannot_do_is_not_announced() -> None:
    everything = set(components(wearable()))

    assert everything - set(components(wearable(strength=False))) == {"strength"}
    assert everything - set(components(wearable(button=False))) == {"on_wearer_stop"}
    assert everything - set(components(wearable(heart=False))) == {"heart_rate"}
    assert everything - set(components(wearable(own_firmware=False))) == {"firmware"}
    assert set(components(wearable(hosted=True))) - everything == {"on_unfelt"}


def test_what_a_wearable_can_do_is_shown_in_words() -> None:
    row = next(row for row in WEARABLE if row.key == "capabilities")
    shown = jinja2.Template(row.template).render(value_json=payload_of("device"))
    of_older = jinja2.Template(row.template).render(value_json={"link": "ble"})

    assert (shown, of_older) == ("plays alone, heart", "")


def test_sums_are_announced_once() -> None:
    sums = {row.key for row in PERSON if not row.known}
    anna = components(announce_person(PLACE, ANNA))

    assert set(anna) == sums
    assert not sums & set(components(wearable(person=True)))
    assert sums <= set(components(wearable(person=False))), "nobody else has them"


def test_two_tenutos_in_one_home_assistant_are_told_apart_by_their_bases() -> None:
    found = [
        {
            value
            for announcement in (
                announce_wearable(Place(topics=Topics(base)), WRIST, ROUTINES, told=TOLD),
                announce_person(Place(topics=Topics(base)), ANNA),
            )
            for value in (
                announcement.topic,
                announcement.config["device"]["name"],
                *(item.get("default_entity_id") for item in components(announcement).values()),
            )
            if value
        }
        for base in ("tenuto", "Tenuto-2", "home/office")
    ]
    assert "sensor.tenuto_wrist_session" in found[0], "as the dashboard has it"
    assert "Tenuto wrist" in found[0]
    for ours, others in zip(found, found[1:] + found[:1], strict=True):
        assert len(ours) == len(found[0])
        assert not ours & others


# --- entities that go


def test_what_is_no_longer_there_is_removed_by_its_key_first() -> None:
    announcement = wearable(heart=False)
    known = wearable().components | {"steps": "sensor"}

    first, second = steps(known, announcement)

    assert first["components"]["heart_rate"] == {"platform": "sensor"}
    assert first["components"]["steps"] == {"platform": "sensor"}
    assert second == announcement.config
    assert steps(announcement.components, announcement) == [announcement.config]
    assert steps({}, announcement) == [announcement.config]


def test_an_entity_of_another_platform_is_first_removed_from_the_old_one() -> None:
    known = wearable().components | {"strength": "select"}

    first, second = steps(known, wearable())

    assert first["components"]["strength"] == {"platform": "select"}
    assert second["components"]["strength"]["platform"] == "number"


def _home_assistant() -> jinja2.Environment:
    """Return an environment that fails where Home Assistant's logs a warning."""
    jinja = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701 - no HTML comes out
    jinja.filters["tojson"] = json.dumps
    return jinja


def _every_event() -> Iterator[dict[str, Any]]:
    """Each kind of event as it goes out, with the fewest fields that it has."""
    entry = whole_session()[0]
    for kind in vars(events).values():
        if isinstance(kind, type) and issubclass(kind, events.Event) and kind.name:
            if kind in events.EVENTS_OF_THE_HEART:
                continue
            values = {field.name: "" for field in dataclasses.fields(kind)}
            made = kind(**values | {"t_ms": 0})  # type: ignore[arg-type]
            payload = topics_module.event_payload(dataclasses.replace(entry, event=made))
            yield payload | {"late": False}


def test_templates_find_every_field_that_they_name() -> None:
    """Home Assistant logs a warning for each that is missing, some thirty in a session."""
    jinja = _home_assistant()
    for announcement in announcements():
        for item in components(announcement).values():
            template = jinja.from_string(item.get("value_template", ""))
            whole = item.get("state_topic", item.get("topic", ""))
            place = "class/" if whole.startswith("tenuto/class/") else ""
            topic = place + whole.rpartition("/")[2]
            if topic == "availability" or "value_template" not in item:
                continue
            payloads = list(_every_event()) if topic == "event" else [payload_of(topic)]
            for payload in payloads:
                template.render(value_json=payload, value=json.dumps(payload))


def test_the_event_entity_has_no_state_for_cues_and_for_the_ends_of_steps() -> None:
    """Each state is a line in Activity and a row in the recorder, and a session has hundreds."""
    item = components(wearable())["event"]
    template = _home_assistant().from_string(item["value_template"])
    passed = set()
    for payload in _every_event():
        for kind in EVENT_TYPES:
            for late in (False, True):
                news = payload | {"event_type": kind, "late": late}
                shown = template.render(value_json=news, value=json.dumps(news))
                if shown:
                    assert json.loads(shown) == news
                    assert not late
                    passed.add(kind)

    assert passed == set(item["event_types"])
    assert set(EVENT_TYPES) - passed == {"cue", "step_ended", "hold_ended"}


def test_a_refusal_is_an_event_that_says_why() -> None:
    item = components(wearable())["answer"]
    refused = answer_payload("start", Answer(ok=False, reason="already_playing", text="it plays"))
    template = _home_assistant().from_string(item["value_template"])

    told = json.loads(template.render(value_json=refused))

    assert told["event_type"] in item["event_types"]
    assert (told["event_type"], told["reason"], told["text"]) == (
        "refused",
        "already_playing",
        "it plays",
    )


def test_a_trigger_fires_for_its_event_and_for_no_other() -> None:
    jinja = _home_assistant()
    fired: dict[str, set[str]] = {row.key: set() for row in TRIGGERS}
    items = components(wearable(hosted=True))
    templates = {key: jinja.from_string(items[key]["value_template"]) for key in fired}
    for payload in _every_event():
        for source in ("wearer", "host"):
            told = payload | ({"source": source} if "source" in payload else {})
            for kind in EVENT_TYPES:
                for key, caught in fired.items():
                    news = told | {"event_type": kind}
                    if templates[key].render(value_json=news) == items[key]["payload"]:
                        caught.add(kind)
    assert fired == {row.key: {row.happens} for row in TRIGGERS}
