# SPDX-License-Identifier: MIT
"""Blueprints, dashboard and package: YAML that Home Assistant takes, of entities that are there."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jinja2
import pytest
import yaml  # type: ignore[import-untyped]
from jinja2 import sandbox

from tenuto.errors import InputError
from tenuto.mqtt.discovery import (
    PERSON,
    TRIGGERS,
    WEARABLE,
    Place,
    Subject,
    announce_class,
    announce_person,
    announce_wearable,
)
from tenuto.mqtt.homeassistant_files import PLACES, import_links, shown, write
from tenuto.mqtt.topics import CLASS_STATES, EVENT_TYPES, Topics, parse_command, session_payload
from tenuto.mqtt.words import LABELS, LANGUAGES, PHRASES, STATES
from tenuto.sessions.commands import Verb
from tenuto.sessions.view import SessionView
from tests.history.sessions import HOLD_MS, READY_MS, whole_session
from tests.mqtt import picture

FOLDER = Path(__file__).resolve().parents[2] / "config" / "homeassistant"
BLUEPRINTS = sorted((FOLDER / "blueprints").rglob("*.yaml"))
TOPICS = Topics("tenuto")
WRIST = Subject(id="wrist", name="Left wrist", heart=True, person=True)
ANNA = Subject(id="anna", name="Anna")
TAG = Subject(id="tag", name="tag", strength=False, own_firmware=False)
SHOWN = [shown(TOPICS, WRIST, "anna"), shown(TOPICS, TAG, None)]
GENERATED = ("dashboard", "package")
PLAIN_CARDS = {
    "button",
    "entities",
    "grid",
    "heading",
    "history-graph",
    "markdown",
    "sections",
    "statistics-graph",
    "tile",
}
PLAIN_FEATURES = {"bar-gauge", "select-options"}
NOW = datetime(2026, 11, 30, 18, tzinfo=UTC)
ENTITY_ID = re.compile(
    r"\b((?:sensor|binary_sensor|button|select|number|switch|event|update)\.tenuto_[a-z0-9_]+)"
)


class Input(str):
    """What a blueprint gets from its user."""

    __slots__ = ()


class Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads Home Assistant's `!input`."""


def _input(loader: Loader, node: yaml.Node) -> Input:
    assert isinstance(node, yaml.ScalarNode)
    return Input(loader.construct_scalar(node))


Loader.add_constructor("!input", _input)


def read(text: str) -> Any:
    return yaml.load(text, Loader)  # noqa: S506 - it is a safe one


def load(path: Path) -> Any:
    return read(path.read_text(encoding="utf-8"))


def walk(item: Any) -> list[Any]:
    """All that is in a tree of lists and mappings, itself first."""
    children = (
        list(item.values()) if isinstance(item, dict) else item if isinstance(item, list) else []
    )
    return [item, *(found for child in children for found in walk(child))]


def entity_ids(told: list[str] | None = None) -> set[str]:
    place = Place(topics=TOPICS)
    told = [row.known for row in (*WEARABLE, *PERSON)] if told is None else told
    return {
        item["default_entity_id"]
        for announcement in (
            announce_wearable(place, WRIST, ["lower-back"], told=told),
            announce_wearable(place, TAG, ["lower-back"], told=told),
            announce_person(place, ANNA, told=told),
            announce_class(place, ["lower-back"]),
        )
        for item in announcement.config["components"].values()
        if "default_entity_id" in item
    } | {f"sensor.{one.called}_progress" for one in SHOWN}  # the package makes them


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_uses_each_of_its_inputs_and_no_other(path: Path) -> None:
    data = load(path)
    head = data.pop("blueprint")

    assert set(head) == {"name", "description", "domain", "author", "homeassistant", "input"}
    assert (head["domain"], head["author"]) == ("automation", "Tenuto")
    used = {str(item) for item in walk(data) if isinstance(item, Input)}
    assert used == set(head["input"])
    for declared in head["input"].values():
        assert set(declared) <= {"name", "description", "default", "selector"}
        assert len(declared["selector"]) == 1


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_is_an_automation(path: Path) -> None:
    data = load(path)

    assert set(data) <= {
        "blueprint",
        "mode",
        "max",
        "max_exceeded",
        "triggers",
        "variables",
        "conditions",
        "actions",
    }
    assert data["triggers"]
    assert data["actions"]
    assert data["mode"] in ("single", "restart", "queued")
    for trigger in data["triggers"]:
        assert trigger["trigger"] in ("state", "time", "device", "conversation")
    for item in walk(data):
        if isinstance(item, dict):
            # To YAML 1.1, which Home Assistant reads, `yes`, `on` and `no` are no text.
            assert all(isinstance(name, str) for name in item), item


