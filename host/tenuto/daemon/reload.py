# SPDX-License-Identifier: MIT
"""What is different in a configuration that was read again.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenuto.config import Config, Wearable


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The differences, by what has to be done about them.

    Attributes:
        added, removed, changed: Wearables; `changed` in their new form.
        bridge: Whether MQTT has to be told anew.
        applied, restart: Words for a person, of what is applied without more ado, and of what holds
            only after a restart.
    """

    added: tuple[Wearable, ...]
    removed: tuple[str, ...]
    changed: tuple[Wearable, ...]
    bridge: bool
    applied: tuple[str, ...]
    restart: tuple[str, ...]

    def lines(self) -> list[str]:
        """Say it, one line for each."""
        said = [f"wearable {wearable.id!r} added" for wearable in self.added]
        said += [f"wearable {name!r} removed; what it plays goes on there" for name in self.removed]
        said += [f"wearable {wearable.id!r} changed" for wearable in self.changed]
        said += [f"{what} changed" for what in self.applied]
        said += [f"{what} changed: needs a restart" for what in self.restart]
        return said or ["nothing has changed"]


def changes(old: Config, new: Config) -> Changes:
    """Compare two configurations."""
    before = {wearable.id: wearable for wearable in old.wearables}
    after = {wearable.id: wearable for wearable in new.wearables}
    restart = []
    if old.bluetooth != new.bluetooth:
        restart.append("[bluetooth]")
    if old.history_path != new.history_path:
        restart.append("[history]")
    if old.mqtt != new.mqtt:
        # Other programs hold on to the broker that runs inside, and its port.
        restart.append("[mqtt]")
    if old.fleet != new.fleet:
        restart.append("[fleet]")
    if old.home_assistant != new.home_assistant:
        restart.append("[home_assistant]")
    applied = [
        name
        for name, one, other in (
            (
                "[routines]",
                (old.routines, old.routines_folder),
                (new.routines, new.routines_folder),
            ),
            ("[haptics]", old.haptics_file, new.haptics_file),
            ("[[person]]", old.people, new.people),
        )
        if one != other
    ]
    same = before.keys() & after.keys()
    changed = tuple(after[name] for name in after if name in same and before[name] != after[name])
    return Changes(
        added=tuple(wearable for name, wearable in after.items() if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=changed,
        bridge=before.keys() != after.keys() or _listeners(old) != _listeners(new),
        applied=tuple(applied),
        restart=tuple(restart),
    )


def _listeners(config: Config) -> set[str]:
    """Return the wearables whose heart rate goes out."""
    return {one.id for one in config.wearables if config.shares_heart_rate(one.person)}
