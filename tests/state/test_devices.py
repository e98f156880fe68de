# SPDX-License-Identifier: MIT
"""What devices are known by, with and without a number of their own."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from tenuto.sessions.device import device_of
from tenuto.state.devices import DeviceIds

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "serial,address,known_by",
    [
        ("E6614C77", "C0:00:00:00:00:01", "serial:E6614C77"),
        (None, "c0:00:00:00:00:01", "address:C0:00:00:00:00:01"),
        (None, None, "local:1"),
        ("", None, "local:1"),
        ("x" * 65, None, "local:1"),
        ("a\x07b", None, "local:1"),
        ("\ufffd", "C0:00:00:00:00:01", "address:C0:00:00:00:00:01"),
    ],
)
def test_a_device_is_known_by_the_best_that_it_tells(
    serial: str | None, address: str | None, known_by: str
) -> None:
    assert device_of(serial, address, "local:1") == known_by


def test_a_number_is_given_once_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "new" / "devices.json"
    wrist, waist = DeviceIds(path).of("wrist"), DeviceIds(path).of("waist")

    assert wrist.startswith("local:")
    assert wrist != waist
    assert (DeviceIds(path).of("wrist"), DeviceIds(path).of("waist")) == (wrist, waist)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", '{"wrist": 3}', '{"wrist": "serial:1"}', "\x00{"])
def test_a_broken_file_gives_a_new_number(tmp_path: Path, text: str) -> None:
    path = tmp_path / "devices.json"
    path.write_text(text, encoding="utf-8")
    wrist = DeviceIds(path).of("wrist")

    assert wrist != "local:3"
    assert DeviceIds(path).of("wrist") == wrist
