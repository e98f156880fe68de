# SPDX-License-Identifier: MIT
"""The history: every session with every record that the wearable logged."""

from __future__ import annotations

from .store import (
    LINGER_S,
    ExerciseNote,
    HistorySink,
    HostEvent,
    SessionRow,
    Store,
    StoredRecord,
    StoredSession,
    Waiting,
)
from .summary import Summary, replay, summarize

__all__ = [
    "LINGER_S",
    "ExerciseNote",
    "HistorySink",
    "HostEvent",
    "SessionRow",
    "Store",
    "StoredRecord",
    "StoredSession",
    "Summary",
    "Waiting",
    "replay",
    "summarize",
]
