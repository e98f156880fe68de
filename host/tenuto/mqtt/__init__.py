# SPDX-License-Identifier: MIT
"""MQTT: what happens goes out, commands come in; README.md in this folder has the topics."""

from __future__ import annotations

from .address import BrokerAddress
from .bridge import Bridge
from .broker import EmbeddedBroker

__all__ = ["Bridge", "BrokerAddress", "EmbeddedBroker"]
