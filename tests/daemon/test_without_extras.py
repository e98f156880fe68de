# SPDX-License-Identifier: MIT
"""What the daemon does where an extra is not installed."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenuto.config import Config, Folders
from tenuto.daemon.build import Setting, open_host
from tenuto.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


async def test_nobody_needs_a_broker_that_nobody_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenuto.extras.find_spec", lambda _name: None)
    config = Config(own=Folders(tmp_path, tmp_path))
    setting = Setting(config=config, speed=1.0, mqtt=True, say=lambda _text: None)
    async with open_host(setting, config.wearables, []) as host:
        assert host.mqtt.text == ""


async def test_a_broker_that_a_configuration_asks_for_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenuto.extras.find_spec", lambda _name: None)
    monkeypatch.setitem(sys.modules, "amqtt.adapters", None)
    config = replace(Config(own=Folders(tmp_path, tmp_path)), file=tmp_path / "tenuto.toml")
    setting = Setting(config=config, speed=1.0, mqtt=True, say=lambda _text: None)
    with pytest.raises(InputError, match=r'"tenuto\[broker\]"'):
        async with open_host(setting, config.wearables, []):
            pass
