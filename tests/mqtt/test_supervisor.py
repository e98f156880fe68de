# SPDX-License-Identifier: MIT
"""Home Assistant's supervisor says which broker there is: a real server that answers as it does."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.config import parse
from tenuto.config.broker import broker_addresses
from tenuto.errors import InputError
from tenuto.mqtt import supervisor
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.supervisor import TRIES, ask_supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "app-token"  # noqa: S105 - of a test
MOSQUITTO = {
    "addon": "core_mosquitto",
    "host": "core-mosquitto",
    "port": 1883,
    "ssl": False,
    "protocol": "3.1.1",
    "username": "addons",
    "password": "secret",
}


@contextmanager
def answering(*answers: tuple[int, Any]) -> Iterator[tuple[str, list[str]]]:
    """Serve answers in turn, the last one for ever; yields the address, and what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            may_ask = self.headers["Authorization"] == f"Bearer {TOKEN}"
            status, told = answers[min(len(asked), len(answers) - 1)] if may_ask else (401, {})
            asked.append(self.path)
            body = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


NONE_YET = 400, {"result": "error", "message": "Service not enabled"}


def ask(address: str, token: str = TOKEN) -> BrokerAddress:
    return ask_supervisor({"SUPERVISOR_TOKEN": token}, address, between_tries_s=0)


def test_the_broker_of_the_mosquitto_app_is_found() -> None:
    with answering((200, {"result": "ok", "data": MOSQUITTO})) as (address, asked):
        found = ask(address)

    assert found == BrokerAddress("core-mosquitto", 1883, user="addons", password="secret")  # noqa: S106
    assert asked == ["/services/mqtt"]


def test_a_broker_with_tls_and_without_a_user() -> None:
    told = MOSQUITTO | {"port": 8883, "ssl": True, "username": "", "password": ""}
    with answering((200, {"result": "ok", "data": told})) as (address, _):
        found = ask(address)

    assert (found.tls, found.port, found.user, found.password) == (True, 8883, None, None)


def test_a_broker_that_is_up_a_little_later_is_waited_for() -> None:
    answers = NONE_YET, NONE_YET, (200, {"result": "ok", "data": MOSQUITTO})
    with answering(*answers) as (address, asked):
        assert ask(address).host == "core-mosquitto"

    assert len(asked) == 3


def test_without_a_broker_it_says_what_to_do() -> None:
    with (
        answering(NONE_YET) as (address, asked),
        pytest.raises(InputError, match="install and start the Mosquitto app"),
    ):
        ask(address)

    assert len(asked) == TRIES


def test_an_app_that_may_not_ask_is_told_so_at_once() -> None:
    with (
        answering(NONE_YET) as (address, asked),
        pytest.raises(InputError, match="mqtt:want"),
    ):
        ask(address, "somebody else's")

    assert len(asked) == 1


@pytest.mark.parametrize(
    "told",
    [
        b"<html>",
        [],
        {"result": "ok"},
        {"data": {"host": "", "port": 1883}},
        {"data": {"host": "core-mosquitto", "port": 99_999}},
        {"data": {"host": "core-mosquitto", "port": None}},
    ],
)
def test_an_answer_that_names_no_broker_is_refused(told: object) -> None:
    with (
        answering((200, told)) as (address, _),
        pytest.raises(InputError, match="answer about the broker is not known"),
    ):
        ask(address)


def test_elsewhere_than_in_an_app_the_configuration_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = parse('mqtt.url = "supervisor"\n', "t.toml")
    with pytest.raises(InputError, match="this is none"):
        broker_addresses(config, {})

    with answering((200, {"result": "ok", "data": MOSQUITTO})) as (address, _):
        monkeypatch.setattr(supervisor.ask_supervisor, "__defaults__", (address, 0))
        (found,) = broker_addresses(
            config, {"SUPERVISOR_TOKEN": TOKEN, "TENUTO_MQTT_PASSWORD": "mine"}
        )
    assert found is not None
    assert (found.user, found.password) == ("addons", "mine")