def test_there_is_a_blueprint_for_each_of_the_seven_wishes() -> None:
    assert {path.stem for path in BLUEPRINTS} == {
        "after_run",
        "ask",
        "calm_room",
        "music_ends",
        "remind",
        "speak_next",
        "voice",
    }


def test_a_blueprint_for_a_wearable_takes_every_model() -> None:
    for path in BLUEPRINTS:
        for item in walk(load(path)):
            if isinstance(item, dict) and "integration" in item:
                assert set(item) == {"integration"}, "makers and models differ"


def test_a_restart_of_home_assistant_triggers_nothing() -> None:
    for path in BLUEPRINTS:
        for trigger in load(path)["triggers"]:
            if trigger["trigger"] == "state":
                assert trigger.get("from") or "unavailable" in trigger["not_from"], path.stem


def test_device_triggers_and_event_types_are_those_that_are_announced() -> None:
    triggers = {(row.type, row.subtype) for row in TRIGGERS}
    for path in BLUEPRINTS:
        for item in walk(load(path)):
            if isinstance(item, dict) and item.get("trigger") == "device":
                assert (item["type"], item["subtype"]) in triggers
    text = (FOLDER / "blueprints/automation/tenuto/speak_next.yaml").read_text(encoding="utf-8")
    (listed,) = re.findall(r"attributes\.event_type in \[(.*?)\]", text)
    assert set(re.findall(r"'(\w+)'", listed)) <= set(EVENT_TYPES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("what", GENERATED)
def test_every_entity_that_is_named_is_announced(what: str, language: str) -> None:
    found = set(ENTITY_ID.findall(write(what, SHOWN, language, of_class="tenuto_all")))

    assert {one for one in found if "wrist" in one}
    assert {one for one in found if "tag" in one}
    assert found <= entity_ids()


def views(language: str = "en") -> list[dict[str, Any]]:
    """Return the views of the dashboard: of both wearables, and of the class."""
    text = write("dashboard", SHOWN, language, of_class="tenuto_all")
    found: list[dict[str, Any]] = read(text)["views"]
    return found


def sections() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = views()[0]["sections"]
    return found


def shown_while(card: dict[str, Any], entity: str, state: str) -> bool:
    """Return whether the conditions on the state of an entity let a card be seen."""
    for condition in card.get("visibility", ()):
        if condition["entity"] == entity:
            wanted, unwanted = condition.get("state"), condition.get("state_not", ())
            if wanted is not None and state not in (
                [wanted] if isinstance(wanted, str) else wanted
            ):
                return False
            if state in ([unwanted] if isinstance(unwanted, str) else unwanted):
                return False
            if condition["condition"] == "numeric_state" and not state.isdecimal():
                return False
    return True


def test_the_dashboard_has_plain_cards_only_and_shows_what_matters() -> None:
    data = read(write("dashboard", SHOWN))
    kinds = {item["type"] for item in walk(data) if isinstance(item, dict) and "type" in item}

    assert kinds <= PLAIN_CARDS | PLAIN_FEATURES
    told = set(ENTITY_ID.findall(str(views()[0])))
    for key in ("session", "progress", "heart_rate", "start", "stop", "pause", "routine"):
        assert any(one.endswith(f"wrist_{key}") for one in told)
    assert "sensor.tenuto_person_anna_minutes_this_week" in told


def test_each_wearable_has_a_view_with_what_it_can_do_and_the_sums_of_who_wears_it() -> None:
    wrist, tag, _class = views()

    assert (wrist["title"], tag["title"]) == ("Left wrist", "tag")
    assert wrist["path"] != tag["path"]
    assert "tenuto_tag" not in str(wrist)
    assert "tenuto_wrist" not in str(tag)
    assert "sensor.tenuto_tag_streak" in str(tag), "nobody wears it, so it has the sums itself"
    for absent in ("heart_rate", "strength", "firmware"):
        assert absent in str(wrist)
        assert absent not in str(tag)


def test_with_a_base_topic_of_its_own_everything_begins_with_that() -> None:
    office = [shown(Topics("home/office"), WRIST, None)]
    for what in GENERATED:
        text = write(what, office)
        assert set(re.findall(r"\w+\.(?:home_office|tenuto)_wrist\w*", text)) != set()
        assert "tenuto_wrist" not in text
    assert "home/office/wrist/command" in write("package", office)


def test_a_title_with_marks_of_yaml_and_of_templates_stays_text() -> None:
    odd = Subject(id="odd", name='A "b": {{ c }} # <d>')
    one = shown(TOPICS, odd, None)

    assert read(write("dashboard", [one]))["views"][0]["title"] == odd.name


def test_the_german_dashboard_has_no_english_word() -> None:
    templates = FOLDER / "templates"
    labels = {
        label
        for path in templates.iterdir()
        for label in re.findall(r'label\("(.*?)"\)', path.read_text(encoding="utf-8"))
    }
    for language in LANGUAGES[1:]:
        assert labels == set(LABELS[language])
        names = [
            one["name"] for one in walk(views(language)) if isinstance(one, dict) and "name" in one
        ]
        assert set(names) <= set(LABELS[language].values())
        assert all(len(name) <= 16 for name in names), "more does not fit on half a phone"


def test_a_stop_is_on_the_first_screen_unless_it_is_sure_that_nothing_plays() -> None:
    running = "binary_sensor.tenuto_wrist_running"
    for state in ("on", "off", "unavailable", "unknown"):
        seen = [card for card in sections()[0]["cards"] if shown_while(card, running, state)]
        ids = {card.get("entity") for card in seen}
        stops = {"button.tenuto_wrist_pause", "button.tenuto_wrist_stop"} & ids
        assert len(stops) == (0 if state == "off" else 2), state
        assert ("button.tenuto_wrist_start" in ids) is (state == "off")
        assert ("sensor.tenuto_wrist_progress" in ids) is (state == "on")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_class_is_chosen_and_started_where_none_goes_on_and_can_be_stopped_else(
    language: str,
) -> None:
    *_, of_class = views(language)
    (cards,) = (section["cards"] for section in of_class["sections"])
    words = STATES.get(language, {})
    told = {
        "idle": {"class_routine", "class_start"},
        "ready": {"class_stop"},
        "playing": {"class_stop", "class_pause"},
        "paused": {"class_stop", "class_resume"},
        "ended": {"class_routine", "class_start"},
        "stopped": {"class_routine", "class_start"},
        "unknown": {"class_stop"},
        "unavailable": {"class_stop"},
    }
    assert told.keys() >= set(CLASS_STATES)
    for state, entities in told.items():
        shown = words.get(state, state) if state in CLASS_STATES else state
        seen = [one for one in cards if shown_while(one, "sensor.tenuto_all_class", shown)]
        keys = {one["entity"].partition("tenuto_all_")[2] for one in seen if "entity" in one}
        assert keys == entities | {"class", "class_in_step"}, state


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_due_is_shown_and_started_where_nothing_plays(language: str) -> None:
    running, due = "binary_sensor.tenuto_wrist_running", "sensor.tenuto_person_anna_due"
    wrist, tag, _class = views(language)
    script = "script.tenuto_wrist_start_due"
    nothing = STATES.get(language, {}).get("nothing", "nothing")
    for state, told, is_shown in (
        ("off", "Lower back, Neck", True),
        ("off", nothing, False),
        ("off", "unknown", False),
        ("off", "unavailable", False),
        ("on", "Lower back", False),
        ("unavailable", "Lower back", False),
    ):
        seen = [
            card
            for card in wrist["sections"][0]["cards"]
            if shown_while(card, running, state) and shown_while(card, due, told)
        ]
        assert any(card.get("entity") == due for card in seen) is is_shown, (state, told)
        assert (script in str(seen)) is is_shown, (state, told)
    assert "start_due" not in str(tag), "nobody wears it to whom something is prescribed"
    scripts = read(write("package", SHOWN, language))["script"]
    assert {name for name in scripts if "due" in name} == {"tenuto_wrist_start_due"}


def test_what_is_due_first_is_started_by_its_name() -> None:
    scripts = read(write("package", SHOWN))["script"]
    names, otherwise, start, _stop = scripts["tenuto_wrist_start_due"]["sequence"]
    template = names["variables"]["names"]
    due = {"due": ["Hip opener", "Neck"], "due_routines": ["hip", "neck"]}
    for attributes, told in ((due, ["hip", "neck"]), ({"due_routines": None}, []), ({}, [])):
        jinja = home_assistant({"sensor.tenuto_person_anna_due": ("", attributes)}, NOW)
        assert jinja.from_string(template).render() == str(told)
        assert jinja.from_string(otherwise["if"]).render(names=told) == str(not told)
    assert start["action"] == "script.tenuto_wrist_start"
    jinja = home_assistant({"select.tenuto_wrist_routine": ("Hips", {"options": OPTIONS})}, NOW)
    asked = jinja.from_string(start["data"]["routine"]).render(names=due["due_routines"])
    title = scripts["tenuto_wrist_start"]["variables"]["title"]
    exact = start["data"]["exact"]
    assert jinja.from_string(title).render(asked=asked, exact=exact).strip() == "hip"


def test_a_class_of_one_is_not_shown() -> None:
    assert len(read(write("dashboard", SHOWN[:1]))["views"]) == 1


def test_nothing_that_may_be_missing_is_shown_as_not_found() -> None:
    """Home Assistant takes the state of what is not there for "unknown"."""
    always = entity_ids(told=[])
    for section in sections():
        for card in section["cards"]:
            named = set(ENTITY_ID.findall(str(card)))
            for entity in named - always:
                looked_at = {one["entity"] for one in section.get("visibility", ())} or {entity}
                for looked in looked_at:
                    hidden = [
                        not (
                            shown_while(card, looked, state) and shown_while(section, looked, state)
                        )
                        for state in ("unknown", "unavailable")
                    ]
                    assert hidden == [True, True], entity


def test_no_name_is_cut_and_no_switch_is_for_several_at_once() -> None:
    cards = [item for item in walk(views()) if isinstance(item, dict)]
    for card in cards:
        if card.get("type") == "entities":
            assert card["show_header_toggle"] is False
            assert all(len(row["name"]) <= 12 for row in card["entities"])
        elif card.get("type") in ("tile", "button"):
            assert len(card["name"]) <= 16, "more does not fit on half a phone"


# --- templates, with as much of Home Assistant as they use


def home_assistant(
    states: dict[str, tuple[str, dict[str, Any]]], now: datetime | None = None
) -> jinja2.Environment:
    """Return an environment with the states and attributes of entities."""
    loader = jinja2.DictLoader({PLACES["words"].name: write("words", SHOWN)})
    jinja = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined)  # noqa: S701
    jinja.globals |= {
        "states": lambda entity: states[entity][0] if entity in states else "unknown",
        "is_state": lambda entity, state: states.get(entity, ("unknown",))[0] == state,
        "state_attr": lambda entity, name: states.get(entity, ("", {}))[1].get(name),
        "has_value": lambda e: e in states and states[e][0] not in ("unknown", "unavailable"),
        "as_timestamp": lambda text: datetime.fromisoformat(text).timestamp(),
        "as_datetime": datetime.fromisoformat,
        "as_local": lambda moment: moment,
        "now": lambda: now,
    }
    jinja.globals["range"] = sandbox.safe_range
    jinja.filters["to_json"] = json.dumps
    jinja.filters["regex_replace"] = lambda text, find, put="": re.sub(find, put, text)
    jinja.filters["timestamp_custom"] = lambda s, form: datetime.fromtimestamp(s, UTC).strftime(
        form
    )
    return jinja


