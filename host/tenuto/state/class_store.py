# SPDX-License-Identifier: MIT
"""The class that goes on, in a small JSON file, so that it is there again after a restart.

Who wears what is not in it, and it is deleted when the class is over.
"""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tenuto.files import read_text, why_unread, write_private
from tenuto.sessions.events import SessionKey
from tenuto.sessions.unison import Member, Standing, Unison, check_unison
from tenuto_core.plan import Plan, PlanError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)

MEMBERS_MAX = 1024
NUMBER_MAX = 4_102_444_800_000
"""The beginning of the year 2100 in ms since 1970; a later moment has no place on a calendar."""
_KEPT = (
    *("first", "plan_id", "begins_utc_ms", "anchor_utc_ms", "own_pace", "was_reset"),
    *("has_old", "step", "step_ends_utc_ms", "paused_utc_ms", "reason", "problem", "unsure_ms"),
)
_NUMBERS = ("begins_utc_ms", "anchor_utc_ms", "step", "paused_utc_ms")
"""Of those, what may be None."""


_UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(OverflowError, RecursionError),  # of numbers that are too large, and of brackets
)


class ClassStore:
    """The file at `path`; what cannot be read or written is passed over, and logged."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(
        self,
        unison: Unison | None,
        plan: bytes = b"",
        sent: Collection[str] = (),
        stopping: Mapping[str, int] | None = None,
    ) -> None:
        """Keep a class in place of what was kept; None for none.

        Args:
            unison: The class.
            plan: The bytes of its plan.
            sent: Those that may have been set to begin, whatever they have answered.
            stopping: Those that are still to be stopped, and until when, in ms since 1970.
        """
        try:
            if unison is None:
                self._path.unlink(missing_ok=True)
                return
            data = {
                "plan": base64.b64encode(plan).decode(),
                "anchor_utc_ms": unison.anchor_utc_ms,
                "paused_utc_ms": unison.paused_utc_ms,
                "pauses": unison.pauses,
                "sent": sorted(sent),
                "is_stopped": unison.is_stopped,
                "stopping": dict(stopping or {}),
                "members": {one.wearable: _pack(one) for one in unison.members.values()},
            }
            write_private(self._path, json.dumps(data), to_disk=False)
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._path, error.strerror)

    def load(self) -> tuple[Unison, bytes, set[str], dict[str, int]] | None:
        """Return the class that was kept, as `save` got it; None for none."""
        try:
            data = json.loads(read_text(self._path))
            plan_bytes = base64.b64decode(data["plan"], validate=True)
            plan = Plan(plan_bytes)
            check_unison(plan)
            members = [_unpack(str(name), one) for name, one in data["members"].items()]
            if not 0 < len(members) <= MEMBERS_MAX or any(
                max(member.first, member.step or 0) >= plan.steps for member in members
            ):
                raise ValueError("its members are wrong")
            sent = {str(name) for name in data["sent"]}
            stopping = {str(name): _whole(until) for name, until in data["stopping"].items()}
            unison = Unison(
                plan,
                {member.wearable: member for member in members},
                _whole(data["anchor_utc_ms"]),
                _optional(data["paused_utc_ms"]),
                pauses=[(_whole(first), _whole(last)) for first, last in data["pauses"]],
                is_stopped=bool(data["is_stopped"]),
            )
        except FileNotFoundError:
            return None
        except _UNREADABLE as error:
            _log.warning("%s cannot be read: %s", self._path, why_unread(error))
            return None
        except PlanError as error:
            _log.warning("%s has no plan: %s", self._path, error)
            return None
        return unison, plan_bytes, sent, stopping


def _pack(member: Member) -> dict[str, Any]:
    packed = {name: getattr(member, name) for name in _KEPT}
    session = None if member.session is None else asdict(member.session)
    return packed | {"standing": member.standing.value, "session": session}


def _unpack(wearable: str, data: dict[str, Any]) -> Member:
    session = data["session"]
    member = Member(wearable, None, Standing(data["standing"]))
    for name in _KEPT:
        kind = type(getattr(member, name))
        read = _optional if name in _NUMBERS else _whole if kind is int else kind
        setattr(member, name, read(data[name]))
    if session is not None:
        member.session = SessionKey(
            str(session["device"]), int(session["boot_id"]), int(session["seq"])
        )
    return member


def _optional(value: Any) -> int | None:  # noqa: ANN401 - from a file
    return None if value is None else _whole(value)


def _whole(value: Any) -> int:  # noqa: ANN401 - from a file
    number = int(value)
    if not 0 <= number <= NUMBER_MAX:
        raise ValueError("a number is out of range")
    return number
