# SPDX-License-Identifier: MIT
from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from tenuto import mqtt
from tenuto.config.broker import PASSWORD_VARIABLE
from tenuto.errors import InputError
from tenuto.history.outbox_table import OUTBOX_MAX
from tenuto.history.person_summary import person_summary
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.discovery import RETAINED_OF_WEARABLE
from tenuto.mqtt.topics import (
    COMMAND_BYTES_MAX,
    NOT_OF_THE_SESSION,
    BadCommandError,
    Topics,
    device_payload,
    event_payload,
    parse_command,
    session_payload,
    settings_payload,
    summary_payload,
)
from tenuto.routines.adjust import HOLD_PCT, STRENGTH_PCT
from tenuto.sessions import events
from tenuto.sessions.admission import REQUEST_BURST, REQUESTS_PER_S
from tenuto.sessions.commands import AGE_MAX_S, EXTEND_MS_MAX, Command, Verb
from tenuto.sessions.view import SessionView
from tenuto.state.preferences import Preferences
from tenuto.wearables.device_state import DeviceState
from tests.history.sessions import whole_session

NOW_MS = 1_800_000_000_000.0
README = Path(mqtt.__file__).with_name("README.md")


@pytest.mark.parametrize(
    "url,address",
    [
        ("mqtt://broker", BrokerAddress("broker", 1883)),
        ("mqtts://broker", BrokerAddress("broker", 8883, tls=True)),
        ("mqtt://broker:1884/", BrokerAddress("broker", 1884)),
        ("mqtt://ada@broker", BrokerAddress("broker", 1883, user="ada")),
        (
            "mqtt://ada:p%40ss%2F%3A@10.0.0.1:99",
            BrokerAddress("10.0.0.1", 99, user="ada", password="p@ss/:"),  # noqa: S106
        ),
        ("mqtt://[fe80::1]:1883", BrokerAddress("fe80::1", 1883)),
        ("unix:///run/mqtt.sock", BrokerAddress("/run/mqtt.sock", transport="unix")),
        (
            "unix://ada:p%40ss@/run/a%20b.sock",
            BrokerAddress("/run/a b.sock", transport="unix", user="ada", password="p@ss"),  # noqa: S106
        ),
    ],
)
def test_an_address_is_read(url: str, address: BrokerAddress) -> None:
    assert BrokerAddress.parse(url) == address


@pytest.mark.parametrize(
    "url,text",
    [
        ("http://broker", "begin with mqtt://, mqtts:// or unix://"),
        ("broker:1883", "begin with mqtt://, mqtts:// or unix://"),
        ("unix://", "its whole path, as in unix:///run"),
        ("unix:///", "its whole path, as in unix:///run"),
        ("unix://run/ada:s3cret@mqtt.sock", "its whole path"),
        ("unix://ada:s3cret@host/run/mqtt.sock", "its whole path"),
        ("unix://ada:s3cret@:1883/run/mqtt.sock", "its whole path"),
        ("unix:///run/mqtt.sock?s3cret", "%3F"),
        ("unix:///run/mqtt%00.sock", "its whole path"),
        ("mqtt://", "names no host"),
        ("mqtt://ada:s3cret@", "names no host"),
        ("mqtt://ada:s3cret@broker:port", "must be like"),
        ("mqtt://ada:s3cret@broker:99999", "must be like"),
        ("mqtt://broker/tenuto", "base_topic"),
        ("mqtt://ada:s3cret?@broker", "must be like|%3F"),
    ],
)
def test_a_wrong_address_is_told_without_its_password(url: str, text: str) -> None:
    with pytest.raises(InputError, match=text) as info:
        BrokerAddress.parse(url)
    assert "s3cret" not in str(info.value)


def test_an_address_shows_no_password() -> None:
    address = BrokerAddress.parse("mqtts://ada:s3cret@[fe80::1]")

    assert str(address) == "mqtts://[fe80::1]:8883"
    assert "s3cret" not in repr(address)
    assert str(BrokerAddress.parse("unix://ada:s3cret@/run/a%20b")) == "unix:///run/a%20b"


