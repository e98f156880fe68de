# SPDX-License-Identifier: MIT
"""What Home Assistant is told of a wearable of each model."""

from __future__ import annotations

import pytest

from tenuto.config import parse
from tenuto.daemon.mqtt_service import subject_of


@pytest.mark.parametrize(
    "model, link, maker, strength, is_own",
    [
        ("band", "ble", "Tenuto", True, True),
        ("bangle", "espruino", "Espruino", False, False),
        ("infinitime", "ble", "PINE64", False, False),
    ],
)
def test_only_firmware_of_our_own_is_offered(
    model: str, link: str, maker: str, *, strength: bool, is_own: bool
) -> None:
    config = parse(
        f'[[wearable]]\nid = "w"\nmodel = "{model}"\nlink = "{link}"\n'
        'address = "C1:22:33:44:55:66"\n',
        "tenuto.toml",
    )
    subject = subject_of(config.wearables[0], config)

    assert subject.manufacturer == maker
    assert subject.strength == strength
    assert subject.own_firmware == is_own
