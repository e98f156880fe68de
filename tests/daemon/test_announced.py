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
        'address = "c1:22:33:44:55:66"\narea = "Den"\n',
        "tenuto.toml",
    )
    subject = subject_of(config.wearables[0], config)

    assert subject.manufacturer == maker
    assert subject.strength == strength
    assert subject.own_firmware == is_own
    assert subject.hosted == (model == "infinitime")
    assert (subject.address, subject.area) == ("C1:22:33:44:55:66", "Den")


def test_an_address_that_only_one_computer_knows_is_not_told() -> None:
    number = "8B1C5E0A-6D3C-4F5A-9C0B-2E1D7A9F4B60"  # as macOS has them
    config = parse(f'[[wearable]]\nid = "w"\nlink = "ble"\naddress = "{number}"\n', "tenuto.toml")

    assert subject_of(config.wearables[0], config).address == ""


@pytest.mark.parametrize(
    "web, address",
    [
        ("", ""),
        ('hosts = ["tenuto.lan"]', ""),
        ('hosts = ["tenuto.lan"]\nbehind_proxy = true', "https://tenuto.lan/"),
        (
            'listen = "0.0.0.0:8368"\nhosts = ["tenuto.lan"]\ncertificate = "page.pem"',
            "https://tenuto.lan:8368/",
        ),
        ('listen = "off"\nhosts = ["tenuto.lan"]', ""),
    ],
)
def test_a_link_to_the_page_is_one_that_other_computers_can_follow(web: str, address: str) -> None:
    config = parse(f'[web]\n{web}\n[[wearable]]\nid = "w"\nlink = "simulated"\n', "tenuto.toml")

    assert config.web.address_for_others == address
