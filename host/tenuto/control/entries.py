# SPDX-License-Identifier: MIT
"""Entries as JSON, for another process that shows them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from tenuto.errors import ControlError
from tenuto.routines import plan_bytes
from tenuto.sessions import events
from tenuto.sessions.events import Entry, Record, SessionKey, SessionStarted
from tenuto_core.plan import PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """Return the JSON object of an entry, with the plan if it begins a session."""
    event = entry.event
    plan = event.plan if isinstance(event, SessionStarted) else None
    return {
        "session": asdict(entry.session),
        "wearable": entry.wearable,
        "person": entry.person,
        "event": events.to_json(event),
        "seq": event.seq,
        "plan": None if plan is None else b64encode(bytes(plan.data)).decode(),
        "utc_ms": entry.utc_ms,
        "record": None if entry.record is None else asdict(entry.record),
        "replayed": entry.replayed,
        "uncertainty_ms": entry.uncertainty_ms,
        "is_simulated": entry.is_simulated,
    }


def entry_from_json(data: Mapping[str, Any]) -> Entry:
    """Make the entry again.

    Raises:
        ControlError: It is none; the daemon may be of another version.
    """
    try:
        event = replace(events.from_json(data["event"]), seq=data["seq"])
        if isinstance(event, SessionStarted) and data["plan"] is not None:
            plan = plan_bytes.read(event.plan_id, b64decode(data["plan"]))
            event = replace(event, plan=plan)
        record = data["record"]
        return Entry(
            SessionKey(**data["session"]),
            data["wearable"],
            data["person"],
            event,
            int(data["utc_ms"]),
            None if record is None else Record(**record),
            replayed=bool(data["replayed"]),
            uncertainty_ms=data["uncertainty_ms"],
            is_simulated=bool(data["is_simulated"]),
        )
    except (KeyError, TypeError, ValueError, PlanError) as error:
        raise ControlError(
            "the daemon tells of something that is not known here; restart it after an update"
        ) from error