def shown_now(language: str, *, paused: bool = False) -> str:
    view = SessionView()
    entries = whole_session()
    for entry in entries:
        if entry.event.t_ms < READY_MS + HOLD_MS + 1_000:  # on the way to the left side
            view.apply(entry.event, entry.utc_ms)
    told = session_payload(view) | ({"state": "paused"} if paused else {})
    shown_state = STATES.get(language, {}).get(told["state"], told["state"])
    jinja = home_assistant({"sensor.s": (shown_state, told)})
    macro = jinja.get_template("tenuto.jinja").module.tenuto_now  # type: ignore[attr-defined]
    return str(macro("sensor.s", language))


def test_the_dashboard_says_what_is_held_what_follows_and_on_which_side() -> None:
    assert shown_now("en").split("\n\n") == [
        "## Kneeling Lunge, left",
        "**rest** until 08:00:44 · 2/3",
        "Next: Kneeling Lunge, right",
    ]
    german = shown_now("de")
    assert "links" in german
    assert "Danach: Kneeling Lunge, rechts" in german
    assert "ruhen" in german
    assert not {"left", "right", "rest", "until"} & set(re.findall(r"\w+", german))
    assert "**Pause**" in shown_now("de", paused=True)


@pytest.mark.parametrize(
    "state, held_days_ago, reminds",
    [
        ("2026-11-30T09:00:00+00:00", 5, True),  # today one was stopped at once
        ("2026-11-30T09:00:00+00:00", 0, False),
        ("2026-11-20T09:00:00+00:00", 10, True),
        ("2026-11-30T09:00:00+00:00", None, True),  # there never was more than that
        ("unknown", None, True),
        ("unavailable", None, False),
    ],
)
def test_a_reminder_counts_the_days_since_something_was_held(
    state: str, held_days_ago: int | None, *, reminds: bool
) -> None:
    data = load(FOLDER / "blueprints/automation/tenuto/remind.yaml")
    held = None if held_days_ago is None else NOW - timedelta(days=held_days_ago)
    attributes = {} if held is None else {"last_held_at": held.isoformat()}
    jinja = home_assistant({"sensor.last": (state, attributes)}, NOW)
    known: dict[str, Any] = {"last_session": "sensor.last", "days": 3, "running": []}
    for name in ("last_held", "days_ago"):
        known[name] = jinja.compile_expression(data["variables"][name].strip("{} \n"))(**known)
    told = [jinja.from_string(one).render(**known) for one in data["conditions"]]
    assert (told == ["True"] * 3) is reminds, (told, known)


