# SPDX-License-Identifier: MIT
"""The service file fits the program that it starts."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from platformdirs.unix import Unix

from tenuto.cli import WRONG_USE
from tenuto.cli.daemon import START_AGAIN
from tenuto.config import own_folders
from tenuto.daemon.systemd import STATUS_EVERY_S
from tests.conftest import ROOT

if TYPE_CHECKING:
    import pytest

UNIT = ROOT / "config" / "systemd" / "tenuto.service"
README = UNIT.with_name("README.md")


def unit() -> dict[str, list[str]]:
    """The keys of all sections; a key may come several times."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in UNIT.read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


def test_it_is_told_when_the_daemon_is_ready_and_that_it_lives() -> None:
    keys = unit()
    assert keys["Type"] == ["notify"]
    assert float(keys["WatchdogSec"][0]) > 2 * STATUS_EVERY_S
    assert keys["ExecStart"][0].endswith("tenuto daemon")
    assert "-HUP" in keys["ExecReload"][0]


def test_what_trying_again_does_not_mend_is_not_tried_again() -> None:
    keys = unit()
    assert keys["Restart"] == ["always"]
    assert keys["RestartPreventExitStatus"] == [str(WRONG_USE)]
    assert keys["SuccessExitStatus"] == [str(START_AGAIN)]


def test_the_daemon_may_write_where_it_keeps_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/%i")
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    keys = unit()
    own = own_folders(Unix)
    assert keys["ReadWritePaths"] == [str(own.data)]
    assert keys["ProtectHome"] == ["read-only"], "it reads its configuration there"


def test_the_readme_installs_it_under_the_name_that_its_user_needs() -> None:
    assert "User=%i" in UNIT.read_text()
    assert "/etc/systemd/system/tenuto@.service" in README.read_text()
