# SPDX-License-Identifier: MIT
"""Blueprints, dashboard and package: YAML that Home Assistant takes, of entities that are there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml  # type: ignore[import-untyped]

from tenuto.mqtt.discovery import (
    TRIGGERS,
    WEARABLE,
    Place,
    Subject,
    announce_person,
    announce_wearable,
)
from tenuto.mqtt.topics import EVENT_TYPES, Topics, session_payload
from tenuto.sessions.view import SessionView
from tests.history.sessions import HOLD_MS, READY_MS, whole_session
from tests.mqtt import picture

FOLDER = Path(__file__).resolve().parents[2] / "config" / "homeassistant"
BLUEPRINTS = sorted((FOLDER / "blueprints").rglob("*.yaml"))
PACKAGE = FOLDER / "packages" / "tenuto.yaml"
DASHBOARD = FOLDER / "dashboard.yaml"
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


def load(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - it is a safe one


def walk(item: Any) -> list[Any]:
    """All that is in a tree of lists and mappings, itself first."""
    children = (
        list(item.values()) if isinstance(item, dict) else item if isinstance(item, list) else []
    )
    return [item, *(found for child in children for found in walk(child))]


def entity_ids() -> set[str]:
    place = Place(topics=Topics("tenuto"))
    wrist = announce_wearable(
        place,
        Subject(id="wrist", name="wrist", heart=True),
        ["lower-back"],
        told=[row.known for row in WEARABLE],
    )
    anna = announce_person(place, Subject(id="anna", name="Anna"))
    return {
        item["default_entity_id"]
        for announcement in (wrist, anna)
        for item in announcement.config["components"].values()
        if "default_entity_id" in item
    }


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
        assert trigger["trigger"] in ("state", "time", "device")


def test_there_is_a_blueprint_for_each_of_the_five_wishes() -> None:
    assert {path.stem for path in BLUEPRINTS} == {
        "after_run",
        "calm_room",
        "music_ends",
        "remind",
        "speak_next",
    }


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


@pytest.mark.parametrize("path", [DASHBOARD, PACKAGE], ids=lambda path: path.stem)
def test_every_entity_that_is_named_is_announced(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    own = {"sensor.tenuto_wrist_progress"}  # made by the package

    found = set(ENTITY_ID.findall(text))

    assert found
    assert found - own <= entity_ids()


def sections() -> list[dict[str, Any]]:
    (view,) = load(DASHBOARD)["views"]
    found: list[dict[str, Any]] = view["sections"]
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
    data = load(DASHBOARD)
    kinds = {item["type"] for item in walk(data) if isinstance(item, dict) and "type" in item}

    assert kinds <= PLAIN_CARDS | PLAIN_FEATURES
    shown = set(ENTITY_ID.findall(DASHBOARD.read_text(encoding="utf-8")))
    for key in ("session", "progress", "heart_rate", "start", "stop", "pause", "routine"):
        assert any(one.endswith(f"wrist_{key}") for one in shown)
    assert "sensor.tenuto_person_anna_minutes_this_week" in shown


def test_a_stop_is_on_the_first_screen_unless_it_is_sure_that_nothing_plays() -> None:
    running = "binary_sensor.tenuto_wrist_running"
    for state in ("on", "off", "unavailable", "unknown"):
        seen = [card for card in sections()[0]["cards"] if shown_while(card, running, state)]
        ids = {card.get("entity") for card in seen}
        stops = {"button.tenuto_wrist_pause", "button.tenuto_wrist_stop"} & ids
        assert len(stops) == (0 if state == "off" else 2), state
        assert ("button.tenuto_wrist_start" in ids) is (state == "off")
        assert ("sensor.tenuto_wrist_progress" in ids) is (state == "on")


def test_nothing_that_may_be_missing_is_shown_as_not_found() -> None:
    """Home Assistant takes the state of what is not there for "unknown"."""
    topics = Topics("tenuto")
    always = {
        item["default_entity_id"]
        for item in announce_wearable(
            Place(topics=topics), Subject(id="wrist", name="wrist", person=True), []
        )
        .config["components"]
        .values()
        if "default_entity_id" in item
    } | {"sensor.tenuto_wrist_progress"}
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
    cards = [item for item in walk(load(DASHBOARD)) if isinstance(item, dict)]
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
    loader = jinja2.FileSystemLoader(FOLDER / "custom_templates")
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
    told = session_payload(view)
    state = "paused" if paused else told["state"]
    jinja = home_assistant({"sensor.s": (state, told)})
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


NOW = datetime(2026, 11, 30, 18, tzinfo=UTC)


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
    (sensor,) = load(PACKAGE)["template"][0]["sensor"]
    for state, wanted in (("on", "True"), ("unavailable", "False"), ("unknown", "False")):
        jinja = home_assistant({"binary_sensor.tenuto_wrist_running": (state, {})})
        assert jinja.from_string(sensor["availability"]).render() == wanted


def test_the_package_makes_the_bar_from_the_absolute_times() -> None:
    (block,) = load(PACKAGE)["template"]
    (sensor,) = block["sensor"]

    assert sensor["name"] == "Tenuto wrist progress"
    assert {"step_started_at", "step_ends_at"} <= set(re.findall(r"'(step_\w+)'", sensor["state"]))
    assert load(PACKAGE)["recorder"]["exclude"]["entities"] == ["sensor.tenuto_wrist_progress"]


def test_words_in_other_languages_are_there_for_every_state() -> None:
    text = (FOLDER / "custom_templates" / "tenuto.jinja").read_text(encoding="utf-8")
    topics = Topics("tenuto")
    config = announce_wearable(Place(topics=topics), Subject(id="w", name="w"), []).config
    words = {
        option
        for key in ("session", "step", "side", "last_result")
        for option in config["components"][key]["options"]
    } - {"unknown"} | {"next", "until", "press", "heart", "away"}
    for language in ("de", "fr", "es"):
        block = text.split(f"'{language}': {{")[1].split("}")[0]
        assert set(re.findall(r"'(\w+)':", block)) == words


def test_the_pictures_of_the_dashboard_show_what_the_payloads_say() -> None:
    for name, svg in picture.draw(picture.moment()).items():
        assert (picture.FOLDER / name).read_text(encoding="utf-8") == svg, (
            "run python -m tests.mqtt.picture"
        )
