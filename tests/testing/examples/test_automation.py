# SPDX-License-Identifier: MIT
import json
import queue
from collections.abc import Callable, Iterator

import jinja2
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tenuto.testing import Broker, SimulatedHost

# From the automation that is tested: the light goes down when a hold begins.
TRIGGER = {
    "trigger": "mqtt",
    "topic": "tenuto/band/session",
    "value_template": "{{ value_json.state }} {{ value_json.kind }}",
    "payload": "playing hold",
}


@pytest.fixture
def home(tenuto_broker: Broker) -> Iterator[tuple[Client, Callable[[], None]]]:
    """What Home Assistant does with the trigger; returns a function that waits until it fires."""
    fired: queue.Queue[str] = queue.Queue()
    template = jinja2.Template(TRIGGER["value_template"])

    def on_message(_client: object, _data: object, message: MQTTMessage) -> None:
        if message.topic != TRIGGER["topic"]:
            return
        value = template.render(value_json=json.loads(message.payload or b"{}"))
        if value == TRIGGER["payload"]:
            fired.put(value)

    client = Client(CallbackAPIVersion.VERSION2, client_id="home")
    client.on_message = on_message
    client.connect(tenuto_broker.host, tenuto_broker.port)
    client.subscribe(TRIGGER["topic"])
    client.loop_start()
    yield client, lambda: (fired.get(timeout=20), None)[1]
    client.disconnect()
    client.loop_stop()


def test_the_light_goes_down_when_a_hold_begins(
    tenuto_host: SimulatedHost, home: tuple[Client, Callable[[], None]]
) -> None:
    client, wait_until_fired = home
    client.publish("tenuto/band/command", "start")  # as a button on a dashboard does
    wait_until_fired()
    assert tenuto_host.band.pulses
    assert tenuto_host.band.is_playing
