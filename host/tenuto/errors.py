# SPDX-License-Identifier: MIT
"""What can go wrong, and whose fault it is.

::

    TenutoError            never raised itself
    ├── InputError         a file or an argument that a person can mend; exit code 2
    ├── LinkError          the wearable, the radio or the cable; `reason` says which
    ├── RefusedError       the wearable said no; `reason` is one of `tenuto_core.vocab.STATUSES`
    ├── StoreError         the history cannot be written or read
    └── ControlError       the daemon and a command beside it do not understand each other
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def one_line(error: object) -> str:
    """Return what an error of a library says, as one line; its type where it says nothing.

    Messages, logs and tables hold one line each, and libraries end theirs with a line break or put
    several lines into them, as BlueZ and OpenSSL do.
    """
    return " ".join(str(error).split()) or type(error).__name__


class TenutoError(Exception):
    """The base of every error that Tenuto raises on purpose; its text is fit for a person."""


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake in a file.

    Attributes:
        file: As the user named it.
        line: Counted from 1, 0 where no line can be named.
        text: What is wrong and what is allowed, with the place in words.
    """

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        """Return `file:line: text`, the form that editors turn into a link."""
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


MISTAKES_TOLD_MAX = 100


class InputError(TenutoError):
    """A file or an argument is wrong; `mistakes` has all that was found, in order of lines.

    Its text has the first `MISTAKES_TOLD_MAX`.
    """

    def __init__(self, mistakes: Sequence[Mistake] | str) -> None:
        self.mistakes: tuple[Mistake, ...] = () if isinstance(mistakes, str) else tuple(mistakes)
        if isinstance(mistakes, str):
            text = mistakes
        else:
            text = "\n".join(map(str, mistakes[:MISTAKES_TOLD_MAX]))
            if len(mistakes) > MISTAKES_TOLD_MAX:
                text += f"\nand {len(mistakes) - MISTAKES_TOLD_MAX} mistakes more"
        super().__init__(text)


class LinkReason(StrEnum):
    """Why a link failed, for code that acts on it."""

    NOT_FOUND = "not_found"
    """No such wearable is in reach."""
    NO_ADAPTER = "no_adapter"
    """The host has no usable Bluetooth adapter or serial port."""
    ADAPTER_OFF = "adapter_off"
    """There is an adapter, but it is switched off or blocked."""
    NO_SERVICE = "no_service"
    """The system's Bluetooth service, or the bus it is reached by, does not run."""
    PERMISSION = "permission"
    """This user may not use the adapter or the port."""
    BUSY = "busy"
    """Something else is under way on the adapter or the port; it passes."""
    FULL = "full"
    """The adapter carries as many links as it can."""
    HELD = "held"
    """Another host of the fleet is connected to it, or tries to."""
    LOST = "lost"
    """The link was there and is gone, or broke while it was made."""
    TIMEOUT = "timeout"
    """The other side did not answer in time."""
    NOT_PAIRED = "not_paired"
    """The wearable wants a bond that is missing."""
    BOND_LOST = "bond_lost"
    """One side has forgotten the bond that the other still has."""
    UNPROVEN = "unproven"
    """It has not proven to be the wearable that this computer knows; it was told nothing."""
    REFUSED = "refused"
    """The wearable, its wearer or the user here said no to the pairing."""
    PROTOCOL = "protocol"
    """The other side does not speak Tenuto's protocol, or not a version known here."""


UNTRUSTED = frozenset({LinkReason.BOND_LOST, LinkReason.UNPROVEN})
"""Reasons that may mean that the device is another one, and that a person has to look into."""


class LinkError(TenutoError):
    """A link to a wearable failed."""

    def __init__(self, reason: LinkReason, text: str) -> None:
        self.reason = reason
        super().__init__(text)


class RefusedError(TenutoError):
    """A wearable refused a request and changed nothing."""

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


class StoreError(TenutoError):
    """The history cannot be opened, read or written; `is_damage`: its file is broken."""

    def __init__(self, text: str, *, is_damage: bool = False) -> None:
        self.is_damage = is_damage
        super().__init__(text)


class ControlError(TenutoError):
    """The daemon of this user cannot be talked with, or said that it cannot do something."""