def test_a_light_comes_back_at_once_or_when_what_a_restart_brings_has_settled() -> None:
    triggers = load(FOLDER / "blueprints/automation/tenuto/calm_room.yaml")["triggers"]
    waits = {str(one["from"]): one.get("for") for one in triggers if one["to"] == "off"}

    assert waits == {"on": None, "['unavailable', 'unknown']": "00:01:00"}


def test_the_bar_is_unavailable_where_nothing_is_known() -> None:
    (sensor,) = read(write("package", SHOWN))["template"][0]["sensor"]
    for state, wanted in (("on", "True"), ("unavailable", "False"), ("unknown", "False")):
        jinja = home_assistant({"binary_sensor.tenuto_wrist_running": (state, {})})
        assert jinja.from_string(sensor["availability"]).render() == wanted


def test_the_package_makes_a_bar_for_each_wearable_from_the_absolute_times() -> None:
    package = read(write("package", SHOWN))
    bars = [block["sensor"][0] for block in package["template"]]

    assert [bar["default_entity_id"] for bar in bars] == [
        f"sensor.{one.called}_progress" for one in SHOWN
    ]
    for bar in bars:
        assert {"step_started_at", "step_ends_at"} <= set(re.findall(r"'(step_\w+)'", bar["state"]))
    excluded = package["recorder"]["exclude"]["entities"]
    assert excluded == [bar["default_entity_id"] for bar in bars]


