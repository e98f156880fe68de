# SPDX-License-Identifier: MIT
"""The history: every session with every record that the wearable logged."""

from __future__ import annotations

from .rows import ExerciseNote, HostEvent, SessionRow, StoredRecord, StoredSession, Waiting
from .store import LINGER_S, HistorySink, Store
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
