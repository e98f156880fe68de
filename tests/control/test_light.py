# SPDX-License-Identifier: MIT
"""What a daemon at rest holds in memory is what it has loaded."""

from __future__ import annotations

import re
import signal

import pytest

from tests.processes import address, configure, tenuto_process, user, wearable, world

pytestmark = pytest.mark.slow

NOT_NEEDED_AT_REST = {
    "aiomqtt": "there is no broker",
    "amqtt": "there is no broker",
    "cryptography": "the bond is there already",
    "dbus_fast": "the radio is not BlueZ's",
    "fit_tool": "nothing is exported",
    "markdown_it": "nobody asks for help",
    "paho": "there is no broker",
    "rich": "nothing is drawn",
    "serial": "there is no cable",
    "tenuto.history.fit": "nothing is exported",
    "tenuto.history.repair": "nothing is mended",
    "tenuto.mqtt.bridge": "there is no broker",
    "tenuto.report": "nothing is reported",
    "tenuto.routines.schema": "no schema is asked for",
    "tenuto.simulator": "nothing is simulated",
    "tenuto.terminal": "nothing is drawn",
}


def test_a_daemon_with_a_bonded_wearable_has_loaded_only_what_it_needs() -> None:
    with user() as folder, world(folder, 1) as adapter:
        configure(folder, f'bluetooth.adapter = "{adapter}"\n{wearable("wrist", address(1))}')
        with tenuto_process("daemon", folder=folder) as bonding:
            bonding.until("connected")
            bonding.end(signal.SIGTERM)
        with tenuto_process("daemon", folder=folder, PYTHONPROFILEIMPORTTIME="1") as daemon:
            daemon.until("connected")
            daemon.end(signal.SIGTERM)
            said = daemon.rest()

    loaded = set(re.findall(r"^import time:.*\| +(\S+)$", said, re.MULTILINE))
    assert {"tenuto.links.radios.bumble", "tenuto.daemon.hub"} <= loaded
    assert loaded & NOT_NEEDED_AT_REST.keys() == set()
