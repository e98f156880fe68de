# SPDX-License-Identifier: MIT
"""What is examined, and what is found."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenuto.links.radios.registry import radio_named
from tenuto.links.registry import LINKS
from tenuto.links.serial import board_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenuto.config import Config
    from tenuto.errors import InputError
    from tenuto.links.ble_adapter import BleAdapter

TIME_ERROR = 5
"""What `adjtimex(2)` returns when nobody sets the clock by another one."""
_TIMEX_BYTES = 512  # more than `struct timex` has anywhere


def own_groups() -> frozenset[str]:
    """Return the names of the groups that this user is in, `root` for root; empty on Windows."""
    if sys.platform == "win32":
        return frozenset()
    import grp  # noqa: PLC0415 - not on Windows

    names = {"root"} if os.geteuid() == 0 else set[str]()
    for number in {*os.getgroups(), os.getegid()}:
        try:
            names.add(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return frozenset(names)


def is_clock_set() -> bool | None:
    """Whether the kernel knows that its clock is kept in time; None where it does not say.

    Whoever keeps it, systemd-timesyncd, chrony or ntpd, tells the kernel by `adjtimex(2)`.
    """
    if sys.platform != "linux":
        return None
    try:
        libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        # All zeros: `modes` is 0, which only asks.
        state = int(libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != TIME_ERROR


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but something may be missed."""
    PROBLEM = "problem"
    """Something that was asked for does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: Its name in the table.
        text: How it is.
        advice: What to do, None when all is well.
    """

    check: str
    level: Level
    text: str
    advice: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object for programs."""
        return {
            "check": self.check,
            "level": self.level.value,
            "text": self.text,
            "advice": self.advice,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A Tenuto on a machine, and the means to look at it.

    Attributes:
        config: None if it is wrong, then `mistake` says how.
        daemon: What the running one tells of itself, None if none runs; see `HostStatus`.
        adapter: Opens the radio of a name, the usual one for None; only called while no daemon
            runs.
        is_clock_set: Whether the system's clock is set by another one, None where that cannot be
            known.
        may_use: Whether a file or a device may be read and written.
        ports: Serial ports of boards that may be bands.
    """

    config: Config | None
    adapter: Callable[[str | None], BleAdapter]
    mistake: InputError | None = None
    daemon: Mapping[str, Any] | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    platform: str = sys.platform
    system_bus: Path = Path("/run/dbus/system_bus_socket")
    groups: Callable[[], frozenset[str]] = own_groups
    is_clock_set: Callable[[], bool | None] = is_clock_set
    utc_s: Callable[[], float] = time.time
    may_use: Callable[[Path], bool] = lambda path: os.access(path, os.R_OK | os.W_OK)
    ports: Callable[[], Sequence[str]] = board_ports

    @property
    def uses_bluetooth(self) -> bool:
        """Whether a wearable of the configuration is reached by Bluetooth."""
        return self.config is not None and any(
            LINKS[w.link].is_by_air for w in self.config.wearables
        )

    @property
    def adapters(self) -> tuple[str | None, ...]:
        """The names of the radios that wearables are reached by; None is the usual one."""
        wearables = () if self.config is None else self.config.wearables
        names = dict.fromkeys(w.adapter for w in wearables if LINKS[w.link].is_by_air)
        return tuple(names) or (None,)

    @property
    def uses_bluez(self) -> bool:
        """Whether one of the radios is the system's own on Linux."""
        usual = "default" if self.config is None else self.config.bluetooth.adapter
        own = any(radio_named(name or usual).is_system for name in self.adapters)
        return own and self.platform == "linux"
