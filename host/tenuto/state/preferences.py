# SPDX-License-Identifier: MIT
"""What is set for each wearable besides the configuration.  Pure; `settings` keeps it on disk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tenuto.errors import InputError
from tenuto.routines.adjust import Adjustment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenuto.sessions.commands import Preference

_FIELDS = {
    "strength": ("strength_pct", int),
    "hold_time": ("hold_pct", int),
    "halfway": ("halfway", bool),
    "countdown": ("countdown", bool),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What holds for the next start on a wearable.

    Attributes:
        routine: What a bare `start` begins; None for what the configuration says.
        adjustment: What is done to it.
    """

    routine: str | None = None
    adjustment: Adjustment = field(default_factory=Adjustment)

    def having(self, preference: Preference) -> Preferences:
        """Return the same with one thing set.

        Raises:
            InputError: If it is unknown or out of range.
        """
        return self._having(preference.name, preference.value)

    def _having(self, name: str, value: object) -> Preferences:
        if name == "routine" and isinstance(value, str):
            return replace(self, routine=value)
        known, kind = _FIELDS.get(name, ("", object))
        if not known or type(value) is not kind:
            raise InputError(f"{name[:64]!r} cannot be set to that")
        changes: dict[str, Any] = {known: value}
        return replace(self, adjustment=replace(self.adjustment, **changes))

    def to_json(self) -> dict[str, Any]:
        """Return what differs from the defaults, as JSON."""
        values = {name: getattr(self.adjustment, known) for name, (known, _) in _FIELDS.items()}
        plain = Adjustment()
        changed = {
            name: value
            for name, value in values.items()
            if value != getattr(plain, _FIELDS[name][0])
        }
        return changed if self.routine is None else {"routine": self.routine} | changed

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Preferences:
        """Read what `to_json` gave; what is not understood is left out."""
        found = cls()
        for name, value in data.items():
            try:
                found = found._having(name, value)
            except InputError:
                continue
        return found
