# SPDX-License-Identifier: MIT
"""Blueprints, dashboard and package: YAML that Home Assistant takes, of entities that are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tenuto.mqtt.discovery import TRIGGERS, Subject, announce_person, announce_wearable
from tenuto.mqtt.topics import EVENT_TYPES, Topics
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
    topics = Topics("tenuto")
    wrist = announce_wearable(
        topics, "homeassistant", Subject(id="wrist", name="wrist", heart=True), ["lower-back"]
    )
    anna = announce_person(topics, "homeassistant", Subject(id="anna", name="Anna"))
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


def test_the_dashboard_has_plain_cards_only_and_shows_what_matters() -> None:
    data = load(DASHBOARD)
    kinds = {item["type"] for item in walk(data) if isinstance(item, dict) and "type" in item}

    assert kinds <= PLAIN_CARDS | PLAIN_FEATURES
    shown = set(ENTITY_ID.findall(DASHBOARD.read_text(encoding="utf-8")))
    for key in ("exercise", "progress", "next_exercise", "heart_rate", "start", "stop"):
        assert any(one.endswith(f"wrist_{key}") for one in shown)
    assert "sensor.tenuto_person_anna_minutes_this_week" in shown


def test_the_package_makes_the_bar_from_the_absolute_times() -> None:
    (block,) = load(PACKAGE)["template"]
    (sensor,) = block["sensor"]

    assert sensor["name"] == "Tenuto wrist progress"
    assert {"step_started_at", "step_ends_at"} <= set(re.findall(r"'(step_\w+)'", sensor["state"]))
    assert load(PACKAGE)["recorder"]["exclude"]["entities"] == ["sensor.tenuto_wrist_progress"]


def test_words_in_other_languages_are_there_for_every_state() -> None:
    text = (FOLDER / "custom_templates" / "tenuto.jinja").read_text(encoding="utf-8")
    topics = Topics("tenuto")
    config = announce_wearable(topics, "homeassistant", Subject(id="w", name="w"), []).config
    words = {
        option
        for key in ("session", "step", "side", "last_result")
        for option in config["components"][key]["options"]
    } - {"unknown"}
    for language in ("de", "fr", "es"):
        block = text.split(f"'{language}': {{")[1].split("}")[0]
        assert set(re.findall(r"'(\w+)':", block)) == words


def test_the_pictures_of_the_dashboard_show_what_the_payloads_say() -> None:
    for name, svg in picture.draw(picture.moment()).items():
        assert (picture.FOLDER / name).read_text(encoding="utf-8") == svg, (
            "run python -m tests.mqtt.picture"
        )