def test_nothing_in_the_package_is_empty() -> None:
    """Home Assistant's merging of packages leaves out what is empty."""
    for item in walk(read(write("package", SHOWN))):
        assert item not in ({}, [], None)


OPTIONS = ["Breathing 4-7-8", "Hips", "lower-back-60", "lower-back", "Planks, as long as you can"]


@pytest.mark.parametrize(
    "asked, title",
    [
        ("hips", "Hips"),
        ("lower back", "lower-back"),
        ("Lower back 60", "lower-back-60"),
        ("breathing 478", "Breathing 4-7-8"),
        ("planks", "Planks, as long as you can"),
        ("yoga", "yoga"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_what_was_said_finds_the_title_that_was_meant(asked: str, title: str) -> None:
    variables = read(write("package", SHOWN))["script"]["tenuto_wrist_start"]["variables"]
    jinja = home_assistant({"select.tenuto_wrist_routine": ("Hips", {"options": OPTIONS})}, NOW)
    said = jinja.from_string(variables["asked"]).render(routine=asked)

    assert jinja.from_string(variables["title"]).render(asked=said).strip() == title


def test_the_script_asks_once_and_waits_for_its_own_answer() -> None:
    script = read(write("package", SHOWN))["script"]["tenuto_wrist_start"]
    jinja = home_assistant({}, NOW)
    request = jinja.from_string(script["variables"]["request"]).render()
    publish = next(one for one in script["sequence"] if one.get("action") == "mqtt.publish")
    asked = {
        title: jinja.from_string(publish["data"]["payload"]).render(request=request, title=title)
        for title in ("Hips", "")
    }
    now_ms = NOW.timestamp() * 1000

    assert publish["data"]["topic"] == "tenuto/wrist/command"
    for title, payload in asked.items():
        command = parse_command("wrist", payload.encode(), now_ms)
        assert (command.verb, command.routine or "") == (Verb.START, title)
        assert (command.id, command.age_s) == (request, 0)
    (wait,) = (one["wait_template"] for one in script["sequence"] if "wait_template" in one)
    for known, is_mine in (("another", "False"), (request, "True")):
        states = {"event.tenuto_wrist_answer": ("now", {"id": known})}
        assert home_assistant(states).from_string(wait).render(request=request) == is_mine


@pytest.mark.parametrize("language", PHRASES)
def test_a_refusal_is_spoken_in_words(language: str) -> None:
    module = home_assistant({}).get_template("tenuto.jinja").module
    said = {
        reason: str(module.tenuto_spoken(answer, language))  # type: ignore[attr-defined]
        for reason in ("ok", "unreachable", "unknown_routine", "no_answer", "busy", "wrong_plan")
        for answer in ({"ok": reason == "ok", "reason": reason, "title": "Hips", "text": ""},)
    }
    assert len(set(said.values())) == len(said), "each is told apart"
    for reason, text in said.items():
        assert text.endswith(".")
        assert "_" not in text
        assert "{}" not in text
        assert ("Hips" in text) == (reason in ("ok", "unknown_routine"))


def test_words_in_other_languages_are_there_for_every_state() -> None:
    config = announce_wearable(Place(topics=TOPICS), Subject(id="w", name="w"), []).config
    states = {
        option
        for key in ("session", "step", "side", "last_result")
        for option in config["components"][key]["options"]
    }
    states |= {word for row in PERSON for word in row.words}
    english = PHRASES["en"].keys() - states
    for language, words in STATES.items():
        assert set(words) == states
        assert set(PHRASES[language]) == english
    told = home_assistant({}).get_template("tenuto.jinja").module
    assert str(told.tenuto_word("hold", "de")) == "halten"  # type: ignore[attr-defined]


def test_a_link_imports_a_blueprint_from_where_it_lies() -> None:
    links = dict(import_links("https://host.example/me/tenuto/blob/main/"))

    assert set(links) == {path.name for path in BLUEPRINTS}
    (imported,) = parse_qs(urlsplit(links["ask.yaml"]).query)["blueprint_url"]
    root, path = imported.split("/config/")
    assert root == "https://host.example/me/tenuto/blob/main"
    assert (FOLDER.parent / path).is_file()
    for wrong in ("host.example/me", "ftp://host.example/me", "https://", "https://h.example/?a=b"):
        with pytest.raises(InputError, match="is no address of a folder"):
            list(import_links(wrong))


def test_the_pictures_of_the_dashboard_show_what_the_payloads_say() -> None:
    for name, svg in picture.draw(picture.moment()).items():
        assert (picture.FOLDER / name).read_text(encoding="utf-8") == svg, (
            "run python -m tests.mqtt.picture"
        )


@pytest.mark.parametrize(
    "due, attributes, asked, question",
    [
        ([], {}, True, "Start now?"),
        ("sensor.due", {"due": ["Lower back", "Neck"]}, True, "Lower back, Neck: Start now?"),
        ("sensor.due", {"due": []}, False, "Start now?"),
        ("sensor.due", {}, False, "Start now?"),
    ],
)
def test_nobody_is_asked_while_nothing_is_due(
    due: object, attributes: dict[str, Any], asked: bool, question: str
) -> None:
    data = load(FOLDER / "blueprints/automation/tenuto/ask.yaml")
    (_, loop) = data["actions"]
    _, told, only_if, notify, *_ = loop["repeat"]["sequence"]
    jinja = home_assistant({"sensor.due": ("", attributes)})

    titles = attributes.get("due", []) if due else []
    shown = jinja.from_string(told["variables"]["titles"]).render(due=due)
    assert shown == str(titles)
    values = {"due": due, "titles": titles, "question": "Start now?"}
    assert jinja.from_string(only_if["value_template"]).render(values) == str(asked)
    assert jinja.from_string(notify["message"]).render(values) == question
