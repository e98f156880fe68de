# SPDX-License-Identifier: MIT
"""Simulated wearables, radio, people and brokers for the tests of other programs; see README.md.

What this package names in `__all__`, and the fixtures of its pytest plugin, are Tenuto's public
interface for tests: they change incompatibly only with the first number of the version that is not
0, before 1.0 with the second, and the changelog says so.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenuto.simulator.hardware import Edge, Pulse

    from .bleak_radio import bleak_meets
    from .brokers import AmqttBroker, Broker, MosquittoBroker
    from .contract import FIRMWARE_CHECKS
    from .devices import Band, Device, firmware_folder
    from .hci import HciEndpoint
    from .hosts import SimulatedHost
    from .proxies import ProxyHouse
    from .worlds import LiveWorld, SimulatedWorld, VirtualWorld

__all__ = [
    "FIRMWARE_CHECKS",
    "AmqttBroker",
    "Band",
    "Broker",
    "Device",
    "Edge",
    "HciEndpoint",
    "LiveWorld",
    "MosquittoBroker",
    "ProxyHouse",
    "Pulse",
    "SimulatedHost",
    "SimulatedWorld",
    "VirtualWorld",
    "bleak_meets",
    "firmware_folder",
]

# Loaded when they are used: pytest loads the plugin in every project of an environment that has
# Tenuto, and must not pay for bumble there.
_PLACES = {
    "FIRMWARE_CHECKS": "tenuto.testing.contract",
    "AmqttBroker": "tenuto.testing.brokers",
    "Band": "tenuto.testing.devices",
    "Broker": "tenuto.testing.brokers",
    "Device": "tenuto.testing.devices",
    "Edge": "tenuto.simulator.hardware",
    "HciEndpoint": "tenuto.testing.hci",
    "LiveWorld": "tenuto.testing.worlds",
    "MosquittoBroker": "tenuto.testing.brokers",
    "ProxyHouse": "tenuto.testing.proxies",
    "Pulse": "tenuto.simulator.hardware",
    "SimulatedHost": "tenuto.testing.hosts",
    "SimulatedWorld": "tenuto.testing.worlds",
    "VirtualWorld": "tenuto.testing.worlds",
    "bleak_meets": "tenuto.testing.bleak_radio",
    "firmware_folder": "tenuto.testing.devices",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is named so
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
