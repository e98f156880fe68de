# SPDX-License-Identifier: MIT
"""The configuration: wearables, people, broker, history; see `config/tenuto.toml`.

`values` says what a single value may be, `sections` what is in a table and fits together there,
`reading` what fits between the tables; `configuration` is the whole, and answers what others ask.
`broker` is imported by its own name, since few need it.
"""

from __future__ import annotations

from tenuto.config.configuration import Config
from tenuto.config.folders import Folders, own_folders
from tenuto.config.reading import find_config, parse
from tenuto.config.sections import (
    Bluetooth,
    Fleet,
    Haptics,
    History,
    HomeAssistant,
    Mqtt,
    Person,
    Routines,
    Wearable,
    Web,
)

__all__ = [
    "Bluetooth",
    "Config",
    "Fleet",
    "Folders",
    "Haptics",
    "History",
    "HomeAssistant",
    "Mqtt",
    "Person",
    "Routines",
    "Wearable",
    "Web",
    "find_config",
    "own_folders",
    "parse",
]
