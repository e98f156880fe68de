# SPDX-License-Identifier: MIT
"""The app of Home Assistant is what its supervisor takes, and fits the program."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tenuto import __version__
from tenuto.config import parse
from tests.conftest import ROOT

APP = ROOT / "config/homeassistant-app"
SUPERVISOR = "172.30.32.2"
"""Its address in the network of every Home Assistant's apps."""
TEXT, FLAG, NUMBER, LIST = (str, bool, int, list)
KEYS: dict[str, type] = {
    **dict.fromkeys(("name", "version", "slug", "description", "startup", "backup"), TEXT),
    **dict.fromkeys(("panel_icon", "panel_title", "watchdog", "boot", "url", "image"), TEXT),
    **dict.fromkeys(("ingress", "ingress_stream", "panel_admin", "init", "host_network"), FLAG),
    **dict.fromkeys(("host_dbus", "uart", "usb", "udev", "apparmor", "hassio_api"), FLAG),
    **dict.fromkeys(("arch", "services", "map", "devices", "privileged"), LIST),
    "ingress_port": NUMBER,
}
"""Those that the supervisor's schema knows and an app like this one may need; others it drops."""
REQUIRED = {"name", "version", "slug", "description", "arch"}
ALLOWED = {
    "arch": r"aarch64|amd64",
    "services": r"(mqtt|mysql):(provide|want|need)",
    "map": r"(data|ssl|share|media|homeassistant_config|addon_config)(:(rw|ro))?",
    "startup": r"initialize|system|services|application|once",
    "backup": r"hot|cold",
    "slug": r"[-_.A-Za-z0-9]+",
    "watchdog": r"(?:https?|\[PROTO:\w+\]|tcp)://\[HOST\]:(\[PORT:\d+\]|\d+).*",
}


@pytest.fixture(scope="module")
def app() -> dict[str, Any]:
    found = yaml.safe_load((APP / "config.yaml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_the_supervisor_takes_it(app: dict[str, Any]) -> None:
    assert app.keys() >= REQUIRED
    for key, value in app.items():
        assert type(value) is KEYS[key], key
        values: list[Any] = value if isinstance(value, list) else [value]
        for one in values:
            assert key not in ALLOWED or re.fullmatch(ALLOWED[key], one), f"{key}: {one}"


def test_it_is_this_version(app: dict[str, Any]) -> None:
    assert app["version"] == __version__


def test_the_page_is_where_the_supervisor_looks_for_it(app: dict[str, Any]) -> None:
    """And only administrators are let in, since whoever is in sees all."""
    config = parse((APP / "tenuto.toml").read_bytes(), str(APP / "tenuto.toml"))

    assert app["ingress"]
    assert app["panel_admin"]
    assert config.web.port == app["ingress_port"]
    assert config.web.ingress == SUPERVISOR
    assert config.mqtt.is_supervised
    assert "mqtt:want" in app["services"]


def test_what_must_last_is_in_folders_that_last(app: dict[str, Any]) -> None:
    config = parse((APP / "tenuto.toml").read_bytes(), str(APP / "tenuto.toml"))

    assert config.history_path.is_relative_to("/data")
    assert config.routines_folder.is_relative_to("/config")
    assert "addon_config:rw" in app["map"]