@pytest.mark.parametrize("base", ["", "/tenuto", "tenuto/", "a//b", "a/+", "#", "$SYS", "ü", "a b"])
def test_a_base_that_cannot_be_a_topic_is_refused(base: str) -> None:
    with pytest.raises(InputError, match="base_topic"):
        Topics(base)


@pytest.mark.parametrize("wearable", ["", "a/b", "+", "#", "bridge", "person", "x" * 65])
def test_a_wearable_that_cannot_be_a_level_is_refused(wearable: str) -> None:
    with pytest.raises(InputError, match="wearable"):
        Topics("home/tenuto").of(wearable, "session")


def test_a_wearable_is_found_in_its_command_topic() -> None:
    topics = Topics("home/tenuto")

    assert topics.asked(topics.of("wrist", "command")) == ("wrist", "command")
    assert topics.asked(topics.of("wrist", "strength/set")) == ("wrist", "strength")
    for other in ("session", "result", "set", "command/set/set", "", "a/command"):
        assert topics.asked(topics.of("wrist", other)) is None, other


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_command_or_a_clear_refusal(payload: bytes) -> None:
    try:
        command = parse_command("wrist", payload, NOW_MS)
    except BadCommandError as error:
        refusal: str | None = str(error)
    else:
        refusal = None
        assert (command.wearable, command.verb) == ("wrist", Verb(command.verb))
        assert 1 <= command.by_ms <= EXTEND_MS_MAX

    assert refusal is None or 10 < len(refusal) < 300


def test_the_limits_of_a_command_are_those_that_are_told() -> None:
    longest = '{"command":"extend","by_s":600,"id":"' + "x" * 64 + '"}'
    padded = longest + " " * (COMMAND_BYTES_MAX - len(longest))

    assert parse_command("wrist", padded.encode(), NOW_MS) == Command(
        wearable="wrist", verb=Verb.EXTEND, by_ms=EXTEND_MS_MAX, id="x" * 64
    )
    with pytest.raises(BadCommandError, match="at most 1024 bytes"):
        parse_command("wrist", padded.encode() + b" ", NOW_MS)
    with pytest.raises(BadCommandError, match="id must be"):
        parse_command("wrist", b'{"command":"stop","id":"' + b"x" * 65 + b'"}', NOW_MS)


def test_the_readme_names_every_topic_field_command_setting_and_limit() -> None:
    text = README.read_text(encoding="utf-8")
    words = [
        *session_payload(SessionView()),
        *device_payload(DeviceState(link="ble")),
        *summary_payload(person_summary([], round(NOW_MS))),
        *settings_payload(Preferences(), "lower-back"),
        *(word for word in event_payload(whole_session()[0]) if word in ("utc", "session")),
        "late",
        *Verb,
    ]
    for word in words:
        assert f"`{word}`" in text
    topics = Topics("tenuto")
    named = [topics.bridge, topics.who, topics.instance, topics.of_person("anna", "summary")]
    named += [topics.of("wrist", what) for what in (*RETAINED_OF_WEARABLE, "event", "heart")]
    named += [topics.of("wrist", what) for what in ("command", "result", "hold_time/set")]
    for topic in named:
        assert f"`{topic}`" in text
    for number in (
        COMMAND_BYTES_MAX,
        REQUEST_BURST,
        OUTBOX_MAX,
        f"{REQUESTS_PER_S:g} a second",
        f"{AGE_MAX_S:g} s",
        f"{STRENGTH_PCT[0]} to {STRENGTH_PCT[1]} %",
        f"{HOLD_PCT[0]} to {HOLD_PCT[1]} %",
    ):
        assert re.search(rf"\b{number}", text)
    for key in ("password_file", "ca_file", "certificate", "client_id", "keep_alive_s"):
        assert f"`{key}`" in text
    assert PASSWORD_VARIABLE in text


def test_what_is_not_of_the_session_leaves_what_is_told_of_it_as_it_was() -> None:
    view, seen = SessionView(), set()
    for entry in whole_session():
        before = session_payload(view)
        view.apply(entry.event, entry.utc_ms)
        if type(entry.event) in NOT_OF_THE_SESSION:
            seen.add(type(entry.event))
            assert session_payload(view) == before
    assert {events.CueFired, events.HeartBeat} <= seen
