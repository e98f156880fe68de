# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tenuto.config import find_config
from tenuto.config.broker import broker_addresses
from tenuto.errors import InputError
from tests.config.rig import mistakes, parse

if TYPE_CHECKING:
    from pathlib import Path


def test_a_broker_is_taken_apart_and_its_password_never_shown() -> None:
    found = parse('[mqtt]\nurl = "mqtts://me:s%40cret@broker.lan:99"\n')

    (broker,) = broker_addresses(found, {})
    assert broker is not None
    assert (broker.host, broker.port, broker.tls) == ("broker.lan", 99, True)
    assert (broker.user, broker.password) == ("me", "s@cret")
    assert "cret" not in repr(found)
    assert "cret" not in repr(broker) + str(broker)


def test_several_addresses_of_a_broker_share_what_the_table_says(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the file\n")
    (tmp_path / "secret").chmod(0o600)
    file = tmp_path / "tenuto.toml"
    file.write_text(
        'mqtt.url = "mqtt://me@one, mqtt://me:own@two:99,mqtts://three"\n'
        'mqtt.password_file = "secret"\nmqtt.client_id = "mine"\n'
    )
    file.chmod(0o600)
    one, two, three = broker_addresses(find_config(file), {})
    assert [str(address) for address in (one, two, three)] == [
        "mqtt://one:1883",
        "mqtt://two:99",
        "mqtts://three:8883",
    ]
    assert [address.password for address in (one, two, three)] == ["of the file", "own", None]
    assert {address.client_id for address in (one, two, three)} == {"mine"}


@pytest.mark.parametrize(
    "url, why",
    [
        ("mqtt://a,mqtt://a:1883", "mqtt://a:1883 is there twice"),
        (",".join(f"mqtt://h{n}" for n in range(9)), "there are 9 addresses, at most 8"),
        ("mqtt://me:s3cret@a,mqtt://", "names no host"),
        ("mqtt://a,b.local", "each begins with mqtt://"),
        ("embedded,mqtt://a", "must begin with"),
    ],
)
def test_a_bad_list_of_addresses_is_refused(url: str, why: str) -> None:
    (mistake,) = mistakes(f'[mqtt]\nurl = "{url}"\n')

    assert why in mistake
    assert "cret" not in mistake


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://me:s3cret@",
        "mqtt://me:s3cret@host:port",
        "mqtt://me:s3cret@host:99999",
        "mqtt://me:s3cret@host/topic",
        "mqtt://me:s3cret@ho st",
        "mqtt://me:s3cret@[::1",
        "http://me:s3cret@host",
        "me:s3cret@host",
        "s3cret",
        "mqtt://me:s3\\u0007cret@host",
    ],
)
def test_a_bad_address_of_a_broker_is_told_without_the_password(url: str) -> None:
    (mistake,) = mistakes(f'[mqtt]\nurl = "{url}"\n')

    assert mistake.startswith("t.toml:2: [mqtt]: `url` ")
    assert "cret" not in mistake


def test_off_and_embedded() -> None:
    assert parse('[mqtt]\nurl = "off"\n').mqtt.is_off
    assert not parse('[mqtt]\nurl = "mqtt://host"\n').mqtt.is_embedded


def test_files_for_the_broker_start_at_the_configuration(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\nnot this\n", encoding="utf-8")
    secret.chmod(0o600)
    (tmp_path / "ca.crt").touch()
    file = tmp_path / "t.toml"
    file.write_text(
        'mqtt.url = "mqtts://me@host"\nmqtt.password_file = "secret"\nmqtt.ca_file = "ca.crt"\n'
        'mqtt.client_id = "band.1"\nmqtt.keep_alive_s = 60\n',
        encoding="utf-8",
    )

    (broker,) = broker_addresses(find_config(file), {})

    assert broker is not None
    assert (broker.user, broker.password, broker.ca_file) == ("me", "s3cret", tmp_path / "ca.crt")
    assert (broker.client_id, broker.keepalive_s) == ("band.1", 60)
    (other,) = broker_addresses(find_config(file), {"TENUTO_MQTT_PASSWORD": "of the environment"})
    assert other is not None
    assert other.password == "of the environment"  # noqa: S105
    assert "s3cret" not in repr(find_config(file)) + repr(broker)

    secret.write_text("s3cret", encoding="utf-8-sig")  # as some editors write it
    (marked,) = broker_addresses(find_config(file), {})
    assert marked is not None
    assert marked.password == "s3cret"  # noqa: S105


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
def test_all_files_for_the_broker_that_cannot_be_used_are_told_at_once(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", encoding="utf-8")
    secret.chmod(0o640)
    file = tmp_path / "t.toml"
    file.write_text(
        'mqtt.url = "mqtts://me@host"\nmqtt.password_file = "secret"\nmqtt.ca_file = "no.crt"\n'
        'mqtt.certificate = "none.crt"\n',
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        broker_addresses(find_config(file), {})

    told = [str(mistake) for mistake in caught.value.mistakes]
    assert len(told) == 3
    assert "`ca_file` of [mqtt] cannot be read" in told[0]
    assert "chmod 600" in told[2]
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("letter,code", [("#", "%23"), ("/", "%2F"), ("?", "%3F")])
def test_a_password_with_a_letter_that_ends_it_is_told_with_its_code(
    letter: str, code: str
) -> None:
    for password in (f"s3{letter}cret", f"12{letter}34cret"):
        (mistake,) = mistakes(f'mqtt.url = "mqtt://me:{password}@host"\n')
        assert code in mistake
        assert "cret" not in mistake
